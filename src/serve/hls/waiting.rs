//! Requests that wait until the ring has what they are for. Nothing looks at a clock but the end of their patience.

use super::Hls;
use crate::format::hls::Asked;
use crate::serve::hub::SharedHub;
use crate::serve::live::ring::Ring;
use crate::serve::live::stream::Stream;
use crate::serve::live::timelines::Timelines;
use crate::serve::net::socket::Peer;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// Why there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// It is not there, and will not be.
    Gone,
    /// The stream has not begun.
    NotBegun,
    /// It has not come in time, or the server stops.
    TooLate,
    /// Too many wait.
    Full,
}

/// What `look` finds, as soon as it finds something. At most three target durations are waited.
pub async fn until<T>(
    hls: &Hls,
    hub: &SharedHub,
    stream: &Arc<Stream>,
    peer: Peer,
    mut look: impl FnMut(&mut Timelines, &Ring) -> Asked<T>,
) -> Result<T, Nothing> {
    let mut look = |waiting: Option<&mut std::task::Context<'_>>| {
        // Locked until it waits: what is published in between would not wake it.
        let mut hub = hub.lock();
        let stopping = hub.stopping();
        let Some(replica) = hub.open(stream) else { return Poll::Ready(Err(Nothing::Gone)) };
        let Some((timelines, ring)) = replica.timelines(hls.grid) else { return Poll::Ready(Err(Nothing::NotBegun)) };
        match look(timelines, ring) {
            Asked::Ready(found) => Poll::Ready(Ok(found)),
            Asked::None => Poll::Ready(Err(Nothing::Gone)),
            Asked::Wait if stopping => Poll::Ready(Err(Nothing::TooLate)),
            Asked::Wait => {
                waiting.iter().for_each(|cx| timelines.wait(cx.waker()));
                Poll::Pending
            }
        }
    };
    if let Poll::Ready(found) = look(None) {
        return found;
    }
    let (Ok(_place), Some(_address)) = (hls.places.try_acquire(), hls.addresses.take(peer)) else { return Err(Nothing::Full) };
    let patience = Duration::from_secs(3 * hls.grid.target_duration());
    tokio::time::timeout(patience, poll_fn(|cx| look(Some(cx)))).await.unwrap_or(Err(Nothing::TooLate))
}
