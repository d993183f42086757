//! One elementary stream: what its PID carries, as frames.

use super::pes::{Packets, Piece};
use super::pictures::Pictures;
use super::program::{Coding, Stream};
use super::sound::{Frames, OpusPackets};
use crate::codec::aac::AdtsHeader;
use crate::codec::{mp3, opus};
use crate::format::header_gate::HeaderGate;
use crate::format::mp3::LayerThree;
use crate::format::nal_codec::NalCodec;
use crate::format::unwrap::Unwrapped;
use crate::media::{Kind, OmittedTrack, Timestamp, Track};

/// Ticks of presentation times a second.
const CLOCK: u32 = 90_000;

/// A stream that is read, or left out.
pub struct Elementary {
    pub stream: Stream,
    /// In the gate; `None`: it is left out.
    slot: Option<usize>,
    content: Content,
    packets: Packets,
    /// Why it is left out although its codec is read.
    pub refused: Option<&'static str>,
}

enum Content {
    Pictures(Box<Pictures>),
    Adts(Frames<AdtsHeader>),
    MpegAudio(Frames<LayerThree>),
    Opus(OpusPackets),
    None,
}

/// What the frames of all streams go through.
pub struct Outlet<'a> {
    pub gate: &'a mut HeaderGate,
    pub times: &'a mut Unwrapped,
}

impl Elementary {
    pub fn new(stream: Stream) -> Elementary {
        let content = match &stream.coding {
            Coding::H264 => Content::Pictures(Box::new(Pictures::new(NalCodec::H264))),
            Coding::H265 => Content::Pictures(Box::new(Pictures::new(NalCodec::H265))),
            Coding::Adts => Content::Adts(Frames::default()),
            Coding::MpegAudio => Content::MpegAudio(Frames::default()),
            Coding::Opus(_) => Content::Opus(OpusPackets::default()),
            Coding::Other(..) => Content::None,
        };
        Elementary { stream, slot: None, content, packets: Packets::default(), refused: None }
    }

    /// Takes a place in the gate.
    pub fn enter(&mut self, gate: &mut HeaderGate) {
        self.slot = (!matches!(self.content, Content::None)).then(|| gate.expect());
    }

    /// Describes the track there, as far as it is known: in the last gate it was described so.
    pub fn describe(&self, gate: &mut HeaderGate, known: Option<Track>) {
        let Some(slot) = self.slot else { return };
        let track = match &self.stream.coding {
            Coding::Opus(head) => opus::track(head.build()).ok(),
            _ => known,
        };
        match track {
            _ if self.refused.is_some() => gate.dismiss(slot),
            Some(track) => gate.describe(slot, track),
            None => {}
        }
    }

    pub fn slot(&self) -> Option<usize> {
        self.slot
    }

    /// As it is named where it is left out.
    pub fn omitted(&self, reason: &str) -> OmittedTrack {
        let (kind, codec) = match &self.stream.coding {
            Coding::H264 => (Some(Kind::Video), "H.264"),
            Coding::H265 => (Some(Kind::Video), "H.265"),
            Coding::Adts => (Some(Kind::Audio), "AAC"),
            Coding::MpegAudio => (Some(Kind::Audio), "MPEG audio"),
            Coding::Opus(_) => (Some(Kind::Audio), "Opus"),
            Coding::Other(kind, name) => (*kind, name.as_str()),
        };
        OmittedTrack { number: self.stream.pid.into(), kind, codec: codec.into(), reason: reason.into() }
    }

    /// Packets are missing.
    pub fn lose(&mut self) {
        self.packets.lose();
        self.content.lose();
    }

    /// The payload of a packet; `start`: a PES packet begins in it. Gives what was damaged.
    pub fn push(&mut self, payload: &[u8], start: bool, outlet: &mut Outlet<'_>) -> u64 {
        let Some(slot) = self.slot.filter(|_| self.refused.is_none()) else { return 0 };
        let (content, refused) = (&mut self.content, &mut self.refused);
        let mut damage = 0;
        self.packets.push(payload, start, |piece| match piece {
            Piece::Begin(pts) => content.begin(pts.map(|pts| Timestamp::from_ticks(outlet.times.next(pts), CLOCK))),
            Piece::Data(data) => {
                if content.is_another_layer(data, outlet.gate, slot) {
                    *refused = Some("not layer III");
                    return outlet.gate.dismiss(slot);
                }
                outlet.gate.came(slot);
                damage += content.data(data, outlet.gate, slot);
            }
            Piece::End => damage += content.end(outlet.gate, slot),
            Piece::Short => {
                content.lose();
                damage += 1;
            }
            Piece::Scrambled => {
                *refused = Some("encrypted");
                outlet.gate.dismiss(slot);
            }
        });
        damage
    }

    /// A packet was filled up: where PES packets tell no length, they end so.
    pub fn filled_up(&mut self, gate: &mut HeaderGate) -> u64 {
        match self.slot {
            Some(slot) if self.packets.is_unbounded() => self.content.end(gate, slot),
            _ => 0,
        }
    }

    /// Every packet is scrambled.
    pub fn refuse(&mut self, reason: &'static str, gate: &mut HeaderGate) {
        self.refused = Some(reason);
        self.slot.into_iter().for_each(|slot| gate.dismiss(slot));
    }

    /// The stream ends here. Gives what was damaged.
    pub fn finish(&mut self, gate: &mut HeaderGate) -> u64 {
        let Some(slot) = self.slot else { return 0 };
        match &mut self.content {
            Content::Pictures(pictures) => pictures.finish(gate, slot),
            Content::Adts(frames) => frames.data(&[], true, gate, slot),
            Content::MpegAudio(frames) => frames.data(&[], true, gate, slot),
            Content::Opus(_) | Content::None => 0,
        }
    }
}

impl Content {
    fn lose(&mut self) {
        match self {
            Content::Pictures(pictures) => pictures.lose(),
            Content::Adts(frames) => frames.lose(),
            Content::MpegAudio(frames) => frames.lose(),
            Content::Opus(packets) => packets.lose(),
            Content::None => {}
        }
    }

    fn begin(&mut self, pts: Option<Timestamp>) {
        match self {
            Content::Pictures(pictures) => pictures.begin(pts),
            Content::Adts(frames) => frames.begin(pts),
            Content::MpegAudio(frames) => frames.begin(pts),
            Content::Opus(packets) => packets.begin(pts),
            Content::None => {}
        }
    }

    fn data(&mut self, data: &[u8], gate: &mut HeaderGate, slot: usize) -> u64 {
        match self {
            Content::Pictures(pictures) => pictures.data(data, gate, slot),
            Content::Adts(frames) => frames.data(data, false, gate, slot),
            Content::MpegAudio(frames) => frames.data(data, false, gate, slot),
            Content::Opus(packets) => packets.data(data, gate, slot),
            Content::None => 0,
        }
    }

    fn end(&mut self, gate: &mut HeaderGate, slot: usize) -> u64 {
        match self {
            Content::Pictures(pictures) => pictures.end(gate, slot),
            _ => 0,
        }
    }

    /// Layers I and II have the same stream types as III.
    fn is_another_layer(&self, data: &[u8], gate: &HeaderGate, slot: usize) -> bool {
        let other = || mp3::FrameHeader::parse(data).is_some_and(|header| header.layer != 3);
        matches!(self, Content::MpegAudio(_)) && gate.track(slot).is_none() && other()
    }
}
