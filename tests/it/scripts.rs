//! The scripts do what the README says, on a machine of any package manager: the managers are stand-ins that write down what
//! they are asked.

use crate::util::{
    Finished, PASSWORD, Running, TempDir, eventually, free_port, h5, http, percent_encoded, program, repository, run, shell,
};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// How each manager is asked whether a package is there, and to install some.
const MANAGERS: [(&str, &str, &str); 5] = [
    ("apt-get", "dpkg-query", "env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends gcc nasm"),
    ("dnf", "rpm", "dnf install -y gcc nasm"),
    ("pacman", "pacman", "pacman -S --needed --noconfirm gcc nasm"),
    ("apk", "apk", "apk add gcc nasm"),
    ("brew", "brew", "brew install gcc nasm"),
];

/// A machine with one package manager, on which only `present` is installed, for the user with this id.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new(manager: &str, asks: &str, user: u32, present: &str) -> Machine {
        let machine = Machine { folder: TempDir::new() };
        let log = machine.folder.join("log");
        let bin = machine.folder.join("bin");
        fs::create_dir(&bin).unwrap();
        for tool in ["bash", "cat", "cut", "env", "grep", "head", "sed", "sort", "sleep"] {
            let path = run(&mut shell(&format!("command -v {tool}")), b"").success().text();
            std::os::unix::fs::symlink(path.trim(), bin.join(tool)).unwrap();
        }
        // What is asked about is the last word; only installing is written down.
        let answer = format!(
            "#!/bin/bash\ncase \"$1 $*\" in\n*' install '*|*' add '*|*' -S '*|*update*) echo \"${{0##*/}} $*\" >>'{}' ;;\n\
             *) for last; do :; done; [ \"$last\" = '{present}' ] || exit 1; [ \"${{0##*/}}\" != dpkg-query ] || echo ii ;;\nesac\n",
            log.display()
        );
        for name in [manager, asks] {
            machine.program(name, &answer);
        }
        machine.program("apt-cache", "#!/bin/bash\necho Package: x\n");
        machine.program("id", &format!("#!/bin/bash\necho {user}\n"));
        machine.program("sudo", &format!("#!/bin/bash\necho \"sudo $*\" >>'{}'\n\"$@\"\n", log.display()));
        machine
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.folder.join("bin").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs a line with the functions of scripts/packages.sh; with an answer, on a terminal.
    fn run(&self, line: &str, answer: Option<&str>) -> Finished {
        let script = format!(". '{}'; {line}", repository("scripts/packages.sh").display());
        let mut command = match answer {
            None => shell(&script),
            Some(answer) => {
                let path = self.folder.join("line");
                fs::write(&path, &script).unwrap();
                shell(&format!("(/bin/sleep 1; echo {answer}) | /usr/bin/script -qec \"bash '{}'\" /dev/null", path.display()))
            }
        };
        run(command.env("PATH", self.folder.join("bin")).current_dir(repository("")), b"")
    }

    /// What the package manager was asked to do.
    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

#[test]
fn root_is_not_asked() {
    for (manager, asks, command) in MANAGERS {
        let machine = Machine::new(manager, asks, 0, "make");
        machine.run("install_packages ask gcc make nasm", None).success();
        assert!(machine.log().contains(command.trim_start_matches("env DEBIAN_FRONTEND=noninteractive ")), "{manager}: {}", machine.log());
        assert!(!machine.log().contains("sudo"), "{manager}: {}", machine.log());
    }
}

#[test]
fn others_are_asked_first() {
    for (manager, asks, command) in MANAGERS {
        let machine = Machine::new(manager, asks, 1000, "make");
        let refused = machine.run("install_packages ask gcc make nasm", None);
        assert_ne!(refused.code(), 0);
        assert!(refused.stderr.contains(command), "{manager}: says what it would do: {}", refused.stderr);
        assert_eq!(machine.log(), "", "{manager}: without an answer nothing happens");

        let no = machine.run("install_packages ask gcc make nasm", Some("n"));
        assert_ne!(no.code(), 0, "{manager}: {}", no.text());
        assert_eq!(machine.log(), "");

        machine.run("install_packages ask gcc make nasm", Some("y")).success();
        assert!(machine.log().contains(command.trim_start_matches("env ")), "{manager}: {}", machine.log());
    }
}

#[test]
fn nothing_missing_nothing_done() {
    for (manager, asks, _) in MANAGERS {
        let machine = Machine::new(manager, asks, 1000, "gcc");
        let done = machine.run("install_packages ask gcc gcc", None).success();
        assert_eq!((machine.log().as_str(), done.stderr.as_str()), ("", ""));
    }
}

