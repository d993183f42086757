//! A shard, as a publisher sees it: what was published waits here until a pass over the viewers takes it.

use super::hub::{Hub, SharedHub, WeakHub};
use super::limits::ViewerLimits;
use super::live::ring::Retention;
use super::live::update::ShardMessage;
use crossbeam_channel::{SendError, Sender, TrySendError, bounded};
use std::sync::Arc;
use tokio::sync::Notify;

/// So many chunks may wait for a shard; then the input waits, and its own writer sees it.
const INBOX: usize = 256;

/// The way into a shard's hub. It does not keep the hub: that ends with its shard.
#[derive(Clone, Debug)]
pub struct ShardSender {
    messages: Sender<ShardMessage>,
    /// Wakes the shard's thread.
    wake: Arc<Notify>,
    hub: WeakHub,
}

impl ShardSender {
    /// A new hub, and the way into it.
    pub fn new(retention: Retention, limits: ViewerLimits) -> (ShardSender, SharedHub) {
        let ((messages, published), wake) = (bounded(INBOX), Arc::<Notify>::default());
        let hub = SharedHub::new(Hub::new(retention, limits, published, wake.clone()));
        (ShardSender { messages, wake, hub: hub.downgrade() }, hub)
    }

    /// The shard's thread is to take it. Waits while that does not keep up.
    ///
    /// # Errors
    /// The shard has ended; likewise below.
    pub fn send(&self, message: ShardMessage) -> Result<(), SendError<ShardMessage>> {
        self.queue(message)?;
        self.wake.notify_one();
        Ok(())
    }

    /// The next [`ShardSender::serve`] is to take it. Waits while the shard does not keep up.
    pub fn queue(&self, message: ShardMessage) -> Result<(), SendError<ShardMessage>> {
        match self.messages.try_send(message) {
            Ok(()) => Ok(()),
            Err(TrySendError::Disconnected(message)) => Err(SendError(message)),
            Err(TrySendError::Full(message)) => {
                self.serve();
                self.messages.send(message)
            }
        }
    }

    /// Gives the viewers what is queued: in this thread, which saves the way to another, or in that of the shard where it has to.
    pub fn serve(&self) {
        if !self.hub.upgrade().is_some_and(|hub| hub.pass_here()) {
            self.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Timestamp;
    use crate::serve::live::publisher::Publisher;
    use crate::serve::live::registry::Registry;
    use crate::serve::net::addresses::AddressPlaces;
    use crate::serve::net::permit::ConnectionPermit;
    use crate::serve::net::proxies::Proxies;
    use crate::serve::net::socket::Peer;
    use crate::serve::stats::viewers::ViewerRegistry;
    use crate::serve::ws::frames;
    use crate::serve::ws::subscription::Asked;
    use crate::serve::ws::viewer::Accepted;
    use bytes::Bytes;
    use std::time::Duration;
    use tokio::net::UnixStream;
    use tokio::sync::Semaphore;

    /// A hub without a thread of its own, a way into it that gathers, and a viewer's end of its connection.
    fn hub() -> (SharedHub, Publisher, UnixStream) {
        let limits = ViewerLimits { lag: Duration::from_secs(2), stall: Duration::from_secs(10) };
        let (sender, hub) = ShardSender::new(Retention { bytes: 1 << 20, age: limits.lag }, limits);
        let mut publisher = Registry::new(1, 1 << 20, vec![sender]).publish("a").unwrap();
        publisher.gather();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let stream = publisher.stream().clone();
        let handle = Arc::new(ViewerRegistry::of(1)).take(Some(stream.clone()), "websocket", Peer::Local).unwrap();
        let address = AddressPlaces::new(1, Proxies::default()).take(Peer::Local).unwrap();
        let permit = ConnectionPermit::new(Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(), address, Arc::default());
        let mut request = frames::text(r#"{"type":"mjpeg"}"#).to_vec();
        // As a client sends it: masked, here by nothing.
        request[1] |= 0x80;
        request.splice(2..2, [0; 4]);
        hub.lock().join(
            ours.into(),
            &request,
            Accepted { stream: Some(stream), asked: Asked::Nothing, group: None, rewinding: None, handle },
            permit,
        );
        (hub, publisher, theirs)
    }

    fn picture(publisher: &mut Publisher) {
        publisher.jpeg(Bytes::from_static(b"\xff\xd8a picture\xff\xd9"), Timestamp::ZERO, None).unwrap();
    }

    /// So many pictures have come.
    async fn pictures(viewer: &UnixStream) -> usize {
        // The runtime sees what is readable when it has the time.
        tokio::time::sleep(Duration::from_millis(10)).await;
        let mut bytes = vec![0; 1 << 16];
        let n = viewer.try_read(&mut bytes).unwrap_or(0);
        bytes[..n].windows(9).filter(|part| part == b"a picture").count()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_thread_that_publishes_serves() {
        let (hub, mut publisher, viewer) = hub();
        let flushed = |mut publisher: Publisher| {
            std::thread::spawn(move || {
                publisher.flush();
                publisher
            })
        };
        picture(&mut publisher);
        assert_eq!(pictures(&viewer).await, 0, "it is gathered");
        publisher = flushed(publisher).join().unwrap();
        assert_eq!(pictures(&viewer).await, 1);
        hub.lock().begin_pass();
        picture(&mut publisher);
        publisher = flushed(publisher).join().unwrap();
        assert_eq!(pictures(&viewer).await, 0, "the shard's thread is at it");
        hub.lock().end_pass();
        publisher.flush();
        assert_eq!(pictures(&viewer).await, 1);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_is_never_flushed_does_not_wait_for_ever() {
        let (_hub, mut publisher, viewer) = hub();
        (0..3 * INBOX).for_each(|_| picture(&mut publisher));
        assert!(pictures(&viewer).await > 0);
    }
}
