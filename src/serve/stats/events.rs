//! What happens to viewers, for a log. Each is reported as it happens, and no thread waits for the log: when the log does not keep up,
//! events are lost, and counted.

use super::feed::{Feed, Item};
use super::viewer_event::{ViewerEvent, text};
use crate::media::WallTime;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// So many may wait to be written.
const WAITING: usize = 4096;

/// Where events are reported: to those who listen over HTTP and, if there is one, in a log. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Events {
    log: Option<LogSender>,
    feed: Arc<Feed>,
}

/// The way to an [`EventLog`].
#[derive(Clone, Debug)]
struct LogSender {
    sender: Sender<Option<Arc<ViewerEvent>>>,
    lost: Arc<AtomicU64>,
}

/// The other end: what happened, as lines of JSON.
#[derive(Debug)]
pub struct EventLog {
    receiver: Receiver<Option<Arc<ViewerEvent>>>,
    lost: Arc<AtomicU64>,
}

impl Events {
    /// A log, and the end at which it is read.
    pub fn new() -> (Events, EventLog) {
        let (sender, receiver) = bounded(WAITING);
        let lost = Arc::<AtomicU64>::default();
        (Events { log: Some(LogSender { sender, lost: lost.clone() }), feed: Arc::default() }, EventLog { receiver, lost })
    }

    /// Makes the event only if there is a log, or somebody who listens.
    pub(crate) fn tell(&self, event: impl FnOnce() -> ViewerEvent) {
        let is_heard = self.feed.is_heard();
        if self.log.is_none() && !is_heard {
            return;
        }
        let event = Arc::new(event());
        if is_heard {
            self.feed.tell(&Item::Viewer(event.clone()));
        }
        if let Some(LogSender { sender, lost }) = &self.log
            && let Err(TrySendError::Full(_)) = sender.try_send(Some(event))
        {
            lost.fetch_add(1, Relaxed);
        }
    }

    /// A line of the program's own log, for those who listen and may see it.
    pub fn log_line(&self, line: &str) {
        if self.feed.is_heard() {
            self.feed.tell(&Item::Log(line.into()));
        }
    }

    pub(crate) fn feed(&self) -> Arc<Feed> {
        self.feed.clone()
    }

    /// Ends the log, after what was reported so far; waits for that at most so long.
    pub fn end(&self, limit: Duration) {
        if let Some(LogSender { sender, .. }) = &self.log {
            // A log that has gone, or whose reader takes nothing, cannot be ended better.
            _ = sender.send_timeout(None, limit);
        }
    }
}

impl Iterator for EventLog {
    /// One event, or two: whole lines.
    type Item = String;

    /// Waits for what happens next.
    fn next(&mut self) -> Option<String> {
        let event = self.receiver.recv().ok().flatten()?;
        let lost = self.lost.swap(0, Relaxed);
        let mut lines = serde_json::to_string(&*event).unwrap_or_default() + "\n";
        if lost > 0 {
            lines += &format!("{{\"time\":\"{}\",\"event\":\"lost\",\"events\":{lost}}}\n", text(WallTime::now()));
        }
        Some(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::live::stream::Stream;
    use crate::serve::net::socket::Peer;
    use crate::serve::stats::viewer_event::{Reporter, ViewerEventKind};

    fn event(viewer: u64, what: ViewerEventKind) -> ViewerEvent {
        ViewerEvent { time: WallTime(1_700_000_000_250_000), what, stream: Some(Arc::new(Stream::new("cam".into()))), viewer }
    }

    #[test]
    fn an_event_is_one_flat_object_on_a_line() {
        let line = |what| {
            let (events, mut log) = Events::new();
            events.tell(|| event(7, what));
            log.next().unwrap()
        };
        assert_eq!(
            line(ViewerEventKind::Join { remote: Peer::Local, transport: "mp4" }),
            "{\"time\":\"2023-11-14T22:13:20.250Z\",\"event\":\"join\",\"remote\":\"unix\",\"transport\":\"mp4\",\"stream\":\"cam\",\"viewer\":7}\n"
        );
        let error = line(ViewerEventKind::Error { by: Reporter::Player, error: "a\n\"b\"".into() });
        assert!(error.contains(r#""event":"error","by":"player","error":"a\n\"b\"""#) && error.matches('\n').count() == 1, "{error}");
    }

    #[test]
    fn a_log_that_does_not_keep_up_loses_and_says_so() {
        let (events, mut log) = Events::new();
        for n in 0..WAITING as u64 + 10 {
            events.tell(|| event(n, ViewerEventKind::Drop { by: Reporter::Server, frames: 1 }));
        }
        let first = log.next().unwrap();
        assert!(first.contains("\"viewer\":0}\n") && first.contains("\"event\":\"lost\",\"events\":10}\n"), "{first}");
        events.end(Duration::from_secs(1));
        let rest: Vec<String> = log.collect();
        assert!(rest.len() == WAITING - 1 && rest.iter().all(|lines| lines.matches('\n').count() == 1));
        Events::default().tell(|| panic!("there is no log"));
    }
}
