//! Planar pictures, the form in which every picture is scaled and encoded. H.264 takes 4:2:0 only.

/// How many samples of chroma a picture has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sampling {
    /// 4:2:0: half as many columns and half as many rows as luma.
    #[default]
    S420,
    /// 4:2:2: half as many columns.
    S422,
    /// 4:4:4: as many as luma.
    S444,
    /// No chroma.
    Gray,
}

impl Sampling {
    /// Columns and rows of a plane of chroma; halves are rounded up.
    pub fn chroma(self, width: usize, height: usize) -> (usize, usize) {
        match self {
            Sampling::S420 => (width.div_ceil(2), height.div_ceil(2)),
            Sampling::S422 => (width.div_ceil(2), height),
            Sampling::S444 => (width, height),
            Sampling::Gray => (0, 0),
        }
    }

    /// Bytes of the three planes, tightly packed.
    pub fn size(self, width: usize, height: usize) -> usize {
        let (columns, rows) = self.chroma(width, height);
        width * height + 2 * columns * rows
    }
}

/// A borrowed picture: Y, U, V planes of 8 bits.
#[derive(Clone, Copy, Debug)]
pub struct Planes<'a> {
    /// Where there are samples of chroma.
    pub sampling: Sampling,
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// Bytes from one row to the next, of luma and of chroma.
    pub y_stride: usize,
    /// Bytes from one row of chroma to the next.
    pub c_stride: usize,
    /// Luma.
    pub y: &'a [u8],
    /// Blue-difference chroma.
    pub u: &'a [u8],
    /// Red-difference chroma.
    pub v: &'a [u8],
}

impl<'a> Planes<'a> {
    /// Tightly packed planes; `None` if `data` is not that long.
    pub fn packed(sampling: Sampling, width: usize, height: usize, data: &'a [u8]) -> Option<Planes<'a>> {
        if data.len() < sampling.size(width, height) {
            return None;
        }
        let (columns, rows) = sampling.chroma(width, height);
        let (y, rest) = data.split_at(width * height);
        let (u, v) = rest.split_at(columns * rows);
        Some(Planes { sampling, width, height, y_stride: width, c_stride: columns, y, u, v: &v[..columns * rows] })
    }

    /// Columns and rows of a plane of chroma.
    pub fn chroma(&self) -> (usize, usize) {
        self.sampling.chroma(self.width, self.height)
    }

    /// The same without a last odd column and row.
    pub fn even(self) -> Planes<'a> {
        Planes { width: self.width & !1, height: self.height & !1, ..self }
    }

    /// Whether the planes hold what the sizes say.
    pub fn is_whole(&self) -> bool {
        let holds = |plane: &[u8], width: usize, height: usize, stride: usize| {
            height == 0 || (width <= stride && plane.len() >= stride * (height - 1) + width)
        };
        let (cw, ch) = self.chroma();
        holds(self.y, self.width, self.height, self.y_stride)
            && holds(self.u, cw, ch, self.c_stride)
            && holds(self.v, cw, ch, self.c_stride)
    }
}

/// A picture of our own, tightly packed, whose memory is used again.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    sampling: Sampling,
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl Picture {
    /// Takes this size from now on, of 4:2:0; the samples are of no meaning afterwards.
    pub fn resize(&mut self, width: usize, height: usize) {
        self.reshape(Sampling::S420, width, height);
    }

    /// The same with any sampling.
    pub fn reshape(&mut self, sampling: Sampling, width: usize, height: usize) {
        (self.sampling, self.width, self.height) = (sampling, width, height);
        self.data.resize(sampling.size(width, height), 0);
    }

    /// Where there are samples of chroma.
    pub fn sampling(&self) -> Sampling {
        self.sampling
    }

    /// In pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// In pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Becomes a copy of `planes`.
    pub fn copy_from(&mut self, planes: &Planes<'_>) {
        self.reshape(planes.sampling, planes.width, planes.height);
        let (cw, _) = planes.chroma();
        let [y, u, v] = self.planes_mut();
        copy_rows(planes.y, planes.y_stride, y, planes.width);
        copy_rows(planes.u, planes.c_stride, u, cw);
        copy_rows(planes.v, planes.c_stride, v, cw);
    }

    /// Its planes, borrowed.
    pub fn planes(&self) -> Planes<'_> {
        Planes::packed(self.sampling, self.width, self.height, &self.data).expect("reshape made the data as long as the planes")
    }

    /// Y, U, V.
    pub fn planes_mut(&mut self) -> [&mut [u8]; 3] {
        let (columns, rows) = self.sampling.chroma(self.width, self.height);
        let (y, rest) = self.data.split_at_mut(self.width * self.height);
        let (u, v) = rest.split_at_mut(columns * rows);
        [y, u, v]
    }

    /// All three planes, one after the other.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }
}

/// Copies rows of `width` samples, `stride` apart, to a tight plane.
pub fn copy_rows(from: &[u8], stride: usize, to: &mut [u8], width: usize) {
    if width == 0 {
        return;
    }
    for (from, to) in from.chunks(stride.max(1)).zip(to.chunks_exact_mut(width)) {
        to.copy_from_slice(&from[..width]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_sizes_round_chroma_up_and_even_cuts_the_last_row_and_column() {
        let data: Vec<u8> = (0..15 + 2 * 6).collect();
        let planes = Planes::packed(Sampling::S420, 5, 3, &data).unwrap();
        assert_eq!((planes.u.len(), planes.v.len(), planes.c_stride), (6, 6, 3));
        assert!(planes.is_whole() && planes.even().is_whole());
        assert_eq!((planes.even().width, planes.even().height, planes.even().y_stride), (4, 2, 5));
        assert!(Planes::packed(Sampling::S420, 5, 3, &data[1..]).is_none());
        let mut copy = Picture::default();
        copy.copy_from(&planes.even());
        assert_eq!(copy.planes().y, [0, 1, 2, 3, 5, 6, 7, 8]);
        assert_eq!(copy.planes().u, [15, 16]);
    }

    #[test]
    fn every_sampling_has_its_planes() {
        for (sampling, chroma) in [(Sampling::S420, (3, 2)), (Sampling::S422, (3, 3)), (Sampling::S444, (5, 3)), (Sampling::Gray, (0, 0))] {
            let mut picture = Picture::default();
            picture.reshape(sampling, 5, 3);
            let planes = picture.planes();
            assert_eq!((planes.chroma(), planes.u.len(), planes.v.len()), (chroma, chroma.0 * chroma.1, chroma.0 * chroma.1));
            assert!(planes.is_whole());
            let mut copy = Picture::default();
            copy.copy_from(&planes);
            assert_eq!((copy.sampling(), copy.planes().v.len()), (sampling, planes.v.len()));
        }
    }
}
