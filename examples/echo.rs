//! A WebSocket server that sends every message back, on the frames of `h5serve`: what a conformance suite judges.
//!
//! ```text
//! cargo run --example echo --features testing -- 127.0.0.1:9001 16777216
//! ```
//!
//! The second argument is the longest message taken, in bytes.

use h5live::serve::testing::frames::{self, Decoder, Message, code};
use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// The longest line of a handshake, and the most of them.
const MAX_LINE: u64 = 8192;
const MAX_LINES: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, limit] = &args[..] else { return Err("usage: echo HOST:PORT BYTES".into()) };
    let listener = TcpListener::bind(address)?;
    println!("ws://{}", listener.local_addr()?);
    run(&listener, limit.parse()?);
    Ok(())
}

/// Answers connections, each in a thread of its own, until accepting one fails.
pub fn run(listener: &TcpListener, limit: usize) {
    while let Ok((stream, _)) = listener.accept() {
        thread::spawn(move || {
            if let Err(error) = echo(stream, limit) {
                eprintln!("{error}");
            }
        });
    }
}

fn echo(stream: TcpStream, limit: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut from, mut to) = (BufReader::new(stream.try_clone()?), stream);
    let Some(accept) = handshake(&mut from)? else {
        return to.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    write!(to, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n")?;
    let mut decoder = Decoder::of_messages(limit);
    loop {
        let mut input = from.fill_buf()?;
        if input.is_empty() {
            return Ok(());
        }
        let size = input.len();
        loop {
            match decoder.next(&mut input) {
                Ok(None) => break,
                Ok(Some(Message::Text(text))) => to.write_all(&frames::text(&text))?,
                Ok(Some(Message::Binary(bytes))) => to.write_all(&frames::binary("", &bytes::Bytes::from(bytes)).0)?,
                Ok(Some(Message::Ping(payload))) => to.write_all(&frames::pong(&payload))?,
                Ok(Some(Message::Pong)) => {}
                Ok(Some(Message::Close(code))) => return goodbye(&mut from, &mut to, code, ""),
                Err(violation) => return goodbye(&mut from, &mut to, violation.code, violation.reason),
            }
        }
        from.consume(size);
    }
}

/// The value of `Sec-WebSocket-Accept`; `None`: this is no handshake.
fn handshake(from: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut accept = None;
    for _ in 0..MAX_LINES {
        let mut line = String::new();
        from.by_ref().take(MAX_LINE).read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, key)) if name.eq_ignore_ascii_case("sec-websocket-key") => accept = frames::accept_key(key),
            None if line.trim_end().is_empty() => return Ok(accept),
            _ => {}
        }
    }
    Ok(None)
}

/// The server closes first (RFC 6455, section 7.1.1). What still comes is read: unread bytes would make the end a reset.
fn goodbye(from: &mut impl BufRead, to: &mut TcpStream, code: u16, reason: &str) -> io::Result<()> {
    let code = if code == code::NO_STATUS { code::NORMAL } else { code };
    to.write_all(&frames::close(code, reason))?;
    to.shutdown(std::net::Shutdown::Write)?;
    io::copy(from, &mut io::sink()).map(drop)
}
