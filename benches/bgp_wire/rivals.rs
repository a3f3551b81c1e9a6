//! Other crates that read BGP messages, and most of which write them.
//!
//! What they cannot do, of the messages of the archives: zettabgp writes long length fields where short ones were, and in
//! another order; netgauze-bgp-pkt and bgpkit-parser keep nearly all octets; rustbgpd-wire refuses AS_SETs and drops
//! repeated communities; routecore has no typed values of MP_UNREACH_NLRI, and builds UPDATEs in its own form alone.

use core::net::{IpAddr, Ipv4Addr};
use std::collections::HashMap;

use bgpkit_parser::models::{
    AsPathSegment, AsnLength, AttributeValue, BgpMessage as BgpkitMessage, Community, NetworkPrefix,
};
use bgpkit_parser::parser::bgp::parse_bgp_message;
use bytes::Bytes;
use netgauze_bgp_pkt::BgpMessage as NetgauzeMessage;
use netgauze_bgp_pkt::path_attribute::{
    Aggregator, AsPath, MpReach, MpUnreach, PathAttributeValue as NetgauzeValue,
};
use netgauze_bgp_pkt::wire::deserializer::BgpParsingContext;
use netgauze_parse_utils::WritablePdu;
use netgauze_parse_utils::reader::SliceReader;
use netgauze_parse_utils::traits::ParseFromWithOneInput;
use routecore::bgp::aspath::Hop;
use routecore::bgp::message::SessionConfig;
use routecore::bgp::message::UpdateMessage as RoutecoreMessage;
use routecore::bgp::nlri::afisafi::{IsPrefix, Nlri as RoutecoreNlri};
use routecore::bgp::path_attributes::PathAttribute as RoutecoreAttribute;
use rustbgpd_wire::{
    AsPathSegment as RustbgpdSegment, Ipv4NlriEntry, Ipv4UnicastMode, Message as RustbgpdMessage, NlriEntry,
    PathAttribute as RustbgpdAttribute, Prefix, RevisedParsedUpdate, UpdateMessage, decode_message,
};
use zettabgp::prelude::*;

use crate::Sum;

/// Who reads an UPDATE into values of its own, and writes them.
pub(crate) trait Rival {
    /// The name of the row.
    const NAME: &'static str;
    /// The values.
    type Owned;

    /// `None` if it refuses the message.
    fn read(&mut self, bytes: &Bytes) -> Option<Self::Owned>;
    /// Adds up the values; `None` if the message is malformed after all.
    fn sum(owned: &Self::Owned, sum: &mut Sum) -> Option<()>;
    /// Writes the message, and returns its length.
    fn write(&self, owned: &Self::Owned, buf: &mut [u8]) -> Option<usize>;

    fn decode(&mut self, bytes: &Bytes, sum: &mut Sum) -> Option<()> {
        Self::sum(&self.read(bytes)?, sum)
    }
}

pub(crate) struct Zettabgp(BgpSessionParams);

impl Zettabgp {
    pub(crate) fn new() -> Self {
        let id = Ipv4Addr::new(192, 0, 2, 1);
        let mut session = BgpSessionParams::new(64_512, 180, BgpTransportMode::IPv4, id, Vec::new());
        session.has_as32bit = true;
        session.fuzzy_pathid = false;
        Self(session)
    }
}

impl Rival for Zettabgp {
    const NAME: &'static str = "zettabgp";
    type Owned = BgpUpdateMessage;

    fn read(&mut self, bytes: &Bytes) -> Option<BgpUpdateMessage> {
        let mut update = BgpUpdateMessage::new();
        update.decode_from(&self.0, bytes.get(19..)?).ok()?;
        Some(update)
    }

