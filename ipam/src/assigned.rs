//! Requests and what came of them.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::pool::Use;
use crate::span::Family;

/// The owner of all load balancer addresses.
pub const LOAD_BALANCER: &str = "load-balancer";

/// Addresses at both ends of every block that a node keeps for itself, as Windows does.
///
/// They are marked when a block is made, under [`WINDOWS_RESERVED_HANDLE`](crate::WINDOWS_RESERVED_HANDLE); a block with
/// no others counts as empty. Blocks that would have no other address are not used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "two ends, and there are no more")]
pub struct HostReserve {
    /// How many of the first addresses.
    pub start: u32,
    /// How many of the last addresses.
    pub end: u32,
}

impl HostReserve {
    /// What Windows takes: gateway, network and two more.
    pub const WINDOWS: Self = Self { start: 3, end: 1 };

    /// The longest prefix of a block that leaves an address.
    pub(crate) fn longest(self, family: Family) -> u8 {
        let taken = self.start.saturating_add(self.end);
        family.bits() - u8::try_from(u32::BITS - taken.leading_zeros()).unwrap_or(u8::MAX).min(family.bits())
    }
}

/// A request for any addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssignRequest {
    /// What to release them by later; one key segment (see [`is_segment`](crate::keys::is_segment)).
    pub handle: String,
    /// Name of the node that asks; one key segment. Not used for load balancers.
    pub host: String,
    /// What they are for.
    pub intended_use: Use,
    /// How many IPv4 addresses. Default 0.
    pub num4: u32,
    /// How many IPv6 addresses. Default 0.
    pub num6: u32,
    /// CIDRs of the IPv4 pools to use, in this order; empty (default) for those that select the node and namespace.
    pub pools4: Vec<Ipv4Net>,
    /// CIDRs of the IPv6 pools to use, in this order; empty (default) for those that select the node and namespace.
    pub pools6: Vec<Ipv6Net>,
    /// What to remember of the owner: `pod`, `namespace`, `node`, `type`, `timestamp` ...
    pub attributes: BTreeMap<String, String>,
    /// At most this many blocks for the node, if that is less than configured. Default: as configured.
    pub max_blocks: Option<u32>,
    /// At most this many addresses of one family under the handle, those it has already included. Default: any number.
    pub max_per_handle: Option<u32>,
    /// What the node keeps of every block that is made for it. Default: nothing.
    pub host_reserve: Option<HostReserve>,
}

impl AssignRequest {
    /// A request for nothing yet.
    #[must_use]
    pub fn new(handle: impl Into<String>, host: impl Into<String>, intended_use: Use) -> Self {
        Self {
            handle: handle.into(),
            host: host.into(),
            intended_use,
            num4: 0,
            num6: 0,
            pools4: Vec::new(),
            pools6: Vec::new(),
            attributes: BTreeMap::new(),
            max_blocks: None,
            max_per_handle: None,
            host_reserve: None,
        }
    }

    /// Asks for this many IPv4 addresses.
    #[must_use]
    pub const fn v4(mut self, num: u32) -> Self {
        self.num4 = num;
        self
    }

    /// Asks for this many IPv6 addresses.
    #[must_use]
    pub const fn v6(mut self, num: u32) -> Self {
        self.num6 = num;
        self
    }

    /// Only from these IPv4 pools.
    #[must_use]
    pub fn pools4(mut self, cidrs: impl Into<Vec<Ipv4Net>>) -> Self {
        self.pools4 = cidrs.into();
        self
    }

    /// Only from these IPv6 pools.
    #[must_use]
    pub fn pools6(mut self, cidrs: impl Into<Vec<Ipv6Net>>) -> Self {
        self.pools6 = cidrs.into();
        self
    }

    /// Remembers this of the owner.
    #[must_use]
    pub fn attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(key.into(), value.into());
        self
    }

    /// At most this many blocks.
    #[must_use]
    pub const fn max_blocks(mut self, limit: u32) -> Self {
        self.max_blocks = Some(limit);
        self
    }

    /// At most this many addresses of one family under the handle.
    #[must_use]
    pub const fn max_per_handle(mut self, limit: u32) -> Self {
        self.max_per_handle = Some(limit);
        self
    }

    /// With this part of every new block kept by the node. Affinity must then be strict.
    #[must_use]
    pub const fn host_reserve(mut self, reserve: HostReserve) -> Self {
        self.host_reserve = Some(reserve);
        self
    }

    pub(crate) fn named(&self, family: Family) -> Vec<IpNet> {
        match family {
            Family::V4 => self.pools4.iter().copied().map(IpNet::V4).collect(),
            Family::V6 => self.pools6.iter().copied().map(IpNet::V6).collect(),
        }
    }
}

/// A request for one particular address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddressRequest {
    /// The address.
    pub address: IpAddr,
    /// What to release it by later; one key segment.
    pub handle: String,
    /// Name of the node that asks; one key segment. Not used for load balancers.
    pub host: String,
    /// What it is for.
    pub intended_use: Use,
    /// What to remember of the owner.
    pub attributes: BTreeMap<String, String>,
    /// At most this many addresses of one family under the handle, those it has already included. Default: any number.
    pub max_per_handle: Option<u32>,
}

