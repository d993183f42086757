//! Detects the format of an input by its first bytes, at most 64 KiB of them.

use super::InputFormat;
use super::foreign_format::unknown;
use crate::codec::{aac::AdtsHeader, h264, h265};
use crate::format::{mp3, mpegts};
use crate::media::Unsupported;

/// No more is looked at: the header block of a multipart part and two ADTS frames fit several times.
const MAX_SNIFF: usize = 64 << 10;

/// What the first bytes say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sniffed {
    /// The input is in this format.
    Format(InputFormat),
    /// Not decided: look again when there are at least this many bytes.
    Need(usize),
    /// A format that is not read here.
    Unknown(Unsupported),
}

/// Looks at the first bytes of an input; `eof`: they are all. The answer does not depend on how many more than asked for are there.
pub fn sniff(bytes: &[u8], eof: bool) -> Sniffed {
    let bytes = &bytes[..bytes.len().min(MAX_SNIFF)];
    let eof = eof || bytes.len() == MAX_SNIFF;
    // The recognisers exclude each other; the first that cannot say yet is waited for.
    for recognise in [matroska, mp4, annex_b, y4m, jpeg, adts, mp3_frames, wav, nut, flv, multipart, transport_stream] {
        match recognise(bytes) {
            Verdict::Is(format) => return Sniffed::Format(format),
            Verdict::Need(n) if !eof => return Sniffed::Need(n),
            Verdict::No | Verdict::Need(_) => {}
        }
    }
    // At the end of a short input, fewer packets are enough.
    if matches!(mpegts::find_sync(bytes, true), mpegts::Sync::At { .. }) {
        return Sniffed::Format(InputFormat::MpegTs);
    }
    Sniffed::Unknown(unknown(bytes))
}

enum Verdict {
    Is(InputFormat),
    No,
    /// To be said when there are so many bytes.
    Need(usize),
}

/// Whether `bytes` begin with `magic`.
fn magic(bytes: &[u8], magic: &[u8], format: InputFormat) -> Verdict {
    let n = bytes.len().min(magic.len());
    match bytes[..n] == magic[..n] {
        true if n == magic.len() => Verdict::Is(format),
        true => Verdict::Need(magic.len()),
        false => Verdict::No,
    }
}

fn matroska(bytes: &[u8]) -> Verdict {
    magic(bytes, b"\x1A\x45\xDF\xA3", InputFormat::Matroska)
}

fn y4m(bytes: &[u8]) -> Verdict {
    magic(bytes, b"YUV4MPEG2", InputFormat::Y4m)
}

fn nut(bytes: &[u8]) -> Verdict {
    magic(bytes, b"nut/multimedia container\0", InputFormat::Nut)
}

fn flv(bytes: &[u8]) -> Verdict {
    magic(bytes, b"FLV\x01", InputFormat::Flv)
}

fn jpeg(bytes: &[u8]) -> Verdict {
    magic(bytes, b"\xff\xd8\xff", InputFormat::Jpeg)
}

/// By the type of the first box.
fn mp4(bytes: &[u8]) -> Verdict {
    // The last two only QuickTime has, which came before `ftyp`.
    const FIRST: [&[u8]; 12] = [b"ftyp", b"styp", b"moov", b"moof", b"sidx", b"emsg", b"prft", b"mdat", b"free", b"skip", b"wide", b"pnot"];
    match bytes.get(4..8) {
        Some(kind) if FIRST.contains(&kind) => Verdict::Is(InputFormat::Mp4),
        Some(_) => Verdict::No,
        None => Verdict::Need(8),
    }
}

fn wav(bytes: &[u8]) -> Verdict {
    if bytes.len() < 12 {
        return Verdict::Need(12);
    }
    let riff = matches!(&bytes[..4], b"RIFF" | b"RF64");
    if riff && &bytes[8..12] == b"WAVE" { Verdict::Is(InputFormat::Wav) } else { Verdict::No }
}

/// By the first NAL unit whose header is possible in only one of both codecs.
fn annex_b(bytes: &[u8]) -> Verdict {
    let zeros = bytes.iter().take_while(|&&b| b == 0).count();
    match bytes.get(zeros) {
        Some(1) if zeros >= 2 => {}
        None => return Verdict::Need(bytes.len() + 1),
        Some(_) => return Verdict::No,
    }
    let mut starts = bytes.windows(3).enumerate().filter(|(_, w)| *w == [0, 0, 1]).map(|(at, _)| at + 3);
    starts.find_map(|at| nal_unit(&bytes[at..])).unwrap_or(Verdict::Need(bytes.len() + 1))
}

