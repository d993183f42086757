//! They read what we write.

use super::{Live, header, noise, packets, payload, piped, probe, read, sha1, written};
use crate::util::{TempDir, data};
use h5live::media::{AudioParams, Codec, Event, Header, Packet, PixelFormat, SampleFormat, Timestamp, Track, WallTime};
use std::time::Duration;

/// The flags with which ffmpeg begins at once.
const FFMPEG: &str = "ffmpeg -v error -nostdin -probesize 32 -analyzeduration 0 -threads 1 -f matroska -i pipe:0";

/// Even and odd sizes: GStreamer alone wants widths that are multiples of 8.
const SIZES: [(u32, u32); 2] = [(64, 48), (51, 37)];

#[test]
fn ffmpeg_reads_all_raw_formats_bit_exact() {
    for format in PixelFormat::ALL {
        for (width, height) in SIZES {
            let events = noise(format, width, height, 3);
            let decoded = piped(&format!("{FFMPEG} -f rawvideo -fps_mode passthrough -"), &written(&events).concat());
            assert!(decoded == payload(&events, 0), "{format} {width}x{height}");
        }
    }
}

#[test]
fn mpv_reads_all_raw_formats_bit_exact() {
    let folder = TempDir::new();
    let out = folder.join("out.raw");
    let mpv = format!("mpv --no-config --msg-level=all=error --profile=low-latency --o={} --of=rawvideo --ovc=rawvideo -", out.display());
    for format in PixelFormat::ALL {
        for (width, height) in SIZES {
            let events = noise(format, width, height, 3);
            piped(&mpv, &written(&events).concat());
            assert!(std::fs::read(&out).unwrap() == payload(&events, 0), "{format} {width}x{height}");
        }
    }
}

#[test]
fn gstreamer_reads_the_raw_formats_that_it_knows_bit_exact() {
    use PixelFormat::{Bgr24, Gray, I420, Rgb24, Uyvy, Yuy2};
    for format in [I420, Yuy2, Uyvy, Rgb24, Bgr24, Gray] {
        let events = noise(format, 64, 48, 3);
        let decoded = piped("gst-launch-1.0 -q fdsrc ! matroskademux ! video/x-raw,width=64 ! fdsink", &written(&events).concat());
        assert!(decoded == payload(&events, 0), "{format}");
    }
}

#[test]
fn times_are_exact_to_the_microsecond() {
    let folder = TempDir::new();
    let file = folder.join("times.mkv");
    let mut events = noise(PixelFormat::Gray, 8, 8, 20);
    let mut expected = Vec::new();
    for (n, event) in events.iter_mut().enumerate() {
        if let Event::Packet(packet) = event {
            // From nothing to some forty days.
            packet.pts = Timestamp(if n == 1 { 0 } else { 7i64.pow(n as u32 % 15) + n as i64 });
            expected.push(packet.pts.micros());
        }
    }
    std::fs::write(&file, written(&events).concat()).unwrap();
    let times: Vec<_> = probe(&file).iter().map(|p| p.micros).collect();
    assert_eq!(times, expected);
    let gstreamer = "gst-launch-1.0 -v fdsrc ! matroskademux ! fakesink silent=false 2>&1 | grep -o 'pts: [^,]*' | cut -c6-";
    let lines = String::from_utf8(piped(gstreamer, &written(&events).concat())).unwrap();
    let nanos = |line: &str| {
        let (seconds, fraction) = line.rsplit_once('.')?;
        let seconds = seconds.split(':').try_fold(0i64, |sum, part| Some(sum * 60 + part.parse::<i64>().ok()?))?;
        Some(seconds * 1_000_000 + fraction.parse::<i64>().ok()? / 1000)
    };
    assert_eq!(lines.lines().filter_map(nanos).collect::<Vec<_>>(), expected, "{lines}");
}

#[test]
fn mkvmerge_and_mkvinfo_find_nothing_wrong() {
    let folder = TempDir::new();
    let (file, merged) = (folder.join("ours.mkv"), folder.join("merged.mkv"));
    let (_, events) = read(std::fs::read(data("mediarecorder-avc1-opus.mkv")).unwrap());
    std::fs::write(&file, written(&events).concat()).unwrap();
    piped(
        &format!(
            "mkvmerge -q -o {} {} && mkvinfo {} > {}",
            merged.display(),
            file.display(),
            file.display(),
            folder.join("info").display()
        ),
        b"",
    );
    // It orders the tracks' packets in its own way.
    let sorted = |file| {
        let mut list: Vec<_> = probe(file).into_iter().map(|p| (p.stream, p.micros / 1000, p.sha1)).collect();
        list.sort();
        list
    };
    assert_eq!(sorted(&merged), sorted(&file));
    let info = std::fs::read_to_string(folder.join("info")).unwrap();
    assert!(info.contains("V_MPEG4/ISO/AVC") && !info.to_lowercase().contains("unknown element"), "{info}");
}

