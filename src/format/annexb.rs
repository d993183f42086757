//! H.264 and H.265 as byte streams (Annex B of both), without any container.
//!
//! In such a stream only the beginning of the next frame says that a frame has ended: a reader has each frame one frame
//! later than a container would give it. Frames get their times from the order in which they are shown, so that B-frames do no harm.

use super::Step;
use super::timing::{FrameTimes, Timing};
use crate::codec::nal::AccessUnit;
use crate::codec::order::DisplayOrder;
use crate::codec::{h264, h265, sei};
use crate::media::{Event, Header, Malformed, Packet, Params, Rate, Timestamp, Track};
use bytes::{Bytes, BytesMut};

/// So much is read before the first parameter sets: many seconds of video, which cannot be decoded.
const MAX_BEFORE_START: u64 = 64 << 20;

/// [`super::Demuxer`] of a byte stream.
pub struct Demuxer {
    units: AccessUnits,
    order: DisplayOrder,
    timing: Timing,
    /// From the first parameter sets on.
    times: Option<FrameTimes>,
    /// A packet whose header had to go first.
    waiting: Option<Packet>,
    /// When the access unit that is being gathered began to arrive.
    began: Option<Timestamp>,
    at: u64,
}

/// The same functions for both codecs.
pub(super) enum AccessUnits {
    H264(h264::AccessUnits),
    H265(h265::AccessUnits),
}

impl Demuxer {
    /// For a stream of H.264.
    pub fn h264(timing: Timing) -> Demuxer {
        Demuxer::new(AccessUnits::H264(h264::AccessUnits::default()), DisplayOrder::h264(), timing)
    }

    /// For a stream of H.265.
    pub fn h265(timing: Timing) -> Demuxer {
        Demuxer::new(AccessUnits::H265(h265::AccessUnits::default()), DisplayOrder::h265(), timing)
    }

    fn new(units: AccessUnits, order: DisplayOrder, timing: Timing) -> Demuxer {
        Demuxer { units, order, timing, times: None, waiting: None, began: None, at: 0 }
    }

    /// `None`: an access unit that cannot be decoded, as no parameter sets came before it.
    fn access_unit(&mut self, au: AccessUnit, began: Timestamp) -> Option<Event> {
        let track = if self.times.is_none() { Some(self.units.track(&au.data)?) } else { None };
        let number = self.order.number(&au.data);
        let header = track.map(|track| self.start(track));
        let pts = self.times.as_mut()?.time(number, began);
        let packet = Packet { track: 0, pts, key: au.key, data: au.data, hidden: false };
        if header.is_some() {
            self.waiting = Some(packet);
            return header;
        }
        Some(Event::Packet(packet))
    }

    fn start(&mut self, mut track: Track) -> Event {
        let said = track.as_video().and_then(|video| video.rate);
        self.times = Some(FrameTimes::new(self.timing, said));
        let rate = FrameTimes::nominal(self.timing, said);
        if let Params::Video(video) = &mut track.params {
            video.rate = rate;
        }
        track.frame_duration = rate.map(Rate::frame_duration);
        Event::Header(Header { tracks: [track].into(), time_zero: None })
    }

    fn no_start(&self) -> Malformed {
        Malformed::new(self.units.format(), "no parameter sets with a picture so far").at(self.at)
    }
}

impl super::Demuxer for Demuxer {
    fn next(&mut self, buf: &mut BytesMut, eof: bool, now: Timestamp) -> Result<Step, Malformed> {
        if let Some(packet) = self.waiting.take() {
            return Ok(Step::Event(Event::Packet(packet)));
        }
        loop {
            while let Some(au) = self.units.next(eof && buf.is_empty())? {
                let began = self.began.replace(now).unwrap_or(now);
                if let Some(event) = self.access_unit(au, began) {
                    return Ok(Step::Event(event));
                }
            }
            if self.times.is_none() && (eof || self.at > MAX_BEFORE_START) && buf.is_empty() {
                return Err(self.no_start());
            }
            if buf.is_empty() {
                return Ok(if eof { Step::End } else { Step::Need(1) });
            }
            self.began.get_or_insert(now);
            self.at += buf.len() as u64;
            self.units.push(buf);
            buf.clear();
        }
    }
}

