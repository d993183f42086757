//! The options of TLS: a certificate from files that are followed, or one of its own.

use super::follow::{follow, read};
use super::self_signed;
use anyhow::Context as _;
use h5live::cli;
use h5live::serve::{Listen, Tls, TlsError};
use std::path::PathBuf;

/// The options of TLS.
#[derive(clap::Args, Clone, Debug)]
pub struct TlsArgs {
    /// Speak HTTPS, with the certificate in this file
    ///
    /// The file is PEM: the certificate, then those that lead to its authority, as in fullchain.pem of certbot. h5serve reads it again when it
    /// changes, and the key with it. If they do not fit together then, the old pair stays in use.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The key of that certificate: PEM, without a password
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Speak HTTPS, with a certificate that h5serve makes and signs itself, and keeps in DIR
    ///
    /// Browsers warn of it once. It stays the same from start to start.
    #[arg(long, value_name = "DIR", conflicts_with = "tls_cert")]
    tls_self_signed: Option<PathBuf>,

    /// Send who comes to this address by plain HTTP to HTTPS; may be given several times
    #[arg(long, value_name = "ADDR")]
    redirect_http: Vec<Listen>,

    /// Tell browsers to come by HTTPS only, for so many seconds (Strict-Transport-Security)
    ///
    /// A browser keeps to it for all ports of the host, and does not offer to go on when a certificate is not valid: begin with a short time.
    #[arg(long, value_name = "SECONDS", requires = "tls_cert")]
    hsts: Option<u32>,
}

/// TLS, as the options want it.
pub struct TlsOptions {
    pub tls: Option<Tls>,
    pub redirect: Vec<Listen>,
    pub hsts: Option<u32>,
}

impl TlsArgs {
    /// Makes a certificate of its own if there has to be a new one.
    ///
    /// # Errors
    /// It cannot be kept.
    pub fn prepare(&self, listen: &[Listen], hosts: &[String]) -> anyhow::Result<()> {
        self.tls_self_signed.as_ref().map_or(Ok(()), |folder| self_signed::prepare(folder, listen, hosts))
    }

    /// The files that are read. Those of certbot are links into another folder.
    pub fn read(&self) -> impl Iterator<Item = PathBuf> {
        let given = self.tls_cert.iter().chain(&self.tls_key).chain(&self.tls_self_signed);
        given.flat_map(|path| [Some(path.clone()), path.canonicalize().ok()]).flatten()
    }

    /// # Errors
    /// A file that is not there or not understood; a redirection without TLS.
    pub fn choose(&self, listen: &[Listen]) -> anyhow::Result<TlsOptions> {
        let tls = match (self.files(), &self.tls_self_signed) {
            (Some(files), _) => Some(files.read().and_then(|(chain, key)| Tls::new(&chain, &key).map_err(|error| files.explain(error)))?),
            (None, Some(folder)) => Some(self_signed::load(folder)?),
            (None, None) => None,
        };
        if !self.redirect_http.is_empty() && (tls.is_none() || !listen.iter().any(|listen| matches!(listen, Listen::Tcp(_)))) {
            return Err(cli::usage(
                "--redirect-http: there is no HTTPS to send anybody to: give --tls-cert and --tls-key, or --tls-self-signed",
            ));
        }
        Ok(TlsOptions { tls, redirect: self.redirect_http.clone(), hsts: self.hsts })
    }

    /// Follows the files, in a thread of its own, until the stop.
    pub fn follow(&self, tls: Option<&Tls>, cx: &cli::Context) {
        let (Some(files), Some(tls)) = (self.files(), tls.cloned()) else { return };
        let both = vec![files.certificate.clone(), files.key.clone()];
        follow("TLS", both, cx, move || {
            let replaced = files.read().and_then(|(chain, key)| tls.replace(&chain, &key).map_err(|error| files.explain(error)));
            if let Err(error) = replaced {
                tracing::error!("{error:#}; the old certificate stays in use");
            }
        });
    }

    pub fn is_self_signed(&self) -> bool {
        self.tls_self_signed.is_some()
    }

    fn files(&self) -> Option<Files> {
        Some(Files { certificate: self.tls_cert.clone()?, key: self.tls_key.clone()? })
    }
}

/// A certificate and its key.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn read(&self) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
        let chain = read(&self.certificate).with_context(|| self.at_certificate())?;
        Ok((chain, read(&self.key).with_context(|| self.at_key())?))
    }

    fn explain(&self, error: TlsError) -> anyhow::Error {
        let at = if matches!(error, TlsError::Key(_) | TlsError::Mismatch) { self.at_key() } else { self.at_certificate() };
        anyhow::Error::new(error).context(at)
    }

    fn at_certificate(&self) -> String {
        format!("--tls-cert {}", self.certificate.display())
    }

    fn at_key(&self) -> String {
        format!("--tls-key {}", self.key.display())
    }
}
