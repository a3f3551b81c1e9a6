//! What can be wrong with a message.

use core::fmt;

use crate::fields::Cut;

/// Why octets are not a good message: what and where.
///
/// Offsets count octets from the start of the message, that is from its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BmpError {
    kind: BmpErrorKind,
    offset: usize,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BmpErrorKind {
    /// Fewer octets were given than the message has: give so many.
    Incomplete {
        /// How many octets are needed at least.
        needed: usize,
    },
    /// The length field is above what the reader holds: raise its limit. The next message can be read.
    TooLong {
        /// The length of the message in octets, header included.
        len: u64,
        /// The limit.
        max: usize,
    },
    /// A version other than 3: close the connection.
    Version {
        /// The value of the field.
        version: u8,
    },
    /// The length field is below 6, the length of the header: close the connection.
    Length {
        /// The value of the field.
        len: u32,
    },
    /// A field runs out of the message.
    Cut,
    /// Octets are left over after the last field.
    Trailing {
        /// How many.
        len: usize,
    },
    /// What should be an OPEN of the session has no good BGP header, or that of another message.
    Open,
}

impl BmpError {
    pub(crate) const fn new(kind: BmpErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }

    /// What is wrong.
    pub const fn kind(&self) -> BmpErrorKind {
        self.kind
    }

    /// Where: octets from the start of the message.
    pub const fn offset(&self) -> usize {
        self.offset
    }
}

impl From<Cut> for BmpError {
    fn from(Cut(offset): Cut) -> Self {
        Self::new(BmpErrorKind::Cut, offset)
    }
}

impl fmt::Display for BmpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            BmpErrorKind::Incomplete { needed } => write!(f, "message is incomplete, {needed} octets needed"),
            BmpErrorKind::TooLong { len, max } => {
                write!(f, "message of {len} octets, above the limit of {max}")
            }
            BmpErrorKind::Version { version } => write!(f, "BMP version {version} instead of 3"),
            BmpErrorKind::Length { len } => write!(f, "impossible message length {len}"),
            BmpErrorKind::Cut => f.write_str("field runs out of the message"),
            BmpErrorKind::Trailing { len } => write!(f, "octets left over: {len}"),
            BmpErrorKind::Open => f.write_str("no OPEN of the session"),
        }?;
        write!(f, " at byte {}", self.offset)
    }
}

impl core::error::Error for BmpError {}
