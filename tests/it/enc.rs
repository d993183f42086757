//! h5enc: ffmpeg and ffprobe judge what it makes of every pixel format, sample format, size and rate.

use crate::util::{self, PATIENCE, Running, h5, run};
use bytes::Bytes;
use h5live::format::Timing;
use h5live::media::{
    AudioParams, Codec, Colour, Event, Header, Packet, PixelFormat, Rate, SampleFormat, SystemClock, Timestamp, Track, VideoParams,
};
use h5live::pipe::{Reader, ReaderOptions, Writer};
use std::f32::consts::TAU;
use std::io::{Cursor, Read, Write};
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::Duration;

const SD: (u32, u32) = (320, 240);
const HD: (u32, u32) = (1280, 720);

/// A smooth picture of all colours that moves: RGB.
fn colours((width, height): (u32, u32), n: u32) -> Vec<u8> {
    let ramp = |at: u32, of: u32| (30 + at % of * 195 / of) as u8;
    let pixel = |x: u32, y: u32| [ramp(x, width), ramp(y, height), ramp(width + height - x - y - 1 + 2 * n, width + height)];
    (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect()
}

/// Mean PSNR of two sequences of bytes, in dB.
fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len(), "as many pictures of the same size");
    let error: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    10.0 * (65_025.0 * a.len() as f64 / error.max(1) as f64).log10()
}

/// ffmpeg's answer on stdout.
#[track_caller]
fn ffmpeg(args: &[&str], input: &[u8]) -> Vec<u8> {
    let finished = run(Command::new("ffmpeg").args(["-v", "error", "-nostdin"]).args(args), input).success();
    assert_eq!(finished.stderr, "", "ffmpeg {args:?}");
    finished.stdout
}

/// Raw pictures from one layout to another, by ffmpeg; `filter` is put between.
fn convert(data: &[u8], (width, height): (u32, u32), from: &str, to: &str, filter: &str) -> Vec<u8> {
    let size = format!("{width}x{height}");
    ffmpeg(&["-f", "rawvideo", "-pix_fmt", from, "-s", &size, "-i", "-", "-vf", filter, "-f", "rawvideo", "-pix_fmt", to, "-"], data)
}

fn video(codec: Codec, (width, height): (u32, u32), fps: u32, colour: Colour) -> Track {
    Track::video(codec, VideoParams { rate: Rate::new(fps, 1), colour, ..VideoParams::new(width, height) })
}

fn header(tracks: &[Track]) -> Event {
    Event::Header(Header { tracks: tracks.into(), time_zero: None })
}

fn packet(track: usize, pts: i64, data: impl Into<Bytes>) -> Event {
    Event::Packet(Packet { track, pts: Timestamp(pts), key: true, data: data.into(), hidden: false })
}

fn mkv(events: &[Event]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    events.iter().for_each(|event| writer.write(event).unwrap());
    writer.into_inner()
}

/// Pictures of one layout, one after the other in `data`, as live Matroska.
fn raw_mkv(format: PixelFormat, size: (u32, u32), fps: u32, colour: Colour, data: &[u8]) -> Vec<u8> {
    let rate = Rate::new(fps, 1).unwrap();
    let pictures = data.chunks_exact(format.picture_size(size.0, size.1)).enumerate();
    let packets = pictures.map(|(n, picture)| packet(0, rate.time_of(n as u64).0, picture.to_vec()));
    mkv(&std::iter::once(header(&[video(Codec::Raw(format), size, fps, colour)])).chain(packets).collect::<Vec<_>>())
}

fn events(data: Vec<u8>) -> Vec<Event> {
    let mut reader = reader(Cursor::new(data));
    std::iter::from_fn(|| reader.next().unwrap()).collect()
}

fn reader(input: impl Read + Send + 'static) -> Reader {
    let clock = Arc::new(SystemClock::default());
    Reader::new(input, ReaderOptions { name: "h5enc".into(), format: None, timing: Timing::Stream, clock })
}

fn packets(events: &[Event]) -> Vec<&Packet> {
    events.iter().filter_map(|event| if let Event::Packet(packet) = event { Some(packet) } else { None }).collect()
}

#[track_caller]
fn h5enc(args: &[&str], input: &[u8]) -> Vec<u8> {
    let finished = run(&mut h5("h5enc", args), input).success();
    assert_eq!(finished.stderr, "", "h5enc {args:?}");
    finished.stdout
}

/// What a player shows: RGB, by the matrix and range that the stream declares.
fn shown(stream: &[u8]) -> Vec<u8> {
    let scale = "scale=flags=accurate_rnd+full_chroma_int+bicubic";
    ffmpeg(&["-i", "-", "-fps_mode", "passthrough", "-vf", scale, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], stream)
}

/// One entry of ffprobe's description of the first stream.
fn probe(stream: &[u8], entry: &str) -> String {
    let args = ["-v", "error", "-show_entries", &format!("stream={entry}"), "-of", "default=nw=1:nk=1", "-"];
    run(Command::new("ffprobe").args(args), stream).success().text().trim().to_owned()
}

