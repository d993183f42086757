//! The state of a Segment: its time base, its tracks, and the packets that wait for the header.

use super::FORMAT;
use super::blocks::Lacing;
use super::entry::Entry;
use super::schema::{self, id};
use super::tracks;
use crate::format::ebml;
use crate::media::{MAX_TRACKS, Malformed, OmittedTrack, Timestamp, WallTime};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// So many entries in Tracks are read, counting the subtitles.
const MAX_ENTRIES: usize = 256;

/// What is known of the Segment being read.
#[derive(Default)]
pub struct Segment {
    pub phase: Phase,
    /// Nanoseconds a tick.
    pub scale: u64,
    /// DateUTC, if we wrote it.
    pub date: Option<WallTime>,
    /// The tag [`schema::TIME_ZERO_UTC`].
    pub time_zero: Option<WallTime>,
    pub entries: Vec<Entry>,
    pub refused: Vec<OmittedTrack>,
    /// The Tracks element that these come from.
    pub tracks: Bytes,
    pub cluster_time: Option<u64>,
    pub held: VecDeque<PendingPacket>,
    pub held_bytes: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// No EBML header or Segment so far.
    #[default]
    Nothing,
    /// Before the first Cluster.
    Headers,
    /// Packets wait for parameter sets.
    Holding,
    /// The header is out.
    Playing,
}

/// A packet that waits for the header.
pub struct PendingPacket {
    pub track: u64,
    pub pts: Timestamp,
    pub key: bool,
    pub data: Bytes,
    pub hidden: bool,
}

/// One block, as far as it concerns its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub track: u64,
    pub relative: i16,
    pub key: bool,
    pub invisible: bool,
    pub lacing: Lacing,
    /// Of all frames together.
    pub duration: Option<Duration>,
}

impl Segment {
    pub fn new() -> Segment {
        // TimestampScale is a millisecond unless said otherwise (section 5.1.2.9).
        Segment { phase: Phase::Headers, scale: 1_000_000, ..Segment::default() }
    }

    pub fn info(&mut self, data: &[u8]) {
        let (mut date, mut ours) = (None, false);
        for (id, data) in ebml::children(data) {
            match id {
                id::TIMESTAMP_SCALE => self.scale = ebml::uint(data).max(1),
                id::DATE_UTC => date = Some(WallTime((ebml::int(data) / 1000).saturating_add(schema::EPOCH_2001))),
                id::MUXING_APP => ours = data.starts_with(b"h5live"),
                _ => {}
            }
        }
        // In what others write it is the time of muxing, which says nothing of time zero.
        self.date = date.filter(|_| ours);
    }

    /// Tracks may come twice (section 6.1 forbids it, joined streams do it): the same again change nothing, others are a new header.
    pub fn read_tracks(&mut self, data: Bytes) -> Result<(), Malformed> {
        if data == self.tracks {
            return Ok(());
        }
        self.entries.clear();
        self.refused.clear();
        for (count, (_, entry)) in ebml::children(&data).filter(|(id, _)| *id == id::TRACK_ENTRY).enumerate() {
            match tracks::entry(entry) {
                _ if count >= MAX_ENTRIES => return Err(Malformed::new(FORMAT, format!("more than {MAX_ENTRIES} tracks"))),
                Ok(_) if self.entries.len() >= MAX_TRACKS => {
                    return Err(Malformed::new(FORMAT, format!("more than {MAX_TRACKS} tracks of video and audio")));
                }
                Ok(entry) => self.entries.push(entry),
                Err(track) => self.refused.push(track),
            }
        }
        self.tracks = data;
        self.phase = Phase::Headers;
        Ok(())
    }

    /// Whether Tracks are missing, which is not the same as tracks that are not understood.
    pub fn has_no_tracks(&self) -> bool {
        self.entries.is_empty() && self.refused.is_empty()
    }

    pub fn tags(&mut self, data: &[u8]) {
        let tags = ebml::children(data).filter(|(id, _)| *id == id::TAG).flat_map(|(_, tag)| ebml::children(tag));
        for (_, tag) in tags.filter(|(id, _)| *id == id::SIMPLE_TAG) {
            let field = |wanted| ebml::children(tag).find(|(id, _)| *id == wanted).map(|(_, data)| data);
            if field(id::TAG_NAME).is_some_and(|name| name == schema::TIME_ZERO_UTC.as_bytes()) {
                let time = field(id::TAG_STRING).filter(|text| text.len() < 64).map(ebml::text);
                self.time_zero = time.and_then(|text| text.parse::<jiff::Timestamp>().ok()).map(|t| WallTime(t.as_microsecond()));
            }
        }
    }

    pub fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.iter().find(|e| e.number == number)
    }

    pub fn index(&self, number: u64) -> Option<usize> {
        self.entries.iter().position(|e| e.number == number)
    }

    /// The longest block that makes sense: a frame, with room for lacing sizes and what a BlockGroup says of it.
    pub fn max_block(&self) -> u64 {
        const EXTRA: usize = 64 << 10;
        (self.entries.iter().map(Entry::max_len).max().unwrap_or(0) + EXTRA) as u64
    }

    /// Presentation time of a block's first frame; `None` for a track that is not declared, before the Cluster's Timestamp, and for a
    /// time out of range.
    pub fn pts(&self, block: &Block) -> Option<Timestamp> {
        let entry = self.entry(block.track)?;
        Some(self.time(self.cluster_time?, block.relative)? + -entry.delay)
    }

    /// Stored time in microseconds, rounded to the nearest (section 11.2); `None` where it is far beyond any stream, so that times can
    /// be added without overflow.
    pub fn time(&self, cluster: u64, relative: i16) -> Option<Timestamp> {
        const END: i64 = 1 << 60;
        let nanos = (i128::from(cluster) + i128::from(relative)) * i128::from(self.scale);
        i64::try_from((nanos + 500).div_euclid(1000)).ok().filter(|micros| micros.abs() < END).map(Timestamp)
    }
}
