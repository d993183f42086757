//! MP4 to events: fragmented, or with the movie header first (a pipe cannot seek).

use super::boxes::{self, Head, MAX_FRAGMENT, MAX_HEADER_BOX, Peek, boxes, malformed};
use super::description::SampleLayout;
use super::locations::{self, SampleLocation, SampleLocations};
use super::moof;
use super::movie::{Movie, MovieTrack};
use super::splitter::decode_time;
use crate::codec::{av1, h264, h265, jpeg};
use crate::format::Step;
use crate::media::{Codec, Event, Header, Kind, Malformed, OmittedTrack, Packet, Timestamp, WallTime, omitted_line};
use bytes::{Bytes, BytesMut};
use mp4_atom::Prft;
use std::collections::VecDeque;
use std::sync::Arc;

/// Reads a movie from its front to its end. Times are those of the presentation (edit lists are applied); packets come in the
/// order in which they stand in the file.
#[derive(Default)]
pub struct Demuxer {
    /// Position in the stream of the front of `buf`.
    at: u64,
    movie: Option<Movie>,
    /// The header, until the first media data: a `prft` before it tells the wall clock.
    header: Option<Header>,
    /// Samples of the media data to come, that the movie header names, by track.
    tables: Vec<SampleLocations>,
    /// The same of the last fragment, by location.
    locations: VecDeque<SampleLocation>,
    /// Where the media data ends that the front of `buf` is in; not after it: outside of any.
    data_end: u64,
    next_times: Vec<(u32, u64)>,
    damage: u64,
    omitted: Vec<OmittedTrack>,
}

impl crate::format::Demuxer for Demuxer {
    fn next(&mut self, buf: &mut BytesMut, eof: bool, _now: Timestamp) -> Result<Step, Malformed> {
        self.step(buf, eof).map_err(|e| if e.at.is_some() { e } else { e.at(self.at) })
    }

    fn damage(&self) -> u64 {
        self.damage
    }

    fn omitted(&mut self) -> Vec<OmittedTrack> {
        std::mem::take(&mut self.omitted)
    }
}

impl Demuxer {
    fn step(&mut self, buf: &mut BytesMut, eof: bool) -> Result<Step, Malformed> {
        loop {
            let taken = if self.at < self.data_end { self.media_data(buf)? } else { self.next_box(buf)? };
            match taken {
                BoxOutcome::Passed => {}
                BoxOutcome::Step(step) => return Ok(step),
                BoxOutcome::Need(n) if !eof => return Ok(Step::Need(n)),
                BoxOutcome::Need(_) => {
                    if let Some(header) = self.header.take() {
                        return Ok(Step::Event(Event::Header(header)));
                    }
                    self.damage += u64::from(!buf.is_empty() || self.next_location().is_some());
                    self.at += buf.len() as u64;
                    buf.clear();
                    self.locations.clear();
                    self.tables.clear();
                    return Ok(Step::End);
                }
            }
        }
    }

    fn next_box(&mut self, buf: &mut BytesMut) -> Result<BoxOutcome, Malformed> {
        let head = match boxes::peek(buf)? {
            Peek::Need(n) => return Ok(BoxOutcome::Need(n)),
            Peek::Box(head) => head,
        };
        match &head.kind {
            b"moov" | b"moof" | b"prft" => {
                let Some(size) = head.size.filter(|s| *s <= MAX_HEADER_BOX) else {
                    return Err(malformed(format!("box {} is larger than {MAX_HEADER_BOX} bytes", boxes::name(head.kind))));
                };
                if (buf.len() as u64) < size {
                    return Ok(BoxOutcome::Need(size as usize));
                }
                let at = self.at;
                let whole = self.consume(buf, size as usize);
                self.header_box(&whole, head, at).map_err(|e| e.at(at))?;
                Ok(BoxOutcome::Passed)
            }
            b"mdat" => self.begin_media_data(buf, head),
            _ => Ok(self.skip(buf, head.size.unwrap_or(u64::MAX))),
        }
    }

