//! What can be wrong before the kernel sees it.

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It has no bytes.
    #[error("a name may not be empty")]
    Empty,
    /// It has too many bytes.
    #[error("a name has {len} bytes; at most {max} are allowed")]
    TooLong {
        /// How many it has.
        len: usize,
        /// How many it may have.
        max: usize,
    },
    /// A zero would end it early.
    #[error("a name may have no zero byte; this one has one at {at}")]
    Zero {
        /// Where the first one stands.
        at: usize,
    },
}

/// Why something is not in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The expressions of a rule, or the description of an object, have more than the 65,535 bytes of an attribute.
    #[error("one attribute would have more than 65,535 bytes; split the rule")]
    TooLarge,
    /// A key of a set is empty, or longer than the registers.
    #[error("a key has {len} bytes; from 1 to 64 are allowed")]
    KeyLength {
        /// How many it has.
        len: usize,
    },
    /// The text of a log prefix or comment is longer than the kernel takes.
    #[error("a text has {len} bytes; at most {max} are allowed")]
    TextTooLong {
        /// How many it has.
        len: usize,
        /// How many it may have.
        max: usize,
    },
}

/// A message of a batch that the kernel refused.
#[cfg(feature = "socket")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message {number} of the batch: error {errno}{}{text}", if text.is_empty() { "" } else { ": " })]
#[expect(clippy::exhaustive_structs, reason = "what the kernel tells")]
pub struct Refusal {
    /// Its number in the batch, from 1 on; 0 is the batch itself.
    pub number: u32,
    /// Number of the error.
    pub errno: i32,
    /// What the kernel says beside it; mostly nothing.
    pub text: alloc::string::String,
}

/// Why a batch is not in force.
#[cfg(feature = "socket")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The kernel refused these messages, and did nothing.
    #[error("the kernel refused the batch: {}", .0.first().map_or_else(Default::default, alloc::string::ToString::to_string))]
    Refused(alloc::vec::Vec<Refusal>),
    /// Somebody else changed something since the generation of the batch; the kernel did nothing.
    #[error("somebody else changed the rules meanwhile; read them again")]
    Foreign,
    /// The socket has no room for it, and may not have more. Nothing was sent.
    #[error(
        "the batch has {len} bytes, but the socket sends at most {room} at once; raise net.core.wmem_max"
    )]
    TooLarge {
        /// Bytes of the batch.
        len: usize,
        /// Bytes that the socket sends.
        room: usize,
    },
    /// It could not be sent. The kernel did nothing.
    #[error("the batch could not be sent")]
    Send(#[source] std::io::Error),
    /// There was no answer: it may be in force, or not.
    #[error("the answer to the batch was lost; read what is in force")]
    Unknown(#[source] std::io::Error),
}
