//! Recording on a disk in memory: cut at keyframes, and whole again after every loss of power, every failure and every step of the clock.

use super::catalogue::Recording;
use super::disk::Disk;
use super::library::Library;
use super::queue::{Fragment, Item};
use super::scan;
use super::session::{Now, Session};
use super::simulated::{Memory, SimulatedDisk, Unsynced};
use super::status::{State, StatusCell};
use super::syncer::{Job, Syncer};
use crate::codec::opus::OpusHead;
use crate::format::bmff::{self, Sample, init};
use crate::media::{AudioParams, Codec, Header, Timestamp, Track, WallTime};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const NOW: WallTime = WallTime(1_795_717_200_000_000);
/// Packets of 20 ms, a keyframe each half second.
const STEP: i64 = 20_000;
const KEYS: i64 = 25;

fn init_segment() -> Bytes {
    let params = AudioParams { rate: 48_000, channels: 2, delay: Duration::from_micros(6500) };
    let track = Track { config: OpusHead::new(2, 312, 48_000).build(), ..Track::audio(Codec::Opus, params) };
    init(&Header { tracks: [track].into(), time_zero: None }).unwrap().bytes
}

/// The fragment with this number. The stream does not begin at zero.
fn fragment(n: i64) -> Fragment {
    let (key, ticks) = (n % KEYS == 0, 312 + 960 * (n + 100));
    let data = (n as u64).to_be_bytes();
    let samples = [Sample { size: data.len() as u32, duration: 960, composition_offset: 0, key }];
    let head = bmff::Fragment { sequence: n as u32, track_id: 1, decode_time: ticks as u64, samples: &samples, producer_time: None };
    let bytes = [&head.head(&mut BytesMut::new())[..], &data].concat().into();
    let (start, duration) = (Timestamp((n + 100) * STEP), Duration::from_micros(STEP as u64));
    Fragment { bytes, main: true, key, start, duration, captured: None }
}

/// When that is done which may wait.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sync {
    AtOnce,
    /// So many fragments later.
    Later(usize),
}

struct Run {
    disk: SimulatedDisk,
    jobs: Arc<Mutex<VecDeque<Job>>>,
    sync: Sync,
    fed: usize,
    session: Session,
    status: StatusCell,
}

fn library(disk: &SimulatedDisk) -> Library {
    Library::new("/dir".into(), Box::new(disk.clone()))
}

impl Run {
    fn new(disk: &SimulatedDisk, segment: u64) -> Run {
        Run::with(disk, segment, Sync::AtOnce)
    }

    fn with(disk: &SimulatedDisk, segment: u64, sync: Sync) -> Run {
        let status = StatusCell::new("cam", Default::default());
        let jobs = Arc::<Mutex<VecDeque<Job>>>::default();
        let queue = jobs.clone();
        let syncer = Syncer::new(move |job: Job| if sync == Sync::AtOnce { job() } else { queue.lock().unwrap().push_back(job) });
        let mut session = Session::new(library(disk), "cam".into(), Duration::from_secs(segment), status.clone(), syncer);
        session.item(Item::Init(init_segment()), at(0, 0));
        Run { disk: disk.clone(), jobs, sync, fed: 0, session, status }
    }

    /// Everything is written and synced.
    fn end(&mut self) {
        self.session.end();
        self.jobs.lock().unwrap().drain(..).for_each(|job| job());
    }

    /// These fragments, when they are due, by a clock that is off by so many seconds.
    fn feed(&mut self, fragments: std::ops::Range<i64>, off: i64) {
        for n in fragments {
            self.session.item(Item::Chunk(fragment(n)), at(n, off));
            self.fed += 1;
            if let Sync::Later(later) = self.sync
                && self.fed.is_multiple_of(later)
            {
                let jobs: Vec<_> = self.jobs.lock().unwrap().drain(..).collect();
                jobs.into_iter().for_each(|job| job());
            }
        }
    }
}

fn at(n: i64, off: i64) -> Now {
    Now { wall: WallTime(NOW.0 + n * STEP + off * 1_000_000), monotonic: Duration::from_micros((n * STEP) as u64) }
}

/// The numbers of the fragments in a recording.
fn numbers(bytes: &[u8]) -> Vec<i64> {
    let file = Memory(bytes.to_vec());
    let from = scan::init(&file).unwrap().expect("an init segment").len() as u64;
    let mut found = Vec::new();
    let end = scan::walk(&file, from, |one| {
        let data = &bytes[one.end as usize - 8..one.end as usize];
        found.push(u64::from_be_bytes(data.try_into().unwrap()) as i64);
        true
    });
    assert!(end.is_ok());
    found
}

/// Of all recordings, by their names.
fn recorded(disk: &SimulatedDisk) -> Vec<Vec<i64>> {
    disk.files().iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "mp4")).map(|(_, bytes)| numbers(bytes)).collect()
}

fn catalogued(disk: &SimulatedDisk) -> Vec<Recording> {
    library(disk).stream("cam").unwrap().all().into_iter().map(|(one, _)| one).collect()
}

