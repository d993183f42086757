//! Sessions by WebSocket (RFC 6455), with the messages of go2rtc's MSE and MJPEG modes, which h5serve has too.
//!
//! ```text
//!   -> {"type":"mse","value":"avc1.640029,…,opus"}
//!   <- {"type":"mse","value":"video/mp4; codecs=…"}       then fragmented MP4 in binary messages,
//!   <- {"type":"error","value":"mse: …"}                  or
//!   -> {"type":"mjpeg"}
//!   <- {"type":"captured","value":1700000000123.4}        each before a JPEG in a binary message (h5serve)
//! ```

use super::client::{Request, authorization, challenge, path, peer};
use super::head::Head;
use super::worker::{Disconnected, Ended, Report, Reporter, Session, Stopped, read};
use crate::codec::jpeg;
use crate::media::{Codec, Event, Header, Packet, Timestamp, Track, VideoParams, WallTime};
use crate::source::network::Refusal;
use crate::source::network::connection::{CancelToken, Connection, Stage};
use crate::source::network::refusal::RefusalKind;
use bytes::{Buf, Bytes};
use std::io::{self, Read};
use std::time::Instant;
use tungstenite::client::client_with_config;
use tungstenite::handshake::client::generate_key;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{HandshakeError, Message, WebSocket};
use url::Url;

/// Every codec that is read in MP4; servers look at the families.
const CODECS: &str =
    "avc1.640029,avc1.64002A,avc1.640033,hvc1.1.6.L153.B0,av01.0.08M.08,vp09.00.41.08,vp8,mp4a.40.2,mp4a.40.5,mp3,flac,opus";
/// A larger message is none of a live stream: it has one frame.
const MAX_MESSAGE: usize = 64 << 20;

type Socket = WebSocket<Connection>;

/// Reads the stream of the address to its end.
pub fn stream(session: &Session, cancel_token: &CancelToken, reporter: &Reporter) -> Result<Disconnected, Ended> {
    play(session, &session.request, cancel_token, reporter)
}

/// Reads the stream of this request, whose address may be that of HTTP too, to its end.
pub fn play(session: &Session, request: &Request, cancel_token: &CancelToken, reporter: &Reporter) -> Result<Disconnected, Ended> {
    let mut socket = connect(request, cancel_token)?;
    say(&mut socket, &serde_json::json!({ "type": "mse", "value": CODECS }))?;
    let mut answers = Answers { captured: None };
    loop {
        match answers.next(&mut socket)? {
            Answer::Mse => break,
            // It has no MP4, but perhaps pictures.
            Answer::Error(what) if what.contains("jpeg") => {
                say(&mut socket, &serde_json::json!({ "type": "mjpeg" }))?;
                return pictures(socket, reporter);
            }
            Answer::Error(what) => return Err(Refusal::new(RefusalKind::Absent, format!("it answers: {what}")).into()),
            Answer::Binary(_) | Answer::Other => {}
        }
    }
    if reporter.send(Report::Opened).is_err() {
        return Ok(Disconnected);
    }
    match read(session, Binary { socket, answers, rest: Bytes::new() }, reporter) {
        Ok(content) => Err(content.ended()),
        Err(Stopped::Disconnected) => Ok(Disconnected),
        Err(Stopped::Unreadable(error)) => Err(Ended::Unreadable(error)),
    }
}

/// JPEG pictures, each with its capture time where the server tells it.
fn pictures(mut socket: Socket, reporter: &Reporter) -> Result<Disconnected, Ended> {
    let mut answers = Answers { captured: None };
    let (mut track, mut is_open, mut damage) = (None, false, 0);
    loop {
        let data = match answers.next(&mut socket)? {
            Answer::Binary(data) => data,
            Answer::Error(what) => return Err(Refusal::new(RefusalKind::Absent, format!("it answers: {what}")).into()),
            Answer::Mse | Answer::Other => continue,
        };
        let at = Instant::now();
        let mut reports = Vec::new();
        if !std::mem::replace(&mut is_open, true) {
            reports.push(Report::Opened);
        }
        let captured = answers.captured.take();
        let has_time = captured.is_some();
        match jpeg::canonical(data) {
            Ok((data, info)) => {
                let now = Track::video(Codec::Jpeg, VideoParams::new(info.width, info.height));
                if track.as_ref() != Some(&now) {
                    // Their times are the wall-clock time.
                    let header = Header { tracks: [now.clone()].into(), time_zero: Some(WallTime(0)) };
                    track = Some(now);
                    reports.push(Report::Event { at, event: Event::Header(header), has_time, damage });
                }
                let pts = Timestamp(captured.map_or(0, |wall: WallTime| wall.0));
                let packet = Packet { track: 0, pts, key: true, data, hidden: false };
                reports.push(Report::Event { at, event: Event::Packet(packet), has_time, damage });
            }
            Err(fault) => {
                damage += 1;
                tracing::debug!("picture dropped: {fault}");
            }
        }
        for report in reports {
            if reporter.send(report).is_err() {
                return Ok(Disconnected);
            }
        }
    }
}

