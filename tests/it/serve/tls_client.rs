//! A server with a certificate of its own, and connections that trust it.

use super::Server;
use super::client::{Answer, Ws, answer};
use crate::util::{PATIENCE, TempDir};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use socket2::{Domain, Socket, Type};
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub type TlsStream<S = TcpStream> = StreamOwned<ClientConnection, S>;

pub struct TlsServer {
    pub server: Server,
    pub folder: TempDir,
}

impl TlsServer {
    #[track_caller]
    pub fn start(args: &[&str]) -> TlsServer {
        let folder = TempDir::new();
        let own = format!("--tls-self-signed={}", folder.display());
        TlsServer { server: Server::start(&[&[&*own], args].concat()), folder }
    }

    pub fn certificate(&self) -> PathBuf {
        self.folder.join("self-signed.pem")
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.server.port)
    }

    /// A client that offers these protocols.
    pub fn client(&self, alpn: &[&str]) -> TlsClient {
        TlsClient::new(&self.certificate(), self.server.port, alpn)
    }

    #[track_caller]
    pub fn ask(&self, method: &str, target: &str, headers: &[&str]) -> Answer {
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n");
        answer(&self.client(&[]).raw(request.as_bytes()))
    }

    /// `/api/streams`.
    pub fn streams(&self) -> serde_json::Value {
        serde_json::from_slice(&self.ask("GET", "/api/streams", &[]).body).unwrap()
    }
}

/// Makes connections to one server.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    port: u16,
}

impl TlsClient {
    /// A client that trusts this certificate, and offers these protocols.
    pub fn new(certificate: &Path, port: u16, alpn: &[&str]) -> TlsClient {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&fs::read(certificate).unwrap()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsClient { config: Arc::new(config), port }
    }

    /// Sends `request` as it is and reads to the end.
    #[track_caller]
    pub fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        let mut bytes = vec![];
        stream.read_to_end(&mut bytes).unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&bytes)));
        bytes
    }

    #[track_caller]
    pub fn connect(&self) -> TlsStream {
        self.over(super::client::connect(self.port))
    }

    #[track_caller]
    pub fn over<S: Read + Write>(&self, stream: S) -> TlsStream<S> {
        let name = ServerName::try_from("localhost").unwrap();
        StreamOwned::new(ClientConnection::new(self.config.clone(), name).unwrap(), stream)
    }

    #[track_caller]
    pub fn websocket(&self, src: &str) -> Ws<TlsStream> {
        Ws::over(self.connect(), src)
    }

    /// Of which the kernel keeps little that was not read, and of which no more bytes a second are read than this.
    #[track_caller]
    pub fn throttled(&self, bytes_per_second: f64) -> TlsStream<Throttled> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        socket.connect(&SocketAddr::from(([127, 0, 0, 1], self.port)).into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        self.over(Throttled { stream, bytes_per_second, begun: Instant::now(), read: 0.0 })
    }
}

/// A slow reader.
pub struct Throttled {
    pub stream: TcpStream,
    bytes_per_second: f64,
    begun: Instant,
    read: f64,
}

impl Read for Throttled {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let may = self.begun.elapsed().as_secs_f64() * self.bytes_per_second - self.read;
            let may = buf.len().min(may.max(0.0) as usize);
            if may < buf.len().min(1024) {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            let read = self.stream.read(&mut buf[..may])?;
            self.read += read as f64;
            return Ok(read);
        }
    }
}

impl Write for Throttled {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stream.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether nothing more can be said on it, or heard of it.
pub fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof | ErrorKind::ConnectionAborted)
}
