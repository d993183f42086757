//! A folder of recordings: what is in it, made whole again after a crash.
//!
//! ```text
//! DIR/.lock                                  held by the program that records
//! DIR/door/2026-11-26/18-20-00.000Z.mp4      init segment, fragments, and, if it was closed, a table of keyframes
//! DIR/door/2026-11-26/18-30-00.000Z.mp4.new  begun, and not synced yet
//! DIR/door/2026-11-26/index                  see `index`
//! ```
//! A name without `.new` always has an init segment and a keyframe: its file was written and synced before it was renamed, and the folder was synced after
//! that, in the background. What has `.new` at the next start and has a keyframe gets its name then. What a crash leaves behind the last whole fragment is cut off when the folder is opened again.

use super::catalogue::{Catalogue, Recording};
use super::cuts::Cuts;
use super::disk::{Disk, ReadAt};
use super::index::{self, Line};
use super::name::{self, NEW, Start};
use super::scan;
use crate::format::bmff;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// An index that is larger is none: a day has no more than 86,400 seconds, and a recording is longer than that.
const MAX_INDEX: u64 = 16 << 20;

/// Recordings of all streams below one folder. Clones are handles to the same.
#[derive(Clone, Debug)]
pub struct Library(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    disk: Box<dyn Disk>,
    streams: Mutex<BTreeMap<String, Arc<Slot>>>,
    cuts: Cuts,
}

/// A stream's recordings, once they were looked through.
#[derive(Debug, Default)]
struct Slot {
    ready: OnceLock<Catalogue>,
    /// Held by who looks through them.
    looking: Mutex<()>,
}

impl Library {
    /// The folder is there. Nothing is read yet.
    pub fn new(dir: PathBuf, disk: Box<dyn Disk>) -> Library {
        Library(Arc::new(Inner { dir, disk, streams: Mutex::default(), cuts: Cuts::default() }))
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// The file system that it is on.
    pub fn disk(&self) -> &dyn Disk {
        &*self.0.disk
    }

    /// Where recordings were cut.
    pub(super) fn cuts(&self) -> &Cuts {
        &self.0.cuts
    }

    /// Where a recording is, or would be.
    pub fn path(&self, stream: &str, start: Start) -> PathBuf {
        self.0.dir.join(stream).join(start.day()).join(start.file())
    }

    /// Opens a recording to read it.
    pub fn open(&self, stream: &str, start: Start) -> io::Result<Box<dyn ReadAt>> {
        let path = self.path(stream, start);
        match self.disk().open(&path) {
            // It was begun a moment ago, and is on its way to its name.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.disk().open(&name::new(&path)).or_else(|_| self.disk().open(&path))
            }
            opened => opened,
        }
    }

    /// The recordings of a stream, if they were looked through.
    pub fn find(&self, stream: &str) -> Option<Catalogue> {
        self.lock().get(stream)?.ready.get().cloned()
    }

    /// Those of all streams that were looked through.
    pub fn streams(&self) -> Vec<(String, Catalogue)> {
        self.lock().iter().filter_map(|(name, slot)| Some((name.clone(), slot.ready.get()?.clone()))).collect()
    }

