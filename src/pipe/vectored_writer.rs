//! Items whose bytes lie in several buffers, written as they are.

use super::named_output::NamedOutput;
use super::{Error, Sink};
use crate::media::Vectored;
use std::io::{IoSlice, Write};

/// Writes the buffers of items one behind the other, by as few system calls as the system takes. It adds no bytes of its own.
#[derive(Debug)]
pub struct VectoredWriter<W> {
    output: NamedOutput<W>,
}

impl<W: Write> VectoredWriter<W> {
    /// Gathered for one `writev` where nothing is live: fewer calls, and the next program is woken less often.
    pub const STORED: usize = 256 << 10;

    /// `out` should not buffer; `name` is what errors call it.
    pub fn new(out: W, name: impl Into<String>) -> VectoredWriter<W> {
        VectoredWriter { output: NamedOutput::new(out, name) }
    }
}

impl<T: Vectored, W: Write + Send + 'static> Sink<T> for VectoredWriter<W> {
    /// As much as a pipe holds.
    const GATHERED: usize = 64 << 10;

    fn write(&mut self, items: &[T]) -> Result<(), Error> {
        let mut slices: Vec<IoSlice> = items.iter().flat_map(Vectored::buffers).map(|buffer| IoSlice::new(buffer)).collect();
        self.output.write_all(&mut slices).map_err(|source| self.output.error(source))
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.output.flush()
    }

    fn written(&self) -> u64 {
        self.output.written
    }

    fn name(&self) -> &str {
        &self.output.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Droppable, OverflowPolicy, Waiting};
    use crate::pipe::OutputQueue;
    use bytes::Bytes;
    use std::io;
    use std::sync::{Arc, Mutex};

    /// A head of four bytes, and so many more.
    struct Item([Bytes; 2]);

    fn item(size: usize) -> Item {
        Item([Bytes::from_static(b"head"), vec![0; size].into()])
    }

    impl Vectored for Item {
        fn buffers(&self) -> impl Iterator<Item = &Bytes> {
            self.0.iter()
        }
    }

    /// Nothing of it is dropped.
    impl Droppable for Item {
        type Rules = ();
        type Mark = ();
        const UNIT: &'static str = "items";

        fn size(&self) -> usize {
            self.buffers().map(Bytes::len).sum()
        }

        fn cost(&self) -> usize {
            self.size()
        }

        fn frames(&self) -> u64 {
            1
        }

        fn mark(&self) -> Option<()> {
            None
        }

        fn is_full(&self, _: &(), _: &Waiting<Item>) -> bool {
            false
        }

        fn admit(&self, _: bool, _: &mut (), _: &mut Waiting<Item>) -> bool {
            true
        }

        fn amount(waiting: &Waiting<Item>) -> usize {
            waiting.items().len()
        }
    }

    #[test]
    fn an_error_of_the_output_comes_back() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let kind = |error| if let Error::Io { name, source } = error { (name, source.kind()) } else { panic!("{error}") };
        let full = ("tape".to_owned(), io::ErrorKind::StorageFull);
        let mut queue = OutputQueue::new(VectoredWriter::new(Full, "tape"), OverflowPolicy::Block);
        queue.send(item(1)).unwrap();
        assert_eq!(kind(queue.flush().unwrap_err()), full);
        let mut queue = OutputQueue::new(VectoredWriter::new(Full, "tape"), OverflowPolicy::Drop);
        let error = (0..1_000_000).find_map(|_| queue.send(item(1)).err());
        assert_eq!(kind(error.unwrap()), full);
    }

    #[test]
    fn what_is_gathered_leaves_together_and_is_bounded() {
        /// Sizes of the writes.
        #[derive(Clone, Default)]
        struct Writes(Arc<Mutex<Vec<usize>>>);
        impl Write for Writes {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.write_vectored(&[IoSlice::new(buf)])
            }
            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                let n = bufs.iter().map(|b| b.len()).sum();
                self.0.lock().unwrap().push(n);
                Ok(n)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for (stored, most) in [(false, 64 << 10), (true, VectoredWriter::<Writes>::STORED)] {
            let writes = Writes::default();
            let queue = OutputQueue::new(VectoredWriter::new(writes.clone(), "stdout"), OverflowPolicy::Block);
            let mut queue = if stored { queue.gathering(most) } else { queue };
            queue.flush().unwrap();
            for size in [1000, 2000, 10, most - 19, most, 20] {
                queue.send(item(size)).unwrap();
                if size == 2000 {
                    queue.flush().unwrap();
                    queue.flush().unwrap();
                }
            }
            assert_eq!(*writes.0.lock().unwrap(), [4 + 1000 + 4 + 2000, 4 + 10 + 4 + most - 19 + 4 + most]);
            queue.finish().unwrap();
            assert_eq!(writes.0.lock().unwrap().last(), Some(&24));
        }
    }
}
