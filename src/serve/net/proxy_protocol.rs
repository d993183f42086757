//! The PROXY protocol, versions 1 and 2: what a proxy says of a connection before the first byte of the client (haproxy.org, doc/proxy-protocol.txt).
//!
//! ```text
//!   1:  PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n
//!   2:  \r\n\r\n\0\r\nQUIT\n  version, command  family, transport  length of the rest  addresses, extensions
//!       12 bytes              1                 1                  2                   so many
//! ```
//!
//! Only what belongs to the header is read: what follows may be TLS.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Of version 2, up to the length of the rest.
const FIXED: usize = 16;
/// The longest line of version 1, with its end (section 2.1).
const LONGEST_LINE: usize = 107;
/// The most of what follows the fixed part of version 2. Proxies that say which certificate a client has showed stay far below it.
const LONGEST_REST: usize = 4096;

/// How far a header has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many bytes more belong to it, at least.
    Need(usize),
    /// It is whole: the client's address; `None`: the proxy speaks for itself, or does not say.
    Done(Option<SocketAddr>),
}

/// What came is no header of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no header of the PROXY protocol, or a wrong one")]
pub struct NoHeader;

/// Of the bytes that came first on a connection, and no more than [`Step::Need`] has asked for. To be called again with all of them and those
/// that came since.
///
/// # Errors
/// They begin no header.
pub fn parse(bytes: &[u8]) -> Result<Step, NoHeader> {
    let begins = |start: &[u8]| {
        let common = bytes.len().min(start.len());
        bytes[..common] == start[..common]
    };
    if bytes.is_empty() {
        // The shortest line is longer.
        Ok(Step::Need(SIGNATURE.len()))
    } else if begins(SIGNATURE) {
        binary(bytes)
    } else if begins(b"PROXY ") {
        line(bytes)
    } else {
        Err(NoHeader)
    }
}

/// Section 2.1.
fn line(bytes: &[u8]) -> Result<Step, NoHeader> {
    let Some(text) = bytes.strip_suffix(b"\r\n") else {
        let room = LONGEST_LINE.saturating_sub(bytes.len());
        // Not more than the shortest line has at least, and never more than one beyond its end.
        let need = "PROXY UNKNOWN\r\n".len().saturating_sub(bytes.len()).max(1);
        return if need > room || bytes.contains(&b'\n') { Err(NoHeader) } else { Ok(Step::Need(need)) };
    };
    let text = std::str::from_utf8(text).map_err(|_| NoHeader)?;
    let mut words = text.split(' ').skip(1);
    let family = words.next();
    if family == Some("UNKNOWN") {
        return Ok(Step::Done(None));
    }
    let [Some(source), Some(to), Some(port), Some(to_port), None] = std::array::from_fn(|_| words.next()) else { return Err(NoHeader) };
    let address = |text: &str| match family {
        Some("TCP4") => text.parse().map(IpAddr::V4).ok(),
        Some("TCP6") => text.parse().map(IpAddr::V6).ok(),
        _ => None,
    };
    let port_of = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten();
    let known = (address(source), address(to), port_of(port), port_of(to_port));
    let (Some(source), Some(_), Some(port), Some(_)) = known else { return Err(NoHeader) };
    Ok(Step::Done(Some(SocketAddr::new(source, port))))
}

/// Section 2.2.
fn binary(bytes: &[u8]) -> Result<Step, NoHeader> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else { return Ok(Step::Need(FIXED - bytes.len())) };
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if fixed[12] >> 4 != 2 || length > LONGEST_REST {
        return Err(NoHeader);
    }
    if rest.len() < length {
        return Ok(Step::Need(length - rest.len()));
    }
    match (fixed[12] & 15, fixed[13]) {
        // LOCAL: the proxy itself, such as its look whether we are there.
        (0, _) => Ok(Step::Done(None)),
        // Source and destination, then their ports.
        (1, 0x11) => {
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *rest.first_chunk::<12>().ok_or(NoHeader)?;
            let port = u16::from_be_bytes([high, low]);
            Ok(Step::Done(Some(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), port))))
        }
        (1, 0x21) => {
            let addresses = rest.first_chunk::<36>().ok_or(NoHeader)?;
            let source: [u8; 16] = *addresses.first_chunk().ok_or(NoHeader)?;
            let port = u16::from_be_bytes([addresses[32], addresses[33]]);
            Ok(Step::Done(Some(SocketAddr::new(Ipv6Addr::from(source).into(), port))))
        }
        // Other families, with which nothing comes here by a stream of bytes, and none.
        (1, _) => Ok(Step::Done(None)),
        _ => Err(NoHeader),
    }
}

