//! The rings of a shard, as those see them who are not in the middle of a pass over its viewers.

use crate::serve::live::ring::Ring;
use crate::serve::live::stream::StreamId;

/// A way to the rings of one shard.
pub trait Rings: Send + Sync {
    /// Has a look at the ring of a stream, which is not called if there is none. Nothing else happens on the shard meanwhile.
    fn look(&self, stream: StreamId, look: &mut dyn FnMut(&Ring));
}