impl AddressRequest {
    /// A request for this address.
    #[must_use]
    pub fn new(
        address: IpAddr,
        handle: impl Into<String>,
        host: impl Into<String>,
        intended_use: Use,
    ) -> Self {
        let (handle, host) = (handle.into(), host.into());
        Self { address, handle, host, intended_use, attributes: BTreeMap::new(), max_per_handle: None }
    }

    /// Remembers this of the owner.
    #[must_use]
    pub fn attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(key.into(), value.into());
        self
    }

    /// At most this many addresses of one family under the handle.
    #[must_use]
    pub const fn max_per_handle(mut self, limit: u32) -> Self {
        self.max_per_handle = Some(limit);
        self
    }
}

/// Why fewer addresses came than were asked for. Texts are the reference's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// The node owns as many blocks as it may.
    BlockLimit(u32),
    /// The node's blocks are full, and it may not borrow.
    Strict,
    /// Nothing could be borrowed from these pools either.
    PoolsFull(Vec<IpNet>),
    /// The record of this block, the node's own, cannot be read.
    Unreadable(IpNet),
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlockLimit(limit) => write!(
                f,
                "Need to allocate an IPAM block but could not - limit of {limit} blocks reached for this node"
            ),
            Self::Strict => f.write_str("No more free affine blocks and strict affinity enabled"),
            Self::PoolsFull(pools) => {
                f.write_str("No IPs available in pools: [")?;
                for (at, pool) in pools.iter().enumerate() {
                    let gap = if at == 0 { "" } else { " " };
                    write!(f, "{gap}{pool}")?;
                }
                f.write_str("]")
            }
            Self::Unreadable(cidr) => write!(f, "Failed to read the block {cidr}"),
        }
    }
}

/// What was assigned in one family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FamilyAssigned {
    /// How many addresses were asked for.
    pub requested: u32,
    /// The addresses, each with the prefix length **of its block** (not 32 or 128).
    pub addresses: Vec<IpNet>,
    /// Why there are fewer than asked for; also what was met on the way when there are not.
    pub messages: Vec<Message>,
}

impl FamilyAssigned {
    /// How many addresses are still missing.
    pub(crate) fn missing(&self) -> usize {
        usize::try_from(self.requested).unwrap_or(usize::MAX).saturating_sub(self.addresses.len())
    }

    fn shortfall(&self, family: Family) -> Option<Shortfall> {
        (self.missing() > 0).then(|| Shortfall {
            family,
            requested: self.requested,
            assigned: self.addresses.len(),
            messages: self.messages.clone(),
        })
    }
}

/// What was assigned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assigned {
    /// IPv4.
    pub v4: FamilyAssigned,
    /// IPv6.
    pub v6: FamilyAssigned,
}

impl Assigned {
    /// All addresses, IPv4 first, each with the prefix length of its block.
    pub fn addresses(&self) -> impl Iterator<Item = IpNet> {
        self.v4.addresses.iter().chain(&self.v6.addresses).copied()
    }

    /// The first family in which fewer addresses came than were asked for.
    #[must_use]
    pub fn shortfall(&self) -> Option<Shortfall> {
        self.v4.shortfall(Family::V4).or_else(|| self.v6.shortfall(Family::V6))
    }

    pub(crate) const fn family_mut(&mut self, family: Family) -> &mut FamilyAssigned {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

/// Fewer addresses than asked for. The text is the reference's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shortfall {
    /// The family.
    pub family: Family,
    /// How many were asked for.
    pub requested: u32,
    /// How many came.
    pub assigned: usize,
    /// Why.
    pub messages: Vec<Message>,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, requested, assigned, .. } = self;
        write!(f, "Assigned {assigned} out of {requested} requested IPv{} addresses", family.version())?;
        for (at, message) in self.messages.iter().enumerate() {
            if !self.messages.iter().take(at).any(|earlier| earlier == message) {
                write!(f, "; {message}")?;
            }
        }
        Ok(())
    }
}

/// An address to release.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ReleaseRequest {
    /// The address.
    pub address: IpAddr,
    /// Only if it belongs to this handle. Default: whoever's it is.
    pub handle: Option<String>,
    /// Only if it was assigned at this sequence number of its block. Default: whenever it was.
    pub sequence: Option<u64>,
}

impl ReleaseRequest {
    /// Releases this address, whoever's it is.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self { address, handle: None, sequence: None }
    }

    /// Only if it belongs to this handle.
    #[must_use]
    pub fn handle(mut self, handle: impl Into<String>) -> Self {
        self.handle = Some(handle.into());
        self
    }

    /// Only if it was assigned at this sequence number.
    #[must_use]
    pub const fn sequence(mut self, sequence: u64) -> Self {
        self.sequence = Some(sequence);
        self
    }
}

/// What became of addresses that were to be released.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Released {
    /// Released now.
    pub released: Vec<IpAddr>,
    /// Not assigned, or resting since an earlier release.
    pub unallocated: Vec<IpAddr>,
}
