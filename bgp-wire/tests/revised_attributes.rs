//! RFC 7606, sentence by sentence: section 7, what each attribute must be; `revised` has the sections before it.
//!
//! What binds the speaker alone has no test here: the check of the leftmost AS (section 7.2).

mod support;

use ErrorAction::{AttributeDiscard, SessionReset, TreatAsWithdraw};
use support::revised::*;
use support::{four, hex, update};
use tortie_bgp_wire::{DecodeErrorKind, ErrorAction, Session};

//= https://www.rfc-editor.org/rfc/rfc7606#section-7.1
//# The attribute is considered malformed if its length is not 1 or if it has an undefined value [RFC4271].
//# An UPDATE message with a malformed ORIGIN attribute SHALL be handled using the approach of
//# "treat-as-withdraw".
#[test]
fn origin() {
    for bad in ["", "0000", "03", "ff"] {
        assert_eq!(action(&lone(1, 0x40, bad)), Some(TreatAsWithdraw), "{bad}");
    }
    for good in ["00", "01", "02"] {
        assert_eq!(action(&lone(1, 0x40, good)), None, "{good}");
    }
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-7.2
//# An AS_PATH is considered malformed if an unrecognized segment type is encountered or if it contains a
//# malformed segment.
//# A segment is considered malformed if any of the following are true:
//# There is an overrun where the Path Segment Length field of the last segment encountered would cause the
//# Attribute Length to be exceeded.
//# There is an underrun where after the last successfully parsed segment there is only a single octet remaining
//# (that is, there is not enough unconsumed data to provide even an empty segment header).
//# It has a Path Segment Length field of zero.
//# An UPDATE message with a malformed AS_PATH attribute SHALL be handled using the approach of
//# "treat-as-withdraw".
#[test]
fn as_path() {
    let bad =
        ["0001 0000fc00", "0501 0000fc00", "0202 0000fc00", "0201 0000fc00 02", "0200", "0201 0000fc00 0200"];
    for bad in bad {
        assert_eq!(action(&lone(2, 0x40, bad)), Some(TreatAsWithdraw), "{bad}");
    }
    for good in ["", "0201 0000fc00", "0101 0000fc00 0201 0000fc01", "0301 0000fc00 0401 0000fc00"] {
        assert_eq!(action(&lone(2, 0x40, good)), None, "{good}");
    }
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-7.3
//# The attribute is considered malformed if its length is not 4 [RFC4271].
//# An UPDATE message with a malformed NEXT_HOP attribute SHALL be handled using the approach of
//# "treat-as-withdraw".
#[test]
fn next_hop() {
    for bad in ["", "000001", "0000000001"] {
        assert_eq!(action(&lone(3, 0x40, bad)), Some(TreatAsWithdraw), "{bad}");
    }
    assert_eq!(action(&lone(3, 0x40, "0a000001")), None);
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-7.4
//# The attribute is considered malformed if its length is not 4 [RFC4271].
//# An UPDATE message with a malformed MULTI_EXIT_DISC attribute SHALL be handled using the approach of
//# "treat-as-withdraw".
#[test]
fn multi_exit_disc() {
    for bad in ["", "000001", "0000000001"] {
        assert_eq!(action(&lone(4, 0x80, bad)), Some(TreatAsWithdraw), "{bad}");
    }
    assert_eq!(action(&lone(4, 0x80, "0a000001")), None);
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-7.5
//# if the LOCAL_PREF attribute is received from an external neighbor, it SHALL be discarded using the approach
//# of "attribute discard"; or
//# if received from an internal neighbor, it SHALL be considered malformed if its length is not equal to 4.
//# If malformed, the UPDATE message SHALL be handled using the approach of "treat-as-withdraw".
#[test]
fn local_pref() {
    for any in ["", "0a000001", "0a0000"] {
        assert_eq!(external_action(&lone(5, 0x40, any)), Some(AttributeDiscard), "{any}");
    }
    for bad in ["", "000001", "0000000001"] {
        assert_eq!(action(&lone(5, 0x40, bad)), Some(TreatAsWithdraw), "{bad}");
    }
    assert_eq!(action(&lone(5, 0x40, "0a000001")), None);
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-7.6
//# The attribute SHALL be considered malformed if its length is not 0 [RFC4271].
//# An UPDATE message with a malformed ATOMIC_AGGREGATE attribute SHALL be handled using the approach of
//# "attribute discard".
#[test]
fn atomic_aggregate() {
    assert_eq!(action(&lone(6, 0x40, "00")), Some(AttributeDiscard));
    assert_eq!(action(&lone(6, 0x40, "")), None);
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-7.7
//# The AGGREGATOR attribute SHALL be considered malformed if any of the following applies:
//# Its length is not 6 (when the 4-octet AS number capability is not advertised to or not received from the
//# peer [RFC6793]).
//# Its length is not 8 (when the 4-octet AS number capability is both advertised to and received from the
//# peer).
//# An UPDATE message with a malformed AGGREGATOR attribute SHALL be handled using the approach of "attribute
//# discard".
#[test]
fn aggregator() {
    for (session, good, bad) in [
        (four(), "0000fc00 0a000001", "fc00 0a000001"),
        (Session::default(), "fc00 0a000001", "0000fc00 0a000001"),
    ] {
        assert_eq!(action_in(&lone(7, 0xc0, good), &session), None);
        for bad in [bad, "", "0000fc00 0a0000", "0000fc00 0a000001 00"] {
            assert_eq!(action_in(&lone(7, 0xc0, bad), &session), Some(AttributeDiscard), "{bad}");
        }
    }
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-7.8
//# The Community attribute SHALL be considered malformed if its length is not a non-zero multiple of 4.
//# An UPDATE message with a malformed Community attribute SHALL be handled using the approach of
//# "treat-as-withdraw".
#[test]
fn communities() {
    for len in [0, 1, 3, 5, 7] {
        assert_eq!(action(&lone(8, 0xc0, &"01".repeat(len))), Some(TreatAsWithdraw), "{len}");
    }
    for len in [4, 8, 48] {
        assert_eq!(action(&lone(8, 0xc0, &"01".repeat(len))), None, "{len}");
    }
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-7.9
//# if the ORIGINATOR_ID attribute is received from an external neighbor, it SHALL be discarded using the
//# approach of "attribute discard"; or
//# if received from an internal neighbor, it SHALL be considered malformed if its length is not equal to 4.
//# If malformed, the UPDATE message SHALL be handled using the approach of "treat-as-withdraw".
#[test]
fn originator_id() {
    for any in ["", "0a000001", "0a0000"] {
        assert_eq!(external_action(&lone(9, 0x80, any)), Some(AttributeDiscard), "{any}");
    }
    for bad in ["", "000001", "0000000001"] {
        assert_eq!(action(&lone(9, 0x80, bad)), Some(TreatAsWithdraw), "{bad}");
    }
    assert_eq!(action(&lone(9, 0x80, "0a000001")), None);
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-7.10
//# if the CLUSTER_LIST attribute is received from an external neighbor, it SHALL be discarded using the
//# approach of "attribute discard"; or
//# if received from an internal neighbor, it SHALL be considered malformed if its length is not a non-zero
//# multiple of 4.
//# If malformed, the UPDATE message SHALL be handled using the approach of "treat-as-withdraw".
#[test]
fn cluster_list() {
    for any in ["", "0a000001", "0a0000"] {
        assert_eq!(external_action(&lone(10, 0x80, any)), Some(AttributeDiscard), "{any}");
    }
    for bad in ["", "000001", "0000000001"] {
        assert_eq!(action(&lone(10, 0x80, bad)), Some(TreatAsWithdraw), "{bad}");
    }
    assert_eq!(action(&lone(10, 0x80, "0a000001")), None);
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-7.11
//# If the Length of Next Hop Network Address field of the MP_REACH attribute is inconsistent with that which
//# was expected, the attribute is considered malformed.
//# Since the next hop precedes the NLRI field in the attribute, in this case it will not be possible to
//# reliably locate the NLRI; thus, the "session reset" or "AFI/SAFI disable" approach MUST be used.
#[test]
fn next_hops_of_mp_reach_nlri() {
    for (family, hop) in
        [("000201", "04 0a000001"), ("000201", "00"), ("000101", "10 fd000000000000000000000000000001")]
    {
        let value = hex(&format!("{family} {hop} 00"));
        let head = [0x80, 14, u8::try_from(value.len()).unwrap()];
        let error = error(&update(&[], &[&head[..], &value].concat(), &[]));
        assert!(matches!(error.kind(), DecodeErrorKind::NextHopLength { .. }), "{error}");
        assert_eq!(error.action(), SessionReset);
    }
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-7.13
//# In the interim, an implementation that determines (for whatever reason) that an UPDATE message contains a
//# malformed Traffic Engineering path attribute MUST handle it using the approach of "treat-as-withdraw".
#[test]
fn traffic_engineering() {
    assert_eq!(action(&lone(24, 0x80, "")), Some(TreatAsWithdraw));
    assert_eq!(action(&lone(24, 0x80, "00")), None);
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-7.14
//# The Extended Community attribute SHALL be considered malformed if its length is not a non-zero multiple of
//# 8.
//# An UPDATE message with a malformed Extended Community attribute SHALL be handled using the approach of
//# "treat-as-withdraw".
#[test]
fn extended_communities() {
    for len in [0, 1, 7, 9, 15] {
        assert_eq!(action(&lone(16, 0xc0, &"01".repeat(len))), Some(TreatAsWithdraw), "{len}");
    }
    for len in [8, 16, 96] {
        assert_eq!(action(&lone(16, 0xc0, &"01".repeat(len))), None, "{len}");
    }
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-7.14
//# Note that a BGP speaker MUST NOT treat an unrecognized Extended Community Type or Sub-Type as an error.
#[test]
fn extended_communities_of_any_type() {
    for kind in 0..=255 {
        assert_eq!(action(&lone(16, 0xc0, &format!("{kind:02x}ff000000000000"))), None);
    }
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-7.15
//# The IPv6 Address Specific Extended Community attribute SHALL be considered malformed if its length is not a
//# non-zero multiple of 20.
//# An UPDATE message with a malformed IPv6 Address Specific Extended Community attribute SHALL be handled using
//# the approach of "treat-as-withdraw".
#[test]
fn ipv6_extended_communities() {
    for len in [0, 1, 19, 21, 39] {
        assert_eq!(action(&lone(25, 0xc0, &"01".repeat(len))), Some(TreatAsWithdraw), "{len}");
    }
    for len in [20, 40, 240] {
        assert_eq!(action(&lone(25, 0xc0, &"01".repeat(len))), None, "{len}");
    }
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-7.15
//# Note that a BGP speaker MUST NOT treat an unrecognized IPv6 Address Specific Extended Community Type or
//# Sub-Type as an error.
#[test]
fn ipv6_extended_communities_of_any_type() {
    for kind in 0..=255 {
        assert_eq!(action(&lone(25, 0xc0, &format!("{kind:02x}ff{}", "00".repeat(18)))), None);
    }
}

//= https://www.rfc-editor.org/rfc/rfc7606#section-7.16
//# An UPDATE message with a malformed ATTR_SET attribute SHALL be handled using the approach of "treat as
//# withdraw".
#[test]
fn attr_set() {
    for bad in ["", "0000fc", "0000fc00 40", "0000fc00 40010200"] {
        assert_eq!(action(&lone(128, 0xc0, bad)), Some(TreatAsWithdraw), "{bad}");
    }
    assert_eq!(action(&lone(128, 0xc0, "0000fc00 40010100")), None);
}
