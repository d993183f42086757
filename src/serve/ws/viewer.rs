//! One WebSocket viewer: a socket, a cursor, and the little that is said besides the stream.

use super::frames::{self, Decoder, code};
use super::messages;
use super::rewinding::{self, ViewerPast};
use super::subscription::{Asked, Granted, Play, Subscription};
use crate::serve::limits::ViewerLimits;
use crate::serve::live::replica::StreamReplica;
use crate::serve::live::start::Trouble;
use crate::serve::live::stream::{Membership, Stream};
use crate::serve::net::socket::Socket;
use crate::serve::rewind::outlet::PlaybackOutput;
use crate::serve::rewind::session::Rewinding;
use crate::serve::stats::viewers::ViewerHandle;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

mod reading;

/// Chunks in one `writev`: a viewer that is behind gets fewer, larger writes.
const BATCH: usize = 8;
/// Reads in one turn; then the others have theirs.
const READS: usize = 4;
/// With so many answers waiting to be sent, no more questions are heard: a client that floods the server waits for its own answers.
const MAX_ANSWERS: usize = 8;
/// How long a viewer may take over the closing handshake.
const GOODBYE: Duration = Duration::from_secs(5);
/// A ping after so long without a frame keeps proxies from closing a stream that stands still.
const QUIET: Duration = Duration::from_secs(25);
/// A client that has subscribed to nothing after so long is closed, whatever it has sent.
const UNDECIDED: Duration = Duration::from_secs(30);

/// A WebSocket whose handshake was accepted.
pub struct Accepted {
    /// `None`: the stream asked for is not there; the viewer gets the error in its own protocol.
    pub stream: Option<Arc<Stream>>,
    pub asked: Asked,
    /// The group that it was asked for by.
    pub group: Option<Membership>,
    /// What it may see of before; `None`: nothing can be seen here.
    pub rewinding: Option<Box<Rewinding>>,
    pub handle: ViewerHandle,
}

pub struct Viewer {
    socket: Socket,
    phase: Phase,
    subscription: Subscription,
    /// What goes before the next chunk: whole messages, but for the front one, which may have been `begun`.
    out: VecDeque<Bytes>,
    begun: bool,
    /// Since when the socket has taken nothing, though there is something to take.
    stuck: Option<Instant>,
    /// Its questions are not heard until it takes the answers.
    unheard: bool,
    /// When something was last sent.
    active: Instant,
    /// The chunk that it is in the middle of.
    holds: Option<u64>,
    /// Bytes sent that its handle has not counted yet: the counters lie elsewhere in memory.
    untold: usize,
    client: Box<Client>,
}

/// Who a viewer is, and what it says. No chunk that it gets needs that, so it lies apart: what each chunk needs of a thousand viewers comes from memory each time.
struct Client {
    waker: Waker,
    handle: ViewerHandle,
    decoder: Decoder,
    /// What was read of its questions already.
    read: Bytes,
    /// When it last wanted something, or came.
    wanted: Instant,
    /// The trouble that was last sent to it.
    trouble: Option<Trouble>,
    /// The group that its stream was asked for by.
    group: Option<Box<Membership>>,
    /// What it may see of before.
    past: ViewerPast,
}

#[derive(Clone, Copy)]
enum Phase {
    Open,
    /// Our close frame is sent, or in `out`. `heard`: so is the client's, or nothing it says matters any more.
    Closing {
        since: Instant,
        heard: bool,
    },
}

enum Written {
    Nothing,
    Some,
    Full,
    Failed,
}

impl Viewer {
    pub fn new(socket: Socket, waker: Waker, handle: ViewerHandle, now: Instant) -> Viewer {
        let client = Client {
            waker,
            handle,
            decoder: Decoder::default(),
            read: Bytes::new(),
            wanted: now,
            trouble: None,
            group: None,
            past: ViewerPast::default(),
        };
        Viewer {
            socket,
            phase: Phase::Open,
            subscription: Subscription::Nothing,
            out: VecDeque::new(),
            begun: false,
            stuck: None,
            unheard: false,
            active: now,
            holds: None,
            untold: 0,
            client: Box::new(client),
        }
    }

