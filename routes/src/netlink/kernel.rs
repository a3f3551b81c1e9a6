//! The kernel's routes: read whole, written in batches, listened to.

use core::iter::Peekable;
use std::collections::HashMap;
use std::io;

use tokio::io::unix::AsyncFd;
use tokio::runtime;

use super::message::{Body, Decoded, Writer};
use super::socket::{Read, RouteSocket};
use super::system::watch;
use super::{Error, ErrorKind, NetNs};
use crate::{Batch, Entry, Errno, Event, LinkState, Op, OpId, Scan, Snapshot};

/// Groups of notifications (`RTNLGRP_LINK`, `RTNLGRP_IPV4_ROUTE`, `RTNLGRP_IPV6_ROUTE`).
const GROUPS: u32 = 1 | 1 << 6 | 1 << 10;
/// Room for unread notifications: some 80,000 of them, of which memory is taken only while they are unread.
const NEWS_ROOM: usize = 32 << 20;
/// Room for the answers to a batch.
const ANSWER_ROOM: usize = 1 << 20;
/// Operations in one send. As many refusals fit in the least receive buffer that the kernel gives.
const CHUNK: u32 = 192;
/// How often a dump that the kernel interrupted is tried again at once.
const ATTEMPTS: usize = 3;
/// Datagrams of notifications read in one go.
const NEWS: usize = 16_384;

/// The routes and links of one network namespace, over two netlink sockets: one that asks, one that listens.
///
/// Requests are answered while they are made, so nothing here waits except [`Kernel::readable`].
#[derive(Debug)]
pub struct Kernel {
    requests: RouteSocket,
    news: AsyncFd<RouteSocket>,
    writer: Writer,
    sequence: u32,
}

impl Kernel {
    /// Opens the sockets in the calling thread's namespace; the listening one is subscribed from now on.
    ///
    /// # Errors
    /// [`ErrorKind::NoRuntime`] outside of a tokio runtime; the kernel's, if there are no more descriptors.
    ///
    /// # Panics
    /// If the runtime was built without I/O.
    pub fn open() -> Result<Self, Error> {
        let requests = RouteSocket::open(0, ANSWER_ROOM)?;
        Self::new(requests, RouteSocket::open(GROUPS, NEWS_ROOM)?)
    }

    /// The same in another namespace; the calling thread stays where it is.
    ///
    /// # Errors
    /// Those of [`Kernel::open`] and [`NetNs::run`].
    ///
    /// # Panics
    /// If the runtime was built without I/O.
    pub fn open_in(namespace: &NetNs) -> Result<Self, Error> {
        let requests = RouteSocket::open_in(namespace, 0, ANSWER_ROOM)?;
        Self::new(requests, RouteSocket::open_in(namespace, GROUPS, NEWS_ROOM)?)
    }

    fn new(requests: RouteSocket, news: RouteSocket) -> Result<Self, Error> {
        let action = "watch a netlink socket";
        if runtime::Handle::try_current().is_err() {
            return Err(Error::new(action, ErrorKind::NoRuntime));
        }
        let news = watch(news).map_err(|e| Error::io(action, &e))?;
        Ok(Self { requests, news, writer: Writer::default(), sequence: 0 })
    }

    /// Reads all links, or all routes of a family and table. A dump that the kernel interrupts is tried again twice;
    /// the last one counts, and says that it was interrupted.
    ///
    /// # Errors
    /// The kernel's. A table that does not exist is empty, no error.
    pub fn scan(&mut self, scan: Scan) -> Result<Snapshot, Error> {
        let mut snapshot = self.dump(scan)?;
        for _ in 1..ATTEMPTS {
            if !snapshot.interrupted {
                break;
            }
            snapshot = self.dump(scan)?;
        }
        Ok(snapshot)
    }