    /// Folders of streams, whether they were looked through or not.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let items = self.disk().list(&self.0.dir)?;
        Ok(items.into_iter().filter(|item| item.is_folder && !item.name.starts_with('.')).map(|item| item.name).collect())
    }

    /// The recordings of a stream. The first call looks through them and makes whole what a crash has left; it may take a while.
    ///
    /// # Errors
    /// A folder cannot be read. A recording that cannot be read is left out.
    pub fn stream(&self, stream: &str) -> io::Result<Catalogue> {
        let slot = self.lock().entry(stream.to_owned()).or_default().clone();
        // Who comes second waits for the first. Who only wants to find does not.
        let _looking = slot.looking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = slot.ready.get() {
            return Ok(found.clone());
        }
        let (catalogue, folder) = (Catalogue::default(), self.0.dir.join(stream));
        let days = match self.disk().list(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.disk().make_folder(&folder)?;
                self.disk().sync_folder(&self.0.dir)?;
                Vec::new()
            }
            days => days?,
        };
        for day in days.into_iter().filter(|day| day.is_folder && name::is_day(&day.name)) {
            self.day(&folder.join(&day.name), &day.name)?.into_iter().for_each(|one| catalogue.put(one));
        }
        Ok(slot.ready.get_or_init(|| catalogue).clone())
    }

    /// The recordings of a day.
    fn day(&self, folder: &Path, day: &str) -> io::Result<Vec<Recording>> {
        let items = self.disk().list(folder)?;
        let text = if items.iter().any(|item| item.name == index::FILE) { self.index(folder) } else { String::new() };
        let known: BTreeMap<Start, Line> = index::parse(day, &text).map(|line| (line.start, line)).collect();
        let mut found: Vec<Recording> = Vec::new();
        for item in items.iter().filter(|item| !item.is_folder) {
            let path = folder.join(&item.name);
            if let Some(name) = item.name.strip_suffix(NEW) {
                let is_there = items.iter().any(|item| item.name == name);
                match Start::parse(day, name).filter(|_| !is_there) {
                    Some(start) => found.extend(self.begun(folder, &path, start)?),
                    None => self.disk().remove(&path)?,
                }
                continue;
            }
            let Some(start) = Start::parse(day, &item.name) else { continue };
            match known.get(&start).filter(|line| line.size == item.size) {
                Some(line) => found.push(Recording { start, duration: line.duration, size: line.size, open: false }),
                None => match self.recover(&path, start) {
                    Ok(recording) => found.extend(recording),
                    Err(error) => tracing::warn!("{}: {error}; it is left as it is", path.display()),
                },
            }
        }
        found.sort_unstable_by_key(|one| one.start);
        let lines: String = found.iter().map(|one| Line { start: one.start, duration: one.duration, size: one.size }.text()).collect();
        if lines != text
            && let Err(error) = self.write_index(folder, &lines)
        {
            tracing::warn!("{}: the index cannot be written: {error}", folder.display());
        }
        Ok(found)
    }

    /// A recording that was begun, and did not get its name before a crash: it gets it now. One without a fragment is none.
    fn begun(&self, folder: &Path, new: &Path, start: Start) -> io::Result<Option<Recording>> {
        let Ok(Some(recording)) = self.recover(new, start) else { return self.disk().remove(new).map(|()| None) };
        self.disk().append(new)?.sync()?;
        self.disk().rename(new, &folder.join(start.file()))?;
        self.disk().sync_folder(folder)?;
        Ok(Some(recording))
    }

    fn index(&self, folder: &Path) -> String {
        let read = || {
            let file = self.disk().open(&folder.join(index::FILE))?;
            let mut bytes = vec![0; file.size()?.min(MAX_INDEX) as usize];
            let have = file.read_at(&mut bytes, 0)?;
            bytes.truncate(have);
            Ok::<_, io::Error>(bytes)
        };
        read().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    fn write_index(&self, folder: &Path, lines: &str) -> io::Result<()> {
        let (path, new) = (folder.join(index::FILE), folder.join(format!("{}{NEW}", index::FILE)));
        let mut file = self.disk().create(&new)?;
        file.write(lines.as_bytes())?;
        file.sync()?;
        self.disk().rename(&new, &path)?;
        self.disk().sync_folder(folder)
    }

    /// Cuts off what is not whole of a recording that was not closed, and closes it. `None`: it is no recording, and is left alone.
    fn recover(&self, path: &Path, start: Start) -> io::Result<Option<Recording>> {
        let file = self.disk().open(path)?;
        let Some(found) = scan::scan(&*file)? else { return Ok(None) };
        let mut size = file.size()?;
        drop(file);
        if !found.closed {
            if !found.has_media {
                return Ok(None);
            }
            let table = bmff::mfra(found.track, &found.keys);
            let mut file = self.disk().append(path)?;
            file.set_len(found.whole)?;
            size = found.whole;
            // A full disk has no room for the table: the recording is whole without it.
            match file.write(&table).and_then(|()| file.sync()) {
                Ok(()) => size += table.len() as u64,
                Err(_) => file.set_len(found.whole)?,
            }
            tracing::info!("{}: was not closed, and is whole again", path.display());
        }
        Ok(Some(Recording { start, duration: found.duration, size, open: false }))
    }

    /// Deletes a recording, and the folder of its day with the last one. `false`: it is in use.
    pub fn delete(&self, stream: &str, start: Start) -> io::Result<bool> {
        let Some(catalogue) = self.find(stream) else { return Ok(false) };
        if !catalogue.take(start) {
            return Ok(false);
        }
        let path = self.path(stream, start);
        match self.disk().remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if let Some(folder) = path.parent().filter(|_| !catalogue.has_of_day(start)) {
            let _ = self.disk().remove(&folder.join(index::FILE));
            // One that is not empty stays.
            let _ = self.disk().remove_folder(folder);
        }
        Ok(true)
    }

    /// A poisoned lock only means that another thread died while it looked.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Slot>>> {
        self.0.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
