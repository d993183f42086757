//! The same file again and again over connections that stay: what the server spends on it.

use super::load::cpu_seconds;
use rustix::event::epoll;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const WARM_UP: Duration = Duration::from_secs(1);

struct Client {
    stream: TcpStream,
    /// What has come of the head.
    head: Vec<u8>,
    /// Bytes of the body that have not come.
    left: u64,
}

#[derive(Default)]
struct Count {
    bytes: u64,
    answers: u64,
}

/// Each asks again as soon as it has the answer.
pub fn run(port: u16, path: &str, clients: usize, seconds: u64, pid: u64) -> io::Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut all = Vec::with_capacity(clients);
    for n in 0..clients {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(request.as_bytes())?;
        stream.set_nonblocking(true)?;
        epoll::add(&epoll, &stream, epoll::EventData::new_u64(n as u64), epoll::EventFlags::IN)?;
        all.push(Client { stream, head: vec![], left: 0 });
    }
    turn(&epoll, &mut all, &request, WARM_UP)?;
    let (cpu, begun) = (cpu_seconds(pid), Instant::now());
    let count = turn(&epoll, &mut all, &request, Duration::from_secs(seconds))?;
    let (cpu, wall) = (cpu_seconds(pid) - cpu, begun.elapsed().as_secs_f64());
    let gb = count.bytes as f64 / 1e9;
    println!(
        "{{\"clients\":{clients},\"seconds\":{wall:.1},\"gb\":{gb:.3},\"answers\":{},\"cpu_seconds\":{cpu:.3},\"cpu_per_gb\":{:.4},\"us_per_answer\":{:.1}}}",
        count.answers,
        cpu / gb,
        cpu * 1e6 / count.answers as f64,
    );
    Ok(())
}

fn turn(epoll: &impl std::os::fd::AsFd, clients: &mut [Client], request: &str, length: Duration) -> io::Result<Count> {
    let until = Instant::now() + length;
    let mut count = Count::default();
    let mut events = Vec::with_capacity(256);
    let mut scratch = vec![0; 1 << 18];
    let wait = rustix::event::Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    while Instant::now() < until {
        events.clear();
        match epoll::wait(epoll, rustix::buffer::spare_capacity(&mut events), Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        for event in &events {
            let client = &mut clients[event.data.u64() as usize];
            match client.stream.read(&mut scratch) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    count.bytes += n as u64;
                    if client.take(&scratch[..n])? {
                        count.answers += 1;
                        client.stream.write_all(request.as_bytes())?;
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(count)
}

impl Client {
    /// Whether the answer is whole. What comes behind it is none of ours: the next is not asked for before.
    fn take(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let mut body = bytes.len() as u64;
        if self.left == 0 {
            self.head.extend_from_slice(bytes);
            let Some(end) = self.head.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(false) };
            let head = String::from_utf8_lossy(&self.head[..end]).to_ascii_lowercase();
            if !head.starts_with("http/1.1 200 ") {
                return Err(io::Error::other(head));
            }
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).and_then(|length| length.trim().parse().ok());
            self.left = length.ok_or_else(|| io::Error::other("an answer without a length"))?;
            body = (self.head.len() - end - 4) as u64;
            self.head.clear();
        }
        self.left = self.left.saturating_sub(body);
        Ok(self.left == 0)
    }
}