/// Decides by one NAL unit; `None`: it could be either, or is cut off.
fn nal_unit(unit: &[u8]) -> Option<Verdict> {
    const FORBIDDEN: u8 = 0x80;
    let &[first, second, ..] = unit else { return None };
    if first & FORBIDDEN != 0 {
        // Start codes of MPEG-1, -2 and -4 part 2.
        return Some(Verdict::No);
    }
    // H.265 (section 7.3.1.2): layer 0, temporal layer 0; parameter sets, delimiter, SEI and the pictures that a stream begins with.
    let h265_type = matches!(h265::type_of(unit), 16..=21 | h265::unit_type::VPS..=h265::unit_type::AUD | h265::unit_type::PREFIX_SEI);
    if h265_type && first & 1 == 0 && second == 1 {
        return Some(Verdict::Is(InputFormat::H265));
    }
    // H.264 (section 7.4.1): nal_ref_idc is zero for SEI and delimiters, and not zero for parameter sets and IDR pictures.
    let referenced = first & 0x60 != 0;
    let h264_unit = match h264::type_of(unit) {
        h264::unit_type::SPS | h264::unit_type::PPS | h264::unit_type::IDR => referenced,
        h264::unit_type::SEI | h264::unit_type::AUD => !referenced,
        kind => kind == h264::unit_type::SLICE,
    };
    h264_unit.then_some(Verdict::Is(InputFormat::H264))
}

/// It may begin anywhere in a packet, so that all others are asked before.
fn transport_stream(bytes: &[u8]) -> Verdict {
    match mpegts::find_sync(bytes, false) {
        mpegts::Sync::At { .. } => Verdict::Is(InputFormat::MpegTs),
        mpegts::Sync::Need(n) => Verdict::Need(n),
        mpegts::Sync::No => Verdict::No,
    }
}

/// Text, and then a JPEG image: heads of HTTP responses and of parts, delimiters, preambles. A delimiter with a header, or a header that
/// parts have, is enough.
fn multipart(bytes: &[u8]) -> Verdict {
    const MAX_TEXT: usize = 8192;
    const FOREIGN_TEXT: [&[u8]; 3] = [b"<", b"{", b"#EXTM3U"];
    if FOREIGN_TEXT.iter().any(|mark| bytes.starts_with(mark)) {
        return Verdict::No;
    }
    let length = bytes.iter().take(MAX_TEXT).position(|b| !matches!(b, b' '..=b'~' | b'\t' | b'\r' | b'\n'));
    let text = &bytes[..length.unwrap_or(bytes.len().min(MAX_TEXT))];
    if is_part_head(text) {
        return Verdict::Is(InputFormat::Multipart);
    }
    match length.map(|length| &bytes[length..]) {
        Some(rest) if length == Some(0) || !b"\xff\xd8\xff".starts_with(&rest[..rest.len().min(3)]) => Verdict::No,
        Some(rest) if rest.len() < 3 => Verdict::Need(bytes.len() + 1),
        Some(_) => Verdict::Is(InputFormat::Multipart),
        None if bytes.len() < MAX_TEXT => Verdict::Need(bytes.len() + 1),
        None => Verdict::No,
    }
}

/// Whether whole lines at the start are a delimiter and a header, or a header that parts have.
fn is_part_head(text: &[u8]) -> bool {
    let mut lines = text.split_inclusive(|&b| b == b'\n').filter(|line| line.ends_with(b"\n") && !line.trim_ascii().is_empty());
    let first = lines.next().unwrap_or_default();
    let names = [&b"content-type:"[..], b"content-length:", b"x-timestamp:"];
    let is_header = names.iter().any(|name| first.len() > name.len() && first[..name.len()].eq_ignore_ascii_case(name));
    is_header || first.starts_with(b"--") && lines.next().is_some_and(|line| line.contains(&b':'))
}

/// Two headers, one frame length apart.
fn adts(bytes: &[u8]) -> Verdict {
    if !bytes.is_empty() && bytes[0] != 0xff {
        return Verdict::No;
    }
    if bytes.len() < AdtsHeader::LEN {
        return Verdict::Need(AdtsHeader::LEN);
    }
    let Some(first) = AdtsHeader::parse(bytes) else { return Verdict::No };
    let next = first.frame_len;
    match bytes.get(next..next + AdtsHeader::LEN) {
        Some(second) if AdtsHeader::parse(second).is_some() || second.starts_with(b"ID3") => Verdict::Is(InputFormat::Adts),
        Some(_) => Verdict::No,
        None => Verdict::Need(next + AdtsHeader::LEN),
    }
}

