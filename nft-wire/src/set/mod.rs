//! Sets and maps.

mod element;

use alloc::vec::Vec;

pub use element::Element;

use crate::attr::{Attrs, Bytes, Field, NESTED, Writer, code, record};
use crate::comment::{SET_COMMENT, commented};
use crate::expr::{Expr, Exprs, ObjectType};
use crate::name::Name;

/// Parts of a key, by their lengths in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a list of lengths and nothing else")]
pub struct Parts(pub Vec<u32>);

/// Type of an attribute that is an element of a list.
const LIST_ELEM: u16 = 1;

impl Field for Parts {
    const FLAGS: u16 = NESTED;

    fn write(&self, writer: &mut Writer<'_>) {
        self.0.iter().for_each(|len| writer.nest(LIST_ELEM, |writer| writer.put(1, len)));
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let part = |list: &[u8]| match Attrs(list).next() {
            Some(attr) if attr.kind == 1 && list.len() == 8 => u32::read(attr.value),
            _ => None,
        };
        let mut attrs = Attrs(bytes);
        let parts = attrs.by_ref().map(|attr| part(attr.value)).collect::<Option<_>>()?;
        attrs.is_empty().then_some(Self(parts))
    }
}

record! {
    /// How a set is laid out.
    pub struct Layout {
        must {}
        may {
            /// How many elements it may have. The kernel picks a faster kind of set where it knows.
            size: u32 = 1,
            /// The parts of its key, where there are several.
            parts: Parts = 2,
        }
    }
}

code! {
    /// What a set is good at.
    pub struct SetPolicy: u32 {
        /// Look-ups.
        PERFORMANCE = 0,
        /// Memory.
        MEMORY = 1,
    }
}

code! {
    /// Type of a key or of data. The kernel only keeps it, for who prints the set; `nft` knows these.
    ///
    /// Types of a key of several parts are joined by [`then`](Self::then).
    pub struct Type: u32 {
        /// A verdict: data of a map.
        VERDICT = 0xffff_ff00,
        /// Protocol of IP, `ipv4`, `ipv6`; 1 byte.
        NF_PROTO = 2,
        /// A number in the order of the host, 4 bytes.
        INTEGER = 4,
        /// Bytes.
        STRING = 5,
        /// An IPv4 address, 4 bytes.
        IPV4_ADDR = 7,
        /// An IPv6 address, 16 bytes.
        IPV6_ADDR = 8,
        /// A MAC address, 6 bytes.
        ETHER_ADDR = 9,
        /// A protocol above IP, 1 byte.
        INET_PROTO = 12,
        /// A port, 2 bytes.
        INET_SERVICE = 13,
        /// A firewall mark, 4 bytes.
        MARK = 19,
        /// Name of an interface, 16 bytes.
        IFNAME = 41,
    }
}

impl Type {
    /// Bits of a type in one of several parts.
    const BITS: u32 = 6;

    /// What `nft` calls the order of its bytes: 1 for numbers in the order of the host and texts, 2 for that of the network.
    const fn order(self) -> u32 {
        if matches!(self, Self::INTEGER | Self::STRING | Self::MARK | Self::IFNAME) { 1 } else { 2 }
    }

    /// A key of this and then of another part. At most five parts have types; a sixth would push the first out.
    #[must_use]
    pub const fn then(self, part: Self) -> Self {
        Self::new(self.get() << Self::BITS | part.get())
    }
}

record! {
    /// A set, or a map, of a table.
    pub struct Set {
        must {
            /// Its table.
            table: Name = 1,
            /// Its name; with `%d` in that of an anonymous one, for a number of the kernel.
            name: Name = 2,
        }
        may {
            /// Bits of [`INTERVAL`](Self::INTERVAL) and its like.
            flags: u32 = 3,
            /// Type of its keys.
            key_type: Type = 4,
            /// Bytes of its keys: each part of several begins at a multiple of four.
            key_len: u32 = 5,
            /// Type of the data of a map.
            data_type: Type = 6,
            /// Bytes of the data of a map.
            data_len: u32 = 7,
            /// What it is good at.
            policy: SetPolicy = 8,
            /// How it is laid out.
            layout: Layout = 9,
            /// Its number in this batch. The kernel wants one.
            id: u32 = 10,
            /// Milliseconds that an element stays, where it does not say itself.
            timeout: u64 = 11,
            /// Milliseconds from one search for elements that are gone to the next.
            gc_interval: u32 = 12,
            /// Whatever its maker wants to remember, at most 256 bytes.
            userdata: Bytes = 13,
            /// Kind of the objects that a map holds.
            object_type: ObjectType = 15,
            /// The kernel's number of it.
            handle: u64 = 16,
            /// What each element does for each packet, if that is one expression.
            expr: Expr = 17,
            /// What each element does for each packet.
            exprs: Exprs = 18,
        }
        keep {
            /// Attributes that this crate does not know, as they were read.
            unknown, but 14
        }
    }
}

