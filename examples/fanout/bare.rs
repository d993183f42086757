//! The kernel's part alone: one loop that writes the same bytes to every socket, and nothing else. One thread, and of HTTP only the
//! answer that a viewer waits for before it asks for the stream.

use bytes::BytesMut;
use h5live::format::bmff::{Split, Splitter};
use h5live::serve::testing::frames;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

struct Viewer {
    stream: TcpStream,
    /// The rest of a frame that did not fit.
    rest: Option<(bytes::Bytes, usize)>,
}

pub fn run(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let (door, new) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            _ = stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true));
            _ = stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
            _ = door.send(Viewer { stream, rest: None });
        }
    });
    let mut viewers: Vec<Viewer> = vec![];
    let (mut splitter, mut buf, mut piece) = (Splitter::default(), BytesMut::new(), vec![0; 1 << 16]);
    let mut dropped = 0u64;
    loop {
        match splitter.next(&mut buf, false).expect("what `fanout source` writes") {
            Split::Chunk(chunk) => {
                let frame = frames::binary("", &chunk).0;
                viewers.extend(new.try_iter());
                viewers.retain_mut(|viewer| match viewer.put(&frame) {
                    Ok(whole) => {
                        dropped += u64::from(!whole);
                        true
                    }
                    Err(_) => false,
                });
            }
            Split::Need(_) => match io::stdin().read(&mut piece)? {
                0 => break,
                n => buf.extend_from_slice(&piece[..n]),
            },
            _ => {}
        }
    }
    if dropped > 0 {
        eprintln!("bare: {dropped} frames did not fit");
    }
    Ok(())
}

impl Viewer {
    /// `Ok(false)`: there was no room for it.
    fn put(&mut self, frame: &bytes::Bytes) -> io::Result<bool> {
        if let Some((rest, from)) = self.rest.take() {
            let done = from + self.write(&rest[from..])?;
            if done < rest.len() {
                self.rest = Some((rest, done));
                return Ok(false);
            }
        }
        let done = self.write(frame)?;
        if done < frame.len() {
            self.rest = Some((frame.clone(), done));
        }
        Ok(true)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.stream.write(bytes) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(0),
            done => done,
        }
    }
}
