//! `decode(encode(x)) == x` and `encode(decode(b)) == b`, for everything that can be built.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod support;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::prelude::*;
use support::config;
use tortie_bgp_wire::{
    Afi, Aggregator, AsPath, Attribute, AttributeCode, AttributeFlags, Capability, CapabilityCode,
    ClusterList, Communities, Community, EncodeError, ErrorCode, Family, HoldTime, Message, NextHop,
    Notification, Open, Origin, RawAttribute, RawCapability, RouteRefresh, Safi, Session, UpdateBuilder,
};

/// Cases of each property.
const CASES: u32 = 200;

/// Values that attributes borrow from.
#[derive(Debug, Clone)]
struct Values {
    path: Vec<u32>,
    communities: Vec<Community>,
    clusters: Vec<core::net::Ipv4Addr>,
    unknown: Vec<u8>,
    numbers: [u32; 4],
    present: u16,
}

fn values() -> impl Strategy<Value = Values> {
    let asn = prop_oneof![1..65_536u32, 65_536..=u32::MAX];
    (
        prop::collection::vec(asn, 0..300),
        prop::collection::vec(any::<u32>().prop_map(Community::new), 1..70),
        prop::collection::vec(any::<u32>().prop_map(core::net::Ipv4Addr::from), 1..5),
        prop::collection::vec(any::<u8>(), 0..300),
        any::<[u32; 4]>(),
        any::<u16>(),
    )
        .prop_map(|(path, communities, clusters, unknown, numbers, present)| Values {
            path,
            communities,
            clusters,
            unknown,
            numbers,
            present,
        })
}

fn attributes(values: &Values) -> Vec<Attribute<'_>> {
    let [a, b, c, d] = values.numbers;
    let flags = AttributeFlags::OPTIONAL_TRANSITIVE.with(AttributeFlags::PARTIAL);
    let all = [
        Attribute::Origin([Origin::IGP, Origin::EGP, Origin::INCOMPLETE][usize::try_from(a % 3).unwrap()]),
        Attribute::AsPath(AsPath::sequence(&values.path)),
        Attribute::Med(a),
        Attribute::LocalPref(b),
        Attribute::AtomicAggregate,
        Attribute::Aggregator(Aggregator::new(c.max(1), d.into())),
        Attribute::Communities(Communities::list(&values.communities)),
        Attribute::OriginatorId(d.into()),
        Attribute::ClusterList(ClusterList::list(&values.clusters)),
        Attribute::Unknown(RawAttribute::new(flags, AttributeCode::new(200), &values.unknown)),
    ];
    // ORIGIN and AS_PATH are always there.
    let chosen = all.into_iter().enumerate().filter(|(i, _)| *i < 2 || values.present & 1 << i != 0);
    chosen.map(|(_, attribute)| attribute).collect()
}

fn prefixes() -> impl Strategy<Value = (Family, Vec<IpNet>)> {
    let v4 =
        (any::<u32>(), 0..=32u8).prop_map(|(bits, len)| IpNet::V4(Ipv4Net::new(bits.into(), len).unwrap()));
    let v6 =
        (any::<u128>(), 0..=128u8).prop_map(|(bits, len)| IpNet::V6(Ipv6Net::new(bits.into(), len).unwrap()));
    prop_oneof![
        prop::collection::vec(v4, 1..1500).prop_map(|v| (Family::IPV4_UNICAST, v)),
        prop::collection::vec(v6, 1..600).prop_map(|v| (Family::IPV6_UNICAST, v)),
    ]
}

/// Packs all prefixes into as many messages as it takes; each must be full but the last.
fn pack<'s>(
    prefixes: &[IpNet],
    mut begin: impl for<'b> FnMut(&'b mut [u8]) -> Result<UpdateBuilder<'b>, EncodeError> + 's,
) -> Result<Vec<Vec<u8>>, EncodeError> {
    let (mut out, mut rest) = (Vec::new(), prefixes);
    while !rest.is_empty() {
        let mut buf = [0; 4096];
        let mut builder = begin(&mut buf)?;
        let count = rest.iter().take_while(|prefix| builder.push(**prefix).is_ok()).count();
        if count == 0 {
            return Err(EncodeError::Full);
        }
        let (len, done) = (builder.len(), count == rest.len());
        assert_eq!(len, count);
        let message = builder.finish();
        assert!(done || message.len() > 4096 - 17, "{} octets", message.len());
        out.push(message.to_vec());
        rest = &rest[count..];
    }
    Ok(out)
}

