//! Which way up a picture is shown, and how wide its pixels are, at every joint; ffprobe and ffmpeg judge.

use crate::serve::{Server, feed};
use crate::util::{self, TempDir, eventually, h5, run};
use bytes::Bytes;
use h5live::codec::exif;
use h5live::format::Timing;
use h5live::media::{Event, Header, Orientation, Params, SampleAspect, SystemClock, VideoParams};
use h5live::pipe::{Reader, ReaderOptions, Writer};
use std::io::Cursor;
use std::process::Command;
use std::sync::Arc;

#[track_caller]
fn ffmpeg(args: &[&str], input: &[u8]) -> Vec<u8> {
    run(Command::new("ffmpeg").args(["-v", "error", "-nostdin"]).args(args), input).success().stdout
}

/// Lines of ffprobe about the first stream: `key=value`.
fn probe(bytes: &[u8]) -> String {
    let entries = "stream=codec_name,width,height,sample_aspect_ratio:stream_side_data=displaymatrix";
    run(Command::new("ffprobe").args(["-v", "error", "-show_entries", entries, "-of", "default=nw=1", "-"]), bytes).success().text()
}

fn value(bytes: &[u8], key: &str) -> String {
    let text = probe(bytes);
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("no {key} in {text}")).to_owned()
}

/// By the matrix that ffprobe prints: rows of three numbers, each after its number and a colon.
#[track_caller]
fn orientation(bytes: &[u8]) -> Orientation {
    let text = probe(bytes);
    let rows: Vec<Vec<i32>> = text
        .lines()
        .filter_map(|line| line.strip_prefix("0000000")?.split_once(": ").map(|(_, row)| row))
        .map(|row| row.split_whitespace().map(|n| n.parse().unwrap()).collect())
        .collect();
    match &rows[..] {
        [] => Orientation::UPRIGHT,
        [first, second, _] => Orientation::from_matrix([first[0], first[1], second[0], second[1]]).expect("a quarter turn"),
        other => panic!("{other:?} in {text}"),
    }
}

/// A stream with other parameters in its header.
fn changed(stream: &[u8], change: impl Fn(&mut VideoParams)) -> Vec<u8> {
    let options = ReaderOptions { name: "test".into(), format: None, timing: Timing::Stream, clock: Arc::new(SystemClock::default()) };
    let mut reader = Reader::new(Cursor::new(stream.to_vec()), options);
    let mut writer = Writer::new(Vec::new());
    while let Some(event) = reader.next().unwrap() {
        let event = match event {
            Event::Header(header) => {
                let mut tracks = header.tracks.to_vec();
                tracks.iter_mut().for_each(|track| {
                    if let Params::Video(video) = &mut track.params {
                        change(video);
                    }
                });
                Event::Header(Header { tracks: tracks.into(), ..header })
            }
            other => other,
        };
        writer.write(&event).unwrap();
    }
    writer.into_inner()
}

/// Half a second of H.264 in Matroska, 160x120.
fn clip() -> Vec<u8> {
    ffmpeg(&["-f", "lavfi", "-i", "testsrc2=size=160x120:duration=0.5", "-c:v", "libx264", "-f", "matroska", "-"], b"")
}

/// A JPEG picture of another size both ways.
fn picture(size: &str) -> Bytes {
    let source = format!("testsrc2=size={size}:duration=0.1");
    ffmpeg(&["-f", "lavfi", "-i", &source, "-frames:v", "1", "-c:v", "mjpeg", "-f", "image2pipe", "-"], b"").into()
}

#[track_caller]
fn through(program: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    run(&mut h5(program, args), input).success().stdout
}

#[test]
fn the_clip_of_a_phone() {
    let file = util::data("rotated.mp4");
    let matroska = through("h5cap", &["--no-pace", &format!("file:{}", file.display())], b"");
    let expected = orientation(&std::fs::read(&file).unwrap());
    assert_eq!(expected, Orientation::new(false, 3));
    for (program, args) in [("h5enc", &[][..]), ("h5mux", &[]), ("h5mux", &["-"])] {
        assert_eq!(orientation(&through(program, args, &matroska)), expected, "{program}");
    }
}

#[test]
fn all_eight_in_matroska_and_in_mp4_both_ways() {
    let clip = clip();
    for expected in Orientation::ALL {
        let stored = changed(&clip, |video| video.orientation = expected);
        assert_eq!(orientation(&stored), expected, "Matroska");
        let mp4 = through("h5mux", &[], &stored);
        assert_eq!(orientation(&mp4), expected, "MP4");
        assert_eq!((value(&mp4, "width"), value(&mp4, "height")), ("160".into(), "120".into()));
        let back = through("h5enc", &["--video", "copy"], &mp4);
        assert_eq!(orientation(&back), expected, "from MP4");
        // ffmpeg's own way from the one to the other agrees.
        assert_eq!(
            orientation(&ffmpeg(&["-i", "-", "-c", "copy", "-movflags", "frag_keyframe+empty_moov", "-f", "mp4", "-"], &stored)),
            expected
        );
    }
}

