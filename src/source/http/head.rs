//! The head of a response of HTTP/1.1 (RFC 9112, section 4), as cameras write it: read within a bound.

use crate::source::network::refusal::{Refusal, RefusalKind};
use std::io::{BufRead, Read};

/// A longer head is an attack: cameras and servers send less than a hundredth.
const MAX_HEAD: u64 = 64 << 10;
const MAX_HEADERS: usize = 128;
/// Responses of the kind 1xx before the one that counts.
const MAX_INTERIM: usize = 8;

/// Status and headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    /// HTTP/1.1; otherwise HTTP/1.0.
    pub is_1_1: bool,
    headers: Vec<(String, String)>,
}

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks, each with its length (RFC 9112, section 7.1).
    Chunked,
    /// All up to the end of the connection.
    UntilClose,
}

/// Why there is no head.
#[derive(Debug)]
pub enum NoHead {
    /// The connection ended before the first byte: it may have been one that the server had closed already.
    Closed,
    Refused(Refusal),
}

impl Head {
    /// Reads the next head; those of interim responses are passed over.
    ///
    /// # Errors
    /// The connection ends, or what comes is none.
    pub fn read(input: &mut impl BufRead) -> Result<Head, NoHead> {
        for _ in 0..MAX_INTERIM {
            let head = Head::parse(&lines(input)?)?;
            // 101 is final: a protocol that was not asked for.
            if head.status >= 200 || head.status == 101 {
                return Ok(head);
            }
        }
        Err(refused("it sends interim responses without end"))
    }

    /// As another reader has found it.
    pub fn of<'h>(status: u16, headers: impl Iterator<Item = (&'h str, &'h str)>) -> Head {
        Head { status, is_1_1: true, headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
    }

    fn parse(bytes: &[u8]) -> Result<Head, NoHead> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        // Lines that are no headers are left out: firmware exists that writes such.
        let parsed = httparse::ParserConfig::default()
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_multiple_spaces_in_response_status_delimiters(true)
            .ignore_invalid_headers_in_responses(true)
            .parse_response(&mut response, bytes);
        match (parsed, response.code) {
            (Ok(httparse::Status::Complete(_)), Some(status)) => {
                // A folded line has its line end in the value.
                let text = |value: &[u8]| String::from_utf8_lossy(value).replace(char::is_control, " ").trim().to_owned();
                let headers = response.headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect();
                Ok(Head { status, is_1_1: response.version == Some(1), headers })
            }
            (Err(httparse::Error::TooManyHeaders), _) => Err(refused("its answer has too many headers")),
            _ => Err(refused("it does not speak HTTP at this port")),
        }
    }

    /// The values of a header, in their order.
    pub fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h str> {
        self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// The first value of a header.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// The members of a header that is a list.
    pub fn list<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h str> {
        self.values(name).flat_map(|value| value.split(',')).map(str::trim).filter(|member| !member.is_empty())
    }

    /// How long the body of a GET is (RFC 9112, section 6.3).
    ///
    /// # Errors
    /// The headers contradict each other, or the body is coded in a way that was not asked for.
    pub fn framing(&self) -> Result<Framing, Refusal> {
        if matches!(self.status, 204 | 304) {
            return Ok(Framing::Length(0));
        }
        let unasked = |what: &str| {
            let what: String = what.chars().filter(char::is_ascii_graphic).take(40).collect();
            Refusal::new(RefusalKind::Unsupported, format!("its answer is coded as {what}, which was not asked for"))
        };
        if let Some(coding) = self.list("content-encoding").find(|coding| !coding.eq_ignore_ascii_case("identity")) {
            return Err(unasked(coding));
        }
        let mut codings = self.list("transfer-encoding").filter(|coding| !coding.eq_ignore_ascii_case("identity"));
        match (codings.next(), codings.next()) {
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => return Ok(Framing::Chunked),
            (None, _) => {}
            (Some(coding), _) => return Err(unasked(coding)),
        }
        let mut lengths = self.list("content-length");
        let Some(length) = lengths.next() else { return Ok(Framing::UntilClose) };
        let number = length.parse().ok().filter(|_| length.bytes().all(|b| b.is_ascii_digit()) && lengths.all(|other| other == length));
        match number {
            Some(number) => Ok(Framing::Length(number)),
            None => Err(Refusal::new(RefusalKind::Failed, "the length of its answer is no number")),
        }
    }

    /// Whether another request may follow on this connection.
    pub fn is_kept(&self) -> bool {
        self.is_1_1 && !self.list("connection").any(|option| option.eq_ignore_ascii_case("close"))
    }
}