    /// It may ask for what was before.
    pub fn may_rewind(&mut self, rewinding: Option<Box<Rewinding>>) {
        self.client.past = ViewerPast::new(rewinding);
    }

    /// Its stream is one of a group.
    pub fn is_of(&mut self, group: Option<Membership>) {
        self.client.group = group.map(Box::new);
    }

    /// The socket may have become readable or writable: reads what there is, then sends what there is. It breaks where the viewer has gone.
    pub fn ready(&mut self, replica: Option<&StreamReplica>, now: Instant, limits: ViewerLimits, scratch: &mut [u8]) -> ControlFlow<()> {
        match self.read(now, scratch) {
            ControlFlow::Break(()) => ControlFlow::Break(()),
            ControlFlow::Continue(()) => self.pump(replica, now, limits),
        }
    }

    fn go_live(&mut self, at: Option<u64>) {
        self.say(&messages::live());
        self.subscription = Subscription::Fmp4(self.client.past.codecs(), at);
    }

    /// Takes what is played of before, when all was sent that came first.
    fn take_past(&mut self) {
        while self.out.len() < BATCH / 2
            && let Some(output) = rewinding::next_output(&mut self.subscription)
        {
            match output {
                PlaybackOutput::Message(message) => self.out.push_back(message),
                PlaybackOutput::Live(at) => self.go_live(at),
                PlaybackOutput::Failed(why) => {
                    self.say(&messages::error(&why));
                    self.go_live(None);
                }
            }
        }
    }

    /// What was asked for with the handshake.
    pub fn ask(&mut self, asked: Asked) {
        match asked {
            Asked::Nothing => {}
            Asked::Codecs(codecs) => self.subscribe(codecs),
            Asked::Form(form) => self.subscription = Subscription::Form(form),
        }
    }

    /// It gets media and nothing else.
    fn is_plain(&self) -> bool {
        matches!(self.subscription, Subscription::Form(_) | Subscription::Playing(Play { form: Some(_), .. }))
    }

    fn say(&mut self, text: &str) {
        self.out.push_back(frames::text(text));
    }

    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Says goodbye; a message already begun is finished first.
    pub fn close(&mut self, code: u16, reason: &str, now: Instant) {
        self.close_as(code, reason, now, false);
    }

    fn close_as(&mut self, code: u16, reason: &str, now: Instant, heard: bool) {
        self.phase = match self.phase {
            Phase::Closing { since, heard: before } => Phase::Closing { since, heard: before || heard },
            Phase::Open => {
                self.subscription = Subscription::Nothing;
                self.out.truncate(usize::from(self.begun));
                self.out.push_back(frames::close(code, reason));
                self.client.handle.closing(code);
                Phase::Closing { since: now, heard }
            }
        }
    }

    /// Sends all that the socket takes.
    pub fn pump(&mut self, replica: Option<&StreamReplica>, now: Instant, limits: ViewerLimits) -> ControlFlow<()> {
        loop {
            self.prepare(replica, now, limits);
            if self.stuck.is_some() && self.socket.poll_write_ready(&mut Context::from_waker(&self.client.waker)).is_pending() {
                return ControlFlow::Continue(());
            }
            match self.write(replica) {
                Written::Some => {
                    (self.stuck, self.active) = (None, now);
                    if self.is_level(replica) {
                        break;
                    }
                }
                Written::Full => _ = self.stuck.get_or_insert(now),
                Written::Failed => return ControlFlow::Break(()),
                Written::Nothing => break,
            }
        }
        self.stuck = None;
        if matches!(self.phase, Phase::Closing { heard: true, .. }) {
            self.socket.shutdown_write();
        }
        if self.unheard {
            self.client.waker.wake_by_ref();
        }
        ControlFlow::Continue(())
    }

