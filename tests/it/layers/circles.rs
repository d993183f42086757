//! No file may import, by way of others, from a file that imports from it: neither in the library nor in the folder of a program.
//!
//! Counted: every path by `crate::`, `super::`, `self::` or the name of a child module. Not counted, since it is no import of a thing
//! that the file itself uses: `mod x;`, by which a folder has its files, and `pub use`, by which it passes a name on. Such a name counts for the file
//! that takes it, as an import from the file that declares it; and for the file that passes it on, if that uses the name itself. Code under
//! `#[cfg(test)]` is not counted: a test may look at everything. Rooms (folders) are not nodes, their files are.

use super::{rust_files, tokens, without_comments_and_strings};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

/// A module's names from the root of its crate on; empty: the root.
type Module = Vec<String>;
/// All modules of a crate that have a file, with its text.
type Tree = BTreeMap<Module, String>;

#[test]
fn nothing_imports_in_a_circle() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let programs = src.join("bin").read_dir().unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let mut found = Vec::new();
    for root in [src.clone()].into_iter().chain(programs) {
        let tree = read(&root);
        assert!(tree.len() > 2, "{}", root.display());
        found.extend(circles(&tree).into_iter().map(|circle| format!("{}: {circle}", root.display())));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn read(root: &Path) -> Tree {
    let files = rust_files(root).into_iter().filter_map(|file| {
        let path = file.strip_prefix(root).unwrap().with_extension("");
        let mut module: Module = path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if module[0] == "bin" {
            return None;
        }
        if matches!(module.last().unwrap().as_str(), "mod" | "lib" | "main") {
            module.pop();
        }
        Some((module, std::fs::read_to_string(file).unwrap()))
    });
    files.collect()
}

/// One line for each set of files that import each other.
fn circles(tree: &Tree) -> Vec<String> {
    let files: BTreeMap<&Module, File> = tree.iter().map(|(module, text)| (module, File::parse(module, text, tree))).collect();
    let edges: BTreeMap<&Module, BTreeSet<Module>> = files
        .iter()
        .map(|(&module, file)| {
            let mut to: BTreeSet<Module> = file.imports.iter().map(|path| declared_in(path, &files, 8)).collect();
            to.remove(module);
            (module, to)
        })
        .collect();
    let (mut seen, mut lines) = (BTreeSet::new(), Vec::new());
    for &start in edges.keys() {
        if let Some(circle) = way_back(start, &edges)
            && seen.insert(circle.iter().cloned().collect::<BTreeSet<_>>())
        {
            let name = |module: &Module| if module.is_empty() { "the root".into() } else { module.join("::") };
            lines.push(circle.iter().chain([start]).map(name).collect::<Vec<_>>().join(" -> "));
        }
    }
    lines
}

/// The shortest circle through `start`, which comes first.
fn way_back(start: &Module, edges: &BTreeMap<&Module, BTreeSet<Module>>) -> Option<Vec<Module>> {
    let (mut came_from, mut queue) = (BTreeMap::new(), VecDeque::from([start.clone()]));
    while let Some(at) = queue.pop_front() {
        for next in &edges[&at] {
            if next == start {
                let mut way = vec![at.clone()];
                while way.last().unwrap() != start {
                    way.push(BTreeMap::get(&came_from, way.last().unwrap()).cloned().unwrap());
                }
                way.reverse();
                return Some(way);
            }
            if !came_from.contains_key(next) {
                came_from.insert(next.clone(), at.clone());
                queue.push_back(next.clone());
            }
        }
    }
    None
}

/// The module whose file declares what `path` names, through re-exports.
fn declared_in(path: &[String], files: &BTreeMap<&Module, File>, depth: usize) -> Module {
    let length = (0..=path.len()).rev().find(|&n| files.contains_key(&path[..n].to_vec())).unwrap_or(0);
    let (module, rest) = path.split_at(length);
    let passed_on = rest.first().and_then(|name| files.get(&module.to_vec())?.passes_on.get(name));
    match passed_on {
        Some(target) if depth > 0 => declared_in(target, files, depth - 1),
        _ => module.to_vec(),
    }
}

/// What one file imports and what it passes on, as paths from the root of the crate.
#[derive(Default)]
struct File {
    imports: BTreeSet<Module>,
    passes_on: BTreeMap<String, Module>,
}

impl File {
    fn parse(module: &Module, text: &str, tree: &Tree) -> File {
        let code = without_comments_and_strings(text);
        let all: Vec<&str> = tokens(&code).into_iter().map(|(_, token)| token).collect();
        let code = without_tests(&all);
        let (mut file, mut own) = (File::default(), Vec::new());
        let (mut at, mut depth, mut inline) = (0, 0, Vec::new());
        let is_child = |name: &str| tree.contains_key(&[module.as_slice(), &[name.to_owned()]].concat());
        while at < code.len() {
            match code[at] {
                "mod" if code.get(at + 2) == Some(&"{") => inline.push(depth),
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    inline.pop_if(|began| *began == depth);
                }
                _ => {}
            }
            let starts = code.get(at + 1) == Some(&"::") && (at == 0 || code[at - 1] != "::");
            let base = match code[at] {
                "crate" => Some(vec![]),
                "self" | "super" => Some(module.clone()),
                name if is_child(name) && inline.is_empty() => Some(module.clone()),
                _ => None,
            };
            let Some(base) = base.filter(|_| starts) else {
                own.push(code[at]);
                at += 1;
                continue;
            };
            let exported = is_pub_use(&code[..at]);
            let (paths, end) = branches(&code, at);
            for (path, name) in paths {
                let Some(path) = absolute(&base, &path, inline.len()) else { continue };
                match exported {
                    true => _ = file.passes_on.insert(name, path),
                    false => _ = file.imports.insert(path),
                }
            }
            at = end;
        }
        let used = file.passes_on.iter().filter(|(name, _)| own.contains(&name.as_str())).map(|(_, path)| path.clone());
        file.imports.extend(used.collect::<Vec<_>>());
        file
    }
}

