//! h5enc: raw video and audio in, coded out; what is coded already passes through.

use anyhow::Context as _;
use h5live::cli::{self, Reply};
use h5live::encode::{self, AudioCodec, EncodeStage, Gop, Live, Options, Size, VideoCodec, parse_bitrate};
use h5live::format::Timing;
use h5live::media::{Event, NoSource, OverflowPolicy, Rate, SystemClock};
use h5live::pipe::{InputFormat, InputQueue, Reader, ReaderOptions, Writer, stdio};
use h5live::source::mp4;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

const MANUAL: cli::Manual = cli::Manual {
    examples: &[
        ("Put a camera on a web page", "h5cap test | h5enc | h5mux | h5serve"),
        ("A slow link: half the size, 500 kbit/s", "h5cap test | h5enc --size 640x --bitrate 500K | h5mux | h5serve"),
        (
            "An MJPEG camera as H.264, at a tenth of the bitrate",
            "h5cap test --pixel-format i420 | h5enc --video mjpeg | h5enc | h5mux > show.mp4",
        ),
        ("Audio alone, for players without Opus", "h5cap test | h5enc --video none --audio aac | h5mux > audio.mp4"),
        ("Pictures that another program prints", "ffmpeg -i clip.mp4 -f yuv4mpegpipe - | h5enc | mpv -"),
    ],
    groups: &[
        ("Video", &["video", "bitrate", "size", "rate", "gop", "quality", "threads"]),
        ("Audio", &["audio", "audio_bitrate"]),
        ("Input and output", &["input_format", "live", "late"]),
    ],
    sections: &[
        (
            "VIDEO",
            "By default, raw video and MJPEG become H.264 (High profile, one reference picture, no B-frames). Other \
             coded video passes through unchanged: h5enc does not decode it, but ffmpeg(1) does.\n\n\
             h5enc writes each picture as soon as it is encoded. Meanwhile it reads the next picture, but no more than \
             one. The encoder keeps the bitrate over a second and changes the quantiser slowly, because that looks \
             best. A still scene takes less than --bitrate. SPS and PPS precede every keyframe.\n\n\
             The output does not depend on the number of threads, and is the same in each run.\n\n\
             h5enc reads all pixel formats of h5pipe(5). MJPEG keeps their chroma: 4:2:0, 4:2:2, 4:4:4 or grey; RGB \
             becomes 4:2:0. H.264 has even sizes only: h5enc crops an odd width or height by one pixel. RGB becomes \
             BT.709 if the picture has at least 1280 columns or 577 lines, else BT.601. YUV keeps its matrix. The \
             range is limited. The output carries this colour information.\n\n\
             When the picture size changes, h5enc writes a new header and a keyframe at once.",
        ),
        (
            "AUDIO",
            "By default, PCM becomes Opus and coded audio passes through. h5enc reads any sample format, sample rate \
             and number of channels, and downmixes to stereo. Output times count samples from the first one. h5enc \
             fills gaps in the input with silence, cuts overlaps, and resamples audio whose clock runs fast or slow. \
             After a jump of ten seconds the count starts again.\n\n\
             AAC needs the library libvo-aacenc (Debian: libvo-aacenc0). h5enc loads it only for --audio aac.",
        ),
        (
            "CONTROL",
            "With --control, POST /keyframe makes the next picture a keyframe, and PUT /bitrate with a body such as \
             1.5M changes the video bitrate.\n\n    curl -X PUT -d 800K http://127.0.0.1:PORT/bitrate",
        ),
    ],
    see_also: &["ffmpeg(1)", "mpv(1)"],
    ..cli::Manual::new(
        "h5enc",
        "encode raw video and audio, without delay",
        "h5enc reads any format of h5pipe(5) from stdin or a file: live Matroska, YUV4MPEG2, WAV, JPEG images, \
         multipart MJPEG and coded streams. It writes live Matroska to stdout, with H.264 or MJPEG and Opus or AAC.",
    )
};

/// Arguments as typed.
#[derive(clap::Parser)]
struct Args {
    /// File to read; - or nothing for stdin
    #[arg(value_name = "FILE")]
    input: Option<PathBuf>,

    /// Video codec [default: h264 for raw video and MJPEG, copy for the rest]
    #[arg(long, value_enum, value_name = "CODEC")]
    video: Option<Video>,

    /// Audio codec [default: opus for PCM, copy for the rest]
    #[arg(long, value_enum, value_name = "CODEC")]
    audio: Option<Audio>,

    /// Bitrate of H.264, in bits a second: 800K, 1.5M [default: by size and rate; 2M for 720p at 30]
    #[arg(long, value_name = "BITS", value_parser = parse_bitrate)]
    bitrate: Option<u32>,

    /// Bitrate of audio, in bits a second [default: 64K mono, 128K stereo]
    #[arg(long, value_name = "BITS", value_parser = parse_bitrate)]
    audio_bitrate: Option<u32>,

