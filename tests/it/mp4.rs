//! MP4 and QuickTime as phones, cameras and editors write them, judged by what ffprobe and ffmpeg make of the same file.

use crate::util::{Finished, TempDir, data, h5, run, shell};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs ffmpeg, quietly.
#[track_caller]
fn ffmpeg(dir: &Path, args: &str) {
    run(shell(&format!("ffmpeg -v error -nostdin -y {args}")).current_dir(dir), b"").success();
}

/// What ffprobe says of the packets of a file's first stream of this kind.
#[track_caller]
fn packets(file: &Path, kind: &str, entries: &str) -> Vec<String> {
    let args = ["-v", "error", "-select_streams", kind, "-show_entries", &format!("packet={entries}"), "-of", "csv=p=0"];
    run(Command::new("ffprobe").args(args).arg(file), b"").success().text().lines().map(|line| line.trim_end_matches(',').into()).collect()
}

/// Checksums of all pictures of a file, as ffmpeg decodes them.
#[track_caller]
fn pictures(file: &Path) -> Vec<String> {
    let args = ["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-"];
    let text = run(Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(file).args(args), b"").success().text();
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit(',').next().unwrap().trim().into()).collect()
}

/// What h5cap makes of a file.
#[track_caller]
fn captured(dir: &Path, file: &Path) -> (PathBuf, Finished) {
    let done = run(&mut h5("h5cap", &["--no-pace", &format!("file:{}", file.display())]), b"").success();
    let out = dir.join("captured.mkv");
    fs::write(&out, &done.stdout).unwrap();
    (out, done)
}

/// What h5mux makes of a file.
#[track_caller]
fn muxed(dir: &Path, file: &Path) -> PathBuf {
    let done = run(h5("h5mux", &["--no-clock"]).arg(file), b"").success();
    assert_eq!(done.stderr, "");
    let out = dir.join("muxed.mp4");
    fs::write(&out, &done.stdout).unwrap();
    out
}

#[track_caller]
fn same_pictures(dir: &Path, file: &Path) {
    let theirs = pictures(file);
    assert!(!theirs.is_empty());
    assert_eq!(pictures(&muxed(dir, file)), theirs, "{}", file.display());
}

#[test]
fn composition_offsets_are_signed_in_version_0_too() {
    let dir = TempDir::new();
    let file = data("ctts-v0-signed.mp4");
    same_pictures(&dir, &file);
    assert_eq!(packets(&dir.join("muxed.mp4"), "v", "pts_time"), packets(&file, "v", "pts_time"));
    // In fragments: version 0 of trun, with offsets below zero.
    ffmpeg(
        &dir,
        "-f lavfi -i testsrc2=size=64x48:rate=25:duration=1 -c:v libx264 -bf 2 -movflags +frag_keyframe+empty_moov+negative_cts_offsets frag.mp4",
    );
    let mut bytes = fs::read(dir.join("frag.mp4")).unwrap();
    let truns: Vec<usize> = bytes.windows(4).enumerate().filter(|(_, w)| w == b"trun").map(|(at, _)| at).collect();
    assert!(!truns.is_empty());
    for at in truns {
        assert_eq!(std::mem::replace(&mut bytes[at + 4], 0), 1, "version 1, which is signed");
    }
    let version_0 = dir.join("version-0.mp4");
    fs::write(&version_0, bytes).unwrap();
    assert_eq!(pictures(&muxed(&dir, &version_0)), pictures(&dir.join("frag.mp4")));
    let times = |file: &Path| packets(file, "v", "pts_time").iter().map(|t| t.parse::<f64>().unwrap()).fold(0.0, f64::max);
    assert!((times(&dir.join("muxed.mp4")) - times(&dir.join("frag.mp4"))).abs() < 0.1);
}

