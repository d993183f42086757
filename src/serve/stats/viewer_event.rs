//! What happens to a viewer, as JSON.

use crate::media::WallTime;
use crate::serve::live::stream::Stream;
use crate::serve::net::socket::Peer;
use serde::{Serialize, Serializer};
use std::sync::Arc;

/// One thing that happened to one viewer; as JSON one flat object.
#[derive(Clone, Debug, Serialize)]
pub struct ViewerEvent {
    #[serde(serialize_with = "rfc3339")]
    pub time: WallTime,
    #[serde(flatten)]
    pub what: ViewerEventKind,
    /// `None`: one that is not there was asked for.
    #[serde(serialize_with = "name")]
    pub stream: Option<Arc<Stream>>,
    /// Its number; never used again.
    pub viewer: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum ViewerEventKind {
    Join {
        remote: Peer,
        transport: &'static str,
    },
    Leave {
        transport: &'static str,
        seconds: f64,
        bytes: u64,
        dropped: u64,
        /// Of a WebSocket's close frame.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
    },
    /// It was too late, and goes on at a newer keyframe.
    Drop {
        by: Reporter,
        frames: u64,
    },
    /// The picture stood still, or nothing was taken until the stall limit.
    Stall {
        by: Reporter,
        seconds: f64,
    },
    Error {
        by: Reporter,
        error: String,
    },
}

/// Which side reports it.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reporter {
    Server,
    Player,
}

fn rfc3339<S: Serializer>(time: &WallTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*time))
}

/// As RFC 3339 has it.
pub fn text(time: WallTime) -> String {
    jiff::Timestamp::from_microsecond(time.0).map(|t| format!("{t:.3}")).unwrap_or_default()
}

fn name<S: Serializer>(stream: &Option<Arc<Stream>>, serializer: S) -> Result<S::Ok, S::Error> {
    stream.as_ref().map(|s| &s.name).serialize(serializer)
}
