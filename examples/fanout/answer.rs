//! Reads an answer of HTTP/1.1 out of what comes, with its length or in chunks. What comes behind it is none of ours: the next is not asked for before.

use std::io;

#[derive(Default)]
pub struct Answer {
    head: Vec<u8>,
    status: u16,
    rest: Rest,
    /// Kept where somebody wants it.
    pub body: Vec<u8>,
    keeps: bool,
}

#[derive(Default)]
enum Rest {
    #[default]
    Head,
    Length(u64),
    /// A chunk's size line so far, and bytes of the chunk that have not come, with its line end.
    Chunks(Vec<u8>, u64),
}

impl Answer {
    pub fn keeping() -> Answer {
        Answer { keeps: true, ..Answer::default() }
    }

    /// Its status, once it is whole.
    pub fn take(&mut self, mut bytes: &[u8]) -> io::Result<Option<u16>> {
        loop {
            match &mut self.rest {
                Rest::Head => {
                    self.head.extend_from_slice(bytes);
                    let Some(end) = self.head.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
                    let body = self.head.split_off(end + 4);
                    self.begin()?;
                    self.body.clear();
                    return self.take(&body);
                }
                Rest::Length(left) => {
                    let n = (*left).min(bytes.len() as u64);
                    *left -= n;
                    if self.keeps {
                        self.body.extend_from_slice(&bytes[..n as usize]);
                    }
                    return if *left == 0 { Ok(Some(self.end())) } else { Ok(None) };
                }
                Rest::Chunks(line, left) if *left > 0 => {
                    let n = (*left).min(bytes.len() as u64);
                    if self.keeps {
                        let data = left.saturating_sub(2).min(n) as usize;
                        self.body.extend_from_slice(&bytes[..data]);
                    }
                    *left -= n;
                    bytes = &bytes[n as usize..];
                    line.clear();
                    if bytes.is_empty() {
                        return Ok(None);
                    }
                }
                Rest::Chunks(line, left) => {
                    let Some((byte, more)) = bytes.split_first() else { return Ok(None) };
                    bytes = more;
                    line.push(*byte);
                    // The last chunk is empty, and an empty line follows it.
                    if line == b"0\r\n\r\n" {
                        return Ok(Some(self.end()));
                    }
                    if line.ends_with(b"\r\n") && line != b"0\r\n" {
                        let text = String::from_utf8_lossy(line);
                        *left = 2 + u64::from_str_radix(text.trim(), 16).map_err(|_| io::Error::other(format!("no chunk: {text:?}")))?;
                    }
                }
            }
        }
    }

    fn begin(&mut self) -> io::Result<()> {
        let head = String::from_utf8_lossy(&std::mem::take(&mut self.head)).to_ascii_lowercase();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name).map(str::trim));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        self.status = status.ok_or_else(|| io::Error::other(head.clone()))?;
        self.rest = match header("content-length:").and_then(|length| length.parse().ok()) {
            Some(length) => Rest::Length(length),
            None if header("transfer-encoding:") == Some("chunked") => Rest::Chunks(vec![], 0),
            None => return Err(io::Error::other(head)),
        };
        Ok(())
    }

    fn end(&mut self) -> u16 {
        self.rest = Rest::Head;
        self.status
    }
}