impl Set {
    /// It has no name of its own, and goes with the rule that uses it.
    pub const ANONYMOUS: u32 = 1;
    /// It does not change once it is used.
    pub const CONSTANT: u32 = 2;
    /// Its elements are intervals.
    pub const INTERVAL: u32 = 4;
    /// It is a map: elements have data.
    pub const MAP: u32 = 8;
    /// Elements may go after a time.
    pub const TIMEOUT: u32 = 0x10;
    /// Packets may add elements.
    pub const EVAL: u32 = 0x20;
    /// It is a map of objects.
    pub const OBJECT: u32 = 0x40;
    /// Its key has several parts, which may be intervals.
    pub const CONCAT: u32 = 0x80;
    /// Elements have expressions.
    pub const EXPR: u32 = 0x100;

    /// A set of keys of this type and of so many bytes. `id` is its number in the batch, not used twice there.
    #[must_use]
    pub fn of(table: Name, name: Name, id: u32, key_type: Type, key_len: u32) -> Self {
        // What nft reads the order of the key's bytes from: its type, its length, and 1 for the host's, 2 for the network's.
        let mut userdata = Bytes::from_slice(&[0, 4]);
        userdata.extend_from_slice(&key_type.order().to_ne_bytes());
        Self {
            flags: Some(0),
            key_type: Some(key_type),
            key_len: Some(key_len),
            id: Some(id),
            userdata: Some(userdata),
            ..Self::new(table, name)
        }
    }

    /// The same with these flags, too.
    #[must_use]
    pub fn flags(self, flags: u32) -> Self {
        Self { flags: Some(self.flags.unwrap_or(0) | flags), ..self }
    }

    /// The same as a map to data of this type and of so many bytes; verdicts have 0.
    #[must_use]
    pub fn map(self, data_type: Type, data_len: u32) -> Self {
        // The order of the data's bytes, as that of the keys.
        let userdata = self.userdata.map(|mut userdata| {
            userdata.extend_from_slice(&[1, 4]);
            userdata.extend_from_slice(&data_type.order().to_ne_bytes());
            userdata
        });
        Self { data_type: Some(data_type), data_len: Some(data_len), userdata, ..self }.flags(Self::MAP)
    }

    /// The same for at most so many elements.
    #[must_use]
    pub fn size(self, size: u32) -> Self {
        let parts = self.layout.and_then(|layout| layout.parts);
        Self { layout: Some(Layout { size: Some(size), parts }), ..self }
    }

    /// The same with a key of parts of these lengths, which may be intervals.
    #[must_use]
    pub fn parts(self, parts: &[u32]) -> Self {
        let size = self.layout.and_then(|layout| layout.size);
        let layout = Layout { size, parts: Some(Parts(parts.into())) };
        Self { layout: Some(layout), ..self }.flags(Self::CONCAT | Self::INTERVAL)
    }

    /// The same with elements that stay so many milliseconds, where they do not say themselves.
    #[must_use]
    pub fn timeout_ms(self, timeout: u64) -> Self {
        Self { timeout: Some(timeout), ..self }.flags(Self::TIMEOUT)
    }

    /// The same with elements that do this for each packet: count it, limit it. Several need Linux 5.11.
    #[must_use]
    pub fn each(self, exprs: Exprs) -> Self {
        let set = self.flags(Self::EXPR);
        match <[Expr; 1]>::try_from(exprs) {
            Ok([expr]) => Self { expr: Some(expr), ..set },
            Err(exprs) => Self { exprs: Some(exprs), ..set },
        }
    }

    /// The same as a map to objects of this kind.
    #[must_use]
    pub fn objects(self, kind: ObjectType) -> Self {
        Self { object_type: Some(kind), ..self }.flags(Self::OBJECT)
    }
}

commented!(Set, SET_COMMENT);
