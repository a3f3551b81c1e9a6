//! Packing: every destination once, in order, in as few messages as the length of the session allows.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod support;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::prelude::*;
use support::{config, four};
use tortie_bgp_wire::{
    AsPath, Attribute, EncodeError, Family, FamilySet, Message, NextHop, Nlri, Origin, Session, Update,
    UpdateBuilder, UpdatePacker,
};

fn decode<'a>(bytes: &'a [u8], session: &Session) -> Update<'a> {
    let Message::Update(update) = Message::decode(bytes, session).unwrap().0 else { panic!("no UPDATE") };
    update
}

fn next_hop(family: Family) -> NextHop {
    if family == Family::IPV4_UNICAST {
        NextHop::Ipv4([10, 0, 0, 1].into())
    } else {
        NextHop::Ipv6([1; 16].into())
    }
}

/// The stupid twin: one message for each destination, of which only the lengths of the destinations count. First fit, in order.
fn least_messages(overhead: usize, lens: &[usize], max: usize) -> usize {
    let (mut messages, mut used) = (0, max);
    for len in lens {
        if used + len > max {
            messages += 1;
            used = overhead;
        }
        used += len;
    }
    messages
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn every_destination_once(
        bits in prop::collection::vec((any::<u128>(), 0..=128u8), 0..4000),
        path in prop::collection::vec(1..=u32::MAX, 0..300),
        v6: bool,
        extended: bool,
        ids: bool,
        withdraw: bool,
        size in prop_oneof![Just(65535_usize), Just(4096), 3000..4000_usize],
    ) {
        let family = if v6 { Family::IPV6_UNICAST } else { Family::IPV4_UNICAST };
        let mut session = four();
        session.extended_message = extended;
        if ids {
            (session.add_path_send, session.add_path_receive) = (FamilySet::ALL, FamilySet::ALL);
        }
        let paths: Vec<(Option<u32>, Nlri<'_>)> = bits.iter().map(|&(bits, len)| {
            let v4 = u32::try_from(bits >> 96).unwrap();
            let prefix = if v6 {
                IpNet::V6(Ipv6Net::new(bits.into(), len).unwrap())
            } else {
                IpNet::V4(Ipv4Net::new(v4.into(), len % 33).unwrap())
            };
            (ids.then_some(v4), Nlri::from(prefix.trunc()))
        }).collect();
        let attributes = [Attribute::Origin(Origin::IGP), Attribute::AsPath(AsPath::sequence(&path))];
        let mut buf = vec![0; size];
        let (mut seen, mut messages) = (Vec::new(), 0);
        let mut packer = if withdraw {
            UpdatePacker::withdraw_paths(&session, family, paths.iter().copied())
        } else {
            UpdatePacker::announce_paths(&session, family, next_hop(family), &attributes, paths.iter().copied())
        };
        while let Some(message) = packer.next(&mut buf).unwrap() {
            prop_assert!(message.len() <= session.max_len());
            let update = decode(message, &session);
            prop_assert_eq!(update.disposition(), None);
            if withdraw { seen.extend(update.withdrawn_paths().map(own)) } else { seen.extend(update.announced_paths().map(own)) }
            messages += 1;
        }
        prop_assert_eq!(&seen, &paths);
        prop_assert_eq!(packer.next(&mut buf), Ok(None));
        // What a message has beside its destinations.
        let mut empty = vec![0; 65535];
        let overhead = if withdraw {
            UpdateBuilder::withdraw(&mut empty, &session, family).unwrap().finish().len()
        } else {
            UpdateBuilder::announce(&mut empty, &session, family, next_hop(family), &attributes).unwrap().finish().len()
        };
        let lens: Vec<usize> = paths.iter().map(|(id, nlri)| nlri.encoded_len() + if id.is_some() { 4 } else { 0 }).collect();
        prop_assert_eq!(messages, least_messages(overhead, &lens, size.min(session.max_len())));
    }
}

/// Detaches a destination from the bytes it was read from.
fn own((id, nlri): (Option<u32>, Nlri<'_>)) -> (Option<u32>, Nlri<'static>) {
    (id, Nlri::from(nlri.prefix().unwrap()))
}

#[test]
fn what_does_not_fit_is_an_error_and_the_rest_goes_on() {
    let session = four();
    let (v4, v6): (IpNet, IpNet) = ("10.0.0.0/8".parse().unwrap(), "fd00::/64".parse().unwrap());
    let mut buf = [0; 4096];
    let mut packer = UpdatePacker::withdraw(&session, Family::IPV4_UNICAST, [v6, v4].into_iter());
    assert_eq!(packer.next(&mut buf), Err(EncodeError::WrongFamily { family: Family::IPV4_UNICAST }));
    let message = packer.next(&mut buf).unwrap().unwrap();
    assert_eq!(decode(message, &session).withdrawals().collect::<Vec<_>>(), [Nlri::from(v4)]);
    assert_eq!(packer.next(&mut buf), Ok(None));
    // No room for even one.
    let mut packer = UpdatePacker::withdraw(&session, Family::IPV4_UNICAST, [v4, v4].into_iter());
    assert_eq!(packer.next(&mut buf[..24]), Err(EncodeError::Full));
    assert!(packer.next(&mut buf[..25]).unwrap().is_some());
    let path = [1; 2000];
    let long = [Attribute::AsPath(AsPath::sequence(&path))];
    let mut packer = UpdatePacker::announce(
        &session,
        Family::IPV4_UNICAST,
        next_hop(Family::IPV4_UNICAST),
        &long,
        [v4].into_iter(),
    );
    assert_eq!(packer.next(&mut buf), Err(EncodeError::BufferTooSmall));
}
