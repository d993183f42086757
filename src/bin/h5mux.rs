//! h5mux: coded video and audio in, CMAF (fragmented MP4) out, one chunk per frame.

use anyhow::Context as _;
use h5live::cli;
use h5live::format::Timing;
use h5live::format::bmff::Chunk;
use h5live::media::{Clock, Event, Header, KeyframeWatch, Kind, NO_KEYFRAME, NoSource, Packet, Rate, SystemClock, WallTime, ZeroWatch};
use h5live::mux::{self, Fragment, MuxOptions, Muxer};
use h5live::pipe::{BurstDetector, InputFormat, OmissionLog, OutputQueue, Reader, ReaderOptions, VectoredWriter, stdio};
use h5live::source::mp4;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

const MANUAL: cli::Manual = cli::Manual {
    examples: &[
        ("Put a camera on a web page", "h5cap test | h5enc | h5mux | h5serve"),
        ("Record while serving; the file plays even after a crash", "h5cap test | h5enc | h5mux | tee show.mp4 | h5serve"),
        ("A coded file or stream, without encoding it again", "ffmpeg -i clip.mp4 -c copy -f nut -flush_packets 1 - | h5mux > show.mp4"),
        ("Raw H.264 from a camera program, timed by arrival", "rpicam-vid -t 0 -o - | h5mux --live | h5serve"),
    ],
    groups: &[("Output", &["output", "fragment", "no_clock", "late"]), ("Input", &["input_format", "rate", "live"])],
    sections: &[
        (
            "OUTPUT",
            "h5mux writes an initialization segment, then chunks of one track each. A chunk has the wall-clock time \
             of capture (before video), the movie fragment header with its exact decode time, and the frames, byte for \
             byte as they came in (but see KEYFRAMES). Video is H.264, H.265 or AV1. Audio is AAC, Opus, FLAC or MP3. \
             h5mux leaves out a track that browsers do not play from MP4, and names it in a warning. If no track is \
             left, that is an error with advice.\n\n\
             A file given with --output keeps its content until there is something to write. It can be played while it \
             grows.\n\n\
             An edit list may cut away pictures that a decoder needs for those after the cut. They stay part of the \
             stream. Each lasts less than a millisecond, right before the first picture that is shown. The player of \
             h5serve(1) does not show them. Another player may show them for a moment. To remove them, encode the clip \
             again.\n\n\
             When the resolution changes, the stream goes on: h5mux puts the new parameter sets before the first \
             picture that needs them. When the tracks themselves change, another initialization segment follows.",
        ),
        (
            "KEYFRAMES",
            "A player starts at a keyframe: an IDR picture of H.264, an IRAP picture of H.265. An H.264 encoder with \
             intra refresh sends recovery points in place of IDR pictures. If no IDR picture comes for two seconds, \
             h5mux takes a recovery point for a keyframe. It sets recovery_frame_cnt to 0 in the SEI message, because \
             Chromium starts at no other. The picture is whole after as many frames as the encoder said. Browsers \
             cannot start in H.265 with intra refresh: they need IDR or CRA pictures.\n\n\
             If frames come for three seconds and none is a keyframe, h5mux warns once. /healthz of --control reports \
             it until a keyframe comes. Set the encoder's keyframe interval to 1 s.",
        ),
        (
            "TIME",
            "The input gives presentation times. h5mux derives decode times from the reorder depth that the stream \
             declares, so B-frames add no delay. The duration of a video frame is nominal, because h5mux writes it \
             before the next frame arrives. It is never shorter than the recent distance between frames.",
        ),
    ],
    see_also: &["ffmpeg(1)", "mpv(1)"],
    ..cli::Manual::new(
        "h5mux",
        "turn coded video and audio into fragmented MP4, one chunk per frame",
        "h5mux reads coded video and audio from stdin or a file, in any format of h5pipe(5): Matroska, MP4, NUT, \
         H.264 or H.265 byte streams, ADTS. It writes CMAF, which is fragmented MP4, to stdout. The output suits \
         h5serve(1), players and files; a file plays even if h5mux was killed.",
    )
};

