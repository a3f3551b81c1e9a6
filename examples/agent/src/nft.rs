//! Handing rule sets to the kernel, through `nft -f -`: one call, one transaction.

use anyhow::{Context as _, bail};
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// What to do with a rule set.
#[derive(Clone, Copy)]
enum Mode {
    /// Commit it.
    Commit,
    /// Only ask the kernel whether it would take it.
    Check,
}

/// Commits the whole text, or nothing of it.
pub(crate) async fn commit(text: &str) -> anyhow::Result<()> {
    run(text, Mode::Commit).await
}

/// Asks the kernel whether it would take the text, and changes nothing.
pub(crate) async fn check(text: &str) -> anyhow::Result<()> {
    run(text, Mode::Check).await
}

/// The table as the kernel holds it, without its counters; an error if it is not there.
pub(crate) async fn list(table: &str) -> anyhow::Result<String> {
    let output = Command::new(program())
        .args(["--stateless", "list", "table", "inet", table])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot start `nft`: is the package nftables installed?")?;
    if !output.status.success() {
        bail!("nft cannot list the table: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

async fn run(text: &str, mode: Mode) -> anyhow::Result<()> {
    let mut command = Command::new(program());
    if matches!(mode, Mode::Check) {
        command.arg("--check");
    }
    let mut child = command
        .args(["--file", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start `nft`: is the package nftables installed?")?;
    // nft reads all of its input before it writes, so the two cannot wait for each other.
    let mut stdin = child.stdin.take().context("no standard input")?;
    let written = stdin.write_all(text.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        bail!(
            "nft refused: {}",
            String::from_utf8_lossy(&output.stderr).lines().take(6).collect::<Vec<_>>().join("; ")
        );
    }
    written.context("nft did not read its input")
}

/// `nft` from PATH, or from where Debian has it when PATH lacks the system folders.
fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join("nft"))
        .find(|file| file.is_file())
        .unwrap_or_else(|| "nft".into())
}
