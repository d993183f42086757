//! Who feeds the server, and who watches what was before.

use super::super::client::{Message, Ws, connect, handshake};
use super::super::studio::{Studio, number};
use super::super::{Server, feed};
use crate::util::eventually;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Pictures of the studio, one every 33 ms, until it is dropped.
pub struct Feeder {
    stop: Arc<AtomicBool>,
    /// When each was sent, in seconds since 1970.
    pub sent: Arc<Mutex<Vec<f64>>>,
    thread: Option<JoinHandle<(Box<dyn Write + Send>, Studio)>>,
}

impl Feeder {
    pub fn start(server: &mut Server, mut studio: Studio) -> Feeder {
        let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<f64>>>::default());
        let mut stdin: Box<dyn Write + Send> = Box::new(server.process.stdin());
        let (stopped, log) = (stop.clone(), sent.clone());
        let thread = std::thread::spawn(move || {
            feed(&mut stdin, &studio.init());
            let (begun, first) = (Instant::now(), studio.pictures());
            while !stopped.load(Relaxed) {
                log.lock().unwrap().push(now());
                feed(&mut stdin, &studio.picture());
                let due = begun + Duration::from_micros((studio.pictures() - first) * 1_000_000 / 30);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            (stdin, studio)
        });
        Feeder { stop, sent, thread: Some(thread) }
    }

    pub fn sent(&self, picture: u64) -> f64 {
        self.sent.lock().unwrap()[picture as usize]
    }

    pub fn wait_for(&self, pictures: usize) {
        eventually("so many pictures", || (self.sent.lock().unwrap().len() >= pictures).then_some(()));
    }

    pub fn end(mut self) -> (Box<dyn Write + Send>, Studio) {
        self.stop.store(true, Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

pub fn time(seconds: f64) -> String {
    jiff::Timestamp::from_microsecond((seconds * 1e6) as i64).unwrap().to_string()
}

pub fn seconds(time: &Value) -> f64 {
    let time: jiff::Timestamp = time.as_str().unwrap_or_else(|| panic!("{time}")).parse().unwrap();
    time.as_microsecond() as f64 / 1e6
}

/// A message that concerns the past.
#[derive(Clone, Debug)]
pub enum Came {
    Kind,
    Position(Value),
    Init,
    /// Its number, and whether it is to be shown.
    Picture(u64, bool, Vec<u8>),
    Error(String),
}

/// A viewer that was live.
pub struct Viewer(pub Ws);

impl Viewer {
    pub fn new(port: u16) -> Viewer {
        Viewer(Ws::viewer(port, "live"))
    }

    /// One that shows this header with its handshake.
    pub fn with(port: u16, src: &str, header: &str) -> Viewer {
        let mut stream = connect(port);
        let request = handshake(&format!("/api/ws?src={src}")).replacen("\r\n\r\n", &format!("\r\n{header}\r\n\r\n"), 1);
        stream.write_all(request.as_bytes()).unwrap();
        Viewer(Ws::accepted(stream).watching())
    }

    pub fn say(&mut self, what: &str, value: impl serde::Serialize) {
        self.0.say(&json!({ "type": what, "value": value }).to_string());
    }

    #[track_caller]
    pub fn next(&mut self) -> Came {
        loop {
            match self.0.next() {
                Message::Text(text) => {
                    let told: Value = serde_json::from_str(&text).unwrap();
                    match told["type"].as_str().unwrap() {
                        "mse" => return Came::Kind,
                        "position" => return Came::Position(told["value"].clone()),
                        "error" => return Came::Error(told["value"].as_str().unwrap().into()),
                        _ => {}
                    }
                }
                Message::Binary(bytes) if &bytes[4..8] == b"ftyp" => return Came::Init,
                Message::Binary(bytes) => {
                    if let Some(number) = number(&bytes) {
                        return Came::Picture(number, duration(&bytes) >= 1000, bytes);
                    }
                }
                Message::Ping => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Passes over what was live, up to the begin of what was asked for.
    #[track_caller]
    pub fn begun(&mut self) {
        loop {
            match self.next() {
                Came::Kind => return,
                Came::Error(what) => panic!("{what}"),
                _ => {}
            }
        }
    }

    /// The next picture that is shown.
    #[track_caller]
    pub fn shown(&mut self) -> (u64, Vec<u8>) {
        loop {
            match self.next() {
                Came::Picture(number, true, bytes) => return (number, bytes),
                Came::Error(what) => panic!("{what}"),
                _ => {}
            }
        }
    }

    #[track_caller]
    pub fn position(&mut self) -> Value {
        loop {
            match self.next() {
                Came::Position(value) => return value,
                Came::Error(what) => panic!("{what}"),
                _ => {}
            }
        }
    }

    #[track_caller]
    pub fn error(&mut self) -> String {
        loop {
            if let Came::Error(what) = self.next() {
                return what;
            }
        }
    }
}

/// Of the first sample in a chunk, in microseconds, which are the ticks here.
pub fn duration(chunk: &[u8]) -> u32 {
    let at = chunk.windows(4).position(|w| w == b"trun").unwrap();
    u32::from_be_bytes(chunk[at + 16..at + 20].try_into().unwrap())
}

/// What the decoder gets.
pub fn media(chunk: &[u8]) -> &[u8] {
    let at = chunk.windows(4).position(|w| w == b"mdat").unwrap();
    &chunk[at + 4..]
}

pub fn recorded(dir: &Path, more: &[&str]) -> Server {
    let folder = dir.join("recordings");
    Server::start(&[&["--record", folder.to_str().unwrap(), "--record-segment", "2s", "--on-eof", "wait"], more].concat())
}