/// Whether these tokens end with `pub use` or `pub(…) use`.
fn is_pub_use(before: &[&str]) -> bool {
    let Some((&"use", before)) = before.split_last() else { return false };
    before.last() == Some(&"pub") || (before.last() == Some(&")") && before.iter().rev().take(8).any(|token| *token == "pub"))
}

/// The paths that begin at `at`, each with the name that it is known by, and where they end: `a::{b, c as d}` is two.
fn branches(code: &[&str], mut at: usize) -> (Vec<(Module, String)>, usize) {
    let mut path: Module = vec![code[at].to_owned()];
    at += 1;
    while code.get(at) == Some(&"::") {
        if code.get(at + 1) == Some(&"{") {
            let (mut all, mut next) = (Vec::new(), at + 2);
            while next < code.len() && code[next] != "}" {
                if code[next] == "," {
                    next += 1;
                    continue;
                }
                let (inner, end) = branches(code, next);
                all.extend(inner.into_iter().map(|(rest, name)| ([path.clone(), rest].concat(), name)));
                next = end;
            }
            return (all, next + 1);
        }
        let Some(name) = code.get(at + 1) else { break };
        path.push((*name).to_owned());
        at += 2;
    }
    let last = path.iter().rev().find(|name| *name != "self").cloned().unwrap_or_default();
    if code.get(at) == Some(&"as") {
        return (vec![(path, code.get(at + 1).map_or(last, |name| (*name).to_owned()))], at + 2);
    }
    (vec![(path, last)], at)
}

/// A path from the root of the crate; `inline` modules around it have no file of their own. `None`: it stays inside one of them.
fn absolute(base: &[String], path: &[String], inline: usize) -> Option<Module> {
    let supers = path.iter().take_while(|name| *name == "super").count();
    if supers > 0 && supers <= inline {
        return None;
    }
    let base = &base[..base.len().checked_sub(supers.saturating_sub(inline))?];
    let rest = path.iter().filter(|name| !matches!(name.as_str(), "crate" | "super" | "self" | "*"));
    Some(base.iter().chain(rest).cloned().collect())
}

/// Without the items under `#[cfg(test)]`.
fn without_tests<'a>(code: &[&'a str]) -> Vec<&'a str> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < code.len() {
        if !code[at..].starts_with(&MARK) {
            kept.push(code[at]);
            at += 1;
            continue;
        }
        let mut depth = 0;
        while at < code.len() {
            depth += i32::from(matches!(code[at], "{" | "(" | "[")) - i32::from(matches!(code[at], "}" | ")" | "]"));
            at += 1;
            if depth == 0 && matches!(code[at - 1], "}" | ";") {
                break;
            }
        }
    }
    kept
}

#[cfg(test)]
mod planted {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let module = |name: &str| name.split("::").filter(|part| !part.is_empty()).map(String::from).collect();
        circles(&files.iter().map(|(name, text)| (module(name), (*text).to_owned())).collect())
    }

    #[test]
    fn circles_are_found() {
        let two = [("", "mod a;"), ("a", "mod b; mod c;"), ("a::b", "use super::c::C;"), ("a::c", "fn f() { crate::a::b::g(); }")];
        assert_eq!(found(&two), ["a::b -> a::c -> a::b"]);
        let three = [("a", "use crate::b::{self, B};"), ("b", "use crate::{c::{C, D}};"), ("c", "use crate::a::A;")];
        assert_eq!(found(&three), ["a -> b -> c -> a"]);
        let parent = [("a", "mod b; use b::B; pub struct A;"), ("a::b", "use super::A;")];
        assert_eq!(found(&parent), ["a -> a::b -> a"]);
        let behind = [("a", "pub use b::B;"), ("a::b", "use super::c::C;"), ("a::c", "use crate::a::B;")];
        assert_eq!(found(&behind), ["a::b -> a::c -> a::b"], "behind a re-export");
        let used = [("a", "pub use b::B; pub struct A(B);"), ("a::b", "use super::A;")];
        assert_eq!(found(&used), ["a -> a::b -> a"], "what passes a name on uses it");
        let inline = [("a", "mod x { use super::super::b::B; }"), ("b", "use super::a::A;")];
        assert_eq!(found(&inline), ["a -> b -> a"]);
    }

    #[test]
    fn the_rest_passes() {
        let fine = [
            ("", "mod a; mod d;"),
            ("a", "mod b; mod c; pub use b::B; pub use self::c::{C as D, E};"),
            ("a::b", "use super::c::C; mod x { use super::Y; }\n#[cfg(test)]\nmod tests { use super::super::Z; }"),
            ("a::c", "#[cfg(test)] use super::b::B; // super::b::B\nconst S: &str = \"super::b::B\";"),
            ("d", "use crate::a::{B, D}; use std::a::b;"),
        ];
        assert_eq!(found(&fine), Vec::<String>::new());
    }
}
