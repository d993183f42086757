//! The Autobahn test suite for WebSocket servers, as the package kosoku runs it.

use crate::util::{repository, run_for};
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

#[path = "../../../examples/echo.rs"]
#[allow(dead_code, reason = "an example is a program")]
mod echo;

/// The longest message of its cases.
const LIMIT: usize = 16 << 20;

/// All cases but 12 and 13: they are about compression, which h5serve does not offer. The report is kept, a page for each case.
#[test]
fn every_mandatory_case() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || echo::run(&listener, LIMIT));
    let report = repository("target/autobahn");
    // Pages of a run before are not of this one.
    _ = std::fs::remove_dir_all(&report);
    // The script names its interpreter by a path, which is another one after the checkout was moved.
    let mut kosoku = Command::new(repository("target/python/bin/python"));
    kosoku.arg(repository("target/python/bin/kosoku")).args(["-m", "fuzzingclient", "-o"]).arg(&report);
    // There is no eighth group.
    for group in [1, 2, 3, 4, 5, 6, 7, 9, 10] {
        kosoku.arg("-i").arg(format!("{group}.*"));
    }
    let judged = run_for(kosoku.arg(&address), b"", Duration::from_secs(300));
    assert_eq!(judged.code(), 0, "{}\n{}", judged.text(), judged.stderr);
    let index: serde_json::Value = serde_json::from_slice(&std::fs::read(report.join("index.json")).unwrap()).unwrap();
    let cases = index.as_object().unwrap().values().next().unwrap().as_object().unwrap();
    assert!(cases.len() >= 240, "{}", cases.len());
    for (case, result) in cases {
        for what in ["behavior", "behaviorClose"] {
            let outcome = result[what].as_str().unwrap();
            assert!(matches!(outcome, "OK" | "INFORMATIONAL" | "NON-STRICT"), "case {case}: {what}: {outcome}");
        }
    }
}
