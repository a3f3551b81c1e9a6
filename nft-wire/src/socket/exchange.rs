//! Questions and what their answers make of them, without a socket: what the blocking and the asynchronous one share, and what
//! tests can feed with answers that were lost.

use alloc::vec::Vec;
use std::io;

use crate::attr::{Field, Writer};
use crate::family::Family;
use crate::message::{Entry, Generation, Message, Messages};
use crate::protocol::{HEADER, NEW_GENERATION, REQUEST, SUBHEADER, SUBSYSTEM};

pub(super) const ERROR: u16 = 2;
pub(super) const DONE: u16 = 3;
pub(super) const DUMP: u16 = 0x300;
const GET_GENERATION: u8 = 16;
/// Of an answer: what is dumped changed meanwhile.
pub(super) const INTERRUPTED: u16 = 0x10;
const EINTR: i32 = 4;

/// A question as bytes.
pub(super) fn question(kind: u8, flags: u16, family: Family, number: u32, attributes: &[u8]) -> Vec<u8> {
    message(SUBSYSTEM << 8 | u16::from(kind), flags, family, number, attributes)
}

/// The same of any subsystem.
pub(super) fn message(kind: u16, flags: u16, family: Family, number: u32, attributes: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Attributes are two names, or one connection.
    let len = u32::try_from(HEADER + SUBHEADER + attributes.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&len.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&(REQUEST | flags).to_ne_bytes());
    bytes.extend_from_slice(&number.to_ne_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&[family.get(), 0, 0, 0]);
    bytes.extend_from_slice(attributes);
    bytes
}

/// The question for the generation.
pub(super) fn generation_question(number: u32) -> Vec<u8> {
    question(GET_GENERATION, 0, Family::new(0), number, &[])
}

/// Attributes of a question.
pub(super) fn attributes(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut Writer::new(&mut bytes));
    bytes
}

/// What is to be done where nothing is to be received.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Idle {
    /// Wait.
    Wait,
    /// Nothing: it is over.
    Over,
    /// Ask for the generation, with a new number, and tell it to the exchange.
    Ask,
}

/// A question whose answers come in.
pub(super) trait Exchange {
    /// Takes what was received: whether it is over.
    fn take(&mut self, answers: &[u8]) -> io::Result<bool>;

    /// Answers were lost, because the socket had no room for them.
    fn lose(&mut self) -> io::Result<()>;

    /// Nothing is to be received now.
    fn idle(&mut self) -> Idle {
        Idle::Wait
    }

    /// The number of the question for the generation that was sent.
    fn asked(&mut self, _number: u32) {}
}

/// The question for the generation.
#[derive(Debug)]
pub(super) struct Ask {
    number: u32,
    pub(super) generation: u32,
}

impl Ask {
    pub(super) const fn new(number: u32) -> Self {
        Self { number, generation: 0 }
    }
}

impl Exchange for Ask {
    fn take(&mut self, answers: &[u8]) -> io::Result<bool> {
        for answer in Messages::new(answers).filter(|answer| answer.number() == self.number) {
            if let Some(error) = failure(&answer) {
                return Err(error);
            }
            if let Some(generation) = generation(&answer) {
                self.generation = generation;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn lose(&mut self) -> io::Result<()> {
        // One answer finds room. What was lost was another's, and this one is still to come.
        Ok(())
    }
}

pub(super) fn generation(answer: &Message<'_>) -> Option<u32> {
    if answer.kind() != SUBSYSTEM << 8 | u16::from(NEW_GENERATION) {
        return None;
    }
    Generation::read(answer.payload().get(SUBHEADER..)?).map(|generation| generation.id)
}

/// A dump.
#[derive(Debug)]
pub(super) struct Dump {
    number: u32,
    pub(super) entries: Vec<(Family, Entry)>,
    /// Whether nothing changed while it went on, and nothing was lost.
    pub(super) is_whole: bool,
}

impl Dump {
    pub(super) const fn new(number: u32) -> Self {
        Self { number, entries: Vec::new(), is_whole: true }
    }
}

impl Exchange for Dump {
    fn take(&mut self, answers: &[u8]) -> io::Result<bool> {
        for message in Messages::new(answers).filter(|message| message.number() == self.number) {
            self.is_whole &= message.flags() & INTERRUPTED == 0;
            match message.kind() {
                // Also where the dump itself failed.
                DONE => match errno(&message) {
                    None | Some(0) => return Ok(true),
                    Some(EINTR) => {
                        self.is_whole = false;
                        return Ok(true);
                    }
                    Some(errno) => return Err(io::Error::from_raw_os_error(errno)),
                },
                ERROR => {
                    if let Some(error) = failure(&message) {
                        if error.raw_os_error() != Some(EINTR) {
                            return Err(error);
                        }
                        self.is_whole = false;
                        return Ok(true);
                    }
                }
                // What is begun anew is not kept.
                _ if !self.is_whole => self.entries.clear(),
                _ => self.entries.extend(message.entry()),
            }
        }
        Ok(false)
    }

    fn lose(&mut self) -> io::Result<()> {
        self.is_whole = false;
        Ok(())
    }
}

/// The number of the error in an answer, 0 for none.
pub(super) fn errno(answer: &Message<'_>) -> Option<i32> {
    let code: [u8; 4] = *answer.payload().first_chunk()?;
    Some(i32::from_ne_bytes(code).wrapping_neg())
}

fn failure(message: &Message<'_>) -> Option<io::Error> {
    let errno = (message.kind() == ERROR).then(|| errno(message)).flatten()?;
    (errno != 0).then(|| io::Error::from_raw_os_error(errno))
}
