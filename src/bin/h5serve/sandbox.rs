//! What the server may do from its start on, on Linux: read the files that it was given, listen, and talk to who comes. A mistake in it then opens
//! no shell and no files of others.
//!
//! Landlock confines files, connections and signals (landlock(7)); seccomp refuses system calls that a server has no use for (seccomp(2)). Both hold for
//! the thread that asks for them and for its children: it is done before there are others. A kernel that lacks one of them has the rest.

use std::path::{Path, PathBuf};

/// What is needed besides a few files of the system.
#[derive(Debug, Default)]
pub struct Needs {
    /// Files that are read, and read again after they were replaced: by that their folders.
    pub read: Vec<PathBuf>,
    /// Files that are appended to, and may have to be made.
    pub append: Vec<PathBuf>,
    /// Folders in which files and folders are made, written, read and deleted.
    pub keep: Vec<PathBuf>,
    /// Names of Unix sockets to listen on.
    pub sockets: Vec<PathBuf>,
    /// The program connects to other servers.
    pub connects: bool,
}

/// Confines this thread and those that it starts.
///
/// # Errors
/// The kernel refuses what it says that it has.
#[cfg(target_os = "linux")]
pub fn enter(needs: &Needs) -> anyhow::Result<()> {
    linux::landlock(needs)?;
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    calls::refuse()?;
    Ok(())
}

/// There is nothing of the kind here.
#[cfg(not(target_os = "linux"))]
pub fn enter(_: &Needs) -> anyhow::Result<()> {
    Ok(())
}

/// The folder of a file; the folder itself, if it is one.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        _ if path.is_dir() => path,
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{Needs, folder};
    use anyhow::Context as _;
    use landlock::{
        ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
        RulesetCreatedAttr, RulesetStatus, Scope,
    };
    use std::os::fd::AsFd;
    use std::path::Path;

    /// The newest that this is written for; an older kernel gives what it has.
    const NEWEST: ABI = ABI::V6;

    /// What names of hosts, certificates and the time zone are looked up in, and what a program may need of the system while it runs.
    const SYSTEM: [&str; 24] = [
        "/dev/null",
        "/dev/urandom",
        "/etc/ca-certificates",
        "/etc/gai.conf",
        "/etc/host.conf",
        "/etc/hosts",
        "/etc/localtime",
        "/etc/nsswitch.conf",
        "/etc/pki",
        "/etc/resolv.conf",
        "/etc/services",
        "/etc/ssl",
        "/lib",
        "/lib64",
        "/proc/self",
        "/proc/stat",
        "/run/nscd",
        "/run/systemd/resolve",
        "/sys/fs/cgroup",
        "/usr/lib",
        "/usr/lib64",
        "/usr/local/share/ca-certificates",
        "/usr/share/ca-certificates",
        "/usr/share/zoneinfo",
    ];

    pub fn landlock(needs: &Needs) -> anyhow::Result<()> {
        let context = "the sandbox: Landlock";
        let mut rules = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(NEWEST))
            .and_then(|rules| rules.scope(Scope::from_all(NEWEST)))
            .context(context)?;
        if !needs.connects {
            rules = rules.handle_access(AccessNet::ConnectTcp).context(context)?;
        }
        let mut rules = rules.create().context(context)?;
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        for path in SYSTEM {
            allow(&mut rules, Path::new(path), read);
        }
        // stdin is opened again when its writer has gone; what is a pipe without a name needs no rule.
        for path in [Path::new("/dev/stdin"), Path::new("/dev/stdout"), Path::new("/dev/stderr")] {
            allow(&mut rules, path, AccessFs::ReadFile | AccessFs::WriteFile);
        }
        for path in &needs.read {
            allow(&mut rules, path, read);
            allow(&mut rules, folder(path), read);
        }
        for path in &needs.append {
            allow(&mut rules, path, AccessFs::ReadFile | AccessFs::WriteFile);
            // One that stands for an open descriptor is not made.
            if !path.exists() && !path.starts_with("/dev/fd") {
                allow(&mut rules, folder(path), AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::MakeReg);
            }
        }
        for path in &needs.keep {
            allow(
                &mut rules,
                path,
                read | AccessFs::WriteFile
                    | AccessFs::Truncate
                    | AccessFs::MakeReg
                    | AccessFs::MakeDir
                    | AccessFs::RemoveFile
                    | AccessFs::RemoveDir,
            );
        }
        for path in &needs.sockets {
            allow(&mut rules, folder(path), AccessFs::MakeSock | AccessFs::RemoveFile);
        }
        // The control endpoint has a socket in a folder of its own there.
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(std::path::PathBuf::from);
        for place in runtime.into_iter().chain([std::env::temp_dir()]) {
            allow(&mut rules, &place, AccessFs::MakeDir | AccessFs::MakeSock | AccessFs::RemoveDir | AccessFs::RemoveFile);
        }
        let status = rules.restrict_self().context(context)?;
        match status.ruleset {
            RulesetStatus::FullyEnforced => tracing::debug!("the sandbox: Landlock confines files, connections and signals"),
            RulesetStatus::PartiallyEnforced => tracing::debug!("the sandbox: Landlock confines what this kernel can confine"),
            RulesetStatus::NotEnforced => tracing::info!("the sandbox: this kernel has no Landlock; files are not confined"),
        }
        Ok(())
    }

    /// What is not there, or cannot have a rule, needs none.
    fn allow(rules: &mut RulesetCreated, path: &Path, access: BitFlags<AccessFs>) {
        let Ok(file) = PathFd::new(path) else { return };
        let is_folder = rustix::fs::fstat(file.as_fd()).is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir());
        let access = if is_folder { access } else { access & AccessFs::from_file(NEWEST) };
        if let Err(error) = rules.add_rule(PathBeneath::new(file, access)) {
            tracing::debug!("the sandbox: {}: {error}", path.display());
        }
    }
}

