//! The elements and codec IDs that are read or written here (RFC 9559, section 5, and the Matroska codec registry).

use crate::media::{Codec, PixelFormat, SampleFormat};

/// Element IDs.
pub mod id {
    // RFC 8794, sections 11.2 and 11.3.
    pub const EBML: u32 = 0x1A45_DFA3;
    pub const EBML_VERSION: u32 = 0x4286;
    pub const EBML_READ_VERSION: u32 = 0x42F7;
    pub const EBML_MAX_ID_LENGTH: u32 = 0x42F2;
    pub const EBML_MAX_SIZE_LENGTH: u32 = 0x42F3;
    pub const DOC_TYPE: u32 = 0x4282;
    pub const DOC_TYPE_VERSION: u32 = 0x4287;
    pub const DOC_TYPE_READ_VERSION: u32 = 0x4285;
    pub const CRC_32: u32 = 0xBF;
    pub const VOID: u32 = 0xEC;

    // RFC 9559, section 5.1: the Segment and what stands directly in it.
    pub const SEGMENT: u32 = 0x1853_8067;
    pub const SEEK_HEAD: u32 = 0x114D_9B74;
    pub const INFO: u32 = 0x1549_A966;
    pub const CLUSTER: u32 = 0x1F43_B675;
    pub const TRACKS: u32 = 0x1654_AE6B;
    pub const CUES: u32 = 0x1C53_BB6B;
    pub const ATTACHMENTS: u32 = 0x1941_A469;
    pub const CHAPTERS: u32 = 0x1043_A770;
    pub const TAGS: u32 = 0x1254_C367;

    // Section 5.1.2: Info.
    pub const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
    pub const DATE_UTC: u32 = 0x4461;
    pub const MUXING_APP: u32 = 0x4D80;
    pub const WRITING_APP: u32 = 0x5741;

    // Section 5.1.3: Cluster.
    pub const TIMESTAMP: u32 = 0xE7;
    pub const POSITION: u32 = 0xA7;
    pub const PREV_SIZE: u32 = 0xAB;
    pub const SIMPLE_BLOCK: u32 = 0xA3;
    pub const BLOCK_GROUP: u32 = 0xA0;
    pub const BLOCK: u32 = 0xA1;
    pub const BLOCK_DURATION: u32 = 0x9B;
    pub const REFERENCE_BLOCK: u32 = 0xFB;

    // Section 5.1.4: Tracks.
    pub const TRACK_ENTRY: u32 = 0xAE;
    pub const TRACK_NUMBER: u32 = 0xD7;
    pub const TRACK_UID: u32 = 0x73C5;
    pub const TRACK_TYPE: u32 = 0x83;
    pub const FLAG_LACING: u32 = 0x9C;
    pub const DEFAULT_DURATION: u32 = 0x23_E383;
    pub const NAME: u32 = 0x536E;
    pub const LANGUAGE: u32 = 0x22_B59C;
    pub const LANGUAGE_BCP47: u32 = 0x22_B59D;
    pub const CODEC_ID: u32 = 0x86;
    pub const CODEC_PRIVATE: u32 = 0x63A2;
    pub const CODEC_DELAY: u32 = 0x56AA;
    pub const SEEK_PRE_ROLL: u32 = 0x56BB;
    pub const VIDEO: u32 = 0xE0;
    pub const PIXEL_WIDTH: u32 = 0xB0;
    pub const PIXEL_HEIGHT: u32 = 0xBA;
    pub const PIXEL_CROP_BOTTOM: u32 = 0x54AA;
    pub const PIXEL_CROP_TOP: u32 = 0x54BB;
    pub const PIXEL_CROP_LEFT: u32 = 0x54CC;
    pub const PIXEL_CROP_RIGHT: u32 = 0x54DD;
    pub const DISPLAY_WIDTH: u32 = 0x54B0;
    pub const DISPLAY_HEIGHT: u32 = 0x54BA;
    pub const DISPLAY_UNIT: u32 = 0x54B2;
    pub const PROJECTION: u32 = 0x7670;
    pub const PROJECTION_TYPE: u32 = 0x7671;
    pub const PROJECTION_POSE_YAW: u32 = 0x7673;
    pub const PROJECTION_POSE_PITCH: u32 = 0x7674;
    pub const PROJECTION_POSE_ROLL: u32 = 0x7675;
    pub const UNCOMPRESSED_FOURCC: u32 = 0x2E_B524;
    pub const COLOUR: u32 = 0x55B0;
    pub const MATRIX_COEFFICIENTS: u32 = 0x55B1;
    pub const RANGE: u32 = 0x55B9;
    pub const TRANSFER_CHARACTERISTICS: u32 = 0x55BA;
    pub const PRIMARIES: u32 = 0x55BB;
    pub const AUDIO: u32 = 0xE1;
    pub const SAMPLING_FREQUENCY: u32 = 0xB5;
    pub const CHANNELS: u32 = 0x9F;
    pub const BIT_DEPTH: u32 = 0x6264;
    pub const CONTENT_ENCODINGS: u32 = 0x6D80;
    pub const CONTENT_ENCODING: u32 = 0x6240;
    pub const CONTENT_ENCODING_ORDER: u32 = 0x5031;
    pub const CONTENT_ENCODING_SCOPE: u32 = 0x5032;
    pub const CONTENT_ENCODING_TYPE: u32 = 0x5033;
    pub const CONTENT_COMPRESSION: u32 = 0x5034;
    pub const CONTENT_COMP_ALGO: u32 = 0x4254;
    pub const CONTENT_COMP_SETTINGS: u32 = 0x4255;

