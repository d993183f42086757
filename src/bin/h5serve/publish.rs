//! `--publish`: the options of taking streams that clients send.

use crate::limits::seconds;
use crate::publishers::Publishers;
use crate::reading::Reading;
use h5live::serve::PublishOptions;
use std::sync::Arc;
use std::time::Duration;

/// The options of publishing.
#[derive(clap::Args, Clone, Debug)]
pub struct PublishArgs {
    /// Take streams that clients send to /in/NAME, by PUT, POST or a WebSocket
    ///
    /// They need the right publish. Where no option says who may watch, programs on this machine may publish. Without an INPUT, h5serve then does not read stdin.
    #[arg(long)]
    pub publish: bool,

    /// Let everybody publish who can reach the server
    #[arg(long, requires_all = ["publish", "public"])]
    publish_public: bool,

    /// Streams that clients send at a time, at most; others get status 503
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    publish_streams: u16,

    /// Bits that each may send in a second, in the long run, such as 500K or 20M; one that sends faster is held back
    #[arg(long, value_name = "BITS", default_value = "50M", value_parser = bits)]
    publish_rate: u64,

    /// Let go of a publisher that sends nothing for this long
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    publish_idle: Duration,

    /// Keep a stream and its viewers for this long after its publisher has gone; one that comes back continues it
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    publish_keep: Duration,
}

impl PublishArgs {
    /// So many streams may come besides the inputs.
    pub fn streams(&self) -> usize {
        if self.publish { usize::from(self.publish_streams) } else { 0 }
    }

    /// Where they are taken; `None`: nowhere. `names`: of inputs and groups.
    pub fn publishers(&self, names: Vec<String>, reading: &Reading) -> Option<Publishers> {
        self.publish.then(|| Publishers::new(names, self.streams(), self.publish_keep, reading.detected()))
    }

    /// For the server.
    pub fn options(&self, publishers: Publishers) -> PublishOptions {
        PublishOptions { to: Arc::new(publishers), public: self.publish_public, rate: self.publish_rate / 8, idle: self.publish_idle }
    }
}

/// `--publish-rate`: 64 kbit/s to 10 Gbit/s.
fn bits(text: &str) -> Result<u64, String> {
    let unit = |suffix: [char; 2]| text.strip_suffix(suffix);
    let (number, unit) = match (unit(['k', 'K']), unit(['m', 'M'])) {
        (Some(number), _) => (number, 1e3),
        (_, Some(number)) => (number, 1e6),
        _ => (text, 1.0),
    };
    let bits = number.parse::<f64>().ok().map(|number| number * unit);
    bits.filter(|bits| (64e3..=10e9).contains(bits)).map(|bits| bits as u64).ok_or_else(|| "expected a bit rate such as 500K or 20M".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        assert_eq!((bits("500K"), bits("20M"), bits("1.5m"), bits("64000")), (Ok(500_000), Ok(20_000_000), Ok(1_500_000), Ok(64_000)));
        for wrong in ["", "M", "1", "-1M", "nan", "1e99", "20G", "20 M"] {
            assert!(bits(wrong).is_err(), "{wrong}");
        }
    }
}
