//! Whatever comes in and however it ends: one clear line, the right exit code, bounded memory, no panic, no hang.

use crate::hostile;
use crate::util::{Finished, PATIENCE, Running, TempDir, h5, run, run_for, shell};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

/// Most resident memory that any input may cost, in KiB: the largest picture that is taken, a few times, and the program.
const MEMORY_LIMIT: u64 = 300 * 1024;

/// The longest that a program may take over any input in these tests, on a loaded machine.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// The four programs, each reading stdin.
const READERS: [&str; 4] = ["h5cap", "h5enc", "h5mux", "h5serve"];

fn reader(name: &str) -> Command {
    match name {
        "h5cap" => h5("h5cap", &["-"]),
        "h5serve" => h5("h5serve", &["--listen", "127.0.0.1:0", "--on-eof", "exit"]),
        other => h5(other, &[]),
    }
}

/// A second of raw test picture and tone, the same encoded, and as fragmented MP4.
struct Good {
    raw: Vec<u8>,
    coded: Vec<u8>,
    mp4: Vec<u8>,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let raw = run(&mut h5("h5cap", &["test", "--size", "160x120", "--rate", "10", "--duration", "1"]), b"").success().stdout;
    let coded = run(&mut h5("h5enc", &[]), &raw).success().stdout;
    let mp4 = run(&mut h5("h5mux", &[]), &coded).success().stdout;
    Good { raw, coded, mp4 }
});

/// What each program reads in a pipe.
fn good_input(name: &str) -> &'static [u8] {
    match name {
        "h5serve" => &GOOD.mp4,
        "h5mux" => &GOOD.coded,
        _ => &GOOD.raw,
    }
}

/// The properties that hold for every input.
#[track_caller]
fn check(name: &str, what: &str, done: &Finished) {
    let context = format!("{name}, {what}: exit code {}, {} KiB, stderr: {}", done.code(), done.peak_kib, done.stderr);
    assert!(!done.stderr.contains("panicked"), "{context}");
    assert!(matches!(done.code(), 0 | 4), "{context}");
    assert!(done.peak_kib < MEMORY_LIMIT, "{context}");
    // h5serve begins with its address.
    let errors: Vec<_> = done.stderr.lines().filter(|l| !l.contains(": warning: ") && !l.starts_with("http://")).collect();
    if done.code() == 4 {
        assert_eq!(errors.len(), 1, "one line: {context}");
        assert!(errors[0].starts_with(&format!("{name}: ")), "{context}");
        let sound = UNSUITED.iter().any(|what| errors[0].contains(what));
        assert!(sound || byte_position(errors[0]).is_some(), "no position: {context}");
    }
}

/// No one place of the input is wrong: it is not for this program, or all of it was read and nothing could be shown.
const UNSUITED: [&str; 3] = ["put h5enc before", "encoder takes no pictures of", "nothing to show"];

/// The number in `byte NUMBER: …`.
fn byte_position(line: &str) -> Option<u64> {
    line.split("byte ").skip(1).find_map(|rest| rest.split_once(':')?.0.parse().ok())
}

/// As [`check`], for input that must be refused.
#[track_caller]
fn check_refused(name: &str, what: &str, done: &Finished) {
    check(name, what, done);
    assert_eq!(done.code(), 4, "{name}, {what}: {}", done.stderr);
}

#[test]
fn a_full_disk_is_a_failure() {
    for name in ["h5cap", "h5enc", "h5mux"] {
        let mut running = Running::start_with(&mut reader(name), Stdio::piped(), File::create("/dev/full").unwrap().into());
        running.feed(good_input(name).to_vec());
        let done = running.finish(TIME_LIMIT);
        assert_eq!(done.code(), 1, "{name}: {}", done.stderr);
        assert_eq!(done.stderr.lines().count(), 1, "{name}: {}", done.stderr);
        assert!(done.stderr.contains("stdout") && done.stderr.contains("No space left"), "{name}: {}", done.stderr);
    }
}

#[test]
fn a_reader_that_goes_away_is_a_normal_end() {
    let line = "h5cap test --size 160x120 | h5enc | h5mux | head -c 5000 | wc -c; echo \"${PIPESTATUS[*]}\"";
    let done = run(&mut shell(line), b"").success();
    assert_eq!((done.text().as_str(), done.stderr.as_str()), ("5000\n0 0 0 0 0\n", ""));
}

#[test]
fn sigterm_ends_a_program_whose_input_hangs() {
    for name in READERS {
        for (state, sent) in [("before any input", 0), ("in the middle", good_input(name).len() / 2)] {
            let mut running = Running::start_with(&mut reader(name), Stdio::piped(), Stdio::null());
            let mut stdin = running.stdin();
            stdin.write_all(&good_input(name)[..sent]).unwrap();
            std::thread::sleep(Duration::from_millis(500));
            ends_at_once(running, name, state);
        }
    }
}

