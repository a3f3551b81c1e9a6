//! What can be wrong with a record.

use core::fmt;

use crate::fields::Cut;

/// Why octets are not a good record: what and where.
///
/// Offsets count octets from the start of the record, that is from the first octet of its timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MrtError {
    kind: MrtErrorKind,
    offset: usize,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MrtErrorKind {
    /// Fewer octets were given than the record has: give so many, or take the file for cut.
    Incomplete {
        /// How many octets are needed at least.
        needed: usize,
    },
    /// The length field is above what the reader holds: raise its limit. The next record can be read.
    TooLong {
        /// The length of the record in octets, header included.
        len: u64,
        /// The limit.
        max: usize,
    },
    /// A field runs out of the record.
    Cut,
    /// Octets are left over after the last field.
    Trailing {
        /// How many.
        len: usize,
    },
    /// The addresses are neither IPv4 (1) nor IPv6 (2).
    AddressFamily {
        /// The value of the field.
        afi: u16,
    },
    /// A prefix is longer than its addresses.
    PrefixLength {
        /// The value of the field.
        len: u8,
    },
    /// The destination of a generic entry is not a whole one of its family.
    Destination,
}

impl MrtError {
    pub(crate) const fn new(kind: MrtErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }

    /// What is wrong.
    pub const fn kind(&self) -> MrtErrorKind {
        self.kind
    }

    /// Where: octets from the start of the record.
    pub const fn offset(&self) -> usize {
        self.offset
    }
}

impl From<Cut> for MrtError {
    fn from(Cut(offset): Cut) -> Self {
        Self::new(MrtErrorKind::Cut, offset)
    }
}

impl fmt::Display for MrtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            MrtErrorKind::Incomplete { needed } => write!(f, "record is incomplete, {needed} octets needed"),
            MrtErrorKind::TooLong { len, max } => {
                write!(f, "record of {len} octets, above the limit of {max}")
            }
            MrtErrorKind::Cut => f.write_str("field runs out of the record"),
            MrtErrorKind::Trailing { len } => write!(f, "octets left over: {len}"),
            MrtErrorKind::AddressFamily { afi } => write!(f, "addresses of unknown family {afi}"),
            MrtErrorKind::PrefixLength { len } => write!(f, "impossible prefix length {len}"),
            MrtErrorKind::Destination => f.write_str("destination is not a whole one of its family"),
        }?;
        write!(f, " at byte {}", self.offset)
    }
}

impl core::error::Error for MrtError {}