    fn header_box(&mut self, whole: &Bytes, head: Head, at: u64) -> Result<(), Malformed> {
        let body = whole.slice(head.len..);
        match &head.kind {
            b"moov" => self.movie_header(Movie::parse(&body)?),
            b"moof" => self.fragment(&body, at),
            _ => {
                if let Some(prft) = boxes(whole).next().and_then(|b| b.decode().ok()) {
                    self.producer_time(&prft);
                }
                Ok(())
            }
        }
    }

    fn movie_header(&mut self, mut movie: Movie) -> Result<(), Malformed> {
        self.omitted.append(&mut movie.omitted);
        self.tables.clear();
        let mut usable: Vec<MovieTrack> = Vec::new();
        for track in std::mem::take(&mut movie.tracks) {
            match SampleLocations::new(&track, usable.len()) {
                // An edit list that shows nothing of a track makes it none.
                Ok(Some(locations)) if locations.front().is_none() && !movie.fragmented => {
                    self.omitted.push(track.omitted("nothing of it is shown"))
                }
                Ok(locations) => {
                    self.tables.extend(locations);
                    usable.push(track);
                }
                Err(_) => self.omitted.push(track.omitted("its samples stand in no order")),
            }
        }
        if usable.is_empty() {
            let omitted = std::mem::take(&mut self.omitted);
            return Err(malformed(format!("no track that can be read: {}", omitted_line(&omitted))));
        }
        self.next_times = usable.iter().filter_map(|t| Some((t.id, t.table.as_ref()?.duration()))).collect();
        movie.tracks = usable;
        self.header = Some(header(&movie));
        self.movie = Some(movie);
        Ok(())
    }

    fn producer_time(&mut self, prft: &Prft) {
        let Some(track) = self.movie.as_ref().and_then(|m| m.track(prft.reference_track_id)) else { return };
        let Some(header) = self.header.as_mut().filter(|h| h.time_zero.is_none()) else { return };
        let ticks = i64::try_from(prft.media_time).unwrap_or(i64::MAX).saturating_sub(track.origin);
        let since_zero = Timestamp::from_ticks(ticks, track.timescale);
        header.time_zero = Some(WallTime(WallTime::from_ntp(prft.ntp_timestamp).0.saturating_sub(since_zero.0)));
    }

    fn fragment(&mut self, body: &[u8], at: u64) -> Result<(), Malformed> {
        let movie = self.movie.as_ref().ok_or_else(|| malformed("a fragment comes before the movie header"))?;
        let mut locations = Vec::new();
        for mut fragment in moof::parse(body, at, |id| movie.track(id).map(|t| t.defaults))? {
            decode_time(&mut self.next_times, &mut fragment);
            let index = movie.tracks.iter().position(|t| t.id == fragment.track_id).expect("parsed for known tracks only");
            let placed = locations::of_fragment(&movie.tracks[index], index, &fragment, at, &mut locations);
            placed.ok_or_else(|| malformed("sample offset out of range"))?;
        }
        locations.sort_by_key(|p| p.offset);
        self.damage += self.locations.len() as u64;
        self.locations = locations.into();
        Ok(())
    }

    fn begin_media_data(&mut self, buf: &mut BytesMut, head: Head) -> Result<BoxOutcome, Malformed> {
        let Some(movie) = &self.movie else {
            let advice = "ffmpeg -i FILE -c copy -f nut -flush_packets 1 - | …";
            return Err(malformed(format!("the movie header stands behind the media data, which a pipe cannot read; {advice}")));
        };
        if movie.fragmented && !self.locations.is_empty() && head.size.is_none_or(|s| s > MAX_FRAGMENT) {
            return Err(malformed(format!("fragment is larger than {MAX_FRAGMENT} bytes")));
        }
        self.data_end = head.size.map_or(u64::MAX, |size| self.at.saturating_add(size));
        drop(self.consume(buf, head.len));
        Ok(self.header.take().map_or(BoxOutcome::Passed, |header| BoxOutcome::Step(Step::Event(Event::Header(header)))))
    }

    /// The next sample in the file.
    fn next_location(&self) -> Option<SampleLocation> {
        self.tables.iter().filter_map(SampleLocations::front).chain(self.locations.front().copied()).min_by_key(|location| location.offset)
    }

