//! What both ends share: the clock, WebSocket heads, and reading frames out of a byte stream without keeping them.

/// Nanoseconds on the clock that all processes share.
pub fn now() -> u64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// A client's text frame, masked with zeros.
pub fn text(text: &str) -> Vec<u8> {
    let mut out = vec![0x81, 0x80 | u8::try_from(text.len()).expect("a short text")];
    out.extend([0; 4]);
    out.extend(text.bytes());
    out
}

pub fn handshake() -> &'static str {
    "GET /api/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
}

/// Finds the messages in what a server sends, and keeps nothing of them but their last 16 bytes: number and time.
#[derive(Default)]
pub struct Messages {
    head: [u8; 10],
    have: usize,
    left: u64,
    tail: [u8; 16],
    binary: bool,
}

impl Messages {
    /// Calls `each` with number and time of every binary message that ends in `bytes`.
    pub fn read(&mut self, mut bytes: &[u8], mut each: impl FnMut(u64, u64)) {
        while !bytes.is_empty() {
            if self.left == 0 {
                self.head[self.have] = bytes[0];
                self.have += 1;
                bytes = &bytes[1..];
                self.open();
                continue;
            }
            let n = self.left.min(bytes.len() as u64) as usize;
            self.keep(&bytes[..n]);
            self.left -= n as u64;
            bytes = &bytes[n..];
            if self.left == 0 && self.binary {
                let number = |b: &[u8]| u64::from_be_bytes(b.try_into().expect("eight bytes"));
                each(number(&self.tail[..8]), number(&self.tail[8..]));
            }
        }
    }

    fn open(&mut self) {
        let need = match self.head[1] & 127 {
            _ if self.have < 2 => return,
            126 => 4,
            127 => 10,
            _ => 2,
        };
        if self.have == need {
            let extended = self.head[2..need].iter().fold(0, |n, b| n << 8 | u64::from(*b));
            self.left = if need == 2 { u64::from(self.head[1] & 127) } else { extended };
            self.binary = self.head[0] & 15 == 2;
            self.have = 0;
        }
    }

    /// The last 16 bytes seen.
    fn keep(&mut self, bytes: &[u8]) {
        let last = &bytes[bytes.len().saturating_sub(16)..];
        self.tail.rotate_left(last.len());
        self.tail[16 - last.len()..].copy_from_slice(last);
    }
}
