//! The socket to the kernel: transactions and dumps, blocking.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;

use netlink_sys::constants::NETLINK_NETFILTER;
use netlink_sys::{Socket as Netlink, SocketAddr};
use rustix::net::sockopt;

use crate::attr::{Attrs, Field};
use crate::batch::{Batch, SUBSYSTEM};
use crate::error::{CommitError, Refusal};
use crate::family::Family;
use crate::message::{Entry, Message, Messages};
use crate::name::Name;

/// Bytes of answers that may wait: each refused message of a batch has one.
const ANSWERS: usize = 1 << 22;
/// Most bytes of one answer; those of a dump have up to half of it.
const ANSWER: usize = 1 << 16;
/// How long the kernel may take. A transaction of a million rules takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often an interrupted dump is begun anew.
const DUMPS: usize = 16;

const ERROR: u16 = 2;
const DONE: u16 = 3;
const REQUEST: u16 = 1;
const DUMP: u16 = 0x300;
/// Of an answer: what is dumped changed meanwhile.
const INTERRUPTED: u16 = 0x10;
/// Of an answer: the question is not in it.
const CAPPED: u16 = 0x100;
/// Of an answer: attributes follow.
const ATTRIBUTES: u16 = 0x200;
const EINTR: i32 = 4;

/// What to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Listing<'n> {
    /// The tables of a family, or of all with `Family::new(0)`.
    Tables,
    /// The chains.
    Chains,
    /// The rules of all chains.
    Rules,
    /// The sets, without their elements.
    Sets,
    /// The elements of a set of a table.
    Elements {
        /// The table.
        table: &'n Name,
        /// The set.
        set: &'n Name,
    },
    /// Objects.
    Objects,
    /// Flow tables.
    Flowtables,
}

/// Socket to the nf_tables of a network namespace. Needs the capability `CAP_NET_ADMIN` there.
#[derive(Debug)]
pub struct Socket {
    netlink: Netlink,
    /// How many bytes one `send` takes.
    room: usize,
    number: u32,
}