#[test]
fn samples_in_a_movie_header_that_announces_fragments() {
    let dir = TempDir::new();
    same_pictures(&dir, &data("mvex-no-moof.mp4"));
    // Half of the samples in the movie header, half in fragments.
    ffmpeg(&dir, "-f lavfi -i testsrc2=size=64x48:rate=25:duration=2 -c:v libx264 -g 10 -movflags +frag_keyframe both.mp4");
    let both = dir.join("both.mp4");
    let bytes = fs::read(&both).unwrap();
    assert!(bytes.windows(4).any(|w| w == b"moof") && bytes.windows(4).any(|w| w == b"stsz"));
    same_pictures(&dir, &both);
}

#[test]
fn several_sample_entries() {
    let dir = TempDir::new();
    let file = data("two-sample-entries.mp4");
    same_pictures(&dir, &file);
    let (matroska, _) = captured(&dir, &file);
    let args = ["-v", "error", "-show_entries", "frame=width,height", "-of", "csv=p=0"];
    let sizes = run(Command::new("ffprobe").args(args).arg(dir.join("muxed.mp4")), b"").success().text();
    assert_eq!(sizes.lines().filter(|line| line.starts_with("64,48")).count(), 25, "{sizes}");
    assert_eq!(sizes.lines().filter(|line| line.starts_with("96,64")).count(), 25, "{sizes}");
    // Through the pipe too, where another header follows.
    let piped = run(&mut h5("h5mux", &[]), &fs::read(matroska).unwrap()).success();
    fs::write(dir.join("piped.mp4"), piped.stdout).unwrap();
    assert_eq!(pictures(&dir.join("piped.mp4")), pictures(&file));
}

fn mp4_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes(), &kind[..], body].concat()
}

/// The movie header of an MP4 without its table of samples, and with one default for fragments: the first sample entry.
fn movie_of_fragments(moov: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = moov;
    while let [a, b, c, d, kind @ ..] = rest {
        let (whole, kind) =
            rest.split_at_checked(u32::from_be_bytes([*a, *b, *c, *d]) as usize).map(|(whole, _)| (whole, &kind[..4])).unwrap();
        match kind {
            b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" => {
                out.extend(mp4_box(kind.try_into().unwrap(), &movie_of_fragments(&whole[8..])))
            }
            b"stts" | b"stsc" | b"stco" => out.extend(mp4_box(kind.try_into().unwrap(), &[0; 8])),
            b"stsz" => out.extend(mp4_box(b"stsz", &[0; 12])),
            b"stss" => (),
            b"udta" => {
                out.extend(mp4_box(b"mvex", &mp4_box(b"trex", &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])))
            }
            _ => out.extend(whole),
        }
        rest = &rest[whole.len()..];
    }
    out
}

#[test]
fn several_sample_entries_in_fragments() {
    let dir = TempDir::new();
    let file = data("two-sample-entries.mp4");
    let bytes = fs::read(&file).unwrap();
    let moov = bytes.windows(4).position(|w| w == b"moov").unwrap() - 4;
    let mut out = [mp4_box(b"ftyp", b"iso5\0\0\0\0iso5"), movie_of_fragments(&bytes[moov..])].concat();
    let args = ["-v", "error", "-show_entries", "packet=size,pos", "-of", "csv=p=0"];
    let samples = run(Command::new("ffprobe").args(args).arg(&file), b"").success().text();
    let samples = samples.lines().filter_map(|line| line.trim_end_matches(',').split_once(','));
    for (n, (size, at)) in samples.enumerate() {
        let (size, at): (u32, usize) = (size.parse().unwrap(), at.parse().unwrap());
        // The default names the first sample entry; the fragments of the second half name the second one.
        let entry: &[u8] = if n < 25 { &[0, 2, 0, 0, 0, 0, 0, 1] } else { &[0, 2, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2] };
        let flags = if n % 25 == 0 { 0x0200_0000u32 } else { 0x0101_0000 };
        let traf = |offset: u32| {
            let run = [1, offset, 512, size, flags].map(u32::to_be_bytes).concat();
            let body = [
                mp4_box(b"tfhd", entry),
                mp4_box(b"tfdt", &[0, (n as u32) * 512].map(u32::to_be_bytes).concat()),
                mp4_box(b"trun", &[&0x0000_0701u32.to_be_bytes()[..], &run].concat()),
            ];
            [mp4_box(b"mfhd", &[0, n as u32 + 1].map(u32::to_be_bytes).concat()), mp4_box(b"traf", &body.concat())].concat()
        };
        let offset = traf(0).len() as u32 + 16;
        out.extend(mp4_box(b"moof", &traf(offset)));
        out.extend(mp4_box(b"mdat", &bytes[at..at + size as usize]));
    }
    let fragments = dir.join("fragments.mp4");
    fs::write(&fragments, &out).unwrap();
    // ffmpeg itself takes the first entry for all fragments: the file with its table is the judge.
    assert_eq!(pictures(&muxed(&dir, &fragments)), pictures(&file));
    let piped = run(&mut h5("h5mux", &[]), &out).success();
    fs::write(dir.join("piped.mp4"), piped.stdout).unwrap();
    assert_eq!(pictures(&dir.join("piped.mp4")), pictures(&file), "through a pipe");
}