/// ffmpeg's name of a layout.
fn ffmpeg_name(format: PixelFormat) -> &'static str {
    match format {
        PixelFormat::I420 => "yuv420p",
        PixelFormat::Nv12 => "nv12",
        PixelFormat::I422 => "yuv422p",
        PixelFormat::I444 => "yuv444p",
        PixelFormat::Yuy2 => "yuyv422",
        PixelFormat::Uyvy => "uyvy422",
        PixelFormat::Rgb24 => "rgb24",
        PixelFormat::Bgr24 => "bgr24",
        PixelFormat::Rgba => "rgba",
        PixelFormat::Bgra => "bgra",
        PixelFormat::Gray => "gray",
    }
}

/// The picture of [`colours`] in a layout, matrix and range, made by ffmpeg.
fn source(format: PixelFormat, size: (u32, u32), count: u32, matrix: &str, range: &str) -> (Vec<u8>, Vec<u8>) {
    let rgb: Vec<u8> = (0..count).flat_map(|n| colours(size, n)).collect();
    let filter = format!("scale=out_color_matrix={matrix}:out_range={range}:flags=accurate_rnd+full_chroma_int+bicubic");
    let data = convert(&rgb, size, "rgb24", ffmpeg_name(format), &filter);
    (rgb, data)
}

/// The least that is right: with a wrong matrix or range these pictures come to 20 to 27 dB.
const RIGHT: f64 = 36.0;

#[test]
fn every_pixel_format_is_shown_in_its_colours() {
    for format in PixelFormat::ALL {
        let (rgb, data) = source(format, SD, 5, "bt601", "tv");
        let stream = h5enc(&["--bitrate", "4M"], &raw_mkv(format, SD, 25, Colour::default(), &data));
        let expected = if format == PixelFormat::Gray {
            // Without colour, the grey of each pixel.
            convert(&data, SD, "gray", "rgb24", "null")
        } else {
            rgb
        };
        let got = shown(&stream);
        let expected = if format == PixelFormat::Gray { stretch(&expected, &got) } else { expected };
        let db = psnr(&got, &expected);
        assert!(db > RIGHT, "{format}: {db:.1} dB");
        assert_eq!(probe(&stream, "codec_name,profile,pix_fmt,color_range,color_space"), "h264\nHigh\nyuv420p\ntv\nsmpte170m", "{format}");
    }
}

/// ffmpeg takes gray for full range where nothing is said, h5enc for limited; both are right, but only one is compared.
fn stretch(expected: &[u8], got: &[u8]) -> Vec<u8> {
    let limited = |v: &u8| ((f64::from(*v) - 16.0) * 255.0 / 219.0).round().clamp(0.0, 255.0) as u8;
    let stretched: Vec<u8> = expected.iter().map(limited).collect();
    if psnr(got, &stretched) > psnr(got, expected) { stretched } else { expected.to_vec() }
}

#[test]
fn matrix_and_range_are_kept_and_told() {
    let said = |matrix, full| Colour { matrix: Some(matrix), full_range: Some(full), ..Colour::default() };
    let cases = [
        (PixelFormat::I420, HD, "bt709", "tv", Colour::default(), "tv\nbt709\nbt709\nbt709"),
        (PixelFormat::I420, HD, "bt601", "tv", said(6, false), "tv\nsmpte170m\nsmpte170m\nsmpte170m"),
        (PixelFormat::Yuy2, SD, "bt709", "tv", said(1, false), "tv\nbt709\nbt709\nbt709"),
        (PixelFormat::I420, SD, "bt601", "pc", said(6, true), "tv\nsmpte170m\nsmpte170m\nsmpte170m"),
        (PixelFormat::Nv12, SD, "bt709", "pc", said(1, true), "tv\nbt709\nbt709\nbt709"),
        (PixelFormat::I420, SD, "bt2020", "tv", said(9, false), "tv\nbt2020nc\nbt2020-10\nbt2020"),
        (PixelFormat::Rgb24, HD, "bt709", "tv", Colour::default(), "tv\nbt709\nbt709\nbt709"),
    ];
    for (format, size, matrix, range, colour, told) in cases {
        let (rgb, data) = source(format, size, 3, matrix, range);
        let stream = h5enc(&["--bitrate", "8M"], &raw_mkv(format, size, 25, colour, &data));
        let db = psnr(&shown(&stream), &rgb);
        assert!(db > RIGHT, "{format} {matrix} {range}: {db:.1} dB");
        assert_eq!(probe(&stream, "color_range,color_space,color_transfer,color_primaries"), told, "{format} {matrix} {range}");
    }
}