fn refused(text: &str) -> NoHead {
    NoHead::Refused(Refusal::new(RefusalKind::Failed, text))
}

/// Up to and with the empty line.
fn lines(input: &mut impl BufRead) -> Result<Vec<u8>, NoHead> {
    let mut head = Vec::new();
    let mut bounded = input.take(MAX_HEAD);
    loop {
        let start = head.len();
        let read = bounded.read_until(b'\n', &mut head);
        match read {
            Ok(0) if bounded.limit() == 0 => return Err(refused("the head of its answer is too long")),
            Ok(0) | Err(_) if head.is_empty() => return Err(NoHead::Closed),
            Ok(0) => return Err(refused("it has closed the connection within the head of its answer")),
            Err(error) => return Err(refused(&format!("it has closed the connection: {error}"))),
            Ok(_) => {}
        }
        let is_empty = matches!(&head[start..], b"\r\n" | b"\n");
        match start {
            // Before a head, empty lines are passed over (RFC 9112, section 2.2).
            0 if is_empty => head.clear(),
            0 if head.ends_with(b"\n") && !head.starts_with(b"HTTP/") => return Err(refused("it does not speak HTTP at this port")),
            1.. if is_empty => return Ok(head),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn read(text: &str) -> Result<Head, NoHead> {
        Head::read(&mut Cursor::new(text.as_bytes()))
    }

    fn framing(headers: &str) -> Option<Framing> {
        read(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n")).unwrap().framing().ok()
    }

    #[test]
    fn heads_as_cameras_write_them() {
        let head = read("\r\nHTTP/1.0 200\nServer : tiny\nno header at all\nContent-type:image/jpeg \nContent-type: b\n\nbody").unwrap();
        assert_eq!((head.status, head.is_1_1, head.is_kept()), (200, false, false));
        assert_eq!((head.value("SERVER"), head.values("content-TYPE").collect::<Vec<_>>()), (Some("tiny"), vec!["image/jpeg", "b"]));
        assert_eq!(read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not Modified\r\nA: b\r\n\r\n").unwrap().status, 304);
        assert!(read("HTTP/1.1 200 OK\r\n\r\n").unwrap().is_kept());
        assert!(!read("HTTP/1.1 200 OK\r\nConnection: Close\r\n\r\n").unwrap().is_kept());
    }

    #[test]
    fn lengths() {
        assert_eq!(framing("A: b"), Some(Framing::UntilClose));
        assert_eq!(framing("Content-Length: 12"), Some(Framing::Length(12)));
        assert_eq!(framing("Content-Length: 12, 12\r\nContent-Encoding: identity"), Some(Framing::Length(12)));
        assert_eq!(framing("Content-Length: 12\r\nTransfer-Encoding: Chunked"), Some(Framing::Chunked));
        assert_eq!(framing("Content-Length: 18446744073709551615"), Some(Framing::Length(u64::MAX)));
        for wrong in
            ["Content-Length: 18446744073709551616", "Content-Length: -1", "Content-Length: +1", "Content-Length: 1\r\nContent-Length: 2"]
        {
            assert_eq!(framing(wrong), None, "{wrong}");
        }
        for coded in ["Content-Encoding: gzip", "Transfer-Encoding: gzip, chunked", "Content-Encoding: identity, br"] {
            assert_eq!(framing(coded), None, "{coded}");
        }
    }

    #[test]
    fn hostile_heads_are_bounded() {
        let text = |outcome: Result<Head, NoHead>| match outcome {
            Err(NoHead::Refused(refusal)) => refusal.text,
            Err(NoHead::Closed) => "closed".into(),
            Ok(head) => format!("{head:?}"),
        };
        assert_eq!(text(read("")), "closed");
        assert_eq!(text(read("HTTP/1.1 200 OK\r\nA: b")), "it has closed the connection within the head of its answer");
        assert_eq!(text(read("HTTP/1.1 200 OK\r\nA: b\r\n")), "it has closed the connection within the head of its answer");
        assert_eq!(text(read(&format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(1 << 20)))), "the head of its answer is too long");
        assert_eq!(text(read(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(200)))), "its answer has too many headers");
        assert_eq!(text(read("SSH-2.0-dropbear\r\n")), "it does not speak HTTP at this port");
        assert_eq!(text(read("HTTP/1.1 999999 x\r\n\r\n")), "it does not speak HTTP at this port");
        assert_eq!(text(read(&"HTTP/1.1 100 Continue\r\n\r\n".repeat(20))), "it sends interim responses without end");
        assert!(text(read(&"\n".repeat(1 << 20))).contains("too long"));
    }
}
