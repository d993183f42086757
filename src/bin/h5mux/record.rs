//! `--record`: what is muxed goes into a folder of recordings too.

use crate::args::Args;
use anyhow::Context as _;
use bytes::Bytes;
use h5live::cli;
use h5live::format::bmff::{Chunk, Init};
use h5live::media::{SystemClock, Vectored as _};
use h5live::record::{self, Feed, Library, Lock, Options, RealDisk, Recorder, Retention, State};
use std::sync::Arc;
use std::time::Duration;

/// So much may wait for the disk.
const QUEUE: usize = 16 << 20;
/// How often it is looked how the recording fares.
const EVERY: Duration = Duration::from_millis(500);

/// The recording of the stream. Dropped, in this order, it is closed when what is in the queue is written.
pub struct Recording {
    feed: Feed,
    _recorder: Recorder,
    _lock: Lock,
}

impl Recording {
    /// `None`: nothing is to be recorded. `stored`: the input is a file.
    ///
    /// # Errors
    /// The folder cannot be written to, or another program records into it.
    pub fn start(args: &Args, stored: bool, cx: &cli::Context) -> anyhow::Result<Option<Recording>> {
        let Some(folder) = &args.record.record else { return Ok(None) };
        let context = || format!("--record {}", folder.display());
        if !record::allows(&args.record_name) {
            return Err(cli::usage("--record-name: 1 to 64 letters, digits, - and _".to_string()));
        }
        if stored {
            return Err(cli::usage("--record: the input is a file already; it is for what is live".to_string()));
        }
        let lock = Lock::take(folder).with_context(context)?;
        let retention = Retention { age: args.record.keep, size: args.record.keep_size, free: args.record.min_free };
        let options = Options { segment: args.record.record_segment, retention, queue: QUEUE };
        let library = Library::new(folder.clone(), Box::new(RealDisk));
        let recorder = Recorder::start(library, options, Arc::new(SystemClock::default())).with_context(context)?;
        let feed = recorder.record(&args.record_name).with_context(context)?;
        let (statuses, stats, stop) = (recorder.statuses(), cx.stats.clone(), cx.stop.clone());
        let look = move || loop {
            let failed = statuses.all().iter().find_map(|(status, _)| match status.state() {
                State::Failed(why) => Some(format!("{}: is not recorded: {why}", status.stream())),
                State::Waiting | State::Recording => None,
            });
            stats.set_trouble("record", failed);
            if stop.wait_for(EVERY) {
                return;
            }
        };
        std::thread::Builder::new().name("recording".into()).spawn(look)?;
        Ok(Some(Recording { feed, _recorder: recorder, _lock: lock }))
    }

    pub fn init(&mut self, init: &Init) {
        self.feed.init(init);
    }

    pub fn chunk(&mut self, chunk: &Chunk) {
        let bytes = chunk.buffers().fold(Vec::with_capacity(chunk.size()), |mut all, piece| {
            all.extend_from_slice(piece);
            all
        });
        self.feed.chunk(chunk, Bytes::from(bytes));
    }
}