/// Of these processors the numbers of the calls are known.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod calls {
    use anyhow::Context as _;
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
    use std::collections::BTreeMap;

    /// System calls that start other programs, look into or change other processes, change the machine, or have been the way out of many a sandbox.
    const REFUSED: [libc::c_long; 52] = [
        libc::SYS_acct,
        libc::SYS_add_key,
        libc::SYS_adjtimex,
        libc::SYS_bpf,
        libc::SYS_chroot,
        libc::SYS_clock_adjtime,
        libc::SYS_clock_settime,
        libc::SYS_delete_module,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_fanotify_init,
        libc::SYS_finit_module,
        libc::SYS_fsconfig,
        libc::SYS_fsmount,
        libc::SYS_fsopen,
        libc::SYS_fspick,
        libc::SYS_init_module,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_io_uring_setup,
        libc::SYS_kcmp,
        libc::SYS_kexec_load,
        libc::SYS_keyctl,
        libc::SYS_lookup_dcookie,
        libc::SYS_mount,
        libc::SYS_mount_setattr,
        libc::SYS_move_mount,
        libc::SYS_name_to_handle_at,
        libc::SYS_open_by_handle_at,
        libc::SYS_open_tree,
        libc::SYS_perf_event_open,
        libc::SYS_personality,
        libc::SYS_pidfd_getfd,
        libc::SYS_pidfd_open,
        libc::SYS_pivot_root,
        libc::SYS_process_madvise,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_ptrace,
        libc::SYS_quotactl,
        libc::SYS_reboot,
        libc::SYS_request_key,
        libc::SYS_sethostname,
        libc::SYS_setdomainname,
        libc::SYS_setns,
        libc::SYS_settimeofday,
        libc::SYS_swapoff,
        libc::SYS_swapon,
        libc::SYS_syslog,
        libc::SYS_umount2,
        libc::SYS_unshare,
        libc::SYS_userfaultfd,
    ];

    /// Each of them fails with EPERM; all others go on. A list of what is allowed would break with the next version of a library.
    pub fn refuse() -> anyhow::Result<()> {
        let rules: BTreeMap<i64, Vec<_>> = REFUSED.iter().map(|call| (*call, vec![])).collect();
        let machine = std::env::consts::ARCH.try_into().context("the sandbox: seccomp")?;
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM.unsigned_abs()), machine);
        let program: BpfProgram = filter.and_then(TryInto::try_into).context("the sandbox: seccomp")?;
        seccompiler::apply_filter(&program).context("the sandbox: seccomp")
    }
}

/// For tests of what holds: what a route could do if it could be made to do anything.
#[cfg(feature = "testing")]
pub fn add_escapes(control: &h5live::cli::Control) {
    use h5live::cli::Reply;
    use std::process::Command;
    let outcome = |done: std::io::Result<()>| Reply::text(200, done.map_or_else(|error| error.kind().to_string(), |()| "done".into()));
    let path = |body: &[u8]| PathBuf::from(String::from_utf8_lossy(body).into_owned());
    control.route("POST", "/escape/read", move |body| outcome(std::fs::File::open(path(body)).map(drop)));
    control.route("POST", "/escape/write", move |body| outcome(std::fs::write(path(body), "x")));
    control.route("POST", "/escape/shell", move |body| outcome(Command::new("/bin/sh").arg("-c").arg(path(body)).status().map(drop)));
    control.route("POST", "/escape/connect", move |body| {
        outcome(std::net::TcpStream::connect(String::from_utf8_lossy(body).as_ref()).map(drop))
    });
}
