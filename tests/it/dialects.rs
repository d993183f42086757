//! Byte streams as cameras, phones and other programs write them: what the standards call an exception, and people meet on the first day.

use crate::util::{Running, TempDir, h5, run, shell};
use h5live::format::Timing;
use h5live::media::{Event, SystemClock};
use h5live::pipe::{InputFormat, Reader, ReaderOptions};
use std::fs;
use std::io::Cursor;
use std::sync::Arc;

/// JPEG images one after the other, with the standard Huffman tables.
fn images(count: usize) -> Vec<u8> {
    let line = format!(
        "ffmpeg -v error -nostdin -f lavfi -i testsrc2=size=160x120:rate=25 -frames:v {count} -c:v mjpeg -huffman default -f image2pipe -"
    );
    run(&mut shell(&line), b"").success().stdout
}

/// Without the segments of this marker, up to the first scan of each image.
fn without(marker: u8, stream: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for image in split(stream) {
        let mut at = 2;
        out.extend_from_slice(&image[..2]);
        while image[at + 1] != 0xda {
            let next = at + 2 + usize::from(u16::from_be_bytes([image[at + 2], image[at + 3]]));
            if image[at + 1] != marker {
                out.extend_from_slice(&image[at..next]);
            }
            at = next;
        }
        out.extend_from_slice(&image[at..]);
    }
    out
}

fn split(stream: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<_> = (0..stream.len() - 2).filter(|at| stream[*at..].starts_with(&[0xff, 0xd8, 0xff])).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    starts.iter().zip(ends).map(|(start, end)| &stream[*start..end]).collect()
}

fn events(input: Vec<u8>) -> (InputFormat, Vec<Event>) {
    let options = ReaderOptions { name: "test".into(), format: None, timing: Timing::Stream, clock: Arc::new(SystemClock::default()) };
    let mut reader = Reader::new(Cursor::new(input), options);
    let events = std::iter::from_fn(|| reader.next().unwrap_or_else(|e| panic!("{:#}", anyhow::Error::from(e)))).collect();
    (reader.format().expect("known by now"), events)
}

fn pictures(events: &[Event]) -> Vec<&[u8]> {
    events.iter().filter_map(|event| if let Event::Packet(packet) = event { Some(&packet.data[..]) } else { None }).collect()
}

/// Frames that ffprobe counts in what a command prints for this input.
#[track_caller]
fn frames(command: &str, input: &[u8]) -> usize {
    let count = "ffprobe -v error -count_frames -show_entries stream=nb_read_frames -of csv=p=0 -";
    run(&mut shell(&format!("{command} | {count}")), input).success().text().trim().trim_end_matches(',').parse().unwrap()
}

#[test]
fn images_without_huffman_tables_get_them_wherever_they_come_from() {
    let whole = images(3);
    let bare = without(0xc4, &whole);
    assert!(!bare.windows(2).any(|w| w == [0xff, 0xc4]));
    let folder = TempDir::new();
    let in_container = |muxer: &str| {
        let line = format!("ffmpeg -v error -f mjpeg -i - -c copy -f {muxer}");
        run(&mut shell(&line), &bare).success().stdout
    };
    fs::write(folder.join("1.jpg"), split(&bare)[0]).unwrap();
    let from_file = run(h5("h5cap", &["1.jpg", "--no-pace"]).current_dir(&*folder), b"").success().stdout;
    let inputs = [
        ("alone", bare.clone(), 3),
        ("Matroska", in_container("matroska -"), 3),
        ("NUT", in_container("nut -"), 3),
        ("a file", from_file, 1),
    ];
    for (name, input, count) in inputs {
        let events = events(input).1;
        let made = pictures(&events);
        assert_eq!(made.len(), count, "{name}");
        for image in made {
            let tables = image.windows(2).filter(|w| *w == [0xff, 0xc4]).count();
            assert!(tables == 1, "{name}: {tables} segments of tables");
        }
    }
    assert_eq!(frames("h5enc", &bare), 3);
    // h5serve passes on what came in, to browsers that miss the tables.
    fs::write(folder.join("cam.mjpeg"), &bare).unwrap();
    let mut command = h5("h5serve", &["--listen", "127.0.0.1:0", "--on-eof", "wait", "cam.mjpeg"]);
    let mut server = Running::start(command.current_dir(&*folder));
    let address = server.wait_for("http://").trim().to_owned();
    let served =
        run(&mut shell(&format!("curl -fsS --retry 20 --retry-all-errors --retry-delay 1 {address}cam.jpg")), b"").success().stdout;
    assert!(served.windows(2).any(|w| w == [0xff, 0xc4]), "{} bytes", served.len());
}

