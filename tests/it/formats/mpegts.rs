//! MPEG transport streams as ffmpeg and GStreamer write them, whole and with losses.

use super::world::ffmpeg;
use super::{Probed, header, packets, piped, probe, read};
use crate::util::{TempDir, h5, run};
use h5live::codec::nal;
use h5live::format::mpegts;
use h5live::media::{Codec, Event, Packet};
use h5live::pipe::InputFormat;
use std::path::Path;

/// What we read of a transport stream is what we read of the Matroska that ffmpeg made it of: bytes of each track. Times are those that
/// ffprobe sees in the transport stream, to its tick of 90 kHz.
#[track_caller]
fn assert_as_the_original(file: &Path, original: &Path, name: &str) -> Vec<Event> {
    let (format, events) = read(std::fs::read(file).unwrap());
    assert_eq!(format, InputFormat::MpegTs, "{name}");
    let theirs = read(std::fs::read(original).unwrap()).1;
    let tracks = header(&events).tracks.len();
    assert_eq!(tracks, header(&theirs).tracks.len(), "{name}");
    for track in 0..tracks {
        let codec = header(&events).tracks[track].codec;
        let content = |events: &[Event]| {
            let track = header(events).tracks.iter().position(|t| t.codec == codec).unwrap();
            packets(events).into_iter().filter(|p| p.track == track).map(|p| pictures_alone(codec, p)).collect::<Vec<_>>()
        };
        let (ours, theirs) = (content(&events), content(&theirs));
        let differs = ours.iter().zip(&theirs).position(|(a, b)| a != b);
        assert!(ours == theirs, "{name}, {codec}: {} packets, not {}; the first that differs is {differs:?}", ours.len(), theirs.len());
    }
    assert_times(file, &events, name);
    events
}

#[track_caller]
fn assert_times(file: &Path, events: &[Event], name: &str) {
    let theirs: Vec<Probed> = probe(file);
    for stream in 0..=theirs.iter().map(|p| p.stream).max().unwrap() {
        let ours: Vec<_> = packets(events).iter().filter(|p| p.track == stream).map(|p| p.pts.micros()).collect();
        let theirs: Vec<_> = theirs.iter().filter(|p| p.stream == stream).map(|p| p.micros).collect();
        let off = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).max();
        assert!(
            ours.len() == theirs.len() && off <= Some(30),
            "{name}, stream {stream}: {} of {}, off by {off:?} µs",
            ours.len(),
            theirs.len()
        );
    }
}

/// The slices of a picture: parameter sets stand in the stream or before it. Of audio, all.
fn pictures_alone(codec: Codec, packet: &Packet) -> Vec<Vec<u8>> {
    let is_slice = |unit: &&[u8]| match codec {
        Codec::H264 => matches!(unit[0] & 0x1f, 1..=5),
        _ => unit[0] >> 1 & 0x3f < 32,
    };
    match codec {
        Codec::H264 | Codec::H265 => nal::units(&packet.data).filter(is_slice).map(<[u8]>::to_vec).collect(),
        _ => vec![packet.data.to_vec()],
    }
}

#[test]
fn what_ffmpeg_writes() {
    let folder = TempDir::new();
    let (original, file) = (folder.join("a.mkv"), folder.join("a.ts"));
    for (codecs, layout) in [
        ("-c:v libx264 -bf 3 -g 25 -c:a aac", ""),
        ("-c:v libx265 -x265-params log-level=none -c:a libopus", ""),
        ("-c:v libx264 -bf 0 -c:a libmp3lame", ""),
        ("-an -c:v libx264 -bf 0", "-mpegts_m2ts_mode 1"),
        ("-vn -c:a aac", "-pes_payload_size 0"),
        ("-an -c:v libx264 -bf 2", "-omit_video_pes_length 0 -muxrate 2M"),
    ] {
        std::fs::write(&original, ffmpeg(codecs, "-f matroska -")).unwrap();
        let line = format!("ffmpeg -v error -nostdin -y -i {} -c copy {layout} -f mpegts {}", original.display(), file.display());
        piped(&line, b"");
        assert_as_the_original(&file, &original, &format!("{codecs} {layout}"));
    }
}

