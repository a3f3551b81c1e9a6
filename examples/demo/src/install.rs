//! What the demo needs of the machine, and how root gives it.

use crate::programs;
use anyhow::{Context as _, bail};
use std::process::Command;

/// The programs that come as Debian packages; they may be absent.
const PACKAGES: [(&str, &str); 1] = [("bird", "bird2")];

/// A kernel switch that can forbid user namespaces.
struct Switch {
    file: &'static str,
    /// The value that forbids.
    closed: &'static str,
    /// The value that `--install` writes.
    open: &'static str,
}

const SWITCHES: [Switch; 3] = [
    Switch { file: "/proc/sys/user/max_user_namespaces", closed: "0", open: "15000" },
    Switch { file: "/proc/sys/kernel/unprivileged_userns_clone", closed: "0", open: "1" },
    Switch { file: "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", closed: "1", open: "0" },
];

impl Switch {
    fn forbids(&self) -> bool {
        std::fs::read_to_string(self.file).is_ok_and(|value| value.trim() == self.closed)
    }
}

/// The kernel switch that forbids user namespaces here, in words.
pub(crate) fn forbidden() -> Option<String> {
    let switch = SWITCHES.iter().find(|switch| switch.forbids())?;
    Some(format!("{} is {}", switch.file, switch.closed))
}

/// Installs missing packages and opens the kernel's switches, as root.
pub(crate) fn run() -> anyhow::Result<()> {
    let missing: Vec<_> = PACKAGES
        .iter()
        .filter(|(program, _)| programs::find(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    let closed: Vec<_> = SWITCHES.iter().filter(|switch| switch.forbids()).collect();
    if missing.is_empty() && closed.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        let switches = closed.iter().map(|switch| switch.file);
        bail!(
            "--install needs root, for {}",
            missing.into_iter().chain(switches).collect::<Vec<_>>().join(", ")
        );
    }
    if !missing.is_empty() {
        apt(&["update", "-qq"])?;
        apt(&[&["install", "-y", "-qq", "--no-install-recommends"], missing.as_slice()].concat())?;
    }
    for switch in closed {
        std::fs::write(switch.file, switch.open).context(switch.file)?;
        eprintln!("wrote {} to {}, until the next boot", switch.open, switch.file);
    }
    Ok(())
}

fn apt(arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(arguments)
        .status()
        .context("cannot start apt-get; install bird2 by other means")?;
    if !status.success() {
        bail!("apt-get {} failed: {status}", arguments.join(" "));
    }
    Ok(())
}
