//! What recordings need of a file system, as a trait: tests put one below it that fails, fills up, or loses its power.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// A file system. Paths are whole; what is told of a folder is about its entries alone.
pub trait Disk: Debug + Send + Sync {
    /// Makes a folder, if it is not there.
    fn make_folder(&self, path: &Path) -> io::Result<()>;
    /// A new file to write to; one of this name is no reason to fail, and is emptied.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// A file to write to behind what it has, or a new one.
    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// A file to read.
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadAt>>;
    /// Another name in the same folder. What has that name is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes a file away.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Takes an empty folder away.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;
    /// The names in a folder survive a loss of power from now on.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    /// What is in a folder.
    fn list(&self, path: &Path) -> io::Result<Vec<Item>>;
    /// Bytes that can be written still, where that is known.
    fn free(&self, path: &Path) -> Option<u64>;
}

/// Something in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Without the folder's.
    pub name: String,
    /// Of a file, in bytes.
    pub size: u64,
    /// It is a folder itself.
    pub is_folder: bool,
}

/// A file that is written.
pub trait DiskFile: Debug + Send {
    /// Writes all of it, behind what is there.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Its bytes survive a loss of power from now on.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts it off.
    fn set_len(&mut self, length: u64) -> io::Result<()>;
    /// Another handle to it, to sync it by.
    fn again(&self) -> io::Result<Box<dyn DiskFile>>;
}

/// A file that is read.
pub trait ReadAt: Debug + Send + Sync {
    /// As many bytes as are there, up to the length of `buf`: fewer only at the end of the file.
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize>;
    /// In bytes.
    fn size(&self) -> io::Result<u64>;
    /// The file itself, where it is one of this machine.
    fn file(&self) -> Option<&Arc<File>> {
        None
    }
}

/// The file system of this machine.
#[derive(Clone, Copy, Debug)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path).or_else(|error| if path.is_dir() { Ok(()) } else { Err(error) })
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().write(true).create(true).truncate(true).open(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().append(true).create(true).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        Ok(Box::new(Arc::new(File::open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        match File::open(path)?.sync_all() {
            // Some network file systems have no such thing.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
            outcome => outcome,
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Item>> {
        let mut items = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            // A name that is no text is none of ours, and neither is a link.
            let (Ok(name), Ok(about)) = (entry.file_name().into_string(), entry.metadata()) else { continue };
            if about.is_file() || about.is_dir() {
                items.push(Item { name, size: about.len(), is_folder: about.is_dir() });
            }
        }
        Ok(items)
    }

    fn free(&self, path: &Path) -> Option<u64> {
        let about = rustix::fs::statvfs(path).ok()?;
        about.f_bavail.checked_mul(about.f_frsize)
    }
}

impl DiskFile for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        use std::io::Seek;
        File::set_len(self, length)?;
        self.seek(io::SeekFrom::Start(length)).map(drop)
    }

    fn again(&self) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(self.try_clone()?))
    }
}

impl ReadAt for Arc<File> {
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let mut have = 0;
        while have < buf.len() {
            match FileExt::read_at(&**self, &mut buf[have..], at + have as u64) {
                Ok(0) => break,
                Ok(n) => have += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(have)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn file(&self) -> Option<&Arc<File>> {
        Some(self)
    }
}
