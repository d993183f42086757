//! The path under which a proxy serves all of it. Pure.

use std::fmt;
use std::str::FromStr;

/// The longest one, in bytes.
const LONGEST: usize = 256;

/// A path such as `/cams`, or none. A proxy may take it off or leave it: where it is, it is taken off here. All that pages ask for is relative to
/// them, so nothing else has to know it but cookies and the addresses that are printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(String);

/// The text is no such path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a path such as /cams, of letters, digits and - . _ ~; /t and /api are taken")]
pub struct BasePathError;

impl FromStr for BasePath {
    type Err = BasePathError;

    fn from_str(text: &str) -> Result<BasePath, BasePathError> {
        let path = text.strip_suffix('/').unwrap_or(text);
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        let is_name = |name: &str| !matches!(name, "" | "." | "..") && name.bytes().all(plain);
        let mut names = path.strip_prefix('/').unwrap_or("").split('/');
        let taken = names.clone().next().is_some_and(|first| matches!(first, "t" | "api"));
        if path.is_empty() && !text.is_empty() {
            return Ok(BasePath::default());
        }
        if path.len() > LONGEST || taken || !names.all(is_name) { Err(BasePathError) } else { Ok(BasePath(path.into())) }
    }
}

/// With a slash at its end: what it is put before begins behind one.
impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.0)
    }
}

/// A path, without the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inside<'a> {
    Path(&'a str),
    /// The base itself, without the slash that everything is relative to.
    NoSlash,
}

impl BasePath {
    /// Takes the base off a path in its normal form, where the path has it.
    pub(super) fn inside<'a>(&self, path: &'a str) -> Inside<'a> {
        match path.strip_prefix(&*self.0) {
            Some("") if !self.0.is_empty() => Inside::NoSlash,
            Some(inside) if inside.starts_with('/') => Inside::Path(inside),
            _ => Inside::Path(path),
        }
    }

    /// The last name of it, with a slash: how it is reached from beside it.
    pub(super) fn last(&self) -> String {
        format!("{}/", self.0.rsplit('/').next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base() {
        let base: BasePath = "/a/cams/".parse().unwrap();
        assert_eq!((base.to_string(), base.last()), ("/a/cams/".into(), "cams/".into()));
        for (path, inside) in [
            ("/a/cams/", "/"),
            ("/a/cams/door.mp4", "/door.mp4"),
            ("/a/cams/t/1.2.3/door", "/t/1.2.3/door"),
            // A proxy has taken it off.
            ("/door.mp4", "/door.mp4"),
            ("/", "/"),
            ("*", "*"),
            ("/a/camsx", "/a/camsx"),
            ("/a/cams/a/cams/x", "/a/cams/x"),
            ("/a", "/a"),
        ] {
            assert_eq!(base.inside(path), Inside::Path(inside), "{path}");
        }
        assert_eq!(base.inside("/a/cams"), Inside::NoSlash);
    }

    #[test]
    fn none() {
        for none in [BasePath::default(), "/".parse().unwrap()] {
            assert_eq!((none.to_string(), none.inside("/x"), none.inside("")), ("/".into(), Inside::Path("/x"), Inside::Path("")));
        }
        for wrong in
            ["", "cams", "//", "/a//b", "/a b", "/a?b", "/%41", "/..", "/t", "/api/x", "/é", "/a;b", &format!("/{}", "x".repeat(300))]
        {
            assert_eq!(wrong.parse::<BasePath>(), Err(BasePathError), "{wrong}");
        }
    }
}
