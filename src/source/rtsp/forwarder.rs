//! TLS for a client that has none: a port on loopback whose one connection goes on to a server by TLS.

use crate::source::network::Refusal;
use crate::source::network::refusal::RefusalKind;
use crate::source::network::tls::TlsClient;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::{AsyncWriteExt as _, copy, split};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Url;

/// The client connects at once.
const PATIENCE: Duration = Duration::from_secs(2);
/// So long the server may take to read that the connection ends.
const CLOSING: Duration = Duration::from_millis(500);

/// Connects to `server`, a host and a port, with TLS. Gives the port on loopback for the connection that goes on there. The forwarder is a task
/// of the runtime. It ends with the first of the two connections that ends.
///
/// # Errors
/// The server does not answer, or not with TLS, or with a certificate that is not accepted.
pub async fn start(server: (&str, u16), tls: &TlsClient) -> Result<u16, Refusal> {
    let name = TlsClient::name(server.0).map_err(|error| Refusal::new(RefusalKind::Unreachable, error.to_string()))?;
    let far = TcpStream::connect(server).await.map_err(|error| Refusal::unreachable(&error.to_string()))?;
    _ = far.set_nodelay(true);
    let far = TlsConnector::from(tls.config()).connect(name, far).await.map_err(|error| tls.refusal(&error))?;
    let local = |error: io::Error| Refusal::new(RefusalKind::Failed, format!("no port on loopback for TLS: {error}"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(local)?;
    let port = listener.local_addr().map_err(local)?.port();
    tokio::spawn(async move {
        if let Ok(Ok((near, _))) = tokio::time::timeout(PATIENCE, listener.accept()).await {
            drop(listener);
            forward(near, far).await;
        }
    });
    Ok(port)
}

/// Until one of the two ends.
async fn forward(mut near: TcpStream, far: TlsStream<TcpStream>) {
    _ = near.set_nodelay(true);
    let (mut from_near, mut to_near) = near.split();
    let (mut from_far, mut to_far) = split(far);
    tokio::select! {
        _ = copy(&mut from_far, &mut to_near) => {}
        _ = copy(&mut from_near, &mut to_far) => {}
    }
    _ = tokio::time::timeout(CLOSING, to_far.shutdown()).await;
}

/// The URL that a client asks for at that port: path and query are those of `url`.
pub fn url(url: &Url, port: u16) -> Url {
    let mut near = Url::parse(&format!("rtsp://{}:{port}", Ipv4Addr::LOCALHOST)).expect("an address and a port are a URL");
    near.set_path(url.path());
    near.set_query(url.query());
    near
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_and_the_query_stay() {
        let near = |text: &str| url(&Url::parse(text).unwrap(), 4000).to_string();
        assert_eq!(
            near("rtsps://[::1]:322/cam/realmonitor?channel=1&subtype=0"),
            "rtsp://127.0.0.1:4000/cam/realmonitor?channel=1&subtype=0"
        );
        assert_eq!(near("rtsps://camera"), "rtsp://127.0.0.1:4000");
    }
}