#[test]
fn jpeg_goes_both_ways_in_its_colours() {
    // 7 colours from raw BT.709 to JPEG's BT.601 of the full range, and back to H.264.
    let (rgb, data) = source(PixelFormat::I420, HD, 3, "bt709", "tv");
    let jpeg = h5enc(&["--video", "mjpeg", "--quality", "95"], &raw_mkv(PixelFormat::I420, HD, 25, Colour::default(), &data));
    assert_eq!(probe(&jpeg, "codec_name,width,height,pix_fmt,color_range"), "mjpeg\n1280\n720\nyuvj420p\npc");
    let db = psnr(&shown(&jpeg), &rgb);
    assert!(db > RIGHT, "JPEG: {db:.1} dB");
    let h264 = h5enc(&["--bitrate", "8M"], &jpeg);
    let db = psnr(&shown(&h264), &rgb);
    assert!(db > RIGHT, "H.264 of JPEG: {db:.1} dB");
    // As JPEG untouched, unless more is asked for.
    let payloads = |stream: &[u8]| packets(&events(stream.to_vec())).iter().map(|packet| packet.data.clone()).collect::<Vec<_>>();
    assert!(payloads(&h5enc(&["--video", "mjpeg"], &jpeg)) == payloads(&jpeg));
}

/// No run and no number of threads changes a byte, from two on: one thread codes whole pictures, several code slices.
#[test]
fn several_threads_write_the_same_stream() {
    let size = (640, 360);
    let input = moving(size, 20);
    let with = |threads: &str| h5enc(&["--threads", threads, "--bitrate", "1M"], &input);
    let two = with("2");
    for threads in ["2", "3", "4", "16"] {
        assert!(with(threads) == two, "{threads} threads");
    }
    let slices = |stream: &[u8]| {
        let events = events(stream.to_vec());
        let first = packets(&events)[0].data.clone();
        h5live::codec::nal::units(&first).filter(|nal| matches!(nal[0] & 0x1f, 1 | 5)).count()
    };
    assert_eq!((slices(&with("1")), slices(&two)), (1, 5));
}

/// A JPEG has as much chroma as what it was made of, and its colours; even and odd sizes, however many threads there are.
#[test]
fn every_pixel_format_becomes_jpegs_of_its_own_sampling() {
    for format in PixelFormat::ALL {
        let sampling = match format {
            PixelFormat::I422 | PixelFormat::Yuy2 | PixelFormat::Uyvy => "yuvj422p",
            PixelFormat::I444 => "yuvj444p",
            PixelFormat::Gray => "gray",
            _ => "yuvj420p",
        };
        let packed = matches!(format, PixelFormat::Yuy2 | PixelFormat::Uyvy);
        for size in [SD, (319, 239)] {
            // ffmpeg packs no odd width.
            let size = if packed { (size.0 & !1, size.1) } else { size };
            let (rgb, data) = source(format, size, 2, "bt601", "tv");
            let input = raw_mkv(format, size, 25, Colour::default(), &data);
            let jpegs = h5enc(&["--video", "mjpeg", "--quality", "95", "--threads", "1"], &input);
            let what = format!("{format} {}x{}", size.0, size.1);
            assert_eq!(probe(&jpegs, "codec_name,width,height,pix_fmt"), format!("mjpeg\n{}\n{}\n{sampling}", size.0, size.1), "{what}");
            let got = shown(&jpegs);
            let expected = if format == PixelFormat::Gray { stretch(&convert(&data, size, "gray", "rgb24", "null"), &got) } else { rgb };
            let db = psnr(&got, &expected);
            // At odd sizes ffmpeg itself is off in the last column.
            assert!(db > if size == SD { RIGHT - 1.0 } else { 34.0 }, "{what}: {db:.1} dB");
            assert!(
                h5enc(&["--video", "mjpeg", "--quality", "95", "--threads", "3"], &input) == jpegs,
                "{what}: other bytes by three threads"
            );
        }
    }
}

/// Scaled and recoloured, 4:2:2 and 4:4:4 stay what they are.
#[test]
fn scaled_jpegs_keep_their_sampling_and_colours() {
    for (format, sampling) in [(PixelFormat::I422, "yuvj422p"), (PixelFormat::I444, "yuvj444p"), (PixelFormat::Gray, "gray")] {
        let (rgb, data) = source(format, HD, 2, "bt709", "tv");
        let input = raw_mkv(format, HD, 25, Colour::default(), &data);
        let jpegs = h5enc(&["--video", "mjpeg", "--quality", "95", "--size", "640x"], &input);
        assert_eq!(probe(&jpegs, "width,height,pix_fmt"), format!("640\n360\n{sampling}"));
        if format != PixelFormat::Gray {
            let db = psnr(&shown(&jpegs), &convert(&rgb, HD, "rgb24", "rgb24", "scale=640:360:flags=area"));
            assert!(db > 33.0, "{format}: {db:.1} dB");
        }
    }
}

