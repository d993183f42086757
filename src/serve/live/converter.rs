//! Chunks of fragmented MP4 in another form. Pure.

use super::form::{Conversion, Form};
use crate::format::bmff::{ChunkFrames, Init};
use crate::format::byte_stream::{self, StartCodes};
use crate::format::{CodedFrame, flv, mpegts};
use crate::media::{Codec, Kind, Timestamp, Track};
use crate::serve::ws::frames;
use bytes::{BufMut, Bytes, BytesMut};

/// What chunks of one init segment are made into one form with.
#[derive(Debug)]
pub struct Converter {
    frames: ChunkFrames,
    output: Output,
}

#[derive(Debug)]
enum Output {
    ByteStream { track: u32, described: Box<Track>, writer: byte_stream::Writer, lengths: bool },
    MpegTs(mpegts::Writer),
    Flv(flv::Writer),
}

impl Converter {
    /// # Errors
    /// The stream has nothing that the form carries: for people.
    pub fn new(form: Form, init: &Init) -> Result<Converter, &'static str> {
        let tracks = || init.tracks.iter().map(|t| (t.id, &t.track));
        let carried = |output: Option<Output>| output.ok_or(form.refusal());
        let byte_stream = |start_codes, lengths| {
            let is_h264 = |(_, track): &(u32, &Track)| track.codec == Codec::H264;
            let (track, described) = tracks().find(is_h264)?;
            let writer = byte_stream::Writer::new(described, start_codes)?;
            Some(Output::ByteStream { track, described: Box::new(described.clone()), writer, lengths })
        };
        let output = carried(match form {
            Form::H264 => byte_stream(StartCodes::Long, false),
            Form::Wfs => byte_stream(StartCodes::Short, false),
            Form::WfsLengths => byte_stream(StartCodes::Short, true),
            Form::MpegTs => mpegts::Writer::new(tracks()).map(Output::MpegTs),
            Form::Flv => flv::Writer::new(tracks()).map(Output::Flv),
        })?;
        let frames = ChunkFrames::new(init).map_err(|_| form.refusal())?;
        report_omitted(form, init, &output.tracks());
        Ok(Converter { frames, output })
    }

    /// Numbers of the tracks that the form carries; viewers start at the keyframes of the first.
    pub fn tracks(&self) -> Vec<u32> {
        self.output.tracks()
    }

    /// What stands before the first chunk; `begun`: the viewer has had one of another init segment. Empty where there is nothing.
    pub fn head(&self, begun: bool, time: Timestamp) -> Bytes {
        match &self.output {
            Output::Flv(writer) if begun => writer.description(time),
            Output::Flv(writer) => [writer.file_header(), writer.description(time)].concat().into(),
            Output::ByteStream { .. } | Output::MpegTs(_) => Bytes::new(),
        }
    }

    /// The first picture of a chunk as a byte stream, and its track. `None`: this makes no byte streams, or there is none in it.
    pub fn first_picture(&self, chunk: &Bytes, start: Timestamp) -> Option<(Track, Bytes)> {
        let Output::ByteStream { track, writer, described, .. } = &self.output else { return None };
        let frames = self.frames.read(chunk, start).ok()?;
        let frame = frames.iter().find(|frame| frame.track == *track)?;
        let mut out = BytesMut::with_capacity(writer.room(frame.data.len()));
        writer.put(&mut out, &frame.data, frame.key, false);
        Some(((**described).clone(), out.freeze()))
    }

    /// A chunk whose first frame is decoded at `start`, behind those that left this state. What is damaged is left out.
    pub fn convert(&self, chunk: &Bytes, start: Timestamp, mut state: mpegts::WriterState) -> Conversion {
        let mut out = BytesMut::new();
        let frames = self.frames.read(chunk, start).unwrap_or_default();
        frames.iter().for_each(|frame| self.output.put(&mut out, &mut state, frame));
        match out.is_empty() {
            true => Conversion { message: Bytes::new(), payload_at: 0, state },
            false => {
                let (message, payload_at) = frames::binary("", &out.freeze());
                Conversion { message, payload_at, state }
            }
        }
    }
}

impl Output {
    fn tracks(&self) -> Vec<u32> {
        match self {
            Output::ByteStream { track, .. } => vec![*track],
            Output::MpegTs(writer) => writer.tracks().collect(),
            Output::Flv(writer) => writer.tracks().collect(),
        }
    }

    fn put(&self, out: &mut BytesMut, state: &mut mpegts::WriterState, frame: &CodedFrame) {
        match self {
            Output::ByteStream { track, writer, lengths, .. } if frame.track == *track => {
                out.reserve(4 + writer.room(frame.data.len()));
                let begin = out.len();
                out.put_bytes(0, if *lengths { 4 } else { 0 });
                let body = out.len();
                writer.put(out, &frame.data, frame.key, false);
                if *lengths {
                    let length = (out.len() - body) as u32;
                    out[begin..body].copy_from_slice(&length.to_be_bytes());
                }
            }
            Output::ByteStream { .. } => {}
            // What has no place in the form was left out when it was chosen; a frame that is too long for it is a frame that is lost.
            Output::MpegTs(writer) => _ = writer.put(out, state, frame),
            Output::Flv(writer) => _ = writer.put(out, frame),
        }
    }
}

/// What is left out is said, once for each description of a stream. For a form of pictures alone, audio is not missing.
fn report_omitted(form: Form, init: &Init, carried: &[u32]) {
    let wanted = |kind| matches!(form, Form::MpegTs | Form::Flv) || kind == Kind::Video;
    for left_out in init.tracks.iter().filter(|t| wanted(t.track.kind()) && !carried.contains(&t.id)) {
        tracing::warn!("{} leaves out track {}, {}", form.name(), left_out.id, left_out.track.codec);
    }
}
