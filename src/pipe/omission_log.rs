//! The warnings of tracks that are left out.

use crate::media::{OmittedTrack, omitted_line};

/// The omitted tracks that were warned of. An input that is read again is not warned of again.
#[derive(Clone, Debug, Default)]
pub struct OmissionLog(Vec<OmittedTrack>);

impl OmissionLog {
    /// Names in one warning the tracks that no warning has named before.
    pub fn warn(&mut self, input: &str, tracks: Vec<OmittedTrack>) {
        /// More than this is never kept: a hostile stream has a new one in every header.
        const MAX: usize = 256;
        let new: Vec<_> = tracks.into_iter().filter(|track| !self.0.contains(track)).collect();
        if !new.is_empty() && self.0.len() < MAX {
            tracing::warn!("{input}: left out: {}", omitted_line(&new));
            self.0.extend(new);
        }
    }
}
