//! Puts a file into fragmented MP4, one chunk per frame, with the library alone:
//!
//! ```text
//! cargo run --example mux -- clip.mkv show.mp4
//! ```
//!
//! The input is any format of h5pipe(5). An MP4 file must have its index at the start; `h5live::source::mp4` reads the others.

use h5live::format::Timing;
use h5live::format::bmff::Chunk;
use h5live::media::{Event, SystemClock, Vectored};
use h5live::mux::{MuxOptions, Muxer};
use h5live::pipe::{Reader, ReaderOptions};
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn Error>> {
    let files: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = &files[..] else { return Err("usage: mux INPUT OUTPUT".into()) };
    let frames = mux(from.as_ref(), to.as_ref())?;
    println!("{to}: {frames} frames");
    Ok(())
}

/// Reads `from`, writes `to`; gives the number of frames.
pub fn mux(from: &Path, to: &Path) -> Result<u32, Box<dyn Error>> {
    let name = from.display().to_string();
    let clock = Arc::new(SystemClock::default());
    let mut reader = Reader::new(File::open(from)?, ReaderOptions { name, format: None, timing: Timing::Stream, clock });
    let mut out = Output { file: BufWriter::new(File::create(to)?), frames: 0 };
    let mut muxer: Option<Muxer> = None;
    while let Some(event) = reader.next()? {
        match (event, &mut muxer) {
            (Event::Header(header), None) => {
                let made = muxer.insert(Muxer::new(&header, MuxOptions::default())?);
                out.file.write_all(&made.init().bytes)?;
            }
            // New tracks in the middle: another initialization segment follows, where one is needed.
            (Event::Header(header), Some(muxer)) => {
                out.chunks(muxer.flush())?;
                if let Some(init) = muxer.header(&header)? {
                    out.file.write_all(&init.bytes)?;
                }
            }
            (Event::Packet(packet), Some(muxer)) => out.chunks(muxer.push(packet)?)?,
            (Event::TimeZero(zero), Some(muxer)) => muxer.time_zero(zero),
            // A header comes first.
            (Event::Packet(_) | Event::TimeZero(_), None) => {}
        }
    }
    out.chunks(muxer.iter_mut().flat_map(Muxer::flush))?;
    out.file.flush()?;
    Ok(out.frames)
}

struct Output {
    file: BufWriter<File>,
    frames: u32,
}

impl Output {
    fn chunks(&mut self, chunks: impl IntoIterator<Item = Chunk>) -> std::io::Result<()> {
        for chunk in chunks {
            self.frames += chunk.frames;
            chunk.buffers().try_for_each(|piece| self.file.write_all(piece))?;
        }
        Ok(())
    }
}