    // Section 5.1.8: Tags.
    pub const TAG: u32 = 0x7373;
    pub const TARGETS: u32 = 0x63C0;
    pub const SIMPLE_TAG: u32 = 0x67C8;
    pub const TAG_NAME: u32 = 0x45A3;
    pub const TAG_STRING: u32 = 0x4487;
}

/// TrackType (section 5.1.4.1.3).
pub const VIDEO_TRACK: u64 = 1;
pub const AUDIO_TRACK: u64 = 2;

/// Name of the tag with the wall-clock time of stream time zero, RFC 3339.
pub const TIME_ZERO_UTC: &str = "TIME_ZERO_UTC";

/// DateUTC counts nanoseconds from 2001-01-01T00:00:00Z (RFC 8794, section 7.6): that, in microseconds since 1970.
pub const EPOCH_2001: i64 = 978_307_200_000_000;

/// Whether an element stands directly in a Segment, or begins a new one: it ends a Cluster of unknown size.
pub fn is_top_level(element: u32) -> bool {
    use id::{ATTACHMENTS, CHAPTERS, CLUSTER, CUES, EBML, INFO, SEEK_HEAD, SEGMENT, TAGS, TRACKS};
    matches!(element, EBML | SEGMENT | SEEK_HEAD | INFO | CLUSTER | TRACKS | CUES | ATTACHMENTS | CHAPTERS | TAGS)
}

/// CodecID of a codec. The way back is in `tracks`.
pub fn codec_id(codec: Codec) -> &'static str {
    match codec {
        Codec::Raw(_) => "V_UNCOMPRESSED",
        Codec::Jpeg => "V_MJPEG",
        Codec::H264 => "V_MPEG4/ISO/AVC",
        Codec::H265 => "V_MPEGH/ISO/HEVC",
        Codec::Av1 => "V_AV1",
        Codec::Vp8 => "V_VP8",
        Codec::Vp9 => "V_VP9",
        Codec::Pcm(SampleFormat::F32) => "A_PCM/FLOAT/IEEE",
        Codec::Pcm(_) => "A_PCM/INT/LIT",
        Codec::Aac => "A_AAC",
        Codec::Opus => "A_OPUS",
        Codec::Flac => "A_FLAC",
        Codec::Mp3 => "A_MPEG/L3",
    }
}

/// How the layout of raw pictures is written as UncompressedFourCC, once ColourSpace (section 5.1.4.1.28.15). The first of each layout is
/// written; the others are read. Which program knows which: see `h5pipe(5)`.
const FOURCCS: [(&[u8; 4], PixelFormat, ChromaOrder); 26] = [
    (b"I420", PixelFormat::I420, ChromaOrder::UV),
    (b"IYUV", PixelFormat::I420, ChromaOrder::UV),
    (b"YV12", PixelFormat::I420, ChromaOrder::VU),
    (b"NV12", PixelFormat::Nv12, ChromaOrder::UV),
    (b"Y42B", PixelFormat::I422, ChromaOrder::UV),
    (b"I422", PixelFormat::I422, ChromaOrder::UV),
    (b"P422", PixelFormat::I422, ChromaOrder::UV),
    (b"YV16", PixelFormat::I422, ChromaOrder::VU),
    (b"444P", PixelFormat::I444, ChromaOrder::UV),
    (b"I444", PixelFormat::I444, ChromaOrder::UV),
    (b"YUY2", PixelFormat::Yuy2, ChromaOrder::UV),
    (b"YUYV", PixelFormat::Yuy2, ChromaOrder::UV),
    (b"yuyv", PixelFormat::Yuy2, ChromaOrder::UV),
    (b"Y422", PixelFormat::Yuy2, ChromaOrder::UV),
    (b"UYVY", PixelFormat::Uyvy, ChromaOrder::UV),
    (b"HDYC", PixelFormat::Uyvy, ChromaOrder::UV),
    (b"2vuy", PixelFormat::Uyvy, ChromaOrder::UV),
    (b"UYNV", PixelFormat::Uyvy, ChromaOrder::UV),
    (b"RGB\x18", PixelFormat::Rgb24, ChromaOrder::UV),
    (b"BGR\x18", PixelFormat::Bgr24, ChromaOrder::UV),
    (b"24BG", PixelFormat::Bgr24, ChromaOrder::UV),
    (b"RGBA", PixelFormat::Rgba, ChromaOrder::UV),
    (b"BGRA", PixelFormat::Bgra, ChromaOrder::UV),
    (b"Y800", PixelFormat::Gray, ChromaOrder::UV),
    (b"GREY", PixelFormat::Gray, ChromaOrder::UV),
    (b"Y8  ", PixelFormat::Gray, ChromaOrder::UV),
];

/// Order of the chroma planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChromaOrder {
    UV,
    VU,
}

pub fn fourcc(format: PixelFormat) -> &'static [u8; 4] {
    FOURCCS.iter().find(|(_, known, _)| *known == format).expect("every layout is in the table").0
}

pub fn pixel_format(fourcc: &[u8]) -> Option<(PixelFormat, ChromaOrder)> {
    FOURCCS.iter().find(|(known, ..)| known[..] == *fourcc).map(|&(_, format, order)| (format, order))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_has_a_fourcc_of_its_own() {
        for format in PixelFormat::ALL {
            assert_eq!(pixel_format(fourcc(format)), Some((format, ChromaOrder::UV)));
        }
    }
}
