//! Messages out of any source of octets.

use std::io::Read;

use crate::bmp::error::{BmpError, BmpErrorKind};
use crate::bmp::message::{HEADER_LEN, Message, message_len};
use crate::stream::{Format, ReadError, StreamReader};

/// BMP as a format of streams.
#[derive(Debug)]
#[non_exhaustive]
pub struct Bmp;

/// Reads messages from any source of octets, one at a time; up to 1 MiB each if nothing else is said.
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
pub type BmpReader<R> = StreamReader<R, Bmp>;

/// Why a message could not be read from a stream.
pub type BmpReadError = ReadError<Bmp>;

impl Format for Bmp {
    type Record<'a> = Message<'a>;
    type Error = BmpError;
    const NOUN: &'static str = "message";
    const HEADER_LEN: usize = HEADER_LEN;
    const MAX_LEN: usize = 1 << 20;

    fn record_len(header: &[u8]) -> Option<u64> {
        message_len(header.first_chunk()?).ok().map(u64::from)
    }

    fn decode(bytes: &[u8]) -> Result<Message<'_>, BmpError> {
        Message::decode(bytes).map(|(message, _)| message)
    }

    fn incomplete(held: usize, needed: usize) -> BmpError {
        BmpError::new(BmpErrorKind::Incomplete { needed }, held)
    }

    fn too_long(len: u64, max: usize) -> BmpError {
        BmpError::new(BmpErrorKind::TooLong { len, max }, 1)
    }
}

impl<R: Read> BmpReader<R> {
    /// The next message; `None` at the end of the stream.
    ///
    /// # Errors
    /// `Io`; `Incomplete` where the stream ends within a message, and `Version` and `Length`, which end it; else what is wrong
    /// with one message, and the next call goes on behind it.
    ///
    /// # Panics
    /// Never.
    pub fn next_message(&mut self) -> Option<Result<Message<'_>, BmpReadError>> {
        self.read_next()
    }
}
