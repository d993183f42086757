//! The checks of the fuzz targets, on their corpora: real inputs and what the fuzzers found, and each damaged in some repeatable ways.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use crate::util::repository;
use std::collections::BTreeSet;
use std::path::PathBuf;

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository(folder)).unwrap_or_else(|e| panic!("{folder}: {e}"));
    let mut files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    files(&format!("fuzz/corpus/{target}")).into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// The same every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n.max(1)
    }

    /// One to four of: a bit flipped, a byte changed, bytes taken out, bytes doubled, a cut.
    fn damage(&mut self, input: &[u8]) -> Vec<u8> {
        let mut out = input.to_vec();
        for _ in 0..=self.below(4) {
            if out.is_empty() {
                break;
            }
            let at = self.below(out.len());
            let end = (at + self.below(40)).min(out.len());
            match self.below(5) {
                0 => out[at] ^= 1 << self.below(8),
                1 => out[at] = [0, 0xff, 0x7f, 0x80, 1][self.below(5)],
                2 => drop(out.drain(at..end)),
                3 => drop(out.splice(at..at, input[at.min(input.len())..end.min(input.len())].to_vec())),
                _ => out.truncate(at),
            }
        }
        out
    }
}

#[track_caller]
fn holds(what: &str, target: targets::Check, input: &[u8]) {
    if std::panic::catch_unwind(|| target(input)).is_err() {
        let kept = std::env::temp_dir().join("h5live-fuzz-input");
        std::fs::write(&kept, input).unwrap();
        panic!("{what}: the input is in {}", kept.display());
    }
}

#[test]
fn every_target_has_its_corpus_and_its_program() {
    let names: BTreeSet<String> = targets::TARGETS.iter().map(|(name, _)| String::from(*name)).collect();
    let stems = |folder| files(folder).iter().map(|p| p.file_stem().unwrap().to_string_lossy().into_owned()).collect::<BTreeSet<_>>();
    assert_eq!(stems("fuzz/fuzz_targets"), names);
    assert_eq!(stems("fuzz/corpus"), names);
    let bytes: usize = names.iter().flat_map(|name| corpus(name)).map(|(_, input)| input.len()).sum();
    assert!(bytes < 300_000, "the corpora are to stay small: {bytes} bytes");
}

#[test]
fn the_corpora_hold() {
    for (name, target) in targets::TARGETS {
        for (path, input) in corpus(name) {
            holds(&format!("{name}, {}", path.display()), target, &input);
        }
    }
}

#[test]
fn damaged_inputs_hold() {
    for (name, target) in targets::TARGETS {
        let corpus = corpus(name);
        let mut chance = Chance(1);
        for round in 0..ROUNDS {
            let damaged = chance.damage(&corpus[round % corpus.len()].1);
            holds(&format!("{name}, round {round}"), target, &damaged);
        }
    }
}

const ROUNDS: usize = 300;