    fn sum(update: &BgpUpdateMessage, sum: &mut Sum) -> Option<()> {
        for attribute in &update.attrs {
            match attribute {
                BgpAttrItem::Origin(origin) => sum.add(match origin.value {
                    BgpAttrOrigin::Igp => 0_u8,
                    BgpAttrOrigin::Egp => 1,
                    BgpAttrOrigin::Incomplete => 2,
                }),
                BgpAttrItem::ASPath(path) => {
                    for item in &path.value {
                        match item {
                            BgpASitem::Seq(sequence) => {
                                sequence.value.iter().for_each(|asn| sum.add(asn.value))
                            }
                            BgpASitem::Set(set) => set.value.iter().for_each(|asn| sum.add(asn.value)),
                        }
                    }
                }
                BgpAttrItem::NextHop(next_hop) => match next_hop.value {
                    IpAddr::V4(address) => sum.add(u32::from(address)),
                    IpAddr::V6(_) => panic!("IPv4"),
                },
                BgpAttrItem::MED(med) => sum.add(med.value),
                BgpAttrItem::LocalPref(value) => sum.add(value.value),
                BgpAttrItem::AggregatorAS(aggregator) => {
                    sum.add(aggregator.asn);
                    sum.add(u32::from(aggregator.addr));
                }
                BgpAttrItem::CommunityList(list) => {
                    list.value.iter().for_each(|community| sum.add(community.value))
                }
                BgpAttrItem::LargeCommunityList(list) => list.value.iter().for_each(|community| {
                    sum.add(community.ga);
                    sum.add(community.ldp1);
                    sum.add(community.ldp2);
                }),
                BgpAttrItem::MPUpdates(reach) => addresses(&reach.addrs, sum),
                BgpAttrItem::MPWithdraws(unreach) => addresses(&unreach.addrs, sum),
                _ => {}
            }
        }
        addresses(&update.updates, sum);
        addresses(&update.withdraws, sum);
        Some(())
    }

    fn write(&self, update: &BgpUpdateMessage, buf: &mut [u8]) -> Option<usize> {
        let body = update.encode_to(&self.0, buf.get_mut(19..)?).ok()?;
        self.0.prepare_message_buf(buf, BgpMessageType::Update, body).ok()
    }
}

fn addresses(list: &BgpAddrs, sum: &mut Sum) {
    match list {
        BgpAddrs::IPV4U(list) => list.iter().for_each(|net| sum.v4(net.addr, net.prefixlen)),
        BgpAddrs::IPV6U(list) => list.iter().for_each(|net| sum.v6(net.addr, net.prefixlen)),
        _ => {}
    }
}

pub(crate) struct Netgauze(BgpParsingContext);

impl Netgauze {
    pub(crate) fn new() -> Self {
        Self(BgpParsingContext::new(true, HashMap::new(), HashMap::new(), false, false, false, true))
    }
}

impl Rival for Netgauze {
    const NAME: &'static str = "netgauze-bgp-pkt";
    type Owned = NetgauzeMessage;

    fn read(&mut self, bytes: &Bytes) -> Option<NetgauzeMessage> {
        NetgauzeMessage::parse(&mut SliceReader::new(bytes), &mut self.0).ok()
    }

    fn sum(message: &NetgauzeMessage, sum: &mut Sum) -> Option<()> {
        let NetgauzeMessage::Update(update) = message else { return None };
        for attribute in update.path_attributes() {
            match attribute.value() {
                NetgauzeValue::Origin(origin) => sum.add(*origin as u8),
                NetgauzeValue::AsPath(AsPath::As4PathSegments(segments)) => {
                    segments.iter().flat_map(|s| s.as_numbers()).for_each(|asn| sum.add(*asn));
                }
                NetgauzeValue::NextHop(next_hop) => sum.add(u32::from(next_hop.next_hop())),
                NetgauzeValue::MultiExitDiscriminator(value) => sum.add(value.metric()),
                NetgauzeValue::LocalPreference(value) => sum.add(value.metric()),
                NetgauzeValue::Aggregator(Aggregator::As4Aggregator(aggregator)) => {
                    sum.add(*aggregator.asn());
                    sum.add(u32::from(aggregator.origin()));
                }
                NetgauzeValue::Communities(list) => {
                    list.communities().iter().for_each(|community| sum.add(community.value()));
                }
                NetgauzeValue::LargeCommunities(list) => list.communities().iter().for_each(|community| {
                    sum.add(community.global_admin());
                    sum.add(community.local_data1());
                    sum.add(community.local_data2());
                }),
                NetgauzeValue::MpReach(MpReach::Ipv4Unicast { nlri, .. })
                | NetgauzeValue::MpUnreach(MpUnreach::Ipv4Unicast { nlri }) => {
                    nlri.iter().for_each(|route| sum.net(route.network().address().into()));
                }
                NetgauzeValue::MpReach(MpReach::Ipv6Unicast { nlri, .. })
                | NetgauzeValue::MpUnreach(MpUnreach::Ipv6Unicast { nlri }) => {
                    nlri.iter().for_each(|route| sum.net(route.network().address().into()));
                }
                _ => {}
            }
        }
        for route in update.nlri().iter().chain(update.withdraw_routes()) {
            sum.net(route.network().address().into());
        }
        Some(())
    }

