//! BGP-4 messages as borrowed views: decode and encode without allocation.
//!
//! For anyone who speaks, listens to or stores BGP: a speaker, a monitor, a test tool. Nothing here does I/O.
//!
//! ```
//! use tortie_bgp_wire::{AsPath, Attribute, Family, Message, NextHop, Nlri, Origin, Session, UpdateBuilder};
//!
//! let mut session = Session::default();
//! session.four_octet_as = true;
//! let path = [Attribute::Origin(Origin::IGP), Attribute::AsPath(AsPath::sequence(&[64512, 4_200_000_001]))];
//! let mut buf = [0; 4096];
//! let next_hop = NextHop::Ipv4([192, 0, 2, 1].into());
//! let mut update = UpdateBuilder::announce(&mut buf, &session, Family::IPV4_UNICAST, next_hop, &path)?;
//! update.push("10.0.0.0/26".parse().unwrap())?;
//! update.push("10.0.0.64/26".parse().unwrap())?;
//! let bytes = update.finish();
//!
//! let (message, rest) = Message::decode(bytes, &session)?;
//! assert!(rest.is_empty());
//! let Message::Update(update) = message else { unreachable!() };
//! assert_eq!(update.announcements().count(), 2);
//! assert_eq!(update.announcements().next(), Some(Nlri::Ipv4Unicast("10.0.0.0/26".parse().unwrap())));
//! assert_eq!(update.next_hop(Family::IPV4_UNICAST), Some(next_hop));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Model
//!
//! [`Framer`] cuts a byte stream into messages. [`Message::decode`] checks one message once and gives a view that borrows
//! the bytes; what the view then hands out cannot fail on structure. The attributes of an UPDATE are the exception:
//! [`Update::attributes`] yields a `Result` for each, because RFC 7606 lets a session survive a malformed one;
//! [`Update::disposition`] says what the RFC wants done with the whole message. [`Session`] is what two OPENs agreed on
//! and decides how bytes are read (width of AS numbers) and judged (attributes an external peer may not send).
//!
//! What is not recognised is kept: capabilities as [`RawCapability`], attributes as [`RawAttribute`] with their flags,
//! address families as [`RawNlri`]. Registries are newtypes over integers with associated constants, so a value assigned
//! tomorrow needs no new release to be carried.
//!
//! Encoding writes exactly `encoded_len` octets into the caller's buffer or fails; nothing is truncated in silence.
//! [`UpdateBuilder`] fills one UPDATE with destinations that share attributes, [`UpdatePacker`] as many as it takes.
//!
//! # Normal form
//!
//! `decode(encode(x)) == x` for every message. `encode(decode(b))` differs from `b` only in the OPEN: all capabilities
//! move into one optional parameter, extended (RFC 9072) only if they need more than 255 octets; in the reserved
//! octet of MP_REACH_NLRI nothing changes, since UPDATE sections are copied when the width of AS numbers is the same.
//!
//! # Standards
//!
//! | RFC | What | State |
//! |---|---|---|
//! | 4271 | messages, errors | whole |
//! | 1997 | COMMUNITIES | whole |
//! | 2918, 7313 | ROUTE-REFRESH and its subtypes | whole |
//! | 4456 | ORIGINATOR_ID, CLUSTER_LIST | whole |
//! | 4724, 8538 | End-of-RIB, graceful restart | marker and capability; N bit, hard reset |
//! | 4360, 5668, 5701, 8092, 8097, 9012 | extended, IPv6 extended and large communities | whole; kinds not named are kept raw |
//! | 4364, 4659, 8277 | VPN, labelled prefixes | whole |
//! | 4684 | route target constraints | whole |
//! | 4760 | MP_REACH_NLRI, MP_UNREACH_NLRI | families named here typed, others kept raw |
//! | 6368 | ATTR_SET | whole |
//! | 6514 | PMSI_TUNNEL | whole; identifiers raw |
//! | 7311 | AIGP | whole |
//! | 7432, 9136, 9251 | Ethernet VPN | route types 1 to 8; others kept raw |
//! | 8669, 9252 | PREFIX_SID | label index, blocks, SRv6 services |
//! | 8955, 8956 | flow specifications, IPv4, IPv6, VPN | whole |
//! | 9012 | TUNNEL_ENCAP | tunnels and their parts, values raw |
//! | 9552 | link state | types and descriptors, values raw |
//! | 9830 | segment routing policies | whole; paths are parts of a tunnel |
//! | 5291, 5292 | filters in ROUTE-REFRESH | whole; filters of other types than address prefix are kept raw |
//! | 5492, 9072 | capabilities, extended optional parameters | whole; those not named here are kept raw |
//! | 6286 | identifier is any non-zero number | whole |
//! | 6608, 4486, 8203, 9003, 9384, 9687 | NOTIFICATION subcodes and codes | constants, names, shutdown text |
//! | 6793 | four-octet AS numbers | whole |
//! | 7911 | several paths | whole; also their limit (draft-abraitis-idr-addpath-paths-limit) |
//! | 8654 | extended messages | whole |
//! | 8950 | IPv6 next hops of IPv4 destinations | whole |
//! | 9234 | roles, ONLY_TO_CUSTOMER | capability, agreement, attribute |
//! | 9494 | long-lived graceful restart | capability, communities |
//! | drafts | FQDN, software version, link-local next hop | capabilities |
//! | 6396 | MRT (feature `mrt`) | BGP4MP, BGP4MP_ET, TABLE_DUMP, TABLE_DUMP_V2; other types and what appendix B deprecates raw |
//! | 8050 | MRT with path identifiers (feature `mrt`) | whole; in RIB_GENERIC_ADDPATH also where GoBGP and OpenBGPD write them |
//! | 7854, 8671, 9069 | BMP (feature `bmp`) | whole, version 3; kinds not named are kept raw |
//! | 7606, 7607 | revised error handling, AS 0 | for every typed attribute |
//!
//! # Guarantees
//!
//! `no_std`, no allocation, no `unsafe`, no panic on any bytes, work linear in the length of the message.
//!
//! # Features
//!
//! `mrt` adds recorded messages and RIBs, `bmp` what routers tell a monitoring station; each adds a module of that name. `std`
//! (default) adds readers of both from any `std::io::Read`; errors implement [`core::error::Error`] with and without it. `serde`
//! writes what the two modules read, octets as hexadecimal digits in formats for people; `arbitrary` makes their records and
//! messages out of raw bytes.
//!
//! MSRV 1.85.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "std"))]
extern crate std;