#[test]
fn what_gstreamer_writes() {
    let folder = TempDir::new();
    let (original, file) = (folder.join("a.mkv"), folder.join("a.ts"));
    std::fs::write(&original, ffmpeg("-c:v libx264 -bf 2 -c:a aac", "-f matroska -")).unwrap();
    let demux = format!("filesrc location={} ! matroskademux name=in", original.display());
    for mux in ["mpegtsmux", "mpegtsmux alignment=7", "mpegtsmux m2ts-mode=true"] {
        let line = format!(
            "gst-launch-1.0 -q {mux} name=mux ! fdsink {demux} in.video_0 ! queue ! h264parse ! mux. in.audio_0 ! queue ! aacparse ! mux."
        );
        std::fs::write(&file, piped(&line, b"")).unwrap();
        assert_as_the_original(&file, &original, mux);
    }
}

/// Every program takes it where it takes coded media.
#[test]
fn every_program_takes_it() {
    super::every_program_takes(&ffmpeg("-c:v libx264 -g 25 -c:a aac", "-f mpegts -"), "mpegts");
}

#[test]
fn what_is_not_read_is_named() {
    let stream = ffmpeg("-c:v libx264 -c:a ac3", "-f mpegts -");
    let done = run(&mut h5("h5mux", &[]), &stream).success();
    assert_eq!(done.stderr.trim(), "h5mux: warning: stdin: left out: track 257 (audio, AC-3): no codec that is read here");
}

/// The packets of a damaged stream: each as in the whole one, and all that come after the next keyframe.
#[track_caller]
fn assert_rest(whole: &[Event], damaged: &[u8], name: &str) -> (usize, u64) {
    let (events, damage) = h5live::format::testing::events(mpegts::Demuxer::default(), damaged, 1 << 16).unwrap();
    let list = |events: &[Event]| packets(events).iter().map(|p| (p.track, p.pts, p.data.clone())).collect::<Vec<_>>();
    let (whole, found) = (list(whole), list(&events));
    let strange = found.iter().filter(|packet| !whole.contains(packet)).count();
    assert_eq!(strange, 0, "{name}: {} packets", found.len());
    (found.len(), damage)
}

#[test]
fn lost_and_damaged_packets_and_cuts() {
    let stream = ffmpeg("-c:v libx264 -g 10 -bf 2 -b:v 400k -c:a aac", "-f mpegts -");
    let whole = read(stream.clone()).1;
    let count = packets(&whole).len();
    let packet = 188;
    for every in [37, 101, 250] {
        let left: Vec<u8> =
            stream.chunks(packet).enumerate().filter(|(n, _)| n % every != every - 1).flat_map(|(_, p)| p.to_vec()).collect();
        let lost = stream.chunks(packet).len() / every;
        let (found, damage) = assert_rest(&whole, &left, &format!("without every {every}th"));
        assert!(damage > 0 && damage <= lost as u64 + 1 && found < count, "{damage} counted of {lost}, {found} of {count}");
    }
    for start in [1, 187, 5000, stream.len() / 3] {
        let (found, _) = assert_rest(&whole, &stream[start..], &format!("from byte {start} on"));
        assert!(found > count / 3, "{found} of {count}");
    }
    for end in [stream.len() / 2, stream.len() - 1] {
        let (found, _) = assert_rest(&whole, &stream[..end], &format!("up to byte {end}"));
        assert!(found > count / 3, "{found} of {count}");
    }
}

/// The clock of 33 bits begins anew in the middle.
#[test]
fn times_go_on_over_the_wrap() {
    let folder = TempDir::new();
    let file = folder.join("a.ts");
    let seconds = (1u64 << 33) as f64 / 90_000.0 - 1.0;
    std::fs::write(&file, ffmpeg("-c:v libx264 -bf 2 -c:a aac", &format!("-output_ts_offset {seconds} -f mpegts -"))).unwrap();
    let events = read(std::fs::read(&file).unwrap()).1;
    let times: Vec<_> = packets(&events).iter().filter(|p| p.track == 0).map(|p| p.pts.micros()).collect();
    let (first, last) = (*times.iter().min().unwrap(), *times.iter().max().unwrap());
    assert_eq!((times.len(), (last - first + 500) / 1000), (50, 49 * 40));
}