    fn write(&self, message: &NetgauzeMessage, mut buf: &mut [u8]) -> Option<usize> {
        message.write(&mut buf).ok()?;
        Some(message.len())
    }
}

pub(crate) struct Rustbgpd;

impl Rival for Rustbgpd {
    const NAME: &'static str = "rustbgpd-wire";
    type Owned = RevisedParsedUpdate;

    fn read(&mut self, bytes: &Bytes) -> Option<RevisedParsedUpdate> {
        let RustbgpdMessage::Update(update) = decode_message(&mut bytes.clone(), u16::MAX).ok()? else {
            return None;
        };
        update.parse_revised(true, true, false, &[]).ok()
    }

    fn sum(parsed: &RevisedParsedUpdate, sum: &mut Sum) -> Option<()> {
        if !parsed.malformed.is_empty() {
            return None;
        }
        let net = |sum: &mut Sum, route: &NlriEntry| match route.prefix {
            Prefix::V4(prefix) => sum.v4(prefix.addr, prefix.len),
            Prefix::V6(prefix) => sum.v6(prefix.addr, prefix.len),
        };
        for attribute in &parsed.update.attributes {
            match attribute {
                RustbgpdAttribute::Origin(origin) => sum.add(*origin as u8),
                RustbgpdAttribute::AsPath(path) => {
                    for segment in &path.segments {
                        let (RustbgpdSegment::AsSet(asns) | RustbgpdSegment::AsSequence(asns)) = segment;
                        asns.iter().for_each(|asn| sum.add(*asn));
                    }
                }
                RustbgpdAttribute::NextHop(address) => sum.add(u32::from(*address)),
                RustbgpdAttribute::Med(value) | RustbgpdAttribute::LocalPref(value) => sum.add(*value),
                RustbgpdAttribute::Aggregator(aggregator) => {
                    sum.add(aggregator.asn);
                    sum.add(u32::from(aggregator.router_id));
                }
                RustbgpdAttribute::Communities(list) | RustbgpdAttribute::CommunitiesPartial(list) => {
                    list.iter().for_each(|community| sum.add(*community));
                }
                RustbgpdAttribute::LargeCommunities(list)
                | RustbgpdAttribute::LargeCommunitiesPartial(list) => list.iter().for_each(|community| {
                    sum.add(community.global_admin);
                    sum.add(community.local_data1);
                    sum.add(community.local_data2);
                }),
                RustbgpdAttribute::MpReachNlri(reach) => {
                    reach.announced.iter().for_each(|route| net(sum, route));
                }
                RustbgpdAttribute::MpUnreachNlri(unreach) => {
                    unreach.withdrawn.iter().for_each(|route| net(sum, route));
                }
                _ => {}
            }
        }
        let classic = |route: &Ipv4NlriEntry| sum.v4(route.prefix.addr, route.prefix.len);
        parsed.update.announced.iter().chain(&parsed.update.withdrawn).for_each(classic);
        Some(())
    }

    fn write(&self, parsed: &RevisedParsedUpdate, mut buf: &mut [u8]) -> Option<usize> {
        let update = &parsed.update;
        let body = Ipv4UnicastMode::Body;
        let message = UpdateMessage::try_build(
            &update.announced,
            &update.withdrawn,
            &update.attributes,
            true,
            false,
            body,
        );
        let message = message.ok()?;
        message.encode_with_limit(&mut buf, u16::MAX).ok()?;
        Some(message.encoded_len())
    }
}

pub(crate) struct Bgpkit;

impl Rival for Bgpkit {
    const NAME: &'static str = "bgpkit-parser";
    type Owned = BgpkitMessage;

    fn read(&mut self, bytes: &Bytes) -> Option<BgpkitMessage> {
        parse_bgp_message(&mut bytes.clone(), false, &AsnLength::Bits32).ok()
    }

