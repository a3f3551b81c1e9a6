//! Network layer reachability information, and next hops.

mod evpn;
mod flow;
mod labelled;
mod next_hop;
mod prefix;
mod state;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::cursor::Writer;
use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::family::{Afi, Family};

pub use evpn::{Evpn, EvpnRoute, Membership};
pub use flow::{Flow, FlowComponent, FlowComponents, FlowValue, FlowValues};
pub use labelled::{Label, LabelledPrefix, RouteDistinguisher, VpnPrefix};
pub use next_hop::NextHop;
pub(crate) use prefix::{encode, encode_v4, encoded_len, padded};
pub use state::{LinkState, RouteTargetPrefix, SrPolicy};

/// One destination, typed by its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Nlri<'a> {
    /// IPv4 unicast. Bits beyond the prefix length, which RFC 4271 §4.3 calls irrelevant, are cleared.
    Ipv4Unicast(Ipv4Net),
    /// IPv6 unicast. Bits beyond the prefix length are cleared.
    Ipv6Unicast(Ipv6Net),
    /// IPv4 multicast. Bits beyond the prefix length are cleared.
    Ipv4Multicast(Ipv4Net),
    /// IPv6 multicast. Bits beyond the prefix length are cleared.
    Ipv6Multicast(Ipv6Net),
    /// An IPv4 or IPv6 prefix with labels.
    Labelled(LabelledPrefix<'a>),
    /// An IPv4 or IPv6 prefix of a VPN.
    Vpn(VpnPrefix<'a>),
    /// A route of an Ethernet VPN.
    Evpn(Evpn<'a>),
    /// A flow specification, in a VPN or not.
    Flow(Flow<'a>),
    /// A route target constraint.
    RouteTarget(RouteTargetPrefix),
    /// Link state, of a VPN or not.
    LinkState(LinkState<'a>),
    /// A segment routing policy.
    SrPolicy(SrPolicy),
    /// The whole field of a family that this crate does not type.
    Unknown(RawNlri<'a>),
}

impl<'a> Nlri<'a> {
    /// The family.
    pub fn family(&self) -> Family {
        let by_version = |v6, v4_family, v6_family| if v6 { v6_family } else { v4_family };
        match self {
            Self::Ipv4Unicast(_) => Family::IPV4_UNICAST,
            Self::Ipv6Unicast(_) => Family::IPV6_UNICAST,
            Self::Ipv4Multicast(_) => Family::IPV4_MULTICAST,
            Self::Ipv6Multicast(_) => Family::IPV6_MULTICAST,
            Self::Labelled(prefix) => {
                by_version(prefix.is_v6(), Family::IPV4_LABELLED, Family::IPV6_LABELLED)
            }
            Self::Vpn(prefix) => by_version(prefix.0.is_v6(), Family::IPV4_VPN, Family::IPV6_VPN),
            Self::Evpn(_) => Family::EVPN,
            Self::Flow(flow) if flow.vpn => by_version(flow.v6, Family::IPV4_FLOW_VPN, Family::IPV6_FLOW_VPN),
            Self::Flow(flow) => by_version(flow.v6, Family::IPV4_FLOW, Family::IPV6_FLOW),
            Self::RouteTarget(_) => Family::ROUTE_TARGET,
            Self::LinkState(state) => by_version(state.vpn, Family::LINK_STATE, Family::LINK_STATE_VPN),
            Self::SrPolicy(policy) => {
                by_version(policy.endpoint.is_ipv6(), Family::IPV4_SR_POLICY, Family::IPV6_SR_POLICY)
            }
            Self::Unknown(raw) => raw.family,
        }
    }

    /// The IP prefix, for the families that have one: unicast, multicast, labelled, VPN.
    #[inline]
    pub fn prefix(&self) -> Option<IpNet> {
        match self {
            Self::Ipv4Unicast(net) | Self::Ipv4Multicast(net) => Some(IpNet::V4(*net)),
            Self::Ipv6Unicast(net) | Self::Ipv6Multicast(net) => Some(IpNet::V6(*net)),
            Self::Labelled(prefix) => Some(prefix.prefix()),
            Self::Vpn(prefix) => Some(prefix.prefix()),
            _ => None,
        }
    }

    /// Length of the encoded destination in octets, without path identifier.
    pub fn encoded_len(&self) -> usize {
        match self {
            Self::Ipv4Unicast(net) | Self::Ipv4Multicast(net) => encoded_len(IpNet::V4(*net)),
            Self::Ipv6Unicast(net) | Self::Ipv6Multicast(net) => encoded_len(IpNet::V6(*net)),
            Self::Labelled(prefix) | Self::Vpn(VpnPrefix(prefix)) => prefix.encoded_len(),
            Self::Evpn(route) => 2 + route.value().len(),
            Self::Flow(flow) => flow.encoded_len(),
            Self::RouteTarget(prefix) => prefix.octets().1,
            Self::LinkState(state) => 4 + state.value().len(),
            Self::SrPolicy(policy) => {
                if policy.endpoint.is_ipv6() {
                    25
                } else {
                    13
                }
            }
            Self::Unknown(raw) => raw.bytes.len(),
        }
    }

    /// Writes the destination, without path identifier, and returns its length.
    ///
    /// # Errors
    /// `BufferTooSmall`.
    pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let mut w = Writer::new(buf);
        self.write(&mut w)?;
        Ok(w.len())
    }

    pub(crate) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        match self {
            Self::Ipv4Unicast(net) | Self::Ipv4Multicast(net) => encode(IpNet::V4(*net), w),
            Self::Ipv6Unicast(net) | Self::Ipv6Multicast(net) => encode(IpNet::V6(*net), w),
            Self::Labelled(prefix) | Self::Vpn(VpnPrefix(prefix)) => prefix.write(w),
            Self::Evpn(route) => route.write(w),
            Self::Flow(flow) => flow.write(w),
            Self::RouteTarget(prefix) => {
                let (octets, len) = prefix.octets();
                w.put(octets.get(..len).unwrap_or(&octets))
            }
            Self::LinkState(state) => state.write(w),
            Self::SrPolicy(policy) => policy.write(w),
            Self::Unknown(raw) => w.put(raw.bytes),
        }
    }
}

impl From<IpNet> for Nlri<'_> {
    /// A destination of IPv4 or IPv6 unicast.
    fn from(net: IpNet) -> Self {
        match net {
            IpNet::V4(net) => Self::Ipv4Unicast(net),
            IpNet::V6(net) => Self::Ipv6Unicast(net),
        }
    }
}

/// The NLRI field of a family that this crate does not type, unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RawNlri<'a> {
    family: Family,
    bytes: &'a [u8],
}

impl<'a> RawNlri<'a> {
    /// The family.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// The octets of the field.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// A field of destinations, and all that decides how it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) family: Family,
    pub(crate) bytes: &'a [u8],
    /// Whether a path identifier stands before each destination (RFC 7911 §3).
    pub(crate) add_path: bool,
    /// Whether the destinations are withdrawn.
    pub(crate) withdrawn: bool,
}

impl<'a> Field<'a> {
    pub(crate) const EMPTY: Field<'static> =
        Field { family: Family::IPV4_UNICAST, bytes: &[], add_path: false, withdrawn: false };

    /// Checks that the field is a sequence of whole destinations; a field of an unknown family always is.
    #[inline]
    pub(crate) fn check(&self, offset: u16) -> Result<(), DecodeError> {
        let bad = match (self.family, self.add_path) {
            (Family::IPV4_UNICAST, false) => prefix::first_bad(self.bytes, 32),
            (Family::IPV6_UNICAST, false) => prefix::first_bad(self.bytes, 128),
            _ => self.first_bad(),
        };
        match bad {
            None => Ok(()),
            Some(rest) => {
                let at = u16::try_from(self.bytes.len() - rest.len()).unwrap_or(u16::MAX);
                Err(DecodeError::new(DecodeErrorKind::InvalidNetwork, offset.saturating_add(at)))
            }
        }
    }

    /// From the first destination that is not whole.
    fn first_bad(&self) -> Option<&'a [u8]> {
        let mut field = *self;
        while !field.bytes.is_empty() {
            match field.split() {
                Some((_, _, rest)) => field.bytes = rest,
                None => return Some(field.bytes),
            }
        }
        None
    }

    /// The first destination, its path identifier, and what follows.
    #[inline]
    pub(crate) fn split(&self) -> Option<(Option<u32>, Nlri<'a>, &'a [u8])> {
        let (id, bytes) = if self.add_path {
            let (id, rest) = self.bytes.split_first_chunk()?;
            (Some(u32::from_be_bytes(*id)), rest)
        } else {
            (None, self.bytes)
        };
        let (nlri, rest) = match self.family {
            Family::IPV4_UNICAST => prefix::v4(bytes).map(|(net, rest)| (Nlri::Ipv4Unicast(net), rest))?,
            Family::IPV6_UNICAST => prefix::v6(bytes).map(|(net, rest)| (Nlri::Ipv6Unicast(net), rest))?,
            family => split_other(family, bytes, self.withdrawn)?,
        };
        Some((id, nlri, rest))
    }
}

