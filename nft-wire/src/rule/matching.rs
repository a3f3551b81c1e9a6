//! What packets a rule is about.

use core::net::IpAddr;

use ipnet::IpNet;

use super::Rule;
use crate::batch::{INTERFACE, interface};
use crate::error::EncodeError;
use crate::expr::{
    Base, Bitwise, Cmp, CmpOp, Ct, CtKey, Expr, Lookup, Meta, MetaKey, Payload, Range, RangeOp,
};
use crate::family::Family;
use crate::name::Name;
use crate::verdict::{Data, Register};

/// States of a connection, as bits that may be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CtState(u32);

impl CtState {
    /// Of no connection that is known, and none that may begin.
    pub const INVALID: Self = Self(1);
    /// Of a connection that was answered.
    pub const ESTABLISHED: Self = Self(1 << 1);
    /// Of a new connection that another one announced, and errors about one.
    pub const RELATED: Self = Self(1 << 2);
    /// The first of a connection.
    pub const NEW: Self = Self(1 << 3);
    /// Not looked for.
    pub const UNTRACKED: Self = Self(1 << 6);

    /// One of these or of those.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

/// Numbers of protocols above IP.
const TCP: u8 = 6;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

impl Rule {
    pub(super) fn meta(self, key: MetaKey) -> Self {
        self.expr(Meta { dreg: Some(Register::R1), ..Meta::new(key) })
    }

    fn payload(self, base: Base, offset: u32, len: u32) -> Self {
        self.expr(Payload { dreg: Some(Register::R1), ..Payload::new(base, offset, len) })
    }

    fn ct(self, key: CtKey) -> Self {
        self.expr(Ct { dreg: Some(Register::R1), ..Ct::new(key) })
    }

    fn compare(self, op: CmpOp, value: &[u8]) -> Self {
        self.expr(Cmp::new(Register::R1, op, Data::value(value)))
    }

    fn mask(self, mask: &[u8]) -> Self {
        let zero = [0; 16];
        let xor = Data::value(zero.get(..mask.len()).unwrap_or_default());
        // At most 16.
        let len = u32::try_from(mask.len()).unwrap_or(u32::MAX);
        self.expr(Bitwise {
            mask: Some(Data::value(mask)),
            xor: Some(xor),
            ..Bitwise::new(Register::R1, Register::R1, len)
        })
    }

