//! The test picture, its clock and its beep.

use super::*;

#[test]
fn times_are_exact() {
    let stream = cap("test --size 64x36 --rate 30000/1001 --duration 2 --no-pace");
    let expected: Vec<i64> = (0..60).map(|n| n * 1_001_000_000 / 30_000).collect();
    assert_eq!(times("v", &stream), expected);
    let expected: Vec<i64> = (0..200).map(|n| n * 10_000).collect();
    assert_eq!(times("a", &stream), expected);
    let (_, packets) = parse(&stream);
    assert!(packets.is_sorted_by_key(|p| p.pts), "interleaved by time");
    let streams = probe("-show_entries stream=codec_name,width,height,r_frame_rate,sample_rate,channels", &stream);
    assert_eq!(streams, ["rawvideo,64,36,30000/1001", "pcm_s16le,48000,2,0/0"]);
    assert_eq!(probe("-show_entries stream=codec_type", &cap("test --no-audio --duration 1 --no-pace")), ["video"]);
}

/// ffmpeg takes every layout for what it is, and its bytes for what was drawn.
#[test]
fn every_pixel_format_is_exact() {
    let names = [
        (PixelFormat::I420, "yuv420p"),
        (PixelFormat::Nv12, "nv12"),
        (PixelFormat::I422, "yuv422p"),
        (PixelFormat::I444, "yuv444p"),
        (PixelFormat::Yuy2, "yuyv422"),
        (PixelFormat::Uyvy, "uyvy422"),
        (PixelFormat::Rgb24, "rgb24"),
        (PixelFormat::Bgr24, "bgr24"),
        (PixelFormat::Rgba, "rgba"),
        (PixelFormat::Bgra, "bgra"),
        (PixelFormat::Gray, "gray"),
    ];
    assert_eq!(names.map(|(format, _)| format), PixelFormat::ALL);
    for (format, name) in names {
        let stream = cap(&format!("test --size 322x184 --rate 10 --duration 1 --no-audio --no-pace --pixel-format {format}"));
        assert_eq!(probe("-show_entries stream=pix_fmt", &stream), [name]);
        let (header, _) = parse(&stream);
        let rate = "10".parse().unwrap();
        let options = Options { width: 322, height: 184, rate, format, audio: false, duration: Some(Duration::from_secs(1)) };
        let drawn: Vec<u8> = Pattern::new(options, header.time_zero.unwrap())
            .flat_map(|e| if let Event::Packet(p) = e { p.data.to_vec() } else { Vec::new() })
            .collect();
        assert!(tool("ffmpeg", "-i - -f rawvideo -", &stream) == drawn, "{format}: ffmpeg sees other bytes");
    }
}

/// The same picture in every format: converted by ffmpeg, each gives the luma of I420, but for rounding.
#[test]
fn every_pixel_format_shows_the_same() {
    let luma = |format: PixelFormat| {
        let stream = cap(&format!("test --size 320x180 --rate 1 --duration 1 --no-audio --no-pace --pixel-format {format}"));
        // The clocks differ from run to run: what is compared are the bars and the grey steps.
        let convert = "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,crop=320:70:0:18,extractplanes=y";
        tool("ffmpeg", &format!("-i - -vf {convert} -f rawvideo -"), &stream)
    };
    let expected = luma(PixelFormat::I420);
    assert!(expected.iter().max() > expected.iter().min());
    for format in PixelFormat::ALL {
        // ffmpeg takes plain grey for full range whatever the stream says; the test above has its bytes.
        if format != PixelFormat::Gray {
            let seen = luma(format);
            let worst = expected.iter().zip(&seen).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(seen.len() == expected.len() && worst <= Some(1), "{format}: {worst:?}");
        }
    }
}

