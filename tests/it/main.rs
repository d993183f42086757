//! The integration tests: one binary, so that it is linked once. They run the real programs in real pipes, and the
//! outside world (ffprobe, ffmpeg, mpv, GStreamer, browsers) judges what they write.
//!
//! Run one part with `cargo test --test it PART::`. Index, in the order of the pipe:

/// Shared helpers: the programs, pipes, deadlines, temporary directories.
mod util;

/// Imports go down the layers only.
mod layers;

/// The formats at the joints, judged by the outside world.
mod formats;

/// h5cap: the test picture, pictures, recordings, how it ends.
mod cap;

/// h5enc: pixels, audio, times, and what is out before the next one goes in.
mod enc;

/// Byte streams as cameras, phones and other programs write them.
mod dialects;

/// h5mux: packets, times, latency and players of what it writes.
mod mux;

/// Parameter sets that come once.
mod parameter_sets;

/// MP4 and QuickTime files of other writers: tables, edit lists, audio, and where the output goes.
mod mp4;

/// What is left out of a stream is named, and costs the rest nothing.
mod omitted;

/// The wall clock is set while a stream runs.
mod clock;
/// Orientation and the shape of pixels, at every joint.
mod shape;

/// Where a stream can be started, and what is said where nothing is shown.
mod starts;

/// HLS as files: folders, and servers that take them.
mod package;

/// Cameras and streams over HTTP and WebSocket.
#[cfg(feature = "http")]
mod http;

/// Network cameras.
#[cfg(feature = "rtsp")]
mod rtsp;

/// Network cameras that say themselves where their stream is.
#[cfg(feature = "onvif")]
mod onvif;

/// The server over real sockets: routes, protocol, hostile and slow clients, inputs that end.
mod serve;

/// Who may watch: users, tokens, links.
mod access;

/// The server behind nginx, Caddy and HAProxy, as docs/proxies.md has it.
mod proxies;

/// What all programs say, and where: terminals, escape codes, errors with their causes.
mod words;

/// The control endpoint: hostile clients, and nothing left to serve them with.
mod control;

/// What is written down agrees with the code.
mod manual;

/// The documents for people who carry the project on: what they name exists.
mod docs;

/// Every example of the README and the manual pages works.
mod examples;

/// Hostile inputs.
mod hostile;

/// The checks of the fuzz targets, on real inputs and damaged ones.
mod fuzz;

/// However the input or the output ends.
mod faults;

/// scripts/live, scripts/install and the package managers.
mod scripts;
