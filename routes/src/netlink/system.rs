//! The two calls that the compiler cannot vouch for.
#![expect(unsafe_code, reason = "rustix and tokio mark these calls unsafe; each says why it is not here")]

use std::io;

use rustix::thread::UnshareFlags;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::socket::RouteSocket;

/// Moves the calling thread into a new network namespace.
pub(super) fn unshare_network() -> Result<(), rustix::io::Errno> {
    // SAFETY: rustix names CLONE_FILES as the only danger; only CLONE_NEWNET is asked for, descriptors stay shared.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
}

/// Has the current runtime watch a socket for something to read.
pub(super) fn watch(socket: RouteSocket) -> io::Result<AsyncFd<RouteSocket>> {
    // SAFETY: a `RouteSocket` owns its descriptor from birth to drop and always reports that one.
    unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }.map_err(Into::into)
}
