//! A client of HTTP/1.1 for one resource. It asks for the resource once or many times, answers challenges (RFC 9110, section 11), and follows
//! redirects. A password goes only to the host that it was given for.

use super::body::{Body, KeptConnection};
use super::head::{Head, NoHead};
use crate::source::network::connection::{CancelToken, Connection, Peer, Stage};
use crate::source::network::refusal::RefusalKind;
use crate::source::network::tls::TlsClient;
use crate::source::network::{Address, Credentials, Refusal};
use http_auth::parser::ChallengeParser;
use http_auth::{ParamValue, PasswordClient, PasswordParams};
use std::io::{BufReader, Write};
use std::sync::PoisonError;
use std::time::Duration;
use url::{Position, Url};

/// Redirects that are followed for one answer.
const MAX_REDIRECTS: usize = 5;
/// Answers to the challenges of one server: a nonce may be too old once.
const MAX_ANSWERS: usize = 2;
/// Less than a frame is read into it; of frames, what is larger goes where it stays.
const BUFFER: usize = 16 << 10;

/// Algorithms of digest that can be answered, as they are registered.
const ALGORITHMS: [&str; 6] = ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"];

type Stream = BufReader<Connection>;

/// What is asked of a server, and by which means.
#[derive(Clone)]
pub struct Request {
    pub address: Address,
    pub credentials: Option<Credentials>,
    pub tls: TlsClient,
    /// To connect, for the addresses of a host.
    pub timeout: Duration,
}

/// A client.
pub struct Client {
    request: Request,
    cancel_token: CancelToken,
    /// Where the resource is, by the redirects so far.
    target: Url,
    /// `target` may have the password.
    is_trusted: bool,
    login: Option<PasswordClient>,
    slot: KeptConnection<Stream>,
    /// Where the connection in the slot goes.
    peer: Option<Peer>,
}

/// A response that is no refusal: a resource, or 304.
pub struct Response {
    pub head: Head,
    pub body: Body<Stream>,
}

impl Client {
    pub fn new(request: Request, cancel_token: CancelToken) -> Client {
        let target = request.address.url().clone();
        Client { request, cancel_token, target, is_trusted: true, login: None, slot: KeptConnection::default(), peer: None }
    }

    /// Asks for the resource. The body before it is no longer needed. `headers`: besides the usual ones.
    ///
    /// # Errors
    /// Nothing answers, or the answer is no resource.
    pub fn get(&mut self, headers: &[(&str, String)]) -> Result<Response, Refusal> {
        let (mut redirects, mut answers) = (0, 0);
        loop {
            let mut response = self.exchange(headers)?;
            let status = response.head.status;
            match status {
                200 | 203 | 206 | 304 => return Ok(response),
                301 | 302 | 303 | 307 | 308 if response.head.value("location").is_some() => {
                    redirects += 1;
                    if redirects > MAX_REDIRECTS {
                        return Err(Refusal::new(RefusalKind::Failed, format!("{status}: it redirects more than {MAX_REDIRECTS} times")));
                    }
                    self.redirect(&response.head)?;
                    answers = 0;
                }
                401 if self.request.credentials.is_some() && answers < MAX_ANSWERS => {
                    if !self.is_trusted {
                        let text = "401: it has redirected to another host, which asks for a password and gets none";
                        return Err(Refusal::new(RefusalKind::Denied, text));
                    }
                    self.login(&response.head, answers > 0)?;
                    answers += 1;
                }
                _ => return Err(Refusal::status(status, self.request.credentials.is_some())),
            }
            response.body.discard();
        }
    }

    /// The request for what the resource links to; `None` if that is at another server.
    pub fn beside(&self, target: &str) -> Option<Request> {
        let url = self.target.join(target).ok().filter(|url| peer(url) == peer(&self.target))?;
        let credentials = self.request.credentials.clone().filter(|_| self.is_trusted);
        Some(Request { address: self.request.address.with_url(url), credentials, ..self.request.clone() })
    }

