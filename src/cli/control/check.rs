//! The checks of the Host and Origin headers of the control endpoint: which clients may ask. Pure.
//!
//! A web page may come from a name that its owner has pointed at this machine (DNS rebinding): only the name in `Host` gives it away.
//! So a name that is not known to be ours is refused; an address cannot be rebound. What cannot be read is refused, not passed over:
//! header values are bytes here.

use super::reply::Reply;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Judges one request by its Host and Origin headers. `reads`: the request changes nothing. `old`: HTTP/1.0, which knows no Host.
pub(super) fn refusal(hosts: &[&[u8]], origins: &[&[u8]], reads: bool, old: bool, names: &[String]) -> Option<Reply> {
    match hosts {
        [host] if !is_ours(host, names) => {
            return Some(Reply::text(421, "this name is not known here: ask by address, or by the NAME of --control NAME:PORT"));
        }
        [_] => {}
        [] if old => {}
        [] => return Some(Reply::text(400, "no Host header")),
        _ => return Some(Reply::text(400, "more than one Host header")),
    }
    // Browsers send it: a web page in a browser must not change what runs on this machine.
    (!origins.is_empty() && !reads).then(|| Reply::text(403, "not from a web page"))
}

/// Whether a Host, `NAME` or `NAME:PORT`, is an address, localhost or one of `names`.
fn is_ours(host: &[u8], names: &[String]) -> bool {
    let Some(name) = std::str::from_utf8(host).ok().and_then(name_of) else { return false };
    let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']'));
    if name.parse::<Ipv4Addr>().is_ok() || bare.is_some_and(|n| n.parse::<Ipv6Addr>().is_ok()) {
        return true;
    }
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    plain && (name == "localhost" || name.ends_with(".localhost") || names.iter().any(|n| n == "*" || n.eq_ignore_ascii_case(&name)))
}

/// The host without its port; `None`: neither.
fn name_of(host: &str) -> Option<&str> {
    let end = if host.starts_with('[') { host.find(']')? + 1 } else { host.find(':').unwrap_or(host.len()) };
    let (name, port) = host.split_at(end);
    let digits = port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    (digits && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let names = ["cam.example".to_string()];
        for ours in [
            "localhost",
            "LOCALHOST:1",
            "a.localhost",
            "127.0.0.1:8080",
            "192.168.1.5",
            "[::1]:80",
            "[fe80::1]",
            "cam.example:1",
            "CAM.example.",
        ] {
            assert!(is_ours(ours.as_bytes(), &names), "{ours}");
        }
        let others = [
            "",
            ":80",
            "evil.example",
            "evil.example:80",
            "::1",
            "[::1",
            "[::1]x",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evil.example/.localhost",
            "evil.example#.localhost",
            "evil.example?.localhost",
            "a@b.localhost",
            "127.0.0.1:80:80",
            "localhost:x",
        ];
        for other in others {
            assert!(!is_ours(other.as_bytes(), &names), "{other}");
        }
        assert!(!is_ours(b"caf\xe9.localhost", &names));
        assert!(is_ours(b"evil.example", &["*".to_string()]));
    }

    #[test]
    fn what_cannot_be_read_is_not_absent() {
        let status = |hosts: &[&[u8]], origins: &[&[u8]], reads| refusal(hosts, origins, reads, false, &[]).map(|r| r.status);
        assert_eq!(status(&[b"localhost"], &[], false), None);
        assert_eq!(status(&[b"localhost"], &[b"http://localhost"], true), None, "a page cannot read what it asks for");
        assert_eq!(status(&[b"localhost"], &[b"http://x\xff"], false), Some(403));
        assert_eq!(status(&[b"localhost"], &[b"", b""], false), Some(403));
        assert_eq!(status(&[b"\xff"], &[], true), Some(421));
        assert_eq!(status(&[b"localhost", b"localhost"], &[], true), Some(400));
        assert_eq!(status(&[], &[], true), Some(400));
        assert_eq!(refusal(&[], &[], true, true, &[]), None, "HTTP/1.0");
    }
}
