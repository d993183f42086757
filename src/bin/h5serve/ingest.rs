//! What an input carries, on its way to the viewers: fMP4 and JPEG as they are, other coded media put into fMP4. Over all writers
//! of an input it keeps one timeline.

use crate::reading::Reading;
use crate::splicer::{MAX_LEAD, TimelineSplicer, endless};
use crate::writer_input::WriterInput;
use h5live::cli;
use h5live::format::bmff::{Chunk, Init, Split};
use h5live::media::{
    Clock, Codec, Event, Header, Kind, Malformed, OmittedTrack, Packet, SystemClock, TimeWatch, Timestamp, Track, WallTime, step_back_line,
};
use h5live::mux::{Fragment, MuxOptions, Muxer};
use h5live::pipe::{BurstDetector, InputFormat, OmissionLog, Reader, ReaderOptions};
use h5live::serve::{Closed, Publisher, Trouble};
use h5live::source::Pace;
use std::io::{self, Read};
use std::sync::Arc;

/// One read from an input.
const READ: usize = 64 * 1024;
/// Decode times do not go back; rounding does no harm.
const SLACK: i64 = 10_000;

pub struct Ingest {
    publisher: Publisher,
    cx: cli::Context,
    /// Name of the input in errors.
    input: String,
    /// Tracks of the newest init segment.
    tracks: usize,
    /// End of all that was published, on the viewers' timeline.
    end: Option<Timestamp>,
    pace: Option<Pace>,
    /// Frames were read, or at least bytes.
    read: u64,
    frames: u64,
    times: TimeWatch,
    /// Of tracks that are left out, by the reader and here.
    omissions: OmissionLog,
    /// Between the last two pictures, in microseconds; the first of the next writer follows after as much.
    step: i64,
    clock: Arc<dyn Clock>,
    bursts: BurstDetector,
    /// What is published is what came in, and was not muxed here.
    as_it_is: bool,
}

impl Ingest {
    pub fn new(mut publisher: Publisher, cx: &cli::Context) -> Ingest {
        publisher.gather();
        let (clock, bursts, omissions) = (Arc::new(cx.stop.clock()), BurstDetector::default(), OmissionLog::default());
        Ingest {
            publisher,
            cx: cx.clone(),
            input: String::new(),
            tracks: 0,
            end: None,
            pace: None,
            read: 0,
            frames: 0,
            times: TimeWatch::default(),
            step: 0,
            omissions,
            clock,
            bursts,
            as_it_is: true,
        }
    }

    /// Plays one writer's output to its end. `paced`: in its own time and not as it comes.
    pub fn play(&mut self, name: String, mut input: WriterInput, reading: &Reading, paced: bool) -> anyhow::Result<()> {
        self.input = name;
        self.bursts = BurstDetector::default();
        self.pace = if paced { self.pace.take().or_else(|| Some(Pace::file(self.clock.clone()))) } else { None };
        let mut head = Vec::new();
        (&mut input).take(8).read_to_end(&mut head).map_err(|e| self.refused(e))?;
        self.read += head.len() as u64;
        self.times = TimeWatch::default();
        match reading.input_format {
            None | Some(InputFormat::Mp4) if is_mp4(&head) => self.fragments(&head, input, reading),
            _ if head.is_empty() => Ok(()),
            _ => self.packets(head, input, reading),
        }
    }

    /// The writer has gone; another may come.
    pub fn away(&mut self) {
        self.publisher.flush();
        self.publisher.away();
    }

    /// No writer comes any more: the stream goes.
    pub fn withdraw(mut self) {
        self.publisher.flush();
        self.publisher.withdraw();
    }

    /// The server is stopping: it says goodbye to the viewers itself.
    pub fn abandon(self) {
        self.publisher.abandon();
    }

    /// At the end of an input: whether there was something for viewers. Sound with a picture that never came is nothing to begin with.
    pub fn judge(&self) -> anyhow::Result<()> {
        cli::exit::shown(&cli::exit::Outcome {
            input: &self.input,
            read: self.read,
            frames: self.frames,
            shown: u64::from(self.publisher.started()),
            why: self.publisher.missing().map(Trouble::text),
            ..Default::default()
        })
    }

    /// The end of all that was published; `None`: nothing was.
    pub fn end(&self) -> Option<Timestamp> {
        self.end
    }

