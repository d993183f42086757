//! From a new viewer's request to the first byte of its stream.

use super::wire::{handshake, text};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

pub fn run(port: u16, count: usize) -> io::Result<()> {
    let (mut http, mut connected, mut asked) = (vec![], vec![], vec![]);
    for _ in 0..count {
        http.push(over_http(port)?);
        let (all, request) = over_websocket(port)?;
        connected.push(all);
        asked.push(request);
        std::thread::sleep(Duration::from_millis(7));
    }
    println!(
        "{{\"http_ms\":{:.3},\"websocket_ms\":{:.3},\"websocket_with_connect_ms\":{:.3}}}",
        median(&mut http),
        median(&mut asked),
        median(&mut connected)
    );
    Ok(())
}

/// GET /live.mp4 on a connection that is there: to the first byte of the body.
fn over_http(port: u16) -> io::Result<f64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let begun = Instant::now();
    stream.write_all(b"GET /live.mp4 HTTP/1.0\r\n\r\n")?;
    wait_for(&mut stream, b"ftyp")?;
    Ok(milliseconds(begun))
}

/// From the connection, and from the request for the stream, to the first byte of it.
fn over_websocket(port: u16) -> io::Result<(f64, f64)> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(handshake().as_bytes())?;
    wait_for(&mut stream, b"\r\n\r\n")?;
    let request = Instant::now();
    stream.write_all(&text(r#"{"type":"mse","value":""}"#))?;
    wait_for(&mut stream, b"ftyp")?;
    Ok((milliseconds(begun), milliseconds(request)))
}

fn wait_for(stream: &mut TcpStream, what: &[u8]) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    while !bytes.windows(what.len()).any(|w| w == what) {
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => bytes.extend_from_slice(&piece[..n]),
        }
    }
    Ok(())
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