/// Arguments as typed.
#[derive(clap::Parser)]
struct Args {
    /// File to read; - or nothing for stdin
    #[arg(value_name = "FILE")]
    input: Option<PathBuf>,

    /// Write to a file in place of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Length of a chunk: one frame (no delay), a group of pictures, or a number of milliseconds
    #[arg(long, value_name = "frame|gop|MS", default_value_t)]
    fragment: Fragment,

    /// Format of the input, in place of detection: matroska, mp4, nut, h264, h265, adts, ...
    #[arg(long, value_name = "FORMAT")]
    input_format: Option<InputFormat>,

    /// Frame rate of an input without timestamps
    #[arg(long, value_name = "FPS", conflicts_with = "live")]
    rate: Option<Rate>,

    /// Time an input without timestamps by its arrival
    #[arg(long)]
    live: bool,

    /// Omit the wall-clock times
    #[arg(long)]
    no_clock: bool,

    #[command(flatten)]
    overflow: cli::OverflowArg,

    #[command(flatten)]
    common: cli::Common,
}

impl AsRef<cli::Common> for Args {
    fn as_ref(&self) -> &cli::Common {
        &self.common
    }
}

fn main() -> ExitCode {
    cli::main(&MANUAL, run)
}

fn run(args: Args, cx: cli::Context) -> anyhow::Result<()> {
    let file = open_input(args.input.as_deref(), &cx.stop)?;
    let (out_name, output) = open_output(args.output.as_deref(), &file)?;
    let Opened { name, input, stored } = file.open()?;
    let timing = match args.rate {
        Some(rate) => Timing::Rate(rate),
        None if args.live => Timing::Arrival,
        None => Timing::Stream,
    };
    let clock = Arc::new(SystemClock::default());
    let mut reader = Reader::new(input, ReaderOptions { name: name.clone(), format: args.input_format, timing, clock: clock.clone() });
    let options = MuxOptions { fragment: args.fragment, prft: !args.no_clock };
    let mut out = OutputQueue::new(VectoredWriter::new(output, out_name), args.overflow.policy);
    if stored {
        out = out.gathering(VectoredWriter::<Output>::STORED);
    }
    let watch = Watch { name: name.clone(), clock: SystemClock::default(), bursts: BurstDetector::default(), main: 0 };
    let mut stage = MuxStage {
        name: name.clone(),
        options,
        muxer: None,
        clock,
        zero: None,
        stored,
        watch,
        out,
        stats: cx.stats.clone(),
        omissions: OmissionLog::default(),
        keyframes: KeyframeWatch::default(),
        said_no_keyframe: false,
    };
    let outcome = stage.pump(&mut reader, &cx);
    // Events from before an error are whole: they go out.
    let finished = stage.finish();
    outcome.and(finished)?;
    if cx.stop.requested() { Ok(()) } else { cx.judge(&name, reader.bytes(), None) }
}

struct Opened {
    name: String,
    input: Box<dyn Read + Send>,
    /// It is a file, so nothing in it is live.
    stored: bool,
}

/// What is going to be read.
struct Input {
    name: String,
    input: stdio::Stdin,
}

type Output = Box<dyn Write + Send>;

fn open_input(path: Option<&Path>, stop: &cli::Stop) -> anyhow::Result<Input> {
    match path.filter(|p| *p != Path::new("-")) {
        None => Ok(Input { name: "stdin".into(), input: stdio::Stdin::open(Some(stop))? }),
        Some(path) => {
            let name = path.display().to_string();
            // A FIFO without a writer is waited for when it is read, not here.
            let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
            let file = file.map_err(|e| no_source(e).context(name.clone()))?;
            Ok(Input { name, input: stdio::Stdin::over(file, Some(stop))? })
        }
    }
}

