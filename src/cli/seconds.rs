//! Lengths of time, as they are typed.

use std::time::Duration;

/// Seconds, with `s` behind them or not, or milliseconds with `ms`.
pub fn seconds(least: f64, most: f64) -> impl Fn(&str) -> Result<Duration, String> + Clone {
    move |text| {
        let number = |text: &str| text.parse::<f64>().ok();
        let seconds = match text.strip_suffix("ms") {
            Some(millis) => number(millis).map(|millis| millis / 1000.0),
            None => number(text.strip_suffix('s').unwrap_or(text)),
        };
        let fits = seconds.filter(|seconds| (least..=most).contains(seconds));
        fits.map(Duration::from_secs_f64).ok_or_else(|| format!("expected {least} to {most} seconds, or milliseconds as in 200ms"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        let part = seconds(0.05, 5.0);
        assert_eq!(
            (part("200ms"), part("0.2"), part("5s")),
            (Ok(Duration::from_millis(200)), Ok(Duration::from_millis(200)), Ok(Duration::from_secs(5)))
        );
        for wrong in ["", "0", "ms", "49ms", "6", "nan", "1m"] {
            assert!(part(wrong).is_err(), "{wrong}");
        }
    }
}
