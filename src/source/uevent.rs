//! The kernel's word when a device comes or goes (netlink, NETLINK_KOBJECT_UEVENT), in place of looking again and again.

use rustix::event::{PollFd, PollFlags};
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Events come from this multicast group straight from the kernel; group 2 is udev's.
const KERNEL: u32 = 1;
/// The kernel's own limit (UEVENT_BUFFER_SIZE) with room to spare.
const MAX_EVENT: usize = 8192;

/// A socket that hears of devices. It is readable when there is news.
#[derive(Debug)]
pub struct Uevents(OwnedFd);

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uevent {
    /// `add`, `remove`, `bind`, …
    pub action: String,
    /// `video4linux`, `sound`, …
    pub subsystem: String,
    /// Node below `/dev`, where there is one: `video0`.
    pub node: String,
}

impl Uevents {
    /// # Errors
    /// Some containers forbid it.
    pub fn listen() -> io::Result<Uevents> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::KOBJECT_UEVENT))?;
        bind(&socket, &SocketAddrNetlink::new(0, KERNEL))?;
        Ok(Uevents(socket))
    }

    /// The next event that has arrived. Lost ones (ENOBUFS) come out as an event without a name: look yourself.
    pub fn next(&self) -> Option<Uevent> {
        let mut message = [0; MAX_EVENT];
        match recv(&self.0, &mut message, RecvFlags::empty()) {
            Ok((length, _)) => Some(parse(&message[..length])),
            Err(rustix::io::Errno::NOBUFS) => Some(Uevent::default()),
            Err(_) => None,
        }
    }
}

impl AsFd for Uevents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits for word that a device of this subsystem may be there. All that has arrived is taken, so that one plug makes one try. Where
/// nothing can be heard, it only waits.
pub fn news(events: Option<&Uevents>, subsystem: &str, wait: Duration) -> bool {
    let Some(events) = events else {
        std::thread::sleep(wait);
        return false;
    };
    if !super::wait::ready(&mut [PollFd::new(events, PollFlags::IN)], wait) {
        return false;
    }
    // One without a name stands for those that were lost.
    let matters = |event: &Uevent| event.action != "remove" && (event.subsystem == subsystem || event.subsystem.is_empty());
    std::iter::from_fn(|| events.next()).filter(matters).count() > 0
}

/// `add@/devices/…` NUL `ACTION=add` NUL `SUBSYSTEM=…` NUL …
fn parse(message: &[u8]) -> Uevent {
    let mut event = Uevent::default();
    for field in message.split(|b| *b == 0).filter_map(|f| std::str::from_utf8(f).ok()) {
        match field.split_once('=') {
            Some(("ACTION", value)) => event.action = value.to_owned(),
            Some(("SUBSYSTEM", value)) => event.subsystem = value.to_owned(),
            Some(("DEVNAME", value)) => event.node = value.to_owned(),
            _ => {}
        }
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        let message = b"add@/devices/x/video4linux/video0\0ACTION=add\0DEVPATH=/devices/x\0SUBSYSTEM=video4linux\0MAJOR=81\0DEVNAME=video0\0SEQNUM=9\0";
        assert_eq!(parse(message), Uevent { action: "add".into(), subsystem: "video4linux".into(), node: "video0".into() });
        assert_eq!(parse(b"\xff\0="), Uevent::default());
        assert_eq!(parse(b""), Uevent::default());
    }
}
