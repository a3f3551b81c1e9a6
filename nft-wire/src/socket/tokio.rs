//! The same for tokio: the same exchanges, and readiness instead of waiting.

use alloc::vec::Vec;
use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use ::tokio::io::Interest;
use ::tokio::io::unix::AsyncFd;
use ::tokio::task::{JoinHandle, spawn_blocking};
use ::tokio::time::timeout;

use super::events::{Event, Events};
use super::exchange::{Ask, DUMP, Dump, Exchange, generation_question, question};
use super::listing::{self, Listing};
use super::port::{self, Options, Port, Step};
use super::settle;
use crate::batch::Batch;
use crate::error::CommitError;
use crate::family::Family;
use crate::features::{Features, judge, trial};
use crate::message::Entry;

/// Bytes of a batch that the kernel takes some milliseconds for, all of them while it is being sent.
const LONG: usize = 1 << 18;

/// Tells tokio of a socket that owns its descriptor and never has another.
#[allow(
    deprecated,
    reason = "the newer one is unsafe for types that do not keep what these keep; here is no unsafe code"
)]
fn register<T: AsRawFd>(socket: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(socket, Interest::READABLE)
}

/// Socket to the nf_tables of a network namespace, for tokio. Needs the capability `CAP_NET_ADMIN` there.
///
/// It does what [`Socket`](super::Socket) does, by the same means. The kernel does its work while a batch is being sent; larger
/// batches are sent from a thread where that may block.
///
/// Where a future is dropped before it is ready, a batch may be in force or not; the socket stays in step.
///
/// # Example
///
/// ```no_run
/// use tortie_nft_wire::{AsyncSocket, Batch, Family, Name, Options, Rule};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let mut socket = AsyncSocket::open(Options::new())?;
/// let mut batch = Batch::new();
/// batch.add(Family::INET, &Rule::new(Name::new("demo")?, Name::new("input")?).iifname("lo").accept())?;
/// socket.commit(&mut batch).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AsyncSocket {
    port: AsyncFd<Port>,
    /// A batch that is being sent, perhaps for a future that was dropped.
    sending: Option<JoinHandle<io::Result<()>>>,
}

impl AsyncSocket {
    /// Opens one in this thread's namespace.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O.
    pub fn open(options: Options) -> io::Result<Self> {
        Self::of(Port::open(options)?)
    }

    /// Opens one in another namespace.
    ///
    /// # Errors
    ///
    /// What the system says; entering a namespace needs `CAP_SYS_ADMIN`.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O.
    pub fn open_in(namespace: BorrowedFd<'_>, options: Options) -> io::Result<Self> {
        Self::of(port::inside(namespace, || Port::open(options))?)
    }

    fn of(port: Port) -> io::Result<Self> {
        Ok(Self { port: register(port)?, sending: None })
    }

    /// The number by which the kernel knows it, see [`Socket::id`](super::Socket::id).
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn id(&self) -> io::Result<u32> {
        self.port.get_ref().id()
    }

    /// The generation of what the kernel has.
    ///
    /// # Errors
    ///
    /// As of [`Socket::generation`](super::Socket::generation).
    pub async fn generation(&mut self) -> io::Result<u32> {
        let port = self.ready().await?;
        let number = port.next_number();
        port.send(&generation_question(number))?;
        let mut ask = Ask::new(number);
        self.finish(&mut ask).await?;
        Ok(ask.generation)
    }

    /// Hands a batch to the kernel, which takes all of it or nothing.
    ///
    /// # Errors
    ///
    /// As of [`Socket::commit`](super::Socket::commit).
    pub async fn commit(&mut self, batch: &mut Batch) -> Result<(), CommitError> {
        if batch.is_empty() {
            return Ok(());
        }
        let before = match batch.generation() {
            Some(generation) => generation,
            None => self.generation().await.map_err(CommitError::Send)?,
        };
        let port = self.ready().await.map_err(CommitError::Send)?;
        let mut commit = port.prepare(batch)?;
        let bytes = batch.finish();
        let sent = if bytes.len() < LONG { port.send(bytes) } else { self.send_long(bytes.to_vec()).await };
        sent.map_err(CommitError::Send)?;
        let error = self.finish(&mut commit).await.err();
        commit.outcome(batch, before, error)
    }

    async fn send_long(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let socket = self.port.as_fd().try_clone_to_owned()?;
        let sending = spawn_blocking(move || port::send(socket.as_fd(), &bytes));
        let sent = self.sending.insert(sending).await;
        self.sending = None;
        sent.map_err(io::Error::other)?
    }

