//! Being in another network namespace: for a program, or for one socket.

use anyhow::{Context as _, anyhow};
use rustix::thread::LinkNameSpaceType;
use std::ffi::OsString;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use tokio::net::TcpSocket;
use tortie_routes::netlink::NetNs;

/// `__in NETNS -- PROGRAM ARGUMENTS`: becomes the program, in the namespace. Returns only an error.
pub(crate) fn exec(netns: &Path, command: &[OsString]) -> anyhow::Error {
    let Some((program, arguments)) = command.split_first() else {
        return anyhow!("no program given");
    };
    if let Err(error) = enter(netns) {
        return error;
    }
    let error = Command::new(program).args(arguments).exec();
    anyhow!("{}: {error}", Path::new(program).display())
}

/// Moves this process, which has one thread, into the namespace.
fn enter(path: &Path) -> anyhow::Result<()> {
    let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    rustix::thread::move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .with_context(|| format!("entering {}", path.display()))
}

/// A TCP socket of the namespace, to be used from here.
pub(crate) fn tcp(netns: &Path) -> anyhow::Result<TcpSocket> {
    Ok(NetNs::open(netns)?.run(TcpSocket::new_v4)??)
}