    /// Fragmented MP4. An ordinary MP4 file is noticed by its header, and then read as packets.
    fn fragments(&mut self, head: &[u8], mut input: WriterInput, reading: &Reading) -> anyhow::Result<()> {
        self.as_it_is = true;
        let mut splicer = TimelineSplicer::new(self.end);
        let mut lead = Some(Vec::new());
        let (mut buf, mut length) = (vec![0; READ], head.len());
        buf[..length].copy_from_slice(head);
        loop {
            let bytes = &buf[..length];
            if let Some(lead) = &mut lead {
                if lead.len() + bytes.len() > MAX_LEAD {
                    return Err(self.refused(endless(lead.len())));
                }
                lead.extend_from_slice(bytes);
            }
            let outcome = self.cut(&mut splicer, bytes, bytes.is_empty());
            match (outcome, &mut lead) {
                (Ok(0), _) => {}
                (Ok(_), lead) => *lead = None,
                (Err(error), Some(lead)) if error.is::<Malformed>() => {
                    return self.packets(std::mem::take(lead), input, reading);
                }
                (Err(error), _) => return Err(error.context(self.input.clone())),
            }
            if bytes.is_empty() {
                return Ok(());
            }
            self.publisher.flush();
            self.bursts.wait(self.clock.now());
            length = input.read(&mut buf).map_err(|e| self.refused(e))?;
        }
    }

    /// Publishes what `bytes` complete; gives the number of pieces.
    fn cut(&mut self, splicer: &mut TimelineSplicer, bytes: &[u8], eof: bool) -> anyhow::Result<usize> {
        splicer.push(bytes)?;
        let mut pieces = 0;
        while let Some(split) = splicer.next(eof)? {
            pieces += 1;
            match split {
                Split::Init(init) => self.init(init)?,
                Split::Chunk(chunk) => self.chunk(chunk)?,
                Split::Need(_) | Split::Skip(_) | Split::End => {}
            }
        }
        Ok(pieces)
    }

    fn init(&mut self, init: Init) -> Result<(), Closed> {
        self.omissions.warn(&self.input, init.omitted.clone());
        self.tracks = init.tracks.len();
        self.publisher.init(init)
    }

    fn chunk(&mut self, chunk: Chunk) -> Result<(), Closed> {
        if let Some(pace) = &mut self.pace {
            self.publisher.flush();
            pace.wait(chunk.start);
        }
        self.frames += u64::from(chunk.frames);
        if let Some(back) = chunk.track.and_then(|track| self.times.step_back(track, chunk.start.micros(), SLACK)) {
            tracing::warn!("{}", step_back_line(&self.input, back));
        }
        self.cx.stats.input.count(chunk.kind, chunk.size());
        if self.as_it_is && (chunk.kind == Kind::Video || self.tracks == 1) {
            let last = chunk.start.saturating_add(chunk.duration.saturating_sub(chunk.duration / chunk.frames.max(1)));
            self.watch(chunk.start, last, chunk.frames, Some(InputFormat::Mp4));
        }
        self.end = self.end.max(Some(chunk.end()));
        self.publisher.chunk(chunk)
    }

    /// Says it where an input holds frames back; a file that is played in its own time does not.
    fn watch(&mut self, first: Timestamp, last: Timestamp, frames: u32, format: Option<InputFormat>) {
        if self.pace.is_none()
            && let Some(finding) = self.bursts.arrived(self.clock.now(), first, last, frames)
        {
            tracing::warn!("{}: {}", self.input, finding.text(format));
        }
    }

    /// Any other format: JPEG pictures are published as they are, what MP4 can carry is put into fragments.
    fn packets(&mut self, head: Vec<u8>, input: WriterInput, reading: &Reading) -> anyhow::Result<()> {
        let options = ReaderOptions {
            name: self.input.clone(),
            format: reading.input_format,
            timing: reading.timing(),
            clock: Arc::new(SystemClock::default()),
        };
        let mut reader = Reader::new(io::Cursor::new(head).chain(input), options).with_omissions(self.omissions.clone());
        self.as_it_is = false;
        let (mut route, mut main) = (None, 0);
        loop {
            let event = match reader.next_read()? {
                Some(event) => event,
                None => {
                    self.publisher.flush();
                    self.bursts.wait(self.clock.now());
                    let Some(event) = reader.next()? else { break };
                    event
                }
            };
            match &event {
                Event::Header(header) => {
                    self.omissions = reader.omissions();
                    main = header.tracks.iter().position(|track| track.kind() == Kind::Video).unwrap_or(0);
                }
                Event::Packet(packet) if packet.track == main => self.watch(packet.pts, packet.pts, 1, reader.format()),
                Event::Packet(_) | Event::TimeZero(_) => {}
            }
            match (event, &mut route) {
                (Event::Header(header), route) => self.header(&header, route)?,
                (Event::Packet(packet), Some(route)) => self.packet(packet, route)?,
                (Event::TimeZero(zero), Some(Route::Pictures { time_zero, .. })) => *time_zero = Some(zero),
                (Event::TimeZero(zero), Some(Route::Muxed { muxer, .. })) => muxer.time_zero(zero),
                (Event::Packet(_) | Event::TimeZero(_), None) => {}
            }
            if self.cx.stop.requested() {
                break;
            }
        }
        if let Some(Route::Muxed { muxer, init }) = &mut route {
            muxer.flush().into_iter().try_for_each(|chunk| self.muxed(chunk, init))?;
        }
        Ok(())
    }

