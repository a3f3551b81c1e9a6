//! What is changed, by whomever, as the kernel tells it.

use alloc::collections::VecDeque;
use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use super::port::{self, Options, Port, is_overflow};
use super::wait;
use crate::family::Family;
use crate::message::{Entry, Generation, Messages};

/// Group of what is told of nf_tables, `NFNLGRP_NFTABLES`.
const GROUP: u32 = 7;

/// A change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Something is there that was not, or is another.
    Added {
        /// Number of the socket that did it, see [`Socket::id`](super::Socket::id).
        port: u32,
        /// Its family.
        family: Family,
        /// What it is now.
        entry: Entry,
    },
    /// Something is gone.
    Deleted {
        /// Number of the socket that did it.
        port: u32,
        /// Its family.
        family: Family,
        /// What it was.
        entry: Entry,
    },
    /// A transaction is told to its end, and this is the generation that it made.
    Generation {
        /// Number of the socket that did it.
        port: u32,
        /// The generation, and which process made it.
        generation: Generation,
    },
    /// There was no room for changes, which are lost: read everything again.
    Lost,
}

impl Event {
    /// Number of the socket that did it; `None` of what was lost.
    #[must_use]
    pub const fn port(&self) -> Option<u32> {
        match self {
            Self::Added { port, .. } | Self::Deleted { port, .. } | Self::Generation { port, .. } => {
                Some(*port)
            }
            Self::Lost => None,
        }
    }
}

/// What is changed in a network namespace, by whomever: a subscription, blocking. Needs `CAP_NET_ADMIN` there.
///
/// Transactions come one after the other, each ended by its [`Generation`](Event::Generation).
///
/// # Example
///
/// ```no_run
/// use tortie_nft_wire::{Event, Events, Options, Socket};
///
/// let socket = Socket::open()?;
/// let mut events = Events::open(Options::new())?;
/// loop {
///     match events.next(None)? {
///         // What we did ourselves.
///         event if event.port() == Some(socket.id()?) => {}
///         Event::Generation { generation, .. } => println!("somebody else made generation {}", generation.id),
///         Event::Lost => println!("read everything again"),
///         _ => {}
///     }
/// }
/// # #[allow(unreachable_code)]
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Events {
    port: Port,
    told: VecDeque<Event>,
}

/// For a loop that waits for several things: readable when [`poll`](Self::poll) has something.
impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.port.as_fd()
    }
}

impl AsRawFd for Events {
    fn as_raw_fd(&self) -> RawFd {
        self.port.as_raw_fd()
    }
}

impl Events {
    /// Subscribes in this thread's namespace: what is changed from now on.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn open(options: Options) -> io::Result<Self> {
        let port = Port::open(options)?;
        port.join(GROUP)?;
        Ok(Self { port, told: VecDeque::new() })
    }

    /// Subscribes in another namespace.
    ///
    /// # Errors
    ///
    /// What the system says; entering a namespace needs `CAP_SYS_ADMIN`.
    pub fn open_in(namespace: BorrowedFd<'_>, options: Options) -> io::Result<Self> {
        port::inside(namespace, || Self::open(options))
    }

    /// The next change; waits for it for ever, or so long.
    ///
    /// # Errors
    ///
    /// `TimedOut`; what the system says.
    pub fn next(&mut self, timeout: Option<Duration>) -> io::Result<Event> {
        loop {
            if let Some(event) = self.poll()? {
                return Ok(event);
            }
            wait(&self.port, timeout)?;
        }
    }

    /// The next change if it is there; waits for nothing.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn poll(&mut self) -> io::Result<Option<Event>> {
        while self.told.is_empty() {
            match self.port.receive() {
                Ok(Some(bytes)) => self.told.extend(Messages::new(bytes).filter_map(|message| {
                    let port = message.port();
                    Some(match message.entry()? {
                        (_, Entry::Generation(generation)) => Event::Generation { port, generation },
                        (family, entry) if message.is_deletion() => Event::Deleted { port, family, entry },
                        (family, entry) => Event::Added { port, family, entry },
                    })
                })),
                Ok(None) => return Ok(None),
                Err(error) if is_overflow(&error) => self.told.push_back(Event::Lost),
                Err(error) => return Err(error),
            }
        }
        Ok(self.told.pop_front())
    }
}
