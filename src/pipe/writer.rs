//! Events in, live Matroska out: one `writev` a frame.

use super::named_output::{NamedOutput, Progress, WriteNow};
use super::{Error, Sink};
use crate::format::mkv;
use crate::media::{Event, Header, Packet};
use std::io::{self, IoSlice, Write};

/// Writes events as the live Matroska of `h5pipe(5)`.
#[derive(Debug)]
pub struct Writer<W: Write> {
    output: NamedOutput<W>,
    header: Option<Header>,
}

impl<W: Write> Writer<W> {
    /// `out` should not buffer: every frame is written at once and flushed.
    pub fn new(out: W) -> Writer<W> {
        Writer { output: NamedOutput::new(out, "stdout"), header: None }
    }

    /// Names the output in errors; `stdout` unless said otherwise.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.output.name = name.into();
        self
    }

    /// Writes without waiting by this function, where [`OutputQueue`](super::OutputQueue) may.
    #[must_use]
    pub fn at_once(mut self, write_now: WriteNow<W>) -> Self {
        self.output.set_write_now(write_now);
        self
    }

    /// Writes one event whole: nothing of it is kept.
    ///
    /// # Errors
    /// [`Error::Io`] of the output; `InvalidInput` if a packet comes before its header or names a track that the header
    /// does not have.
    pub fn write(&mut self, event: &Event) -> Result<(), Error> {
        self.event(event, |output, parts| {
            output.write_all(&mut parts.map(IoSlice::new))?;
            output.inner.flush()
        })
    }

    /// Gives `write` the two parts of an event.
    fn event<R>(&mut self, event: &Event, write: impl FnOnce(&mut NamedOutput<W>, [&[u8]; 2]) -> io::Result<R>) -> Result<R, Error> {
        let written = match event {
            Event::Header(header) => {
                self.header = Some(header.clone());
                write(&mut self.output, [&mkv::write_header(header), &[]])
            }
            Event::Packet(packet) => self.prefix(packet).and_then(|prefix| write(&mut self.output, [&prefix, &packet.data])),
            Event::TimeZero(zero) => write(&mut self.output, [&mkv::time_zero(*zero), &[]]),
        };
        written.map_err(|source| self.output.error(source))
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.output.written
    }

    /// The output. All that was written is in it.
    pub fn into_inner(self) -> W {
        self.output.inner
    }

    fn prefix(&self, packet: &Packet) -> io::Result<mkv::ClusterPrefix> {
        let track = self.header.as_ref().and_then(|header| header.tracks.get(packet.track));
        let missing = || io::Error::new(io::ErrorKind::InvalidInput, format!("packet of track {}, which no header declares", packet.track));
        let stored = mkv::stored_time(track.ok_or_else(missing)?, packet.pts);
        let prefix = mkv::cluster_prefix(packet.track, stored, packet.key, packet.data.len());
        Ok(if packet.hidden { prefix.invisible() } else { prefix })
    }
}

impl<W: Write + Send + 'static> Sink<Event> for Writer<W> {
    /// A frame waits for no other.
    const GATHERED: usize = 0;

    fn write(&mut self, items: &[Event]) -> Result<(), Error> {
        if items.is_empty() {
            return self.output.write_all(&mut []).map_err(|source| self.output.error(source));
        }
        items.iter().try_for_each(|event| Writer::write(self, event))
    }

    fn write_now(&mut self, event: &Event) -> Result<Progress, Error> {
        self.event(event, |output, parts| output.write_now(&mut parts.map(IoSlice::new)))
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.output.flush()
    }

    fn written(&self) -> u64 {
        self.output.written
    }

    fn name(&self) -> &str {
        &self.output.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Codec, PixelFormat, Timestamp, Track, VideoParams};
    use bytes::Bytes;

    fn header() -> Event {
        let video = VideoParams::new(4, 2);
        Event::Header(Header { tracks: [Track::video(Codec::Raw(PixelFormat::Gray), video)].into(), time_zero: None })
    }

    fn packet(track: usize) -> Event {
        Event::Packet(Packet { track, pts: Timestamp(40_000), key: true, data: Bytes::from_static(b"pictures"), hidden: false })
    }

    /// Takes at most so many bytes at a time, and counts calls; every other call is interrupted.
    struct Slow {
        most: usize,
        calls: usize,
        taken: Vec<u8>,
    }

    impl Write for Slow {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(buf)])
        }

        fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
            self.calls += 1;
            if self.most < 100 && self.calls % 2 == 1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let before = self.taken.len();
            let all = bufs.iter().flat_map(|b| b.iter()).copied();
            self.taken.extend(all.take(self.most));
            Ok(self.taken.len() - before)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(most: usize) -> (Vec<u8>, usize) {
        let mut writer = Writer::new(Slow { most, calls: 0, taken: Vec::new() });
        writer.write(&header()).unwrap();
        let before = writer.output.inner.calls;
        writer.write(&packet(0)).unwrap();
        assert_eq!(writer.written(), writer.output.inner.taken.len() as u64);
        (writer.output.inner.taken, writer.output.inner.calls - before)
    }

    #[test]
    fn a_frame_is_one_call() {
        let (bytes, calls) = written(usize::MAX);
        assert_eq!(calls, 1);
        assert!(bytes.ends_with(b"\x80pictures"));
    }

    #[test]
    fn partial_writes_are_continued() {
        let whole = written(usize::MAX).0;
        for most in 1..30 {
            assert_eq!(written(most).0, whole, "{most} bytes at a time");
        }
    }

    #[test]
    fn an_output_that_takes_nothing_is_an_error() {
        let mut full = [0; 8];
        let error = Writer::new(&mut full[..]).named("tape").write(&header()).unwrap_err();
        assert_eq!(error.to_string(), "tape");
        assert!(matches!(error, Error::Io { source, .. } if source.kind() == io::ErrorKind::WriteZero));
    }

    #[test]
    fn packets_without_a_track_are_refused() {
        let mut writer = Writer::new(Vec::new());
        assert!(writer.write(&packet(0)).is_err());
        writer.write(&header()).unwrap();
        assert!(writer.write(&packet(1)).is_err());
        assert!(writer.write(&packet(0)).is_ok());
    }
}
