//! WebSocket frames (RFC 6455): the handshake's key, frames out, and a decoder of what a client sends. Pure: bytes in,
//! messages out; how the input was cut does not matter. Extensions are not offered, so reserved bits must be zero.

use crate::media::Vectored;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use sha1::{Digest, Sha1};

/// The longest message taken from a client, in bytes: codec lists and short commands. More is closed with 1009.
pub const MAX_MESSAGE: usize = 4 * 1024;
/// RFC 6455, section 5.5: the payload of a control frame.
const MAX_CONTROL: usize = 125;
/// Two bytes, eight of extended length, four of mask (RFC 6455, section 5.2).
const MAX_HEAD: usize = 14;

/// Status codes of a close frame (RFC 6455, section 7.4.1, and the IANA registry for 1012).
pub mod code {
    /// What the connection was for is done.
    pub const NORMAL: u16 = 1000;
    /// The server stops.
    pub const GOING_AWAY: u16 = 1001;
    /// A rule of RFC 6455 was broken.
    pub const PROTOCOL: u16 = 1002;
    /// Data of a kind that is not taken.
    pub const UNSUPPORTED: u16 = 1003;
    /// A close frame had no code. Never sent.
    pub const NO_STATUS: u16 = 1005;
    /// A text that is no UTF-8.
    pub const NOT_UTF8: u16 = 1007;
    /// A rule of ours was broken.
    pub const POLICY: u16 = 1008;
    /// A message that is too long.
    pub const TOO_BIG: u16 = 1009;
    /// The client is to come again.
    pub const RESTART: u16 = 1012;
    /// The right to watch has ended. Of those for applications (section 7.4.2), after status 401 of HTTP.
    pub const ACCESS: u16 = 4401;
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The value of `Sec-WebSocket-Accept` for a client's `Sec-WebSocket-Key` (RFC 6455, section 4.2.2); `None` if the key is
/// not 16 bytes in base64.
pub fn accept_key(key: &str) -> Option<String> {
    const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let nonce = STANDARD.decode(key.trim()).ok()?;
    (nonce.len() == 16).then(|| STANDARD.encode(Sha1::new().chain_update(key.trim()).chain_update(GUID).finalize()))
}

/// A binary message in one frame, with a text message before it unless that is empty, and where the binary payload begins.
pub fn binary(text: &str, payload: &impl Vectored) -> (Bytes, usize) {
    let size = payload.buffers().map(Bytes::len).sum();
    let mut out = BytesMut::with_capacity(text.len() + size + 20);
    if !text.is_empty() {
        put_frame(&mut out, TEXT, text.as_bytes());
    }
    put_head(&mut out, BINARY, size);
    let at = out.len();
    payload.buffers().for_each(|piece| out.extend_from_slice(piece));
    (out.freeze(), at)
}

/// A text message in one frame.
pub fn text(text: &str) -> Bytes {
    frame(TEXT, text.as_bytes())
}

/// A ping without a payload.
pub fn ping() -> Bytes {
    Bytes::from_static(&[0x80 | PING, 0])
}

/// The answer to a ping (RFC 6455, section 5.5.3); `payload` is the ping's.
pub fn pong(payload: &[u8]) -> Bytes {
    frame(PONG, &payload[..payload.len().min(MAX_CONTROL)])
}

/// A close frame; the reason is cut at 123 bytes, on a character.
pub fn close(code: u16, reason: &str) -> Bytes {
    if code == code::NO_STATUS {
        return frame(CLOSE, &[]);
    }
    let mut end = reason.len().min(MAX_CONTROL - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = Vec::with_capacity(2 + end);
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    frame(CLOSE, &payload)
}

fn frame(opcode: u8, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(payload.len() + 10);
    put_frame(&mut out, opcode, payload);
    out.freeze()
}

fn put_frame(out: &mut BytesMut, opcode: u8, payload: &[u8]) {
    put_head(out, opcode, payload.len());
    out.extend_from_slice(payload);
}

fn put_head(out: &mut BytesMut, opcode: u8, size: usize) {
    out.put_u8(0x80 | opcode);
    match size {
        n @ 0..126 => out.put_u8(n as u8),
        n @ 126..0x1_0000 => {
            out.put_u8(126);
            out.put_u16(n as u16);
        }
        n => {
            out.put_u8(127);
            out.put_u64(n as u64);
        }
    }
}

/// What a client said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A whole text message.
    Text(String),
    /// A whole binary message; only from a decoder that takes them.
    Binary(Vec<u8>),
    /// Its payload is to come back.
    Ping(Vec<u8>),
    /// Of any payload.
    Pong,
    /// The status code; 1005 when the client gave none.
    Close(u16),
}

/// A broken rule, and the status code to close with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Violation {
    /// One of [`code`].
    pub code: u16,
    /// For people.
    pub reason: &'static str,
}

