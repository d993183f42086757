//! The programs, run as a user runs them: as processes in real pipes, with deadlines.

// Every part uses some of these; none uses all.
#![allow(dead_code)]

use std::fs;
use std::io::{Read, Write};
use std::ops::Deref;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a test waits for at most, where it does not say more exactly; generous, for loaded machines.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What cameras of the tests take. Every password of the tests, right or wrong, has `s3cret` in it: scripts/passwords.sh looks for that.
pub const PASSWORD: &str = "kT9-s3cret#%?";

/// As a URL may have a password: every byte escaped.
pub fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Keeps what a program printed, where scripts/test wants to look through it: in a file of the folder that it names.
fn keep_printed(name: &str, bytes: &[u8]) {
    let Some(folder) = std::env::var_os("H5LIVE_PRINTED") else { return };
    let file = fs::OpenOptions::new().create(true).append(true).open(Path::new(&folder).join(name));
    file.and_then(|mut file| file.write_all(bytes)).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
}

/// The path of one of the four programs, as built for this test.
pub fn program(name: &str) -> PathBuf {
    PathBuf::from(match name {
        "h5cap" => env!("CARGO_BIN_EXE_h5cap"),
        "h5enc" => env!("CARGO_BIN_EXE_h5enc"),
        "h5mux" => env!("CARGO_BIN_EXE_h5mux"),
        "h5serve" => env!("CARGO_BIN_EXE_h5serve"),
        other => panic!("{other} is none of the four programs"),
    })
}

/// A command for one of the four programs.
pub fn h5(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program(name));
    command.args(args);
    command
}

/// A command line for bash, with the four programs first on PATH; the exit code is that of the last program to fail.
pub fn shell(line: &str) -> Command {
    let mut command = Command::new("bash");
    command.args(["-o", "pipefail", "-c", line]).env("PATH", path_with_programs());
    command
}

pub fn path_with_programs() -> String {
    let here = program("h5cap").parent().expect("a program is in a folder").display().to_string();
    format!("{here}:{}", std::env::var("PATH").unwrap_or_default())
}

/// How a command ended.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
    /// Most resident memory seen (VmHWM of the process itself), in KiB.
    pub peak_kib: u64,
    pub took: Duration,
}

impl Finished {
    /// The exit code; -N if signal N ended the process.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| -self.status.signal().unwrap_or(0))
    }

    /// Fails the test, with stderr, unless the exit code is 0.
    #[track_caller]
    pub fn success(self) -> Finished {
        assert_eq!(self.code(), 0, "stderr: {}", self.stderr);
        self
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Runs a command to its end with `input` on stdin; fails the test if it takes longer than [`PATIENCE`].
#[track_caller]
pub fn run(command: &mut Command, input: &[u8]) -> Finished {
    run_for(command, input, PATIENCE)
}

/// As [`run`], with a deadline of its own.
#[track_caller]
pub fn run_for(command: &mut Command, input: &[u8], limit: Duration) -> Finished {
    let mut running = Running::start(command);
    running.feed(input.to_vec());
    running.finish(limit)
}

/// A process (group) that is killed when the test lets go of it.
pub struct Running {
    child: Child,
    name: String,
    /// Under which name what it prints is kept.
    kept: Option<String>,
    started: Instant,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Arc<Mutex<String>>,
    stderr_thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts a command in a process group of its own, with stdin piped and stdout and stderr collected, except where the
    /// command is told otherwise by [`Running::start_with`].
    #[track_caller]
    pub fn start(command: &mut Command) -> Running {
        Running::start_with(command, Stdio::piped(), Stdio::piped())
    }

    #[track_caller]
    pub fn start_with(command: &mut Command, stdin: Stdio, stdout: Stdio) -> Running {
        // Without the passwords that a test gives to the program.
        let name = format!("{command:?}").replace("s3cret", "***").replace(&percent_encoded("s3cret"), "***");
        let spawned = command.stdin(stdin).stdout(stdout).stderr(Stdio::piped()).process_group(0).spawn();
        let mut child = spawned.unwrap_or_else(|e| panic!("{name}: {e} (scripts/test installs what the tests need)"));
        let stderr = Arc::new(Mutex::new(String::new()));
        // Other programs may print their arguments.
        let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
        let kept = program.starts_with("h5").then(|| format!("{program}.{}", child.id()));
        let stderr_thread = child.stderr.take().map(|pipe| collect_text(pipe, Arc::clone(&stderr), kept.clone()));
        Running { child, name, kept, started: Instant::now(), stdout: None, stderr, stderr_thread }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes `input` to stdin in the background and closes it.
    pub fn feed(&mut self, input: Vec<u8>) {
        if let Some(mut stdin) = self.child.stdin.take() {
            // A program that ends early closes the pipe: that is for the test to judge, by exit code.
            std::thread::spawn(move || _ = stdin.write_all(&input));
        }
    }

    /// The writing end of stdin, for a test that feeds step by step.
    pub fn stdin(&mut self) -> impl Write + use<> {
        self.child.stdin.take().expect("stdin is piped and not taken yet")
    }

    /// The reading end of stdout, for a test that reads step by step.
    pub fn stdout(&mut self) -> impl Read + use<> {
        self.child.stdout.take().expect("stdout is piped and not taken yet")
    }

    /// Everything on stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits until stderr has a line with `text` in it, and gives the line.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let ended = self.child.try_wait().unwrap();
            if let Some(line) = self.stderr().lines().find(|l| l.contains(text)) {
                return line.to_owned();
            }
            assert!(ended.is_none() && Instant::now() < until, "{}: no {text:?} in stderr: {}", self.name, self.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal, such as `TERM`, to the process alone.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Most resident memory so far in KiB; 0 if the process is gone, or is not yet the program: until then it shares the memory of the tests.
    pub fn peak_kib(&self) -> u64 {
        let program = fs::read_link(format!("/proc/{}/exe", self.id()));
        if program.ok() == std::env::current_exe().ok() {
            return 0;
        }
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let field = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        field.and_then(|f| f.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
    }

    /// Waits for the end; fails the test after `limit`.
    #[track_caller]
    pub fn finish(mut self, limit: Duration) -> Finished {
        self.child.stdin = None;
        if let Some(pipe) = self.child.stdout.take() {
            self.stdout = Some(collect(pipe));
        }
        let mut peak_kib = 0;
        let status = loop {
            peak_kib = peak_kib.max(self.peak_kib());
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            let late = self.started.elapsed() > limit;
            assert!(!late, "{}: still runs after {limit:?}; peak {peak_kib} KiB; stderr: {}", self.name, self.stderr());
            std::thread::sleep(Duration::from_millis(2));
        };
        let took = self.started.elapsed();
        // Grandchildren that still hold the pipes end here, with the group.
        kill_group(self.id());
        let stdout = self.stdout.take().map(|t| t.join().unwrap()).unwrap_or_default();
        // Media is larger, and is no text.
        if let Some(name) = self.kept.as_ref().filter(|_| stdout.len() < 100_000) {
            keep_printed(name, &stdout);
        }
        if let Some(thread) = self.stderr_thread.take() {
            thread.join().unwrap();
        }
        Finished { status, stdout, stderr: self.stderr(), peak_kib, took }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        kill_group(self.child.id());
        _ = self.child.wait();
    }
}

/// Ends a process group that a test started; it may have ended already.
fn kill_group(leader: u32) {
    _ = Command::new("kill").args(["-KILL", "--", &format!("-{leader}")]).stderr(Stdio::null()).status();
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

fn collect_text(mut pipe: impl Read + Send + 'static, into: Arc<Mutex<String>>, kept: Option<String>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(n @ 1..) = pipe.read(&mut piece) {
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..n]));
            if let Some(name) = &kept {
                keep_printed(name, &piece[..n]);
            }
        }
    })
}

