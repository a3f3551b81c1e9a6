//! What a rule looks up in sets and maps: one value, or several one behind the other.

use super::Rule;
use crate::error::EncodeError;
use crate::expr::{Base, Ct, CtKey, Dynset, DynsetOp, Expr, Exprs, Lookup, Meta, MetaKey, Payload};
use crate::family::Family;
use crate::name::Name;
use crate::verdict::Register;

/// A value of a packet, as keys of sets and maps are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Selector {
    /// `iifname`, 16 bytes.
    Iifname,
    /// `oifname`, 16 bytes.
    Oifname,
    /// `meta mark`, 4 bytes.
    Mark,
    /// `ct mark`, 4 bytes.
    CtMark,
    /// `meta nfproto`, 1 byte.
    Nfproto,
    /// `meta l4proto`, 1 byte.
    L4proto,
    /// `ether saddr`, 6 bytes.
    EtherSaddr,
    /// `ether daddr`, 6 bytes.
    EtherDaddr,
    /// `ip saddr`, 4 bytes.
    Ipv4Saddr,
    /// `ip daddr`, 4 bytes.
    Ipv4Daddr,
    /// `ip6 saddr`, 16 bytes.
    Ipv6Saddr,
    /// `ip6 daddr`, 16 bytes.
    Ipv6Daddr,
    /// `th sport`, 2 bytes.
    Sport,
    /// `th dport`, 2 bytes.
    Dport,
}

impl Selector {
    /// How many bytes it has.
    #[must_use]
    pub const fn len(self) -> u32 {
        match self {
            Self::Iifname | Self::Oifname | Self::Ipv6Saddr | Self::Ipv6Daddr => 16,
            Self::EtherSaddr | Self::EtherDaddr => 6,
            Self::Mark | Self::CtMark | Self::Ipv4Saddr | Self::Ipv4Daddr => 4,
            Self::Sport | Self::Dport => 2,
            Self::Nfproto | Self::L4proto => 1,
        }
    }

    /// Never.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        false
    }

    /// The expression that loads it into a register.
    #[must_use]
    pub fn load(self, register: Register) -> Expr {
        let dreg = Some(register);
        let meta = |key| Meta { dreg, ..Meta::new(key) }.into();
        let payload = |base, offset| Payload { dreg, ..Payload::new(base, offset, self.len()) }.into();
        match self {
            Self::Iifname => meta(MetaKey::IIFNAME),
            Self::Oifname => meta(MetaKey::OIFNAME),
            Self::Mark => meta(MetaKey::MARK),
            Self::CtMark => Ct { dreg, ..Ct::new(CtKey::MARK) }.into(),
            Self::Nfproto => meta(MetaKey::NFPROTO),
            Self::L4proto => meta(MetaKey::L4PROTO),
            Self::EtherSaddr => payload(Base::LINK, 6),
            Self::EtherDaddr => payload(Base::LINK, 0),
            Self::Ipv4Saddr => payload(Base::NETWORK, 12),
            Self::Ipv4Daddr => payload(Base::NETWORK, 16),
            Self::Ipv6Saddr => payload(Base::NETWORK, 8),
            Self::Ipv6Daddr => payload(Base::NETWORK, 24),
            Self::Sport => payload(Base::TRANSPORT, 0),
            Self::Dport => payload(Base::TRANSPORT, 2),
        }
    }

    /// The family whose packets alone have it.
    const fn family(self) -> Option<Family> {
        match self {
            Self::Ipv4Saddr | Self::Ipv4Daddr => Some(Family::IPV4),
            Self::Ipv6Saddr | Self::Ipv6Daddr => Some(Family::IPV6),
            _ => None,
        }
    }
}

/// Whether something is in a set.
const IN: Option<u32> = None;
const NOT_IN: Option<u32> = Some(Lookup::INVERTED);