/// The first destination of a family other than unicast.
fn split_other(family: Family, bytes: &[u8], withdrawn: bool) -> Option<(Nlri<'_>, &[u8])> {
    let v6 = family.afi() == Afi::IPV6;
    Some(match family {
        Family::IPV4_MULTICAST => prefix::v4(bytes).map(|(net, rest)| (Nlri::Ipv4Multicast(net), rest))?,
        Family::IPV6_MULTICAST => prefix::v6(bytes).map(|(net, rest)| (Nlri::Ipv6Multicast(net), rest))?,
        Family::IPV4_LABELLED | Family::IPV6_LABELLED => {
            let (prefix, rest) = LabelledPrefix::split(bytes, v6, false, withdrawn)?;
            (Nlri::Labelled(prefix), rest)
        }
        Family::IPV4_VPN | Family::IPV6_VPN => {
            let (prefix, rest) = LabelledPrefix::split(bytes, v6, true, withdrawn)?;
            (Nlri::Vpn(VpnPrefix(prefix)), rest)
        }
        Family::EVPN => Evpn::split(bytes).map(|(route, rest)| (Nlri::Evpn(route), rest))?,
        Family::IPV4_FLOW | Family::IPV6_FLOW => {
            Flow::split(bytes, v6, false).map(|(flow, rest)| (Nlri::Flow(flow), rest))?
        }
        Family::IPV4_FLOW_VPN | Family::IPV6_FLOW_VPN => {
            Flow::split(bytes, v6, true).map(|(flow, rest)| (Nlri::Flow(flow), rest))?
        }
        Family::ROUTE_TARGET => {
            RouteTargetPrefix::split(bytes).map(|(prefix, rest)| (Nlri::RouteTarget(prefix), rest))?
        }
        Family::LINK_STATE | Family::LINK_STATE_VPN => {
            let vpn = family == Family::LINK_STATE_VPN;
            LinkState::split(bytes, vpn).map(|(state, rest)| (Nlri::LinkState(state), rest))?
        }
        Family::IPV4_SR_POLICY | Family::IPV6_SR_POLICY => {
            SrPolicy::split(bytes, v6).map(|(policy, rest)| (Nlri::SrPolicy(policy), rest))?
        }
        family => (Nlri::Unknown(RawNlri { family, bytes }), &[]),
    })
}

