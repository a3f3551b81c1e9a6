//! Sockets to the kernel: transactions, dumps, and what others change.

mod commit;
mod conntrack;
mod events;
mod exchange;
mod listing;
mod port;
mod settle;
#[cfg(feature = "tokio")]
mod tokio;

use alloc::vec::Vec;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

pub use conntrack::{Conntrack, Marked};
pub use events::{Event, Events};
pub use listing::Listing;
pub use port::Options;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

#[cfg(feature = "tokio")]
pub use self::tokio::{AsyncEvents, AsyncSocket};
use crate::batch::Batch;
use crate::error::CommitError;
use crate::family::Family;
use crate::features::{Features, judge, trial};
use crate::message::Entry;
use exchange::{Ask, DUMP, Dump, Exchange, generation_question, question};
use port::{Port, Step};

/// Socket to the nf_tables of a network namespace, blocking. Needs the capability `CAP_NET_ADMIN` there.
///
/// An operation ends: the kernel answers, or an answer was lost and the generation says what became of it, or nothing came for
/// as long as the [`Options`] allow.
///
/// # Example
///
/// ```no_run
/// use tortie_nft_wire::{Batch, CommitError, Family, Name, Rule, Socket};
///
/// let mut socket = Socket::open()?;
/// let mut batch = Batch::new();
/// batch.add(Family::INET, &Rule::new(Name::new("demo")?, Name::new("input")?).iifname("lo").accept())?;
/// match socket.commit(&mut batch) {
///     Ok(()) => {}
///     // message 1: add rule inet demo input index 0, its chain: it, or something that it names, is not there (ENOENT)
///     Err(CommitError::Refused(refusals)) => refusals.iter().for_each(|refusal| eprintln!("{refusal}")),
///     Err(error) => return Err(error.into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Socket {
    port: Port,
}

