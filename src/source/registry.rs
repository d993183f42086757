//! Which source a word on a command line means: by its scheme, or for a path by what the file system says is there.
//!
//! To add a source `foo://`: a file with its [`Kind`], a test, a line in [`KINDS`], and one in `mod.rs` that declares the module.

use super::kind::{Kind, Scheme};
use super::{Error, Options, Source, camera, microphone, pattern, pictures, stream};
use crate::media::Unsupported;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// All kinds of sources.
static KINDS: &[&Kind] = &[
    &pattern::KIND,
    &camera::KIND,
    &microphone::KIND,
    &stream::STDIN,
    #[cfg(feature = "http")]
    &super::http::HTTP,
    #[cfg(feature = "http")]
    &super::http::HTTPS,
    #[cfg(feature = "http")]
    &super::http::WS,
    #[cfg(feature = "http")]
    &super::http::WSS,
    #[cfg(feature = "rtsp")]
    &super::rtsp::RTSP,
    #[cfg(feature = "rtsp")]
    &super::rtsp::RTSPS,
    #[cfg(feature = "onvif")]
    &super::onvif::KIND,
];

/// A source that is there, or was at a first look. Nothing is open yet.
pub struct Found {
    /// Its kind. Two sources are of one kind if these are the same object.
    pub kind: &'static Kind,
    /// URLs, paths or words. Several only where [`Kind::several`] says so.
    pub addresses: Vec<String>,
}

impl Found {
    /// Whether it does not wait for a slow reader.
    pub fn is_live(&self, options: &Options) -> bool {
        (self.kind.is_live)(options)
    }

    /// Opens it.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(&self, options: &Options) -> Result<Box<dyn Source>, Error> {
        (self.kind.open)(&self.addresses, options)
    }
}

/// Opens the source at a URL or path.
///
/// # Errors
/// There is none, or it cannot be opened.
pub fn open(url_or_path: &str, options: &Options) -> Result<Box<dyn Source>, Error> {
    find(url_or_path, options.follow)?.open(options)
}

/// The source that a URL or path means. `follow`: new pictures in a directory or file are wanted.
///
/// # Errors
/// Nothing is at this path; the scheme is of no source.
pub fn find(text: &str, follow: bool) -> Result<Found, Error> {
    let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
    let is_url = rest.starts_with("//");
    let named = KINDS.iter().find(|kind| match kind.scheme {
        Scheme::Word(word) => word == scheme && rest.is_empty(),
        Scheme::Named(name) => name == scheme,
        Scheme::Url(name) => name == scheme && is_url,
        Scheme::Path => false,
    });
    match named {
        Some(kind) => Ok(Found { kind, addresses: vec![text.to_owned()] }),
        None if scheme == "file" => at(rest, follow),
        None if is_url => Err(Error::Other(Box::new(Unsupported {
            what: format!("{scheme}: addresses are not a source of their own"),
            advice: format!("let ffmpeg fetch it: ffmpeg -i {scheme}://… -c copy -f nut -flush_packets 1 - | h5cap -"),
        }))),
        None => at(text, follow),
    }
}

/// The source at a path: what it is says the file system, and for pictures the name.
fn at(path: &str, follow: bool) -> Result<Found, Error> {
    let file = fs::metadata(path).map_err(|e| Error::io(path, e))?.file_type();
    let kind = match file {
        file if file.is_char_device() => return Ok(Found { kind: &camera::KIND, addresses: vec![format!("camera:{path}")] }),
        file if file.is_dir() || follow || pictures::is_picture(Path::new(path)) => &pictures::KIND,
        file if file.is_file() => &stream::RECORDING,
        _ => &stream::PIPE,
    };
    Ok(Found { kind, addresses: vec![path.to_owned()] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_schemes() {
        let scheme = |text: &str| find(text, false).map(|found| found.kind.scheme);
        assert_eq!(scheme("test").unwrap(), Scheme::Word("test"));
        assert_eq!(scheme("test:").unwrap(), Scheme::Word("test"));
        assert_eq!(scheme("-").unwrap(), Scheme::Word("-"));
        assert_eq!(scheme("camera:HD Pro").unwrap(), Scheme::Named("camera"));
        assert_eq!(scheme("microphone").unwrap(), Scheme::Named("microphone"));
        assert_eq!(scheme("file:/dev").unwrap(), Scheme::Path);
        assert_eq!(find("/dev/null", false).unwrap().addresses, ["camera:/dev/null"]);
        assert!(matches!(find("rtmp://camera/stream", false), Err(Error::Other(_))));
        for missing in ["test:x", "nope", "file:nope", "file:test"] {
            assert!(matches!(find(missing, false), Err(Error::NoSource { .. })), "{missing}");
        }
    }

    #[test]
    fn each_scheme_is_of_one_kind() {
        for (i, kind) in KINDS.iter().enumerate() {
            assert!(KINDS[..i].iter().all(|other| other.scheme != kind.scheme), "{:?}", kind.scheme);
        }
    }
}
