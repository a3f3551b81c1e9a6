//! Reading and judging the value of an attribute.
//!
//! What decides over good and bad is a function of its own that says yes or no; the attribute itself is put together
//! where it is asked for. So its parts stay in registers, where a call would move the whole `Result` through memory.

use crate::attribute::iter::Place;
use crate::attribute::{
    Aggregator, Aigp, AsPath, Attribute, AttributeCode, AttributeSet, ClusterList, Communities,
    LinkStateAttribute, MpReach, MpUnreach, Origin, PmsiTunnel, PrefixSid, RawAttribute, TunnelEncap,
    UNTYPED,
};
use crate::cursor::Reader;
use crate::error::{DecodeError, DecodeErrorKind, ErrorAction};
use crate::record::Records;
use crate::session::Rules;

/// What can be wrong with an attribute.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Unrecognized,
    Internal,
    Flags,
    /// A length, and all else that is wrong with a value for which there is no other word.
    Length,
    /// As `Length`, of an attribute that can be done without.
    Discarded,
    Origin,
    AsPath,
}

impl Fault {
    #[cold]
    fn error(self, raw: RawAttribute<'_>, place: Place<'_>) -> DecodeError {
        use DecodeErrorKind as K;
        let code = raw.code.get();
        let (kind, action) = match self {
            Self::Unrecognized => (K::UnrecognizedWellKnown { code }, ErrorAction::SessionReset),
            Self::Internal => (K::NotFromExternal { code }, ErrorAction::AttributeDiscard),
            Self::Flags => (K::AttributeFlags { code }, ErrorAction::TreatAsWithdraw),
            Self::Length => (K::AttributeLength { code }, ErrorAction::TreatAsWithdraw),
            Self::Discarded => (K::AttributeLength { code }, ErrorAction::AttributeDiscard),
            Self::Origin => (K::InvalidOrigin, ErrorAction::TreatAsWithdraw),
            Self::AsPath => (K::MalformedAsPath, ErrorAction::TreatAsWithdraw),
        };
        place.error(kind, raw).with_action(action)
    }
}

impl<'a> Attribute<'a> {
    /// Reads the value of one framed attribute.
    #[inline(always)]
    pub(super) fn decode(raw: RawAttribute<'a>, place: Place<'a>, rules: Rules) -> Result<Self, DecodeError> {
        match Self::value(raw, place, rules) {
            Ok(Ok(attribute)) => Ok(attribute),
            Ok(Err(error)) => Err(error),
            Err(fault) => Err(fault.error(raw, place)),
        }
    }