#[test]
fn jpegs_of_ffmpeg_in_every_sampling_are_decoded() {
    for (pix_fmt, size) in [("yuvj420p", SD), ("yuvj422p", SD), ("yuvj444p", SD), ("yuvj420p", (318, 238)), ("yuvj422p", (319, 239))] {
        let rgb: Vec<u8> = (0..2).flat_map(|n| colours(size, n)).collect();
        let dimensions = format!("{}x{}", size.0, size.1);
        let jpegs = ffmpeg(
            &[
                "-f",
                "rawvideo",
                "-pix_fmt",
                "rgb24",
                "-s",
                &dimensions,
                "-i",
                "-",
                "-c:v",
                "mjpeg",
                "-q:v",
                "1",
                "-pix_fmt",
                pix_fmt,
                "-f",
                "image2pipe",
                "-",
            ],
            &rgb,
        );
        // Concatenated JPEGs, as a program prints them.
        let stream = h5enc(&["--video", "h264", "--bitrate", "4M", "--rate", "10"], &jpegs);
        let even = (size.0 & !1, size.1 & !1);
        let expected = convert(&rgb, size, "rgb24", "rgb24", &format!("crop={}:{}:0:0", even.0, even.1));
        let db = psnr(&shown(&stream), &expected);
        assert!(db > 33.0, "{pix_fmt} {dimensions}: {db:.1} dB");
    }
}

#[test]
fn odd_sizes_lose_their_last_column_and_row() {
    let size = (321, 241);
    let (rgb, data) = source(PixelFormat::I420, size, 3, "bt601", "tv");
    let input = raw_mkv(PixelFormat::I420, size, 25, Colour::default(), &data);
    let stream = h5enc(&["--bitrate", "4M"], &input);
    assert_eq!(probe(&stream, "width,height"), "320\n240");
    let db = psnr(&shown(&stream), &convert(&rgb, size, "rgb24", "rgb24", "crop=320:240:0:0"));
    assert!(db > 34.0, "{db:.1} dB");
    // JPEG can be odd.
    assert_eq!(probe(&h5enc(&["--video", "mjpeg"], &input), "width,height"), "321\n241");
}

#[test]
fn scaling_keeps_shape_and_colours() {
    let (rgb, data) = source(PixelFormat::I420, (640, 480), 3, "bt601", "tv");
    let input = raw_mkv(PixelFormat::I420, (640, 480), 25, Colour::default(), &data);
    for (size, (width, height)) in
        [("320x", (320, 240)), ("x120", (160, 120)), ("200x300", (200, 300)), ("1280x960", (1280, 960)), ("213x", (212, 160))]
    {
        let stream = h5enc(&["--size", size, "--bitrate", "8M"], &input);
        assert_eq!(probe(&stream, "width,height"), format!("{width}\n{height}"), "{size}");
        let expected = convert(&rgb, (640, 480), "rgb24", "rgb24", &format!("scale={width}:{height}:flags=area"));
        let db = psnr(&shown(&stream), &expected);
        assert!(db > 33.0, "{size}: {db:.1} dB");
    }
}