#[test]
fn the_wall_clock_of_time_zero_survives_ffmpeg() {
    let mut events = noise(PixelFormat::Gray, 8, 8, 2);
    let Event::Header(first) = &mut events[0] else { panic!() };
    first.time_zero = Some(WallTime(1_700_000_000_123_456));
    let copied = piped("ffmpeg -v error -nostdin -f matroska -i pipe:0 -c copy -f matroska -", &written(&events).concat());
    assert_eq!(header(&read(copied).1).time_zero, Some(WallTime(1_700_000_000_123_456)));
    let date = piped("ffprobe -v error -show_entries format_tags=creation_time -of csv=p=0 -", &written(&events).concat());
    assert_eq!(String::from_utf8_lossy(&date).trim(), "2023-11-14T22:13:20.123456Z");
}

#[test]
fn opus_comes_out_at_its_presentation_time() {
    let folder = TempDir::new();
    let file = folder.join("opus.mkv");
    let head = h5live::codec::opus::OpusHead::new(2, 312, 48_000);
    let track = h5live::codec::opus::track(head.build()).unwrap();
    let packet = |n: i64| {
        Event::Packet(Packet { track: 0, pts: Timestamp(20_000 * n - 6500), key: true, data: vec![0xfc, 0xff, 0xfe].into(), hidden: false })
    };
    let events: Vec<_> =
        std::iter::once(Event::Header(Header { tracks: [track].into(), time_zero: None })).chain((0..5).map(packet)).collect();
    std::fs::write(&file, written(&events).concat()).unwrap();
    let times: Vec<_> = probe(&file).iter().map(|p| p.micros).collect();
    assert_eq!(times, [-6500, 13_500, 33_500, 53_500, 73_500]);
}

/// Each frame comes out of the other program before the next one goes in.
#[track_caller]
fn passes_on_at_once(line: &str, events: &[Event], out: impl Fn(&Packet) -> usize) {
    let mut live = Live::start(line);
    let pieces = written(events);
    live.write(&pieces[0]);
    for (n, (packet, piece)) in packets(events).iter().zip(&pieces[1..]).enumerate() {
        live.write(piece);
        live.read(out(packet), &format!("frame {n}"));
    }
}

#[test]
fn nobody_holds_a_raw_picture_back() {
    let events = noise(PixelFormat::I420, 64, 48, 6);
    passes_on_at_once(&format!("{FFMPEG} -f rawvideo -fps_mode passthrough -threads 1 -flush_packets 1 -"), &events, |p| p.data.len());
    passes_on_at_once("gst-launch-1.0 -q fdsrc ! matroskademux ! video/x-raw ! fdsink sync=false", &events, |p| p.data.len());
}

#[test]
fn nobody_holds_a_coded_frame_back() {
    let h264 =
        "ffmpeg -v error -f lavfi -i testsrc2=size=64x48:rate=25 -frames:v 8 -pix_fmt yuv420p -c:v libx264 -tune zerolatency -f matroska -";
    let (_, events) = read(piped(h264, b""));
    // A line a frame: `0, pts, …`; the hash tells that the frame was there whole.
    passes_on_at_once(&format!("{FFMPEG} -c copy -flush_packets 1 -f framehash -hash sha160 - | sed -u '/^#/d'"), &events, |_| 60);
    let jpeg = "ffmpeg -v error -f lavfi -i testsrc2=size=64x48:rate=25 -frames:v 8 -c:v mjpeg -f matroska -";
    let (_, events) = read(piped(jpeg, b""));
    passes_on_at_once(&format!("{FFMPEG} -c copy -flush_packets 1 -f image2pipe -"), &events, |p| p.data.len());
    passes_on_at_once("gst-launch-1.0 -q fdsrc ! matroskademux ! image/jpeg ! fdsink sync=false", &events, |p| p.data.len());
}

/// Without the Void in the header ffmpeg waits for 2 KB of it.
#[test]
fn sound_of_low_rate_starts_at_once() {
    let mut track = Track::audio(Codec::Pcm(SampleFormat::U8), AudioParams { rate: 8000, channels: 1, delay: Duration::ZERO });
    track.frame_duration = Some(Duration::from_millis(10));
    let packet =
        |n: i64| Event::Packet(Packet { track: 0, pts: Timestamp(10_000 * n), key: true, data: vec![n as u8; 80].into(), hidden: false });
    let events: Vec<_> =
        std::iter::once(Event::Header(Header { tracks: [track].into(), time_zero: None })).chain((0..6).map(packet)).collect();
    passes_on_at_once(&format!("{FFMPEG} -c copy -flush_packets 1 -f u8 -"), &events, |p| p.data.len());
}

#[test]
fn a_new_size_of_coded_video_is_followed() {
    let clip = |size: &str| {
        let line = format!("ffmpeg -v error -f lavfi -i testsrc2=size={size}:rate=25 -frames:v 5 -c:v mjpeg -f matroska -");
        read(piped(&line, b"")).1
    };
    let (small, large) = (clip("64x48"), clip("128x96"));
    let both: Vec<_> = small.iter().chain(&large[1..]).cloned().collect();
    let out = piped(&format!("{FFMPEG} -c copy -f image2pipe -"), &written(&both).concat());
    assert_eq!(sha1(&out), sha1(&payload(&both, 0)));
}
