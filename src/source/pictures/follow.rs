//! Pictures as they appear: new files in a directory, or a file that is written again and again.
//!
//! The directory is looked at a few times a second; that works on every file system, network ones among them. A file
//! becomes a picture when it is whole: a JPEG when its end is there, any other when it no longer changes. While nothing new
//! comes, the last picture is repeated at the rate, so that players neither stall nor start with nothing.

use super::load::{self, Loaded, Picture};
use super::{EventMaker, MAX_FILES, list, name, natural, pass_over};
use crate::media::{Clock, Event, Rate, Timestamp, ZeroWatch};
use crate::source::Error;
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Shortest time between two looks.
const PERIOD: Duration = Duration::from_millis(100);
/// A look may take at most this part of the time: large directories are looked at less often.
const SHARE: u32 = 20;
/// A file other than JPEG that has not changed for this long is whole.
const SETTLED: Duration = Duration::from_millis(300);
/// A JPEG without an end that has not changed for this long never gets one.
const GIVEN_UP: Duration = Duration::from_secs(10);
/// Least time between two pictures, in microseconds.
const STEP: i64 = 1000;

/// A directory or file that is watched.
pub struct Follow {
    paths: Vec<PathBuf>,
    clock: Arc<dyn Clock>,
    start: Duration,
    next_look: Duration,
    files: HashMap<PathBuf, File>,
    /// Files that may be whole, in the order in which they were written.
    ready: VecDeque<PathBuf>,
    events: EventMaker,
    zero: ZeroWatch,
    /// The picture given out last, and its time.
    last: Option<(Picture, Timestamp)>,
}

/// What is known of a file.
struct File {
    version: Version,
    /// When this version was seen first.
    since: Duration,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Version {
    length: u64,
    modified: Option<SystemTime>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not yet a picture.
    Waiting,
    /// This version was given out, or there is nothing to be hoped for from it.
    Done,
}

impl Follow {
    /// Starts with the newest picture that is there. `rate` is how often the last one is repeated while nothing new comes.
    ///
    /// # Errors
    /// A directory or file that is not there or cannot be read.
    pub fn open(paths: &[PathBuf], rate: Rate, clock: Arc<dyn Clock>) -> Result<Follow, Error> {
        for path in paths {
            std::fs::metadata(path).map_err(|e| Error::io(name(path), e))?;
        }
        let (start, time_zero) = (clock.now(), clock.wall());
        let (events, zero) = (EventMaker::new(rate, time_zero), ZeroWatch::new(time_zero, &*clock));
        let (paths, files, ready) = (paths.to_vec(), HashMap::new(), VecDeque::new());
        let mut follow = Follow { paths, clock, start, next_look: start, files, ready, events, zero, last: None };
        follow.look(start)?;
        // As `tail -f` does: what is there already is past, but for the newest.
        follow.ready.drain(..follow.ready.len().saturating_sub(1));
        let newest = follow.newest();
        for (path, file) in &mut follow.files {
            file.state = if Some(path) == newest.as_ref() { State::Waiting } else { State::Done };
        }
        follow.ready.retain(|path| Some(path) == newest.as_ref());
        Ok(follow)
    }

    /// The next event that is due; `None` when there is none yet: ask again soon.
    ///
    /// # Errors
    /// A directory that can no longer be read.
    pub fn poll(&mut self) -> Result<Option<Event>, Error> {
        if let Some(packet) = self.events.pending() {
            return Ok(Some(packet));
        }
        if let Some(zero) = self.zero.moved(&*self.clock)
            && self.events.set_time_zero(zero)
        {
            return Ok(Some(Event::TimeZero(zero)));
        }
        let now = self.clock.now();
        if now >= self.next_look {
            self.look(now)?;
        }
        while let Some(path) = self.ready.pop_front() {
            if let Some(picture) = self.take(&path, now) {
                let earliest = self.last.as_ref().map_or(Timestamp::ZERO, |(_, pts)| *pts + STEP);
                return Ok(Some(self.put(picture, self.stream_time(now).max(earliest))));
            }
        }
        Ok(self.repeat(now))
    }

