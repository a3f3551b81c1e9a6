//! Messages out of any source of octets.

use core::fmt;
use std::io::{self, Read};

use crate::bmp::error::{BmpError, BmpErrorKind};
use crate::bmp::message::{HEADER_LEN, Message, message_len};
use crate::stream::{Framed, Input};

/// Reads messages from any source of octets, one at a time.
///
/// It holds one message and what was read beyond it. A message that claims to be longer than the limit is passed over, and
/// memory grows only with octets that are there, never with a length field.
///
/// ```
/// use tortie_bgp_wire::bmp::{BmpReader, Message};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let connection = [3, 0, 0, 0, 16, 4, 0, 2, 0, 2, b'r', b'1', 0, 1, 0, 0];
/// let mut reader = BmpReader::new(&connection[..]);
/// while let Some(message) = reader.next_message() {
///     let Message::Initiation(initiation) = message? else { unreachable!() };
///     assert_eq!(initiation.sys_name(), Some(&b"r1"[..]));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct BmpReader<R> {
    input: Input<R>,
    max_len: usize,
}

/// Why a message could not be read from a stream.
#[derive(Debug)]
#[non_exhaustive]
pub enum BmpReadError {
    /// The source failed. The next call goes on where this one stopped.
    Io(io::Error),
    /// The message is bad.
    Message {
        /// Where it starts, in octets from the start of the stream.
        position: u64,
        /// What is wrong.
        error: BmpError,
    },
}

impl fmt::Display for BmpReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => f.write_str("cannot read messages"),
            Self::Message { position, error } => write!(f, "{error} of the message at {position}"),
        }
    }
}

impl core::error::Error for BmpReadError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Message { .. } => None,
        }
    }
}

impl<R: Read> BmpReader<R> {
    /// The longest message that is read if nothing else is said: 1 MiB.
    pub const MAX_LEN: usize = 1 << 20;

    /// A reader at the start of a stream. It reads large pieces by itself: `source` needs no buffer.
    pub const fn new(source: R) -> Self {
        Self { input: Input::new(source), max_len: Self::MAX_LEN }
    }

    /// The same with another limit to the length of messages in octets, header included.
    #[must_use]
    pub const fn max_len(mut self, max_len: usize) -> Self {
        self.max_len = max_len;
        self
    }

    /// Where the next message starts, in octets from the start of the stream.
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

    /// The next message; `None` at the end of the stream.
    ///
    /// # Errors
    /// `Io`; `Incomplete` where the stream ends within a message, and `Version` and `Length`, which end it; else what is wrong
    /// with one message, and the next call goes on behind it.
    ///
    /// # Panics
    /// Never.
    pub fn next_message(&mut self) -> Option<Result<Message<'_>, BmpReadError>> {
        let position = self.position();
        let framed = self.input.frame(HEADER_LEN, self.max_len, |header| {
            message_len(header.first_chunk::<HEADER_LEN>()?).ok().map(u64::from)
        });
        let error = match framed {
            Err(error) => return Some(Err(BmpReadError::Io(error))),
            Ok(Framed::End) => return None,
            Ok(Framed::Whole(bytes) | Framed::Bad(bytes)) => match Message::decode(bytes) {
                Ok((message, _)) => return Some(Ok(message)),
                Err(error) => error,
            },
            Ok(Framed::Cut { held, needed }) => BmpError::new(BmpErrorKind::Incomplete { needed }, held),
            Ok(Framed::TooLong { len }) => BmpError::new(BmpErrorKind::TooLong { len, max: self.max_len }, 1),
        };
        Some(Err(BmpReadError::Message { position, error }))
    }
}
