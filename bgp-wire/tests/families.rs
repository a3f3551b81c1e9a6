//! Destinations of every family: read as the RFCs draw them, written as they were read.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use core::net::IpAddr;

use proptest::prelude::*;
use support::{config, four, hex, update};
use tortie_bgp_wire::{
    Afi, EncodeError, EvpnRoute, Family, FamilySet, FlowComponent, Label, LinkState, Message, NextHop, Nlri,
    RouteDistinguisher, RouteTargetPrefix, Safi, Session, SrPolicy, Update, UpdateBuilder,
};

/// An UPDATE that announces, or withdraws, this field.
fn carry(family: Family, next_hop: &[u8], field: &[u8], withdrawn: bool) -> Vec<u8> {
    let [a, b] = family.afi().get().to_be_bytes();
    let mut value = vec![a, b, family.safi().get()];
    if !withdrawn {
        value.push(u8::try_from(next_hop.len()).unwrap());
        value.extend(next_hop);
        value.push(0);
    }
    value.extend(field);
    let len = u16::try_from(value.len()).unwrap().to_be_bytes();
    let attribute = [&[0x90, if withdrawn { 15 } else { 14 }][..], &len, &value].concat();
    update(&[], &[&hex("40010100 400200")[..], &attribute].concat(), &[])
}

/// A next hop of a length that the family has.
fn next_hop(family: Family) -> Vec<u8> {
    match (family.afi(), family.safi()) {
        (Afi::IPV4, Safi::VPN) => vec![0; 12],
        (_, Safi::VPN) => vec![0; 24],
        (_, Safi::FLOW | Safi::FLOW_VPN) => vec![],
        (Afi::IPV6, _) => vec![0; 16],
        _ => vec![0; 4],
    }
}

fn decode<'a>(bytes: &'a [u8], session: &Session) -> Update<'a> {
    let (message, _) = Message::decode(bytes, session).unwrap();
    let mut buf = vec![0; 4096];
    let mut out = *session;
    out.add_path_send = session.add_path_receive;
    let len = message.encode(&mut buf, &out).unwrap();
    assert_eq!(&buf[..len], bytes);
    let Message::Update(update) = message else { panic!("no UPDATE") };
    update
}

