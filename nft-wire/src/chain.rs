//! Chains, and where they are hooked in.

use alloc::vec::Vec;

use crate::attr::{Attrs, Bytes, Field, NESTED, Writer, code, record};
use crate::comment::{COMMENT, commented};
use crate::expr::Counter;
use crate::name::Name;

code! {
    /// Where a base chain sees packets. The numbers of IP, IPv6, inet and bridge tables.
    pub struct Hook: u32 {
        /// As they come in.
        PREROUTING = 0,
        /// On their way to this host.
        INPUT = 1,
        /// On their way through this host.
        FORWARD = 2,
        /// As this host makes them.
        OUTPUT = 3,
        /// As they go out.
        POSTROUTING = 4,
        /// In an inet table: as a device gets them (Linux 5.10).
        INET_INGRESS = 5,
    }
}

impl Hook {
    /// In a netdev table: as a device gets them.
    pub const INGRESS: Self = Self::new(0);
    /// In a netdev table: as a device sends them.
    pub const EGRESS: Self = Self::new(1);
}

code! {
    /// What becomes of a packet that no rule of a base chain decides about.
    pub struct Policy: u32 {
        /// It is dropped.
        DROP = 0,
        /// It passes.
        ACCEPT = 1,
    }
}

/// Names of devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a list of names and nothing else")]
pub struct Devices(pub Vec<Name>);

impl Field for Devices {
    const FLAGS: u16 = NESTED;

    fn write(&self, writer: &mut Writer<'_>) {
        self.0.iter().for_each(|name| writer.put(1, name));
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut attrs = Attrs(bytes);
        // Newer kernels have other ways to name devices, with other types.
        let names = attrs.by_ref().map(|attr| Name::read(attr.value).filter(|_| attr.kind == 1));
        let names = names.collect::<Option<_>>()?;
        attrs.is_empty().then_some(Self(names))
    }
}

record! {
    /// Where and when a base chain sees packets.
    pub struct Attachment {
        must {
            /// Where.
            hook: Hook = 1,
            /// Chains of lower priority come first.
            priority: i32 = 2,
        }
        may {
            /// Of a netdev table: the device.
            device: Name = 3,
            /// The devices, if there are several.
            devices: Devices = 4,
        }
    }
}

/// Priorities with names.
impl Attachment {
    /// Before connections are looked for.
    pub const RAW: i32 = -300;
    /// Where connections are looked for, by the kernel itself.
    pub const CONNTRACK: i32 = -200;
    /// Where marks are set.
    pub const MANGLE: i32 = -150;
    /// Where destinations are translated.
    pub const DSTNAT: i32 = -100;
    /// Where packets are filtered.
    pub const FILTER: i32 = 0;
    /// Where security marks are set.
    pub const SECURITY: i32 = 50;
    /// Where sources are translated.
    pub const SRCNAT: i32 = 100;
    /// In a bridge table: where destinations are translated.
    pub const BRIDGE_DSTNAT: i32 = -300;
    /// In a bridge table: where frames are filtered.
    pub const BRIDGE_FILTER: i32 = -200;
    /// In a bridge table: where sources are translated.
    pub const BRIDGE_SRCNAT: i32 = 300;

    /// The same at these devices, instead of one; of netdev tables, and of ingress in inet ones.
    #[must_use]
    pub fn devices(self, devices: impl IntoIterator<Item = Name>) -> Self {
        Self { devices: Some(Devices(devices.into_iter().collect())), ..self }
    }

    /// The same at this device; of netdev tables, and of ingress in inet ones.
    #[must_use]
    pub fn device(self, device: Name) -> Self {
        Self { device: Some(device), ..self }
    }
}

record! {
    /// A chain of rules: a base chain, where the kernel hooks it in, or one that rules jump to.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::{Attachment, Chain, Hook, Name, Policy};
    ///
    /// let (table, name, filter) = (Name::new("demo")?, Name::new("input")?, Name::new("filter")?);
    /// // chain input { type filter hook input priority filter; policy drop; }
    /// let attachment = Attachment::new(Hook::INPUT, Attachment::FILTER);
    /// let input = Chain::new(table.clone(), name.clone()).base(filter.clone(), attachment).policy(Policy::DROP);
    /// // chain input { type filter hook ingress device "eth0" priority -500; }
    /// let attachment = Attachment::new(Hook::INGRESS, -500).device(Name::new("eth0")?);
    /// let ingress = Chain::new(table, name).base(filter, attachment);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Chain {
        must {
            /// Its table.
            table: Name = 1,
            /// Its name.
            name: Name = 3,
        }
        may {
            /// The kernel's number of it.
            handle: u64 = 2,
            /// Where it is hooked in; of a chain that is only jumped to, nothing.
            attachment: Attachment = 4,
            /// What becomes of a packet that no rule decides about.
            policy: Policy = 5,
            /// In an answer: how many rules jump here, and how many it has.
            uses: u32 = 6,
            /// `filter`, `nat` or `route`.
            kind: Name = 7,
            /// What it counted.
            counters: Counter = 8,
            /// Bits of [`HW_OFFLOAD`](Self::HW_OFFLOAD) and its like.
            flags: u32 = 10,
            /// Its number in this batch.
            id: u32 = 11,
            /// Whatever its maker wants to remember, at most 256 bytes.
            userdata: Bytes = 12,
        }
        keep {
            /// Attributes that this crate does not know, as they were read.
            unknown, but 9
        }
    }
}

impl Chain {
    /// It is a base chain; the kernel knows by its attachment.
    pub const BASE: u32 = 1;
    /// The device shall do what it says.
    pub const HW_OFFLOAD: u32 = 2;
    /// It has no name of its own, and goes with the rule that jumps to it.
    pub const BINDING: u32 = 4;

    /// The same as a base chain of a kind: `filter`, `nat` or `route`.
    #[must_use]
    pub fn base(self, kind: Name, attachment: Attachment) -> Self {
        Self { kind: Some(kind), attachment: Some(attachment), ..self }
    }

    /// The same with this policy.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy: Some(policy), ..self }
    }
}

commented!(Chain, COMMENT);