    /// Maximum distance between keyframes: 1s, 500ms, or a number of frames
    #[arg(long, value_name = "DISTANCE", default_value = "1s")]
    gop: Gop,

    /// Scale to this size; 640x or x360 keeps the aspect ratio
    #[arg(long, value_name = "WxH")]
    size: Option<Size>,

    /// Maximum frame rate, and the rate of an input without timestamps; frames are never repeated
    #[arg(long, value_name = "FPS")]
    rate: Option<Rate>,

    /// Quality of MJPEG [default: 80], and upper limit of the quality of H.264 [default: 85]; 1 to 100
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: Option<u8>,

    /// Encoder threads [default: as many as H.264 needs, 4 at most; one a core for MJPEG]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: Option<u16>,

    /// Format of the input, in place of detection: matroska, y4m, jpeg, ...
    #[arg(long, value_name = "FORMAT")]
    input_format: Option<InputFormat>,

    /// Time an input without timestamps by its arrival
    #[arg(long)]
    live: bool,

    #[command(flatten)]
    overflow: cli::OverflowArg,

    #[command(flatten)]
    common: cli::Common,
}

#[derive(clap::ValueEnum, Clone, Copy)]
enum Video {
    /// H.264, from raw video or MJPEG
    H264,
    /// MJPEG: independent JPEG images, encoded on all cores
    Mjpeg,
    /// Unchanged
    Copy,
    /// No video
    None,
}

#[derive(clap::ValueEnum, Clone, Copy)]
enum Audio {
    /// Opus, packets of 20 ms
    Opus,
    /// AAC-LC, for players without Opus
    Aac,
    /// Unchanged
    Copy,
    /// No audio
    None,
}

impl AsRef<cli::Common> for Args {
    fn as_ref(&self) -> &cli::Common {
        &self.common
    }
}

impl Args {
    fn options(&self) -> Options {
        Options {
            video: match self.video {
                None => VideoCodec::Auto,
                Some(Video::H264) => VideoCodec::H264,
                Some(Video::Mjpeg) => VideoCodec::Mjpeg,
                Some(Video::Copy) => VideoCodec::Copy,
                Some(Video::None) => VideoCodec::None,
            },
            audio: match self.audio {
                None => AudioCodec::Auto,
                Some(Audio::Opus) => AudioCodec::Opus,
                Some(Audio::Aac) => AudioCodec::Aac,
                Some(Audio::Copy) => AudioCodec::Copy,
                Some(Audio::None) => AudioCodec::None,
            },
            bitrate: self.bitrate,
            audio_bitrate: self.audio_bitrate,
            gop: self.gop,
            size: self.size,
            rate: self.rate,
            quality: self.quality,
            threads: self.threads,
        }
    }

    fn timing(&self) -> Timing {
        match self.rate {
            _ if self.live => Timing::Arrival,
            Some(rate) => Timing::Rate(rate),
            None => Timing::Stream,
        }
    }
}

fn main() -> ExitCode {
    cli::main(&MANUAL, run)
}

fn run(args: Args, cx: cli::Context) -> anyhow::Result<()> {
    if matches!((args.video, args.audio), (Some(Video::None), Some(Audio::None))) {
        return Err(cli::usage("--video none --audio none leaves nothing"));
    }
    let (name, input) = open_input(args.input.as_deref(), &cx.stop)?;
    let writer = Writer::new(stdio::Stdout::open()?);
    let clock = Arc::new(SystemClock::default());
    let options = ReaderOptions { name: name.clone(), format: args.input_format, timing: args.timing(), clock };
    let reader = Reader::new(input, options);
    let live = Arc::new(Live::default());
    routes(&cx.control, &live);
    let encoder = Encoder { stage: EncodeStage::new(args.options(), Arc::clone(&live), sink(writer, &cx)), live, cx, name };
    match args.overflow.policy {
        OverflowPolicy::Block => encoder.in_step(reader),
        late => encoder.behind(reader, InputQueue::new(late)),
    }
}

/// The name of the input in errors, and the input; of a file that can be read in any order, the index comes first.
fn open_input(path: Option<&Path>, stop: &cli::Stop) -> anyhow::Result<(String, Box<dyn Read + Send>)> {
    let (name, input) = match path.filter(|path| *path != Path::new("-")) {
        None => ("stdin".into(), stdio::Stdin::open(Some(stop))?),
        Some(path) => {
            let name = path.display().to_string();
            // A FIFO without a writer is waited for when it is read, not here.
            let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
            let file = file.map_err(|error| no_source(error).context(name.clone()))?;
            (name, stdio::Stdin::over(file, Some(stop))?)
        }
    };
    if !stdio::is_stored(&input) {
        return Ok((name, Box::new(input)));
    }
    if stdio::is_same_file(&input, io::stdout()) {
        return Err(cli::usage(format!("{name}: is the output too: write to another file")));
    }
    let input = mp4::index_first(input.into_file()).with_context(|| name.clone())?;
    Ok((name, input))
}

