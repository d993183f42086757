//! Which hosts and origins are welcome: the rules for the Host and Origin headers. Pure.
//!
//! A browser lets any web page ask any server, and tells the server by `Origin` which page it was. And a page may come from a
//! name that its owner has pointed at this machine (DNS rebinding): then the origin looks right and only the name in `Host`
//! gives it away. So names that are not known to be ours are refused; addresses cannot be rebound.

use super::head::SingleHeader;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Which other origins and names are welcome.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Origins such as `https://example.org`, or `*`.
    pub cors: Vec<String>,
    /// Names besides `localhost`, this machine's own and all addresses, or `*`.
    pub hosts: Vec<String>,
    /// Origins whose pages may show ours in a frame, or `*`.
    pub frames: Vec<String>,
}

/// What the Origin of a request means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// None given, or this server's own page.
    Same,
    /// Another that is welcome; the value for Access-Control-Allow-Origin.
    Welcome(String),
    Foreign,
}

impl Policy {
    /// `host` is the request's Host, `NAME` or `NAME:PORT`. What is no name and no address is not known, however it ends.
    pub(super) fn knows_host(&self, host: &str) -> bool {
        if self.hosts.iter().any(|h| h == "*") {
            return true;
        }
        let Some(name) = name_of(host) else { return false };
        if is_address(name) {
            return true;
        }
        let name = name.to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let ours = name == "localhost" || name.ends_with(".localhost") || self.hosts.iter().any(|h| h.eq_ignore_ascii_case(name));
        ours && is_name(name)
    }

    /// `secure`: it came over TLS; then a page by plain HTTP, which anybody on the way may have written, is another's.
    pub(super) fn judge(&self, origin: SingleHeader<'_>, host: &str, secure: bool) -> Origin {
        let origin = match origin {
            SingleHeader::Absent => return Origin::Same,
            SingleHeader::Text(origin) => origin,
            // Also where all are welcome: a browser sends one, in ASCII.
            SingleHeader::Unreadable => return Origin::Foreign,
        };
        if self.cors.iter().any(|c| c == "*") {
            return Origin::Welcome("*".into());
        }
        if self.welcomes(origin) {
            return Origin::Welcome(origin.into());
        }
        // Behind a proxy that does TLS the page is https and we are not.
        let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://").filter(|_| !secure));
        let same = authority.is_some_and(|a| !a.is_empty() && a.eq_ignore_ascii_case(host));
        if same { Origin::Same } else { Origin::Foreign }
    }

    /// Which pages may show ours in a frame (Content Security Policy Level 3, section 6.4.2).
    pub(super) fn frame_ancestors(&self) -> String {
        self.frames.iter().fold("frame-ancestors 'self'".to_owned(), |policy, origin| policy + " " + origin)
    }

    /// Whether a page may embed what is asked for (Cross-Origin-Resource-Policy). A plain `<img>` sends no Origin, but as a rule a Referer.
    pub(super) fn may_embed(&self, origin: &Origin, referer: SingleHeader<'_>) -> bool {
        let page = || referer.text().and_then(origin_of).is_some_and(|page| self.welcomes(page));
        match origin {
            Origin::Welcome(_) => true,
            Origin::Same => self.cors.iter().any(|c| c == "*") || page(),
            Origin::Foreign => false,
        }
    }

    fn welcomes(&self, origin: &str) -> bool {
        self.cors.iter().any(|c| c.trim_end_matches('/').eq_ignore_ascii_case(origin))
    }
}

/// The origin of an address: up to the path.
fn origin_of(url: &str) -> Option<&str> {
    let authority = url.find("://")? + 3;
    Some(&url[..url[authority..].find(['/', '?', '#']).map_or(url.len(), |at| authority + at)])
}

/// The host without its port (RFC 9110, section 7.2); `None`: it has something else behind a colon.
fn name_of(host: &str) -> Option<&str> {
    let (name, port) = match host.rfind(']') {
        Some(end) => host.split_at(end + 1),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port = port.strip_prefix(':').or_else(|| port.is_empty().then_some(""))?;
    port.bytes().all(|b| b.is_ascii_digit()).then_some(name)
}

/// Labels of letters, digits, `-` and `_` (RFC 1123, section 2.1; home networks use the last too), and none of them empty.
fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    name.split('.').all(|label| !label.is_empty() && label.bytes().all(plain))
}

