//! Messages on stderr, as text (`h5mux: warning: …`) or as JSON, one object a line.

use super::console;
use std::fmt::{self, Write as _};
use std::io;
use std::sync::OnceLock;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;

/// The environment variable that overrides `-v` and `-q`, for example `h5live=debug,hyper=info`.
pub const VARIABLE: &str = "H5LIVE_LOG";
pub const MEANING: &str = "Which messages to print, in place of -v and -q, for example h5live=debug,hyper=info.";

/// How messages on stderr look.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Plain lines: `PROGRAM: warning: ...`
    Text,
    /// One JSON object a line, with time, level, program and message
    Json,
}

/// Sends everything that the library and its dependencies report through `tracing` to stderr. The first call counts.
/// `verbose`: how often -v was given.
pub(super) fn init(program: &'static str, format: LogFormat, quiet: bool, verbose: u8) {
    let subscriber = Registry::default().with(filter(quiet, verbose)).with(Printer { program, format });
    _ = tracing::subscriber::set_global_default(subscriber);
}

fn filter(quiet: bool, verbose: u8) -> EnvFilter {
    let wanted = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "warn,h5live=info,h5cap=info,h5enc=info,h5mux=info,h5serve=info",
        (false, 2) => "debug",
        (false, _) => "trace",
    };
    EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(wanted))
}

struct Printer {
    program: &'static str,
    format: LogFormat,
}

impl<S: Subscriber> Layer<S> for Printer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let meta = event.metadata();
        let line = match self.format {
            LogFormat::Text => text(self.program, *meta.level(), &fields),
            LogFormat::Json => json(self.program, *meta.level(), meta.target(), fields),
        };
        console::line(&line);
        if let Some(follower) = FOLLOWER.get() {
            follower(&line);
        }
    }
}

type Follower = Box<dyn Fn(&str) + Send + Sync>;

static FOLLOWER: OnceLock<Follower> = OnceLock::new();

/// From now on each message goes to this as well, as the line that it is on stderr. It must report nothing itself. The first call counts.
pub fn follow_log(follower: impl Fn(&str) + Send + Sync + 'static) {
    _ = FOLLOWER.set(Box::new(follower));
}

/// The fields of one message; `message` is the text itself.
#[derive(Default)]
struct Fields(serde_json::Map<String, serde_json::Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<serde_json::Value>) {
        self.0.insert(field.name().into(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
}

fn text(program: &str, level: Level, fields: &Fields) -> String {
    let word = match level {
        Level::WARN => "warning: ",
        Level::DEBUG => "debug: ",
        Level::TRACE => "trace: ",
        _ => "",
    };
    let message = fields.0.get("message").and_then(|m| m.as_str()).unwrap_or_default();
    let mut line = format!("{program}: {word}{message}");
    for (name, value) in fields.0.iter().filter(|(name, _)| *name != "message") {
        _ = write!(line, " {name}={value}");
    }
    line.replace(|c: char| c.is_control(), " ")
}

/// A line that is no message about what goes on, but what the program has to say.
pub(super) fn announce(program: &str, format: LogFormat, what: &str) {
    console::line(&match format {
        LogFormat::Text => what.to_string(),
        LogFormat::Json => {
            let message = [("message".to_string(), what.into())];
            json(program, Level::INFO, program, Fields(message.into_iter().collect()))
        }
    });
}

fn json(program: &str, level: Level, target: &str, fields: Fields) -> String {
    let mut object = fields.0;
    object.insert("time".into(), jiff::Timestamp::now().to_string().into());
    object.insert("level".into(), level.as_str().to_ascii_lowercase().into());
    object.insert("program".into(), program.into());
    object.insert("target".into(), target.into());
    serde_json::Value::Object(object).to_string()
}

/// Whether messages go to a terminal.
pub(super) fn is_terminal() -> bool {
    io::IsTerminal::is_terminal(&io::stderr())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Fields {
        let map = serde_json::json!({ "message": "frame\nlost", "track": 2 });
        Fields(map.as_object().unwrap().clone())
    }

    #[test]
    fn text_is_one_line_with_the_program_first() {
        assert_eq!(text("h5mux", Level::WARN, &fields()), "h5mux: warning: frame lost track=2");
        assert_eq!(text("h5mux", Level::ERROR, &fields()), "h5mux: frame lost track=2");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let line = json("h5mux", Level::WARN, "h5live::pipe", fields());
        assert!(!line.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&value["level"], &value["program"], &value["track"]), (&"warn".into(), &"h5mux".into(), &2.into()));
        assert!(value["time"].as_str().unwrap().ends_with('Z'));
    }
}
