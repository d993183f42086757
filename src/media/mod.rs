//! Plain data that every stage speaks: tracks, packets, events and times. No I/O, no syntax of any format.

mod backwards;
mod buffer_pool;
mod clock;
mod droppable;
mod error;
mod omitted;
mod overflow;
mod packet;
mod shape;
mod start;
mod time;
mod track;

pub use backwards::{TimeWatch, step_back_line};
pub use buffer_pool::BufferPool;
pub use clock::{Clock, ManualClock, SystemClock, ZeroWatch};
pub use droppable::{Admission, DropQueue, Droppable, Vectored, Waiting};
pub use error::{Malformed, NoSource, Terminal, Unsupported};
pub use omitted::{OmittedTrack, omitted_line};
pub use overflow::{MAX_AUDIO_LAG, MAX_VIDEO_LAG, MAX_WAITING, OverflowPolicy};
pub use packet::{Event, Header, PACKET_COST, Packet};
pub use shape::{Orientation, SampleAspect};
pub use start::{KeyframeWatch, NO_KEYFRAME};
pub use time::{Rate, Timestamp, WallTime};
pub use track::{AUDIO_RATES, AudioParams, Codec, Colour, Kind, MAX_TRACKS, Params, PixelFormat, SampleFormat, Track, VideoParams};
