//! The server's certificate, which may be changed while it runs, and what it takes of TLS: versions 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN.

use aws_lc_rs::digest;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{Ticketer, cipher_suite as suite, default_provider};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig, SupportedCipherSuite};
use std::fmt::Write as _;
use std::sync::{Arc, PoisonError, RwLock};

/// HTTP/2 (RFC 9113, section 3.2) and HTTP/1.1, by the names that a client gives.
pub(super) const H2: &[u8] = b"h2";
const HTTP_11: &[u8] = b"http/1.1";

/// AES-128 first, whatever a client would rather have: tools ask for AES-256 first, which is as safe and takes a third more time. A phone that has no
/// instructions for AES is the loser; there are few of them.
const SUITES: [SupportedCipherSuite; 9] = [
    suite::TLS13_AES_128_GCM_SHA256,
    suite::TLS13_CHACHA20_POLY1305_SHA256,
    suite::TLS13_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
];

/// A certificate and its key, by which a server answers, until they are replaced. Clones share them.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ServerConfig>,
    pair: Arc<Pair>,
}

/// Why a certificate and a key are not taken. Nothing of the key is in it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TlsError {
    /// The file of the certificate.
    #[error(transparent)]
    Certificate(PemError),
    /// The file of the key.
    #[error(transparent)]
    Key(PemError),
    /// Both are well-formed.
    #[error("the key is not that of the first certificate")]
    Mismatch,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// What is wrong with a PEM file (RFC 7468).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PemError {
    /// It has no such section.
    #[error("there is no -----BEGIN {0}----- in it")]
    Missing(&'static str),
    /// A section has no end, as in a file that is written just now.
    #[error("it ends in the middle of a section")]
    Cut,
    /// It is no PEM.
    #[error("it is not PEM: text with -----BEGIN and -----END lines and base64 between them")]
    NotPem,
    /// A key with a password.
    #[error("the key is encrypted; take the password off with openssl pkey")]
    Encrypted,
    /// What stands in the section is not what its name says.
    #[error("what is in it is not understood: {0}")]
    Content(rustls::Error),
}

/// What is in use now.
#[derive(Debug)]
struct Pair(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Pair {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl Pair {
    fn current(&self) -> Arc<CertifiedKey> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Tls {
    /// `chain`: the server's certificate, then those that lead to its authority; `key`: its key (PKCS #8, PKCS #1 or SEC 1). Both are PEM.
    ///
    /// # Errors
    /// One of them is not understood, or they do not belong together.
    pub fn new(chain: &[u8], key: &[u8]) -> Result<Tls, TlsError> {
        let provider = CryptoProvider { cipher_suites: SUITES.to_vec(), ..default_provider() };
        let pair = Arc::new(Pair(RwLock::new(Arc::new(parse(chain, key)?))));
        let versions = ServerConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions();
        let builder = versions.map_err(TlsError::Setup)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(pair.clone());
        config.alpn_protocols = vec![H2.into(), HTTP_11.into()];
        config.ignore_client_order = true;
        // Who comes again brings its session along: nothing is kept here.
        config.ticketer = Ticketer::new().map_err(TlsError::Setup)?;
        config.send_tls13_tickets = 1;
        Ok(Tls { config: Arc::new(config), pair })
    }

    /// Takes another pair for the connections that come from now on.
    ///
    /// # Errors
    /// As [`Tls::new`]; then the old pair stays.
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), TlsError> {
        let pair = Arc::new(parse(chain, key)?);
        *self.pair.0.write().unwrap_or_else(PoisonError::into_inner) = pair;
        Ok(())
    }

    /// SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` prints it.
    pub fn fingerprint(&self) -> String {
        let pair = self.pair.current();
        let digest = digest::digest(&digest::SHA256, pair.cert.first().map_or(&[][..], |certificate| certificate));
        let bytes = digest.as_ref().iter().enumerate();
        bytes.fold(String::new(), |mut text, (n, byte)| {
            _ = write!(text, "{}{byte:02X}", if n > 0 { ":" } else { "" });
            text
        })
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }
}

fn parse(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, TlsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
    let certificates = certificates.map_err(|error| TlsError::Certificate(PemError::of(error, "CERTIFICATE")))?;
    if certificates.is_empty() {
        return Err(TlsError::Certificate(PemError::Missing("CERTIFICATE")));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match PemError::of(error, "PRIVATE KEY") {
        PemError::Missing(_) if contains(key, b"-----BEGIN ENCRYPTED PRIVATE KEY-----") => TlsError::Key(PemError::Encrypted),
        other => TlsError::Key(other),
    })?;
    let key = default_provider().key_provider.load_private_key(key).map_err(|error| TlsError::Key(PemError::Content(error)))?;
    let pair = CertifiedKey::new(certificates, key);
    match pair.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(pair),
        Err(rustls::Error::InconsistentKeys(_)) => Err(TlsError::Mismatch),
        Err(error) => Err(TlsError::Certificate(PemError::Content(error))),
    }
}

impl PemError {
    fn of(error: pem::Error, wanted: &'static str) -> PemError {
        match error {
            pem::Error::NoItemsFound => PemError::Missing(wanted),
            pem::Error::MissingSectionEnd { .. } => PemError::Cut,
            _ => PemError::NotPem,
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A pair of its own.
    pub fn pair() -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn what_is_wrong_is_said() {
        let ((chain, key), (_, other)) = (pair(), pair());
        let said = |chain: &str, key: &str| Tls::new(chain.as_bytes(), key.as_bytes()).unwrap_err();
        assert_eq!(said(&chain, &other), TlsError::Mismatch);
        assert_eq!(said("", &key), TlsError::Certificate(PemError::Missing("CERTIFICATE")));
        assert_eq!(said(&key, &key), TlsError::Certificate(PemError::Missing("CERTIFICATE")));
        assert_eq!(said(&chain, &chain), TlsError::Key(PemError::Missing("PRIVATE KEY")));
        assert_eq!(said(&chain[..chain.len() / 2], &key), TlsError::Certificate(PemError::Cut));
        assert_eq!(said(&chain, &key[..key.len() / 2]), TlsError::Key(PemError::Cut));
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        assert_eq!(said(&chain, &encrypted), TlsError::Key(PemError::Encrypted));
        let broken = "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n";
        assert_eq!(said(broken, &key), TlsError::Certificate(PemError::NotPem));
        let foreign = broken.replace("????", "AAAA");
        assert!(matches!(said(&foreign, &key), TlsError::Certificate(PemError::Content(_))));
        let foreign = foreign.replace("CERTIFICATE", "PRIVATE KEY");
        assert!(matches!(said(&chain, &foreign), TlsError::Key(PemError::Content(_))));
    }

    #[test]
    fn a_wrong_pair_leaves_the_old_one() {
        let ((chain, key), (other, other_key)) = (pair(), pair());
        let tls = Tls::new(chain.as_bytes(), key.as_bytes()).unwrap();
        let before = tls.fingerprint();
        assert_eq!(before.len(), 95);
        assert_eq!(tls.replace(other.as_bytes(), key.as_bytes()), Err(TlsError::Mismatch));
        assert_eq!(tls.fingerprint(), before);
        tls.replace(other.as_bytes(), other_key.as_bytes()).unwrap();
        assert_ne!(tls.fingerprint(), before);
    }
}
