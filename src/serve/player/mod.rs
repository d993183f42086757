//! The player and the pages, embedded in the binary: `<h5-live>` as one ES module, one page for a stream and for all streams.
//!
//! The component is written as small ES modules beside this file. They are served as **one** file, `h5live.js`, so that one
//! script tag is enough: the parts are joined in order of dependency, and the imports between them, which name what is
//! then in the same file, are left out, and so are lines of comments. Nothing else is changed; there is no build step.
//!
//! This module knows no HTTP: the server asks for a name and gets a body, its type and its entity tag.

use bytes::Bytes;
use sha1::{Digest, Sha1};
use std::sync::LazyLock;

/// The parts of `h5live.js`; each imports only from those before it.
const PARTS: [(&str, &str); 25] = [
    ("clock.js", include_str!("clock.js")),
    ("sight.js", include_str!("sight.js")),
    ("controller.js", include_str!("controller.js")),
    ("bmff.js", include_str!("bmff.js")),
    ("orientation.js", include_str!("orientation.js")),
    ("codecs.js", include_str!("codecs.js")),
    ("annexb.js", include_str!("annexb.js")),
    ("link.js", include_str!("link.js")),
    ("mse.js", include_str!("mse.js")),
    ("sound.js", include_str!("sound.js")),
    ("webcodecs.js", include_str!("webcodecs.js")),
    ("jpeg.js", include_str!("jpeg.js")),
    ("http.js", include_str!("http.js")),
    ("report.js", include_str!("report.js")),
    ("session.js", include_str!("session.js")),
    ("history.js", include_str!("history.js")),
    ("keys.js", include_str!("keys.js")),
    ("memory.js", include_str!("memory.js")),
    ("snapshot.js", include_str!("snapshot.js")),
    ("texts.js", include_str!("texts.js")),
    ("style.js", include_str!("style.js")),
    ("dom.js", include_str!("dom.js")),
    ("panel.js", include_str!("panel.js")),
    ("view.js", include_str!("view.js")),
    ("h5live.js", include_str!("h5live.js")),
];

/// What our own pages need, and no more: no inline script or style, no evaluation, nothing from elsewhere. Pictures and media come as
/// `blob:` (MediaSource); `ws:` and `wss:` are named because Safari before 15.4 does not count them as `'self'`.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
    media-src 'self' blob:; connect-src 'self' ws: wss:; manifest-src 'self'; base-uri 'none'; form-action 'none'";

/// A file of the player.
#[derive(Debug)]
pub struct Asset {
    pub content_type: &'static str,
    pub body: Bytes,
    /// Strong entity tag with its quotes (RFC 9110, section 8.8.3).
    pub etag: String,
}

static ASSETS: LazyLock<[(&str, Asset); 5]> = LazyLock::new(|| {
    [
        ("h5live.js", Asset::new("text/javascript; charset=utf-8", Bytes::from(module()))),
        ("h5live-sound.js", Asset::new("text/javascript; charset=utf-8", Bytes::from_static(include_bytes!("h5live-sound.js")))),
        ("page.js", Asset::new("text/javascript; charset=utf-8", Bytes::from_static(include_bytes!("page.js")))),
        ("page.css", Asset::new("text/css; charset=utf-8", Bytes::from_static(include_bytes!("page.css")))),
        ("icon.svg", Asset::new("image/svg+xml", Bytes::from_static(include_bytes!("icon.svg")))),
    ]
});

static PAGE: LazyLock<Asset> = LazyLock::new(|| Asset::new("text/html; charset=utf-8", Bytes::from_static(include_bytes!("page.html"))));

/// The file `/{name}`, if it is one of the player's.
pub fn asset(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|(n, _)| *n == name).map(|(_, asset)| asset)
}

/// The page, the same for `/` (all streams) and for `/NAME` (that stream): its script looks at the address.
pub fn page() -> &'static Asset {
    &PAGE
}

impl Asset {
    fn new(content_type: &'static str, body: Bytes) -> Asset {
        let digest = Sha1::digest(&body);
        let etag = digest.iter().take(8).fold(String::from("\""), |tag, byte| format!("{tag}{byte:02x}")) + "\"";
        Asset { content_type, body, etag }
    }
}

/// The parts as one ES module. Each part keeps its exports, so that the pieces can be used on their own.
fn module() -> String {
    let mut comment = false;
    let code = |line: &&str| !is_comment(line, &mut comment) && !is_local_import(line);
    PARTS.iter().flat_map(|(_, part)| part.lines()).filter(code).fold(String::new(), |js, line| js + line + "\n")
}

/// Lines that hold nothing but comment; `inside` one that began in an earlier line.
fn is_comment(line: &str, inside: &mut bool) -> bool {
    let line = line.trim_start();
    *inside |= line.starts_with("/*");
    let is_comment = *inside || line.starts_with("//");
    *inside &= !line.ends_with("*/");
    is_comment
}

fn is_local_import(line: &str) -> bool {
    line.starts_with("import ") && line.contains(" from './")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_import_names_an_earlier_part() {
        for (i, (name, part)) in PARTS.iter().enumerate() {
            for line in part.lines().filter(|l| l.starts_with("import ")) {
                let from = line.split("'./").nth(1).and_then(|l| l.strip_suffix("';")).unwrap_or_else(|| panic!("{name}: {line}"));
                assert!(PARTS[..i].iter().any(|(n, _)| *n == from), "{name} imports {from} too early");
            }
        }
    }

    #[test]
    fn joined_module_stands_alone() {
        let module = module();
        assert!(!module.lines().any(|l| l.starts_with("import ")));
        // In one file the parts share one scope: a name declared twice would be a syntax error.
        let mut names = std::collections::HashSet::new();
        for line in module.lines() {
            let line = line.strip_prefix("export ").unwrap_or(line);
            let mut words = line.split([' ', '(', ';']);
            if let (Some("const" | "let" | "function" | "function*" | "class"), Some(name)) = (words.next(), words.next()) {
                assert!(names.insert(name), "{name} is declared twice");
            }
        }
        assert!(!module.lines().any(|l| l.trim_start().starts_with("//") || l.contains("/**")), "a comment");
        assert!(names.contains("LiveEdge") && names.contains("H5Live"), "{names:?}");
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        for (name, asset) in ASSETS.iter().map(|(n, a)| (*n, a)).chain([("page.html", page())]) {
            let text = String::from_utf8(asset.body.to_vec()).expect("assets are text");
            let foreign = text.lines().find(|l| l.contains("://") && !l.contains("http://www.w3.org/2000/svg"));
            assert_eq!(foreign, None, "{name}");
        }
    }

    #[test]
    fn page_has_no_inline_code() {
        let page = String::from_utf8(page().body.to_vec()).expect("assets are text");
        for tag in page.split('<').filter(|t| t.starts_with("script")) {
            assert!(tag.contains(" src=") && tag.ends_with('>'), "inline script: {tag}");
        }
        assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" on"), "inline style or handler");
    }

    #[test]
    fn entity_tags_differ() {
        let tags: std::collections::HashSet<_> = ASSETS.iter().map(|(_, a)| &a.etag).collect();
        assert_eq!(tags.len(), ASSETS.len());
    }
}
