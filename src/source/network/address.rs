//! The URL of a source: its secrets apart, so that what is printed has none.

use std::fmt;
use url::Url;

/// A URL without its user and password.
#[derive(Clone)]
pub struct Address {
    url: Url,
    credentials: Option<Credentials>,
}

/// A user and a password. Its `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// May be empty.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// Why a text is no address. The text itself is not part of it: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no host.
    #[error("the address has no host, as in {0}://HOST/PATH")]
    NoHost(&'static str),
    /// What the URL standard refuses.
    #[error("not a URL: {0}")]
    Syntax(url::ParseError),
}

/// The longest address that is read, in bytes.
const MAX_LEN: usize = 4096;

impl Address {
    /// Reads `scheme://user:password@host:port/path`. Every character but `/` may stand in a user or password as it is; `%2F` and the like
    /// are read too (RFC 3986, section 2.1).
    ///
    /// # Errors
    /// It is no URL, or has no host.
    pub fn parse(text: &str, scheme: &'static str) -> Result<Address, AddressError> {
        let rest = text.split_once("://").map_or("", |(_, rest)| rest);
        if text.len() > MAX_LEN || rest.is_empty() {
            return Err(AddressError::NoHost(scheme));
        }
        // A URL parser takes a # or ? in a password for the end of the host.
        let authority = &rest[..rest.find('/').unwrap_or(rest.len())];
        let (secrets, start) = authority.rfind('@').map_or((None, 0), |at| (Some(&authority[..at]), at + 1));
        // For HTTP, the URL standard passes over slashes before a host.
        if rest[start..].is_empty() || rest[start..].starts_with(['/', '\\', '?', '#']) {
            return Err(AddressError::NoHost(scheme));
        }
        let url = Url::parse(&format!("{scheme}://{}", &rest[start..])).map_err(|error| match error {
            url::ParseError::EmptyHost => AddressError::NoHost(scheme),
            error => AddressError::Syntax(error),
        })?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(AddressError::NoHost(scheme));
        }
        Ok(Address { url, credentials: secrets.map(Credentials::of) })
    }

    /// The URL, without user and password. Its path and query may hold secrets all the same: what is printed is the address itself.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Another URL of the same server, with the same user and password.
    #[cfg(feature = "http")]
    pub(crate) fn with_url(&self, url: Url) -> Address {
        Address { url, credentials: self.credentials.clone() }
    }

    /// The user and password that stood in the URL.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// Host and port. `default`: the port where the URL names none.
    pub fn host_and_port(&self, default: u16) -> (&str, u16) {
        let host = self.url.host_str().unwrap_or_default();
        (host.trim_start_matches('[').trim_end_matches(']'), self.url.port().unwrap_or(default))
    }
}

impl Credentials {
    /// `user:password`, each percent-encoded or not.
    fn of(text: &str) -> Credentials {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        Credentials { user: decoded(user), password: decoded(password) }
    }
}

/// Without percent-encoding, where the text has it and the result is UTF-8.
fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), Into::into)
}

/// Parts of names whose values are secrets, in queries and in paths of the form `user=admin_password=x`.
const SECRET_NAMES: [&str; 6] = ["pass", "pwd", "token", "secret", "key", "auth"];

impl fmt::Display for Address {
    /// As it may be printed: `rtsp://cam:***@host/path`, and `***` for the value of each parameter that is named like a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.as_str();
        let start = url.find("://").map_or(0, |at| at + 3);
        f.write_str(&url[..start])?;
        if let Some(credentials) = &self.credentials {
            let secret = if credentials.password.is_empty() { "" } else { ":***" };
            let user = percent_encoding::utf8_percent_encode(&credentials.user, percent_encoding::NON_ALPHANUMERIC);
            write!(f, "{user}{secret}@")?;
        }
        write_masked(f, &url[start..])
    }
}

/// A text of a server or a library, which may quote a URL, as it may be printed: `***` for values as in an [`Address`].
#[cfg(feature = "rtsp")]
pub(crate) fn masked(text: &str) -> String {
    let mut masked = String::new();
    write_masked(&mut masked, text).expect("a String takes all");
    masked
}

/// A text without the secrets that URLs in it may have: the token of a link of h5serve, `/t/TOKEN/NAME`, and the values of pairs.
fn write_masked(f: &mut impl fmt::Write, mut rest: &str) -> fmt::Result {
    while let Some((before, link)) = rest.split_once("/t/") {
        write_pairs(f, before)?;
        f.write_str("/t/***")?;
        rest = &link[link.find(['/', '?', '#', ' ', '"']).unwrap_or(link.len())..];
    }
    write_pairs(f, rest)
}