impl Socket {
    /// Opens one in this thread's namespace.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn open() -> io::Result<Self> {
        let mut netlink = Netlink::new(NETLINK_NETFILTER)?;
        netlink.bind_auto()?;
        netlink.set_ext_ack(true)?;
        // Answers without the questions, which would be as long again.
        netlink.set_cap_ack(true)?;
        sockopt::set_socket_timeout(netlink.as_fd(), sockopt::Timeout::Recv, Some(PATIENCE))?;
        // Who may not force it gets as much as anybody may have.
        if sockopt::set_socket_recv_buffer_size_force(netlink.as_fd(), ANSWERS).is_err() {
            netlink.set_rx_buf_sz(u32::try_from(ANSWERS).unwrap_or(u32::MAX))?;
        }
        Ok(Self { netlink, room: 0, number: 0 })
    }

    /// Opens one in another namespace, such as the file `/run/netns/NAME` or `/proc/PID/ns/net`.
    ///
    /// # Errors
    ///
    /// What the system says; entering a namespace needs `CAP_SYS_ADMIN`.
    pub fn open_in(namespace: BorrowedFd<'_>) -> io::Result<Self> {
        // A thread of its own enters it, and ends there.
        thread::scope(|scope| {
            let opened = scope.spawn(|| {
                let kind = rustix::thread::LinkNameSpaceType::Network;
                rustix::thread::move_into_link_name_space(namespace, Some(kind))?;
                Self::open()
            });
            opened.join().unwrap_or_else(|_| Err(io::Error::other("the thread that opens a socket ended")))
        })
    }

    /// The generation of what the kernel has: it grows with each transaction.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn generation(&mut self) -> io::Result<u32> {
        let number = self.ask(16, REQUEST, Family::new(0), &[])?;
        loop {
            let bytes = self.receive()?;
            for message in Messages::new(&bytes).filter(|message| message.number() == number) {
                if let Some(error) = failure(&message) {
                    return Err(error);
                }
                let attributes = message.payload().get(4..).unwrap_or_default();
                let generation = Attrs(attributes).find(|attr| attr.kind == 1);
                if let Some(generation) = generation.and_then(|attr| u32::read(attr.value)) {
                    return Ok(generation);
                }
            }
        }
    }

    /// Hands a batch to the kernel, and waits until it is in force or refused.
    ///
    /// # Errors
    ///
    /// [`Refused`](CommitError::Refused): nothing changed, and these messages are why.
    /// [`Foreign`](CommitError::Foreign): nothing changed, because somebody else changed something since the generation of the
    /// batch. [`Unknown`](CommitError::Unknown): the answer was lost; whether it is in force is to be read.
    pub fn commit(&mut self, batch: &mut Batch) -> Result<(), CommitError> {
        if batch.is_empty() {
            return Ok(());
        }
        let last = batch.len();
        let bytes = batch.finish();
        self.grow(bytes.len())?;
        self.netlink.send_to(bytes, &SocketAddr::new(0, 0), 0).map_err(CommitError::Send)?;
        let mut refusals = Vec::new();
        loop {
            let answers = self.receive().map_err(CommitError::Unknown)?;
            for answer in Messages::new(&answers).filter(|answer| answer.kind() == ERROR) {
                let Some(errno) = errno(&answer) else { continue };
                match (errno, answer.number()) {
                    (0, number) if number == last => {
                        return if refusals.is_empty() {
                            Ok(())
                        } else {
                            Err(CommitError::Refused(refusals))
                        };
                    }
                    (0, _) => {}
                    // ERESTART: not the generation that the batch wants.
                    (85, _) => return Err(CommitError::Foreign),
                    (errno, number) => {
                        refusals.push(Refusal { number, errno, text: text(&answer) });
                        // The last one is answered last, refused or not; one that begins the batch, alone.
                        if number == last || number == 0 {
                            return Err(CommitError::Refused(refusals));
                        }
                    }
                }
            }
        }
    }

    /// Reads what the kernel has. A dump that was interrupted by a change is begun anew, some times.
    ///
    /// # Errors
    ///
    /// What the system says; `Interrupted` if there was a change each time.
    pub fn list(&mut self, family: Family, listing: Listing<'_>) -> io::Result<Vec<(Family, Entry)>> {
        let kind = match listing {
            Listing::Tables => 1,
            Listing::Chains => 4,
            Listing::Rules => 7,
            Listing::Sets => 10,
            Listing::Elements { .. } => 13,
            Listing::Objects => 19,
            Listing::Flowtables => 23,
        };
        let mut attributes = Vec::new();
        if let Listing::Elements { table, set } = listing {
            let mut writer = crate::attr::Writer::new(&mut attributes);
            writer.put(1, table);
            writer.put(2, set);
        }
        for _ in 0..DUMPS {
            if let Some(entries) = self.dump(kind, family, &attributes)? {
                return Ok(entries);
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }

    /// One dump; `None` if it was interrupted.
    fn dump(
        &mut self,
        kind: u8,
        family: Family,
        attributes: &[u8],
    ) -> io::Result<Option<Vec<(Family, Entry)>>> {
        let number = self.ask(kind, REQUEST | DUMP, family, attributes)?;
        let (mut entries, mut is_whole) = (Vec::new(), true);
        loop {
            let bytes = self.receive()?;
            for message in Messages::new(&bytes).filter(|message| message.number() == number) {
                is_whole &= message.flags() & INTERRUPTED == 0;
                match message.kind() {
                    DONE => return Ok(is_whole.then_some(entries)),
                    ERROR => {
                        if let Some(error) = failure(&message) {
                            return if error.raw_os_error() == Some(EINTR) { Ok(None) } else { Err(error) };
                        }
                    }
                    _ => entries.extend(message.entry()),
                }
            }
        }
    }

    fn ask(&mut self, kind: u8, flags: u16, family: Family, attributes: &[u8]) -> io::Result<u32> {
        self.number = self.number.wrapping_add(1);
        let len = u32::try_from(20 + attributes.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&len.to_ne_bytes());
        bytes.extend_from_slice(&(SUBSYSTEM << 8 | u16::from(kind)).to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&self.number.to_ne_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&[family.get(), 0, 0, 0]);
        bytes.extend_from_slice(attributes);
        self.netlink.send_to(&bytes, &SocketAddr::new(0, 0), 0)?;
        Ok(self.number)
    }

    fn receive(&self) -> io::Result<Vec<u8>> {
        loop {
            let mut bytes = Vec::with_capacity(ANSWER);
            match self.netlink.recv_from(&mut bytes, 0) {
                // Anybody may send to a netlink socket; only the kernel has no port.
                Ok((_, from)) if from.port_number() == 0 => return Ok(bytes),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes room for a `send` of so many bytes, which is never cut.
    fn grow(&mut self, len: usize) -> Result<(), CommitError> {
        // The kernel counts what it needs for itself, too.
        let want = len + len / 4 + (1 << 16);
        if want <= self.room {
            return Ok(());
        }
        let socket = self.netlink.as_fd();
        let forced = sockopt::set_socket_send_buffer_size_force(socket, want);
        forced
            .or_else(|_| sockopt::set_socket_send_buffer_size(socket, want))
            .map_err(|error| CommitError::Send(error.into()))?;
        let room =
            sockopt::socket_send_buffer_size(socket).map_err(|error| CommitError::Send(error.into()))?;
        if room < len {
            return Err(CommitError::TooLarge { len, room });
        }
        self.room = want;
        Ok(())
    }
}

/// The number of the error in an answer, 0 for none.
fn errno(answer: &Message<'_>) -> Option<i32> {
    let code: [u8; 4] = *answer.payload().first_chunk()?;
    Some(i32::from_ne_bytes(code).wrapping_neg())
}

fn failure(message: &Message<'_>) -> Option<io::Error> {
    let errno = (message.kind() == ERROR).then(|| errno(message)).flatten()?;
    (errno != 0).then(|| io::Error::from_raw_os_error(errno))
}

/// What the kernel says beside the number of an error.
fn text(answer: &Message<'_>) -> String {
    let attributes = match answer.flags() & (CAPPED | ATTRIBUTES) {
        // The error and the header of the question.
        flags if flags == CAPPED | ATTRIBUTES => answer.payload().get(20..),
        _ => None,
    };
    let text = Attrs(attributes.unwrap_or_default()).find(|attr| attr.kind == 1);
    let text = text.and_then(|attr| attr.value.split(|byte| *byte == 0).next()).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}
