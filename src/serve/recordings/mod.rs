//! What was before: which times of a stream were recorded, and clips of it, out of recordings that a program gives, or out of the ring.

pub mod api;
mod archive;
pub mod body;
pub mod clip_cache;
pub mod file_thread;
pub mod from_ring;
pub mod in_ring;
mod joined;
mod list;
pub mod routes;
pub mod times;
pub mod transfer;