fn is_address(name: &str) -> bool {
    let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']'));
    name.parse::<Ipv4Addr>().is_ok() || bare.is_some_and(|n| n.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let policy = Policy { hosts: vec!["cam.example".into()], ..Policy::default() };
        for ours in [
            "localhost",
            "LOCALHOST:8080",
            "a.localhost",
            "127.0.0.1:8080",
            "192.168.1.5",
            "[::1]:80",
            "[fe80::1]",
            "cam.example:1",
            "cam.example.",
            "Cam.Example.:443",
            "a-b_c.localhost",
            "localhost:",
            "[::ffff:127.0.0.1]:8080",
        ] {
            assert!(policy.knows_host(ours), "{ours}");
        }
        for other in [
            "",
            "evil.example",
            "evil.example:8080",
            "::1",
            "127.0.0.1.evil.example",
            "127.0.0.1.",
            "localhost.evil.example",
            "[::1",
            "[::1]x",
            "[::1].localhost",
            "[localhost]",
            "127.0.0.1:80:80",
            "127.0.0.1:x",
            "127.0.0.1:80/",
            "evil.example/.localhost",
            "evil.example#.localhost",
            "evil.example?.localhost",
            "evil.example\\.localhost",
            "evil.example:80.localhost",
            "evil.example:80#.localhost",
            "evil@localhost",
            "localhost@evil.example",
            "evil.example,.localhost",
            "evil example.localhost",
            "evil%2e.localhost",
            "..localhost",
            ".localhost",
            "localhost..",
            "é.localhost",
        ] {
            assert!(!policy.knows_host(other), "{other}");
        }
        assert!(Policy { hosts: vec!["*".into()], ..policy }.knows_host("evil.example"));
    }

    #[test]
    fn origins() {
        let strict = Policy::default();
        assert_eq!(strict.judge(SingleHeader::Absent, "a:1", false), Origin::Same);
        assert_eq!(strict.judge(SingleHeader::Text("http://A:1"), "a:1", false), Origin::Same);
        assert_eq!(strict.judge(SingleHeader::Text("https://a"), "a", false), Origin::Same);
        for foreign in ["http://a:2", "http://b:1", "null", "", "a:1", "file://a:1"] {
            assert_eq!(strict.judge(SingleHeader::Text(foreign), "a:1", false), Origin::Foreign, "{foreign}");
        }
        assert_eq!(strict.judge(SingleHeader::Text("https://a"), "a", true), Origin::Same);
        assert_eq!(
            strict.judge(SingleHeader::Text("http://a"), "a", true),
            Origin::Foreign,
            "anybody on the way may have written that page"
        );
        assert_eq!(strict.judge(SingleHeader::Text("http://"), "", false), Origin::Foreign, "no Host is no origin");
        let some = Policy { cors: vec!["https://b.example/".into()], ..Policy::default() };
        assert_eq!(some.judge(SingleHeader::Text("https://b.example"), "a:1", false), Origin::Welcome("https://b.example".into()));
        assert_eq!(some.judge(SingleHeader::Text("http://b.example"), "a:1", false), Origin::Foreign);
        let any = Policy { cors: vec!["*".into()], ..Policy::default() };
        assert_eq!(any.judge(SingleHeader::Text("null"), "a:1", false), Origin::Welcome("*".into()));
        for policy in [&strict, &some, &any] {
            assert_eq!(policy.judge(SingleHeader::Unreadable, "a:1", false), Origin::Foreign);
        }
    }

    #[test]
    fn who_may_embed() {
        let some = Policy { cors: vec!["https://b.example/".into()], ..Policy::default() };
        let may = |policy: &Policy, origin: SingleHeader<'_>, referer: SingleHeader<'_>| {
            policy.may_embed(&policy.judge(origin, "a:1", false), referer)
        };
        assert!(may(&some, SingleHeader::Text("https://b.example"), SingleHeader::Absent));
        assert!(may(&some, SingleHeader::Absent, SingleHeader::Text("https://b.example/page?x#y")));
        assert!(may(&some, SingleHeader::Absent, SingleHeader::Text("https://b.example")));
        for other in ["https://evil.example/?https://b.example/", "https://b.example.evil/", "https://b.example@evil/", "b.example", ""] {
            assert!(!may(&some, SingleHeader::Absent, SingleHeader::Text(other)), "{other}");
        }
        assert!(
            !may(&some, SingleHeader::Absent, SingleHeader::Absent) && !may(&some, SingleHeader::Text("http://a:1"), SingleHeader::Absent)
        );
        assert!(!may(&some, SingleHeader::Text("https://evil.example"), SingleHeader::Text("https://b.example/")));
        let any = Policy { cors: vec!["*".into()], ..Policy::default() };
        assert!(
            may(&any, SingleHeader::Absent, SingleHeader::Absent) && !may(&Policy::default(), SingleHeader::Absent, SingleHeader::Absent)
        );
    }
}
