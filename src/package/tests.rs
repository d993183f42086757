//! Streams into stores that fail and come back, looked at after each file.

use super::file::named;
use super::*;
use crate::codec::h264::AvcC;
use crate::codec::opus::{self, OpusHead};
use crate::format::bmff::{self, Chunk, Init, Sample};
use crate::format::hls::checker::Checker;
use crate::format::hls::{Name, Rendition};
use crate::media::{Codec, Header, Kind, Rate, Timestamp, Track, Vectored, VideoParams, WallTime};
use bytes::{Bytes, BytesMut};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SPS: &[u8] = b"\x67\x42\xc0\x1e\xda\x02\x80\xbf\xe5\xc0\x44\x00\x00\x03\x00\x04\x00\x00\x03\x00\xf2\x3c\x58\xba\x80";
const BEGAN: i64 = 1_700_000_000_000_000;

/// Pictures of 25 a second with a keyframe each second, and sound.
fn init(width: u32) -> Init {
    let mut video = Track::video(Codec::H264, VideoParams { rate: Rate::new(25, 1), ..VideoParams::new(width, 360) });
    video.config = AvcC::build(&[SPS], &[b"\x68\xce\x0f\xc8"]);
    let audio = opus::track(OpusHead::new(2, 312, 48_000).build()).unwrap();
    bmff::init(&Header { tracks: [video, audio].into(), time_zero: None }).unwrap()
}

/// The number of the picture is in its bytes.
fn chunk(kind: Kind, number: u64, millis: i64) -> Chunk {
    let (track, key, scale) = if kind == Kind::Video { (1, number.is_multiple_of(25), 1000) } else { (2, true, 48) };
    let data: Bytes = [&number.to_be_bytes()[..], &[7; 92]].concat().into();
    let length = if kind == Kind::Video { 40 } else { 20 };
    let sample = Sample { size: data.len() as u32, duration: length as u32 * scale as u32, composition_offset: 0, key };
    let time = (millis * scale) as u64;
    let fragment = bmff::Fragment { sequence: 1, track_id: track, decode_time: time, samples: &[sample], producer_time: None };
    Chunk {
        head: fragment.head(&mut BytesMut::new()),
        data: vec![data],
        track: Some(track),
        kind,
        key,
        start: Timestamp(millis * 1000),
        duration: Duration::from_millis(length),
        frames: 1,
        captured: (kind == Kind::Video).then_some(WallTime(BEGAN + millis * 1000)),
    }
}

/// So many seconds of both, from a picture on, with this much time before it.
fn seconds(from: u64, seconds: u64, pause: i64) -> Vec<Chunk> {
    let picture = |number: u64| {
        let at = number as i64 * 40 + pause;
        let sound = [0, 20].map(|more| chunk(Kind::Audio, 0, at + more));
        [vec![chunk(Kind::Video, number, at)], sound.into()].concat()
    };
    (25 * from..25 * (from + seconds)).flat_map(picture).collect()
}

fn bytes(chunk: &Chunk) -> Vec<u8> {
    chunk.buffers().flat_map(|buffer| buffer.to_vec()).collect()
}

/// What has been put, judged at each file.
#[derive(Default)]
struct Shelf {
    files: BTreeMap<String, File>,
    checkers: BTreeMap<String, Checker>,
    most: usize,
    may_be_away: bool,
}

impl Shelf {
    fn put(&mut self, file: &File) -> Result<(), String> {
        let name = file.name.to_string();
        match file.name {
            Name::Playlist(_) => {
                if let Some(missing) = named(file.text()).find(|named| !self.files.contains_key(&named.to_string())) {
                    return Err(format!("{name} names {missing}, which is not there:\n{}", file.text()));
                }
                let checker = self.checkers.entry(name.clone()).or_default();
                checker.may_be_away = self.may_be_away;
                checker.next(file.text())?;
                if file.text().contains("GAP") && named(file.text()).count() < 2 {
                    return Err(format!("nothing but gaps:\n{}", file.text()));
                }
            }
            Name::Multivariant => {
                let lists = file.text().lines().filter(|line| !line.starts_with('#'));
                if let Some(missing) = lists.chain(["audio.m3u8"]).find(|list| !self.files.contains_key(*list)) {
                    return Err(format!("index.m3u8 names {missing}, which is not there"));
                }
            }
            _ => {}
        }
        self.files.insert(name, file.clone());
        self.most = self.most.max(self.files.len());
        Ok(())
    }

