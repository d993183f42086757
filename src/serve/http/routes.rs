//! The paths that there are, and what each needs of who asks. A new route is a variant here: the compiler then asks what it needs, and what it answers.

use super::assets::{self, Asset};
use crate::access::{Need, Right};
use crate::serve::live::registry::Registry;

/// Where a path leads.
#[derive(Clone, Copy, Debug)]
pub enum Route<'a> {
    /// The page of all streams.
    Page,
    /// `/api/streams`.
    Streams,
    /// `/api/events`.
    Events,
    /// `/api/ws`.
    WebSocket,
    /// `/api/login`.
    Login,
    /// `/api/logout`.
    Logout,
    /// A file of the player.
    Asset(&'static Asset),
    /// `NAME`, `NAME.mp4`, `NAME.mjpg`, `NAME.jpg`, `NAME.h264`, `NAME.ts`, `NAME.flv`: a stream, whether it is there or not, and its form.
    Stream { name: &'a str, form: &'a str },
    /// `/wfs/NAME`, or a WebSocket at `/NAME`: for wfs.js.
    Wfs { name: &'a str },
    /// `/video_feed`: multipart, under the name that many a Flask page has for it.
    VideoFeed,
    /// `NAME/FILE`, `NAME/QUALITY/FILE`: what HLS has of a stream, or of one of a group, whether it is there or not.
    Hls { name: &'a str, quality: Option<&'a str>, file: &'a str },
    /// `NAME/rec.json`, `NAME/clip.mp4`, `NAME/rec/…`, and as `jpg` `NAME.jpg?at=TIME`: what was before, of a stream that is there or was.
    Past { name: &'a str, file: &'a str },
    /// `NAME/record`: whether a stream is being recorded.
    Record { name: &'a str },
    /// `in/NAME`: a stream that a client sends.
    Publish { name: &'a str },
    /// `*`: the server itself (RFC 9110, section 9.3.7).
    Server,
    /// Nothing can be there.
    Nothing,
}

impl<'a> Route<'a> {
    /// `path`: in its normal form.
    pub fn of(path: &'a str) -> Route<'a> {
        let Some(name) = path.strip_prefix('/') else { return if path == "*" { Route::Server } else { Route::Nothing } };
        match name {
            "" => Route::Page,
            "api/streams" => Route::Streams,
            "api/events" => Route::Events,
            "api/ws" => Route::WebSocket,
            "api/login" => Route::Login,
            "api/logout" => Route::Logout,
            "video_feed" => Route::VideoFeed,
            _ => assets::asset(name).map_or_else(|| Route::of_stream(name), Route::Asset),
        }
    }

    fn of_stream(path: &'a str) -> Route<'a> {
        // A stream may be called `rec` or `record`.
        let last = |folder: &str| path.strip_prefix(folder).filter(|name| !name.is_empty() && !name.contains(['.', '/']));
        if let Some(name) = last("wfs/") {
            return Route::Wfs { name };
        }
        if let Some(name) = last("in/") {
            return if Registry::allows(name) { Route::Publish { name } } else { Route::Nothing };
        }
        if let Some((name, file)) = path.split_once('/')
            && (matches!(file, "rec.json" | "clip.mp4" | "rec") || file.starts_with("rec/"))
        {
            return if Registry::allows(name) { Route::Past { name, file } } else { Route::Nothing };
        }
        if let Some(name) = path.strip_suffix("/record") {
            return if Registry::allows(name) { Route::Record { name } } else { Route::Nothing };
        }
        // No stream has a name with a dot: what is under /wfs/ is a file of a stream of that name, or a stream.
        if let Some((name, file)) = path.split_once('/')
            && let Some((stem, "m3u8" | "m4s" | "mp4")) = file.rsplit_once('.')
        {
            let (quality, file) = file.split_once('/').map_or((None, file), |(quality, file)| (Some(quality), file));
            let fits = Registry::allows(name) && quality.is_none_or(Registry::allows) && !file.contains('/') && !stem.ends_with('/');
            return if fits { Route::Hls { name, quality, file } } else { Route::Nothing };
        }
        if let Some(name) = path.strip_prefix("wfs/").filter(|name| !name.is_empty() && !name.contains('/')) {
            return Route::Wfs { name };
        }
        let (name, form) = path.rsplit_once('.').unwrap_or((path, ""));
        let fits = !path.contains('/') && matches!(form, "" | "mp4" | "mjpg" | "jpg" | "h264" | "ts" | "flv") && !path.ends_with('.');
        if fits { Route::Stream { name, form } } else { Route::Nothing }
    }

    /// Whether a cache could answer in its place: its answer ends, and is the same for all who may see it.
    pub fn is_cacheable(&self) -> bool {
        matches!(self, Route::Asset(_) | Route::Stream { form: "" | "jpg", .. } | Route::Hls { .. })
    }

    /// `stream`: the one that is meant where the path names none, by the query, or the only one there is.
    pub fn need(&self, stream: Option<&'a str>) -> Need<'a> {
        match *self {
            // The player is for everybody's page, and the login for who is not known yet.
            Route::Asset(_) | Route::Login | Route::Logout | Route::Server | Route::Nothing => Need::Nothing,
            Route::Page | Route::Streams | Route::Events => Need::SomeStream,
            Route::WebSocket | Route::VideoFeed => stream.map_or(Need::SomeStream, |name| Need::Stream(Right::View, name)),
            Route::Wfs { name } => Need::Stream(Right::View, stream.unwrap_or(name)),
            Route::Stream { name, .. } | Route::Hls { name, .. } => Need::Stream(Right::View, name),
            Route::Past { name, .. } => Need::Stream(Right::Rewind, name),
            Route::Record { name } => Need::Stream(Right::Record, name),
            Route::Publish { name } => Need::Stream(Right::Publish, name),
        }
    }
}

/// A link in the path: `/t/TOKEN/…` is the token, and the path behind it.
pub fn split_link(path: &str) -> (Option<&str>, &str) {
    let inside = path.strip_prefix("/t/").and_then(|rest| Some((rest, rest.find('/')?)));
    inside.map_or((None, path), |(rest, at)| (Some(&rest[..at]), &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path for each variant; a new variant has no arm here.
    fn examples() -> Vec<(&'static str, Need<'static>)> {
        let all = [
            "/",
            "/api/streams",
            "/api/events",
            "/api/ws",
            "/api/login",
            "/api/logout",
            "/page.css",
            "/cam",
            "/cam.mp4",
            "/cam.mjpg",
            "/cam.jpg",
            "/cam.h264",
            "/cam.ts",
            "/cam.flv",
            "/wfs/cam",
            "/video_feed",
            "*",
            "/a/b",
            "/cam/index.m3u8",
            "/cam/hd/index.m3u8",
            "/cam/rec.json",
            "/cam/clip.mp4",
            "/cam/rec/index.m3u8",
            "/in/cam",
            "/cam/record",
        ];
        let number = |route: &Route<'_>| match route {
            Route::Page => 0,
            Route::Streams => 1,
            Route::WebSocket => 2,
            Route::Login => 3,
            Route::Logout => 4,
            Route::Asset(_) => 5,
            Route::Stream { .. } => 6,
            Route::Wfs { .. } => 7,
            Route::VideoFeed => 8,
            Route::Server => 9,
            Route::Nothing => 10,
            Route::Events => 11,
            Route::Hls { .. } => 12,
            Route::Past { .. } => 13,
            Route::Publish { .. } => 14,
            Route::Record { .. } => 15,
        };
        let mut seen: Vec<_> = all.iter().map(|path| number(&Route::of(path))).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, (0..16).collect::<Vec<_>>(), "each is there");
        all.map(|path| (path, Route::of(path).need(Some("door")))).into()
    }

    #[test]
    fn every_route_says_what_it_needs() {
        let needs: Vec<_> = examples().into_iter().filter(|(_, need)| *need != Need::Nothing).collect();
        let cam = Need::Stream(Right::View, "cam");
        let wanted = [
            ("/", Need::SomeStream),
            ("/api/streams", Need::SomeStream),
            ("/api/events", Need::SomeStream),
            ("/api/ws", Need::Stream(Right::View, "door")),
            ("/cam", cam),
            ("/cam.mp4", cam),
            ("/cam.mjpg", cam),
            ("/cam.jpg", cam),
            ("/cam.h264", cam),
            ("/cam.ts", cam),
            ("/cam.flv", cam),
            ("/wfs/cam", Need::Stream(Right::View, "door")),
            ("/video_feed", Need::Stream(Right::View, "door")),
            ("/cam/index.m3u8", cam),
            ("/cam/hd/index.m3u8", cam),
            ("/cam/rec.json", Need::Stream(Right::Rewind, "cam")),
            ("/cam/clip.mp4", Need::Stream(Right::Rewind, "cam")),
            ("/cam/rec/index.m3u8", Need::Stream(Right::Rewind, "cam")),
            ("/in/cam", Need::Stream(Right::Publish, "cam")),
            ("/cam/record", Need::Stream(Right::Record, "cam")),
        ];
        assert_eq!(needs, wanted);
        for name in ["rec", "record", "in"] {
            assert_eq!(Route::of(&format!("/in/{name}")).need(None), Need::Stream(Right::Publish, name));
            assert_eq!(Route::of(&format!("/wfs/{name}")).need(None), Need::Stream(Right::View, name));
        }
        assert_eq!(Route::of("/in/rec/index.m3u8").need(None), Need::Stream(Right::Rewind, "in"));
        assert_eq!(Route::WebSocket.need(None), Need::SomeStream);
        assert_eq!((Route::VideoFeed.need(None), Route::of("/wfs/cam").need(None)), (Need::SomeStream, cam));
    }

    #[test]
    fn what_a_cdn_may_have() {
        let cacheable: Vec<_> = examples().into_iter().map(|(path, _)| path).filter(|path| Route::of(path).is_cacheable()).collect();
        assert_eq!(cacheable, ["/page.css", "/cam", "/cam.jpg", "/cam/index.m3u8", "/cam/hd/index.m3u8"]);
    }

    #[test]
    fn what_is_no_route() {
        for nothing in [
            "/a/b",
            "//cam",
            "/cam/",
            "/cam.avi",
            "/cam.",
            "cam",
            "",
            "/api/x",
            "/api/ws/",
            "/wfs/",
            "/wfs/a/b",
            "/video_feed/",
            "/api/index.m3u8",
            "/api/rec.json",
            "/a.b/clip.mp4",
            "/a/b/c/index.m3u8",
            "/a//index.m3u8",
            "/a/index",
            "/in/",
            "/in/a/b",
            "/in/api",
            "/in/a.b",
        ] {
            assert!(matches!(Route::of(nothing), Route::Nothing), "{nothing}");
        }
    }

    #[test]
    fn links_in_paths() {
        assert_eq!(split_link("/t/1.a.b/cam.mp4"), (Some("1.a.b"), "/cam.mp4"));
        assert_eq!(split_link("/t/x/"), (Some("x"), "/"));
        assert_eq!(split_link("/t//t/x"), (Some(""), "/t/x"));
        for none in ["/t", "/t/", "/t/x", "/tt/x/y", "/", "*", ""] {
            assert_eq!(split_link(none), (None, none));
        }
    }
}