#[test]
fn recordings_are_cut_at_keyframes() {
    let disk = SimulatedDisk::default();
    let mut run = Run::new(&disk, 2);
    run.feed(3..260, 0);
    assert_eq!(recorded(&disk), [(25..125).collect::<Vec<_>>(), (125..225).collect(), (225..260).collect()], "from the first keyframe on");
    run.end();
    let names: Vec<_> = disk.files().into_keys().map(|path| path.to_str().unwrap().to_owned()).collect();
    let folder = "/dir/cam/2026-11-26";
    let wanted = ["18-20-00.500Z.mp4", "18-20-02.500Z.mp4", "18-20-04.500Z.mp4", "index"];
    assert_eq!(names, wanted.map(|name| format!("{folder}/{name}")));
    let durations: Vec<_> = catalogued(&disk).iter().map(|one| one.duration.as_millis()).collect();
    assert_eq!(durations, [2000, 2000, 700]);
    for bytes in disk.files().into_values().filter(|bytes| bytes.len() > 1000) {
        let found = scan::scan(&Memory(bytes)).unwrap().unwrap();
        assert!(found.closed && !found.keys.is_empty());
    }
}

#[test]
fn the_index_is_made_again_where_it_is_missing_or_wrong() {
    let disk = SimulatedDisk::default();
    let mut run = Run::new(&disk, 2);
    run.feed(0..260, 0);
    run.end();
    let (right, index) = (catalogued(&disk), Path::new("/dir/cam/2026-11-26/index"));
    let text = disk.files()[index].clone();
    assert_eq!(
        (disk.done(), right.len()),
        (
            {
                catalogued(&disk);
                disk.done()
            },
            3
        ),
        "nothing is written where all is right"
    );
    for damaged in [&text[..text.len() / 2], b"", b"\xff\n\n", &[&text[..], &text[..9]].concat()[..]] {
        disk.put(index, damaged);
        assert_eq!(catalogued(&disk), right);
        assert_eq!(disk.files()[index], text);
    }
    disk.remove(index).unwrap();
    assert_eq!((catalogued(&disk), disk.files()[index].clone()), (right, text));
}

/// Whatever a loss of power at any moment leaves: each name is a recording with a keyframe, what was synced is there, and the index is right again.
#[test]
fn a_loss_of_power_loses_nothing_that_was_synced() {
    for sync in [Sync::AtOnce, Sync::Later(9)] {
        lose_power(sync);
    }
}

fn lose_power(sync: Sync) {
    let disk = SimulatedDisk::default();
    let mut run = Run::with(&disk, 2, sync);
    // After so many things done, these fragments had been synced.
    let mut synced: Vec<(usize, Vec<i64>)> = Vec::new();
    for n in 0..240 {
        let before = disk.done();
        run.feed(n..n + 1, 0);
        // A fragment is one write. What did more has synced at its end, and with that everything up to here. What is done later is seen at the end.
        if sync == Sync::AtOnce && disk.done() > before + 1 {
            synced.push((disk.done(), (0..=n).collect()));
        }
    }
    run.end();
    synced.push((disk.done(), (0..240).collect()));
    let mut states = 0;
    for done in 0..=disk.done() {
        let safe = synced.iter().rev().find(|(at, _)| *at <= done).map_or(&[][..], |(_, fragments)| fragments);
        for (loss, after) in disk.after_loss(done) {
            let begun = after.files().into_iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "mp4"));
            for (path, bytes) in begun {
                let found = scan::scan(&Memory(bytes)).unwrap();
                assert!(found.is_some_and(|found| found.has_media), "{done} {loss:?} {}", path.display());
            }
            let first = catalogued(&after);
            let each = recorded(&after);
            assert!(each.iter().all(|one| one[0] % KEYS == 0 && one.windows(2).all(|two| two[0] + 1 == two[1])), "{done} {loss:?}");
            let all: Vec<i64> = each.concat();
            // What is synced later may be lost in the middle.
            assert!(
                sync != Sync::AtOnce || all.iter().copied().eq(0..all.len() as i64) && all.len() >= safe.len(),
                "{done} {loss:?}: {all:?}"
            );
            let length: Duration = first.iter().map(|one| one.duration).sum();
            assert_eq!(length, Duration::from_millis(20) * all.len() as u32, "{done} {loss:?}");
            let settled = after.done();
            assert_eq!((catalogued(&after), after.done()), (first, settled), "{done} {loss:?}: the index is right");
            states += 1;
        }
    }
    assert!(states > 1000, "{states}");
}

/// A program that is killed loses nothing that it has written, however late it was synced.
#[test]
fn a_kill_loses_nothing_that_was_written() {
    for later in [1, 7, 40, 1000] {
        let disk = SimulatedDisk::default();
        let mut run = Run::with(&disk, 2, Sync::Later(later));
        for n in 0..240 {
            run.feed(n..n + 1, 0);
            let losses = disk.after_loss(disk.done());
            // Nothing is lost with the program alone.
            let (_, after) = losses.into_iter().rfind(|(loss, _)| matches!(loss.bytes, Unsynced::There)).unwrap();
            let first = catalogued(&after);
            assert!(recorded(&after).concat().into_iter().eq(0..=n), "{later} {n}");
            assert_eq!(catalogued(&after), first);
        }
    }
}

