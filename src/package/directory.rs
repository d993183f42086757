//! A folder: files appear and change at once, by their names.

use super::file::File;
use super::publisher::{Store, StoreError};
use crate::format::hls::{Name, Rendition};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Of a file that is being written. Web servers do not list it, and no name of ours begins so.
const HIDDEN: &str = ".h5mux-";

/// The folder. Nothing in it is touched that has another name than ours.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    earlier: Vec<Name>,
}

impl Directory {
    /// The folder is made where it is not there. What an earlier run has left half written is removed.
    ///
    /// # Errors
    /// It cannot be made or read, or nothing can be written into it.
    pub fn open(path: &Path) -> io::Result<Directory> {
        fs::create_dir_all(path)?;
        let mut earlier = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(text) = name.to_str() else { continue };
            if text.strip_prefix(HIDDEN).is_some_and(|name| Name::parse(name).is_some()) {
                fs::remove_file(entry.path())?;
            }
            earlier.extend(Name::parse(text));
        }
        let directory = Directory { path: path.to_owned(), earlier };
        // Whether it can be written to is said now, and not after a segment.
        let probe = directory.hidden(&Name::Multivariant);
        fs::File::create(&probe).and_then(|_| fs::remove_file(&probe))?;
        Ok(directory)
    }

    /// The playlists that an earlier run has left.
    pub fn playlists(&self) -> Vec<(Rendition, String)> {
        let read = |rendition| fs::read_to_string(self.path.join(Name::Playlist(rendition).to_string())).ok();
        Rendition::ALL.into_iter().filter_map(|rendition| Some((rendition, read(rendition)?))).collect()
    }

    fn hidden(&self, name: &Name) -> PathBuf {
        self.path.join(format!("{HIDDEN}{name}"))
    }

    fn write(&self, file: &File) -> io::Result<()> {
        let hidden = self.hidden(&file.name);
        let write = || {
            let mut out = BufWriter::new(fs::File::create(&hidden)?);
            file.pieces.iter().try_for_each(|piece| out.write_all(piece))?;
            out.into_inner().map_err(io::IntoInnerError::into_error)?;
            fs::rename(&hidden, self.path.join(file.name.to_string()))
        };
        // A full disk gets back what it had room for.
        write().inspect_err(|_| _ = fs::remove_file(&hidden))
    }
}

impl Store for Directory {
    fn put(&mut self, file: &File) -> Result<(), StoreError> {
        self.write(file).map_err(|error| StoreError(error.to_string()))
    }

    fn remove(&mut self, name: &Name) -> Result<(), StoreError> {
        match fs::remove_file(self.path.join(name.to_string())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError(error.to_string())),
            _ => Ok(()),
        }
    }

    fn earlier(&self) -> Vec<Name> {
        self.earlier.clone()
    }
}
