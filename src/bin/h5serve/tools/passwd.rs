//! `h5serve passwd`: a line of the users file.

use super::out::{create, print};
use anyhow::Context as _;
use h5live::access::{Grants, MAX_PASSWORD, Secret, Users, hash_password};
use h5live::cli;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Set the password or the token of a user in a users file
///
/// The password is asked for on the terminal, or read from stdin if that is no terminal. A user who is not in the file is added.
/// All other lines stay as they are. A running h5serve notices the change.
#[derive(clap::Args, Debug)]
pub struct Passwd {
    /// Users file; it is made if it is not there, and only its owner can read it then
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Name of the user: letters, digits and - _ . @
    #[arg(value_name = "NAME")]
    name: String,

    /// What the user may do: view, rewind, record, publish, admin, for all streams or as cam=view,rewind door*=view
    ///
    /// By default what the file says; view for a user who is not in it.
    #[arg(long, value_name = "RIGHTS")]
    rights: Option<Grants>,

    /// Make a bearer token for a program, and print it, in place of a password
    #[arg(long)]
    token: bool,
}

impl Passwd {
    pub fn run(&self) -> anyhow::Result<()> {
        if !Users::is_name(&self.name) {
            return Err(cli::usage(format!("{:?} cannot be the name of a user: use letters, digits and - _ . @", self.name)));
        }
        let at = || self.file.display().to_string();
        // A link stays one.
        let path = fs::canonicalize(&self.file).unwrap_or_else(|_| self.file.clone());
        let before = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.with_context(at)?,
        };
        let users = Users::parse(&before).with_context(at)?;
        let view = || "view".parse::<Grants>().expect("it is a right");
        let grants = self.rights.clone().or_else(|| users.grants(&self.name).cloned()).unwrap_or_else(view);
        let (token, secret) = match self.token {
            true => Secret::new_token().map(|(token, kept)| (Some(token), kept)).context("token")?,
            false => (None, Secret::Password(hash_password(&ask(&self.name)?).map_err(|error| cli::usage(error.to_string()))?)),
        };
        let before = String::from_utf8(before).expect("it was read as text");
        let after = Users::with(&before, &self.name, &secret, &grants);
        Users::parse(after.as_bytes()).with_context(at)?;
        replace(&path, after.as_bytes()).with_context(at)?;
        token.map_or(Ok(()), |token| print(&token))
    }
}

/// Puts a new file in the place of one: a reader sees the old one or the new one, whole. Who owned and could read the old one, may read the new.
fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    let mut file = create(&new)?;
    let written = (|| {
        if let Ok(old) = fs::metadata(path) {
            // Only root can give a file away. Others own the old one, or could not have written here.
            _ = fchown(&file, Some(old.uid()), Some(old.gid()));
            file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o660))?;
        }
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&new, path)
    })();
    if written.is_err() {
        _ = fs::remove_file(&new);
    }
    written
}

/// The password: typed twice, or the first line of stdin.
fn ask(name: &str) -> anyhow::Result<String> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return line(&mut stdin.lock());
    }
    let _silent = Silent::new().context("terminal")?;
    let first = prompt(&format!("Password for {name}: "))?;
    let second = prompt("Once more: ")?;
    if first == second { Ok(first) } else { Err(cli::usage("the two passwords differ")) }
}

fn prompt(text: &str) -> anyhow::Result<String> {
    eprint!("{text}");
    let typed = line(&mut io::stdin().lock());
    eprintln!();
    typed
}

/// A line without its end.
fn line(input: &mut impl BufRead) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    // One more than there may be, and the end of the line.
    input.take(MAX_PASSWORD as u64 + 3).read_until(b'\n', &mut bytes).context("stdin")?;
    let text = String::from_utf8(bytes).map_err(|_| cli::usage("the password is no UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    // Ctrl-C is one of them while the terminal is silent.
    if text.contains(char::is_control) { Err(cli::usage("the password has a control character")) } else { Ok(text.into()) }
}

/// A terminal that does not show what is typed, and in which Ctrl-C is a character; until this is dropped.
struct Silent(Termios);

impl Silent {
    fn new() -> io::Result<Silent> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Silent(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
