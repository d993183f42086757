//! What is known of viewers: who is there, what happens to them, what their players report.

pub mod events;
pub mod feed;
pub mod histogram;
pub mod reports;
pub mod viewer_event;
pub mod viewers;