    fn sum(message: &BgpkitMessage, sum: &mut Sum) -> Option<()> {
        let BgpkitMessage::Update(update) = message else { return None };
        let net = |sum: &mut Sum, route: &NetworkPrefix| sum.net(route.prefix.trunc());
        for attribute in update.attributes.iter() {
            match attribute {
                AttributeValue::Origin(origin) => sum.add(*origin as u8),
                AttributeValue::AsPath(path) => {
                    for segment in path.iter_segments() {
                        let (AsPathSegment::AsSequence(asns)
                        | AsPathSegment::AsSet(asns)
                        | AsPathSegment::ConfedSequence(asns)
                        | AsPathSegment::ConfedSet(asns)) = segment;
                        asns.iter().for_each(|asn| sum.add(u32::from(*asn)));
                    }
                }
                AttributeValue::NextHop(IpAddr::V4(address)) => sum.add(u32::from(*address)),
                AttributeValue::MultiExitDiscriminator(value) | AttributeValue::LocalPreference(value) => {
                    sum.add(*value);
                }
                AttributeValue::Aggregator { asn, id } => {
                    sum.add(u32::from(*asn));
                    sum.add(u32::from(*id));
                }
                AttributeValue::Communities(list) => list.iter().for_each(|community| {
                    sum.add(match community {
                        Community::NoExport => 0xffff_ff01,
                        Community::NoAdvertise => 0xffff_ff02,
                        Community::NoExportSubConfed => 0xffff_ff03,
                        Community::Custom(asn, value) => u32::from(*asn) << 16 | u32::from(*value),
                    });
                }),
                AttributeValue::LargeCommunities(list) => list.iter().for_each(|community| {
                    sum.add(community.global_admin);
                    community.local_data.iter().for_each(|value| sum.add(*value));
                }),
                AttributeValue::MpReachNlri(nlri) | AttributeValue::MpUnreachNlri(nlri) => {
                    nlri.prefixes.iter().for_each(|route| net(sum, route));
                }
                _ => {}
            }
        }
        let classic = update.announced_prefixes.iter().chain(&update.withdrawn_prefixes);
        classic.for_each(|route| net(sum, route));
        Some(())
    }

    fn write(&self, message: &BgpkitMessage, buf: &mut [u8]) -> Option<usize> {
        let bytes = message.encode(AsnLength::Bits32).ok()?;
        buf.get_mut(..bytes.len())?.copy_from_slice(&bytes);
        Some(bytes.len())
    }
}

/// Every attribute as a value of its own, every destination in place.
pub(crate) fn routecore(bytes: &[u8], session: &SessionConfig, sum: &mut Sum) -> Option<()> {
    let update = RoutecoreMessage::from_octets(bytes, session).ok()?;
    for attribute in update.path_attributes().ok()? {
        match attribute.ok()?.to_owned().ok()? {
            RoutecoreAttribute::Origin(origin) => sum.add(u8::from(origin.0)),
            RoutecoreAttribute::AsPath(path) => {
                for hop in path.iter() {
                    match hop {
                        Hop::Asn(asn) => sum.add(asn.into_u32()),
                        Hop::Segment(segment) => segment.asns().for_each(|asn| sum.add(asn.into_u32())),
                    }
                }
            }
            RoutecoreAttribute::ConventionalNextHop(next_hop) => sum.add(u32::from(next_hop.0)),
            RoutecoreAttribute::MultiExitDisc(value) => sum.add(value.0),
            RoutecoreAttribute::LocalPref(value) => sum.add(value.0),
            RoutecoreAttribute::Aggregator(aggregator) => {
                sum.add(aggregator.asn().into_u32());
                sum.add(u32::from(aggregator.address()));
            }
            RoutecoreAttribute::StandardCommunities(list) => {
                list.communities().iter().for_each(|community| sum.add(community.to_u32()));
            }
            RoutecoreAttribute::LargeCommunities(list) => list.communities().iter().for_each(|community| {
                sum.add(community.global());
                sum.add(community.local1());
                sum.add(community.local2());
            }),
            _ => {}
        }
    }
    for nlri in update.announcements().ok()?.chain(update.withdrawals().ok()?) {
        let prefix = match nlri.ok()? {
            RoutecoreNlri::Ipv4Unicast(nlri) => nlri.prefix(),
            RoutecoreNlri::Ipv6Unicast(nlri) => nlri.prefix(),
            _ => continue,
        };
        match prefix.addr() {
            IpAddr::V4(address) => sum.v4(address, prefix.len()),
            IpAddr::V6(address) => sum.v6(address, prefix.len()),
        }
    }
    Some(())
}