#[test]
fn alternatives_are_one_package() {
    let machine = Machine::new("apt-get", "dpkg-query", 0, "firefox");
    machine.run("install_packages always 'firefox-esr|firefox' 'chromium|chromium-browser'", None).success();
    assert!(!machine.log().contains("firefox") && machine.log().contains("chromium"), "{}", machine.log());
    assert!(!machine.log().contains("chromium-browser"), "{}", machine.log());
}

#[test]
fn an_old_rust_is_named() {
    let machine = Machine::new("apt-get", "dpkg-query", 0, "gcc");
    let none = machine.run("require_rust", None);
    assert!(none.code() == 1 && none.stderr.contains("no Rust toolchain"), "{}", none.stderr);
    machine.program("cargo", "#!/bin/bash\n");
    for (version, good) in [("1.9.0", false), ("1.88.0", false), ("1.89.0", true), ("1.100.0-nightly", true), ("2.0.0", true)] {
        machine.program("rustc", &format!("#!/bin/bash\necho rustc {version}\n"));
        assert_eq!(machine.run("require_rust", None).code(), i32::from(!good), "{version}");
    }
}

#[test]
fn scripts_live_shows_a_page() {
    let folder = TempDir::new();
    let origin = free_port();
    let feed = format!("h5cap test --size 160x120 | h5enc | h5serve --listen 127.0.0.1:{origin}");
    let _origin = Running::start_with(&mut shell(&feed), std::process::Stdio::null(), std::process::Stdio::null());
    eventually("the origin is on the air", || {
        let is_open = std::net::TcpStream::connect(("127.0.0.1", origin)).is_ok();
        (is_open && http(origin, "GET", "/api/streams", b"").1.contains("avc1")).then_some(())
    });
    // The last two are a page and a WebSocket.
    let (page, websocket) = (format!("http://127.0.0.1:{origin}/live"), format!("ws://127.0.0.1:{origin}/live"));
    for source in ["test", "tests/data/bigbuckbunny-3s.mp4", &page, &websocket] {
        let port = free_port();
        let line = format!("{} exec '{}' --listen 127.0.0.1:{port} {source}", built(), repository("scripts/live").display());
        let mut live = Running::start(shell(&line).current_dir(repository("")));
        live.wait_for(&format!("http://127.0.0.1:{port}/"));
        let playing = || (http(port, "GET", "/api/streams", b"").1.contains("avc1")).then_some(());
        eventually(&format!("{source} is on the air"), playing);
        let group = format!("-{}", live.id());
        // Ctrl-C: SIGINT to the whole group.
        run(shell(&format!("kill -INT -- {group}")).current_dir(&*folder), b"").success();
        let done = live.finish(crate::util::PATIENCE);
        assert_eq!(done.code(), 0, "{source}: {}", done.stderr);
    }
}

/// Every scheme of h5cap is its own; ffmpeg fetches the others.
#[cfg(all(feature = "http", feature = "onvif", feature = "rtsp"))]
#[test]
fn scripts_live_needs_ffmpeg_for_foreign_urls_only() {
    let folder = TempDir::new();
    fs::write(folder.join("ffmpeg"), "#!/bin/sh\necho asked ffmpeg >&2\nexit 1\n").unwrap();
    fs::set_permissions(folder.join("ffmpeg"), fs::Permissions::from_mode(0o755)).unwrap();
    let live = |url: &str| {
        let script = repository("scripts/live");
        let line = format!("{} PATH='{}':$PATH exec '{}' --listen 127.0.0.1:0 '{url}'", built(), folder.display(), script.display());
        run(&mut shell(&line), b"")
    };
    let closed = free_port();
    for scheme in ["rtsp", "rtsps", "http", "https", "ws", "wss", "onvif"] {
        let done = live(&format!("{scheme}://cam:s3cret@127.0.0.1:{closed}/x"));
        let line = format!("h5cap: {scheme}://cam:***@127.0.0.1:{closed}/x: ");
        assert!(done.code() != 0 && done.stderr.contains(&line) && done.stderr.contains("connection refused"), "{scheme}: {}", done.stderr);
        assert!(!done.stderr.contains("asked ffmpeg") && !(done.text() + &done.stderr).contains("s3cret"), "{scheme}");
    }
    assert!(live("rtmp://127.0.0.1/x").stderr.contains("asked ffmpeg"));
}

