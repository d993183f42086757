//! A WebSocket client of the tests' own, so that the server is not judged by its own code; and raw HTTP.

use crate::util::PATIENCE;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What the server sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    Text(String),
    Binary(Vec<u8>),
    Ping,
    Pong(Vec<u8>),
    Close(u16, String),
    /// The connection ended without another frame.
    End,
}

pub struct Ws<S = TcpStream> {
    pub stream: S,
    bytes: Vec<u8>,
}

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub fn handshake(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    )
}

impl Ws {
    #[track_caller]
    pub fn connect(port: u16, src: &str) -> Ws {
        Ws::over(connect(port), src)
    }

    /// With a receive buffer of this size: so a slow reader is a slow receiver.
    #[track_caller]
    pub fn connect_narrow(port: u16, src: &str, receive_buffer: usize) -> Ws {
        use socket2::{Domain, Socket, Type};
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(receive_buffer).unwrap();
        socket.connect(&SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Ws::over(stream, src)
    }

    /// A viewer of everything: asked for, and the answer read.
    #[track_caller]
    pub fn viewer(port: u16, src: &str) -> Ws {
        Ws::connect(port, src).watching()
    }

    /// At most `n` bytes from the socket, without waiting; for those who read slowly.
    pub fn sip(&mut self, n: usize) -> usize {
        let mut piece = vec![0; n];
        self.stream.set_nonblocking(true).unwrap();
        let read = self.stream.read(&mut piece).unwrap_or(0);
        self.stream.set_nonblocking(false).unwrap();
        self.bytes.extend_from_slice(&piece[..read]);
        read
    }
}

impl<S: Read + Write> Ws<S> {
    #[track_caller]
    pub fn over(mut stream: S, src: &str) -> Ws<S> {
        stream.write_all(handshake(&format!("/api/ws?src={src}")).as_bytes()).unwrap();
        Ws::accepted(stream)
    }

    /// After the handshake was sent.
    #[track_caller]
    pub fn accepted(mut stream: S) -> Ws<S> {
        let (head, bytes) = read_head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 101 ") && head.contains(ACCEPT), "{head}");
        Ws { stream, bytes }
    }

    /// Asks for everything, and reads the answer.
    #[track_caller]
    pub fn watching(mut self) -> Ws<S> {
        self.say(r#"{"type":"mse","value":""}"#);
        assert_eq!(self.text()["type"], "mse");
        self
    }

    pub fn say(&mut self, text: &str) {
        self.send(&frame(0x81, text.as_bytes()));
    }

    /// Bytes as they are; the server may have closed already.
    pub fn send(&mut self, bytes: &[u8]) {
        _ = self.stream.write_all(bytes);
    }

    /// The next message; fails the test when none comes.
    #[track_caller]
    pub fn next(&mut self) -> Message {
        loop {
            if let Some(message) = self.take() {
                return message;
            }
            let mut piece = [0; 65536];
            match self.stream.read(&mut piece) {
                Ok(0) => return Message::End,
                Ok(n) => self.bytes.extend_from_slice(&piece[..n]),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return Message::End,
                Err(e) => panic!("no message: {e}"),
            }
        }
    }

    /// A whole message, if one has been read. Checks the framing as it goes.
    #[track_caller]
    pub fn take(&mut self) -> Option<Message> {
        let (&[first, second], rest) = self.bytes.split_first_chunk::<2>()?;
        assert_eq!(second & 0x80, 0, "a server's frame is not masked");
        assert_eq!(first & 0x70, 0, "no extension was agreed on");
        assert_eq!(first & 0x80, 0x80, "the server does not fragment");
        let (len, at) = match second {
            126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*rest.first_chunk()?), 10),
            n => (u64::from(n), 2),
        };
        let end = at + usize::try_from(len).unwrap();
        let payload = self.bytes.get(at..end)?.to_vec();
        self.bytes.drain(..end);
        Some(match first & 15 {
            1 => Message::Text(String::from_utf8(payload).expect("text is UTF-8")),
            2 => Message::Binary(payload),
            8 if payload.is_empty() => Message::Close(1005, String::new()),
            8 => Message::Close(u16::from_be_bytes([payload[0], payload[1]]), String::from_utf8(payload[2..].to_vec()).unwrap()),
            9 => Message::Ping,
            10 => Message::Pong(payload),
            other => panic!("opcode {other}"),
        })
    }

