//! Streams that clients send, by HTTP or a WebSocket, on their way to who reads them: bounded in bytes, rate and time.

pub mod api;
pub mod flow;
pub mod intake;
pub mod socket;
