//! Every error there is: its place, its NOTIFICATION, and what RFC 7606 wants done.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::collections::BTreeSet;

use support::{four, hex, message, update};
use tortie_bgp_wire::{
    AttributeCode, DecodeError, DecodeErrorKind as K, EncodeError, ErrorAction, Family, Message, NextHop,
    Session, UpdateBuilder,
};

use ErrorAction::{AttributeDiscard, SessionReset, TreatAsWithdraw};

/// Origin IGP, empty path, next hop 10.0.0.1.
const GOOD: &str = "40010100 400200 4003040a000001";

fn external() -> Session {
    let mut session = four();
    session.external = true;
    session
}

/// The error of a message: of its decoding, or what is to be done with the UPDATE.
fn error_of(bytes: &[u8], session: &Session) -> Option<DecodeError> {
    match Message::decode(bytes, session) {
        Err(error) => {
            assert_eq!(error.action(), SessionReset, "an error of decoding is fatal");
            Some(error)
        }
        Ok((Message::Update(update), _)) => update.disposition(),
        Ok(_) => None,
    }
}

fn name(kind: K) -> String {
    format!("{kind:?}").split([' ', '{']).next().unwrap().to_owned()
}

/// Kind, offset, action, code, subcode and data that the NOTIFICATION would have.
fn check(
    bytes: &[u8],
    kind: K,
    offset: u16,
    action: ErrorAction,
    code: (u8, u8),
    data: &str,
    seen: &mut BTreeSet<String>,
) {
    check_in(&four(), bytes, kind, offset, action, code, data, seen);
}

#[expect(clippy::too_many_arguments, reason = "a row of a table")]
fn check_in(
    session: &Session,
    bytes: &[u8],
    kind: K,
    offset: u16,
    action: ErrorAction,
    code: (u8, u8),
    data: &str,
    seen: &mut BTreeSet<String>,
) {
    let error = error_of(bytes, session).unwrap_or_else(|| panic!("no {kind:?}"));
    assert_eq!((error.kind(), error.offset(), error.action()), (kind, offset, action), "{error}");
    let notification = error.notification(bytes);
    assert_eq!((notification.code().code(), notification.code().subcode()), code, "{error}");
    assert_eq!(notification.data(), hex(data), "{error}");
    assert!(error.to_string().ends_with(&format!(" at byte {offset}")));
    seen.insert(name(kind));
}

/// The attributes of [`GOOD`] and then these, for 10.0.0.0/8. The new ones begin at byte 37.
fn with(attributes: &str) -> Vec<u8> {
    update(&[], &[hex(GOOD), hex(attributes)].concat(), &[8, 10])
}

#[test]
fn every_error_is_found_and_judged() {
    let mut s = BTreeSet::new();
    let s = &mut s;
    headers(s);
    opens(s);
    structure(s);
    attributes(s);
    multiprotocol(s);
    let all = [
        "NotSynchronized",
        "BadMessageLength",
        "Incomplete",
        "BadMessageType",
        "UnsupportedVersion",
        "BadPeerAs",
        "BadIdentifier",
        "UnsupportedParameter",
        "UnacceptableHoldTime",
        "MalformedOpen",
        "MalformedCapability",
        "MalformedAttributeList",
        "DuplicateAttribute",
        "UnrecognizedWellKnown",
        "MissingWellKnown",
        "AttributeFlags",
        "AttributeLength",
        "InvalidOrigin",
        "NotFromExternal",
        "OptionalAttribute",
        "NextHopLength",
        "InvalidNetwork",
        "MalformedAsPath",
        "RefreshLength",
    ];
    assert_eq!(*s, all.into_iter().map(String::from).collect());
}