    /// The next text message, which must come next, as JSON.
    #[track_caller]
    pub fn text(&mut self) -> serde_json::Value {
        match self.next() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("not a text: {other:?}"),
        }
    }

    /// The next binary message; texts before it are passed over.
    #[track_caller]
    pub fn binary(&mut self) -> Vec<u8> {
        loop {
            match self.next() {
                Message::Binary(bytes) => return bytes,
                Message::Text(_) => {}
                other => panic!("not a binary: {other:?}"),
            }
        }
    }

    /// The close code and reason; what comes before is passed over.
    #[track_caller]
    pub fn closed(&mut self) -> (u16, String) {
        loop {
            match self.next() {
                Message::Close(code, reason) => return (code, reason),
                Message::End => panic!("ended without a close frame"),
                Message::Ping => panic!("nothing more comes, and no close frame"),
                _ => {}
            }
        }
    }
}

/// A client's frame: masked; `first` has FIN, reserved bits and opcode.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let mut out = vec![first];
    match payload.len() {
        n @ 0..126 => out.push(0x80 | n as u8),
        n @ 126..0x1_0000 => {
            out.push(0x80 | 126);
            out.extend((n as u16).to_be_bytes());
        }
        n => {
            out.push(0x80 | 127);
            out.extend((n as u64).to_be_bytes());
        }
    }
    out.extend(mask);
    out.extend(payload.iter().enumerate().map(|(i, b)| b ^ mask[i % 4]));
    out
}

pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A response head, and what came after it.
#[track_caller]
pub fn read_head(stream: &mut impl Read) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return (String::from_utf8(bytes).unwrap(), rest);
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece) {
            Ok(0) => panic!("ended inside a head: {:?}", String::from_utf8_lossy(&bytes)),
            Ok(n) => bytes.extend_from_slice(&piece[..n]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => panic!("no head: {e}; {:?}", String::from_utf8_lossy(&bytes)),
        }
    }
}

/// A finished exchange: status, head in lower case, body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Sends `request` as it is and reads to the end of the connection.
#[track_caller]
pub fn raw(port: u16, request: &[u8]) -> Vec<u8> {
    let mut stream = connect(port);
    _ = stream.write_all(request);
    let mut answer = Vec::new();
    if let Err(e) = stream.read_to_end(&mut answer) {
        assert_eq!(e.kind(), ErrorKind::ConnectionReset, "the server keeps the connection: {:?}", String::from_utf8_lossy(&answer));
    }
    answer
}

/// One request with `Connection: close` and these header lines.
#[track_caller]
pub fn ask(port: u16, method: &str, target: &str, headers: &[&str]) -> Answer {
    let host = if headers.iter().any(|h| h.to_ascii_lowercase().starts_with("host:")) { "" } else { "Host: localhost\r\n" };
    let lines: String = headers.iter().map(|h| format!("{h}\r\n")).collect();
    answer(&raw(port, format!("{method} {target} HTTP/1.1\r\n{host}Connection: close\r\n{lines}\r\n").as_bytes()))
}

#[track_caller]
pub fn answer(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or_else(|| panic!("no head: {:?}", String::from_utf8_lossy(bytes)));
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("{head}"));
    let lower = head.lines().map(|l| l.split_once(": ").map_or(l.to_string(), |(n, v)| format!("{}: {v}", n.to_ascii_lowercase())));
    Answer { status, head: lower.collect::<Vec<_>>().join("\n"), body: bytes[end + 4..].to_vec() }
}

/// Whether the connection ends within `limit`.
pub fn ends_within(stream: &mut TcpStream, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    let mut piece = [0; 4096];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        stream.set_read_timeout(Some(left)).unwrap();
        match stream.read(&mut piece) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(e) => return !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }
}
