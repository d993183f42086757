//! Picture files.

use super::*;

/// Three JPEGs and a PNG of other contents and size.
fn album() -> TempDir {
    let dir = TempDir::new();
    for (n, file) in ["1.jpg", "2.jpg", "10.jpg"].iter().enumerate() {
        let source = format!("testsrc2=size=160x120:rate=1:duration=9,trim=start={n},setpts=0");
        let args = ["-v", "error", "-f", "lavfi", "-i", &source, "-frames:v", "1", "-update", "1", file];
        run(Command::new("ffmpeg").args(args).current_dir(&*dir), b"").success();
    }
    let args = ["-v", "error", "-i", "2.jpg", "-vf", "scale=90:50", "-pix_fmt", "rgb24", "-update", "1", "3.png"];
    run(Command::new("ffmpeg").args(args).current_dir(&*dir), b"").success();
    dir
}

#[test]
fn jpegs_pass_untouched() {
    let dir = album();
    let stream = cap_in(&dir, "1.jpg 2.jpg 10.jpg --rate 2 --no-pace");
    let (_, packets) = parse(&stream);
    let files = ["1.jpg", "2.jpg", "10.jpg"].map(|f| fs::read(dir.join(f)).unwrap());
    assert!(packets.iter().map(|p| &p.data[..]).eq(files.iter().map(|f| &f[..])), "the bytes of the files");
    assert_eq!(times("v", &stream), [0, 500_000, 1_000_000]);
    assert_eq!(probe("-show_entries stream=codec_name,width,height", &stream), ["mjpeg,160,120"]);
    // ffmpeg's own hash of what it read.
    let hashes = probe("-show_entries packet=data_hash -show_data_hash md5", &stream);
    let expected: Vec<_> = ["1.jpg", "2.jpg", "10.jpg"].map(|f| md5(&dir.join(f))).into();
    assert_eq!(hashes, expected);
}

fn md5(path: &Path) -> String {
    let done = run(Command::new("md5sum").arg(path), b"").success();
    format!("MD5:{}", done.text().split(' ').next().unwrap())
}

#[test]
fn they_are_shown_in_real_time_and_again() {
    let dir = album();
    let start = Instant::now();
    let stream = cap_in(&dir, "1.jpg 2.jpg 10.jpg --rate 4 --loop --duration 1.5");
    assert!(start.elapsed() >= Duration::from_millis(1250), "{:?}", start.elapsed());
    let (_, packets) = parse(&stream);
    assert_eq!(packets.iter().map(|p| p.pts.micros()).collect::<Vec<_>>(), (0..6).map(|n| n * 250_000).collect::<Vec<_>>());
    assert!((0..3).all(|n| packets[n].data == packets[n + 3].data), "the second round is the first");
}

#[test]
fn other_formats_are_decoded_and_announced() {
    let dir = album();
    // In the order of their names: 1.jpg, 2.jpg, 3.png, 10.jpg.
    let stream = cap_in(&dir, ". --no-pace");
    let events: Vec<_> = read(Cursor::new(stream)).collect();
    let headers = events.iter().filter_map(|e| if let Event::Header(h) = e { Some(h.tracks[0].codec.to_string()) } else { None });
    assert_eq!(headers.collect::<Vec<_>>(), ["MJPEG", "raw rgb24", "MJPEG"]);
    let png = events.iter().find_map(|e| match e {
        Event::Packet(p) if p.data.len() == 90 * 50 * 3 => Some(p.data.clone()),
        _ => None,
    });
    let args = ["-v", "error", "-i", "3.png", "-f", "rawvideo", "-"];
    let decoded = run(Command::new("ffmpeg").args(args).current_dir(&*dir), b"").success().stdout;
    assert!(png.is_some_and(|png| png == decoded), "what ffmpeg decodes");
    let only = cap_in(&dir, "3.png");
    assert_eq!(probe("-show_entries stream=codec_name,pix_fmt,width,height", &only), ["rawvideo,90,50,rgb24"]);
}