fn headers(s: &mut BTreeSet<String>) {
    let mut bytes = message(4, &[]);
    bytes[3] = 0;
    check(&bytes, K::NotSynchronized, 0, SessionReset, (1, 1), "", s);
    // RFC 4271 §6.1, in short: the data is the bad length field.
    check(&message(4, &[0]), K::BadMessageLength { len: 20 }, 16, SessionReset, (1, 2), "0014", s);
    check(&message(2, &[0; 3]), K::BadMessageLength { len: 22 }, 16, SessionReset, (1, 2), "0016", s);
    check(&message(1, &[0; 9]), K::BadMessageLength { len: 28 }, 16, SessionReset, (1, 2), "001c", s);
    check(&message(3, &[0]), K::BadMessageLength { len: 20 }, 16, SessionReset, (1, 2), "0014", s);
    let long = message(2, &[0; 4078]);
    check(&long, K::BadMessageLength { len: 4097 }, 16, SessionReset, (1, 2), "1001", s);
    check(&message(99, &[]), K::BadMessageType { kind: 99 }, 18, SessionReset, (1, 3), "63", s);
    let cut = message(2, &[0; 4]);
    check(cut.split_last().unwrap().1, K::Incomplete, 16, SessionReset, (1, 2), "0017", s);
    check(&cut[..18], K::Incomplete, 0, SessionReset, (1, 2), "", s);
    // RFC 7313 §5, in short: the data is the whole message.
    let refresh = message(5, &[0, 1, 0]);
    let data: String = refresh.iter().map(|b| format!("{b:02x}")).collect();
    check(&refresh, K::RefreshLength, 16, SessionReset, (7, 1), &data, s);
}

fn opens(s: &mut BTreeSet<String>) {
    let open = |text: &str| message(1, &hex(text));
    check(
        &open("03 fc00 005a 0a000001 00"),
        K::UnsupportedVersion { version: 3 },
        19,
        SessionReset,
        (2, 1),
        "0004",
        s,
    );
    check(&open("04 0000 005a 0a000001 00"), K::BadPeerAs, 20, SessionReset, (2, 2), "", s);
    check(&open("04 5ba0 005a 0a000001 08 0206 410400000000"), K::BadPeerAs, 20, SessionReset, (2, 2), "", s);
    check(&open("04 fc00 005a 00000000 00"), K::BadIdentifier, 24, SessionReset, (2, 3), "", s);
    check(&open("04 fc00 0002 0a000001 00"), K::UnacceptableHoldTime, 22, SessionReset, (2, 6), "", s);
    check(
        &open("04 fc00 005a 0a000001 03 0101 00"),
        K::UnsupportedParameter { kind: 1 },
        29,
        SessionReset,
        (2, 4),
        "",
        s,
    );
    check(&open("04 fc00 005a 0a000001 02 0200 00"), K::MalformedOpen, 28, SessionReset, (2, 0), "", s);
    check(&open("04 fc00 005a 0a000001 03 0203 00"), K::MalformedOpen, 29, SessionReset, (2, 0), "", s);
    check(&open("04 fc00 005a 0a000001 04 0202 c801"), K::MalformedOpen, 31, SessionReset, (2, 0), "", s);
    check(&open("04 fc00 005a 0a000001 ff ff00"), K::MalformedOpen, 28, SessionReset, (2, 0), "", s);
    let short = open("04 fc00 005a 0a000001 05 0203 4101fc");
    check(&short, K::MalformedCapability { code: 65 }, 31, SessionReset, (2, 0), "", s);
}

