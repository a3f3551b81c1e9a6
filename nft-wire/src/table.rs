//! Tables.

use crate::attr::{Bytes, record};
use crate::comment::{COMMENT, commented};
use crate::name::Name;

record! {
    /// A table: a room for chains, sets and objects, which see each other.
    pub struct Table {
        must {
            /// Its name.
            name: Name = 1,
        }
        may {
            /// Bits of [`DORMANT`](Self::DORMANT) and its like.
            flags: u32 = 2,
            /// In an answer: how many chains, sets and objects it has.
            uses: u32 = 3,
            /// The kernel's number of it.
            handle: u64 = 4,
            /// Whatever its maker wants to remember, at most 256 bytes.
            userdata: Bytes = 6,
            /// In an answer: the netlink port of its owner.
            owner: u32 = 7,
        }
        keep {
            /// Attributes that this crate does not know, as they were read.
            unknown, but 5
        }
    }
}

impl Table {
    /// It is there, but sees no packets.
    pub const DORMANT: u32 = 1;
    /// Only the socket that makes it may change it, and it goes when that socket is closed.
    pub const OWNER: u32 = 2;
    /// It stays when its owner goes (Linux 6.9).
    pub const PERSIST: u32 = 4;

    /// The same with these flags.
    #[must_use]
    pub fn flags(self, flags: u32) -> Self {
        Self { flags: Some(flags), ..self }
    }
}

commented!(Table, COMMENT);