#[test]
fn sigterm_ends_a_program_whose_input_never_pauses() {
    let (mut picture, header) = (b"FRAME\n".to_vec(), b"YUV4MPEG2 W320 H240 F30:1 Ip\n");
    picture.extend([128; 320 * 240 * 3 / 2]);
    // Pictures that come faster than they are encoded: the program never waits for one.
    let mut running = Running::start_with(&mut reader("h5enc"), Stdio::piped(), Stdio::null());
    let mut stdin = running.stdin();
    stdin.write_all(header).unwrap();
    let writing = std::thread::spawn(move || (0..).take_while(|_| stdin.write_all(&picture).is_ok()).count());
    std::thread::sleep(Duration::from_millis(500));
    ends_at_once(running, "h5enc", "between two pictures");
    assert!(writing.join().unwrap() > 10, "pictures were read up to the end");
}

#[test]
fn damage_is_named_once_without_v() {
    let mut coded = good_input("h5mux").to_vec();
    // The heads of two Clusters: these are lost, what follows is read.
    let clusters: Vec<usize> = coded.windows(4).enumerate().filter(|(_, w)| w == b"\x1f\x43\xb6\x75").map(|(at, _)| at).collect();
    for part in [3, 5] {
        let at = clusters[clusters.len() * part / 8];
        coded[at..at + 8].fill(0xAA);
    }
    for name in ["h5enc", "h5mux", "h5serve"] {
        let done = run(&mut reader(name), &coded);
        check(name, "damage", &done);
        let told: Vec<_> = done.stderr.lines().filter(|line| line.contains("damaged data is passed over")).collect();
        assert!(matches!(told[..], [line] if line.starts_with(&format!("{name}: warning: stdin: near byte "))), "{name}: {}", done.stderr);
    }
}

/// Three programs at once, each on its own pipe.
#[test]
fn sigterm_ends_a_program_whose_output_hangs() {
    std::thread::scope(|scope| {
        for name in ["h5cap", "h5enc", "h5mux"] {
            scope.spawn(move || output_hangs(name));
        }
    });
}

fn output_hangs(name: &str) {
    let mut running = Running::start(&mut reader(name));
    let _unread = running.stdout();
    let mut stdin = running.stdin();
    // More than two pipes hold, so that the program stands in write.
    let input = good_input(name).repeat(3_000_000 / good_input(name).len() + 1);
    std::thread::spawn(move || _ = stdin.write_all(&input));
    std::thread::sleep(Duration::from_millis(1000));
    running.signal("TERM");
    // It stands in write and cannot end in good order: after a grace time it ends all the same.
    let done = running.finish(Duration::from_secs(20));
    assert!(matches!(done.code(), 0 | -15), "{name}: exit code {}, {}", done.code(), done.stderr);
}

#[test]
fn sigterm_ends_a_source_in_good_order() {
    let mut running = Running::start(&mut h5("h5cap", &["test", "--size", "160x120"]));
    let mut stdout = running.stdout();
    let reading = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        _ = stdout.read_to_end(&mut bytes);
        bytes
    });
    std::thread::sleep(Duration::from_millis(500));
    ends_at_once(running, "h5cap", "while capturing");
    let bytes = reading.join().unwrap();
    let probe = run(&mut shell("ffprobe -v error -count_packets -show_entries stream=nb_read_packets -of csv=p=0 -"), &bytes).success();
    assert_eq!(probe.stderr, "", "what was written is whole");
}

#[track_caller]
fn ends_at_once(running: Running, name: &str, state: &str) {
    running.signal("TERM");
    let asked = std::time::Instant::now();
    let done = running.finish(PATIENCE);
    assert_eq!(done.code(), 0, "{name} {state}: {}", done.stderr);
    assert!(asked.elapsed() < Duration::from_secs(3), "{name} {state}: took {:?} to end", asked.elapsed());
}

#[test]
fn no_input_at_all_is_a_quiet_end_or_one_line() {
    for name in READERS {
        check(name, "no input", &run(&mut reader(name), b""));
    }
}

#[test]
fn truncated_input_never_hurts() {
    for name in READERS {
        let input = good_input(name);
        for part in 1..=12 {
            let cut = if part <= 6 { part * 40 } else { input.len() * (part - 6) / 7 };
            check(name, &format!("cut at {cut}"), &run_for(&mut reader(name), &input[..cut], TIME_LIMIT));
        }
    }
}

#[test]
fn what_was_whole_before_the_cut_is_used() {
    let cut = &GOOD.coded[..GOOD.coded.len() - 10];
    let done = run(&mut h5("h5mux", &[]), cut).success();
    assert!(done.stdout.len() > GOOD.mp4.len() * 3 / 4, "{} of {}", done.stdout.len(), GOOD.mp4.len());
}

