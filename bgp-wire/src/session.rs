//! What two OPENs agreed on.

use crate::capability::{CapabilityCode, Role};
use crate::family::FamilySet;
use crate::header::{EXTENDED_MAX_LEN, MAX_LEN};
use crate::open::{HoldTime, Open};

/// The agreement that decides how the bytes of a session are read, written and judged.
///
/// The default is what holds before any OPEN: two-octet AS numbers, an internal peer, IPv4 unicast, nothing optional.
///
/// ```
/// use tortie_bgp_wire::{AddPath, Capability, Family, HoldTime, Records, Open, Session};
///
/// let v6 = Family::IPV6_UNICAST;
/// let (send, both) = ([AddPath::new(v6, AddPath::SEND)], [AddPath::new(v6, AddPath::BOTH)]);
/// let ours = [Capability::Multiprotocol(v6), Capability::AddPath(Records::list(&send)), Capability::ExtendedMessage];
/// let theirs = [Capability::Multiprotocol(v6), Capability::AddPath(Records::list(&both))];
/// let local = Open::new(64512, HoldTime::DEFAULT, [192, 0, 2, 1].into(), &ours);
/// let remote = Open::new(64512, HoldTime::DEFAULT, [192, 0, 2, 2].into(), &theirs);
///
/// let session = Session::negotiate(&local, &remote);
/// assert!(session.add_path_send.contains(v6) && session.add_path_receive.is_empty());
/// assert!(!session.extended_message && !session.external);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct Session {
    /// AS numbers in AS_PATH and AGGREGATOR have four octets.
    pub four_octet_as: bool,
    /// The peer is in another AS: LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST from it are discarded (RFC 7606 §7).
    pub external: bool,
    /// Both sides sent the route refresh capability.
    pub route_refresh: bool,
    /// Both sides know where a refresh begins and ends (RFC 7313).
    pub enhanced_refresh: bool,
    /// UPDATE, NOTIFICATION and ROUTE-REFRESH may have 65,535 octets (RFC 8654).
    pub extended_message: bool,
    /// Both sides sent the graceful restart capability.
    pub graceful_restart: bool,
    /// Graceful restart also after a NOTIFICATION and after the hold time (RFC 8538).
    pub notification_restart: bool,
    /// Both sides sent the long-lived graceful restart capability, which needs the other one (RFC 9494).
    pub long_lived_restart: bool,
    /// Both sides take a link-local address as the only next hop.
    pub link_local_next_hop: bool,
    /// Our role towards the peer.
    pub local_role: Option<Role>,
    /// The peer's role towards us.
    pub remote_role: Option<Role>,
    /// Families that both sides carry, of those this crate types.
    pub families: FamilySet,
    /// Families of which we receive several paths, so that each destination has a path identifier before it (RFC 7911).
    pub add_path_receive: FamilySet,
    /// Families of which we send several paths.
    pub add_path_send: FamilySet,
    /// Families of IPv4 destinations that may have IPv6 next hops (RFC 8950).
    pub ipv6_next_hops: FamilySet,
    /// The smaller of the two hold times.
    pub hold_time: HoldTime,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            four_octet_as: false,
            external: false,
            route_refresh: false,
            enhanced_refresh: false,
            extended_message: false,
            graceful_restart: false,
            notification_restart: false,
            long_lived_restart: false,
            link_local_next_hop: false,
            local_role: None,
            remote_role: None,
            families: FamilySet::IPV4,
            add_path_receive: FamilySet::EMPTY,
            add_path_send: FamilySet::EMPTY,
            ipv6_next_hops: FamilySet::EMPTY,
            hold_time: HoldTime::DEFAULT,
        }
    }
}

/// What of a [`Session`] decides how an UPDATE is read and judged: little, since every view of one has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) four_octet_as: bool,
    pub(crate) external: bool,
    pub(crate) add_path: FamilySet,
    pub(crate) ipv6_next_hops: FamilySet,
}

impl Session {
    #[inline]
    pub(crate) const fn rules(&self) -> Rules {
        Rules {
            four_octet_as: self.four_octet_as,
            external: self.external,
            add_path: self.add_path_receive,
            ipv6_next_hops: self.ipv6_next_hops,
        }
    }

    /// The agreement between the OPEN that was sent and the one that was received. The order matters for what has a
    /// direction: roles and add-path.
    ///
    /// `families` may come out empty, and the roles may not agree: whether to refuse the session then is the speaker's choice.
    pub fn negotiate(local: &Open<'_>, remote: &Open<'_>) -> Self {
        let (ours, theirs) = (local.capabilities(), remote.capabilities());
        let both = |code| ours.contains(code) && theirs.contains(code);
        let families = ours.families().intersection(theirs.families());
        let ((we_send, we_receive), (they_send, they_receive)) = (ours.add_path(), theirs.add_path());
        let restarts = ours.graceful_restart().zip(theirs.graceful_restart());
        Self {
            four_octet_as: both(CapabilityCode::FOUR_OCTET_AS),
            external: local.asn() != remote.asn(),
            route_refresh: both(CapabilityCode::ROUTE_REFRESH),
            enhanced_refresh: both(CapabilityCode::ENHANCED_REFRESH),
            extended_message: both(CapabilityCode::EXTENDED_MESSAGE),
            graceful_restart: restarts.is_some(),
            notification_restart: restarts.is_some_and(|(us, them)| us.notification && them.notification),
            long_lived_restart: restarts.is_some() && both(CapabilityCode::LONG_LIVED_RESTART),
            link_local_next_hop: both(CapabilityCode::LINK_LOCAL_NEXT_HOP),
            local_role: ours.role(),
            remote_role: theirs.role(),
            families,
            add_path_receive: families.intersection(we_receive).intersection(they_send),
            add_path_send: families.intersection(we_send).intersection(they_receive),
            ipv6_next_hops: families
                .intersection(ours.ipv6_next_hops())
                .intersection(theirs.ipv6_next_hops()),
            hold_time: local.hold_time().min(remote.hold_time()),
        }
    }

    /// Whether the roles belong together, as far as both sides have one (RFC 9234 §4.2).
    pub fn roles_agree(&self) -> bool {
        self.local_role.zip(self.remote_role).is_none_or(|(local, remote)| local.agrees_with(remote))
    }

    /// Length of the longest UPDATE, NOTIFICATION or ROUTE-REFRESH in octets.
    pub const fn max_len(&self) -> usize {
        if self.extended_message { EXTENDED_MAX_LEN } else { MAX_LEN }
    }
}
