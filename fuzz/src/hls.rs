//! HLS: names, queries, and time lines of any frames.

use h5live::format::hls::{Directives, Frame, Grid, Name, Playlist, Rendition, Timeline, checker};
use h5live::media::{Timestamp, WallTime};
use std::time::Duration;

/// A name, a query, and frames of 16 bytes each: a name has one form, and whatever comes there is a playlist.
pub fn hls(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    if let Some((text, name)) = std::str::from_utf8(line()).ok().and_then(|text| Some((text, Name::parse(text)?))) {
        assert_eq!(name.to_string(), text);
    }
    if let Ok(query) = std::str::from_utf8(line()) {
        _ = Directives::parse(query).map(|asked| assert!(asked.segment.is_some() || asked.part.is_none()));
    }
    let zero = Some(WallTime(1_700_000_000_000_000));
    let mut timeline = Timeline::new(Grid::new(Duration::from_secs(1), Duration::from_millis(100)).since(zero));
    let (mut at, mut listed) = (0i64, None);
    for (number, record) in (0..).zip(line().chunks_exact(16).take(4096)) {
        let step = i64::from_le_bytes(record[..8].try_into().expect("eight bytes"));
        // Mostly steps of frames, now and then any.
        at = if record[8] & 0x80 == 0 { at.saturating_add(step.rem_euclid(100_000)) } else { step };
        timeline.push(&Frame {
            number,
            start: Timestamp(at),
            duration: Duration::from_micros(u64::from(u32::from_le_bytes(record[9..13].try_into().expect("four bytes")))),
            frames: u32::from(record[13]),
            key: record[8] & 1 == 1,
            captured: (record[8] & 2 == 2).then_some(WallTime(at)),
            size: usize::from(record[14]),
            breaks: number / 7 * u64::from(record[15] & 1),
            init: u64::from(record[15] >> 6),
        });
        timeline.forget(number.saturating_sub(100));
        let window = Duration::from_secs(20);
        let playlist =
            Playlist { rendition: Rendition::Video, window, skip: record[8] & 4 == 4, parts: record[8] & 8 == 0, target: 0, others: &[] };
        let text = timeline.playlist(&playlist);
        if !text.contains("#EXT-X-SKIP") {
            let read = checker::read(&text).expect("it is a playlist");
            assert!(read.segments.len() < 1000);
            let targets = (read.target_duration, read.part_target);
            assert!(!playlist.parts || *listed.get_or_insert(targets) == targets, "targets stay the same");
        }
        _ = timeline.has(u64::from(record[0]), Some(u64::from(record[1])));
    }
    timeline.end();
}
