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
//! # Round trips
//!
//! `decode(encode(x)) == x` for every message, and `encode(decode(b)) == b`, octet by octet, on the session it was read in:
//! what has no meaning is kept, too, as flags, the reserved octet of MP_REACH_NLRI, bits beyond the length of a prefix and the
//! way the parameters of an OPEN are cut. The same holds of the typed values of an UPDATE: [`Attributes::kept`],
//! [`Update::classic_announcements`] and [`Update::classic_withdrawals`] put into [`UpdateParts`]; a malformed attribute is
//! kept raw among them. Only a session with AS numbers of another width has attributes rewritten.
//!
//! # Standards
//!
//! | RFC | Sections | What | State |
//! |---|---|---|---|
//! | 1997 | all | COMMUNITIES | whole |
//! | 2545 | 3 | IPv6 next hops, with a link-local one beside | whole |
//! | 2918 | 3, 4 | ROUTE-REFRESH | whole |
//! | 4271 | 4, 6.1 to 6.3 | messages, attributes, errors | whole |
//! | 4360, 5668, 5701 | all | extended and IPv6 extended communities | whole; kinds not named are kept raw |
//! | 4364, 4659, 4798 | 4.2, 4.3; 3.2; 2 | VPN prefixes, IPv4 next hops mapped into IPv6 | whole |
//! | 4456 | 8 | ORIGINATOR_ID, CLUSTER_LIST | whole; reflection is the speaker's |
//! | 4486, 6608, 8203, 9003, 9384, 9687 | all | NOTIFICATION codes and subcodes, shutdown text | whole |
//! | 4684 | 4 | route target constraints | whole |
//! | 4724 | 2, 3 | End-of-RIB, graceful restart | marker and capability |
//! | 4760 | 3 to 8 | MP_REACH_NLRI, MP_UNREACH_NLRI, the capability | families named here typed, others kept raw |
//! | 5065 | 3 | confederation segments | whole |
//! | 5291, 5292 | 4, 5; 2, 3 | filters in ROUTE-REFRESH | whole; filters of other types than address prefix are kept raw |
//! | 5492, 9072 | 4; 2 | capabilities, extended optional parameters | whole; capabilities not named here are kept raw |
//! | 5543 | 3 | traffic engineering | kept raw |
//! | 6286 | 2.1 | an identifier is any non-zero number | whole |
//! | 6368 | 5 | ATTR_SET | whole |
//! | 6396 | 2 to 4 | MRT (feature `mrt`) | BGP4MP, BGP4MP_ET, TABLE_DUMP, TABLE_DUMP_V2; other types, and what appendix B deprecates, raw |
//! | 8050 | 3, 4 | MRT with path identifiers (feature `mrt`) | whole; in RIB_GENERIC_ADDPATH also where GoBGP and OpenBGPD write them |
//! | 7854, 8671, 9069 | 4; 4, 6; 4, 5 | BMP (feature `bmp`) | whole, version 3; kinds not named are kept raw |
//! | 6514 | 5 | PMSI_TUNNEL | whole; identifiers raw |
//! | 6793 | 3, 4, 6 | four-octet AS numbers, AS4_PATH with its merge, AS4_AGGREGATOR | whole |
//! | 7311 | 3 | AIGP | whole |
//! | 7313 | 3.2, 5 | subtypes of ROUTE-REFRESH | whole |
//! | 7432, 9136, 9251 | 7; 3; 9 | Ethernet VPN | route types 1 to 8; others kept raw |
//! | 7606 | 3 to 7 | which errors cost what | whole: each sentence stands above its test |
//! | 7607 | 2 | AS 0 | whole |
//! | 7911 | 3, 4 | several paths | whole; also their limit (draft-abraitis-idr-addpath-paths-limit) |
//! | 8092, 8097 | all | LARGE_COMMUNITY, origin validation state | whole |
//! | 8277 | 2 | prefixes with labels | whole |
//! | 8326, 7611, 7999, 3765 | all | well-known communities | constants |
//! | 8538 | 2, 3 | graceful restart after NOTIFICATION | N bit, hard reset |
//! | 8654 | 3, 4 | extended messages | whole |
//! | 8669, 9252 | 3; 2, 3 | PREFIX_SID | label index, blocks, SRv6 services |
//! | 8950 | 3, 4 | IPv6 next hops of IPv4 destinations | whole |
//! | 8955, 8956 | 4; 3 | flow specifications, IPv4, IPv6, VPN | whole |
//! | 9012 | 2, 3, 4 | TUNNEL_ENCAP | tunnels and their parts, values raw |
//! | 9234 | 4.1, 4.2, 5 | roles, ONLY_TO_CUSTOMER | capability, agreement, attribute |
//! | 9494 | 3 | long-lived graceful restart | capability, communities |
//! | 9552 | 5 | link state | types and descriptors, values raw |
//! | 9830 | 2.1 | segment routing policies | whole; paths are parts of a tunnel |
//! | drafts |  | FQDN, software version, link-local next hop | capabilities |
//!
//! # Guarantees
//!
//! `no_std`, no allocation, no `unsafe`, no panic on any bytes, work linear in the length of the message.
//!
//! # Features
//!
//! - `std` (default): readers of `mrt` and `bmp` from any `std::io::Read`. Errors implement [`core::error::Error`] with and without it.
//! - `mrt`: recorded messages and RIBs; `bmp`: what routers tell a monitoring station. Each is a module of that name.
//! - `serde`: the typed values that own what they hold, from [`Family`] to [`Session`], can be stored; what a value may not be
//!   is refused. Messages and views are octets already; what `mrt` and `bmp` read can be written, octets as hexadecimal digits in
//!   formats for people. Needs an allocator.
//! - `arbitrary`: the same values, [`Attribute`] and [`Nlri`] out of the input, records of `mrt` and messages of `bmp`, for fuzzing.
//!   Needs `std`.
//!
//! MSRV 1.85.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "serde")]
extern crate alloc;
#[cfg(any(test, feature = "arbitrary", feature = "std"))]
extern crate std;

