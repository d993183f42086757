//! One recording while it is written.

use super::catalogue::{Catalogue, Recording};
use super::disk::DiskFile;
use super::index::{self, Line};
use super::library::Library;
use super::name::{self, Start};
use super::scan::KeyTable;
use super::syncer::Syncer;
use crate::format::bmff::{self, FragmentReader, SyncPoint};
use crate::media::{Timestamp, WallTime};
use bytes::Bytes;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A recording that is being written. Dropped, it is left as a crash would leave it.
#[derive(Debug)]
pub struct OpenRecording {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    catalogue: Catalogue,
    recording: Recording,
    reader: FragmentReader,
    keys: KeyTable,
    /// Where in the stream it begins.
    zero: Timestamp,
}

impl OpenRecording {
    /// Begins one, with its first fragment, which begins at `zero` of the stream and was captured at `wall`. A name that is there is not taken.
    ///
    /// In this order nothing that is half is found under the name after a loss of power: write, sync, rename, sync the folder. All but the first is done in the
    /// background; until then it has a name that says so, and the next start goes on from there.
    ///
    /// # Errors
    /// The disk's. Nothing is left then.
    pub fn begin(
        library: &Library,
        stream: &str,
        wall: WallTime,
        (init, zero): (&Bytes, Timestamp),
        first: &Bytes,
        syncer: &mut Syncer,
    ) -> io::Result<OpenRecording> {
        let (disk, catalogue) = (library.disk(), library.stream(stream)?);
        let mut start = Start::at(wall);
        while (catalogue.has(start) || disk.open(&library.path(stream, start)).is_ok()) && start != start.next() {
            start = start.next();
        }
        let path = library.path(stream, start);
        let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
        let new = name::new(&path);
        // A folder that was deleted with its last recording is made again.
        let above = folder.parent().unwrap_or(Path::new(".")).to_owned();
        disk.make_folder(&above)?;
        disk.make_folder(&folder)?;
        let init = bmff::init_at(init, zero);
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let reader = FragmentReader::new(&init).map_err(invalid)?;
        let main = reader.main().ok_or(io::ErrorKind::InvalidData)?;
        let write = || {
            let mut file = disk.create(&new)?;
            file.write(&init)?;
            file.write(first)?;
            let again = file.again()?;
            Ok((file, again))
        };
        let (file, mut again) = write().inspect_err(|_: &io::Error| drop(disk.remove(&new)))?;
        let (library, to) = (library.clone(), path.clone());
        syncer.give(move || {
            again.sync()?;
            library.disk().sync_folder(&above)?;
            library.disk().rename(&new, &to)?;
            library.disk().sync_folder(&folder)
        });
        let recording = Recording { start, duration: Duration::ZERO, size: init.len() as u64, open: true };
        let mut open = OpenRecording { file, path, catalogue, recording, reader, keys: KeyTable::new(main), zero };
        open.note(first);
        Ok(open)
    }

    /// When it begins.
    pub fn start(&self) -> Start {
        self.recording.start
    }

    /// What of the time of the day a time of the stream is in it.
    pub fn wall(&self, time: Timestamp) -> WallTime {
        WallTime(self.recording.start.wall().0.saturating_add(time - self.zero))
    }

    /// So much of the stream is in it when it goes on at `time`.
    pub fn length_at(&self, time: Timestamp) -> Duration {
        time.since(self.zero)
    }

    /// # Errors
    /// The disk's. What was written of the fragment is cut off again, if that can be done.
    pub fn write(&mut self, fragment: &Bytes) -> io::Result<()> {
        match self.file.write(fragment) {
            Ok(()) => self.note(fragment),
            Err(error) => {
                let _ = self.file.set_len(self.recording.size);
                return Err(error);
            }
        }
        Ok(())
    }

    /// What was written survives a loss of power, some time later.
    ///
    /// # Errors
    /// There is no other handle to the file.
    pub fn sync(&self, syncer: &mut Syncer) -> io::Result<()> {
        let mut again = self.file.again()?;
        syncer.give(move || again.sync());
        Ok(())
    }

    /// The fragment stands at the end of the file.
    fn note(&mut self, fragment: &Bytes) {
        let at = self.recording.size;
        self.recording.size += fragment.len() as u64;
        let before = self.keys.keys.len();
        if let Some((inside, moof)) = bmff::moof_of(fragment) {
            let (place, main) = (at + inside as u64, self.keys.main().id);
            let tracks = self.reader.read(moof, place).unwrap_or_default();
            tracks.iter().filter(|samples| samples.track == main).for_each(|samples| self.keys.add(samples, place));
        }
        self.recording.duration = self.keys.duration();
        let key: Option<SyncPoint> = self.keys.keys.get(before).copied();
        self.catalogue.grown(self.recording, key);
    }

    /// Writes the table of keyframes, and, in the background, the line of the index.
    ///
    /// # Errors
    /// The disk's. The recording is whole all the same, and the index is made right at the next start.
    pub fn close(mut self, library: &Library, syncer: &mut Syncer) -> io::Result<()> {
        let table = bmff::mfra(self.keys.main().id, &self.keys.keys);
        let whole = self.recording.size;
        let closed = match self.file.write(&table) {
            Ok(()) => {
                self.recording.size += table.len() as u64;
                Ok(())
            }
            Err(error) => self.file.set_len(whole).and(Err(error)),
        };
        let recording = Recording { open: false, ..self.recording };
        self.catalogue.put(recording);
        closed?;
        let line = Line { start: recording.start, duration: recording.duration, size: recording.size };
        let (library, folder, mut file) = (library.clone(), self.path.parent().unwrap_or(Path::new(".")).to_owned(), self.file);
        syncer.give(move || {
            file.sync()?;
            let mut index = library.disk().append(&folder.join(index::FILE))?;
            index.write(line.text().as_bytes())?;
            index.sync()?;
            library.disk().sync_folder(&folder)
        });
        Ok(())
    }

    /// It cannot be written any more: it stays as it is.
    pub fn give_up(self) {
        self.catalogue.put(Recording { open: false, ..self.recording });
    }
}