fn structure(s: &mut BTreeSet<String>) {
    // RFC 4271 §6.3, in short: lengths that exceed the message are a malformed attribute list.
    check(&message(2, &hex("0005 0000")), K::MalformedAttributeList, 19, SessionReset, (3, 1), "", s);
    check(&message(2, &hex("0000 0001")), K::MalformedAttributeList, 21, SessionReset, (3, 1), "", s);
    check(&message(2, &hex("0002 080a")), K::MalformedAttributeList, 23, SessionReset, (3, 1), "", s);
    // RFC 7606 §5.3, in short: a classic field is unreadable if a prefix is longer than 32 bits or runs out of the field.
    check(&update(&[33, 1, 2, 3, 4, 5], &[], &[]), K::InvalidNetwork, 21, SessionReset, (3, 10), "", s);
    check(&update(&[], &hex(GOOD), &[8, 10, 24, 1, 2]), K::InvalidNetwork, 39, SessionReset, (3, 10), "", s);
    // RFC 7606 §4, in short: if attributes overrun their section, its length still tells where the NLRI begin; withdraw them.
    check(&with("c063 05 01"), K::MalformedAttributeList, 37, TreatAsWithdraw, (3, 1), "", s);
    check(&with("c063"), K::MalformedAttributeList, 37, TreatAsWithdraw, (3, 1), "", s);
    let bytes = with("c063 05 01");
    let Message::Update(cut) = Message::decode(&bytes, &four()).unwrap().0 else { panic!() };
    assert_eq!(cut.announcements().count(), 1, "the routes to withdraw are still found");
    // RFC 7606 §3.d, in short: without a mandatory attribute, the routes are withdrawn.
    let missing = |attributes: &str| update(&[], &hex(attributes), &[8, 10]);
    let row = |code| K::MissingWellKnown { code };
    check(&missing("400200 4003040a000001"), row(1), 23, TreatAsWithdraw, (3, 3), "01", s);
    check(&missing("40010100 4003040a000001"), row(2), 23, TreatAsWithdraw, (3, 3), "02", s);
    check(&missing("40010100 400200"), row(3), 23, TreatAsWithdraw, (3, 3), "03", s);
    // RFC 7606 §5.2, in short: attributes but no announcement, and an error above "discard": we cannot know what was meant; reset.
    let nothing = update(&[8, 10], &hex("40010103"), &[]);
    check(&nothing, K::InvalidOrigin, 25, SessionReset, (3, 6), "40010103", s);
    let nothing = update(&[8, 10], &hex("c0070100"), &[]);
    check(&nothing, K::AttributeLength { code: 7 }, 25, AttributeDiscard, (3, 5), "c0070100", s);
    // Several errors: the strongest action counts (RFC 7606 §3.h).
    let both = with("c0070100 80040100");
    check(&both, K::AttributeLength { code: 4 }, 41, TreatAsWithdraw, (3, 5), "80040100", s);
}

