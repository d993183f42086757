//! The arguments, and the manual.

use crate::devices::{AudioArgs, CameraArgs, LossArgs};
use crate::network::NetworkArgs;
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
        ("A camera with MJPEG over HTTP, with no encoder", "h5cap http://camera/axis-cgi/mjpg/video.cgi | h5serve"),
        ("A relay of another h5serve", "h5cap ws://origin:8080/live | h5serve"),
        ("A recording, in real time, again and again", "h5cap film.mkv --loop | h5enc | h5mux | h5serve"),
        ("Three pictures, each for a second", "h5cap 1.jpg 2.jpg 3.jpg --rate 1 --loop | h5serve"),
        ("The pictures that a camera uploads to a directory, as they arrive", "h5cap --follow /srv/ftp/camera | h5serve"),
        ("See what goes through the pipe", "h5cap test --size 640x360 --duration 5 | ffprobe -v error -show_streams -"),
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
             blocks (see h5pipe(5)). The audio is 48 kHz stereo: a soft tone, which makes gaps audible, and the beep.\n\n\
             camera is the first camera (Video4Linux2). camera:WHICH selects a camera by its name, a part of its name, its serial number \
             or its place on the bus; h5cap --list shows them. /dev/videoN works too. Without a source, h5cap takes the first camera. See CAMERAS.\n\n\
             --audio DEVICE adds a microphone to the camera's video, in one stream and on one clock. microphone or microphone:DEVICE captures \
             audio alone. A device is default, an ALSA name such as hw:1, or a sound card's name, a part of its name, its serial number or its place on \
             the bus; --list shows them. h5cap records in the device's own format, at 48 kHz in stereo if the device supports it. The times are the \
             driver's, and h5enc(1) resamples audio whose clock runs differently. If a microphone is unplugged, h5cap waits for it.\n\n\
             rtsp://HOST/PATH is a network camera. See NETWORK CAMERAS.\n\n\
             onvif://HOST/ is a network camera that says itself where its stream is. See ONVIF.\n\n\
             http://, https://, ws:// and wss:// are cameras and streams over HTTP and WebSocket. See HTTP AND WEBSOCKET.\n\n\
             Picture files (JPEG, PNG, GIF, BMP, WebP, TIFF, PNM), and directories of them in the order of their names: each picture is a frame. \
             The default rate is one a second. JPEG goes out unchanged as MJPEG; the others are decoded. With \
             --follow, h5cap watches a directory, or a file that is rewritten: each new picture goes out when it is complete. While \
             there is no new picture, the last one is repeated at --rate.\n\n\
             Any other file, a FIFO, or - for stdin: a stream in any format of h5pipe(5). Coded frames go out unchanged.\n\n\
             A prefix distinguishes a file from a source of the same name: file:test, file:-, camera:/dev/video2.",
        ),
        (
            "CAMERAS",
            "Names, serial numbers and places on the bus stay the same. The numbers of device nodes change from boot to boot.\n\n\
             h5cap selects one of the modes that the camera offers. The criteria, most important first: the format of --format; the size nearest to \
             --size, or at most 1920×1080 without it; the rate nearest to --rate, or up to 30 frames a second without it; the largest picture; the \
             coding, in the order MJPEG, H.264, raw (4:2:0, 4:2:2, RGB, grey), H.265; the driver's own order. -v prints the mode. h5cap warns if the driver \
             sets another mode than the one it was asked for.\n\n\
             Frames go out unchanged, with the driver's times. Damaged frames are dropped. /metrics and /stats count damaged frames and those that the \
             driver lost; -v prints the counts at the end.\n\n\
             If a camera is unplugged, fails, or gives no frame for --stall seconds, h5cap waits for the same camera, by name, serial number and place. \
             The camera may return at another port; its times stay correct. With --on-loss exit, h5cap ends instead. With \
             --on-loss black, it sends black pictures in the meantime, for raw formats and MJPEG; it warns at the start if the camera gives H.264 or H.265, and waits for a \
             microphone.\n\n\
             --control-set sets controls of the camera. With --control, GET /controls lists them and PUT /controls {\"brightness\": 128} sets them while h5cap runs. \
             h5cap sets them again when the camera returns.",
        ),
        (
            "NETWORK CAMERAS",
            "rtsp://HOST[:PORT]/PATH is a camera that speaks RTSP (RFC 2326). Paths of some makers: /Streaming/Channels/101 (Hikvision), \
             /cam/realmonitor?channel=1&subtype=0 (Dahua), /axis-media/media.amp (Axis), /h264Preview_01_main (Reolink), /stream1 (TP-Link Tapo).\n\n\
             h5cap takes the first stream of video in H.264, H.265 or MJPEG, and the first of audio in AAC, G.711 or L16. G.711 and L16 go out as PCM, \
             the others unchanged. A warning names the streams that are left out.\n\n\
             --user and --password-file, or the environment variables H5CAP_USER and H5CAP_PASSWORD, give a user and a password. They can stand in the URL, \
             as in rtsp://USER:PASSWORD@HOST/PATH, but then the list of processes shows them. Messages show *** in place of a password.\n\n\
             By --transport tcp, packets come inside the connection. By --transport udp, they come in datagrams, and some can be lost: then h5cap drops the \
             pictures up to the next keyframe. /metrics and /stats count lost packets and damaged frames.\n\n\
             rtsps://HOST[:PORT]/PATH is the same by TLS, at port 322 if the URL has none. --tls-fingerprint is as for https. --transport udp is refused: datagrams would \
             not be encrypted.\n\n\
             A camera that refuses at the start is an error. A camera that is lost later is asked again, at first after 50 ms, then \
             every second at most, and every 30 s if it refuses the password, because cameras lock accounts. The stream goes on when the camera is back. A camera is lost if the \
             connection ends or if nothing comes for --stall seconds. --on-loss exit ends h5cap instead.\n\n\
             With --on-loss black, h5cap sends black pictures of the last size while the camera is away, at its rate, at least one and at most a hundred a second, and no audio. \
             In place of MJPEG they are MJPEG. In place of any other codec they are H.264 keyframes, as another track: the stream gets a new header then, and another when the camera \
             is back. h5cap warns at the start if it cannot make them: without video, or for a size that the encoder refuses.\n\n\
             Times are those of the camera's clock. If the camera gives its wall clock (RTCP sender reports) and that can be right, the \
             latency in the page counts from the capture; otherwise it counts from the arrival.",
        ),
        (
            "HTTP AND WEBSOCKET",
            "http://HOST[:PORT]/PATH and https://HOST[:PORT]/PATH are a live stream, or a picture. The first bytes of the answer say what it is, whatever its \
             Content-Type says. A stream is multipart/x-mixed-replace with JPEG parts, or any format of h5pipe(5) without an end. Formats with times keep them; the others are timed by their \
             arrival. If the answer is one JPEG, h5cap asks for it again at --rate, once a second by default, and over the same connection. It sends the ETag and Last-Modified of \
             the picture along. A picture that has not changed goes out again, as with --follow.\n\n\
             ws://HOST[:PORT]/NAME and wss://HOST[:PORT]/NAME are the stream NAME of an h5serve(1). Its media go out unchanged, with their capture times, so that \
             h5cap ws://ORIGIN/NAME | h5serve is a relay. Any other path is taken as it is, for servers with the messages of go2rtc: ws://HOST:1984/api/ws?src=NAME. \
             The first video and the first audio track go out. http://HOST[:PORT]/NAME, the page of a stream of an h5serve, is that stream too: the page has a Link header with \
             rel=\"alternate\" and upgrade=\"websocket\" (RFC 8288), and h5cap follows it on the same server. Any other web page is refused. NAME.mp4, NAME.mjpg and NAME.jpg of an \
             h5serve work over HTTP as well, the last two without capture times.\n\n\
             Users, passwords, --timeout, --stall and --on-loss are as for NETWORK CAMERAS. A server may ask for a basic or a digest login. h5cap follows up to five redirects. \
             It sends the password to the same server only, or to the same host if that goes on by https.\n\n\
             A certificate must be signed by an authority that this machine knows, for the name of the host. Cameras mostly sign their own: \
             --tls-fingerprint takes that certificate and no other. The message of a refusal has the fingerprint that was presented; compare it with \
             openssl x509 -noout -fingerprint -sha256 on the camera's certificate, or with what its page shows.",
        ),
        (
            "ONVIF",
            "h5cap --list --network asks the local network for cameras (WS-Discovery, over IPv4) and lists those that answer within two seconds. With a user and a \
             password it lists their profiles and the addresses of their streams too.\n\n\
             onvif://HOST[:PORT]/ asks the camera for its profiles and plays one over RTSP. Criteria, most important first: video; H.264, then H.265, then JPEG; at \
             most 1920×1080; the largest picture; the highest rate; the camera's own order. onvif://HOST/PROFILE selects a profile by its name or token. -v prints the profile.\n\n\
             The user and the password are given as for NETWORK CAMERAS. h5cap sends a digest with the camera's own time (WS-Security), then a digest or basic login of HTTP if the camera asks \
             for one. A camera that refuses both gets the password unencrypted. The password goes to HOST only, whatever address the camera names. Port 443 means https.\n\n\
             h5cap asks for the address once, at the start. It does not pan, tilt or zoom.",
        ),
        (
            "TIME",
            "h5cap plays the test picture, pictures and regular files in real time, and passes on a stream from a pipe as it arrives. \
             --pace and --no-pace override this. If the reader of a recording stops for more than a second, the recording continues where it was. \
             h5cap skips gaps of more than ten seconds in a recording. With --loop, times continue without a jump.",
        ),
    ],
    see_also: &["ffmpeg(1)", "mpv(1)", "v4l2-ctl(1)", "arecord(1)"],
    ..cli::Manual::new(
        "h5cap",
        "capture a camera, or play a test picture, pictures or a recording, as live Matroska",
        "h5cap writes the frames of a source to stdout as live Matroska (h5pipe(5)), each as soon as it is available, with its capture time. \
         The next program is h5enc(1), h5mux(1) if the frames are coded already, h5serve(1) if they are JPEG, or any other program.",
    )
};

