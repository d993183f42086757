//! What is written: stdout, or a file.

use crate::input::Input;
use anyhow::Context as _;
use h5live::cli;
use h5live::pipe::stdio;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where the stream goes.
pub type Output = Box<dyn Write + Send>;

/// `stores`: the stream goes elsewhere too. Then stdout gets it only where somebody reads it or keeps it: from a pipe, or as a file.
pub fn open_output(path: Option<&Path>, input: &Input, stores: bool) -> anyhow::Result<Option<(String, Output)>> {
    let same = |name: &str| cli::usage(format!("{name}: is the input too: write to another file"));
    match path.filter(|p| *p != Path::new("-")) {
        None if stores && path.is_none() && !stdio::is_pipe_or_file(io::stdout()) => Ok(None),
        None => {
            let stdout = stdio::Stdout::open()?;
            if stdio::is_same_file(&stdout, input) {
                return Err(same("stdout"));
            }
            if stdio::is_stored(input) {
                stdout.enlarge();
            }
            Ok(Some(("stdout".into(), Box::new(stdout))))
        }
        Some(path) => {
            let name = path.display().to_string();
            let target = Target::open(path).with_context(|| name.clone())?;
            if target.file.as_ref().is_some_and(|file| stdio::is_same_file(file, input)) {
                return Err(same(&name));
            }
            Ok(Some((name, Box::new(target))))
        }
    }
}

/// The file of `--output`. What is in it stays until there is something to write: an input that is not understood destroys nothing.
struct Target {
    path: PathBuf,
    /// It is there already.
    file: Option<File>,
    begun: bool,
}

impl Target {
    fn open(path: &Path) -> io::Result<Target> {
        let file = match OpenOptions::new().write(true).open(path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Whether it can be made is said now, and not after an hour.
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
                std::fs::metadata(folder)?;
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Target { path: path.to_owned(), file, begun: false })
    }

    fn file(&mut self) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => {
                if !self.begun && stdio::is_stored(&file) {
                    file.set_len(0)?;
                }
                file
            }
            None => File::create(&self.path)?,
        };
        self.begun = true;
        Ok(self.file.insert(file))
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file()?.write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.file()?.write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), File::flush)
    }
}
