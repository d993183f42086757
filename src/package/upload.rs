//! A server that takes files by HTTP PUT: WebDAV, a web server that lets one put, or what speaks S3. A password, token or key goes there and nowhere
//! else: into no message, and by no redirect.

use super::file::{File, left_by};
use super::publisher::{Store, StoreError};
use crate::format::hls::{Name, Rendition};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rusty_s3::{Bucket, Credentials, S3Action as _};
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::http::{HeaderValue, Request, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body, SendBody};
use url::Url;

/// Until it answers: to connect, and after a file was sent.
const PATIENCE: Duration = Duration::from_secs(10);
/// A signed request is good for so long.
const SIGNED: Duration = Duration::from_secs(300);
/// Of an answer, no more is read.
const MAX_ANSWER: u64 = 16 << 10;
/// A playlist of an earlier run is no longer: that of a day has 4 MiB.
const MAX_PLAYLIST: u64 = 16 << 20;
/// The stream waits so long for the playlists of an earlier run.
const PATIENCE_EARLIER: Duration = Duration::from_secs(2);

/// Where files go, and what opens the door.
#[derive(Clone)]
pub struct Target {
    folder: Url,
    access: Access,
}

/// What opens the door. Its `Debug` shows nothing of it.
#[derive(Clone)]
pub enum Access {
    /// Nothing is wanted.
    Open,
    /// A header `Authorization`.
    Header(HeaderValue),
    /// A signature of each request (AWS Signature Version 4).
    S3(Box<(Bucket, Credentials)>),
}

impl Access {
    /// A user and a password (RFC 7617).
    pub fn basic(user: &str, password: &str) -> Access {
        Access::header(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))).unwrap_or(Access::Open)
    }

    /// A token (RFC 6750). `None`: it has characters that cannot be sent.
    pub fn bearer(token: &str) -> Option<Access> {
        Access::header(&format!("Bearer {token}"))
    }

    fn header(value: &str) -> Option<Access> {
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        Some(Access::Header(value))
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Access")
    }
}

impl Target {
    /// A folder of a server. Its query, if it has one, goes with each file.
    pub fn new(mut folder: Url, access: Access) -> Target {
        if !folder.path().ends_with('/') {
            folder.set_path(&format!("{}/", folder.path()));
        }
        Target { folder, access }
    }

    fn url(&self, name: &Name) -> Url {
        let mut url = self.folder.clone();
        url.set_path(&format!("{}{name}", self.folder.path()));
        url
    }

    /// The key of a file in its bucket.
    fn key(&self, name: &Name) -> String {
        format!("{}{name}", self.folder.path().trim_start_matches('/'))
    }

    fn signed(&self, method: Method, name: &Name) -> Url {
        match (&self.access, method) {
            (Access::S3(s3), Method::Put) => s3.0.put_object(Some(&s3.1), &self.key(name)).sign(SIGNED),
            (Access::S3(s3), Method::Get) => s3.0.get_object(Some(&s3.1), &self.key(name)).sign(SIGNED),
            (Access::S3(s3), Method::Delete) => s3.0.delete_object(Some(&s3.1), &self.key(name)).sign(SIGNED),
            _ => self.url(name),
        }
    }

    /// Why it did not do it. S3 says it in a word.
    fn refusal(&self, status: u16, answer: &str) -> StoreError {
        let code = answer.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
        let code = code.filter(|code| code.len() < 64 && code.bytes().all(|b| b.is_ascii_alphanumeric()));
        let what = match (status, &self.access) {
            _ if code.is_some() => code.unwrap_or_default(),
            (401 | 403, Access::Open) => "it wants a token, or a user and a password",
            (401 | 403, _) => "it refuses the token, user or key",
            (300..=399, _) => "it redirects: give the address that it redirects to",
            (404 | 409, _) => "the folder is not there",
            (405 | 501, _) => "it takes no files by HTTP PUT there",
            (413, _) => "the file is too large for it",
            (429 | 503, _) => "it has too much to do",
            (507, _) => "it is full",
            _ => "it did not take the file",
        };
        StoreError(format!("{status}: {what}"))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Put,
    Delete,
}

/// A client of one target. It keeps its connection.
#[derive(Debug)]
pub struct Upload {
    target: Target,
    agent: Agent,
    earlier: Vec<Name>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Target")
    }
}

