//! What a body gives to its connection at a time: bytes, or several runs of them that go out in one `writev`. None of them is copied.

use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::IoSlice;

/// Bytes on their way out.
#[derive(Debug)]
pub enum Data {
    One(Bytes),
    /// None of them is empty.
    Several(VecDeque<Bytes>),
}

impl Data {
    /// The first bytes of it, `most` at most, which it then has no longer.
    pub fn split(&mut self, most: usize) -> Bytes {
        let first = match self {
            Data::One(bytes) => bytes,
            Data::Several(all) => match all.front_mut() {
                Some(first) => first,
                None => return Bytes::new(),
            },
        };
        let piece = first.split_to(most.min(first.len()));
        if let Data::Several(all) = self
            && all.front().is_some_and(Bytes::is_empty)
        {
            all.pop_front();
        }
        piece
    }
}

impl Buf for Data {
    fn remaining(&self) -> usize {
        match self {
            Data::One(bytes) => bytes.len(),
            Data::Several(all) => all.iter().map(Bytes::len).sum(),
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Data::One(bytes) => bytes,
            Data::Several(all) => all.front().map_or(&[], |first| first),
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let one = [self.chunk()];
        let mut n = 0;
        let mut fill = |bytes: &'a [u8]| {
            if let Some(slice) = slices.get_mut(n).filter(|_| !bytes.is_empty()) {
                *slice = IoSlice::new(bytes);
                n += 1;
            }
        };
        match self {
            Data::One(_) => one.into_iter().for_each(&mut fill),
            Data::Several(all) => all.iter().for_each(|bytes| fill(bytes)),
        }
        n
    }

    /// # Panics
    /// Past its end, as [`Buf`] has it.
    fn advance(&mut self, mut bytes: usize) {
        while bytes > 0 {
            let taken = self.split(bytes).len();
            assert!(taken > 0, "past the end");
            bytes -= taken;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_runs_are_one() {
        let several = || Data::Several([&b"abc"[..], b"d", b"efgh"].map(Bytes::from_static).into());
        for cut in 0..=8 {
            let mut data = several();
            data.advance(cut);
            assert_eq!(data.remaining(), 8 - cut);
            let mut slices = [IoSlice::new(&[]); 8];
            let n = data.chunks_vectored(&mut slices);
            let seen: Vec<u8> = slices[..n].iter().flat_map(|slice| slice.to_vec()).collect();
            assert_eq!(seen, b"abcdefgh"[cut..]);
            assert_eq!(data.copy_to_bytes(8 - cut), b"abcdefgh"[cut..]);
            assert!(!data.has_remaining() && data.chunk().is_empty() && data.split(9).is_empty());
        }
        let data = several();
        assert_eq!(data.chunks_vectored(&mut [IoSlice::new(&[]); 2]), 2);
        let mut data = several();
        assert_eq!([data.split(2), data.split(2), data.split(2)], [&b"ab"[..], b"c", b"d"]);
        let mut one = Data::One(Bytes::from_static(b"xyz"));
        assert_eq!((one.split(2), one.remaining()), (Bytes::from_static(b"xy"), 1));
        assert_eq!(one.chunks_vectored(&mut [IoSlice::new(&[]); 2]), 1);
    }
}