    /// One request, one response.
    fn exchange(&mut self, headers: &[(&str, String)]) -> Result<Response, Refusal> {
        let head = self.head(headers)?;
        let peer = peer(&self.target);
        let kept = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(stream) = kept.filter(|_| self.peer.as_ref() == Some(&peer)) {
            match self.ask(stream, &head) {
                // It had been closed while it was not used.
                Err(NoHead::Closed) => {}
                Err(NoHead::Refused(refusal)) => return Err(refusal),
                Ok(response) => return Ok(response),
            }
        }
        let connection = Connection::open(&peer, &self.request.tls, self.request.timeout, &self.cancel_token)?;
        self.peer = Some(peer);
        self.ask(BufReader::with_capacity(BUFFER, connection), &head).map_err(|error| match error {
            NoHead::Closed => Refusal::new(RefusalKind::Failed, "it has closed the connection without an answer"),
            NoHead::Refused(refusal) => refusal,
        })
    }

    fn ask(&self, mut stream: Stream, request: &[u8]) -> Result<Response, NoHead> {
        self.cancel_token.reach(Stage::Answer).map_err(NoHead::Refused)?;
        let sent = stream.get_mut().write_all(request).and_then(|()| stream.get_mut().flush());
        sent.map_err(|_| NoHead::Closed)?;
        let head = Head::read(&mut stream)?;
        let framing = head.framing().map_err(NoHead::Refused)?;
        let slot = head.is_kept().then(|| KeptConnection::clone(&self.slot));
        Ok(Response { head, body: Body::new(stream, framing, slot) })
    }