/// A disk that fails, and takes a part of what it is given: recordings go on by themselves, and nothing before is lost.
#[test]
fn a_disk_that_fails_is_tried_again() {
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::Other, io::ErrorKind::ReadOnlyFilesystem] {
        for fails in [30, 99, 100, 101, 125] {
            let disk = SimulatedDisk::default();
            let mut run = Run::new(&disk, 2);
            run.feed(0..fails, 0);
            assert_eq!(run.status.state(), State::Recording);
            disk.set_trouble(Some(kind));
            run.feed(fails..200, 0);
            assert!(matches!(run.status.state(), State::Failed(_)), "{:?}", run.status.state());
            disk.set_trouble(None);
            run.feed(200..900, 0);
            assert_eq!(run.status.state(), State::Recording);
            run.end();
            let begun = catalogued(&run.disk);
            let all = recorded(&disk).concat();
            let (before, after): (Vec<i64>, Vec<i64>) = all.iter().partition(|n| **n < 200);
            assert!(before.iter().copied().eq(0..fails), "{kind} {fails}: {before:?}");
            assert!(after.len() >= 575 && after.windows(2).all(|two| two[0] + 1 == two[1]), "{after:?}");
            assert!(begun.windows(2).all(|two| two[0].end() <= two[1].start.wall()));
        }
    }
}

#[test]
fn too_little_room_is_a_full_disk() {
    let disk = SimulatedDisk::default();
    disk.set_free(Some(1000));
    let mut run = Run::new(&disk, 2);
    run.feed(0..100, 0);
    assert!(matches!(run.status.state(), State::Failed(_)) && recorded(&disk).is_empty());
    disk.set_free(Some(1 << 30));
    run.feed(100..600, 0);
    assert_eq!(run.status.state(), State::Recording);
}

#[test]
fn steps_of_the_clock_overwrite_and_lose_nothing() {
    for (step, overlaps) in
        [(0, false), (1, false), (-1, false), (-30, false), (3600, false), (-3600, false), (86_400, false), (-3, false), (-86_400, false)]
    {
        let disk = SimulatedDisk::default();
        let mut run = Run::new(&disk, 2);
        run.feed(0..260, 0);
        run.feed(260..1000, step);
        run.feed(1000..1300, 0);
        run.end();
        let mut all = recorded(&disk).concat();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..1300), "{step}: each is there once");
        let recordings = catalogued(&disk);
        let apart = recordings.windows(2).all(|two| two[0].end() <= two[1].start.wall());
        assert!(apart || overlaps, "{step}: {recordings:?}");
    }
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let disk = SimulatedDisk::default();
    let mut run = Run::new(&disk, 2);
    run.feed(0..260, 0);
    run.end();
    let folder = Path::new("/dir/cam/2026-11-26");
    for (name, bytes) in [("18-20-01.000Z.mp4", &b"no recording"[..]), ("notes.txt", b"mine"), ("18-00-00.000Z.mp4", b"")] {
        disk.put(&folder.join(name), bytes);
    }
    disk.put(&folder.join("19-00-00.000Z.mp4.new"), b"half");
    assert_eq!(catalogued(&disk).len(), 3);
    let names: Vec<_> = disk.files().into_keys().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect();
    assert!(names.contains(&"notes.txt".into()) && names.contains(&"18-20-01.000Z.mp4".into()) && names.len() == 7, "{names:?}");
}

#[test]
fn the_last_recording_takes_its_folder_along() {
    let disk = SimulatedDisk::default();
    let mut run = Run::new(&disk, 2);
    run.feed(0..260, 0);
    run.end();
    let library = library(&disk);
    let catalogue = library.stream("cam").unwrap();
    let lease = catalogue.lease(WallTime(NOW.0 + 4_500_000), WallTime(NOW.0 + 4_600_000), 9);
    for (one, _) in catalogue.all() {
        let held = lease.iter().any(|lease| lease.recording == one);
        assert_eq!(library.delete("cam", one.start).unwrap(), !held);
    }
    assert_eq!(recorded(&disk).len(), 1);
    let left = lease[0].recording.start;
    drop(lease);
    assert!(library.delete("cam", left).unwrap() && disk.files().is_empty());
    assert_eq!(disk.list(Path::new("/dir/cam")).unwrap(), []);
}

/// What a damaged recording makes of the scan is an error or less of it, never more.
#[test]
fn damage_costs_what_is_behind_it() {
    let disk = SimulatedDisk::default();
    let mut run = Run::new(&disk, 2);
    run.feed(0..90, 0);
    run.end();
    let whole = disk.files().into_values().find(|bytes| bytes.len() > 2000).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        let _ = scan::scan(&Memory(bytes));
        let cut = scan::scan(&Memory(whole[..at].to_vec())).unwrap();
        assert!(cut.is_none_or(|cut| cut.whole <= at as u64 && cut.duration <= Duration::from_millis(1800)));
    }
}
