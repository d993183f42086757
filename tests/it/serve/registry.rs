//! Streams that come and go while a server runs: the registry of the library, over real sockets.

use super::client::{Message, Ws, ask, connect, read_head};
use super::studio::{Studio, number};
use crate::util::eventually;
use bytes::{Bytes, BytesMut};
use h5live::access::Rules;
use h5live::format::bmff::{Split, Splitter};
use h5live::media::Timestamp;
use h5live::serve::{
    Access, Capacity, Error, Events, Options, Policy, PublishError, Publisher, Registry, Server, Stopper, Stream, ViewerLimits,
};
use std::io::{Read, Write};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const ENDED: (u16, &str) = (1000, "the stream has ended");

/// A server of this process, stopped when it is dropped.
struct Running {
    registry: Registry,
    stopper: Stopper,
    port: u16,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl Running {
    fn start(max_streams: usize) -> Running {
        let options = Options {
            tls: None,
            redirect: vec![],
            hsts: None,
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            ring: 8 << 20,
            max_streams,
            groups: Default::default(),
            limits: ViewerLimits { lag: Duration::from_secs(10), stall: Duration::from_secs(10) },
            capacity: Capacity { viewers: 100, ..Capacity::default() },
            threads: 2,
            policy: Policy::default(),
            proxies: Default::default(),
            base_path: Default::default(),
            hls: Default::default(),
            access: Access::new(Rules::default()).unwrap(),
            events: Events::default(),
            decoder: None,
            recordings: None,
            publishing: None,
        };
        let server = Server::bind(&options).unwrap();
        let (registry, stopper, address) = (server.registry(), server.stopper(), server.addresses().remove(0));
        let port = address.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
        Running { registry, stopper, port, thread: Some(thread::spawn(move || server.run())) }
    }

    fn names(&self) -> Vec<String> {
        let list: serde_json::Value = serde_json::from_slice(&ask(self.port, "GET", "/api/streams", &[]).body).unwrap();
        list.as_object().unwrap().keys().cloned().collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
        let ended = self.thread.take().unwrap().join();
        if !thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}

/// Publishes what h5mux would have written.
struct Writer {
    publisher: Publisher,
    splitter: Splitter,
}

impl Writer {
    fn new(publisher: Publisher) -> Writer {
        Writer { publisher, splitter: Splitter::default() }
    }

    /// Whole pieces.
    fn push(&mut self, bytes: &[u8]) {
        let mut buf = BytesMut::from(bytes);
        while !buf.is_empty() {
            match self.splitter.next(&mut buf, false).unwrap() {
                Split::Init(init) => self.publisher.init(init).unwrap(),
                Split::Chunk(chunk) => self.publisher.chunk(chunk).unwrap(),
                Split::Need(_) | Split::Skip(_) | Split::End => panic!("not whole"),
            }
        }
    }
}

/// So many bytes that begin and end as a JPEG picture does.
fn picture(size: usize, filler: u8) -> Bytes {
    let mut picture = vec![filler; size];
    picture[..2].copy_from_slice(b"\xff\xd8");
    picture[size - 2..].copy_from_slice(b"\xff\xd9");
    picture.into()
}

fn viewer_of_pictures(port: u16, name: &str) -> Ws {
    let mut ws = Ws::connect(port, name);
    ws.say(r#"{"type":"mjpeg"}"#);
    assert_eq!(ws.text()["type"], "mjpeg");
    ws
}

/// Each with a ring of a quarter of a megabyte, and every tenth with a viewer; gives what is left of them.
fn come_and_go(registry: &Registry, port: u16) -> Vec<Weak<Stream>> {
    let one = |n: usize| {
        let mut publisher = registry.publish(&format!("s{}", n % 7)).unwrap();
        publisher.jpeg(picture(1 << 18, n as u8), Timestamp::ZERO, None).unwrap();
        let stream = Arc::downgrade(publisher.stream());
        if n.is_multiple_of(10) {
            let mut ws = viewer_of_pictures(port, &format!("s{}", n % 7));
            assert_eq!(ws.binary()[2], n as u8, "of this stream and not of one before");
            publisher.withdraw();
            let (code, reason) = ws.closed();
            assert_eq!((code, reason.as_str()), ENDED);
        } else {
            publisher.withdraw();
        }
        stream
    };
    (0..1000).map(one).collect()
}

#[test]
fn a_thousand_streams_come_and_go_beside_a_viewer() {
    let server = Running::start(2);
    let mut writer = Writer::new(server.registry.publish("live").unwrap());
    let mut studio = Studio::new(30, 1000);
    writer.push(&[studio.init(), studio.picture()].concat());
    let mut ws = Ws::viewer(server.port, "live");
    while number(&ws.binary()).is_none() {}
    let (registry, port) = (server.registry.clone(), server.port);
    let others = thread::spawn(move || come_and_go(&registry, port));
    // Each picture is there at once, none is missing, and nothing else is said.
    for next in 1.. {
        writer.push(&studio.picture());
        match ws.next() {
            Message::Binary(chunk) => assert_eq!(number(&chunk), Some(next)),
            other => panic!("{other:?}"),
        }
        if others.is_finished() && next >= 100 {
            break;
        }
    }
    let streams = others.join().unwrap();
    assert_eq!(server.names(), ["live"]);
    eventually("no shard has anything of them", || streams.iter().all(|stream| stream.strong_count() == 0).then_some(()));
    assert_eq!(ask(server.port, "GET", "/s1", &[]).status, 404);
}

#[test]
fn streams_are_limited_and_their_names_are_free_again() {
    let server = Running::start(2);
    let publish = |name: &str| server.registry.publish(name);
    let (a, b) = (publish("b").unwrap(), publish("a").unwrap());
    assert_eq!(publish("a").err(), Some(PublishError::Taken("a".into())));
    assert_eq!(publish("c").err(), Some(PublishError::Full(2)));
    assert_eq!(publish("../x").err(), Some(PublishError::Name("../x".into())));
    a.withdraw();
    let c = publish("c").unwrap();
    assert_eq!(server.names(), ["a", "c"]);
    // Dropped, a stream is ended and still there, until another takes its place.
    drop(b);
    assert_eq!(server.names(), ["a", "c"]);
    assert_eq!(publish("d").err(), Some(PublishError::Full(2)));
    let again = publish("a").unwrap();
    assert_eq!(server.registry.streams().iter().map(|s| s.name.clone()).collect::<Vec<_>>(), ["c", "a"]);
    drop((again, c));
}

#[test]
fn a_stream_that_is_not_there_yet() {
    let server = Running::start(2);
    let mut early = Ws::connect(server.port, "later");
    early.say(r#"{"type":"mse","value":""}"#);
    assert_eq!(early.text()["value"], "mse: there is no such stream");
    assert_eq!(ask(server.port, "GET", "/later.mp4", &[]).status, 404);
    let mut writer = Writer::new(server.registry.publish("later").unwrap());
    assert_eq!(ask(server.port, "GET", "/later.mp4", &[]).status, 503, "it has not begun");
    // Alone, it needs no name.
    let mut ws = Ws::connect(server.port, "");
    ws.say(r#"{"type":"mse","value":""}"#);
    assert_eq!(ws.text()["value"], "mse: there is no such stream", "an empty name is a name");
    let mut ws = Ws::connect(server.port, "later");
    ws.say(r#"{"type":"mse","value":""}"#);
    let mut studio = Studio::new(30, 1000);
    writer.push(&[studio.init(), studio.picture()].concat());
    assert_eq!(ws.text()["type"], "mse");
    while number(&ws.binary()) != Some(0) {}
    writer.publisher.withdraw();
    assert_eq!(ws.closed(), (ENDED.0, ENDED.1.into()));
}

/// Viewers of the old one, over each way, do not get the new one.
#[test]
fn another_stream_of_the_same_name_is_another_stream() {
    let server = Running::start(1);
    let mut publisher = server.registry.publish("cam").unwrap();
    publisher.jpeg(picture(5000, b'1'), Timestamp::ZERO, None).unwrap();
    let mut ws = viewer_of_pictures(server.port, "cam");
    assert_eq!(ws.binary()[2], b'1');
    let mut body = connect(server.port);
    body.write_all(b"GET /cam.mjpg HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let (_, mut got) = read_head(&mut body);
    publisher.withdraw();
    let mut publisher = server.registry.publish("cam").unwrap();
    publisher.jpeg(picture(5000, b'2'), Timestamp::ZERO, None).unwrap();
    assert_eq!(ws.closed(), (ENDED.0, ENDED.1.into()));
    body.read_to_end(&mut got).unwrap();
    assert!(got.windows(10).any(|part| part == b"--h5live--") && !got.windows(9).any(|part| part == b"222222222"));
    let mut ws = viewer_of_pictures(server.port, "cam");
    assert_eq!(ws.binary()[2], b'2');
    eventually("the new one is served", || (ask(server.port, "GET", "/cam.jpg", &[]).body[2] == b'2').then_some(()));
}
