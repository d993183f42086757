//! Which peers are proxies that are believed. Pure.

use super::socket::Peer;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A proxy, or a network of them: an address, a network as `10.0.0.0/8` (RFC 4632, section 3.1), or `unix` for who comes over a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedProxy {
    /// Addresses whose first bits are those of this one.
    Network(IpAddr, u8),
    /// Whatever comes over a Unix socket.
    Unix,
}

/// The text names no proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an address, a network such as 10.0.0.0/8, or unix")]
pub struct ProxyError;

impl FromStr for TrustedProxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<TrustedProxy, ProxyError> {
        if text == "unix" {
            return Ok(TrustedProxy::Unix);
        }
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| ProxyError)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| ProxyError)?;
        if bits > most { Err(ProxyError) } else { Ok(TrustedProxy::Network(address, bits)) }
    }
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrustedProxy::Network(address, bits) => write!(f, "{address}/{bits}"),
            TrustedProxy::Unix => f.write_str("unix"),
        }
    }
}

impl TrustedProxy {
    fn is(&self, peer: Peer) -> bool {
        match (self, peer.ip()) {
            (TrustedProxy::Unix, None) => true,
            (TrustedProxy::Network(IpAddr::V4(network), bits), Some(IpAddr::V4(address))) => {
                (network.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(*bits)
            }
            (TrustedProxy::Network(IpAddr::V6(network), bits), Some(IpAddr::V6(address))) => {
                (network.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(*bits)
            }
            _ => false,
        }
    }
}

/// The proxies that are believed, and how they speak.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// What others say of who is behind them counts for nothing.
    pub trusted: Vec<TrustedProxy>,
    /// A connection of theirs begins with the PROXY protocol.
    pub protocol: bool,
}

impl Proxies {
    /// Whether what this peer says of who is behind it is believed.
    pub(crate) fn trust(&self, peer: Peer) -> bool {
        self.trusted.iter().any(|proxy| proxy.is(peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(proxies: &[&str], peer: &str) -> bool {
        let trusted = proxies.iter().map(|text| text.parse().unwrap()).collect();
        let peer = if peer == "unix" { Peer::Local } else { Peer::Forwarded(peer.parse().unwrap()) };
        Proxies { trusted, protocol: false }.trust(peer)
    }

    #[test]
    fn networks() {
        for (proxy, inside, outside) in [
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("192.0.2.1", "::ffff:192.0.2.1", "::192.0.2.1"),
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("10.128.0.0/9", "10.128.0.0", "10.127.255.255"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "127.0.0.1"),
            ("::/0", "::", "192.0.2.1"),
            ("unix", "unix", "127.0.0.1"),
            ("127.0.0.1", "127.0.0.1", "unix"),
        ] {
            assert!(trust(&[proxy], inside) && !trust(&[proxy], outside), "{proxy}");
            assert_eq!(proxy.parse::<TrustedProxy>().unwrap().to_string().parse(), proxy.parse::<TrustedProxy>());
        }
        assert!(trust(&["192.0.2.1", "unix"], "unix") && !trust(&[], "unix"));
        for wrong in ["", "x", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0/8", "localhost", " 10.0.0.1"] {
            assert_eq!(wrong.parse::<TrustedProxy>(), Err(ProxyError), "{wrong}");
        }
    }
}
