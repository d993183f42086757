//! Sessions by HTTP: a stream, or one picture that is asked for again and again.

use super::client::Client;
use super::head::Head;
use super::worker::{Content, Disconnected, Ended, Report, Reporter, Session, Stopped, read};
use super::{link, websocket};
use crate::source::network::connection::CancelToken;
use std::time::Instant;

/// Reads the resource: a stream to its end, one picture again and again. Of a page that links to the WebSocket of its stream, that is read.
pub fn stream(session: &Session, cancel_token: &CancelToken, reporter: &Reporter) -> Result<Disconnected, Ended> {
    let mut client = Client::new(session.request.clone(), cancel_token.clone());
    let mut validators = Vec::new();
    let mut is_open = false;
    loop {
        let asked = Instant::now();
        let response = client.get(&validators)?;
        if let Some(request) = link::websocket(&response.head).and_then(|target| client.beside(target)) {
            return websocket::play(session, &request, cancel_token, reporter);
        }
        if !is_open && reporter.send(Report::Opened).is_err() {
            return Ok(Disconnected);
        }
        is_open = true;
        if response.head.status == 304 {
            if reporter.send(Report::Unchanged(Instant::now())).is_err() {
                return Ok(Disconnected);
            }
        } else {
            validators = self::validators(&response.head);
            match read(session, response.body, reporter) {
                Ok(Content::Picture) => {}
                Ok(content) => return Err(content.ended()),
                Err(Stopped::Disconnected) => return Ok(Disconnected),
                Err(Stopped::Unreadable(error)) => return Err(Ended::Unreadable(error)),
            }
        }
        if reporter.send(Report::Pause(session.interval)).is_err() || !cancel_token.sleep_until(asked + session.interval) {
            return Ok(Disconnected);
        }
    }
}

/// The headers that make a request conditional (RFC 9110, section 13.1).
fn validators(head: &Head) -> Vec<(&'static str, String)> {
    let of = |name, value: Option<&str>| value.map(|value| (name, value.to_owned()));
    [of("If-None-Match", head.value("etag")), of("If-Modified-Since", head.value("last-modified"))].into_iter().flatten().collect()
}
