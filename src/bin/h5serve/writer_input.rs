//! An input as it is read. What was not understood is passed over up to the next beginning of a stream, which may be among what was
//! already read.

use crate::watch::{First, Watch};
use h5live::cli;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One read while looking for a beginning.
const READ: usize = 64 * 1024;
/// What a beginning is known by: size and type of a box, or the EBML ID and the size of its header, or the start of NUT's mark, or FLV's
/// with its flags.
const MARK: usize = 8;
/// No honest `ftyp` or `moov` is larger.
const MAX_BOX: u32 = 16 << 20;

/// Reads until the end of the input that it is given. Its clones read on where the others were.
#[derive(Clone)]
pub struct WriterInput(Arc<Mutex<Inner>>);

struct Inner {
    input: Box<dyn Read + Send>,
    /// Whether the input's name becomes another file's meanwhile.
    watched: Option<Watched>,
    replaced: bool,
    /// What the last read gave, and a little of what came before it. `None`: it is not kept, as a copy of each frame costs as much as to send one.
    recent: Option<Vec<u8>>,
    /// Bytes given since the start of this try.
    since: usize,
    /// To be given again, before what comes.
    again: io::Cursor<Vec<u8>>,
}

/// An input that may have to be waited for for ever, since others write to a new file of its name.
pub struct Watched {
    /// The same file as the input's.
    pub file: File,
    pub watch: Watch,
    pub stop: cli::Stop,
    /// Only until the first bytes come.
    pub until_begun: bool,
}

impl WriterInput {
    /// `patient`: [`find_beginning`](WriterInput::find_beginning) may be called.
    pub fn new(input: impl Read + Send + 'static, watched: Option<Watched>, patient: bool) -> WriterInput {
        let recent = patient.then(Vec::new);
        let inner = Inner { input: Box::new(input), watched, replaced: false, recent, since: 0, again: io::Cursor::default() };
        WriterInput(Arc::new(Mutex::new(inner)))
    }

    /// It has ended because its name is another file's now.
    pub fn replaced(&self) -> bool {
        self.inner().replaced
    }

    /// The reader before has failed: passes over everything up to the next beginning of a stream after the one that it was given.
    /// `false` if the end comes first.
    pub fn find_beginning(&mut self) -> io::Result<bool> {
        let mut inner = self.inner();
        let mut seen = inner.recent.as_mut().map(std::mem::take).unwrap_or_default();
        // The beginning that it was given is none: not that one again.
        if let Some(begin) = seen.len().checked_sub(inner.since) {
            seen.drain(..(begin + 1).min(seen.len()));
        }
        let at = inner.again.position() as usize;
        seen.extend_from_slice(&inner.again.get_ref()[at..]);
        inner.again = io::Cursor::default();
        loop {
            if let Some(at) = seen.windows(MARK).position(is_beginning) {
                seen.drain(..at);
                (inner.again, inner.since) = (io::Cursor::new(seen), 0);
                return Ok(true);
            }
            seen.drain(..seen.len().saturating_sub(MARK - 1));
            let have = seen.len();
            seen.resize(have + READ, 0);
            let n = inner.read(&mut seen[have..])?;
            seen.truncate(have + n);
            if n == 0 {
                return Ok(false);
            }
        }
    }

    /// Passes over everything up to the end.
    pub fn drain(&mut self) -> io::Result<()> {
        io::copy(self, &mut io::sink()).map(drop)
    }

    /// A poisoned lock only means that another reader of the same bytes has died.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if let Some(Watched { file, watch, stop, .. }) = &self.watched
            && watch.wait_for_input(file.as_fd(), stop.as_fd())? == First::Replaced
        {
            self.replaced = true;
            return Ok(0);
        }
        let n = self.input.read(buf)?;
        self.watched.take_if(|watched| n > 0 && watched.until_begun);
        Ok(n)
    }
}

impl Read for WriterInput {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut inner = self.inner();
        let n = match inner.again.read(buf)? {
            0 => inner.read(buf)?,
            n => n,
        };
        inner.since = inner.since.saturating_add(n);
        if let Some(recent) = &mut inner.recent {
            recent.drain(..recent.len().saturating_sub(MARK));
            recent.extend_from_slice(&buf[..n]);
        }
        Ok(n)
    }
}

/// The head of `ftyp` or `moov`, or of an EBML header, or of NUT, or of FLV.
fn is_beginning(bytes: &[u8]) -> bool {
    let [a, b, c, d, kind @ ..] = *bytes.first_chunk::<MARK>().expect("windows of that size");
    let size = u32::from_be_bytes([a, b, c, d]);
    let is_box = matches!(&kind, b"ftyp" | b"moov") && (8..=MAX_BOX).contains(&size);
    let is_flv = bytes.starts_with(b"FLV\x01") && matches!(kind, [1 | 4 | 5, 0, 0, 0]);
    is_box || is_flv || (size == 0x1A45_DFA3 && kind[0] >= 0x80) || bytes.starts_with(b"nut/mult")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const FTYP: &[u8] = b"\0\0\0\x10ftypiso6\0\0\0\0";

    /// What is found after a reader has taken `taken` bytes of `bytes`, `piece` at a time.
    fn found(bytes: &[u8], taken: usize, piece: usize) -> Option<Vec<u8>> {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(bytes).unwrap();
        drop(writer);
        let mut line = WriterInput::new(reader, None, true);
        let mut buf = vec![0; taken];
        buf.chunks_mut(piece).for_each(|part| line.clone().read_exact(part).unwrap());
        let mut rest = vec![];
        line.find_beginning().unwrap().then(|| line.read_to_end(&mut rest).unwrap()).map(|_| rest)
    }

    #[test]
    fn the_next_beginning_is_found_wherever_the_reader_was() {
        let ebml = b"\x1a\x45\xdf\xa3\x8f\x42\x82";
        let nut = b"nut/multimedia container\0";
        let flv = b"FLV\x01\x05\0\0\0\x09";
        for start in [FTYP, ebml, nut, flv] {
            let rest = [start, &b"rest"[..]].concat();
            let bytes = [start, &b"broken \0\0\0\0ftyp moov \x1a\x45\xdf\xa3\0"[..], &rest].concat();
            let at = bytes.len() - rest.len();
            for piece in [1, 7, 1000] {
                // A little of what came before the last read is still there.
                for taken in [1, at - 3, at, at + 7] {
                    assert_eq!(found(&bytes, taken, piece).as_deref(), Some(&rest[..]), "{taken} taken by {piece}");
                }
            }
        }
    }

    #[test]
    fn the_beginning_that_failed_is_not_tried_again() {
        assert_eq!(found(&[FTYP, b"broken"].concat(), 3, 3), None);
        assert_eq!(found(&[FTYP, b"broken"].concat(), FTYP.len() + 2, 1000), None);
        assert_eq!(found(b"", 0, 1), None);
    }

    #[test]
    fn far_away() {
        let noise = vec![0x55; 3 * READ - 5];
        let (reader, mut writer) = io::pipe().unwrap();
        let mut line = WriterInput::new(reader, None, true);
        let writing = std::thread::spawn(move || writer.write_all(&[&noise[..], FTYP, b"rest"].concat()).unwrap());
        assert!(line.find_beginning().unwrap());
        let mut rest = vec![];
        line.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, [FTYP, b"rest"].concat());
        writing.join().unwrap();
    }
}
