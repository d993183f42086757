//! A recorded file as the answer on a connection of its own: its head, then the bytes as the kernel has them. The connection is taken from HTTP for as long as that
//! takes, and a thread that may wait for the disk sends it ([`FileThread`]).

use super::body::{ClipBody, PIECE};
use super::file_thread::FileThread;
use crate::serve::http::answer::Answer;
use crate::serve::http::body::Reply;
use crate::serve::net::file_sink::FileSink;
use crate::serve::net::socket::{Accepted, Socket};
use hyper::header;
use std::io::{self, Write};
use std::time::Duration;
use tokio::task::JoinHandle;

/// A run of a file that is shorter is copied: that costs less than a call of its own.
const LEAST: u64 = 16 * 1024;

/// An answer of HTTP/1.1 that is still to be sent, all of it.
pub struct Transfer {
    head: Vec<u8>,
    body: ClipBody,
}

impl Transfer {
    /// `None`: it has another body.
    pub fn take(answer: &mut Answer) -> Option<Transfer> {
        let body = match std::mem::replace(answer.body_mut(), Reply::empty()) {
            Reply::Clip(body) => body,
            other => {
                *answer.body_mut() = other;
                return None;
            }
        };
        let mut head = format!("HTTP/1.1 {}\r\n", answer.status()).into_bytes();
        for (name, value) in answer.headers() {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                head.extend_from_slice(part);
            }
        }
        let now = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT");
        // Writing to memory does not fail.
        _ = write!(head, "{}: {}\r\n{}: {now}\r\n", header::CONTENT_LENGTH, body.len(), header::DATE);
        Some(Transfer { head, body: *body })
    }

    /// Sends it. `last`: the client is told that the connection ends behind it. `stall`: how long the client may take nothing.
    ///
    /// # Errors
    /// The client has gone or takes nothing, or a recording cannot be read: the length that was promised tells a client which.
    pub async fn run(mut self, socket: Socket, last: bool, stall: Duration, thread: &FileThread) -> io::Result<Socket> {
        if last {
            self.head.extend_from_slice(b"connection: close\r\n");
        }
        self.head.extend_from_slice(b"\r\n");
        let socket = socket.leave()?;
        let sending = thread.handle()?.spawn(async move { self.send(FileSink::new(socket, stall)?).await });
        // Where this is no longer waited for, as at a stop, it ends.
        let mut sending = AbortOnDrop(sending);
        (&mut sending.0).await??.into_socket()
    }

    async fn send(self, sink: FileSink) -> io::Result<Accepted> {
        sink.write(&self.head).await?;
        let (clip, mut left) = (self.body.clip(), self.body.left());
        while !left.is_empty() {
            left.start += match clip.run(left.start) {
                Some((file, place, length)) if length >= LEAST => {
                    let length = length.min(left.end - left.start);
                    sink.send(&file, place, length).await?;
                    length
                }
                _ => {
                    let bytes = clip.read(left.clone(), PIECE)?;
                    sink.write(&bytes).await?;
                    bytes.len() as u64
                }
            };
        }
        sink.finish()
    }
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
