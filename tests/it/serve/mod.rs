//! h5serve: routes, the WebSocket protocol, hostile clients, slow viewers, inputs that end. All over real sockets.

pub mod client;
pub mod h2;
pub mod studio;
pub mod tls_client;

/// Hostile requests and frames; other viewers notice nothing.
mod abuse;
/// Who may watch what.
mod access;
/// A hundred thousand recordings.
mod archive;
/// Recordings as files.
mod archive_files;
/// Several as one file.
mod archive_joined;
/// Ten viewers that seek in a thousand hours.
mod archive_seek;
/// The frames of our WebSocket, judged by a conformance suite.
mod autobahn;
/// Recording on a disk that is full, or fails.
mod bad_disk;
/// A certificate of an authority, and its renewal.
mod certbot;
/// What was before, as a list and as files.
mod clips;
/// Requests of which it is not clear where they end.
mod desync;
/// The four ways in which an input's end is met.
mod endings;
/// Recorded files on their way.
mod file_transfers;
/// Thousands of connections that want nothing good.
mod floods;
/// Other forms of a stream, and players that take no MP4.
mod forms;
/// One picture in several qualities.
mod groups;
/// Sockets, descriptors and stderr: what is in the way, has run out, or is closed.
mod guards;
/// What players report and what happens to viewers: /stats, /metrics, --events.
mod health;
/// Playlists, parts and segments, by other programs and through a cache.
mod hls;
/// HTTP/2: other programs, floods, streams that nobody takes.
mod http2;
/// Inputs that have nothing new, are made anew, fail, or hang.
mod inputs;
/// Outside programs as viewers.
mod judges;
/// Clients that go while nothing is sent to them.
mod leaving;
/// How much of everything there may be, and what who comes beyond it is told.
mod limits;
/// What a viewer costs.
mod memory;
/// Judges outside of the server.
mod outside;
/// JPEG streams.
mod pictures;
/// Players and programs of others, as the documents have them; snapshots and events.
mod players;
/// The messages of go2rtc's MSE mode.
mod protocol;
/// Behind a proxy.
mod proxied;
/// Streams that clients send.
mod publish;
/// Recordings: what is on the disk, whatever happens.
mod record;
/// Recording when it is asked for.
mod record_on_demand;
/// Streams that come and go while the server runs.
mod registry;
/// Who watches while the right to ends.
mod revoked;
/// What was before, on the live WebSocket.
mod rewind;
/// Paths, methods, headers and status codes.
mod routes;
/// What the server gives up at its start.
mod sandbox;
/// Stopped and throttled viewers beside healthy ones, and many at a time.
mod slow;
/// Pictures of before.
mod thumbnails;
/// Certificates, and the ways from HTTP to HTTPS.
mod tls;
/// Viewers over TLS: slow ones beside healthy ones, and what they cost.
mod tls_viewers;
/// VLC and GStreamer as viewers.
mod vlc;

use crate::util::{Running, eventually, h5};
use std::io::Write;

/// A running h5serve and its port.
pub struct Server {
    pub process: Running,
    pub port: u16,
}

impl Server {
    /// Starts it on a port of its own, with stdin piped.
    #[track_caller]
    pub fn start(args: &[&str]) -> Server {
        let mut process = Running::start(h5("h5serve", &["--listen", "127.0.0.1:0"]).args(args));
        process.wait_for("://127.0.0.1:");
        let port = eventually("the address", || {
            let stderr = process.stderr();
            stderr.lines().find_map(|l| {
                l.strip_prefix("http")?.trim_start_matches('s').strip_prefix("://127.0.0.1:")?.split('/').next()?.parse().ok()
            })
        });
        Server { process, port }
    }

    /// Resident memory now, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let field = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        field.and_then(|f| f.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
    }

    /// `/api/streams`.
    pub fn streams(&self) -> serde_json::Value {
        let (status, body) = crate::util::http(self.port, "GET", "/api/streams", b"");
        assert_eq!(status, 200);
        serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"))
    }
}

/// Writes what a test feeds; a server that has gone is for the test to notice elsewhere.
pub fn feed(into: &mut impl Write, bytes: &[u8]) {
    _ = into.write_all(bytes).and_then(|()| into.flush());
}
