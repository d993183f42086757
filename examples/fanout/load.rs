//! Many viewers in one thread, on epoll: counts what comes and how late, and what the server spends on it.

use super::tls::Connection;
use super::wire::{Messages, handshake, now, text};
use rustix::event::epoll;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// Viewers settle before anything is counted.
const WARM_UP: Duration = Duration::from_secs(3);

struct Viewer {
    stream: Connection,
    /// Bytes of `\r\n\r\n` seen; then the head is over.
    head: usize,
    messages: Messages,
    last: Option<u64>,
    got: u64,
    lost: u64,
}

#[derive(Default)]
struct Count {
    bytes: u64,
    frames: u64,
    /// Nanoseconds from due to here.
    delays: Vec<u32>,
}

/// How the viewers come and wait.
#[derive(Clone, Copy, Default)]
pub struct LoadOptions {
    pub asleep: bool,
    pub tls: bool,
}

/// `asleep`: their thread sleeps until something comes. To wake it costs the server a system's wake-up, as often as the scheduler has it,
/// which no viewer on another machine does; else they look all the time.
pub fn run(port: u16, viewers: usize, seconds: u64, pid: u64, LoadOptions { asleep, tls }: LoadOptions) -> io::Result<()> {
    let resident_before = resident_kib(pid);
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut all = Vec::with_capacity(viewers);
    for n in 0..viewers {
        let mut stream = Connection::open(port, tls)?;
        stream.write_all(handshake().as_bytes())?;
        stream.tcp().set_nonblocking(true)?;
        epoll::add(&epoll, stream.tcp(), epoll::EventData::new_u64(n as u64), epoll::EventFlags::IN)?;
        all.push(Viewer { stream, head: 0, messages: Messages::default(), last: None, got: 0, lost: 0 });
        if n % 50 == 49 {
            // Handshakes in small bursts.
            turn(&epoll, &mut all, Duration::from_millis(10), asleep, None)?;
        }
    }
    turn(&epoll, &mut all, WARM_UP, asleep, None)?;
    all.iter_mut().for_each(|v| (v.got, v.lost) = (0, 0));
    let (cpu, mine, begun) = (cpu_seconds(pid), cpu_seconds(u64::from(std::process::id())), Instant::now());
    let mut count = Count::default();
    turn(&epoll, &mut all, Duration::from_secs(seconds), asleep, Some(&mut count))?;
    let (cpu, wall) = (cpu_seconds(pid) - cpu, begun.elapsed().as_secs_f64());
    let mine = cpu_seconds(u64::from(std::process::id())) - mine;
    let gb = count.bytes as f64 / 1e9;
    count.delays.sort_unstable();
    let quantile = |q: f64| count.delays.get((count.delays.len() as f64 * q) as usize).map_or(0.0, |d| f64::from(*d) / 1e6);
    let resident = (resident_kib(pid).saturating_sub(resident_before)) as f64 / viewers as f64;
    let lost: u64 = all.iter().map(|v| v.lost).sum();
    println!(
        "{{\"viewers\":{viewers},\"seconds\":{wall:.1},\"gb\":{gb:.3},\"frames\":{},\"lost\":{lost},\"cpu_seconds\":{cpu:.3},\"cpu_per_gb\":{:.4},\"us_per_frame\":{:.1},\
         \"client_cpu_seconds\":{mine:.2},\"p50_ms\":{:.2},\"p99_ms\":{:.2},\"kib_per_viewer\":{resident:.2}}}",
        count.frames,
        cpu / gb,
        cpu * 1e6 / (count.frames as f64 / viewers as f64),
        quantile(0.5),
        quantile(0.99),
    );
    Ok(())
}

fn turn(
    epoll: &impl std::os::fd::AsFd,
    viewers: &mut [Viewer],
    length: Duration,
    asleep: bool,
    mut count: Option<&mut Count>,
) -> io::Result<()> {
    let until = Instant::now() + length;
    let mut events = Vec::with_capacity(1024);
    let mut scratch = vec![0; 1 << 18];
    let wait = rustix::event::Timespec { tv_sec: 0, tv_nsec: if asleep { 20_000_000 } else { 0 } };
    while Instant::now() < until {
        events.clear();
        match epoll::wait(epoll, rustix::buffer::spare_capacity(&mut events), Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        for event in &events {
            let index = event.data.u64() as usize;
            let viewer = &mut viewers[index];
            match viewer.stream.read(&mut scratch) {
                Ok(0) => return Err(io::Error::other(format!("viewer {index} was let go"))),
                Ok(n) => viewer.take(&scratch[..n], count.as_deref_mut())?,
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(())
}

impl Viewer {
    fn take(&mut self, mut bytes: &[u8], count: Option<&mut Count>) -> io::Result<()> {
        while self.head < 4 {
            let Some((byte, rest)) = bytes.split_first() else { return Ok(()) };
            self.head = if *byte == b"\r\n\r\n"[self.head] { self.head + 1 } else { usize::from(*byte == b'\r') };
            bytes = rest;
            if self.head == 4 {
                self.stream.write_all(&text(r#"{"type":"mse","value":""}"#))?;
                // Otherwise each connection decides by chance whether it acknowledges when it reads, here, or at the next frame, and then
                // inside the server's own write(2).
                rustix::net::sockopt::set_tcp_quickack(self.stream.tcp(), true)?;
            }
        }
        let mut frames = vec![];
        self.messages.read(bytes, |number, due| frames.push((number, due)));
        let now = now();
        if let Some(count) = count {
            count.bytes += bytes.len() as u64;
            count.frames += frames.len() as u64;
            count.delays.extend(frames.iter().map(|(_, due)| u32::try_from(now.saturating_sub(*due)).unwrap_or(u32::MAX)));
        }
        for (number, _) in frames {
            self.lost += self.last.map_or(0, |last| number.wrapping_sub(last + 1));
            self.got += 1;
            // The init segment ends in no number.
            self.last = (number < 1 << 32).then_some(number);
        }
        Ok(())
    }
}

/// Time on a processor so far, of all threads that are there. In nanoseconds, where the times of /proc/PID/stat are in ticks of 10 ms.
pub fn cpu_seconds(pid: u64) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let time = |thread: std::fs::DirEntry| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        text.split_whitespace().next().and_then(|nanoseconds| nanoseconds.parse::<u64>().ok()).unwrap_or(0)
    };
    threads.map(time).sum::<u64>() as f64 / 1e9
}

fn resident_kib(pid: u64) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    field.and_then(|f| f.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}
