//! The same file again and again over connections that stay: what the server spends on it.

use super::answer::Answer;
use super::load::cpu_seconds;
use rustix::event::epoll;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const WARM_UP: Duration = Duration::from_secs(1);

struct Client {
    stream: TcpStream,
    answer: Answer,
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
        all.push(Client { stream, answer: Answer::default() });
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
                    match client.answer.take(&scratch[..n])? {
                        None => {}
                        Some(200) => {
                            count.answers += 1;
                            client.stream.write_all(request.as_bytes())?;
                        }
                        Some(status) => return Err(io::Error::other(format!("{status}"))),
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(count)
}
