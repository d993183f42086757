//! EBML, RFC 8794: element heads and values, read and written. It knows no element of Matroska: see [`super::mkv`].

/// What stands before an element's data: its ID and the data's size (RFC 8794, sections 5 and 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// With its length marker, as documents print it: `0x1A45DFA3`.
    pub id: u32,
    /// `None`: unknown, the element ends where something begins that cannot be in it (section 6.2).
    pub size: Option<u64>,
    /// Bytes of ID and size together, 2 to 12.
    pub len: usize,
}

/// The bytes can be no element head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoHead;

/// The longest head: an ID of 4 bytes and a size of 8.
#[cfg_attr(not(feature = "capture"), allow(dead_code, reason = "recordings are looked through by it"))]
pub const MAX_HEAD: usize = 12;

/// Reads the head that `bytes` begin with; `Ok(None)`: it is longer than `bytes`.
pub fn head(bytes: &[u8]) -> Result<Option<Head>, NoHead> {
    let Some((id, id_len)) = id(bytes)? else { return Ok(None) };
    let Some((size, size_len)) = vint(&bytes[id_len..])? else { return Ok(None) };
    let size = (size != all_ones(size_len)).then_some(size);
    Ok(Some(Head { id, size, len: id_len + size_len }))
}

fn id(bytes: &[u8]) -> Result<Option<(u32, usize)>, NoHead> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let len = first.leading_zeros() as usize + 1;
    if len > 4 {
        return Err(NoHead);
    }
    let Some(bytes) = bytes.get(..len) else { return Ok(None) };
    let id = bytes.iter().fold(0, |id, &b| id << 8 | u32::from(b));
    // An ID of only ones or only zeros is reserved (section 5).
    let data = u64::from(id) & all_ones(len);
    if data == 0 || data == all_ones(len) { Err(NoHead) } else { Ok(Some((id, len))) }
}

/// Reads a variable-size integer (section 4) of up to 8 bytes: value and length. A value of only ones may mean "unknown".
pub fn vint(bytes: &[u8]) -> Result<Option<(u64, usize)>, NoHead> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let len = first.leading_zeros() as usize + 1;
    if len > 8 {
        return Err(NoHead);
    }
    let Some(bytes) = bytes.get(..len) else { return Ok(None) };
    let value = bytes.iter().fold(0, |value, &b| value << 8 | u64::from(b));
    Ok(Some((value & all_ones(len), len)))
}

/// The greatest value of a variable-size integer of `len` bytes: as a size it means "unknown".
pub fn all_ones(len: usize) -> u64 {
    (1 << (7 * len)) - 1
}

/// The child elements in the data of a master element that is in memory whole. Ends early where the data is damaged, and
/// cuts short a last child that says to be longer than what is there.
#[derive(Clone, Debug)]
pub struct Children<'a> {
    data: &'a [u8],
}

pub fn children(data: &[u8]) -> Children<'_> {
    Children { data }
}

impl<'a> Iterator for Children<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let head = head(self.data).ok().flatten()?;
        let rest = &self.data[head.len..];
        let size = head.size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX).min(rest.len());
        let (data, rest) = rest.split_at(size);
        self.data = rest;
        Some((head.id, data))
    }
}

/// Unsigned integer (section 7.2). Longer than 8 bytes is no integer: `u64::MAX`.
pub fn uint(data: &[u8]) -> u64 {
    if data.len() > 8 {
        return u64::MAX;
    }
    data.iter().fold(0, |value, &b| value << 8 | u64::from(b))
}

/// Signed integer (section 7.1), which dates are too (section 7.6).
pub fn int(data: &[u8]) -> i64 {
    let unused = 64 - 8 * data.len().min(8) as u32;
    if unused == 64 { 0 } else { (uint(&data[..data.len().min(8)]) << unused) as i64 >> unused }
}

/// Float of 0, 4 or 8 bytes (section 7.3); of any other length it is not a number.
pub fn float(data: &[u8]) -> f64 {
    match *data {
        [] => 0.0,
        [a, b, c, d] => f32::from_be_bytes([a, b, c, d]).into(),
        [a, b, c, d, e, f, g, h] => f64::from_be_bytes([a, b, c, d, e, f, g, h]),
        _ => f64::NAN,
    }
}

/// String (sections 7.4 and 7.5), up to the terminating zero if there is one.
pub fn text(data: &[u8]) -> String {
    let end = data.iter().position(|&b| b == 0).unwrap_or(data.len());
    String::from_utf8_lossy(&data[..end]).into_owned()
}

/// Writes an element. Sizes are as short as they can be.
pub fn put(out: &mut Vec<u8>, id: u32, data: &[u8]) {
    put_id(out, id);
    put_size(out, data.len() as u64);
    out.extend_from_slice(data);
}

pub fn put_uint(out: &mut Vec<u8>, id: u32, value: u64) {
    put(out, id, &value.to_be_bytes()[8 - uint_len(value)..]);
}

pub fn put_int(out: &mut Vec<u8>, id: u32, value: i64) {
    put(out, id, &value.to_be_bytes());
}

