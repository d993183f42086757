//! For fuzz targets: a response as it is read.

use super::body::Body;
use super::client::challenge;
use super::head::{Framing, Head, NoHead};
use super::link;
use std::io::{BufReader, Read};

/// What was read of a response.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status, its headers, the WebSocket that it links to, whether it asks for a login that can be answered, and how it says where it ends.
    pub head: String,
    /// Its body.
    pub body: Vec<u8>,
    /// Why it is not whole.
    pub error: Option<String>,
}

/// Reads a response of which so many bytes come at a time, and then the end.
pub fn response(bytes: &[u8], piece: usize) -> Answer {
    let mut input = BufReader::with_capacity(piece.clamp(1, 4096), bytes);
    let failed = |head: String, error: String| Answer { head, body: Vec::new(), error: Some(error) };
    let head = match Head::read(&mut input) {
        Ok(head) => head,
        Err(NoHead::Closed) => return failed(String::new(), "closed".into()),
        Err(NoHead::Refused(refusal)) => return failed(String::new(), refusal.text),
    };
    let said = format!("{head:?} {:?} {}", link::websocket(&head), challenge(&head).is_ok());
    match head.framing() {
        Err(refusal) => failed(said, refusal.text),
        Ok(framing) => {
            let mut body = Vec::new();
            let error = Body::new(input, framing, None).read_to_end(&mut body).err().map(|error| error.to_string());
            assert!(!matches!(framing, Framing::Length(length) if error.is_none() && length != body.len() as u64));
            Answer { head: format!("{said} {framing:?}"), body, error }
        }
    }
}