mod attribute;
#[cfg(feature = "bmp")]
pub mod bmp;
mod build;
mod capability;
mod cursor;
#[cfg(any(feature = "mrt", feature = "bmp"))]
mod entries;
mod error;
mod family;
#[cfg(any(feature = "mrt", feature = "bmp"))]
mod fields;
mod frame;
mod header;
mod message;
#[cfg(feature = "mrt")]
pub mod mrt;
mod nlri;
mod notification;
mod open;
mod pack;
mod record;
#[cfg(any(feature = "mrt", feature = "bmp"))]
mod recorded;
mod refresh;
#[cfg(all(feature = "serde", any(feature = "mrt", feature = "bmp")))]
mod serial;
mod session;
#[cfg(all(feature = "std", any(feature = "mrt", feature = "bmp")))]
mod stream;
mod tlv;
mod update;

pub use attribute::{
    Aggregator, Aigp, AsPath, Asns, Attribute, AttributeCode, AttributeFlags, AttributeSet, Attributes,
    ClusterIds, ClusterList, Communities, Community, CommunityIter, ExtendedCommunities, ExtendedCommunity,
    ExtendedCommunityKind, FlaggedAttribute, FlaggedAttributes, Ipv6ExtendedCommunities,
    Ipv6ExtendedCommunity, LargeCommunities, LargeCommunity, LinkStateAttribute, MergedPath, MpReach,
    MpUnreach, Origin, PathAsns, PmsiTunnel, PrefixSid, RawAttribute, RawAttributes, Segment, SegmentKind,
    Segments, SidStructure, Srv6Service, TunnelEncap,
};
pub use build::UpdateBuilder;
pub use capability::{
    AddPath, Capabilities, Capability, CapabilityCode, CapabilityIter, ExtendedNextHop, FilterOffer,
    FilterOffers, Fqdn, GracefulRestart, LongLivedRestart, PathsLimit, RawCapability, RestartFamily, Role,
    RouteFiltering,
};
pub use error::{DecodeError, DecodeErrorKind, EncodeError, ErrorAction};
pub use family::{Afi, Family, FamilyIter, FamilySet, Safi};
pub use frame::Framer;
pub use header::{EXTENDED_MAX_LEN, HEADER_LEN, Header, MAX_LEN, MessageType};
pub use message::{KEEPALIVE, Message};
pub use nlri::{
    Evpn, EvpnRoute, Flow, FlowComponent, FlowComponents, FlowValue, FlowValues, Label, LabelledPrefix,
    LinkState, Membership, NextHop, Nlri, NlriIter, PathIter, RawNlri, RouteDistinguisher, RouteTargetPrefix,
    SrPolicy, VpnPrefix,
};
pub use notification::{ErrorCode, Notification};
pub use open::{AS_TRANS, HoldTime, Open};
pub use pack::{Prefixes, UpdatePacker};
pub use record::{Record, RecordIter, Records};
pub use refresh::{FilterAction, FilterGroup, FilterGroups, PrefixFilter, RefreshFilters, RouteRefresh};
pub use session::Session;
pub use tlv::{Tlv, Tlvs};
pub use update::{Announcements, Update, UpdateParts, Withdrawals};

/// Compiles README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