    fn head(&mut self, headers: &[(&str, String)]) -> Result<Vec<u8>, Refusal> {
        let path = path(&self.target).to_owned();
        let host = &self.target[Position::BeforeHost..Position::AfterPort];
        // A body that is packed would have to be unpacked within bounds: it is asked for as it is.
        let mut head = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: h5live/{}\r\nAccept: */*\r\nAccept-Encoding: identity\r\n",
            env!("CARGO_PKG_VERSION")
        );
        let login = self.login.as_mut().zip(self.request.credentials.as_ref());
        if let Some((login, credentials)) = login.filter(|_| self.is_trusted) {
            let line = authorization(login, credentials, "GET", &path)?;
            head.push_str(&format!("Authorization: {line}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        Ok(head.into_bytes())
    }

    fn redirect(&mut self, head: &Head) -> Result<(), Refusal> {
        let location = head.value("location").unwrap_or_default();
        let next = self.target.join(location).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(mut next) = next else {
            return Err(Refusal::new(RefusalKind::Failed, format!("{}: it redirects to no address of HTTP", head.status)));
        };
        // Who redirects says nothing of who may log in there.
        _ = next.set_username("");
        _ = next.set_password(None);
        self.is_trusted &= is_same(&self.target, &next);
        if peer(&self.target) != peer(&next) {
            self.login = None;
        }
        self.target = next;
        Ok(())
    }

    /// Prepares the answer to a challenge. `again`: the answer before was refused.
    fn login(&mut self, head: &Head, again: bool) -> Result<(), Refusal> {
        let login = challenge(head)?;
        // Only a nonce that was too old is worth another try (RFC 7616, section 3.3).
        let is_stale = matches!(&login, PasswordClient::Digest(digest) if digest.stale());
        if again && !is_stale {
            return Err(Refusal::status(401, true));
        }
        self.login = Some(login);
        Ok(())
    }
}

/// The login that a server asks for: digest where it offers that.
///
/// # Errors
/// It offers neither digest nor basic.
pub fn challenge(head: &Head) -> Result<PasswordClient, Refusal> {
    let mut builder = PasswordClient::builder();
    for mut challenge in head.values("www-authenticate").flat_map(|value| ChallengeParser::new(value).map_while(Result::ok)) {
        // Cameras write md5. The registry of algorithms has capitals (RFC 7616, section 6.1), and so has http-auth.
        for (_, value) in challenge.params.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("algorithm")) {
            let known = ALGORITHMS.iter().find(|name| name.eq_ignore_ascii_case(value.as_escaped()));
            *value = known.map_or(*value, |name| ParamValue::new(0, name));
        }
        builder = builder.challenge(&challenge);
    }
    builder.build().map_err(|_| Refusal::new(RefusalKind::Denied, "401: it asks for a login that is neither basic nor digest"))
}

/// The value of the header `Authorization` of a request without a body, or one whose body is not part of the login.
///
/// # Errors
/// The user or password has characters that cannot be sent.
pub fn authorization(login: &mut PasswordClient, credentials: &Credentials, method: &str, path: &str) -> Result<String, Refusal> {
    let Credentials { user, password } = credentials;
    let params = PasswordParams { username: user, password, uri: path, method, body: Some(&[]) };
    let line = login.respond(&params).ok().filter(|line| !line.contains(char::is_control));
    line.ok_or_else(|| Refusal::new(RefusalKind::Denied, "the user or password has characters that cannot be sent"))
}

/// Path and query, as they are asked for.
pub fn path(url: &Url) -> &str {
    &url[Position::BeforePath..Position::AfterQuery]
}

/// Where a URL of HTTP or WebSocket leads.
pub fn peer(url: &Url) -> Peer {
    let host = url.host_str().unwrap_or_default();
    Peer {
        host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port: url.port_or_known_default().unwrap_or(80),
        tls: matches!(url.scheme(), "https" | "wss"),
    }
}

/// Whether what may be sent to one may be sent to the other: the same server, or the same host by TLS.
fn is_same(from: &Url, to: &Url) -> bool {
    let (old, new) = (peer(from), peer(to));
    old == new || (old.host == new.host && new.tls && !old.tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_where_it_belongs() {
        let same = |from: &str, to: &str| is_same(&Url::parse(from).unwrap(), &Url::parse(to).unwrap());
        assert!(
            same("http://cam/a", "http://cam:80/b") && same("http://cam:8080/", "https://cam/") && same("https://cam/", "https://CAM:443/")
        );
        for (from, to) in [
            ("http://cam/", "http://other/"),
            ("http://cam/", "http://cam:81/"),
            ("https://cam/", "http://cam/"),
            ("https://cam/", "https://cam:444/"),
            ("http://cam/", "http://cam.evil/"),
        ] {
            assert!(!same(from, to), "{from} {to}");
        }
    }

    #[test]
    fn digest_is_preferred_and_its_algorithm_is_read_as_cameras_write_it() {
        let head = |lines: &str| Head::read(&mut std::io::Cursor::new(format!("HTTP/1.1 401 x\r\n{lines}\r\n\r\n").into_bytes())).unwrap();
        let both = "WWW-Authenticate: Basic realm=\"a\"\r\nWWW-Authenticate: Digest realm=\"a\", nonce=\"b\", qop=\"auth\"";
        assert!(matches!(challenge(&head(both)), Ok(PasswordClient::Digest(_))));
        assert!(matches!(challenge(&head("WWW-Authenticate: Basic realm=\"a\"")), Ok(PasswordClient::Basic(_))));
        let with = |algorithm: &str| challenge(&head(&format!("WWW-Authenticate: Digest realm=\"algorithm=md5\", nonce=\"b\"{algorithm}")));
        for written in
            ["", ", algorithm=MD5", ", algorithm=md5", ", algorithm=\"MD5\"", ", Algorithm = \"md5\"", ", algorithm=sha-256-SESS"]
        {
            let Ok(PasswordClient::Digest(digest)) = with(written) else { panic!("{written}") };
            assert_eq!(digest.realm(), "algorithm=md5");
        }
        assert!(with(", algorithm=SHA-1").is_err());
        for none in ["A: b", "WWW-Authenticate: Bearer", "WWW-Authenticate: Negotiate abc="] {
            assert!(challenge(&head(none)).is_err(), "{none}");
        }
    }
}
