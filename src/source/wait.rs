//! Waiting for a device.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::time::Duration;

/// A descriptor with nothing but an error to tell is looked at no sooner again.
const MOMENT: Duration = Duration::from_millis(20);

/// Waits until a descriptor has something to read, or an error to tell. A signal counts as nothing.
///
/// An error stays until the device is closed, and drivers exist whose next read says only "try again": who asks over and over
/// would spin. So an error is returned after a moment.
pub fn ready(fds: &mut [PollFd<'_>], wait: Duration) -> bool {
    let timeout = Timespec { tv_sec: wait.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: wait.subsec_nanos().into() };
    if !poll(fds, Some(&timeout)).is_ok_and(|ready| ready > 0) {
        return false;
    }
    let errors = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
    if fds.iter().all(|fd| (fd.revents() - errors).is_empty()) {
        std::thread::sleep(wait.min(MOMENT));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::time::Instant;

    #[test]
    fn an_error_that_stays_makes_no_reader_spin() {
        // A writer whose reader has gone has POLLERR from then on.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let end = Instant::now() + Duration::from_millis(200);
        let mut looks = 0;
        while Instant::now() < end {
            assert!(ready(&mut [PollFd::new(&writer, PollFlags::IN)], end.saturating_duration_since(Instant::now())));
            looks += 1;
        }
        assert!(looks <= 12, "{looks} looks in 200 ms");
    }

    #[test]
    fn what_is_there_is_told() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        assert!(!ready(&mut [PollFd::new(&reader, PollFlags::IN)], Duration::from_millis(1)));
        writer.write_all(b"x").unwrap();
        assert!(ready(&mut [PollFd::new(&reader, PollFlags::IN)], Duration::MAX));
    }
}
