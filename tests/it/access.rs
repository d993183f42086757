//! Who may watch: the tools that write users and links.

use crate::util::{Finished, PATIENCE, Running, TempDir, h5, run, shell};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[track_caller]
fn passwd(folder: &Path, args: &[&str], typed: &str) -> Finished {
    run(h5("h5serve", &["passwd"]).args(args).current_dir(folder), typed.as_bytes())
}

fn users(folder: &Path) -> String {
    fs::read_to_string(folder.join("users")).unwrap()
}

#[test]
fn a_user_is_a_line_of_the_file() {
    let folder = TempDir::new();
    let end = passwd(&folder, &["users", "ann"], "ann's s3cret\n").success();
    assert_eq!((end.text(), &end.stderr[..]), (String::new(), ""));
    let first = users(&folder);
    assert!(first.starts_with("ann:$argon2id$v=19$m=19456,t=2,p=1$") && first.ends_with(":view\n"), "{first}");
    assert_eq!(fs::metadata(folder.join("users")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(&*folder).unwrap().count(), 1, "and no other file");
    // Comments and other users stay; a user keeps the rights, and gets others only by --rights.
    fs::write(folder.join("users"), format!("# people\n\n{first}")).unwrap();
    passwd(&folder, &["users", "bob", "--rights", "cam=view,rewind door*=view"], "bob's s3cret").success();
    passwd(&folder, &["users", "bob"], "other s3cret\r\n").success();
    let file = users(&folder);
    assert!(file.starts_with(&format!("# people\n\n{first}bob:$argon2id$")) && file.ends_with(":cam=view,rewind door*=view\n"), "{file}");
    assert_eq!(file.lines().count(), 4);
    assert!(!file.contains("s3cret"));
}

#[test]
fn a_token_is_printed_once_and_not_kept() {
    let folder = TempDir::new();
    let token = passwd(&folder, &["users", "recorder", "--token", "--rights", "view,record"], "").success().text();
    assert_eq!(token.trim_end().len(), 43);
    let file = users(&folder);
    assert!(file.starts_with("recorder:token$") && file.ends_with(":view,record\n") && !file.contains(token.trim_end()), "{file}");
    let again = passwd(&folder, &["users", "recorder", "--token"], "").success().text();
    assert_ne!(again, token);
}

#[test]
fn what_the_owner_may_read_and_links_stay() {
    let folder = TempDir::new();
    passwd(&folder, &["users", "ann", "--token"], "").success();
    fs::set_permissions(folder.join("users"), fs::Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::symlink("users", folder.join("link")).unwrap();
    passwd(&folder, &["link", "bob", "--token"], "").success();
    assert!(fs::symlink_metadata(folder.join("link")).unwrap().is_symlink());
    assert_eq!(users(&folder).lines().count(), 2);
    assert_eq!(fs::metadata(folder.join("users")).unwrap().permissions().mode() & 0o777, 0o640, "none of it is for all");
}

#[test]
fn mistakes_change_nothing() {
    let folder = TempDir::new();
    passwd(&folder, &["users", "ann", "--token"], "").success();
    let before = users(&folder);
    let long = "s3cret".repeat(200);
    for (args, typed, says) in [
        (&["users", "a b"][..], "s3cret", "cannot be the name of a user"),
        (&["users", "bob"], "", "an empty password"),
        (&["users", "bob"], "\n", "an empty password"),
        (&["users", "bob"], &long, "more than 1024 bytes"),
        (&["users", "bob"], "s3cret\u{3}", "control character"),
        (&["users", "bob", "--rights", "look"], "s3cret", "expected rights"),
        (&["users", "bob", "--rights", "a/b=view"], "s3cret", "the name of a stream"),
        (&["users"], "", "NAME"),
        (&["--listen", "0", "users", "bob"], "", "--listen"),
    ] {
        let end = passwd(&folder, args, typed);
        assert_eq!(end.code(), 2, "{args:?}: {}", end.stderr);
        assert!(end.stderr.contains(says) && !end.stderr.contains("s3cret"), "{args:?}: {}", end.stderr);
    }
    fs::write(folder.join("broken"), format!("{before}bob:s3cret:view\n")).unwrap();
    for (file, says) in
        [("broken", "h5serve: broken: line 2, column 5: expected a hash"), ("no/users", "h5serve: no/users: "), (".", "h5serve: .: ")]
    {
        let end = passwd(&folder, &[file, "carl"], "carl's s3cret");
        assert_eq!((end.code(), end.stderr.lines().count()), (1, 1), "{file}: {}", end.stderr);
        assert!(end.stderr.starts_with(says) && !end.stderr.contains("s3cret"), "{}", end.stderr);
    }
    assert_eq!(users(&folder), before);
}

/// What is typed on a terminal is not shown, and Ctrl-C gives it up.
#[test]
fn a_terminal_shows_no_password() {
    let folder = TempDir::new();
    let type_in = |first: &str, second: &str| {
        let mut running = Running::start(shell("script -qec 'h5serve passwd users ann' /dev/null").current_dir(&*folder));
        let (mut keys, mut screen) = (running.stdin(), running.stdout());
        let mut shown = Vec::new();
        let mut wait_for = |text: &str| {
            while !String::from_utf8_lossy(&shown).contains(text) {
                let mut piece = [0; 100];
                let n = screen.read(&mut piece).unwrap();
                assert!(n > 0, "no {text:?} in {:?}", String::from_utf8_lossy(&shown));
                shown.extend_from_slice(&piece[..n]);
            }
            String::from_utf8_lossy(&shown).into_owned()
        };
        wait_for("Password for ann: ");
        writeln!(keys, "{first}").unwrap();
        wait_for("Once more: ");
        writeln!(keys, "{second}").unwrap();
        _ = screen.read_to_end(&mut shown);
        assert!(!String::from_utf8_lossy(&shown).contains("s3cret"));
        running.finish(PATIENCE).code()
    };
    assert_eq!(type_in("s3cret 1", "s3cret 2"), 2, "they differ");
    assert_eq!(type_in("s3cret", "s3cret\u{3}"), 2);
    assert!(!folder.join("users").exists());
    assert_eq!(type_in("s3cret", "s3cret"), 0);
    assert!(users(&folder).starts_with("ann:$argon2id$"));
}

#[test]
fn links() {
    let folder = TempDir::new();
    let link = |args: &[&str]| run(h5("h5serve", &["link", "--key", "key"]).args(args).current_dir(&*folder), b"");
    assert_eq!(link(&["--new-key"]).success().text(), "");
    let key = fs::read_to_string(folder.join("key")).unwrap();
    assert_eq!((key.trim_end().len(), fs::metadata(folder.join("key")).unwrap().permissions().mode() & 0o777), (43, 0o600));
    let query = link(&["--stream", "cam"]).success().text();
    assert!(query.starts_with("/cam?token=1."), "{query}");
    let prefix = link(&["--stream", "cam", "--path-prefix", "--ttl", "7d", "--from-ip", "2001:db8::1"]).success().text();
    assert!(prefix.starts_with("/t/1.") && prefix.ends_with("/cam\n"), "{prefix}");
    assert!(link(&["--stream", "door*", "--rights", "view,rewind"]).success().text().starts_with("/?token=1."));
    for (args, code, says) in [
        (&["--new-key"][..], 1, "key: File exists"),
        (&[], 2, "--stream"),
        (&["--stream", "a b"], 2, "one name or pattern"),
        (&["--stream", "a/b"], 2, "the name of a stream"),
        (&["--stream", "a", "--rights", "view b=admin"], 2, "one name or pattern"),
        (&["--stream", "cam", "--rights", "look"], 2, "expected rights"),
        (&["--stream", "cam", "--ttl", "0s"], 2, "3650d at most"),
        (&["--stream", "cam", "--from-ip", "here"], 2, "--from-ip"),
    ] {
        let end = link(args);
        assert_eq!((end.code(), end.text()), (code, String::new()), "{args:?}: {}", end.stderr);
        assert!(end.stderr.contains(says) && !end.stderr.contains(key.trim_end()), "{args:?}: {}", end.stderr);
    }
    assert_eq!(fs::read_to_string(folder.join("key")).unwrap(), key);
    fs::write(folder.join("key"), "s3cret").unwrap();
    let end = link(&["--stream", "cam"]);
    assert_eq!(end.code(), 1);
    assert!(end.stderr.starts_with("h5serve: key: line 1, column 1: expected a key") && !end.stderr.contains("s3cret"), "{}", end.stderr);
}

/// The commands take no names away but their own, and those only as the first argument.
#[test]
fn files_that_are_named_like_a_command() {
    let folder = TempDir::new();
    fs::write(folder.join("passwd"), "garbage").unwrap();
    for args in [&["./passwd"][..], &["cam=passwd"], &["-q", "passwd"]] {
        let end = run(h5("h5serve", &["--listen", "127.0.0.1:0"]).args(args).current_dir(&*folder), b"");
        assert_eq!(end.code(), 4, "{args:?}: {}", end.stderr);
    }
    assert_eq!(run(h5("h5serve", &["help"]).args(["--listen", "127.0.0.1:0"]).current_dir(&*folder), b"").code(), 3, "help is a file");
}
