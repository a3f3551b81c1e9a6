//! Marks of connections, changed one by one while they are told.

use alloc::vec::Vec;
use std::io;

use super::exchange::{DONE, DUMP, ERROR, Exchange, errno, message};
use super::port::{Options, Port, Step};
use super::wait;
use crate::connection::Connection;
use crate::family::Family;
use crate::message::{Message, Messages};
use crate::protocol::{ACK, SUBHEADER};

/// Connection tracking, in the upper byte of types of messages.
const CONNTRACK: u16 = 1 << 8;
const NEW: u16 = CONNTRACK;
const GET: u16 = CONNTRACK | 1;
const ENOENT: i32 = 2;

/// Sockets to the connection tracking of a network namespace, blocking. Need the capability `CAP_NET_ADMIN` there.
///
/// # Example
///
/// ```no_run
/// use tortie_nft_wire::{Conntrack, Options};
///
/// // Marks what goes to a port, and takes the mark from all else.
/// let mut conntrack = Conntrack::open(Options::new())?;
/// let marked = conntrack.mark(0x1_0000, |connection| {
///     let is_it = connection.reply.ports.is_some_and(|(port, _)| port == 80);
///     Some(if is_it { 0x1_0000 } else { 0 })
/// })?;
/// println!("{} of {} changed", marked.changed, marked.seen);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Conntrack {
    /// Tells connections.
    telling: Port,
    /// Changes them meanwhile.
    changing: Port,
}

/// What became of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Marked {
    /// How many there were.
    pub seen: u64,
    /// How many of them have another mark now.
    pub changed: u64,
}

impl Conntrack {
    /// Opens both in this thread's namespace.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn open(options: Options) -> io::Result<Self> {
        Ok(Self { telling: Port::open(options)?, changing: Port::open(options)? })
    }

    /// Asks of each connection, of both families, which of these bits its mark shall have, and changes it if it has others;
    /// `None` leaves it alone. Other bits stay as they are.
    ///
    /// Keeps none of them: memory does not grow with their number. Connections that come meanwhile may be missed.
    ///
    /// # Errors
    ///
    /// What the system says; `TimedOut`; `Interrupted` if the kernel's answers were lost. Some may be changed then.
    pub fn mark(
        &mut self,
        mask: u32,
        mut wanted: impl FnMut(&Connection) -> Option<u32>,
    ) -> io::Result<Marked> {
        let mut marked = Marked::default();
        let Self { telling, changing } = self;
        telling.drain()?;
        let number = telling.next_number();
        telling.send(&message(GET, DUMP, Family::new(0), number, &[]))?;
        let mut each = |connection: &Connection| {
            marked.seen = marked.seen.saturating_add(1);
            match wanted(connection) {
                Some(mark) if (mark ^ connection.mark) & mask != 0 => {
                    if change(changing, connection, mark, mask)? {
                        marked.changed = marked.changed.saturating_add(1);
                    }
                    Ok(())
                }
                _ => Ok(()),
            }
        };
        finish(telling, &mut Told { number, each: &mut each })?;
        Ok(marked)
    }
}

/// Changes bits of a mark; whether the connection was still there.
fn change(port: &mut Port, connection: &Connection, mark: u32, mask: u32) -> io::Result<bool> {
    port.drain()?;
    let number = port.next_number();
    let attributes: Vec<u8> = connection.encode_mark(mark, mask);
    port.send(&message(NEW, ACK, connection.family(), number, &attributes))?;
    let mut answer = Answer { number, errno: 0 };
    finish(port, &mut answer)?;
    match answer.errno {
        0 => Ok(true),
        ENOENT => Ok(false),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

fn finish(port: &mut Port, exchange: &mut impl Exchange) -> io::Result<()> {
    while port.step(exchange)? == Step::Wait {
        wait(port, Some(port.options.patience()))?;
    }
    Ok(())
}

/// Connections that are being told.
struct Told<'f> {
    number: u32,
    each: &'f mut dyn FnMut(&Connection) -> io::Result<()>,
}

impl Exchange for Told<'_> {
    fn take(&mut self, answers: &[u8]) -> io::Result<bool> {
        for answer in Messages::new(answers).filter(|answer| answer.number() == self.number) {
            match answer.kind() {
                DONE => return Ok(true),
                ERROR => return Err(failed(&answer)),
                _ => {
                    let attributes = answer.payload().get(SUBHEADER..).unwrap_or_default();
                    if let Some(connection) = Connection::decode(attributes) {
                        (self.each)(&connection)?;
                    }
                }
            }
        }
        Ok(false)
    }

    fn lose(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Interrupted.into())
    }
}

/// The answer to one change.
struct Answer {
    number: u32,
    errno: i32,
}

impl Exchange for Answer {
    fn take(&mut self, answers: &[u8]) -> io::Result<bool> {
        let of_this = |answer: &Message<'_>| answer.number() == self.number && answer.kind() == ERROR;
        let answer = Messages::new(answers).find(of_this).and_then(|answer| errno(&answer));
        self.errno = answer.unwrap_or(self.errno);
        Ok(answer.is_some())
    }

    fn lose(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Interrupted.into())
    }
}

fn failed(answer: &Message<'_>) -> io::Error {
    io::Error::from_raw_os_error(errno(answer).unwrap_or_default())
}