    #[inline(always)]
    fn value(
        raw: RawAttribute<'a>,
        place: Place<'a>,
        rules: Rules,
    ) -> Result<Result<Self, DecodeError>, Fault> {
        let (value, expected) = (raw.value, raw.code.expected());
        if raw.flags.get() & 0xc0 != expected {
            return match expected {
                UNTYPED if raw.flags.is_optional() => Ok(Ok(Self::Unknown(raw))),
                UNTYPED => Err(Fault::Unrecognized),
                _ if rules.external && raw.code.is_internal() => Err(Fault::Internal),
                _ => Err(Fault::Flags),
            };
        }
        if rules.external && raw.code.is_internal() {
            return Err(Fault::Internal);
        }
        let word = match *value {
            [a, b, c, d] => Ok(u32::from_be_bytes([a, b, c, d])),
            _ => Err(Fault::Length),
        };
        let list = Fault::Length;
        Ok(Ok(match raw.code {
            AttributeCode::ORIGIN => match *value {
                [origin @ 0..=2] => Self::Origin(Origin(origin)),
                [_] => return Err(Fault::Origin),
                _ => return Err(Fault::Length),
            },
            AttributeCode::AS_PATH => {
                Self::AsPath(AsPath::from_wire(value, rules.four_octet_as).ok_or(Fault::AsPath)?)
            }
            AttributeCode::NEXT_HOP => Self::NextHop(word?.into()),
            AttributeCode::MED => Self::Med(word?),
            AttributeCode::LOCAL_PREF => Self::LocalPref(word?),
            AttributeCode::ATOMIC_AGGREGATE if value.is_empty() => Self::AtomicAggregate,
            AttributeCode::ATOMIC_AGGREGATE => return Err(Fault::Discarded),
            AttributeCode::AGGREGATOR => {
                Self::Aggregator(aggregator(value, rules.four_octet_as).ok_or(Fault::Discarded)?)
            }
            AttributeCode::COMMUNITIES => Self::Communities(Communities::from_wire(value).ok_or(list)?),
            AttributeCode::ORIGINATOR_ID => Self::OriginatorId(word?.into()),
            AttributeCode::CLUSTER_LIST => Self::ClusterList(ClusterList::from_wire(value).ok_or(list)?),
            AttributeCode::MP_REACH => match MpReach::decode(raw, place, rules) {
                Ok(reach) => Self::MpReach(reach),
                Err(error) => return Ok(Err(error)),
            },
            AttributeCode::MP_UNREACH => match MpUnreach::decode(raw, place, rules) {
                Ok(unreach) => Self::MpUnreach(unreach),
                Err(error) => return Ok(Err(error)),
            },
            AttributeCode::EXTENDED_COMMUNITIES => {
                Self::ExtendedCommunities(Records::from_wire(value).ok_or(list)?)
            }
            // RFC 6793 §6: these two are discarded when malformed.
            AttributeCode::AS4_PATH => {
                let path = AsPath::from_wire(value, true).filter(|_| !value.is_empty());
                Self::As4Path(path.ok_or(Fault::Discarded)?)
            }
            AttributeCode::AS4_AGGREGATOR => {
                Self::As4Aggregator(aggregator(value, true).ok_or(Fault::Discarded)?)
            }
            AttributeCode::PMSI_TUNNEL => {
                Self::PmsiTunnel(PmsiTunnel::from_wire(value).ok_or(Fault::Length)?)
            }
            AttributeCode::TUNNEL_ENCAP => {
                Self::TunnelEncap(TunnelEncap::from_wire(value).ok_or(Fault::Length)?)
            }
            AttributeCode::IPV6_EXTENDED_COMMUNITIES => {
                Self::Ipv6ExtendedCommunities(Records::from_wire(value).ok_or(list)?)
            }
            // RFC 7311 §3.2, RFC 9552 §8.2.2 and RFC 8669 §6: discarded when malformed.
            AttributeCode::AIGP => Self::Aigp(Aigp::from_wire(value).ok_or(Fault::Discarded)?),
            AttributeCode::LINK_STATE => {
                Self::LinkState(LinkStateAttribute::from_wire(value).ok_or(Fault::Discarded)?)
            }
            AttributeCode::PREFIX_SID => {
                Self::PrefixSid(PrefixSid::from_wire(value).ok_or(Fault::Discarded)?)
            }
            AttributeCode::LARGE_COMMUNITY => Self::LargeCommunities(Records::from_wire(value).ok_or(list)?),
            AttributeCode::ONLY_TO_CUSTOMER => Self::OnlyToCustomer(word?),
            AttributeCode::ATTR_SET => {
                let inner = Reader::new(value, place.value(raw));
                Self::AttributeSet(AttributeSet::decode(inner).ok_or(Fault::Length)?)
            }
            AttributeCode::TRAFFIC_ENGINEERING if value.is_empty() => return Err(Fault::Length),
            _ => Self::Unknown(raw),
        }))
    }
}

#[inline(always)]
fn aggregator(value: &[u8], four_octet_as: bool) -> Option<Aggregator> {
    let (asn, address) = match *value {
        [a, b, c, d, ref address @ ..] if four_octet_as => (u32::from_be_bytes([a, b, c, d]), address),
        [a, b, ref address @ ..] if !four_octet_as => (u16::from_be_bytes([a, b]).into(), address),
        _ => return None,
    };
    let address = <[u8; 4]>::try_from(address).ok()?.into();
    // RFC 7607 §2: an aggregator in AS 0 is malformed.
    (asn != 0).then_some(Aggregator { asn, address })
}