    /// Between two chunks: grants a request, applies the lag rule, puts a new init segment before the chunks that need it.
    fn prepare(&mut self, replica: Option<&StreamReplica>, now: Instant, limits: ViewerLimits) {
        match (&mut self.subscription, replica) {
            (Subscription::Nothing, _) => {}
            (Subscription::Rewind(_), _) => return self.take_past(),
            (Subscription::Form(_) | Subscription::Playing(Play { form: Some(_), .. }), None) => {
                self.close(code::NORMAL, "the stream has ended", now);
            }
            (_, None) => {
                self.say(&messages::error("mse: there is no such stream"));
                self.subscription = Subscription::Nothing;
            }
            (Subscription::Form(_) | Subscription::Fmp4(..) | Subscription::Jpeg, Some(replica)) => self.grant(replica, now, limits),
            (Subscription::Playing(_), Some(_)) => {}
        }
        let (Subscription::Playing(play), Some(replica)) = (&mut self.subscription, replica) else { return };
        if let Some(lost) = play.keep_up(replica, now, limits, || held(&self.out, &self.socket)) {
            self.client.handle.jumped(lost);
            if play.form.is_none() {
                self.out.push_back(frames::text(&messages::dropped(lost)));
            }
        }
        if let Some(init) = play.next_init(replica) {
            self.out.push_back(init);
        }
        if replica.ended && self.out.is_empty() && play.messages(replica).next().is_none() {
            self.close(code::NORMAL, "the stream has ended", now);
        }
    }

    /// Answers a request as soon as the stream has begun.
    fn grant(&mut self, replica: &StreamReplica, now: Instant, limits: ViewerLimits) {
        match self.subscription.granted(replica, now, limits) {
            Granted::NotYet if replica.ended => self.close(code::NORMAL, "the stream has ended", now),
            Granted::NotYet => {}
            Granted::Form(form, subscription) => {
                self.subscription = subscription;
                self.client.handle.gets(form.name());
            }
            Granted::Unsupported(why) => self.close(code::UNSUPPORTED, why, now),
            Granted::Answer(answer, subscription) => {
                self.subscription = subscription;
                self.say(&answer);
                if self.plays() {
                    self.client.trouble = replica.stream.trouble();
                    self.client.handle.gets(if replica.init.is_some() { "mse" } else { "mjpeg" });
                    self.say(&messages::stream(&replica.stream.summary(now).in_group(self.client.group.as_deref(), now)));
                }
            }
        }
    }

