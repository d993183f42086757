//! What is written down agrees with the code: man pages, completions, exit codes, dependencies.

use crate::util::{h5, repository, run, shell};
use std::collections::BTreeSet;
use std::fs;

const PROGRAMS: [&str; 4] = ["h5cap", "h5enc", "h5mux", "h5serve"];

fn generate(program: &str, what: &str) -> String {
    run(&mut h5(program, &["--generate", what]), b"").success().text()
}

#[test]
fn man_pages_are_those_that_the_programs_generate() {
    for program in PROGRAMS {
        let page = fs::read_to_string(repository(&format!("man/{program}.1"))).unwrap_or_default();
        assert!(page == generate(program, "man"), "man/{program}.1 is out of date: run scripts/man");
    }
}

#[test]
fn man_pages_are_clean_roff() {
    for entry in fs::read_dir(repository("man")).unwrap() {
        let path = entry.unwrap().path();
        for locale in ["C", "C.UTF-8"] {
            let line = format!("LC_ALL={locale} MANWIDTH=80 man --warnings=w -l '{}' >/dev/null", path.display());
            let done = run(&mut shell(&line), b"").success();
            assert_eq!(done.stderr, "", "{}", path.display());
        }
    }
}

#[test]
fn options_are_in_groups_and_shown_with_their_values() {
    for program in PROGRAMS {
        let help = run(&mut h5(program, &["--help"]), b"").success().text();
        assert!(!help.contains("\nOptions:\n"), "{program}: an option in no group");
        let page =
            run(&mut shell(&format!("MANWIDTH=100 man -P cat -l '{}' | col -bx", repository(&format!("man/{program}.1")).display())), b"");
        let page = page.success().text();
        let synopsis = page.split("SYNOPSIS\n").nth(1).unwrap().split("\n\n").next().unwrap().to_owned();
        // Each with its value: `--log <FORMAT>` is `[--log FORMAT]`.
        for line in help
            .lines()
            .filter(|l| !l.starts_with("       "))
            .map(str::trim_start)
            .filter(|l| l.starts_with('-') && !l.starts_with("- ") && !l.contains("--help") && !l.contains("--version"))
        {
            let option = line.split("  ").next().unwrap().trim_end_matches("...");
            let (short, long) = option.split_once(", ").unwrap_or((option, option));
            let (name, value) = long.split_once(' ').map_or((short, String::new()), |(long, value)| {
                (if short == option { long } else { short }, format!(" {}", value.trim_matches(['<', '>'])))
            });
            assert!(synopsis.contains(&format!("[{name}{value}]")), "{program}: [{name}{value}] is not in\n{synopsis}");
        }
    }
}

#[test]
fn completions_know_every_option() {
    for program in PROGRAMS {
        let options = long_options(&run(&mut h5(program, &["--help"]), b"").success().text());
        assert!(options.contains("--control"), "{options:?}");
        for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
            let script = generate(program, shell);
            let missing: Vec<_> = options.iter().filter(|o| !script.contains(o.trim_start_matches('-'))).collect();
            assert!(missing.is_empty(), "{program}, {shell}: {missing:?}");
        }
    }
}

#[test]
fn bash_takes_the_completions() {
    for program in PROGRAMS {
        let ask = format!(
            "source <({program} --generate bash); COMP_WORDS=({program} --contr); COMP_CWORD=1; \
             _{program} {program} --contr {program}; echo \"${{COMPREPLY[*]}}\""
        );
        let offered = run(&mut shell(&ask), b"").success().text();
        assert!(offered.split_whitespace().any(|word| word == "--control"), "{program}: {offered}");
    }
}

#[test]
fn help_and_version_go_to_stdout_and_mistakes_to_stderr() {
    for program in PROGRAMS {
        let help = run(&mut h5(program, &["--help"]), b"").success();
        assert!(help.text().contains("Examples:\n"), "{program}: {}", help.text());
        assert_eq!(help.stderr, "");
        let version = run(&mut h5(program, &["--version"]), b"").success();
        assert_eq!(version.text(), format!("{program} {}\n", env!("CARGO_PKG_VERSION")));
        let mistake = run(&mut h5(program, &["--no-such-option"]), b"");
        assert_eq!((mistake.code(), mistake.stdout.len()), (2, 0));
        assert!(mistake.stderr.contains("--no-such-option"), "{}", mistake.stderr);
    }
}

