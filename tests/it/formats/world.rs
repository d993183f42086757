//! We read what they write.

use super::{Probed, header, noise, packets, payload, piped, probe, read, sha1, written};
use crate::util::{TempDir, data};
use h5live::media::{Codec, Event, PixelFormat, Rate};
use h5live::pipe::InputFormat;
use std::path::Path;

/// Two seconds of a picture and a tone, coded in every way that we know, as ffmpeg options.
pub const CODECS: [(&str, Codec, Codec); 6] = [
    ("-c:v libx264 -bf 3 -g 25 -c:a aac", Codec::H264, Codec::Aac),
    ("-c:v libx265 -x265-params log-level=none -c:a libopus", Codec::H265, Codec::Opus),
    ("-c:v libsvtav1 -preset 12 -c:a flac", Codec::Av1, Codec::Flac),
    ("-c:v libvpx -deadline realtime -cpu-used 8 -c:a libmp3lame", Codec::Vp8, Codec::Mp3),
    ("-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus", Codec::Vp9, Codec::Opus),
    ("-c:v rawvideo -c:a pcm_s16le", Codec::Raw(PixelFormat::I420), Codec::Pcm(h5live::media::SampleFormat::S16)),
];

const INPUT: &str = "-f lavfi -i testsrc2=size=64x64:rate=25 -f lavfi -i sine=frequency=440:sample_rate=48000 -t 2 -pix_fmt yuv420p";

pub fn ffmpeg(codec: &str, output: &str) -> Vec<u8> {
    // SVT-AV1 prints to stderr whatever it is told.
    piped(&format!("ffmpeg -v error -nostdin {INPUT} {codec} {output} 2>/dev/null"), b"")
}

/// ffprobe's list of what we read and wrote again is its list of the original: streams, keys and bytes equal, times to the
/// original's tick, and a little where frames are laced.
#[track_caller]
fn assert_same_after_us(original: &Path, events: &[Event], name: &str) {
    let ours = original.with_extension("ours.mkv");
    std::fs::write(&ours, written(events).concat()).unwrap();
    let (theirs, ours) = (probe(original), probe(&ours));
    let content = |list: &[Probed]| list.iter().map(|p| (p.stream, p.key, p.sha1.clone())).collect::<Vec<_>>();
    assert_eq!(content(&ours), content(&theirs), "{name}");
    let off = ours.iter().zip(&theirs).map(|(a, b)| (a.micros - b.micros).abs()).max();
    assert!(off < Some(2000), "{name}: times are off by {off:?} µs");
}

#[test]
fn all_codecs_by_ffmpeg_in_all_its_layouts() {
    let folder = TempDir::new();
    for (codec, video, audio) in CODECS {
        let default = ffmpeg(codec, "-f matroska -");
        let original = folder.join("original.mkv");
        std::fs::write(&original, &default).unwrap();
        let (format, events) = read(default);
        assert_eq!((format, header(&events).tracks[0].codec, header(&events).tracks[1].codec), (InputFormat::Matroska, video, audio));
        assert_same_after_us(&original, &events, codec);
        // The same packets in other layouts: seekable with Cues and CRC-32, a Cluster a packet, WebM's streaming form.
        for layout in ["-f matroska {file}", "-cluster_time_limit 0 -f matroska pipe:", "-live 1 -f matroska pipe:"] {
            let file = folder.join("layout.mkv");
            let line = format!("ffmpeg -v error -nostdin -y -i {} -map 0 -c copy {layout}", original.display());
            let piped = piped(&line.replace("{file}", &file.display().to_string()), b"");
            let bytes = if layout.contains("{file}") { std::fs::read(&file).unwrap() } else { piped };
            std::fs::write(&file, &bytes).unwrap();
            let again = read(bytes).1;
            let content = |events: &[Event]| packets(events).into_iter().map(|p| (p.track, p.key, sha1(&p.data))).collect::<Vec<_>>();
            assert_eq!(content(&again), content(&events), "{codec} {layout}");
            assert_same_after_us(&file, &again, &format!("{codec} {layout}"));
        }
    }
}