    fn remove(&mut self, name: &Name) -> Result<(), String> {
        let lists = self.files.values().filter(|file| matches!(file.name, Name::Playlist(_)));
        if lists.flat_map(|list| named(list.text())).any(|named| named == *name) {
            return Err(format!("{name} is removed, and still named"));
        }
        self.files.remove(&name.to_string()).map(|_| ()).ok_or_else(|| format!("{name} is not there"))
    }

    fn apply(&mut self, operations: Vec<Operation>) {
        for operation in operations {
            match operation {
                Operation::Put(file) => self.put(&file).unwrap(),
                Operation::Remove(name) => self.remove(&name).unwrap(),
                Operation::Sweep => {}
            }
        }
    }

    fn text(&self, name: &str) -> &str {
        self.files[name].text()
    }
}

#[test]
fn two_minutes_with_a_break_and_another_size() {
    let mut packager = Packager::new(PackageOptions::default());
    let mut shelf = Shelf::default();
    let stream = [seconds(0, 60, 0), seconds(60, 30, 7000)].concat();
    shelf.apply(packager.init(init(640)));
    for chunk in &stream {
        shelf.apply(packager.chunk(chunk.clone()));
    }
    let first: Vec<_> = shelf.files.keys().filter(|name| name.ends_with(".mp4")).cloned().collect();
    assert_eq!(first.len(), 2, "{first:?}");
    shelf.apply(packager.init(init(320)));
    let more = seconds(90, 60, 7000);
    for chunk in &more {
        shelf.apply(packager.chunk(chunk.clone()));
    }
    shelf.apply(packager.end());
    assert!(shelf.text("video.m3u8").ends_with("#EXT-X-ENDLIST\n") && shelf.text("audio.m3u8").ends_with("#EXT-X-ENDLIST\n"));
    assert!(shelf.text("index.m3u8").contains("RESOLUTION=320x360"), "{}", shelf.text("index.m3u8"));
    // Twice the window and some more, of two renditions.
    assert!(shelf.most < 50, "{} files", shelf.most);
    assert!(!shelf.files.contains_key(&first[1]), "the init segment that nothing needs any more is gone");
    // The newest segments are the newest frames.
    let listed: Vec<u8> = named(shelf.text("video.m3u8"))
        .filter(|name| matches!(name, Name::Media(..)))
        .flat_map(|name| shelf.files[&name.to_string()].pieces.concat())
        .collect();
    let all: Vec<u8> = more.iter().filter(|chunk| chunk.kind == Kind::Video).flat_map(bytes).collect();
    assert!(listed.len() > 10_000 && all.ends_with(&listed));
    let judged: usize = shelf.checkers.values().map(|checker| checker.judged.1).sum();
    assert!(judged > 500, "{judged}");
}

#[test]
fn a_recording_is_kept_as_a_whole() {
    let mut packager = Packager::new(PackageOptions { window: None, ..PackageOptions::default() });
    let mut shelf = Shelf::default();
    shelf.apply(packager.init(init(640)));
    let stream = seconds(0, 61, 0);
    for chunk in &stream {
        shelf.apply(packager.chunk(chunk.clone()));
        assert!(!shelf.files.contains_key("video.m3u8"), "at the end");
    }
    shelf.apply(packager.end());
    let names = named(shelf.text("video.m3u8")).filter(|name| matches!(name, Name::Media(..)));
    let listed: Vec<u8> = names.flat_map(|name| shelf.files[&name.to_string()].pieces.concat()).collect();
    assert!(listed == stream.iter().filter(|chunk| chunk.kind == Kind::Video).flat_map(bytes).collect::<Vec<u8>>());
}

