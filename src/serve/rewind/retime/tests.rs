//! What is written of fragments of the past.

use super::*;
use crate::format::bmff::{Fragment, Sample};
use crate::media::{Codec, Header, Track, VideoParams};

const AVCC: &[u8] = b"\x01\x42\xc0\x1e\xff\xe1\x00\x19\x67\x42\xc0\x1e\xda\x02\x80\xbf\xe5\xc0\x44\x00\x00\x03\x00\x04\x00\x00\x03\x00\xf2\x3c\x58\xba\x80\x01\x00\x04\x68\xce\x0f\xc8";
const ZERO: WallTime = WallTime(1_795_717_200_000_000);
const FRAME: i64 = 40_000;

fn init() -> Bytes {
    let track = Track { config: Bytes::from_static(AVCC), ..Track::video(Codec::H264, VideoParams::new(640, 360)) };
    bmff::init(&Header { tracks: [track].into(), time_zero: None }).unwrap().bytes
}

/// The picture that is decoded as number `n`, and shown so many later than it is decoded.
fn fragment(init: &Bytes, zero: WallTime, n: i64, later: i64, key: bool) -> RecordedFragment {
    fragment_of(init, zero, n * FRAME, later, key)
}

/// One that is decoded at this time.
fn fragment_at(init: &Bytes, time: i64, key: bool) -> RecordedFragment {
    fragment_of(init, ZERO, time, 0, key)
}

fn fragment_of(init: &Bytes, zero: WallTime, time: i64, later: i64, key: bool) -> RecordedFragment {
    let origin = FragmentReader::new(init).unwrap().main().unwrap().origin;
    let samples = [Sample { size: 1, duration: FRAME as u32, composition_offset: (later * FRAME) as i32, key }];
    let decode_time = (time + origin) as u64;
    let head = Fragment { sequence: 1, track_id: 1, decode_time, samples: &samples, producer_time: None }.head(&mut BytesMut::new());
    RecordedFragment { init: init.clone(), zero, bytes: [&head[..], b"x"].concat().into() }
}

type Told = (i64, i64, Option<(i64, i64)>);

/// What is written of pictures: when each is decoded and how long it is, and for those that are shown the moment, from `ZERO` on, and the media time.
fn written(retimer: &mut Retimer, fragments: &[RecordedFragment]) -> (Vec<Line>, Vec<Told>) {
    let mut out = Vec::new();
    fragments.iter().for_each(|fragment| retimer.fragment(fragment, &mut out).unwrap());
    retimer.flush(&mut out);
    let lines = out.iter().filter_map(|output| if let Output::Line(line, _) = output { Some(*line) } else { None }).collect();
    let frames = out.iter().filter_map(|output| if let Output::Frame(frame) = output { Some(frame) } else { None });
    let told = frames.map(|f| (f.decoded, f.end - f.decoded, f.shown.map(|(wall, media)| (wall.0 - ZERO.0, media))));
    (lines, told.collect())
}

#[test]
fn what_is_before_the_moment_takes_a_tick_each() {
    let init = init();
    let all: Vec<_> = (0..6).map(|n| fragment(&init, ZERO, n, 0, n == 0)).collect();
    let (lines, told) = written(&mut Retimer::new(String::new(), WallTime(ZERO.0 + 3 * FRAME + 5), 1_000_000, 0.5), &all);
    let shown = |n: i64| (1_000_003 + (n - 3) * 2 * FRAME, 2 * FRAME, Some((n * FRAME, 1_000_003 + (n - 3) * 2 * FRAME)));
    assert_eq!(told, [(1_000_000, 1, None), (1_000_001, 1, None), (1_000_002, 1, None), shown(3), shown(4), shown(5)]);
    assert_eq!(lines, [Line { wall: WallTime(ZERO.0 + 3 * FRAME), media: 1_000_003, speed: 0.5 }]);
}

