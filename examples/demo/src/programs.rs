//! Finding and running programs: tortie's own beside this one, others in PATH.

use anyhow::{Context as _, anyhow, bail};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// Folders of system programs, which are not in every user's PATH.
const SYSTEM: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

fn folders() -> Vec<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect()
}

/// The program in PATH.
pub(crate) fn in_path(program: &str) -> Option<PathBuf> {
    folders().into_iter().map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The program in PATH or in the folders of system programs.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    in_path(program)
        .or_else(|| SYSTEM.iter().map(|folder| Path::new(folder).join(program)).find(|file| file.is_file()))
}

/// PATH with the folders of system programs at its end, where `nft` usually is.
pub(crate) fn path_with_system_folders() -> OsString {
    let mut all = folders();
    for folder in SYSTEM.map(PathBuf::from) {
        if !all.contains(&folder) {
            all.push(folder);
        }
    }
    std::env::join_paths(all).unwrap_or_else(|_| std::env::var_os("PATH").unwrap_or_default())
}

/// Tortie's own programs.
#[derive(Clone)]
pub(crate) struct Programs {
    demo: PathBuf,
    pub(crate) agent: PathBuf,
    pub(crate) cni: PathBuf,
    pub(crate) ctl: PathBuf,
}

impl Programs {
    /// Finds them beside this one.
    pub(crate) fn beside() -> anyhow::Result<Self> {
        let demo = std::env::current_exe().context("the path of this program")?;
        let folder = demo.parent().ok_or_else(|| anyhow!("{} has no folder", demo.display()))?.to_path_buf();
        let sibling = |name: &str| {
            let file = folder.join(name);
            if !file.is_file() {
                bail!(
                    "{} is missing; `cargo xtask demo` builds it (and the build must not lie under /run)",
                    file.display()
                );
            }
            Ok(file)
        };
        Ok(Self {
            agent: sibling("tortie-agent")?,
            cni: sibling("tortie-cni")?,
            ctl: sibling("tortie-ctl")?,
            demo,
        })
    }

    /// A command that runs `program` in the network namespace at `netns`.
    pub(crate) fn inside(&self, netns: &Path, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(&self.demo);
        command.arg("__in").arg(netns).arg("--").arg(program.as_ref()).kill_on_drop(true);
        command
    }

    /// This program, as a pod's process, in the network namespace at `netns`.
    pub(crate) fn pod(&self, netns: &Path, name: &str) -> Command {
        let mut command = self.inside(netns, &self.demo);
        command.args(["__pod", name]);
        command
    }
}

/// What a program left behind.
pub(crate) struct Ended {
    pub(crate) ok: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Standard output, or an error with standard error in one line.
    pub(crate) fn out(self, what: &str) -> anyhow::Result<String> {
        if !self.ok {
            let said = [self.err.trim(), self.out.trim()].join(" ").trim().replace('\n', "; ");
            bail!("{what}: {said}");
        }
        Ok(self.out)
    }
}

/// Runs a command to its end, with `input` on standard input.
pub(crate) async fn run(command: &mut Command, input: &str) -> anyhow::Result<Ended> {
    use std::process::Stdio;
    use tokio::io::AsyncWriteExt as _;
    let name = format!("{:?}", command.as_std().get_program());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input has closed it: what it says of that is in its output.
        let _unread = stdin.write_all(input.as_bytes()).await;
    }
    let output = child.wait_with_output().await.with_context(|| format!("waiting for {name}"))?;
    Ok(Ended {
        ok: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
