//! Rewind: what was before, played to a viewer on the live WebSocket as if it were live.
//!
//! ```text
//!   Viewer --commands--> playback (a task of the shard) --whole messages, a few--> Viewer, when its socket takes more
//!                        |  pace: by time, speed and a small lead
//!                        |  retime: one media time line, which a player just plays
//!                        `- past: recordings, then the ring, without a seam
//! ```
//!
//! A viewer who is slow holds its task up: memory is bounded by the channel. Viewers who are live are not concerned.

pub mod command;
pub mod line;
pub mod outgoing;
pub mod outlet;
pub mod past;
pub mod playback;
pub mod retime;
pub mod rings;
pub mod run;
pub mod sent;
pub mod session;