    /// It was dealt with.
    fn pass_location(&mut self, location: SampleLocation) {
        match self.tables.iter_mut().find(|locations| locations.front() == Some(location)) {
            Some(locations) => locations.advance(),
            None => drop(self.locations.pop_front()),
        }
    }

    /// Inside an `mdat`: its samples follow one by one; what no sample names is passed over.
    fn media_data(&mut self, buf: &mut BytesMut) -> Result<BoxOutcome, Malformed> {
        let next = self.next_location().filter(|p| p.offset < self.data_end);
        let Some(location) = next else { return Ok(self.skip(buf, self.data_end - self.at)) };
        if location.offset > self.at {
            return Ok(self.skip(buf, location.offset - self.at));
        }
        let end = location.offset.saturating_add(u64::from(location.size));
        if location.offset < self.at || end > self.data_end || u64::from(location.size) > MAX_FRAGMENT {
            // It is not where it could be: the other tracks are none the worse for it.
            self.damage += 1;
            self.pass_location(location);
            return Ok(BoxOutcome::Passed);
        }
        if let Some(movie) = &mut self.movie
            && let Some(track) = movie.tracks.get_mut(location.track)
            && track.entry != location.entry
        {
            if track.change(location.entry) {
                return Ok(BoxOutcome::Step(Step::Event(Event::Header(header(movie)))));
            }
            // The sample entry is not understood, which was said.
            self.pass_location(location);
            return Ok(BoxOutcome::Passed);
        }
        let size = location.size as usize;
        if buf.len() < size {
            return Ok(BoxOutcome::Need(size));
        }
        self.pass_location(location);
        let at = self.at;
        let data = self.consume(buf, size);
        Ok(self
            .packet(location, data)
            .map_err(|e| e.at(at).track(location.track as u64 + 1))?
            .map_or(BoxOutcome::Passed, BoxOutcome::event))
    }

    /// The packet in its canonical form; an empty one (a gap) is no packet, nor is a hidden one that nothing is predicted from.
    fn packet(&self, location: SampleLocation, data: Bytes) -> Result<Option<Packet>, Malformed> {
        let Some(track) = self.movie.as_ref().and_then(|m| m.tracks.get(location.track)) else { return Ok(None) };
        let data = match (track.track.codec, track.layout()) {
            (Codec::H264, SampleLayout::Lengths(size)) => h264::normalize(data, size)?,
            (Codec::H265, SampleLayout::Lengths(size)) => h265::normalize(data, size)?,
            (Codec::Av1, _) => av1::normalize(data),
            (_, SampleLayout::Pcm { stored, frame }) => stored.canonical(data.slice(..data.len() - data.len() % frame as usize)),
            (Codec::Jpeg, _) => jpeg::with_tables(&data).unwrap_or(data),
            _ => data,
        };
        let useless = data.is_empty() || location.hidden && locations::is_disposable(track.track.codec, &data);
        let key = location.sync || track.track.kind() == Kind::Audio;
        Ok((!useless).then_some(Packet { track: location.track, pts: location.pts, key, data, hidden: location.hidden }))
    }

    fn skip(&mut self, buf: &mut BytesMut, size: u64) -> BoxOutcome {
        let here = size.min(buf.len() as u64);
        drop(self.consume(buf, here as usize));
        let rest = size - here;
        self.at = self.at.saturating_add(rest);
        if rest == 0 { BoxOutcome::Passed } else { BoxOutcome::Step(Step::Skip(rest)) }
    }

    fn consume(&mut self, buf: &mut BytesMut, n: usize) -> Bytes {
        self.at += n as u64;
        buf.split_to(n).freeze()
    }
}

enum BoxOutcome {
    Need(usize),
    Step(Step),
    Passed,
}

impl BoxOutcome {
    fn event(packet: Packet) -> BoxOutcome {
        BoxOutcome::Step(Step::Event(Event::Packet(packet)))
    }
}

fn header(movie: &Movie) -> Header {
    let tracks: Arc<[_]> = movie.tracks.iter().map(|t| t.track.clone()).collect();
    Header { tracks, time_zero: None }
}
