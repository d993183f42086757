//! Plain HTTP where HTTPS is spoken: every request is answered by the way to it.

use super::answer::{Answer, NO_STORE, Refusal, empty};
use super::connection::{builder, linger};
use super::head::SingleHeader;
use super::origin::Policy;
use crate::serve::net::write_timeout::WriteTimeout;
use crate::serve::state::ServerState;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::http::uri::Authority;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;

/// Answers one request. `port`: where HTTPS is; without it, where the request came in.
pub async fn to_https(state: &ServerState, io: WriteTimeout, port: Option<u16>) {
    let service = hyper::service::service_fn(|request: Request<Incoming>| {
        std::future::ready(Ok::<Answer, Infallible>(answer(&request, &state.policy, port).unwrap_or_else(Answer::from)))
    });
    let mut serving = builder().keep_alive(false).serve_connection(TokioIo::new(io), service);
    if let Err(error) = std::future::poll_fn(|cx| serving.poll_without_shutdown(cx)).await {
        tracing::debug!("connection: {error}");
    }
    linger(&serving.into_parts().io.into_inner().into_socket()).await;
}

fn answer<B>(request: &Request<B>, policy: &Policy, port: Option<u16>) -> Result<Answer, Refusal> {
    let named = request.uri().authority().map(Authority::as_str);
    let given = SingleHeader::of(request.headers(), header::HOST).text();
    let host = named.or(given).and_then(|host| host.parse::<Authority>().ok()).filter(|host| !host.as_str().contains('@'));
    let host = host.ok_or(Refusal(StatusCode::BAD_REQUEST, "HTTPS is spoken here, and the request does not say where it wants to go"))?;
    if !policy.knows_host(host.as_str()) {
        return Err(Refusal(StatusCode::MISDIRECTED_REQUEST, "this name is not known here; start h5serve with --host NAME to allow it"));
    }
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let target = if target.starts_with('/') { target } else { "/" };
    let authority = match port {
        None => host.to_string(),
        Some(443) => host.host().to_owned(),
        Some(port) => format!("{}:{port}", host.host()),
    };
    let location = HeaderValue::try_from(format!("https://{authority}{target}"));
    let location = location.map_err(|_| Refusal(StatusCode::BAD_REQUEST, "HTTPS is spoken here"))?;
    let mut answer = empty(StatusCode::PERMANENT_REDIRECT);
    answer.headers_mut().insert(header::LOCATION, location);
    // A server may be without TLS another day.
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(NO_STORE));
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(target: &str, host: &[&str], port: Option<u16>) -> Result<String, u16> {
        let request = host.iter().fold(Request::get(target), |request, host| request.header(header::HOST, *host));
        let answer = answer(&request.body(()).unwrap(), &Policy::default(), port).map_err(|Refusal(status, _)| status.as_u16())?;
        assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT);
        Ok(answer.headers()[header::LOCATION].to_str().unwrap().to_owned())
    }

    #[test]
    fn where_https_is() {
        let to = |target, host, port| location(target, &[host], port);
        assert_eq!(to("/cam?a=b", "localhost:8080", None).as_deref(), Ok("https://localhost:8080/cam?a=b"));
        assert_eq!(to("/", "192.168.1.5", Some(8443)).as_deref(), Ok("https://192.168.1.5:8443/"));
        assert_eq!(to("/", "[::1]:80", Some(443)).as_deref(), Ok("https://[::1]/"));
        assert_eq!(to("http://localhost/cam", "other", Some(443)).as_deref(), Ok("https://localhost/cam"));
        assert_eq!(to("*", "localhost", None).as_deref(), Ok("https://localhost/"));
        assert_eq!(to("/", "evil.example", None), Err(421));
        assert_eq!(to("/", "user@localhost", None), Err(400));
        assert_eq!(location("/", &[], None), Err(400));
        assert_eq!(location("/", &["localhost", "localhost"], None), Err(400));
    }
}
