//! What trusted proxies say of a request: from whom it is, and by which name and scheme it was asked for. Pure.
//!
//! X-Forwarded-For grows to the right: each proxy adds whom it got the request from. What stands left of an address that is not a trusted proxy's
//! was written by that one, who may write anything. So the list is read from the right, up to the first address that is not trusted.
//!
//! Forwarded (RFC 7239) counts for nothing: hardly a proxy writes it, and one that does not passes on what the client has written.

use super::head::SingleHeader;
use crate::serve::net::proxies::Proxies;
use crate::serve::net::socket::Peer;
use hyper::header::{HeaderMap, HeaderName};
use std::net::{IpAddr, SocketAddr};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Who is behind the proxies of a request.
pub fn viewer(headers: &HeaderMap, peer: Peer, proxies: &Proxies) -> Peer {
    let mut viewer = peer;
    for line in headers.get_all(X_FORWARDED_FOR).iter().rev() {
        // What a trusted proxy has not understood is the last that it knows.
        let Ok(line) = line.to_str() else { return viewer };
        for hop in line.rsplit(',') {
            if !proxies.trust(viewer) {
                return viewer;
            }
            let Some(address) = address(hop.trim()) else { return viewer };
            viewer = Peer::Forwarded(address.to_canonical());
        }
    }
    viewer
}

/// Some write a port behind it, and brackets around IPv6.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// The name by which a client asked a proxy, as the nearest proxy says. Only of a trusted one.
pub fn host(headers: &HeaderMap) -> SingleHeader<'_> {
    last(headers, X_FORWARDED_HOST)
}

/// The client came to the proxy over TLS. Only of a trusted one.
pub fn is_https(headers: &HeaderMap) -> bool {
    matches!(last(headers, X_FORWARDED_PROTO), SingleHeader::Text(scheme) if scheme.eq_ignore_ascii_case("https"))
}

/// The last member of a list, which may go over several lines.
fn last(headers: &HeaderMap, name: HeaderName) -> SingleHeader<'_> {
    let Some(line) = headers.get_all(name).iter().next_back() else { return SingleHeader::Absent };
    let Ok(line) = line.to_str() else { return SingleHeader::Unreadable };
    SingleHeader::Text(line.rsplit(',').next().unwrap_or(line).trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn headers(name: HeaderName, lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (name.clone(), HeaderValue::from_bytes(line.as_bytes()).unwrap())).fold(
            HeaderMap::new(),
            |mut map, (name, value)| {
                map.append(name, value);
                map
            },
        )
    }

    fn seen(peer: &str, lines: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "2001:db8:1::/48", "unix"].map(|text| text.parse().unwrap()).into();
        let peer = if peer == "unix" { Peer::Local } else { Peer::Tcp(peer.parse().unwrap()) };
        viewer(&headers(X_FORWARDED_FOR, lines), peer, &Proxies { trusted, protocol: false }).to_string()
    }

    #[test]
    fn the_rightmost_address_that_is_no_trusted_proxy() {
        for (peer, lines, viewer) in [
            ("10.0.0.1:5", &["192.0.2.7"][..], "192.0.2.7"),
            ("10.0.0.1:5", &["198.51.100.1, 192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1:5", &["198.51.100.1", "192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1:5", &["198.51.100.1,192.0.2.7 , 10.9.9.9"], "192.0.2.7"),
            ("10.0.0.1:5", &["198.51.100.1, 192.0.2.7", "10.9.9.9"], "192.0.2.7"),
            ("10.0.0.1:5", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1:5", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("10.0.0.1:5", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1:5", &["192.0.2.7:1234"], "192.0.2.7"),
            ("10.0.0.1:5", &["::ffff:192.0.2.7"], "192.0.2.7"),
            ("[::ffff:10.0.0.1]:5", &["192.0.2.7"], "192.0.2.7"),
            ("[2001:db8:1::5]:5", &["192.0.2.7"], "192.0.2.7"),
            ("unix", &["192.0.2.7"], "192.0.2.7"),
            // What is no address was not written by a proxy that knows more.
            ("10.0.0.1:5", &["192.0.2.7, unknown"], "10.0.0.1:5"),
            ("10.0.0.1:5", &["192.0.2.7, _hidden, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1:5", &["192.0.2.7", "\u{e9}"], "10.0.0.1:5"),
            ("10.0.0.1:5", &[""], "10.0.0.1:5"),
            ("10.0.0.1:5", &["192.0.2.7,"], "10.0.0.1:5"),
            ("10.0.0.1:5", &[], "10.0.0.1:5"),
            ("unix", &[], "unix"),
            // Who is no trusted proxy may write anything.
            ("192.0.2.9:5", &["198.51.100.1"], "192.0.2.9:5"),
            ("192.0.2.9:5", &["198.51.100.1, 10.0.0.1"], "192.0.2.9:5"),
        ] {
            assert_eq!(seen(peer, lines), viewer, "{peer} {lines:?}");
        }
    }

    #[test]
    fn names_and_schemes() {
        assert_eq!(host(&headers(X_FORWARDED_HOST, &["a.example, b.example:8443"])), SingleHeader::Text("b.example:8443"));
        assert_eq!(host(&headers(X_FORWARDED_HOST, &[])), SingleHeader::Absent);
        assert_eq!(host(&headers(X_FORWARDED_HOST, &["a.example", "\u{e9}"])), SingleHeader::Unreadable);
        let https = |lines: &[&str]| is_https(&headers(X_FORWARDED_PROTO, lines));
        assert!(https(&["https"]) && https(&["http, HTTPS"]) && https(&["http", "https"]));
        assert!(!https(&[]) && !https(&["http"]) && !https(&["https, http"]) && !https(&["https\u{e9}"]));
    }
}
