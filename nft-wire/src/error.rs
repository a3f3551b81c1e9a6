//! What can be wrong before the kernel sees it, and what it says when it has.

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

/// Why something is not in a batch. The batch is then as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The expressions of a rule, one element, or the description of an object have more than the 65,535 bytes of an attribute.
    #[error("one attribute would have more than 65,535 bytes; split the rule or the element")]
    TooLarge,
    /// A rule has more expressions than the kernel takes.
    #[error("a rule has {len} expressions; at most {max} are allowed")]
    TooManyExpressions {
        /// How many it has.
        len: usize,
        /// How many it may have.
        max: usize,
    },
    /// A rule shall replace another, and does not say which.
    #[error("a rule that replaces another has the handle of that; this one has none")]
    NoHandle,
    /// A comparison shall be turned around, and there is none.
    #[error("only a comparison or a look-up can be turned around")]
    NoComparison,
    /// A key is not as long as those of its set, or is longer than the registers.
    #[error("the key of element {index} has {len} bytes; {} are allowed", Want(want))]
    KeyLength {
        /// Number of its element in the call, from 0 on.
        index: usize,
        /// How many it has.
        len: usize,
        /// How many the set says, if it does; else it may have 1 to 64.
        want: Option<u32>,
    },
    /// What a map shall hold is not as long as the map says.
    #[error("the data of element {index} have {len} bytes; {} are allowed", Want(want))]
    DataLength {
        /// Number of its element in the call, from 0 on.
        index: usize,
        /// How many they have.
        len: usize,
        /// How many the map says, if it does; else they may have 1 to 64.
        want: Option<u32>,
    },
    /// An interval ends before it begins.
    #[error("interval {index} ends before it begins")]
    IntervalEnd {
        /// Number of the interval in the call, from 0 on.
        index: usize,
    },
    /// An interval begins before the end of the one before it: they overlap, or are not in order.
    #[error(
        "interval {index} begins before the end of the one before it; give them in order, without overlaps"
    )]
    IntervalOrder {
        /// Number of the interval in the call, from 0 on.
        index: usize,
    },
    /// One call has more different elements than the set may ever have.
    #[error("{count} different elements are too many for a set of size {size}")]
    SetSize {
        /// How many there are.
        count: usize,
        /// How many the set may have.
        size: u32,
    },
    /// The parts of the key of a set, each padded to four bytes, do not make up its key, or are more than registers.
    #[error(
        "the parts of a key have {parts} bytes together, each padded to four; the key has {key}, at most 64"
    )]
    Parts {
        /// Bytes of the parts, padded.
        parts: usize,
        /// Bytes of the key.
        key: usize,
    },
    /// The text of a log prefix or comment is longer than the kernel takes.
    #[error("a text has {len} bytes; at most {max} are allowed")]
    TextTooLong {
        /// How many it has.
        len: usize,
        /// How many it may have.
        max: usize,
    },
    /// A text has a control character or a double quote. `nft` prints texts as they are, so that what it lists would be read
    /// as something else.
    #[error(
        "a text has the character {character:?} at byte {at}; control characters and double quotes are not allowed"
    )]
    Text {
        /// Where it stands.
        at: usize,
        /// Which.
        character: char,
    },
    /// What the maker wants to remember is more than the kernel keeps.
    #[error("{len} bytes of userdata; at most {max} are kept")]
    Userdata {
        /// How many there are.
        len: usize,
        /// How many there may be.
        max: usize,
    },
}

/// How many bytes are wanted.
struct Want<'w>(&'w Option<u32>);

impl core::fmt::Display for Want<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(want) => write!(f, "exactly {want}"),
            None => f.write_str("1 to 64"),
        }
    }
}

/// A message of a batch that the kernel refused.
///
/// `Display` says it for an operator, such as
/// `message 7: add element 2 (0x0a000003) to set inet firewall blocked: the set is full (ENFILE)`.
#[cfg(feature = "socket")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what the kernel tells")]
pub struct Refusal {
    /// Number of the message in the batch, from 1 on; 0 is the batch itself.
    pub number: u32,
    /// What the message was, and which part of it is meant, where the kernel says so.
    pub path: crate::path::Path,
    /// Number of the error.
    pub errno: i32,
    /// What the kernel says beside it; mostly nothing.
    pub text: alloc::string::String,
}

#[cfg(feature = "socket")]
impl Refusal {
    /// What the error means where nf_tables gives it, if that is more than its name says.
    const fn meaning(&self) -> Option<&'static str> {
        use crate::path::Subject;
        Some(match (self.errno, &self.path.subject) {
            (1, Subject::Batch) => "not permitted (EPERM): it needs CAP_NET_ADMIN in this network namespace",
            (1, _) => "not permitted (EPERM): another socket owns the table, or CAP_NET_ADMIN is missing",
            (2, _) => "it, or something that it names, is not there (ENOENT)",
            (12, _) => "the kernel has no memory for it (ENOMEM)",
            (16, _) => "it is in use (EBUSY): something still refers to it",
            (17, Subject::Elements { .. }) => {
                "it is there already with other data, or overlaps another (EEXIST)"
            }
            (17, _) => "it is there already (EEXIST)",
            (23, _) => "the set is full (ENFILE)",
            (39, Subject::Elements { .. }) => "it overlaps another interval (ENOTEMPTY)",
            (31, _) => "rules jump in a circle, or too deep (EMLINK)",
            (40, _) => "rules jump in a circle, or too deep (ELOOP)",
            (95, _) => "not supported (EOPNOTSUPP): by this kernel, or not in this kind of chain or set",
            _ => return None,
        })
    }
}

#[cfg(feature = "socket")]
impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.number > 0 {
            write!(f, "message {}: ", self.number)?;
        }
        write!(f, "{}: ", self.path)?;
        match self.meaning() {
            Some(meaning) => f.write_str(meaning)?,
            None => write!(f, "{}", std::io::Error::from_raw_os_error(self.errno))?,
        }
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
}

#[cfg(feature = "socket")]
impl core::error::Error for Refusal {}

/// Why a batch is not in force, or may not be.
#[cfg(feature = "socket")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The kernel refused these messages, and did nothing. Where it refused more than the socket has room to tell, the first.
    #[error("the kernel refused the batch: {}", First(.0))]
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
    /// The answer was lost, and nothing is in force: the generation is the same as before.
    #[error("the answer to the batch was lost; nothing changed, so send it again")]
    NotInForce,
    /// The answer was lost, and the generation is another: this batch, or somebody else's, is in force. Read what is.
    #[error("the answer to the batch was lost; read what is in force")]
    Unknown {
        /// The generation before it was sent.
        before: u32,
        /// The generation after it, if that could be known: one more than before if there was one transaction, ours or another.
        after: Option<u32>,
        /// What was wrong with the socket.
        #[source]
        source: std::io::Error,
    },
}

/// The first of them, and how many more there are.
#[cfg(feature = "socket")]
struct First<'r>(&'r [Refusal]);

#[cfg(feature = "socket")]
impl core::fmt::Display for First<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            [] => Ok(()),
            [only] => only.fmt(f),
            [first, others @ ..] => write!(f, "{first} (and {} more)", others.len()),
        }
    }
}
