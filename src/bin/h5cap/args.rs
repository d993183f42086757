//! The arguments, and the manual.

use crate::camera::CameraArgs;
use crate::microphone::AudioArgs;
use h5live::cli;
use h5live::media::{OverflowPolicy, PixelFormat, Rate};
use h5live::pipe::InputFormat;
use h5live::source::pattern::MAX_SIDE;
use std::time::Duration;

pub const MANUAL: cli::Manual = cli::Manual {
    examples: &[
        ("Put the test picture on a web page", "h5cap test | h5enc | h5mux | h5serve"),
        ("The first camera, with no encoder at all if it gives MJPEG", "h5cap | h5serve"),
        ("The camera with its microphone", "h5cap camera --audio default | h5enc | h5mux | h5serve"),
        ("A recording, in real time and for ever", "h5cap film.mkv --loop | h5enc | h5mux | h5serve"),
        ("Three pictures, each for a second", "h5cap 1.jpg 2.jpg 3.jpg --rate 1 --loop | h5serve"),
        ("Pictures that a camera uploads to a directory, as they come", "h5cap --follow /srv/ftp/camera | h5serve"),
        ("Look at what goes through the pipe", "h5cap test --size 640x360 --duration 5 | ffprobe -v error -show_streams -"),
    ],
    groups: &[
        ("Pictures and time", &["size", "rate", "duration", "repeat", "follow", "pace", "no_pace"]),
        ("Test picture", &["pixel_format", "no_audio"]),
        ("Streams and output", &["input_format", "live", "late"]),
    ],
    sections: &[
        (
            "SOURCES",
            "test: colour bars, a wall clock, a dial that turns once a second and flashes while a beep sounds, a sweep, and at the top a \
             machine-readable clock: the capture time in milliseconds and the frame number as two rows of black and white \
             blocks (see h5pipe(5)). The sound is 48 kHz stereo: a soft tone, in which gaps are heard, and the beep.\n\n\
             camera: the first camera of Linux, by Video4Linux2; camera:WHICH: the one with this name (or a part of it), serial number \
             or place on the bus, as h5cap --list shows them; or /dev/videoN. Without any source, h5cap takes the first camera. See CAMERAS.\n\n\
             --audio DEVICE adds a microphone to the camera's pictures, in one stream and on one clock; microphone or microphone:DEVICE is \
             sound alone. A device is default, a name of ALSA such as hw:1, or a card's name (or a part of it), serial number or place on the \
             bus, as --list shows them. It is recorded in its own format, at 48 kHz in stereo if it can; its times are the \
             driver's, and h5enc(1) stretches sound whose clock runs differently. A microphone that is unplugged is waited for.\n\n\
             Picture files (JPEG, PNG, GIF, BMP, WebP, TIFF, PNM) and directories of them, in the order of their names: each is a frame, \
             one a second unless --rate says otherwise. JPEG goes out untouched as MJPEG; the others are decoded. With \
             --follow, a directory is watched, or a file that is written again and again: what is new and whole goes out at once, and while \
             nothing new comes, the last picture is repeated at --rate.\n\n\
             Any other file, FIFO, or - for stdin: a stream in any format of h5pipe(5). Coded frames go out as they are.\n\n\
             A source of one of these names is told from a file by a prefix: file:test, file:-, camera:/dev/video2.",
        ),
        (
            "CAMERAS",
            "Names, serial numbers and places on the bus stay the same; the numbers of device nodes change from boot to boot.\n\n\
             Of the modes that a camera offers that one is taken which, most important first: is of --format; is nearest to --size, or without it \
             is no larger than 1920×1080; is nearest to --rate, or without it comes up to 30 frames a second; has the largest picture; is MJPEG, \
             H.264, raw (4:2:0, 4:2:2, RGB, grey) or H.265, in this order; is listed first. With -v, h5cap says which; and always, where the driver \
             takes another than it was asked for.\n\n\
             Frames pass as they are, with the driver's times. Those that come damaged are dropped; they and those that the driver lost are counted, \
             see /metrics and /stats, and -v at the end.\n\n\
             A camera that is unplugged, fails, or gives no frame for --stall is waited for, and goes on wherever it is plugged in again, with correct \
             times: the same one, by name, serial number and place. --on-loss says what else to do.\n\n\
             Controls are set with --control-set, and listed and set while it runs with --control: GET /controls, PUT /controls {\"brightness\": 128}. They \
             are set again when the camera is back.",
        ),
        (
            "TIME",
            "The test picture, pictures and recordings in regular files are played in real time, and what is on a pipe is passed on as it comes. \
             --pace and --no-pace say otherwise. A recording whose reader was stopped for more than a second goes on where it was; \
             one with a hole of more than ten seconds goes on at once. With --loop, times go on without a jump.",
        ),
    ],
    see_also: &["ffmpeg(1)", "mpv(1)", "v4l2-ctl(1)", "arecord(1)"],
    ..cli::Manual::new(
        "h5cap",
        "capture a camera, or play a test picture, pictures or a recording, as live Matroska",
        "Writes the frames of a source to stdout as live Matroska (h5pipe(5)), each as soon as it is there, with the time of its capture: for \
         h5enc(1), for h5mux(1) where they are coded already, for h5serve(1) where they are JPEG, or for any other program.",
    )
};

