//! What sources over a network share: their address, and the times of what comes late, in bursts, and from another clock.

pub mod address;
pub mod connection;
pub mod outage;
pub mod refusal;
pub mod timeline;
pub mod times;
pub mod tls;

pub use address::{Address, Credentials};
pub use refusal::Refusal;

use std::time::Duration;

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
