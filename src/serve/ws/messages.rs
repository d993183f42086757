//! The text messages on `/api/ws`, the protocol of go2rtc's MSE mode: JSON objects with `type` and `value`. Pure.

use crate::media::WallTime;
use crate::serve::recordings::times;
use crate::serve::rewind::command::RewindCommand;
use crate::serve::stats::reports::Report;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a client asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Fragmented MP4; the value lists the codecs that it can play.
    Mse(String),
    /// JPEG pictures, the newest only.
    Mjpeg,
    /// Clock offset; the value comes back.
    Ping(f64),
    /// How the picture is doing there.
    Report(Report),
    /// To see what was before; an error says what is wrong with its value.
    Rewind(Result<RewindCommand, &'static str>),
    /// Something this server does not do, such as `webrtc/offer`.
    Other(String),
}

impl Command {
    /// `None` if the text is no such object.
    pub fn parse(text: &str) -> Option<Command> {
        #[derive(Deserialize)]
        struct Envelope {
            r#type: String,
            #[serde(default)]
            value: Value,
        }
        let Envelope { r#type, value } = serde_json::from_str(text).ok()?;
        Some(match r#type.as_str() {
            "mse" => Command::Mse(value.as_str().unwrap_or_default().to_string()),
            "mjpeg" => Command::Mjpeg,
            "ping" => Command::Ping(value.as_f64().unwrap_or_default()),
            "h5live/report" => Command::Report(Report::parse(&value)),
            name => match RewindCommand::parse(name, &value, WallTime::now()) {
                Some(command) => Command::Rewind(command),
                None => Command::Other(name.chars().take(40).collect()),
            },
        })
    }
}

/// The stream follows: `content_type` is for `addSourceBuffer`.
pub fn mse(content_type: &str) -> String {
    json!({ "type": "mse", "value": content_type }).to_string()
}

/// Pictures follow.
pub fn mjpeg() -> String {
    json!({ "type": "mjpeg" }).to_string()
}

/// What is known of the stream; go2rtc's page passes over it.
pub fn stream(summary: &impl Serialize) -> String {
    json!({ "type": "stream", "value": summary }).to_string()
}

/// `what` begins with the command that failed: go2rtc's page tells errors apart by that.
pub fn error(what: &str) -> String {
    json!({ "type": "error", "value": what }).to_string()
}

/// So many frames were skipped, because this viewer was too late.
pub fn dropped(frames: u64) -> String {
    json!({ "type": "dropped", "value": frames }).to_string()
}

/// When the JPEG picture that follows was captured; fragmented MP4 has `prft` for that.
pub fn captured(wall: WallTime) -> String {
    json!({ "type": "captured", "value": unix_ms(wall) }).to_string()
}

/// The picture of this moment has this media time, in microseconds; from there on it goes on at this speed, unless it is paused. `gap`: so many microseconds were
/// jumped over before it.
pub fn position(time: WallTime, media: i64, (speed, paused): (f64, bool), gap: Option<i64>) -> String {
    let seconds = |micros: i64| micros as f64 / 1e6;
    let gap = gap.map(seconds);
    let value = json!({ "time": times::exact(time), "media": seconds(media), "speed": speed, "paused": paused, "live": false, "gap": gap });
    json!({ "type": "position", "value": value }).to_string()
}

/// What follows is live.
pub fn live() -> String {
    json!({ "type": "position", "value": { "live": true } }).to_string()
}

/// The answer to [`Command::Ping`]: its value, and the time here.
pub fn pong(t: f64) -> String {
    json!({ "type": "pong", "value": { "t": t, "server": unix_ms(WallTime::now()) } }).to_string()
}

fn unix_ms(wall: WallTime) -> f64 {
    wall.0 as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let parse = Command::parse;
        assert_eq!(parse(r#"{"type":"mse","value":"avc1.640029,opus"}"#), Some(Command::Mse("avc1.640029,opus".into())));
        assert_eq!(parse(r#"{"value":7,"type":"mse"}"#), Some(Command::Mse(String::new())));
        assert_eq!(parse(r#"{"type":"mjpeg"}"#), Some(Command::Mjpeg));
        assert_eq!(parse(r#"{"type":"ping","value":12.5}"#), Some(Command::Ping(12.5)));
        assert_eq!(parse(r#"{"type":"h5live/report"}"#), Some(Command::Report(Report::default())));
        assert_eq!(parse(r#"{"type":"live"}"#), Some(Command::Rewind(Ok(RewindCommand::Live))));
        assert!(matches!(parse(r#"{"type":"seek","value":{}}"#), Some(Command::Rewind(Err(_)))));
        assert_eq!(parse(r#"{"type":"webrtc/offer","value":"v=0"}"#), Some(Command::Other("webrtc/offer".into())));
        for bad in ["", "mse", "[]", r#"{"value":""}"#, &"[".repeat(10_000)] {
            assert_eq!(parse(bad), None);
        }
    }
}
