//! What viewers send: HTTP requests and WebSocket frames; and what cameras answer.

use super::PLACES;
use h5live::format::testing::at_every_split;
use h5live::serve::testing::frames::{Decoder, MAX_MESSAGE, Message, Violation};
use h5live::serve::testing::messages::Command;
use h5live::serve::testing::proxy_protocol::{self, Step};
use h5live::serve::testing::{Served, serve};

/// A connection is answered the same however its requests arrive, and whatever is answered is HTTP.
pub fn http(data: &[u8]) {
    let answered = |piece| {
        let Served { answers, websocket } = serve(data, piece);
        assert!(answers.is_empty() || answers.starts_with(b"HTTP/1."), "{answers:?}");
        (without_refusal(without_dates(&answers)), websocket)
    };
    if has_body(data) {
        // A body that nobody reads is passed over if it is there already; if not, the connection is said to end.
        for piece in [1, 2, 7, data.len()] {
            answered(piece);
        }
    } else {
        at_every_split(data.len(), PLACES, answered);
    }
}

/// A header of the PROXY protocol is read to its end and no further, and never further than its bound.
pub fn proxy(data: &[u8]) {
    let mut have = 0;
    loop {
        match proxy_protocol::parse(&data[..have]) {
            Ok(Step::Need(more)) => {
                assert!(more > 0 && have + more <= 16 + 4096, "{have} and {more} more");
                if have + more > data.len() {
                    return;
                }
                have += more;
            }
            // The same for the header alone, and it has the end that its version gives it.
            Ok(Step::Done(client)) => {
                assert!(data[..have].ends_with(b"\r\n") || data[12] >> 4 == 2, "{client:?}");
                return;
            }
            Err(_) => return,
        }
    }
}

fn has_body(requests: &[u8]) -> bool {
    let text = String::from_utf8_lossy(requests).to_ascii_lowercase();
    text.contains("content-length") || text.contains("transfer-encoding")
}

/// Without hyper's own answer to a broken head: it says that or nothing, depending on when it looks at a head that is not whole.
fn without_refusal(mut answers: String) -> String {
    const REFUSAL: &str = "\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    if let Some(last) = answers.rfind("HTTP/1.").filter(|_| answers.ends_with(REFUSAL)) {
        answers.truncate(last);
    }
    answers
}

fn without_dates(answers: &[u8]) -> String {
    let lines = answers.split_inclusive(|&b| b == b'\n').filter(|line| !line.starts_with(b"date: "));
    lines.map(String::from_utf8_lossy).collect()
}

/// A response is read the same however it arrives.
pub fn response(data: &[u8]) {
    at_every_split(data.len(), PLACES, |piece| h5live::source::testing::response(data, piece));
}

/// Whatever a camera answers by ONVIF.
pub fn soap(data: &[u8]) {
    h5live::source::onvif::testing::answer(data);
}

/// Frames give the same messages however they arrive; and what a client says is understood again when it is said in one frame.
pub fn ws(data: &[u8]) {
    let (messages, _) = at_every_split(data.len(), PLACES, |piece| decoded(data, piece));
    for message in messages {
        if let Message::Text(text) = message {
            _ = Command::parse(&text);
            assert_eq!(decoded(&masked(&text), 5), (vec![Message::Text(text)], None));
        }
    }
    let text = String::from_utf8_lossy(data);
    _ = Command::parse(&text);
}

fn decoded(data: &[u8], piece: usize) -> (Vec<Message>, Option<Violation>) {
    let (mut decoder, mut messages) = (Decoder::default(), Vec::new());
    for mut piece in data.chunks(piece) {
        loop {
            match decoder.next(&mut piece) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break assert!(piece.is_empty()),
                Err(violation) => return (messages, Some(violation)),
            }
        }
    }
    (messages, None)
}

/// A text message in one frame, masked as a client's is (RFC 6455, section 5.3).
fn masked(text: &str) -> Vec<u8> {
    assert!(text.len() <= MAX_MESSAGE);
    let (len, mask) = (text.len() as u16, [7, 0, 255, 130]);
    let mut frame = vec![0x81];
    if len < 126 {
        frame.push(0x80 | len as u8);
    } else {
        frame.extend([0x80 | 126, (len >> 8) as u8, len as u8]);
    }
    frame.extend(mask);
    frame.extend(text.bytes().enumerate().map(|(i, b)| b ^ mask[i % 4]));
    frame
}