#[test]
fn compact_sample_sizes_quicktime_without_ftyp_and_jpeg_as_mpeg4() {
    let dir = TempDir::new();
    same_pictures(&dir, &data("stz2.mp4"));
    same_pictures(&dir, &data("starts-with-wide.mov"));
    let (matroska, done) = captured(&dir, &data("mjpeg-6c.mp4"));
    assert_eq!(done.stderr, "");
    assert_eq!(pictures(&matroska), pictures(&data("mjpeg-6c.mp4")));
}

/// The audio of a file, decoded by ffmpeg to 16 bits.
#[track_caller]
fn sound(file: &Path) -> Vec<u8> {
    run(Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(file).args(["-map", "0:a:0", "-f", "s16le", "-c:a", "pcm_s16le", "-"]), b"")
        .success()
        .stdout
}

#[test]
fn every_pcm_that_quicktime_and_mp4_have() {
    let dir = TempDir::new();
    for (codec, options, name) in [
        ("pcm_s16be", "", "a.mov"),
        ("pcm_s16le", "", "a.mov"),
        ("pcm_s8", "", "a.mov"),
        ("pcm_u8", "", "a.mov"),
        ("pcm_s24be", "", "a.mov"),
        ("pcm_s24le", "", "a.mov"),
        ("pcm_s32be", "", "a.mov"),
        ("pcm_s32le", "", "a.mov"),
        ("pcm_f32be", "", "a.mov"),
        ("pcm_f32le", "", "a.mov"),
        ("pcm_f64be", "", "a.mov"),
        ("pcm_f64le", "", "a.mov"),
        ("pcm_alaw", "", "a.mov"),
        ("pcm_mulaw", "", "a.mov"),
        ("pcm_s16le", "-ar 96000 -ac 1", "a.mov"),
        ("pcm_s16le", "-movflags +frag_keyframe+empty_moov", "a.mov"),
    ] {
        ffmpeg(&dir, &format!("-f lavfi -i sine=frequency=440:duration=0.7:sample_rate=44100 -ac 2 -c:a {codec} {options} {name}"));
        let file = dir.join(name);
        let (matroska, done) = captured(&dir, &file);
        assert_eq!(done.stderr, "", "{codec} {name}");
        let (ours, theirs) = (sound(&matroska), sound(&file));
        assert_eq!(ours.len(), theirs.len(), "{codec} {options} {name}");
        assert!(ours == theirs, "{codec} {options} {name}: other samples");
        // Not a packet for every sample.
        assert!(packets(&matroska, "a", "pts_time").len() <= 40, "{codec} {name}");
    }
}