#[test]
fn the_overview_agrees_with_the_programs() {
    let overview = fs::read_to_string(repository("man/h5live.7")).unwrap().replace("\\-", "-");
    for program in PROGRAMS {
        let help = run(&mut h5(program, &["-h"]), b"").success().text();
        let summary = help.lines().next().unwrap().to_lowercase();
        assert!(overview.to_lowercase().contains(&summary), "man/h5live.7 does not say of {program}: {summary}");
    }
    for (code, _) in h5live::cli::exit::TABLE {
        assert!(overview.contains(&format!(".B {code}\n")), "exit code {code}");
    }
}

#[test]
fn the_list_of_dependencies_is_complete() {
    let manifest = fs::read_to_string(repository("Cargo.toml")).unwrap();
    let list = fs::read_to_string(repository("docs/dependencies.md")).unwrap();
    let rows = list.lines().filter(|l| l.starts_with("| ")).skip(1);
    let listed: BTreeSet<_> = rows.map(|l| l.split('|').nth(1).unwrap().trim().to_owned()).collect();
    assert_eq!(listed, dependencies(&manifest));
}

/// scripts/test builds the library with each feature alone.
#[test]
fn every_feature_is_built_alone() {
    let manifest = fs::read_to_string(repository("Cargo.toml")).unwrap();
    let section = manifest.split("\n[features]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let features: Vec<_> = section.lines().filter(|l| !l.starts_with('#')).filter_map(|l| Some(l.split_once(" = ")?.0)).collect();
    let script = fs::read_to_string(repository("scripts/test")).unwrap();
    let line = script.lines().find_map(|l| l.trim().strip_prefix("for features in '' ")?.strip_suffix("; do")).unwrap();
    let (built, mut all) = (line.split(' ').collect::<Vec<_>>(), features.clone());
    // What tests share is built with each of them.
    all.retain(|name| !matches!(*name, "default" | "testing"));
    all.sort_unstable();
    assert_eq!(built, all);
}

/// The names under every `[…dependencies]` heading, but our own.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.trim_end_matches(']').ends_with("dependencies");
        } else if let (true, Some((name, _))) = (inside && !line.starts_with('#'), line.split_once('=')) {
            names.insert(name.trim().to_owned());
        }
    }
    names.remove("h5live");
    names
}

/// The options that a help text lists, not those that it speaks of.
fn long_options(help: &str) -> BTreeSet<String> {
    let names = help.lines().filter_map(|l| l.split_whitespace().find(|w| w.starts_with("--")).filter(|_| l.trim_start().starts_with('-')));
    names.map(|n| n.trim_end_matches(['.', ',']).to_owned()).collect()
}

/// Words that the field does not use, or that make a sentence hard to read; and where one of them is right.
const UNUSED: [(&str, &[&str]); 9] = [
    ("key picture", &[]),
    ("sound", &["sound card", "sound server", "sounds"]),
    ("whoever", &[]),
    ("nobody", &[]),
    ("somebody", &[]),
    ("for ever", &[]),
    ("shall", &[]),
    ("of an odd one", &[]),
    ("out by looking", &[]),
];

#[test]
fn the_words_are_those_of_the_field() {
    let mut texts: Vec<(String, String)> = PROGRAMS.map(|program| (format!("{program} --help"), generate_help(program))).into();
    for folder in ["man", "docs"] {
        for entry in fs::read_dir(repository(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e != "png") {
                texts.push((path.display().to_string(), fs::read_to_string(&path).unwrap().replace("\\-", "-")));
            }
        }
    }
    texts.push(("README.md".into(), fs::read_to_string(repository("README.md")).unwrap()));
    let mut wrong = Vec::new();
    for (name, text) in texts {
        // Names in code are as they are.
        let prose = text.split("```").step_by(2).flat_map(|part| part.split('`').step_by(2)).collect::<Vec<_>>().join(" ");
        let prose = prose.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        for (word, right) in UNUSED {
            for (at, _) in prose.match_indices(word) {
                let letter = |c: char| c.is_alphanumeric();
                let after = &prose[at + word.len()..];
                let whole = !prose[..at].ends_with(letter) && !after.strip_prefix('s').unwrap_or(after).starts_with(letter);
                if whole && !right.iter().any(|r| prose[at..].starts_with(r)) {
                    let context: String = prose[..at].chars().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect();
                    wrong.push(format!("{name}: …{context}{}", prose[at..].chars().take(40).collect::<String>()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn generate_help(program: &str) -> String {
    run(&mut h5(program, &["--help"]), b"").success().text()
}
