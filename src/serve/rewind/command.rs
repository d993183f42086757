//! What a viewer asks of the past. Pure.

use crate::media::WallTime;
use crate::serve::recordings::times;
use serde_json::Value;

/// The slowest and the fastest, forwards; backwards it is at least as fast as it was.
const SLOWEST: f64 = 0.25;
const FASTEST: f64 = 16.0;
/// Pictures in one step.
const MOST_STEPS: i64 = 100;
/// So many seconds before or after now are a time.
const FARTHEST: f64 = 1e9;

const PAUSE: &str = "pause: the value is a time, {\"media\": seconds} or nothing";

/// One command.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RewindCommand {
    /// Play from this moment on.
    Seek(WallTime),
    /// Back to what is live.
    Live,
    /// So many times as fast; below zero: backwards.
    Speed(f64),
    /// Stand still, at this picture or at the last that was sent.
    Pause(Option<ShownPicture>),
    /// Go on.
    Play,
    /// So many pictures on or back.
    Step(i64),
}

/// The picture that is on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownPicture {
    /// By a moment at which it was on the screen.
    Captured(WallTime),
    /// By its media time, in microseconds.
    Media(i64),
}

impl RewindCommand {
    /// `None`: it is another command. An error says what is wrong with its value.
    pub fn parse(name: &str, value: &Value, now: WallTime) -> Option<Result<RewindCommand, &'static str>> {
        Some(match name {
            "seek" => moment(value, now).map(RewindCommand::Seek).ok_or("seek: the value is seconds before now, such as -30, or a time"),
            "live" => Ok(RewindCommand::Live),
            "speed" => speed(value).map(RewindCommand::Speed).ok_or("speed: the value is from 0.25 to 16, or from -1 to -16"),
            "pause" if value.is_null() => Ok(RewindCommand::Pause(None)),
            "pause" => shown(value, now).map(|picture| RewindCommand::Pause(Some(picture))).ok_or(PAUSE),
            "play" => Ok(RewindCommand::Play),
            "step" => steps(value).map(RewindCommand::Step).ok_or("step: the value is a number of pictures, such as 1 or -1"),
            _ => return None,
        })
    }

    /// What was sent before is of no use any more.
    pub fn begins_anew(self) -> bool {
        matches!(self, RewindCommand::Seek(_) | RewindCommand::Speed(_) | RewindCommand::Step(..0))
    }
}

fn moment(value: &Value, now: WallTime) -> Option<WallTime> {
    match value {
        Value::String(text) => times::moment(text, now),
        value => {
            let seconds = value.as_f64().filter(|seconds| seconds.abs() <= FARTHEST)?;
            Some(WallTime(now.0.saturating_add((seconds * 1e6) as i64)))
        }
    }
}

fn shown(value: &Value, now: WallTime) -> Option<ShownPicture> {
    match value.get("media") {
        Some(media) => {
            let seconds = media.as_f64().filter(|seconds| seconds.abs() <= FARTHEST)?;
            Some(ShownPicture::Media((seconds * 1e6).round() as i64))
        }
        None => moment(value, now).map(ShownPicture::Captured),
    }
}

fn speed(value: &Value) -> Option<f64> {
    value.as_f64().filter(|speed| (SLOWEST..=FASTEST).contains(speed) || (-FASTEST..=-1.0).contains(speed))
}

fn steps(value: &Value) -> Option<i64> {
    value.as_i64().filter(|steps| *steps != 0 && (-MOST_STEPS..=MOST_STEPS).contains(steps))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: WallTime = WallTime(1_795_717_200_000_000);

    #[test]
    fn commands() {
        let parse = |name, value: Value| RewindCommand::parse(name, &value, NOW);
        let ago = |micros| Some(Ok(RewindCommand::Seek(WallTime(NOW.0 - micros))));
        assert_eq!(parse("seek", json!(-30)), ago(30_000_000));
        assert_eq!(parse("seek", json!(-0.5)), ago(500_000));
        assert_eq!(parse("seek", json!("2026-11-26T18:20:00Z")), ago(0));
        assert_eq!(parse("seek", json!("-1m")), ago(60_000_000));
        assert_eq!(parse("live", Value::Null), Some(Ok(RewindCommand::Live)));
        assert_eq!(parse("pause", Value::Null), Some(Ok(RewindCommand::Pause(None))));
        assert_eq!(parse("pause", json!("now")), Some(Ok(RewindCommand::Pause(Some(ShownPicture::Captured(NOW))))));
        let media = Some(Ok(RewindCommand::Pause(Some(ShownPicture::Media(12_345_679)))));
        assert_eq!(parse("pause", json!({ "media": 12.345_678_9 })), media);
        for speed in [0.25, 0.5, 1.0, 16.0, -1.0, -16.0] {
            assert_eq!(parse("speed", json!(speed)), Some(Ok(RewindCommand::Speed(speed))));
        }
        assert_eq!(parse("step", json!(-1)), Some(Ok(RewindCommand::Step(-1))));
        assert_eq!(parse("mse", json!("")), None);
    }

    #[test]
    fn values_that_are_none() {
        for (name, values) in [
            ("seek", vec![Value::Null, json!(""), json!({}), json!(1e300), json!(-1e10), json!("yesterday"), json!([1]), json!(true)]),
            ("pause", vec![json!({}), json!({ "media": null }), json!({ "media": 1e300 }), json!("x"), json!(false)]),
            ("speed", vec![Value::Null, json!(0), json!(-0.5), json!(17), json!("2"), json!(1e300), json!(0.1)]),
            ("step", vec![Value::Null, json!(0), json!(0.5), json!(1e9), json!("1"), json!(i64::MIN)]),
        ] {
            for value in values {
                assert!(matches!(RewindCommand::parse(name, &value, NOW), Some(Err(_))), "{name} {value}");
            }
        }
    }
}
