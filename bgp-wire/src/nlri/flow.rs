//! Flow specifications (RFC 8955, RFC 8956).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::labelled::RouteDistinguisher;
use super::prefix::padded;
use crate::cursor::Writer;
use crate::error::EncodeError;

/// A flow specification, as it lies on the wire: which packets an action is for.
///
/// ```text
/// | length (1, or 2 from 240 on) | route distinguisher (8), in a VPN | component ... |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow<'a> {
    pub(super) v6: bool,
    pub(super) vpn: bool,
    /// Whether the length has two octets, needed or not.
    long: bool,
    value: &'a [u8],
}

impl<'a> Flow<'a> {
    pub(super) fn split(bytes: &'a [u8], v6: bool, vpn: bool) -> Option<(Self, &'a [u8])> {
        let (&first, rest) = bytes.split_first()?;
        let (long, len, rest) = if first < 0xf0 {
            (false, u16::from(first), rest)
        } else {
            let (&low, rest) = rest.split_first()?;
            (true, u16::from_be_bytes([first & 0xf, low]), rest)
        };
        let (value, rest) = rest.split_at_checked(usize::from(len))?;
        (!vpn || value.len() >= 8).then_some((Self { v6, vpn, long, value }, rest))
    }

    pub(super) const fn encoded_len(&self) -> usize {
        self.value.len() + if self.long { 2 } else { 1 }
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        let len = u16::try_from(self.value.len()).map_err(|_| EncodeError::ValueTooLong)?;
        match u8::try_from(len) {
            Ok(len) if !self.long => w.u8(len)?,
            _ => w.u16(0xf000 | len)?,
        }
        w.put(self.value)
    }

    /// The octets after the length.
    pub const fn value(&self) -> &'a [u8] {
        self.value
    }

    /// The route distinguisher, in a VPN.
    pub fn distinguisher(&self) -> Option<RouteDistinguisher> {
        RouteDistinguisher::split(self.value).filter(|_| self.vpn).map(|(rd, _)| rd)
    }

    /// The components: a packet must match all. Ends before the first that is malformed or of an unknown type.
    pub fn components(&self) -> FlowComponents<'a> {
        let skip = if self.vpn { 8 } else { 0 };
        FlowComponents { rest: self.value.get(skip..).unwrap_or(&[]), v6: self.v6 }
    }

    /// Whether all components can be read, and stand in the order of their types, each once (RFC 8955 §4.2).
    pub fn is_well_formed(&self) -> bool {
        let mut components = self.components();
        let mut last = 0;
        let ordered = components.by_ref().all(|component| {
            let kind = component.kind();
            core::mem::replace(&mut last, kind) < kind
        });
        ordered && components.rest.is_empty()
    }
}

/// A condition on packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FlowComponent<'a> {
    /// Type 1 or 2: the destination or source address is in a prefix.
    Prefix {
        /// 1: destination, 2: source.
        kind: u8,
        /// The prefix; bits beyond its length are cleared.
        prefix: IpNet,
        /// So many bits at the front do not matter (IPv6 alone).
        offset: u8,
    },
    /// Types 3 to 13: some field has one of these values.
    Values {
        /// The type: 3 protocol, 4 port, 5 destination port, 6 source port, 7 ICMP type, 8 ICMP code, 9 TCP flags,
        /// 10 length, 11 DSCP, 12 fragment, 13 flow label.
        kind: u8,
        /// The values.
        values: FlowValues<'a>,
    },
}

impl FlowComponent<'_> {
    /// The type.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Prefix { kind, .. } | Self::Values { kind, .. } => *kind,
        }
    }
}

/// Iterator over the components of a [`Flow`].
#[derive(Debug, Clone)]
pub struct FlowComponents<'a> {
    rest: &'a [u8],
    v6: bool,
}

impl<'a> FlowComponents<'a> {
    fn read(&self) -> Option<(FlowComponent<'a>, &'a [u8])> {
        let (&kind, rest) = self.rest.split_first()?;
        match kind {
            1 | 2 => {
                let (&len, rest) = rest.split_first()?;
                let (offset, rest) = if self.v6 {
                    let (offset, rest) = rest.split_first()?;
                    (*offset, rest)
                } else {
                    (0, rest)
                };
                let bits = len.checked_sub(offset)?;
                let (octets, rest) = rest.split_at_checked(usize::from(bits).div_ceil(8))?;
                let address = if self.v6 {
                    let pattern = u128::from_be_bytes(padded(octets)?);
                    IpAddr::V6(Ipv6Addr::from(pattern.checked_shr(offset.into()).unwrap_or(0)))
                } else {
                    IpAddr::V4(Ipv4Addr::from(padded(octets)?))
                };
                let prefix = IpNet::new(address, len).ok()?.trunc();
                Some((FlowComponent::Prefix { kind, prefix, offset }, rest))
            }
            3..=13 => {
                let mut values = FlowValues { rest };
                loop {
                    let (value, rest) = values.read()?;
                    values.rest = rest;
                    if value.is_last() {
                        let (octets, rest) =
                            self.rest.get(1..)?.split_at_checked(self.rest.len() - 1 - rest.len())?;
                        return Some((
                            FlowComponent::Values { kind, values: FlowValues { rest: octets } },
                            rest,
                        ));
                    }
                }
            }
            _ => None,
        }
    }
}

impl<'a> Iterator for FlowComponents<'a> {
    type Item = FlowComponent<'a>;

    fn next(&mut self) -> Option<FlowComponent<'a>> {
        let (component, rest) = self.read()?;
        self.rest = rest;
        Some(component)
    }
}

/// Iterator over the values of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowValues<'a> {
    rest: &'a [u8],
}

impl<'a> FlowValues<'a> {
    fn read(&self) -> Option<(FlowValue, &'a [u8])> {
        let (&operator, rest) = self.rest.split_first()?;
        let len = 1_usize << (operator >> 4 & 3);
        let (octets, rest) = rest.split_at_checked(len)?;
        let value = octets.iter().fold(0, |value, octet| value << 8 | u64::from(*octet));
        Some((FlowValue { operator, value }, rest))
    }
}

impl Iterator for FlowValues<'_> {
    type Item = FlowValue;

    fn next(&mut self) -> Option<FlowValue> {
        let (value, rest) = self.read()?;
        self.rest = rest;
        Some(value)
    }
}

/// An operator and a value (RFC 8955 §4.2.1).
///
/// ```text
/// | last | and | length (2) | 0 | less | greater | equal |      numbers: types 3 to 8, 10, 11, 13
/// | last | and | length (2) | 0 | 0 | not | match |              bits: types 9 and 12
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FlowValue {
    /// The operator as sent.
    pub operator: u8,
    /// The value.
    pub value: u64,
}

impl FlowValue {
    /// Whether it is the last of its component.
    pub const fn is_last(self) -> bool {
        self.operator & 0x80 != 0
    }

    /// Whether it must hold together with the one before; else either of them.
    pub const fn is_and(self) -> bool {
        self.operator & 0x40 != 0
    }

    /// Whether a field with this number matches.
    pub const fn matches_number(self, field: u64) -> bool {
        self.operator & 4 != 0 && field < self.value
            || self.operator & 2 != 0 && field > self.value
            || self.operator & 1 != 0 && field == self.value
    }

    /// Whether a field with these bits matches.
    pub const fn matches_bits(self, field: u64) -> bool {
        let found =
            if self.operator & 1 != 0 { field & self.value == self.value } else { field & self.value != 0 };
        found != (self.operator & 2 != 0)
    }
}
