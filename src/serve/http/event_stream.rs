//! Server-sent events (HTML Living Standard, section 9.2): what happens to viewers, and the log for those who may see it.

use crate::access::Right;
use crate::serve::hub::SharedHub;
use crate::serve::net::link::Link;
use crate::serve::stats::feed::{Item, Listener};
use crate::serve::stats::viewer_event::ViewerEvent;
use bytes::Bytes;
use serde_json::{Value, json};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// How often it is looked whether the server stops.
const TICK: Duration = Duration::from_secs(1);
/// After so many of them without an event a comment goes out, so that no proxy takes the connection for dead.
const SILENT: u32 = 15;
const COMMENT: &[u8] = b":\n\n";

/// Whether who listens may do this with the stream of this name; `""`: with all.
pub type Rights = Box<dyn Fn(Right, &str) -> bool + Send>;

/// The body of one who listens. It ends when the server stops.
pub struct EventStream {
    listener: Listener,
    rights: Rights,
    hub: SharedHub,
    link: Arc<Link>,
    begun: bool,
    tick: Pin<Box<Sleep>>,
    silent: u32,
}

impl EventStream {
    pub fn new(listener: Listener, rights: Rights, hub: SharedHub, link: Arc<Link>) -> EventStream {
        EventStream { listener, rights, hub, link, begun: false, tick: Box::pin(sleep(TICK)), silent: 0 }
    }

    /// The next event.
    pub fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let next = self.next_piece(cx);
        self.link.lock().idle = next.is_pending();
        if matches!(next, Poll::Ready(Some(_))) {
            self.silent = 0;
        }
        next
    }

    fn next_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !std::mem::replace(&mut self.begun, true) || std::mem::take(&mut self.link.lock().ask) {
            return Poll::Ready(Some(Bytes::from_static(COMMENT)));
        }
        loop {
            while let Poll::Ready(item) = self.listener.poll_next(cx) {
                if let Some(text) = self.text(&item) {
                    return Poll::Ready(Some(text.into()));
                }
            }
            ready!(self.tick.as_mut().poll(cx));
            if self.hub.lock().stopping() {
                return Poll::Ready(None);
            }
            self.tick = Box::pin(sleep(TICK));
            self.silent += 1;
            if self.silent >= SILENT {
                return Poll::Ready(Some(Bytes::from_static(COMMENT)));
            }
        }
    }

    /// `None`: it is not for who listens.
    fn text(&self, item: &Item) -> Option<String> {
        match item {
            Item::Viewer(event) => self.viewer(event),
            Item::Log(line) => (self.rights)(Right::Admin, "").then(|| event("log", &json!({ "line": &**line }))),
            Item::Lost(events) => Some(event("lost", &json!({ "events": events }))),
        }
    }

    /// Where viewers are is for those who look after the stream.
    fn viewer(&self, what: &ViewerEvent) -> Option<String> {
        let stream = what.stream.as_ref().map_or("", |stream| &stream.name);
        let admin = (self.rights)(Right::Admin, stream);
        if !admin && (stream.is_empty() || !(self.rights)(Right::View, stream)) {
            return None;
        }
        let mut value = serde_json::to_value(what).unwrap_or_default();
        if let Value::Object(object) = &mut value
            && !admin
        {
            object.remove("remote");
        }
        let name = value.get("event").and_then(Value::as_str).unwrap_or("message").to_owned();
        Some(event(&name, &value))
    }
}

/// JSON has no line ends in it.
fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}