/// Connects, and logs in where that is asked for.
fn connect(request: &Request, cancel_token: &CancelToken) -> Result<Socket, Refusal> {
    let url = endpoint(request.address.url());
    let mut login = None;
    loop {
        let line = match (&mut login, &request.credentials) {
            (Some(login), Some(credentials)) => Some(authorization(login, credentials, "GET", path(&url))?),
            _ => None,
        };
        let connection = Connection::open(&peer(&url), &request.tls, request.timeout, cancel_token)?;
        cancel_token.reach(Stage::Answer)?;
        let config = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        let error = match client_with_config(handshake(&url, line)?, connection, Some(config)) {
            Ok((socket, _)) => return Ok(socket),
            Err(HandshakeError::Failure(error)) => error,
            Err(HandshakeError::Interrupted(_)) => return Err(Refusal::new(RefusalKind::Failed, "its handshake has stopped")),
        };
        match error {
            tungstenite::Error::Http(response) => {
                let status = response.status().as_u16();
                if status != 401 || login.is_some() || request.credentials.is_none() {
                    return Err(Refusal::status(status, request.credentials.is_some()));
                }
                let values = response.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
                login = Some(challenge(&Head::of(status, values))?);
            }
            error => return Err(refusal(&error)),
        }
    }
}

/// The request that opens a WebSocket (RFC 6455, section 4.1).
fn handshake(url: &Url, authorization: Option<String>) -> Result<tungstenite::http::Request<()>, Refusal> {
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let mut request = tungstenite::http::Request::builder()
        .uri(url.as_str())
        .header("Host", host)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", generate_key())
        .header("User-Agent", concat!("h5live/", env!("CARGO_PKG_VERSION")));
    if let Some(line) = authorization {
        request = request.header("Authorization", line);
    }
    request.body(()).map_err(|_| Refusal::new(RefusalKind::Failed, "the address cannot be asked for by WebSocket"))
}

/// `ws://HOST/NAME` is short for the stream of this name of an h5serve; whatever has another path is taken as it is.
fn endpoint(url: &Url) -> Url {
    let mut url = url.clone();
    let name = url.path().trim_matches('/').to_owned();
    if url.query().is_none() && !name.contains('/') {
        url.set_path("/api/ws");
        let name = percent_encoding::percent_decode_str(&name).decode_utf8_lossy();
        if !name.is_empty() {
            url.query_pairs_mut().append_pair("src", &name);
        }
    }
    url.set_fragment(None);
    // A WebSocket at an address of HTTP is that of the same server (the WebSocket standard, "get a URL").
    _ = url.set_scheme(if matches!(url.scheme(), "https" | "wss") { "wss" } else { "ws" });
    url
}

fn say(socket: &mut Socket, message: &serde_json::Value) -> Result<(), Refusal> {
    socket.send(Message::text(message.to_string())).map_err(|error| refusal(&error))
}

/// An error in words, without the address.
fn refusal(error: &tungstenite::Error) -> Refusal {
    use tungstenite::Error;
    let text = match error {
        Error::ConnectionClosed | Error::AlreadyClosed => "it has ended the stream".into(),
        Error::Io(error) => error.to_string(),
        Error::Capacity(_) => format!("it sends a message of more than {} MiB", MAX_MESSAGE >> 20),
        Error::Protocol(error) => format!("WebSocket: {error}"),
        Error::HttpFormat(_) | Error::Tls(_) | Error::Url(_) | Error::Http(_) => "it does not speak WebSocket at this path".into(),
        Error::Utf8(_) | Error::WriteBufferFull(_) | Error::AttackAttempt => "it does not keep to WebSocket".into(),
    };
    Refusal::new(RefusalKind::Failed, text)
}

