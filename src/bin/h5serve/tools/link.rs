//! `h5serve link`: a signed link, made offline.

use super::out::{create, print};
use anyhow::Context as _;
use h5live::access::{self, Grants, LinkKey};
use h5live::cli;
use h5live::serve::BasePath;
use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Ten years: what is good for longer is better a user.
const LONGEST: u64 = 3650 * 24 * 3600;

/// Print a signed link to a stream
///
/// It prints the path, to be put behind the address of the server. The link allows what it says until it ends, or until its key is
/// taken away.
#[derive(clap::Args, Debug)]
pub struct Link {
    /// File with the key that signs
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    /// Make the key, and its file, first; only its owner can read it
    #[arg(long)]
    new_key: bool,

    /// Name of the stream, or a pattern such as door*
    #[arg(long, value_name = "NAME", required_unless_present = "new_key")]
    stream: Option<String>,

    /// How long the link is good, such as 90s, 30m, 12h or 7d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = time)]
    ttl: Duration,

    /// What the link allows: view, rewind, record, publish, admin, with commas between them
    #[arg(long, value_name = "RIGHTS", default_value = "view")]
    rights: String,

    /// The only address from which the link is good
    #[arg(long, value_name = "ADDRESS")]
    from_ip: Option<IpAddr>,

    /// Write the token into the path, as /t/TOKEN/NAME: all that the page asks for is beside it
    #[arg(long)]
    path_prefix: bool,

    /// The path under which a proxy serves h5serve, as its --base-path
    #[arg(long, value_name = "PATH", default_value = "/")]
    base_path: BasePath,
}

impl Link {
    pub fn run(&self) -> anyhow::Result<()> {
        let at = || self.key.display().to_string();
        if self.new_key {
            let key = LinkKey::new().context("key")?;
            create(&self.key).and_then(|mut file| writeln!(file, "{}", key.text()).and_then(|()| file.sync_all())).with_context(at)?;
        }
        let Some(stream) = &self.stream else { return Ok(()) };
        // These would begin another pattern.
        if stream.contains([' ', '=']) || self.rights.contains([' ', '=']) {
            return Err(cli::usage("--stream takes one name or pattern, --rights the rights to it, with commas between them"));
        }
        let key: LinkKey = fs::read_to_string(&self.key).with_context(at)?.parse().with_context(at)?;
        let grants = format!("{stream}={}", self.rights).parse::<Grants>().map_err(|error| cli::usage(error.to_string()))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let link = access::Link { grants, ends: now + self.ttl.as_secs(), from: self.from_ip };
        let token = key.sign(&link).map_err(|error| cli::usage(error.to_string()))?;
        // A pattern has no page but the list.
        let name = if stream.contains('*') { "" } else { stream };
        let base = &self.base_path;
        print(&if self.path_prefix { format!("{base}t/{token}/{name}") } else { format!("{base}{name}?token={token}") })
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a number and s, m, h or d, 3650d at most".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(wrong()),
    };
    let seconds = number.parse::<u32>().ok().and_then(|n| u64::from(n).checked_mul(unit));
    seconds.filter(|s| (1..=LONGEST).contains(s)).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!((time("90s"), time("2m")), (Ok(Duration::from_secs(90)), Ok(Duration::from_secs(120))));
        assert_eq!((time("1h"), time("3650d")), (Ok(Duration::from_secs(3600)), Ok(Duration::from_secs(LONGEST))));
        for wrong in ["", "h", "0s", "-1s", "1", "1 h", "3651d", "4294967295d", "99999999999s", "1é"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
