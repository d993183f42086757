//! Directories and files of pictures that grow.

use super::*;

/// Packets of a running h5cap, as they come.
fn follow(dir: &Path) -> (Running, Receiver<Packet>) {
    let mut running = Running::start(&mut h5("h5cap", &["--follow", dir.to_str().unwrap(), "--rate", "1/60"]));
    let stdout = running.stdout();
    let (to, packets) = channel();
    std::thread::spawn(move || {
        for event in read(stdout) {
            if let Event::Packet(packet) = event {
                _ = to.send(packet);
            }
        }
    });
    (running, packets)
}

fn jpeg(dir: &Path, second: u32) -> Vec<u8> {
    let source = format!("testsrc2=size=640x480:rate=1,trim=start={second},setpts=0");
    let args = ["-v", "error", "-f", "lavfi", "-i", &source, "-frames:v", "1", "-update", "1", "-f", "mjpeg", "made"];
    run(Command::new("ffmpeg").args(["-y"]).args(args).current_dir(dir), b"").success();
    fs::read(dir.join("made")).unwrap()
}

#[test]
fn new_pictures_come_when_they_are_whole() {
    let (dir, made) = (TempDir::new(), TempDir::new());
    let images: Vec<_> = (0..4).map(|n| jpeg(&made, n)).collect();
    fs::write(dir.join("old.jpg"), &images[0]).unwrap();
    let (mut running, packets) = follow(&dir);
    let patience = Duration::from_secs(30);
    let next = |what: &str| packets.recv_timeout(patience).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(next("what is there").data == images[0]);

    let mut slow = fs::File::create(dir.join("a.jpg")).unwrap();
    let half = images[1].len() / 2;
    slow.write_all(&images[1][..half]).unwrap();
    // One that is whole overtakes it, as does one that is renamed when it is whole.
    fs::write(dir.join("b.jpg"), &images[2]).unwrap();
    assert!(next("the whole one").data == images[2]);
    fs::write(dir.join("c.jpg.part"), &images[3]).unwrap();
    fs::rename(dir.join("c.jpg.part"), dir.join("c.jpg")).unwrap();
    assert!(next("the renamed one").data == images[3]);
    assert!(packets.recv_timeout(Duration::from_millis(500)).is_err(), "half a picture is none");
    slow.write_all(&images[1][half..]).unwrap();
    let late = next("the slow one, now whole");
    assert!(late.data == images[1]);

    // Written over in place.
    fs::write(dir.join("old.jpg"), &images[3]).unwrap();
    let last = next("the same name again");
    assert!(last.data == images[3] && last.pts > late.pts);
    running.signal("TERM");
    eventually("ends on SIGTERM", || (!running.is_running()).then_some(()));
    assert_eq!(running.finish(patience).code(), 0);
}

#[test]
fn an_empty_directory_is_waited_for_and_a_missing_one_is_not() {
    let dir = TempDir::new();
    let (_running, packets) = follow(&dir);
    assert!(packets.recv_timeout(Duration::from_millis(300)).is_err());
    let made = TempDir::new();
    let image = jpeg(&made, 1);
    fs::write(dir.join("1.JPG"), &image).unwrap();
    assert!(packets.recv_timeout(Duration::from_secs(30)).unwrap().data == image);
    let missing = run(&mut h5("h5cap", &["--follow", "/no/such/directory"]), b"");
    assert_eq!(missing.code(), 3);
}