impl Input {
    /// Of a file that can be read in any order, the index comes first.
    fn open(self) -> anyhow::Result<Opened> {
        let Input { name, input } = self;
        let stored = stdio::is_stored(&input);
        let input: Box<dyn Read + Send> =
            if stored { mp4::index_first(input.into_file()).with_context(|| name.clone())? } else { Box::new(input) };
        Ok(Opened { name, input, stored })
    }
}

impl AsFd for Input {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.input.as_fd()
    }
}

/// A file that is not there has an exit code of its own.
fn no_source(error: io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::NotFound { NoSource(error.to_string()).into() } else { error.into() }
}

fn open_output(path: Option<&Path>, input: &Input) -> anyhow::Result<(String, Output)> {
    let same = |name: &str| cli::usage(format!("{name}: is the input too: write to another file"));
    match path.filter(|p| *p != Path::new("-")) {
        None => {
            let stdout = stdio::Stdout::open()?;
            if stdio::is_same_file(&stdout, input) {
                return Err(same("stdout"));
            }
            if stdio::is_stored(input) {
                stdout.enlarge();
            }
            Ok(("stdout".into(), Box::new(stdout)))
        }
        Some(path) => {
            let name = path.display().to_string();
            let target = Target::open(path).with_context(|| name.clone())?;
            if target.file.as_ref().is_some_and(|file| stdio::is_same_file(file, input)) {
                return Err(same(&name));
            }
            Ok((name, Box::new(target)))
        }
    }
}

/// The file of `--output`. What is in it stays until there is something to write: an input that is not understood destroys nothing.
struct Target {
    path: PathBuf,
    /// It is there already.
    file: Option<File>,
    begun: bool,
}

impl Target {
    fn open(path: &Path) -> io::Result<Target> {
        let file = match OpenOptions::new().write(true).open(path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Whether it can be made is said now, and not after an hour.
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
                std::fs::metadata(folder)?;
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Target { path: path.to_owned(), file, begun: false })
    }

    fn file(&mut self) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => {
                if !self.begun && stdio::is_stored(&file) {
                    file.set_len(0)?;
                }
                file
            }
            None => File::create(&self.path)?,
        };
        self.begun = true;
        Ok(self.file.insert(file))
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file()?.write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.file()?.write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), File::flush)
    }
}

/// From events to chunks.
struct MuxStage {
    /// Of the input.
    name: String,
    options: MuxOptions,
    /// From the first header on.
    muxer: Option<Muxer>,
    clock: Arc<SystemClock>,
    /// Time zero, where the input does not tell it.
    zero: Option<ZeroWatch>,
    stored: bool,
    watch: Watch,
    out: OutputQueue<mux::Output, VectoredWriter<Output>>,
    stats: Arc<cli::Stats>,
    /// Of tracks that are left out here.
    omissions: OmissionLog,
    keyframes: KeyframeWatch,
    said_no_keyframe: bool,
}

/// Looks out for an input that holds frames back.
struct Watch {
    /// Of the input.
    name: String,
    clock: SystemClock,
    bursts: BurstDetector,
    /// The first video track, else the first.
    main: usize,
}

impl Watch {
    fn packet(&mut self, packet: &Packet, format: Option<InputFormat>) {
        if packet.track == self.main
            && let Some(finding) = self.bursts.arrived(self.clock.now(), packet.pts, packet.pts, 1)
        {
            tracing::warn!("{}: {}", self.name, finding.text(format));
        }
    }
}

impl MuxStage {
    /// Until the input ends or a stop is asked for.
    fn pump(&mut self, reader: &mut Reader, cx: &cli::Context) -> anyhow::Result<()> {
        while !cx.stop.requested()
            && let Some(event) = self.next(reader)?
        {
            match event {
                Event::Header(header) => self.header(&header)?,
                Event::Packet(packet) => {
                    if !self.stored {
                        self.watch.packet(&packet, reader.format());
                    }
                    self.packet(packet)?;
                }
                Event::TimeZero(zero) => self.time_zero(zero),
            }
            self.stats.damaged.set_total(reader.damage());
        }
        Ok(())
    }

