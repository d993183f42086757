//! The documents for people who carry the project on: what they name exists.

use crate::util::repository;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The documents at the top, and all in docs/.
fn documents() -> Vec<String> {
    let mut names: Vec<String> = ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(String::from).into();
    for entry in fs::read_dir(repository("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            names.push(format!("docs/{name}"));
        }
    }
    names
}

fn read(name: &str) -> String {
    fs::read_to_string(repository(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn every_path_in_the_documents_exists() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for name in documents() {
        for path in paths(&read(&name)) {
            count += 1;
            // A link is relative to its document; a path in code, to the top.
            let folder = Path::new(&name).parent().unwrap();
            if !repository(&path).exists() && !repository(&folder.join(&path).to_string_lossy()).exists() {
                wrong.push(format!("{name}: {path}"));
            }
        }
    }
    assert!(wrong.is_empty(), "these do not exist:\n{}", wrong.join("\n"));
    assert!(count > 60, "{count} paths");
}

/// Each promise of docs/security.md has its test.
#[test]
fn every_promise_has_its_test() {
    let page = read("docs/security.md");
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| ") && line.contains(".rs`: `")).collect();
    assert!(rows.len() > 10);
    for row in rows {
        let spans: Vec<_> = row.rsplit('|').nth(1).unwrap().split('`').collect();
        let (file, name) = (spans[1], spans[3]);
        assert!(
            read(file).contains(&format!("#[test]\nfn {name}(")) || read(file).contains(&format!("#[test]\n    fn {name}(")),
            "{file} has no test {name}"
        );
    }
}

#[test]
fn every_script_in_the_documents_is_there_and_executable() {
    let mut names = BTreeSet::new();
    for document in documents() {
        names.extend(scripts(&read(&document)));
    }
    names.extend(scripts(&read(".github/workflows/ci.yml")));
    names.extend(scripts(&read(".github/pull_request_template.md")));
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        let mode = fs::metadata(repository(&name)).unwrap_or_else(|e| panic!("{name}: {e}")).permissions().mode();
        // What is sourced is not executable.
        assert!(name.ends_with(".sh") || mode & 0o111 != 0, "{name} is not executable");
    }
}

#[test]
fn every_type_in_the_glossary_exists() {
    let glossary = read("docs/glossary.md");
    let rows = glossary.lines().filter(|line| line.starts_with("| ")).skip(1);
    let types: BTreeSet<_> = rows.filter_map(|row| row.split('|').nth(4)?.trim().strip_prefix('`')?.strip_suffix('`')).collect();
    assert!(types.len() > 12, "{types:?}");
    for path in types {
        let (module, name) = path.rsplit_once("::").unwrap_or_else(|| panic!("{path}: no module"));
        let top = module.split("::").next().unwrap();
        assert!(defines(&repository("src").join(top), name), "there is no {name} in src/{top}: {path}");
    }
}

#[test]
fn the_workflow_uses_the_oldest_rust_that_the_manifest_allows() {
    let value = |text: &str, key: &str| {
        let line = text.lines().map(str::trim).find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("no {key}")).to_owned();
        line[key.len()..].trim_matches([' ', '=', ':', '"']).to_owned()
    };
    let (manifest, workflow) = (read("Cargo.toml"), read(".github/workflows/ci.yml"));
    assert_eq!(value(&workflow, "RUSTUP_TOOLCHAIN"), value(&manifest, "rust-version"));
}

#[test]
fn wrong_paths_are_found() {
    let text = "See [a](docs/nope.md#part), [b](https://example.org/x.md), `src/nope.rs`, `src/pipe/`, `a/b`, `/NAME.mp4` and\n\n    scripts/nope --x\n";
    assert_eq!(paths(text), ["docs/nope.md", "src/nope.rs", "src/pipe/"]);
    assert_eq!(scripts(text), ["scripts/nope"]);
    assert!(!defines(&repository("src/media"), "Nope"));
}

/// The targets of links within the repository, and the code spans that begin with the name of a folder of ours.
fn paths(text: &str) -> Vec<String> {
    const FOLDERS: [&str; 11] =
        ["src/", "tests/", "docs/", "scripts/", "man/", "player/", "fuzz/", "examples/", "benches/", ".github/", ".cargo/"];
    let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let links = links.filter(|link| !link.is_empty() && !link.contains("://"));
    let prose = text.split("```").step_by(2).collect::<String>();
    let spans: Vec<_> = prose.split('`').skip(1).step_by(2).flat_map(str::split_whitespace).collect();
    let ours = |span: &str| FOLDERS.iter().any(|folder| span.starts_with(folder)) && !span.contains(['…', '*', '<', '{', '$']);
    let spans = spans.into_iter().filter(|span| ours(span) && !made(span));
    links.chain(spans).map(String::from).collect()
}

/// What a build or a test makes, and a name that stands for any.
fn made(path: &str) -> bool {
    path.starts_with("fuzz/artifacts/") || path.starts_with("tests/browser/node_modules") || path.contains("NAME")
}

/// `scripts/NAME`, wherever it stands.
fn scripts(text: &str) -> Vec<String> {
    let name = |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')).collect::<String>();
    let names = text.match_indices("scripts/").map(|(at, word)| name(&text[at + word.len()..]).trim_end_matches('.').to_owned());
    names.filter(|name| !name.is_empty()).map(|name| format!("scripts/{name}")).collect()
}

/// Whether a Rust file in the folder defines a type of this name.
fn defines(folder: &Path, name: &str) -> bool {
    fs::read_dir(folder).is_ok_and(|entries| {
        entries.map(|entry| entry.unwrap().path()).any(|path| match path.is_dir() {
            true => defines(&path, name),
            false => path.extension().is_some_and(|e| e == "rs") && defines_type(&fs::read_to_string(&path).unwrap(), name),
        })
    })
}

fn defines_type(text: &str, name: &str) -> bool {
    text.lines().any(|line| {
        let words: Vec<_> = line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect();
        words.windows(2).any(|pair| matches!(pair[0], "struct" | "enum" | "trait" | "type") && pair[1] == name)
    })
}
