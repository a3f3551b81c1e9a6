//! Expressions: what a rule is made of.

mod act;
mod compare;
mod limit;
mod meta;
mod nat;
mod number;
mod packet;
mod state;

use alloc::vec::Vec;

pub use act::{FlowOffload, Immediate, Log, Notrack, Objref, Queue, Reject, RejectType};
pub use compare::{
    Bitwise, BitwiseOp, Byteorder, ByteorderOp, Cmp, CmpOp, Dynset, DynsetOp, Lookup, Range, RangeOp,
};
pub use limit::{Connlimit, Counter, Last, Limit, LimitType, Quota};
pub use meta::{Meta, MetaKey};
pub use nat::{Masq, Nat, NatType, Redir, Tproxy};
pub use number::{Hash, HashType, Numgen, NumgenType};
pub use packet::{Base, Checksum, Exthdr, ExthdrOp, Payload};
pub use state::{Ct, CtKey, Fib, FibResult, Rt, RtKey, Socket, SocketKey};

use crate::attr::{Attrs, Bytes, Field, HEADER, NESTED, Writer, code};

code! {
    /// Kind of an object of a table.
    pub struct ObjectType: u32 {
        /// A counter.
        COUNTER = 1,
        /// A quota.
        QUOTA = 2,
        /// A helper of connection tracking.
        CT_HELPER = 3,
        /// A limit.
        LIMIT = 4,
        /// A limit of connections.
        CONNLIMIT = 5,
        /// A tunnel.
        TUNNEL = 6,
        /// Time-outs of connection tracking.
        CT_TIMEOUT = 7,
        /// A security mark.
        SECMARK = 8,
        /// A connection that is expected.
        CT_EXPECT = 9,
        /// A proxy for SYNs.
        SYNPROXY = 10,
    }
}

