//! The formats that are not read: their names by their first bytes, and what to do with them.

use crate::media::Unsupported;

/// Formats that are seen often and not read: the position of the mark, the mark, the name, and what to do.
const FOREIGN: [(usize, &[u8], &str, Advice); 21] = [
    (0, b"OggS", "Ogg", Advice::Remux),
    (8, b"AVI ", "AVI", Advice::Remux),
    (0, b"DKIF", "IVF", Advice::Remux),
    (0, b"\x30\x26\xB2\x75", "ASF", Advice::Remux),
    (0, b"\0\0\x01\xBA", "an MPEG program stream", Advice::Remux),
    (0, b"\0\0\x01\xB3", "MPEG-1 or MPEG-2 video", Advice::Reencode),
    (0, b"\0\0\x01\xB0", "MPEG-4 part 2 video", Advice::Reencode),
    (0, b"fLaC", "FLAC", Advice::Remux),
    (0, b".RMF", "RealMedia", Advice::Reencode),
    (0, b"RIFX", "big-endian WAVE", Advice::Remux),
    (0, b"#EXTM3U", "a playlist", Advice::Address),
    (0, b"HTTP/1.", "an HTTP answer with its head", Advice::Body),
    (0, b"<", "a web page", Advice::Page),
    (0, b"{", "JSON", Advice::Address),
    (0, b"\x89PNG", "a PNG picture", Advice::Pictures),
    (0, b"GIF8", "a GIF picture", Advice::Pictures),
    (8, b"WEBP", "a WebP picture", Advice::Pictures),
    (0, b"II*\0", "a TIFF picture", Advice::Pictures),
    (0, b"MM\0*", "a TIFF picture", Advice::Pictures),
    (0, b"\x1F\x8B", "gzip", Advice::Unpack),
    (0, b"\x28\xB5\x2F\xFD", "zstd", Advice::Unpack),
];

#[derive(Clone, Copy)]
enum Advice {
    Remux,
    Reencode,
    Address,
    Page,
    Body,
    Pictures,
    Unpack,
}

impl Advice {
    fn text(self) -> &'static str {
        match self {
            Advice::Remux => "`ffmpeg -i - -c copy -f nut -flush_packets 1 -` before this program makes NUT of it",
            Advice::Reencode => "`ffmpeg -i - -c:v mjpeg -f nut -flush_packets 1 -` before this program makes MJPEG of it",
            Advice::Address => "is the address the right one?",
            Advice::Page => "give the address of the stream itself in place of that of a page that shows it",
            Advice::Body => "give the body alone, as curl does",
            Advice::Pictures => "h5cap makes a stream of pictures",
            Advice::Unpack => "unpack it first",
        }
    }
}

/// Names the format of these first bytes, as far as it is known, with advice.
pub fn unknown(bytes: &[u8]) -> Unsupported {
    let known = FOREIGN.iter().find(|(at, mark, ..)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(mark)));
    if let Some((_, _, name, advice)) = known {
        return Unsupported { what: format!("byte 0: the input is {name}, which is not read here"), advice: advice.text().into() };
    }
    if bytes.is_empty() {
        return Unsupported { what: "there is nothing behind its tags".into(), advice: "is it whole?".into() };
    }
    let formats =
        "Matroska, WebM, MP4, Annex B of H.264 and H.265, YUV4MPEG2, JPEG, multipart JPEG, ADTS, MP3, WAVE, NUT, FLV and MPEG-TS are read";
    Unsupported {
        what: format!("byte 0: not understood: the input begins with {}", first_bytes(bytes)),
        advice: format!("{formats} (--input-format says which, where the start does not)"),
    }
}

/// The first bytes, as text where they are.
fn first_bytes(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(16)];
    if start.iter().all(|b| b.is_ascii_graphic() || matches!(b, b' ' | b'\t' | b'\r' | b'\n')) {
        return format!("{:?}", String::from_utf8_lossy(start));
    }
    start.iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(" ")
}
