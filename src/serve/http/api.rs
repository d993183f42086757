//! What `/api/streams` answers.

use crate::serve::live::groups::{Found, Groups};
use crate::serve::live::registry::Registry;
use crate::serve::live::stream::Summary;
use crate::serve::recordings::api::Recordings;
use serde::{Serialize, Serializer};
use std::time::Instant;

/// Streams and groups by name, in the order in which they were published.
pub struct Listing<'a> {
    pub found: &'a [Found],
    pub groups: &'a Groups,
    pub streams: &'a Registry,
    /// What has been recorded of them.
    pub recordings: Option<&'a dyn Recordings>,
    pub now: Instant,
}

#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    summary: Summary,
    /// There are recordings of it: `NAME/rec.json` has them.
    recorded: bool,
}

impl Serialize for Listing<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let listed = |found: &Found| Listed {
            summary: found.stream.summary(self.now).in_group(self.groups.membership(self.streams, &found.name).as_ref(), self.now),
            recorded: self.recordings.is_some_and(|recordings| recordings.has(&found.stream.name)),
        };
        serializer.collect_map(self.found.iter().map(|found| (&found.name, listed(found))))
    }
}
