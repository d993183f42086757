//! The rule of dependencies (src/lib.rs): a module imports only from lower layers. The checker reads the source text for
//! `crate::NAME` paths and `use super::…` in top-level files, comments and strings left out. That no imports go in a circle is checked in `circles`.

mod circles;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What each module may import, besides itself.
const RULES: [(&str, &[&str]); 12] = [
    ("access", &[]),
    ("media", &[]),
    ("codec", &["media"]),
    ("format", &["media", "codec"]),
    ("pipe", &["media", "codec", "format"]),
    ("source", &["media", "codec", "format"]),
    ("encode", &["media", "codec", "format"]),
    ("mux", &["media", "codec", "format"]),
    ("package", &["media", "codec", "format"]),
    ("record", &["media", "codec", "format"]),
    ("serve", &["access", "media", "codec", "format"]),
    ("cli", &["media"]),
];

#[test]
fn imports_go_down_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for file in rust_files(&src) {
        let Some(module) = module_of(&src, &file) else { continue };
        let text = std::fs::read_to_string(&file).unwrap();
        wrong.extend(violations(&module, &text).into_iter().map(|v| format!("{}: {v}", file.display())));
        seen.insert(module);
    }
    assert_eq!(seen, RULES.iter().map(|(m, _)| String::from(*m)).collect(), "every module has a rule, every rule a module");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_checker_finds_planted_violations() {
    let upward = "use crate::serve::Hub;\n";
    assert_eq!(violations("media", upward), ["line 1: media may not import serve"]);
    assert_eq!(violations("mux", "fn f() {\n    crate::pipe::sniff();\n}"), ["line 2: mux may not import pipe"], "sideways, in a path");
    assert_eq!(
        violations("codec", "use crate::{\n    media::Track,\n    format::{mkv, bmff},\n};"),
        ["line 3: codec may not import format"]
    );
    assert_eq!(violations("cli", "use crate :: encode as e;"), ["line 1: cli may not import encode"]);
    assert_eq!(violations("cli", "pub(in crate::source) fn f() {}"), ["line 1: cli may not import source"]);
    assert_eq!(violations("media", "use h5live::serve::Hub;"), ["line 1: media may not import serve"]);
    assert_eq!(violations("pipe", "use crate::*;"), ["line 1: pipe may not import everything"]);
    assert_eq!(violations("pipe", "use crate::{self, media};"), ["line 1: pipe may not import everything"]);
}

#[test]
fn the_checker_lets_the_rest_pass() {
    let fine = "//! See [`crate::serve`].\nuse crate::media::Track; /* crate::serve */\nlet s = \"crate::serve\";\nuse crate::format::{mkv, bmff};\n\
                use crate::pipe::stdio;\nlet c = '\"'; // crate::serve\nlet r = r#\"crate::serve \"quoted\"\"#;\nfn f<'a>(x: &'a str) {}\n";
    assert_eq!(violations("pipe", fine), Vec::<String>::new());
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(rust_files(&path)),
            false if path.extension().is_some_and(|e| e == "rs") => files.push(path),
            false => {}
        }
    }
    files
}

/// The top-level module that a file belongs to; none for lib.rs and the programs, which may import everything.
fn module_of(src: &Path, file: &Path) -> Option<String> {
    let first = file.strip_prefix(src).unwrap().components().next().unwrap().as_os_str().to_str().unwrap();
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!matches!(name, "lib" | "bin")).then(|| name.to_owned())
}

fn violations(module: &str, text: &str) -> Vec<String> {
    let allowed = RULES.iter().find(|(m, _)| *m == module).unwrap_or_else(|| panic!("no rule for module {module}")).1;
    let code = without_comments_and_strings(text);
    let mut wrong: Vec<_> = imports(&code).into_iter().filter(|(_, name)| name != module && !allowed.contains(&name.as_str())).collect();
    wrong.dedup();
    wrong.iter().map(|(line, name)| format!("line {line}: {module} may not import {name}")).collect()
}

/// The modules that follow `crate::` or `h5live::`, with their lines; `everything` for a glob or the crate itself.
fn imports(code: &str) -> Vec<(usize, String)> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    for (i, window) in tokens.windows(3).enumerate() {
        if !matches!(window[0].1, "crate" | "h5live") || window[1].1 != "::" {
            continue;
        }
        match window[2].1 {
            "{" => found.extend(first_names(&tokens[i + 3..])),
            name => found.push((window[2].0, name)),
        }
    }
    let known = |name: &str| match name {
        "*" | "self" => "everything".to_owned(),
        name => name.to_owned(),
    };
    found.into_iter().map(|(line, name)| (line, known(name))).collect()
}

/// The first name of each branch of a `{a::b, c::{d, e}}`, given what follows the opening brace.
fn first_names<'a>(tokens: &[(usize, &'a str)]) -> Vec<(usize, &'a str)> {
    let (mut depth, mut first, mut names) = (0, true, Vec::new());
    for &(line, token) in tokens {
        match token {
            "{" => depth += 1,
            "}" if depth == 0 => break,
            "}" => depth -= 1,
            "," if depth == 0 => first = true,
            name if first => {
                names.push((line, name));
                first = false;
            }
            _ => {}
        }
    }
    names
}

/// Words, `::` and single signs, with their line numbers.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    for (number, mut rest) in code.lines().enumerate() {
        while let Some(c) = rest.chars().next() {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let length = match c {
                _ if word > 0 => word,
                ':' if rest.starts_with("::") => 2,
                c => c.len_utf8(),
            };
            if !c.is_whitespace() {
                tokens.push((number + 1, &rest[..length]));
            }
            rest = &rest[length..];
        }
    }
    tokens
}

/// The text with comments, strings and character literals blanked; line breaks stay.
fn without_comments_and_strings(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = literal_or_comment(rest);
        match length {
            0 => out.push(c),
            n => out.extend(rest[..n].chars().filter(|&c| c == '\n')),
        }
        rest = &rest[length.max(c.len_utf8())..];
    }
    out
}

/// Length of the comment, string or character that `text` starts with; 0 if it starts with none.
fn literal_or_comment(text: &str) -> usize {
    let to = |end: &str, from: usize| text[from..].find(end).map_or(text.len(), |n| from + n + end.len());
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return to("*/", 2);
    }
    if let Some(after) = text.strip_prefix('r') {
        let hashes = after.len() - after.trim_start_matches('#').len();
        if after[hashes..].starts_with('"') {
            return to(&format!("\"{}", "#".repeat(hashes)), hashes + 2);
        }
    }
    match text.chars().next() {
        Some('"') => quoted(text, '"'),
        // A character literal, not a lifetime: it ends after one character or an escape.
        Some('\'') if text.chars().nth(1) == Some('\\') || text.chars().nth(2) == Some('\'') => quoted(text, '\''),
        _ => 0,
    }
}

fn quoted(text: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == mark => return at + 1,
            _ => {}
        }
    }
    text.len()
}
