//! Rules.

use core::net::IpAddr;

use ipnet::IpNet;

use crate::attr::{Attrs, Bytes, Field, NESTED, Writer};
use crate::error::{EncodeError, NameError};
use crate::expr::{
    Base, Bitwise, Cmp, CmpOp, Counter, Ct, CtKey, Expr, Exprs, Immediate, Limit, Log, Lookup, Masq, Meta,
    MetaKey, Notrack, Payload, Reject, RejectType,
};
use crate::family::Family;
use crate::name::Name;
use crate::verdict::{Data, Register, Verdict};

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

/// A rule of a chain: its expressions, one after the other.
///
/// The methods append what a line of `nft` says, in its order. What is wrong with a name that they are given is told when the
/// rule is put into a [`Batch`](crate::Batch).
///
/// # Example
///
/// ```
/// use tortie_nft_wire::{Batch, CtState, Family, Name, Rule};
///
/// let (table, chain) = (Name::new("demo")?, Name::new("input")?);
/// // iifname "eth0" ct state established,related counter accept
/// let rule = Rule::new(table, chain)
///     .iifname("eth0")
///     .ct_state(CtState::ESTABLISHED.or(CtState::RELATED))
///     .counter()
///     .accept();
/// Batch::new().add(Family::INET, &rule)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its table.
    pub table: Name,
    /// Its chain.
    pub chain: Name,
    /// The kernel's number of it.
    pub handle: Option<u64>,
    /// The rule behind which, or before which, it is put.
    pub position: Option<u64>,
    /// What it says.
    pub exprs: Exprs,
    /// Whatever its maker wants to remember, at most 256 bytes.
    pub userdata: Option<Bytes>,
    /// Its number in this batch.
    pub id: Option<u32>,
    /// The rule of this batch behind which, or before which, it is put.
    pub position_id: Option<u32>,
    /// What is wrong with it.
    pub(crate) fault: Option<EncodeError>,
}

/// Bytes of the name of an interface, with the zero at its end.
const INTERFACE: usize = 16;
/// Most bytes before each line of a log.
const PREFIX: usize = 127;
/// Most bytes of a comment, with what says that it is one.
const COMMENT: usize = 128;

impl Rule {
    /// A rule that says nothing yet.
    #[must_use]
    pub const fn new(table: Name, chain: Name) -> Self {
        Self {
            table,
            chain,
            handle: None,
            position: None,
            exprs: Exprs::new(),
            userdata: None,
            id: None,
            position_id: None,
            fault: None,
        }
    }

    /// One expression more.
    #[must_use]
    pub fn expr(mut self, expr: impl Into<Expr>) -> Self {
        self.exprs.push(expr.into());
        self
    }

    fn meta(self, key: MetaKey) -> Self {
        self.expr(Meta { dreg: Some(Register::R1), ..Meta::new(key) })
    }

