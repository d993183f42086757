//! The text between the images of a `multipart/x-mixed-replace`, in every dialect that cameras speak.
//!
//! ```text
//!   HTTP/1.1 200 OK                                      may be missing
//!   Content-Type: multipart/x-mixed-replace; boundary="frame"
//!
//!   --frame                                              may be missing before the first image, or have no dashes
//!   Content-Type: image/jpeg                             may be missing
//!   Content-Length: 12345                                may be missing, zero or wrong
//!                                                        may be missing
//!   ff d8 ff …… ff d9
//! ```
//!
//! An image begins and ends where its own markers say. The text is only a hint, and counts only as long as it proves right.

/// What the text has said so far.
#[derive(Default)]
pub struct Parts {
    /// A delimiter line without its line end: with two dashes more it is the closing one.
    pub delimiter: Vec<u8>,
    /// What the head of this part says of its length.
    pub length: Option<usize>,
    /// The length of the part before was right.
    pub reliable: bool,
    part: Part,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    /// No delimiter so far.
    #[default]
    Before,
    /// After a delimiter: an image is expected.
    Open,
    /// It says to be something else, or to be empty, or its image has come.
    Done,
    /// After the closing delimiter.
    Closed,
}

/// What a line of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// Of this format, or text of whatever kind.
    Text,
    /// A new part begins; `true`: the one before had no image though it should have.
    Delimiter(bool),
    /// Nothing that a server writes.
    Garbage,
}

impl Parts {
    /// Whether images may come: not after the closing delimiter (RFC 2046, section 5.1.1: "epilogue").
    pub fn is_open(&self) -> bool {
        self.part != Part::Closed
    }

    /// An image begins.
    pub fn image(&mut self) -> Option<usize> {
        self.part = Part::Done;
        self.length.take()
    }

    /// A line of text, with or without its end.
    pub fn line(&mut self, line: &[u8]) -> LineKind {
        let text = line.trim_ascii();
        if !text.iter().all(|b| matches!(b, b' '..=b'~' | b'\t' | 0x80..)) {
            return LineKind::Garbage;
        }
        if !self.delimiter.is_empty() && text.strip_suffix(b"--") == Some(&self.delimiter) {
            self.part = Part::Closed;
            return LineKind::Text;
        }
        if text == self.delimiter && !text.is_empty() || text.len() > 2 && text.starts_with(b"--") {
            return self.begin(text);
        }
        if let Some((name, value)) = header(text) {
            self.header(name, value);
        }
        LineKind::Text
    }

    fn begin(&mut self, delimiter: &[u8]) -> LineKind {
        if self.delimiter != delimiter {
            self.delimiter = delimiter.to_vec();
        }
        self.length = None;
        LineKind::Delimiter(std::mem::replace(&mut self.part, Part::Open) == Part::Open)
    }

    fn header(&mut self, name: &[u8], value: &[u8]) {
        if self.part == Part::Closed {
            self.part = Part::Done;
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            self.length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
            if self.length == Some(0) && self.part == Part::Open {
                self.part = Part::Done;
            }
        }
        if name.eq_ignore_ascii_case(b"content-type") {
            let is = |kind: &[u8]| value.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind));
            if self.part == Part::Open && !is(b"image/") && !is(b"application/octet") {
                self.part = Part::Done;
            }
        }
        if let Some(boundary) = boundary(value).filter(|_| self.delimiter.is_empty()) {
            self.delimiter = boundary.to_vec();
        }
    }
}

/// `Name: value`.
fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = line.split_at_checked(line.iter().position(|&b| b == b':')?)?;
    Some((name.trim_ascii(), value[1..].trim_ascii()))
}

/// The parameter of `multipart/x-mixed-replace`, with or without quotes. Lines that delimit may be it with dashes or without.
fn boundary(value: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"boundary=";
    let at = value.windows(NAME.len()).position(|w| w.eq_ignore_ascii_case(NAME))?;
    let value = &value[at + NAME.len()..];
    let value = match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|&b| b == b'"').next()?,
        None => value.split(|&b| matches!(b, b';' | b' ')).next()?,
    };
    (!value.is_empty()).then_some(value)
}
