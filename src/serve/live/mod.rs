//! What there is to send: a stream, its newest chunks, and a viewer's position in them. No sockets, no HTTP.

#[cfg(test)]
mod conversion_tests;
pub mod converter;
pub mod cursor;
pub mod form;
pub mod groups;
pub mod init_segment;
pub mod publisher;
pub mod registry;
pub mod replica;
pub mod ring;
pub mod slowness;
pub mod start;
pub mod stream;
pub mod tap;
pub mod timelines;
pub mod update;