    fn payload(self, base: Base, offset: u32, len: u32) -> Self {
        self.expr(Payload { dreg: Some(Register::R1), ..Payload::new(base, offset, len) })
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
        let len = prefix.unwrap_or(name).len();
        let fault = match Name::new(name) {
            Err(error) => Some(error),
            Ok(_) if len >= INTERFACE => Some(NameError::TooLong { len, max: INTERFACE - 1 }),
            Ok(_) => None,
        };
        if let Some(fault) = fault {
            self.fault = self.fault.or(Some(EncodeError::Name(fault)));
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
        self.expr(Ct { dreg: Some(Register::R1), ..Ct::new(CtKey::STATE) })
            .mask(&state.bits().to_ne_bytes())
            .compare(CmpOp::NEQ, &[0; 4])
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
        self.l4proto(protocol).payload(Base::TRANSPORT, 2, 2).compare(CmpOp::EQ, &port.to_be_bytes())
    }

    /// `tcp sport 22`, `udp sport 53` and so on.
    #[must_use]
    pub fn sport(self, protocol: u8, port: u16) -> Self {
        self.l4proto(protocol).payload(Base::TRANSPORT, 0, 2).compare(CmpOp::EQ, &port.to_be_bytes())
    }

    /// `ip saddr @set`.
    #[must_use]
    pub fn ipv4_saddr_in(self, set: Name) -> Self {
        self.nfproto(Family::IPV4).payload(Base::NETWORK, 12, 4).lookup(set, None)
    }

    /// `ip daddr @set`.
    #[must_use]
    pub fn ipv4_daddr_in(self, set: Name) -> Self {
        self.nfproto(Family::IPV4).payload(Base::NETWORK, 16, 4).lookup(set, None)
    }

    /// `ip6 saddr @set`.
    #[must_use]
    pub fn ipv6_saddr_in(self, set: Name) -> Self {
        self.nfproto(Family::IPV6).payload(Base::NETWORK, 8, 16).lookup(set, None)
    }

    /// `ip6 daddr @set`.
    #[must_use]
    pub fn ipv6_daddr_in(self, set: Name) -> Self {
        self.nfproto(Family::IPV6).payload(Base::NETWORK, 24, 16).lookup(set, None)
    }

    /// `iifname vmap @map`.
    #[must_use]
    pub fn iifname_vmap(self, map: Name) -> Self {
        self.meta(MetaKey::IIFNAME).lookup(map, Some(Register::VERDICT))
    }

    /// `oifname vmap @map`.
    #[must_use]
    pub fn oifname_vmap(self, map: Name) -> Self {
        self.meta(MetaKey::OIFNAME).lookup(map, Some(Register::VERDICT))
    }

    fn lookup(self, set: Name, dreg: Option<Register>) -> Self {
        self.expr(Lookup { dreg, ..Lookup::new(set, Register::R1) })
    }

    /// `counter`.
    #[must_use]
    pub fn counter(self) -> Self {
        self.expr(Counter::new())
    }

    /// `limit rate 10/second burst 5 packets`.
    #[must_use]
    pub fn limit_per_second(self, packets: u64, burst: u32) -> Self {
        self.expr(Limit { burst: Some(burst), ..Limit::new(packets, 1) })
    }

    /// `log prefix "..."`: to the log of the kernel.
    #[must_use]
    pub fn log(self, prefix: &str) -> Self {
        self.log_with(prefix, None)
    }

    /// `log prefix "..." group 1`: to who listens to the group.
    #[must_use]
    pub fn log_group(self, prefix: &str, group: u16) -> Self {
        self.log_with(prefix, Some(group))
    }

    fn log_with(mut self, prefix: &str, group: Option<u16>) -> Self {
        let len = prefix.len();
        if len > PREFIX {
            self.fault = self.fault.or(Some(EncodeError::TextTooLong { len, max: PREFIX }));
        }
        let mut bytes = Bytes::from_slice(prefix.as_bytes());
        bytes.push(0);
        let prefix = (len > 0).then_some(bytes);
        self.expr(Log { group, prefix, ..Log::new() })
    }

    /// `notrack`.
    #[must_use]
    pub fn notrack(self) -> Self {
        self.expr(Notrack::new())
    }

    /// `masquerade`.
    #[must_use]
    pub fn masquerade(self) -> Self {
        self.expr(Masq::new())
    }

    /// `reject`: with a port that cannot be reached; TCP is to be reset by an own rule.
    #[must_use]
    pub fn reject(self) -> Self {
        self.expr(Reject { icmp_code: Some(1), ..Reject::new(RejectType::ICMPX_UNREACH) })
    }

    /// `reject with tcp reset`.
    #[must_use]
    pub fn reset(self) -> Self {
        self.expr(Reject::new(RejectType::TCP_RST))
    }

    /// `accept`.
    #[must_use]
    pub fn accept(self) -> Self {
        self.verdict(Verdict::Accept)
    }

    /// `drop`.
    #[must_use]
    pub fn drop(self) -> Self {
        self.verdict(Verdict::Drop)
    }

    /// `jump chain`.
    #[must_use]
    pub fn jump(self, chain: Name) -> Self {
        self.verdict(Verdict::Jump(chain))
    }

    /// `goto chain`.
    #[must_use]
    pub fn goto(self, chain: Name) -> Self {
        self.verdict(Verdict::Goto(chain))
    }

    /// Any verdict.
    #[must_use]
    pub fn verdict(self, verdict: Verdict) -> Self {
        self.expr(Immediate::new(Register::VERDICT, verdict.into()))
    }

    /// `comment "..."`, which `nft` shows; at most 125 bytes.
    #[must_use]
    pub fn comment(mut self, comment: &str) -> Self {
        // Type, length, the text and a zero.
        let max = COMMENT - 3;
        match u8::try_from(comment.len() + 1) {
            Ok(len) if comment.len() <= max && !comment.contains('\0') => {
                let mut userdata = Bytes::from_slice(&[0, len]);
                userdata.extend_from_slice(comment.as_bytes());
                userdata.push(0);
                self.userdata = Some(userdata);
            }
            _ => {
                self.fault = self.fault.or(Some(EncodeError::TextTooLong { len: comment.len(), max }));
            }
        }
        self
    }
}

impl Field for Rule {
    const FLAGS: u16 = NESTED;

    fn write(&self, writer: &mut Writer<'_>) {
        writer.put(1, &self.table);
        writer.put(2, &self.chain);
        if let Some(handle) = &self.handle {
            writer.put(3, handle);
        }
        if !self.exprs.is_empty() {
            writer.put(4, &self.exprs);
        }
        if let Some(position) = &self.position {
            writer.put(6, position);
        }
        if let Some(userdata) = &self.userdata {
            writer.put(7, userdata);
        }
        if let Some(id) = &self.id {
            writer.put(9, id);
        }
        if let Some(id) = &self.position_id {
            writer.put(10, id);
        }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (mut table, mut chain) = (None, None);
        let (mut handle, mut position, mut userdata, mut id, mut position_id) =
            (None, None, None, None, None);
        let mut exprs = Exprs::new();
        let mut attrs = Attrs(bytes);
        for attr in attrs.by_ref() {
            match attr.kind {
                1 => table = Some(Name::read(attr.value)?),
                2 => chain = Some(Name::read(attr.value)?),
                3 => handle = Some(u64::read(attr.value)?),
                4 => exprs = Exprs::read(attr.value)?,
                6 => position = Some(u64::read(attr.value)?),
                7 => userdata = Some(Bytes::read(attr.value)?),
                9 => id = Some(u32::read(attr.value)?),
                10 => position_id = Some(u32::read(attr.value)?),
                _ if attr.value.is_empty() => {}
                _ => return None,
            }
        }
        attrs.is_empty().then_some(())?;
        let (table, chain) = (table?, chain?);
        Some(Self { table, chain, handle, position, exprs, userdata, id, position_id, fault: None })
    }
}
