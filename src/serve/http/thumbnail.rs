//! `NAME.jpg?at=TIME`: the keyframe that was on the screen at a moment, out of the ring or the recordings. It does not change any more, so that a browser may keep it.

use super::answer::{Answer, REVALIDATE_PRIVATE, Refusal, THUMBNAIL, is_known, respond, tagged};
use super::body::Reply;
use super::request::Request;
use super::router::Router;
use super::snapshot::{NOT_DECODED, refusal, width};
use crate::format::bmff::{RecordedFragment, Snap, Split, Splitter};
use crate::media::{Kind, Timestamp, WallTime};
use crate::serve::live::form::Form;
use crate::serve::live::init_segment::InitSegment;
use crate::serve::live::stream::Stream;
use crate::serve::recordings::api::Recordings;
use crate::serve::recordings::in_ring::{self, PAUSE};
use crate::serve::recordings::routes::{NOTHING_THEN, UNREADABLE};
use crate::serve::recordings::times;
use crate::serve::rewind::past::begins;
use crate::serve::snapshots::{Coded, Picture};
use bytes::{Bytes, BytesMut};
use hyper::header::{self, HeaderValue};
use hyper::{Method, StatusCode};
use std::io::{self, ErrorKind};
use std::sync::Arc;

const NO_MOMENT: Refusal = Refusal(StatusCode::BAD_REQUEST, "at is a time such as 2026-11-26T18:20:00Z, or -10s");
/// A keyframe of so long ago, in microseconds, has come in and was recorded: no later one will be the answer.
const SETTLED: i64 = 10_000_000;

/// A keyframe, and when it was captured.
struct Keyframe {
    coded: Coded,
    time: WallTime,
}

impl Router<'_> {
    /// The keyframe at a moment, or the last before it.
    pub(super) async fn thumbnail(&self, request: &Request, name: &str) -> Result<Answer, Refusal> {
        let now = WallTime::now();
        let text = request.query("at")?.ok_or(NO_MOMENT)?;
        let at = times::moment(&text, now).ok_or(NO_MOMENT)?;
        let width = width(request)?;
        let found = self.find(request, name)?;
        let stream = found.as_ref().map(|found| &found.stream);
        // Of a group, the stream that is shown for it.
        let of = stream.map_or(name, |stream| &stream.name);
        let key = match stream.and_then(|stream| self.key_in_ring(stream, at, now)) {
            Some(key) => key?,
            None => self.recorded_key(of, at).await?,
        };
        let etag = format!("\"{:x}-{}\"", key.time.0, width.unwrap_or(0));
        let headers = &request.head.headers;
        let image = match request.head.method == Method::HEAD || is_known(headers, &etag) {
            true => Bytes::new(),
            false => {
                let picture = Picture::At(of.to_owned(), key.time);
                self.state.snapshots.image(picture, width, key.coded).await.map_err(refusal)?
            }
        };
        let is_settled = text.starts_with(|c: char| c.is_ascii_digit()) && at.0 < now.0 - SETTLED;
        let cache = if is_settled { THUMBNAIL } else { REVALIDATE_PRIVATE };
        let answer = || respond(StatusCode::OK, Reply::whole(image), HeaderValue::from_static("image/jpeg"), cache);
        let mut answer = tagged(headers, &etag, cache, answer);
        // When it was captured: the address of the same picture, whatever was asked for.
        let width = width.map(|width| format!("&width={width}")).unwrap_or_default();
        if let Ok(place) = HeaderValue::try_from(format!("{name}.jpg?at={}{width}", times::exact(key.time))) {
            answer.headers_mut().insert(header::CONTENT_LOCATION, place);
        }
        Ok(answer)
    }

    /// `None`: the ring has nothing of then.
    fn key_in_ring(&self, stream: &Arc<Stream>, at: WallTime, now: WallTime) -> Option<Result<Keyframe, Refusal>> {
        let mut hub = self.hub.lock();
        let (key, time) = in_ring::keyframe(&hub.open(stream)?.ring, at, now)?;
        let init = key.init.as_ref()?;
        Some(picture(init, &key.payload(), key.chunk.start).map(|coded| Keyframe { coded, time }))
    }

    async fn recorded_key(&self, name: &str, at: WallTime) -> Result<Keyframe, Refusal> {
        let recordings = self.state.recordings.clone().ok_or(NOTHING_THEN)?;
        let place = self.state.snapshots.reading().await.map_err(refusal)?;
        let name = name.to_owned();
        let read = move || {
            let _place = place;
            let fragment = read(&*recordings, &name, at).inspect_err(|error| tracing::warn!("{name}: a thumbnail: {error}"));
            fragment.map_err(|_| UNREADABLE)?.ok_or(NOTHING_THEN).and_then(|fragment| keyframe(&fragment))
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| UNREADABLE)?
    }
}

/// The fragment with that keyframe. Waits for a disk.
fn read(recordings: &dyn Recordings, name: &str, at: WallTime) -> io::Result<Option<RecordedFragment>> {
    // A picture is not what was on the screen long after its recording ended.
    let around = (WallTime(at.0.saturating_sub(PAUSE)), WallTime(at.0.saturating_add(1)));
    let is_there = recordings.files(name, around.0, around.1).is_some_and(|files| !files.is_empty());
    let Some(mut reader) = recordings.reader(name).filter(|_| is_there) else { return Ok(None) };
    if reader.seek(at, Snap::Before)? { reader.next() } else { Ok(None) }
}

fn keyframe(fragment: &RecordedFragment) -> Result<Keyframe, Refusal> {
    let init = init(&fragment.init).map_err(|_| UNREADABLE)?;
    let time = begins(fragment).ok_or(UNREADABLE)?;
    Ok(Keyframe { coded: picture(&init, &fragment.bytes, Timestamp::ZERO)?, time })
}

fn init(bytes: &[u8]) -> io::Result<InitSegment> {
    match Splitter::default().next(&mut BytesMut::from(bytes), true) {
        Ok(Split::Init(init)) => Ok(InitSegment::new(init)),
        _ => Err(ErrorKind::InvalidData.into()),
    }
}

/// The first picture of a chunk, to be decoded.
fn picture(init: &InitSegment, chunk: &Bytes, start: Timestamp) -> Result<Coded, Refusal> {
    let has_pictures = || init.init().tracks.iter().any(|track| track.track.kind() == Kind::Video);
    let made = init.form(Form::H264).map_err(|_| if has_pictures() { NOT_DECODED } else { NOTHING_THEN })?;
    let (track, data) = made.converter.first_picture(chunk, start).ok_or(NOTHING_THEN)?;
    Ok(Coded { track, data })
}