fn protocol(reason: &'static str) -> Violation {
    Violation { code: code::PROTOCOL, reason }
}

/// Decoder of a client's frames. Holds nothing on the heap between messages.
#[derive(Debug)]
pub struct Decoder {
    /// Bytes of a message, at most.
    limit: usize,
    takes_binary: bool,
    head: [u8; MAX_HEAD],
    have: usize,
    /// The frame whose payload is being read.
    frame: Option<Payload>,
    /// The message so far; `Some` between its first frame and its last.
    message: Option<Unfinished>,
    control: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Payload {
    opcode: u8,
    fin: bool,
    mask: [u8; 4],
    len: usize,
    done: usize,
}

#[derive(Debug)]
struct Unfinished {
    opcode: u8,
    payload: Vec<u8>,
}

/// For commands: text of at most [`MAX_MESSAGE`] bytes.
impl Default for Decoder {
    fn default() -> Decoder {
        Decoder { takes_binary: false, ..Decoder::of_messages(MAX_MESSAGE) }
    }
}

impl Decoder {
    /// For messages of both kinds, of at most `limit` bytes.
    pub fn of_messages(limit: usize) -> Decoder {
        Decoder { limit, takes_binary: true, head: [0; MAX_HEAD], have: 0, frame: None, message: None, control: Vec::new() }
    }

    /// The next whole message in `input`, which loses what was read; `None` when `input` is used up. After a violation
    /// the decoder is of no more use.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Message>, Violation> {
        loop {
            let Some(frame) = self.frame else {
                match self.head(input)? {
                    Some(payload) => self.begin(payload)?,
                    None => return Ok(None),
                }
                continue;
            };
            let frame = self.payload(frame, input);
            if frame.done < frame.len {
                self.frame = Some(frame);
                return Ok(None);
            }
            self.frame = None;
            if let Some(message) = self.end(frame)? {
                return Ok(Some(message));
            }
        }
    }

    /// Reads a frame's head, byte by byte as far as its own length says.
    fn head(&mut self, input: &mut &[u8]) -> Result<Option<Payload>, Violation> {
        loop {
            let need = match self.have {
                0 | 1 => 2,
                _ => check_start(self.head[0], self.head[1])?,
            };
            if self.have == need {
                self.have = 0;
                return parse_head(&self.head[..need]).map(Some);
            }
            let Some((&byte, rest)) = input.split_first() else { return Ok(None) };
            *input = rest;
            self.head[self.have] = byte;
            self.have += 1;
        }
    }

    /// Checks a frame against the message it belongs to, before any of its payload is kept.
    fn begin(&mut self, frame: Payload) -> Result<(), Violation> {
        match (frame.opcode, &mut self.message) {
            (0, None) => return Err(protocol("continuation of nothing")),
            (TEXT | BINARY, Some(_)) => return Err(protocol("a new message inside a fragmented one")),
            (BINARY, None) if !self.takes_binary => {
                return Err(Violation { code: code::UNSUPPORTED, reason: "binary messages are not taken" });
            }
            (TEXT | BINARY, message) => *message = Some(Unfinished { opcode: frame.opcode, payload: Vec::new() }),
            _ => self.control.clear(),
        }
        let so_far = self.message.as_ref().map_or(0, |message| message.payload.len());
        if frame.opcode < CLOSE && frame.len > self.limit - so_far {
            return Err(Violation { code: code::TOO_BIG, reason: "message too big" });
        }
        self.frame = Some(frame);
        Ok(())
    }