#[test]
fn another_run_follows() {
    let list = "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:9000000000\n#EXTINF:2,\na.m4s\n#EXTINF:2,\nb.m4s\n";
    let mut packager = Packager::new(PackageOptions::default());
    packager.follow(Rendition::Video, list);
    packager.follow(Rendition::Audio, "#EXT-X-MEDIA-SEQUENCE:18446744073709551615\na\nb\n");
    let mut shelf = Shelf::default();
    shelf.apply(packager.init(init(640)));
    seconds(0, 5, 0).into_iter().for_each(|chunk| shelf.apply(packager.chunk(chunk)));
    assert!(shelf.text("video.m3u8").contains("SEQUENCE:9000000002\n"), "{}", shelf.text("video.m3u8"));
    assert!(shelf.text("audio.m3u8").contains("SEQUENCE:850000000\n"), "{}", shelf.text("audio.m3u8"));
}

#[test]
fn another_run_follows_where_it_is_not_known_when_time_zero_was() {
    let unknown = || seconds(0, 20, 0).into_iter().map(|chunk| Chunk { captured: None, ..chunk });
    let mut shelf = Shelf::default();
    let run = |shelf: &mut Shelf| {
        let mut packager = Packager::new(PackageOptions::default());
        for rendition in [Rendition::Video, Rendition::Audio] {
            let left = shelf.files.get(&Name::Playlist(rendition).to_string()).map(|file| file.text().to_owned());
            left.iter().for_each(|playlist| packager.follow(rendition, playlist));
        }
        shelf.apply(packager.init(init(640)));
        unknown().for_each(|chunk| shelf.apply(packager.chunk(chunk)));
    };
    run(&mut shelf);
    assert!(shelf.text("video.m3u8").contains("DISCONTINUITY-SEQUENCE:0\n"), "{}", shelf.text("video.m3u8"));
    // The checker goes on: numbers do not go back, and none stands for another segment.
    run(&mut shelf);
    run(&mut shelf);
    assert!(shelf.text("video.m3u8").contains("DISCONTINUITY-SEQUENCE:2\n"), "{}", shelf.text("video.m3u8"));
    assert!(shelf.text("audio.m3u8").contains("DISCONTINUITY-SEQUENCE:2\n"), "{}", shelf.text("audio.m3u8"));
}

/// A store that can be switched off.
#[derive(Clone, Default)]
struct Fake {
    shelf: Arc<Mutex<Shelf>>,
    off: Arc<AtomicBool>,
    wrong: Arc<Mutex<Option<String>>>,
    /// It has no list of its files; that is what is known of them.
    earlier: Option<Vec<Name>>,
}

impl Fake {
    fn note(&self, outcome: Result<(), String>) -> Result<(), StoreError> {
        if let Err(what) = outcome {
            self.wrong.lock().unwrap().get_or_insert(what);
        }
        Ok(())
    }
}

impl Store for Fake {
    fn put(&mut self, file: &File) -> Result<(), StoreError> {
        if self.off.load(SeqCst) {
            return Err(StoreError("off".into()));
        }
        let outcome = self.shelf.lock().unwrap().put(file);
        self.note(outcome)
    }

    fn remove(&mut self, name: &Name) -> Result<(), StoreError> {
        let mut shelf = self.shelf.lock().unwrap();
        // What is noted in a playlist may have gone after it.
        if self.earlier.as_ref().is_some_and(|earlier| earlier.contains(name)) && !shelf.files.contains_key(&name.to_string()) {
            return Ok(());
        }
        let outcome = shelf.remove(name);
        self.note(outcome)
    }

    fn earlier(&self) -> Vec<Name> {
        self.earlier.clone().unwrap_or_default()
    }

    fn has_no_list(&self) -> bool {
        self.earlier.is_some()
    }
}