impl Socket {
    /// Opens one in this thread's namespace.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn open() -> io::Result<Self> {
        Self::open_with(Options::new())
    }

    /// Opens one in this thread's namespace, with options.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn open_with(options: Options) -> io::Result<Self> {
        Port::open(options).map(|port| Self { port })
    }

    /// Opens one in another namespace, such as the file `/run/netns/NAME` or `/proc/PID/ns/net`.
    ///
    /// # Errors
    ///
    /// What the system says; entering a namespace needs `CAP_SYS_ADMIN`.
    pub fn open_in(namespace: BorrowedFd<'_>, options: Options) -> io::Result<Self> {
        port::inside(namespace, || Self::open_with(options))
    }

    /// The number by which the kernel knows it: [`Table::owner`](crate::Table::owner) of tables that it owns, and
    /// [`Event::port`] of what it changes.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn id(&self) -> io::Result<u32> {
        self.port.id()
    }

    /// The generation of what the kernel has: it grows with each transaction.
    ///
    /// # Errors
    ///
    /// What the system says; `TimedOut`.
    pub fn generation(&mut self) -> io::Result<u32> {
        self.port.drain()?;
        let number = self.port.next_number();
        self.port.send(&generation_question(number))?;
        let mut ask = Ask::new(number);
        self.finish(&mut ask)?;
        Ok(ask.generation)
    }

    /// Hands a batch to the kernel, which takes all of it or nothing, and waits until it is in force or refused.
    ///
    /// The generation is asked for beforehand, unless the batch wants one: should the answer be lost, it says whether anything
    /// changed.
    ///
    /// # Errors
    ///
    /// [`Refused`](CommitError::Refused): nothing changed, and these messages are why.
    /// [`Foreign`](CommitError::Foreign): nothing changed, because somebody else changed something since the generation of the
    /// batch. [`TooLarge`](CommitError::TooLarge), [`Send`](CommitError::Send), [`NotInForce`](CommitError::NotInForce):
    /// nothing changed. [`Unknown`](CommitError::Unknown): the answer was lost, and something changed; whether it is this is to
    /// be read.
    pub fn commit(&mut self, batch: &mut Batch) -> Result<(), CommitError> {
        if batch.is_empty() {
            return Ok(());
        }
        let before = match batch.generation() {
            Some(generation) => generation,
            None => self.generation().map_err(CommitError::Send)?,
        };
        let mut commit = self.port.prepare(batch)?;
        self.port.send(batch.finish()).map_err(CommitError::Send)?;
        let error = self.finish(&mut commit).err();
        commit.outcome(batch, before, error)
    }

    /// Reads what the kernel has. What changes while it is read is read anew, as often as the [`Options`] allow.
    ///
    /// # Errors
    ///
    /// What the system says; `Interrupted` if there was a change each time; `TimedOut`.
    pub fn list(&mut self, family: Family, listing: Listing<'_>) -> io::Result<Vec<(Family, Entry)>> {
        let (kind, attributes) = listing.question();
        for _ in self.port.options.tries() {
            let generation = self.generation()?;
            self.settle(generation)?;
            self.port.drain()?;
            let number = self.port.next_number();
            self.port.send(&question(kind, DUMP, family, number, &attributes))?;
            let mut dump = Dump::new(number);
            self.finish(&mut dump)?;
            if !dump.is_whole {
                continue;
            }
            self.settle(generation)?;
            if self.generation()? == generation {
                return Ok(dump.entries);
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }

    /// Waits until no transaction is under way that has begun before this.
    fn settle(&mut self, generation: u32) -> io::Result<()> {
        let mut barrier = settle::barrier(generation).map_err(io::Error::other)?;
        settle::passed(self.commit(&mut barrier))
    }

    /// Everything that the kernel has, of a family or of all with `Family::new(0)`, as it was at one generation, which it says:
    /// tables, chains, sets, objects, flow tables, rules, and the elements of each set. What is
    /// [committed](Self::commit) at that generation rests on what was read.
    ///
    /// # Errors
    ///
    /// As of [`list`](Self::list).
    pub fn ruleset(&mut self, family: Family) -> io::Result<(u32, Vec<(Family, Entry)>)> {
        for _ in self.port.options.tries() {
            let generation = self.generation()?;
            let entries = self.everything(family)?;
            let is_same = self.generation()? == generation;
            if let Some(entries) = entries.filter(|_| is_same) {
                return Ok((generation, entries));
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }

    /// What this kernel can do. All features are tried by one batch, each in a table of its own; its last message is refused in
    /// any case, so that nothing changes, neither here nor for who subscribed to changes. The kernel may load modules for it.
    ///
    /// # Errors
    ///
    /// [`Refused`](CommitError::Refused): the socket may not do anything here; and those of [`commit`](Self::commit).
    ///
    /// # Example
    ///
    /// ```no_run
    /// use tortie_nft_wire::{Feature, Name, Socket, Table};
    ///
    /// let features = Socket::open()?.features()?;
    /// let table = Table::new(Name::new("demo")?);
    /// // Owner alone would vanish with the socket.
    /// let is_kept = features.has(Feature::Owner) && features.has(Feature::Persist);
    /// let table = if is_kept { table.flags(Table::OWNER | Table::PERSIST) } else { table };
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn features(&mut self) -> Result<Features, CommitError> {
        // Its names are good ones.
        let Ok(mut batch) = trial() else { return Ok(Features::NONE) };
        let result = self.commit(&mut batch);
        judge(&batch, result)
    }

    /// Everything; `None` if a set was gone meanwhile.
    fn everything(&mut self, family: Family) -> io::Result<Option<Vec<(Family, Entry)>>> {
        let mut entries = Vec::new();
        for listing in Listing::ALL {
            entries.extend(self.list(family, listing)?);
        }
        for (family, table, set) in listing::sets(&entries) {
            match self.list(family, Listing::Elements { table: &table, set: &set }) {
                Ok(elements) => entries.extend(elements),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(entries))
    }

    /// Waits until an exchange is over.
    fn finish(&mut self, exchange: &mut impl Exchange) -> io::Result<()> {
        while self.port.step(exchange)? == Step::Wait {
            wait(&self.port, Some(self.port.options.patience()))?;
        }
        Ok(())
    }
}

/// Waits until something is to be received.
fn wait(port: &Port, timeout: Option<core::time::Duration>) -> io::Result<()> {
    // What is longer than time can be told is for ever.
    let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        let mut fds = [PollFd::from_borrowed_fd(port.as_fd(), PollFlags::IN)];
        match poll(&mut fds, left.as_ref()) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