#[test]
fn mkvmerge_with_lacing_and_zlib() {
    let folder = TempDir::new();
    for (codec, ..) in CODECS {
        let (original, merged) = (folder.join("original.mkv"), folder.join("merged.mkv"));
        std::fs::write(&original, ffmpeg(codec, "-f matroska -")).unwrap();
        for options in ["", "--compression -1:zlib", "--compression -1:none --disable-track-statistics-tags"] {
            piped(&format!("mkvmerge -q -o {} {options} {}", merged.display(), original.display()), b"");
            let events = read(std::fs::read(&merged).unwrap()).1;
            assert_same_after_us(&merged, &events, &format!("{codec} {options}"));
        }
    }
}

/// GStreamer begins rows at multiples of 4 bytes, and writes them so.
#[test]
fn gstreamers_padded_rows() {
    use PixelFormat::{Bgr24, Gray, I420, Rgb24, Uyvy, Yuy2};
    let noise = payload(&noise(Gray, 256, 256, 1), 0);
    // Its name of a format, ours, and the bytes of a row.
    let known =
        [("i420", I420, 51usize), ("yuy2", Yuy2, 104), ("uyvy", Uyvy, 104), ("rgb", Rgb24, 153), ("bgr", Bgr24, 153), ("gray8", Gray, 51)];
    for (theirs, format, row) in known {
        let stored = row.next_multiple_of(4);
        let picture = &noise[..if format == I420 { 52 * 38 + 2 * 28 * 19 } else { stored * 37 }];
        let source = format!("gst-launch-1.0 -q fdsrc ! rawvideoparse format={theirs} width=51 height=37 framerate=25/1");
        let (_, events) = read(piped(&format!("{source} ! matroskamux streamable=true ! fdsink"), picture));
        assert_eq!(header(&events).tracks[0].codec, Codec::Raw(format));
        let rows = |plane: &[u8], stored: usize, row: usize| plane.chunks(stored).flat_map(|r| r[..row].to_vec()).collect::<Vec<_>>();
        let expected = match picture.split_at_checked(52 * 38) {
            // Luma of 37 rows and one of padding; then both planes of chroma.
            Some((luma, chroma)) if format == I420 => [rows(&luma[..52 * 37], 52, 51), rows(chroma, 28, 26)].concat(),
            _ => rows(picture, stored, row),
        };
        assert!(payload(&events, 0) == expected, "{theirs}");
    }
}

#[test]
fn gstreamers_coded_streams() {
    let folder = TempDir::new();
    let (original, source) = (folder.join("original.mkv"), folder.join("source.mkv"));
    std::fs::write(&source, ffmpeg("-c:v libx264 -bf 3 -an", "-f matroska -")).unwrap();
    let video = format!("filesrc location={} ! matroskademux ! h264parse ! queue ! mux.", source.display());
    let audio = "audiotestsrc num-buffers=50 samplesperbuffer=960 ! audio/x-raw,rate=48000 ! opusenc ! queue ! mux.";
    for mux in ["matroskamux streamable=true", "matroskamux streamable=true timecodescale=1000", "webmmux streamable=true"] {
        let line = if mux.starts_with("webm") {
            format!("gst-launch-1.0 -q {mux} name=mux ! fdsink {audio}")
        } else {
            format!("gst-launch-1.0 -q {mux} name=mux ! fdsink {video} {audio}")
        };
        std::fs::write(&original, piped(&line, b"")).unwrap();
        assert_same_after_us(&original, &read(std::fs::read(&original).unwrap()).1, mux);
    }
}

