//! TLS to cameras and servers, by rustls: TLS 1.2 and 1.3, with certificates that an authority of this machine has signed, or with one whose
//! fingerprint is known.

use super::refusal::{Refusal, RefusalKind};
use aws_lc_rs::digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs as aws_lc, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// SHA-256 of a certificate in DER, as `openssl x509 -fingerprint -sha256` prints it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

/// Why a text is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is SHA-256: 64 hexadecimal digits, with or without colons")]
pub struct NoFingerprint;

impl Fingerprint {
    /// Of a certificate.
    pub fn of(certificate: &[u8]) -> Fingerprint {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
        Fingerprint(bytes)
    }
}

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Fingerprint, NoFingerprint> {
        let digits: Vec<u32> = text.trim().chars().filter(|c| *c != ':').map_while(|c| c.to_digit(16)).collect();
        let is_whole = text.trim().chars().all(|c| c == ':' || c.is_ascii_hexdigit());
        let mut bytes = [0; 32];
        if !is_whole || digits.len() != 2 * bytes.len() {
            return Err(NoFingerprint);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = (pair[0] << 4 | pair[1]) as u8;
        }
        Ok(Fingerprint(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, byte) in self.0.iter().enumerate() {
            let colon = if n > 0 { ":" } else { "" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The client side of TLS with one camera or server. Clones share what they know of it.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    verifier: Arc<Verifier>,
}

impl TlsClient {
    /// `fingerprint`: that of the only certificate that is accepted; its signature, name and age do not count. Without it,
    /// an authority of this machine must have signed it, for the name of the host.
    pub fn new(fingerprint: Option<Fingerprint>) -> TlsClient {
        let provider = Arc::new(aws_lc::default_provider());
        let trusted = if fingerprint.is_none() { trusted(&provider) } else { None };
        let verifier = Arc::new(Verifier { provider: Arc::clone(&provider), trusted, fingerprint, refused: Mutex::default() });
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = versions.expect("the provider has the cipher suites of TLS 1.2 and 1.3");
        let config = builder.dangerous().with_custom_certificate_verifier(Arc::clone(&verifier) as _).with_no_client_auth();
        TlsClient { config: Arc::new(config), verifier }
    }

    /// For a connection of rustls or tokio-rustls.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// The name that a certificate must have.
    ///
    /// # Errors
    /// `host` is neither a name nor an address.
    pub fn name(host: &str) -> Result<ServerName<'static>, InvalidDnsNameError> {
        ServerName::try_from(host.to_owned())
    }

    /// Why a handshake failed, in words.
    pub fn refusal(&self, error: &io::Error) -> Refusal {
        let Some(error) = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) else {
            let text = match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                    "it has closed the connection during the TLS handshake".into()
                }
                _ => format!("TLS: {error}"),
            };
            return Refusal::new(RefusalKind::Failed, text);
        };
        Refusal::new(RefusalKind::Denied, self.verifier.reason(error))
    }
}

/// The authorities of this machine, read once. `None`: there are none.
fn trusted(provider: &Arc<CryptoProvider>) -> Option<Arc<WebPkiServerVerifier>> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    });
    WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider)).build().ok()
}

#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    trusted: Option<Arc<WebPkiServerVerifier>>,
    fingerprint: Option<Fingerprint>,
    /// That of the certificate that was refused last.
    refused: Mutex<Option<Fingerprint>>,
}

impl Verifier {
    fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match (self.fingerprint, &self.trusted) {
            (Some(known), _) if known == Fingerprint::of(certificate) => Ok(ServerCertVerified::assertion()),
            (None, Some(trusted)) => trusted.verify_server_cert(certificate, intermediates, name, ocsp, now),
            (Some(_), _) | (None, None) => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn reason(&self, error: &rustls::Error) -> String {
        let certificate = match error {
            rustls::Error::InvalidCertificate(certificate) => certificate,
            rustls::Error::InvalidMessage(_) => return "it does not speak TLS at this port".into(),
            rustls::Error::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure)
            | rustls::Error::PeerIncompatible(_) => {
                return "it offers no TLS 1.2 or 1.3 with a cipher that is safe".into();
            }
            other => return format!("TLS: {other}"),
        };
        let what = match (certificate, self.fingerprint) {
            (_, Some(_)) => "its certificate is another one than --tls-fingerprint names",
            (_, None) if self.trusted.is_none() => "this machine has no certificates of authorities (package ca-certificates)",
            (CertificateError::Expired | CertificateError::ExpiredContext { .. }, None) => "its certificate is no longer valid",
            (CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }, None) => "its certificate is not valid yet",
            (CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }, None) => {
                "its certificate is for another name"
            }
            (CertificateError::Revoked, None) => "its certificate was revoked",
            (_, None) => "no authority that this machine knows has signed its certificate",
        };
        match *self.refused.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(presented) => format!("{what}; if the camera's own is {presented}, --tls-fingerprint accepts it"),
            None => what.into(),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self.judge(certificate, intermediates, name, ocsp, now);
        let refused = verdict.is_err().then(|| Fingerprint::of(certificate));
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_openssl_prints_them() {
        let of_nothing = "E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55";
        assert_eq!(Fingerprint::of(b"").to_string(), of_nothing);
        assert_eq!(of_nothing.parse(), Ok(Fingerprint::of(b"")));
        assert_eq!(of_nothing.replace(':', "").to_lowercase().parse(), Ok(Fingerprint::of(b"")));
        for wrong in ["", "E3", &of_nothing[1..], &format!("{of_nothing}:00"), &of_nothing.replace('E', "G"), &"é".repeat(64)] {
            assert_eq!(wrong.parse::<Fingerprint>(), Err(NoFingerprint), "{wrong}");
        }
    }
}