    /// Reads what the kernel has.
    ///
    /// # Errors
    ///
    /// As of [`Socket::list`](super::Socket::list).
    pub async fn list(&mut self, family: Family, listing: Listing<'_>) -> io::Result<Vec<(Family, Entry)>> {
        let (kind, attributes) = listing.question();
        for _ in self.port.get_ref().options.tries() {
            let generation = self.generation().await?;
            self.settle(generation).await?;
            let port = self.ready().await?;
            let number = port.next_number();
            port.send(&question(kind, DUMP, family, number, &attributes))?;
            let mut dump = Dump::new(number);
            self.finish(&mut dump).await?;
            if !dump.is_whole {
                continue;
            }
            self.settle(generation).await?;
            if self.generation().await? == generation {
                return Ok(dump.entries);
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }

    /// Waits until no transaction is under way that has begun before this.
    async fn settle(&mut self, generation: u32) -> io::Result<()> {
        let mut barrier = settle::barrier(generation).map_err(io::Error::other)?;
        settle::passed(self.commit(&mut barrier).await)
    }

    /// Everything that the kernel has, as it was at one generation.
    ///
    /// # Errors
    ///
    /// As of [`Socket::ruleset`](super::Socket::ruleset).
    pub async fn ruleset(&mut self, family: Family) -> io::Result<(u32, Vec<(Family, Entry)>)> {
        for _ in self.port.get_ref().options.tries() {
            let generation = self.generation().await?;
            let entries = self.everything(family).await?;
            let is_same = self.generation().await? == generation;
            if let Some(entries) = entries.filter(|_| is_same) {
                return Ok((generation, entries));
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }

    /// What this kernel can do.
    ///
    /// # Errors
    ///
    /// As of [`Socket::features`](super::Socket::features).
    pub async fn features(&mut self) -> Result<Features, CommitError> {
        // Its names are good ones.
        let Ok(mut batch) = trial() else { return Ok(Features::NONE) };
        let result = self.commit(&mut batch).await;
        judge(&batch, result)
    }

    async fn everything(&mut self, family: Family) -> io::Result<Option<Vec<(Family, Entry)>>> {
        let mut entries = Vec::new();
        for listing in Listing::ALL {
            entries.extend(self.list(family, listing).await?);
        }
        for (family, table, set) in listing::sets(&entries) {
            match self.list(family, Listing::Elements { table: &table, set: &set }).await {
                Ok(elements) => entries.extend(elements),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(entries))
    }

    /// The socket, when nothing is being sent and nothing is left to be received.
    async fn ready(&mut self) -> io::Result<&mut Port> {
        if let Some(sending) = &mut self.sending {
            // Whoever wanted to know is gone.
            let _ = sending.await;
            self.sending = None;
        }
        let port = self.port.get_mut();
        port.drain()?;
        Ok(port)
    }

    /// Waits until an exchange is over.
    async fn finish(&mut self, exchange: &mut (impl Exchange + Send)) -> io::Result<()> {
        let patience = self.port.get_ref().options.patience();
        // Mostly everything is there.
        if self.port.get_mut().step(exchange)? == Step::Over {
            return Ok(());
        }
        loop {
            let ready = timeout(patience, self.port.readable_mut()).await;
            let mut ready = ready.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            match ready.get_inner_mut().step(exchange)? {
                Step::Over => return Ok(()),
                Step::Wait => ready.clear_ready(),
            }
        }
    }
}

/// What is changed in a network namespace, by whomever: a subscription for tokio, as [`Events`].
#[derive(Debug)]
pub struct AsyncEvents {
    events: AsyncFd<Events>,
}

impl AsyncEvents {
    /// Subscribes in this thread's namespace: what is changed from now on.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O.
    pub fn open(options: Options) -> io::Result<Self> {
        Self::of(Events::open(options)?)
    }

    /// Subscribes in another namespace.
    ///
    /// # Errors
    ///
    /// What the system says; entering a namespace needs `CAP_SYS_ADMIN`.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O.
    pub fn open_in(namespace: BorrowedFd<'_>, options: Options) -> io::Result<Self> {
        Self::of(Events::open_in(namespace, options)?)
    }

    fn of(events: Events) -> io::Result<Self> {
        Ok(Self { events: register(events)? })
    }

    /// The next change. Nothing is lost where the future is dropped.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub async fn next(&mut self) -> io::Result<Event> {
        loop {
            if let Some(event) = self.events.get_mut().poll()? {
                return Ok(event);
            }
            let mut ready = self.events.readable_mut().await?;
            match ready.get_inner_mut().poll()? {
                Some(event) => return Ok(event),
                None => ready.clear_ready(),
            }
        }
    }

    /// The next change, if it comes in time; `TimedOut` otherwise.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub async fn next_within(&mut self, patience: Duration) -> io::Result<Event> {
        timeout(patience, self.next()).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}