/// Two headers of the same rate, one frame length apart. The first frame may be an index to seek by.
fn mp3_frames(bytes: &[u8]) -> Verdict {
    if !bytes.is_empty() && bytes[0] != 0xff {
        return Verdict::No;
    }
    if bytes.len() < mp3::HEADER {
        return Verdict::Need(mp3::HEADER);
    }
    let Some((first, next)) = mp3::frame(bytes) else { return Verdict::No };
    match bytes.get(next..next + mp3::HEADER) {
        Some(second) if mp3::frame(second).is_some_and(|(second, _)| second.rate == first.rate) => Verdict::Is(InputFormat::Mp3),
        Some(_) => Verdict::No,
        None => Verdict::Need(next + mp3::HEADER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer to `bytes` as they arrive one at a time.
    fn sniffed(bytes: &[u8]) -> Sniffed {
        let mut have = 0;
        loop {
            match sniff(&bytes[..have], have == bytes.len()) {
                Sniffed::Need(n) => {
                    assert!(n > have, "needs {n} of {have}");
                    have = n.min(bytes.len());
                }
                decided => {
                    assert_eq!(sniff(bytes, true), decided, "depends on how much is there");
                    return decided;
                }
            }
        }
    }

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        let adts = AdtsHeader::build(&crate::codec::aac::AudioSpecificConfig::lc(48_000, 2), 3).unwrap();
        let two_frames = [&adts[..], b"abc", &adts, b"abc"].concat();
        let cases: &[(&[u8], InputFormat)] = &[
            (b"\x1A\x45\xDF\xA3\x9F", InputFormat::Matroska),
            (b"\0\0\0\x18ftypisom", InputFormat::Mp4),
            (b"\0\0\0\x01mdat\0\0\0\0", InputFormat::Mp4),
            (b"\0\0\0\x08wide\0\0\x03\xa5moov", InputFormat::Mp4),
            (b"\0\0\0\x14pnot", InputFormat::Mp4),
            (b"\0\0\0\x01\x67\x42\xC0\x1F", InputFormat::H264),
            (b"\0\0\x01\x09\xF0\0\0\x01\x67\x64", InputFormat::H264),
            (b"\0\0\0\0\0\0\x01\x06\x05\xFF", InputFormat::H264),
            (b"\0\0\0\x01\x40\x01\x0C\x01", InputFormat::H265),
            (b"\0\0\0\x01\x46\x01\x50\0\0\0\x01\x40\x01", InputFormat::H265),
            (b"\0\0\0\x01\x4E\x01\x05", InputFormat::H265),
            (b"YUV4MPEG2 W2 H2\nFRAME\n", InputFormat::Y4m),
            (b"\xff\xd8\xff\xe0", InputFormat::Jpeg),
            (b"--boundary\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8", InputFormat::Multipart),
            (b"\r\n--b\nContent-Length: 5\n\n", InputFormat::Multipart),
            (&two_frames, InputFormat::Adts),
            (b"RIFF\xff\xff\xff\xffWAVEfmt ", InputFormat::Wav),
            (b"nut/multimedia container\0NM", InputFormat::Nut),
            (b"FLV\x01\x05\0\0\0\x09", InputFormat::Flv),
            (&[[&[0x47][..], &[0xff; 187]].concat().repeat(2), vec![]].concat(), InputFormat::MpegTs),
            (&[&[0xff; 100][..], &[&[0x47][..], &[1; 191]].concat().repeat(9)].concat(), InputFormat::MpegTs),
            (b"Content-Type: image/jpeg\r\nContent-Length: 5\r\n\r\n\xff\xd8", InputFormat::Multipart),
            (b"--frame\r\n\r\n\xff\xd8\xff\xe0", InputFormat::Multipart),
            (b"frame\r\n\xff\xd8\xff", InputFormat::Multipart),
            (b"HTTP/1.1 200 OK\r\nServer: camera\r\n\r\n--b\r\n\r\n\xff\xd8\xff\xdb", InputFormat::Multipart),
            (b"\n\xff\xd8\xff\xdb", InputFormat::Multipart),
        ];
        for (bytes, format) in cases {
            assert_eq!(sniffed(bytes), Sniffed::Format(*format), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_not_read_is_named_with_advice() {
        let text = |bytes: &[u8]| match sniffed(bytes) {
            Sniffed::Unknown(unsupported) => unsupported.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(text(b"OggS\0\x02\0\0\0").contains("byte 0: the input is Ogg, which is not read here; `ffmpeg"));
        assert!(text(b"HTTP/1.1 200 OK\r\n\r\n\0\0\0\x18ftyp").contains("an HTTP answer with its head"));
        assert!(text(b"--\xff\xd8 no image").contains("not understood"));
        assert!(text(b"\x89PNG\r\n\x1a\n").contains("h5cap"));
        assert!(text(b"hello, world").contains("byte 0: not understood: the input begins with \"hello, world\"; Matroska, WebM, MP4"));
        assert!(text(b"\x01\x02\x03").contains("begins with 01 02 03; "));
        assert!(text(b"\xff\xf1\x50\x80\x02\x1f\xfc garbage, not a second header").contains("FF F1"));
    }

    #[test]
    fn no_input_keeps_it_looking_for_ever() {
        for byte in 0..=255 {
            let endless = vec![byte; MAX_SNIFF + 1];
            assert!(!matches!(sniff(&endless, false), Sniffed::Need(_)), "{byte}");
        }
        let delimiters = b"--".repeat(MAX_SNIFF);
        assert!(matches!(sniff(&delimiters, false), Sniffed::Unknown(_)));
    }
}