/// A live stream's durations are guesses; by the moments of the pictures it is known which is shown at a time.
#[test]
fn durations_that_are_wrong() {
    let init = init();
    let all: Vec<_> = [0i64, 1, 4, 5, 9].iter().map(|n| fragment(&init, ZERO, *n, 0, *n == 0)).collect();
    for (target, first) in [(3 * FRAME, 1), (4 * FRAME - 5, 1), (4 * FRAME, 4), (8 * FRAME, 5), (9 * FRAME + 5, 9)] {
        let (lines, told) = written(&mut Retimer::new(String::new(), WallTime(ZERO.0 + target), 0, 1.0), &all);
        let shown: Vec<i64> = told.iter().filter_map(|(.., shown)| shown.map(|(wall, _)| wall)).collect();
        let wanted: Vec<i64> = [0, 1, 4, 5, 9].into_iter().filter(|n| *n >= first).map(|n| n * FRAME).collect();
        assert_eq!(shown, wanted, "{target}");
        assert_eq!(lines[0].wall, WallTime(ZERO.0 + first * FRAME), "{target}");
    }
    // Shorter than they say.
    let all: Vec<_> = (0..4).map(|n| fragment_at(&init, n * FRAME / 4, n == 0)).collect();
    let (lines, _) = written(&mut Retimer::new(String::new(), WallTime(ZERO.0 + FRAME / 2 + 5), 0, 1.0), &all);
    assert_eq!(lines[0].wall, WallTime(ZERO.0 + FRAME / 2));
}

/// I P B B P B B: a P is decoded before the moment and shown behind it.
#[test]
fn pictures_in_another_order() {
    let init = init();
    let all: Vec<_> = [1, 3, 0, 0, 3, 0, 0].iter().enumerate().map(|(n, later)| fragment(&init, ZERO, n as i64, *later, n == 0)).collect();
    let (_, told) = written(&mut Retimer::new(String::new(), WallTime(ZERO.0 + 3 * FRAME + 5), 1_000_000, 1.0), &all);
    assert!(told.windows(2).all(|two| two[0].0 + two[0].1 == two[1].0), "{told:?}");
    let mut shown: Vec<_> = told.iter().filter_map(|(.., shown)| *shown).collect();
    shown.sort_unstable();
    assert_eq!(shown.iter().map(|(wall, _)| wall / FRAME).collect::<Vec<_>>(), [3, 4, 5, 6, 7], "in the order in which they are shown");
    // All are as far apart as they were, to some ticks.
    assert!(shown.windows(2).all(|two| ((two[1].1 - two[0].1) - (two[1].0 - two[0].0)).abs() <= 5), "{shown:?}");
}

#[test]
fn a_gap_is_jumped_over() {
    let init = init();
    let late = WallTime(ZERO.0 + 3_600_000_000);
    let mut all: Vec<_> = (0..3).map(|n| fragment(&init, ZERO, n, 0, n == 0)).collect();
    all.extend((0..3).map(|n| fragment(&init, late, n, 0, n == 0)));
    let (lines, told) = written(&mut Retimer::new(String::new(), ZERO, 0, 1.0), &all);
    assert!(told.iter().enumerate().all(|(n, (decoded, length, _))| (*decoded, *length) == (n as i64 * FRAME, FRAME)), "{told:?}");
    assert_eq!(lines.iter().map(|line| (line.wall, line.media)).collect::<Vec<_>>(), [(ZERO, 0), (late, 3 * FRAME)]);
}

#[test]
fn backwards_and_fast_there_are_keyframes_alone() {
    let init = init();
    for (speed, numbers) in [(-2.0, [50, 25, 0]), (8.0, [0, 25, 50])] {
        let all: Vec<_> = numbers.map(|n| fragment(&init, ZERO, n, 0, true)).into();
        let mut retimer = Retimer::new(String::new(), WallTime(ZERO.0 + numbers[0] * FRAME), 0, speed);
        let (_, told) = written(&mut retimer, &all);
        let step = (25 * FRAME) as f64 / f64::abs(speed);
        assert_eq!(told.iter().map(|(decoded, ..)| *decoded).collect::<Vec<_>>(), [0, step as i64, 2 * step as i64]);
        assert!(retimer.keys_only());
    }
}

#[test]
fn what_is_damaged_is_refused() {
    let init = init();
    let good = fragment(&init, ZERO, 0, 0, true);
    let mut out = Vec::new();
    for cut in 0..good.bytes.len() {
        let mut retimer = Retimer::new(String::new(), ZERO, 0, 1.0);
        _ = retimer.fragment(&RecordedFragment { bytes: good.bytes.slice(..cut), ..good.clone() }, &mut out);
        _ = retimer.fragment(&RecordedFragment { init: init.slice(..cut.min(init.len())), ..good.clone() }, &mut out);
    }
    let refused = Retimer::new("mp4a".into(), ZERO, 0, 1.0).fragment(&good, &mut out);
    assert!(matches!(refused, Err(Unplayable::Codecs(_))));
}
