//! ISO base media file format, "MP4" (ISO/IEC 14496-12), as fragmented, live CMAF (ISO/IEC 23000-19): writing it, cutting it into
//! pieces for viewers, and reading it. Boxes are encoded and decoded by the crate mp4-atom, except for the head of each fragment,
//! which is written for every frame and has one fixed shape.
//!
//! ```text
//!   ftyp moov | prft moof mdat | prft moof mdat | …
//!   [`init`]    [`Fragment::head`] + frame
//! ```

mod audio_entry;
mod boxes;
mod chunk;
mod chunk_frames;
mod clip;
mod demuxer;
mod description;
mod edits;
mod fragment;
mod fragments;
mod init;
mod init_at;
mod joined;
mod locations;
mod moof;
mod movie;
mod movie_writer;
mod pcm;
mod random_access;
mod recorded;
mod samples;
mod segment;
mod shape;
mod shift;
mod splitter;
#[cfg(test)]
mod tests;

pub use chunk::Chunk;
pub use chunk_frames::ChunkFrames;
pub use clip::{Clip, ClipBuilder, Extent, Wanted};
pub use demuxer::Demuxer;
pub use fragment::{Fragment, ProducerTime, Sample};
pub use fragments::{FragmentReader, FragmentTrack, LocatedSample, TrackSamples, box_at, moof_of};
pub use init::{Timeline, check, init, track_id};
pub use init_at::{init_at, without_begin};
pub use joined::{Follows, TimeShift, follows, says_its_configuration};
pub use random_access::{MAX_MFRA, MFRO, SyncPoint, mfra, mfra_head, mfra_point, mfra_size, mfra_tail, read_mfra};
pub use recorded::{RecordedFragment, Snap};
pub use segment::{Init, InitTrack};
pub use splitter::{Split, Splitter};
