//! For tests: a disk in memory that keeps a log of what was done, fails when it is told to, and can lose its power at any moment: what was not synced is then
//! there, or not, or in part.

use super::disk::{Disk, DiskFile, Item, ReadAt};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

#[derive(Clone, Debug)]
enum Op {
    MakeFolder(PathBuf),
    Create(usize, PathBuf),
    Write(usize, Bytes),
    SetLen(usize, u64),
    Sync(usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    RemoveFolder(PathBuf),
    SyncFolder(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Folder,
    File(usize),
}

#[derive(Clone, Debug, Default)]
struct State {
    names: BTreeMap<PathBuf, Node>,
    files: BTreeMap<usize, Vec<u8>>,
}

#[derive(Debug, Default)]
struct Inner {
    base: State,
    now: State,
    log: Vec<Op>,
    trouble: Option<io::ErrorKind>,
    free: Option<u64>,
}

/// Clones are handles to the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk(Arc<Mutex<Inner>>);

/// How much of what was not synced is there after a loss of power.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    /// Of the bytes behind the synced ones.
    pub bytes: Unsynced,
    /// So many of the changes of names.
    pub names: usize,
}

#[derive(Clone, Copy, Debug)]
pub enum Unsynced {
    Gone,
    Half,
    /// The file is as long as it was, but half of what was not synced was never written.
    Zeros,
    There,
}

impl SimulatedDisk {
    /// From now on everything that changes the disk fails, or nothing.
    pub fn set_trouble(&self, trouble: Option<io::ErrorKind>) {
        self.0.lock().unwrap().trouble = trouble;
    }

    pub fn set_free(&self, free: Option<u64>) {
        self.0.lock().unwrap().free = free;
    }

    /// How many things were done.
    pub fn done(&self) -> usize {
        self.0.lock().unwrap().log.len()
    }

    /// Everything that may be there after the power went when so many things had been done.
    pub fn after_loss(&self, done: usize) -> Vec<(Loss, SimulatedDisk)> {
        let inner = self.0.lock().unwrap();
        let log = &inner.log[..done];
        let most = log.iter().enumerate().filter(|(n, op)| folder_of(op).is_some_and(|folder| !is_synced(folder, &log[*n..]))).count();
        let kinds = [Unsynced::Gone, Unsynced::Half, Unsynced::Zeros, Unsynced::There];
        let losses = (0..=most).flat_map(|names| kinds.map(|bytes| Loss { bytes, names }));
        losses.map(|loss| (loss, SimulatedDisk::of(lost(&inner.base, log, loss)))).collect()
    }

    fn of(state: State) -> SimulatedDisk {
        SimulatedDisk(Arc::new(Mutex::new(Inner { base: state.clone(), now: state, ..Inner::default() })))
    }

    /// What is there, by name.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let inner = self.0.lock().unwrap();
        let file = |(path, node): (&PathBuf, &Node)| match node {
            Node::File(id) => Some((path.clone(), inner.now.files[id].clone())),
            Node::Folder => None,
        };
        inner.now.names.iter().filter_map(file).collect()
    }

    /// For tests of damage.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut file = self.create(path).unwrap();
        file.write(bytes).unwrap();
    }

    fn change(&self, op: Op) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        if let Some(kind) = inner.trouble {
            return Err(kind.into());
        }
        apply(&mut inner.now, &op)?;
        inner.log.push(op);
        Ok(())
    }

    fn new_file(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let id = {
            let inner = self.0.lock().unwrap();
            inner.now.files.keys().last().map_or(0, |last| last + 1)
        };
        self.change(Op::Create(id, path.to_owned()))?;
        Ok(Box::new(Handle { disk: self.clone(), id }))
    }
}

/// Whose entries it changes.
fn folder_of(op: &Op) -> Option<&Path> {
    match op {
        Op::MakeFolder(path) | Op::Create(_, path) | Op::Rename(_, path) | Op::Remove(path) | Op::RemoveFolder(path) => path.parent(),
        Op::Write(..) | Op::SetLen(..) | Op::Sync(_) | Op::SyncFolder(_) => None,
    }
}

fn is_synced(folder: &Path, later: &[Op]) -> bool {
    later.iter().any(|op| matches!(op, Op::SyncFolder(synced) if synced == folder))
}