impl Upload {
    /// Nothing is sent before the first file. `segment`: the length of a segment, in which one has to be sent.
    pub fn new(target: Target, segment: Duration) -> Upload {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("h5live/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_global(Some(2 * PATIENCE + 2 * segment))
            .tls_config(tls(&target));
        Upload { target, agent: config.build().new_agent(), earlier: Vec::new() }
    }

    /// The playlists that an earlier run has left, where the server gives them in time. What they name is known from then on ([`Store::earlier`]).
    pub fn playlists(&mut self) -> Vec<(Rendition, String)> {
        let until = Instant::now() + PATIENCE_EARLIER;
        let mut playlists = Vec::new();
        for rendition in Rendition::ALL {
            let left = until.saturating_duration_since(Instant::now());
            match self.get(&Name::Playlist(rendition), left) {
                Ok(playlist) => playlists.extend(playlist.map(|playlist| (rendition, playlist))),
                // It is away: the others are not asked for.
                Err(_) => break,
            }
        }
        self.earlier = playlists.iter().flat_map(|(rendition, playlist)| left_by(*rendition, playlist)).collect();
        playlists
    }

    /// `None`: it is not there, or not to be had.
    fn get(&self, name: &Name, patience: Duration) -> Result<Option<String>, StoreError> {
        let mut request = Request::get(self.target.signed(Method::Get, name).as_str());
        if let Access::Header(value) = &self.target.access {
            request = request.header("authorization", value);
        }
        let request = request.body(()).map_err(|error| StoreError(text(&error.into())))?;
        let request = self.agent.configure_request(request).timeout_global(Some(patience)).build();
        let response = self.agent.run(request).map_err(|error| StoreError(text(&error)))?;
        if !response.status().is_success() {
            self.outcome(response);
            return Ok(None);
        }
        Ok(response.into_body().into_with_config().limit(MAX_PLAYLIST).read_to_string().ok())
    }

    fn ask(&self, method: Method, name: &Name, file: Option<&File>) -> Result<Response<Body>, StoreError> {
        let url = self.target.signed(method, name);
        let mut request = if method == Method::Put { Request::put(url.as_str()) } else { Request::delete(url.as_str()) };
        if let Access::Header(value) = &self.target.access {
            request = request.header("authorization", value);
        }
        let outcome = match file {
            Some(file) => {
                let request = request
                    .header("content-type", file.content_type())
                    .header("cache-control", file.cache_control)
                    .header("content-length", file.size());
                let mut pieces = Pieces { left: &file.pieces, read: 0 };
                request.body(SendBody::from_reader(&mut pieces)).map_err(ureq::Error::from).and_then(|request| self.agent.run(request))
            }
            None => request.body(()).map_err(ureq::Error::from).and_then(|request| self.agent.run(request)),
        };
        outcome.map_err(|error| StoreError(text(&error)))
    }

    /// The answer to its end: then the connection is used again.
    fn outcome(&self, response: Response<Body>) -> (u16, String) {
        let status = response.status().as_u16();
        let answer = response.into_body().into_with_config().limit(MAX_ANSWER).lossy_utf8(true).read_to_string();
        (status, answer.unwrap_or_default())
    }
}

impl Store for Upload {
    fn put(&mut self, file: &File) -> Result<(), StoreError> {
        match self.outcome(self.ask(Method::Put, &file.name, Some(file))?) {
            (200..=299, _) => Ok(()),
            (status, answer) => Err(self.target.refusal(status, &answer)),
        }
    }

