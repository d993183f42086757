//! What a player says of the picture at its end: stalls, drops, decode errors, latency. Bounded, and counted; nothing depends on its
//! being true. Pure.

use serde_json::Value;
use std::time::Duration;

/// No latency and no stall is longer: more is a clock gone wrong, or a lie.
const MOST_TIME: Duration = Duration::from_secs(3600);
/// Of longer lists the rest is not counted.
const MOST_STALLS: usize = 32;
/// No counter grows by more in one report.
const MOST_COUNT: u64 = 100_000;
/// Characters of an error, and of the name of a transport.
const MOST_TEXT: usize = 200;
const MOST_NAME: usize = 24;

/// The value of the message `h5live/report`: all of it is optional, and numbers are those since the last report.
///
/// ```json
/// {"latency": 84, "stalls": [640], "dropped": 3, "errors": 1, "error": "…", "transport": "MSE"}
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// From capture to screen, now; `latency`, in milliseconds.
    pub latency: Option<Duration>,
    /// How long the picture stood still each time, in milliseconds.
    pub stalls: Vec<Duration>,
    /// Frames that were not shown.
    pub dropped: u64,
    /// Errors of the decoder, or of the whole playback.
    pub errors: u64,
    /// The newest of them.
    pub error: Option<String>,
    /// How it plays, in the player's words.
    pub transport: Option<String>,
}

impl Report {
    /// Fields that are missing, out of bounds or of another type are left out.
    pub fn parse(value: &Value) -> Report {
        let count = |name| value[name].as_u64().unwrap_or_default().min(MOST_COUNT);
        let text = |name, most| value[name].as_str().map(|text| plain(text, most)).filter(|text| !text.is_empty());
        Report {
            latency: millis(&value["latency"]),
            stalls: value["stalls"].as_array().into_iter().flatten().take(MOST_STALLS).filter_map(millis).collect(),
            dropped: count("dropped"),
            errors: count("errors"),
            error: text("error", MOST_TEXT),
            transport: text("transport", MOST_NAME),
        }
    }
}

fn millis(value: &Value) -> Option<Duration> {
    value.as_f64().and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok()).filter(|time| *time <= MOST_TIME)
}

fn plain(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_bounded_and_the_rest_is_left_out() {
        let ms = Duration::from_millis;
        let said =
            json!({"latency": 84.5, "stalls": [640, 20], "dropped": 3, "errors": 1, "error": "no\nkey", "transport": "MSE", "more": {}});
        assert_eq!(
            Report::parse(&said),
            Report {
                latency: Some(Duration::from_micros(84_500)),
                stalls: vec![ms(640), ms(20)],
                dropped: 3,
                errors: 1,
                error: Some("nokey".into()),
                transport: Some("MSE".into())
            }
        );
        let wrong = json!({"latency": -5, "stalls": [1e300, "x", -1, null, 7], "dropped": -1, "errors": 1e30, "error": 5, "transport": ""});
        assert_eq!(Report::parse(&wrong), Report { stalls: vec![ms(7)], ..Report::default() });
        for none in [json!(null), json!(7), json!([]), json!("x"), json!({"latency": 3_600_001})] {
            assert_eq!(Report::parse(&none), Report::default(), "{none}");
        }
        let huge = json!({"stalls": vec![1; 10_000], "dropped": u64::MAX, "error": "é".repeat(10_000)});
        let huge = Report::parse(&huge);
        assert_eq!((huge.stalls.len(), huge.dropped, huge.error.unwrap().chars().count()), (MOST_STALLS, MOST_COUNT, MOST_TEXT));
    }
}