    fn payload(&mut self, mut frame: Payload, input: &mut &[u8]) -> Payload {
        let (now, rest) = input.split_at((frame.len - frame.done).min(input.len()));
        *input = rest;
        let unmasked = now.iter().zip(frame.done..).map(|(b, i)| b ^ frame.mask[i % 4]);
        match &mut self.message {
            Some(message) if frame.opcode < CLOSE => {
                message.reserve(frame.len - frame.done, self.limit);
                message.payload.extend(unmasked);
            }
            _ => self.control.extend(unmasked),
        }
        frame.done += now.len();
        frame
    }

    fn end(&mut self, frame: Payload) -> Result<Option<Message>, Violation> {
        Ok(match frame.opcode {
            PING => Some(Message::Ping(std::mem::take(&mut self.control))),
            PONG => Some(Message::Pong),
            CLOSE => Some(Message::Close(close_code(&self.control)?)),
            _ if !frame.fin => None,
            _ => self.message.take().map(Unfinished::finish).transpose()?,
        })
    }
}

impl Unfinished {
    /// Makes room for `more` bytes. A message in one frame takes exactly its length. One in many doubles, up to `limit`:
    /// room that grows by a frame at a time is copied for each of them, and leaves holes in the heap that nothing fits.
    fn reserve(&mut self, more: usize, limit: usize) {
        let (len, capacity) = (self.payload.len(), self.payload.capacity());
        if capacity - len < more {
            let room = (2 * len).min(limit).max(len + more);
            self.payload.reserve_exact(room - len);
        }
    }

    fn finish(self) -> Result<Message, Violation> {
        if self.opcode == BINARY {
            return Ok(Message::Binary(self.payload));
        }
        let text = String::from_utf8(self.payload).map_err(|_| Violation { code: code::NOT_UTF8, reason: "text is not UTF-8" })?;
        Ok(Message::Text(text))
    }
}

/// The rules that the first two bytes can break (RFC 6455, sections 5.1, 5.2, 5.5); gives the length of the head.
fn check_start(first: u8, second: u8) -> Result<usize, Violation> {
    let (opcode, len) = (first & 0x0f, second & 0x7f);
    if first & 0x70 != 0 {
        return Err(protocol("reserved bits are set"));
    }
    if !matches!(opcode, 0..=BINARY | CLOSE..=PONG) {
        return Err(protocol("reserved opcode"));
    }
    if second & 0x80 == 0 {
        return Err(protocol("frame is not masked"));
    }
    if opcode >= CLOSE && (first & 0x80 == 0 || usize::from(len) > MAX_CONTROL) {
        return Err(protocol("control frame is fragmented or too long"));
    }
    Ok(match len {
        126 => 8,
        127 => 14,
        _ => 6,
    })
}

/// `head` is whole and passed [`check_start`].
fn parse_head(head: &[u8]) -> Result<Payload, Violation> {
    let (fixed, mask) = head.split_at(head.len() - 4);
    let extended = fixed[2..].iter().fold(0u64, |n, &b| n << 8 | u64::from(b));
    let (len, least) = match fixed.len() {
        4 => (extended, 126),
        10 => (extended, 0x1_0000),
        _ => (u64::from(fixed[1] & 0x7f), 0),
    };
    if len < least || len >> 63 != 0 {
        return Err(protocol("length is not in its shortest form"));
    }
    let mask = [mask[0], mask[1], mask[2], mask[3]];
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    Ok(Payload { opcode: fixed[0] & 0x0f, fin: fixed[0] & 0x80 != 0, mask, len, done: 0 })
}

