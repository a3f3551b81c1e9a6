//! Routes of Ethernet VPNs (RFC 7432, RFC 9136, RFC 9251).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::labelled::{Label, RouteDistinguisher};
use crate::cursor::{Reader, Writer};
use crate::error::EncodeError;

/// A route of an Ethernet VPN, as it lies on the wire.
///
/// ```text
/// | route type (1) | length (1) | value |        RFC 7432 §7
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Evpn<'a> {
    kind: u8,
    value: &'a [u8],
}

/// What an [`Evpn`] says. Every route has the route distinguisher of [`Evpn::distinguisher`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EvpnRoute<'a> {
    /// Type 1: a segment can be reached, in one domain or in all.
    Discovery {
        /// The Ethernet segment.
        segment: [u8; 10],
        /// The Ethernet tag.
        tag: u32,
        /// The label.
        label: Label,
    },
    /// Type 2: where a host is.
    Host {
        /// The Ethernet segment.
        segment: [u8; 10],
        /// The Ethernet tag.
        tag: u32,
        /// The host's MAC address.
        mac: [u8; 6],
        /// The host's IP address.
        address: Option<IpAddr>,
        /// The label of its bridge domain.
        label: Label,
        /// The label of its IP-VRF.
        routing_label: Option<Label>,
    },
    /// Type 3: who takes part in a domain, for what goes to all.
    Multicast {
        /// The Ethernet tag.
        tag: u32,
        /// Who says so.
        originator: IpAddr,
    },
    /// Type 4: who is attached to a segment.
    Segment {
        /// The Ethernet segment.
        segment: [u8; 10],
        /// Who says so.
        originator: IpAddr,
    },
    /// Type 5: where an IP prefix is (RFC 9136).
    Prefix {
        /// The Ethernet segment.
        segment: [u8; 10],
        /// The Ethernet tag.
        tag: u32,
        /// The prefix; bits beyond its length are cleared.
        prefix: IpNet,
        /// The gateway, all zeros for none.
        gateway: IpAddr,
        /// The label.
        label: Label,
    },
    /// Type 6: a wish for multicast traffic (RFC 9251).
    Membership(Membership),
    /// Type 7: a join that was seen on a segment (RFC 9251).
    Join {
        /// The Ethernet segment.
        segment: [u8; 10],
        /// What was joined.
        membership: Membership,
    },
    /// Type 8: a leave that was seen on a segment (RFC 9251).
    Leave {
        /// The Ethernet segment.
        segment: [u8; 10],
        /// What was left.
        membership: Membership,
        /// The longest time to answer, in tenths of a second as IGMP has it.
        max_response: u8,
    },
    /// Any other type, or a value that does not have the form of its type.
    Unknown(&'a [u8]),
}

/// A group, the source that is wanted, and who wants it (RFC 9251 §9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct Membership {
    /// The Ethernet tag.
    pub tag: u32,
    /// The source; none for any.
    pub source: Option<IpAddr>,
    /// The group; none for all.
    pub group: Option<IpAddr>,
    /// Who says so.
    pub originator: Option<IpAddr>,
    /// Versions of IGMP or MLD, and whether sources are excluded.
    pub flags: u8,
}

impl<'a> Evpn<'a> {
    pub(super) fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let ([kind, len], rest) = bytes.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(usize::from(*len))?;
        Some((Self { kind: *kind, value }, rest))
    }

    /// A route of any type; `None` with more than 255 octets.
    pub fn new(kind: u8, value: &'a [u8]) -> Option<Self> {
        u8::try_from(value.len()).is_ok().then_some(Self { kind, value })
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.u8(self.kind)?;
        w.u8(u8::try_from(self.value.len()).map_err(|_| EncodeError::ValueTooLong)?)?;
        w.put(self.value)
    }

    /// The type of the route.
    pub const fn kind(&self) -> u8 {
        self.kind
    }

    /// The octets after type and length.
    pub const fn value(&self) -> &'a [u8] {
        self.value
    }

    /// The route distinguisher, with which every type begins; `None` if the value is shorter.
    pub fn distinguisher(&self) -> Option<RouteDistinguisher> {
        RouteDistinguisher::split(self.value).map(|(rd, _)| rd)
    }

    /// What the route says.
    pub fn route(&self) -> EvpnRoute<'a> {
        self.typed().unwrap_or(EvpnRoute::Unknown(self.value))
    }

    fn typed(&self) -> Option<EvpnRoute<'a>> {
        let mut r = Reader::new(self.value.get(8..)?, 0);
        let r = &mut r;
        let route = match self.kind {
            1 => EvpnRoute::Discovery { segment: r.array()?, tag: r.u32()?, label: label(r)? },
            2 => {
                let (segment, tag) = (r.array()?, r.u32()?);
                if r.u8()? != 48 {
                    return None;
                }
                EvpnRoute::Host {
                    segment,
                    tag,
                    mac: r.array()?,
                    address: address(r)?,
                    label: label(r)?,
                    routing_label: if r.is_empty() { None } else { Some(label(r)?) },
                }
            }
            3 => EvpnRoute::Multicast { tag: r.u32()?, originator: address(r)?? },
            4 => EvpnRoute::Segment { segment: r.array()?, originator: address(r)?? },
            5 => {
                let (segment, tag, len) = (r.array()?, r.u32()?, r.u8()?);
                let (address, gateway) = match r.rest().len() {
                    11 => (IpAddr::V4(r.u32()?.into()), IpAddr::V4(r.u32()?.into())),
                    35 => (IpAddr::from(r.array::<16>()?), IpAddr::from(r.array::<16>()?)),
                    _ => return None,
                };
                let prefix = IpNet::new(address, len).ok()?.trunc();
                EvpnRoute::Prefix { segment, tag, prefix, gateway, label: label(r)? }
            }
            6 => EvpnRoute::Membership(membership(r)?),
            7 => EvpnRoute::Join { segment: r.array()?, membership: membership(r)? },
            8 => {
                let (segment, members) = (r.array()?, members(r)?);
                r.u32()?;
                let max_response = r.u8()?;
                EvpnRoute::Leave {
                    segment,
                    membership: Membership { flags: r.u8()?, ..members },
                    max_response,
                }
            }
            _ => return None,
        };
        r.is_empty().then_some(route)
    }
}

fn label(r: &mut Reader<'_>) -> Option<Label> {
    r.array().map(Label::new)
}

/// A length in bits, and an address of that length; none for zero.
fn address(r: &mut Reader<'_>) -> Option<Option<IpAddr>> {
    Some(match r.u8()? {
        0 => None,
        32 => Some(IpAddr::V4(Ipv4Addr::from(r.array::<4>()?))),
        128 => Some(IpAddr::V6(Ipv6Addr::from(r.array::<16>()?))),
        _ => return None,
    })
}

/// The whole of type 6, and the end of type 7.
fn membership(r: &mut Reader<'_>) -> Option<Membership> {
    let members = members(r)?;
    Some(Membership { flags: r.u8()?, ..members })
}

/// What types 6 to 8 share, without the flags.
fn members(r: &mut Reader<'_>) -> Option<Membership> {
    let tag = r.u32()?;
    Some(Membership { tag, source: address(r)?, group: address(r)?, originator: address(r)?, flags: 0 })
}
