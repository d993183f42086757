//! Streaming by memory-mapped buffers (Linux Media userspace API, "Streaming I/O (Memory Mapping)").

use super::device::{Device, MAX_PLANES, call, zeroed};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use v4l::v4l_sys as sys;

/// Enough that the driver always has one to fill while we are held up for two frames.
const BUFFERS: u32 = 4;
const MAX_BUFFERS: u32 = 32;

/// A running stream. Dropped, it stops.
pub struct Stream {
    device: Arc<Device>,
    /// For each buffer, its planes.
    buffers: Vec<Vec<Mapping>>,
    /// The buffer that the caller has.
    held: Option<u32>,
}

/// What the driver says of a filled buffer.
#[derive(Clone, Copy, Debug)]
pub struct Filled {
    pub sequence: u32,
    /// Microseconds of CLOCK_MONOTONIC; `None` when the driver uses another clock.
    pub time: Option<i64>,
    /// The data is damaged (V4L2_BUF_FLAG_ERROR).
    pub error: bool,
}

impl Stream {
    pub fn start(device: Arc<Device>) -> io::Result<Stream> {
        let mut stream = Stream { device, buffers: Vec::new(), held: None };
        stream.map()?;
        for index in 0..stream.buffers.len() as u32 {
            stream.queue(index)?;
        }
        let mut kind = stream.device.buffer_type() as libc::c_int;
        stream.device.ioctl(call!(VIDIOC_STREAMON), &mut kind)?;
        Ok(stream)
    }

    fn map(&mut self) -> io::Result<()> {
        let kind = self.device.buffer_type();
        let mut request = sys::v4l2_requestbuffers { count: BUFFERS, type_: kind, memory: MMAP, ..zeroed() };
        self.device.ioctl(call!(VIDIOC_REQBUFS), &mut request)?;
        if request.count == 0 {
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        }
        for index in 0..request.count.min(MAX_BUFFERS) {
            let mut planes = [zeroed(); MAX_PLANES];
            let mut buffer = self.buffer(index, &mut planes);
            self.device.ioctl(call!(VIDIOC_QUERYBUF), &mut buffer)?;
            let mapped = if self.device.planar {
                // SAFETY: of a plane of a memory-mapped buffer, `mem_offset` is the member in use.
                let each = planes.iter().take(buffer.length as usize).map(|p| (p.length, unsafe { p.m.mem_offset }));
                each.map(|(length, offset)| Mapping::new(&self.device, length, offset)).collect::<io::Result<_>>()?
            } else {
                // SAFETY: of a memory-mapped buffer, `offset` is the member in use.
                vec![Mapping::new(&self.device, buffer.length, unsafe { buffer.m.offset })?]
            };
            self.buffers.push(mapped);
        }
        Ok(())
    }

    fn buffer(&self, index: u32, planes: &mut [sys::v4l2_plane; MAX_PLANES]) -> sys::v4l2_buffer {
        let mut buffer = sys::v4l2_buffer { index, type_: self.device.buffer_type(), memory: MMAP, ..zeroed() };
        if self.device.planar {
            buffer.m.planes = planes.as_mut_ptr();
            buffer.length = MAX_PLANES as u32;
        }
        buffer
    }

    fn queue(&self, index: u32) -> io::Result<()> {
        let mut planes = [zeroed(); MAX_PLANES];
        self.device.ioctl(call!(VIDIOC_QBUF), &mut self.buffer(index, &mut planes))
    }

    /// The next filled buffer, and its data plane by plane; the one before goes back to the driver. `WouldBlock`: there is
    /// none yet, wait until the descriptor is readable.
    pub fn next(&mut self) -> io::Result<(Filled, Vec<&[u8]>)> {
        if let Some(index) = self.held.take() {
            self.queue(index)?;
        }
        let mut planes = [zeroed(); MAX_PLANES];
        let mut buffer = self.buffer(0, &mut planes);
        self.device.ioctl(call!(VIDIOC_DQBUF), &mut buffer)?;
        self.held = Some(buffer.index);
        let mapped = self.buffers.get(buffer.index as usize).ok_or_else(|| io::Error::from_raw_os_error(libc::EIO))?;
        let data = if self.device.planar {
            let used = mapped.iter().zip(&planes).map(|(m, p)| m.used(p.data_offset, p.bytesused));
            used.collect()
        } else {
            mapped.iter().map(|m| m.used(0, buffer.bytesused)).collect()
        };
        let clock = buffer.flags & sys::V4L2_BUF_FLAG_TIMESTAMP_MASK;
        // 32 bits each on some machines.
        #[allow(clippy::useless_conversion)]
        let (seconds, micros) = (i64::from(buffer.timestamp.tv_sec), i64::from(buffer.timestamp.tv_usec));
        let time = seconds.saturating_mul(1_000_000).saturating_add(micros);
        let filled = Filled {
            sequence: buffer.sequence,
            time: (clock == sys::V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC && time > 0).then_some(time),
            error: buffer.flags & sys::V4L2_BUF_FLAG_ERROR != 0,
        };
        Ok((filled, data))
    }
}

const MMAP: u32 = sys::v4l2_memory_V4L2_MEMORY_MMAP;

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.fd.as_fd()
    }
}

impl Drop for Stream {
    /// A device that is gone refuses all of this, which is as good.
    fn drop(&mut self) {
        let kind = self.device.buffer_type();
        let _ = self.device.ioctl(call!(VIDIOC_STREAMOFF), &mut (kind as libc::c_int));
        self.buffers.clear();
        let _ = self.device.ioctl(call!(VIDIOC_REQBUFS), &mut sys::v4l2_requestbuffers { type_: kind, memory: MMAP, ..zeroed() });
    }
}

/// A piece of the driver's memory.
struct Mapping {
    start: *mut libc::c_void,
    length: usize,
}

// SAFETY: the memory is reached through `&self` only to read it, and is mapped until `drop`.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(device: &Device, length: u32, offset: u32) -> io::Result<Mapping> {
        let length = length as usize;
        // SAFETY: a new mapping at an address of the kernel's choice; nothing else is touched.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), length, libc::PROT_READ, libc::MAP_SHARED, device.fd.as_raw_fd(), offset.into()) };
        if start == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Mapping { start, length }) }
    }

    /// Bytes from `offset` to `end`, as far as there are any.
    fn used(&self, offset: u32, end: u32) -> &[u8] {
        // SAFETY: the mapping is `length` bytes long and lives as long as `self`; the driver does not write into a buffer
        // that was dequeued.
        let all = unsafe { std::slice::from_raw_parts(self.start.cast::<u8>(), self.length) };
        all.get(offset as usize..(end as usize).min(self.length)).unwrap_or_default()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this is what `mmap` gave; no slice of it outlives `self`.
        unsafe { libc::munmap(self.start, self.length) };
    }
}