fn attributes(s: &mut BTreeSet<String>) {
    let replace = |attributes: &str| update(&[], &hex(attributes), &[8, 10]);
    let origin = |value: &str| replace(&format!("{value} 400200 4003040a000001"));
    check(&origin("40010103"), K::InvalidOrigin, 23, TreatAsWithdraw, (3, 6), "40010103", s);
    check(
        &origin("4001020000"),
        K::AttributeLength { code: 1 },
        23,
        TreatAsWithdraw,
        (3, 5),
        "4001020000",
        s,
    );
    check(&origin("c0010100"), K::AttributeFlags { code: 1 }, 23, TreatAsWithdraw, (3, 4), "c0010100", s);
    let path = |value: &str| replace(&format!("40010100 {value} 4003040a000001"));
    for bad in [
        "400202 0200",
        "400206 0501 0000fc00",
        "400205 0201 0000fc",
        "400206 0202 0000fc00",
        "400206 0201 00000000",
        "400207 0201 0000fc00 02",
    ] {
        check(&path(bad), K::MalformedAsPath, 27, TreatAsWithdraw, (3, 11), bad, s);
    }
    let next_hop = replace("40010100 400200 400303 0a0000");
    check(&next_hop, K::AttributeLength { code: 3 }, 30, TreatAsWithdraw, (3, 5), "4003030a0000", s);
    let length = |code| K::AttributeLength { code };
    check(&with("80040100"), length(4), 37, TreatAsWithdraw, (3, 5), "80040100", s);
    check(&with("40050100"), length(5), 37, TreatAsWithdraw, (3, 5), "40050100", s);
    // RFC 7606 §7.6, in short: a malformed ATOMIC_AGGREGATE is discarded; so is AGGREGATOR (§7.7).
    check(&with("40060100"), length(6), 37, AttributeDiscard, (3, 5), "40060100", s);
    check(&with("c00706 fc000a000001"), length(7), 37, AttributeDiscard, (3, 5), "c00706fc000a000001", s);
    check(
        &with("c00708 000000000a000001"),
        length(7),
        37,
        AttributeDiscard,
        (3, 5),
        "c00708000000000a000001",
        s,
    );
    // RFC 7606 §7.8, in short: at least one community, four octets each.
    check(&with("c00800"), length(8), 37, TreatAsWithdraw, (3, 5), "c00800", s);
    check(&with("c00803 010203"), length(8), 37, TreatAsWithdraw, (3, 5), "c00803010203", s);
    check(&with("80090100"), length(9), 37, TreatAsWithdraw, (3, 5), "80090100", s);
    check(&with("800a00"), length(10), 37, TreatAsWithdraw, (3, 5), "800a00", s);
    check(
        &with("c00504 00000064"),
        K::AttributeFlags { code: 5 },
        37,
        TreatAsWithdraw,
        (3, 4),
        "c0050400000064",
        s,
    );
    check(&with("4063 00"), K::UnrecognizedWellKnown { code: 99 }, 37, SessionReset, (3, 2), "406300", s);
    // RFC 7606 §3.g, in short: the first occurrence counts.
    check(&with("40010102"), K::DuplicateAttribute { code: 1 }, 37, AttributeDiscard, (3, 1), "", s);
    // RFC 7606 §7.5, in short: from an external peer LOCAL_PREF is discarded, malformed or not; likewise §7.9 and §7.10.
    // RFC 7606 §4, in short: no attribute but AS_PATH and ATOMIC_AGGREGATE may be empty.
    for (code, flags, action) in [
        (17, 0xc0, AttributeDiscard),
        (22, 0xc0, TreatAsWithdraw),
        (23, 0xc0, TreatAsWithdraw),
        (26, 0x80, AttributeDiscard),
        (29, 0x80, AttributeDiscard),
        (40, 0xc0, AttributeDiscard),
    ] {
        let text = format!("{flags:02x}{code:02x}00");
        check(&with(&text), length(code), 37, action, (3, 5), &text, s);
    }
    for (code, text) in
        [(5, "40050400000064"), (9, "8009040a000001"), (10, "800a040a000001"), (5, "40050100")]
    {
        let kind = K::NotFromExternal { code };
        check_in(&external(), &with(text), kind, 37, AttributeDiscard, (3, 9), text, s);
    }
    assert_eq!(error_of(&with("40050400000064"), &four()), None);
}

fn multiprotocol(s: &mut BTreeSet<String>) {
    let only = |attributes: &str| update(&[], &hex(&format!("40010100 400200 {attributes}")), &[]);
    let reach = K::OptionalAttribute { code: 14 };
    check(&only("800e00"), reach, 30, SessionReset, (3, 9), "800e00", s);
    check(&only("800e05 000201 1000"), reach, 30, SessionReset, (3, 9), "800e050002011000", s);
    check(&only("800f02 0002"), K::OptionalAttribute { code: 15 }, 30, SessionReset, (3, 9), "800f020002", s);
    // RFC 7606 §7.11, in short: a next hop of a length that the family does not have leaves the rest unreadable.
    let kind = K::NextHopLength { family: Family::IPV6_UNICAST, len: 4 };
    check(
        &only("800e09 000201 04 0a000001 00"),
        kind,
        30,
        SessionReset,
        (3, 9),
        "800e09000201040a00000100",
        s,
    );
    let prefix = "800e17 000201 10 fd000000000000000000000000000001 00 8100";
    // RFC 4760 §7, in short: errors in these attributes are "optional attribute error".
    check(&only(prefix), reach, 54, SessionReset, (3, 9), prefix, s);
    let unreach = K::OptionalAttribute { code: 15 };
    check(&only("800f04 000201 40"), unreach, 36, SessionReset, (3, 9), "800f0400020140", s);
    check(&only("800f05 000201 8100"), unreach, 36, SessionReset, (3, 9), "800f050002018100", s);
    let twice = only("800f03 000201 800f03 000101");
    check(&twice, K::DuplicateAttribute { code: 15 }, 36, SessionReset, (3, 1), "", s);
    // RFC 7606 §5.3, in short: flags that RFC 4760 does not give them make them incorrect.
    let flags = only("c00e16 000201 10 fd000000000000000000000000000001 00 00");
    let data = "c00e1600020110fd0000000000000000000000000000010000";
    check(&flags, K::AttributeFlags { code: 14 }, 30, SessionReset, (3, 9), data, s);
}