/// Reads the header with which a connection begins, by a function that reads into all of a buffer.
///
/// # Errors
/// There is none, or the connection ends.
pub async fn read<R: AsyncFnMut(&mut [u8]) -> io::Result<()>>(mut read: R) -> io::Result<Option<SocketAddr>> {
    let mut bytes = Vec::new();
    loop {
        match parse(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))? {
            Step::Done(client) => return Ok(client),
            Step::Need(more) => {
                let have = bytes.len();
                bytes.resize(have + more, 0);
                read(&mut bytes[have..]).await?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it is read: no byte more than was asked for. Gives what came out, and how much was taken.
    fn taken(bytes: &[u8]) -> (Result<Option<SocketAddr>, NoHeader>, usize) {
        let mut have = 0;
        loop {
            match parse(&bytes[..have]) {
                Ok(Step::Done(client)) => return (Ok(client), have),
                Err(error) => return (Err(error), have),
                Ok(Step::Need(more)) if have + more > bytes.len() => return (Err(NoHeader), have),
                Ok(Step::Need(more)) => have += more,
            }
        }
    }

    fn with_rest(header: &[u8]) -> Option<SocketAddr> {
        let (client, taken) = taken(&[header, b"\r\nGET / HTTP/1.1\r\n"].concat());
        assert_eq!(taken, header.len(), "no more and no less");
        client.unwrap()
    }

    fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        [&SIGNATURE[..], &[command, family], &(rest.len() as u16).to_be_bytes(), rest].concat()
    }

    #[test]
    fn lines() {
        let client = |text: &str| with_rest(text.as_bytes()).map(|client| client.to_string());
        assert_eq!(client("PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n").as_deref(), Some("192.0.2.1:56324"));
        assert_eq!(client("PROXY TCP4 1.2.3.4 1.2.3.5 1 2\r\n").as_deref(), Some("1.2.3.4:1"));
        assert_eq!(client("PROXY TCP6 2001:db8::1 ::1 65535 0\r\n").as_deref(), Some("[2001:db8::1]:65535"));
        // The longest ones of section 2.1.
        let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        assert_eq!(client(&format!("PROXY TCP6 {longest} {longest} 65535 65535\r\n")).as_deref(), Some(&*format!("[{longest}]:65535")));
        assert_eq!(client("PROXY UNKNOWN\r\n"), None);
        assert_eq!(client(&format!("PROXY UNKNOWN {longest} {longest} 65535 65535\r\n")), None);
    }

    #[test]
    fn version_two() {
        let four = [192, 0, 2, 1, 192, 0, 2, 9, 0xdc, 0x04, 0x01, 0xbb];
        assert_eq!(with_rest(&version_2(0x21, 0x11, &four)), Some("192.0.2.1:56324".parse().unwrap()));
        // Extensions behind the addresses are passed over.
        assert_eq!(with_rest(&version_2(0x21, 0x11, &[&four[..], &[1; 4000]].concat())), Some("192.0.2.1:56324".parse().unwrap()));
        let six = [&[0x20, 1, 0x0d, 0xb8][..], &[0; 11], &[1], &[0; 16], &[0, 80, 1, 187]].concat();
        assert_eq!(with_rest(&version_2(0x21, 0x21, &six)), Some("[2001:db8::1]:80".parse().unwrap()));
        for (command, family, rest) in
            [(0x20, 0, &[][..]), (0x20, 0x11, &four), (0x21, 0, &[]), (0x21, 0x31, &[0; 216]), (0x21, 0x12, &four)]
        {
            assert_eq!(with_rest(&version_2(command, family, rest)), None);
        }
    }

    #[test]
    fn what_is_none() {
        for wrong in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"\x16\x03\x01\x02\x00",
            b"PROXY TCP4 192.0.2.1 192.0.2.9 56324\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.9 56324 443 1\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.9 56324 65536\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.9 +1 443\r\n",
            b"PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
            b"PROXY TCP6 192.0.2.1 192.0.2.9 1 2\r\n",
            b"PROXY TCP4  192.0.2.1 192.0.2.9 1 2\r\n",
            b"PROXY UDP4 192.0.2.1 192.0.2.9 1 2\r\n",
            b"PROXY \r\n          ",
            b"PROXY TCP4 192.0.2.1\n192.0.2.9 1 2\r\n",
            b"proxy TCP4 192.0.2.1 192.0.2.9 1 2\r\n",
            &[b"PROXY UNKNOWN ", &[b'x'; 200][..], b"\r\n"].concat(),
            &version_2(0x11, 0x11, &[0; 12]),
            &version_2(0x22, 0x11, &[0; 12]),
            &version_2(0x21, 0x11, &[0; 11]),
            &version_2(0x21, 0x21, &[0; 35]),
            &version_2(0x21, 0x11, &[0; 4097]),
            b"",
        ] {
            assert_eq!(taken(wrong).0, Err(NoHeader), "{:?}", String::from_utf8_lossy(wrong));
        }
        assert!(taken(&[b"PROXY UNKNOWN ", &[b'x'; 200][..]].concat()).1 <= LONGEST_LINE);
    }
}
