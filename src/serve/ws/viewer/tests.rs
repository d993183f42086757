//! A viewer and the other end of its connection.

use super::*;
use crate::serve::net::socket::Peer;
use crate::serve::stats::viewers::ViewerRegistry;

/// A viewer and the other end of its connection.
fn viewer(now: Instant) -> (Viewer, tokio::net::UnixStream) {
    let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
    let handle = Arc::new(ViewerRegistry::of(1)).take(None, "websocket", Peer::Local).unwrap();
    (Viewer::new(ours.into(), Waker::noop().clone(), handle, now), theirs)
}

/// A client's frame; the mask is zero.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

#[tokio::test(flavor = "current_thread")]
async fn who_pings_and_never_asks_is_let_go() {
    let limits = ViewerLimits { lag: Duration::from_secs(2), stall: Duration::from_secs(10) };
    let (begun, second) = (Instant::now(), Duration::from_secs(1));
    for said in [frame(0x89, b"still here"), frame(0x81, br#"{"type":"ping","value":1}"#), frame(0x81, br#"{"type":"mse"}"#), vec![]] {
        let (mut viewer, theirs) = viewer(begun);
        let mut answers = [0; 4096];
        for n in 1..=30 {
            viewer.on_bytes(&said, begun + second * n);
            assert_eq!(viewer.pump(None, begun + second * n, limits), ControlFlow::Continue(()));
            assert_eq!(viewer.tick(None, begun + second * n, limits), ControlFlow::Continue(()));
            _ = theirs.try_read(&mut answers);
            assert!(viewer.is_open(), "after {n} s");
        }
        _ = viewer.tick(None, begun + second * 31, limits);
        assert!(!viewer.is_open(), "{said:?}");
    }
}

/// Whatever it says in one go, and though it takes no answer.
#[tokio::test(flavor = "current_thread")]
async fn questions_wait_for_their_answers_to_be_taken() {
    let (mut viewer, _theirs) = viewer(Instant::now());
    let questions = frame(0x81, br#"{"type":"?"}"#).repeat(500);
    viewer.on_bytes(&questions, Instant::now());
    let one = questions.len() / 500;
    assert_eq!((viewer.out.len(), viewer.client.read.len()), (MAX_ANSWERS, questions.len() - MAX_ANSWERS * one));
    viewer.out.clear();
    assert_eq!(viewer.read(Instant::now(), &mut [0; 64]), ControlFlow::Continue(()));
    assert_eq!((viewer.out.len(), viewer.client.read.len()), (MAX_ANSWERS, questions.len() - 2 * MAX_ANSWERS * one));
}
