//! The other forms in which a stream of fragmented MP4 is sent, for players that take no MP4. A chunk is converted once, by the first viewer of a form
//! that comes to it, and the conversion is kept beside the chunk for the others.

use crate::format::{flv, mpegts};
use bytes::Bytes;
use std::sync::OnceLock;

/// A form besides MP4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `NAME.h264`: H.264 as a byte stream (Annex B).
    H264,
    /// `NAME.ts`: an MPEG transport stream.
    MpegTs,
    /// `NAME.flv`.
    Flv,
    /// What wfs.js takes: an access unit in each message of a WebSocket, and a start code of four bytes before its first NAL unit alone.
    Wfs,
    /// What MarkRepo's wfs.js takes: the same, with the length of the access unit before it.
    WfsLengths,
}

impl Form {
    /// How many there are.
    pub const COUNT: usize = 5;

    /// By the ending of a path.
    pub fn of_ending(ending: &str) -> Option<Form> {
        match ending {
            "h264" => Some(Form::H264),
            "ts" => Some(Form::MpegTs),
            "flv" => Some(Form::Flv),
            _ => None,
        }
    }

    /// For lists of viewers.
    pub fn name(self) -> &'static str {
        match self {
            Form::H264 => "h264",
            Form::MpegTs => "ts",
            Form::Flv => "flv",
            Form::Wfs | Form::WfsLengths => "wfs",
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Form::H264 | Form::Wfs | Form::WfsLengths => "video/h264",
            Form::MpegTs => "video/mp2t",
            Form::Flv => "video/x-flv",
        }
    }

    /// What may be sent at any time and changes nothing.
    pub fn nothing(self) -> &'static [u8] {
        match self {
            // trailing_zero_8bits (H.264, section B.1.1).
            Form::H264 | Form::Wfs | Form::WfsLengths => &[0],
            Form::MpegTs => &mpegts::NULL_PACKET,
            Form::Flv => flv::NOTHING,
        }
    }

    /// Why a stream of other codecs is not to be had so.
    pub fn refusal(self) -> &'static str {
        match self {
            Form::H264 | Form::Wfs | Form::WfsLengths => "the stream has no H.264 pictures; see NAME.mp4",
            Form::MpegTs => "MPEG-TS carries H.264, H.265, AAC, MP3 and Opus here, and the stream has none of them; see NAME.mp4",
            Form::Flv => "FLV carries H.264, H.265, AV1, AAC, MP3, Opus and FLAC, and the stream has none of them; see NAME.mp4",
        }
    }
}

/// A chunk in another form.
#[derive(Debug)]
pub struct Conversion {
    /// In a WebSocket frame; empty where nothing of the chunk is carried.
    pub message: Bytes,
    /// Where in `message` it begins.
    pub payload_at: usize,
    /// What the next chunk's depends on.
    pub state: mpegts::WriterState,
}

impl Conversion {
    /// It alone.
    pub fn payload(&self) -> Bytes {
        self.message.slice(self.payload_at..)
    }
}

/// Those of one chunk. Nothing but a pointer as long as nobody asks.
#[derive(Debug, Default)]
pub struct Conversions(OnceLock<Box<[OnceLock<Conversion>; Form::COUNT]>>);

impl Conversions {
    pub fn get(&self, form: Form) -> Option<&Conversion> {
        self.0.get()?[form as usize].get()
    }

    /// The one that is there, or this. `true`: it is new.
    pub fn get_or_make(&self, form: Form, make: impl FnOnce() -> Conversion) -> (&Conversion, bool) {
        let place = &self.0.get_or_init(Box::default)[form as usize];
        let mut new = false;
        let conversion = place.get_or_init(|| {
            new = true;
            make()
        });
        (conversion, new)
    }

    /// Bytes of all that there are.
    pub fn size(&self) -> usize {
        self.all().map(|conversion| conversion.message.len()).sum()
    }

    /// No viewer is in the middle of one.
    pub fn are_unique(&self) -> bool {
        self.all().all(|conversion| conversion.message.is_empty() || conversion.message.is_unique())
    }

    fn all(&self) -> impl Iterator<Item = &Conversion> {
        self.0.get().into_iter().flat_map(|all| all.iter()).filter_map(OnceLock::get)
    }
}
