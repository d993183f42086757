//! The bytes of an input, read straight to where they stay.
//!
//! Small frames are cut out of large chunks without a copy. A large frame gets a buffer of exactly its size and is read into it by
//! calls as large as the pipe allows; when the stage has dropped it, the buffer is used again, so that raw video costs no
//! allocation, no clearing and no page faults.

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::io::{self, Read};

/// Bytes of a chunk: four times what a pipe holds.
const CHUNK: usize = 256 << 10;

/// Frames that lack more than this are read into a buffer of their own.
const LARGE: usize = 64 << 10;

/// After a large frame, so much is read of what comes next: enough for the head of another, little to copy.
const HEAD: usize = 4 << 10;

/// A read is not worth its call with less room than this.
const MIN_READ: usize = 4 << 10;

/// So many large frames are remembered in case that their buffers come back.
const MAX_LENT: usize = 4;

pub struct Feed {
    input: Box<dyn Read + Send>,
    /// Read and not yet taken.
    pub buf: BytesMut,
    /// Room for the next read, right behind `buf` in the same chunk.
    room: BytesMut,
    /// Large frames that were given out.
    lent: VecDeque<Bytes>,
    next_read: NextRead,
    pub eof: bool,
    /// Bytes read so far.
    pub bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum NextRead {
    Chunk,
    Head,
}

impl Feed {
    pub fn new(input: Box<dyn Read + Send>) -> Feed {
        Feed { input, buf: BytesMut::new(), room: BytesMut::new(), lent: VecDeque::new(), next_read: NextRead::Chunk, eof: false, bytes: 0 }
    }

    /// Reads until `buf` holds `want` bytes, or the end of the input.
    pub fn fill(&mut self, want: usize) -> io::Result<()> {
        if want.saturating_sub(self.buf.len()) > LARGE {
            return self.fill_frame(want);
        }
        while self.buf.len() < want && !self.eof {
            self.make_room(want);
            let most = if self.next_read == NextRead::Head { HEAD.max(want - self.buf.len()) } else { CHUNK };
            let n = most.min(self.room.len());
            let got = self.read(n)?;
            let part = self.room.split_to(got);
            // Right behind each other: joined without a copy.
            self.buf.unsplit(part);
        }
        self.next_read = NextRead::Chunk;
        Ok(())
    }

    /// Passes over `n` bytes; `buf` is empty.
    pub fn skip(&mut self, mut n: u64) -> io::Result<()> {
        while n > 0 && !self.eof {
            self.make_room(0);
            let most = usize::try_from(n).unwrap_or(usize::MAX).min(self.room.len());
            n -= self.read(most)? as u64;
        }
        Ok(())
    }

    /// Remembers a frame that is given out, to have its buffer back when nobody else has it.
    pub fn lend(&mut self, frame: &Bytes) {
        if frame.len() > LARGE {
            self.lent.truncate(MAX_LENT - 1);
            self.lent.push_front(frame.clone());
        }
    }

    fn make_room(&mut self, want: usize) {
        if self.room.len() >= MIN_READ.max(want.saturating_sub(self.buf.len())) {
            return;
        }
        // What grows without saying how far (an image without a length) is moved only each time it has doubled.
        let mut chunk = BytesMut::zeroed(CHUNK.max(2 * self.buf.len()).max(want));
        chunk[..self.buf.len()].copy_from_slice(&self.buf);
        self.buf = chunk.split_to(self.buf.len());
        self.room = chunk;
    }

    /// Reads into the first `most` bytes of the room.
    fn read(&mut self, most: usize) -> io::Result<usize> {
        let got = read(&mut self.input, &mut self.room[..most])?;
        self.eof = got == 0;
        self.bytes += got as u64;
        Ok(got)
    }

    /// Reads one large frame straight into its own buffer.
    fn fill_frame(&mut self, want: usize) -> io::Result<()> {
        let mut frame = self.returned(want).unwrap_or_else(|| BytesMut::zeroed(want));
        let mut have = self.buf.len();
        frame[..have].copy_from_slice(&self.buf);
        while have < want && !self.eof {
            let got = read(&mut self.input, &mut frame[have..])?;
            self.eof = got == 0;
            self.bytes += got as u64;
            have += got;
        }
        frame.truncate(have);
        self.buf = frame;
        self.next_read = NextRead::Head;
        Ok(())
    }

    /// The buffer of an earlier frame of at least this size that nobody uses any more.
    fn returned(&mut self, want: usize) -> Option<BytesMut> {
        for _ in 0..self.lent.len() {
            match self.lent.pop_back()?.try_into_mut() {
                Ok(mut frame) if frame.len() >= want => {
                    frame.truncate(want);
                    return Some(frame);
                }
                Ok(_) => {}
                Err(in_use) => self.lent.push_front(in_use),
            }
        }
        None
    }
}

fn read(input: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(buf) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            got => return got,
        }
    }
}