#[test]
fn an_edit_list_is_followed_as_a_player_does() {
    let dir = TempDir::new();
    let file = data("trim.mp4");
    let shown = pictures(&file);
    assert_eq!(shown.len(), 25);
    let out = muxed(&dir, &file);
    // What is not shown stands within two milliseconds before the first picture that is, and behind the last.
    let shown_times = |file: &Path| {
        let mut times: Vec<f64> = packets(file, "v", "pts_time").iter().map(|t| t.parse().unwrap()).collect();
        times.sort_by(f64::total_cmp);
        assert_eq!(times.len(), 60);
        assert!(times[0] >= 0.0 && times[33] < 0.002, "{times:?}");
        times[34..59].to_vec()
    };
    let ours = shown_times(&out);
    assert!(ours.windows(2).all(|w| (w[1] - w[0] - 0.04).abs() < 0.0001) && (ours[0] - 0.002).abs() < 0.0001, "{ours:?}");
    // Each lasts less than a millisecond, which is what h5serve's player goes by, and longer than to the next.
    let bytes = fs::read(&out).unwrap();
    let durations = bytes.windows(28).filter(|w| w.starts_with(b"trun")).map(|w| u32::from_be_bytes([w[16], w[17], w[18], w[19]]));
    assert_eq!(durations.filter(|d| *d == 900).count(), 35);
    let decoded = pictures(&out);
    // Its pictures in the order of presentation: those cut away come first, and one last.
    let first = decoded.iter().position(|picture| *picture == shown[0]).unwrap();
    assert_eq!(decoded[first..first + 25], shown);
    // Audio begins at the in-point, with no more before it than a decoder needs.
    let times: Vec<f64> = packets(&out, "a", "pts_time").iter().map(|t| t.parse().unwrap()).collect();
    assert!(times[0] > -0.06 && *times.last().unwrap() < 1.01, "{times:?}");
    // On the pipe they are invisible blocks, which a demuxer of ours gives as hidden packets.
    let (matroska, _) = captured(&dir, &file);
    assert_eq!(shown_times(&muxed(&dir, &matroska)), ours);
}

#[test]
fn nothing_of_what_was_cut_stands_in_a_file_of_keyframes() {
    let dir = TempDir::new();
    // A second of three, of pictures that need no others: ffmpeg writes an edit list where it seeks and copies.
    ffmpeg(&dir, "-f lavfi -i testsrc2=size=64x48:rate=25:duration=3 -f lavfi -i sine=duration=3 -c:v mjpeg -c:a pcm_s16be long.mov");
    let file = dir.join("long.mov");
    let mut bytes = fs::read(&file).unwrap();
    // Movie of 1000 ticks a second: duration 1000; media times in ticks of 12800 and 44100.
    let lists: Vec<usize> = bytes.windows(4).enumerate().filter(|(_, w)| w == b"elst").map(|(at, _)| at).collect();
    assert_eq!(lists.len(), 2);
    for (at, timescale) in lists.into_iter().zip([12800u32, 44100]) {
        bytes[at + 12..at + 16].copy_from_slice(&1000u32.to_be_bytes());
        bytes[at + 16..at + 20].copy_from_slice(&timescale.to_be_bytes());
    }
    fs::write(&file, bytes).unwrap();
    let theirs = pictures(&file);
    let (matroska, _) = captured(&dir, &file);
    assert_eq!(pictures(&matroska), theirs);
    assert_eq!(theirs.len(), 25);
    assert_eq!(sound(&matroska).len(), 44100 * 2, "to the sample");
}