/// A file that is not there has an exit code of its own.
fn no_source(error: io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::NotFound { NoSource(error.to_string()).into() } else { error.into() }
}

fn routes(control: &cli::Control, live: &Arc<Live>) {
    let (keys, bits) = (Arc::clone(live), Arc::clone(live));
    control.route("POST", "/keyframe", move |_| {
        keys.request_keyframe();
        Reply::done()
    });
    control.route("PUT", "/bitrate", move |body| {
        match parse_bitrate(String::from_utf8_lossy(body).trim()) {
            Ok(bitrate) => bits.set_bitrate(bitrate),
            Err(error) => return Reply::text(400, error.to_string()),
        }
        Reply::done()
    });
}

/// Writes and counts what comes out.
fn sink(mut writer: Writer<stdio::Stdout>, cx: &cli::Context) -> impl FnMut(Event) -> Result<(), encode::SinkError> + Send + 'static {
    let stats = Arc::clone(&cx.stats);
    move |event| {
        writer.write(&event)?;
        stats.output.event(&event);
        Ok(())
    }
}

struct Encoder {
    stage: EncodeStage,
    live: Arc<Live>,
    cx: cli::Context,
    /// Of the input, in errors.
    name: String,
}

impl Encoder {
    /// Reads the next event while one is encoded, and no further: what is slow holds up what comes before it.
    fn in_step(mut self, mut reader: Reader) -> anyhow::Result<()> {
        // Without room: the reading thread holds one event until it is taken.
        let (ahead, events) = crossbeam_channel::bounded(0);
        let reading = std::thread::Builder::new().name("read".into()).spawn(move || {
            let outcome = read(&mut reader, |event| Ok(ahead.send(event).is_ok()));
            (outcome, reader.damage(), reader.bytes())
        })?;
        let pumped = self.pump(|| Ok(events.recv().ok()), |_| 0);
        // The reading thread may still hold an event, which is not wanted any more.
        drop(events);
        if let Err(error) = pumped {
            _ = self.finish(0);
            return Err(error);
        }
        let (outcome, damage, bytes) = reading.join().expect("the reading thread does not panic");
        // Events from before an error are whole: they go out.
        let (cx, name) = (self.cx.clone(), self.name.clone());
        outcome.and(self.finish(damage))?;
        judge(&cx, &name, bytes)
    }

    /// Reads in a thread of its own: while a picture is encoded, newer ones take the place of older ones.
    fn behind(mut self, mut reader: Reader, queue: InputQueue<Event>) -> anyhow::Result<()> {
        let ours = queue.clone();
        let reading = std::thread::Builder::new().name("read".into()).spawn(move || {
            let outcome = read(&mut reader, |event| ours.send(event).map(|_| true).context("the encoder does not keep up with its input"));
            ours.close();
            (outcome, reader.damage(), reader.bytes())
        })?;
        self.pump(|| Ok(queue.take()), |_| queue.dropped())?;
        let (outcome, damage, bytes) = reading.join().expect("the reading thread does not panic");
        // Events from before an error are whole: they go out.
        let (cx, name) = (self.cx.clone(), self.name.clone());
        outcome.and(self.finish(damage))?;
        judge(&cx, &name, bytes)
    }

    fn pump(&mut self, mut next: impl FnMut() -> anyhow::Result<Option<Event>>, dropped: impl Fn(&Event) -> u64) -> anyhow::Result<()> {
        while !self.cx.stop.requested()
            && let Some(event) = next()?
        {
            let stats = &self.cx.stats;
            stats.input.event(&event);
            stats.dropped.set_total(dropped(&event));
            self.stage.push(event).map_err(|error| explain(error, &self.name))?;
            stats.damaged.set_total(self.live.damaged());
        }
        Ok(())
    }

    fn finish(self, damage: u64) -> anyhow::Result<()> {
        self.cx.stats.damaged.add(damage);
        self.stage.finish().map_err(|error| explain(error, &self.name))
    }
}

/// Whether something came out of the input.
fn judge(cx: &cli::Context, input: &str, bytes: u64) -> anyhow::Result<()> {
    if cx.stop.requested() { Ok(()) } else { cx.judge(input, bytes, None) }
}

/// Reads until the input ends or `take` wants no more.
fn read(reader: &mut Reader, mut take: impl FnMut(Event) -> anyhow::Result<bool>) -> anyhow::Result<()> {
    while let Some(event) = reader.next()?
        && take(event)?
    {}
    Ok(())
}

/// The input's faults are reported with its name.
fn explain(error: encode::Error, name: &str) -> anyhow::Error {
    match error {
        encode::Error::Malformed(error) => anyhow::Error::new(error).context(name.to_owned()),
        encode::Error::Unsupported(error) => error.into(),
        error => error.into(),
    }
}
