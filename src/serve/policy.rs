//! Who may look: the checks of the Host and Origin headers. Pure.
//!
//! A browser lets any web page ask any server, and tells the server by `Origin` which page it was. And a page may come from a
//! name that its owner has pointed at this machine (DNS rebinding): then the origin looks right and only the name in `Host`
//! gives it away. So names that are not known to be ours are refused; addresses cannot be rebound.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Which other origins and names are welcome.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Origins such as `https://example.org`, or `*`.
    pub cors: Vec<String>,
    /// Names besides `localhost`, this machine's own and all addresses, or `*`.
    pub hosts: Vec<String>,
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
    /// `host` is the request's Host, `NAME` or `NAME:PORT`.
    pub fn knows_host(&self, host: &str) -> bool {
        let name = name_of(host).to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        is_address(name)
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.hosts.iter().any(|h| h == "*" || h.eq_ignore_ascii_case(name))
    }

    pub fn judge(&self, origin: Option<&str>, host: &str) -> Origin {
        let Some(origin) = origin else { return Origin::Same };
        if self.cors.iter().any(|c| c == "*") {
            return Origin::Welcome("*".into());
        }
        if self.cors.iter().any(|c| c.trim_end_matches('/').eq_ignore_ascii_case(origin)) {
            return Origin::Welcome(origin.into());
        }
        // Behind a proxy that does TLS the page is https and we are not.
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if authority.is_some_and(|a| a.eq_ignore_ascii_case(host)) { Origin::Same } else { Origin::Foreign }
    }
}

/// The host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) => name,
        _ => host,
    }
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
        ] {
            assert!(policy.knows_host(ours), "{ours}");
        }
        for other in
            ["", "evil.example", "evil.example:8080", "::1", "127.0.0.1.evil.example", "localhost.evil.example", "[::1", "127.0.0.1:80:80"]
        {
            assert!(!policy.knows_host(other), "{other}");
        }
        assert!(Policy { hosts: vec!["*".into()], ..policy }.knows_host("evil.example"));
    }

    #[test]
    fn origins() {
        let strict = Policy::default();
        assert_eq!(strict.judge(None, "a:1"), Origin::Same);
        assert_eq!(strict.judge(Some("http://A:1"), "a:1"), Origin::Same);
        assert_eq!(strict.judge(Some("https://a"), "a"), Origin::Same);
        for foreign in ["http://a:2", "http://b:1", "null", "", "a:1", "file://a:1"] {
            assert_eq!(strict.judge(Some(foreign), "a:1"), Origin::Foreign, "{foreign}");
        }
        let some = Policy { cors: vec!["https://b.example/".into()], ..Policy::default() };
        assert_eq!(some.judge(Some("https://b.example"), "a:1"), Origin::Welcome("https://b.example".into()));
        assert_eq!(some.judge(Some("http://b.example"), "a:1"), Origin::Foreign);
        let any = Policy { cors: vec!["*".into()], ..Policy::default() };
        assert_eq!(any.judge(Some("null"), "a:1"), Origin::Welcome("*".into()));
    }
}
