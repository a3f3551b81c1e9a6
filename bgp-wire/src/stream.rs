//! Records out of any source of octets, of which a whole record is held at a time.

use core::fmt;
use core::marker::PhantomData;
use std::io::{self, ErrorKind, Read};
use std::vec::Vec;

/// A format of records that follow each other in a stream, each with a header that says how long it is.
///
/// [`mrt::Mrt`](crate::mrt::Mrt) and [`bmp::Bmp`](crate::bmp::Bmp) are such formats.
pub trait Format {
    /// A record, as it lies in the reader.
    type Record<'a>;
    /// What can be wrong with one.
    type Error: core::error::Error + Copy;
    /// What a record is called in errors.
    const NOUN: &'static str;
    /// The length of the header in octets.
    const HEADER_LEN: usize;
    /// The longest record in octets that is read if nothing else is said.
    const MAX_LEN: usize;

    /// The length in octets of the whole record with this header; `None` if the stream cannot be followed any further.
    fn record_len(header: &[u8]) -> Option<u64>;

    /// Reads a whole record.
    ///
    /// # Errors
    /// What is wrong with it.
    fn decode(bytes: &[u8]) -> Result<Self::Record<'_>, Self::Error>;

    /// The error where a stream ends within a record: so many octets are there, at least so many are needed.
    fn incomplete(held: usize, needed: usize) -> Self::Error;

    /// The error for a record above the limit, which is passed over.
    fn too_long(len: u64, max: usize) -> Self::Error;
}

/// Reads records of a [`Format`] from any source of octets, one at a time.
///
/// It holds one record and what was read beyond it. A record that claims to be longer than the limit is passed over, and
/// memory grows only with octets that are there, never with a length field.
#[derive(Debug)]
pub struct StreamReader<R, F> {
    input: Input<R>,
    max_len: usize,
    format: PhantomData<F>,
}

/// Why a record could not be read from a stream.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError<F: Format> {
    /// The source failed. The next call goes on where this one stopped.
    Io(io::Error),
    /// The record is bad.
    Record {
        /// Where it starts, in octets from the start of the stream.
        position: u64,
        /// What is wrong.
        error: F::Error,
    },
}

impl<F: Format> fmt::Display for ReadError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => write!(f, "cannot read the next {}", F::NOUN),
            Self::Record { position, error } => write!(f, "{error} of the {} at {position}", F::NOUN),
        }
    }
}

impl<F: Format + fmt::Debug> core::error::Error for ReadError<F> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Record { .. } => None,
        }
    }
}

impl<R: Read, F: Format> StreamReader<R, F> {
    /// The longest record in octets that is read if nothing else is said.
    pub const MAX_LEN: usize = F::MAX_LEN;

    /// A reader at the start of a stream. It reads large pieces by itself: `source` needs no buffer.
    pub const fn new(source: R) -> Self {
        Self { input: Input::new(source), max_len: F::MAX_LEN, format: PhantomData }
    }

    /// The same with another limit to the length of records in octets, header included.
    #[must_use]
    pub const fn max_len(mut self, max_len: usize) -> Self {
        self.max_len = max_len;
        self
    }

    /// Where the next record starts, in octets from the start of the stream.
    pub const fn position(&self) -> u64 {
        self.input.position()
    }

    /// The source, which is ahead of [`position`](Self::position).
    pub const fn source(&self) -> &R {
        self.input.source()
    }

    /// The source; what was read ahead is lost.
    pub fn into_source(self) -> R {
        self.input.into_source()
    }

    /// The next record; `None` at the end of the stream.
    pub(crate) fn read_next(&mut self) -> Option<Result<F::Record<'_>, ReadError<F>>> {
        let position = self.position();
        let error = match self.input.frame(F::HEADER_LEN, self.max_len, F::record_len) {
            Err(error) => return Some(Err(ReadError::Io(error))),
            Ok(Framed::End) => return None,
            Ok(Framed::Whole(bytes) | Framed::Bad(bytes)) => match F::decode(bytes) {
                Ok(record) => return Some(Ok(record)),
                Err(error) => error,
            },
            Ok(Framed::Cut { held, needed }) => F::incomplete(held, needed),
            Ok(Framed::TooLong { len }) => F::too_long(len, self.max_len),
        };
        Some(Err(ReadError::Record { position, error }))
    }
}

/// How much is held at first, and at least asked for.
const CHUNK: usize = 64 * 1024;

/// What a stream has next.
#[derive(Debug)]
enum Framed<'a> {
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
struct Input<R> {
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
    const fn new(source: R) -> Self {
        Self { source, buf: Vec::new(), start: 0, end: 0, position: 0, pass: 0, ended: false }
    }

    /// Where in the stream the next octet is.
    const fn position(&self) -> u64 {
        self.position.saturating_add(self.pass)
    }

    const fn source(&self) -> &R {
        &self.source
    }

    fn into_source(self) -> R {
        self.source
    }

    fn held(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// The next record: `len_of` says of its header how long it is as a whole, and it may have `max` octets.
    ///
    /// An error leaves everything as it is, so that the next call goes on.
    fn frame(
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
