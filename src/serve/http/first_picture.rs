//! The page of a stream, for who looks at it with the newest keyframe inside: a browser shows that before it has a decoder.

use super::answer::Answer;
use super::authentication::{self, Visitor};
use super::pages;
use super::request::Request;
use super::router::Router;
use crate::serve::live::stream::Stream;
use hyper::Method;
use std::sync::Arc;
use std::time::Duration;

/// It is no wider, in pixels: on a slow network it must not keep the stream from coming.
const WIDTH: u32 = 640;
/// The page waits for it no longer, and asks for it itself then.
const PATIENCE: Duration = Duration::from_millis(60);

impl Router<'_> {
    pub(super) async fn page(&self, request: &Request, visitor: &Visitor, stream: &Arc<Stream>, websocket: &str) -> Answer {
        // What a cache keeps has no picture of a moment.
        let is_looked_at = request.head.method == Method::GET && authentication::wants_page(request) && !visitor.is_cache();
        let picture = async {
            let image = self.image(stream, Some(WIDTH));
            if is_looked_at { tokio::time::timeout(PATIENCE, image).await.ok()?.ok() } else { None }
        };
        match picture.await {
            Some(picture) => pages::page_with(&picture, websocket),
            None => pages::page(request, websocket),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_for_the_same() {
        assert!(include_str!("../../../player/src/early.js").contains(&format!("const IMAGE = '.jpg?width={WIDTH}&optional=1';")));
    }
}