/// Arguments as typed.
#[derive(clap::Parser)]
pub struct Args {
    /// test, a camera, rtsp://CAMERA, onvif://CAMERA, http://CAMERA, ws://SERVER, microphone, a file, several pictures, a directory of pictures, or - for stdin; without it, the first camera
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,

    /// Width and height of the test picture or the camera, in pixels [default: 1280x720; the camera's best]
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = parse_size)]
    pub size: Option<(u32, u32)>,

    /// Frames a second, such as 30 or 30000/1001 [default: 30; pictures: 1; recordings: their own]
    #[arg(long, value_name = "FPS")]
    pub rate: Option<Rate>,

    /// Stop after this much of the stream: seconds, or 500ms, 90s, 10m, 2h
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,

    /// Pixel format of the test picture: i420, nv12, i422, i444, yuy2, uyvy, rgb24, bgr24, rgba, bgra, gray [default: i420]
    #[arg(long, value_name = "FORMAT")]
    pub pixel_format: Option<PixelFormat>,

    /// No audio with the test picture
    #[arg(long)]
    pub no_audio: bool,

    /// Repeat files and pictures endlessly
    #[arg(long = "loop")]
    pub repeat: bool,

    /// Watch a directory or a file for new pictures
    #[arg(long, conflicts_with_all = ["repeat", "pace", "no_pace"])]
    pub follow: bool,

    /// Play in real time, even from a pipe
    #[arg(long, overrides_with = "no_pace")]
    pub pace: bool,

    /// Play as fast as the next program reads
    #[arg(long)]
    pub no_pace: bool,

    /// Format of the stream, in place of detection: matroska, mp4, h264, h265, y4m, jpeg, ...
    #[arg(long, value_name = "FORMAT")]
    pub input_format: Option<InputFormat>,

    /// Time a stream without timestamps by its arrival
    #[arg(long, conflicts_with = "rate")]
    pub live: bool,

    /// What to do when the next program is too slow [default: drop for live sources, block for files and pictures]
    #[arg(long, value_enum, value_name = "POLICY")]
    pub late: Option<OverflowPolicy>,

    #[command(flatten)]
    pub camera: CameraArgs,

    #[command(flatten)]
    pub loss: LossArgs,

    #[command(flatten)]
    pub network: NetworkArgs,

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
