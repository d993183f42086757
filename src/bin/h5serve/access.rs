//! `--users`, `--link-key`, `--public`: who may watch, and the files that say so, which may change while the server runs.

use super::follow::{follow, read};
use anyhow::Context as _;
use h5live::access::{CdnSecret, LinkKey, Rules, Users};
use h5live::cli;
use h5live::serve::{Access, AuthUrl, BasePath, Proxies, Server, TrustedProxy};
use std::path::PathBuf;
use std::time::Duration;

/// The options of access.
#[derive(clap::Args, Clone, Debug)]
pub struct AccessArgs {
    /// Let in the users of this file, as h5serve passwd writes it
    ///
    /// h5serve reads the file again when it changes. If it is not understood then, the users stay as they were.
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,

    /// Let in who has a link that was signed with the key in this file, as h5serve link makes it
    ///
    /// It may be given twice: links of an old key are good as long as it is there. h5serve reads the files again when they change.
    #[arg(long, value_name = "FILE")]
    link_key: Vec<PathBuf>,

    /// Let in the CDN that sends the secret in this file as the header H5live-CDN-Secret, to what a cache can keep
    ///
    /// The CDN has to ask its viewers itself. It may be given twice, so that one secret can take the place of the other.
    #[arg(long, value_name = "FILE")]
    cdn_secret: Vec<PathBuf>,

    /// Ask this HTTP service who may watch, as http://HOST:PORT/PATH
    ///
    /// It gets a POST with a JSON object: action, stream, method, path, query, address, user, password, token and cookie. Status 2xx allows, 401
    /// and 403 deny. With any other, or none within 3 s, the viewer gets status 503.
    #[arg(long, value_name = "URL", conflicts_with_all = ["users", "public"])]
    auth_url: Option<AuthUrl>,

    /// How long an answer of the service holds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = crate::limits::seconds)]
    auth_cache: Duration,

    /// Let everybody watch who can reach the server
    ///
    /// Without it, and without --users and --link-key, h5serve listens on this machine only.
    #[arg(long)]
    public: bool,
}

/// The options of what stands before the server.
#[derive(clap::Args, Clone, Debug)]
pub struct ProxyArgs {
    /// Believe what this proxy says of viewers: an address, a network such as 10.0.0.0/8, or unix; may be given several times
    ///
    /// h5serve takes the viewer's address from its X-Forwarded-For, the name of the host from its X-Forwarded-Host or Host, and from its
    /// X-Forwarded-Proto whether the viewer came by https. From others these mean nothing.
    #[arg(long, value_name = "CIDR")]
    trusted_proxy: Vec<TrustedProxy>,

    /// Expect the PROXY protocol, version 1 or 2, at the beginning of each connection of a trusted proxy
    #[arg(long)]
    proxy_protocol: bool,

    /// The path under which a proxy serves all pages, such as /cams
    ///
    /// A proxy may leave it in what it asks for, or take it off.
    #[arg(long, value_name = "PATH", default_value = "/")]
    pub base_path: BasePath,
}

impl ProxyArgs {
    pub fn proxies(&self) -> Proxies {
        Proxies { trusted: self.trusted_proxy.clone(), protocol: self.proxy_protocol }
    }

    /// # Errors
    /// The PROXY protocol, and nobody from whom to expect it.
    pub fn check(&self) -> anyhow::Result<()> {
        match self.proxy_protocol && self.trusted_proxy.is_empty() {
            true => Err(cli::usage("--proxy-protocol: say with --trusted-proxy which proxies speak it")),
            false => Ok(()),
        }
    }
}

impl AccessArgs {
    /// # Errors
    /// A file that is not there or not understood; more than two keys.
    pub fn access(&self) -> anyhow::Result<Access> {
        if self.link_key.len() > 2 {
            return Err(cli::usage("--link-key: two keys at most, the old one and the new one"));
        }
        if self.cdn_secret.len() > 2 {
            return Err(cli::usage("--cdn-secret: two secrets at most, the old one and the new one"));
        }
        match &self.auth_url {
            Some(url) => Access::with_outside(self.rules()?, url.clone(), self.auth_cache),
            None => Access::new(self.rules()?),
        }
        .context("access")
    }

    fn rules(&self) -> anyhow::Result<Rules> {
        let users = self.users.as_ref().map(|path| {
            let at = || format!("--users {}", path.display());
            Users::parse(&read(path).with_context(at)?).with_context(at)
        });
        let key = |path: &PathBuf| {
            let at = || format!("--link-key {}", path.display());
            String::from_utf8_lossy(&read(path).with_context(at)?).parse::<LinkKey>().with_context(at)
        };
        let keys = self.link_key.iter().map(key).collect::<anyhow::Result<_>>()?;
        let secret = |path: &PathBuf| {
            let at = || format!("--cdn-secret {}", path.display());
            String::from_utf8_lossy(&read(path).with_context(at)?).parse::<CdnSecret>().with_context(at)
        };
        let cdn = self.cdn_secret.iter().map(secret).collect::<anyhow::Result<_>>()?;
        Ok(Rules { users: users.transpose()?, keys, public: self.public, cdn, outside: self.auth_url.is_some() })
    }

    /// A server that other machines can reach says who may watch.
    ///
    /// # Errors
    /// It does not.
    pub fn check(&self, server: &Server) -> anyhow::Result<()> {
        let is_ruled = self.public || self.files().next().is_some() || self.auth_url.is_some();
        if is_ruled || !server.is_reachable() {
            return Ok(());
        }
        let addresses = server.addresses().join(" ");
        Err(cli::usage(format!(
            "{addresses} can be reached from other machines, and no option says who may watch: give --users FILE (see h5serve passwd), \
             --link-key FILE (see h5serve link), or --public to let everybody watch"
        )))
    }

    /// Follows the files, in a thread of its own, until the stop.
    pub fn follow(&self, access: &Access, cx: &cli::Context) {
        let (args, access) = (self.clone(), access.clone());
        follow("access", self.files().cloned().collect(), cx, move || match args.rules() {
            Ok(rules) => access.set_rules(rules),
            Err(error) => tracing::error!("{error:#}; the rules stay as they were"),
        });
    }

    /// It asks another server.
    pub fn connects(&self) -> bool {
        self.auth_url.is_some()
    }

    /// Its files, which are read again when they change.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.users.iter().chain(&self.link_key).chain(&self.cdn_secret)
    }
}
