//! Answers: `NAME/rec.json`, `NAME/clip.mp4?from=…&to=…`, and what is below `NAME/rec/` ([`super::archive`]).

use super::api::{RecordedClip, RecordedSpan, Recordings, Timeline};
use super::body::ClipBody;
use super::in_ring::{self, RingSpan};
use super::{from_ring, times};
use crate::media::WallTime;
use crate::serve::hls::media::Media;
use crate::serve::http::answer::{Answer, Moved, NO_STORE, NOT_FOUND, Refusal, respond};
use crate::serve::http::body::Reply;
use crate::serve::http::ranged;
use crate::serve::http::request::Request;
use crate::serve::hub::SharedHub;
use crate::serve::live::stream::Stream;
use crate::serve::net::link::Link;
use crate::serve::state::ServerState;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

/// The longest clip, in microseconds: an hour.
const LONGEST: i64 = 3_600_000_000;

pub const NO_TIME: Refusal =
    Refusal(StatusCode::BAD_REQUEST, "from and to are times such as 2026-11-26T18:20:00Z, or -10s; from is needed, and to is after it");
pub const TOO_LONG: Refusal = Refusal(StatusCode::BAD_REQUEST, "that is too long: a clip is an hour long at most, a playlist a day");
pub const NOTHING_THEN: Refusal = Refusal(StatusCode::NOT_FOUND, "there is nothing of that time; see rec.json");
pub const NOT_RECORDED: Refusal = Refusal(StatusCode::NOT_FOUND, "nothing is recorded here; start h5serve with --record DIR");
pub const UNREADABLE: Refusal = Refusal(StatusCode::INTERNAL_SERVER_ERROR, "the recordings cannot be read");
pub const BUSY: Refusal = Refusal(StatusCode::SERVICE_UNAVAILABLE, "too many clips are being read");

/// One request.
#[derive(Clone, Copy)]
pub struct AskingForPast<'a> {
    pub state: &'a ServerState,
    pub hub: &'a SharedHub,
    pub link: &'a Arc<Link>,
    pub request: &'a Request,
    /// Of the stream.
    pub name: &'a str,
    /// If it is there now.
    pub stream: Option<&'a Arc<Stream>>,
}