    fn dump(&mut self, scan: Scan) -> Result<Snapshot, Error> {
        let action = match scan {
            Scan::Links => "list the links",
            Scan::Routes { .. } => "list the routes",
        };
        self.discard(action)?;
        let sequence = self.next_sequence();
        self.writer.clear();
        self.writer.dump(scan, sequence);
        self.requests.send(self.writer.bytes()).map_err(|e| Error::io(action, &e))?;
        let mut found = Found::default();
        while found.end.is_none() {
            let read = self.requests.read(|message| {
                if message.sequence == sequence {
                    found.interrupted |= message.interrupted;
                    found.take(&message.body, scan);
                }
            });
            match read.map_err(|e| Error::io(action, &e))? {
                Read::Datagram => {}
                // The next part of a dump is made when the previous one is read, so this is none. Nor is there an end.
                Read::Empty | Read::Lost => return Err(Error::new(action, ErrorKind::Interrupted)),
            }
        }
        match found.end.map(Errno::new) {
            None | Some(Errno::ENOENT) => {}
            Some(errno) if errno.get() == 0 => {}
            Some(errno) => return Err(Error::new(action, ErrorKind::Kernel(errno))),
        }
        let snapshot = match scan {
            Scan::Links => Snapshot::links(found.links),
            Scan::Routes { .. } => Snapshot::routes(found.entries),
        };
        Ok(if found.interrupted { snapshot.interrupted() } else { snapshot })
    }

    /// Does the operations of a batch, in order, and answers with what became of each: [`Kernel::change`] for a
    /// [`Reconciler`](crate::Reconciler).
    pub fn apply(&mut self, batch: &Batch) -> Vec<(OpId, Result<(), Errno>)> {
        let results = self.change_all(batch.ops().iter().map(|(_, op)| op));
        batch.ops().iter().map(|(id, _)| *id).zip(results).collect()
    }

    /// Does operations, in order, and answers with what became of each. They are sent by the hundred, and a refused one
    /// does not stop the others. An outcome that was lost is [`Errno::ENOBUFS`].
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tortie_routes::netlink::{Kernel, NetNs};
    /// use tortie_routes::{Entry, Op, Route};
    ///
    /// let mut kernel = Kernel::open_in(&NetNs::open("/run/netns/pod")?)?;
    /// let gateway = Route::device("169.254.1.1/32".parse()?, "eth0");
    /// let default = Route::via("0.0.0.0/0".parse()?, "169.254.1.1".parse()?, "eth0");
    /// let eth0 = 2; // by netlink::Links
    /// for result in kernel.change(&[gateway, default].map(|route| Op::Create(Entry::resolve(&route, eth0)))) {
    ///     result?;
    /// }
    /// # Ok(()) }
    /// ```
    pub fn change(&mut self, ops: &[Op]) -> Vec<Result<(), Errno>> {
        self.change_all(ops.iter())
    }

