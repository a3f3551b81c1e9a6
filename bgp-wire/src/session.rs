//! What two OPENs agreed on.

use crate::capability::CapabilityCode;
use crate::family::FamilySet;
use crate::open::{HoldTime, Open};

/// The agreement that decides how the bytes of a session are read, written and judged.
///
/// The default is what holds before any OPEN: two-octet AS numbers, an internal peer, IPv4 unicast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Session {
    /// AS numbers in AS_PATH and AGGREGATOR have four octets.
    pub four_octet_as: bool,
    /// The peer is in another AS: LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST from it are discarded (RFC 7606 §7).
    pub external: bool,
    /// Both sides sent the route refresh capability.
    pub route_refresh: bool,
    /// Families that both sides carry, of those this crate types.
    pub families: FamilySet,
    /// The smaller of the two hold times.
    pub hold_time: HoldTime,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            four_octet_as: false,
            external: false,
            route_refresh: false,
            families: FamilySet::IPV4,
            hold_time: HoldTime::DEFAULT,
        }
    }
}

impl Session {
    /// The agreement between the OPEN that was sent and the one that was received; the order does not matter.
    ///
    /// `families` may come out empty: whether to refuse the session then is the speaker's choice.
    pub fn negotiate(local: &Open<'_>, remote: &Open<'_>) -> Self {
        let (ours, theirs) = (local.capabilities(), remote.capabilities());
        let both = |code| ours.contains(code) && theirs.contains(code);
        Self {
            four_octet_as: both(CapabilityCode::FOUR_OCTET_AS),
            external: local.asn() != remote.asn(),
            route_refresh: both(CapabilityCode::ROUTE_REFRESH),
            families: ours.families().intersection(theirs.families()),
            hold_time: local.hold_time().min(remote.hold_time()),
        }
    }
}
