//! The netlink socket itself: opened, given room, sent to and received from, and never waited for.

use alloc::vec::Vec;
use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::thread;

use netlink_sys::constants::NETLINK_NETFILTER;
use netlink_sys::{Socket as Netlink, SocketAddr};
use rustix::net::{SendFlags, sockopt};

use super::commit::Commit;
use super::exchange::{Exchange, Idle, generation_question};
use crate::batch::Batch;
use crate::error::CommitError;

/// Most bytes of one answer; those of a dump have up to half of it.
const ANSWER: usize = 1 << 16;
/// Says that nothing is waited for.
const DONT_WAIT: i32 = 0x40;
/// What the kernel needs of the room for itself.
const OVERHEAD: usize = 32;
const ENOBUFS: i32 = 105;

/// How a socket behaves.
///
/// # Example
///
/// ```
/// use core::time::Duration;
///
/// use tortie_nft_wire::Options;
///
/// let options = Options::new().timeout(Duration::from_secs(5)).attempts(3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    timeout: Duration,
    receive_buffer: usize,
    attempts: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// 60 seconds, 4 MiB, 16 attempts.
    #[must_use]
    pub const fn new() -> Self {
        Self { timeout: Duration::from_secs(60), receive_buffer: 1 << 22, attempts: 16 }
    }

    /// How long the kernel may say nothing before an operation is given up. It does its work while a batch is being sent, which
    /// takes its time and is not counted.
    #[must_use]
    pub const fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Bytes of answers that may wait: each refused message of a batch has one, and each change that is told. Who has no
    /// `CAP_NET_ADMIN` in the first user namespace gets no more than net.core.rmem_max.
    #[must_use]
    pub const fn receive_buffer(self, octets: usize) -> Self {
        Self { receive_buffer: octets, ..self }
    }

    /// How often something is read that others change meanwhile, before that is given up. At least once.
    #[must_use]
    pub const fn attempts(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    /// How long the kernel may say nothing.
    pub(super) const fn patience(&self) -> Duration {
        self.timeout
    }

    /// Numbers of the attempts.
    pub(super) fn tries(&self) -> core::ops::Range<u32> {
        0..self.attempts.max(1)
    }
}

/// Runs in a network namespace, in a thread of its own that ends there.
pub(super) fn inside<T: Send>(
    namespace: BorrowedFd<'_>,
    open: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    thread::scope(|scope| {
        let opened = scope.spawn(|| {
            let kind = rustix::thread::LinkNameSpaceType::Network;
            rustix::thread::move_into_link_name_space(namespace, Some(kind))?;
            open()
        });
        opened.join().unwrap_or_else(|_| Err(io::Error::other("the thread that opens a socket ended")))
    })
}

/// What became of a step.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is over.
    Over,
    /// Something is to be received first.
    Wait,
}

#[derive(Debug)]
pub(super) struct Port {
    netlink: Netlink,
    pub(super) options: Options,
    /// How many bytes one `send` takes.
    room: usize,
    number: u32,
    /// What was received.
    buffer: Vec<u8>,
}

impl AsRawFd for Port {
    fn as_raw_fd(&self) -> RawFd {
        self.netlink.as_raw_fd()
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.netlink.as_fd()
    }
}

impl Port {
    pub(super) fn open(options: Options) -> io::Result<Self> {
        let mut netlink = Netlink::new(NETLINK_NETFILTER)?;
        netlink.bind_auto()?;
        netlink.set_ext_ack(true)?;
        // Answers without the questions, which would be as long again.
        netlink.set_cap_ack(true)?;
        // Who may not force it gets as much as anybody may have.
        if sockopt::set_socket_recv_buffer_size_force(netlink.as_fd(), options.receive_buffer).is_err() {
            sockopt::set_socket_recv_buffer_size(netlink.as_fd(), options.receive_buffer)?;
        }
        Ok(Self { netlink, options, room: 0, number: 0, buffer: Vec::with_capacity(ANSWER) })
    }

    /// Makes the kernel send what it tells a group.
    pub(super) fn join(&self, group: u32) -> io::Result<()> {
        self.netlink.add_membership(group)
    }

    /// The number by which the kernel knows it.
    pub(super) fn id(&self) -> io::Result<u32> {
        let mut address = SocketAddr::new(0, 0);
        self.netlink.get_address(&mut address)?;
        Ok(address.port_number())
    }

    pub(super) fn next_number(&mut self) -> u32 {
        // Those of messages of batches begin at 1; these are so far off that none is taken for the other.
        self.number = self.number.wrapping_add(1) | 1 << 31;
        self.number
    }

    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        send(self.netlink.as_fd(), bytes)
    }

    /// What is there to be received, `None` if nothing is.
    pub(super) fn receive(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            self.buffer.clear();
            match self.netlink.recv_from(&mut self.buffer, DONT_WAIT) {
                // Anybody may send to a netlink socket; only the kernel has no port.
                Ok((_, from)) if from.port_number() == 0 => return Ok(Some(&self.buffer)),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes away what an earlier question left: answers that nobody waited for.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        loop {
            match self.receive() {
                Ok(None) => return Ok(()),
                Ok(Some(_)) => {}
                Err(error) if is_overflow(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Receives for an exchange what is there.
    pub(super) fn step(&mut self, exchange: &mut impl Exchange) -> io::Result<Step> {
        loop {
            match self.receive() {
                Ok(Some(answers)) => {
                    if exchange.take(answers)? {
                        return Ok(Step::Over);
                    }
                }
                Ok(None) => match exchange.idle() {
                    Idle::Wait => return Ok(Step::Wait),
                    Idle::Over => return Ok(Step::Over),
                    Idle::Ask => {
                        let number = self.next_number();
                        self.send(&generation_question(number))?;
                        exchange.asked(number);
                    }
                },
                Err(error) if is_overflow(&error) => exchange.lose()?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes the socket ready for a batch.
    pub(super) fn prepare(&mut self, batch: &mut Batch) -> Result<Commit, CommitError> {
        let last = batch.len();
        self.grow(batch.finish().len())?;
        self.drain().map_err(CommitError::Send)?;
        Ok(Commit::new(last))
    }

    /// Makes room for a `send` of so many bytes, which is never cut.
    fn grow(&mut self, len: usize) -> Result<(), CommitError> {
        if len <= self.room {
            return Ok(());
        }
        let socket = self.netlink.as_fd();
        let want = len.saturating_add(OVERHEAD);
        // Who may not force it gets as much as anybody may have. Either way the kernel doubles what is asked for.
        let forced = sockopt::set_socket_send_buffer_size_force(socket, want);
        forced
            .or_else(|_| sockopt::set_socket_send_buffer_size(socket, want))
            .and_then(|()| sockopt::socket_send_buffer_size(socket))
            .map(|room| self.room = room.saturating_sub(OVERHEAD))
            .map_err(|error| CommitError::Send(error.into()))?;
        if self.room < len { Err(CommitError::TooLarge { len, room: self.room }) } else { Ok(()) }
    }
}

/// Sends to the kernel, which is who gets what has no address: all of it, or nothing.
pub(super) fn send(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    loop {
        match rustix::net::send(socket, bytes, SendFlags::empty()) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether this says that answers were lost because there was no room for them.
pub(super) fn is_overflow(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ENOBUFS)
}