    fn change_all<'a>(&mut self, ops: impl ExactSizeIterator<Item = &'a Op>) -> Vec<Result<(), Errno>> {
        let mut results = Vec::with_capacity(ops.len());
        let mut ops = ops.peekable();
        while ops.peek().is_some() {
            let (first, count) = self.write_some(&mut ops);
            let outcome = self.send_operations(first, count);
            results.extend((0..count).map(|n| match &outcome {
                Ok(refused) => refused.get(&n).map_or(Ok(()), |errno| Err(*errno)),
                Err(errno) => Err(*errno),
            }));
        }
        results
    }

    /// Writes as many operations as there is room for answers; tells the first one's sequence number, and how many.
    fn write_some<'a>(&mut self, ops: &mut Peekable<impl Iterator<Item = &'a Op>>) -> (u32, u32) {
        if self.sequence > u32::MAX - CHUNK - 1 {
            self.sequence = 0; // so that the numbers of one send ascend
        }
        let first = self.sequence.saturating_add(1);
        self.writer.clear();
        for count in 1..=CHUNK {
            let Some(op) = ops.next() else { return (first, count.saturating_sub(1)) };
            // Errors come unasked. One acknowledgment at the end shows that they all have come.
            let last = count == CHUNK || ops.peek().is_none();
            let sequence = self.next_sequence();
            self.writer.op(op, sequence, last);
        }
        (first, CHUNK)
    }

    /// Sends what was written. The refusals by position, or why nothing is known of any.
    fn send_operations(&mut self, first: u32, count: u32) -> Result<HashMap<u32, Errno>, Errno> {
        self.discard("write routes").map_err(|_| Errno::ENOBUFS)?;
        // Nothing of it is done if the send fails.
        let sent = self.requests.send(self.writer.bytes());
        sent.map_err(|e| e.raw_os_error().map_or(Errno::EINVAL, Errno::new))?;
        self.refusals(first, count)
    }

    /// The refusals among the answers, by position. All answers are there when a send comes back.
    fn refusals(&mut self, first: u32, count: u32) -> Result<HashMap<u32, Errno>, Errno> {
        let (mut refused, mut complete) = (HashMap::new(), false);
        loop {
            let read = self.requests.read(|message| {
                let Some(n) = message.sequence.checked_sub(first).filter(|n| *n < count) else { return };
                if let Body::Error(code) = message.body {
                    complete |= n.saturating_add(1) == count;
                    if code != 0 {
                        refused.insert(n, Errno::new(code));
                    }
                }
            });
            match read {
                Ok(Read::Datagram) => {}
                Ok(Read::Empty) if complete => return Ok(refused),
                Ok(Read::Empty | Read::Lost) | Err(_) => return Err(Errno::ENOBUFS),
            }
        }
    }

    /// Hands on the notifications that have come, in order, and says how many. Reading stops after some thousand; then
    /// [`Kernel::readable`] is ready at once.
    ///
    /// Of our own work only removals are reported (so see [`Reconciler::handle_event`](crate::Reconciler::handle_event)
    /// for when to read): IPv4 takes a metric of 0 in a removal for any metric, so that another
    /// route may have gone than was meant.
    ///
    /// # Errors
    /// The socket's; then it is of no more use. Lost notifications are [`Event::Overrun`], no error.
    pub fn read_news(&mut self, mut each: impl FnMut(Event)) -> Result<usize, Error> {
        let own = self.requests.port();
        let news = self.news.get_mut();
        for count in 0..NEWS {
            let read = news.read(|message| {
                let echo = message.port == own && matches!(message.body, Body::Route { gone: false, .. });
                if echo {
                    return;
                }
                match Decoded::<Event>::of(&message.body) {
                    Decoded::Some(event) => each(event),
                    Decoded::Irrelevant => {}
                    Decoded::Malformed => each(Event::Overrun),
                }
            });
            match read.map_err(|e| Error::io("read the kernel's notifications", &e))? {
                Read::Datagram => {}
                Read::Empty => return Ok(count),
                Read::Lost => each(Event::Overrun),
            }
        }
        Ok(NEWS)
    }

    /// Waits until there are notifications to read. May be dropped and called again at any time.
    ///
    /// # Errors
    /// The runtime's, if it is shutting down.
    pub async fn readable(&mut self) -> Result<(), Error> {
        let failed = |e: io::Error| Error::io("wait for the kernel's notifications", &e);
        loop {
            let mut ready = self.news.readable().await.map_err(failed)?;
            // Readiness is remembered from long ago; only a look tells.
            let mut poll = [rustix::event::PollFd::new(self.news.get_ref(), rustix::event::PollFlags::IN)];
            let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
            match rustix::event::poll(&mut poll, Some(&now)) {
                Ok(0) => ready.clear_ready(),
                Ok(_) | Err(rustix::io::Errno::INTR) => return Ok(()),
                Err(error) => return Err(Error::os("wait for the kernel's notifications", error)),
            }
        }
    }

    /// Throws away what an earlier request left unread.
    fn discard(&mut self, action: &'static str) -> Result<(), Error> {
        loop {
            match self.requests.read(|_| {}).map_err(|e| Error::io(action, &e))? {
                Read::Empty => return Ok(()),
                Read::Datagram | Read::Lost => {}
            }
        }
    }

    /// Never 0, which is what notifications carry.
    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.checked_add(1).unwrap_or(1);
        self.sequence
    }
}

#[derive(Default)]
struct Found {
    links: Vec<LinkState>,
    entries: Vec<Entry>,
    interrupted: bool,
    end: Option<i32>,
}

impl Found {
    fn take(&mut self, body: &Body<'_>, scan: Scan) {
        if let Body::Done(code) | Body::Error(code) = body {
            self.end = Some(*code);
            return;
        }
        match Decoded::<Event>::of(body) {
            Decoded::Some(Event::LinkSet(link)) => self.links.push(link),
            Decoded::Some(Event::RouteSet { entry, .. }) => {
                // Old kernels do not filter.
                let asked_for = Scan::Routes { family: entry.key.family(), table: entry.key.table };
                if asked_for == scan {
                    self.entries.push(entry);
                }
            }
            // A hole: what is missing is not known.
            Decoded::Malformed => self.interrupted = true,
            Decoded::Some(_) | Decoded::Irrelevant => {}
        }
    }
}
