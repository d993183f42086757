//! A server inside a program of your own, and a stream pushed into it: fragmented MP4, such as `h5mux` writes, in its own time.
//!
//! ```text
//! cargo run --example push -- show.mp4 127.0.0.1:8080
//! ```

use bytes::BytesMut;
use h5live::access::Rules;
use h5live::format::bmff::{Split, Splitter};
use h5live::media::Timestamp;
use h5live::serve::{Access, Capacity, Events, Options, Policy, Publisher, Server, ViewerLimits};
use std::error::Error;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, address] = &args[..] else { return Err("usage: push FILE [HOST:]PORT".into()) };
    let server = bind(address)?;
    println!("{}", server.addresses().join("\n"));
    run(server, file.as_ref())
}

/// A server with room for one stream.
pub fn bind(address: &str) -> Result<Server, Box<dyn Error>> {
    let options = Options {
        listen: vec![address.parse()?],
        tls: None,
        redirect: vec![],
        hsts: None,
        ring: 32 << 20,
        max_streams: 1,
        groups: Default::default(),
        limits: ViewerLimits { lag: Duration::from_secs(2), stall: Duration::from_secs(10) },
        capacity: Capacity { viewers: 100, ..Capacity::default() },
        threads: 1,
        policy: Policy::default(),
        proxies: Default::default(),
        base_path: Default::default(),
        hls: Default::default(),
        access: Access::new(Rules::default())?,
        events: Events::default(),
        decoder: None,
        recordings: None,
        publishing: None,
    };
    Ok(Server::bind(&options)?)
}

/// Serves the file, as the stream `live`, until it ends.
pub fn run(server: Server, file: &Path) -> Result<(), Box<dyn Error>> {
    let (publisher, stopper) = (server.registry().publish("live")?, server.stopper());
    let bytes = std::fs::read(file)?;
    let pushing = thread::spawn(move || {
        let outcome = push(&bytes, publisher).map_err(|error| error.to_string());
        stopper.stop();
        outcome
    });
    server.run()?;
    Ok(pushing.join().map_err(|_| "the pushing thread panicked")??)
}

/// Publishes each chunk when its time has come.
fn push(bytes: &[u8], mut publisher: Publisher) -> Result<(), Box<dyn Error>> {
    let (mut splitter, mut buf) = (Splitter::default(), BytesMut::from(bytes));
    let mut began: Option<(Instant, Timestamp)> = None;
    loop {
        // All of the input is in `buf`, so nothing is needed or skipped.
        match splitter.next(&mut buf, true)? {
            Split::Init(init) => publisher.init(init)?,
            Split::Chunk(chunk) => {
                let (at, first) = *began.get_or_insert((Instant::now(), chunk.start));
                thread::sleep((at + chunk.start.since(first)).saturating_duration_since(Instant::now()));
                publisher.chunk(chunk)?;
            }
            Split::Need(_) | Split::Skip(_) | Split::End => return Ok(()),
        }
    }
}