    /// Turns the comparison right before it around: `.saddr(net).not()` is `ip saddr != net`, and a look-up asks whether it is
    /// not in the set. What a comparison presumes stays: the address of a packet of the other family is not asked for.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::{Batch, EncodeError, Family, Name, Rule};
    ///
    /// let rule = || Rule::new(Name::new("demo").unwrap(), Name::new("input").unwrap());
    /// // iifname != "lo" drop
    /// Batch::new().add(Family::INET, &rule().iifname("lo").not().drop())?;
    /// // There is nothing to turn around.
    /// assert_eq!(Batch::new().add(Family::INET, &rule().counter().not()), Err(EncodeError::NoComparison));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[expect(
        clippy::should_implement_trait,
        reason = "`!rule` would say that the whole rule is turned around"
    )]
    pub fn not(mut self) -> Self {
        match self.exprs.last_mut() {
            Some(Expr::Cmp(cmp)) => {
                cmp.op = match cmp.op {
                    CmpOp::EQ => CmpOp::NEQ,
                    CmpOp::NEQ => CmpOp::EQ,
                    CmpOp::LT => CmpOp::GTE,
                    CmpOp::GTE => CmpOp::LT,
                    CmpOp::GT => CmpOp::LTE,
                    CmpOp::LTE => CmpOp::GT,
                    other => other,
                };
            }
            Some(Expr::Range(range)) => {
                range.op = if range.op == RangeOp::EQ { RangeOp::NEQ } else { RangeOp::EQ };
            }
            Some(Expr::Lookup(lookup)) if lookup.dreg.is_none() => {
                lookup.flags = Some(lookup.flags.unwrap_or(0) ^ Lookup::INVERTED);
            }
            _ => self.fault(EncodeError::NoComparison),
        }
        self
    }

    /// `iifname "eth0"`; with `*` at the end, every interface whose name begins so.
    #[must_use]
    pub fn iifname(self, name: &str) -> Self {
        self.interface(MetaKey::IIFNAME, name)
    }

    /// `oifname "eth0"`; with `*` at the end, every interface whose name begins so.
    #[must_use]
    pub fn oifname(self, name: &str) -> Self {
        self.interface(MetaKey::OIFNAME, name)
    }

    fn interface(mut self, key: MetaKey, name: &str) -> Self {
        let prefix = name.strip_suffix('*');
        let checked = Name::new(name).map_err(EncodeError::Name);
        if let Err(fault) = checked.and_then(|_| interface(prefix.unwrap_or(name).as_bytes())) {
            self.fault(fault);
            return self;
        }
        let rule = self.meta(key);
        match prefix {
            // Every interface.
            Some("") => rule,
            Some(prefix) => rule.compare(CmpOp::EQ, prefix.as_bytes()),
            None => {
                let mut whole = [0; INTERFACE];
                whole.iter_mut().zip(name.as_bytes()).for_each(|(to, from)| *to = *from);
                rule.compare(CmpOp::EQ, &whole)
            }
        }
    }

    /// `ct state established,related`: one of these.
    #[must_use]
    pub fn ct_state(self, state: CtState) -> Self {
        self.ct(CtKey::STATE).mask(&state.bits().to_ne_bytes()).compare(CmpOp::NEQ, &[0; 4])
    }

    /// `ct mark and 0xff == 0x1`: the bits of `mask` of the connection's mark are `value`.
    #[must_use]
    pub fn ct_mark(self, value: u32, mask: u32) -> Self {
        self.ct(CtKey::MARK).masked(value, mask)
    }

    /// `meta mark and 0xff == 0x1`: the bits of `mask` of the packet's mark are `value`.
    #[must_use]
    pub fn mark(self, value: u32, mask: u32) -> Self {
        self.meta(MetaKey::MARK).masked(value, mask)
    }

    fn masked(self, value: u32, mask: u32) -> Self {
        let rule = if mask == u32::MAX { self } else { self.mask(&mask.to_ne_bytes()) };
        rule.compare(CmpOp::EQ, &value.to_ne_bytes())
    }

    /// `meta nfproto ipv4`: of IPv4 or of IPv6.
    #[must_use]
    pub fn nfproto(self, family: Family) -> Self {
        self.meta(MetaKey::NFPROTO).compare(CmpOp::EQ, &[family.get()])
    }

    /// `meta l4proto tcp`, by its number: 6 is TCP, 17 is UDP.
    #[must_use]
    pub fn l4proto(self, protocol: u8) -> Self {
        self.meta(MetaKey::L4PROTO).compare(CmpOp::EQ, &[protocol])
    }

    /// `ip saddr 10.0.0.0/8`, `ip6 saddr 2001:db8::/32`; in an inet table only for packets of that family.
    #[must_use]
    pub fn saddr(self, net: impl Into<IpNet>) -> Self {
        self.address(net.into(), 12, 8)
    }

    /// `ip daddr 10.0.0.0/8`, `ip6 daddr 2001:db8::/32`.
    #[must_use]
    pub fn daddr(self, net: impl Into<IpNet>) -> Self {
        self.address(net.into(), 16, 24)
    }

    fn address(self, net: IpNet, ipv4: u32, ipv6: u32) -> Self {
        let (family, offset) = if net.addr().is_ipv4() { (Family::IPV4, ipv4) } else { (Family::IPV6, ipv6) };
        let rule = self.nfproto(family);
        let rule = match net.network() {
            IpAddr::V4(_) => rule.payload(Base::NETWORK, offset, 4),
            IpAddr::V6(_) => rule.payload(Base::NETWORK, offset, 16),
        };
        let whole = net.prefix_len() == net.max_prefix_len();
        match (net.netmask(), net.network()) {
            (_, IpAddr::V4(network)) if whole => rule.compare(CmpOp::EQ, &network.octets()),
            (_, IpAddr::V6(network)) if whole => rule.compare(CmpOp::EQ, &network.octets()),
            (IpAddr::V4(mask), IpAddr::V4(network)) => {
                rule.mask(&mask.octets()).compare(CmpOp::EQ, &network.octets())
            }
            (IpAddr::V6(mask), IpAddr::V6(network)) => {
                rule.mask(&mask.octets()).compare(CmpOp::EQ, &network.octets())
            }
            // The two are of one family.
            _ => rule,
        }
    }

    /// `tcp dport 22`, `udp dport 53` and so on, by the number of the protocol.
    #[must_use]
    pub fn dport(self, protocol: u8, port: u16) -> Self {
        self.port(protocol, 2).compare(CmpOp::EQ, &port.to_be_bytes())
    }

    /// `tcp sport 22`, `udp sport 53` and so on.
    #[must_use]
    pub fn sport(self, protocol: u8, port: u16) -> Self {
        self.port(protocol, 0).compare(CmpOp::EQ, &port.to_be_bytes())
    }

    /// `tcp dport 8000-8999`.
    #[must_use]
    pub fn dports(self, protocol: u8, ports: core::ops::RangeInclusive<u16>) -> Self {
        self.port(protocol, 2).port_range(&ports)
    }

    /// `tcp sport 1024-65535`.
    #[must_use]
    pub fn sports(self, protocol: u8, ports: core::ops::RangeInclusive<u16>) -> Self {
        self.port(protocol, 0).port_range(&ports)
    }

    fn port(self, protocol: u8, offset: u32) -> Self {
        self.l4proto(protocol).payload(Base::TRANSPORT, offset, 2)
    }

    fn port_range(self, ports: &core::ops::RangeInclusive<u16>) -> Self {
        let value = |port: &u16| Data::value(port.to_be_bytes());
        self.expr(Range::new(Register::R1, RangeOp::EQ, value(ports.start()), value(ports.end())))
    }

    /// `tcp flags & (fin|syn|rst|ack) == syn`: of the flags in `mask`, exactly these are set. FIN is 1, SYN 2, RST 4, ACK 16.
    #[must_use]
    pub fn tcp_flags(self, flags: u8, mask: u8) -> Self {
        self.l4proto(TCP).payload(Base::TRANSPORT, 13, 1).mask(&[mask]).compare(CmpOp::EQ, &[flags])
    }

    /// `icmp type 8`: an ICMP message of this type; 8 asks for an echo.
    #[must_use]
    pub fn icmp_type(self, number: u8) -> Self {
        self.nfproto(Family::IPV4).l4proto(ICMP).payload(Base::TRANSPORT, 0, 1).compare(CmpOp::EQ, &[number])
    }

    /// `icmpv6 type 128`: an ICMPv6 message of this type; 128 asks for an echo.
    #[must_use]
    pub fn icmpv6_type(self, number: u8) -> Self {
        self.nfproto(Family::IPV6)
            .l4proto(ICMPV6)
            .payload(Base::TRANSPORT, 0, 1)
            .compare(CmpOp::EQ, &[number])
    }
}
