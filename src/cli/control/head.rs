//! One request as it comes over the wire: its head parsed and bounded, its body of at most [`MAX_BODY`] bytes. Pure.

use super::check;
use super::reply::Reply;
use super::routes::MAX_BODY;
use super::token::Token;

/// Longest head of a request, in bytes.
pub(super) const MAX_HEAD: usize = 8 << 10;

/// Most headers of a request.
const MAX_HEADERS: usize = 64;

/// A request that may be answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub method: String,
    /// Without its query.
    pub path: String,
    pub body: Vec<u8>,
    /// The connection stays for another request.
    pub keep: bool,
}

/// Takes the next request from the front of `bytes`; `None`: more of it must come. An error is the answer to what cannot be served;
/// where the request ends is not known then.
pub(super) fn next(bytes: &mut Vec<u8>, names: &[String], token: Option<&Token>) -> Result<Option<Ask>, Reply> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let head = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(n)) if n <= MAX_HEAD => n,
        Ok(httparse::Status::Partial) if bytes.len() <= MAX_HEAD => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Reply::text(431, format!("a head is at most {MAX_HEAD} bytes"))),
        Err(error) => return Err(Reply::text(400, error.to_string())),
    };
    let (ask, length) = checked(&parsed, names, token)?;
    if bytes.len() < head + length {
        return Ok(None);
    }
    let body = bytes[head..head + length].to_vec();
    bytes.drain(..head + length);
    Ok(Some(Ask { body, ..ask }))
}

/// The request without its body, and the body's length.
fn checked(request: &httparse::Request<'_, '_>, names: &[String], token: Option<&Token>) -> Result<(Ask, usize), Reply> {
    let all = |name: &str| request.headers.iter().filter(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value).collect::<Vec<&[u8]>>();
    let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    let old = request.version != Some(1);
    let reads = matches!(method, "GET" | "HEAD");
    if let Some(reply) = check::refusal(&all("Host"), &all("Origin"), reads, old, names) {
        return Err(reply);
    }
    if let Some(reply) = token.and_then(|token| token.refusal(&all("Authorization"))) {
        return Err(reply);
    }
    if !target.starts_with('/') {
        return Err(Reply::text(400, "ask for a path, such as /stats"));
    }
    if !all("Transfer-Encoding").is_empty() {
        return Err(Reply::text(411, "send a Content-Length and a plain body"));
    }
    if !all("Expect").is_empty() {
        return Err(Reply::text(417, format!("send the body at once: it is at most {MAX_BODY} bytes")));
    }
    let length = length(&all("Content-Length"))?;
    let keep = !old && !all("Connection").iter().any(|v| v.to_ascii_lowercase().windows(5).any(|w| w == b"close"));
    let path = target.split(['?', '#']).next().unwrap_or_default().to_owned();
    Ok((Ask { method: method.to_owned(), path, body: Vec::new(), keep }, length))
}

fn length(given: &[&[u8]]) -> Result<usize, Reply> {
    let wrong = || Reply::text(400, "Content-Length is no number");
    match given {
        [] => Ok(0),
        [value] if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
            // More digits than fit are a long body too.
            let length = std::str::from_utf8(value).map_err(|_| wrong())?.parse().unwrap_or(usize::MAX);
            if length <= MAX_BODY { Ok(length) } else { Err(Reply::text(413, format!("a body is at most {MAX_BODY} bytes"))) }
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(request: &[u8]) -> u16 {
        next(&mut request.to_vec(), &[], None).unwrap_err().status
    }

    #[test]
    fn requests_come_one_by_one_however_they_are_cut() {
        let two = b"PUT /a?x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: [::1]:1\r\nConnection: Close\r\n\r\n";
        for at in 0..two.len() {
            let mut bytes = Vec::new();
            let mut got = Vec::new();
            for part in [&two[..at], &two[at..]] {
                bytes.extend_from_slice(part);
                while let Some(ask) = next(&mut bytes, &[], None).unwrap() {
                    got.push(ask);
                }
            }
            let first = Ask { method: "PUT".into(), path: "/a".into(), body: b"abc".to_vec(), keep: true };
            let second = Ask { method: "GET".into(), path: "/b".into(), body: vec![], keep: false };
            assert_eq!(got, [first, second], "cut at {at}");
            assert!(bytes.is_empty());
        }
    }

    #[test]
    fn what_cannot_be_served_is_told_at_once() {
        let with = |headers: &str| status(format!("PUT /a HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").as_bytes());
        assert_eq!(with("Content-Length: 1025\r\n"), 413);
        assert_eq!(with("Content-Length: 99999999999999999999999999\r\n"), 413);
        for wrong in ["-1", "+1", "", "1, 1", "0x1"] {
            assert_eq!(with(&format!("Content-Length: {wrong}\r\n")), 400, "{wrong}");
        }
        assert_eq!(with("Content-Length: 1\r\nContent-Length: 1\r\n"), 400);
        assert_eq!(with("Transfer-Encoding: chunked\r\n"), 411);
        assert_eq!(with("Expect: 100-continue\r\nContent-Length: 1\r\n"), 417);
        assert_eq!(status(b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n"), 400);
        assert_eq!(status(b"nonsense\r\n\r\n"), 400);
        assert_eq!(status(&[b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'a'; MAX_HEAD]].concat()), 431);
        assert_eq!(status("x: y\r\n".repeat(100).replacen("x: y", "GET / HTTP/1.1", 1).as_bytes()), 431);
    }
}
