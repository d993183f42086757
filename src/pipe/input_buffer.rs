//! The bytes of an input, read straight to where they stay.
//!
//! Small frames are cut out of large chunks without a copy. A large frame gets a buffer of exactly its size and is read into it by
//! calls as large as the pipe allows; when the stage has dropped it, the buffer is used again, so that raw video costs no
//! allocation, no clearing and no page faults.

use crate::media::BufferPool;
use bytes::{Bytes, BytesMut};
use std::io::{self, Read};

/// Bytes of a chunk: what a pipe holds, and little enough that it stays in the processor's nearest cache.
const CHUNK: usize = 64 << 10;

/// Frames that lack more than this are read into a buffer of their own.
const LARGE: usize = 64 << 10;

/// After a large frame, so much is read of what comes next: enough for the head of another, little to copy.
const HEAD: usize = 4 << 10;

/// A read is not worth its call with less room than this.
const MIN_READ: usize = 4 << 10;

pub struct InputBuffer {
    input: Box<dyn Read + Send>,
    /// Read and not yet taken.
    pub buf: BytesMut,
    /// Room for the next read, right behind `buf` in the same chunk.
    room: BytesMut,
    /// Of large frames.
    pool: BufferPool,
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

impl InputBuffer {
    pub fn new(input: Box<dyn Read + Send>) -> InputBuffer {
        InputBuffer {
            input,
            buf: BytesMut::new(),
            room: BytesMut::new(),
            pool: BufferPool::default(),
            next_read: NextRead::Chunk,
            eof: false,
            bytes: 0,
        }
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

    /// Remembers a frame that is given out, to have its buffer back when it is dropped elsewhere.
    pub fn lend(&mut self, frame: &Bytes) {
        if frame.len() > LARGE {
            self.pool.lend(frame);
        }
    }

    fn make_room(&mut self, want: usize) {
        if self.room.len() >= MIN_READ.max(want.saturating_sub(self.buf.len())) {
            return;
        }
        // A frame without a length (a JPEG image) grows: it is moved only each time it has doubled.
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
        let mut frame = self.pool.take(want);
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
}

fn read(input: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(buf) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            got => return got,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// An endless count of bytes, at most `most` at a time, that notes how much it was asked for.
    struct Source {
        next: u64,
        end: u64,
        most: usize,
        asked: Arc<Mutex<Vec<usize>>>,
    }

    fn byte(at: u64) -> u8 {
        (at * 7 + at / 251) as u8
    }

    impl Read for Source {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.asked.lock().unwrap().push(buf.len());
            let n = buf.len().min(self.most).min((self.end - self.next) as usize);
            buf[..n].iter_mut().enumerate().for_each(|(i, b)| *b = byte(self.next + i as u64));
            self.next += n as u64;
            Ok(n)
        }
    }

    fn counting_input(end: u64, most: usize) -> (InputBuffer, Arc<Mutex<Vec<usize>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        (InputBuffer::new(Box::new(Source { next: 0, end, most, asked: Arc::clone(&asked) })), asked)
    }

    #[track_caller]
    fn assert_counts(bytes: &[u8], from: u64) {
        assert!(bytes.iter().enumerate().all(|(i, b)| *b == byte(from + i as u64)), "not the bytes from {from} on");
    }

    #[test]
    fn bytes_come_in_order_whatever_is_asked_for() {
        for most in [1000, 5000, usize::MAX] {
            let (mut input, _) = counting_input(5 << 20, most);
            let mut at = 0;
            for n in [10, 300_000, 1, 70_000, 65_536, 1 << 20, 5, 1 << 20, 300_000, 4096].into_iter().cycle() {
                input.fill(n).unwrap();
                if input.buf.len() < n {
                    break;
                }
                let part = input.buf.split_to(n).freeze();
                assert_counts(&part, at);
                input.lend(&part);
                at += n as u64;
            }
            assert_counts(&input.buf, at);
            assert_eq!((at + input.buf.len() as u64, input.bytes, input.eof), (5 << 20, 5 << 20, true));
        }
    }

    #[test]
    fn a_large_frame_is_asked_for_whole_and_its_buffer_comes_back() {
        const FRAME: usize = 3 << 20;
        let (mut input, asked) = counting_input(u64::MAX, usize::MAX);
        let mut place = None;
        for n in 0..5 {
            // A head before each frame, as in Matroska.
            input.fill(18).unwrap();
            drop(input.buf.split_to(18));
            asked.lock().unwrap().clear();
            input.fill(FRAME).unwrap();
            let frame = input.buf.split_to(FRAME).freeze();
            input.lend(&frame);
            if n > 0 {
                assert_eq!(*asked.lock().unwrap(), [FRAME - HEAD + 18]);
                let here = frame.as_ptr() as usize;
                assert_eq!(*place.get_or_insert(here), here, "another buffer");
            }
        }
    }

    #[test]
    fn a_frame_in_use_is_never_written_to() {
        let (mut input, _) = counting_input(u64::MAX, usize::MAX);
        let frames: Vec<_> = (0..10)
            .map(|_| {
                input.fill(1 << 20).unwrap();
                let frame = input.buf.split_to(1 << 20).freeze();
                input.lend(&frame);
                frame
            })
            .collect();
        frames.iter().enumerate().for_each(|(n, frame)| assert_counts(frame, (n as u64) << 20));
    }

    #[test]
    fn what_grows_without_a_known_end_is_moved_seldom() {
        let (mut input, asked) = counting_input(8 << 20, 4096);
        while !input.eof {
            input.fill(input.buf.len() + 1).unwrap();
        }
        assert_counts(&input.buf, 0);
        let asked = asked.lock().unwrap();
        assert!(asked.iter().filter(|n| **n < 4096).count() <= 16, "small reads");
    }

    #[test]
    fn skipped_bytes_are_not_kept() {
        let (mut input, _) = counting_input(10 << 20, usize::MAX);
        input.fill(10).unwrap();
        input.buf.clear();
        let read = input.bytes;
        input.skip(9 << 20).unwrap();
        input.fill(10).unwrap();
        assert_counts(&input.buf[..10], read + (9 << 20));
        input.buf.clear();
        input.skip(u64::MAX).unwrap();
        assert!(input.eof);
    }
}