impl AccessUnits {
    pub(super) fn push(&mut self, data: &[u8]) {
        match self {
            AccessUnits::H264(units) => units.push(data),
            AccessUnits::H265(units) => units.push(data),
        }
    }

    /// Bytes are missing here.
    pub(super) fn lose(&mut self) {
        match self {
            AccessUnits::H264(units) => units.lose(),
            AccessUnits::H265(units) => units.lose(),
        }
    }

    /// With `all`, also what is not known to be whole.
    pub(super) fn next(&mut self, all: bool) -> Result<Option<AccessUnit>, Malformed> {
        match self {
            AccessUnits::H264(units) if all => units.flush(),
            AccessUnits::H264(units) => units.next(),
            AccessUnits::H265(units) if all => units.flush(),
            AccessUnits::H265(units) => units.next(),
        }
    }

    /// The track by the parameter sets in an access unit.
    pub(super) fn track(&self, au: &Bytes) -> Option<Track> {
        let (track, orientation) = match self {
            AccessUnits::H264(_) => (h264::config_of(au).and_then(|config| h264::track(config).ok()), sei::h264_orientation(au)),
            AccessUnits::H265(_) => (h265::config_of(au).and_then(|config| h265::track(config).ok()), sei::h265_orientation(au)),
        };
        let mut track = track?;
        if let Params::Video(video) = &mut track.params {
            video.orientation = orientation.unwrap_or_default();
        }
        Some(track)
    }