#[test]
fn sizes_that_cannot_be_are_refused_with_advice() {
    for (size, advice) in [((8, 8), "--size"), ((4096, 2304), "--size"), ((1, 1), "--size")] {
        let data = vec![0; PixelFormat::Gray.picture_size(size.0, size.1)];
        let finished = run(&mut h5("h5enc", &[]), &raw_mkv(PixelFormat::Gray, size, 25, Colour::default(), &data));
        assert_eq!(finished.code(), 4, "{size:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(advice) && finished.stderr.lines().count() == 1, "{size:?}: {}", finished.stderr);
    }
    let data = vec![99; PixelFormat::Gray.picture_size(4096, 2304)];
    let stream = h5enc(&["--size", "1024x"], &raw_mkv(PixelFormat::Gray, (4096, 2304), 25, Colour::default(), &data));
    assert_eq!(probe(&stream, "width,height"), "1024\n576");
}

/// Grey pictures that move, `count` of them, 25 a second.
fn moving(size: (u32, u32), count: u32) -> Vec<u8> {
    let picture = |n: u32| (0..size.0 * size.1).map(move |at| (((at % size.0 + n * 5) * 3) ^ ((at / size.0 + n) * 5)) as u8);
    raw_mkv(PixelFormat::Gray, size, 25, Colour::default(), &(0..count).flat_map(picture).collect::<Vec<u8>>())
}

#[test]
fn keys_come_at_their_distance_with_parameter_sets_in_band() {
    let input = moving(SD, 60);
    for (gop, expected) in
        [("1s", vec![0, 25, 50]), ("400ms", vec![0, 10, 20, 30, 40, 50]), ("24", vec![0, 24, 48]), ("1", (0..60).collect())]
    {
        let events = events(h5enc(&["--gop", gop], &input));
        let Event::Header(header) = &events[0] else { panic!("no header first") };
        let avcc = h5live::codec::h264::AvcC::parse(&header.tracks[0].config).unwrap();
        let packets = packets(&events);
        assert_eq!(packets.len(), 60);
        let keys: Vec<_> = packets.iter().enumerate().filter(|(_, packet)| packet.key).map(|(n, _)| n).collect();
        assert_eq!(keys, expected, "--gop {gop}");
        for packet in packets.iter().filter(|packet| packet.key) {
            let sps_len = u32::from_be_bytes(packet.data[..4].try_into().unwrap()) as usize;
            assert_eq!(packet.data[4..4 + sps_len], avcc.sps[0][..], "the SPS in band is that of avcC");
            assert_eq!(packet.data[8 + sps_len] & 0x1f, 8, "then comes the PPS");
        }
        let info = h5live::codec::h264::parse_sps(&avcc.sps[0]).unwrap();
        assert_eq!(info.reorder_depth, 0, "no decoder holds a picture back");
    }
    assert_eq!(probe(&h5enc(&[], &input), "has_b_frames,r_frame_rate"), "0\n25/1");
}

#[test]
fn times_pass_through_untouched() {
    let times = [0, 40_001, 79_999, 200_000, 200_040, 1_000_000, 5_000_000, 5_040_000];
    let track = video(Codec::Raw(PixelFormat::Gray), SD, 25, Colour::default());
    let pictures = times.map(|pts| packet(0, pts, vec![(pts / 40_000) as u8; 320 * 240]));
    let input = mkv(&[&[header(&[track])][..], &pictures].concat());
    for codec in ["h264", "mjpeg"] {
        let events = events(h5enc(&["--video", codec], &input));
        assert_eq!(packets(&events).iter().map(|packet| packet.pts.0).collect::<Vec<_>>(), times, "{codec}");
    }
}

#[test]
fn the_rate_is_thinned_and_the_bitrate_is_kept() {
    let input = moving((640, 360), 100);
    let stream = events(h5enc(&["--rate", "10"], &input));
    assert!((39..=41).contains(&packets(&stream).len()), "{} pictures", packets(&stream).len());
    for bitrate in [150_000.0, 400_000.0] {
        let stream = events(h5enc(&["--bitrate", &format!("{}K", bitrate / 1e3)], &moving((320, 180), 150)));
        let bytes: usize = packets(&stream)[50..].iter().map(|packet| packet.data.len()).sum();
        let reached = bytes as f64 * 8.0 / 4.0;
        assert!((0.7..1.25).contains(&(reached / bitrate)), "{bitrate}: {reached}");
    }
}

#[test]
fn a_new_size_starts_anew_at_once() {
    let track = |size| header(&[video(Codec::Raw(PixelFormat::Gray), size, 25, Colour::default())]);
    let picture = |n: i64, (w, h): (u32, u32)| packet(0, n * 40_000, vec![50 + n as u8; (w * h) as usize]);
    let input = mkv(&[track(SD), picture(0, SD), picture(1, SD), track((640, 360)), picture(2, (640, 360)), picture(3, (640, 360))]);
    let events = events(h5enc(&[], &input));
    let sizes: Vec<_> =
        events.iter().filter_map(|event| if let Event::Header(header) = event { header.tracks[0].as_video() } else { None }).collect();
    assert_eq!(sizes.iter().map(|video| (video.width, video.height)).collect::<Vec<_>>(), [SD, (640, 360)]);
    assert_eq!(packets(&events).iter().map(|packet| packet.key).collect::<Vec<_>>(), [true, false, true, false]);
    assert!(matches!(events[3], Event::Header(_)), "the new header stands before the first picture of the new size");
}

#[test]
fn jpegs_that_change_their_size_start_anew_or_are_scaled() {
    let jpeg = |size: &str| {
        ffmpeg(&["-f", "lavfi", "-i", &format!("testsrc=s={size}"), "-frames:v", "1", "-f", "image2pipe", "-c:v", "mjpeg", "-"], &[])
    };
    let input = [jpeg("320x240"), jpeg("640x480"), jpeg("640x480"), jpeg("320x240")].concat();
    let headers = |events: &[Event]| events.iter().filter(|event| matches!(event, Event::Header(_))).count();
    let anew = events(h5enc(&["--video", "h264"], &input));
    assert_eq!((headers(&anew), packets(&anew).len()), (3, 4));
    let scaled = events(h5enc(&["--video", "h264", "--size", "320x240"], &input));
    assert_eq!((headers(&scaled), packets(&scaled).len()), (1, 4));
}

/// A program fed step by step, whose output is read as events.
struct Steps {
    running: Running,
    stdin: Writer<Box<dyn Write>>,
    events: mpsc::Receiver<Event>,
}

impl Steps {
    fn start(args: &[&str]) -> Steps {
        let mut running = Running::start(&mut h5("h5enc", args));
        let stdin = Writer::new(Box::new(running.stdin()) as Box<dyn Write>);
        let mut reader = reader(running.stdout());
        let (send, events) = mpsc::channel();
        std::thread::spawn(move || {
            while let Ok(Some(event)) = reader.next() {
                if send.send(event).is_err() {
                    return;
                }
            }
        });
        Steps { running, stdin, events }
    }

    fn send(&mut self, event: Event) {
        self.stdin.write(&event).unwrap();
    }

    #[track_caller]
    fn packet(&self) -> Packet {
        loop {
            match self.events.recv_timeout(PATIENCE) {
                Ok(Event::Packet(packet)) => return packet,
                Ok(Event::TimeZero(_)) => {}
                Ok(Event::Header(_)) => {}
                Err(_) => panic!("no packet came; stderr: {}", self.running.stderr()),
            }
        }
    }
}

#[test]
fn no_frame_is_held_back() {
    let raw = video(Codec::Raw(PixelFormat::I420), SD, 25, Colour::default());
    let sound = Track::audio(Codec::Pcm(SampleFormat::S16), AudioParams { rate: 48_000, channels: 1, delay: Duration::ZERO });
    for args in [
        &[][..],
        &["--video", "mjpeg"],
        &["--video", "mjpeg", "--threads", "1"],
        &["--threads", "4"],
        &["--late", "drop"],
        &["--size", "160x"],
    ] {
        let mut steps = Steps::start(args);
        steps.send(header(&[raw.clone(), sound.clone()]));
        for n in 0..30 {
            // Each is out before the next one goes in, or this waits for ever.
            steps.send(packet(0, n * 40_000, vec![n as u8; 320 * 240 * 3 / 2]));
            let picture = steps.packet();
            assert_eq!((picture.track, picture.pts.0), (0, n * 40_000), "{args:?}");
            for half in 0..2 {
                steps.send(packet(1, n * 40_000 + half * 20_000, vec![0; 960 * 2]));
                assert_eq!(steps.packet().track, 1, "{args:?}");
            }
        }
    }
}

#[test]
fn keys_and_bitrate_by_the_control_endpoint() {
    let mut steps = Steps::start(&["--control", "0", "-v", "--gop", "600s", "--bitrate", "4M"]);
    let line = steps.running.wait_for("control endpoint at http://");
    let port = line.rsplit(':').next().and_then(|port| port.trim_end_matches('/').parse().ok()).expect("a port");
    let size = (320, 180);
    steps.send(header(&[video(Codec::Raw(PixelFormat::Gray), size, 25, Colour::default())]));
    let mut n = 0;
    let mut next = |steps: &mut Steps| {
        let noise = (0..size.0 * size.1).map(|at| (at.wrapping_mul(at + 7 * n) >> 6) as u8);
        steps.send(packet(0, i64::from(n) * 40_000, noise.collect::<Vec<u8>>()));
        n += 1;
        steps.packet()
    };
    let keys: Vec<_> = (0..10).map(|_| next(&mut steps).key).collect();
    assert_eq!(keys[..3], [true, false, false]);
    assert_eq!(util::http(port, "POST", "/keyframe", b"").0, 204);
    assert_eq!([next(&mut steps).key, next(&mut steps).key], [true, false]);
    let before: usize = (0..20).map(|_| next(&mut steps).data.len()).sum();
    assert_eq!(util::http(port, "PUT", "/bitrate", b"300K").0, 204);
    (0..25).for_each(|_| _ = next(&mut steps));
    let after: usize = (0..20).map(|_| next(&mut steps).data.len()).sum();
    assert!(after * 3 < before, "{before} bytes became {after}");
    for bad in [&b"fast"[..], b"", b"-5", b"\xff\xfe", b"1e99"] {
        assert_eq!(util::http(port, "PUT", "/bitrate", bad).0, 400);
    }
    let metrics = util::http(port, "GET", "/metrics", b"").1;
    assert!(metrics.contains("h5enc_"), "{metrics}");
}

#[test]
fn late_pictures_go_before_they_are_encoded() {
    // A whole file at once: far faster than it can be encoded.
    let input = moving(HD, 60);
    let stream = h5enc(&["--late", "drop"], &input);
    let events = events(stream.clone());
    let packets = packets(&events);
    assert!((2..55).contains(&packets.len()), "{} of 60 pictures", packets.len());
    assert_eq!(packets.last().unwrap().pts.0, 59 * 40_000, "the newest one is there");
    // Nothing is missing between the pictures that are: ffmpeg has no complaint.
    assert_eq!(shown(&stream).len(), packets.len() * 1280 * 720 * 3);
    let finished = run(&mut h5("h5enc", &["--late", "exit"]), &input);
    assert_eq!(finished.code(), 1);
    assert!(finished.stderr.contains("keep up"), "{}", finished.stderr);
}

/// Half a second of silence, then a tone of 1 kHz (and 500 Hz on the right), as PCM.
fn tone(rate: u32, channels: u16, format: SampleFormat, seconds: f32) -> Vec<u8> {
    let frames = (rate as f32 * seconds) as u32;
    let sample = |n: u32, channel: u16| {
        let (t, pitch) = (n as f32 / rate as f32, if channel == 1 { 500.0 } else { 1000.0 });
        if t < 0.5 { 0.0 } else { (t * pitch * TAU).sin() * 0.4 }
    };
    let bytes = |value: f32| match format {
        SampleFormat::U8 => vec![(value * 127.0 + 128.0) as u8],
        SampleFormat::S16 => ((value * 32_767.0) as i16).to_le_bytes().to_vec(),
        SampleFormat::S24 => ((value * 8_388_607.0) as i32).to_le_bytes()[..3].to_vec(),
        SampleFormat::S32 => ((value * 2_147_483_000.0) as i32).to_le_bytes().to_vec(),
        SampleFormat::F32 => value.to_le_bytes().to_vec(),
    };
    (0..frames).flat_map(|n| (0..channels).flat_map(move |channel| bytes(sample(n, channel)))).collect()
}

/// PCM as live Matroska, in packets of `step` sample frames.
fn pcm_mkv(rate: u32, channels: u16, format: SampleFormat, data: &[u8], step: usize) -> Vec<u8> {
    let track = Track::audio(Codec::Pcm(format), AudioParams { rate, channels, delay: Duration::ZERO });
    let pieces = data.chunks(step * usize::from(channels) * format.bytes()).enumerate();
    let packets = pieces.map(|(n, piece)| packet(0, (n * step) as i64 * 1_000_000 / i64::from(rate), piece.to_vec()));
    mkv(&std::iter::once(header(&[track])).chain(packets).collect::<Vec<_>>())
}

/// What is heard at 48 kHz: floats, one list a channel; silence is put where times have holes.
fn heard(stream: &[u8], channels: usize) -> Vec<Vec<f32>> {
    let count = channels.to_string();
    let args = ["-copyts", "-i", "-", "-af", "aresample=48000:async=1:first_pts=0", "-ac", &count, "-f", "f32le", "-"];
    let samples: Vec<f32> = ffmpeg(&args, stream).chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    (0..channels).map(|channel| samples.iter().skip(channel).step_by(channels).copied().collect()).collect()
}

/// How much of a frequency is in samples at 48 kHz: its amplitude (Goertzel).
fn strength(samples: &[f32], frequency: f32) -> f32 {
    let (sin, cos) = samples.iter().enumerate().fold((0f64, 0f64), |(sin, cos), (n, sample)| {
        let phase = f64::from(n as f32 * frequency / 48_000.0 * TAU);
        (sin + f64::from(*sample) * phase.sin(), cos + f64::from(*sample) * phase.cos())
    });
    ((sin * sin + cos * cos).sqrt() * 2.0 / samples.len() as f64) as f32
}

/// The sample at which it becomes loud.
fn onset(samples: &[f32]) -> usize {
    samples.iter().position(|sample| sample.abs() > 0.15).unwrap_or(samples.len())
}

/// Checks the tone of [`tone`], 1.5 s long.
#[track_caller]
fn check_tone(stream: &[u8], channels: u16, what: &str) {
    let sides = usize::from(channels.min(2));
    let heard = heard(stream, sides);
    for (side, samples) in heard.iter().enumerate() {
        assert!(samples.len().abs_diff(72_000) <= 48 * 45, "{what}: {} samples", samples.len());
        let at = onset(samples);
        assert!(at.abs_diff(24_000) < 72, "{what}: the tone starts at {:.1} ms", at as f32 / 48.0);
        let pitch = if side == 1 { 500.0 } else { 1000.0 };
        let loud = strength(&samples[30_000..66_000], pitch);
        let wanted = if channels > 2 { 0.1..0.45 } else { 0.35..0.45 };
        assert!(wanted.contains(&loud), "{what}, side {side}: the tone has {loud}");
        assert!(strength(&samples[30_000..66_000], 700.0) < 0.02, "{what}: another tone");
    }
}

#[test]
fn every_sample_format_rate_and_channel_count_becomes_opus() {
    for format in [SampleFormat::U8, SampleFormat::S16, SampleFormat::S24, SampleFormat::S32, SampleFormat::F32] {
        let stream = h5enc(&[], &pcm_mkv(48_000, 2, format, &tone(48_000, 2, format, 1.5), 960));
        assert_eq!(probe(&stream, "codec_name,sample_rate,channels"), "opus\n48000\n2");
        check_tone(&stream, 2, &format!("{format}"));
    }
    for rate in [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 96_000, 192_000] {
        let format = SampleFormat::S16;
        check_tone(&h5enc(&[], &pcm_mkv(rate, 1, format, &tone(rate, 1, format, 1.5), 1000)), 1, &format!("{rate} Hz"));
    }
    for channels in [1, 3, 4, 6, 8] {
        let format = SampleFormat::S16;
        let stream = h5enc(&[], &pcm_mkv(48_000, channels, format, &tone(48_000, channels, format, 1.5), 480));
        check_tone(&stream, channels, &format!("{channels} channels"));
    }
}

#[test]
fn aac_keeps_the_time_too() {
    for (rate, channels) in [(44_100, 2), (48_000, 1), (48_000, 2), (96_000, 2), (16_000, 1)] {
        let format = SampleFormat::S16;
        let stream = h5enc(&["--audio", "aac"], &pcm_mkv(rate, channels, format, &tone(rate, channels, format, 1.5), 1024));
        let kept = if rate == 96_000 { 48_000 } else { rate };
        assert_eq!(probe(&stream, "codec_name,profile,sample_rate,channels"), format!("aac\nLC\n{kept}\n{channels}"));
        check_tone(&stream, channels, &format!("AAC {rate} Hz, {channels} channels"));
    }
}

#[test]
fn a_hole_in_the_sound_is_filled_and_the_rest_stays_in_time() {
    let (rate, format) = (48_000, SampleFormat::S16);
    let data = tone(rate, 1, format, 1.5);
    let track = Track::audio(Codec::Pcm(format), AudioParams { rate, channels: 1, delay: Duration::ZERO });
    // The first 0.2 s, then nothing up to 0.4 s.
    let pieces = data.chunks(1920).enumerate().filter(|(n, _)| !(10..20).contains(n));
    let packets = pieces.map(|(n, piece)| packet(0, n as i64 * 20_000, piece.to_vec()));
    let stream = h5enc(&[], &mkv(&std::iter::once(header(&[track])).chain(packets).collect::<Vec<_>>()));
    check_tone(&stream, 1, "with a hole");
    let times: Vec<_> = packets_times(&stream);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 20_000), "{times:?}");
}

