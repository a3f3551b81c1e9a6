//! A netlink socket for routes: opened in any namespace, never blocking.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{Socket, SocketAddr};
use rustix::net::sockopt;

use super::message::{Message, messages};
use super::{Error, NetNs};

/// Room for the longest datagram: the kernel fills a dump's up to 32 KiB; a route with very many next hops may be longer.
const BUFFER: usize = 256 * 1024;

/// Tell a datagram's true length, also of one that does not fit (recv(2)).
const MSG_TRUNC: i32 = 0x20;

#[derive(Debug)]
pub(super) struct RouteSocket {
    socket: Socket,
    port: u32,
    buffer: Vec<u8>,
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// One datagram, handed over message by message.
    Datagram,
    /// Nothing is there now.
    Empty,
    /// Datagrams were lost, or this one did not fit.
    Lost,
}

impl RouteSocket {
    /// A socket that has joined these multicast groups (bit n is group n + 1), with this much room for what is unread.
    pub(super) fn open(groups: u32, room: usize) -> Result<Self, Error> {
        let failed = |error: &io::Error| Error::io("open a netlink socket", error);
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(|e| failed(&e))?;
        socket.set_non_blocking(true).map_err(|e| failed(&e))?;
        socket.bind(&SocketAddr::new(0, groups)).map_err(|e| failed(&e))?;
        let mut address = SocketAddr::new(0, 0);
        socket.get_address(&mut address).map_err(|e| failed(&e))?;
        // Both are for the better, none is needed: without the first the kernel filters nothing (we do), without the
        // second a refusal brings the request along.
        let _ = socket.set_netlink_get_strict_chk(true);
        let _ = socket.set_cap_ack(true);
        // The limit of the system counts unless we are privileged; then again less room means earlier overruns, no harm.
        if sockopt::set_socket_recv_buffer_size_force(&socket, room).is_err() {
            let _ = sockopt::set_socket_recv_buffer_size(&socket, room);
        }
        Ok(Self { socket, port: address.port_number(), buffer: vec![0; BUFFER] })
    }

    pub(super) fn open_in(namespace: &NetNs, groups: u32, room: usize) -> Result<Self, Error> {
        namespace.run(|| Self::open(groups, room))?
    }

    /// The number under which the kernel knows the socket, and by which it marks what the socket did.
    pub(super) const fn port(&self) -> u32 {
        self.port
    }

    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        // A datagram goes as a whole or not at all.
        self.socket.send_to(bytes, &SocketAddr::new(0, 0), 0).map(drop)
    }

    /// Reads one datagram, if there is one, and hands on its messages. Only the kernel is listened to.
    pub(super) fn read(&mut self, mut each: impl FnMut(Message<'_>)) -> io::Result<Read> {
        loop {
            let mut buffer = self.buffer.as_mut_slice();
            let (len, from) = match self.socket.recv_from(&mut buffer, MSG_TRUNC) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Read::Empty),
                Err(error) if error.raw_os_error() == Some(crate::Errno::ENOBUFS.get()) => {
                    return Ok(Read::Lost);
                }
                Err(error) => return Err(error),
            };
            if from.port_number() != 0 {
                continue;
            }
            let Some(datagram) = self.buffer.get(..len) else { return Ok(Read::Lost) };
            for message in messages(datagram) {
                each(message);
            }
            return Ok(Read::Datagram);
        }
    }
}

impl AsRawFd for RouteSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for RouteSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
