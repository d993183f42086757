//! Answers below `NAME/rec/`: the recordings as a list, each as a file, and all of a time as a playlist of HLS.
//!
//! ```text
//! NAME/rec/, NAME/rec/index.json                   the days
//! NAME/rec/2026-11-26/, …/index.json               the recordings of a day, by UTC
//! NAME/rec/2026-11-26/18-20-00.000Z.mp4            one, as it stands
//! NAME/rec/2026-11-26/18-20-00.000Z.init.mp4       the init segment of its stream
//! NAME/rec/2026-11-26.mp4                          those of a day as one file ([`super::joined`])
//! NAME/rec/index.mp4?from=…&to=…                   what was recorded in this time, likewise
//! NAME/rec/index.m3u8?from=…&to=…                  what is to be played, as ranges of these files
//! ```

use super::api::{RecordedFile, Recordings, SegmentedFile};
use super::body::ClipBody;
use super::list::{self, Row};
use super::routes::{AskingForPast, BUSY, NO_TIME, NOT_RECORDED, NOTHING_THEN, TOO_LONG, UNREADABLE};
use super::times;
use crate::format::hls::{self, PLAYLIST_TYPE, RecordedPlaylist};
use crate::media::WallTime;
use crate::serve::http::answer::{Answer, Moved, NO_STORE, NOT_FOUND, Refusal, respond};
use crate::serve::http::body::Reply;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// The longest playlist or file, in microseconds: a day and an hour, as a day with a change of the clocks has.
pub(super) const LONGEST: i64 = 25 * 3_600_000_000;
const TOO_MANY: Refusal = Refusal(StatusCode::BAD_REQUEST, "there are too many recordings in this time: 2,000 at most");
/// A segment is no shorter, but for the last of a file.
const SEGMENT: Duration = Duration::from_secs(6);
/// Behind the name of a recording, instead of `.mp4`.
const INIT: &str = ".init.mp4";