impl Rule {
    /// `ip saddr . meta l4proto . th dport @set`: these, one behind the other, are in the set.
    ///
    /// In an inet table, values of IPv4 or IPv6 are asked only of packets of that family.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::{Batch, Family, Name, Rule, Selector, Set, Type};
    ///
    /// let (table, chain, flows) = (Name::new("demo")?, Name::new("input")?, Name::new("flows")?);
    /// let key_type = Type::IPV4_ADDR.then(Type::INET_PROTO).then(Type::INET_SERVICE);
    /// let set = Set::of(table.clone(), flows.clone(), 1, key_type, 12).parts(&[4, 1, 2]);
    /// let key = [Selector::Ipv4Saddr, Selector::L4proto, Selector::Dport];
    /// // ip saddr . meta l4proto . th dport @flows accept
    /// let rule = Rule::new(table, chain).in_set(&key, flows).accept();
    /// let mut batch = Batch::new();
    /// batch.add(Family::INET, &set)?;
    /// batch.add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn in_set(self, key: &[Selector], set: Name) -> Self {
        self.load(key).lookup(set, None, IN)
    }

    /// `ip saddr != @set`: these, one behind the other, are not in the set.
    #[must_use]
    pub fn not_in_set(self, key: &[Selector], set: Name) -> Self {
        self.load(key).lookup(set, None, NOT_IN)
    }

    /// `iifname vmap @map`: the verdict that the map holds for these.
    #[must_use]
    pub fn vmap(self, key: &[Selector], map: Name) -> Self {
        self.load(key).lookup(map, Some(Register::VERDICT), IN)
    }

    /// `ip saddr map @map`: what the map holds for these, into a register, for the expression behind it.
    #[must_use]
    pub fn map(self, key: &[Selector], map: Name, register: Register) -> Self {
        self.load(key).lookup(map, Some(register), IN)
    }

    /// `add @set { ip saddr }`: the packet adds these to a set with the flag [`EVAL`](crate::Set::EVAL), if they are not in it;
    /// with expressions, such as a limit or a counter, that the element does for this and each later packet.
    #[must_use]
    pub fn add_to(self, key: &[Selector], set: Name, exprs: Exprs) -> Self {
        self.dynset(key, set, DynsetOp::ADD, None, exprs)
    }

    /// `update @set { ip saddr timeout 10s limit rate 5/second }`: as [`add_to`](Self::add_to), and the time of the element
    /// begins anew; `timeout` is in milliseconds, `None` is that of the set. What old versions of nft called `meter`.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::Limit;
    /// use tortie_nft_wire::{Batch, Family, Name, Rule, Selector, Set, Type};
    ///
    /// let (table, chain, seen) = (Name::new("demo")?, Name::new("input")?, Name::new("seen")?);
    /// // set seen { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 1m; }
    /// let set = Set::of(table.clone(), seen.clone(), 1, Type::IPV4_ADDR, 4).size(65_535).timeout_ms(60_000).flags(Set::EVAL);
    /// // update @seen { ip saddr limit rate over 10/second burst 5 packets } drop
    /// let limit = Limit { burst: Some(5), flags: Some(Limit::OVER), ..Limit::new(10, 1) };
    /// let rule = Rule::new(table, chain).update(&[Selector::Ipv4Saddr], seen, None, vec![limit.into()]).drop();
    /// let mut batch = Batch::new();
    /// batch.add(Family::INET, &set)?;
    /// batch.add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn update(self, key: &[Selector], set: Name, timeout_ms: Option<u64>, exprs: Exprs) -> Self {
        self.dynset(key, set, DynsetOp::UPDATE, timeout_ms, exprs)
    }

    /// `delete @set { ip saddr }`: the packet deletes these from a set.
    #[must_use]
    pub fn delete_from(self, key: &[Selector], set: Name) -> Self {
        self.dynset(key, set, DynsetOp::DELETE, None, Exprs::new())
    }

    fn dynset(self, key: &[Selector], set: Name, op: DynsetOp, timeout: Option<u64>, exprs: Exprs) -> Self {
        let dynset = Dynset { timeout, exprs, ..Dynset::new(set, op, Register::R1) };
        self.load(key).expr(dynset)
    }

    /// Loads the parts of a key into registers, each from a new word on.
    fn load(mut self, key: &[Selector]) -> Self {
        if let Some(family) = key.iter().find_map(|part| part.family()) {
            self = self.nfproto(family);
        }
        let mut word = 0;
        for part in key {
            let words = part.len().div_ceil(4);
            // As the kernel tells them: where one of the large registers begins, that.
            let register =
                if word % 4 == 0 { Some(Register::new(1 + word / 4)) } else { Register::word(word) };
            word += words;
            match register.filter(|_| word <= 16) {
                Some(register) => self.exprs.push(part.load(register)),
                None => {
                    let len = key.iter().map(|part| part.len().next_multiple_of(4));
                    let len = usize::try_from(len.sum::<u32>()).unwrap_or(usize::MAX);
                    self.fault(EncodeError::KeyLength { index: 0, len, want: None });
                    break;
                }
            }
        }
        self
    }

    fn lookup(self, set: Name, dreg: Option<Register>, flags: Option<u32>) -> Self {
        self.expr(Lookup { dreg, flags, ..Lookup::new(set, Register::R1) })
    }

    /// `ip saddr @set`.
    #[must_use]
    pub fn ipv4_saddr_in(self, set: Name) -> Self {
        self.in_set(&[Selector::Ipv4Saddr], set)
    }

    /// `ip daddr @set`.
    #[must_use]
    pub fn ipv4_daddr_in(self, set: Name) -> Self {
        self.in_set(&[Selector::Ipv4Daddr], set)
    }

    /// `ip6 saddr @set`.
    #[must_use]
    pub fn ipv6_saddr_in(self, set: Name) -> Self {
        self.in_set(&[Selector::Ipv6Saddr], set)
    }

    /// `ip6 daddr @set`.
    #[must_use]
    pub fn ipv6_daddr_in(self, set: Name) -> Self {
        self.in_set(&[Selector::Ipv6Daddr], set)
    }

    /// `iifname vmap @map`.
    #[must_use]
    pub fn iifname_vmap(self, map: Name) -> Self {
        self.vmap(&[Selector::Iifname], map)
    }

    /// `oifname vmap @map`.
    #[must_use]
    pub fn oifname_vmap(self, map: Name) -> Self {
        self.vmap(&[Selector::Oifname], map)
    }
}
