//! The WebSocket: frames (RFC 6455), the text messages in them, and a viewer over them.

pub mod frames;
pub mod messages;
pub mod rewinding;
pub(crate) mod subscription;
pub(crate) mod viewer;
