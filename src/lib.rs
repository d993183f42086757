//! h5live puts any camera or video feed on a web page, live, with four small Unix filters.
//!
//! ```text
//!   h5cap SOURCE  |  h5enc         |  h5mux        |  h5serve
//!   source          encode            mux             serve          -> browsers
//!      \__ pipe::Writer   pipe::Reader __/ \__ CMAF chunks __/
//!            live Matroska                    fragmented MP4
//! ```
//!
//! A frame flows one way: bytes -> [`pipe::Reader`] -> [`media::Event`] -> a stage -> [`media::Event`] ->
//! [`pipe::Writer`] -> bytes. The modules, in that order:
//!
//! | layer | module | its job | may import |
//! |---|---|---|---|
//! | 0 | [`media`] | tracks, packets, events, times: plain data | nothing of ours |
//! | 1 | [`codec`] | bitstream syntax, pure: H.264, H.265, AAC, Opus, JPEG, raw pictures | 0 |
//! | 1 | [`format`](mod@format) | container syntax, pure: Matroska, fMP4, FLV, MPEG-TS, Annex B, y4m, MJPEG, ADTS, WAV | 0, codec |
//! | 1 | [`access`] | who may do what: users, tokens, signed links, and one judge over them | nothing of ours |
//! | 2 | [`pipe`] | bytes in, events out, and back; the bounded sniff | 0-1 |
//! | 2 | [`source`] | one file or folder per source of pictures or audio, a registry of them | 0-1 |
//! | 2 | [`encode`] | one file per encoder or decoder, and pixel conversion | 0-1 |
//! | 2 | [`mux`] | decode times and CMAF chunks | 0-1 |
//! | 2 | [`package`] | a stream as HLS files, in a folder or at a server that takes them by HTTP PUT | 0-1 |
//! | 2 | [`record`] | streams into files that survive a crash, and what is kept of them | 0-1 |
//! | 2 | [`serve`] | the hub of cursors over a shared ring, HTTP, WebSocket, the player | 0-1 |
//! | 2 | [`cli`] | what the four programs share at their edges | 0 |
//! | 3 | `bin/*` | the only place where stages meet | all |
//!
//! `source`, `encode`, `package`, `serve` and `cli` are built by the features `capture`, `encode`, `package`, `serve` and `cli`, all on by default; `access` comes with `serve`. Without
//! features the library reads and writes every format, muxes and records; it needs no C compiler. The feature `testing`, off by default, has what tests, fuzz targets
//! and examples share.
//!
//! What always holds:
//!
//! - a stage adds no frame of delay: what is whole is forwarded;
//! - parsers are sans-IO: bytes and times are arguments, "need more" is a value, and how the input was cut does not matter;
//! - every size and count from outside is bounded before it is allocated, and no input makes a program panic.

#[cfg(feature = "serve")]
pub mod access;
#[cfg(feature = "cli")]
pub mod cli;
pub mod codec;
#[cfg(feature = "encode")]
pub mod encode;
pub mod format;
pub mod media;
pub mod mux;
#[cfg(feature = "package")]
pub mod package;
pub mod pipe;
pub mod record;
#[cfg(feature = "serve")]
pub mod serve;
#[cfg(feature = "capture")]
pub mod source;
