//! From where may be asked: the judgement over a request's Host and Origin, before any other. A route takes the [`Granted`] that only this makes. Who
//! asks is judged after it, in [`super::authentication`].

use super::answer::Refusal;
use super::forwarded;
use super::head::SingleHeader;
use super::origin::{Origin, Policy};
use crate::serve::net::socket::Peer;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{StatusCode, Version};

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A request that may be answered, and what a page of another origin may do with the answer.
#[derive(Debug)]
pub struct Granted {
    /// The name that the client used, `NAME` or `NAME:PORT`.
    host: String,
    origin: Origin,
    /// Such a page may show it.
    embed: bool,
}

/// Judges a request by its Host and Origin.
///
/// # Errors
/// It has no Host that is known here. `by_proxy`: a proxy that is trusted has sent it. `secure`: it came over TLS.
pub fn judge(head: &Parts, policy: &Policy, peer: Peer, by_proxy: bool, secure: bool) -> Result<Granted, Refusal> {
    let host = host(head, policy, peer, by_proxy)?;
    let given = |name| SingleHeader::of(&head.headers, name);
    let origin = policy.judge(given(header::ORIGIN), &host, secure);
    let embed = policy.may_embed(&origin, given(header::REFERER));
    Ok(Granted { host, origin, embed })
}

/// The name that the client used (RFC 9112, section 3.2).
fn host(head: &Parts, policy: &Policy, peer: Peer, by_proxy: bool) -> Result<String, Refusal> {
    match forwarded::host(&head.headers) {
        SingleHeader::Text(host) if by_proxy => return Ok(host.to_owned()),
        SingleHeader::Unreadable if by_proxy => return Err(Refusal(StatusCode::BAD_REQUEST, "an X-Forwarded-Host that is no text")),
        _ => {}
    }
    let named = head.uri.authority().map(|a| a.as_str().to_string());
    let host = match (named, SingleHeader::of(&head.headers, header::HOST)) {
        (_, SingleHeader::Unreadable) => return Err(Refusal(StatusCode::BAD_REQUEST, "more than one Host header, or one that is no text")),
        (Some(named), _) => named,
        (None, SingleHeader::Text(host)) => host.to_string(),
        (None, SingleHeader::Absent) if head.version < Version::HTTP_11 => return Ok(String::new()),
        (None, SingleHeader::Absent) => return Err(Refusal(StatusCode::BAD_REQUEST, "no Host header")),
    };
    // Over a Unix socket a Host means nothing, and a proxy that is trusted knows its own names.
    if peer == Peer::Local || by_proxy || policy.knows_host(&host) {
        return Ok(host);
    }
    Err(Refusal(StatusCode::MISDIRECTED_REQUEST, "this name is not known here; start h5serve with --host NAME to allow it"))
}

impl Granted {
    /// A browser keeps pages of other origins from reading answers, but not from opening a WebSocket (RFC 6455, section 10.2).
    pub fn websocket(&self) -> Result<(), Refusal> {
        match self.origin {
            Origin::Foreign => Err(Refusal(StatusCode::FORBIDDEN, "not from this origin; start h5serve with --cors ORIGIN to allow it")),
            Origin::Same | Origin::Welcome(_) => Ok(()),
        }
    }

    /// The port in the name that the client used.
    pub fn port(&self) -> Option<u16> {
        self.host.rsplit_once(':')?.1.parse().ok()
    }

    /// No page of another origin asks, as far as the browser says.
    pub fn is_own(&self) -> bool {
        matches!(self.origin, Origin::Same)
    }

    /// The page that asks is of another origin, and may read the answer.
    pub fn is_shared(&self) -> bool {
        matches!(self.origin, Origin::Welcome(_))
    }

    /// Tells the browser what the page may do with the answer.
    pub fn add_headers(&self, headers: &mut HeaderMap) {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let embed = if self.embed { "cross-origin" } else { "same-origin" };
        headers.entry(CROSS_ORIGIN_RESOURCE_POLICY).or_insert(HeaderValue::from_static(embed));
        if let Origin::Welcome(origin) = &self.origin
            && let Ok(origin) = HeaderValue::from_str(origin)
        {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
    }
}

/// The answer is for everybody's page.
pub fn share_with_all(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;
    use std::net::Ipv4Addr;

    /// The status that is refused with, or whether a WebSocket may be opened.
    fn judged(target: &str, version: Version, headers: &[(&str, &str)], peer: Peer, by_proxy: bool) -> Result<bool, u16> {
        let request = headers.iter().fold(Request::get(target).version(version), |r, (name, value)| r.header(*name, *value));
        let (head, ()) = request.body(()).unwrap().into_parts();
        let granted = judge(&head, &Policy::default(), peer, by_proxy, false).map_err(|Refusal(status, _)| status.as_u16())?;
        Ok(granted.websocket().is_ok())
    }

    #[test]
    fn names_that_a_proxy_says() {
        let tcp = Peer::Tcp((Ipv4Addr::LOCALHOST, 5000).into());
        let judged = |headers: &[(&str, &str)], by_proxy| judged("/", Version::HTTP_11, headers, tcp, by_proxy);
        let (host, said) = (("host", "localhost"), ("x-forwarded-host", "cam.example"));
        let (ours, of_host) = (("origin", "https://cam.example"), ("origin", "http://localhost"));
        assert_eq!(judged(&[("host", "cam.example"), ours], true), Ok(true), "it is known without --host");
        assert_eq!(judged(&[host, said, ours], true), Ok(true));
        assert_eq!(judged(&[host, said, of_host], true), Ok(false));
        // From others it means nothing.
        assert_eq!(judged(&[host, said, ours], false), Ok(false));
        assert_eq!(judged(&[host, said, of_host], false), Ok(true));
        assert_eq!(judged(&[("host", "cam.example"), said], false), Err(421));
    }

    #[test]
    fn one_judgement() {
        let tcp = Peer::Tcp((Ipv4Addr::LOCALHOST, 5000).into());
        let judged_here = |headers: &[(&str, &str)]| judged("/", Version::HTTP_11, headers, tcp, false);
        assert_eq!(judged_here(&[("host", "localhost")]), Ok(true));
        assert_eq!(judged_here(&[("host", "localhost"), ("origin", "http://localhost")]), Ok(true));
        assert_eq!(judged_here(&[("host", "localhost"), ("origin", "http://evil.example")]), Ok(false));
        assert_eq!(judged_here(&[("host", "evil.example")]), Err(421));
        assert_eq!(judged_here(&[("host", "localhost"), ("host", "localhost")]), Err(400));
        assert_eq!(judged_here(&[]), Err(400));
        assert_eq!(judged("/", Version::HTTP_10, &[], tcp, false), Ok(true));
        assert_eq!(judged("http://evil.example/", Version::HTTP_11, &[("host", "localhost")], tcp, false), Err(421), "the target counts");
        assert_eq!(judged("/", Version::HTTP_11, &[("host", "evil.example")], Peer::Local, false), Ok(true));
    }
}
