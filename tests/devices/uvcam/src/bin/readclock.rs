//! readclock WIDTHxHEIGHT: reads pictures of 8 bits of luma a pixel on stdin (`ffmpeg ... -f rawvideo -pix_fmt gray -`) and prints
//! for each "NUMBER TIME" of the clock in it, or "-" where none can be read.

use std::io::{self, Read, Write};
use std::process::ExitCode;
use uvcam::clock::Stamp;

fn main() -> ExitCode {
    let size = std::env::args().nth(1).and_then(|a| a.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?))));
    let Some((width, height)) = size else {
        eprintln!("usage: readclock WIDTHxHEIGHT < gray pictures");
        return ExitCode::from(2);
    };
    match read(width, height) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("readclock: {e}");
            ExitCode::FAILURE
        }
    }
}

fn read(width: usize, height: usize) -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut picture = vec![0; width * height];
    while input.read_exact(&mut picture).is_ok() {
        match Stamp::read(&picture, width) {
            Some(stamp) => writeln!(output, "{} {}", stamp.number, stamp.time)?,
            None => writeln!(output, "-")?,
        }
    }
    Ok(())
}
