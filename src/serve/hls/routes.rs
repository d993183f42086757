//! Answers: a name under a stream, to a playlist, an init segment, a segment or a part.

use super::media::Media;
use super::playlists;
use super::waiting::{self, Nothing};
use crate::format::hls::{Asked, Directives, Multivariant, Name, Object, PLAYLIST_TYPE, Rendition};
use crate::serve::http::answer::{Answer, IMMUTABLE, NOT_BEGUN, Refusal, respond, tagged};
use crate::serve::http::body::Reply;
use crate::serve::http::ranged;
use crate::serve::http::request::Request;
use crate::serve::hub::SharedHub;
use crate::serve::live::stream::{Content, Stream};
use crate::serve::net::link::Link;
use crate::serve::refusals::Limit;
use crate::serve::state::ServerState;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Of a playlist. A cache gives it to those who ask at nearly the same time. A browser asks again: video.js asks for a part that it has when it wants to
/// know what is new.
const PLAYLISTS: &str = "max-age=0, s-maxage=1";
/// Where a restart may give the same name to other bytes.
const WHILE_LISTED: &str = "max-age=60";

const GONE: Refusal = Refusal(StatusCode::NOT_FOUND, "this is not there any more, or never was; see index.m3u8");
const AHEAD: Refusal = Refusal(StatusCode::BAD_REQUEST, "_HLS_msn or _HLS_part is too far ahead");
const LATE: Refusal = Refusal(StatusCode::SERVICE_UNAVAILABLE, "nothing has come of the stream in time");
const NO_HLS: Refusal = Refusal(StatusCode::NOT_FOUND, "the stream is MJPEG, which HLS does not have; see NAME.mjpg");

/// One request.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    pub state: &'a ServerState,
    pub hub: &'a SharedHub,
    pub link: &'a Arc<Link>,
    pub request: &'a Request,
    pub stream: &'a Arc<Stream>,
}

