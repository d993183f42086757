//! A kind of source: how it is named, which options mean something for it, and how it is opened.

use super::{Error, Options, Source};

/// A kind of source.
pub struct Kind {
    /// How its sources are named.
    pub scheme: Scheme,
    /// Options that mean something for it, besides those that all take.
    pub accepts: &'static [Setting],
    /// Whether several addresses make one source.
    pub several: bool,
    /// Whether it does not wait for a slow reader.
    pub is_live: fn(&Options) -> bool,
    /// Opens a source of this kind.
    pub open: Open,
}

/// Opens a source by its addresses: URLs, paths or words as on the command line.
pub type Open = fn(&[String], &Options) -> Result<Box<dyn Source>, Error>;

/// How a source is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `test`: nothing follows.
    Word(&'static str),
    /// `camera`, or `camera:WHICH`.
    Named(&'static str),
    /// `foo://…`.
    Url(&'static str),
    /// By a path.
    Path,
}

/// An option that some kinds accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// [`Options::again`].
    Again,
    /// [`Options::follow`].
    Follow,
    /// [`Options::size`].
    Size,
    /// [`Options::pixel_format`].
    PixelFormat,
    /// [`Options::microphone`].
    Microphone,
    /// [`Options::audio`] is false.
    NoAudio,
    /// A format in place of the one that is found out. It is part of [`Options::open_input`].
    InputFormat,
    /// Times by arrival. They are part of [`Options::open_input`].
    Arrival,
    /// User, password, and how long an answer may take.
    Network,
    /// The fingerprint of a certificate.
    Tls,
    /// TCP or UDP.
    Transport,
}
