//! COMMUNITIES and CLUSTER_LIST: lists of four-octet values.

use core::fmt;
use core::net::Ipv4Addr;

use crate::cursor::Writer;
use crate::error::EncodeError;

/// A community (RFC 1997): by convention an AS number and a value of its choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Community(u32);

impl Community {
    /// Not to be advertised to external peers.
    pub const NO_EXPORT: Self = Self(0xffff_ff01);
    /// Not to be advertised to anybody.
    pub const NO_ADVERTISE: Self = Self(0xffff_ff02);
    /// Not to be advertised to external peers, not even inside the confederation.
    pub const NO_EXPORT_SUBCONFED: Self = Self(0xffff_ff03);

    /// The community with this number.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The community `asn:value`.
    pub const fn of(asn: u16, value: u16) -> Self {
        Self((asn as u32) << 16 | value as u32)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0 >> 16, self.0 & 0xffff)
    }
}

macro_rules! list {
    ($(#[$doc:meta])* $list:ident, $(#[$iter_doc:meta])* $iter:ident, $item:ty, $of:expr, $to:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $list<'a>(Repr<'a, $item>);

        impl<'a> $list<'a> {
            /// The list to send.
            pub const fn list(items: &'a [$item]) -> Self {
                Self(Repr::List(items))
            }

            /// The value of the attribute; `None` unless it has four octets an item, and at least one (RFC 7606 §7).
            pub fn from_wire(bytes: &'a [u8]) -> Option<Self> {
                (!bytes.is_empty() && bytes.len() % 4 == 0).then_some(Self(Repr::Wire(bytes)))
            }

            /// The items in order.
            pub const fn iter(&self) -> $iter<'a> {
                $iter(self.0)
            }

            /// How many there are.
            pub const fn len(&self) -> usize {
                match self.0 {
                    Repr::Wire(bytes) => bytes.len() / 4,
                    Repr::List(items) => items.len(),
                }
            }

            /// Whether there are none, which cannot be sent.
            pub const fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Whether `item` is listed.
            pub fn contains(&self, item: $item) -> bool {
                self.iter().any(|i| i == item)
            }

            pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
                match self.0 {
                    Repr::Wire(bytes) => w.put(bytes),
                    Repr::List(items) => items.iter().try_for_each(|&item| w.u32($to(item))),
                }
            }
        }

        impl<'a> IntoIterator for $list<'a> {
            type Item = $item;
            type IntoIter = $iter<'a>;

            fn into_iter(self) -> $iter<'a> {
                self.iter()
            }
        }

        impl PartialEq for $list<'_> {
            fn eq(&self, other: &Self) -> bool {
                self.iter().eq(other.iter())
            }
        }

        impl Eq for $list<'_> {}

        impl fmt::Debug for $list<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_list().entries(self.iter()).finish()
            }
        }

        $(#[$iter_doc])*
        #[derive(Clone)]
        pub struct $iter<'a>(Repr<'a, $item>);

        impl Iterator for $iter<'_> {
            type Item = $item;

            fn next(&mut self) -> Option<$item> {
                match &mut self.0 {
                    Repr::Wire(bytes) => {
                        let (head, rest) = bytes.split_first_chunk::<4>()?;
                        *bytes = rest;
                        Some($of(u32::from_be_bytes(*head)))
                    }
                    Repr::List(items) => {
                        let (head, rest) = items.split_first()?;
                        *items = rest;
                        Some(*head)
                    }
                }
            }
        }

        impl fmt::Debug for $iter<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_list().entries(self.clone()).finish()
            }
        }
    };
}

#[derive(Clone, Copy)]
enum Repr<'a, T> {
    Wire(&'a [u8]),
    List(&'a [T]),
}

list!(
    /// The value of COMMUNITIES.
    Communities,
    /// Iterator over [`Communities`].
    CommunityIter,
    Community,
    Community,
    Community::get
);

list!(
    /// The value of CLUSTER_LIST: the last reflector first.
    ClusterList,
    /// Iterator over [`ClusterList`].
    ClusterIds,
    Ipv4Addr,
    Ipv4Addr::from,
    u32::from
);