#[test]
fn pictures_are_turned_as_ffmpeg_turns_them() {
    let dir = TempDir::new();
    let plain = picture("162x118");
    for expected in Orientation::ALL {
        let image = exif::with_orientation(plain.clone(), expected);
        std::fs::write(dir.join("1.jpg"), &image).unwrap();
        let stored = through("h5cap", &[&dir.join("1.jpg").display().to_string()], b"");
        assert_eq!(orientation(&stored), expected, "h5cap");
        let coded = through("h5enc", &["--quality", "100", "--bitrate", "20M"], &stored);
        assert_eq!(orientation(&coded), Orientation::UPRIGHT, "h5enc");
        let grey = |bytes: &[u8]| ffmpeg(&["-i", "-", "-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo", "-"], bytes);
        let (ours, theirs) = (grey(&coded), grey(&image));
        assert_eq!(ours.len(), theirs.len());
        let (width, height) = expected.size(162, 118);
        assert_eq!((value(&coded, "width"), value(&coded, "height")), (width.to_string(), height.to_string()));
        let off: u64 = ours.iter().zip(&theirs).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        assert!(off / (ours.len() as u64) < 4, "{expected:?}: off by {} on the mean", off as f64 / ours.len() as f64);
        // The same from a bare stream of images, and where EXIF alone says so.
        let bare = through("h5enc", &["--quality", "100", "--bitrate", "20M"], &image);
        assert!(grey(&bare) == ours, "a stream of images");
        let unsaid = changed(&stored, |video| video.orientation = Orientation::UPRIGHT);
        assert!(grey(&through("h5enc", &["--quality", "100", "--bitrate", "20M"], &unsaid)) == ours, "a track that says nothing");
        // As MJPEG again, turned for good.
        let small = through("h5enc", &["--video", "mjpeg", "--size", "x60"], &image);
        assert_eq!((value(&small, "height"), orientation(&small)), ("60".into(), Orientation::UPRIGHT));
    }
}

#[test]
fn pictures_that_turn_in_the_middle() {
    let (lying, standing) = (picture("64x48"), Orientation::new(false, 1));
    let images = [&lying[..], &exif::with_orientation(lying.clone(), standing), &lying].concat();
    let coded = through("h5enc", &["--gop", "1"], &images);
    let frames = run(Command::new("ffprobe").args(["-v", "error", "-show_entries", "frame=width,height", "-of", "csv=p=0", "-"]), &coded);
    let sizes: Vec<String> = frames.success().text().lines().map(|line| line.trim_end_matches(',').to_owned()).collect();
    assert_eq!(sizes, ["64,48", "48,64", "64,48"]);
}

#[test]
fn png_with_exif() {
    let dir = TempDir::new();
    let mut png =
        ffmpeg(&["-f", "lavfi", "-i", "testsrc2=size=64x48:duration=0.1", "-frames:v", "1", "-c:v", "png", "-f", "image2pipe", "-"], b"");
    // A chunk eXIf behind the header chunk (8 + 25 bytes): length, type, data, and a CRC that nobody asks for an ancillary chunk.
    let tiff = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let chunk = [b"eXIf", &tiff[..]].concat();
    let whole = [&(tiff.len() as u32).to_be_bytes()[..], &chunk, &crc32(&chunk).to_be_bytes()].concat();
    png.splice(33..33, whole);
    std::fs::write(dir.join("1.png"), &png).unwrap();
    let stored = through("h5cap", &[&dir.join("1.png").display().to_string()], b"");
    assert_eq!(orientation(&stored), Orientation::new(false, 1));
    let coded = through("h5enc", &[], &stored);
    assert_eq!((value(&coded, "width"), value(&coded, "height")), ("48".into(), "64".into()));
}

/// Of PNG's chunks.
fn crc32(data: &[u8]) -> u32 {
    let step =
        |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 });
    !data.iter().fold(!0, step)
}

