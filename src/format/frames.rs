//! Audio frames without a container, as files and internet radio have them: each frame says its length, so that it is out with its
//! last byte. Bytes that are neither a frame nor a tag are passed over, up to a bound. The formats are [`super::mp3`] and [`super::adts`].

use super::Step;
use super::simple::{Progress, SimpleDemuxer};
use super::tags::{self, Tag};
use super::timing::{SampleTimes, Timing};
use crate::media::{Event, Header, Malformed, Packet, Timestamp, Track};
use bytes::{Bytes, BytesMut};

/// How far the next frame is looked for: several seconds of audio.
pub(super) const MAX_GARBAGE: u64 = 1 << 20;

/// The frame header of one format.
pub trait FrameSyntax: Copy + Send + 'static {
    /// The name in errors.
    const FORMAT: &'static str;
    /// Bytes that [`FrameSyntax::parse`] needs.
    const LEN: usize;
    /// The bits of the second byte that mark a frame, and their values; the first byte is 0xff.
    const SYNC: (u8, u8);

    /// `None` where no frame that is read begins.
    fn parse(data: &[u8]) -> Option<Self>;

    /// Bytes of the frame with its header.
    fn frame_len(&self) -> usize;

    /// Bytes of the frame that do not belong to the packet.
    fn header_len(&self) -> usize;

    /// In Hz.
    fn rate(&self) -> u32;

    /// Samples per channel in the frame.
    fn samples(&self) -> u32;

    /// Both frames are of one track.
    fn is_same_track(&self, other: &Self) -> bool;

    /// Whether what begins at `next` makes it likely that this is a frame.
    fn is_followed_by(&self, next: &[u8]) -> bool;

    /// The track that begins with this frame. `frame` is as much of it as is there; `first`: no track came before.
    ///
    /// # Errors
    /// If the header describes no track.
    fn begin(&self, frame: &[u8], first: bool) -> Result<Begin, Malformed>;
}

/// What the first frame of a track says.
pub enum Begin {
    Track(Track),
    /// That it must be whole.
    NeedFrame,
    /// That it holds no audio: it is passed over.
    NoAudio,
    /// That its track is not known: it is passed over, and counted as damage.
    Unknown,
}

/// [`super::Demuxer`] of frames with headers of type `H`. A frame of another track is a new [`Header`].
pub struct FrameDemuxer<H> {
    at: u64,
    timing: Timing,
    state: State,
    stream: Option<Stream<H>>,
    damage: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At a frame.
    Frame,
    /// Somewhere after damage at this position.
    Lost { since: u64 },
}

struct Stream<H> {
    /// Of the first frame.
    header: H,
    times: SampleTimes,
}

impl<H> FrameDemuxer<H> {
    /// At the start of a stream.
    pub fn new(timing: Timing) -> FrameDemuxer<H> {
        FrameDemuxer { at: 0, timing, state: State::Frame, stream: None, damage: 0 }
    }

    /// Passes over `n` bytes.
    fn pass(&mut self, buf: &mut BytesMut, n: u64) -> Progress {
        let here = n.min(buf.len() as u64);
        self.take(buf, here as usize);
        self.at += n - here;
        if here < n { Progress::Skip(n - here) } else { Progress::Go }
    }

    fn take(&mut self, buf: &mut BytesMut, n: usize) -> Bytes {
        self.at += n as u64;
        buf.split_to(n).freeze()
    }
}

impl<H: FrameSyntax> FrameDemuxer<H> {
    fn frame(&mut self, buf: &mut BytesMut, now: Timestamp) -> Result<Progress, Malformed> {
        if buf.len() < H::LEN {
            return Ok(Progress::Need(H::LEN));
        }
        match tags::tag(buf) {
            Tag::Length(n) => return Ok(self.pass(buf, n)),
            Tag::Need(n) if n > buf.len() => return Ok(Progress::Need(n)),
            Tag::Need(_) | Tag::No => {}
        }
        let Some(header) = H::parse(buf) else {
            self.damage += 1;
            self.state = State::Lost { since: self.at };
            return Ok(Progress::Go);
        };
        let len = header.frame_len();
        if self.stream.as_ref().is_none_or(|stream| !stream.header.is_same_track(&header)) {
            return self.begin(buf, header);
        }
        if buf.len() < len {
            return Ok(Progress::Need(len));
        }
        let data = self.take(buf, len).slice(header.header_len()..);
        let Some(stream) = &mut self.stream else { return Ok(Progress::Go) };
        let pts = stream.times.time(header.samples(), now);
        Ok(Progress::Give(Event::Packet(Packet { track: 0, pts, key: true, data, hidden: false })))
    }

    fn begin(&mut self, buf: &mut BytesMut, header: H) -> Result<Progress, Malformed> {
        let len = header.frame_len();
        let begin = header.begin(&buf[..len.min(buf.len())], self.stream.is_none()).map_err(|e| e.at(self.at))?;
        match begin {
            Begin::Track(track) => return Ok(Progress::Give(self.start(header, track))),
            Begin::NeedFrame => return Ok(Progress::Need(len)),
            Begin::NoAudio => {}
            Begin::Unknown => self.damage += 1,
        }
        self.take(buf, len);
        Ok(Progress::Go)
    }

    fn start(&mut self, header: H, track: Track) -> Event {
        let times = match self.stream.take() {
            // The same clock goes on where only the channels changed.
            Some(old) if old.header.rate() == header.rate() => old.times,
            _ => SampleTimes::new(self.timing, header.rate()),
        };
        self.stream = Some(Stream { header, times });
        Event::Header(Header { tracks: [track].into(), time_zero: None })
    }

    /// Looks for a frame that is followed by another of the same kind.
    fn lost(&mut self, buf: &mut BytesMut, since: u64, eof: bool) -> Result<Progress, Malformed> {
        let (mask, value) = H::SYNC;
        loop {
            let candidate = buf.windows(2).position(|w| w[0] == 0xff && w[1] & mask == value);
            let passed = candidate.unwrap_or(buf.len().saturating_sub(1));
            self.take(buf, passed);
            if self.at - since > MAX_GARBAGE {
                return Err(Malformed::new(H::FORMAT, format!("no frame in {} MiB", MAX_GARBAGE >> 20)).at(since));
            }
            if candidate.is_none() || buf.len() < H::LEN {
                return Ok(Progress::Need(H::LEN.max(buf.len() + 1)));
            }
            if let Some(header) = H::parse(buf) {
                let (len, needed) = (header.frame_len(), header.frame_len() + H::LEN);
                if buf.len() < needed && !eof {
                    return Ok(Progress::Need(needed));
                }
                if buf.get(len..).is_some_and(|next| header.is_followed_by(next)) || buf.len() == len {
                    self.state = State::Frame;
                    return Ok(Progress::Go);
                }
            }
            self.take(buf, 1);
        }
    }
}

impl<H: FrameSyntax> SimpleDemuxer for FrameDemuxer<H> {
    fn advance(&mut self, buf: &mut BytesMut, eof: bool, now: Timestamp) -> Result<Progress, Malformed> {
        match self.state {
            State::Frame => self.frame(buf, now),
            State::Lost { since } => self.lost(buf, since, eof),
        }
    }

    fn end(&mut self, buf: &mut BytesMut) -> Result<Step, Malformed> {
        self.damage += u64::from(!buf.is_empty() && self.state == State::Frame);
        self.take(buf, buf.len());
        let nothing = || Malformed::new(H::FORMAT, "no whole frame").at(self.at);
        self.stream.is_some().then_some(Step::End).ok_or_else(nothing)
    }

    fn damage(&self) -> u64 {
        self.damage
    }
}
