//! Sockets that send and receive whole frames on one interface.
#![expect(unsafe_code, reason = "rustix has no address of a link, and one's own are unsafe to write")]

use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result};
use rustix::io::Errno;
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netdevice, recv, send,
    socket_with,
};

/// All protocols, as the number of a frame's type.
const ETH_P_ALL: u16 = 3;
/// Longest frame that is looked at, in octets.
const LONGEST: usize = 256;

/// `struct sockaddr_ll`.
#[repr(C)]
struct LinkAddress {
    family: u16,
    protocol: u16,
    index: u32,
    hardware: u16,
    kind: u8,
    length: u8,
    address: [u8; 8],
}

// SAFETY: the pointer is to a whole `sockaddr_ll`, which lives as long as the call.
unsafe impl SocketAddrArg for LinkAddress {
    unsafe fn with_sockaddr<R>(&self, f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R) -> R {
        let length = u32::try_from(size_of::<Self>()).unwrap_or(u32::MAX);
        f(core::ptr::from_ref(self).cast(), length)
    }
}

/// A socket for the frames of one interface.
#[derive(Debug)]
pub(super) struct Link(OwnedFd);

impl Link {
    /// Opens one in the network namespace of the calling thread.
    pub(super) fn open(interface: &str) -> Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Without a protocol it receives nothing until it is bound.
        let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None::<Protocol>)
            .context("cannot open a packet socket")?;
        let index = netdevice::name_to_index(&socket, interface)
            .with_context(|| format!("there is no interface {interface}"))?;
        let address = LinkAddress {
            family: AddressFamily::PACKET.as_raw(),
            protocol: ETH_P_ALL.to_be(),
            index,
            hardware: 0,
            kind: 0,
            length: 0,
            address: [0; 8],
        };
        bind(&socket, &address).context("cannot bind a packet socket")?;
        Ok(Self(socket))
    }

    /// Sends a frame.
    pub(super) fn send(&self, frame: &[u8]) -> Result<()> {
        send(&self.0, frame, SendFlags::empty()).context("cannot send a frame")?;
        Ok(())
    }

    /// The beginning of a frame that has come, if there is one.
    pub(super) fn receive(&self) -> Result<Option<Vec<u8>>> {
        let mut frame = vec![0; LONGEST];
        match recv(&self.0, frame.as_mut_slice(), RecvFlags::TRUNC) {
            Ok((len, _)) => {
                frame.truncate(len);
                Ok(Some(frame))
            }
            Err(Errno::AGAIN) => Ok(None),
            Err(error) => Err(error).context("cannot receive a frame"),
        }
    }

    pub(super) const fn socket(&self) -> &OwnedFd {
        &self.0
    }
}
