//! The rules of media playlists, as a judge that looks at what a server gives one after the other: draft-pantos-hls-rfc8216bis. It reads the text by itself, not
//! by what has written it.

use std::collections::BTreeMap;

/// A media playlist, as far as it is judged.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// `EXT-X-MEDIA-SEQUENCE`.
    pub sequence: u64,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`.
    pub discontinuity: u64,
    /// `EXT-X-TARGETDURATION`, in seconds.
    pub target_duration: u64,
    /// `PART-TARGET`, in microseconds.
    pub part_target: i64,
    /// Segments, the last one perhaps not whole.
    pub segments: Vec<Segment>,
    /// Of the next part.
    pub hint: Option<String>,
    /// Renditions, with the number of their newest segment and part.
    pub reports: Vec<(String, u64, u64)>,
    /// `EXT-X-ENDLIST`.
    pub ended: bool,
}

/// A segment of a playlist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// `None`: it is not whole.
    pub uri: Option<String>,
    /// In microseconds.
    pub duration: i64,
    /// Discontinuity sequence number.
    pub discontinuity: u64,
    /// URI, duration in microseconds, and whether it is independent.
    pub parts: Vec<(String, i64, bool)>,
    /// Of its init segment.
    pub map: String,
    /// `EXT-X-GAP`.
    pub gap: bool,
    /// `EXT-X-PROGRAM-DATE-TIME`.
    pub date: Option<String>,
}

fn micros(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = format!("{fraction:0<6}");
    Some(whole.parse::<i64>().ok()? * 1_000_000 + fraction.get(..6)?.parse::<i64>().ok()?)
}

fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let list = line.split_once(':')?.1;
    let value = list.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim_matches('"'))
}

/// Reads a playlist.
///
/// # Errors
/// The line that is wrong, or what is missing.
pub fn read(text: &str) -> Result<Read, String> {
    if !text.starts_with("#EXTM3U\n") || !text.ends_with('\n') {
        return Err("no playlist".into());
    }
    let (mut read, mut segment, mut map, mut discontinuity) = (Read::default(), Segment::default(), String::new(), None);
    for line in text.lines().skip(1) {
        let wrong = || format!("wrong line: {line}");
        let number = || line.split_once(':').and_then(|(_, n)| n.parse::<u64>().ok()).ok_or_else(wrong);
        let tag = line.split(':').next().unwrap_or_default();
        if read.ended {
            return Err("something after the end".into());
        }
        match tag {
            "#EXT-X-TARGETDURATION" => read.target_duration = number()?,
            "#EXT-X-MEDIA-SEQUENCE" => read.sequence = number()?,
            "#EXT-X-DISCONTINUITY-SEQUENCE" => (read.discontinuity, discontinuity) = (number()?, Some(number()?)),
            "#EXT-X-PART-INF" => read.part_target = attribute(line, "PART-TARGET").and_then(micros).ok_or_else(wrong)?,
            "#EXT-X-MAP" => map = attribute(line, "URI").ok_or_else(wrong)?.into(),
            "#EXT-X-DISCONTINUITY" => discontinuity = discontinuity.map(|n| n + 1),
            "#EXT-X-GAP" => segment.gap = true,
            "#EXT-X-PROGRAM-DATE-TIME" => segment.date = Some(line[tag.len() + 1..].into()),
            "#EXT-X-PART" => {
                let part = || {
                    Some((
                        attribute(line, "URI")?.into(),
                        micros(attribute(line, "DURATION")?)?,
                        attribute(line, "INDEPENDENT") == Some("YES"),
                    ))
                };
                segment.parts.push(part().ok_or_else(wrong)?);
            }
            "#EXTINF" => segment.duration = line[tag.len() + 1..].strip_suffix(',').and_then(micros).ok_or_else(wrong)?,
            "#EXT-X-PRELOAD-HINT" => read.hint = Some(attribute(line, "URI").ok_or_else(wrong)?.into()),
            "#EXT-X-RENDITION-REPORT" => {
                let number = |name| attribute(line, name)?.parse().ok();
                let report = || Some((attribute(line, "URI")?.into(), number("LAST-MSN")?, number("LAST-PART")?));
                read.reports.push(report().ok_or_else(wrong)?);
            }
            "#EXT-X-ENDLIST" => read.ended = true,
            "#EXT-X-VERSION" | "#EXT-X-SERVER-CONTROL" | "#EXT-X-INDEPENDENT-SEGMENTS" => {}
            _ if !line.starts_with('#') && !line.is_empty() => {
                let place = (Some(line.to_owned()), map.clone(), discontinuity.unwrap_or(0));
                let whole = std::mem::take(&mut segment);
                read.segments.push(Segment { uri: place.0, map: place.1, discontinuity: place.2, ..whole });
            }
            // A comment.
            _ if line.starts_with('#') && !line.starts_with("#EXT") => {}
            _ => return Err(wrong()),
        }
    }
    if segment != Segment::default() {
        read.segments.push(Segment { map, discontinuity: discontinuity.unwrap_or(0), ..segment });
    }
    Ok(read)
}

impl Read {
    /// The number of the newest segment of which there is something, and of its newest part.
    pub fn newest(&self) -> Option<(u64, u64)> {
        let with_parts = |(_, segment): &(u64, &Segment)| !segment.parts.is_empty();
        let (number, segment) = (self.sequence..).zip(&self.segments).filter(with_parts).last()?;
        Some((number, segment.parts.len() as u64 - 1))
    }
}

/// Judges the playlists of one rendition, in the order in which a server has given them.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    before: Option<Read>,
    /// URI of every segment by its number, and its discontinuity sequence number.
    segments: BTreeMap<u64, Segment>,
    /// Where every part was.
    parts: BTreeMap<(u64, usize), String>,
    /// The server may have been away between two playlists, and numbers may have a hole.
    pub may_be_away: bool,
    /// Parts and whole segments that were judged.
    pub judged: (usize, usize),
}

impl Checker {
    /// Judges the next playlist.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn next(&mut self, text: &str) -> Result<&Read, String> {
        let read = read(text)?;
        let fail = |what: String| Err(format!("{what}\n{text}"));
        if let Some(before) = &self.before {
            let same = |a: (u64, i64), b: (u64, i64)| a == b;
            if !same((read.target_duration, read.part_target), (before.target_duration, before.part_target)) {
                return fail("targets may not change".into());
            }
            // After a long pause all parts are older than what is listed of them.
            let back = read.newest().is_some_and(|newest| before.newest().is_some_and(|before| newest < before));
            if read.sequence < before.sequence || read.discontinuity < before.discontinuity || back {
                return fail(format!("numbers go back: {} {} {:?}", before.sequence, before.discontinuity, before.newest()));
            }
            if before.ended && !read.ended {
                return fail("it had ended".into());
            }
            let end = before.sequence + before.segments.len() as u64;
            let newest = read.sequence + read.segments.len() as u64;
            if read.part_target == 0 && newest < end {
                return fail(format!("it had {end} segments, and has {newest}"));
            }
            if !self.may_be_away && read.sequence > end && read.discontinuity == before.discontinuity {
                return fail(format!("a hole in the numbers after {end}"));
            }
            // What was hinted comes next: after the last part of the playlist before. After a pause longer than what is kept, all of that is gone.
            if let (Some(hint), Some((number, part)), true) = (&before.hint, before.newest(), read.sequence < end) {
                let parts = (read.sequence..).zip(&read.segments).flat_map(|(number, segment)| {
                    segment.parts.iter().enumerate().map(move |(index, part)| ((number, index as u64), part))
                });
                let next = parts.filter(|(at, _)| *at > (number, part)).map(|(_, part)| &part.0).next();
                // With breaks before it, many parts of a playlist may be older than three target durations, and not be listed.
                if next.is_some_and(|next| next != hint) && read.segments.iter().all(|segment| !segment.parts.is_empty()) {
                    return fail(format!("hinted was {hint}, and {next:?} came"));
                }
                if next.is_none() && !read.ended && read.hint.as_ref() != Some(hint) {
                    return fail(format!("{hint} was hinted, and is not any more"));
                }
            }
        }
        // Without parts there is no target of them.
        let has_parts = read.hint.is_some() || read.segments.iter().any(|segment| !segment.parts.is_empty());
        if (read.part_target <= 0 && has_parts) || read.target_duration == 0 {
            return fail("no targets".into());
        }
        for (number, segment) in (read.sequence..).zip(&read.segments) {
            self.judge(&read, number, segment).map_err(|what| format!("{what}\n{text}"))?;
        }
        for pair in read.segments.windows(2) {
            if pair[0].map != pair[1].map && pair[0].discontinuity == pair[1].discontinuity {
                return fail("another init segment, and no discontinuity".into());
            }
            if pair[0].uri.is_none() {
                return fail("a segment after one that is not whole".into());
            }
        }
        Ok(self.before.insert(read))
    }

    fn judge(&mut self, read: &Read, number: u64, segment: &Segment) -> Result<(), String> {
        let rounded = (segment.duration + 500_000) / 1_000_000;
        if rounded as u64 > read.target_duration {
            return Err(format!("segment {number} is longer than the target duration"));
        }
        if segment.map.is_empty() {
            return Err(format!("segment {number} has no init segment"));
        }
        for (index, (uri, duration, _)) in segment.parts.iter().enumerate() {
            if *duration > read.part_target {
                return Err(format!("part {number}.{index} is longer than the part target"));
            }
            let last = segment.uri.is_some() && index + 1 == segment.parts.len();
            // One that is not the last of its segment; of a segment that is not whole it cannot be told yet.
            let inside = index + 1 < segment.parts.len() || (!last && segment.uri.is_some());
            if inside && duration * 100 < read.part_target * 85 {
                return Err(format!("part {number}.{index} is shorter than 85 % of the part target"));
            }
            if self.parts.entry((number, index)).or_insert_with(|| uri.clone()) != uri {
                return Err(format!("part {number}.{index} has another name now"));
            }
            self.judged.0 += 1;
        }
        let sum: i64 = segment.parts.iter().map(|(_, duration, _)| duration).sum();
        // Frames that were lost are in no part, and in the segment's time. A part that is short for them is said to have 85 % of its target.
        let lost = segment.duration - sum;
        if segment.uri.is_some() && !segment.parts.is_empty() && !(-read.part_target / 2..1_000_000).contains(&lost) {
            return Err(format!("the parts of segment {number} are {sum} us long, and it is {}", segment.duration));
        }
        if segment.uri.is_some() {
            let known = self.segments.entry(number).or_insert_with(|| segment.clone());
            if (&known.uri, known.duration, known.discontinuity, &known.map)
                != (&segment.uri, segment.duration, segment.discontinuity, &segment.map)
            {
                return Err(format!("segment {number} has changed: {known:?}"));
            }
            self.judged.1 += 1;
        }
        Ok(())
    }
}
