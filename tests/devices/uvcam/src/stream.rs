//! The bulk endpoint: draws a frame when one is due and sends it in the URBs that the host has queued (USB Device Class
//! Definition for Video Devices 1.1, section 2.4.3: payload headers).

use crate::clock::Stamp;
use crate::controls::{MAX_PAYLOAD, Mode};
use crate::descriptors::Coding;
use crate::h264::H264;
use crate::mjpeg::Mjpeg;
use crate::scene::Scene;
use crate::usbip;
use crate::yuyv::Yuyv;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const HEADER_LENGTH: u8 = 2;
const FRAME_ID: u8 = 1;
const END_OF_FRAME: u8 = 2;
const END_OF_HEADER: u8 = 0x80;

enum Encoder {
    Mjpeg(Mjpeg),
    Yuyv(Yuyv),
    H264(H264),
}

impl Encoder {
    fn new(coding: Coding, scene: Scene) -> Encoder {
        match coding {
            Coding::Mjpeg => Encoder::Mjpeg(Mjpeg::new(scene)),
            Coding::Yuyv => Encoder::Yuyv(Yuyv::new(scene)),
            Coding::H264 => Encoder::H264(H264::new(scene)),
        }
    }

    fn frame(&mut self, stamp: Stamp) -> &[u8] {
        match self {
            Encoder::Mjpeg(e) => e.frame(stamp),
            Encoder::Yuyv(e) => e.frame(stamp),
            Encoder::H264(e) => e.frame(stamp),
        }
    }
}

/// One stream, from commit to stop.
pub struct Stream {
    encoder: Encoder,
    interval: Duration,
    due: Instant,
    frame: Vec<u8>,
    /// Bytes of `frame` that are sent; all of them between two frames.
    sent: usize,
    toggle: u8,
    number: u32,
}

impl Stream {
    pub fn new(mode: Mode, colour: [u8; 3], now: Instant) -> Stream {
        let size = mode.size();
        let scene = Scene { width: size.width.into(), height: size.height.into(), colour };
        let interval = Duration::from_nanos(u64::from(mode.interval) * 100);
        let encoder = Encoder::new(mode.coding(), scene);
        Stream { encoder, interval, due: now, frame: Vec::new(), sent: 0, toggle: 0, number: 0 }
    }

    /// Frames begun so far.
    pub fn frames(&self) -> u32 {
        self.number
    }

    /// How long there is nothing to do; `None`: until the host queues a URB.
    pub fn idle(&self, now: Instant) -> Option<Duration> {
        (self.sent == self.frame.len()).then(|| self.due.saturating_duration_since(now))
    }

    /// Draws the next frame when it is due and the one before is sent. `cut`: half of it is lost on its way. `log` gets a
    /// line for each: number, time, bytes, Adler-32.
    pub fn draw(&mut self, now: Instant, cut: &mut bool, log: Option<&mut impl Write>) -> io::Result<()> {
        if self.sent < self.frame.len() || now < self.due {
            return Ok(());
        }
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let stamp = Stamp { time: time.as_millis() as u32, number: self.number };
        self.frame.clear();
        self.frame.extend_from_slice(self.encoder.frame(stamp));
        if let Some(log) = log {
            let note = if *cut { " cut" } else { "" };
            writeln!(log, "{} {} {} {:08x}{note}", stamp.number, stamp.time, self.frame.len(), adler32(&self.frame))?;
        }
        if std::mem::take(cut) {
            self.frame.truncate(self.frame.len() / 2);
        }
        self.sent = 0;
        self.number += 1;
        // A camera that was kept waiting goes on from now: it does not catch up.
        self.due = (self.due + self.interval).max(now);
        Ok(())
    }

    /// Sends what it can of the frame.
    pub fn send(&mut self, urbs: &mut VecDeque<Urb>, socket: &UnixStream) -> io::Result<()> {
        while self.sent < self.frame.len() {
            let Some(urb) = urbs.pop_front() else { break };
            let room = urb.length.min(MAX_PAYLOAD) - usize::from(HEADER_LENGTH);
            let part = &self.frame[self.sent..(self.sent + room).min(self.frame.len())];
            self.sent += part.len();
            let last = self.sent == self.frame.len();
            let flags = END_OF_HEADER | self.toggle | if last { END_OF_FRAME } else { 0 };
            let length = part.len() + usize::from(HEADER_LENGTH);
            usbip::complete(socket, urb.sequence, usbip::OK, length, &[&[HEADER_LENGTH, flags], part])?;
            if last {
                self.toggle ^= FRAME_ID;
            }
        }
        Ok(())
    }
}

/// A transfer that the host waits for.
pub struct Urb {
    pub sequence: u32,
    pub length: usize,
}

/// RFC 1950, section 8.2: what `ffprobe -show_data_hash adler32` prints.
fn adler32(data: &[u8]) -> u32 {
    let (mut a, mut b) = (1u32, 0u32);
    for chunk in data.chunks(5552) {
        for byte in chunk {
            a += u32::from(*byte);
            b += a;
        }
        (a, b) = (a % 65521, b % 65521);
    }
    b << 16 | a
}

#[cfg(test)]
mod tests {
    use super::adler32;

    #[test]
    fn adler() {
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
        assert_eq!(adler32(&[0xff; 100_000]), 0x149a_302c);
    }
}
