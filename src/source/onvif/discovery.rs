//! The cameras of the local network that answer a probe (WS-Discovery 1.0, over IPv4).

use super::soap::{self, Match};
use socket2::SockRef;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};
use url::{Host, Url};

/// The group and port of WS-Discovery (section 2.4).
const GROUP: (Ipv4Addr, u16) = (Ipv4Addr::new(239, 255, 255, 250), 3702);
/// A datagram may be lost: each probe goes out twice.
const PROBES: [Duration; 2] = [Duration::ZERO, Duration::from_millis(500)];
/// What cameras call themselves: by the first revision of ONVIF, and by the later ones.
const TYPES: [(&str, &str); 2] =
    [("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter"), ("http://www.onvif.org/ver10/device/wsdl", "Device")];
/// So many interfaces are asked on.
const MAX_INTERFACES: usize = 32;
/// So many cameras are listed.
const MAX_CAMERAS: usize = 256;
/// The largest datagram.
const DATAGRAM: usize = 65_536;

/// A camera that has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its device service.
    pub service: Url,
    /// What it calls itself; may be empty.
    pub name: String,
    /// The model; may be empty.
    pub hardware: String,
}

impl Found {
    /// As a source: `onvif://HOST/`, with a port where it is not 80.
    pub fn address(&self) -> String {
        let host = self.service.host_str().unwrap_or_default();
        match self.service.port_or_known_default() {
            None | Some(80) => format!("onvif://{host}/"),
            Some(port) => format!("onvif://{host}:{port}/"),
        }
    }
}

/// The cameras that answer within this time, in the order of their addresses.
///
/// # Errors
/// The machine has no network on which to ask.
pub fn discover(time: Duration) -> io::Result<Vec<Found>> {
    let sockets: Vec<UdpSocket> = interfaces().into_iter().filter_map(|interface| open(interface).ok()).collect();
    if sockets.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NetworkUnreachable, "no network on which to ask for cameras"));
    }
    let mut found = BTreeMap::new();
    let heard = std::thread::scope(|scope| {
        let threads: Vec<_> = sockets.iter().map(|socket| scope.spawn(|| ask(socket, time))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect::<Vec<_>>()
    });
    for (matched, from) in heard {
        if let Some(camera) = camera(&matched, from).filter(|_| found.len() < MAX_CAMERAS) {
            // On two networks it is one camera.
            let key = if matched.endpoint.is_empty() { camera.service.to_string() } else { matched.endpoint };
            found.entry(key).or_insert(camera);
        }
    }
    let mut cameras: Vec<Found> = found.into_values().collect();
    cameras.sort_by(|a, b| a.service.cmp(&b.service));
    Ok(cameras)
}

/// The addresses of this machine, one network each.
fn interfaces() -> Vec<Ipv4Addr> {
    let all = if_addrs::get_if_addrs().unwrap_or_default().into_iter();
    let addresses = all.filter_map(|interface| if let IpAddr::V4(address) = interface.ip() { Some(address) } else { None });
    addresses.take(MAX_INTERFACES).collect()
}

/// A socket that asks on the network of this address, and has asked.
fn open(interface: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((interface, 0))?;
    SockRef::from(&socket).set_multicast_if_v4(&interface)?;
    // An interface that is down refuses this.
    probe(&socket)?;
    Ok(socket)
}

/// Sends a probe for each type.
fn probe(socket: &UdpSocket) -> io::Result<()> {
    for (namespace, kind) in TYPES {
        let (mut id, text) = ([0; 16], |byte: &u8| format!("{byte:02x}"));
        aws_lc_rs::rand::fill(&mut id).map_err(|_| io::Error::other("the system gives no random numbers"))?;
        let id: Vec<String> = id.iter().map(text).collect();
        let id = format!("{}-{}-{}-{}-{}", id[..4].concat(), id[4..6].concat(), id[6..8].concat(), id[8..10].concat(), id[10..].concat());
        let message = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
             xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\"><s:Header>\
             <a:MessageID>urn:uuid:{id}</a:MessageID><a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>\
             <a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></s:Header><s:Body><d:Probe>\
             <d:Types xmlns:n=\"{namespace}\">n:{kind}</d:Types></d:Probe></s:Body></s:Envelope>"
        );
        socket.send_to(message.as_bytes(), GROUP)?;
    }
    Ok(())
}

/// Asks again and takes answers until the time is over.
fn ask(socket: &UdpSocket, time: Duration) -> Vec<(Match, IpAddr)> {
    let (begun, mut again) = (Instant::now(), PROBES.iter().skip(1));
    let mut next = again.next();
    let (mut heard, mut datagram) = (Vec::new(), vec![0; DATAGRAM]);
    _ = SockRef::from(socket).set_recv_buffer_size(4 * DATAGRAM);
    while begun.elapsed() < time && heard.len() < MAX_CAMERAS {
        if next.is_some_and(|at| begun.elapsed() >= *at) {
            _ = probe(socket);
            next = again.next();
        }
        let until = next.map_or(time, |at| time.min(*at));
        _ = socket.set_read_timeout(Some(until.saturating_sub(begun.elapsed()).max(Duration::from_millis(1))));
        let Ok((length, from)) = socket.recv_from(&mut datagram) else { continue };
        let text = String::from_utf8_lossy(&datagram[..length]);
        let answers = soap::parse(&text).as_ref().map(soap::matches).unwrap_or_default();
        heard.extend(answers.into_iter().map(|answer| (answer, from.ip())));
    }
    heard
}

/// Of the addresses that a camera gives, the one from which it has answered; or else the first.
fn camera(matched: &Match, from: IpAddr) -> Option<Found> {
    let is_service = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    let services: Vec<Url> = matched.services.iter().filter_map(|text| Url::parse(text).ok()).filter(is_service).collect();
    let is_from = |url: &&Url| match (url.host(), from) {
        (Some(Host::Ipv4(host)), IpAddr::V4(from)) => host == from,
        _ => false,
    };
    let service = services.iter().find(is_from).or(services.first())?.clone();
    Some(Found { service, name: matched.name.clone(), hardware: matched.hardware.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_that_answers_is_taken() {
        let services = ["http://169.254.1.1/onvif/device_service", "http://10.0.0.2:8000/onvif/device_service"].map(str::to_owned).to_vec();
        let matched = Match { endpoint: "urn:uuid:1".into(), services, name: "Door".into(), hardware: String::new() };
        let address = |from: [u8; 4]| camera(&matched, from.into()).unwrap().address();
        assert_eq!(address([10, 0, 0, 2]), "onvif://10.0.0.2:8000/");
        assert_eq!(address([10, 0, 0, 3]), "onvif://169.254.1.1/");
        let nothing = Match { services: vec!["ftp://10.0.0.2/".into(), "x".into()], ..matched };
        assert_eq!(camera(&nothing, [10, 0, 0, 2].into()), None);
    }
}