/// `encode(decode(b)) == b`, the session's way.
fn recode(bytes: &[u8], session: &Session) {
    let (message, rest) = Message::decode(bytes, session).unwrap();
    let mut buf = [0; 4096];
    let len = message.encode(&mut buf, session).unwrap();
    assert_eq!((&buf[..len], rest.len()), (bytes, 0));
    assert_eq!(message.encoded_len(session), Ok(len));
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn updates(values in values(), (family, prefixes) in prefixes(), four_octet_as: bool, link_local: bool, withdraw: bool) {
        let mut session = Session::default();
        session.four_octet_as = four_octet_as;
        let list = attributes(&values);
        let next_hop = match (family, link_local) {
            (Family::IPV4_UNICAST, _) => NextHop::Ipv4([192, 0, 2, 1].into()),
            (_, false) => NextHop::Ipv6([1; 16].into()),
            (_, true) => NextHop::Ipv6LinkLocal { global: [1; 16].into(), link_local: [2; 16].into() },
        };
        let packed = pack(&prefixes, |buf| if withdraw {
            UpdateBuilder::withdraw(buf, &session, family)
        } else {
            UpdateBuilder::announce(buf, &session, family, next_hop, &list)
        });
        let too_wide = |n: &u32| !four_octet_as && *n > 65535;
        let aggregator = list.iter().any(|a| matches!(a, Attribute::Aggregator(a) if too_wide(&a.asn)));
        if !withdraw && (values.path.iter().any(too_wide) || aggregator) {
            let is_width = matches!(packed, Err(EncodeError::AsNeedsFourOctets { .. }));
            prop_assert!(is_width);
            return Ok(());
        }
        let packed = packed.unwrap();
        let mut seen = Vec::new();
        for bytes in &packed {
            recode(bytes, &session);
            let (Message::Update(update), _) = Message::decode(bytes, &session).unwrap() else { panic!("no UPDATE") };
            prop_assert_eq!(update.disposition(), None);
            let (there, not) = if withdraw {
                (update.withdrawals().collect::<Vec<_>>(), update.announcements().count())
            } else {
                (update.announcements().collect(), update.withdrawals().count())
            };
            prop_assert_eq!(not, 0);
            seen.extend(there.iter().map(|nlri| nlri.prefix().unwrap()));
            if !withdraw {
                prop_assert_eq!(update.next_hop(family), Some(next_hop));
                let own = |a: &Attribute<'_>| !matches!(a, Attribute::NextHop(_) | Attribute::MpReach(_));
                let read: Vec<_> = update.attributes().map(Result::unwrap).filter(own).collect();
                prop_assert_eq!(&read, &list);
            }
        }
        let expected: Vec<_> = prefixes.iter().map(IpNet::trunc).collect();
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn opens(
        asn in 1..=u32::MAX,
        hold in prop_oneof![Just(0u16), 3..=u16::MAX],
        id in 1..=u32::MAX,
        raw in prop::collection::vec((100..=255u8, prop::collection::vec(any::<u8>(), 0..100)), 0..8),
        families in prop::collection::vec((any::<u16>(), any::<u8>()), 0..4),
        refresh: bool,
    ) {
        let mut list = vec![Capability::FourOctetAs(asn)];
        list.extend(families.iter().map(|(afi, safi)| Capability::Multiprotocol(Family::new(Afi::new(*afi), Safi::new(*safi)))));
        list.extend(refresh.then_some(Capability::RouteRefresh));
        list.extend(raw.iter().map(|(code, value)| Capability::Unknown(RawCapability::new(CapabilityCode::new(*code), value))));
        let open = Open::new(asn, HoldTime::new(hold).unwrap(), id.into(), &list);
        let mut buf = [0; 4096];
        let len = open.encode(&mut buf).unwrap();
        prop_assert_eq!(len, open.encoded_len());
        let (decoded, _) = Message::decode(&buf[..len], &Session::default()).unwrap();
        prop_assert_eq!(decoded, Message::Open(open));
        prop_assert_eq!(open.asn(), asn);
        recode(&buf[..len], &Session::default());
        prop_assert_eq!(open.encode(&mut buf[..len - 1]), Err(EncodeError::BufferTooSmall));
    }

    #[test]
    fn notifications_and_refreshes(code: u8, subcode: u8, data in prop::collection::vec(any::<u8>(), 0..4075), afi: u16, safi: u8) {
        let notification = Notification::new(ErrorCode::new(code, subcode), &data);
        let mut buf = [0; 4096];
        let len = notification.encode(&mut buf).unwrap();
        prop_assert_eq!(Message::decode(&buf[..len], &Session::default()).unwrap().0, Message::Notification(notification));
        recode(&buf[..len], &Session::default());
        let refresh = RouteRefresh::new(Family::new(Afi::new(afi), Safi::new(safi))).with_subtype(subcode);
        let len = refresh.encode(&mut buf).unwrap();
        prop_assert_eq!(Message::decode(&buf[..len], &Session::default()).unwrap().0, Message::RouteRefresh(refresh));
    }
}
