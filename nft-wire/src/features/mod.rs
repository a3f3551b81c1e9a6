//! What a kernel can do of what not every kernel can.

#[cfg(feature = "socket")]
mod trial;

use core::fmt;

#[cfg(feature = "socket")]
pub(crate) use trial::{judge, trial};

macro_rules! features {
    ($($(#[$meta:meta])* $feature:ident = $name:literal,)*) => {
        /// Something that not every kernel can: because it is too old, or was built without a part.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Feature {
            $($(#[$meta])* $feature,)*
        }

        impl Feature {
            /// All that this crate knows of.
            pub const ALL: &'static [Self] = &[$(Self::$feature,)*];

            /// Its name, for configuration and logs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$feature => $name,)*
                }
            }
        }
    };
}

features! {
    /// [`Table::OWNER`](crate::Table::OWNER): nobody else can change the table. Linux 5.12.
    Owner = "owner",
    /// [`Table::PERSIST`](crate::Table::PERSIST): an owned table outlives its owner, whose successor takes it up. Linux 6.9.
    Persist = "persist",
    /// [`Batch::destroy`](crate::Batch::destroy): deletes what may not be there, without a look beforehand. Linux 6.3.
    Destroy = "destroy",
    /// Chains of type `nat` in inet tables: one for both families. Linux 5.2.
    InetNat = "inet-nat",
    /// The hook ingress in inet tables: rules of a device share the table's sets. Linux 5.10.
    InetIngress = "inet-ingress",
    /// The hook egress in netdev tables. Linux 5.16.
    Egress = "egress",
    /// Sets of intervals: networks and ranges. Linux 3.13.
    Interval = "interval",
    /// Sets of [several parts](crate::Set::parts), each of which may be an interval. Linux 5.6.
    ConcatInterval = "concat-interval",
    /// Elements that go after a time. Linux 4.1.
    Timeout = "timeout",
    /// Elements that each [do](crate::Set::each) one expression: count, limit. Linux 5.7.
    Each = "each",
    /// Elements that each do several expressions. Linux 5.11.
    EachSeveral = "each-several",
    /// [`Element::catchall`](crate::Element::catchall): an element for all that no other one matches. Linux 5.13.
    Catchall = "catchall",
    /// Maps of objects: each element with its own counter, quota or limit. Linux 4.10.
    ObjectMap = "object-map",
    /// [`Flowtable`](crate::Flowtable): connections pass from device to device without a chain. Linux 4.16.
    Flowtable = "flowtable",
    /// [`expr::Ct`](crate::expr::Ct): states, marks and addresses of connections; stateful rules stand on it.
    Ct = "ct",
    /// `ct zone set`: connections of each zone are apart. Linux 4.11.
    CtZone = "ct-zone",
    /// `ct label set`: 128 bits of each connection. Linux 4.7.
    CtLabels = "ct-labels",
    /// [`expr::Notrack`](crate::expr::Notrack): no connection is looked for.
    Notrack = "notrack",
    /// [`expr::Limit`](crate::expr::Limit).
    Limit = "limit",
    /// [`expr::Connlimit`](crate::expr::Connlimit): how many connections there are.
    Connlimit = "connlimit",
    /// [`expr::Quota`](crate::expr::Quota).
    Quota = "quota",
    /// [`expr::Last`](crate::expr::Last): when a packet came last. Linux 5.14.
    Last = "last",
    /// [`expr::Log`](crate::expr::Log) to the log of the kernel.
    Log = "log",
    /// [`expr::Log`](crate::expr::Log) to a group, for a program that listens.
    LogGroup = "log-group",
    /// [`expr::Reject`](crate::expr::Reject) in inet tables.
    Reject = "reject",
    /// [`expr::Nat`](crate::expr::Nat).
    Nat = "nat",
    /// [`expr::Masq`](crate::expr::Masq).
    Masquerade = "masquerade",
    /// [`expr::Redir`](crate::expr::Redir).
    Redirect = "redirect",
    /// [`expr::Fib`](crate::expr::Fib) in inet tables: whether a sender is where it says.
    Fib = "fib",
    /// [`expr::Rt`](crate::expr::Rt).
    Rt = "rt",
    /// [`expr::Exthdr`](crate::expr::Exthdr) that writes: `tcp option maxseg size set`. Linux 4.14.
    ExthdrSet = "exthdr-set",
    /// [`expr::Payload`](crate::expr::Payload) that writes. Linux 4.5.
    PayloadSet = "payload-set",
    /// [`expr::Socket`](crate::expr::Socket): the socket that would get a packet.
    Socket = "socket",
    /// [`expr::Tproxy`](crate::expr::Tproxy): transparent proxies.
    Tproxy = "tproxy",
    /// [`expr::Numgen`](crate::expr::Numgen): one after the other, or at random.
    Numgen = "numgen",
    /// [`expr::Hash`](crate::expr::Hash): Jenkins' hash, for spreading by address.
    Hash = "hash",
    /// [`expr::Hash`](crate::expr::Hash), the same for both directions of a flow.
    SymmetricHash = "symmetric-hash",
    /// [`expr::Queue`](crate::expr::Queue): hands packets to a program.
    Queue = "queue",
    /// [`expr::Dynset`](crate::expr::Dynset): packets add elements.
    Dynset = "dynset",
    /// [`expr::Dynset`](crate::expr::Dynset) with several expressions for the new element. Linux 5.11.
    DynsetSeveral = "dynset-several",
    /// [`expr::Objref`](crate::expr::Objref): counters, quotas and limits with a name.
    Objref = "objref",
    /// Bits of two registers: [`BitwiseOp::AND`](crate::expr::BitwiseOp::AND) and its like. Linux 6.13.
    BitwiseRegisters = "bitwise-registers",
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a kernel can do of what not every kernel can.
///
/// `Socket::features` of the feature `socket` finds out. Whatever it finds, each can be switched off: where a kernel has a
/// fault, or to see what becomes of a ruleset without it.
///
/// # Example
///
/// ```
/// use tortie_nft_wire::{Feature, Features};
///
/// let features = Features::ALL.without(Feature::Persist).without(Feature::Flowtable);
/// assert!(features.has(Feature::Owner) && !features.has(Feature::Persist));
/// assert_eq!(Features::NONE.with(Feature::Last).to_string(), "last");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Features(u64);

impl Features {
    /// Nothing of it.
    pub const NONE: Self = Self(0);
    /// All of it.
    pub const ALL: Self = Self((1 << Feature::ALL.len()) - 1);

    /// Whether it has this.
    #[must_use]
    pub const fn has(self, feature: Feature) -> bool {
        self.0 & 1 << feature as u64 > 0
    }

    /// The same with this.
    #[must_use]
    pub const fn with(self, feature: Feature) -> Self {
        Self(self.0 | 1 << feature as u64)
    }

    /// The same without this.
    #[must_use]
    pub const fn without(self, feature: Feature) -> Self {
        Self(self.0 & !(1 << feature as u64))
    }

    /// Those that it has.
    pub fn iter(self) -> impl Iterator<Item = Feature> {
        Feature::ALL.iter().copied().filter(move |feature| self.has(*feature))
    }
}

impl FromIterator<Feature> for Features {
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> Self {
        features.into_iter().fold(Self::NONE, Self::with)
    }
}

/// Their names, with blanks between.
impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, feature) in self.iter().enumerate() {
            write!(f, "{}{feature}", if index > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