/// What comes.
enum Answer {
    /// Fragmented MP4 follows.
    Mse,
    Error(String),
    Binary(Bytes),
    Other,
}

/// The messages of a server.
struct Answers {
    /// When the picture that follows was captured.
    captured: Option<WallTime>,
}

impl Answers {
    fn next(&mut self, socket: &mut Socket) -> Result<Answer, Refusal> {
        match socket.read().map_err(|error| refusal(&error))? {
            Message::Binary(data) => Ok(Answer::Binary(data)),
            Message::Text(text) => Ok(self.text(&text)),
            Message::Close(frame) => {
                let reason = frame.map(|frame| printable(&frame.reason)).filter(|reason| !reason.is_empty());
                Err(Refusal::new(RefusalKind::Failed, format!("it has closed: {}", reason.unwrap_or_else(|| "no reason given".into()))))
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(Answer::Other),
        }
    }

    fn text(&mut self, text: &str) -> Answer {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(text) else { return Answer::Other };
        let value = &message["value"];
        match message["type"].as_str() {
            Some("mse") => Answer::Mse,
            Some("error") => Answer::Error(printable(value.as_str().unwrap_or_default())),
            Some("captured") => {
                let ms = value.as_f64().filter(|ms| (0.0..1e14).contains(ms));
                self.captured = ms.map(|ms| WallTime((ms * 1000.0).round() as i64));
                Answer::Other
            }
            Some("dropped") => {
                tracing::debug!("the server has left out {value} frames for this viewer");
                Answer::Other
            }
            _ => Answer::Other,
        }
    }
}

/// One line, for people.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// The binary messages, one after the other, as a stream of bytes.
struct Binary {
    socket: Socket,
    answers: Answers,
    rest: Bytes,
}

impl Read for Binary {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.answers.next(&mut self.socket).map_err(|refusal| io::Error::other(refusal.text))? {
                Answer::Binary(data) => self.rest = data,
                Answer::Error(what) => return Err(io::Error::other(format!("it answers: {what}"))),
                Answer::Mse | Answer::Other => {}
            }
        }
        let part = self.rest.len().min(buf.len());
        self.rest.copy_to_slice(&mut buf[..part]);
        Ok(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_for_a_stream() {
        let of = |url: &str| endpoint(&Url::parse(url).unwrap()).to_string();
        assert_eq!(of("ws://origin/cam"), "ws://origin/api/ws?src=cam");
        assert_eq!(of("ws://origin:8080/a%20%26b/"), "ws://origin:8080/api/ws?src=a+%26b");
        assert_eq!(of("ws://origin"), "ws://origin/api/ws");
        assert_eq!(of("wss://proxy/live/api/ws?src=cam#x"), "wss://proxy/live/api/ws?src=cam");
        assert_eq!(of("ws://origin/api/ws?src=cam"), "ws://origin/api/ws?src=cam");
        assert_eq!(of("ws://origin/live/api/ws"), "ws://origin/live/api/ws");
        assert_eq!(of("http://origin:8080/api/ws?src=cam"), "ws://origin:8080/api/ws?src=cam");
        assert_eq!(of("https://origin/api/ws"), "wss://origin/api/ws");
    }

    #[test]
    fn messages_of_servers() {
        let mut answers = Answers { captured: None };
        assert!(matches!(answers.text(r#"{"type":"mse","value":"video/mp4"}"#), Answer::Mse));
        assert!(matches!(answers.text(r#"{"type":"error","value":"mse:\nno"}"#), Answer::Error(what) if what == "mse:no"));
        for other in ["", "[]", "{}", r#"{"type":7}"#, r#"{"type":"captured","value":1e300}"#] {
            assert!(matches!(answers.text(other), Answer::Other) && answers.captured.is_none(), "{other}");
        }
        answers.text(r#"{"type":"captured","value":1700000000123.456}"#);
        assert_eq!(answers.captured, Some(WallTime(1_700_000_000_123_456)));
    }
}
