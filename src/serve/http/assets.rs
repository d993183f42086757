//! The player and the pages, embedded in the binary: `<h5-live>` as one ES module, one page for a stream and for all streams.
//!
//! The page that sends a camera stands alone: `publish.html`, `publish.css`, `publish.js`.
//!
//! The component is a package of its own in `player/`, written as small ES modules. They are served as **one** file, `h5live.js`, so that one
//! script tag is enough: the parts are joined in order of dependency, and the imports between them, which name what is
//! then in the same file, are left out, and so are lines of comments, here and in the other scripts. Nothing else is changed; there is no build step.
//!
//! Our own pages name their files with a version, `h5live.js?VERSION`. What comes from such an address never changes, and browsers keep it.
//!
//! This module knows no HTTP: the server asks for a name and gets a body, its type and its version.

use bytes::Bytes;
use miniz_oxide::deflate::compress_to_vec_zlib;
use sha1::{Digest, Sha1};
use std::sync::LazyLock;

/// A file of the package in `player/`.
macro_rules! file {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/player/src/", $name))
    };
}

/// The parts of `h5live.js`; each imports only from those before it.
const PARTS: [(&str, &str); 38] = [
    ("engine/clock.js", file!("engine/clock.js")),
    ("engine/sight.js", file!("engine/sight.js")),
    ("engine/jitter.js", file!("engine/jitter.js")),
    ("engine/controller.js", file!("engine/controller.js")),
    ("engine/bmff.js", file!("engine/bmff.js")),
    ("engine/orientation.js", file!("engine/orientation.js")),
    ("engine/colour.js", file!("engine/colour.js")),
    ("engine/codecs.js", file!("engine/codecs.js")),
    ("engine/annexb.js", file!("engine/annexb.js")),
    ("engine/memory.js", file!("engine/memory.js")),
    ("engine/crowd.js", file!("engine/crowd.js")),
    ("transports/link.js", file!("transports/link.js")),
    ("transports/transport.js", file!("transports/transport.js")),
    ("transports/mse.js", file!("transports/mse.js")),
    ("transports/sound.js", file!("transports/sound.js")),
    ("transports/painter.js", file!("transports/painter.js")),
    ("transports/webcodecs.js", file!("transports/webcodecs.js")),
    ("transports/jpeg.js", file!("transports/jpeg.js")),
    ("transports/http.js", file!("transports/http.js")),
    ("transports/choice.js", file!("transports/choice.js")),
    ("engine/report.js", file!("engine/report.js")),
    ("engine/quality.js", file!("engine/quality.js")),
    ("engine/latency.js", file!("engine/latency.js")),
    ("engine/retry.js", file!("engine/retry.js")),
    ("addresses.js", file!("addresses.js")),
    ("past.js", file!("past.js")),
    ("session.js", file!("session.js")),
    ("engine/remote.js", file!("engine/remote.js")),
    ("engine/history.js", file!("engine/history.js")),
    ("ui/keys.js", file!("ui/keys.js")),
    ("ui/snapshot.js", file!("ui/snapshot.js")),
    ("ui/texts.js", file!("ui/texts.js")),
    ("ui/style.js", file!("ui/style.js")),
    ("ui/dom.js", file!("ui/dom.js")),
    ("ui/poster.js", file!("ui/poster.js")),
    ("ui/panel.js", file!("ui/panel.js")),
    ("ui/view.js", file!("ui/view.js")),
    ("h5live.js", file!("h5live.js")),
];

/// What our own pages need, and no more: no inline style, of inline scripts the very one of `early.js`, by its hash (CSP Level 3, section 6.7.3.3), no
/// evaluation, nothing from elsewhere. Pictures and media come as `blob:` (MediaSource); `ws:` and `wss:` are named because Safari before 15.4 does not
/// count them as `'self'`.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'sha256-i0ZtUc2M/sP/c7Bf/Toifzi+WtUCmF725fQ3HenWU5Y='; style-src 'self'; img-src 'self' blob: data:; \
    media-src 'self' blob:; connect-src 'self' ws: wss:; manifest-src 'self'; base-uri 'none'; form-action 'none'";

/// A file of the player.
#[derive(Debug)]
pub struct Asset {
    pub content_type: &'static str,
    pub body: Bytes,
    /// The same in the content coding `deflate` (RFC 9110, section 8.4.1.2), a third of the size.
    pub deflated: Bytes,
    /// A hash of the body, in hexadecimal.
    pub version: String,
}

/// The level of compression: a file is compressed once.
const BEST: u8 = 9;
const SCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

