//! The arguments for cameras on a network, as far as this build has them.

use h5live::source::Options;
#[cfg(feature = "network")]
use {
    anyhow::Context as _,
    h5live::cli,
    h5live::source::network::tls::Fingerprint,
    h5live::source::network::{Credentials, Transport},
    std::io::Read,
    std::path::{Path, PathBuf},
    std::time::Duration,
};

/// Arguments for cameras on a network, as typed.
#[cfg(feature = "network")]
#[derive(clap::Args)]
#[command(next_help_heading = "Network cameras")]
pub struct NetworkArgs {
    /// User of the camera, in place of the one in the URL
    #[arg(long, value_name = "NAME", env = "H5CAP_USER", hide_env_values = true)]
    pub user: Option<String>,

    /// File whose first line is the password; - for stdin. Without it, the environment variable H5CAP_PASSWORD
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// How the camera sends its packets: inside the connection, or in datagrams [default: tcp]
    #[arg(long, value_enum, value_name = "TRANSPORT")]
    pub transport: Option<TransportName>,

    /// SHA-256 fingerprint of the certificate of a camera that has signed it itself: no other is accepted
    #[arg(long, value_name = "SHA256")]
    pub tls_fingerprint: Option<Fingerprint>,

    /// How long the camera may take to answer
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_timeout)]
    pub timeout: Duration,
}

/// Built without network cameras.
#[cfg(not(feature = "network"))]
#[derive(clap::Args)]
pub struct NetworkArgs {}

#[cfg(feature = "network")]
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum TransportName {
    Tcp,
    Udp,
}

/// A longer password is a file given by mistake.
#[cfg(feature = "network")]
const MAX_PASSWORD: u64 = 1024;

impl NetworkArgs {
    /// Into the options of the source.
    ///
    /// # Errors
    /// The password cannot be read.
    #[cfg(feature = "network")]
    pub fn set(&self, options: &mut Options) -> anyhow::Result<()> {
        options.network.transport = match self.transport {
            None | Some(TransportName::Tcp) => Transport::Tcp,
            Some(TransportName::Udp) => Transport::Udp,
        };
        options.network.timeout = self.timeout;
        options.network.fingerprint = self.tls_fingerprint;
        options.network.credentials = self.credentials()?;
        Ok(())
    }

    /// The user and password beside the URL.
    ///
    /// # Errors
    /// The password cannot be read.
    #[cfg(feature = "network")]
    pub fn credentials(&self) -> anyhow::Result<Option<Credentials>> {
        let password = match &self.password_file {
            Some(path) => Some(password(path)?),
            None => std::env::var("H5CAP_PASSWORD").ok(),
        };
        match (&self.user, password) {
            (Some(user), password) => Ok(Some(Credentials { user: user.clone(), password: password.unwrap_or_default() })),
            (None, Some(_)) if self.password_file.is_some() => Err(cli::usage("--password-file needs --user")),
            (None, _) => Ok(None),
        }
    }

    #[cfg(not(feature = "network"))]
    pub fn set(&self, _: &mut Options) -> anyhow::Result<()> {
        Ok(())
    }

    /// Whether a user or a password is given for this source alone.
    #[cfg(feature = "network")]
    pub fn is_given(&self) -> bool {
        self.password_file.is_some()
    }

    #[cfg(not(feature = "network"))]
    pub fn is_given(&self) -> bool {
        false
    }

    /// Whether a certificate is named.
    #[cfg(feature = "network")]
    pub fn has_fingerprint(&self) -> bool {
        self.tls_fingerprint.is_some()
    }

    #[cfg(not(feature = "network"))]
    pub fn has_fingerprint(&self) -> bool {
        false
    }

    /// Whether a transport is asked for.
    #[cfg(feature = "network")]
    pub fn has_transport(&self) -> bool {
        self.transport.is_some()
    }

    #[cfg(not(feature = "network"))]
    pub fn has_transport(&self) -> bool {
        false
    }
}

/// The first line of a file.
#[cfg(feature = "network")]
fn password(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(MAX_PASSWORD).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_PASSWORD).read_to_string(&mut text))
    };
    read.with_context(|| format!("--password-file {}", path.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(feature = "network")]
fn parse_timeout(text: &str) -> Result<Duration, String> {
    let seconds = text.strip_suffix('s').unwrap_or(text).parse().ok().filter(|s| (0.1..=600.0).contains(s));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "0.1 to 600 seconds".into())
}
