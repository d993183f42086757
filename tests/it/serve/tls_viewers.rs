//! Viewers over TLS: the rules for late ones are those of plain sockets.

use super::client::{Ws, read_head};
use super::feed;
use super::memory::anonymous_kib;
use super::slow::{BYTES_PER_SECOND, HELD, LAG, Published, Slow, metric, publish, watch_all};
use super::studio::{Studio, number};
use super::tls_client::{TlsClient, TlsServer, TlsStream};
use crate::util::eventually;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// A stopped viewer, a throttled one and a stopped body, beside a healthy viewer.
#[test]
fn beside_a_healthy_viewer() {
    const LENGTH: Duration = Duration::from_secs(8);
    let mut tls = TlsServer::start(&["--lag", "1", "--stall", "3", "--control", "127.0.0.1:0", "-v"]);
    let control = tls.server.process.wait_for("control endpoint at").trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
    let stdin = tls.server.process.stdin();
    let published = Published::default();
    let given_up = Arc::new(AtomicBool::new(false));
    let publishing = std::thread::spawn({
        let (published, given_up) = (published.clone(), given_up.clone());
        move || publish(stdin, &published, LENGTH, &given_up)
    });
    eventually("the stream begins", || (tls.streams()["live"]["state"] == "live").then_some(()));
    let client = tls.client(&[]);
    let healthy = std::thread::spawn({
        let (client, published) = (client.clone(), published.clone());
        move || watch_all(client.websocket("live").watching(), &published)
    });
    let throttled = std::thread::spawn({
        let (client, published) = (client.clone(), published.clone());
        move || {
            let mut ws = Ws::over(client.throttled(BYTES_PER_SECOND / 2.0), "live");
            ws.say(r#"{"type":"mse","value":""}"#);
            let mut slow = Slow::default();
            while !slow.take(ws.next(), &published) {}
            slow
        }
    });
    let _stopped = Ws::over(client.throttled(20_000.0), "live").watching();
    let mut body = client.throttled(1e6);
    body.write_all(b"GET /live.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    read_head(&mut body);
    eventually("both are given up", || (metric(control, "h5serve_stream_stalled_total{stream=\"live\"}") >= 2.0).then_some(()));
    given_up.store(true, Relaxed);

    let length = publishing.join().unwrap();
    let (frames, worst) = healthy.join().unwrap();
    let Slow { got, lost, jumps, oldest, .. } = throttled.join().unwrap();
    println!(
        "healthy: {frames} frames, the latest after {worst:?}; throttled: {got} frames, {lost} lost in {jumps} jumps, {oldest:?} behind"
    );
    println!("server: {} KiB at most", tls.server.process.peak_kib());
    let expected = length.as_secs_f64() * 30.0;
    assert!(frames as f64 > 0.8 * expected, "{frames} of {expected}");
    assert!(worst < LAG, "the healthy viewer got a frame after {worst:?}");
    assert!(jumps > 0 && (lost as f64) < 0.8 * expected && (got as f64) > 0.2 * expected);
    assert!(oldest < LAG + HELD, "the throttled viewer was shown a picture {oldest:?} behind the newest");
    assert!(tls.server.process.peak_kib() < 48 * 1024, "{} KiB", tls.server.process.peak_kib());
}

/// KiB for each of many viewers that `open` makes; `then` is published to them.
fn cost(open: impl Fn(&TlsClient) -> TlsStream, alpn: &[&str], pictures: usize) -> f64 {
    const VIEWERS: usize = 100;
    let mut tls = TlsServer::start(&["--stall", "3600", "--lag", "3600"]);
    let mut stdin = tls.server.process.stdin();
    let mut studio = Studio::new(1000, 20_000);
    feed(&mut stdin, &[studio.init(), studio.picture()].concat());
    eventually("the stream begins", || (tls.streams()["live"]["state"] == "live").then_some(()));
    let client = tls.client(alpn);
    // What the first of a kind costs is not for each.
    let _first = open(&client);
    let before = anonymous_kib(&tls.server);
    let streams: Vec<TlsStream> = (0..VIEWERS).map(|_| open(&client)).collect();
    // Those who do not take them have full buffers.
    let size: usize = (0..pictures)
        .map(|_| {
            let picture = studio.picture();
            feed(&mut stdin, &picture);
            picture.len()
        })
        .sum();
    eventually("they watch", || (tls.streams()["live"]["viewers"] == VIEWERS + 1).then_some(()));
    let mut last = client.websocket("live").watching();
    while number(&last.binary()).is_none_or(|n| n < pictures as u64) {}
    let kib = (anonymous_kib(&tls.server) - before - size as f64 / 1024.0) / VIEWERS as f64;
    drop(streams);
    kib
}

#[test]
fn what_a_viewer_costs() {
    let websocket = |client: &TlsClient| {
        let mut ws = client.websocket("live").watching();
        while number(&ws.binary()).is_none() {}
        ws.stream
    };
    let body = |client: &TlsClient| {
        let mut stream = client.connect();
        stream.write_all(b"GET /live.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        read_head(&mut stream);
        let mut bytes = vec![0; 100_000];
        stream.read_exact(&mut bytes).unwrap();
        stream
    };
    let figures = [
        ("WebSocket over TLS", cost(websocket, &[], 0), WEBSOCKET),
        ("WebSocket over TLS, stopped", cost(websocket, &[], 200), WEBSOCKET + STOPPED),
        ("HTTP/1.1 over TLS", cost(body, &[], 0), HTTP),
        ("HTTP/1.1 over TLS, stopped", cost(body, &[], 200), HTTP + STOPPED),
    ];
    for (what, kib, _) in figures {
        println!("{what}: {kib:.1} KiB");
    }
    for (what, kib, limit) in figures {
        assert!(kib < limit, "{what}: {kib:.1} KiB for each");
    }
}

/// As h5serve(1) says, in KiB.
const WEBSOCKET: f64 = 14.0;
const HTTP: f64 = 40.0;
/// What is encrypted and waits for the kernel.
const STOPPED: f64 = 34.0;
