//! Many players of HLS in one thread, on epoll: each asks for the playlist, for what is new in it, and so on. Counts how late the media is there.

use super::answer::Answer;
use super::wire::now;
use rustix::event::epoll;
use std::collections::HashSet;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Players settle before anything is counted.
const WARM_UP: Duration = Duration::from_secs(3);
/// A player of whole segments looks so often for the next, as RFC 8216 has it for a playlist that has not changed: half a target duration.
const AGAIN: Duration = Duration::from_millis(1500);
const PLAYLIST: &str = "/live/video.m3u8";

struct Player {
    stream: TcpStream,
    answer: Answer,
    asks: Asks,
    /// The media that it has got last.
    last: String,
    /// When it asks again.
    wait: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    Playlist,
    Media,
}

#[derive(Default)]
struct Count {
    asked: HashSet<String>,
    requests: u64,
    bytes: u64,
    media: u64,
    refused: u64,
    /// Nanoseconds from when the last frame of a part or segment was due to when all of it was here.
    delays: Vec<u64>,
}

/// What a playlist says, as far as a player needs it.
struct Newest {
    /// Of the segment that is being made.
    number: u64,
    parts: usize,
    media: String,
}

pub fn run(port: u16, players: usize, seconds: u64, parts: bool) -> io::Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut all = Vec::with_capacity(players);
    let mut count = Count::default();
    for n in 0..players {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll::add(&epoll, &stream, epoll::EventData::new_u64(n as u64), epoll::EventFlags::IN)?;
        let mut player = Player { stream, answer: Answer::keeping(), asks: Asks::Playlist, last: String::new(), wait: None };
        player.ask(Asks::Playlist, PLAYLIST, &mut count)?;
        all.push(player);
        if n % 50 == 49 {
            turn(&epoll, &mut all, Duration::from_millis(10), parts, &mut count)?;
        }
    }
    turn(&epoll, &mut all, WARM_UP, parts, &mut count)?;
    let mut count = Count::default();
    turn(&epoll, &mut all, Duration::from_secs(seconds), parts, &mut count)?;
    count.delays.sort_unstable();
    let quantile = |q: f64| count.delays.get((count.delays.len() as f64 * q) as usize).map_or(0.0, |d| *d as f64 / 1e6);
    println!(
        "{{\"players\":{players},\"gb\":{:.3},\"requests\":{},\"objects\":{},\"media\":{},\"refused\":{},\"p50_ms\":{:.2},\"p99_ms\":{:.2}}}",
        count.bytes as f64 / 1e9,
        count.requests,
        count.asked.len(),
        count.media,
        count.refused,
        quantile(0.5),
        quantile(0.99),
    );
    Ok(())
}

fn turn(epoll: &impl std::os::fd::AsFd, players: &mut [Player], length: Duration, parts: bool, count: &mut Count) -> io::Result<()> {
    let until = Instant::now() + length;
    let mut events = Vec::with_capacity(256);
    let mut scratch = vec![0; 1 << 18];
    let mut looked = Instant::now();
    let wait = rustix::event::Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
    while Instant::now() < until {
        events.clear();
        match epoll::wait(epoll, rustix::buffer::spare_capacity(&mut events), Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        for event in &events {
            let player = &mut players[event.data.u64() as usize];
            match player.stream.read(&mut scratch) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    count.bytes += n as u64;
                    if let Some(status) = player.answer.take(&scratch[..n])? {
                        player.go_on(status, parts, count)?;
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        if looked.elapsed() > Duration::from_millis(10) {
            looked = Instant::now();
            for player in players.iter_mut().filter(|player| player.wait.is_some_and(|at| at <= looked)) {
                player.ask(Asks::Playlist, PLAYLIST, count)?;
            }
        }
    }
    Ok(())
}

impl Player {
    fn ask(&mut self, asks: Asks, target: &str, count: &mut Count) -> io::Result<()> {
        (self.asks, self.wait) = (asks, None);
        count.requests += 1;
        count.asked.insert(target.to_owned());
        self.stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
    }

    fn go_on(&mut self, status: u16, parts: bool, count: &mut Count) -> io::Result<()> {
        if status != 200 {
            count.refused += 1;
            self.wait = Some(Instant::now() + AGAIN / 10);
            return Ok(());
        }
        let body = std::mem::take(&mut self.answer.body);
        if self.asks == Asks::Media {
            count.media += 1;
            if let Some(due) = body.last_chunk::<8>() {
                count.delays.push(now().saturating_sub(u64::from_be_bytes(*due)));
            }
            // Players of low latency ask for the next part in the playlist that they wait for.
            return if parts { self.ask(Asks::Playlist, &self.last.clone(), count) } else { self.rest() };
        }
        let newest = Newest::read(&String::from_utf8_lossy(&body), parts);
        if !parts && newest.media == self.last {
            return self.rest();
        }
        self.last = if parts { format!("{PLAYLIST}?_HLS_msn={}&_HLS_part={}", newest.number, newest.parts) } else { newest.media.clone() };
        self.ask(Asks::Media, &format!("/live/{}", newest.media), count)
    }

    fn rest(&mut self) -> io::Result<()> {
        self.wait = Some(Instant::now() + AGAIN);
        Ok(())
    }
}

impl Newest {
    fn read(playlist: &str, parts: bool) -> Newest {
        let mut newest = Newest { number: 0, parts: 0, media: String::new() };
        for line in playlist.lines() {
            if let Some(first) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
                newest.number = first.parse().unwrap_or(0);
            } else if line.starts_with("#EXTINF") {
                newest.number += 1;
                newest.parts = 0;
            } else if line.starts_with("#EXT-X-PART:") {
                newest.parts += 1;
                if let Some(uri) = line.split("URI=\"").nth(1).and_then(|rest| rest.split('"').next()).filter(|_| parts) {
                    uri.clone_into(&mut newest.media);
                }
            } else if !line.starts_with('#') && !line.is_empty() && !parts {
                line.clone_into(&mut newest.media);
            }
        }
        newest
    }
}
