//! A panic is a fault of ours. It ends the program with one line, in whichever thread it happens. No program goes on without one of its threads.

use super::{console, exit};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};

thread_local! {
    /// What runs in this thread may panic: its caller sees to it.
    static SEEN_TO: Cell<bool> = const { Cell::new(false) };
}

/// For the whole program, from here on.
pub(super) fn end_program_on_panic(program: &'static str) {
    std::panic::set_hook(Box::new(move |info| {
        console::line(&format!("{program}: {}", message(info)));
        if !SEEN_TO.get() {
            std::process::exit(exit::FAILURE.into());
        }
    }));
}

/// Runs what may panic without ending the program: the caller starts it again, or goes on without it.
pub(super) fn contained<T>(f: impl FnOnce() -> T) -> std::thread::Result<T> {
    let before = SEEN_TO.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(f));
    SEEN_TO.set(before);
    outcome
}

fn message(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let what = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let what = what.unwrap_or("unknown").replace(|c: char| c.is_control(), " ");
    let thread = std::thread::current();
    let place = info.location().map(|at| format!(" ({at}, thread {})", thread.name().unwrap_or("without a name"))).unwrap_or_default();
    format!("an internal error, please report it: {what}{place}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const VARIABLE: &str = "H5LIVE_TEST_PANIC";

    /// Runs as a process of its own, for the test below.
    #[test]
    #[ignore = "ends the process"]
    fn a_thread_that_dies() {
        if std::env::var_os(VARIABLE).is_none() {
            return;
        }
        end_program_on_panic("h5test");
        assert!(contained(|| panic!("contained")).is_err());
        _ = std::thread::Builder::new().name("reader".into()).spawn(|| panic!("planted\nfault"));
        loop {
            std::thread::park();
        }
    }

    #[test]
    fn ends_the_program_with_a_line() {
        let arguments = ["--ignored", "--exact", "--nocapture", "cli::panic::tests::a_thread_that_dies"];
        let ended = Command::new(std::env::current_exe().unwrap()).args(arguments).env(VARIABLE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{said}");
        let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("h5test: ")).collect();
        assert!(matches!(lines[..], [_, last] if last.contains("planted fault (") && last.contains("thread reader)")), "{said}");
    }
}
