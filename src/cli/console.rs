//! stderr, shared by messages and the status line: a message first wipes the line that stands there.
//!
//! Each message is one write, so that the lines of four programs on one terminal do not mix. A stderr that cannot be
//! written to is no reason to stop a stream: errors are ignored.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

const WIPE: &str = "\r\x1b[K";

/// Whether a status line stands on the terminal's last row.
static STANDING: Mutex<bool> = Mutex::new(false);

/// Prints a whole line; `text` has no line end.
pub(super) fn line(text: &str) {
    let mut standing = STANDING.lock().unwrap_or_else(PoisonError::into_inner);
    let wipe = if *standing { WIPE } else { "" };
    write(&format!("{wipe}{text}\n"));
    *standing = false;
}

/// Replaces the status line. Only for a terminal.
pub(super) fn status(text: &str) {
    let mut standing = STANDING.lock().unwrap_or_else(PoisonError::into_inner);
    write(&format!("\r{text}\x1b[K"));
    *standing = true;
}

/// Leaves the last status line where it is and goes on below it.
pub(super) fn end_status() {
    let mut standing = STANDING.lock().unwrap_or_else(PoisonError::into_inner);
    if *standing {
        write("\n");
        *standing = false;
    }
}

fn write(text: &str) {
    _ = io::stderr().lock().write_all(text.as_bytes());
}
