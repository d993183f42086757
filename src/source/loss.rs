//! What to do while a device is away.

/// What to do while a device is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLoss {
    /// Say nothing downstream, and go on when it is back.
    #[default]
    Wait,
    /// Fail.
    Exit,
    /// Black pictures at the camera's rate, ten a second where that is not known: raw, MJPEG, or for any other codec of a source over a network H.264, as
    /// another track. Cameras of this machine with H.264 or H.265 wait.
    Black,
}
