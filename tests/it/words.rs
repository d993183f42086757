//! What all programs say, and where: on terminals, and when something fails.

use crate::util::{Finished, TempDir, data, run, shell};
use std::fs;
use std::net::TcpListener;

/// Runs a line with stdin, stdout and stderr on a terminal; what they print comes out on stdout.
fn on_terminal(line: &str, environment: &[(&str, &str)]) -> Finished {
    let folder = TempDir::new();
    let path = folder.join("line");
    fs::write(&path, format!("set -o pipefail; {line}")).unwrap();
    let mut command = shell(&format!("script -qec \"bash '{}'\" /dev/null </dev/null", path.display()));
    run(command.env_remove("NO_COLOR").env("TERM", "xterm").envs(environment.iter().copied()), b"")
}

#[test]
fn a_terminal_is_no_place_for_a_stream() {
    let coded = data("mediarecorder-avc1-opus.mkv").display().to_string();
    for line in [
        "h5cap test",
        "h5cap",
        "h5cap -",
        "h5enc",
        "h5mux",
        "h5serve --listen 127.0.0.1:0",
        "h5serve --listen 127.0.0.1:0 a=-",
        &format!("h5cap --no-pace '{coded}'"),
        &format!("h5enc <'{coded}'"),
        &format!("h5mux <'{coded}'"),
        &format!("h5mux '{coded}'"),
    ] {
        let done = on_terminal(line, &[]);
        let said = done.text();
        assert_eq!(done.code(), 2, "{line}: {said}");
        assert!(said.lines().count() == 1 && said.contains("it is a terminal; pipe"), "{line}: {said}");
    }
    on_terminal(&format!("h5mux '{coded}' >/dev/null"), &[]).success();
}

#[test]
fn there_are_no_escape_codes_where_none_are_wanted() {
    let capture = "h5cap test --size 64x36 --duration 2500ms >/dev/null";
    let status = on_terminal(capture, &[]).success().text();
    assert!(status.contains("fps") && !status.contains('\x1b'), "{status:?}");
    let dumb = on_terminal(capture, &[("TERM", "dumb")]).success().text();
    assert_eq!(dumb, "", "no line that would be written over");
    for environment in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        for line in ["h5cap --help", "h5enc -h", "h5mux --bogus", "h5serve --lag x", "h5cap nope"] {
            // Services that test programs set CI, which some libraries take for a terminal with colours.
            for ci in ["", "true"] {
                let said = on_terminal(line, &[environment, ("CI", ci)]).text();
                assert!(!said.is_empty() && !said.contains('\x1b'), "{line} with {environment:?}, CI={ci}: {said:?}");
            }
        }
    }
    for line in ["h5cap --help", "h5mux --bogus"] {
        let said = run(&mut shell(line), b"");
        assert!(!said.text().contains('\x1b') && !said.stderr.contains('\x1b'), "{line}");
    }
}

#[test]
fn each_failure_is_one_line_that_says_nothing_twice() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = TempDir::new();
    fs::write(folder.join("garbage"), "garbage garbage garbage").unwrap();
    fs::write(folder.join("empty"), "").unwrap();
    fs::write(folder.join("broken.jpg"), "x").unwrap();
    fs::write(folder.join("broken.png"), "\u{89}PNG\r\n\x1a\nxxxxxxxxxxxxxxxxxxxx").unwrap();
    fs::create_dir(folder.join("folder")).unwrap();
    fs::write(folder.join("coded"), fs::read(data("mediarecorder-avc1-opus.mkv")).unwrap()).unwrap();
    let lines = [
        "h5cap nope",
        "h5cap garbage",
        "h5cap empty",
        "h5cap broken.jpg",
        "h5cap broken.png",
        "h5cap folder",
        "h5cap --follow nope",
        "h5cap test --control 1.2.3.4:1",
        "h5cap test --control nope.invalid:1",
        "h5cap test --control PORT",
        "h5cap test --late block >/dev/full",
        "h5cap test >/dev/full",
        "h5cap camera:nope",
        "h5cap /dev/null",
        "h5cap microphone:zzz",
        "h5cap - <folder",
        "h5cap http://x/y",
        "h5cap a b --follow --loop",
        "h5cap coded --size 1x1",
        "h5enc <garbage",
        "h5enc <folder",
        "h5enc --input-format y4m <garbage",
        "h5enc --control PORT <garbage",
        "h5enc <coded >/dev/full",
        "h5enc --late drop <coded >/dev/full",
        "h5mux nope",
        "h5mux garbage",
        "h5mux folder",
        "h5mux <garbage",
        "h5mux coded -o nope/x",
        "h5mux coded >/dev/full",
        "h5mux --late drop coded >/dev/full",
        "h5mux coded -o /dev/full",
        "h5cap test --duration 1 | h5mux",
        "h5mux --control PORT",
        "h5serve --listen 127.0.0.1:PORT garbage",
        "h5serve --listen 1.2.3.4:1 garbage",
        "h5serve --listen nope.invalid:1 garbage",
        "h5serve --listen unix:nope/x garbage",
        "h5serve --listen 127.0.0.1:0 nope",
        "h5serve --listen 127.0.0.1:0 garbage",
        "h5serve --listen 127.0.0.1:0 folder",
        "h5serve --listen 127.0.0.1:0 <garbage",
        "h5serve --listen 127.0.0.1:0 --events nope/x garbage",
        "h5serve --listen 127.0.0.1:0 --events 77 garbage",
        "h5serve --control PORT --listen 127.0.0.1:0 garbage",
    ];
    for line in lines {
        let done = run(shell(&format!("timeout 30 {}", line.replace("PORT", &port.to_string()))).current_dir(&*folder), b"");
        assert!(matches!(done.code(), 1..=4), "{line}: {}: {}", done.code(), done.stderr);
        // h5serve begins with its address; clap's own refusals have a usage behind them.
        let said: Vec<_> = done.stderr.lines().filter(|l| !l.starts_with("http://") && !l.contains("warning: ")).collect();
        assert!(!said.is_empty() && (said.len() == 1 || said.iter().any(|l| l.contains("--help"))), "{line}: {}", done.stderr);
        for text in said {
            let parts: Vec<_> = text.split(": ").collect();
            let twice = parts.iter().enumerate().find(|(n, part)| part.len() > 1 && parts[..*n].contains(part));
            assert_eq!(twice, None, "{line}: {text}");
        }
    }
}

#[test]
fn a_stderr_that_takes_nothing_stops_no_stream() {
    let coded = data("mediarecorder-avc1-opus.mkv").display().to_string();
    for line in [
        "h5cap -v test --size 64x36 --duration 1 --control 0 2>ERR >/dev/null",
        "h5cap test --size 64x36 --duration 1 | h5enc -vvv 2>ERR >/dev/null",
        &format!("h5mux -vvv '{coded}' 2>ERR >/dev/null"),
        &format!("h5serve -v --listen 127.0.0.1:0 a='{coded}' 2>ERR"),
    ] {
        for target in ["/dev/full", "&-"] {
            let line = line.replace("ERR", target);
            assert_eq!(run(&mut shell(&format!("timeout 50 {line}")), b"").code(), 0, "{line}");
        }
        let mistake = line.split_whitespace().next().unwrap();
        assert_eq!(run(&mut shell(&format!("{mistake} --bogus 2>/dev/full")), b"").code(), 2, "{mistake}");
    }
}
