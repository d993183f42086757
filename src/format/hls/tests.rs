//! Ten minutes of streams with faults, looked at after each frame.

use super::checker::{self, Checker};
use super::{Asked, Frame, Grid, Object, Other, Playlist, Rendition, Timeline, delta};
use crate::media::{Timestamp, WallTime};
use std::collections::BTreeMap;
use std::time::Duration;

const SECOND: i64 = 1_000_000;
/// Frames that are kept before older ones are gone, in microseconds.
const KEPT: i64 = 60 * SECOND;

fn grid() -> Grid {
    Grid::new(Duration::from_secs(2), Duration::from_millis(200))
}

/// A source: frames of this length, with a keyframe every so many.
#[derive(Clone, Copy)]
struct Source {
    frame: i64,
    gop: u64,
    /// Its frames come early or late by as much.
    jitter: i64,
    /// As is declared.
    declared: i64,
}

const CAMERA: Source = Source { frame: 33_333, gop: 30, jitter: 0, declared: 33_333 };

/// What happens at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Nothing comes for so many microseconds.
    Pause(i64),
    /// The size changes.
    Init,
    /// One frame is lost.
    Lost,
    /// The rest of the group of pictures is lost.
    LostGroup,
}

impl Source {
    /// Its frames of so many microseconds, pauses not counted.
    fn frames(self, from: i64, length: i64, fault: impl Fn(u64) -> Fault) -> Vec<Frame> {
        let (mut frames, mut at, mut breaks, mut init, mut random, mut since_key) = (Vec::new(), from, 0, 1, 1u64, 0);
        let mut skipping = false;
        for n in 0.. {
            if n as i64 * self.frame >= length {
                break;
            }
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let jitter = if self.jitter == 0 { 0 } else { (random >> 33) as i64 % (2 * self.jitter) - self.jitter };
            let mut lost = false;
            match fault(n) {
                Fault::Pause(time) => (at, breaks, since_key) = (at + time, breaks + 1, 0),
                Fault::Init => (init, breaks, since_key) = (init + 1, breaks + 1, 0),
                Fault::Lost => lost = true,
                Fault::LostGroup => skipping = true,
                Fault::None => {}
            }
            let key = since_key % self.gop == 0;
            skipping &= !key;
            since_key += 1;
            if !lost && !skipping {
                let captured = Some(WallTime(1_700_000_000 * SECOND + at));
                let (start, duration) = (Timestamp(at + jitter), Duration::from_micros(self.declared as u64));
                frames.push(Frame { number: n, start, duration, frames: 1, key, captured, size: 1000, breaks, init });
            }
            at += self.frame;
        }
        frames
    }
}

/// What a server has said and given.
#[derive(Default)]
struct Seen {
    checker: Checker,
    objects: BTreeMap<String, (u64, u64)>,
    numbers: BTreeMap<u64, String>,
    independent: bool,
    last: String,
}

fn listed(timeline: &mut Timeline, window: u64, skip: bool) -> String {
    let target = timeline.target();
    timeline.playlist(&Playlist {
        rendition: Rendition::Video,
        window: Duration::from_secs(window),
        skip,
        parts: true,
        target,
        others: &[],
    })
}

fn object(uri: &str) -> Object {
    match super::Name::parse(uri) {
        Some(super::Name::Media(Rendition::Video, object)) => object,
        other => panic!("{uri}: {other:?}"),
    }
}

/// A server that gets these frames, judged after each of them.
fn serve(frames: &[Frame], grid: Grid, window: u64) -> Seen {
    let mut timeline = Timeline::new(grid);
    let mut seen = Seen { independent: true, ..Seen::default() };
    let mut hinted = None;
    for (index, frame) in frames.iter().enumerate() {
        let news = timeline.push(frame);
        let gone = frames[..index].iter().rposition(|old| frame.start.0 - old.start.0 > KEPT).map_or(0, |at| frames[at].number + 1);
        timeline.forget(gone);
        if !timeline.has_segment() || !(news || index % 16 == 0) {
            continue;
        }
        look(&mut timeline, &mut seen, window, &mut hinted);
    }
    timeline.end();
    let text = listed(&mut timeline, window, false);
    assert!(seen.checker.next(&text).unwrap().ended, "{text}");
    seen
}

