//! Whose denials are counted.

use alloc::sync::Arc;

use crate::key::{Direction, Owner};

/// Who denies packets: the policies and profiles of a program, and the ends of tiers and of profiles.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Denier {
    /// The tier; `None` of profiles.
    pub tier: Option<Arc<str>>,
    /// The policy or profile; `None` if no rule of the tier, or of the profiles, matched.
    pub owner: Option<Owner>,
    /// Direction of the packets, seen from the endpoint.
    pub direction: Direction,
}

/// How many packets somebody has denied.
#[cfg(feature = "nft-wire")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Denied<'a> {
    /// Who it is.
    pub denier: &'a Denier,
    /// Packets so far.
    pub packets: u64,
    /// Octets of these, from the IP header on.
    pub octets: u64,
}