    fn stream_time(&self, now: Duration) -> Timestamp {
        Timestamp::ZERO.saturating_add(now.saturating_sub(self.start))
    }

    fn put(&mut self, picture: Picture, pts: Timestamp) -> Event {
        let event = self.events.put(&picture, pts);
        self.last = Some((picture, pts));
        event
    }

    /// The last picture again, once a frame's time has passed since it went out.
    fn repeat(&mut self, now: Duration) -> Option<Event> {
        let (time, frame) = (self.stream_time(now), self.events.rate.frame_duration());
        let due = self.last.as_ref()?.1.saturating_add(frame);
        if due > time {
            return None;
        }
        let (picture, _) = self.last.take()?;
        // On the beat, unless more than one was missed.
        Some(self.put(picture, if time.since(due) < frame { due } else { time }))
    }

    /// The picture in a file, if it is whole now.
    fn take(&mut self, path: &Path, now: Duration) -> Option<Picture> {
        let file = self.files.get_mut(path)?;
        let unchanged = now.saturating_sub(file.since);
        let outcome = load::load(path);
        let give_up = match &outcome {
            Ok(Loaded::Whole(_)) => true,
            Ok(Loaded::Cut) => unchanged > GIVEN_UP,
            Err(_) => unchanged > SETTLED,
        };
        file.state = if give_up { State::Done } else { State::Waiting };
        match outcome {
            Ok(Loaded::Whole(picture)) => return Some(picture),
            Ok(Loaded::Cut) if give_up => tracing::warn!("{}: cut short, passed over", name(path)),
            Err(error) if give_up => pass_over(&error),
            _ => {}
        }
        None
    }

    /// Looks for new and changed files.
    fn look(&mut self, now: Duration) -> Result<(), Error> {
        let mut found = Vec::new();
        for path in &self.paths {
            if path.is_dir() {
                found.append(&mut list(path)?);
            } else {
                found.push(path.clone());
            }
        }
        let mut ready = Vec::new();
        for path in &found {
            // A file that is gone again is no error here: the next look forgets it.
            let Ok(meta) = std::fs::metadata(path) else { continue };
            let version = Version { length: meta.len(), modified: meta.modified().ok() };
            let changed = self.files.get(path).is_none_or(|file| file.version != version);
            if changed && self.files.len() <= MAX_FILES {
                self.files.insert(path.clone(), File { version, since: now, state: State::Waiting });
            }
            if self.files.get(path).is_some_and(|file| may_be_whole(path, file, now)) {
                ready.push((version.modified, natural(path), path.clone()));
            }
        }
        ready.sort();
        self.ready = ready.into_iter().map(|(_, _, path)| path).collect();
        if self.files.len() > found.len() {
            let there: HashSet<_> = found.into_iter().collect();
            self.files.retain(|path, _| there.contains(path));
        }
        self.next_look = now + PERIOD.max(self.clock.now().saturating_sub(now) * SHARE);
        Ok(())
    }

    fn newest(&self) -> Option<PathBuf> {
        self.files.iter().max_by_key(|(path, file)| (file.version.modified, natural(path))).map(|(path, _)| path.clone())
    }
}

/// Whether it is worth reading: a JPEG at any time, others when they no longer change.
fn may_be_whole(path: &Path, file: &File, now: Duration) -> bool {
    let jpeg = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("jpg") || e.eq_ignore_ascii_case("jpeg"));
    file.state == State::Waiting && file.version.length > 0 && (jpeg || now.saturating_sub(file.since) >= SETTLED)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{jpeg, tempdir};
    use super::*;
    use crate::media::ManualClock;
    use std::fs;

    struct Bed {
        dir: PathBuf,
        clock: Arc<ManualClock>,
        follow: Follow,
    }

    impl Bed {
        /// Watches a directory with these files in it, at one picture a second.
        fn new(test: &str, files: &[(&str, Vec<u8>)]) -> Bed {
            let dir = tempdir(test);
            for (n, (file, data)) in files.iter().enumerate() {
                fs::write(dir.join(file), data).unwrap();
                let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1000 + n as u64);
                fs::File::options().write(true).open(dir.join(file)).unwrap().set_modified(modified).unwrap();
            }
            let clock = Arc::new(ManualClock::default());
            let follow = Follow::open(std::slice::from_ref(&dir), Rate::new(1, 1).unwrap(), clock.clone()).unwrap();
            Bed { dir, clock, follow }
        }