    fn format(&self) -> &'static str {
        match self {
            AccessUnits::H264(_) => "H.264",
            AccessUnits::H265(_) => "H.265",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::nal;
    use crate::format::testing::{events, events_at_every_split};
    use crate::media::Codec;

    fn data(file: &str) -> Vec<u8> {
        std::fs::read(format!("{}/tests/data/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn packets(events: &[Event]) -> Vec<&Packet> {
        events.iter().filter_map(|event| if let Event::Packet(packet) = event { Some(packet) } else { None }).collect()
    }

    /// Frame numbers in decoding order, as the encoder gave them to the container.
    const H264_ORDER: [u64; 20] = [0, 4, 2, 1, 3, 8, 6, 5, 7, 11, 9, 10, 12, 16, 14, 13, 15, 19, 17, 18];
    const H265_ORDER: [u64; 20] = [0, 4, 2, 1, 3, 7, 6, 5, 9, 8, 12, 11, 10, 16, 14, 13, 15, 19, 18, 17];

    #[test]
    fn b_frames_get_the_times_at_which_they_are_shown() {
        let rate = Rate::new(30, 1).unwrap();
        let h264 = events_at_every_split(|| Demuxer::h264(Timing::Stream), &data("b-frames.h264")).unwrap();
        let h265 = events_at_every_split(|| Demuxer::h265(Timing::Stream), &data("b-frames.h265")).unwrap();
        for ((events, damage), codec, order) in [(h264, Codec::H264, H264_ORDER), (h265, Codec::H265, H265_ORDER)] {
            let Event::Header(header) = &events[0] else { panic!() };
            let video = header.tracks[0].as_video().unwrap();
            assert_eq!((header.tracks[0].codec, video.width, video.height, video.rate, damage), (codec, 64, 48, Some(rate), 0));
            let times: Vec<_> = packets(&events).iter().map(|packet| packet.pts).collect();
            assert_eq!(times, order.map(|n| rate.time_of(n)), "{codec}");
            let keys: Vec<_> = packets(&events).iter().enumerate().filter(|(_, packet)| packet.key).map(|(n, _)| order[n]).collect();
            assert_eq!(keys, [0, 12], "{codec}");
        }
    }

    #[test]
    fn two_fields_are_one_frame() {
        let stream = data("paff.h264");
        let rate = Rate::new(25, 1).unwrap();
        let expected: Vec<_> = (0..20).map(|n| rate.time_of(n)).collect();
        // As some encoders and every broadcaster write them: a delimiter and SEI before each field.
        let mut delimited = Vec::new();
        for unit in nal::annex_b_units(&stream) {
            if matches!(h264::type_of(unit), h264::unit_type::SLICE) {
                delimited.extend_from_slice(b"\0\0\0\x01\x09\xf0\0\0\x01\x06\x05\x01\xaa\x80");
            }
            delimited.extend_from_slice(&[&[0, 0, 1], unit].concat());
        }
        for stream in [stream, delimited] {
            let (events, damage) = events_at_every_split(|| Demuxer::h264(Timing::Stream), &stream).unwrap();
            let times: Vec<_> = packets(&events).iter().map(|packet| packet.pts).collect();
            assert_eq!((times, damage), (expected.clone(), 0));
            let pictures = |packet: &Packet| h264::units(&packet.data).filter(|u| matches!(h264::type_of(u), 1 | 5)).count();
            assert!(packets(&events).iter().all(|packet| pictures(packet) == 2));
            // The NAL units before a field are in its own access unit.
            let count = |packet: &Packet, kind| h264::units(&packet.data).filter(|u| h264::type_of(u) == kind).count();
            let seis: Vec<_> = packets(&events).iter().map(|packet| count(packet, h264::unit_type::SEI)).collect();
            let second: Vec<_> = packets(&events).iter().map(|packet| count(packet, h264::unit_type::SLICE)).collect();
            assert!(seis == second || seis.iter().all(|n| *n == 0), "{seis:?}");
        }
    }

    #[test]
    fn a_frame_is_out_when_the_next_one_begins() {
        let stream = data("b-frames.h264");
        let (all, _) = events(Demuxer::h264(Timing::Stream), &stream, stream.len()).unwrap();
        let (mut demuxer, mut buf, mut out) = (Demuxer::h264(Timing::Stream), BytesMut::new(), 0);
        for (n, packet) in packets(&all).iter().enumerate() {
            let annex_b = h264::to_annex_b(&packet.data);
            buf.extend_from_slice(&annex_b);
            while let Ok(Step::Event(event)) = super::super::Demuxer::next(&mut demuxer, &mut buf, false, Timestamp::ZERO) {
                out += usize::from(matches!(event, Event::Packet(_)));
            }
            assert_eq!(out, n, "after frame {n}");
        }
    }

    #[test]
    fn what_comes_before_the_first_parameter_sets_is_left_out() {
        let stream = data("b-frames.h264");
        let (all, _) = events(Demuxer::h264(Timing::Stream), &stream, stream.len()).unwrap();
        let late = [&h264::to_annex_b(&packets(&all)[1].data)[..], &stream].concat();
        assert_eq!(events(Demuxer::h264(Timing::Stream), &late, 1000).unwrap().0, all);
        let error = events(Demuxer::h264(Timing::Stream), &h264::to_annex_b(&packets(&all)[1].data), 1000).unwrap_err().to_string();
        assert!(error.starts_with("H.264: byte ") && error.ends_with(": no parameter sets with a picture so far"), "{error}");
    }

    #[test]
    fn arrival_is_that_of_a_frames_first_byte() {
        let stream = data("b-frames.h264");
        let (all, _) = events(Demuxer::h264(Timing::Stream), &stream, stream.len()).unwrap();
        let (mut demuxer, mut buf, mut times) = (Demuxer::h264(Timing::Arrival), BytesMut::new(), Vec::new());
        for (n, packet) in packets(&all).iter().enumerate() {
            buf.extend_from_slice(&h264::to_annex_b(&packet.data));
            while let Ok(Step::Event(event)) = super::super::Demuxer::next(&mut demuxer, &mut buf, false, Timestamp(1000 * n as i64)) {
                if let Event::Packet(packet) = event {
                    times.push(packet.pts.micros());
                }
            }
        }
        assert_eq!(times, (0..19).map(|n| 1000 * n).collect::<Vec<_>>());
    }
}