/// With a cargo that has everything built: what it is asked for, what is said meanwhile, and that the programs are found where they are.
#[test]
fn scripts_live_builds_the_quick_way_and_says_so() {
    let folder = TempDir::new();
    let (bin, port) = (folder.join("bin"), free_port());
    fs::create_dir(&bin).unwrap();
    let programs = program("h5cap");
    let programs = programs.parent().unwrap();
    let cargo = format!(
        "#!/bin/bash\necho \"$*\" >'{0}/asked'\nmkdir -p \"$CARGO_TARGET_DIR/quick\"\nln -sf '{1}'/h5{{cap,enc,mux,serve}} \"$CARGO_TARGET_DIR/quick\"\n",
        folder.display(),
        programs.display()
    );
    fs::write(bin.join("cargo"), cargo).unwrap();
    fs::set_permissions(bin.join("cargo"), fs::Permissions::from_mode(0o755)).unwrap();
    let line = format!(
        "unset H5LIVE_BIN; PATH='{}':$PATH CARGO_TARGET_DIR='{}' exec '{}' --listen 127.0.0.1:{port} test",
        bin.display(),
        folder.join("target").display(),
        repository("scripts/live").display()
    );
    let mut live = Running::start(shell(&line).current_dir(&*folder));
    live.wait_for("Building h5live");
    live.wait_for(&format!("http://127.0.0.1:{port}/"));
    run(shell(&format!("kill -INT -- -{}", live.id())).current_dir(&*folder), b"").success();
    assert_eq!(live.finish(crate::util::PATIENCE).code(), 0);
    let asked = fs::read_to_string(folder.join("asked")).unwrap();
    assert_eq!(
        asked.trim(),
        "build --profile quick --no-default-features --features capture,encode,serve,cli,alsa,http,onvif,publish,rtsp,v4l2 --locked --bins"
    );
}

#[test]
fn scripts_live_wants_known_arguments() {
    for (arguments, code) in [("--help", 0), ("--bogus", 2), ("one two", 2)] {
        let done = run(shell(&format!("'{}' {arguments}", repository("scripts/live").display())).current_dir("/"), b"");
        assert_eq!(done.code(), code, "{arguments}: {}", done.stderr);
        assert!(done.text().contains("scripts/live [--listen ADDR]"), "{arguments}: {}", done.text());
    }
}

#[test]
fn every_script_explains_itself_from_anywhere() {
    for entry in fs::read_dir(repository("scripts")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some() {
            continue;
        }
        let name = format!("scripts/{}", path.file_name().unwrap().to_str().unwrap());
        for (place, command) in [("/", path.display().to_string()), (repository("scripts").to_str().unwrap(), format!("./{}", &name[8..]))]
        {
            for option in ["--help", "-h"] {
                let done = run(shell(&format!("'{command}' {option}")).current_dir(place), b"");
                assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{name} {option} in {place}");
                let help = done.text();
                assert!(!help.contains("set -euo") && help.lines().all(|l| !l.starts_with('#')), "{name}: {help}");
                assert!(name == "scripts/man" || help.contains(&format!("  {name}")), "{name}: {help}");
            }
            let done = run(shell(&format!("'{command}' --no-such-option")).current_dir(place), b"");
            assert!(done.code() == 2, "{name}: {}", done.code());
        }
    }
}

#[test]
fn scripts_install_takes_a_path_as_it_is_meant_where_it_is_called() {
    let folder = TempDir::new();
    let bin = program("h5cap").parent().unwrap().to_owned();
    std::os::unix::fs::symlink(&bin, folder.join("built")).unwrap();
    let line =
        format!("H5LIVE_BIN=built '{}' there/it is", repository("scripts/install").display()).replace("there/it is", "'there/it is'");
    let done = run(shell(&line).current_dir(&*folder), b"").success();
    assert!(done.text().contains("there/it is"), "{}", done.text());
    assert!(folder.join("there/it is/bin/h5serve").exists() && !repository("there").exists());
}

#[test]
fn scripts_install_makes_a_complete_tree() {
    let folder = TempDir::new();
    run(&mut shell(&format!("{} '{}' '{}'", built(), repository("scripts/install").display(), folder.display())), b"").success();
    let there = |path: &str| assert!(folder.join(path).exists(), "{path}");
    for name in ["h5cap", "h5enc", "h5mux", "h5serve"] {
        there(&format!("bin/{name}"));
        there(&format!("share/man/man1/{name}.1"));
        there(&format!("share/bash-completion/completions/{name}"));
        there(&format!("share/zsh/site-functions/_{name}"));
        there(&format!("share/fish/vendor_completions.d/{name}.fish"));
        let installed = run(&mut h5_at(&folder.join("bin"), name), b"").success();
        assert_eq!(installed.stdout, run(&mut h5(name, &["--version"]), b"").stdout);
    }
    there("bin/h5-snapshot");
    there("bin/h5-record");
    there("share/man/man5/h5pipe.5");
    there("share/man/man7/h5live.7");
}

