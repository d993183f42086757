//! Which streams are to be recorded now: all, or those that were asked for, on the control endpoint by `PUT /record` or by `PUT /NAME/record`.

use h5live::cli::{self, Control, Reply};
use h5live::media::WallTime;
use h5live::record::{Numbers, State, StatusCell, Statuses};
use h5live::serve::RecordSwitchError;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many streams may have a switch: streams come and go.
const MOST: usize = 10_000;

/// By name. Clones are handles to the same.
#[derive(Clone, Debug)]
pub struct Switches {
    all: Arc<Mutex<BTreeMap<String, Arc<Switch>>>>,
    /// Before it was asked for.
    first: Wanted,
}

/// Whether a stream is to be recorded.
#[derive(Debug)]
pub struct Switch(Mutex<Wanted>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    No,
    Yes,
    Until(Instant),
}

/// The body of a PUT.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordRequest {
    /// None: all.
    stream: Option<String>,
    value: bool,
    #[serde(rename = "for")]
    length: Option<String>,
}

impl Switch {
    pub fn is_on(&self) -> bool {
        match *lock(&self.0) {
            Wanted::No => false,
            Wanted::Yes => true,
            Wanted::Until(end) => Instant::now() < end,
        }
    }
}

impl Switches {
    /// `on_demand`: nothing is recorded until it is asked for.
    pub fn new(on_demand: bool) -> Switches {
        Switches { all: Arc::default(), first: if on_demand { Wanted::No } else { Wanted::Yes } }
    }

    /// That of a stream, for as long as the program runs: a publisher that comes back finds it as it was.
    pub fn of(&self, stream: &str) -> Arc<Switch> {
        let mut all = lock(&self.all);
        if all.len() >= MOST && !all.contains_key(stream) {
            // Those that nobody holds are of streams that have gone.
            all.retain(|_, switch| Arc::strong_count(switch) > 1);
        }
        all.entry(stream.to_owned()).or_insert_with(|| Arc::new(Switch(Mutex::new(self.first)))).clone()
    }

    /// `GET /record` and `PUT /record`.
    pub fn control(&self, control: &Control, statuses: Statuses) {
        let switches = self.clone();
        control.route("GET", "/record", move |_| Reply::json(&switches.listing(&statuses)));
        let switches = self.clone();
        control.route("PUT", "/record", move |body| switches.put(body).unwrap_or_else(|(status, why)| Reply::text(status, why)));
    }

    fn put(&self, body: &[u8]) -> Result<Reply, (u16, String)> {
        let (stream, wanted) = parse(body).map_err(|why| (400, why))?;
        if self.set(stream.as_deref(), wanted) {
            return Ok(Reply::done());
        }
        Err((404, format!("there is no stream {:?}", stream.unwrap_or_default())))
    }

    /// One stream, by the body of a PUT.
    ///
    /// # Errors
    /// See [`RecordSwitchError`].
    pub fn put_one(&self, name: &str, body: &[u8]) -> Result<(), RecordSwitchError> {
        let (stream, wanted) = parse(body).map_err(RecordSwitchError::NotUnderstood)?;
        if stream.is_some_and(|stream| stream != name) {
            return Err(RecordSwitchError::NotUnderstood("stream: it is the one in the address".into()));
        }
        if self.set(Some(name), wanted) { Ok(()) } else { Err(RecordSwitchError::UnknownStream) }
    }

    /// `None`: all. `false`: there is no such stream.
    fn set(&self, stream: Option<&str>, wanted: Wanted) -> bool {
        let all = lock(&self.all);
        let mut found = all.iter().filter(|(name, _)| stream.is_none_or(|stream| stream == *name)).peekable();
        let some = stream.is_none() || found.peek().is_some();
        found.for_each(|(_, switch)| *lock(&switch.0) = wanted);
        some
    }

    /// One stream, as in the list. `None`: there is none of this name.
    pub fn one(&self, name: &str, statuses: &Statuses) -> Option<Value> {
        let switch = lock(&self.all).get(name)?.clone();
        Some(row(name, &switch, &statuses.all()))
    }

    fn listing(&self, statuses: &Statuses) -> Value {
        let statuses = statuses.all();
        lock(&self.all).iter().map(|(name, switch)| row(name, switch, &statuses)).collect()
    }
}

/// Which stream, `None` for all, and what is wanted.
fn parse(body: &[u8]) -> Result<(Option<String>, Wanted), String> {
    let request: RecordRequest = serde_json::from_slice(body)
        .map_err(|error| format!("expected JSON such as {{\"stream\":\"door\",\"value\":true,\"for\":\"10m\"}}: {error}"))?;
    let length = request.length.as_deref().map(cli::length_of_time).transpose().map_err(|why| format!("for: {why}"))?;
    let wanted = match (request.value, length) {
        (false, Some(_)) => return Err("for: only with true".into()),
        (false, None) => Wanted::No,
        (true, None) => Wanted::Yes,
        (true, Some(length)) => Wanted::Until(Instant::now() + length),
    };
    Ok((request.stream, wanted))
}

fn row(name: &str, switch: &Switch, statuses: &[(StatusCell, Numbers)]) -> Value {
    let state = statuses.iter().find(|(status, _)| status.stream() == name).map(|(status, _)| status.state());
    let (state, trouble) = match state {
        None => ("gone", None),
        Some(State::Failed(why)) => ("failed", Some(why)),
        Some(State::Recording) => ("recording", None),
        Some(State::Waiting) if switch.is_on() => ("waiting", None),
        Some(State::Waiting) => ("off", None),
    };
    let wanted = *lock(&switch.0);
    let until = match wanted {
        Wanted::Until(end) => Some(rfc3339(end.saturating_duration_since(Instant::now()))),
        Wanted::No | Wanted::Yes => None,
    };
    json!({ "stream": name, "value": switch.is_on(), "until": until.filter(|_| switch.is_on()), "state": state, "trouble": trouble })
}

/// The time that it is so long from now.
fn rfc3339(from_now: Duration) -> String {
    let micros = WallTime::now().0.saturating_add(i64::try_from(from_now.as_micros()).unwrap_or(i64::MAX));
    format!("{:.0}", jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX))
}

/// All of it is valid at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_and_off() {
        let switches = Switches::new(true);
        let (door, yard) = (switches.of("door"), switches.of("yard"));
        let put = |body: &str| switches.put(body.as_bytes()).map(drop).map_err(|(status, _)| status);
        assert!(!door.is_on());
        assert_eq!(put(r#"{"stream":"door","value":true}"#), Ok(()));
        assert!(door.is_on() && !yard.is_on());
        assert_eq!(put(r#"{"value":true,"for":"1h"}"#), Ok(()));
        assert!(door.is_on() && yard.is_on());
        assert_eq!(put(r#"{"stream":"yard","value":false}"#), Ok(()));
        assert!(!switches.of("yard").is_on() && Switches::new(false).of("x").is_on());
        for (wrong, status) in [
            ("", 400),
            ("{}", 400),
            (r#"{"value":1}"#, 400),
            (r#"{"value":true,"for":"x"}"#, 400),
            (r#"{"value":false,"for":"1s"}"#, 400),
            (r#"{"value":true,"more":1}"#, 400),
            (r#"{"stream":"roof","value":true}"#, 404),
        ] {
            assert_eq!(put(wrong), Err(status), "{wrong}");
        }
    }
}