/// Hands the destinations of a field to `check`, announced and, if it is the same there, withdrawn.
fn with(family: Family, field: &str, check: impl Fn(&[Nlri<'_>])) {
    let field = hex(field);
    let bytes = carry(family, &next_hop(family), &field, false);
    let update = decode(&bytes, &four());
    let list: Vec<_> = update.announcements().collect();
    assert!(list.iter().all(|nlri| nlri.family() == family), "{family}");
    check(&list);
    // Written one by one they are the field.
    let mut buf = [0; 512];
    let mut at = 0;
    for nlri in &list {
        let len = nlri.encode(&mut buf[at..]).unwrap();
        assert_eq!(len, nlri.encoded_len());
        assert_eq!(nlri.encode(&mut [0; 512][..len - 1]), Err(EncodeError::BufferTooSmall));
        at += len;
    }
    assert_eq!(&buf[..at], field, "{family}");
    if !matches!(family.safi(), Safi::LABELLED | Safi::VPN) {
        let bytes = carry(family, &[], &field, true);
        check(&decode(&bytes, &four()).withdrawals().collect::<Vec<_>>());
    }
    // With path identifiers.
    let mut session = four();
    session.add_path_receive = FamilySet::ALL;
    let mut with_ids = Vec::new();
    for (nlri, id) in list.iter().zip(7u32..) {
        with_ids.extend(id.to_be_bytes());
        let len = nlri.encode(&mut buf).unwrap();
        with_ids.extend(&buf[..len]);
    }
    let bytes = carry(family, &next_hop(family), &with_ids, false);
    let update = decode(&bytes, &session);
    assert!(update.announced_paths().eq(list.iter().zip(7u32..).map(|(nlri, id)| (Some(id), *nlri))));
    let Message::Update(plain) = Message::decode(&bytes, &session).unwrap().0 else { panic!() };
    let error = EncodeError::PathIdentifiers { family };
    assert_eq!(plain.encode(&mut [0; 4096], &four()), Err(error), "paths do not lose their identifiers");
}

fn labels(labels: impl Iterator<Item = Label>) -> Vec<(u32, bool)> {
    labels.map(|label| (label.get(), label.is_last())).collect()
}

#[test]
fn prefixes_with_labels() {
    // Label 16 alone before 10.1.0.0/16; labels 16 and 17 before 10.2.2.0/24.
    with(Family::IPV4_LABELLED, "28 000101 0a01  48 000100 000111 0a0202", |list| {
        let [Nlri::Labelled(a), Nlri::Labelled(b)] = list else { panic!("{list:?}") };
        assert_eq!((labels(a.labels()), a.prefix().to_string().as_str()), (vec![(16, true)], "10.1.0.0/16"));
        assert_eq!(labels(b.labels()), [(16, false), (17, true)]);
        assert_eq!(list[1].prefix(), Some("10.2.2.0/24".parse().unwrap()));
    });
    with(Family::IPV6_LABELLED, "38 000101 20010db8", |list| {
        assert_eq!(list[0].prefix(), Some("2001:db8::/32".parse().unwrap()));
    });
    // RFC 8277 §2.4: what stands for the label of a withdrawn prefix has no meaning.
    for label in ["800000", "000000", "000101", "000100"] {
        let bytes = carry(Family::IPV4_LABELLED, &[], &hex(&format!("28 {label} 0a01")), true);
        let update = decode(&bytes, &four());
        assert_eq!(update.withdrawals().next().unwrap().prefix(), Some("10.1.0.0/16".parse().unwrap()));
    }
    with(Family::IPV4_VPN, "70 000101 0000fc0000000001 0a0100  59 000201 0001c00002010005 80", |list| {
        let [Nlri::Vpn(a), Nlri::Vpn(b)] = list else { panic!("{list:?}") };
        assert_eq!(a.distinguisher(), RouteDistinguisher::of_as(64512, 1));
        assert_eq!(
            (a.distinguisher().to_string().as_str(), a.prefix().to_string().as_str()),
            ("64512:1", "10.1.0.0/24")
        );
        assert_eq!(
            (b.distinguisher().to_string().as_str(), b.prefix().to_string().as_str()),
            ("192.0.2.1:5", "128.0.0.0/1")
        );
        assert_eq!(labels(b.labels()), [(32, true)]);
    });
    with(Family::IPV6_VPN, "78 000101 0002 0001 0000 0007 20010db8", |list| {
        let [Nlri::Vpn(a)] = list else { panic!("{list:?}") };
        assert_eq!(
            (a.distinguisher().to_string().as_str(), a.prefix().to_string().as_str()),
            ("65536:7", "2001:db8::/32")
        );
    });
    // Too short for its label, for its distinguisher; no last label; a prefix too long.
    for (family, field) in [
        (Family::IPV4_LABELLED, "10 0001"),
        (Family::IPV4_LABELLED, "28 000100 0a01"),
        (Family::IPV4_LABELLED, "40 000101 0a01010101"),
        (Family::IPV4_VPN, "50 000101 0000fc00000000"),
        (Family::IPV4_VPN, "79 000101 0000fc0000000001 0a01010101"),
        (Family::IPV6_VPN, "70 000101 0000fc0000000001 0a01"),
    ] {
        let bytes = carry(family, &next_hop(family), &hex(field), false);
        assert!(Message::decode(&bytes, &four()).is_err(), "{family} {field}");
    }
}

#[test]
fn ethernet_vpn() {
    let rd = "0000fc0000000001";
    let esi = "00112233445566778899";
    let field = format!(
        "01 19 {rd} {esi} 00000005 000640
         02 21 {rd} {esi} 00000005 30 0a0b0c0d0e0f 00 000640
         02 28 {rd} {esi} 00000005 30 0a0b0c0d0e0f 20 c0000201 000640 000650
         03 11 {rd} 00000005 20 c0000201
         04 17 {rd} {esi} 20 c0000201
         05 22 {rd} {esi} 00000005 18 0a0101ff 00000000 000640
         06 18 {rd} 00000005 00 20 ef010101 20 c0000201 02
         07 26 {rd} {esi} 00000005 20 0a000001 20 ef010101 20 c0000201 02
         08 2b {rd} {esi} 00000005 20 0a000001 20 ef010101 20 c0000201 00000000 64 02
         09 0a {rd} 0102
         03 02 0102"
    );
    with(Family::EVPN, &field, |list| {
        let routes: Vec<_> = list
            .iter()
            .map(|nlri| {
                let Nlri::Evpn(evpn) = nlri else { panic!("{nlri:?}") };
                if evpn.value().len() > 2 {
                    assert_eq!(evpn.distinguisher(), Some(RouteDistinguisher::of_as(64512, 1)));
                }
                (evpn.kind(), evpn.route())
            })
            .collect();
        let segment = [0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99];
        let (tag, label, mac) = (5, Label::new([0, 6, 0x40]), [10, 11, 12, 13, 14, 15]);
        let router = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(label.get(), 100);
        assert_eq!(routes[0], (1, EvpnRoute::Discovery { segment, tag, label }));
        let host =
            |address, routing_label| EvpnRoute::Host { segment, tag, mac, address, label, routing_label };
        assert_eq!(routes[1], (2, host(None, None)));
        assert_eq!(routes[2], (2, host(Some(router), Some(Label::new([0, 6, 0x50])))));
        assert_eq!(routes[3], (3, EvpnRoute::Multicast { tag, originator: router }));
        assert_eq!(routes[4], (4, EvpnRoute::Segment { segment, originator: router }));
        let prefix = "10.1.1.0/24".parse().unwrap();
        let gateway = IpAddr::from([0, 0, 0, 0]);
        assert_eq!(routes[5], (5, EvpnRoute::Prefix { segment, tag, prefix, gateway, label }));
        let EvpnRoute::Membership(any_source) = routes[6].1 else { panic!("{routes:?}") };
        let group = Some(IpAddr::from([239, 1, 1, 1]));
        assert_eq!(
            (any_source.tag, any_source.source, any_source.group, any_source.originator, any_source.flags),
            (5, None, group, Some(router), 2)
        );
        let EvpnRoute::Join { segment: s, membership } = routes[7].1 else { panic!("{routes:?}") };
        assert_eq!((s, membership.source, membership.group), (segment, Some([10, 0, 0, 1].into()), group));
        let EvpnRoute::Leave { membership: left, max_response: 100, .. } = routes[8].1 else {
            panic!("{routes:?}")
        };
        assert_eq!(left, membership);
        let value = hex(&format!("{rd} 0102"));
        assert_eq!(routes[9], (9, EvpnRoute::Unknown(&value)));
        assert_eq!(routes[10], (3, EvpnRoute::Unknown(&[1, 2])), "too short");
    });
    let v6 =
        format!("05 3a {rd} {esi} 00000005 40 20010db8000000000000000000000000 {} 000640", "00".repeat(16));
    with(Family::EVPN, &v6, |list| {
        let Nlri::Evpn(evpn) = list[0] else { panic!() };
        let EvpnRoute::Prefix { prefix, .. } = evpn.route() else { panic!() };
        assert_eq!(prefix.to_string(), "2001:db8::/64");
    });
}

#[test]
fn flow_specifications() {
    // RFC 8955 §4.3, the first example: to 192.0.2.0/24, TCP, port 25. And the second: from 203.0.113.0/24, ports 137 to 139 or 8080.
    let field = "0b 01 18 c00002 03 81 06 04 81 19  0f 01 18 c00002 02 18 cb0071 04 03 89 45 8b 91 1f90";
    let fixed = field.replace("0f 01", "12 01");
    with(Family::IPV4_FLOW, &fixed, |list| {
        let [Nlri::Flow(a), Nlri::Flow(b)] = list else { panic!("{list:?}") };
        let kinds: Vec<_> = a.components().map(|component| component.kind()).collect();
        assert_eq!((kinds, a.is_well_formed(), a.distinguisher()), (vec![1, 3, 4], true, None));
        let Some(FlowComponent::Values { values, .. }) = a.components().last() else { panic!() };
        let ports: Vec<_> =
            values.map(|value| (value.value, value.is_last(), value.matches_number(25))).collect();
        assert_eq!(ports, [(25, true, true)]);
        let Some(FlowComponent::Prefix { prefix, .. }) = b.components().nth(1) else { panic!() };
        assert_eq!(prefix.to_string(), "203.0.113.0/24");
        let Some(FlowComponent::Values { values, .. }) = b.components().last() else { panic!() };
        let matches = |port| {
            values.fold(false, |found, value| {
                if value.is_and() {
                    found && value.matches_number(port)
                } else {
                    found || value.matches_number(port)
                }
            })
        };
        let ports: Vec<u64> =
            [136, 137, 138, 139, 140, 8079, 8080].into_iter().filter(|port| matches(*port)).collect();
        assert_eq!(ports, [137, 138, 139, 8080]);
    });
    // RFC 8956 §3.8: bits 64 to 104 of the destination are 0x1234567898.
    with(Family::IPV6_FLOW, "0b 01 68 40 1234567898 03 81 06", |list| {
        let Nlri::Flow(flow) = list[0] else { panic!() };
        let Some(FlowComponent::Prefix { prefix, offset, .. }) = flow.components().next() else { panic!() };
        assert_eq!((prefix.to_string().as_str(), offset), ("::1234:5678:9800:0/104", 64));
    });
    with(Family::IPV4_FLOW_VPN, "0b 0000fc0000000001 03 81 06", |list| {
        let Nlri::Flow(flow) = list[0] else { panic!() };
        assert_eq!(flow.distinguisher(), Some(RouteDistinguisher::of_as(64512, 1)));
        assert!(flow.is_well_formed());
    });
    with(Family::IPV6_FLOW_VPN, "0b 0000fc0000000001 0d 81 06", |list| {
        let Nlri::Flow(flow) = list[0] else { panic!() };
        assert_eq!(flow.components().next().map(|component| component.kind()), Some(13));
    });
    // A length of two octets, needed or not; TCP flags.
    with(Family::IPV4_FLOW, "f003 09 81 02", |list| {
        let Nlri::Flow(flow) = list[0] else { panic!() };
        let Some(FlowComponent::Values { mut values, .. }) = flow.components().next() else { panic!() };
        let syn = values.next().unwrap();
        assert!(syn.matches_bits(0x12) && !syn.matches_bits(0x10));
    });
    // Order, repetition, unknown types, no last value, prefix too long: kept, and said so.
    for (field, components) in [
        ("06 04 81 19 03 81 06", 2),
        ("06 03 81 06 03 81 11", 2),
        ("01 0e", 0),
        ("03 03 01 06", 0),
        ("07 01 21 0102030405", 0),
    ] {
        with(Family::IPV4_FLOW, field, |list| {
            let field = hex(field);
            if field[0] == 6 && field.len() == 7 {
                let Nlri::Flow(flow) = list[0] else { panic!() };
                assert_eq!((flow.components().count(), flow.is_well_formed()), (components, false));
            }
        });
    }
}

#[test]
fn the_other_families() {
    with(Family::IPV4_MULTICAST, "08 e0", |list| {
        assert_eq!(list[0].prefix().unwrap().to_string(), "224.0.0.0/8")
    });
    with(Family::IPV6_MULTICAST, "08 ff", |list| {
        assert_eq!(list[0].prefix().unwrap().to_string(), "ff00::/8")
    });
    with(Family::ROUTE_TARGET, "00  60 0000fc00 0002fc0000000001  30 0000fc00 0002", |list| {
        let target = [0, 2, 0xfc, 0, 0, 0, 0, 1];
        assert_eq!(
            list[..2],
            [
                Nlri::RouteTarget(RouteTargetPrefix::DEFAULT),
                Nlri::RouteTarget(RouteTargetPrefix::new(64512, target))
            ]
        );
        let Nlri::RouteTarget(short) = list[2] else { panic!() };
        assert_eq!((short.bits(), short.origin(), short.target()), (48, 64512, [0, 2, 0, 0, 0, 0, 0, 0]));
    });
    with(Family::IPV4_SR_POLICY, "60 00000001 00000064 c0000201", |list| {
        assert_eq!(list, [Nlri::SrPolicy(SrPolicy::new(1, 100, IpAddr::from([192, 0, 2, 1])))]);
    });
    with(Family::IPV6_SR_POLICY, "c0 00000001 00000064 20010db8000000000000000000000001", |list| {
        assert_eq!(list, [Nlri::SrPolicy(SrPolicy::new(1, 100, "2001:db8::1".parse().unwrap()))]);
    });
    // A node of IS-IS level 2: descriptor 256 with AS 64512 (512) and router id (515).
    let node = "02 0000000000000000 0100 0012 0200 0004 0000fc00 0203 0006 000000000001";
    with(Family::LINK_STATE, &format!("0001 001f {node}  0006 0001 07"), |list| {
        let [Nlri::LinkState(node), Nlri::LinkState(short)] = list else { panic!("{list:?}") };
        assert_eq!((node.kind(), node.protocol(), node.identifier()), (LinkState::NODE, Some(2), Some(0)));
        let descriptors: Vec<_> = node.descriptors().map(|tlv| (tlv.kind, tlv.value.len())).collect();
        assert_eq!(descriptors, [(256, 18)]);
        assert_eq!(
            (short.kind(), short.protocol(), short.descriptors().count()),
            (LinkState::SRV6_SID, None, 0)
        );
    });
    with(Family::LINK_STATE_VPN, &format!("0001 0027 0000fc0000000001 {node}"), |list| {
        let [Nlri::LinkState(node)] = list else { panic!("{list:?}") };
        assert_eq!(
            (node.protocol(), node.distinguisher()),
            (Some(2), Some(RouteDistinguisher::of_as(64512, 1)))
        );
    });
    for (family, field) in [
        (Family::ROUTE_TARGET, "1f 0000fc00"),
        (Family::ROUTE_TARGET, "61 0000fc00 0002fc000000000100"),
        (Family::IPV4_SR_POLICY, "c0 00000001 00000064 20010db8000000000000000000000001"),
        (Family::LINK_STATE, "0001 0005 01020304"),
        (Family::IPV4_FLOW_VPN, "07 0000fc00000000"),
        (Family::IPV4_FLOW, "04 010203"),
        (Family::EVPN, "01 04 010203"),
        (Family::IPV4_MULTICAST, "21 0102030405"),
        (Family::IPV6_MULTICAST, "81 00"),
    ] {
        let bytes = carry(family, &next_hop(family), &hex(field), false);
        assert!(Message::decode(&bytes, &four()).is_err(), "{family} {field}");
    }
}

#[test]
fn next_hops_of_every_length() {
    // What the family may have; with RFC 8950, what else.
    let rows = [
        (Family::IPV4_UNICAST, vec![4], vec![16, 32]),
        (Family::IPV4_MULTICAST, vec![4], vec![16, 32]),
        (Family::IPV4_LABELLED, vec![4], vec![16, 32]),
        (Family::IPV6_UNICAST, vec![16, 32], vec![]),
        (Family::IPV6_LABELLED, vec![16, 32], vec![]),
        (Family::IPV4_VPN, vec![12], vec![24, 48]),
        (Family::IPV6_VPN, vec![24, 48], vec![]),
        (Family::EVPN, vec![4, 16, 32], vec![]),
        (Family::ROUTE_TARGET, vec![4, 16, 32], vec![]),
    ];
    for (family, plain, extended) in rows {
        for len in 0..=50_u8 {
            let octets: Vec<u8> = (0..len).collect();
            let bytes = carry(family, &octets, &[], false);
            let mut session = four();
            assert_eq!(Message::decode(&bytes, &session).is_ok(), plain.contains(&len), "{family} {len}");
            session.ipv6_next_hops = FamilySet::ALL;
            let decoded = Message::decode(&bytes, &session);
            assert_eq!(decoded.is_ok(), plain.contains(&len) || extended.contains(&len), "{family} {len}");
            let Ok((Message::Update(update), _)) = decoded else { continue };
            let skip = if family.safi() == Safi::VPN { 8 } else { 0 };
            let first = update.next_hop(family).unwrap();
            match first.address() {
                IpAddr::V4(address) => assert_eq!(address.octets(), octets[skip..skip + 4]),
                IpAddr::V6(address) => assert_eq!(address.octets(), octets[skip..skip + 16]),
            }
            assert_eq!(matches!(first, NextHop::Ipv6LinkLocal { .. }), len >= 32);
        }
    }
}

#[test]
fn the_builder_takes_every_family() {
    let mut session = four();
    session.ipv6_next_hops = FamilySet::ALL;
    session.add_path_send = FamilySet::EMPTY.with(Family::IPV4_VPN);
    let next_hop = NextHop::Ipv6LinkLocal {
        global: "2001:db8::1".parse().unwrap(),
        link_local: "fe80::1".parse().unwrap(),
    };
    let source = carry(Family::IPV4_VPN, &[0; 12], &hex("70 000101 0000fc0000000001 0a0100"), false);
    let vpn = decode(&source, &four()).announcements().next().unwrap();
    let mut buf = [0; 4096];
    let mut builder = UpdateBuilder::announce(&mut buf, &session, Family::IPV4_VPN, next_hop, &[]).unwrap();
    assert_eq!(builder.push_path(None, &vpn), Err(EncodeError::PathIdentifiers { family: Family::IPV4_VPN }));
    builder.push_path(Some(9), &vpn).unwrap();
    let mut receiver = session;
    receiver.add_path_receive = session.add_path_send;
    let bytes = builder.finish();
    let Message::Update(update) = Message::decode(bytes, &receiver).unwrap().0 else { panic!() };
    assert!(update.announced_paths().eq([(Some(9), vpn)]));
    assert_eq!(update.next_hop(Family::IPV4_VPN), Some(next_hop));
    // RFC 8950: IPv4 destinations with an IPv6 next hop, in MP_REACH_NLRI.
    let mut buf = [0; 4096];
    let mut builder =
        UpdateBuilder::announce(&mut buf, &session, Family::IPV4_UNICAST, next_hop, &[]).unwrap();
    builder.push("10.0.0.0/8".parse().unwrap()).unwrap();
    let bytes = builder.finish();
    assert!(Message::decode(bytes, &four()).is_err(), "not agreed on");
    let Message::Update(update) = Message::decode(bytes, &session).unwrap().0 else { panic!() };
    assert_eq!(update.next_hop(Family::IPV4_UNICAST), Some(next_hop));
    assert_eq!(update.announcements().next().unwrap().prefix(), Some("10.0.0.0/8".parse().unwrap()));
    let refused =
        UpdateBuilder::announce(&mut [0; 4096], &four(), Family::IPV4_UNICAST, next_hop, &[]).map(|_| ());
    assert_eq!(refused, Err(EncodeError::WrongFamily { family: Family::IPV4_UNICAST }));
}

proptest! {
    #![proptest_config(config(3000))]

    /// Any field of any family is refused, or every destination in it can be read, and they are the field again.
    #[test]
    fn any_field(
        family in prop::sample::select(FamilySet::ALL.iter().collect::<Vec<_>>()),
        pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..20), 0..24u8), 0..5),
        withdrawn: bool,
        add_path: bool,
    ) {
        // Pieces begin with small numbers, so that many are whole.
        let field: Vec<u8> = pieces.into_iter().flat_map(|(piece, first)| [vec![first], piece].concat()).collect();
        let bytes = carry(family, &next_hop(family), &field, withdrawn);
        let mut session = four();
        if add_path {
            session.add_path_receive = FamilySet::ALL;
        }
        let Ok((Message::Update(update), _)) = Message::decode(&bytes, &session) else { return Ok(()) };
        let paths: Vec<_> = if withdrawn { update.withdrawn_paths().collect() } else { update.announced_paths().collect() };
        let mut out = Vec::new();
        for (id, nlri) in &paths {
            prop_assert_eq!(id.is_some(), add_path);
            out.extend(id.iter().flat_map(|id| id.to_be_bytes()));
            let mut buf = [0; 300];
            let len = nlri.encode(&mut buf).unwrap();
            prop_assert_eq!(len, nlri.encoded_len());
            out.extend(&buf[..len]);
            core::hint::black_box(format!("{nlri:?}"));
            match nlri {
                Nlri::Evpn(evpn) => { core::hint::black_box(format!("{:?}", evpn.route())); }
                Nlri::Flow(flow) => { core::hint::black_box((flow.components().count(), flow.is_well_formed())); }
                Nlri::LinkState(state) => { core::hint::black_box(state.descriptors().count()); }
                Nlri::Vpn(vpn) => { core::hint::black_box((vpn.labels().count(), vpn.prefix(), vpn.distinguisher())); }
                _ => {}
            }
        }
        prop_assert_eq!(out.len(), field.len());
        // Prefixes and targets come back with the bits beyond their length cleared.
        let masked = matches!(family.safi(), Safi::UNICAST | Safi::MULTICAST | Safi::ROUTE_TARGET);
        prop_assert!(masked || out == field);
    }
}