pub fn put_float(out: &mut Vec<u8>, id: u32, value: f64) {
    put(out, id, &value.to_be_bytes());
}

/// Writes a master element whose children `fill` writes.
pub fn put_master(out: &mut Vec<u8>, id: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut data = Vec::new();
    fill(&mut data);
    put(out, id, &data);
}

/// Opens a master element of unknown size, in the encoding of 8 bytes that every reader knows (section 6.2).
pub fn put_unknown_size(out: &mut Vec<u8>, id: u32) {
    put_id(out, id);
    out.extend_from_slice(&[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
}

pub fn put_id(out: &mut Vec<u8>, id: u32) {
    out.extend_from_slice(&id.to_be_bytes()[id.leading_zeros() as usize / 8..]);
}

/// Writes `size`, below 2^56 - 1, in [`size_len`] bytes.
pub fn put_size(out: &mut Vec<u8>, size: u64) {
    let len = size_len(size);
    let marked = size | 1 << (7 * len);
    out.extend_from_slice(&marked.to_be_bytes()[8 - len..]);
}

/// Bytes of the shortest encoding of a size.
pub fn size_len(size: u64) -> usize {
    (1..8).find(|&len| size < all_ones(len)).unwrap_or(8)
}

/// Bytes of the shortest encoding of an unsigned integer element's data: at least one, as many readers take none for a fault.
pub fn uint_len(value: u64) -> usize {
    (8 - value.leading_zeros() as usize / 8).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        assert_eq!(head(&[0x1A, 0x45, 0xDF, 0xA3, 0x9F]), Ok(Some(Head { id: 0x1A45_DFA3, size: Some(31), len: 5 })));
        assert_eq!(head(&[0xA3, 0x40, 0x01]), Ok(Some(Head { id: 0xA3, size: Some(1), len: 3 })));
        assert_eq!(head(&[0xA3]), Ok(None));
        assert_eq!(head(&[0x1A, 0x45, 0xDF]), Ok(None));
        assert_eq!(head(&[0xA3, 0x10, 0, 0]), Ok(None));
        assert_eq!(head(&[0x08, 0, 0, 0, 0]), Err(NoHead), "IDs have at most 4 bytes");
        assert_eq!(head(&[0xA3, 0x00]), Err(NoHead), "sizes have at most 8 bytes");
        assert_eq!(head(&[0xFF, 0x80]), Err(NoHead), "a reserved ID");
        assert_eq!(head(&[0x80, 0x80]), Err(NoHead), "a reserved ID");
    }

    #[test]
    fn unknown_sizes_in_every_length() {
        for len in 1..=8 {
            let mut bytes = vec![0xA3, 0xff_u8.checked_shr(len as u32 - 1).unwrap()];
            bytes.resize(1 + len, 0xff);
            assert_eq!(head(&bytes), Ok(Some(Head { id: 0xA3, size: None, len: 1 + len })), "{len}");
        }
    }

    #[test]
    fn sizes_round_trip_at_every_length() {
        for size in [0, 1, 126, 127, 128, 16_382, 16_383, 16_384, (1 << 28) - 2, (1 << 28) - 1, 1 << 40, (1 << 56) - 2] {
            let mut out = vec![0xA3];
            put_size(&mut out, size);
            assert_eq!(out.len(), 1 + size_len(size));
            assert_eq!(head(&out), Ok(Some(Head { id: 0xA3, size: Some(size), len: out.len() })), "{size}");
        }
    }

    #[test]
    fn values() {
        assert_eq!(uint(&[]), 0);
        assert_eq!(uint(&[1, 0]), 256);
        assert_eq!(uint(&[0; 9]), u64::MAX);
        assert_eq!(int(&[0xff]), -1);
        assert_eq!(int(&[0xff, 0x7f]), -129);
        assert_eq!(int(&[0x7f]), 127);
        assert_eq!(int(&[]), 0);
        assert_eq!(int(&i64::MIN.to_be_bytes()), i64::MIN);
        assert_eq!(float(&48000f32.to_be_bytes()), 48000.0);
        assert_eq!(float(&44100f64.to_be_bytes()), 44100.0);
        assert_eq!(float(&[]), 0.0);
        assert!(float(&[1, 2]).is_nan());
        assert_eq!(text(b"webm\0\0"), "webm");
    }

    #[test]
    fn children_of_damaged_data_end() {
        let data = [0x86, 0x81, b'x', 0x00, 0x00];
        assert_eq!(children(&data).collect::<Vec<_>>(), [(0x86, &b"x"[..])]);
        let cut = [0x86, 0x85, b'x'];
        assert_eq!(children(&cut).collect::<Vec<_>>(), [(0x86, &b"x"[..])]);
    }

    #[test]
    fn integers_are_written_short() {
        let mut out = Vec::new();
        put_uint(&mut out, 0xD7, 0);
        put_uint(&mut out, 0x2A_D7B1, 1000);
        assert_eq!(out, [0xD7, 0x81, 0, 0x2A, 0xD7, 0xB1, 0x82, 0x03, 0xE8]);
    }
}
