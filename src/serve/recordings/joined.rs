//! Answers: `NAME/rec/2026-11-26.mp4` and `NAME/rec/index.mp4?from=…&to=…`, recordings one behind the other as one file.

use super::api::{JoinedFile, Joining};
use super::archive::{LONGEST, day_of, refused};
use super::body::ClipBody;
use super::routes::{AskingForPast, BUSY, NO_TIME, NOTHING_THEN, TOO_LONG};
use super::times;
use crate::media::WallTime;
use crate::serve::http::answer::{Answer, NOT_FOUND, Refusal};
use crate::serve::http::body::Reply;
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use std::hash::{DefaultHasher, Hash, Hasher};

const NO_GAPS: Refusal = Refusal(StatusCode::BAD_REQUEST, "gaps is close, which is usual, or keep");

impl AskingForPast<'_> {
    /// All recordings that begin on this day, by UTC.
    pub(super) async fn joined_day(&self, day: &str) -> Result<Answer, Refusal> {
        let from = day_of(day).ok_or(NOT_FOUND)?;
        let to = WallTime(from.0.saturating_add(86_400_000_000));
        self.join(Joining { from, to, cut: false, keep_gaps: self.keep_gaps()? }, day).await
    }

    /// What was recorded between two moments, from a keyframe to a keyframe.
    pub(super) async fn joined(&self) -> Result<Answer, Refusal> {
        let now = WallTime::now();
        let from = self.moment("from", now)?.ok_or(NO_TIME)?;
        let to = self.moment("to", now)?.unwrap_or(now);
        if from >= to {
            return Err(NO_TIME);
        }
        if to.0.saturating_sub(from.0) > LONGEST {
            return Err(TOO_LONG);
        }
        self.join(Joining { from, to, cut: true, keep_gaps: self.keep_gaps()? }, "").await
    }

    fn keep_gaps(&self) -> Result<bool, Refusal> {
        match self.request.query("gaps")?.as_deref() {
            None | Some("close") => Ok(false),
            Some("keep") => Ok(true),
            Some(_) => Err(NO_GAPS),
        }
    }

    /// `name`: behind that of the stream, in the name of the file; else it is named by its begin.
    async fn join(&self, joining: Joining, name: &str) -> Result<Answer, Refusal> {
        let place = self.state.clips.clone().try_acquire_owned().map_err(|_| BUSY)?;
        let joined = self.ask(move |recordings, stream| recordings.joined(stream, joining)).await?;
        let joined = joined.map_err(|error| refused("recordings as one file", &error))?;
        let JoinedFile { file, next } = joined.ok_or(NOTHING_THEN)?;
        let (length, time) = (file.size(), file.time());
        let mut hasher = DefaultHasher::new();
        (file.head(), length, time.0.0, time.1.0, joining.keep_gaps).hash(&mut hasher);
        let etag = format!("\"{:016x}\"", hasher.finish());
        let name = if name.is_empty() { times::in_name(time.0) } else { name.to_owned() };
        let mut answer = self.named(&name, &etag, length, |range| Reply::Clip(Box::new(ClipBody::new(file, range, place))));
        // What has other tracks is a file of its own (RFC 8288).
        if let Some(next) = next.filter(|next| *next < joining.to) {
            let link = format!("<index.mp4?from={}&to={}>; rel=\"next\"", times::exact(next), times::exact(joining.to));
            if let Ok(link) = HeaderValue::try_from(link) {
                answer.headers_mut().insert(header::LINK, link);
            }
        }
        Ok(answer)
    }
}
