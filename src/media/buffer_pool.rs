//! The buffers of large frames, used again: raw video then costs no allocation, no clearing and no page faults.

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// So many frames are remembered. More are on their way only where a queue is full.
const MAX_LENT: usize = 4;

/// Gives out buffers. It has one back when every other owner has dropped the frame that was made in it.
#[derive(Debug, Default)]
pub struct BufferPool {
    /// Frames that were given out, the newest first.
    lent: VecDeque<Bytes>,
}

impl BufferPool {
    /// A buffer of this length. The bytes in it may be those of an earlier frame.
    pub fn take(&mut self, len: usize) -> BytesMut {
        self.returned(len).unwrap_or_else(|| {
            let mut buffer = BytesMut::zeroed(len);
            // Two handles make the buffer a counted one for good. Without that, each frame would allocate a count.
            _ = buffer.split_off(len);
            buffer
        })
    }

    /// Remembers a frame, to have its buffer back.
    pub fn lend(&mut self, frame: &Bytes) {
        self.lent.truncate(MAX_LENT - 1);
        self.lent.push_front(frame.clone());
    }

    /// The buffer of a frame of at least this length that is not in use any more. Smaller ones are dropped.
    fn returned(&mut self, len: usize) -> Option<BytesMut> {
        for _ in 0..self.lent.len() {
            match self.lent.pop_back()?.try_into_mut() {
                Ok(mut buffer) if buffer.len() >= len => {
                    buffer.truncate(len);
                    return Some(buffer);
                }
                Ok(_) => {}
                Err(in_use) => self.lent.push_front(in_use),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(pool: &mut BufferPool, len: usize) -> Bytes {
        let frame = pool.take(len).freeze();
        pool.lend(&frame);
        frame
    }

    #[test]
    fn a_dropped_frame_gives_its_buffer_back() {
        let mut pool = BufferPool::default();
        let first = frame(&mut pool, 1000).as_ptr();
        assert!((0..100).all(|_| frame(&mut pool, 1000).as_ptr() == first));
        assert_eq!(frame(&mut pool, 500).len(), 500);
    }

    #[test]
    fn a_frame_in_use_stays_as_it_is() {
        let mut pool = BufferPool::default();
        let held: Vec<Bytes> = (0..2 * MAX_LENT).map(|_| frame(&mut pool, 10)).collect();
        pool.take(10).fill(1);
        assert!(held.iter().all(|frame| **frame == [0; 10]));
        assert_eq!(pool.lent.len(), MAX_LENT);
    }

    #[test]
    fn a_larger_frame_gets_a_new_buffer() {
        let mut pool = BufferPool::default();
        drop(frame(&mut pool, 10));
        assert_eq!((frame(&mut pool, 20).len(), pool.lent.len()), (20, 1));
    }
}
