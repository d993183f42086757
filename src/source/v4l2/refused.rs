//! Advice for a device that may not be opened or is in use: which group is missing, which process has it.

use super::device::errno;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The same error, with advice where there is some.
pub fn explain(path: &Path, error: io::Error) -> io::Error {
    let advice = match errno(&error) {
        Some(libc::EACCES | libc::EPERM) => group(path)
            .map(|group| format!("not allowed: it belongs to group {group}; `sudo usermod -aG {group} $USER`, then log in again")),
        Some(libc::EBUSY) => Some(match holders(path).join(", ") {
            none if none.is_empty() => format!("{error}: another program uses it"),
            holders => format!("{error}: it is used by {holders}"),
        }),
        // Where buffers are started; the text of the error speaks of disks.
        Some(libc::ENOSPC) => {
            Some("the USB bus has no room left for it: take a smaller size or rate, or another controller (see `lsusb -t`)".into())
        }
        _ => None,
    };
    advice.map_or(error, io::Error::other)
}

/// Another process has the device open, as far as /proc lets us see.
pub fn is_held(path: &Path) -> bool {
    !holders(path).is_empty()
}

/// Name of the group that a device node belongs to.
fn group(path: &Path) -> Option<String> {
    let id = fs::metadata(path).ok()?.gid().to_string();
    let groups = fs::read_to_string("/etc/group").ok()?;
    let mut entries = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
    entries.find(|fields| fields.get(2) == Some(&id.as_str())).map(|fields| fields[0].to_owned())
}

/// Processes other than this one that have the device open, as far as /proc lets us see: `ffmpeg (process 123)`.
fn holders(path: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let others = numbers.filter(|number| *number != std::process::id());
    let holding = others.filter(|number| {
        let files = fs::read_dir(format!("/proc/{number}/fd")).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).any(|target| target == path)
    });
    let name = |number: u32| fs::read_to_string(format!("/proc/{number}/comm")).unwrap_or_default();
    holding.map(|number| format!("{} (process {number})", name(number).trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_a_file() {
        let path = std::env::temp_dir().join(format!("h5live-held-{}", std::process::id()));
        fs::write(&path, "").unwrap();
        let path = fs::canonicalize(&path).unwrap();
        let open = fs::File::open(&path).unwrap();
        let mut sleeper = std::process::Command::new("sleep").arg("10").stdin(open).spawn().unwrap();
        let busy = explain(&path, io::Error::from_raw_os_error(libc::EBUSY)).to_string();
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        fs::remove_file(&path).unwrap();
        assert!(busy.ends_with(&format!("it is used by sleep (process {})", sleeper.id())), "{busy}");
    }

    #[test]
    fn what_to_do_is_said() {
        let denied = explain(Path::new("/dev/null"), io::Error::from_raw_os_error(libc::EACCES)).to_string();
        assert_eq!(denied, "not allowed: it belongs to group root; `sudo usermod -aG root $USER`, then log in again");
        let full = explain(Path::new("/dev/null"), io::Error::from_raw_os_error(libc::ENOSPC)).to_string();
        assert!(full.contains("USB bus has no room left"), "{full}");
        let other = explain(Path::new("/dev/null"), io::Error::from_raw_os_error(libc::EIO));
        assert_eq!(other.raw_os_error(), Some(libc::EIO));
    }
}
