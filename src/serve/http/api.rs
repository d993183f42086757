//! What `/api/streams` answers.

use crate::serve::live::groups::{Found, Groups};
use crate::serve::live::registry::Registry;
use serde::{Serialize, Serializer};
use std::time::Instant;

/// Streams and groups by name, in the order in which they were published.
pub struct Listing<'a> {
    pub found: &'a [Found],
    pub groups: &'a Groups,
    pub streams: &'a Registry,
    pub now: Instant,
}

impl Serialize for Listing<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let summary =
            |found: &Found| found.stream.summary(self.now).in_group(self.groups.membership(self.streams, &found.name).as_ref(), self.now);
        serializer.collect_map(self.found.iter().map(|found| (&found.name, summary(found))))
    }
}
