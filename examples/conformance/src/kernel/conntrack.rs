//! The kernel's memory of connections.

use anyhow::{Context as _, Result, bail};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// `NLM_F_REQUEST | NLM_F_ACK`.
const REQUEST_AND_ACK: u16 = 5;
/// Deletion in the subsystem of connection tracking.
const DELETE: u16 = (1 << 8) | 2;

/// Makes the kernel forget all connections of the namespace.
pub(super) fn flush() -> Result<()> {
    let socket =
        socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(netlink::NETFILTER))
            .context("cannot open a netlink socket")?;
    // Without attributes, all entries of all families are meant.
    let mut message = Vec::from(20u32.to_ne_bytes());
    message.extend(DELETE.to_ne_bytes());
    message.extend(REQUEST_AND_ACK.to_ne_bytes());
    message.extend([0; 12]);
    send(&socket, &message, SendFlags::empty()).context("cannot send to connection tracking")?;
    let mut answer = [0u8; 128];
    let (len, _) = recv(&socket, answer.as_mut_slice(), RecvFlags::empty())
        .context("connection tracking does not answer")?;
    let error = answer.get(16..20).filter(|_| len >= 20).and_then(|octets| octets.try_into().ok());
    match error.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        error => bail!("connection tracking cannot be emptied: {error:?}"),
    }
}
