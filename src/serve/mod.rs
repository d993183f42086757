//! The server: a library's HTTP in front, one loop of cursors over a shared ring behind.
//!
//! ```text
//!   input thread -> Publisher --(bounded inbox, one per shard)----> StreamReplica: Ring of chunks
//!                                                                     ^      ^
//!   accept -> Acceptor -> Shard: TLS, hyper -> Router --101--> Hub: Viewers (cursors)  endless bodies (cursors)
//! ```
//!
//! A stream is published once, by one [`Publisher`] that the [`Registry`] gives; streams come and go while the server runs. Every shard, a thread
//! with its own runtime, keeps the stream's newest chunks (shared, stored once) in a bounded ring. A viewer is a place in that ring and a
//! socket: nothing is copied or queued for it, so a slow one costs the others nothing. Memory is ring bytes plus a small constant per viewer.
//! Where viewers are few, the thread that reads the input also writes to them, and the shard's thread sleeps.
//!
//! | room | what it is for |
//! |---|---|
//! | `server`, `shard`, `hub` | start and stop; one thread with its runtime; the loop over its viewers |
//! | `access` | who may watch: the judge of `crate::access`, and rules that change while it runs |
//! | `outside` | the service that is asked who may watch |
//! | `snapshots` | pictures as JPEG images, by a decoder that the program gives |
//! | `inbox` | what was published and no viewer has seen; who serves it |
//! | `state`, `limits`, `places`, `refusals` | what all shards share; how much of everything there may be, and each may have; what is refused for that |
//! | `live/` | what there is to send: registry, stream, publisher, ring, cursor, init segment |
//! | `net/` | where connections come in, how many there may be, how a socket is tuned, TLS, which proxies are believed |
//! | `http/` | from a request to a response: who asks and from where, routes, bodies, the player's files |
//! | `hls/` | playlists, parts and segments, and the requests that wait for them |
//! | `publishing/` | streams that clients send, on their way to a program that reads them |
//! | `recordings/` | what was before: which times there are, and clips, out of what a program has recorded or out of the ring |
//! | `rewind/` | what was before, played to a viewer on the live WebSocket |
//! | `ws/` | the frames of the WebSocket, the messages in them, a viewer |
//! | `stats/` | who is watching, what happens to them, what their players report |
//!
//! It parses no media beyond what [`crate::format::bmff`] hands it, encodes nothing, and records nothing: a program may give a [`Tap`] to a publisher that does.

mod access;
mod hls;
mod http;
mod hub;
mod inbox;
mod limits;
mod live;
mod net;
mod outside;
mod places;
mod publishing;
mod recordings;
mod refusals;
mod rewind;
mod server;
mod shard;
mod snapshots;
mod state;
mod stats;
#[cfg(feature = "testing")]
pub mod testing;
mod ws;

pub use access::Access;
pub use hls::HlsOptions;
pub use http::base_path::{BasePath, BasePathError};
pub use http::origin::Policy;
pub use limits::{Capacity, TooLittleMemory, ViewerLimits};
pub use live::groups::{Group, GroupError, Groups};
pub use live::publisher::{Closed, Publisher};
pub use live::registry::{PublishError, Registry};
pub use live::start::Trouble;
pub use live::stream::{Numbers, State, Stream, Summary};
pub use live::tap::Tap;
pub use net::listener::{Listen, ListenError};
pub use net::proxies::{Proxies, ProxyError, TrustedProxy};
pub use net::tls::{PemError, Tls, TlsError};
pub use outside::{AuthUrl, AuthUrlError};
pub use publishing::api::{NotTaken, PublishOptions, Publishing, Upload, UploadBytes, UploadError, UploadOutcome};
pub use recordings::api::{
    JoinedFile, Joining, RecordSwitchError, RecordedClip, RecordedFile, RecordedSpan, RecordingReader, Recordings, SegmentedFile, Timeline,
};
pub use refusals::{Limit, Refusals};
pub use server::{Error, Options, Server, Stopper};
pub use snapshots::PictureDecoder;
pub use stats::events::{EventLog, Events};
pub use stats::histogram::Histogram;
pub use stats::viewers::{PlayerSummary, ViewerSummary};