#[test]
fn a_file_with_its_index_behind_is_read_by_every_program() {
    let dir = TempDir::new();
    ffmpeg(&dir, "-f lavfi -i testsrc2=size=64x48:rate=25:duration=1 -c:v libx264 behind.mp4");
    ffmpeg(&dir, "-f lavfi -i testsrc2=size=64x48:rate=25:duration=1 -c:v mjpeg pictures.mov");
    let count = |done: Finished| {
        fs::write(dir.join("out"), done.success().stdout).unwrap();
        packets(&dir.join("out"), "v", "pts_time").len()
    };
    assert_eq!(count(run(h5("h5mux", &["behind.mp4"]).current_dir(&*dir), b"")), 25);
    assert_eq!(count(run(shell("h5mux < behind.mp4").current_dir(&*dir), b"")), 25);
    assert_eq!(count(run(h5("h5enc", &["pictures.mov"]).current_dir(&*dir), b"")), 25);
    assert_eq!(count(run(shell("h5enc < pictures.mov").current_dir(&*dir), b"")), 25);
    assert_eq!(count(run(shell("h5cap --no-pace - < behind.mp4").current_dir(&*dir), b"")), 25);
    run(shell("h5serve --listen 127.0.0.1:0 behind.mp4").current_dir(&*dir), b"").success();
    run(shell("h5serve --listen 127.0.0.1:0 < pictures.mov").current_dir(&*dir), b"").success();
    // Of a pipe it cannot be had, and that is said.
    let refused = run(shell("cat behind.mp4 | h5mux").current_dir(&*dir), b"");
    assert_eq!(refused.code(), 4);
    assert!(refused.stderr.contains("stands behind the media data"), "{}", refused.stderr);
}

#[test]
fn an_output_is_emptied_when_there_is_something_to_write() {
    let dir = TempDir::new();
    ffmpeg(&dir, "-f lavfi -i testsrc2=size=64x48:rate=25:duration=1 -c:v libx264 -movflags +faststart in.mp4");
    fs::write(dir.join("precious.mp4"), vec![b'x'; 1_000_000]).unwrap();
    for input in ["not a film at all", ""] {
        run(h5("h5mux", &["-o", "precious.mp4"]).current_dir(&*dir), input.as_bytes());
        assert_eq!(fs::metadata(dir.join("precious.mp4")).unwrap().len(), 1_000_000);
    }
    let before = fs::read(dir.join("in.mp4")).unwrap();
    fs::hard_link(dir.join("in.mp4"), dir.join("link.mp4")).unwrap();
    for line in [
        "h5mux in.mp4 -o in.mp4",
        "h5mux in.mp4 -o link.mp4",
        "h5mux -o in.mp4 < in.mp4",
        "h5mux in.mp4 >> in.mp4",
        "h5enc < in.mp4 >> in.mp4",
        "h5cap file:in.mp4 >> in.mp4",
    ] {
        let refused = run(shell(line).current_dir(&*dir), b"");
        assert_eq!(refused.code(), 2, "{line}: {}", refused.stderr);
        assert!(refused.stderr.contains("write to another file"), "{line}: {}", refused.stderr);
        assert_eq!(fs::read(dir.join("in.mp4")).unwrap(), before, "{line}");
    }
    run(h5("h5mux", &["in.mp4", "-o", "precious.mp4"]).current_dir(&*dir), b"").success();
    assert_eq!(pictures(&dir.join("precious.mp4")).len(), 25, "nothing of the old file is behind the new");
    run(h5("h5mux", &["in.mp4", "-o", "new.mp4"]).current_dir(&*dir), b"").success();
    assert_eq!(pictures(&dir.join("new.mp4")).len(), 25);
    let nowhere = run(h5("h5mux", &["in.mp4", "-o", "no/such/folder.mp4"]).current_dir(&*dir), b"");
    assert_eq!(nowhere.code(), 1);
}

#[test]
fn a_time_out_of_range_is_refused() {
    let dir = TempDir::new();
    ffmpeg(&dir, "-f lavfi -i testsrc2=size=64x48:rate=25:duration=1 -c:v libx264 -movflags +frag_keyframe+empty_moov in.mp4");
    let mut bytes = fs::read(dir.join("in.mp4")).unwrap();
    let at = bytes.windows(4).position(|w| w == b"tfdt").unwrap();
    assert_eq!(bytes[at + 4], 1, "64 bits");
    bytes[at + 8] = 0x40;
    let refused = run(&mut h5("h5mux", &[]), &bytes);
    assert_eq!(refused.code(), 4);
    assert!(refused.stderr.contains("decode time is out of range"), "{}", refused.stderr);
}
