//! One request to a service of a device: a POST over HTTP, whose answer is bounded.

use crate::source::http::body::Body;
use crate::source::http::client::{authorization, challenge, path, peer};
use crate::source::http::head::{Head, NoHead};
use crate::source::network::connection::{CancelToken, Connection, Stage};
use crate::source::network::refusal::RefusalKind;
use crate::source::network::tls::TlsClient;
use crate::source::network::{Credentials, Refusal};
use std::io::{BufReader, Read, Write};
use std::time::Duration;
use url::{Position, Url};

/// An answer that is longer is cut, and then is no XML.
const MAX_ANSWER: u64 = 1 << 20;

/// What came back, whatever the status.
pub struct Answer {
    pub head: Head,
    pub text: String,
}

/// Where requests go, and by which means.
pub struct Caller<'c> {
    pub tls: TlsClient,
    pub timeout: Duration,
    pub cancel_token: &'c CancelToken,
}

impl Caller<'_> {
    /// Posts an envelope. `action`: the name of the operation, with its namespace. `login`: the answer to a challenge of HTTP.
    ///
    /// # Errors
    /// Nothing answers, or not by HTTP.
    pub fn post(&self, url: &Url, action: &str, envelope: &str, login: Option<&str>) -> Result<Answer, Refusal> {
        let mut connection = Connection::open(&peer(url), &self.tls, self.timeout, self.cancel_token)?;
        self.cancel_token.reach(Stage::Answer)?;
        let login = login.map_or(String::new(), |line| format!("Authorization: {line}\r\n"));
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: h5live/{}\r\nContent-Type: application/soap+xml; charset=utf-8; action=\"{action}\"\r\n\
             Content-Length: {}\r\n{login}Connection: close\r\n\r\n{envelope}",
            path(url),
            &url[Position::BeforeHost..Position::AfterPort],
            env!("CARGO_PKG_VERSION"),
            envelope.len()
        );
        let closed = || Refusal::new(RefusalKind::Failed, "it has closed the connection without an answer");
        connection.write_all(request.as_bytes()).and_then(|()| connection.flush()).map_err(|_| closed())?;
        let mut stream = BufReader::new(connection);
        let head = Head::read(&mut stream).map_err(|error| match error {
            NoHead::Closed => closed(),
            NoHead::Refused(refusal) => refusal,
        })?;
        let mut bytes = Vec::new();
        // What came before the connection broke may be all there is.
        _ = Body::new(stream, head.framing()?, None).take(MAX_ANSWER).read_to_end(&mut bytes);
        Ok(Answer { head, text: String::from_utf8_lossy(&bytes).into_owned() })
    }
}

/// The answer to the challenge in a response: digest or basic.
///
/// # Errors
/// There is none that is understood.
pub fn login(head: &Head, credentials: &Credentials, url: &Url) -> Result<String, Refusal> {
    authorization(&mut challenge(head)?, credentials, "POST", path(url))
}
