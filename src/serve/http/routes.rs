//! The paths that there are, and what each needs of who asks. A new route is a variant here: the compiler then asks what it needs, and what it answers.

use super::assets::{self, Asset};
use crate::access::{Need, Right};

/// Where a path leads.
#[derive(Clone, Copy, Debug)]
pub enum Route<'a> {
    /// The page of all streams.
    Page,
    /// `/api/streams`.
    Streams,
    /// `/api/ws`.
    WebSocket,
    /// `/api/login`.
    Login,
    /// `/api/logout`.
    Logout,
    /// A file of the player.
    Asset(&'static Asset),
    /// `NAME`, `NAME.mp4`, `NAME.mjpg`, `NAME.jpg`: a stream, whether it is there or not, and its form.
    Stream { name: &'a str, form: &'a str },
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
            "api/ws" => Route::WebSocket,
            "api/login" => Route::Login,
            "api/logout" => Route::Logout,
            _ => assets::asset(name).map_or_else(|| Route::of_stream(name), Route::Asset),
        }
    }

    fn of_stream(path: &'a str) -> Route<'a> {
        let (name, form) = path.rsplit_once('.').unwrap_or((path, ""));
        let fits = !path.contains('/') && matches!(form, "" | "mp4" | "mjpg" | "jpg") && !path.ends_with('.');
        if fits { Route::Stream { name, form } } else { Route::Nothing }
    }

    /// Whether a cache could answer in its place: its answer ends, and is the same for all who may see it.
    pub fn is_cacheable(&self) -> bool {
        matches!(self, Route::Asset(_) | Route::Stream { form: "" | "jpg", .. })
    }

    /// `stream`: the one that a WebSocket is for, by the query, or the only one there is.
    pub fn need(&self, stream: Option<&'a str>) -> Need<'a> {
        match *self {
            // The player is for everybody's page, and the login for who is not known yet.
            Route::Asset(_) | Route::Login | Route::Logout | Route::Server | Route::Nothing => Need::Nothing,
            Route::Page | Route::Streams => Need::SomeStream,
            Route::WebSocket => stream.map_or(Need::SomeStream, |name| Need::Stream(Right::View, name)),
            Route::Stream { name, .. } => Need::Stream(Right::View, name),
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
            "/api/ws",
            "/api/login",
            "/api/logout",
            "/page.css",
            "/cam",
            "/cam.mp4",
            "/cam.mjpg",
            "/cam.jpg",
            "*",
            "/a/b",
        ];
        let number = |route: &Route<'_>| match route {
            Route::Page => 0,
            Route::Streams => 1,
            Route::WebSocket => 2,
            Route::Login => 3,
            Route::Logout => 4,
            Route::Asset(_) => 5,
            Route::Stream { .. } => 6,
            Route::Server => 7,
            Route::Nothing => 8,
        };
        let mut seen: Vec<_> = all.iter().map(|path| number(&Route::of(path))).collect();
        seen.dedup();
        assert_eq!(seen, (0..9).collect::<Vec<_>>(), "each is there");
        all.map(|path| (path, Route::of(path).need(Some("door")))).into()
    }

    #[test]
    fn every_route_says_what_it_needs() {
        let needs: Vec<_> = examples().into_iter().filter(|(_, need)| *need != Need::Nothing).collect();
        let cam = Need::Stream(Right::View, "cam");
        let wanted = [
            ("/", Need::SomeStream),
            ("/api/streams", Need::SomeStream),
            ("/api/ws", Need::Stream(Right::View, "door")),
            ("/cam", cam),
            ("/cam.mp4", cam),
            ("/cam.mjpg", cam),
            ("/cam.jpg", cam),
        ];
        assert_eq!(needs, wanted);
        assert_eq!(Route::WebSocket.need(None), Need::SomeStream);
    }

    #[test]
    fn what_a_cdn_may_have() {
        let cacheable: Vec<_> = examples().into_iter().map(|(path, _)| path).filter(|path| Route::of(path).is_cacheable()).collect();
        assert_eq!(cacheable, ["/page.css", "/cam", "/cam.jpg"]);
    }

    #[test]
    fn what_is_no_route() {
        for nothing in ["/a/b", "//cam", "/cam/", "/cam.avi", "/cam.", "cam", "", "/api/x", "/api/ws/"] {
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