#[test]
fn garbage_is_refused() {
    let text = b"This is a text file, and a rather long one. ".repeat(10_000);
    let noise: Vec<u8> = Noise(1).take(1 << 20).collect();
    for name in READERS {
        for (what, input) in [("text", &text), ("noise", &noise), ("zeros", &vec![0; 1 << 20])] {
            check_refused(name, what, &run_for(&mut reader(name), input, TIME_LIMIT));
        }
    }
}

#[test]
fn endless_garbage_is_refused_too() {
    for name in READERS {
        for endless in ["/dev/zero", "/dev/urandom"] {
            let running = Running::start_with(&mut reader(name), File::open(endless).unwrap().into(), Stdio::piped());
            check_refused(name, endless, &running.finish(TIME_LIMIT));
        }
    }
}

#[test]
fn flipped_bits_never_hurt() {
    for name in READERS {
        for seed in 1..=25 {
            let mut input = good_input(name).to_vec();
            let mut noise = Noise(seed);
            // Many in the head, where every byte means something, then one in about 5,000.
            let head = input.len().min(2000);
            for _ in 0..3 {
                let at = noise.number() as usize % head;
                input[at] ^= 1 << (noise.number() % 8);
            }
            for _ in 0..input.len() / 5000 {
                let at = noise.number() as usize % input.len();
                input[at] ^= 1 << (noise.number() % 8);
            }
            check(name, &format!("bits flipped by seed {seed}"), &run_for(&mut reader(name), &input, TIME_LIMIT));
        }
    }
}

#[test]
fn hostile_input_never_hurts() {
    let mut hurt = Vec::new();
    for case in hostile::all() {
        for name in READERS {
            let one = || check(name, case.name, &run_for(&mut reader(name), &case.bytes, TIME_LIMIT));
            hurt.extend(std::panic::catch_unwind(one).is_err().then(|| format!("{name}: {}", case.name)));
        }
    }
    assert!(hurt.is_empty(), "{hurt:#?}");
}

#[test]
fn a_stream_that_turns_hostile_is_refused_or_outlived() {
    for name in READERS {
        for (what, tail) in [("zeros", vec![0; 1 << 20]), ("noise", Noise(7).take(1 << 20).collect())] {
            let input = [good_input(name), &tail].concat();
            check(name, &format!("{what} after a good stream"), &run_for(&mut reader(name), &input, TIME_LIMIT));
        }
    }
}

#[test]
fn no_such_source_has_its_own_code() {
    for source in ["/no/such/file.mkv", "/dev/video99"] {
        let done = run(&mut h5("h5cap", &[source]), b"");
        assert_eq!(done.code(), 3, "{source}: {}", done.stderr);
        assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
    }
}

#[test]
fn nobody_gets_binary_data_on_a_terminal() {
    // script(1) gives the program a terminal on all three.
    for line in ["h5cap test --duration 1", "h5enc </dev/null", "h5mux </dev/null", "h5enc | cat", "h5mux | cat"] {
        let done = run(&mut shell(&format!("script -qec '{line}' /dev/null </dev/null")), b"");
        assert!(done.text().contains("is a terminal"), "{line}: {}", done.text());
        assert!(done.stdout.len() < 1000, "{line} wrote {} bytes", done.stdout.len());
    }
}

#[test]
fn the_status_line_is_for_terminals() {
    let folder = TempDir::new();
    let line = format!("script -qec 'h5cap test --size 160x120 --duration 3.5 | h5enc >{}/x' /dev/null </dev/null", folder.display());
    let seen = run(&mut shell(&line), b"").success().text();
    assert!(seen.contains("\rh5enc: ") && seen.contains(" fps, ") && seen.contains(" dropped"), "{seen:?}");
    assert!(!seen.contains("h5cap: "), "one line is enough: {seen:?}");
    let piped = run(&mut shell("h5cap test --size 160x120 --duration 2.5 | wc -c"), b"").success();
    assert_eq!(piped.stderr, "");
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut running = Running::start(&mut h5("h5cap", &["test", "--size", "160x120", "--late", "block"]));
    let _unread = running.stdout();
    std::thread::sleep(Duration::from_millis(300));
    running.signal("TERM");
    running.signal("TERM");
    let done = running.finish(Duration::from_secs(10));
    assert!(matches!(done.code(), 0 | -15), "{}: {}", done.code(), done.stderr);
}

/// Numbers without a pattern (xorshift64), the same in every run.
struct Noise(u64);

impl Noise {
    fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

impl Iterator for Noise {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        Some(self.number() as u8)
    }
}

#[test]
fn a_next_program_that_takes_nothing_ends_h5cap_where_it_is_told_to_exit() {
    let mut running = Running::start(&mut h5("h5cap", &["test", "--size", "640x480", "--no-audio", "--late", "exit"]));
    // Nothing is read from it, so what waits can never be written.
    let stdout = running.stdout();
    let done = running.finish(Duration::from_secs(20));
    assert_eq!((done.code(), done.stderr.contains("stdout: the next program is too slow: ")), (1, true), "{}", done.stderr);
    drop(stdout);
}
