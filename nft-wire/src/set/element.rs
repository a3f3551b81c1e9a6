//! Elements of sets and maps.

use crate::attr::{Bytes, record};
use crate::comment::{COMMENT, commented};
use crate::expr::{Expr, Exprs};
use crate::name::Name;
use crate::verdict::Data;

record! {
    /// An element of a set.
    pub struct Element {
        must {}
        may {
            /// Its key; nothing, of the element for all that no other matches.
            key: Data = 1,
            /// The highest key, of a set of several parts.
            key_end: Data = 10,
            /// What a map holds for it.
            data: Data = 2,
            /// 1: the interval before it ends here; 2: it is for all that no other matches.
            flags: u32 = 3,
            /// Milliseconds that it stays.
            timeout: u64 = 4,
            /// Milliseconds that it still stays.
            expiration: u64 = 5,
            /// Whatever its maker wants to remember.
            userdata: Bytes = 6,
            /// What it does for each packet, if that is one expression.
            expr: Expr = 7,
            /// The object that a map holds for it.
            object: Name = 9,
            /// What it does for each packet.
            exprs: Exprs = 11,
        }
        keep {
            /// Attributes that this crate does not know, as they were read.
            unknown, but 8
        }
    }
}

impl Element {
    /// An interval ends before this key.
    pub const INTERVAL_END: u32 = 1;
    /// For all that no other element matches.
    pub const CATCHALL: u32 = 2;

    /// An element of this key.
    #[must_use]
    pub fn of(key: impl AsRef<[u8]>) -> Self {
        Self { key: Some(Data::value(key)), ..Self::new() }
    }

    /// The same with these data.
    #[must_use]
    pub fn data(self, data: impl Into<Data>) -> Self {
        Self { data: Some(data.into()), ..self }
    }

    /// The same with these flags.
    #[must_use]
    pub fn flags(self, flags: u32) -> Self {
        Self { flags: Some(flags), ..self }
    }

    /// The same up to this key, of a set of several parts.
    #[must_use]
    pub fn to(self, key: impl AsRef<[u8]>) -> Self {
        Self { key_end: Some(Data::value(key)), ..self }
    }

    /// The same, gone after so many milliseconds.
    #[must_use]
    pub fn timeout_ms(self, timeout: u64) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// The same for this object, of a map of objects.
    #[must_use]
    pub fn object(self, object: Name) -> Self {
        Self { object: Some(object), ..self }
    }

    /// The element for all that no other one matches (Linux 5.13), `*` of nft.
    #[must_use]
    pub fn catchall() -> Self {
        Self::new().flags(Self::CATCHALL)
    }
}

commented!(Element, COMMENT);
