//! HTTP Live Streaming, with its low-latency part (draft-pantos-hls-rfc8216bis): which frames make a part and a segment, what they are called, and
//! the text of playlists. Pure: frames come in as times, numbers and sizes; text goes out. Bytes are kept by who serves them.
//!
//! # Everything follows from the time line
//!
//! Two servers that are fed by one muxer, and one that was restarted, are to give the same URLs the same bytes, and the same numbers to the same
//! segments: then a cache may ask either. So nothing here counts what this process has seen. What is counted is time: the decode times that
//! the fragments carry.
//!
//! **The grid.** Time is cut into cells as long as a segment shall be, numbered from zero; cell `n` begins half a segment before `n` segments. The half
//! keeps keyframes that come at whole segments, as of a stream that begins at zero, away from the edge of a cell, where a microsecond would
//! decide.
//!
//! **Segments.** Segment `n` begins at the first keyframe in cell `n`. Media sequence numbers have no holes, so each cell needs its segment:
//! - keyframes closer than a segment: those after the first in a cell begin none, and the part that has one is marked `INDEPENDENT`;
//! - keyframes farther apart than a segment: in a cell without one, a segment begins without a keyframe, as late as possible: one part before
//!   the cell ends, or when the segment before would become longer than [`Grid::longest`]. The playlist then has no
//!   `EXT-X-INDEPENDENT-SEGMENTS`. Players start at the next part that is independent. A segment should be no shorter than a group of pictures;
//! - audio: every frame is a keyframe.
//!
//! A segment's length so varies, by no more than half: the target duration is one and a half segments, rounded up.
//!
//! **Breaks.** Other tracks, another size, a new writer, a pause of the source: who publishes counts them, for all tracks together. A break begins a
//! segment wherever it comes, with `EXT-X-DISCONTINUITY`. Cells that a pause has left empty become segments with `EXT-X-GAP`. Where a break
//! has begun a segment out of its turn, numbers run ahead of the grid; the segments after it are longer until they are in step.
//!
//! **Parts.** A part ends with the frame whose end is nearest to the part's length, counted from where the part began. How long the last frame lasts is
//! estimated by those before it, so that nobody waits for the next. So parts are 92 to 108 % of their length wherever the frame rate allows
//! it, and the part target is 108 %: each is at least 85 % of that. Rates that do not allow it have another target ([`Timeline::target`]), and the
//! same parts.
//!
//! **Names.** A part or segment is named by the time of the frame *before* its first frame: that is known as soon as the part before is whole, whether or not a
//! keyframe then begins a segment. So a preload hint always names what comes. The first frame that a server sees has none before it, and is named by
//! its own time less one microsecond. A server that joins in the middle of a cell has another first segment than the others, under another name and the
//! same number.
//!
//! **Time zero.** A time line begins at zero whenever its muxer starts. Where fragments tell when they were captured (`prft`), times here count from 1970:
//! the wall-clock time of time zero is rounded to whole segments and added to all times. So numbers go on when everything is restarted, and no
//! name comes twice: caches may keep it. Without it both begin anew.

mod breaks;
#[cfg(any(test, feature = "testing"))]
pub mod checker;
mod directives;
mod grid;
mod multivariant;
mod name;
mod playlist;
mod recorded;
#[cfg(test)]
mod tests;
mod timeline;
mod tracks;
mod whole;

pub use breaks::Breaks;
pub use directives::{Directives, MalformedDirective};
pub use grid::Grid;
pub use multivariant::{Multivariant, Sound};
#[cfg(any(feature = "package", feature = "serve"))]
pub use name::init_hash;
pub use name::{Name, Object, PLAYLIST_TYPE, Rendition};
pub use playlist::{Other, Playlist, delta};
pub use recorded::{RecordedFile, RecordedPlaylist};
pub use timeline::{Asked, Frame, Range, Timeline};
pub use tracks::Tracks;
pub use whole::Whole;