    /// Chooses the route for a writer's tracks, or takes it on from there when they change in the middle.
    fn header(&mut self, header: &Header, route: &mut Option<Route>) -> anyhow::Result<()> {
        if let Some(track) = header.tracks.iter().position(|t| t.codec == Codec::Jpeg) {
            self.omissions.warn(&self.input, beside_pictures(header, track));
            if let Some(video) = header.tracks[track].as_video() {
                self.publisher.pictures(video);
            }
            *route = Some(Route::Pictures { track, time_zero: header.time_zero, base: None });
            return Ok(());
        }
        if let Some(Route::Muxed { muxer, init }) = route {
            let new = muxer.header(header).map_err(|e| self.refused(e))?.cloned();
            self.omissions.warn(&self.input, muxer.omitted().to_vec());
            *init = new.or(init.take());
            return Ok(());
        }
        let options = MuxOptions { fragment: Fragment::Frame, prft: true };
        let mut muxer = Muxer::new(header, options).map_err(|e| self.refused(e))?;
        self.omissions.warn(&self.input, muxer.omitted().to_vec());
        let init = muxer.init().clone();
        let init = if let Some(end) = self.end {
            muxer.follow(end);
            Some(init)
        } else {
            self.init(init)?;
            None
        };
        *route = Some(Route::Muxed { muxer: Box::new(muxer), init });
        Ok(())
    }

    fn packet(&mut self, packet: Packet, route: &mut Route) -> anyhow::Result<()> {
        match route {
            Route::Pictures { track, time_zero, base } if packet.track == *track && !packet.hidden => {
                let next = self.end.map(|end| end + self.step);
                let at = packet.pts + *base.get_or_insert_with(|| next.map_or(0, |next| next - packet.pts));
                if let Some(pace) = &mut self.pace {
                    self.publisher.flush();
                    pace.wait(at);
                }
                self.frames += 1;
                self.cx.stats.input.count(Kind::Video, packet.data.len());
                if let Some(end) = self.end.replace(self.end.map_or(at, |end| end.max(at))).filter(|end| at > *end) {
                    self.step = at - end;
                }
                Ok(self.publisher.jpeg(packet.data, at, time_zero.map(|zero| zero.at(packet.pts)))?)
            }
            Route::Pictures { .. } => Ok(()),
            Route::Muxed { muxer, init } => match muxer.push(packet).map_err(|e| self.refused(e))? {
                Some(chunk) => self.muxed(chunk, init),
                None => Ok(()),
            },
        }
    }

    /// Publishes a chunk of the muxer, and what goes before it.
    fn muxed(&mut self, chunk: Chunk, init: &mut Option<Init>) -> anyhow::Result<()> {
        init.take().map_or(Ok(()), |init| self.init(init))?;
        Ok(self.chunk(chunk)?)
    }

    fn refused(&self, error: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
        anyhow::Error::new(error).context(self.input.clone())
    }
}

/// How packets go on.
enum Route {
    /// `base`: where this writer's time zero is on the viewers' timeline, in microseconds; known from its first picture on.
    Pictures { track: usize, time_zero: Option<WallTime>, base: Option<i64> },
    /// `init`: goes out with the next chunk. Viewers of what came before keep that until there is more.
    Muxed { muxer: Box<Muxer>, init: Option<Init> },
}

/// What is not served beside MJPEG.
fn beside_pictures(header: &Header, pictures: usize) -> Vec<OmittedTrack> {
    let others = header.tracks.iter().enumerate().filter(|(index, _)| *index != pictures);
    let reason = "not served beside MJPEG; h5enc | h5mux before h5serve makes H.264 of the pictures, which has sound beside it";
    let omitted = |(index, track): (usize, &Track)| OmittedTrack {
        number: index as u64 + 1,
        kind: Some(track.kind()),
        codec: track.codec.to_string(),
        reason: reason.into(),
    };
    others.map(omitted).collect()
}

/// The boxes that a stream may begin with.
fn is_mp4(head: &[u8]) -> bool {
    matches!(head.get(4..8), Some(b"ftyp" | b"styp" | b"moov" | b"moof" | b"prft" | b"emsg" | b"sidx" | b"free" | b"skip"))
}