/// Tells the scripts to take the programs of this test in place of a release build.
fn built() -> String {
    format!("H5LIVE_BIN='{}'", program("h5cap").parent().unwrap().display())
}

fn h5_at(folder: &Path, name: &str) -> std::process::Command {
    let mut command = std::process::Command::new(folder.join(name));
    command.arg("--version");
    command
}

#[test]
fn the_steps_of_scripts_test_are_all_there() {
    let script = fs::read_to_string(repository("scripts/test")).unwrap();
    let after = |mark: &str| script.split(mark).nth(1).unwrap_or_else(|| panic!("{mark}")).lines().next().unwrap().trim().to_owned();
    let said = after("some steps: ");
    assert_eq!(after("    steps=("), format!("{said})"));
    let functions = script.lines().filter_map(|l| l.strip_prefix("step_")?.split_once("()")).map(|(name, _)| name);
    assert_eq!(functions.collect::<Vec<_>>().join(" "), said);
}

/// The units in examples/: systemd takes them, and the programs in them are ours.
#[test]
fn the_units_of_systemd_are_sound() {
    for (name, manager) in [("h5live.service", "--user"), ("h5serve.service", "--system")] {
        unit_is_sound(name, manager);
    }
}

/// The one of the system gives up all that it can: `systemd-analyze security` goes from 0 to 10, and less is better.
#[test]
fn the_unit_of_the_system_is_confined() {
    let judge = |unit: &str, threshold: &str| {
        let line = format!("systemd-analyze security --offline=yes --no-pager --threshold={threshold} '{unit}'");
        run(&mut shell(&line), b"")
    };
    let unit = repository("examples/h5serve.service").display().to_string();
    if run(&mut shell("command -v systemd-analyze"), b"").code() != 0 {
        assert!(std::env::var_os("CI").is_none(), "no systemd-analyze");
        return eprintln!("no systemd-analyze: the unit was not judged");
    }
    let judged = judge(&unit, "19");
    assert_eq!(judged.code(), 0, "{}", judged.text());
    assert_ne!(judge(&unit, "10").code(), 0, "it judges");
}

fn unit_is_sound(name: &str, manager: &str) {
    let path = repository("examples").join(name);
    let unit = fs::read_to_string(&path).unwrap();
    let pipe = unit.split_once(" -c '").and_then(|(_, rest)| rest.split_once("'\n")).expect("a pipeline for the shell").0;
    for stage in pipe.split('|') {
        let (name, arguments) = stage.trim().split_once(' ').unwrap_or((stage.trim(), ""));
        let arguments: Vec<&str> = arguments.split_whitespace().chain(["--help"]).collect();
        run(&mut h5(name, &arguments), b"").success();
    }
    // Not every Linux has systemd; the packages that scripts/test installs bring it.
    if run(&mut shell("command -v systemd-analyze"), b"").code() != 0 {
        assert!(std::env::var_os("CI").is_none(), "no systemd-analyze");
        return eprintln!("no systemd-analyze: the unit was not looked at");
    }
    let runtime = TempDir::new();
    let line = format!("systemd-analyze verify {manager} --man=no '{}'", path.display());
    let done = run(shell(&line).env("XDG_RUNTIME_DIR", &*runtime), b"").success();
    assert_eq!(done.stderr, "", "systemd complains");
}

/// A password is found in every form in which it may be printed, and is not printed again.
#[test]
fn passwords_in_what_was_printed_are_found() {
    let dir = TempDir::new();
    let look =
        || run(&mut shell(&format!(". '{}'; find_passwords '{}'", repository("scripts/passwords.sh").display(), dir.display())), b"");
    fs::write(dir.join("log"), "h5cap: rtsp://cam:***@127.0.0.1/: 401\n").unwrap();
    let none = look();
    assert_eq!((none.code(), none.text()), (1, String::new()), "{}", none.stderr);
    let base64 = |user: &str| run(&mut shell(&format!("printf %s '{user}:{PASSWORD}' | base64")), b"").success().text();
    for printed in [PASSWORD.to_owned(), percent_encoded(PASSWORD), base64("c"), base64("ca"), base64("cam")] {
        let printed = printed.trim();
        fs::write(dir.join("log"), format!("a line\nAuthorization: Basic {printed} HTTP\n")).unwrap();
        let found = look();
        let line = format!("{}:2: Authorization: Basic *** HTTP\n", dir.join("log").display());
        assert_eq!((found.code(), found.text()), (0, line), "{printed}: {}", found.stderr);
    }
}
