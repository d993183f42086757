//! Recording: streams into files that any player opens at any moment, and what is kept of them.
//!
//! ```text
//!   Feed --(bounded queue)--> Session -> OpenRecording -> Disk        DIR/NAME/2026-11-26/18-20-00.000Z.mp4
//!                                |            |
//!                             labels      Catalogue <- Library (looks through the folder, makes whole what a crash left)
//!                                                ^---- the thread of retention
//! ```
//!
//! | file | its job |
//! |---|---|
//! | `queue` | from who publishes, who never waits, to the thread that writes |
//! | `session` | begin, cut, stop where the disk fails, begin again |
//! | `file`, `library`, `lock` | one recording; a folder of them, which one program writes to |
//! | `catalogue` | what there is, in memory, and who reads it |
//! | `name`, `index`, `labels`, `retention` | pure: names, the index of a day, which time a recording gets, which go |
//! | `scan`, `clip`, `files`, `tape` | a recording read back; a part of some of them as one file; each as it stands, and its segments; played from a keyframe on |
//! | `joined`, `join_plan`, `moved` | some of them behind one another as one file; what it is made of; a part of one with its times moved |
//! | `keyframes`, `cuts` | where a recording can be cut, and where it was |
//! | `timeline` | pure: what there is, as spans of time |
//! | `syncer` | what waits for the disk, in the background |
//! | `disk` | the file system as a trait |
//! | `recorder`, `status` | threads; what is said |
//!
//! Nothing is encoded or rewritten: a recording has the bytes of the stream's own fragments, behind an init segment whose edit list says where it begins.

mod catalogue;
mod clip;
mod cuts;
mod disk;
mod file;
mod files;
mod index;
mod join_plan;
mod joined;
mod keyframes;
mod labels;
mod library;
mod lock;
mod moved;
mod name;
mod queue;
mod reader;
mod recorder;
mod retention;
mod scan;
mod session;
#[cfg(test)]
mod simulated;
mod status;
mod syncer;
#[cfg(test)]
mod tests;
mod timeline;

pub use catalogue::{Catalogue, Lease, Recording};
pub use clip::RecordedClip;
pub use cuts::FileSegment;
pub use disk::{Disk, DiskFile, Item, ReadAt, RealDisk};
pub use files::SegmentedFile;
pub use join_plan::Joining;
pub use joined::JoinedFile;
pub use library::Library;
pub use lock::Lock;
pub use name::{Start, allows};
pub use queue::Feed;
pub use reader::RecordingReader;
pub use recorder::{Numbers, Options, Recorder, Statuses};
pub use retention::Retention;
pub use status::{State, StatusCell};
pub use timeline::{MAX_SPANS, Span, spans};
