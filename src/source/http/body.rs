//! The body of a response of HTTP/1.1 (RFC 9112, section 6), as it comes.

use super::head::Framing;
use std::io::{self, BufRead, Read};
use std::sync::{Arc, Mutex, PoisonError};

/// The line before a chunk has a number, and perhaps extensions.
const MAX_LINE: u64 = 4 << 10;
/// Lines after the last chunk.
const MAX_TRAILERS: usize = 100;

/// Where a connection is left when the body on it was read to its end, for the next request.
pub type KeptConnection<C> = Arc<Mutex<Option<C>>>;

/// A body. Its end is an error where the server has said that there is more.
pub struct Body<C> {
    /// Until the end.
    input: Option<C>,
    state: State,
    /// `None`: no request may follow.
    slot: Option<KeptConnection<C>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes of the body are to come.
    Length(u64),
    /// Before the line with the length of a chunk.
    ChunkLine,
    /// So many bytes of this chunk are to come, and a line end.
    Chunk(u64),
    UntilClose,
    Ended,
}

impl<C: BufRead> Body<C> {
    /// What follows a head. `slot`: for the connection, where it may be used again.
    pub fn new(input: C, framing: Framing, slot: Option<KeptConnection<C>>) -> Body<C> {
        let state = match framing {
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkLine,
            Framing::UntilClose => State::UntilClose,
        };
        let mut body = Body { input: Some(input), state, slot };
        if body.state == State::Length(0) {
            body.end();
        }
        body
    }

    /// Reads what is left, if that is little, so that the connection can be used again.
    pub fn discard(&mut self) {
        const LITTLE: u64 = 64 << 10;
        if self.slot.is_some() {
            _ = io::copy(&mut self.take(LITTLE), &mut io::sink());
        }
    }

    fn end(&mut self) {
        self.state = State::Ended;
        if let (Some(input), Some(slot)) = (self.input.take(), &self.slot) {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(input);
        }
    }
}

impl<C: BufRead> Read for Body<C> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(input) = self.input.as_mut().filter(|_| !buf.is_empty()) else { return Ok(0) };
            match self.state {
                State::Length(left) | State::Chunk(left) if left > 0 => {
                    let most = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
                    let got = input.read(&mut buf[..most])?;
                    if got == 0 {
                        return Err(cut());
                    }
                    let left = left - got as u64;
                    match self.state {
                        State::Length(_) if left == 0 => self.end(),
                        State::Length(_) => self.state = State::Length(left),
                        _ => self.state = State::Chunk(left),
                    }
                    return Ok(got);
                }
                State::Chunk(_) => {
                    if !line(input)?.is_empty() {
                        return Err(wrong());
                    }
                    self.state = State::ChunkLine;
                }
                State::ChunkLine => match chunk_length(&line(input)?)? {
                    0 => {
                        trailers(input)?;
                        self.end();
                    }
                    length => self.state = State::Chunk(length),
                },
                State::UntilClose => {
                    let got = input.read(buf)?;
                    if got == 0 {
                        self.slot = None;
                        self.end();
                    }
                    return Ok(got);
                }
                State::Length(_) | State::Ended => return Ok(0),
            }
        }
    }
}

/// Without its end.
fn line(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    input.take(MAX_LINE).read_until(b'\n', &mut line)?;
    match line.strip_suffix(b"\n") {
        Some(rest) => Ok(rest.strip_suffix(b"\r").unwrap_or(rest).to_vec()),
        None if (line.len() as u64) < MAX_LINE => Err(cut()),
        None => Err(wrong()),
    }
}

/// Hexadecimal, before extensions (RFC 9112, section 7.1). Servers exist that pad it with spaces.
fn chunk_length(line: &[u8]) -> io::Result<u64> {
    let number = line.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    let digits = std::str::from_utf8(number).ok().filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit()));
    digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).ok_or_else(wrong)
}

fn trailers(input: &mut impl BufRead) -> io::Result<()> {
    for _ in 0..MAX_TRAILERS {
        if line(input)?.is_empty() {
            return Ok(());
        }
    }
    Err(wrong())
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended before its answer did")
}

fn wrong() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "its answer is in chunks that are none (RFC 9112, section 7.1)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// The body, what is behind it, and whether the connection can be used again.
    fn read(framing: Framing, text: &str) -> io::Result<(String, Option<String>)> {
        let slot = KeptConnection::default();
        let mut body = Body::new(Cursor::new(text.as_bytes().to_vec()), framing, Some(Arc::clone(&slot)));
        let mut out = String::new();
        body.read_to_string(&mut out)?;
        let rest = slot.lock().unwrap().take().map(|mut rest: Cursor<Vec<u8>>| {
            let mut text = String::new();
            rest.read_to_string(&mut text).unwrap();
            text
        });
        Ok((out, rest))
    }

    #[test]
    fn bodies_end_where_they_say() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read(Framing::Length(3), "abcdef").unwrap(), ("abc".into(), some("def")));
        assert_eq!(read(Framing::Length(0), "abcdef").unwrap(), (String::new(), some("abcdef")));
        assert_eq!(read(Framing::UntilClose, "abcdef").unwrap(), ("abcdef".into(), None));
        let chunks = "3\r\nabc\r\n00A ;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nnext";
        assert_eq!(read(Framing::Chunked, chunks).unwrap(), ("abc0123456789".into(), some("next")));
        assert_eq!(read(Framing::Chunked, "1\na\n0\n\n").unwrap(), ("a".into(), some("")));
    }

    #[test]
    fn a_body_that_is_cut_is_an_error() {
        assert!(read(Framing::Length(u64::MAX), "abc").is_err());
        let whole = "3\r\nabc\r\n0\r\n\r\n";
        for cut in 0..whole.len() {
            assert_eq!(read(Framing::Chunked, &whole[..cut]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "{cut}");
        }
    }

    #[test]
    fn chunks_that_are_none_are_refused() {
        for wrong in ["x\r\n", "\r\n", "-1\r\n", "+1\r\na", "1 1\r\na", "10000000000000000\r\n", "1\r\nab\r\n", &"1".repeat(10_000)] {
            assert_eq!(read(Framing::Chunked, wrong).unwrap_err().kind(), io::ErrorKind::InvalidData, "{wrong:.20}");
        }
        let endless = format!("0\r\n{}", "A: b\r\n".repeat(1000));
        assert!(read(Framing::Chunked, &endless).is_err());
        assert!(read(Framing::Chunked, "FFFFFFFFFFFFFFFF\r\nabc").is_err());
    }
}