static ASSETS: LazyLock<[(&str, Asset); 14]> = LazyLock::new(|| {
    let player = [("h5live.js", Asset::new(SCRIPT, module()))];
    let importing = |script| Asset::new(SCRIPT, with_versions(&joined(code(script)), &player));
    let parts = [("spans.js", Asset::new(SCRIPT, joined(code(file!("spans.js"))))), ("thumbnails.js", importing(file!("thumbnails.js")))];
    let timeline =
        [("timeline.js", Asset::new(SCRIPT, with_versions(&with_versions(&joined(code(file!("timeline.js"))), &player), &parts)))];
    let with_timeline = |script| Asset::new(SCRIPT, with_versions(&with_versions(&joined(code(script)), &player), &timeline));
    let dialogs = [
        ("activity.js", importing(file!("activity.js"))),
        ("clips.js", with_timeline(file!("clips.js"))),
        ("rewind.js", with_timeline(file!("rewind.js"))),
    ];
    let page = Asset::new(SCRIPT, with_versions(&with_versions(&joined(code(file!("page.js"))), &player), &dialogs));
    let ([player], [spans, thumbnails], [timeline], [activity, clips, rewind]) = (player, parts, timeline, dialogs);
    [
        player,
        activity,
        clips,
        rewind,
        timeline,
        spans,
        thumbnails,
        ("h5live-sound.js", Asset::new(SCRIPT, joined(code(file!("h5live-sound.js"))))),
        ("page.js", page),
        ("page.css", Asset::new(CSS, file!("page.css"))),
        ("icon.svg", Asset::new("image/svg+xml", file!("icon.svg"))),
        ("publish.js", Asset::new(SCRIPT, joined(code(file!("publish.js"))))),
        ("recordings.js", Asset::new(SCRIPT, joined(code(file!("recordings.js"))))),
        ("publish.css", Asset::new(CSS, file!("publish.css"))),
    ]
});

static PAGE: LazyLock<Asset> = LazyLock::new(|| {
    let page = with_versions(file!("page.html"), &*ASSETS).replace("<script>early.js</script>", &format!("<script>{}</script>", early()));
    Asset::new(HTML, page)
});

/// It is a folder further down than the files that it names.
static PUBLISH_PAGE: LazyLock<Asset> = LazyLock::new(|| {
    let files = ASSETS.iter().filter(|(name, _)| ["page.css", "publish.css", "icon.svg", "publish.js"].contains(name));
    let page = files.fold(file!("publish.html").to_owned(), |page, (name, Asset { version, .. })| {
        page.replace(&format!("\"../{name}\""), &format!("\"../{name}?{version}\""))
    });
    Asset::new(HTML, page)
});

/// What the page runs before anything else has come.
fn early() -> String {
    joined(code(file!("early.js")))
}

/// The file `/{name}`, if it is one of the player's.
pub fn asset(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|(n, _)| *n == name).map(|(_, asset)| asset)
}

/// The page, the same for `/` (all streams) and for `/NAME` (that stream): its script looks at the address.
pub fn page() -> &'static Asset {
    &PAGE
}

/// The page `/in/NAME`, by which a browser sends its camera.
pub fn publish_page() -> &'static Asset {
    &PUBLISH_PAGE
}

impl Asset {
    fn new(content_type: &'static str, text: impl Into<String>) -> Asset {
        let body = Bytes::from(text.into());
        let version = Sha1::digest(&body).iter().take(8).fold(String::new(), |tag, byte| format!("{tag}{byte:02x}"));
        let deflated = compress_to_vec_zlib(&body, BEST).into();
        Asset { content_type, body, deflated, version }
    }

    /// The body, or the deflated one, with its strong entity tag in quotes: each coding has its own (RFC 9110, section 8.8.3.3).
    pub fn coded(&self, deflated: bool) -> (Bytes, String) {
        let Asset { body, version, .. } = self;
        if deflated { (self.deflated.clone(), format!("\"{version}-deflate\"")) } else { (body.clone(), format!("\"{version}\"")) }
    }
}

/// The text, with the version of each file that it names: as `"NAME"` in HTML, as `'./NAME'` in an import.
fn with_versions(text: &str, files: &[(&str, Asset)]) -> String {
    files.iter().fold(text.to_owned(), |text, (name, Asset { version, .. })| {
        let text = text.replace(&format!("\"{name}\""), &format!("\"{name}?{version}\""));
        text.replace(&format!("'./{name}'"), &format!("'./{name}?{version}'"))
    })
}

/// The parts as one ES module. Each part keeps its exports, so that the pieces can be used on their own.
fn module() -> String {
    joined(PARTS.iter().flat_map(|(_, part)| code(part)).filter(|line| !is_local_import(line)))
}

