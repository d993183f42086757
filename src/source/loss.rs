//! What to do while a device is away.

/// What to do while a device is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLoss {
    /// Say nothing downstream, and go on when it is back.
    #[default]
    Wait,
    /// Fail.
    Exit,
    /// Black pictures at the camera's rate; raw formats only, coded ones wait.
    Black,
}