#[test]
fn what_is_left_after_a_discard() {
    let bytes = with("40010102 c0070100 80040400000007");
    let Message::Update(update) = Message::decode(&bytes, &four()).unwrap().0 else { panic!() };
    assert_eq!(update.disposition().unwrap().action(), AttributeDiscard);
    let codes: Vec<_> = update.attributes().flatten().map(|attribute| attribute.code()).collect();
    let kept = [AttributeCode::ORIGIN, AttributeCode::AS_PATH, AttributeCode::NEXT_HOP, AttributeCode::MED];
    assert_eq!(codes, kept);
}

#[test]
fn every_encode_error_is_reached() {
    use tortie_bgp_wire::{
        AsPath, Attribute, AttributeFlags, Capability, CapabilityCode, ErrorCode, HoldTime,
    };
    use tortie_bgp_wire::{Notification, Open, RawAttribute, RawCapability};
    let mut buf = [0; 4096];
    let next_hop = NextHop::Ipv4([10, 0, 0, 1].into());
    let mut announce = |family, attributes: &[Attribute<'_>], session: &Session| {
        UpdateBuilder::announce(&mut buf, session, family, next_hop, attributes).map(|_| ()).unwrap_err()
    };
    let (v4, v6) = (Family::IPV4_UNICAST, Family::IPV6_UNICAST);
    assert_eq!(announce(v6, &[], &four()), EncodeError::WrongFamily { family: v6 });
    let own = [Attribute::NextHop([10, 0, 0, 1].into())];
    assert_eq!(announce(v4, &own, &four()), EncodeError::BuiltAttribute { code: 3 });
    let path = [Attribute::AsPath(AsPath::sequence(&[70_000]))];
    assert_eq!(announce(v4, &path, &Session::default()), EncodeError::AsNeedsFourOctets { asn: 70_000 });
    let value = vec![0; 70_000];
    let unknown = |len| {
        let raw = RawAttribute::new(AttributeFlags::OPTIONAL, AttributeCode::new(99), &value[..len]);
        [Attribute::Unknown(raw)]
    };
    assert_eq!(announce(v4, &unknown(70_000), &four()), EncodeError::ValueTooLong);
    assert_eq!(announce(v4, &unknown(5000), &four()), EncodeError::BufferTooSmall);
    let mut builder = UpdateBuilder::announce(&mut buf, &four(), v4, next_hop, &unknown(4060)).unwrap();
    assert_eq!(builder.push("fd00::/64".parse().unwrap()), Err(EncodeError::WrongFamily { family: v4 }));
    assert_eq!(builder.push("10.0.0.0/24".parse().unwrap()), Err(EncodeError::Full));
    builder.push("0.0.0.0/0".parse().unwrap()).unwrap();
    let capability = [Capability::Unknown(RawCapability::new(CapabilityCode::new(9), &value[..256]))];
    let open = Open::new(1, HoldTime::NONE, [1, 1, 1, 1].into(), &capability);
    assert_eq!(open.encode(&mut buf), Err(EncodeError::ValueTooLong));
    let long = Notification::new(ErrorCode::CEASE, &value[..4076]);
    assert_eq!(long.encode(&mut buf), Err(EncodeError::MessageTooLong { max: 4096 }));
    assert_eq!(Notification::new(ErrorCode::CEASE, &value[..4075]).encode(&mut buf), Ok(4096));
}