fn look(timeline: &mut Timeline, seen: &mut Seen, window: u64, hinted: &mut Option<String>) {
    let text = listed(timeline, window, false);
    let read = seen.checker.next(&text).unwrap_or_else(|error| panic!("{error}")).clone();
    seen.independent &= text.contains("#EXT-X-INDEPENDENT-SEGMENTS");
    // A delta update means the same.
    let update = listed(timeline, window, true);
    let newest_before = checker::read(&seen.last).ok().and_then(|before| before.newest());
    // After an hour nothing of before is left.
    let lost = newest_before.is_none_or(|(number, _)| number < read.sequence);
    if !lost {
        assert_eq!(delta(&seen.last, &update).as_deref(), Some(&*text), "before:\n{}\nupdate:\n{update}", seen.last);
    }
    // What is listed can be had, and what is hinted will be.
    for (number, segment) in (read.sequence..).zip(&read.segments).filter(|(_, segment)| !segment.gap) {
        for uri in segment.parts.iter().map(|part| &part.0).chain(&segment.uri) {
            let Asked::Ready(range) = timeline.find(&object(uri)) else { panic!("{uri}\n{text}") };
            let known = *seen.objects.entry(uri.clone()).or_insert((range.first, range.last));
            assert_eq!(known, (range.first, range.last), "{uri}");
        }
        if let Some(uri) = &segment.uri {
            assert_eq!(seen.numbers.entry(number).or_insert_with(|| uri.clone()), uri);
        }
    }
    let hint = read.hint.clone().unwrap();
    assert_eq!(timeline.find(&object(&hint)), Asked::Wait, "{text}");
    if let Some(before) = hinted.replace(hint.clone()).filter(|before| *before != hint) {
        assert!(lost || matches!(timeline.find(&object(&before)), Asked::Ready(_)), "{before} was hinted\n{text}");
    }
    // What is blocked for: nothing that is there, and all that comes next.
    if let Some((number, part)) = read.newest() {
        assert_eq!(timeline.has(number, Some(part)), Asked::Ready(()));
        if read.segments.last().is_some_and(|last| !last.gap) {
            assert_eq!(timeline.has(number, Some(part + 1)), Asked::Wait, "{number}.{part}\n{text}");
            assert_eq!(timeline.has(number + 4, None), Asked::None);
        }
    }
    assert_eq!(timeline.has(u64::MAX, Some(u64::MAX)), Asked::None);
    assert_eq!(timeline.has(read.sequence, None), if read.segments[0].uri.is_some() { Asked::Ready(()) } else { Asked::Wait });
    seen.last = text;
}

fn faults(n: u64) -> Fault {
    match n {
        1000 => Fault::Pause(10 * SECOND),
        2500 => Fault::Init,
        2510 => Fault::Init,
        4000 | 4444 | 5001 => Fault::Lost,
        6007 => Fault::LostGroup,
        7000 => Fault::Pause(1_500_000),
        9000 => Fault::Pause(3600 * SECOND),
        12_000 => Fault::Pause(2_100_000),
        _ => Fault::None,
    }
}

#[test]
fn ten_minutes_with_faults() {
    for from in [0, 123_456, 1_000_000] {
        let seen = serve(&CAMERA.frames(from, 600 * SECOND, faults), grid(), 40);
        assert!(seen.independent, "keyframes are closer than a segment");
        assert!(seen.checker.judged.0 > 100_000 && seen.checker.judged.1 > 10_000, "{:?}", seen.checker.judged);
    }
}

#[test]
fn frame_rates() {
    for (frame, gop) in [
        (41_708, 24),
        (40_000, 50),
        (33_367, 60),
        (20_000, 100),
        (16_683, 60),
        (66_667, 15),
        (100_000, 10),
        (80_000, 12),
        (1_000_000, 2),
        (21_333, 1),
        (23_220, 1),
    ] {
        let source = Source { frame, gop, declared: frame, jitter: 0 };
        serve(&source.frames(500_000, 200 * SECOND, |n| if n == 1700 { Fault::Pause(10 * SECOND) } else { Fault::None }), grid(), 12);
    }
}

#[test]
fn cameras_that_shake_and_lie() {
    for (jitter, declared) in [(0, 100_000), (3_000, 40_000), (3_000, 100_000)] {
        let source = Source { frame: 40_000, gop: 25, jitter, declared };
        serve(&source.frames(0, 600 * SECOND, |n| if n == 3000 { Fault::Pause(10 * SECOND) } else { Fault::None }), grid(), 12);
    }
}

#[test]
fn keyframes_farther_apart_than_a_segment() {
    for gop in [61, 75, 120, 250, 3000] {
        let seen = serve(&Source { gop, ..CAMERA }.frames(300_000, 300 * SECOND, |_| Fault::None), grid(), 40);
        assert!(!seen.independent, "{gop}");
    }
    for gop in [7, 30, 45, 60] {
        assert!(serve(&Source { gop, ..CAMERA }.frames(300_000, 300 * SECOND, |_| Fault::None), grid(), 40).independent, "{gop}");
    }
}