#[test]
fn the_shape_of_pixels_from_the_codec_and_from_the_container() {
    let file = std::fs::read(util::data("sps-sar.mkv")).unwrap();
    assert_eq!(value(&file, "sample_aspect_ratio"), "64:45");
    assert_eq!(value(&through("h5mux", &[], &file), "sample_aspect_ratio"), "64:45");
    assert_eq!(value(&through("h5enc", &[], &file), "sample_aspect_ratio"), "64:45");
    for (codec, format) in [("libx264", "h264"), ("libx265", "hevc")] {
        // Each value of the table, and one beside it.
        for sar in [
            "1/1", "12/11", "10/11", "16/11", "40/33", "24/11", "20/11", "32/11", "80/33", "18/11", "15/11", "64/33", "160/99", "4/3",
            "3/2", "2/1", "64/45",
        ] {
            let filter = format!("setsar=sar={sar}:max=1000");
            let source = ["-f", "lavfi", "-i", "testsrc2=size=64x64:duration=0.1", "-vf", &filter, "-c:v", codec];
            let quiet = ["-x265-params", "log-level=none"];
            let quiet = if codec == "libx265" { &quiet[..] } else { &[] };
            let bare = ffmpeg(&[&source[..], quiet, &["-f", format, "-"]].concat(), b"");
            let mp4 = through("h5mux", &["--input-format", if format == "hevc" { "h265" } else { "h264" }], &bare);
            assert_eq!(value(&mp4, "sample_aspect_ratio"), sar.replace('/', ":"), "{codec}");
            assert_eq!(value(&through("h5enc", &["--video", "copy"], &mp4), "sample_aspect_ratio"), sar.replace('/', ":"), "{codec}");
        }
    }
    // The container overrules the codec, also where it says that pixels are square.
    for (num, den) in [(4, 3), (1, 1)] {
        let other = changed(&file, |video| video.sample_aspect = SampleAspect::new(num, den).unwrap());
        let expected = format!("{num}:{den}");
        assert_eq!(value(&other, "sample_aspect_ratio"), expected);
        assert_eq!(value(&through("h5mux", &[], &other), "sample_aspect_ratio"), expected);
    }
}

#[test]
fn h5enc_keeps_the_shape_of_pixels() {
    let y4m = ffmpeg(&["-f", "lavfi", "-i", "testsrc2=size=160x120:duration=0.1", "-vf", "setsar=64/45", "-f", "yuv4mpegpipe", "-"], b"");
    let coded = through("h5enc", &[], &y4m);
    assert_eq!(value(&coded, "sample_aspect_ratio"), "64:45");
    let bare = ffmpeg(&["-i", "-", "-c", "copy", "-f", "h264", "-"], &coded);
    assert_eq!(value(&bare, "sample_aspect_ratio"), "64:45", "in the SPS");
    assert_eq!(value(&through("h5enc", &["--video", "mjpeg"], &y4m), "sample_aspect_ratio"), "64:45");
    // Scaled: square pixels, and the shape of the picture stays.
    let scaled = through("h5enc", &["--size", "640x"], &y4m);
    assert_eq!(
        (value(&scaled, "width"), value(&scaled, "height"), value(&scaled, "sample_aspect_ratio")),
        ("640".into(), "338".into(), "1:1".into())
    );
    // Turned: what was wide is high.
    let raw = through("h5enc", &["--video", "copy"], &y4m);
    let turned = through("h5enc", &[], &changed(&raw, |video| video.orientation = Orientation::new(false, 1)));
    assert_eq!((value(&turned, "width"), value(&turned, "sample_aspect_ratio")), ("120".into(), "45:64".into()));
}

#[test]
fn h5serve_says_how_pictures_are_shown() {
    let image = picture("64x48");
    let dir = TempDir::new();
    std::fs::write(dir.join("1.jpg"), &image).unwrap();
    let stored = through("h5cap", &[&dir.join("1.jpg").display().to_string()], b"");
    let turned = changed(&stored, |video| {
        video.orientation = Orientation::new(false, 1);
        video.sample_aspect = SampleAspect::new(2, 1).unwrap();
    });
    let mut server = Server::start(&["--live", "--name", "cam", "--on-eof", "wait"]);
    feed(&mut server.process.stdin(), &turned);
    let stream = eventually("the stream", || Some(server.streams()["cam"].clone()).filter(|stream| stream["type"] == "mjpeg"));
    assert_eq!((&stream["width"], &stream["height"]), (&48.into(), &128.into()), "as shown: {stream}");
    assert_eq!((&stream["orientation"], &stream["sample_aspect"]), (&6.into(), &"2:1".into()));
    let got = crate::serve::client::ask(server.port, "GET", "/cam.jpg", &[]);
    assert_eq!(exif::shape(&got.body).orientation, Some(Orientation::new(false, 1)));
    let upright = ffmpeg(&["-i", "-", "-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo", "-"], &got.body);
    let original = ffmpeg(&["-i", "-", "-vf", "transpose=clock", "-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo", "-"], &image);
    assert!(upright == original, "a program that knows EXIF shows it upright");
}
