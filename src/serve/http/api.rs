//! What `/api/streams` answers.

use crate::serve::live::stream::Stream;
use serde::{Serialize, Serializer};
use std::sync::Arc;
use std::time::Instant;

/// All streams by name, in the order in which they were published.
pub struct Listing<'a>(pub &'a [Arc<Stream>], pub Instant);

impl Serialize for Listing<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|s| (&s.name, s.summary(self.1))))
    }
}
