//! What happens to viewers, for a log. Each is reported as it happens, and no thread waits for the log: when the log does not keep up,
//! events are lost, and counted.

use crate::media::WallTime;
use crate::serve::live::stream::Stream;
use crate::serve::net::socket::Peer;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use serde::{Serialize, Serializer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// So many may wait to be written.
const WAITING: usize = 4096;

/// One thing that happened to one viewer; as JSON one flat object.
#[derive(Clone, Debug, Serialize)]
pub struct ViewerEvent {
    #[serde(serialize_with = "rfc3339")]
    pub time: WallTime,
    #[serde(flatten)]
    pub what: ViewerEventKind,
    /// `None`: one that is not there was asked for.
    #[serde(serialize_with = "name")]
    pub stream: Option<Arc<Stream>>,
    /// Its number; never used again.
    pub viewer: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum ViewerEventKind {
    Join {
        remote: Peer,
        transport: &'static str,
    },
    Leave {
        transport: &'static str,
        seconds: f64,
        bytes: u64,
        dropped: u64,
        /// Of a WebSocket's close frame.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
    },
    /// It was too late, and goes on at a newer keyframe.
    Drop {
        by: Reporter,
        frames: u64,
    },
    /// The picture stood still, or nothing was taken until the stall limit.
    Stall {
        by: Reporter,
        seconds: f64,
    },
    Error {
        by: Reporter,
        error: String,
    },
}

/// Which side reports it.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reporter {
    Server,
    Player,
}

fn rfc3339<S: Serializer>(time: &WallTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*time))
}

fn text(time: WallTime) -> String {
    jiff::Timestamp::from_microsecond(time.0).map(|t| format!("{t:.3}")).unwrap_or_default()
}

fn name<S: Serializer>(stream: &Option<Arc<Stream>>, serializer: S) -> Result<S::Ok, S::Error> {
    stream.as_ref().map(|s| &s.name).serialize(serializer)
}

/// Where events are reported; by default, nowhere. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Events(Option<(Sender<Option<ViewerEvent>>, Arc<AtomicU64>)>);

/// The other end: what happened, as lines of JSON.
#[derive(Debug)]
pub struct EventLog {
    receiver: Receiver<Option<ViewerEvent>>,
    lost: Arc<AtomicU64>,
}

impl Events {
    /// A log, and the end at which it is read.
    pub fn new() -> (Events, EventLog) {
        let (sender, receiver) = bounded(WAITING);
        let lost = Arc::<AtomicU64>::default();
        (Events(Some((sender, lost.clone()))), EventLog { receiver, lost })
    }

    /// Makes the event only if there is a log.
    pub(crate) fn tell(&self, event: impl FnOnce() -> ViewerEvent) {
        if let Some((sender, lost)) = &self.0
            && let Err(TrySendError::Full(_)) = sender.try_send(Some(event()))
        {
            lost.fetch_add(1, Relaxed);
        }
    }

    /// Ends the log, after what was reported so far; waits for that at most so long.
    pub fn end(&self, limit: Duration) {
        if let Some((sender, _)) = &self.0 {
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
        let mut lines = serde_json::to_string(&event).unwrap_or_default() + "\n";
        if lost > 0 {
            lines += &format!("{{\"time\":\"{}\",\"event\":\"lost\",\"events\":{lost}}}\n", text(WallTime::now()));
        }
        Some(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
