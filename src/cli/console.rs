//! stderr, shared by messages and the status line: a message first wipes the line that stands there.
//!
//! Each message is one write, so that the lines of four programs on one terminal do not mix. A stderr that cannot be
//! written to is no reason to stop a stream: errors are ignored. There are no escape codes: blanks wipe as well.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// The columns of the status line on the terminal's last row; 0: none stands there.
static STANDING: Mutex<usize> = Mutex::new(0);

/// Prints a whole line; `text` has no line end.
pub(super) fn line(text: &str) {
    let mut standing = STANDING.lock().unwrap_or_else(PoisonError::into_inner);
    write(&(wipe(*standing) + text + "\n"));
    *standing = 0;
}

/// Replaces the status line. Only for a terminal.
pub(super) fn status(text: &str) {
    let mut standing = STANDING.lock().unwrap_or_else(PoisonError::into_inner);
    let columns = text.chars().count();
    write(&format!("\r{text}{}", " ".repeat(standing.saturating_sub(columns))));
    *standing = columns.max(1);
}

/// Leaves the last status line where it is and goes on below it.
pub(super) fn end_status() {
    let mut standing = STANDING.lock().unwrap_or_else(PoisonError::into_inner);
    if *standing > 0 {
        write("\n");
        *standing = 0;
    }
}

/// Whether the terminal keeps what was written over and knows no escape codes, such as an editor's.
pub(super) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

fn wipe(columns: usize) -> String {
    if columns == 0 { String::new() } else { format!("\r{}\r", " ".repeat(columns)) }
}

fn write(text: &str) {
    _ = io::stderr().lock().write_all(text.as_bytes());
}
