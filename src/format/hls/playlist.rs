//! Media playlists as text (draft-pantos-hls-rfc8216bis, section 4.4).

use super::name::{Name, Rendition};
use super::timeline::{Segment, Timeline};
use crate::media::WallTime;
use std::fmt::{self, Write};
use std::time::Duration;

/// Runs are counted up to here, and then from zero: with segments of 2 s, after a day and a half.
const RUNS: u64 = 1 << 16;

/// How a media playlist is to be.
#[derive(Clone, Copy, Debug)]
pub struct Playlist<'a> {
    /// What it is of.
    pub rendition: Rendition,
    /// What is listed.
    pub window: Duration,
    /// Without segments that a client has seen.
    pub skip: bool,
    /// With parts, and what goes with them: for a server that lets clients wait for the next one.
    pub parts: bool,
    /// The longest part target of all renditions, in microseconds.
    pub target: i64,
    /// The other renditions.
    pub others: &'a [Other],
}

/// What a rendition report says.
#[derive(Clone, Copy, Debug)]
pub struct Other {
    /// Of which one.
    pub rendition: Rendition,
    /// See [`Timeline::newest`].
    pub newest: (u64, usize),
}

impl Playlist<'_> {
    /// What is usually listed.
    pub const WINDOW: Duration = Duration::from_secs(12);
}

impl Timeline {
    /// The playlist as it is now.
    pub fn playlist(&mut self, options: &Playlist) -> String {
        let target = self.target();
        let mut text = String::with_capacity(8192);
        write(&mut text, self, options, target).expect("a string takes everything");
        text
    }

    /// The segments that are listed. What is before it is left out by a rule over positions, so that it never comes back.
    fn listed(&self, window: Duration) -> impl DoubleEndedIterator<Item = &Segment> + Clone {
        let window = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
        let newest = self.segments.back().map_or(0, |segment| segment.begin);
        // A break may have taken time back.
        let from = self.segments.iter().rposition(|segment| newest.saturating_sub(segment.begin) > window || !self.is_there(segment));
        self.segments.range(from.map_or(0, |at| (at + 1).min(self.segments.len()))..)
    }
}

