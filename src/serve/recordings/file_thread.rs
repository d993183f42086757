//! A thread that sends recorded files, and may wait for a disk. It starts with the first of them.

use std::io::{self, ErrorKind};
use std::sync::OnceLock;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// It ends with this.
#[derive(Debug, Default)]
pub struct FileThread(OnceLock<Option<Running>>);

#[derive(Debug)]
struct Running {
    handle: Handle,
    _end: oneshot::Sender<()>,
}

impl FileThread {
    /// Where tasks that wait for a disk are spawned.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn handle(&self) -> io::Result<&Handle> {
        let running = self.0.get_or_init(|| start().inspect_err(|error| tracing::warn!("files: {error}")).ok());
        running.as_ref().map(|running| &running.handle).ok_or(ErrorKind::Other.into())
    }
}

fn start() -> io::Result<Running> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let (end, ended) = oneshot::channel();
    // An error is the end too: the sender has gone.
    std::thread::Builder::new().name("files".into()).spawn(move || _ = runtime.block_on(ended))?;
    Ok(Running { handle, _end: end })
}
