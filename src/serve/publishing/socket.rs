//! A stream that a client sends over a WebSocket: binary messages, cut anywhere. After its last the client closes.

use super::api::UploadError;
use super::intake::{End, Intake};
use crate::access::Ended;
use crate::serve::net::socket::Socket;
use crate::serve::ws::frames::{self, Decoder, Message, code};
use bytes::Bytes;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::time::Duration;
use tokio::sync::watch;

/// The longest message. A browser's recorder makes one of what it has gathered since the last.
const MAX_MESSAGE: usize = 1 << 20;
const READ: usize = 16 * 1024;
/// A client that takes no pong and no goodbye in this time gets none.
const PATIENCE: Duration = Duration::from_secs(5);

/// After the handshake.
#[derive(Debug)]
pub struct SocketPublisher(pub Intake);

/// How it ends for the client: a code and a reason.
type Goodbye = (u16, String);

impl SocketPublisher {
    /// Until the client ends, or may not go on. `early`: what was read with the handshake.
    pub async fn run(self, socket: &Socket, early: &[u8], mut stop: watch::Receiver<bool>) {
        let receiving = self.receive(socket, early);
        let goodbye = tokio::select! {
            goodbye = receiving => goodbye,
            _ = stop.wait_for(|stop| *stop) => Some((code::GOING_AWAY, "the server is stopping".into())),
        };
        if let Some((code, reason)) = goodbye {
            write(socket, &frames::close(code, &reason)).await;
        }
    }

    /// `None`: the client has gone.
    async fn receive(self, socket: &Socket, early: &[u8]) -> Option<Goodbye> {
        let SocketPublisher(mut intake) = self;
        let mut decoder = Decoder::of_messages(MAX_MESSAGE);
        let mut buf = vec![0; READ];
        let mut input = early;
        loop {
            loop {
                match decoder.next(&mut input) {
                    Ok(Some(Message::Binary(bytes))) => {
                        if let Err(end) = intake.give(Bytes::from(bytes)).await {
                            return Some(goodbye(end));
                        }
                    }
                    Ok(Some(Message::Ping(payload))) => write(socket, &frames::pong(&payload)).await,
                    Ok(Some(Message::Pong)) => {}
                    Ok(Some(Message::Text(_))) => return Some((code::UNSUPPORTED, "send the stream in binary messages".into())),
                    Ok(Some(Message::Close(_))) => return Some(goodbye(End::Told(intake.finish().await))),
                    Ok(None) => break,
                    Err(violation) => return Some((violation.code, violation.reason.into())),
                }
            }
            match intake.next(read(socket, &mut buf)).await {
                Ok(Ok(0) | Err(_)) => return None,
                Ok(Ok(n)) => {
                    intake.came(n);
                    input = &buf[..n];
                }
                Err(end) => return Some(goodbye(end)),
            }
        }
    }
}

fn goodbye(end: End) -> Goodbye {
    match end {
        End::Told(Ok(())) => (code::NORMAL, String::new()),
        End::Told(Err(UploadError::NotUnderstood(why))) => (code::UNSUPPORTED, why),
        End::Told(Err(UploadError::Failed(why))) => (code::RESTART, why),
        End::Silent => (code::POLICY, "nothing has come for too long".into()),
        End::Over(Ended::Revoked) => (code::ACCESS, "you may no longer send this stream".into()),
        End::Over(ended) => (code::ACCESS, ended.to_string()),
    }
}

async fn read(socket: &Socket, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        poll_fn(|cx| socket.poll_read_ready(cx)).await?;
        match socket.try_read(buf) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            done => return done,
        }
    }
}

/// What the client does not take is not written: it has gone, or will.
async fn write(socket: &Socket, bytes: &[u8]) {
    let writing = async {
        let mut rest = bytes;
        while !rest.is_empty() {
            match socket.try_write(&[IoSlice::new(rest)]) {
                Ok(0) => return,
                Ok(n) => rest = &rest[n.min(rest.len())..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if poll_fn(|cx| socket.poll_write_ready(cx)).await.is_err() {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    };
    _ = tokio::time::timeout(PATIENCE, writing).await;
}