fn write(out: &mut String, timeline: &Timeline, options: &Playlist, target: i64) -> fmt::Result {
    let (grid, listed) = (&timeline.grid, timeline.listed(options.window));
    let target_duration = grid.target_duration();
    let boundary = 6 * target_duration as i64 * 1_000_000;
    let can_skip = options.parts && i64::try_from(options.window.as_micros()).unwrap_or(i64::MAX) > boundary;
    // Version 8 knows EXT-X-GAP, version 9 EXT-X-SKIP (section 8).
    let version = if options.parts { 9 } else { 8 };
    writeln!(out, "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{target_duration}")?;
    if options.parts {
        let skip_until = if can_skip { format!(",CAN-SKIP-UNTIL={}", Seconds(boundary)) } else { String::new() };
        let hold_back = 3 * options.target.max(target);
        writeln!(
            out,
            "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK={}.0,PART-HOLD-BACK={}{skip_until}",
            3 * target_duration,
            Seconds(hold_back)
        )?;
        writeln!(out, "#EXT-X-PART-INF:PART-TARGET={}", Seconds(target))?;
    }
    let first = listed.clone().next();
    writeln!(out, "#EXT-X-MEDIA-SEQUENCE:{}", first.map_or(0, |segment| segment.number))?;
    // Another run of a time line has another number. It is small, since players keep a list of all numbers from zero on (hls.js 1.7 stands still over it).
    let run = match grid.zero() {
        0 => timeline.run,
        zero => zero as u64 / grid.segment() as u64,
    } % RUNS;
    writeln!(out, "#EXT-X-DISCONTINUITY-SEQUENCE:{}", run + first.map_or(0, |segment| segment.breaks))?;
    if listed.clone().all(|segment| segment.key) {
        writeln!(out, "#EXT-X-INDEPENDENT-SEGMENTS")?;
    }
    let end = timeline.segments.back().map_or(0, |segment| segment.begin);
    // Of three target durations of media: what a pause has left empty does not count.
    let mut left = 3 * target_duration as i64 * 1_000_000;
    let with_parts = listed.clone().rev().take_while(|segment| {
        left -= if segment.range.is_some() { segment.duration } else { 0 };
        left > 0
    });
    let with_parts = with_parts.last().filter(|_| options.parts).map_or(u64::MAX, |segment| segment.number);
    let skipped = match options.skip && can_skip {
        true => listed.clone().take_while(|segment| segment.number < with_parts && end.saturating_sub(segment.begin) > boundary).count(),
        false => 0,
    };
    if skipped > 0 {
        writeln!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}")?;
    }
    let (mut init, mut breaks) = (None, first.map(|segment| segment.breaks));
    for (index, segment) in listed.enumerate() {
        let (before, broke) = (init.replace(segment.init), segment.breaks.saturating_sub(breaks.replace(segment.breaks).unwrap_or(0)));
        let is_shown = segment.duration > 0 || (options.parts && !segment.parts.is_empty());
        if index < skipped || !is_shown {
            continue;
        }
        (0..broke).try_for_each(|_| writeln!(out, "#EXT-X-DISCONTINUITY"))?;
        if before != Some(segment.init) {
            writeln!(out, "#EXT-X-MAP:URI=\"{}\"", Name::Init(options.rendition, segment.init))?;
        }
        segment.captured.map_or(Ok(()), |captured| writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", DateTime(captured)))?;
        if segment.number >= with_parts && segment.range.is_some() {
            for part in &segment.parts {
                // Where frames were lost, a part with the next one would be too long, and is too short without it: its last one is shown meanwhile.
                let least = if part.is_full { (target * 85 + 99) / 100 } else { 1 };
                let (name, duration) = (Name::Media(options.rendition, part.object), Seconds(part.duration.clamp(least, target)));
                let independent = if part.independent { ",INDEPENDENT=YES" } else { "" };
                writeln!(out, "#EXT-X-PART:DURATION={duration},URI=\"{name}\"{independent}")?;
            }
        }
        if segment.duration > 0 {
            let gap = if segment.range.is_none() { "#EXT-X-GAP\n" } else { "" };
            writeln!(out, "{gap}#EXTINF:{},\n{}", Seconds(segment.duration), Name::Media(options.rendition, segment.object))?;
        }
    }
    if timeline.ended {
        return writeln!(out, "#EXT-X-ENDLIST");
    }
    if !options.parts {
        return Ok(());
    }
    timeline
        .hint()
        .map_or(Ok(()), |hint| writeln!(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{}\"", Name::Media(options.rendition, hint)))?;
    options.others.iter().try_for_each(|other| {
        let ((number, parts), name) = (other.newest, Name::Playlist(other.rendition));
        writeln!(out, "#EXT-X-RENDITION-REPORT:URI=\"{name}\",LAST-MSN={number},LAST-PART={}", parts.saturating_sub(1))
    })
}

/// Microseconds as seconds, exactly.
struct Seconds(i64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// As RFC 3339 writes it, to the millisecond.
struct DateTime(WallTime);

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_microsecond(self.0.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{time:.3}")
    }
}

/// The whole playlist that a delta update means, for who has a playlist from before it (section 6.2.5.1). `None`: what was skipped is not in that.
pub fn delta(before: &str, update: &str) -> Option<String> {
    const SKIP: &str = "#EXT-X-SKIP:SKIPPED-SEGMENTS=";
    let Some(at) = update.find(SKIP) else { return Some(update.into()) };
    let (head, rest) = update.split_at(at);
    let (skipped, rest) = rest[SKIP.len()..].split_once('\n')?;
    let skipped: usize = skipped.parse().ok()?;
    let number = |text: &str| text.lines().find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:")?.parse::<usize>().ok());
    let gone = number(update)?.checked_sub(number(before)?)?;
    let mut whole = String::from(head);
    // The lines of each segment end with its URI.
    let body = before
        .lines()
        .skip_while(|line| !line.starts_with("#EXT-X-MAP") && !line.starts_with("#EXT-X-PROGRAM") && !line.starts_with("#EXTINF"));
    let (mut segment, mut map) = (0, None);
    for line in body {
        if segment == gone + skipped {
            break;
        }
        let is_map = line.starts_with("#EXT-X-MAP");
        map = if is_map { Some(line) } else { map };
        // Before the first segment that is left, a discontinuity is counted in the head, and the init segment of those before holds.
        let counted = segment == gone && (is_map || line == "#EXT-X-DISCONTINUITY");
        if segment >= gone && !counted && !line.starts_with("#EXT-X-PART:") {
            if segment == gone
                && let Some(map) = map.take()
            {
                writeln!(whole, "{map}").ok()?;
            }
            whole = whole + line + "\n";
        }
        segment += usize::from(!line.starts_with('#'));
    }
    (segment == gone + skipped).then(|| whole + rest)
}