/// Another server that joins later, and one that was restarted.
#[test]
fn two_servers_say_the_same() {
    for (source, fault) in [
        (CAMERA, faults as fn(u64) -> Fault),
        (Source { gop: 45, jitter: 2_000, ..CAMERA }, |_| Fault::None),
        (Source { gop: 120, ..CAMERA }, |_| Fault::None),
    ] {
        let frames = source.frames(0, 300 * SECOND, fault);
        let time_zero = Some(WallTime(1_700_000_000 * SECOND));
        let first = serve(&frames, grid().since(time_zero), 12);
        for from in [1, 29, 44, 100, 777, 3001] {
            let second = serve(&frames[from..], grid().since(time_zero), 12);
            let mut same = 0;
            for (uri, range) in &second.objects {
                if let Some(known) = first.objects.get(uri) {
                    assert_eq!(known, range, "{uri}");
                    same += 1;
                }
            }
            assert!(same * 100 > second.objects.len() * 95, "{same} of {}", second.objects.len());
            let differ: Vec<_> = second.numbers.iter().filter(|(number, uri)| first.numbers.get(number) != Some(*uri)).collect();
            assert!(differ.len() <= 3, "{from}: {differ:?}");
        }
    }
}

#[test]
fn a_restart_of_everything_goes_on_counting() {
    let zero = |seconds: i64| grid().since(Some(WallTime((1_700_000_000 + seconds) * SECOND)));
    let before = serve(&CAMERA.frames(0, 20 * SECOND, |_| Fault::None), zero(0), 12);
    let after = serve(&CAMERA.frames(0, 20 * SECOND, |_| Fault::None), zero(25), 12);
    assert!(before.numbers.keys().next_back() < after.numbers.keys().next());
    assert!(before.objects.keys().all(|uri| !after.objects.contains_key(uri)));
}

#[test]
fn time_that_goes_back_and_wild_times_break_nothing() {
    let mut timeline = Timeline::new(grid());
    let frame = CAMERA.frames(0, 1, |_| Fault::None)[0];
    let times = [0, 40_000, 100 * SECOND, 5 * SECOND, i64::MAX, i64::MIN, 0, 7 * SECOND];
    for (number, (index, start)) in times.iter().cycle().take(400).enumerate().zip(0u64..).map(|((i, t), n)| (n, (i, *t))) {
        timeline.push(&Frame { number, start: Timestamp(start), breaks: index as u64, init: number % 3, ..frame });
        timeline.forget(number.saturating_sub(20));
        checker::read(&listed(&mut timeline, 12, false)).unwrap();
        assert!(timeline.segments.len() < 100);
    }
}

#[test]
fn a_report_is_about_the_other_rendition() {
    let mut timeline = Timeline::new(grid());
    CAMERA.frames(0, 5 * SECOND, |_| Fault::None).iter().for_each(|frame| _ = timeline.push(frame));
    let others = [Other { rendition: Rendition::Audio, newest: (7, 3) }];
    let options = Playlist {
        rendition: Rendition::Video,
        window: Duration::from_secs(12),
        skip: false,
        parts: true,
        target: 300_000,
        others: &others,
    };
    let text = timeline.playlist(&options);
    assert_eq!(checker::read(&text).unwrap().reports, [("audio.m3u8".into(), 7, 2)]);
    assert!(text.contains("PART-HOLD-BACK=0.900000"), "three times the longest of all\n{text}");
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let mut timeline = Timeline::new(grid());
    CAMERA.frames(0, 9 * SECOND, |_| Fault::None).iter().for_each(|frame| _ = timeline.push(frame));
    let text = listed(&mut timeline, 12, false);
    let first = |from: &str, to: &str| text.replacen(from, to, 1);
    for (wrong, why) in [
        (first("DURATION=0.19", "DURATION=0.29"), "longer than the part target"),
        (first("DURATION=0.19", "DURATION=0.10"), "85 %"),
        (first("EXTINF:1.", "EXTINF:4."), "target duration"),
        (first("EXTINF:1.", "EXTINF:0."), "the parts of segment"),
        (first("#EXT-X-MAP", "#EXT-X-NAP"), "wrong line"),
        (first("#EXTM3U", "#EXTM4U"), "no playlist"),
    ] {
        assert_ne!(wrong, text, "{why}\n{text}");
        let error = Checker::default().next(&wrong).unwrap_err();
        assert!(error.contains(why), "{why}: {error}");
    }
    for (from, to, why) in [
        ("MEDIA-SEQUENCE:0", "MEDIA-SEQUENCE:1", "numbers go back"),
        ("TARGETDURATION:3", "TARGETDURATION:4", "targets"),
        ("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"v", "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"w", "was hinted"),
    ] {
        let mut checker = Checker::default();
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text, "{from}\n{text}");
        checker.next(&other).unwrap();
        assert!(checker.next(&text).unwrap_err().contains(why), "{why}");
    }
}
