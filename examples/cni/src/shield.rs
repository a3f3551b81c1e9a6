//! The firewall that must be there before a workload's link is: what no policy covers is dropped.

use std::ffi::OsStr;
use std::io::{ErrorKind, Write as _};
use std::process::{Command, Output, Stdio};

use tortie_policy::nftables::{Options, TABLE, lockdown};

use crate::error::{Code, Error};

/// Where `nft` is looked for: as the environment says, then where distributions put it. Runtimes pass a short PATH.
const NFT: [&str; 3] = ["nft", "/usr/sbin/nft", "/sbin/nft"];

/// Sees to it that packets of workloads that nobody polices are dropped: the agent's table if it is there, else one that
/// drops everything from and to workloads until the agent comes.
///
/// # Errors
/// Code 102 when neither is there and the second cannot be made. Then there must be no link.
pub(crate) fn raise() -> Result<(), Error> {
    if is_up()? {
        return Ok(());
    }
    tracing::warn!(table = TABLE, "the agent's table is not there: nothing passes until it is");
    let output = nft(["-f", "-"], Some(&lockdown(&Options::default())))?;
    // A failure because the agent was faster is none.
    if output.status.success() || is_up()? {
        return Ok(());
    }
    Err(failed("the table that drops what no policy covers cannot be made", &output))
}

fn is_up() -> Result<bool, Error> {
    let output = nft(["list", "tables"], None)?;
    if !output.status.success() {
        return Err(failed("the firewall's tables cannot be listed", &output));
    }
    let wanted = format!("table inet {TABLE}");
    Ok(String::from_utf8_lossy(&output.stdout).lines().any(|line| line.trim() == wanted))
}

fn nft<const N: usize>(arguments: [&str; N], input: Option<&str>) -> Result<Output, Error> {
    for program in NFT {
        match run(program.as_ref(), &arguments, input) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Error::caused(Code::Network, format!("{program} cannot be run"), &error));
            }
            Ok(output) => return Ok(output),
        }
    }
    Err(Error::new(Code::Network, "nft is not installed: without it no policy can be enforced"))
}

fn run(program: &OsStr, arguments: &[&str], input: Option<&str>) -> std::io::Result<Output> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
        // nft that stops reading says why on standard error.
        let _ = stdin.write_all(text.as_bytes());
    }
    child.wait_with_output()
}

fn failed(message: &str, output: &Output) -> Error {
    Error::new(Code::Network, message).details(String::from_utf8_lossy(&output.stderr).trim())
}