fn lost(base: &State, log: &[Op], loss: Loss) -> State {
    let mut state = base.clone();
    let mut synced = base.files.clone();
    let mut names = loss.names;
    for (n, op) in log.iter().enumerate() {
        match op {
            Op::Write(..) | Op::SetLen(..) => _ = apply(&mut state, op),
            Op::Sync(id) => _ = synced.insert(*id, state.files[id].clone()),
            Op::SyncFolder(_) => {}
            op => {
                if let Op::Create(id, _) = op {
                    state.files.entry(*id).or_default();
                    synced.entry(*id).or_default();
                }
                let is_there = is_synced(folder_of(op).expect("it changes names"), &log[n..]);
                if is_there || names > 0 {
                    names -= usize::from(!is_there);
                    // What another loss took away cannot be renamed.
                    let _ = apply(&mut state, op);
                }
            }
        }
    }
    for (id, bytes) in &mut state.files {
        let kept = synced.get(id).cloned().unwrap_or_default();
        let same = kept.iter().zip(bytes.iter()).take_while(|(a, b)| a == b).count();
        let middle = same.max(kept.len()).midpoint(bytes.len()).min(bytes.len());
        match loss.bytes {
            Unsynced::Gone => *bytes = kept,
            Unsynced::Half if bytes.len() > kept.len() => bytes.truncate(middle),
            Unsynced::Zeros if bytes.len() > kept.len() => bytes[middle..].fill(0),
            _ => {}
        }
    }
    state
}

fn apply(state: &mut State, op: &Op) -> io::Result<()> {
    let missing = || io::Error::from(io::ErrorKind::NotFound);
    match op {
        Op::MakeFolder(path) | Op::Create(_, path)
            if path.parent().is_some_and(|folder| folder != Path::new("/dir") && !state.names.contains_key(folder)) =>
        {
            return Err(missing());
        }
        Op::MakeFolder(path) => _ = state.names.entry(path.clone()).or_insert(Node::Folder),
        Op::Create(id, path) => {
            state.names.insert(path.clone(), Node::File(*id));
            state.files.entry(*id).or_default();
        }
        Op::Write(id, bytes) => state.files.get_mut(id).ok_or_else(missing)?.extend_from_slice(bytes),
        Op::SetLen(id, length) => state.files.get_mut(id).ok_or_else(missing)?.truncate(*length as usize),
        Op::Rename(from, to) => {
            let node = state.names.remove(from).ok_or_else(missing)?;
            state.names.insert(to.clone(), node);
        }
        Op::Remove(path) => _ = state.names.remove(path).ok_or_else(missing)?,
        Op::RemoveFolder(path) => {
            if state.names.keys().any(|name| name.parent() == Some(path)) {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            state.names.remove(path);
        }
        Op::Sync(_) | Op::SyncFolder(_) => {}
    }
    Ok(())
}

impl Disk for SimulatedDisk {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        let is_there = self.0.lock().unwrap().now.names.contains_key(path);
        if is_there { Ok(()) } else { self.change(Op::MakeFolder(path.to_owned())) }
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.new_file(path)
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let found = self.0.lock().unwrap().now.names.get(path).copied();
        match found {
            Some(Node::File(id)) => Ok(Box::new(Handle { disk: self.clone(), id })),
            _ => self.new_file(path),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        let inner = self.0.lock().unwrap();
        match inner.now.names.get(path) {
            Some(Node::File(id)) => Ok(Box::new(Memory(inner.now.files[id].clone()))),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(Op::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(Op::Remove(path.to_owned()))
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.change(Op::RemoveFolder(path.to_owned()))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.change(Op::SyncFolder(path.to_owned()))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Item>> {
        let inner = self.0.lock().unwrap();
        if path != Path::new("/dir") && inner.now.names.get(path) != Some(&Node::Folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let below = inner.now.names.iter().filter(|(name, _)| name.parent() == Some(path));
        let item = |(name, node): (&PathBuf, &Node)| {
            let size = if let Node::File(id) = node { inner.now.files[id].len() as u64 } else { 0 };
            Item { name: name.file_name().unwrap().to_str().unwrap().to_owned(), size, is_folder: *node == Node::Folder }
        };
        Ok(below.map(item).collect())
    }

    fn free(&self, _: &Path) -> Option<u64> {
        self.0.lock().unwrap().free
    }
}

#[derive(Debug)]
struct Handle {
    disk: SimulatedDisk,
    id: usize,
}

impl DiskFile for Handle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let outcome = self.disk.change(Op::Write(self.id, Bytes::copy_from_slice(bytes)));
        if outcome.is_err() {
            // A disk that fills up takes a part.
            let mut inner = self.disk.0.lock().unwrap();
            let op = Op::Write(self.id, Bytes::copy_from_slice(&bytes[..bytes.len() / 2]));
            apply(&mut inner.now, &op)?;
            inner.log.push(op);
        }
        outcome
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.change(Op::Sync(self.id))
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.disk.change(Op::SetLen(self.id, length))
    }

    fn again(&self) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(Handle { disk: self.disk.clone(), id: self.id }))
    }
}

/// A file that is read.
#[derive(Debug)]
pub struct Memory(pub Vec<u8>);

impl ReadAt for Memory {
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let rest = usize::try_from(at).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let length = rest.len().min(buf.len());
        buf[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
}