/// Iterator over one checked NLRI field.
#[derive(Debug, Clone)]
pub struct NlriIter<'a>(Field<'a>);

impl<'a> NlriIter<'a> {
    #[inline]
    pub(crate) const fn new(field: Field<'a>) -> Self {
        Self(field)
    }

    /// Hands over the destinations of IPv4 unicast, most of all there are, without a look at the family each time; of
    /// another family, or with path identifiers, none.
    #[inline]
    pub(crate) fn fold_plain<B, F: FnMut(B, Nlri<'a>) -> B>(&mut self, init: B, mut f: F) -> B {
        let mut out = init;
        if self.0.family == Family::IPV4_UNICAST && !self.0.add_path {
            while let Some((net, rest)) = prefix::v4(self.0.bytes) {
                self.0.bytes = rest;
                out = f(out, Nlri::Ipv4Unicast(net));
            }
        }
        out
    }

    /// The next destination, if the field has path identifiers.
    #[inline]
    pub(crate) fn next_path(&mut self) -> Option<Nlri<'a>> {
        if self.0.add_path { self.next() } else { None }
    }

    /// The destinations with their path identifiers.
    pub const fn paths(self) -> PathIter<'a> {
        PathIter(self.0)
    }
}

impl<'a> Iterator for NlriIter<'a> {
    type Item = Nlri<'a>;

    #[inline]
    fn next(&mut self) -> Option<Nlri<'a>> {
        if self.0.bytes.is_empty() {
            return None;
        }
        let (_, nlri, rest) = self.0.split()?;
        self.0.bytes = rest;
        Some(nlri)
    }

    #[inline]
    fn fold<B, F: FnMut(B, Nlri<'a>) -> B>(mut self, init: B, mut f: F) -> B {
        let mut out = self.fold_plain(init, &mut f);
        for nlri in self {
            out = f(out, nlri);
        }
        out
    }
}

/// Iterator over one checked NLRI field: the path identifier, where the session has them (RFC 7911), and the destination.
#[derive(Debug, Clone)]
pub struct PathIter<'a>(Field<'a>);

impl<'a> Iterator for PathIter<'a> {
    type Item = (Option<u32>, Nlri<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.bytes.is_empty() {
            return None;
        }
        let (id, nlri, rest) = self.0.split()?;
        self.0.bytes = rest;
        Some((id, nlri))
    }
}
