//! `NAME.jpg` of streams that have to be decoded for it, or scaled (`?width=`).

use super::answer::{Answer, NO_STORE, NOT_BEGUN, NOT_FOUND, Refusal, empty, respond};
use super::body::Reply;
use super::request::Request;
use super::router::Router;
use crate::media::{Codec, Kind, Track, VideoParams};
use crate::serve::live::form::Form;
use crate::serve::live::stream::{Content, Stream};
use crate::serve::snapshots::{Coded, NoImage, Picture, WIDTHS};
use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Method, StatusCode};
use std::sync::Arc;

const BUSY: Refusal = Refusal(StatusCode::SERVICE_UNAVAILABLE, "too many snapshots are being made");
pub(super) const NOT_DECODED: Refusal =
    Refusal(StatusCode::NOT_FOUND, "the pictures of this stream are not decoded here: H.264 of 4:2:0, 8 bits, up to 3840x2160 is");
const NO_DECODER: Refusal = Refusal(StatusCode::NOT_FOUND, "this server has no decoder; see NAME.mp4");
const NO_WIDTH: Refusal = Refusal(StatusCode::BAD_REQUEST, "width is a number of pixels, 16 to 3840");

pub(super) fn width(request: &Request) -> Result<Option<u32>, Refusal> {
    let width = request.query("width")?;
    width.map(|width| width.parse().ok().filter(|width| WIDTHS.contains(width)).ok_or(NO_WIDTH)).transpose()
}

pub(super) fn refusal(why: NoImage) -> Refusal {
    match why {
        NoImage::NoDecoder => NO_DECODER,
        NoImage::Busy => BUSY,
        NoImage::NotDecoded => NOT_DECODED,
    }
}

/// It is given as it is.
fn is_image(coded: &Coded, width: Option<u32>) -> bool {
    coded.track.codec == Codec::Jpeg && width.is_none()
}

impl Router<'_> {
    /// The newest picture. `optional=1`: 204 where there is none. So asks a page that can do without: browsers tell their users of other refusals.
    pub(super) async fn snapshot_if_any(&self, request: &Request, stream: &Arc<Stream>) -> Result<Answer, Refusal> {
        let is_optional = request.query("optional")?.as_deref() == Some("1");
        match self.snapshot(request, stream).await {
            Err(Refusal(status, _)) if is_optional && status != StatusCode::BAD_REQUEST => {
                let mut answer = empty(StatusCode::NO_CONTENT);
                answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(NO_STORE));
                Ok(answer)
            }
            answer => answer,
        }
    }

    /// Of H.264, the newest keyframe.
    async fn snapshot(&self, request: &Request, stream: &Arc<Stream>) -> Result<Answer, Refusal> {
        let width = width(request)?;
        let coded = self.newest_picture(stream)?;
        let image = match request.head.method {
            // Nothing is decoded for the length alone.
            Method::HEAD if !is_image(&coded, width) => Bytes::new(),
            _ => self.decoded(stream, width, coded).await?,
        };
        Ok(respond(StatusCode::OK, Reply::whole(image), HeaderValue::from_static("image/jpeg"), NO_STORE))
    }

    /// The newest picture as JPEG, not wider than this.
    pub(super) async fn image(&self, stream: &Arc<Stream>, width: Option<u32>) -> Result<Bytes, Refusal> {
        self.decoded(stream, width, self.newest_picture(stream)?).await
    }

    async fn decoded(&self, stream: &Arc<Stream>, width: Option<u32>, coded: Coded) -> Result<Bytes, Refusal> {
        if is_image(&coded, width) {
            return Ok(coded.data);
        }
        self.state.snapshots.image(Picture::Newest(stream.id()), width, coded).await.map_err(refusal)
    }

    fn newest_picture(&self, stream: &Arc<Stream>) -> Result<Coded, Refusal> {
        let (hub, content) = (self.hub.lock(), stream.content().ok_or(NOT_BEGUN)?);
        let ring = &hub.replica(stream.id()).ok_or(NOT_BEGUN)?.ring;
        match content {
            Content::Jpeg(video) => {
                let newest = ring.newest().ok_or(NOT_BEGUN)?;
                Ok(Coded { track: Track::video(Codec::Jpeg, VideoParams { ..video }), data: newest.payload() })
            }
            Content::Fmp4(init) => {
                let made = init.form(Form::H264).map_err(|_| {
                    let has_pictures = init.init().tracks.iter().any(|t| t.track.kind() == Kind::Video);
                    if has_pictures { NOT_DECODED } else { NOT_FOUND }
                })?;
                let key = ring.newest_key(made.selection.sync_track).ok_or(NOT_BEGUN)?.clone();
                // No viewer waits while it is taken out of its fragment.
                drop(hub);
                // What a keyframe belongs to says how to read it.
                let made = key.init.as_ref().and_then(|init| init.form(Form::H264).ok()).unwrap_or(made);
                let (track, data) = made.converter.first_picture(&key.payload(), key.chunk.start).ok_or(NOT_BEGUN)?;
                Ok(Coded { track, data })
            }
        }
    }
}
