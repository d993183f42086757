//! FLV as ffmpeg, GStreamer and publishers write it.

use super::world::ffmpeg;
use super::{Probed, header, packets, piped, probe, read, sha1};
use crate::util::{TempDir, data, h5, run};
use h5live::media::{Codec, Event};
use h5live::pipe::InputFormat;
use std::path::Path;

/// What we read is what ffprobe reads: bytes, keyframes and times. Only the order of the tracks may be another.
#[track_caller]
fn assert_as_ffprobe(file: &Path, name: &str) -> Vec<Event> {
    let (format, events) = read(std::fs::read(file).unwrap());
    assert_eq!(format, InputFormat::Flv, "{name}");
    let ours: Vec<_> = packets(&events).iter().map(|p| (p.pts.micros(), p.key, sha1(&p.data))).collect();
    let mut theirs: Vec<Probed> = probe(file);
    // The end of a sequence is a packet without data to ffprobe, and script tags are a stream of their own.
    theirs.retain(|p| p.sha1 != sha1(b"") && p.stream < header(&events).tracks.len());
    let theirs: Vec<_> = theirs.into_iter().map(|p| (p.micros, p.key, p.sha1)).collect();
    let differs = ours.iter().zip(&theirs).position(|(a, b)| a != b);
    assert!(ours == theirs, "{name}: {} packets, not {}; the first that differs is {differs:?}", ours.len(), theirs.len());
    events
}

#[test]
fn what_ffmpeg_writes() {
    let folder = TempDir::new();
    let file = folder.join("a.flv");
    let codecs = [
        ("-c:v libx264 -bf 3 -g 25 -c:a aac", vec![Codec::H264, Codec::Aac]),
        ("-c:v libx264 -bf 0 -c:a libmp3lame -ar 44100", vec![Codec::H264, Codec::Mp3]),
        ("-c:v libx264 -an", vec![Codec::H264]),
        ("-vn -c:a aac", vec![Codec::Aac]),
        ("-vn -c:a pcm_s16le -ar 44100 -ac 2", vec![Codec::Pcm(h5live::media::SampleFormat::S16)]),
    ];
    for (options, expected) in codecs {
        std::fs::write(&file, ffmpeg(options, "-f flv -")).unwrap();
        let events = assert_as_ffprobe(&file, options);
        assert_eq!(header(&events).tracks.iter().map(|track| track.codec).collect::<Vec<_>>(), expected, "{options}");
    }
    for law in ["pcm_alaw", "pcm_mulaw"] {
        let events = read(ffmpeg(&format!("-vn -ar 8000 -c:a {law}"), "-f flv -")).1;
        let linear = piped(
            &format!("ffmpeg -v error -f {} -ar 8000 -i - -f s16le -", &law[4..]),
            &ffmpeg(&format!("-vn -ar 8000 -c:a {law}"), &format!("-f {} -", &law[4..])),
        );
        assert!(super::payload(&events, 0) == linear, "{law}");
    }
}

#[test]
fn what_gstreamer_writes() {
    let folder = TempDir::new();
    let (file, source) = (folder.join("a.flv"), folder.join("a.mkv"));
    std::fs::write(&source, ffmpeg("-c:v libx264 -bf 2 -c:a aac", "-f matroska -")).unwrap();
    let demux = format!("filesrc location={} ! matroskademux name=in", source.display());
    let line = format!(
        "gst-launch-1.0 -q flvmux streamable=true name=mux ! fdsink {demux} in.video_0 ! queue ! h264parse ! mux. in.audio_0 ! queue ! aacparse ! mux."
    );
    std::fs::write(&file, piped(&line, b"")).unwrap();
    let events = assert_as_ffprobe(&file, "flvmux");
    let theirs: Vec<_> = probe(&source).into_iter().map(|p| p.sha1).collect();
    let mut ours: Vec<_> = packets(&events).into_iter().map(|p| sha1(&p.data)).collect();
    assert!(ours.len() > 120);
    ours.retain(|hash| !theirs.contains(hash));
    assert_eq!(ours, Vec::<String>::new(), "nothing that was not in the source");
}

/// H.265 and Opus by their FourCCs, with the audio once more as another track.
#[test]
fn enhanced_codecs() {
    let (events, theirs) = (read(std::fs::read(data("enhanced.flv")).unwrap()).1, read(std::fs::read(data("enhanced.mkv")).unwrap()).1);
    assert_eq!(header(&events).tracks.iter().map(|track| track.codec).collect::<Vec<_>>(), [Codec::H265, Codec::Opus]);
    assert_eq!(header(&events).tracks[1].config, header(&theirs).tracks[1].config);
    let content =
        |events: &[Event], track| packets(events).iter().filter(|p| p.track == track).map(|p| (p.key, p.data.clone())).collect::<Vec<_>>();
    for track in [0, 1] {
        assert!(content(&events, track) == content(&theirs, track), "track {track}");
    }
    let times = |events: &[Event]| packets(events).iter().filter(|p| p.track == 0).map(|p| p.pts.micros()).collect::<Vec<_>>();
    let (ours, theirs) = (times(&events), times(&theirs));
    let offset = ours[0] - theirs[0];
    assert!(ours.iter().zip(&theirs).all(|(a, b)| (a - b - offset).abs() <= 1000), "{ours:?} {theirs:?}");
    let done = run(&mut h5("h5mux", &[]), &std::fs::read(data("enhanced.flv")).unwrap()).success();
    assert_eq!(done.stderr.trim(), "h5mux: warning: stdin: left out: track 1 (audio, Opus): one track of a kind is read");
}

/// Every program takes it where it takes coded media.
#[test]
fn every_program_takes_it() {
    super::every_program_takes(&ffmpeg("-c:v libx264 -g 25 -c:a aac", "-f flv -"), "flv");
}

#[test]
fn a_file_that_was_cut_off_and_one_with_a_hole() {
    let whole = ffmpeg("-c:v libx264 -g 10 -bf 2 -c:a aac", "-f flv -");
    let demux = |bytes: &[u8]| h5live::format::testing::events(h5live::format::flv::Demuxer::default(), bytes, 4096).unwrap();
    let list = |events: &[Event]| packets(events).iter().map(|p| (p.track, p.pts, sha1(&p.data))).collect::<Vec<_>>();
    let all = list(&demux(&whole).0);
    let cut = list(&demux(&whole[..whole.len() / 2]).0);
    assert!(all.starts_with(&cut) && cut.len() > all.len() / 4);
    let at = whole.len() / 3;
    let (events, damage) = demux(&[&whole[..at], &whole[at + 777..]].concat());
    let holed = list(&events);
    let strange = holed.iter().filter(|packet| !all.contains(packet)).count();
    assert!(
        strange <= 1 && damage + strange as u64 > 0 && holed.len() > all.len() * 2 / 3,
        "{strange} strange of {}, {damage} damaged",
        holed.len()
    );
}