#[cfg(feature = "publish")]
#[test]
fn runs_that_were_killed_leave_nothing_at_a_store_without_a_list() {
    let mut files = BTreeMap::<String, File>::new();
    for run in 0..4 {
        let playlist = |rendition| Some((rendition, files.get(&Name::Playlist(rendition).to_string())?.text().to_owned()));
        let playlists: Vec<_> = Rendition::ALL.into_iter().filter_map(playlist).collect();
        let earlier = playlists.iter().flat_map(|(rendition, text)| super::file::left_by(*rendition, text)).collect();
        let fake = Fake { earlier: Some(earlier), ..Fake::default() };
        fake.shelf.lock().unwrap().files = files.clone();
        let publisher = Publisher::start(fake.clone(), Pace::Drop, |_| {}).unwrap();
        let mut packager = Packager::new(PackageOptions::default());
        playlists.iter().for_each(|(rendition, text)| packager.follow(*rendition, text));
        publisher.push(packager.init(init(640)));
        // The second and third are killed before what was there before them may go.
        let length = if run == 0 || run == 3 { 60 } else { 5 };
        for chunk in seconds(100 * run, length, 0) {
            let operations = packager.chunk(chunk);
            let last = operations.iter().rev().find_map(|operation| match operation {
                Operation::Put(file) if matches!(file.name, Name::Playlist(_)) => Some(file.clone()),
                _ => None,
            });
            publisher.push(operations);
            // A store that is slower than this loop would miss segments. What is put has comments behind its first line.
            let is_there = |file: &File| {
                let shelf = fake.shelf.lock().unwrap();
                let rest = file.text().trim_start_matches("#EXTM3U\n");
                shelf.files.get(&file.name.to_string()).is_some_and(|there| there.text().ends_with(rest))
            };
            let begun = std::time::Instant::now();
            while last.as_ref().is_some_and(|file| !is_there(file)) {
                assert!(begun.elapsed() < Duration::from_secs(60), "it is put");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        assert_eq!(publisher.finish(Duration::from_secs(60)), 0);
        assert_eq!(*fake.wrong.lock().unwrap(), None);
        let before = std::mem::replace(&mut files, fake.shelf.lock().unwrap().files.clone());
        let media = |files: &BTreeMap<String, File>| files.values().filter(|file| matches!(file.name, Name::Media(..))).count();
        let stay = before.iter().filter(|(name, file)| matches!(file.name, Name::Media(..)) && files.contains_key(*name)).count();
        match run {
            0 => assert!(media(&files) > 2 * 7, "more is there than is listed: {}", media(&files)),
            3 => assert_eq!(stay, 0),
            _ => assert_eq!(stay, media(&before)),
        }
    }
}

#[test]
fn a_store_that_is_away_for_longer_than_the_window() {
    let fake = Fake::default();
    fake.shelf.lock().unwrap().may_be_away = true;
    let (lost, failed) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let (count, fail) = (lost.clone(), failed.clone());
    let report = move |report: Report| match report {
        Report::Lost(segments) => _ = count.fetch_add(segments, SeqCst),
        Report::Failed(_) => _ = fail.fetch_add(1, SeqCst),
        _ => {}
    };
    let publisher = Publisher::start(fake.clone(), Pace::Drop, report).unwrap();
    let mut packager = Packager::new(PackageOptions::default());
    publisher.push(packager.init(init(640)));
    let stream = seconds(0, 120, 0);
    let part = |from: usize, to: usize| stream[from * 75..to * 75].to_vec();
    let until = |what: &dyn Fn() -> bool| {
        while !what() {
            assert_eq!(*fake.wrong.lock().unwrap(), None);
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    for chunk in part(0, 40) {
        publisher.push(packager.chunk(chunk));
    }
    until(&|| fake.shelf.lock().unwrap().files.contains_key("index.m3u8"));
    fake.off.store(true, SeqCst);
    for chunk in part(40, 90) {
        publisher.push(packager.chunk(chunk));
    }
    until(&|| failed.load(SeqCst) > 0);
    fake.off.store(false, SeqCst);
    for chunk in part(90, 120) {
        publisher.push(packager.chunk(chunk));
    }
    publisher.push(packager.end());
    assert_eq!(publisher.finish(Duration::from_secs(60)), 0);
    assert_eq!(*fake.wrong.lock().unwrap(), None);
    assert!(lost.load(SeqCst) > 20, "{}", lost.load(SeqCst));
    let shelf = fake.shelf.lock().unwrap();
    assert!(shelf.text("video.m3u8").ends_with("#EXT-X-ENDLIST\n") && !shelf.text("video.m3u8").contains("GAP"), "caught up");
}

#[test]
fn a_store_that_never_comes_back_is_given_up() {
    let fake = Fake::default();
    fake.off.store(true, SeqCst);
    let publisher = Publisher::start(fake, Pace::Drop, |_| {}).unwrap();
    let mut packager = Packager::new(PackageOptions::default());
    publisher.push(packager.init(init(640)));
    seconds(0, 10, 0).into_iter().for_each(|chunk| publisher.push(packager.chunk(chunk)));
    assert!(publisher.finish(Duration::from_millis(300)) > 0);
}