impl AskingForPast<'_> {
    /// `path`: below `rec/`.
    ///
    /// # Errors
    /// There is no such thing.
    pub async fn archive(&self, path: &str) -> Result<Answer, Refusal> {
        match path.split_once('/').unwrap_or(("", path)) {
            ("", "") => self.days().await.map(|days| self.page(None, &days)),
            ("", "index.json") => self.days().await.map(|days| self.json("days", None, &days)),
            ("", "index.m3u8") => self.playlist().await,
            ("", "index.mp4") => self.joined().await,
            ("", name) if name.strip_suffix(".mp4").is_some_and(|day| day_of(day).is_some()) => {
                self.joined_day(name.trim_end_matches(".mp4")).await
            }
            // A day without its slash: what is in it is relative to it.
            ("", day) if day_of(day).is_some() => Ok(Moved(format!("{day}/")).into()),
            (day, "") => self.of_day(day).await.map(|files| self.page(Some(day), &files)),
            (day, "index.json") => self.of_day(day).await.map(|files| self.json("files", Some(day), &files)),
            (day, name) => match name.strip_suffix(INIT) {
                Some(stem) => self.init(day, &format!("{stem}.mp4")).await,
                None => self.recorded_file(day, name).await,
            },
        }
    }

    /// What is asked of the recordings, by a thread that may wait for a disk.
    pub(super) async fn ask<T: Send + 'static>(&self, ask: impl FnOnce(&dyn Recordings, &str) -> T + Send + 'static) -> Result<T, Refusal> {
        let recordings = self.state.recordings.clone().ok_or(NOT_RECORDED)?;
        let name = self.name.to_owned();
        tokio::task::spawn_blocking(move || ask(&*recordings, &name)).await.map_err(|_| UNREADABLE)
    }

    async fn days(&self) -> Result<Vec<Row>, Refusal> {
        let files = self.ask(|recordings, name| recordings.files(name, WallTime(i64::MIN), WallTime(i64::MAX))).await?;
        let mut days: BTreeMap<String, Row> = BTreeMap::new();
        for file in files.ok_or(NOTHING_THEN)? {
            let day = days.entry(file.day.clone()).or_insert_with(|| Row {
                name: format!("{}/", file.day),
                whole: Some(format!("{}.mp4", file.day)),
                from: file.from,
                to: file.to,
                bytes: 0,
                files: 0,
                open: false,
            });
            (day.to, day.open) = (day.to.max(file.to), day.open || file.open);
            day.bytes += file.bytes;
            day.files += 1;
        }
        Ok(days.into_values().collect())
    }

    async fn of_day(&self, day: &str) -> Result<Vec<Row>, Refusal> {
        let begin = day_of(day).ok_or(NOT_FOUND)?;
        let end = WallTime(begin.0.saturating_add(86_400_000_000));
        let files = self.ask(move |recordings, name| recordings.files(name, begin, end)).await?.ok_or(NOTHING_THEN)?;
        let row = |file: RecordedFile| Row {
            whole: None,
            name: file.name,
            from: file.from,
            to: file.to,
            bytes: file.bytes,
            files: 1,
            open: file.open,
        };
        // One that began the day before is in its list.
        Ok(files.into_iter().filter(|file| file.day == day).map(row).collect())
    }

    fn page(&self, day: Option<&str>, rows: &[Row]) -> Answer {
        list::page(self.request, self.name, day, rows)
    }

    fn json(&self, what: &str, day: Option<&str>, rows: &[Row]) -> Answer {
        let row = |row: &Row| {
            let mut about = json!({
                "name": row.name, "from": times::text(row.from), "to": times::text(row.to), "bytes": row.bytes, "files": row.files,
                "recording": row.open,
            });
            if let Some(whole) = &row.whole {
                about["file"] = whole.as_str().into();
            }
            about
        };
        let mut body = json!({ "stream": self.name, what: rows.iter().map(row).collect::<Vec<Value>>() });
        if let Some(day) = day {
            body["day"] = day.into();
            body["file"] = format!("../{day}.mp4").into();
        }
        let body = serde_json::to_vec(&body).unwrap_or_default();
        respond(StatusCode::OK, Reply::whole(body), HeaderValue::from_static("application/json"), NO_STORE)
    }

    async fn init(&self, day: &str, name: &str) -> Result<Answer, Refusal> {
        let (day, name) = (day.to_owned(), name.to_owned());
        let init = self.ask(move |recordings, stream| recordings.init(stream, &day, &name)).await?;
        let init = init.map_err(|_| UNREADABLE)?.ok_or(NOT_FOUND)?;
        Ok(respond(StatusCode::OK, Reply::whole(init), HeaderValue::from_static("video/mp4"), NO_STORE))
    }

    async fn recorded_file(&self, day: &str, name: &str) -> Result<Answer, Refusal> {
        let place = self.state.clips.clone().try_acquire_owned().map_err(|_| BUSY)?;
        let (of_day, named) = (day.to_owned(), name.to_owned());
        let file = self.ask(move |recordings, stream| recordings.file(stream, &of_day, &named)).await?;
        let file = file.inspect_err(|error| tracing::warn!("a recording: {error}")).map_err(|_| UNREADABLE)?.ok_or(NOT_FOUND)?;
        let (length, begin) = (file.size(), file.time().0);
        let etag = format!("\"{day}-{}-{length}\"", name.trim_end_matches(".mp4"));
        Ok(self.file(&etag, length, begin, |range| Reply::Clip(Box::new(ClipBody::new(file, range, place)))))
    }

    async fn playlist(&self) -> Result<Answer, Refusal> {
        let now = WallTime::now();
        let from = self.moment("from", now)?.ok_or(NO_TIME)?;
        let until = self.moment("to", now)?;
        let to = until.unwrap_or(now).min(now);
        if from >= to {
            return Err(if from >= now { NOTHING_THEN } else { NO_TIME });
        }
        if to.0.saturating_sub(from.0) > LONGEST {
            return Err(TOO_LONG);
        }
        // Without an end, and from a moment that stays where it is, it goes on as long as is recorded.
        let is_fixed = self.request.query("from")?.is_some_and(|text| !text.starts_with('-'));
        let may_go_on = until.is_none() && is_fixed;
        let find = move |recordings: &dyn Recordings, name: &str| {
            let is_open = || recordings.files(name, from, to)?.last().map(|last| last.open);
            let goes_on = may_go_on && is_open() == Some(true);
            (goes_on, recordings.segments(name, (from, to), SEGMENT, goes_on))
        };
        let (goes_on, files) = self.ask(find).await?;
        let files = files.map_err(|error| refused("a playlist", &error))?;
        if files.is_empty() {
            return Err(NOTHING_THEN);
        }
        let text = RecordedPlaylist { files: files.into_iter().map(listed).collect(), ended: !goes_on }.text();
        Ok(respond(StatusCode::OK, Reply::whole(text), HeaderValue::from_static(PLAYLIST_TYPE), NO_STORE))
    }
}

fn listed(SegmentedFile { file, segments }: SegmentedFile) -> hls::RecordedFile {
    let begin = segments.first().map_or(Duration::ZERO, |(_, begin, _)| *begin);
    hls::RecordedFile {
        uri: format!("{}/{}", file.day, file.name),
        init: format!("{}/{}{INIT}", file.day, file.name.trim_end_matches(".mp4")),
        begin: WallTime(file.from.0.saturating_add(i64::try_from(begin.as_micros()).unwrap_or(i64::MAX))),
        segments: segments.into_iter().map(|(bytes, _, length)| (bytes, length)).collect(),
    }
}

/// Why there is nothing made of several recordings.
pub(super) fn refused(what: &str, error: &io::Error) -> Refusal {
    if error.kind() == ErrorKind::FileTooLarge {
        return TOO_MANY;
    }
    tracing::warn!("{what}: {error}");
    UNREADABLE
}

/// When a day begins, by UTC.
pub(super) fn day_of(day: &str) -> Option<WallTime> {
    let date: jiff::civil::Date = (day.len() == 10).then(|| day.parse().ok()).flatten()?;
    let begin = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(WallTime(begin.timestamp().as_microsecond()))
}
