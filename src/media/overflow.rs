//! What a program does when the next one is slower than its input: one policy and one bound for all programs.

use std::time::Duration;

/// What to do when the next program does not keep up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverflowPolicy {
    /// Drop what can go: of pictures that stand alone the oldest, of coded video the rest of the group of pictures. Drops are counted.
    Drop,
    /// Wait, and let the source wait.
    #[default]
    Block,
    /// Fail.
    Exit,
}

/// Coded video that waits for the next program may span this much time.
pub const MAX_VIDEO_LAG: Duration = Duration::from_millis(500);

/// Audio may span more: a gap in it is heard, and it is small.
pub const MAX_AUDIO_LAG: Duration = Duration::from_secs(2);

/// All that waits may take so many bytes, whatever its times say.
pub const MAX_WAITING: usize = 64 << 20;