#[test]
fn chromiums_mediarecorder() {
    for file in ["mediarecorder-avc1-opus.mkv", "mediarecorder-h264.webm", "mediarecorder-vp8-opus.webm"] {
        let file = data(file);
        let events = read(std::fs::read(&file).unwrap()).1;
        let theirs = probe(&file);
        let list: Vec<_> = packets(&events).into_iter().map(|p| (p.track, p.pts.micros(), p.key)).collect();
        assert_eq!(list, theirs.iter().map(|p| (p.stream, p.micros, p.key)).collect::<Vec<_>>());
        // And what it becomes is decoded without a complaint.
        let said = piped("ffmpeg -v warning -nostdin -f matroska -i pipe:0 -f null - 2>&1", &written(&events).concat());
        assert_eq!(String::from_utf8_lossy(&said), "", "{}", file.display());
    }
}

#[test]
fn byte_streams_by_ffmpeg_with_b_frames() {
    for (codec, name, video) in
        [("-c:v libx264 -bf 3", "h264", Codec::H264), ("-c:v libx265 -x265-params log-level=none", "hevc", Codec::H265)]
    {
        let folder = TempDir::new();
        let original = folder.join("original.mkv");
        std::fs::write(&original, ffmpeg(&format!("{codec} -an"), "-f matroska -")).unwrap();
        let theirs = probe(&original);
        let (format, events) = read(piped(&format!("ffmpeg -v error -i {} -c copy -f {name} -", original.display()), b""));
        assert_eq!((format.to_string().as_str(), header(&events).tracks[0].codec), (name.replace("hevc", "h265").as_str(), video));
        assert_eq!(header(&events).tracks[0].as_video().unwrap().rate, Rate::new(25, 1));
        let ours: Vec<_> = packets(&events).into_iter().map(|p| (p.pts.micros(), p.key)).collect();
        assert_eq!(ours, theirs.iter().map(|p| (p.micros, p.key)).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn pictures_without_a_container() {
    let raw = ffmpeg("-an", "-f rawvideo -");
    let (format, y4m) = read(ffmpeg("-an", "-f yuv4mpegpipe -"));
    assert_eq!((format, header(&y4m).tracks[0].as_video().unwrap().rate), (InputFormat::Y4m, Rate::new(25, 1)));
    assert!(payload(&y4m, 0) == raw);

    let jpeg = "-an -c:v mjpeg -flags +bitexact";
    let images = read(ffmpeg(jpeg, "-f matroska -")).1;
    for (muxer, expected) in [("image2pipe", InputFormat::Jpeg), ("mpjpeg", InputFormat::Multipart)] {
        let (format, events) = read(ffmpeg(jpeg, &format!("-f {muxer} -")));
        assert_eq!((format, packets(&events).len()), (expected, 50));
        assert!(packets(&events).iter().zip(packets(&images)).all(|(a, b)| a.data == b.data), "{muxer}");
    }
}

#[test]
fn sound_without_a_container() {
    let folder = TempDir::new();
    let original = folder.join("original.mkv");
    std::fs::write(&original, ffmpeg("-vn -c:a aac", "-f matroska -")).unwrap();
    let theirs = read(std::fs::read(&original).unwrap()).1;
    let (format, events) = read(piped(&format!("ffmpeg -v error -i {} -c copy -f adts -", original.display()), b""));
    assert_eq!(format, InputFormat::Adts);
    assert_eq!(header(&events).tracks[0].config[..2], header(&theirs).tracks[0].config[..2]);
    assert!(packets(&events).iter().map(|p| &p.data).eq(packets(&theirs).iter().map(|p| &p.data)));

    for sample in ["u8", "s16le", "s24le", "s32le", "f32le"] {
        // To a pipe, ffmpeg does not know the size of what will come.
        let (format, events) = read(ffmpeg(&format!("-vn -c:a pcm_{sample}"), "-f wav -"));
        assert_eq!(format, InputFormat::Wav);
        assert!(payload(&events, 0) == ffmpeg(&format!("-vn -c:a pcm_{sample}"), &format!("-f {sample} -")), "{sample}");
    }
}
