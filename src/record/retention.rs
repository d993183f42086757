//! Which recordings go. Pure: it is told what there is, how much room there is, and what the clocks say.

use super::name::Start;
use crate::media::WallTime;
use std::time::Duration;

/// What is to be kept. Whichever bites first; the oldest goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Not what is older.
    pub age: Option<Duration>,
    /// Not more bytes, of all streams together.
    pub size: Option<u64>,
    /// So many bytes of the file system stay free.
    pub free: Option<u64>,
}

/// A recording, as far as this is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which stream's: a number of the caller.
    pub stream: usize,
    pub start: Start,
    pub duration: Duration,
    pub size: u64,
    /// It is being written or read, and stays.
    pub in_use: bool,
}

impl Candidate {
    fn end(&self) -> WallTime {
        WallTime(self.start.wall().0.saturating_add(i64::try_from(self.duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// The recordings that go, the oldest first. `now`: a clock that can be believed ([`TrustedClock`]); `free`: of the file system, if that is known. `true`: so much
/// is free, or will be.
pub fn surplus(all: &mut [Candidate], keep: &Retention, now: WallTime, free: Option<u64>) -> (Vec<Candidate>, bool) {
    all.sort_unstable_by_key(|one| (one.start, one.stream));
    let total: u64 = all.iter().map(|one| one.size).sum();
    let mut over = keep.size.map_or(0, |most| total.saturating_sub(most));
    let mut missing = keep.free.zip(free).map_or(0, |(least, free)| least.saturating_sub(free));
    let oldest = keep.age.map(|age| WallTime(now.0.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX))));
    let mut gone = Vec::new();
    for one in all.iter().filter(|one| !one.in_use) {
        let is_old = oldest.is_some_and(|oldest| one.end() < oldest);
        if is_old || over > 0 || missing > 0 {
            over = over.saturating_sub(one.size);
            missing = missing.saturating_sub(one.size);
            gone.push(*one);
        }
    }
    (gone, missing == 0)
}

/// The wall clock, as far as it can be believed when something is going to be deleted by it.
///
/// A clock that was set forward is not believed for [`TrustedClock::HOLD`]: until then the age of recordings goes on as if it had not been. Nor is it at the start,
/// if it is later than the newest recording. A clock that was set back is believed at once: by that things only become younger.
#[derive(Debug)]
pub struct TrustedClock {
    /// The wall clock minus the monotonic clock, in microseconds, that is believed.
    ahead: i64,
    /// Since when it is farther ahead, and by how much at least.
    doubted: Option<(Duration, i64)>,
}

impl TrustedClock {
    /// So long a step forward has to last.
    pub const HOLD: Duration = Duration::from_secs(6 * 3600);
    /// What is less is no step.
    const SLACK: i64 = 2_000_000;

    /// `newest`: the end of the newest recording.
    pub fn new(wall: WallTime, monotonic: Duration, newest: Option<WallTime>) -> TrustedClock {
        let believed = newest.map_or(wall, |newest| newest.min(wall));
        TrustedClock { ahead: believed.0.saturating_sub(micros(monotonic)), doubted: None }
    }

    /// What time it is.
    pub fn now(&mut self, wall: WallTime, monotonic: Duration) -> WallTime {
        let ahead = wall.0.saturating_sub(micros(monotonic));
        if ahead <= self.ahead.saturating_add(TrustedClock::SLACK) {
            (self.ahead, self.doubted) = (ahead, None);
        } else {
            let (since, least) = self.doubted.map_or((monotonic, ahead), |(since, least)| (since, least.min(ahead)));
            self.doubted = Some((since, least));
            if monotonic.saturating_sub(since) >= TrustedClock::HOLD {
                (self.ahead, self.doubted) = (least, None);
            }
        }
        WallTime(self.ahead.saturating_add(micros(monotonic)))
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const NOW: WallTime = WallTime(1_795_717_200_000_000);

    /// One for each hour before now.
    fn hours(count: i64) -> Vec<Candidate> {
        let one = |n: i64| Candidate {
            stream: (n % 2) as usize,
            start: Start::at(WallTime(NOW.0 - n * HOUR)),
            duration: Duration::from_secs(3600),
            size: 100,
            in_use: false,
        };
        (1..=count).map(one).collect()
    }

    /// How many hours ago those that go began.
    fn gone(all: &mut [Candidate], keep: Retention, free: Option<u64>) -> Vec<i64> {
        let (gone, _) = surplus(all, &keep, NOW, free);
        gone.iter().map(|one| (NOW.0 - one.start.wall().0) / HOUR).collect()
    }

    #[test]
    fn whichever_bites_first() {
        let none = Retention::default();
        let age = Some(Duration::from_secs(8 * 3600));
        assert_eq!(gone(&mut hours(10), none, Some(0)), [0; 0]);
        assert_eq!(gone(&mut hours(10), Retention { age, ..none }, None), [10], "what ended nine hours ago");
        assert_eq!(gone(&mut hours(10), Retention { size: Some(650), ..none }, None), [10, 9, 8, 7]);
        assert_eq!(gone(&mut hours(10), Retention { age, size: Some(650), ..none }, None), [10, 9, 8, 7]);
        assert_eq!(gone(&mut hours(10), Retention { free: Some(1000), ..none }, Some(750)), [10, 9, 8]);
        assert_eq!(gone(&mut hours(10), Retention { free: Some(1000), ..none }, None), [0; 0], "nobody knows what is free");
    }

    #[test]
    fn what_is_in_use_stays() {
        let mut all = hours(4);
        all.iter_mut().for_each(|one| one.in_use = one.start <= Start::at(WallTime(NOW.0 - 3 * HOUR)));
        let keep = Retention { size: Some(0), free: Some(10_000), ..Retention::default() };
        assert_eq!(gone(&mut all, keep, Some(9000)), [2, 1]);
        assert!(!surplus(&mut all, &keep, NOW, Some(9000)).1, "it is not enough");
        assert!(surplus(&mut all, &keep, NOW, Some(9900)).1);
    }

    /// Runs for so many minutes with a clock that is off by `step(minute)` hours, recording ten minutes at a time, and keeps six hours.
    fn oldest_kept(minutes: i64, step: impl Fn(i64) -> i64) -> i64 {
        let mut clock = TrustedClock::new(NOW, Duration::ZERO, None);
        let keep = Retention { age: Some(Duration::from_secs(6 * 3600)), ..Retention::default() };
        // The label of each, and when it really was.
        let mut all: Vec<(Candidate, i64)> = Vec::new();
        let mut youngest_gone = i64::MAX;
        for minute in 0..minutes {
            let wall = WallTime(NOW.0 + minute * HOUR / 60 + step(minute) * HOUR);
            if minute % 10 == 0 {
                let start = Start::at(wall);
                all.push((Candidate { stream: 0, start, duration: Duration::from_secs(600), size: 1, in_use: false }, minute));
            }
            let now = clock.now(wall, Duration::from_secs(minute as u64 * 60));
            let (gone, _) = surplus(&mut all.iter().map(|(one, _)| *one).collect::<Vec<_>>(), &keep, now, None);
            all.retain(|(one, recorded)| {
                let goes = gone.contains(one);
                if goes {
                    youngest_gone = youngest_gone.min(minute - recorded);
                }
                !goes
            });
        }
        youngest_gone
    }

    #[test]
    fn a_clock_that_jumps_deletes_nothing_young() {
        assert_eq!(oldest_kept(2000, |_| 0), 371, "without a jump: six hours and its own ten minutes");
        assert!(oldest_kept(2000, |minute| if (500..650).contains(&minute) { 24 } else { 0 }) >= 371, "a day forward and back");
        assert!(oldest_kept(2000, |minute| if (500..650).contains(&minute) { -24 } else { 0 }) >= 360, "a day back and forward");
        assert!(oldest_kept(2000, |minute| if minute % 3 == 1 { 24 } else { 0 }) >= 371, "again and again");
        assert!(oldest_kept(3000, |minute| if minute > 500 { 24 } else { 0 }) < i64::MAX, "one that stays is believed in the end");
    }

    #[test]
    fn a_start_with_a_wrong_clock_deletes_nothing_young() {
        let newest = WallTime(NOW.0 - HOUR);
        let mut clock = TrustedClock::new(WallTime(NOW.0 + 24 * HOUR), Duration::ZERO, Some(newest));
        assert_eq!(clock.now(WallTime(NOW.0 + 24 * HOUR), Duration::ZERO), newest);
        let mut clock = TrustedClock::new(WallTime(0), Duration::ZERO, Some(newest));
        assert_eq!(clock.now(WallTime(0), Duration::ZERO), WallTime(0), "no clock at all: all is young");
    }
}