/// RFC 6455, sections 5.5.1 and 7.4: which codes may travel.
fn close_code(payload: &[u8]) -> Result<u16, Violation> {
    let (code, reason) = match payload {
        [] => return Ok(code::NO_STATUS),
        [_] => return Err(protocol("close frame of one byte")),
        [a, b, reason @ ..] => (u16::from_be_bytes([*a, *b]), reason),
    };
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(protocol("close code that must not be sent"));
    }
    std::str::from_utf8(reason).map_err(|_| Violation { code: code::NOT_UTF8, reason: "close reason is not UTF-8" })?;
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's frame: `first` is the byte with FIN and opcode.
    fn client(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let server = frame(first & 0x0f, payload);
        let at = server.len() - payload.len();
        let mut out = server[..at].to_vec();
        out[0] = first;
        out[1] |= 0x80;
        out.extend(mask);
        out.extend(payload.iter().enumerate().map(|(i, b)| b ^ mask[i % 4]));
        out
    }

    fn decode(bytes: &[u8], step: usize) -> Result<Vec<Message>, Violation> {
        let (mut decoder, mut out) = (Decoder::default(), vec![]);
        for mut piece in bytes.chunks(step) {
            while let Some(m) = decoder.next(&mut piece)? {
                out.push(m);
            }
        }
        Ok(out)
    }

    #[test]
    fn handshake_key_of_the_rfc() {
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ==").as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(accept_key("dGhlIHNhbXBsZQ=="), None);
        assert_eq!(accept_key("not base64!"), None);
    }

    #[test]
    fn messages_at_every_split() {
        let long = "x".repeat(300);
        let mut bytes = client(0x81, b"{}");
        bytes.extend(client(0x01, b"frag"));
        bytes.extend(client(0x89, b"in between"));
        bytes.extend(client(0x00, b""));
        bytes.extend(client(0x80, "ménted".as_bytes()));
        bytes.extend(client(0x81, long.as_bytes()));
        bytes.extend(client(0x8a, b""));
        bytes.extend(client(0x88, &[0x03, 0xe8, b'b', b'y', b'e']));
        bytes.extend(client(0x88, b""));
        let expect = vec![
            Message::Text("{}".into()),
            Message::Ping(b"in between".to_vec()),
            Message::Text("fragménted".into()),
            Message::Text(long),
            Message::Pong,
            Message::Close(1000),
            Message::Close(1005),
        ];
        for step in 1..bytes.len() {
            assert_eq!(decode(&bytes, step).as_ref(), Ok(&expect), "in steps of {step}");
        }
    }

    #[test]
    fn broken_rules() {
        let mut unmasked = client(0x81, b"hi");
        unmasked[1] &= 0x7f;
        let cases: Vec<(Vec<u8>, u16)> = vec![
            (unmasked, 1002),
            (client(0xc1, b"hi"), 1002),
            (client(0x83, b"hi"), 1002),
            (client(0x8b, b"hi"), 1002),
            (client(0x09, b"hi"), 1002),
            (client(0x89, &[0; 126]), 1002),
            (client(0x80, b"hi"), 1002),
            ([client(0x01, b"a"), client(0x81, b"b")].concat(), 1002),
            (client(0x82, b"hi"), 1003),
            (client(0x81, &[0xff, 0xfe]), 1007),
            (client(0x88, &[0x03]), 1002),
            (client(0x88, &[0x03, 0xed]), 1002),
            (client(0x88, &[0x13, 0x88]), 1002),
            (client(0x88, &[0x03, 0xe8, 0xff]), 1007),
            (client(0x81, &vec![b'x'; MAX_MESSAGE + 1]), 1009),
            ([client(0x01, &vec![b'x'; MAX_MESSAGE]), client(0x80, b"y")].concat(), 1009),
            (vec![0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], 1002),
            (vec![0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], 1009),
            (vec![0x81, 0xfe, 0, 5, 0, 0, 0, 0], 1002),
        ];
        for (bytes, code) in cases {
            for step in [1, 2, 7, bytes.len()] {
                assert_eq!(decode(&bytes, step).map_err(|v| v.code), Err(code), "{:02x?}", &bytes[..bytes.len().min(20)]);
            }
        }
    }

    #[test]
    fn frames_out() {
        assert_eq!(&text("hi")[..], b"\x81\x02hi");
        let (f, at) = binary("", &Bytes::from_static(&[7; 70_000]));
        assert_eq!((&f[..at], f.len()), (&[0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70][..], 70_010));
        assert_eq!(binary("", &Bytes::from_static(&[7; 126])).1, 4);
        let (f, at) = binary("hi", &Bytes::from_static(&[7; 3]));
        assert_eq!((&f[..], at), (&[0x81, 2, b'h', b'i', 0x82, 3, 7, 7, 7][..], 6));
        assert_eq!(&close(1001, "bye")[..], b"\x88\x05\x03\xe9bye");
        let long = close(1008, &"é".repeat(80));
        assert_eq!(long[1], 124, "cut on a character");
    }
}
