use super::*;
use crate::util::lumas;

/// A header, and the video after it: times in microseconds, and Annex B.
struct Part {
    codecs: Vec<Codec>,
    size: (u32, u32),
    times: Vec<i64>,
    annex_b: Vec<u8>,
}

fn parts(file: &Path) -> Vec<Part> {
    let clock = Arc::new(SystemClock::default());
    let options = ReaderOptions { name: "recording".into(), format: None, timing: Timing::Stream, clock };
    let mut reader = Reader::new(fs::File::open(file).unwrap(), options);
    let mut parts: Vec<Part> = Vec::new();
    // It may end within a frame.
    while let Ok(Some(event)) = reader.next() {
        match event {
            Event::Header(header) => {
                let video = header.tracks[0].as_video().unwrap();
                let codecs = header.tracks.iter().map(|track| track.codec).collect();
                parts.push(Part { codecs, size: (video.width, video.height), times: vec![], annex_b: vec![] });
            }
            Event::Packet(packet) if packet.track == 0 => {
                let part = parts.last_mut().unwrap();
                part.times.push(packet.pts.micros());
                nal::units(&packet.data).for_each(|unit| part.annex_b.extend([&[0, 0, 0, 1], unit].concat()));
            }
            _ => {}
        }
    }
    parts
}

/// Black H.264 of the camera's size and rate goes on while it is away; the camera's own header is back with it.
#[test]
fn black_pictures_while_the_camera_is_away() {
    let (port, dir) = (free_port(), TempDir::new());
    let file = dir.join("out.mkv");
    let camera = Camera::on(port, &["fps=25", "serve=h265aac"]);
    let mut command = h5cap(&camera, "h264aac", &["--on-loss", "black", "--stall", "1"]);
    let mut cap = Running::start_with(&mut command, Stdio::null(), fs::File::create(&file).unwrap().into());
    let pictures = |cap: &mut Running, part: usize| {
        eventually(&format!("pictures after header {part}"), || {
            assert!(cap.is_running(), "{}", cap.stderr());
            parts(&file).get(part).is_some_and(|part| part.times.len() > 20).then_some(())
        });
    };
    pictures(&mut cap, 0);
    drop(camera);
    pictures(&mut cap, 1);
    let camera = Camera::on(port, &["fps=25", "size=320x240"]);
    cap.wait_for("back after");
    pictures(&mut cap, 2);
    camera.running.signal("STOP");
    pictures(&mut cap, 3);
    camera.running.signal("CONT");
    pictures(&mut cap, 4);
    cap.signal("TERM");
    clean(&cap.finish(PATIENCE).success().stderr);
    let parts = parts(&file);
    let (sound, black, small, large) = (Codec::Aac, vec![Codec::H264], (160, 120), (320, 240));
    let seen: Vec<_> = parts.iter().map(|part| (part.codecs.clone(), part.size)).collect();
    let h264 = (vec![Codec::H264, sound], large);
    assert_eq!(seen, [(vec![Codec::H265, sound], small), (black.clone(), small), h264.clone(), (black, large), h264]);
    // H.265 may be reordered; the pictures of different headers are not.
    for two in parts.windows(2) {
        assert!(two[0].times.iter().max() < two[1].times.iter().min(), "{:?} {:?}", two[0].times, two[1].times);
    }
    for part in [&parts[1], &parts[3]] {
        let mut steps: Vec<i64> = part.times.windows(2).map(|two| two[1] - two[0]).collect();
        assert!(steps.iter().all(|step| *step > 0), "{steps:?}");
        steps.sort_unstable();
        assert!((35_000..70_000).contains(&steps[steps.len() / 2]), "{steps:?}");
        let lumas = lumas("h264", &part.annex_b, part.size);
        assert!(lumas.len() == part.times.len() && lumas.iter().all(|luma| (15.0..18.0).contains(luma)), "{lumas:?}");
    }
}
