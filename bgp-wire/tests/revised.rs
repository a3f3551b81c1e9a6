//! RFC 7606, sentence by sentence: sections 3 to 6, as far as they bind who reads and writes messages.
//! Section 7 is in `revised_attributes.rs`.
//!
//! What binds the speaker alone has no test here: that withdrawn routes leave the Adj-RIB-In (section 2).

mod support;

use ErrorAction::{AttributeDiscard, SessionReset, TreatAsWithdraw};
use support::revised::*;
use support::{four, hex, message, update};
use tortie_bgp_wire::{
    Attribute, AttributeCode, DecodeErrorKind, EncodeError, ErrorAction, ErrorCode, Family, NextHop, Origin,
    UpdateBuilder,
};

//= https://www.rfc-editor.org/rfc/rfc7606#section-3
//# An error detected while processing the UPDATE message for which a session reset is specified MUST be
//# indicated by sending the NOTIFICATION message with the Error Code UPDATE Message Error.
#[test]
fn a_session_is_reset_with_update_message_error() {
    for bytes in [update(&[33, 1, 2, 3, 4, 5], &[], &[]), with("4063 00"), message(2, &hex("0005 0000"))] {
        let error = error(&bytes);
        assert_eq!((error.action(), error.notification(&bytes).code().code()), (SessionReset, 3));
    }
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-3
//# If the Withdrawn Routes Length or Total Attribute Length is too large (i.e., if Withdrawn Routes Length +
//# Total Attribute Length + 23 exceeds the message Length), then the Error Subcode MUST be set to Malformed
//# Attribute List.
#[test]
fn sections_that_exceed_the_message() {
    for body in ["0005 0000", "0000 0001", "ffff 0000"] {
        let error = error(&message(2, &hex(body)));
        assert_eq!((error.code(), error.action()), (ErrorCode::MALFORMED_ATTRIBUTE_LIST, SessionReset));
    }
    assert_eq!(judged(&message(2, &hex("0002 080a 0000"))), None);
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-3
//# If the value of either the Optional or Transitive bits in the Attribute Flags is in conflict with their
//# specified values, then the attribute MUST be treated as malformed and the "treat-as-withdraw" approach used,
//# unless the specification for the attribute mandates different handling for incorrect Attribute Flags.
#[test]
fn flags_that_are_not_those_of_the_attribute() {
    let good = [
        (1, 0x40, "00"),
        (2, 0x40, "0201 0000fc00"),
        (3, 0x40, "0a000001"),
        (4, 0x80, "00000001"),
        (5, 0x40, "00000064"),
        (6, 0x40, ""),
        (7, 0xc0, "0000fc00 0a000001"),
        (8, 0xc0, "fc000001"),
        (9, 0x80, "0a000001"),
        (10, 0x80, "0a000001"),
        (16, 0xc0, "0002fc0000000001"),
        (17, 0xc0, "0201 0000fc00"),
        (18, 0xc0, "0000fc00 0a000001"),
        (22, 0xc0, "00 00 000000"),
        (23, 0xc0, "0001 0000"),
        (24, 0x80, "00"),
        (25, 0xc0, "0002 00000000000000000000000000000001 0001"),
        (26, 0x80, "01 000b 0000000000000001"),
        (29, 0x80, "0400 0001 00"),
        (32, 0xc0, "00000001 00000002 00000003"),
        (35, 0xc0, "0000fc00"),
        (40, 0xc0, "01 0007 00000000000001"),
        (128, 0xc0, "0000fc00"),
    ];
    for (code, flags, value) in good {
        for wrong in [0, 0x40, 0x80, 0xc0] {
            let bytes = lone(code, flags ^ wrong, value);
            let flags = (wrong != 0).then_some((DecodeErrorKind::AttributeFlags { code }, TreatAsWithdraw));
            assert_eq!(attribute_error(&bytes), flags, "{code}, {wrong:x}");
        }
        // Partial, and the bits that must be zero, are no conflict.
        assert_eq!(attribute_error(&lone(code, flags | 0x2f, value)), None);
    }
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-3
//# If any of the well-known mandatory attributes are not present in an UPDATE message, then "treat-as-withdraw"
//# MUST be used.
//# (Note that [RFC4760] reclassifies NEXT_HOP as what is effectively discretionary.)
#[test]
fn a_mandatory_attribute_is_missing() {
    let nlri = |attributes: &str| error(&update(&[], &hex(attributes), &[8, 10]));
    for (attributes, code) in
        [("400200 4003040a000001", 1), ("40010100 4003040a000001", 2), ("40010100 400200", 3)]
    {
        let error = nlri(attributes);
        assert_eq!(
            (error.kind(), error.action()),
            (DecodeErrorKind::MissingWellKnown { code }, TreatAsWithdraw)
        );
    }
    // What MP_REACH_NLRI announces has its next hop there.
    let reach = "800e1a 000201 10 fd000000000000000000000000000001 00 20fd000000";
    assert_eq!(judged(&update(&[], &hex(&format!("{reach} 40010100 400200")), &[])), None);
    let error = error(&update(&[], &hex(&format!("{reach} 40010100")), &[]));
    assert_eq!(
        (error.kind(), error.action()),
        (DecodeErrorKind::MissingWellKnown { code: 2 }, TreatAsWithdraw)
    );
    // Who only withdraws needs none.
    assert_eq!(judged(&update(&[8, 10], &[], &[])), None);
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-3
//# "Treat-as-withdraw" MUST be used for the cases that specify a session reset and involve any of the
//# attributes ORIGIN, AS_PATH, NEXT_HOP, MULTI_EXIT_DISC, or LOCAL_PREF.
#[test]
fn the_five_attributes_that_no_longer_reset_a_session() {
    for (code, value) in [(1, "03"), (1, ""), (2, "0200"), (3, "0a"), (4, "00"), (5, "000000")] {
        assert_eq!(
            action(&lone(code, if code == 4 { 0x80 } else { 0x40 }, value)),
            Some(TreatAsWithdraw),
            "{code}"
        );
    }
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-3
//# "Attribute discard" MUST be used for any of the cases that specify a session reset and involve
//# ATOMIC_AGGREGATE or AGGREGATOR.
#[test]
fn the_two_attributes_that_can_be_done_without() {
    assert_eq!(action(&with("40060100")), Some(AttributeDiscard));
    assert_eq!(action(&with("c0070100")), Some(AttributeDiscard));
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-3
//# If the MP_REACH_NLRI attribute or the MP_UNREACH_NLRI [RFC4760] attribute appears more than once in the
//# UPDATE message, then a NOTIFICATION message MUST be sent with the Error Subcode "Malformed Attribute List".
#[test]
fn multiprotocol_attributes_occur_once() {
    for twice in ["800f03 000201 800f03 000101", "800e09 000101 04 0a000001 00 800e09 000101 04 0a000001 00"]
    {
        let bytes = update(&[], &hex(twice), &[]);
        let error = error(&bytes);
        assert_eq!((error.code(), error.action()), (ErrorCode::MALFORMED_ATTRIBUTE_LIST, SessionReset));
    }
    assert_eq!(judged(&update(&[], &hex("800f03 000201"), &[])), None);
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-3
//# If any other attribute (whether recognized or unrecognized) appears more than once in an UPDATE message,
//# then all the occurrences of the attribute other than the first one SHALL be discarded and the UPDATE message
//# will continue to be processed.
#[test]
fn of_other_attributes_the_first_counts() {
    // Recognised, and not.
    for (attribute, again) in
        [("800404 00000001", "800404 00000002"), ("c06301 01", "c06301 02"), ("c0c801 01", "c0c801 02")]
    {
        let bytes = with(&format!("{attribute} {again}"));
        assert_eq!(action(&bytes), Some(AttributeDiscard));
        let update = read(&bytes);
        let kept: Vec<_> = update.attributes().flatten().collect();
        assert_eq!((kept.len(), update.announcements().count()), (4, 1));
        assert_eq!(kept.last().copied(), read(&with(attribute)).attributes().flatten().last());
    }
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-3
//# When multiple attribute errors exist in an UPDATE message, if the same approach (as described in Section 2)
//# is specified for the handling of these malformed attributes, then the specified approach MUST be used.
//# Otherwise, the approach with the strongest action MUST be used.
#[test]
fn several_errors() {
    assert_eq!(action(&with("40060100 c0070100")), Some(AttributeDiscard));
    assert_eq!(action(&with("80040100 c00800")), Some(TreatAsWithdraw));
    for (several, strongest) in [
        ("c0070100 80040100", TreatAsWithdraw),
        ("80040100 c0070100", TreatAsWithdraw),
        ("80040100 4063 00", SessionReset),
    ] {
        assert_eq!(action(&with(several)), Some(strongest), "{several}");
    }
    assert!(SessionReset > ErrorAction::AfiSafiDisable && ErrorAction::AfiSafiDisable > TreatAsWithdraw);
    assert!(TreatAsWithdraw > AttributeDiscard);
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-3
//# The Withdrawn Routes field MUST be checked for syntactic correctness in the same manner as the NLRI field.
#[test]
fn withdrawn_routes_are_checked_as_announced_ones() {
    for field in [&[33, 1, 2, 3, 4, 5][..], &[24, 10, 0], &[8]] {
        for bytes in [update(field, &[], &[]), update(&[], &hex(GOOD), field)] {
            let error = error(&bytes);
            assert_eq!((error.kind(), error.action()), (DecodeErrorKind::InvalidNetwork, SessionReset));
        }
    }
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-3
//# If this is not possible, the procedures of [RFC4271] and/or [RFC4760] continue to apply, meaning that the
//# "session reset" approach (or the "AFI/SAFI disable" approach) MUST be followed.
#[test]
fn routes_that_cannot_be_found_cannot_be_withdrawn() {
    // A malformed ORIGIN alone withdraws the routes; not if they cannot be read.
    assert_eq!(action(&update(&[], &hex("40010103 400200 4003040a000001"), &[8, 10])), Some(TreatAsWithdraw));
    assert_eq!(action(&update(&[], &hex("40010103 400200 4003040a000001"), &[8])), Some(SessionReset));
    assert_eq!(action(&update(&[], &hex("40010103 400200 800f04 000201 81"), &[8, 10])), Some(SessionReset));
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-4
//# In either of these cases, an error condition exists and the "treat-as-withdraw" approach MUST be used
//# (unless some other, more severe error is encountered dictating a stronger approach), and the Total Attribute
//# Length MUST be relied upon to enable the beginning of the NLRI field to be located.
#[test]
fn attribute_lengths_that_do_not_add_up() {
    for cut in ["c063 05 01", "c063", "c0", "d063 00", "d063 0002 01"] {
        let bytes = with(cut);
        assert_eq!(action(&bytes), Some(TreatAsWithdraw), "{cut}");
        assert!(read(&bytes).announcements().eq(read(&with("")).announcements()), "{cut}");
        // The more severe error has the word.
        let severe = [&hex(GOOD)[..], &hex("4063 00"), &hex(cut)].concat();
        assert_eq!(action(&update(&[], &severe, &[8, 10])), Some(SessionReset), "{cut}");
    }
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-4
//# For all path attributes other than those specified as having an attribute length that may be zero, it SHALL
//# be considered a syntax error for the attribute to have a length of zero.
//# Of the path attributes considered in this specification, only AS_PATH and ATOMIC_AGGREGATE may validly have
//# an attribute length of zero.
#[test]
fn attributes_that_are_empty() {
    for (code, flags) in KNOWN {
        let want = match code {
            2 | 6 => None,
            7 | 17 | 18 | 26 | 29 | 40 => Some(AttributeDiscard),
            14 | 15 => Some(SessionReset),
            _ => Some(TreatAsWithdraw),
        };
        assert_eq!(action(&lone(code, flags, "")), want, "{code}");
    }
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-5.1
//# The MP_REACH_NLRI or MP_UNREACH_NLRI attribute (if present) SHALL be encoded as the very first path
//# attribute in an UPDATE message.
//# An UPDATE message MUST NOT contain more than one of the following: non-empty Withdrawn Routes field,
//# non-empty Network Layer Reachability Information field, MP_REACH_NLRI attribute, and MP_UNREACH_NLRI
//# attribute.
#[test]
fn what_is_built_begins_with_the_routes_and_has_one_kind() {
    let (v6, attributes) = (Family::IPV6_UNICAST, [Attribute::Origin(Origin::IGP)]);
    let next_hop = NextHop::Ipv6([1; 16].into());
    let mut buf = [0; 4096];
    let mut builder = UpdateBuilder::announce(&mut buf, &four(), v6, next_hop, &attributes).unwrap();
    builder.push("fd00::/64".parse().unwrap()).unwrap();
    assert_eq!(builder.push("10.0.0.0/8".parse().unwrap()), Err(EncodeError::WrongFamily { family: v6 }));
    let update = read(builder.finish());
    assert_eq!(update.raw_attributes().next().map(|raw| raw.code()), Some(AttributeCode::MP_REACH));
    assert_eq!(update.classic_announcements().count() + update.withdrawals().count(), 0);
    let mut builder = UpdateBuilder::withdraw(&mut buf, &four(), v6).unwrap();
    builder.push("fd00::/64".parse().unwrap()).unwrap();
    let update = read(builder.finish());
    assert_eq!(update.raw_attributes().next().map(|raw| raw.code()), Some(AttributeCode::MP_UNREACH));
    assert_eq!((update.announcements().count(), update.withdrawals().count()), (0, 1));
    // Nor can they be slipped in as attributes.
    let own = [Attribute::NextHop([10, 0, 0, 1].into())];
    let refused = UpdateBuilder::announce(&mut buf, &four(), v6, next_hop, &own).unwrap_err();
    assert_eq!(refused, EncodeError::BuiltAttribute { code: 3 });
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-5.1
//# Since older BGP speakers may not implement these restrictions, an implementation MUST still be prepared to
//# receive these fields in any position or combination.
#[test]
fn what_is_read_has_them_anywhere() {
    let reach = "800e1a 000201 10 fd000000000000000000000000000001 00 20fd000000";
    let unreach = "800f08 000201 20fd000001";
    for attributes in [format!("{reach} {GOOD} {unreach}"), format!("{GOOD} {unreach} {reach}")] {
        let bytes = update(&[8, 11], &hex(&attributes), &[8, 10]);
        let update = read(&bytes);
        assert_eq!(update.disposition(), None);
        assert_eq!((update.announcements().count(), update.withdrawals().count()), (2, 2));
    }
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-5.2
//# For this reason, if any path attribute errors are encountered in such an UPDATE message and if any
//# encountered error specifies an error-handling approach other than "attribute discard", then the "session
//# reset" approach MUST be used.
#[test]
fn attributes_without_routes() {
    for withdrawn in [&[][..], &[8, 10]] {
        assert_eq!(action(&update(withdrawn, &hex("40010103"), &[])), Some(SessionReset));
        assert_eq!(action(&update(withdrawn, &hex("c0070100"), &[])), Some(AttributeDiscard));
        assert_eq!(action(&update(withdrawn, &hex("40010103 800f03 000201"), &[])), Some(SessionReset));
    }
    assert_eq!(action(&update(&[], &hex("40010103 400200 4003040a000001"), &[8, 10])), Some(TreatAsWithdraw));
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-5.3
//# The NLRI field or Withdrawn Routes field SHALL be considered "syntactically incorrect" if either of the
//# following are true:
//# The length of any of the included NLRI is greater than 32.
//# When parsing NLRI contained in the field, the length of the last NLRI found exceeds the amount of unconsumed
//# data remaining in the field.
#[test]
fn prefixes_of_the_classic_fields() {
    for field in
        [&[33, 10, 0, 0, 0, 0][..], &[255], &[8, 10, 33, 1, 2, 3, 4, 5], &[16, 10], &[8, 10, 32, 1, 2, 3]]
    {
        let error = error(&update(&[], &hex(GOOD), field));
        assert_eq!(
            (error.kind(), error.action()),
            (DecodeErrorKind::InvalidNetwork, SessionReset),
            "{field:?}"
        );
    }
    assert_eq!(judged(&update(&[], &hex(GOOD), &[32, 10, 0, 0, 1, 0, 8, 10])), None);
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-5.3
//# Similarly, the MP_REACH_NLRI or MP_UNREACH_NLRI attribute of an update SHALL be considered to be incorrect
//# if any of the following are true:
//# The length of any of the included NLRI is inconsistent with the given AFI/SAFI (for example, if an IPv4 NLRI
//# has a length greater than 32 or an IPv6 NLRI has a length greater than 128).
//# When parsing NLRI contained in the attribute, the length of the last NLRI found exceeds the amount of
//# unconsumed data remaining in the attribute.
//# The attribute flags of the attribute are inconsistent with those specified in [RFC4760].
//# The length of the MP_UNREACH_NLRI attribute is less than 3, or the length of the MP_REACH_NLRI attribute is
//# less than 5.
#[test]
fn multiprotocol_attributes_that_are_incorrect() {
    let reach = |family: &str, hop: &str, nlri: &str| {
        let value = hex(&format!("{family} {hop} 00 {nlri}"));
        let head = [0x90, 14, 0, u8::try_from(value.len()).unwrap()];
        update(&[], &[&head[..], &value, &hex("40010100 400200")].concat(), &[])
    };
    let (v4, v6) = ("04 0a000001", "10 fd000000000000000000000000000001");
    assert_eq!(judged(&reach("000101", v4, "20 0a000001")), None);
    assert_eq!(judged(&reach("000201", v6, "80 fd000000000000000000000000000001")), None);
    let bad = [
        // Longer than the family allows; longer than what is left.
        reach("000101", v4, "21 0a00000100"),
        reach("000201", v6, "81 fd00000000000000000000000000000100"),
        reach("000101", v4, "18 0a00"),
        update(&[], &hex("800f05 000101 18 0a"), &[]),
        // The flags of other attributes.
        update(&[], &hex("c00f03 000101"), &[]),
        update(&[], &hex("400e09 000101 04 0a000001 00"), &[]),
        // Shorter than what every one has.
        update(&[], &hex("800f02 0001"), &[]),
        update(&[], &hex("800e04 000101 00"), &[]),
    ];
    for bytes in bad {
        let error = error(&bytes);
        assert_eq!((error.code(), error.action()), (ErrorCode::OPTIONAL_ATTRIBUTE, SessionReset), "{error}");
    }
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-5.4
//# A BGP speaker advertising support for such a typed address family MUST handle routes with unrecognized NLRI
//# types within that address family by discarding them, unless the relevant specification for that address
//# family specifies otherwise.
#[test]
fn routes_of_unknown_types_can_be_told_from_others() {
    // An Ethernet VPN route of type 3, and one of type 99.
    let routes = "03 11 0000000000000001 00000000 20 0a000001  63 01 00";
    let value = hex(&format!("001946 04 0a000001 00 {routes}"));
    let head = [0x90, 14, 0, u8::try_from(value.len()).unwrap()];
    let bytes = update(&[], &[&head[..], &value, &hex("40010100 400200")].concat(), &[]);
    let update = read(&bytes);
    assert_eq!(update.disposition(), None);
    let recognized: Vec<_> = update.announcements().map(|route| route.is_recognized()).collect();
    assert_eq!(recognized, [true, false]);
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-6
//# At a minimum, such facilities must include logging an error listing the NLRI involved and containing the
//# entire malformed UPDATE message when such an attribute is detected.
#[test]
fn all_that_a_log_needs_is_there() {
    let bytes = update(&[], &hex("40010103 400200 4003040a000001"), &[8, 10]);
    let update = read(&bytes);
    let error = update.disposition().unwrap();
    assert_eq!(error.to_string(), "ORIGIN above 2 at byte 23");
    assert_eq!(
        update.announcements().map(|nlri| nlri.prefix().unwrap().to_string()).collect::<Vec<_>>(),
        ["10.0.0.0/8"]
    );
    assert_eq!(error.data(&bytes), hex("40010103"));
}
