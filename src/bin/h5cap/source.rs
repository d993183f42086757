//! What a SOURCE on the command line means.

use crate::args::Args;
use anyhow::Context as _;
use h5live::cli;
use h5live::media::{NoSource, Unsupported};
use h5live::pipe::stdio;
use h5live::source::mp4;
use h5live::source::pictures::is_picture;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where the frames come from.
pub enum Source {
    Test,
    /// As on the command line: `camera`, `camera:WHICH` or a device node.
    Camera(String),
    /// What stands after `microphone:`.
    Microphone(String),
    Pictures(Vec<PathBuf>),
    Stream(Input),
}

/// A stream of bytes.
pub enum Input {
    Stdin,
    File(PathBuf),
}

impl Source {
    pub fn of(args: &Args) -> anyhow::Result<Source> {
        let mut pictures = Vec::new();
        for text in &args.sources {
            match Source::named(text, args.follow)? {
                Source::Pictures(mut more) => pictures.append(&mut more),
                source if args.sources.len() == 1 => return source.usable(args),
                _ => return Err(cli::usage(format!("{text}: only pictures can be several; take one source at a time"))),
            }
        }
        let source = if args.sources.is_empty() { Source::Camera("camera".into()) } else { Source::Pictures(pictures) };
        source.usable(args)
    }

    /// The source that a word on the command line means.
    fn named(text: &str, follow: bool) -> anyhow::Result<Source> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        match (kind, rest) {
            ("test", "") => Ok(Source::Test),
            ("-", "") => Ok(Source::Stream(Input::Stdin)),
            ("microphone", which) => Ok(Source::Microphone(which.into())),
            ("camera", _) => Ok(Source::Camera(text.into())),
            ("file", path) => Source::at(Path::new(path), follow),
            (scheme, rest) if rest.starts_with("//") => Err(Unsupported {
                what: format!("{scheme}: addresses are not a source of their own"),
                advice: format!("let ffmpeg fetch it: ffmpeg -i {scheme}://… -c copy -f nut -flush_packets 1 - | h5cap -"),
            }
            .into()),
            _ => Source::at(Path::new(text), follow),
        }
    }

    /// The source at a path: what it is says the file system, and for pictures the name.
    fn at(path: &Path, follow: bool) -> anyhow::Result<Source> {
        let kind = match fs::metadata(path) {
            Ok(meta) => meta.file_type(),
            Err(e) => return Err(missing(e)).with_context(|| path.display().to_string()),
        };
        let path = path.to_owned();
        Ok(match kind {
            kind if kind.is_char_device() => Source::Camera(format!("camera:{}", path.display())),
            kind if kind.is_dir() || follow || is_picture(&path) => Source::Pictures(vec![path]),
            _ => Source::Stream(Input::File(path)),
        })
    }

    /// Refuses arguments that mean nothing for this source.
    fn usable(self, args: &Args) -> anyhow::Result<Source> {
        let is = |given: bool, meant: bool, what: &str| if given && !meant { Err(cli::usage(what)) } else { Ok(()) };
        let test = matches!(self, Source::Test);
        let camera = matches!(self, Source::Camera(_));
        let pictures = matches!(self, Source::Pictures(_));
        let stream = matches!(self, Source::Stream(_));
        let again = pictures || matches!(&self, Source::Stream(Input::File(path)) if is_regular(path));
        is(args.repeat, again, "--loop is for files and pictures: this source cannot be read again")?;
        is(args.follow, pictures, "--follow is for directories and files of pictures")?;
        is(args.size.is_some(), test || camera, "--size is for the test picture and cameras; h5enc --size scales")?;
        is(args.pixel_format.is_some(), test, "--pixel-format is for the test picture")?;
        is(args.audio.device().is_some(), camera, "--audio is for cameras; for sound alone: h5cap microphone:DEVICE")?;
        is(args.no_audio, test, "--no-audio is for the test picture")?;
        is(args.input_format.is_some(), stream, "--input-format is for streams")?;
        is(args.live, stream, "--live is for streams")?;
        Ok(self)
    }

    /// Live sources do not wait for a slow reader.
    pub fn is_live(&self, args: &Args) -> bool {
        match self {
            Source::Test => !args.no_pace,
            Source::Camera(_) | Source::Microphone(_) => true,
            Source::Pictures(_) => args.follow,
            Source::Stream(_) => false,
        }
    }
}

impl Input {
    /// As it is called in errors.
    pub fn name(&self) -> String {
        match self {
            Input::Stdin => "stdin".into(),
            Input::File(path) => path.display().to_string(),
        }
    }

    /// A file that can be read again, and is not live.
    pub fn is_regular(&self) -> bool {
        match self {
            Input::Stdin => is_regular(Path::new("/dev/stdin")),
            Input::File(path) => is_regular(path),
        }
    }

    /// A requested stop reads as the end.
    pub fn open(&self, stop: &cli::Stop) -> anyhow::Result<Box<dyn Read + Send>> {
        let same = || cli::usage(format!("{}: is the output too: write to another file", self.name()));
        let Input::File(path) = self else {
            let stdin = stdio::Stdin::open(Some(stop))?;
            return match stdio::is_stored(&stdin) {
                true if stdio::is_same_file(&stdin, io::stdout()) => Err(same()),
                true => mp4::index_first(stdin.into_file()).with_context(|| self.name()),
                false => Ok(Box::new(stdin)),
            };
        };
        // A FIFO without a writer is waited for when it is read, not here.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
        let file = file.map_err(missing).with_context(|| self.name())?;
        if stdio::is_same_file(&file, io::stdout()) {
            return Err(same());
        }
        if is_regular(path) {
            return mp4::index_first(file).with_context(|| self.name());
        }
        Ok(Box::new(stdio::Stdin::over(file, Some(stop)).with_context(|| self.name())?))
    }
}

fn is_regular(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file())
}

/// A file that is not there has an exit code of its own.
fn missing(error: io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::NotFound { NoSource(error.to_string()).into() } else { error.into() }
}
