//! Connections: where they come in, how many there may be, and how a socket is tuned. No HTTP, no media.

pub mod acceptor;
pub mod addresses;
pub mod file_sink;
mod kernel;
pub mod link;
pub mod listener;
pub mod permit;
pub mod proxies;
pub mod proxy_protocol;
pub mod socket;
pub mod tls;
mod tls_socket;
pub mod write_timeout;
