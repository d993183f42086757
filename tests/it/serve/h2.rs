//! HTTP/2 frame by frame (RFC 9113), as much as the tests say of it.

use super::tls_client::{TlsServer, TlsStream, is_closed};
use std::io::{Read, Write};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames.
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const ACK: u8 = 1;

/// A frame that came.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub struct H2 {
    pub stream: TlsStream,
}

impl H2 {
    /// A connection, with the preface and these settings said.
    #[track_caller]
    pub fn connect(server: &TlsServer, settings: &[(u16, u32)]) -> H2 {
        H2::over(server.client(&["h2"]).connect(), settings)
    }

    #[track_caller]
    pub fn over(mut stream: TlsStream, settings: &[(u16, u32)]) -> H2 {
        let settings: Vec<u8> = settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &settings)].concat()).unwrap();
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
        H2 { stream }
    }

    /// Whether the server still takes it.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        match self.stream.write_all(bytes) {
            Ok(()) => true,
            Err(error) if is_closed(&error) => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// The next frame; `None`: the connection has ended. Settings and pings are answered.
    #[track_caller]
    pub fn next(&mut self) -> Option<Frame> {
        loop {
            let head: [u8; 9] = self.read(9)?.try_into().unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let frame = Frame { kind: head[3], flags: head[4], stream, payload: self.read(length)? };
            match frame.kind {
                SETTINGS if frame.flags & ACK == 0 => _ = self.send(&self::frame(SETTINGS, ACK, 0, &[])),
                PING if frame.flags & ACK == 0 => _ = self.send(&self::frame(PING, ACK, 0, &frame.payload)),
                _ => return Some(frame),
            }
        }
    }

    fn read(&mut self, n: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; n];
        match self.stream.read_exact(&mut bytes) {
            Ok(()) => Some(bytes),
            Err(error) if is_closed(&error) => None,
            Err(error) => panic!("no frame: {error}"),
        }
    }

    /// The next frame of this kind; others are passed over.
    #[track_caller]
    pub fn next_of(&mut self, kind: u8) -> Frame {
        loop {
            match self.next() {
                Some(frame) if frame.kind == kind => return frame,
                Some(_) => {}
                None => panic!("the connection has ended"),
            }
        }
    }

    /// Asks by GET, and gives the status.
    #[track_caller]
    pub fn get(&mut self, stream: u32, target: &str, headers: &[&str]) -> u16 {
        assert!(self.send(&request(stream, "GET", target, headers)));
        status(&self.next_of(HEADERS).payload)
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A request without a body: HPACK without its table and without Huffman codes (RFC 7541, section 6.2.2).
pub fn request(stream: u32, method: &str, target: &str, headers: &[&str]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(method, target, headers))
}

/// Its header block.
pub fn block(method: &str, target: &str, headers: &[&str]) -> Vec<u8> {
    let mut block = vec![];
    let pseudo = [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", target)];
    let rest = headers.iter().map(|line| line.split_once(": ").unwrap());
    for (name, value) in pseudo.into_iter().chain(rest) {
        block.push(0);
        for text in [name.to_ascii_lowercase().as_str(), value] {
            length(&mut block, text.len());
            block.extend(text.bytes());
        }
    }
    block
}

/// An integer with a prefix of 7 bits (RFC 7541, section 5.1).
fn length(block: &mut Vec<u8>, n: usize) {
    if n < 127 {
        return block.push(n as u8);
    }
    block.push(127);
    let mut rest = n - 127;
    while rest >= 128 {
        block.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    block.push(rest as u8);
}

/// The status, which comes first: from the static table, or as a literal.
#[track_caller]
pub fn status(block: &[u8]) -> u16 {
    // A change of the size of the table may stand before it.
    let block = &block[block.iter().position(|byte| byte & 0xe0 != 0x20).unwrap()..];
    match block[0] {
        0x88 => 200,
        0x89 => 204,
        0x8a => 206,
        0x8b => 304,
        0x8c => 400,
        0x8d => 404,
        0x8e => 500,
        0x48 | 0x08 | 0x18 => digits(&block[1..]),
        other => panic!("{other:#x} is no status"),
    }
}

/// Three digits, as they are or by their Huffman codes: 5 bits for 0 to 2, else 6 (RFC 7541, appendix B).
fn digits(text: &[u8]) -> u16 {
    let (huffman, bytes) = (text[0] & 0x80 != 0, &text[1..=usize::from(text[0] & 0x7f)]);
    if !huffman {
        return std::str::from_utf8(bytes).unwrap().parse().unwrap();
    }
    let bits: Vec<u16> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |n| u16::from(byte >> n & 1))).collect();
    let (mut at, mut number) = (0, 0);
    for _ in 0..3 {
        let code = |n: usize| bits[at..at + n].iter().fold(0, |code, bit| code << 1 | bit);
        let digit = if code(5) < 3 { code(5) } else { code(6) - 0x19 + 3 };
        at += if digit < 3 { 5 } else { 6 };
        number = number * 10 + digit;
    }
    number
}
