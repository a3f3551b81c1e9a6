//! A source of octets, of which a whole record is held at a time.

use std::io::{self, ErrorKind, Read};
use std::vec::Vec;

/// How much is held at first, and at least asked for.
const CHUNK: usize = 64 * 1024;

/// What a stream has next.
#[derive(Debug)]
pub(crate) enum Framed<'a> {
    /// Nothing more.
    End,
    /// All octets of a record.
    Whole(&'a [u8]),
    /// So many octets, where the record needs at least others; the stream ends there.
    Cut { held: usize, needed: usize },
    /// A record of so many octets, which is more than is held; it is passed over.
    TooLong { len: u64 },
    /// A header that does not say how long its record is; the stream cannot be followed any further.
    Bad(&'a [u8]),
}

/// Octets that were read and not yet used.
///
/// The buffer doubles only when it is full of octets that are there, so that a length field alone costs no memory.
#[derive(Debug)]
pub(crate) struct Input<R> {
    source: R,
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// Where in the stream `start` is.
    position: u64,
    /// How many octets are to be passed over before anything else.
    pass: u64,
    ended: bool,
}

impl<R: Read> Input<R> {
    pub(crate) const fn new(source: R) -> Self {
        Self { source, buf: Vec::new(), start: 0, end: 0, position: 0, pass: 0, ended: false }
    }

    /// Where in the stream the next octet is.
    pub(crate) const fn position(&self) -> u64 {
        self.position.saturating_add(self.pass)
    }

    pub(crate) const fn source(&self) -> &R {
        &self.source
    }

    pub(crate) fn into_source(self) -> R {
        self.source
    }

    fn held(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// The next record: `len_of` says of its header how long it is as a whole, and it may have `max` octets.
    ///
    /// An error leaves everything as it is, so that the next call goes on.
    pub(crate) fn frame(
        &mut self,
        header: usize,
        max: usize,
        len_of: impl Fn(&[u8]) -> Option<u64>,
    ) -> io::Result<Framed<'_>> {
        if self.ended {
            return Ok(Framed::End);
        }
        let held = self.fill(header)?;
        let count = held.len();
        if count < header {
            self.ended = true;
            return Ok(if count == 0 { Framed::End } else { Framed::Cut { held: count, needed: header } });
        }
        let Some(len) = held.get(..header).and_then(len_of) else {
            self.ended = true;
            return Ok(Framed::Bad(self.take(header)));
        };
        let whole = match usize::try_from(len) {
            Ok(whole) if whole <= max => whole,
            _ => {
                // When the next is asked for: until then the error matters more than what follows.
                self.pass = len;
                return Ok(Framed::TooLong { len });
            }
        };
        let count = self.fill(whole)?.len();
        if count < whole {
            self.ended = true;
            return Ok(Framed::Cut { held: count, needed: whole });
        }
        Ok(Framed::Whole(self.take(whole)))
    }

    /// Reads until `want` octets are held or the stream ends; what is held then, all of it.
    fn fill(&mut self, want: usize) -> io::Result<&[u8]> {
        self.pass_over()?;
        while self.held() < want {
            if self.read()? == 0 {
                break;
            }
        }
        Ok(self.buf.get(self.start..self.end).unwrap_or(&[]))
    }

    /// The first `len` of what is held, which then are used.
    fn take(&mut self, len: usize) -> &[u8] {
        let start = self.start;
        let len = len.min(self.held());
        self.start += len;
        self.position = self.position.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        self.buf.get(start..start + len).unwrap_or(&[])
    }

    fn pass_over(&mut self) -> io::Result<()> {
        while self.pass > 0 {
            if self.held() == 0 && self.read()? == 0 {
                self.position = self.position.saturating_add(self.pass);
                self.pass = 0;
                break;
            }
            let len = usize::try_from(self.pass).unwrap_or(usize::MAX).min(self.held());
            self.pass = self.pass.saturating_sub(u64::try_from(len).unwrap_or(u64::MAX));
            self.take(len);
        }
        Ok(())
    }

    /// Reads once, into room that is there or made; how much came.
    fn read(&mut self) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.end == self.buf.len() {
            if self.start > 0 {
                self.buf.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.held());
            } else {
                self.buf.resize(self.buf.len().saturating_mul(2).max(CHUNK), 0);
            }
        }
        loop {
            match self.source.read(self.buf.get_mut(self.end..).unwrap_or(&mut [])) {
                Ok(len) => {
                    self.end = self.end.saturating_add(len).min(self.buf.len());
                    return Ok(len);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
