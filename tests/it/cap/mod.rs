//! h5cap: what its sources put on the pipe, judged by ffmpeg and ffprobe.

/// How it ends: errors, signals, closed pipes.
mod ends;
/// Directories and files of pictures that grow.
mod growing;
/// Recordings in files, and streams from pipes.
mod recordings;
/// Picture files.
mod stills;
/// The test picture, its clock and its beep.
mod test_picture;

use crate::util::{Finished, Running, TempDir, eventually, h5, run, run_for, shell};
use h5live::format::Timing;
use h5live::media::{Event, Header, Packet, PixelFormat, SystemClock, WallTime};
use h5live::pipe::{Reader, ReaderOptions};
use h5live::source::pattern::{Options, Pattern};
use std::fs;
use std::io::Write;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Runs h5cap to its end.
#[track_caller]
fn cap(args: &str) -> Vec<u8> {
    cap_in(Path::new("."), args)
}

#[track_caller]
fn cap_in(dir: &Path, args: &str) -> Vec<u8> {
    let args: Vec<_> = args.split(' ').collect();
    run(h5("h5cap", &args).current_dir(dir), b"").success().stdout
}

/// Runs ffmpeg or ffprobe on a stream.
#[track_caller]
fn tool(name: &str, args: &str, input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(name);
    command.args(["-v", "error"]).args(args.split(' '));
    let done = run(&mut command, input).success();
    assert_eq!(done.stderr, "", "{name} {args}");
    done.stdout
}

/// The lines of ffprobe's compact output, without the section's name.
#[track_caller]
fn probe(entries: &str, input: &[u8]) -> Vec<String> {
    let text = String::from_utf8(tool("ffprobe", &format!("{entries} -of csv=p=0 -"), input)).unwrap();
    text.lines().map(|line| line.trim_end_matches(',').to_owned()).collect()
}

/// Presentation times of one kind of track, in microseconds, in the order of the file.
#[track_caller]
fn times(kind: &str, input: &[u8]) -> Vec<i64> {
    let lines = probe(&format!("-select_streams {kind} -show_entries packet=pts_time"), input);
    lines.iter().map(|t| (t.parse::<f64>().unwrap() * 1e6).round() as i64).collect()
}

/// What is in a stream, read by our own reader.
fn read(stream: impl Read + Send + 'static) -> impl Iterator<Item = Event> {
    let options = ReaderOptions { name: "h5cap".into(), format: None, timing: Timing::Stream, clock: Arc::new(SystemClock::default()) };
    let mut reader = Reader::new(stream, options);
    std::iter::from_fn(move || reader.next().unwrap())
}

fn parse(stream: &[u8]) -> (Header, Vec<Packet>) {
    let mut events = read(Cursor::new(stream.to_vec()));
    let Some(Event::Header(header)) = events.next() else { panic!("no header") };
    let packet = |e| if let Event::Packet(p) = e { p } else { panic!("a second header") };
    (header, events.map(packet).collect())
}

/// The machine-readable clock of a picture: capture time in milliseconds and frame number, both modulo 2^32. Written from
/// its description, not from the code that draws it.
fn clock(luma: &[u8], width: usize) -> Option<(u32, u32)> {
    let block = (width / 36).max(8);
    let bit = |row: usize, column: usize| {
        let (x, y) = ((2 * column + 1) * width / 72, row * block + block / 2);
        luma[y * width + x] > 125
    };
    let word = |row: usize, columns: std::ops::Range<usize>| columns.fold(0u32, |n, c| n << 1 | u32::from(bit(row, c)));
    let (time, number) = (word(0, 0..32), word(1, 0..32));
    let told = word(0, 32..36) << 4 | word(1, 32..36);
    let mut crc = 0xff_u32;
    for byte in time.to_be_bytes().into_iter().chain(number.to_be_bytes()) {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 0x80 == 0 { crc << 1 } else { (crc << 1 ^ 0x107) & 0xff };
        }
    }
    (crc == told).then_some((time, number))
}

/// Pictures of plain luma, cut apart.
fn pictures(raw: &[u8], width: usize, height: usize) -> std::slice::ChunksExact<'_, u8> {
    assert_eq!(raw.len() % (width * height), 0);
    raw.chunks_exact(width * height)
}