    /// Before anything is waited for, all that is ready goes out: no frame waits for the next. A file is not waited for.
    fn next(&mut self, reader: &mut Reader) -> anyhow::Result<Option<Event>> {
        if self.stored {
            return Ok(reader.next()?);
        }
        if let Some(event) = reader.next_read()? {
            return Ok(Some(event));
        }
        self.out.flush()?;
        self.watch.bursts.wait(self.watch.clock.now());
        Ok(reader.next()?)
    }

    fn header(&mut self, header: &Header) -> anyhow::Result<()> {
        self.flush()?;
        self.zero = None;
        self.watch.main = header.tracks.iter().position(|track| track.kind() == Kind::Video).unwrap_or(0);
        let init = match &mut self.muxer {
            Some(muxer) => muxer.header(header)?,
            None => Some(self.muxer.insert(Muxer::new(header, self.options)?).init()),
        };
        let init = init.map(|init| init.bytes.clone());
        let omitted = self.muxer.as_ref().map(|muxer| muxer.omitted().to_vec()).unwrap_or_default();
        self.omissions.warn(&self.name, omitted);
        if let Some(init) = init {
            self.out.send(mux::Output::Init(init))?;
        }
        Ok(())
    }

    fn packet(&mut self, packet: Packet) -> anyhow::Result<()> {
        let muxer = self.muxer.as_mut().expect("readers give a header before any packet");
        // An input that does not tell its wall clock is taken to be live from here on.
        muxer.set_time_zero(|| {
            let zero = WallTime(self.clock.wall().0.saturating_sub(packet.pts.0));
            self.zero.insert(ZeroWatch::new(zero, &*self.clock)).zero()
        });
        if let Some(zero) = self.zero.as_mut().and_then(|zero| zero.moved(&*self.clock)) {
            muxer.time_zero(zero);
        }
        if let Some(kind) = muxer.kind(packet.track) {
            self.stats.input.count(kind, packet.data.len());
        }
        match muxer.push(packet)? {
            Some(chunk) => self.send(chunk),
            None => Ok(()),
        }
    }

    /// The input says that its wall clock was set.
    fn time_zero(&mut self, zero: WallTime) {
        self.zero = None;
        if let Some(muxer) = &mut self.muxer {
            muxer.time_zero(zero);
        }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        let chunks = self.muxer.as_mut().map(Muxer::flush).unwrap_or_default();
        chunks.into_iter().try_for_each(|chunk| self.send(chunk))
    }

    /// Says once, and in /healthz as long as it is so, that no player can start in the stream.
    fn watch_keyframes(&mut self, chunk: &Chunk) {
        if chunk.kind != Kind::Video || self.keyframes.found() {
            return;
        }
        let now = Instant::now();
        self.keyframes.frame(chunk.key, now);
        if self.keyframes.found() {
            self.stats.set_trouble(None);
        } else if self.keyframes.is_overdue(now) && !self.said_no_keyframe {
            self.say_no_keyframe();
        }
    }

    fn say_no_keyframe(&mut self) {
        self.said_no_keyframe = true;
        self.stats.set_trouble(Some(NO_KEYFRAME));
        tracing::warn!("{}: {NO_KEYFRAME}", self.name);
    }

    fn send(&mut self, chunk: Chunk) -> anyhow::Result<()> {
        self.watch_keyframes(&chunk);
        let (kind, frames, bytes) = (chunk.kind, chunk.frames.into(), chunk.data.iter().map(|frame| frame.len() as u64).sum());
        if self.out.send(mux::Output::Chunk(chunk))? {
            self.stats.output.count_frames(kind, frames, bytes);
        } else {
            self.stats.dropped.add(frames);
        }
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<()> {
        self.flush()?;
        if self.keyframes.lacks() && !self.said_no_keyframe {
            self.say_no_keyframe();
        }
        Ok(self.out.finish()?)
    }
}