impl AskingForPast<'_> {
    /// # Errors
    /// There is nothing of the kind, or the query is none.
    pub async fn answer(&self, file: &str) -> Result<Answer, Refusal> {
        match file {
            "rec.json" => self.timeline().await,
            "clip.mp4" => self.clip().await,
            "rec" => Ok(Moved("rec/".into()).into()),
            _ => self.archive(file.strip_prefix("rec/").ok_or(NOT_FOUND)?).await,
        }
    }

    pub(super) fn moment(&self, name: &str, now: WallTime) -> Result<Option<WallTime>, Refusal> {
        let given = self.request.query(name)?;
        given.map(|text| times::moment(&text, now).ok_or(NO_TIME)).transpose()
    }

    async fn timeline(&self) -> Result<Answer, Refusal> {
        let now = WallTime::now();
        let from = self.moment("from", now)?.unwrap_or(WallTime(0));
        let to = self.moment("to", now)?.unwrap_or(WallTime(i64::MAX));
        let recordings = self.state.recordings.clone();
        let nothing = if recordings.is_some() { NOTHING_THEN } else { NOT_RECORDED };
        let name = self.name.to_owned();
        let find = move || recordings?.timeline(&name, from, to);
        let found = tokio::task::spawn_blocking(find).await.map_err(|_| UNREADABLE)?;
        let ring = self.stream.and_then(|stream| in_ring::span(&self.hub.lock().open(stream)?.ring, now));
        if found.is_none() && ring.is_none() {
            return Err(nothing);
        }
        let body = serde_json::to_vec(&listing(self.name, &found.unwrap_or_default(), ring)).unwrap_or_default();
        Ok(respond(StatusCode::OK, Reply::whole(body), HeaderValue::from_static("application/json"), NO_STORE))
    }

    async fn clip(&self) -> Result<Answer, Refusal> {
        let now = WallTime::now();
        let from = self.moment("from", now)?.ok_or(NO_TIME)?;
        let to = self.moment("to", now)?.unwrap_or(now).min(now);
        if from >= to {
            return Err(if from >= now { NOTHING_THEN } else { NO_TIME });
        }
        if to.0.saturating_sub(from.0) > LONGEST {
            return Err(TOO_LONG);
        }
        let place = self.state.clips.clone().try_acquire_owned().map_err(|_| BUSY)?;
        if let Some(recordings) = self.state.recordings.clone()
            && let Some(clip) = self.recorded_clip(recordings, from, to).await?
        {
            let (size, head, time) = (clip.size(), clip.head().clone(), clip.time());
            return Ok(self.clip_file(&head, size, time, |range| Reply::Clip(Box::new(ClipBody::new(clip, range, place)))));
        }
        let stream = self.stream.ok_or(NOTHING_THEN)?;
        let clip = {
            let mut hub = self.hub.lock();
            let replica = hub.open(stream).ok_or(NOTHING_THEN)?;
            let clip = from_ring::clip(&replica.ring, from, to, now).ok_or(NOTHING_THEN)?;
            replica.add_body(self.link);
            clip
        };
        let media = Media::of(clip.pieces, stream.clone(), self.link.clone());
        let time = (clip.layout.begin, clip.layout.end);
        Ok(self.clip_file(&clip.layout.head, media.len(), time, |range| Reply::Media(Box::new(media.cut(range)))))
    }

    async fn recorded_clip(
        &self,
        recordings: Arc<dyn Recordings>,
        from: WallTime,
        to: WallTime,
    ) -> Result<Option<Arc<dyn RecordedClip>>, Refusal> {
        if let Some(clip) = self.state.clip_cache.find(self.name, (from, to)) {
            return Ok(Some(clip));
        }
        let name = self.name.to_owned();
        let find = move || recordings.clip(&name, from, to);
        let found = tokio::task::spawn_blocking(find).await.map_err(|_| UNREADABLE)?;
        let found = found.inspect_err(|error| tracing::warn!("a clip: {error}")).map_err(|_| UNREADABLE)?;
        if let Some(clip) = &found {
            self.state.clip_cache.keep(self.name, clip);
        }
        Ok(found)
    }

    /// A clip to keep, or a range of it.
    fn clip_file(&self, head: &Bytes, length: u64, (begin, end): (WallTime, WallTime), body: impl FnOnce(Range<u64>) -> Reply) -> Answer {
        let mut hasher = DefaultHasher::new();
        (head, length).hash(&mut hasher);
        let mut answer = self.file(&format!("\"{:016x}\"", hasher.finish()), length, begin, body);
        // The same file again, whenever it is asked for.
        let place = format!("clip.mp4?from={}&to={}", times::exact(begin), times::exact(end));
        if let Ok(place) = HeaderValue::try_from(place) {
            answer.headers_mut().insert(header::CONTENT_LOCATION, place);
        }
        answer
    }

    /// A file to keep that begins then, or a range of it.
    pub(super) fn file(&self, etag: &str, length: u64, begin: WallTime, body: impl FnOnce(Range<u64>) -> Reply) -> Answer {
        self.named(&times::in_name(begin), etag, length, body)
    }

    /// A file to keep that has this behind the name of its stream, or a range of it.
    pub(super) fn named(&self, name: &str, etag: &str, length: u64, body: impl FnOnce(Range<u64>) -> Reply) -> Answer {
        let file = ranged::File { etag, length, content_type: "video/mp4", cache: NO_STORE };
        let mut answer = ranged::file(self.request, file, body);
        let name = format!("attachment; filename=\"{}-{name}.mp4\"", self.name);
        if let Ok(name) = HeaderValue::try_from(name) {
            answer.headers_mut().insert(header::CONTENT_DISPOSITION, name);
        }
        answer
    }
}

fn listing(stream: &str, found: &Timeline, ring: Option<RingSpan>) -> Value {
    let span = |span: &RecordedSpan| json!({ "from": times::text(span.from), "to": times::text(span.to), "bytes": span.bytes, "files": span.files });
    let gap = |two: &[RecordedSpan]| json!({ "from": times::text(two[0].to), "to": times::text(two[1].from) });
    let in_ring = |ring: RingSpan| json!({ "from": times::text(ring.from), "to": times::text(ring.to), "live": ring.live });
    json!({
        "stream": stream,
        "recording": found.recording,
        "trouble": found.trouble,
        "bytes": found.spans.iter().map(|span| span.bytes).sum::<u64>(),
        "spans": found.spans.iter().map(span).collect::<Vec<_>>(),
        // What can be seen again without a recording.
        "ring": ring.map(in_ring),
        "gaps": found.spans.windows(2).map(gap).collect::<Vec<_>>(),
    })
}
