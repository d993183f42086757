//! Notices that the name of an input has become another file's, or that the file has changed: by inotify where there is one, and by a look
//! now and then for what that does not see, such as another machine's doing.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A look now and then.
const LOOK: Duration = Duration::from_secs(2);

/// A name, and the file that it was when it was opened.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    /// `None`: there was none.
    opened: Option<Stamp>,
    #[cfg(target_os = "linux")]
    news: Option<OwnedFd>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(file: &Metadata) -> Stamp {
        Stamp { device: file.dev(), inode: file.ino(), size: file.size(), modified: (file.mtime(), file.mtime_nsec()) }
    }

    fn same_file(&self, other: &Stamp) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// What came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// The input is readable, has ended, or the end was asked for.
    Input,
    /// The name is another file's now.
    Replaced,
}

impl Watch {
    /// `file`: what was opened under that name, if it could be.
    pub fn new(path: &Path, file: Option<&File>) -> Watch {
        let opened = file.and_then(|file| file.metadata().ok()).map(|file| Stamp::of(&file));
        Watch {
            #[cfg(target_os = "linux")]
            news: linux::news_of(path),
            path: path.into(),
            opened,
        }
    }

    /// Waits for input, for `stop`, or until the name is another file's.
    pub fn wait_for_input(&self, input: BorrowedFd<'_>, stop: BorrowedFd<'_>) -> io::Result<First> {
        loop {
            let mut fds = vec![PollFd::from_borrowed_fd(input, PollFlags::IN), PollFd::from_borrowed_fd(stop, PollFlags::IN)];
            fds.extend(self.news().map(|news| PollFd::from_borrowed_fd(news, PollFlags::IN)));
            wait(&mut fds, LOOK)?;
            if fds[..2].iter().any(|fd| !fd.revents().is_empty()) {
                return Ok(First::Input);
            }
            self.forget_news();
            let now = self.look();
            if now.is_some_and(|now| self.opened.is_none_or(|opened| !opened.same_file(&now))) {
                return Ok(First::Replaced);
            }
        }
    }

    /// Waits until the name is another file's or the file has changed since it was opened; at most for `limit`, or until `stop`.
    pub fn wait_for_change(&self, stop: BorrowedFd<'_>, limit: Option<Duration>) -> io::Result<()> {
        let begun = Instant::now();
        #[cfg(target_os = "linux")]
        if let Some(news) = &self.news {
            linux::add_changes(news, &self.path);
        }
        while self.look() == self.opened {
            let left = limit.map_or(LOOK, |limit| limit.saturating_sub(begun.elapsed()).min(LOOK));
            if left.is_zero() {
                break;
            }
            let mut fds = vec![PollFd::from_borrowed_fd(stop, PollFlags::IN)];
            fds.extend(self.news().map(|news| PollFd::from_borrowed_fd(news, PollFlags::IN)));
            wait(&mut fds, left)?;
            if !fds[0].revents().is_empty() {
                break;
            }
            self.forget_news();
        }
        Ok(())
    }

    fn look(&self) -> Option<Stamp> {
        std::fs::metadata(&self.path).ok().map(|file| Stamp::of(&file))
    }

    #[cfg(target_os = "linux")]
    fn news(&self) -> Option<BorrowedFd<'_>> {
        self.news.as_ref().map(AsFd::as_fd)
    }

    #[cfg(not(target_os = "linux"))]
    fn news(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// What the news are does not matter: the file is looked at.
    fn forget_news(&self) {
        if let Some(news) = self.news() {
            let mut scratch = [0; 4096];
            while rustix::io::read(news, &mut scratch).is_ok_and(|n| n > 0) {}
        }
    }
}

fn wait(fds: &mut [PollFd<'_>], limit: Duration) -> io::Result<()> {
    let limit = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
    match poll(fds, Some(&limit)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
    use std::os::fd::OwnedFd;
    use std::path::Path;

    /// Readable when the folder of `path`, or that of what a link leads to, has another file of some name.
    pub fn news_of(path: &Path) -> Option<OwnedFd> {
        let news = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()?;
        let folder =
            |path: &Path| path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder }.to_owned());
        let target = path.canonicalize().ok();
        for folder in [Some(path), target.as_deref()].into_iter().flatten().filter_map(folder) {
            // Where that is not allowed, there is the look now and then.
            _ = add_watch(&news, folder, WatchFlags::CREATE | WatchFlags::MOVED_TO);
        }
        Some(news)
    }

    /// Also when the file itself changes.
    pub fn add_changes(news: &OwnedFd, path: &Path) {
        _ = add_watch(news, path, WatchFlags::MODIFY | WatchFlags::ATTRIB);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A folder of this test's own.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("h5live-watch-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_name_that_becomes_another_file_s() {
        let folder = folder("name");
        let (path, other) = (folder.join("cam"), folder.join("other"));
        std::fs::write(&path, "one").unwrap();
        std::fs::write(&other, "two").unwrap();
        let watch = Watch::new(&path, Some(&File::open(&path).unwrap()));
        let ((idle, _writer), (stop, mut stopper)) = (io::pipe().unwrap(), io::pipe().unwrap());
        let first = |watch: &Watch| watch.wait_for_input(idle.as_fd(), stop.as_fd()).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| first(&watch));
            std::fs::rename(&other, &path).unwrap();
            assert_eq!(waiting.join().unwrap(), First::Replaced);
        });
        let watch = Watch::new(&path, None);
        assert_eq!(first(&watch), First::Replaced, "it was not there before");
        stopper.write_all(&[0]).unwrap();
        assert_eq!(first(&watch), First::Input);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_changes() {
        let folder = folder("change");
        let path = folder.join("cam");
        std::fs::write(&path, "one").unwrap();
        let watch = Watch::new(&path, Some(&File::open(&path).unwrap()));
        let (stop, mut stopper) = io::pipe().unwrap();
        watch.wait_for_change(stop.as_fd(), Some(Duration::from_millis(1))).unwrap();
        assert_eq!(watch.look(), watch.opened, "the time is up");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| watch.wait_for_change(stop.as_fd(), None));
            File::options().append(true).open(&path).unwrap().write_all(b"two").unwrap();
            waiting.join().unwrap().unwrap();
        });
        assert_ne!(watch.look(), watch.opened);
        let watch = Watch::new(&path, Some(&File::open(&path).unwrap()));
        stopper.write_all(&[0]).unwrap();
        watch.wait_for_change(stop.as_fd(), None).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }
}
