//! NUT as ffmpeg writes it.

use super::world::{CODECS, ffmpeg};
use super::{header, packets, payload, piped, probe, read, sha1};
use crate::util::{TempDir, data};
use h5live::format::nut;
use h5live::media::{Codec, Event, PixelFormat, Rate, SampleFormat};
use h5live::pipe::InputFormat;
use std::path::Path;

/// Track, time, key, hash of each packet.
fn list(events: &[Event]) -> Vec<(usize, i64, bool, String)> {
    packets(events).into_iter().map(|p| (p.track, p.pts.micros(), p.key, sha1(&p.data))).collect()
}

/// What we read of a NUT file is what we read of it when ffmpeg has made Matroska of it; times are those that ffprobe sees.
#[track_caller]
fn assert_read_as_matroska(file: &Path, name: &str) -> Vec<Event> {
    let (format, events) = read(std::fs::read(file).unwrap());
    assert_eq!(format, InputFormat::Nut, "{name}");
    let matroska = read(piped(&format!("ffmpeg -v error -nostdin -copyts -i {} -map 0 -c copy -f matroska -", file.display()), b"")).1;
    let content = |events: &[Event]| {
        let mut list: Vec<_> = list(events).into_iter().map(|(track, _, key, sha1)| (track, key, sha1)).collect();
        // Each muxer interleaves in its own way.
        list.sort_by_key(|(track, ..)| *track);
        list
    };
    let (ours, theirs) = (content(&events), content(&matroska));
    let differs = ours.iter().zip(&theirs).position(|(a, b)| a != b);
    assert!(ours == theirs, "{name}: {} packets, not {}, the first that differs is {differs:?}", ours.len(), theirs.len());
    // A packet without data, as FLAC ends with, is none.
    let theirs: Vec<_> = probe(file).iter().filter(|p| p.sha1 != sha1(b"")).map(|p| (p.stream, p.micros)).collect();
    let ours: Vec<_> = list(&events).iter().map(|(track, micros, ..)| (*track, *micros)).collect();
    assert_eq!(ours.len(), theirs.len(), "{name}");
    let off = ours.iter().zip(&theirs).map(|(a, b)| if a.0 == b.0 { (a.1 - b.1).abs() } else { i64::MAX }).max();
    assert!(off <= Some(1), "{name}: times are off by {off:?} µs");
    events
}

#[test]
fn every_codec() {
    let folder = TempDir::new();
    let file = folder.join("original.nut");
    for (codec, video, audio) in CODECS {
        std::fs::write(&file, ffmpeg(codec, "-f nut -")).unwrap();
        let events = assert_read_as_matroska(&file, codec);
        let tracks = &header(&events).tracks;
        assert_eq!((tracks[0].codec, tracks[1].codec), (video, audio), "{codec}");
        assert_eq!(tracks[0].as_video().unwrap().rate, Rate::new(25, 1), "{codec}");
    }
}

#[test]
fn raw_pictures_and_samples_in_every_layout() {
    use PixelFormat::{Bgr24, Bgra, Gray, I420, I422, I444, Nv12, Rgb24, Rgba, Uyvy, Yuy2};
    let known = [
        ("yuv420p", I420),
        ("nv12", Nv12),
        ("yuv422p", I422),
        ("yuv444p", I444),
        ("yuyv422", Yuy2),
        ("uyvy422", Uyvy),
        ("rgb24", Rgb24),
        ("bgr24", Bgr24),
        ("rgba", Rgba),
        ("bgra", Bgra),
        ("gray", Gray),
    ];
    for (theirs, ours) in known {
        let raw = format!("-an -frames:v 3 -c:v rawvideo -pix_fmt {theirs}");
        let events = read(ffmpeg(&raw, "-f nut -")).1;
        assert_eq!(header(&events).tracks[0].codec, Codec::Raw(ours));
        assert!(payload(&events, 0) == ffmpeg(&raw, "-f rawvideo -"), "{theirs}");
    }
    use SampleFormat::{F32, S16, S24, S32, U8};
    for (theirs, ours) in [("u8", U8), ("s16le", S16), ("s24le", S24), ("s32le", S32), ("f32le", F32), ("s16be", S16), ("s24be", S24)] {
        let events = read(ffmpeg(&format!("-vn -c:a pcm_{theirs}"), "-f nut -")).1;
        assert_eq!(header(&events).tracks[0].codec, Codec::Pcm(ours));
        let little = theirs.replace("be", "le");
        assert!(payload(&events, 0) == ffmpeg(&format!("-vn -c:a pcm_{little}"), &format!("-f {little} -")), "{theirs}");
    }
}

#[test]
fn mjpeg_and_what_was_coded_for_mp4() {
    let folder = TempDir::new();
    let file = folder.join("copy.nut");
    std::fs::write(&file, ffmpeg("-an -c:v mjpeg", "-f nut -")).unwrap();
    assert_read_as_matroska(&file, "MJPEG");
    let clip = data("bigbuckbunny-3s.mp4");
    piped(&format!("ffmpeg -v error -nostdin -y -i {} -c copy {}", clip.display(), file.display()), b"");
    let events = assert_read_as_matroska(&file, "avcC and lengths");
    assert_eq!(header(&events).tracks[0].codec, Codec::H264);
}

#[test]
fn codecs_that_are_not_read_are_left_out() {
    let events = read(ffmpeg("-c:v libx264 -c:a pcm_f64le", "-f nut -")).1;
    assert_eq!((header(&events).tracks.len(), packets(&events).len()), (1, 50));
}

/// Where some bytes are damaged, what comes behind the next syncpoint is all there.
#[test]
fn damage_costs_what_stands_before_the_next_syncpoint() {
    let stream = ffmpeg("-c:v libx264 -g 10 -c:a aac", "-f nut -");
    let demux = |bytes: &[u8], piece| h5live::format::testing::events(nut::Demuxer::default(), bytes, piece).unwrap();
    let (whole, _) = demux(&stream, stream.len());
    let whole = list(&whole);
    for at in [stream.len() / 3, stream.len() / 2, stream.len() * 2 / 3] {
        let mut damaged = stream.clone();
        damaged[at..at + 16].fill(0xaa);
        let (events, damage) = demux(&damaged, damaged.len());
        assert_eq!(demux(&damaged, 7), (events.clone(), damage));
        let events = list(&events);
        let (first, last) = (&whole[..whole.len() / 5], &whole[whole.len() - whole.len() / 5..]);
        assert!(events.starts_with(first) && events.ends_with(last), "damage at {at} of {}", stream.len());
        assert!(events.len() > whole.len() / 2 && events.len() <= whole.len());
        let strange = events.iter().filter(|p| !whole.contains(p)).count();
        assert!(strange <= 1 && (damage > 0 || strange == 1), "damage at {at}: {strange} packets that nobody wrote, {damage} counted");
    }
    let cut = demux(&stream[..stream.len() - 20], 1000).0;
    assert!(whole.starts_with(&list(&cut)));
}
