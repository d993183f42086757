//! The status line: once a second on a terminal, none elsewhere.
//!
//! The programs of one pipe share a terminal, and one line is enough: the program that holds an advisory lock on the terminal
//! shows its line. The last program of the pipe tries first, so that as a rule it is the one nearest to the viewers.

use super::{Stats, console, log};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileTypeExt;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

const PERIOD: Duration = Duration::from_secs(1);

/// Programs in the middle of a pipe let the last one take the terminal first, for this many periods.
const HEAD_START: u32 = 2;

/// Longest line that a terminal of 80 columns keeps in one row.
const WIDTH: usize = 79;

/// The thread that samples the rates and rewrites the line; ends when this is dropped.
pub(super) struct Ticker {
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Ticker {
    pub(super) fn start(stats: Arc<Stats>, quiet: bool) -> Ticker {
        let (end, ended) = channel();
        let line = StatusLine::new(!quiet && log::is_terminal() && !console::is_dumb());
        let thread = std::thread::Builder::new().name("status".into()).spawn(move || {
            let mut line = line;
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(PERIOD) {
                stats.sample();
                line.show(&stats);
            }
            console::end_status();
        });
        // Without the thread there are no rates; the stream goes on.
        Ticker { thread: thread.ok().map(|thread| (end, thread)) }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.thread.take() {
            drop(end);
            _ = thread.join();
        }
    }
}

/// Which program of the pipe writes the status line on the terminal.
enum StatusLine {
    /// No terminal, or not wanted.
    Never,
    /// Another program has the terminal, or may take it during the next periods.
    Waiting { terminal: File, periods: u32 },
    /// Ours; the lock is held as long as the file is open.
    Ours { _terminal: File },
}

impl StatusLine {
    fn new(wanted: bool) -> StatusLine {
        // Opened anew: a lock on an inherited descriptor would be shared with the other programs.
        match wanted.then(|| OpenOptions::new().read(true).open("/dev/stderr")) {
            Some(Ok(terminal)) => StatusLine::Waiting { terminal, periods: if writes_to_pipe() { HEAD_START } else { 0 } },
            _ => StatusLine::Never,
        }
    }

    fn show(&mut self, stats: &Stats) {
        *self = match std::mem::replace(self, StatusLine::Never) {
            StatusLine::Waiting { terminal, periods: 0 } => match terminal.try_lock() {
                Ok(()) => StatusLine::Ours { _terminal: terminal },
                Err(_) => StatusLine::Waiting { terminal, periods: 0 },
            },
            StatusLine::Waiting { terminal, periods } => StatusLine::Waiting { terminal, periods: periods - 1 },
            other => other,
        };
        if let StatusLine::Ours { .. } = self {
            let line = format!("{}: {}", stats.program(), stats.status());
            console::status(&line.chars().take(WIDTH).collect::<String>());
        }
    }
}

fn writes_to_pipe() -> bool {
    std::fs::metadata("/dev/stdout").is_ok_and(|m| m.file_type().is_fifo())
}
