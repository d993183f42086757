//! How much of everything there may be.

use h5live::cli;
use h5live::serve::{Capacity, ViewerLimits};
use std::time::Duration;

const MIB: usize = 1 << 20;

/// The options of limits.
#[derive(clap::Args, Clone, Debug)]
pub struct LimitArgs {
    /// A viewer further behind than this skips to the newest keyframe
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    lag: Duration,

    /// Close a viewer that takes nothing for this long
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    stall: Duration,

    /// Memory for each stream, at most
    #[arg(long, value_name = "MIB", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=16384))]
    ring: u32,

    /// Memory of the program, at most, such as 64M or 1G: there are no more viewers and connections than fit into it
    ///
    /// It is the sum of --ring for each stream, 20 MiB for the program, 20 KiB for each viewer and 24 KiB for each other connection. Buffers of
    /// the kernel come on top.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<usize>,

    /// Viewers of all streams together, at most; others get status 503
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_viewers: u32,

    /// Viewers of each stream, at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_viewers_per_stream: Option<u32>,

    /// Viewers that are one user of --users, at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_viewers_per_user: Option<u32>,

    /// Connections of each address, at most; this machine's own are not limited
    ///
    /// For IPv6 an address is a network of 64 bits. Others get status 503.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_connections_per_address: u32,

    /// Requests of each address in a second, at most, in the long run; others get status 429
    #[arg(long, value_name = "N", default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_requests_per_address: u32,
}

impl LimitArgs {
    /// Bytes of each stream kept in memory.
    pub fn ring(&self) -> usize {
        self.ring as usize * MIB
    }

    /// What late viewers get.
    pub fn viewers(&self) -> ViewerLimits {
        ViewerLimits { lag: self.lag, stall: self.stall }
    }

    /// # Errors
    /// `--memory` has no room for so many streams.
    pub fn capacity(&self, streams: usize, tls: bool) -> anyhow::Result<Capacity> {
        let capacity = Capacity {
            viewers: self.max_viewers as usize,
            stream_viewers: self.max_viewers_per_stream.map_or(usize::MAX, |most| most as usize),
            user_viewers: self.max_viewers_per_user.map_or(usize::MAX, |most| most as usize),
            address_connections: self.max_connections_per_address as usize,
            address_requests: self.max_requests_per_address,
            ..Capacity::default()
        };
        let Some(memory) = self.memory else { return Ok(capacity) };
        let fitting = capacity.within(memory, streams, self.ring(), tls).map_err(|error| cli::usage(format!("--memory: {error}")))?;
        if fitting.viewers < capacity.viewers {
            tracing::info!("--memory leaves room for {} viewers", fitting.viewers);
        }
        Ok(fitting)
    }
}

/// `--lag` and the like: 0.1 s to an hour.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.strip_suffix('s').unwrap_or(text).parse::<f64>().ok();
    seconds.filter(|s| (0.1..=3600.0).contains(s)).map(Duration::from_secs_f64).ok_or_else(|| "expected 0.1 to 3600 seconds".into())
}

/// `--memory`: bytes, with M or G.
fn size(text: &str) -> Result<usize, String> {
    let unit = |suffix| text.strip_suffix(suffix);
    let (number, unit) = match (unit("M"), unit("G")) {
        (Some(number), _) => (number, MIB),
        (_, Some(number)) => (number, 1024 * MIB),
        _ => (text, 1),
    };
    number.parse::<usize>().ok().and_then(|n| n.checked_mul(unit)).ok_or_else(|| "expected a size such as 64M or 1G".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(seconds("2"), Ok(Duration::from_secs(2)));
        assert_eq!(seconds("0.5s"), Ok(Duration::from_millis(500)));
        for wrong in ["", "0", "-1", "nan", "1e9", "2m"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!((size("64M"), size("1G"), size("70000000")), (Ok(64 * MIB), Ok(1024 * MIB), Ok(70_000_000)));
        for wrong in ["", "M", "-1", "64MB", "1.5G", "99999999999999999999", "9999999999999999999G"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
