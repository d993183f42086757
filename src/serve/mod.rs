//! The server: a library's HTTP in front, one loop of cursors over a shared ring behind.
//!
//! ```text
//!   input thread -> Publisher --(bounded channel, one per shard)--> Feed: Ring of chunks
//!                                                                     ^      ^
//!   accept -> Door -> Shard: hyper -> Router --101--> Hub: Viewers (cursors)  endless bodies (cursors)
//! ```
//!
//! A stream is published once, by one [`Publisher`]. Every shard, a thread with its own runtime, keeps the stream's newest chunks
//! (shared, stored once) in a bounded ring. A viewer is a place in that ring and a socket: nothing is copied or queued for it,
//! so a slow one costs nobody anything. Memory is ring bytes plus a small constant per viewer.
//!
//! It parses no media beyond what [`crate::format::bmff`] hands it, encodes nothing, and records nothing.

mod body;
mod cursor;
mod door;
mod event;
mod feed;
mod hub;
mod listen;
pub mod message;
pub mod movie;
pub mod player;
mod policy;
mod publish;
mod report;
mod request;
mod ring;
mod routes;
mod seat;
mod server;
mod shard;
mod site;
mod socket;
mod start;
mod stream;
#[doc(hidden)]
pub mod testing;
mod viewer;
pub mod ws;

pub use event::{EventLog, Events};
pub use listen::{Listen, ListenError};
pub use policy::Policy;
pub use publish::{Closed, Publisher};
pub use report::Tally;
pub use seat::{PlayerSummary, ViewerSummary};
pub use server::{Error, Options, Server, Stopper};
pub use start::Trouble;
pub use stream::{Numbers, State, Stream};
pub use viewer::Patience;
