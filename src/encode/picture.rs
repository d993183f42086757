//! Planar 4:2:0 pictures, the form in which every picture is scaled and encoded.

/// A borrowed picture: Y, U, V planes of 8 bits, chroma at half the size, rounded up.
#[derive(Clone, Copy, Debug)]
pub struct Planes<'a> {
    pub width: usize,
    pub height: usize,
    /// Bytes from one row to the next, of luma and of chroma.
    pub y_stride: usize,
    pub c_stride: usize,
    pub y: &'a [u8],
    pub u: &'a [u8],
    pub v: &'a [u8],
}

impl<'a> Planes<'a> {
    /// Tightly packed I420; `None` if `data` is not that long.
    pub fn packed(width: usize, height: usize, data: &'a [u8]) -> Option<Planes<'a>> {
        let (luma, chroma) = plane_sizes(width, height);
        if data.len() < luma + 2 * chroma {
            return None;
        }
        let (y, rest) = data.split_at(luma);
        let (u, v) = rest.split_at(chroma);
        Some(Planes { width, height, y_stride: width, c_stride: width.div_ceil(2), y, u, v: &v[..chroma] })
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
        let (cw, ch) = (self.width.div_ceil(2), self.height.div_ceil(2));
        holds(self.y, self.width, self.height, self.y_stride)
            && holds(self.u, cw, ch, self.c_stride)
            && holds(self.v, cw, ch, self.c_stride)
    }
}

/// A picture of our own, tightly packed, whose memory is used again.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl Picture {
    /// Takes this size from now on; the samples are of no meaning afterwards.
    pub fn resize(&mut self, width: usize, height: usize) {
        let (luma, chroma) = plane_sizes(width, height);
        (self.width, self.height) = (width, height);
        self.data.resize(luma + 2 * chroma, 0);
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn height(&self) -> usize {
        self.height
    }

    /// Becomes a copy of `planes`.
    pub fn copy_from(&mut self, planes: &Planes<'_>) {
        self.resize(planes.width, planes.height);
        let cw = planes.width.div_ceil(2);
        let [y, u, v] = self.planes_mut();
        copy_rows(planes.y, planes.y_stride, y, planes.width);
        copy_rows(planes.u, planes.c_stride, u, cw);
        copy_rows(planes.v, planes.c_stride, v, cw);
    }

    pub fn planes(&self) -> Planes<'_> {
        Planes::packed(self.width, self.height, &self.data).expect("resize made the data as long as the planes")
    }

    /// Y, U, V.
    pub fn planes_mut(&mut self) -> [&mut [u8]; 3] {
        let (luma, chroma) = plane_sizes(self.width, self.height);
        let (y, rest) = self.data.split_at_mut(luma);
        let (u, v) = rest.split_at_mut(chroma);
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

fn plane_sizes(width: usize, height: usize) -> (usize, usize) {
    (width * height, width.div_ceil(2) * height.div_ceil(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_sizes_round_chroma_up_and_even_cuts_the_last_row_and_column() {
        let data: Vec<u8> = (0..15 + 2 * 6).collect();
        let planes = Planes::packed(5, 3, &data).unwrap();
        assert_eq!((planes.u.len(), planes.v.len(), planes.c_stride), (6, 6, 3));
        assert!(planes.is_whole() && planes.even().is_whole());
        assert_eq!((planes.even().width, planes.even().height, planes.even().y_stride), (4, 2, 5));
        assert!(Planes::packed(5, 3, &data[1..]).is_none());
        let mut copy = Picture::default();
        copy.copy_from(&planes.even());
        assert_eq!(copy.planes().y, [0, 1, 2, 3, 5, 6, 7, 8]);
        assert_eq!(copy.planes().u, [15, 16]);
    }
}