fn joined<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.fold(String::new(), |js, line| js + line + "\n")
}

/// The lines of a script that are no comment.
fn code(script: &str) -> impl Iterator<Item = &str> {
    let mut comment = false;
    script.lines().filter(move |line| !is_comment(line, &mut comment))
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
    line.starts_with("import ") && line.contains(" from '.")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a part of this name means by `./x.js` or `../folder/x.js`.
    fn in_folder_of(name: &str, from: &str) -> String {
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        match (from.strip_prefix("./"), from.strip_prefix("../")) {
            (Some(file), _) if folder.is_empty() => file.into(),
            (Some(file), _) => format!("{folder}/{file}"),
            (_, Some(path)) if !folder.is_empty() => path.into(),
            _ => panic!("{name} imports {from}, which is no part"),
        }
    }

    #[test]
    fn every_import_names_an_earlier_part() {
        for (i, (name, part)) in PARTS.iter().enumerate() {
            for line in part.lines().filter(|l| l.starts_with("import ")) {
                let from = line.split('\'').nth(1).unwrap_or_else(|| panic!("{name}: {line}"));
                let from = in_folder_of(name, from);
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
        for (name, asset) in ASSETS.iter().map(|(n, a)| (*n, a)).chain([("page.html", page()), ("publish.html", publish_page())]) {
            let text = String::from_utf8(asset.body.to_vec()).expect("assets are text");
            let foreign = text.lines().find(|l| l.contains("://") && !l.contains("http://www.w3.org/2000/svg"));
            assert_eq!(foreign, None, "{name}");
        }
    }

    #[test]
    fn page_has_no_inline_code_but_one_whose_hash_is_in_the_policy() {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let page = String::from_utf8(page().body.to_vec()).expect("assets are text");
        let hash = BASE64_STANDARD.encode(<sha2::Sha256 as sha2::Digest>::digest(early()));
        assert!(CONTENT_SECURITY_POLICY.contains(&format!("'sha256-{hash}'")), "the policy is to have 'sha256-{hash}'");
        let (before, after) = page.split_once(&format!("<script>{}</script>", early())).expect("the page has it");
        let page = format!("{before}{after}");
        for tag in page.split('<').filter(|t| t.starts_with("script")) {
            assert!(tag.contains(" src=") && tag.trim_end().ends_with('>'), "inline script: {tag}");
        }
        assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" on"), "inline style or handler");
    }

    #[test]
    fn versions_differ() {
        let versions: std::collections::HashSet<_> = ASSETS.iter().map(|(_, a)| &a.version).collect();
        assert_eq!(versions.len(), ASSETS.len());
    }

    /// One that is named in two ways is fetched twice, and a module runs twice.
    #[test]
    fn pages_name_their_files_with_one_version() {
        let text = |asset: &Asset| String::from_utf8(asset.body.to_vec()).expect("assets are text");
        let (page, script) = (text(page()), text(asset("page.js").expect("it is there")));
        let player = format!("from './h5live.js?{}'", asset("h5live.js").expect("it is there").version);
        for (name, dialog @ Asset { version, .. }) in
            ASSETS.iter().filter(|(name, _)| ["activity.js", "clips.js", "rewind.js"].contains(name))
        {
            assert!(script.contains(&format!("import('./{name}?{version}')")), "{name}");
            // By another name it would be another player.
            assert!(text(dialog).contains(&player), "{name}");
        }
        let others = [
            "activity.js",
            "clips.js",
            "rewind.js",
            "timeline.js",
            "spans.js",
            "thumbnails.js",
            "h5live-sound.js",
            "publish.js",
            "publish.css",
            "recordings.js",
        ];
        let of_page = |name: &str| !others.contains(&name);
        for (name, Asset { version, .. }) in ASSETS.iter().filter(|(name, _)| of_page(name)) {
            assert!(page.contains(&format!("\"{name}?{version}\"")) && !page.contains(&format!("\"{name}\"")), "{name}");
        }
        assert!(script.contains(&player), "{script}");
        for (name, part) in
            [("clips.js", "timeline.js"), ("rewind.js", "timeline.js"), ("timeline.js", "spans.js"), ("timeline.js", "thumbnails.js")]
        {
            let named = format!("from './{part}?{}'", asset(part).expect("it is there").version);
            assert!(text(asset(name).expect("it is there")).contains(&named), "{name}");
        }
        let publish = text(publish_page());
        for name in ["page.css", "publish.css", "icon.svg", "publish.js"] {
            let version = &asset(name).expect("it is there").version;
            assert!(publish.contains(&format!("\"../{name}?{version}\"")) && !publish.contains(&format!("{name}\"")), "{name}");
        }
    }
}