    /// One `writev` of what comes next.
    fn write(&mut self, replica: Option<&StreamReplica>) -> Written {
        let mut bufs = [IoSlice::new(&[]); BATCH];
        let mut n = 0;
        let mut add = |bytes| {
            bufs[n] = IoSlice::new(bytes);
            n += 1;
        };
        self.out.iter().take(BATCH).for_each(|message| add(message));
        if let (Subscription::Playing(play), Some(replica)) = (&self.subscription, replica) {
            play.messages(replica).take(BATCH.saturating_sub(self.out.len())).for_each(|(_, message)| add(message));
        }
        if n == 0 {
            return Written::Nothing;
        }
        match self.socket.try_write(&bufs[..n]) {
            Ok(0) => Written::Failed,
            Ok(bytes) => {
                self.sent(bytes, replica);
                Written::Some
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => Written::Full,
            Err(e) if e.kind() == ErrorKind::Interrupted => Written::Some,
            Err(_) => Written::Failed,
        }
    }

    /// All that there is has been sent.
    pub fn is_level(&self, replica: Option<&StreamReplica>) -> bool {
        let level = |play: &Play, replica: &StreamReplica| play.cursor.is_level(&replica.ring) && !replica.ended;
        self.out.is_empty() && matches!((&self.subscription, replica), (Subscription::Playing(play), Some(replica)) if level(play, replica))
    }

    /// Takes note of `bytes` sent, in the order of [`Viewer::write`].
    fn sent(&mut self, mut bytes: usize, replica: Option<&StreamReplica>) {
        self.untold += bytes;
        while let Some(front) = self.out.front_mut().filter(|_| bytes > 0) {
            let part = front.len().min(bytes);
            front.advance(part);
            bytes -= part;
            self.begun = front.has_remaining();
            if !self.begun {
                self.holds = None;
                self.out.pop_front();
            }
        }
        let (Subscription::Playing(play), Some(replica)) = (&mut self.subscription, replica) else { return };
        while bytes > 0
            && let Some((chunk, message)) = play.messages(replica).next()
        {
            play.cursor.sent(chunk);
            let part = message.len().min(bytes);
            bytes -= part;
            if part < message.len() {
                self.out.push_back(message.slice(part..));
                (self.begun, self.holds) = (true, Some(chunk.seq));
            }
        }
    }

    fn tell(&mut self) {
        self.client.handle.sent(std::mem::take(&mut self.untold));
    }

    /// Says what the stream is anew, when no viewer can begin in it any more, or can again.
    fn tell_trouble(&mut self, replica: Option<&StreamReplica>, now: Instant) {
        let Some(replica) = replica.filter(|replica| {
            self.plays() && !self.is_plain() && replica.stream.trouble() != self.client.trouble && self.out.len() < MAX_ANSWERS
        }) else {
            return;
        };
        self.client.trouble = replica.stream.trouble();
        self.say(&messages::stream(&replica.stream.summary(now).in_group(self.client.group.as_deref(), now)));
    }

    /// Called now and then: closes a viewer that takes nothing or asks for nothing, and pings one whose stream stands still.
    pub fn tick(&mut self, replica: Option<&StreamReplica>, now: Instant, limits: ViewerLimits) -> ControlFlow<()> {
        self.tell();
        if !matches!(self.subscription, Subscription::Nothing) {
            self.client.wanted = now;
        }
        self.tell_trouble(replica, now);
        if let Phase::Closing { since, .. } = self.phase {
            return if now - since > GOODBYE { ControlFlow::Break(()) } else { self.pump(replica, now, limits) };
        }
        let revoked = if self.rewinds() { self.client.past.refusal() } else { None };
        if let Err(why) = self.client.handle.may_go_on() {
            self.close(code::ACCESS, &why.to_string(), now);
        } else if let Some(why) = revoked {
            self.close(code::ACCESS, &why, now);
        } else if let Some(why) = self.client.handle.dismissed() {
            self.close(code::POLICY, why, now);
        } else if let Some(since) = self.stuck.filter(|since| now - *since > limits.stall) {
            self.client.handle.stalled(now - since);
            self.close(code::POLICY, "too slow: nothing was taken within the stall limit", now);
        } else if now - self.client.wanted > UNDECIDED {
            self.close(code::POLICY, "nothing was asked for", now);
        } else if self.stuck.is_none() && now - self.active > QUIET {
            self.out.push_back(frames::ping());
        }
        self.pump(replica, now, limits)
    }

    /// How far it is behind the newest chunk.
    pub fn behind(&self, replica: &StreamReplica) -> Duration {
        match &self.subscription {
            Subscription::Playing(play) => play.cursor.behind(&replica.ring, held(&self.out, &self.socket)).unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }

    pub fn plays(&self) -> bool {
        matches!(self.subscription, Subscription::Playing(_))
    }

    /// It sees what was before: what becomes of the stream does not concern it.
    pub fn rewinds(&self) -> bool {
        matches!(self.subscription, Subscription::Rewind(_))
    }

    /// Whether it is in the middle of a chunk before this one.
    pub fn holds_before(&self, chunk: u64) -> bool {
        self.holds.is_some_and(|held| held < chunk)
    }

    /// The end of it in the middle of a chunk that is wanted back.
    pub fn cut_off(self) {
        self.client.handle.stalled(self.stuck.map_or(Duration::ZERO, |since| since.elapsed()));
        self.leave();
    }

    /// The end of it. What a dead viewer has not taken is thrown away with its socket.
    pub fn leave(mut self) {
        self.tell();
        if !self.out.is_empty() {
            self.socket.abort();
        }
    }
}

/// Bytes that are on their way to a viewer: queued here, and in the kernel until the other end has acknowledged them.
fn held(out: &VecDeque<Bytes>, socket: &Socket) -> usize {
    out.iter().map(Bytes::len).sum::<usize>() + socket.unacknowledged()
}

#[cfg(test)]
mod tests;
