//! Records out of any source of octets.

use std::io::Read;

use crate::mrt::error::{MrtError, MrtErrorKind};
use crate::mrt::header::{HEADER_LEN, RawRecord, split_header};
use crate::stream::{Format, ReadError, StreamReader};

/// MRT as a format of streams.
#[derive(Debug)]
#[non_exhaustive]
pub struct Mrt;

/// Reads records from any source of octets, one at a time; up to 16 MiB each if nothing else is said, where the longest in
/// archives have some hundred KiB.
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
pub type MrtReader<R> = StreamReader<R, Mrt>;

/// Why a record could not be read from a stream.
pub type MrtReadError = ReadError<Mrt>;

impl Format for Mrt {
    type Record<'a> = RawRecord<'a>;
    type Error = MrtError;
    const NOUN: &'static str = "record";
    const HEADER_LEN: usize = HEADER_LEN;
    const MAX_LEN: usize = 16 << 20;

    fn record_len(header: &[u8]) -> Option<u64> {
        let (_, _, _, body) = split_header(header.first_chunk()?);
        Some(u64::from(body).saturating_add(12))
    }

    fn decode(bytes: &[u8]) -> Result<RawRecord<'_>, MrtError> {
        RawRecord::decode(bytes).map(|(record, _)| record)
    }

    fn incomplete(held: usize, needed: usize) -> MrtError {
        MrtError::new(MrtErrorKind::Incomplete { needed }, held)
    }

    fn too_long(len: u64, max: usize) -> MrtError {
        MrtError::new(MrtErrorKind::TooLong { len, max }, 8)
    }
}

impl<R: Read> MrtReader<R> {
    /// The next record; `None` at the end of the stream.
    ///
    /// # Errors
    /// `Io`, `Incomplete` where the stream ends within a record, `TooLong` for a record above the limit, `Cut` for one too
    /// short for its microseconds. After each the next call goes on behind it.
    ///
    /// # Panics
    /// Never.
    pub fn next_record(&mut self) -> Option<Result<RawRecord<'_>, MrtReadError>> {
        self.read_next()
    }
}