#[test]
fn images_without_end_markers_are_all_there() {
    let whole = images(5);
    let bare: Vec<u8> =
        split(&whole).into_iter().enumerate().flat_map(|(n, i)| if n < 4 { &i[..i.len() - 2] } else { i }.to_vec()).collect();
    let made = events(bare.clone()).1;
    assert_eq!(pictures(&made), split(&whole));
    assert_eq!(frames("h5enc", &bare), 5);
}

#[test]
fn a_thumbnail_behind_a_picture_is_none() {
    let large = images(1);
    let small = run(&mut shell("ffmpeg -v error -f mjpeg -i - -vf scale=16:-2 -f image2pipe -c:v mjpeg -"), &large).success().stdout;
    let photo = [&large[..], &small].concat();
    assert_eq!(pictures(&events(photo.clone()).1), [&large[..]]);
    let folder = TempDir::new();
    fs::write(folder.join("photo.jpg"), &photo).unwrap();
    let shown = run(h5("h5cap", &["photo.jpg", "--no-pace"]).current_dir(&*folder), b"").success().stdout;
    assert_eq!(pictures(&events(shown).1), [&large[..]]);
}

/// What curl -i prints of an ESP32-CAM, of mjpg-streamer and of others; each is known without being told, and has all its pictures.
#[test]
fn multipart_is_known_and_read_in_every_dialect() {
    let stream = images(3);
    let images = split(&stream);
    let body = |head: &dyn Fn(usize) -> String, end: &str| {
        images.iter().flat_map(|i| [head(i.len()).as_bytes(), i, end.as_bytes()].concat()).collect::<Vec<u8>>()
    };
    let sized = |n: usize| format!("Content-Type: image/jpeg\r\nContent-Length: {n}\r\nX-Timestamp: 1.5\r\n\r\n");
    let dialects = [
        ("no first delimiter", body(&sized, "\r\n--123456789000000000000987654321\r\n")),
        ("no part headers", body(&|_| "--frame\r\n\r\n".into(), "\r\n")),
        ("no dashes", body(&|n| format!("frame\r\n{}", sized(n)), "\r\n")),
        (
            "head of the response",
            [
                b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: multipart/x-mixed-replace;boundary=b\r\n\r\n",
                &body(&|n| format!("--b\r\n{}", sized(n)), "\r\n")[..],
            ]
            .concat(),
        ),
        ("preamble", [b"a camera\r\n\r\n", &body(&|n| format!("--b\n{}", sized(n).replace('\r', "")), "\n")[..]].concat()),
        ("wrong length", body(&|n| format!("--b\r\n{}", sized(n / 2)), "\r\n")),
    ];
    for (name, input) in dialects {
        let (format, events) = events(input.clone());
        assert_eq!((format, pictures(&events)), (InputFormat::Multipart, images.clone()), "{name}");
        assert_eq!(frames("h5enc", &input), 3, "{name}");
    }
}

