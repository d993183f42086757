//! A viewer's connection, plain or by TLS.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, OnceLock};

pub struct Connection {
    tcp: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Connection {
    pub fn open(port: u16, tls: bool) -> io::Result<Connection> {
        let tcp = TcpStream::connect(("127.0.0.1", port))?;
        let name = || ServerName::try_from("localhost").expect("a name");
        let tls = tls.then(|| ClientConnection::new(config(), name()).map(Box::new)).transpose().map_err(io::Error::other)?;
        Ok(Connection { tcp, tls })
    }

    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }
}

impl Read for Connection {
    /// All that has come, as far as there is room in `buf`: so the kernel is asked as seldom as without TLS.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.tcp.read(buf) };
        let n = self.tcp.read(buf)?;
        if n == 0 {
            return Ok(0);
        }
        let come = buf[..n].to_vec();
        let (mut rest, mut plain) = (&come[..], 0);
        while !rest.is_empty() {
            tls.read_tls(&mut rest)?;
            tls.process_new_packets().map_err(io::Error::other)?;
            plain += match tls.reader().read(&mut buf[plain..]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                read => read?,
            };
        }
        if plain == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(plain) }
    }
}

impl Write for Connection {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.tcp.write(buf) };
        while tls.is_handshaking() {
            tls.complete_io(&mut self.tcp)?;
        }
        let n = tls.writer().write(buf)?;
        while tls.wants_write() {
            tls.write_tls(&mut self.tcp)?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn config() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let make = || {
        let provider = CryptoProvider { cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256], ..default_provider() };
        let builder = ClientConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions();
        let builder = builder.expect("TLS 1.3 has this suite").dangerous().with_custom_certificate_verifier(Arc::new(NoVerification));
        Arc::new(builder.with_no_client_auth())
    };
    CONFIG.get_or_init(make).clone()
}

/// It is measured what encryption costs, not who the server is.
#[derive(Debug)]
struct NoVerification;

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}