#[cfg(feature = "arbitrary")]
mod arbitrary;
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
#[cfg(feature = "serde")]
mod serde;
#[cfg(all(feature = "serde", any(feature = "mrt", feature = "bmp")))]
mod serial;
mod session;
#[cfg(all(feature = "std", any(feature = "mrt", feature = "bmp")))]
mod stream;
mod tlv;
mod typed;
mod update;

pub use attribute::{
    Aggregator, Aigp, AsPath, Asns, Attribute, AttributeCode, AttributeFlags, AttributeSet, Attributes,
    ClusterIds, ClusterList, Communities, Community, CommunityIter, ExtendedCommunities, ExtendedCommunity,
    ExtendedCommunityKind, FlaggedAttribute, FlaggedAttributes, Ipv6ExtendedCommunities,
    Ipv6ExtendedCommunity, KeptAttributes, LargeCommunities, LargeCommunity, LinkStateAttribute, MergedPath,
    MpReach, MpUnreach, Origin, PathAsns, PmsiTunnel, PrefixSid, RawAttribute, RawAttributes, Segment,
    SegmentKind, Segments, SidStructure, Srv6Service, TunnelEncap,
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
    ClassicPrefix, ClassicPrefixes, Evpn, EvpnRoute, Flow, FlowComponent, FlowComponents, FlowValue,
    FlowValues, Label, LabelledPrefix, LinkState, Membership, NextHop, Nlri, NlriIter, PathIter, RawNlri,
    RouteDistinguisher, RouteTargetPrefix, SrPolicy, VpnPrefix,
};
pub use notification::{ErrorCode, Notification};
pub use open::{AS_TRANS, HoldTime, Open};
pub use pack::{Prefixes, UpdatePacker};
pub use record::{Record, RecordIter, Records};
pub use refresh::{FilterAction, FilterGroup, FilterGroups, PrefixFilter, RefreshFilters, RouteRefresh};
pub use session::Session;
#[cfg(all(feature = "std", any(feature = "mrt", feature = "bmp")))]
pub use stream::{Format, ReadError, StreamReader};
pub use tlv::{Tlv, Tlvs};
pub use typed::UpdateParts;
pub use update::{Announcements, Update, Withdrawals};

/// Compiles README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
