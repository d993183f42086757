//! A certificate that the server signs itself, for a network at home. It is kept: a browser that was told to trust it does so after a restart too.

use super::follow::read;
use anyhow::{Context as _, anyhow};
use h5live::serve::{Listen, Tls};
use jiff::civil::Date;
use jiff::{Span, Zoned};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, ToSocketAddrs};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Certificate and key are one file, which is written whole.
const FILE: &str = "self-signed.pem";
/// How long it is good, in days: Apple's systems take none of more than 825. It is made anew when less than a month of that is left.
const DAYS: i32 = 800;
const LEFT: i32 = 30;
/// Before the certificate, which PEM allows (RFC 7468, section 2).
const UNTIL: &str = "Good until: ";

/// Makes a certificate in the folder, if there is none, or none that is good for long. `hosts`: names of this machine.
///
/// # Errors
/// The folder cannot be read or written.
pub fn prepare(folder: &Path, listen: &[Listen], hosts: &[String]) -> anyhow::Result<()> {
    let path = folder.join(FILE);
    let at = || format!("--tls-self-signed: {}", path.display());
    let today = Zoned::now().date();
    let there = match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        there => Some(there.with_context(at)?),
    };
    if there.as_ref().is_some_and(|pem| is_good(pem, today)) {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(at)?;
    let new = make(&names(listen, hosts), today).context("certificate")?;
    keep(&path, new.as_bytes(), there.is_some()).with_context(at)
}

/// The certificate in the folder.
///
/// # Errors
/// It cannot be read, or what is there is not understood.
pub fn load(folder: &Path) -> anyhow::Result<Tls> {
    let path = folder.join(FILE);
    let at = || format!("--tls-self-signed: {}", path.display());
    let pem = read(&path).with_context(at)?;
    let tls = Tls::new(&pem, &pem).map_err(|error| anyhow!("{error}; delete it, and h5serve makes another")).with_context(at)?;
    tracing::info!("the certificate is self-signed, and kept in {}", path.display());
    Ok(tls)
}

/// Whether it says that it is good for longer; one that says nothing is somebody's own.
fn is_good(pem: &[u8], today: Date) -> bool {
    let text = String::from_utf8_lossy(pem);
    let until = text.lines().find_map(|line| line.strip_prefix(UNTIL)?.parse::<Date>().ok());
    until.is_none_or(|until| today.checked_add(Span::new().days(LEFT)).is_ok_and(|limit| limit <= until))
}

/// The names under which this machine is asked for: its own, and the addresses that are listened on.
fn names(listen: &[Listen], hosts: &[String]) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(hosts.iter().filter(|host| *host != "*").cloned());
    let addresses = listen.iter().filter_map(|listen| match listen {
        Listen::Tcp(address) => Some(address.to_socket_addrs().ok()?.map(|address| address.ip()).collect::<Vec<_>>()),
        Listen::Unix(_) => None,
    });
    let addresses: Vec<IpAddr> = addresses.flatten().collect();
    if addresses.iter().any(IpAddr::is_unspecified) {
        names.extend(if_addrs::get_if_addrs().into_iter().flatten().map(|interface| interface.ip().to_string()));
    }
    names.extend(addresses.iter().filter(|address| !address.is_unspecified()).map(IpAddr::to_string));
    names.sort();
    names.dedup();
    // A host may have a name that no certificate can have.
    names.retain(|name| CertificateParams::new(vec![name.clone()]).is_ok());
    names
}

/// Certificate and key, with what they are good for before them.
fn make(names: &[String], today: Date) -> anyhow::Result<String> {
    let (from, until) = (today.checked_sub(Span::new().days(1))?, today.checked_add(Span::new().days(DAYS))?);
    let time = |date: Date| rcgen::date_time_ymd(date.year().into(), date.month() as u8, date.day() as u8);
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "h5serve");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    (params.not_before, params.not_after) = (time(from), time(until));
    let certificate = params.self_signed(&key)?;
    let names = names.join(" ");
    Ok(format!("Made by h5serve, for: {names}\n{UNTIL}{until}\n{}{}", certificate.pem(), key.serialize_pem()))
}

/// Writes the file whole. One that has come meanwhile stays, unless it is an `old` one that is replaced.
fn keep(path: &Path, pem: &[u8], old: bool) -> io::Result<()> {
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(pem)?;
        file.sync_all()?;
        if old {
            return fs::rename(&new, path);
        }
        match fs::hard_link(&new, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    })();
    // After a rename it is gone already.
    _ = fs::remove_file(&new);
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_good_for_a_month_is_kept() {
        let today: Date = "2026-03-01".parse().unwrap();
        let pem = make(&["localhost".to_owned(), "::1".to_owned()], today).unwrap();
        assert!(Tls::new(pem.as_bytes(), pem.as_bytes()).is_ok());
        let after = |days: i32| is_good(pem.as_bytes(), today.checked_add(Span::new().days(days)).unwrap());
        assert!(after(0) && after(DAYS - LEFT) && !after(DAYS - LEFT + 1) && !after(5000));
        assert!(is_good(b"somebody's own", today));
    }

    #[test]
    fn its_names() {
        let listen: Vec<Listen> = ["192.0.2.7:8443", "unix:/x", "[::]:0"].map(|text| text.parse().unwrap()).into();
        let names = names(&listen, &["*".to_owned(), "cam.lan".to_owned(), "not a name \u{e9}".to_owned()]);
        for wanted in ["localhost", "127.0.0.1", "::1", "192.0.2.7", "cam.lan"] {
            assert!(names.iter().any(|name| name == wanted), "{wanted}: {names:?}");
        }
        assert!(!names.iter().any(|name| name == "*" || name == "::" || name.contains(' ') && name.contains('\u{e9}')), "{names:?}");
    }
}