/// A text whose `name=value` pairs with secret names lose their values. A value ends where a URL or its part ends.
fn write_pairs(f: &mut impl fmt::Write, mut rest: &str) -> fmt::Result {
    while let Some(equals) = rest.find('=') {
        let name = rest[..equals].rfind(['?', '&', ';', '/', ' ']).map_or(&rest[..equals], |at| &rest[at + 1..equals]).to_ascii_lowercase();
        f.write_str(&rest[..=equals])?;
        rest = &rest[equals + 1..];
        if SECRET_NAMES.iter().any(|secret| name.contains(secret)) {
            f.write_str("***")?;
            rest = &rest[rest.find(['&', ';', '/', '?', '#', ' ', '"']).unwrap_or(rest.len())..];
        }
    }
    f.write_str(rest)
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Address {
        Address::parse(text, "rtsp").unwrap()
    }

    fn secrets(text: &str) -> Option<(String, String)> {
        parse(text).credentials().map(|c| (c.user.clone(), c.password.clone()))
    }

    #[cfg(feature = "rtsp")]
    #[test]
    fn a_text_that_quotes_a_url_is_masked() {
        let text = "DESCRIBE response at rtsp://cam/user=admin_password=s3cret has unexpected content type text/html";
        assert_eq!(masked(text), "DESCRIBE response at rtsp://cam/user=admin_password=*** has unexpected content type text/html");
        assert_eq!(masked("bad Content-Base \"cam/?token=s3cret\": no scheme"), "bad Content-Base \"cam/?token=***\": no scheme");
        assert_eq!(masked("GET http://h/t/1.s3cret.x/cam?a=b\": 404"), "GET http://h/t/***/cam?a=b\": 404");
        assert_eq!(masked("a = b"), "a = b");
    }

    #[test]
    fn passwords_are_read_as_people_write_them() {
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(secrets("rtsp://cam/stream"), None);
        assert_eq!(secrets("rtsp://admin:a:b@c@cam:8554/stream"), pair("admin", "a:b@c"));
        assert_eq!(secrets("rtsp://admin:p#ss?w&rd@cam/stream"), pair("admin", "p#ss?w&rd"));
        assert_eq!(secrets("rtsp://admin:50%25%2Foff@cam"), pair("admin", "50%/off"));
        assert_eq!(secrets("rtsp://admin:100%@cam"), pair("admin", "100%"));
        assert_eq!(secrets("rtsp://admin@cam/@stream"), pair("admin", ""));
        assert_eq!(parse("rtsp://u:p@cam/a/@b?c#d").url().as_str(), "rtsp://cam/a/@b?c#d");
        assert_eq!(parse("rtsp://u:p@[fe80::1]:554/").host_and_port(1), ("fe80::1", 554));
        assert_eq!(parse("rtsp://cam/").host_and_port(554), ("cam", 554));
    }

    #[test]
    fn no_secret_is_printed() {
        let shown = |text: &str| parse(text).to_string();
        assert_eq!(shown("rtsp://admin:s3cret@cam:554/live?x=1"), "rtsp://admin:***@cam:554/live?x=1");
        assert_eq!(shown("rtsp://admin@cam/"), "rtsp://admin@cam/");
        assert_eq!(shown("rtsp://cam/user=admin_password=s3cret_channel=1"), "rtsp://cam/user=admin_password=***");
        assert_eq!(shown("rtsp://cam/live?user=a&pwd=s3cret&ch=2"), "rtsp://cam/live?user=a&pwd=***&ch=2");
        assert_eq!(shown("rtsp://cam/a?AuthToken=s3cret/b"), "rtsp://cam/a?AuthToken=***/b");
        // A link of h5serve.
        assert_eq!(shown("rtsp://h/x/t/1.s3cret.x/cam?pwd=s3cret"), "rtsp://h/x/t/***/cam?pwd=***");
        assert_eq!((shown("rtsp://h/t/s3cret"), shown("rtsp://h/cat/x")), ("rtsp://h/t/***".into(), "rtsp://h/cat/x".into()));
        assert!(!format!("{:?} {:?}", parse("rtsp://u:s3cret@cam/"), Credentials::of("u:s3cret")).contains("s3cret"));
    }

    #[test]
    fn what_is_no_address_is_refused_without_printing_it() {
        for wrong in ["", "rtsp", "rtsp:", "rtsp://", "rtsp:///path", "rtsp://u:s3cret@", "rtsp://u:s3cret@:99999/", "rtsp://u:s3cret@h:x/"]
        {
            let error = Address::parse(wrong, "rtsp").unwrap_err();
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
        for wrong in ["http:///path", "http://u:s3cret@/path", "http://u:s3cret@?x", "http://\\\\x", "http://u@\\x"] {
            assert_eq!(Address::parse(wrong, "http").err(), Some(AddressError::NoHost("http")), "{wrong}");
        }
        assert!(Address::parse(&format!("rtsp://{}", "a".repeat(5000)), "rtsp").is_err());
    }
}
