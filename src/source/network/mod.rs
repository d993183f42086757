//! What sources over a network share: their address, and the times of what comes late, in bursts, and from another clock.

pub mod address;
#[cfg(any(feature = "http", feature = "rtsp"))]
pub(super) mod black_on_loss;
pub mod connection;
pub mod outage;
pub mod refusal;
pub mod timeline;
pub mod times;
pub mod tls;

pub use address::{Address, Credentials};
pub use refusal::Refusal;

use std::time::Duration;
#[cfg(any(feature = "http", feature = "rtsp"))]
use {
    super::{Error, Poll, Source},
    std::time::Instant,
};

/// How RTP packets come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Inside the connection to the server.
    #[default]
    Tcp,
    /// In datagrams: what is lost on the way stays lost.
    Udp,
}

/// What is asked of a source over a network.
#[derive(Clone, Debug)]
pub struct NetworkOptions {
    /// In place of those in the address.
    pub credentials: Option<Credentials>,
    /// For cameras that offer several.
    pub transport: Transport,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Of the certificate of a server by TLS.
    pub fingerprint: Option<tls::Fingerprint>,
}

impl Default for NetworkOptions {
    fn default() -> NetworkOptions {
        NetworkOptions { credentials: None, transport: Transport::Tcp, timeout: Duration::from_secs(10), fingerprint: None }
    }
}

/// [`Source::poll`] of a source whose `advance` does what can be done until a time.
///
/// # Errors
/// Those of `advance`.
#[cfg(any(feature = "http", feature = "rtsp"))]
pub(super) fn poll<S: Source>(
    source: &mut S,
    wait: Duration,
    advance: impl Fn(&mut S, Instant) -> Result<(), Error>,
) -> Result<Poll, Error> {
    let end = Instant::now() + wait;
    loop {
        if let Some(captured) = source.pending() {
            return Ok(Poll::Captured(captured));
        }
        advance(source, end)?;
        if Instant::now() >= end {
            return Ok(source.pending().map_or(Poll::Nothing, Poll::Captured));
        }
    }
}