/// After H.264 at a low bitrate, and after scaling.
#[test]
fn the_machine_clock_survives() {
    let stream = cap("test --duration 3 --no-audio --no-pace");
    let (header, _) = parse(&stream);
    let zero = header.time_zero.unwrap();
    let check = |what: &str, raw: &[u8], width: usize, height: usize| {
        let frames: Vec<_> = pictures(raw, width, height).map(|luma| clock(luma, width)).collect();
        assert_eq!(frames.len(), 90, "{what}");
        for (n, seen) in frames.into_iter().enumerate() {
            let time = (zero.0 + n as i64 * 1_000_000 / 30) / 1000;
            assert_eq!(seen, Some((time as u32, n as u32)), "{what}: frame {n}");
        }
    };
    let gray = "-f rawvideo -pix_fmt gray -";
    // No change of range: luma as it is.
    let luma = "-vf format=yuv420p,extractplanes=y";
    check("raw", &tool("ffmpeg", &format!("-i - {luma} {gray}"), &stream), 1280, 720);
    let coded = tool("ffmpeg", "-i - -c:v libx264 -preset veryfast -tune zerolatency -b:v 300k -f matroska -", &stream);
    assert!(coded.len() < 300_000 / 8 * 3 * 2, "{} bytes", coded.len());
    check("coded", &tool("ffmpeg", &format!("-i - {luma} {gray}"), &coded), 1280, 720);
    check("coded and scaled", &tool("ffmpeg", &format!("-i - -vf scale=320:180,format=yuv420p,extractplanes=y {gray}"), &coded), 320, 180);
    let scaled = tool("ffmpeg", "-i - -vf scale=320:180 -c:v libx264 -preset veryfast -tune zerolatency -b:v 100k -f matroska -", &stream);
    check("scaled and coded", &tool("ffmpeg", &format!("-i - {luma} {gray}"), &scaled), 320, 180);
}

#[test]
fn the_beep_sounds_with_the_flash() {
    let stream = cap("test --size 320x180 --rate 25 --duration 3 --no-pace");
    let sound = tool("ffmpeg", "-i - -map 0:a -ac 1 -f s16le -", &stream);
    let samples: Vec<u16> = sound.chunks_exact(2).map(|s| i16::from_le_bytes([s[0], s[1]]).unsigned_abs()).collect();
    // Loud where the loudest of 5 ms is.
    let loud: Vec<bool> = samples.chunks(240).map(|c| c.iter().max() > Some(&3000)).collect();
    let beeps: Vec<f64> = starts(&loud).map(|n| n as f64 * 0.005).collect();
    let raw = tool("ffmpeg", "-i - -map 0:v -vf crop=64:64:246:100,extractplanes=y -f rawvideo -pix_fmt gray -", &stream);
    let bright: Vec<bool> = pictures(&raw, 64, 64).map(|l| l.iter().map(|&v| u32::from(v)).sum::<u32>() > 64 * 64 * 90).collect();
    let flashes: Vec<f64> = starts(&bright).map(|n| n as f64 * 0.04).collect();
    assert_eq!(flashes, [0.0, 1.0, 2.0]);
    assert_eq!(beeps, [0.0, 1.0, 2.0]);
}

/// Where a run of `true` starts.
fn starts(on: &[bool]) -> impl Iterator<Item = usize> {
    on.iter().enumerate().filter(|&(n, &now)| now && (n == 0 || !on[n - 1])).map(|(n, _)| n)
}

/// Each frame comes when it says that it was captured, not before and not much later.
#[test]
fn frames_come_at_their_time() {
    let mut running = Running::start(&mut h5("h5cap", &["test", "--size", "64x36", "--duration", "2", "--late", "block"]));
    let mut events = read(running.stdout());
    let Some(Event::Header(header)) = events.next() else { panic!("no header") };
    let zero = header.time_zero.unwrap();
    let delays: Vec<i64> = events.map(|e| if let Event::Packet(p) = e { WallTime::now().0 - zero.at(p.pts).0 } else { panic!() }).collect();
    assert_eq!(delays.len(), 260);
    let mut sorted = delays.clone();
    sorted.sort_unstable();
    assert!(sorted[0] > -2_000, "one came {} µs before its time", -sorted[0]);
    assert!(sorted[130] < 100_000, "half came {} µs late or more", sorted[130]);
}

/// What is live does not wait: a reader that was away gets what is new.
#[test]
fn a_slow_reader_loses_the_oldest_pictures() {
    let mut running = Running::start(&mut h5("h5cap", &["test", "--duration", "4", "--no-audio"]));
    let mut stdout = running.stdout();
    std::thread::sleep(Duration::from_secs(2));
    let times: Vec<i64> = {
        let mut all = Vec::new();
        stdout.read_to_end(&mut all).unwrap();
        parse(&all).1.iter().map(|p| p.pts.micros()).collect()
    };
    assert!(times.len() < 90 && times.is_sorted(), "{} frames of 120", times.len());
    let hole = times.windows(2).map(|w| w[1] - w[0]).max().unwrap();
    assert!(hole > 1_000_000, "{hole} µs");
    let mut blocked = Running::start(&mut h5("h5cap", &["test", "--duration", "1", "--no-audio", "--late", "block"]));
    std::thread::sleep(Duration::from_millis(1500));
    let mut all = Vec::new();
    blocked.stdout().read_to_end(&mut all).unwrap();
    assert_eq!(parse(&all).1.len(), 30, "--late block loses nothing");
}