    fn remove(&mut self, name: &Name) -> Result<(), StoreError> {
        match self.outcome(self.ask(Method::Delete, name, None)?) {
            (200..=299 | 404 | 410, _) => Ok(()),
            (status @ (405 | 501), _) => Err(StoreError(format!("{status}: it removes no files"))),
            (status, answer) => Err(self.target.refusal(status, &answer)),
        }
    }

    fn earlier(&self) -> Vec<Name> {
        self.earlier.clone()
    }

    fn has_no_list(&self) -> bool {
        true
    }
}

/// With the authorities that this machine trusts.
fn tls(target: &Target) -> TlsConfig {
    let is_tls = |url: &Url| url.scheme() == "https";
    let wanted = match &target.access {
        Access::S3(s3) => is_tls(s3.0.base_url()),
        _ => is_tls(&target.folder),
    };
    let found = if wanted { rustls_native_certs::load_native_certs().certs } else { Vec::new() };
    let roots: Vec<_> = found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .root_certs(RootCerts::new_with_certs(&roots))
        .build()
}

/// Never with the URL, which may have a signature.
fn text(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "no answer in time".into(),
        ureq::Error::HostNotFound => "the host's name is not known".into(),
        ureq::Error::ConnectionFailed => "no connection".into(),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => "connection refused".into(),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => "it has closed the connection".into(),
        ureq::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => format!("TLS: {error}"),
            None => error.to_string(),
        },
        ureq::Error::Rustls(error) => format!("TLS: {error}"),
        ureq::Error::Tls(error) => format!("TLS: {error}"),
        ureq::Error::Protocol(_) => "the answer is no HTTP".into(),
        _ => "the request could not be sent".into(),
    }
}

/// The bytes of a file, one piece after the other.
struct Pieces<'f> {
    left: &'f [Bytes],
    /// Of the first piece, so many were read.
    read: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(piece) = self.left.first().filter(|_| filled < into.len()) {
            let bytes = &piece[self.read..];
            let count = bytes.len().min(into.len() - filled);
            into[filled..filled + count].copy_from_slice(&bytes[..count]);
            (filled, self.read) = (filled + count, self.read + count);
            if self.read == piece.len() {
                (self.left, self.read) = (&self.left[1..], 0);
            }
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_read_as_one() {
        let pieces = [&b"ab"[..], b"", b"cde", b"f"].map(Bytes::from_static);
        for size in 1..8 {
            let mut reader = Pieces { left: &pieces, read: 0 };
            let mut all = Vec::new();
            let mut buffer = vec![0; size];
            while let count @ 1.. = reader.read(&mut buffer).unwrap() {
                all.extend_from_slice(&buffer[..count]);
            }
            assert_eq!(all, b"abcdef", "{size}");
        }
    }

    #[test]
    fn addresses_and_what_opens_the_door() {
        let target = |url: &str| Target::new(Url::parse(url).unwrap(), Access::basic("ann", "s3cret"));
        let url = |text: &str| target(text).url(&Name::Multivariant).to_string();
        assert_eq!(url("https://host/a"), "https://host/a/index.m3u8");
        assert_eq!(url("https://host/a/?sig=x"), "https://host/a/index.m3u8?sig=x");
        assert_eq!(format!("{:?} {:?}", target("https://host/"), Access::basic("ann", "s3cret")), "Target Access");
        assert!(Access::bearer("a\nb").is_none());
        let Access::Header(value) = Access::basic("ann", "s3cret") else { panic!() };
        assert_eq!(value.to_str().unwrap(), "Basic YW5uOnMzY3JldA==");
        let denied = "<Error><Code>SignatureDoesNotMatch</Code></Error>";
        assert_eq!(target("http://a/").refusal(403, denied).0, "403: SignatureDoesNotMatch");
        assert_eq!(target("http://a/").refusal(401, "<Code>a b</Code>").0, "401: it refuses the token, user or key");
    }
}
