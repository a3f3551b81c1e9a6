//! The attributes beyond those of RFC 4271: read as the RFCs draw them, written as they were read.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use core::net::IpAddr;

use proptest::prelude::*;
use support::{config, four, hex, update};
use tortie_bgp_wire::{
    Aggregator, Attribute, AttributeCode, AttributeFlags, ErrorAction, ExtendedCommunity,
    ExtendedCommunityKind, FlaggedAttribute, Label, LargeCommunity, Message, Origin, Session, TunnelEncap,
    Update, UpdateParts,
};

const BASE: &str = "40010100 400200 4003040a000001";

fn decode<'a>(bytes: &'a [u8], session: &Session) -> Update<'a> {
    let Message::Update(update) = Message::decode(bytes, session).unwrap().0 else { panic!("no UPDATE") };
    update
}

/// Hands the attribute after [`BASE`] to `check`. Written from typed values the message is the same.
fn with(attribute: &str, check: impl Fn(Attribute<'_>)) {
    let bytes = update(&[], &[hex(BASE), hex(attribute)].concat(), &[8, 10]);
    let update = decode(&bytes, &four());
    assert_eq!(update.disposition(), None, "{attribute}");
    let attributes: Vec<_> = update.attributes().flagged().map(Result::unwrap).collect();
    assert_eq!(attributes.len(), 4);
    let announced: Vec<_> = update.classic_announcements().collect();
    let parts = UpdateParts { withdrawn: &[], attributes: &attributes, announced: &announced };
    let mut buf = [0; 4096];
    let len = parts.encode(&mut buf, &four()).unwrap();
    assert_eq!(&buf[..len], bytes, "{attribute}");
    assert_eq!(attributes.iter().map(|a| a.encoded_len(&four())).sum::<usize>() + 25, len);
    check(attributes[3].attribute);
}

/// The action for the attribute after [`BASE`].
fn action(attribute: &str) -> Option<ErrorAction> {
    let bytes = update(&[], &[hex(BASE), hex(attribute)].concat(), &[8, 10]);
    decode(&bytes, &four()).disposition().map(|error| error.action())
}

#[test]
fn communities_of_all_sizes() {
    with("c010 10 0002fc0000000001 80060000 7f800000", |attribute| {
        let Attribute::ExtendedCommunities(list) = attribute else { panic!("{attribute:?}") };
        let [target, rate] = list.iter().collect::<Vec<_>>()[..] else { panic!() };
        assert_eq!(target, ExtendedCommunity::route_target(64512, 1));
        assert!(target.is_route_target() && target.is_transitive() && !rate.is_route_target());
        assert_eq!(target.to_string(), "rt:64512:1");
        assert_eq!(rate.kind(), ExtendedCommunityKind::FlowRate { asn: 0, bits: 0x7f80_0000 });
        assert_eq!(rate.to_string(), "0x800600007f800000");
    });
    with("c019 14 0002 20010db8000000000000000000000001 0007", |attribute| {
        let Attribute::Ipv6ExtendedCommunities(list) = attribute else { panic!("{attribute:?}") };
        let community = list.iter().next().unwrap();
        assert_eq!((community.kind(), community.subtype(), community.value()), (0, 2, 7));
        assert_eq!(community.address().to_string(), "2001:db8::1");
    });
    with("c020 18 0000fc00 00000001 00000002  fa56ea01 ffffffff 00000000", |attribute| {
        let Attribute::LargeCommunities(list) = attribute else { panic!("{attribute:?}") };
        assert!(list.contains(LargeCommunity::new(64512, 1, 2)));
        assert_eq!(list.iter().last().unwrap().to_string(), "4200000001:4294967295:0");
    });
    // RFC 7606 §7.14 and §7.15, RFC 8092 §6: a length that is zero or no multiple withdraws.
    for bad in
        ["c01000", "c01007 00020000000001", "c01900", "c01908 0002000000000100", "c02000", "c02004 00000001"]
    {
        assert_eq!(action(bad), Some(ErrorAction::TreatAsWithdraw), "{bad}");
    }
}

#[test]
fn kinds_of_extended_communities() {
    use ExtendedCommunityKind as K;
    let mac = [1, 2, 3, 4, 5, 6];
    let rows: &[(&str, K)] = &[
        ("0003 fc00 00000001", K::TwoOctetAs { subtype: 3, asn: 64512, value: 1 }),
        ("4004 fc00 00000001", K::LinkBandwidth { asn: 64512, bits: 1 }),
        ("0102 c0000201 0007", K::Ipv4 { subtype: 2, address: [192, 0, 2, 1].into(), value: 7 }),
        ("0202 fa56ea01 0007", K::FourOctetAs { subtype: 2, asn: 4_200_000_001, value: 7 }),
        ("030b 0000 00000064", K::Color { flags: 0, color: 100 }),
        ("030c 00000000 0008", K::Encapsulation { tunnel: 8 }),
        ("4300 0000000000 02", K::OriginValidation { state: 2 }),
        ("0306 000000000001", K::Opaque { subtype: 6, value: [0, 0, 0, 0, 0, 1] }),
        ("0600 01 00 00000005", K::MacMobility { flags: 1, sequence: 5 }),
        ("0601 01 0000 000640", K::SegmentLabel { flags: 1, label: 0x640 }),
        ("0602 010203040506", K::SegmentImport { mac }),
        ("0603 010203040506", K::RouterMac { mac }),
        ("800c fc00 00000000", K::FlowPacketRate { asn: 64512, bits: 0 }),
        ("8007 0000000000 03", K::FlowAction { flags: 3 }),
        ("8008 fc00 00000001", K::FlowRedirect { asn: 64512, value: 1 }),
        ("8009 0000000000 2e", K::FlowMark { dscp: 46 }),
        ("ff00 000000000000", K::Unknown),
    ];
    for (text, kind) in rows {
        let community = ExtendedCommunity::new(hex(text).try_into().unwrap());
        assert_eq!(community.kind(), *kind, "{text}");
    }
    assert_eq!(ExtendedCommunity::route_target4(4_200_000_001, 7).octets(), *hex("0202 fa56ea01 0007"));
    assert_eq!(
        ExtendedCommunity::new(hex("0102 c0000201 0007").try_into().unwrap()).to_string(),
        "rt:192.0.2.1:7"
    );
}

#[test]
fn tunnels_and_segments() {
    with("c016 09 00 06 000640 c0000201", |attribute| {
        let Attribute::PmsiTunnel(tunnel) = attribute else { panic!("{attribute:?}") };
        assert_eq!((tunnel.flags, tunnel.kind, tunnel.label), (0, 6, Label::new([0, 6, 0x40])));
        assert_eq!(tunnel.address(), Some(IpAddr::from([192, 0, 2, 1])));
    });
    // RFC 9012: a VXLAN tunnel with a color (4) and a part with a long length (128).
    with("c017 14 0008 0010 04 08 030b000000000064 80 0003 010203", |attribute| {
        let Attribute::TunnelEncap(tunnels) = attribute else { panic!("{attribute:?}") };
        let tunnel = tunnels.parts().next().unwrap();
        let parts: Vec<_> =
            TunnelEncap::tunnel(tunnel.value).map(|part| (part.kind, part.value.len())).collect();
        assert_eq!((tunnel.kind, parts), (8, vec![(4, 8), (128, 3)]));
    });
    // RFC 8669: label index 5, block of 1000 from 16000. RFC 9252: a SID with its structure.
    let sid = "05 0022 00 01 001e 00 20010db8000000010000000000000000 00 0013 00 01 0006 281810 00 1040";
    with(&format!("c028 3a 01 0007 00 0000 00000005 03 0008 0000 003e80 0003e8 {sid}"), |attribute| {
        let Attribute::PrefixSid(prefix_sid) = attribute else { panic!("{attribute:?}") };
        assert_eq!(prefix_sid.label_index(), Some(5));
        assert_eq!(prefix_sid.label_blocks().collect::<Vec<_>>(), [(16_000, 1000)]);
        let services: Vec<_> = prefix_sid.services().collect();
        let [service] = services[..] else { panic!("{services:?}") };
        assert_eq!(
            (service.sid.to_string().as_str(), service.behavior, service.is_layer2),
            ("2001:db8:0:1::", 19, false)
        );
        let structure = service.structure().unwrap();
        assert_eq!(
            (structure.block, structure.node, structure.function, structure.transposition_len),
            (40, 24, 16, 16)
        );
    });
    with("801a 0b 01 000b 0000000000000064", |attribute| {
        let Attribute::Aigp(aigp) = attribute else { panic!("{attribute:?}") };
        assert_eq!(aigp.metric(), Some(100));
    });
    with("801d 0a 0402 0006 000000000001", |attribute| {
        let Attribute::LinkState(state) = attribute else { panic!("{attribute:?}") };
        assert_eq!(state.parts().value_of(0x402), Some(&[0, 0, 0, 0, 0, 1][..]));
    });
    with("c023 04 0000fc00", |attribute| assert_eq!(attribute, Attribute::OnlyToCustomer(64512)));
    with("c080 0f 0000fc00 40010102 40050400000064", |attribute| {
        let Attribute::AttributeSet(set) = attribute else { panic!("{attribute:?}") };
        let inner: Vec<_> = set.attributes().map(Result::unwrap).collect();
        assert_eq!(
            (set.origin(), inner),
            (64512, vec![Attribute::Origin(Origin::INCOMPLETE), Attribute::LocalPref(100)])
        );
        assert_eq!(set.raw_attributes().count(), 2);
    });
    // Malformed: withdrawn, or discarded where that cannot change the choice of routes.
    for (bad, wanted) in [
        ("c01604 00060006", ErrorAction::TreatAsWithdraw),
        ("c01705 0008000504", ErrorAction::TreatAsWithdraw),
        ("c02303 00fc00", ErrorAction::TreatAsWithdraw),
        ("c08003 0000fc", ErrorAction::TreatAsWithdraw),
        ("c08006 0000fc00 4001", ErrorAction::TreatAsWithdraw),
        ("801a02 0100", ErrorAction::AttributeDiscard),
        ("801a03 01 0002", ErrorAction::AttributeDiscard),
        ("801d03 040200", ErrorAction::AttributeDiscard),
        ("c02803 01 0007", ErrorAction::AttributeDiscard),
        ("c01103 020100", ErrorAction::AttributeDiscard),
        ("c01206 fc000a000001", ErrorAction::AttributeDiscard),
        // Wrong flags (RFC 7606 §3.c).
        ("8010 08 0002fc0000000001", ErrorAction::TreatAsWithdraw),
        ("c01a 0b 01 000b 0000000000000064", ErrorAction::TreatAsWithdraw),
    ] {
        assert_eq!(action(bad), Some(wanted), "{bad}");
    }
}

/// The path and the aggregator of a message of a session with two-octet AS numbers.
fn merged(attributes: &str) -> (String, Option<Aggregator>) {
    let bytes = update(&[], &hex(&format!("40010100 4003040a000001 {attributes}")), &[8, 10]);
    let update = decode(&bytes, &Session::default());
    assert_eq!(update.disposition(), None);
    let segments = update
        .as_path()
        .unwrap()
        .segments()
        .map(|segment| (segment.kind.get(), segment.asns.collect::<Vec<_>>()));
    (format!("{:?}", segments.collect::<Vec<_>>()), update.aggregator())
}

#[test]
fn paths_of_two_widths_are_one() {
    // RFC 6793 §4.2.3: 23456 stands where a number needs four octets.
    let path = "400208 0203 fc00 5ba0 5ba0";
    assert_eq!(merged(path).0, "[(2, [64512, 23456, 23456])]");
    assert_eq!(
        merged(&format!("{path} c0110a 0202 fa56ea01 fa56ea02")).0,
        "[(2, [64512]), (2, [4200000001, 4200000002])]"
    );
    assert_eq!(
        merged(&format!("{path} c0110e 0203 0000fc00 fa56ea01 fa56ea02")).0,
        "[(2, [64512, 4200000001, 4200000002])]"
    );
    // Longer than the path: ignored.
    assert_eq!(
        merged(&format!("{path} c01112 0204 00000001 0000fc00 fa56ea01 fa56ea02")).0,
        "[(2, [64512, 23456, 23456])]"
    );
    // A set counts as one; confederation segments as none, and those of AS4_PATH are left out.
    let sets = "400214 0301 fc05 0202 fc00 5ba0 0102 5ba0 fc01 0201 5ba0";
    assert_eq!(
        merged(&format!("{sets} c01112 0301 0000fc05 0201 fa56ea01 0101 fa56ea02")).0,
        "[(3, [64517]), (2, [64512, 23456]), (2, [4200000001]), (1, [4200000002])]"
    );
    // The aggregator: with AS_TRANS the long one counts; else neither long attribute does.
    let path4 = "c0110a 0202 fa56ea01 fa56ea02";
    let (text, aggregator) = merged(&format!("{path} c00706 5ba00a000001 {path4} c01208 fa56ea010a000002"));
    assert_eq!(
        (text.as_str(), aggregator),
        (
            "[(2, [64512]), (2, [4200000001, 4200000002])]",
            Some(Aggregator::new(4_200_000_001, [10, 0, 0, 2].into()))
        )
    );
    let (text, aggregator) = merged(&format!("{path} c00706 fc000a000001 {path4} c01208 fa56ea010a000002"));
    assert_eq!(
        (text.as_str(), aggregator),
        ("[(2, [64512, 23456, 23456])]", Some(Aggregator::new(64512, [10, 0, 0, 1].into())))
    );
    // On a session with four octets the long attributes mean nothing.
    let bytes =
        update(&[], &hex("40010100 4003040a000001 400206 0201 0000fc00 c01106 0201 00000007"), &[8, 10]);
    let wide = decode(&bytes, &four());
    assert!(wide.as_path().unwrap().asns().eq([64512]));
}

#[test]
fn flags_are_kept() {
    // Partial, and a length field wider than needed.
    with("f010 0008 0002fc0000000001", |_| {});
    with("e008 04 fc000001", |_| {});
    let attribute = FlaggedAttribute::new(AttributeFlags::new(0xf0), Attribute::Med(1));
    assert_eq!(
        (attribute.encoded_len(&four()), FlaggedAttribute::from(Attribute::Med(1)).encoded_len(&four())),
        (8, 7)
    );
    assert_eq!(attribute.attribute.code(), AttributeCode::MED);
}

proptest! {
    #![proptest_config(config(3000))]

    /// Any value of any attribute is judged; what is good is written as it was read, from its typed form.
    #[test]
    fn any_attribute(
        code in prop_oneof![0..41u8, Just(128), any::<u8>()],
        pieces in prop::collection::vec((0..9u8, 0..12u8, prop::collection::vec(any::<u8>(), 0..12)), 0..4),
        extended: bool,
        session in any::<bool>(),
    ) {
        let mut value = Vec::new();
        for (kind, len, rest) in pieces {
            value.extend([kind, len]);
            value.extend(rest);
        }
        let optional = AttributeFlags::new(match code { 1..=3 | 5 | 6 => 0x40, 4 | 9 | 10 | 14 | 15 | 26 | 29 => 0x80, _ => 0xc0 });
        let flags = optional.get() | if extended { 0x10 } else { 0 };
        let len = u8::try_from(value.len()).unwrap();
        let header = if extended { vec![flags, code, 0, len] } else { vec![flags, code, len] };
        let bytes = update(&[], &[header, value].concat(), &[]);
        let mut s = Session::default();
        s.four_octet_as = session;
        let Ok((Message::Update(update), _)) = Message::decode(&bytes, &s) else { return Ok(()) };
        core::hint::black_box(support::walk(&Message::Update(update)));
        let Some(Ok(attribute)) = update.attributes().flagged().next() else { return Ok(()) };
        core::hint::black_box(format!("{attribute:?}"));
        if let Attribute::PrefixSid(sid) = attribute.attribute {
            core::hint::black_box((sid.label_index(), sid.label_blocks().count(), sid.services().filter_map(|s| s.structure()).count()));
        }
        let parts = UpdateParts { withdrawn: &[], attributes: &[attribute], announced: &[] };
        let mut buf = [0; 4096];
        let len = parts.encode(&mut buf, &s).unwrap();
        prop_assert_eq!(&buf[..len], &bytes[..]);
    }
}