macro_rules! exprs {
    ($($(#[$meta:meta])* $variant:ident = $name:literal,)*) => {
        /// One step of a rule: it loads, compares or does something. The rule ends where a comparison fails.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Expr {
            $($(#[$meta])* $variant($variant),)*
            /// An expression that this crate does not know, or that says more than this crate knows of it: as it was read.
            Other {
                /// Its name, without the zero at the end.
                name: Bytes,
                /// Its attributes.
                data: Bytes,
            },
        }

        $(impl sealed::Sealed for $variant {
            #[inline]
            fn encode(&self, bytes: &mut Vec<u8>) -> bool {
                const HEAD: [u8; head_len($name)] = head($name);
                let mut writer = Writer::new(bytes);
                writer.nest_behind(&HEAD, head_len($name) - HEADER, |writer| self.write(writer));
                writer.is_whole()
            }
        })*

        impl Expr {
            fn write_data(&self, writer: &mut Writer<'_>) {
                match self {
                    $(Self::$variant(expr) => write_named($name, expr, writer),)*
                    Self::Other { name, data } => {
                        writer.text(1, name);
                        writer.nest(2, |writer| writer.raw(data));
                    }
                }
            }

            fn read_data(name: &[u8], data: &[u8], is_inside: bool) -> Self {
                let known = match name {
                    // Nor does the kernel take one inside another, so that nothing can lie ever deeper.
                    b"dynset" if is_inside => None,
                    $(name if name == $name.as_bytes() => $variant::read(data).map(Self::$variant),)*
                    _ => None,
                };
                known.unwrap_or_else(|| Self::Other {
                    name: Bytes::from_slice(name),
                    data: Bytes::from_slice(data),
                })
            }
        }

        $(impl From<$variant> for Expr {
            fn from(expr: $variant) -> Self {
                Self::$variant(expr)
            }
        })*
    };
}

exprs! {
    /// `meta iifname`, `meta mark set`, ...
    Meta = "meta",
    /// `ip saddr`, `tcp dport`, `@th,0,16`, ...
    Payload = "payload",
    /// `ct state`, `ct mark set`, ...
    Ct = "ct",
    /// `rt nexthop`, ...
    Rt = "rt",
    /// `fib saddr . iif oif`, ...
    Fib = "fib",
    /// `socket transparent`, ...
    Socket = "socket",
    /// `tcp option maxseg size`, ...
    Exthdr = "exthdr",
    /// `numgen inc mod 2`, ...
    Numgen = "numgen",
    /// `jhash ip saddr mod 2`, ...
    Hash = "hash",
    /// `tproxy to :3128`.
    Tproxy = "tproxy",
    /// `==`, `!=`, `<`, ...
    Cmp = "cmp",
    /// `10-20`, `!= 10-20`.
    Range = "range",
    /// `& 0xff`, `<< 8`, ...
    Bitwise = "bitwise",
    /// Numbers turned around.
    Byteorder = "byteorder",
    /// `@set`, `map @map`, `vmap @map`.
    Lookup = "lookup",
    /// `add @set { ... }`, `update @set { ... }`.
    Dynset = "dynset",
    /// `accept`, `drop`, `jump chain`, and data for others.
    Immediate = "immediate",
    /// `counter`.
    Counter = "counter",
    /// `limit rate 10/second`.
    Limit = "limit",
    /// `ct count over 10`.
    Connlimit = "connlimit",
    /// `quota over 10 mbytes`.
    Quota = "quota",
    /// `last`.
    Last = "last",
    /// `log prefix "..." group 1`.
    Log = "log",
    /// `reject with tcp reset`, ...
    Reject = "reject",
    /// `snat to`, `dnat to`.
    Nat = "nat",
    /// `masquerade`.
    Masq = "masq",
    /// `redirect to :8080`.
    Redir = "redir",
    /// `notrack`.
    Notrack = "notrack",
    /// `queue num 0`.
    Queue = "queue",
    /// `counter name "..."`, ...
    Objref = "objref",
    /// `flow add @table`.
    FlowOffload = "flow_offload",
}

/// What a rule is made of: each of the structures of this module, and an [`Expr`] of any of them.
pub trait Expression: sealed::Sealed {}

impl<S: sealed::Sealed> Expression for S {}

pub(crate) mod sealed {
    use alloc::vec::Vec;

    #[expect(unnameable_types, reason = "nobody else may implement it")]
    pub trait Sealed {
        /// Its attribute in a list of expressions; whether it is whole.
        fn encode(&self, bytes: &mut Vec<u8>) -> bool;
    }
}

impl sealed::Sealed for Expr {
    fn encode(&self, bytes: &mut Vec<u8>) -> bool {
        let mut writer = Writer::new(bytes);
        writer.put(ELEMENT, self);
        writer.is_whole()
    }
}

/// How many bytes stand before the attributes of an expression of this name.
const fn head_len(name: &str) -> usize {
    2 * HEADER + (name.len() + 1).next_multiple_of(4) + HEADER
}

/// What stands there: the header of the element, the name, and the header of what is inside, whose lengths come later.
#[expect(clippy::indexing_slicing, reason = "of a constant: what is out of bounds does not compile")]
#[expect(clippy::cast_possible_truncation, reason = "names are short")]
const fn head<const LEN: usize>(name: &str) -> [u8; LEN] {
    const fn put(whole: &mut [u8], place: usize, number: u16) {
        [whole[place], whole[place + 1]] = number.to_ne_bytes();
    }
    let (mut whole, name) = ([0; LEN], name.as_bytes());
    put(&mut whole, 2, ELEMENT | NESTED);
    put(&mut whole, HEADER, (HEADER + name.len() + 1) as u16);
    put(&mut whole, HEADER + 2, 1);
    let mut place = 0;
    while place < name.len() {
        whole[2 * HEADER + place] = name[place];
        place += 1;
    }
    put(&mut whole, LEN - 2, 2 | NESTED);
    whole
}

#[inline]
fn write_named<E: Field>(name: &str, expr: &E, writer: &mut Writer<'_>) {
    writer.text(1, name.as_bytes());
    writer.put(2, expr);
}

impl Field for Expr {
    const FLAGS: u16 = NESTED;

    fn write(&self, writer: &mut Writer<'_>) {
        self.write_data(writer);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Self::read_at(bytes, false)
    }
}

impl Expr {
    /// One that an element does, as a [`Dynset`] makes it.
    fn read_inside(bytes: &[u8]) -> Option<Self> {
        Self::read_at(bytes, true)
    }

    fn read_at(bytes: &[u8], is_inside: bool) -> Option<Self> {
        let (mut name, mut data): (Option<&[u8]>, &[u8]) = (None, &[]);
        let mut attrs = Attrs(bytes);
        for attr in attrs.by_ref() {
            match attr.kind {
                1 => name = attr.value.split(|byte| *byte == 0).next(),
                2 => data = attr.value,
                _ => return None,
            }
        }
        attrs.is_empty().then_some(())?;
        Some(Self::read_data(name?, data, is_inside))
    }
}

/// The expressions of a rule or of an element, in their order.
pub type Exprs = Vec<Expr>;

/// Type of an element of a list.
const ELEMENT: u16 = 1;

impl Field for Exprs {
    const FLAGS: u16 = NESTED;

    fn write(&self, writer: &mut Writer<'_>) {
        self.iter().for_each(|expr| writer.put(ELEMENT, expr));
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut attrs = Attrs(bytes);
        let exprs = attrs.by_ref().map(|attr| Expr::read(attr.value)).collect::<Option<_>>()?;
        attrs.is_empty().then_some(exprs)
    }
}