fn packets_times(stream: &[u8]) -> Vec<i64> {
    packets(&events(stream.to_vec())).iter().map(|packet| packet.pts.0).collect()
}

#[test]
fn what_cannot_be_is_refused_and_what_is_not_wanted_is_left_out() {
    let sound = pcm_mkv(48_000, 2, SampleFormat::S16, &tone(48_000, 2, SampleFormat::S16, 0.1), 960);
    let refused = |args: &[&str], input: &[u8], says: &str| {
        let finished = run(&mut h5("h5enc", args), input);
        assert_eq!(finished.code(), 4, "{args:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(says) && finished.stderr.lines().count() == 1, "{args:?}: {}", finished.stderr);
    };
    refused(&["--audio", "none"], &sound, "wanted");
    let coded = h5enc(&[], &sound);
    refused(&["--audio", "aac"], &coded, "does not decode Opus");
    refused(&[], b"neither a stream nor a picture, but a line of text that goes on for a while\n", "stdin");
    refused(&[], &vec![0xa5; 100_000], "stdin");
    let both = mkv(&[
        header(&[
            video(Codec::Raw(PixelFormat::Gray), SD, 25, Colour::default()),
            Track::audio(Codec::Pcm(SampleFormat::U8), AudioParams { rate: 8_000, channels: 1, delay: Duration::ZERO }),
        ]),
        packet(0, 0, vec![0; 320 * 240]),
        packet(1, 0, vec![128; 800]),
    ]);
    assert_eq!(probe(&h5enc(&["--video", "none"], &both), "codec_name"), "opus");
    assert_eq!(probe(&h5enc(&["--audio", "none"], &both), "codec_name"), "h264");
    assert_eq!(probe(&h5enc(&["--audio", "copy", "--video", "copy"], &both), "codec_name"), "rawvideo\npcm_u8");
    // An empty input is an end, and a closed output too.
    assert!(h5enc(&[], &[]).is_empty());
}

#[test]
fn damaged_jpegs_are_left_out_and_counted() {
    let jpeg = ffmpeg(&["-f", "lavfi", "-i", "testsrc=s=320x240", "-frames:v", "1", "-f", "image2pipe", "-c:v", "mjpeg", "-"], &[]);
    let mut broken = jpeg.clone();
    let middle = broken.len() / 2;
    broken[middle..middle + 400].fill(0xff);
    let track = video(Codec::Jpeg, SD, 25, Colour::default());
    let input = mkv(&[header(&[track]), packet(0, 0, jpeg.clone()), packet(0, 40_000, broken), packet(0, 80_000, jpeg)]);
    for codec in ["h264", "mjpeg"] {
        let finished = run(&mut h5("h5enc", &["--video", codec, "--quality", "70"]), &input).success();
        assert!(finished.stderr.contains("left out"), "{}", finished.stderr);
        let events = events(finished.stdout);
        assert_eq!(packets(&events).iter().map(|packet| packet.pts.0).collect::<Vec<_>>(), [0, 80_000], "{codec}");
    }
}

#[test]
fn what_programs_print_is_taken() {
    let y4m = ffmpeg(
        &["-f", "lavfi", "-i", "testsrc2=s=320x240:r=30:d=0.5", "-pix_fmt", "yuv422p", "-strict", "-1", "-f", "yuv4mpegpipe", "-"],
        &[],
    );
    let stream = h5enc(&[], &y4m);
    assert_eq!(probe(&stream, "codec_name,width,height,r_frame_rate"), "h264\n320\n240\n30/1");
    let wav = ffmpeg(&["-f", "lavfi", "-i", "sine=1000:r=22050:d=0.5", "-f", "wav", "-"], &[]);
    assert_eq!(probe(&h5enc(&[], &wav), "codec_name,channels"), "opus\n1");
    let matroska =
        ffmpeg(&["-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=0.4", "-c:v", "rawvideo", "-pix_fmt", "nv12", "-f", "matroska", "-"], &[]);
    assert_eq!(packets(&events(h5enc(&[], &matroska))).len(), 10);
}
