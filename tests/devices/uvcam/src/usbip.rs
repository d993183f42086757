//! The wire to `vhci-hcd`: URBs as messages on a stream socket (Linux: Documentation/usb/usbip_protocol.rst). The socket is local
//! and the kernel is at its other end: what it says is believed.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

const CMD_SUBMIT: u32 = 1;
const CMD_UNLINK: u32 = 2;
const RET_SUBMIT: u32 = 3;
const RET_UNLINK: u32 = 4;
const HEADER: usize = 48;
const DIRECTION_IN: u32 = 1;

/// Statuses of a URB: negative error numbers.
pub const OK: i32 = 0;
pub const STALLED: i32 = -32;
pub const UNLINKED: i32 = -104;

pub enum Message {
    Submit(Submit),
    Unlink {
        sequence: u32,
        /// Sequence number of the URB to take back.
        victim: u32,
    },
}

pub struct Submit {
    pub sequence: u32,
    pub endpoint: u32,
    pub input: bool,
    /// Bytes that the host sends or has room for.
    pub length: usize,
    /// Setup packet of a control transfer.
    pub setup: [u8; 8],
    /// What the host sends; empty when `input`.
    pub data: Vec<u8>,
}

/// Reads one message; an error when the port is detached.
pub fn read(mut socket: &UnixStream) -> io::Result<Message> {
    let mut header = [0; HEADER];
    socket.read_exact(&mut header)?;
    let word = |i: usize| u32::from_be_bytes([header[4 * i], header[4 * i + 1], header[4 * i + 2], header[4 * i + 3]]);
    let sequence = word(1);
    match word(0) {
        CMD_SUBMIT => {
            let (input, length) = (word(3) == DIRECTION_IN, word(6) as usize);
            let mut data = vec![0; if input { 0 } else { length }];
            socket.read_exact(&mut data)?;
            let setup = std::array::from_fn(|i| header[40 + i]);
            Ok(Message::Submit(Submit { sequence, endpoint: word(4), input, length, setup, data }))
        }
        CMD_UNLINK => Ok(Message::Unlink { sequence, victim: word(5) }),
        other => Err(io::Error::other(format!("command {other} from vhci-hcd"))),
    }
}

/// Answers a URB. `data` is what the device sends; `length` counts the bytes that went either way.
pub fn complete(socket: &UnixStream, sequence: u32, status: i32, length: usize, data: &[&[u8]]) -> io::Result<()> {
    reply(socket, RET_SUBMIT, sequence, status, length, data)
}

pub fn unlinked(socket: &UnixStream, sequence: u32, status: i32) -> io::Result<()> {
    reply(socket, RET_UNLINK, sequence, status, 0, &[])
}

fn reply(mut socket: &UnixStream, command: u32, sequence: u32, status: i32, length: usize, data: &[&[u8]]) -> io::Result<()> {
    let mut message = Vec::with_capacity(HEADER + length);
    for word in [command, sequence, 0, 0, 0, status as u32, length as u32, 0, 0, 0, 0, 0] {
        message.extend_from_slice(&word.to_be_bytes());
    }
    data.iter().for_each(|part| message.extend_from_slice(part));
    socket.write_all(&message)
}