#[test]
fn tags_around_adts() {
    let sound = run(&mut shell("ffmpeg -v error -f lavfi -i sine=duration=1 -c:a aac -f adts -"), b"").success().stdout;
    let tag = b"ID3\x04\0\0\0\0\0\x3fPRIV\0\0\0\x35\0\0com.apple.streaming.transportStreamTimestamp\0\0\0\0\0\0\0\0\0";
    let cover = [&b"ID3\x03\0\0\0\x10\0\0"[..], &[0x55; 1 << 18]].concat();
    let plain = frames("h5mux", &sound);
    for tagged in [[tag, &sound[..]].concat(), [&cover[..], tag, &sound, &[b"TAG", &[0; 125][..]].concat()].concat()] {
        assert_eq!(frames("h5mux", &tagged), plain);
    }
}

#[test]
fn mp3_as_files_have_it() {
    let sound = run(&mut shell("ffmpeg -v error -f lavfi -i sine=duration=1 -metadata title=tone -c:a libmp3lame -f mp3 -"), b"").success();
    assert!(sound.stdout.starts_with(b"ID3"));
    assert_eq!(frames("h5mux", &sound.stdout), frames("cat", &sound.stdout));
}

#[test]
fn what_is_no_picture_in_a_folder_is_said_once_and_passed_over() {
    let folder = TempDir::new();
    let stream = images(3);
    for (name, image) in ["a.jpg", "g.jpg", "m.jpg"].iter().zip(split(&stream)) {
        fs::write(folder.join(name), image).unwrap();
    }
    fs::write(folder.join("f.jpg"), &stream[..2000]).unwrap();
    fs::write(folder.join("text.jpg"), "a note").unwrap();
    fs::create_dir(folder.join("folder.png")).unwrap();
    let mut command = h5("h5cap", &[".", "--no-pace", "--loop", "--rate", "5", "--duration", "2"]);
    let done = run(command.current_dir(&*folder), b"").success();
    assert_eq!(pictures(&events(done.stdout).1).len(), 10);
    for name in ["f.jpg", "text.jpg", "folder.png"] {
        assert_eq!(done.stderr.matches(name).count(), 1, "{}", done.stderr);
    }
    assert_eq!(done.stderr.lines().count(), 3, "{}", done.stderr);
    // Where it is all there is, it is an error.
    let alone = run(h5("h5cap", &["f.jpg"]).current_dir(&*folder), b"");
    assert_eq!((alone.code(), alone.stderr.lines().count()), (4, 1), "{}", alone.stderr);
}

#[test]
fn pictures_of_few_bytes_and_many_pixels_are_refused_in_one_line() {
    let folder = TempDir::new();
    let make = "ffmpeg -v error -f lavfi -i color=size=12000x12000 -frames:v 1 -pix_fmt monob huge.png";
    run(shell(make).current_dir(&*folder), b"").success();
    let done = run(h5("h5cap", &["huge.png"]).current_dir(&*folder), b"");
    assert_eq!((done.code(), done.stderr.lines().count()), (4, 1), "{}", done.stderr);
    assert!(done.stderr.contains("million pixels") && done.peak_kib < 100_000, "{} KiB: {}", done.peak_kib, done.stderr);
}

/// A WAV header and so many bytes of silence.
fn wav(rate: u32, length: usize) -> Vec<u8> {
    let head = [
        &b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0"[..],
        &rate.to_le_bytes(),
        &rate.wrapping_mul(2).to_le_bytes(),
        b"\x02\0\x10\0data\xff\xff\xff\xff",
    ];
    [head.concat(), vec![0; length]].concat()
}

#[test]
fn sound_of_absurd_rates_is_refused() {
    for rate in [0, 1, 99, 768_001, u32::MAX] {
        let done = run(&mut h5("h5enc", &[]), &wav(rate, 20_000));
        assert_eq!((done.code(), done.stderr.lines().count()), (4, 1), "{}", done.stderr);
        assert!(done.stderr.contains(&format!("at {rate} Hz")), "{}", done.stderr);
    }
}
