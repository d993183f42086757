//! One session with a server, in a thread of its own: it asks, reads, and reports. Its reads wait as long as they take; the source watches
//! over it, and cuts its connection.

use super::client::Request;
use crate::media::{Codec, Event};
use crate::source::input::{BoxError, ReadBytes};
use crate::source::network::Refusal;
use crate::source::network::connection::CancelToken;
use crate::source::network::refusal::RefusalKind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// So many events wait for the source: then the session stops reading.
const WAITING: usize = 4;

/// What a session reports.
pub enum Report {
    /// The server has answered, and sends.
    Opened,
    /// An event, read at this time.
    Event {
        at: Instant,
        event: Event,
        /// Its time is that of the sender's clock, not that of its arrival.
        has_time: bool,
        /// Damaged elements of this answer so far.
        damage: u64,
    },
    /// The picture is still the same.
    Unchanged(Instant),
    /// Nothing more is to be expected before this time has passed.
    Pause(Duration),
    /// The session has ended.
    Ended(Ended),
}

/// Why a session has ended.
pub enum Ended {
    Refused(Refusal),
    /// What came cannot be read.
    Unreadable(BoxError),
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Ended {
        Ended::Refused(refusal)
    }
}

/// What a session needs.
#[derive(Clone)]
pub struct Session {
    /// Of the source, as it is printed.
    pub name: String,
    pub request: Request,
    pub read: ReadBytes,
    /// Between two requests for one picture.
    pub interval: Duration,
    /// That of HTTP or of WebSocket.
    pub run: fn(&Session, &CancelToken, &Reporter) -> Result<Disconnected, Ended>,
}

/// Where reports go.
pub struct Reporter(SyncSender<Report>);

/// Reports are not taken any more.
pub struct Disconnected;

impl Reporter {
    /// `Err`: it is not taken.
    pub fn send(&self, report: Report) -> Result<(), Disconnected> {
        self.0.send(report).map_err(|_| Disconnected)
    }
}

impl Session {
    /// Begins a session in a thread of its own. It ends after [`CancelToken::cancel`].
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn start(&self, cancel_token: &CancelToken) -> std::io::Result<Receiver<Report>> {
        let (sender, reports) = sync_channel(WAITING);
        let (session, cancel_token) = (self.clone(), cancel_token.clone());
        thread::Builder::new().name("network".into()).spawn(move || {
            let reporter = Reporter(sender);
            if let Err(ended) = (session.run)(&session, &cancel_token, &reporter) {
                _ = reporter.send(Report::Ended(ended));
            }
        })?;
        Ok(reports)
    }
}

/// Why reading has stopped before the end.
pub enum Stopped {
    Disconnected,
    Unreadable(BoxError),
}

impl From<Disconnected> for Stopped {
    fn from(_: Disconnected) -> Stopped {
        Stopped::Disconnected
    }
}

/// What bytes were, at their end.
pub enum Content {
    Nothing,
    /// One JPEG.
    Picture,
    Stream,
}

impl Content {
    /// The session ends with them.
    pub fn ended(&self) -> Ended {
        let text = if matches!(self, Content::Nothing) { "its answer is empty" } else { "it has ended the stream" };
        Refusal::new(RefusalKind::Failed, text).into()
    }
}

/// Reads bytes to their end, and reports their events.
pub fn read(session: &Session, bytes: impl std::io::Read + Send + 'static, reporter: &Reporter) -> Result<Content, Stopped> {
    let mut reader = (session.read)(&session.name, Box::new(bytes));
    let (mut packets, mut is_jpeg) = (0, false);
    while let Some(event) = reader.next().map_err(Stopped::Unreadable)? {
        match &event {
            Event::Header(header) => is_jpeg = header.tracks.iter().all(|track| track.codec == Codec::Jpeg),
            Event::Packet(_) => packets += 1,
            Event::TimeZero(_) => {}
        }
        reporter.send(Report::Event { at: Instant::now(), event, has_time: reader.has_times(), damage: reader.damage() })?;
    }
    Ok(match packets {
        0 => Content::Nothing,
        1 if is_jpeg => Content::Picture,
        _ => Content::Stream,
    })
}
