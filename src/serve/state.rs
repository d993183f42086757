//! What all shards share: the streams, the rules, the places for viewers.

use super::access::Access;
use super::hls::Hls;
use super::http::base_path::BasePath;
use super::http::origin::Policy;
use super::http::rate::RequestRate;
use super::live::groups::{Found, Groups};
use super::live::registry::Registry;
use super::net::proxies::Proxies;
use super::net::tls::Tls;
use super::places::Places;
use super::publishing::api::PublishOptions;
use super::recordings::api::Recordings;
use super::recordings::clip_cache::ClipCache;
use super::recordings::file_thread::FileThread;
use super::refusals::Refusals;
use super::snapshots::Snapshots;
use super::stats::feed::Feed;
use super::stats::viewers::ViewerRegistry;
use std::sync::Arc;
use tokio::sync::Semaphore;

pub struct ServerState {
    pub streams: Registry,
    pub groups: Groups,
    pub policy: Policy,
    pub proxies: Proxies,
    pub base_path: BasePath,
    pub access: Access,
    pub rate: RequestRate,
    /// Viewers of each user, by name.
    pub users: Arc<Places<String>>,
    pub refusals: Arc<Refusals>,
    pub tls: Option<Tls>,
    /// The port where HTTPS is spoken.
    pub https: Option<u16>,
    /// For so many seconds a browser shall ask by HTTPS only.
    pub hsts: Option<u32>,
    pub viewers: Arc<ViewerRegistry>,
    pub snapshots: Snapshots,
    /// Where those listen who ask for events.
    pub feed: Arc<Feed>,
    pub hls: Hls,
    pub recordings: Option<Arc<dyn Recordings>>,
    pub publishing: Option<PublishOptions>,
    /// Recorded ones that were asked for a moment ago.
    pub clip_cache: ClipCache,
    /// Sends recorded files.
    pub files: FileThread,
    /// So many clips may be on their way.
    pub clips: Arc<Semaphore>,
    /// So many viewers may rewind at a time.
    pub rewinding: Arc<Semaphore>,
}

impl ServerState {
    /// A stream by its name, or by that of its group and perhaps its `quality`; see [`Groups::stream`].
    pub fn find(&self, name: &str, quality: Option<&str>) -> Option<Found> {
        self.groups.stream(&self.streams, name, quality)
    }

    /// The stream or group, if there is exactly one.
    pub fn only(&self) -> Option<Found> {
        self.groups.only(&self.streams)
    }

    /// Of all streams and groups.
    pub fn names(&self) -> Vec<String> {
        let own = self.streams.streams().into_iter().map(|stream| stream.name.clone());
        let listed = self.groups.listed(&self.streams).into_iter().map(|found| found.name);
        let mut names: Vec<String> = own.chain(listed).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
