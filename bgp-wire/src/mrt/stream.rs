//! Records out of any source of octets.

use core::fmt;
use std::io::{self, Read};

use crate::mrt::error::{MrtError, MrtErrorKind};
use crate::mrt::header::{HEADER_LEN, RawRecord, split_header};
use crate::stream::{Framed, Input};

/// Reads records from any source of octets, one at a time.
///
/// It holds one record and what was read beyond it. A record that claims to be longer than the limit is passed over, and
/// memory grows only with octets that are there, never with a length field.
///
/// ```
/// use tortie_bgp_wire::mrt::{Body, MrtReader};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // A BGP4MP record: the session of AS 64512 with AS 64513 went from OpenConfirm (5) to Established (6).
/// let file = [
///     0x45, 0xcf, 0x1f, 0x3c, 0, 16, 0, 0, 0, 0, 0, 20, 0xfc, 0x00, 0xfc, 0x01, 0, 0, 0, 1, 192, 0, 2, 1, 192, 0, 2, 2, 0, 5,
///     0, 6,
/// ];
/// let mut reader = MrtReader::new(&file[..]);
/// while let Some(record) = reader.next_record() {
///     if let Body::StateChange(change) = record?.record()?.body {
///         assert_eq!(format!("AS{} {}", change.peering.peer_as, change.new), "AS64512 Established");
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MrtReader<R> {
    input: Input<R>,
    max_len: usize,
}

/// Why a record could not be read from a stream.
#[derive(Debug)]
#[non_exhaustive]
pub enum MrtReadError {
    /// The source failed. The next call goes on where this one stopped.
    Io(io::Error),
    /// The framing: the file ends within a record, which ends the stream, or the record is longer than the limit.
    Record {
        /// Where the record starts, in octets from the start of the stream.
        position: u64,
        /// What is wrong.
        error: MrtError,
    },
}

impl fmt::Display for MrtReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => f.write_str("cannot read records"),
            Self::Record { position, error } => write!(f, "{error} of the record at {position}"),
        }
    }
}

impl core::error::Error for MrtReadError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Record { .. } => None,
        }
    }
}

impl<R: Read> MrtReader<R> {
    /// The longest record that is read if nothing else is said: 16 MiB. The longest in archives have some hundred KiB.
    pub const MAX_LEN: usize = 16 << 20;

    /// A reader at the start of a stream. It reads large pieces by itself: `source` needs no buffer.
    pub const fn new(source: R) -> Self {
        Self { input: Input::new(source), max_len: Self::MAX_LEN }
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
    ///
    /// # Errors
    /// `Io`, `Incomplete` where the stream ends within a record, `TooLong` for a record above the limit, `Cut` for one too
    /// short for its microseconds. After each the next call goes on behind it.
    ///
    /// # Panics
    /// Never.
    pub fn next_record(&mut self) -> Option<Result<RawRecord<'_>, MrtReadError>> {
        let position = self.position();
        let framed = self.input.frame(HEADER_LEN, self.max_len, |header| {
            let header = header.first_chunk::<HEADER_LEN>()?;
            Some(u64::from(split_header(header).3).saturating_add(12))
        });
        let error = match framed {
            Err(error) => return Some(Err(MrtReadError::Io(error))),
            Ok(Framed::End) => return None,
            Ok(Framed::Whole(bytes) | Framed::Bad(bytes)) => match RawRecord::decode(bytes) {
                Ok((record, _)) => return Some(Ok(record)),
                Err(error) => error,
            },
            Ok(Framed::Cut { held, needed }) => MrtError::new(MrtErrorKind::Incomplete { needed }, held),
            Ok(Framed::TooLong { len }) => MrtError::new(MrtErrorKind::TooLong { len, max: self.max_len }, 8),
        };
        Some(Err(MrtReadError::Record { position, error }))
    }
}