        /// Runs for some time; gives the time in milliseconds and the filler of each picture.
        fn run(&mut self, millis: u64) -> Vec<(i64, u8)> {
            let mut seen = Vec::new();
            for _ in 0..millis / 10 {
                while let Some(event) = self.follow.poll().unwrap() {
                    if let Event::Packet(p) = event {
                        seen.push((p.pts.micros() / 1000, p.data[p.data.len() / 2]));
                    }
                }
                self.clock.advance(Duration::from_millis(10));
            }
            seen
        }
    }

    impl Drop for Bed {
        fn drop(&mut self) {
            _ = fs::remove_dir_all(&self.dir);
        }
    }

    #[test]
    fn starts_with_the_newest_and_repeats_it() {
        let mut bed = Bed::new("newest", &[("1.jpg", jpeg(8, 8, 1)), ("3.jpg", jpeg(8, 8, 3)), ("2.jpg", jpeg(8, 8, 2))]);
        assert_eq!(bed.run(2500), [(0, 2), (1000, 2), (2000, 2)]);
    }

    #[test]
    fn new_files_become_pictures_at_once() {
        let mut bed = Bed::new("new", &[]);
        assert_eq!(bed.run(300), []);
        fs::write(bed.dir.join("a.jpg"), jpeg(8, 8, 1)).unwrap();
        assert_eq!(bed.run(150), [(300, 1)]);
        // Two between two looks: both, in the order of their names, for their times may be equal.
        fs::write(bed.dir.join("b9.jpg"), jpeg(8, 8, 9)).unwrap();
        fs::write(bed.dir.join("b10.jpg"), jpeg(8, 8, 10)).unwrap();
        let seen = bed.run(1200);
        assert_eq!(seen.iter().map(|s| s.1).collect::<Vec<_>>(), [9, 10, 10]);
        assert!(seen[1].0 > seen[0].0 && seen[2].0 == seen[1].0 + 1000, "{seen:?}");
    }

    #[test]
    fn a_file_being_written_is_waited_for() {
        let mut bed = Bed::new("written", &[]);
        let (whole, path) = (jpeg(8, 8, 5), bed.dir.join("slow.jpg"));
        for cut in [0, 3, 30, whole.len() - 1] {
            fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(bed.run(200), []);
        }
        fs::write(&path, &whole).unwrap();
        assert_eq!(bed.run(200), [(800, 5)]);
        // Written again, with other contents.
        fs::write(&path, [jpeg(8, 8, 6), vec![0]].concat()).unwrap();
        assert_eq!(bed.run(200), [(1000, 6)]);
    }

    #[test]
    fn what_never_becomes_whole_is_passed_over() {
        let mut bed = Bed::new("never", &[]);
        let whole = jpeg(8, 8, 5);
        fs::write(bed.dir.join("cut.jpg"), &whole[..40]).unwrap();
        fs::write(bed.dir.join("bad.png"), "garbage").unwrap();
        assert_eq!(bed.run(11_000), []);
        assert!(bed.follow.files.values().all(|f| f.state == State::Done));
        fs::remove_file(bed.dir.join("cut.jpg")).unwrap();
        bed.run(200);
        assert_eq!(bed.follow.files.len(), 1, "what is gone is forgotten");
    }

    #[test]
    fn a_directory_may_go_away_but_must_be_there_first() {
        let mut bed = Bed::new("gone", &[("1.jpg", jpeg(8, 8, 1))]);
        assert_eq!(bed.run(100).len(), 1);
        fs::remove_dir_all(&bed.dir).unwrap();
        bed.clock.advance(Duration::from_secs(1));
        // A path that is no directory is taken for a file, which may come back.
        assert!(bed.run(100).iter().all(|s| s.1 == 1));
        let nowhere = Follow::open(&[bed.dir.join("none")], Rate::new(1, 1).unwrap(), bed.clock.clone());
        assert!(matches!(nowhere, Err(Error::NoSource { .. })));
    }
}