/// A folder that is gone with the test.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new() -> TempDir {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("h5live-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        TempDir(path)
    }
}

impl Deref for TempDir {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file of tests/data.
pub fn data(name: &str) -> PathBuf {
    repository("tests/data").join(name)
}

/// A TCP port on loopback that was free a moment ago.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Asks a server on loopback with HTTP/1.1 and `Connection: close`; gives status and body of a short answer.
pub fn http(port: u16, method: &str, path: &str, body: &[u8]) -> (u16, String) {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    _ = stream.read_to_end(&mut answer);
    keep_printed("answers", &answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("no HTTP answer: {answer:?}"));
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

/// Tries until `check` gives something, for [`PATIENCE`] at most.
#[track_caller]
pub fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = check() {
            return value;
        }
        assert!(Instant::now() < until, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The mean luma of each picture of a stream that ffmpeg reads as `format`, over the limited range.
pub fn lumas(format: &str, stream: &[u8], (width, height): (u32, u32)) -> Vec<f64> {
    let args = ["-v", "error", "-f", format, "-i", "-", "-fps_mode", "passthrough", "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"];
    let done = run(Command::new("ffmpeg").args(args), stream).success();
    assert_eq!(done.stderr, "", "ffmpeg complains");
    let luma = (width * height) as usize;
    let mean = |picture: &[u8]| picture[..luma].iter().map(|byte| f64::from(*byte)).sum::<f64>() / luma as f64;
    done.stdout.chunks_exact(luma * 3 / 2).map(mean).collect()
}

/// A wait that is to be shorter than a limit on a machine that has time for it.
pub struct Wait {
    started: Instant,
    idle: Duration,
}

impl Wait {
    pub fn begin() -> Wait {
        Wait { started: Instant::now(), idle: idle() }
    }

    /// How long until `end`. Fails the test if that is `limit`, unless processors were busy for more than half of it: that time the wait was not for
    /// what it is to be for.
    #[track_caller]
    pub fn end(self, end: Instant, limit: Duration, what: &str) -> Duration {
        let (took, idle) = (end - self.started, idle() - self.idle);
        println!("{what}: {took:.2?}; a processor was idle for {idle:.2?}");
        assert!(took < limit || idle < limit / 2, "{what}: {took:?}, idle for {idle:?}");
        took
    }
}

/// For how long a processor had nothing to do since the machine was started, on average of all (proc_stat(5)).
fn idle() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let processors = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "));
    let ticks: Vec<u64> = processors.filter_map(|line| line.split_whitespace().nth(4)?.parse().ok()).collect();
    // A tick is a hundredth of a second to programs, whatever the kernel counts in.
    Duration::from_millis(10 * ticks.iter().sum::<u64>() / ticks.len() as u64)
}

/// A certificate that a camera has signed itself.
pub struct Certificate {
    pub cert: PathBuf,
    pub key: PathBuf,
    /// SHA-256, by openssl.
    pub fingerprint: String,
}

impl Certificate {
    /// Its files are `name` in `dir`.
    pub fn new(dir: &TempDir, name: &str) -> Certificate {
        let (cert, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
        let args = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=camera", "-keyout"];
        run_for(Command::new("openssl").args(args).arg(&key).arg("-out").arg(&cert), b"", PATIENCE).success();
        let print = ["x509", "-noout", "-fingerprint", "-sha256", "-in"];
        let print = run_for(Command::new("openssl").args(print).arg(&cert), b"", PATIENCE).success().text();
        let fingerprint = print.trim().rsplit_once('=').unwrap().1.to_owned();
        Certificate { cert, key, fingerprint }
    }
}