/// Arguments as typed.
#[derive(clap::Parser)]
pub struct Args {
    /// test, a camera, microphone, a file, several pictures, a directory of pictures, or - for stdin; none: the first camera
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,

    /// Width and height in pixels, of the test picture or the camera [default: 1280x720; the camera's best]
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = parse_size)]
    pub size: Option<(u32, u32)>,

    /// Frames a second, as 30 or 30000/1001 [default: 30; pictures: 1; recordings: their own]
    #[arg(long, value_name = "FPS")]
    pub rate: Option<Rate>,

    /// End after this much of the stream: seconds, or 500ms, 90s, 10m, 2h
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,

    /// Layout of the test picture: i420, nv12, i422, i444, yuy2, uyvy, rgb24, bgr24, rgba, bgra, gray [default: i420]
    #[arg(long, value_name = "FORMAT")]
    pub pixel_format: Option<PixelFormat>,

    /// The test picture without sound
    #[arg(long)]
    pub no_audio: bool,

    /// Start again at the end, for ever: files and pictures
    #[arg(long = "loop")]
    pub repeat: bool,

    /// Watch a directory, or a file, for new pictures
    #[arg(long, conflicts_with_all = ["repeat", "pace", "no_pace"])]
    pub follow: bool,

    /// Play in real time, also what comes from a pipe
    #[arg(long, overrides_with = "no_pace")]
    pub pace: bool,

    /// Play as fast as the next program reads
    #[arg(long)]
    pub no_pace: bool,

    /// Format of a stream, where it shall not be found out by looking: matroska, mp4, h264, h265, y4m, jpeg, ...
    #[arg(long, value_name = "FORMAT")]
    pub input_format: Option<InputFormat>,

    /// Time a stream without times by its arrival
    #[arg(long, conflicts_with = "rate")]
    pub live: bool,

    /// What to do when the next program is too slow [default: drop for what is live, block for files and pictures]
    #[arg(long, value_enum, value_name = "POLICY")]
    pub late: Option<OverflowPolicy>,

    #[command(flatten)]
    pub camera: CameraArgs,

    #[command(flatten)]
    pub audio: AudioArgs,

    #[command(flatten)]
    pub common: cli::Common,
}

impl AsRef<cli::Common> for Args {
    fn as_ref(&self) -> &cli::Common {
        &self.common
    }
}

/// `1280x720`.
fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let side = |s: &str| s.parse().ok().filter(|n| (1..=MAX_SIDE).contains(n));
    let sides = text.split_once(['x', 'X', '×']).and_then(|(w, h)| side(w).zip(side(h)));
    sides.ok_or_else(|| format!("a size is WIDTHxHEIGHT, each 1 to {MAX_SIDE}, such as 1280x720"))
}

/// `10`, `1.5`, `500ms`, `90s`, `10m`, `2h`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => f64::NAN,
    };
    let parsed = number.parse::<f64>().ok().and_then(|n| Duration::try_from_secs_f64(n * seconds).ok()).filter(|d| !d.is_zero());
    parsed.ok_or_else(|| "a time is a number of seconds above 0, or as 500ms, 90s, 10m, 2h".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn sizes_and_times() {
        assert_eq!(parse_size("1280x720"), Ok((1280, 720)));
        for wrong in ["", "x", "1280", "0x1", "1x0", "99999x1", "-1x1", "1x1x1"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("2h"), Ok(Duration::from_secs(7200)));
        for wrong in ["", "s", "-1", "0", "0ms", "nan", "inf", "1e300", "1d", "1 s"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_definitions_are_sound() {
        Args::command().debug_assert();
    }
}
