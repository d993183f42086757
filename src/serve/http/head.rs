//! What a request says in its headers and its query. Pure.
//!
//! What cannot be read is not taken for absent: a check that is passed when a header is missing must not be passed by garbage in it.

use hyper::header::{self, HeaderMap, HeaderName};
use std::borrow::Cow;

/// A header that may stand there once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SingleHeader<'a> {
    Absent,
    Text(&'a str),
    /// It stands there twice, or it is no text.
    Unreadable,
}

impl<'a> SingleHeader<'a> {
    pub fn of(headers: &'a HeaderMap, name: HeaderName) -> SingleHeader<'a> {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => SingleHeader::Absent,
            (Some(value), None) => value.to_str().map_or(SingleHeader::Unreadable, SingleHeader::Text),
            (Some(_), Some(_)) => SingleHeader::Unreadable,
        }
    }

    pub fn text(self) -> Option<&'a str> {
        match self {
            SingleHeader::Text(text) => Some(text),
            SingleHeader::Absent | SingleHeader::Unreadable => None,
        }
    }
}

/// The members of a list, which may go over several lines (RFC 9110, section 5.3). A line that is no text has none.
pub fn list(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(',')).map(str::trim)
}

/// Whether a browser wants Chinese before any other language. Our own pages are in that and in English.
pub fn prefers_chinese(headers: &HeaderMap) -> bool {
    list(headers, header::ACCEPT_LANGUAGE).next().is_some_and(|first| first.to_ascii_lowercase().starts_with("zh"))
}

/// Whether every server and proxy sees the body end at the same place (RFC 9112, section 6.3): chunked is the only coding. hyper has seen to the lengths. A
/// request that two of them end at different places would bring another one along.
pub fn is_framed_clearly(headers: &HeaderMap) -> bool {
    match SingleHeader::of(headers, header::TRANSFER_ENCODING) {
        SingleHeader::Absent => true,
        SingleHeader::Text(coding) => coding.trim().eq_ignore_ascii_case("chunked"),
        SingleHeader::Unreadable => false,
    }
}

/// The query is not to be understood: an escape that is none, or bytes that are no UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedQuery;

/// The first parameter of this name, without its escapes; `None`: there is none.
pub fn parameter<'a>(query: &'a str, name: &str) -> Result<Option<Cow<'a, str>>, MalformedQuery> {
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if unescape(key)? == name {
            return unescape(value).map(Some);
        }
    }
    Ok(None)
}

/// As forms and `URLSearchParams` write it: `%` and two digits, and `+` for a space. Once, so that nothing is taken off twice.
fn unescape(text: &str) -> Result<Cow<'_, str>, MalformedQuery> {
    if !text.contains(['%', '+']) {
        return Ok(text.into());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' => {
                let (byte, after) = escape(rest).ok_or(MalformedQuery)?;
                bytes.push(byte);
                rest = after;
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| MalformedQuery)
}

/// The byte that two digits stand for, and what follows them.
fn escape(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = bytes.split_first_chunk::<2>()?;
    let digit = |d: u8| char::from(d).to_digit(16);
    Some(((digit(digits[0])? * 16 + digit(digits[1])?) as u8, rest))
}

/// A path in its normal form: letters, digits, `-`, `.`, `_` and `~` need no escapes and mean the same with and without (RFC 3986, section
/// 6.2.2.2). All other escapes stay: `%2F` is no `/`.
pub fn normal_path(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return path.into();
    }
    let mut normal = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        normal += &rest[..at];
        let plain = escape(&rest.as_bytes()[at + 1..]).map(|(byte, _)| char::from(byte));
        let length = match plain.filter(|c| c.is_ascii_alphanumeric() || "-._~".contains(*c)) {
            Some(plain) => {
                normal.push(plain);
                3
            }
            None => {
                normal.push('%');
                1
            }
        };
        rest = &rest[at + length..];
    }
    (normal + rest).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{CONNECTION, HeaderValue, ORIGIN};

    #[test]
    fn what_is_unreadable_is_not_absent() {
        let mut headers = HeaderMap::new();
        assert_eq!(SingleHeader::of(&headers, ORIGIN), SingleHeader::Absent);
        headers.append(ORIGIN, HeaderValue::from_static("http://a"));
        assert_eq!(SingleHeader::of(&headers, ORIGIN), SingleHeader::Text("http://a"));
        headers.append(ORIGIN, HeaderValue::from_static("http://a"));
        assert_eq!(SingleHeader::of(&headers, ORIGIN), SingleHeader::Unreadable, "twice");
        headers.insert(ORIGIN, HeaderValue::from_bytes(b"http://a\xff").unwrap());
        assert_eq!(SingleHeader::of(&headers, ORIGIN), SingleHeader::Unreadable, "no text");
    }

    #[test]
    fn a_list_goes_over_several_lines() {
        let mut headers = HeaderMap::new();
        for line in [&b"keep-alive , x"[..], b"\xff", b"Upgrade"] {
            headers.append(CONNECTION, HeaderValue::from_bytes(line).unwrap());
        }
        assert_eq!(list(&headers, CONNECTION).collect::<Vec<_>>(), ["keep-alive", "x", "Upgrade"]);
    }

    #[test]
    fn parameters_are_unescaped_once() {
        let get = |query| parameter(query, "codecs").map(|value| value.map(Cow::into_owned));
        let some = |text: &str| Ok(Some(text.to_string()));
        assert_eq!(get("codecs=avc1%2Cmp4a"), some("avc1,mp4a"));
        assert_eq!(get("a=b&%63odecs=avc1%2c+opus&codecs=x"), some("avc1, opus"));
        assert_eq!(get("codecs=%252C"), some("%2C"), "once");
        assert_eq!(get("codecs=a=b"), some("a=b"));
        assert_eq!((get("codecs"), get("codecs=")), (some(""), some("")), "there, and empty");
        assert_eq!((get(""), get("code=x")), (Ok(None), Ok(None)));
        for garbled in ["codecs=%", "codecs=%2", "codecs=%zz", "codecs=%+1", "codecs=%ff", "codecs=%c3%28", "%ff=1&codecs=x"] {
            assert_eq!(get(garbled), Err(MalformedQuery), "{garbled}");
        }
    }

    #[test]
    fn paths() {
        assert_eq!(normal_path("/live.mp4"), "/live.mp4");
        assert_eq!(normal_path("/%6cive%2Emp4"), "/live.mp4");
        for stays in ["/a%2Fb", "/a%2fb", "/%25%36%63", "/%", "/%6", "/%zz", "/%ff", "/é%00"] {
            assert_ne!(normal_path(stays), "/live");
        }
        assert_eq!(normal_path("/%2541%2F%e9%"), "/%2541%2F%e9%");
    }
}