impl Asking<'_> {
    /// # Errors
    /// What is asked for is not there, or is no name.
    pub async fn answer(&self, name: &str) -> Result<Answer, Refusal> {
        let name = Name::parse(name).ok_or(GONE)?;
        self.is_hls()?;
        match name {
            Name::Multivariant => Ok(self.text(self.multivariant(Asked::Wait).await?.text())),
            Name::Playlist(rendition) => self.playlist(rendition).await,
            Name::Init(rendition, hash) => {
                let init = self.until(GONE, |timelines, ring| {
                    let mut find = || {
                        let rendered = timelines.get(rendition)?;
                        Some(rendered.init(ring, hash)?.init_of(rendered.tracks))
                    };
                    find().map_or(Asked::None, Asked::Ready)
                });
                let init = init.await?;
                Ok(self.file(&name, rendition, IMMUTABLE, init.len() as u64, |range| {
                    Reply::whole(init.slice(range.start as usize..range.end as usize))
                }))
            }
            Name::Media(rendition, object) => self.media(&name, rendition, &object).await,
        }
    }

    /// The multivariant playlist of a group, of which this stream is the best that there is.
    ///
    /// # Errors
    /// None of its streams can be played.
    pub async fn group(&self, members: &[Arc<Stream>]) -> Result<Answer, Refusal> {
        let mut variants = Vec::new();
        for member in members {
            let asking = Asking { stream: member, ..*self };
            let variant = match member.id() == self.stream.id() {
                true => Some(asking.multivariant(Asked::Wait).await?),
                // Of the others, those that have begun by now.
                false => asking.multivariant(Asked::None).await.ok(),
            };
            variants.extend(variant.map(|variant| (member.name.clone(), variant)));
        }
        Ok(self.text(Multivariant::group(&variants)))
    }

    fn is_hls(&self) -> Result<(), Refusal> {
        match self.stream.content() {
            None => Err(NOT_BEGUN),
            Some(Content::Jpeg(_)) => Err(NO_HLS),
            Some(Content::Fmp4(_)) => Ok(()),
        }
    }

    /// `before`: what is done before there is anything.
    async fn multivariant(&self, before: Asked<()>) -> Result<Multivariant, Refusal> {
        self.is_hls()?;
        let found = self.until(GONE, |timelines, ring| {
            let begun = timelines.renditions().iter().any(|rendered| rendered.timeline.has_part());
            match (begun, before) {
                (true, _) => playlists::multivariant(timelines, ring).map_or(Asked::None, Asked::Ready),
                (false, Asked::Wait) => Asked::Wait,
                (false, _) => Asked::None,
            }
        });
        found.await
    }

    async fn until<T>(
        &self,
        gone: Refusal,
        look: impl FnMut(&mut crate::serve::live::timelines::Timelines, &crate::serve::live::ring::Ring) -> Asked<T>,
    ) -> Result<T, Refusal> {
        let found = waiting::until(&self.state.hls, self.hub, self.stream, self.request.peer, look).await;
        found.map_err(|nothing| match nothing {
            Nothing::Gone => gone,
            Nothing::NotBegun => NOT_BEGUN,
            Nothing::TooLate => LATE,
            Nothing::Full => {
                self.state.refusals.note(Limit::Waiting);
                Refusal(StatusCode::SERVICE_UNAVAILABLE, Limit::Waiting.reached())
            }
        })
    }

    async fn playlist(&self, rendition: Rendition) -> Result<Answer, Refusal> {
        let query = self.request.head.uri.query().unwrap_or_default();
        let asked = Directives::parse(query).map_err(|_| {
            Refusal(StatusCode::BAD_REQUEST, "_HLS_msn and _HLS_part are numbers, _HLS_part needs _HLS_msn, _HLS_skip is YES or v2")
        })?;
        let window = self.state.hls.window;
        let gone = if asked.segment.is_some() { AHEAD } else { GONE };
        let text = self.until(gone, |timelines, _| {
            let Some(rendered) = timelines.get(rendition) else { return Asked::Ready(None) };
            let timeline = &rendered.timeline;
            let is_there = match asked.segment {
                Some(number) => timeline.has(number, asked.part),
                // Players give up on a playlist without a segment.
                None if timeline.has_segment() => Asked::Ready(()),
                None => Asked::Wait,
            };
            match is_there {
                Asked::Ready(()) => Asked::Ready(playlists::playlist(timelines, rendition, window, asked.skip)),
                Asked::Wait => Asked::Wait,
                Asked::None => Asked::None,
            }
        });
        Ok(self.text(text.await?.ok_or(GONE)?))
    }

    async fn media(&self, name: &Name, rendition: Rendition, object: &Object) -> Result<Answer, Refusal> {
        let media = self.until(GONE, |timelines, ring| {
            let Some(rendered) = timelines.get(rendition) else { return Asked::None };
            match rendered.timeline.find(object) {
                Asked::Ready(range) if ring.get(range.first).is_some() => {
                    Asked::Ready(Media::new(rendered.chunks(ring, range), self.stream.clone(), self.link.clone()))
                }
                Asked::Wait => Asked::Wait,
                _ => Asked::None,
            }
        });
        let media = media.await?;
        if let Some(replica) = self.hub.lock().open(self.stream) {
            replica.add_body(self.link);
        }
        let cache = if self.stream.time_zero().is_some() { IMMUTABLE } else { WHILE_LISTED };
        Ok(self.file(name, rendition, cache, media.len(), |range| Reply::Media(Box::new(media.cut(range)))))
    }

    fn text(&self, text: String) -> Answer {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let etag = format!("\"{:016x}\"", hasher.finish());
        tagged(&self.request.head.headers, &etag, PLAYLISTS, || {
            respond(StatusCode::OK, Reply::whole(text), HeaderValue::from_static(PLAYLIST_TYPE), PLAYLISTS)
        })
    }

    /// A file that never changes, or a range of it.
    fn file(
        &self,
        name: &Name,
        rendition: Rendition,
        cache: &'static str,
        length: u64,
        body: impl FnOnce(std::ops::Range<u64>) -> Reply,
    ) -> Answer {
        let etag = format!("\"{name}\"");
        ranged::file(self.request, ranged::File { etag: &etag, length, content_type: rendition.content_type(), cache }, body)
    }
}
