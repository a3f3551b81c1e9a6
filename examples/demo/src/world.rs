//! The world: user, network, mount and PID namespaces of the demo's own.
//!
//! The program that the user starts only unshares and waits. Its child is the first process of the new PID namespace;
//! when that ends, or when the parent dies, the kernel ends everything that was started in there.

use crate::{Options, install, programs};
use anyhow::{Context as _, anyhow};
use core::fmt;
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::process::Signal;
use rustix::thread::UnshareFlags;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Where everything of the demo lies, on a tmpfs that only the demo sees.
pub(crate) const WORK: &str = "/run/tortie";
/// Where the network namespaces are kept, so that `ip netns` inside finds them too.
pub(crate) const NETNS: &str = "/run/netns";

/// The kinds of namespaces that the demo makes for itself.
const KINDS: [&str; 4] = ["user", "net", "mnt", "pid"];

/// What the outer process tells the inner one about the machine.
#[derive(clap::Args)]
pub(crate) struct Machine {
    /// The namespaces of the machine, as `/proc/self/ns` names them.
    #[arg(long)]
    namespaces: String,
    /// Where BIRD is, if it is in PATH.
    #[arg(long)]
    pub(crate) bird: Option<PathBuf>,
}

/// The namespaces of this process, as one word.
fn namespaces() -> anyhow::Result<String> {
    let links = KINDS.iter().map(|kind| std::fs::read_link(format!("/proc/self/ns/{kind}")));
    let links: Vec<_> = links.collect::<Result<_, _>>().context("/proc/self/ns")?;
    Ok(links.iter().map(|link| link.to_string_lossy()).collect::<Vec<_>>().join(","))
}

impl Machine {
    /// The kinds of namespaces that we share with the machine: none, unless something went wrong.
    pub(crate) fn shared(&self) -> anyhow::Result<Vec<String>> {
        let own = namespaces()?;
        Ok(own
            .split(',')
            .filter(|name| self.namespaces.split(',').any(|other| other == *name))
            .map(str::to_owned)
            .collect())
    }
}

/// Makes the namespaces, runs the demo in them and waits for its end.
pub(crate) fn start(options: &Options) -> anyhow::Result<ExitCode> {
    let outside = namespaces()?;
    let me = std::env::current_exe().context("the path of this program")?;
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    unshare().map_err(|error| refused("new namespaces", error))?;
    // A user may map groups only after giving up the right to drop some.
    write_map("setgroups", "deny").map_err(|error| refused("/proc/self/setgroups", error))?;
    write_map("uid_map", &format!("0 {} 1", uid.as_raw()))
        .map_err(|error| refused("/proc/self/uid_map", error))?;
    write_map("gid_map", &format!("0 {} 1", gid.as_raw()))
        .map_err(|error| refused("/proc/self/gid_map", error))?;

    let mut inner = Command::new(me);
    options.pass(&mut inner);
    inner.args(["__world", "--namespaces", &outside]).env("PATH", programs::path_with_system_folders());
    if let Some(bird) = programs::in_path("bird") {
        inner.arg("--bird").arg(bird);
    }
    let status = inner.status().context("cannot start the first process of the new namespaces")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

#[expect(unsafe_code, reason = "rustix calls unshare unsafe because of FILES, which is not asked for here")]
fn unshare() -> rustix::io::Result<()> {
    let flags = UnshareFlags::NEWUSER | UnshareFlags::NEWNET | UnshareFlags::NEWNS | UnshareFlags::NEWPID;
    // SAFETY: file descriptor tables stay as they are, and this process has one thread only.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

fn write_map(file: &str, text: &str) -> std::io::Result<()> {
    std::fs::write(Path::new("/proc/self").join(file), text)
}

/// One line that says what was refused, why as far as we can tell, and how to mend it.
fn refused(what: &str, error: impl fmt::Display) -> anyhow::Error {
    match install::forbidden() {
        Some(switch) => anyhow!("{what}: {error}: {switch}; `cargo xtask demo --install` as root mends it"),
        None => anyhow!(
            "{what}: {error}: this machine (perhaps a container) allows no user namespaces; \
             run it where `unshare -Urnmp --fork true` works, or with fewer restrictions on the container"
        ),
    }
}

/// In the new namespaces: private `/proc` and `/run`, and death with the parent.
///
/// Must run before any thread is started. Returns this process's number as the machine knows it.
pub(crate) fn settle() -> anyhow::Result<u32> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).context("parent death signal")?;
    // The machine's own /proc, which is still mounted, knows us by its own numbers.
    let pid = std::fs::read_link("/proc/self")
        .ok()
        .and_then(|link| link.to_str()?.parse().ok())
        .context("/proc/self")?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).map_err(|error| refused("private mounts", error))?;
    let plain = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount("proc", "/proc", "proc", plain | MountFlags::NOEXEC, None)
        .map_err(|error| refused("mounting /proc", error))?;
    rustix::mount::mount("tmpfs", "/run", "tmpfs", plain, c"mode=755")
        .map_err(|error| refused("mounting a tmpfs over /run", error))?;
    if std::fs::symlink_metadata("/var/run").is_ok_and(|found| found.is_dir()) {
        rustix::mount::mount_bind("/run", "/var/run").context("/var/run")?;
    }
    for folder in [WORK, NETNS] {
        std::fs::create_dir_all(folder).context(folder)?;
    }
    std::fs::create_dir_all(Path::new(WORK).join("logs"))?;
    Ok(pid)
}
