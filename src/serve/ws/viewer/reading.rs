//! What a viewer says, and what it does.

use super::{MAX_ANSWERS, Phase, READS, Viewer};
use crate::serve::rewind::command::RewindCommand;
use crate::serve::ws::frames::{self, Message};
use crate::serve::ws::messages::{self, Command};
use crate::serve::ws::rewinding::Obeyed;
use crate::serve::ws::subscription::Subscription;
use bytes::Bytes;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::task::Context;
use std::time::Instant;

impl Viewer {
    pub(super) fn read(&mut self, now: Instant, scratch: &mut [u8]) -> ControlFlow<()> {
        for _ in 0..READS {
            let read = std::mem::take(&mut self.client.read);
            self.on_bytes(&read, now);
            self.unheard = self.out.len() >= MAX_ANSWERS;
            if self.unheard {
                return ControlFlow::Continue(());
            }
            match self.socket.try_read(scratch) {
                Ok(0) => return ControlFlow::Break(()),
                Ok(n) => self.on_bytes(&scratch[..n], now),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    if self.socket.poll_read_ready(&mut Context::from_waker(&self.client.waker)).is_pending() {
                        return ControlFlow::Continue(());
                    }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return ControlFlow::Break(()),
            }
        }
        self.client.waker.wake_by_ref();
        ControlFlow::Continue(())
    }

    /// Bytes from the client, of which the rest is kept when there are too many answers to give.
    pub fn on_bytes(&mut self, bytes: &[u8], now: Instant) {
        let rest = self.take_messages(bytes, now);
        self.client.read = Bytes::copy_from_slice(rest);
    }

    /// Gives what it does not hear, since there are too many answers already.
    fn take_messages<'b>(&mut self, mut bytes: &'b [u8], now: Instant) -> &'b [u8] {
        // Of several pings the last is answered (RFC 6455, section 5.5.3).
        let mut ping = None;
        while !matches!(self.phase, Phase::Closing { heard: true, .. }) && self.out.len() < MAX_ANSWERS {
            match self.client.decoder.next(&mut bytes) {
                Ok(None) => break,
                Ok(Some(Message::Close(code))) => self.close_as(code, "", now, true),
                Ok(Some(Message::Ping(payload))) => ping = Some(payload),
                Ok(Some(Message::Text(text))) if self.is_open() => self.on_command(&text, now),
                // A viewer's decoder takes no binary messages.
                Ok(Some(Message::Text(_) | Message::Binary(_) | Message::Pong)) => {}
                Err(violation) => {
                    self.client.handle.failed(violation.reason);
                    self.close_as(violation.code, violation.reason, now, true);
                }
            }
        }
        if let Some(payload) = ping.filter(|_| self.is_open()) {
            self.out.push_back(frames::pong(&payload));
        }
        if matches!(self.phase, Phase::Closing { heard: true, .. }) { &[] } else { bytes }
    }

    fn on_command(&mut self, text: &str, now: Instant) {
        if self.is_plain() {
            // wfs.js says what it opens; others have no questions either.
            return;
        }
        match Command::parse(text) {
            Some(Command::Mse(codecs)) => self.subscribe(codecs),
            Some(Command::Mjpeg) => self.subscription = Subscription::Jpeg,
            Some(Command::Ping(t)) => self.say(&messages::pong(t)),
            Some(Command::Report(report)) => self.client.handle.reported(&report, now),
            Some(Command::Rewind(Ok(command))) => self.rewind(command),
            Some(Command::Rewind(Err(what))) => self.say(&messages::error(what)),
            Some(Command::Other(what)) => self.say(&messages::error(&format!("{what}: not supported"))),
            None => self.say(&messages::error("not a JSON object with type and value")),
        }
    }

    /// Fragmented MP4 with the tracks that these codecs play, as soon as there is a stream.
    pub(super) fn subscribe(&mut self, codecs: String) {
        self.client.past.asked_for(&codecs);
        self.subscription = Subscription::Fmp4(codecs, None);
    }

    fn rewind(&mut self, command: RewindCommand) {
        match self.client.past.obey(&mut self.subscription, command, &self.client.waker) {
            Ok(Obeyed::Begun) => self.client.handle.gets("rewind"),
            Ok(Obeyed::Live) => self.go_live(None),
            Ok(Obeyed::Passed) => {}
            Err(why) => self.say(&messages::error(&format!("rewind: {why}"))),
        }
    }
}
