//! Expressions of a rule, one behind the other.

use alloc::vec::Vec;
use core::net::IpAddr;

use ipnet::IpNet;
use tortie_nft_wire::expr::{
    Bitwise, Cmp, CmpOp, Expression, Immediate, Lookup, Masq, Meta, MetaKey, Nat, NatType, Payload, Range,
    RangeOp,
};
use tortie_nft_wire::{Data, ExprBuf, Name, Register, RuleBuf, Selector, Verdict};

use crate::program::End;
use crate::rule::{Family, PortRange};

/// Most phrases that are kept.
const MAX_PHRASES: usize = 24;

/// What many rules say, in the same expressions each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phrase {
    Family(Family),
    Protocol {
        number: u8,
        negated: bool,
    },
    Load(Selector),
    /// An address without the bits behind a prefix of this length.
    LoadPrefix(End, Family, u8),
    Accept,
    Drop,
    Return,
}

impl Phrase {
    fn written(self) -> ExprBuf {
        let mut exprs = ExprBuf::new();
        let verdict = match self {
            Self::Family(family) => {
                exprs.expr(&Selector::Nfproto.load(R1));
                exprs.expr(&equals(&[if family == Family::V4 { 2 } else { 10 }], false));
                return exprs;
            }
            Self::Protocol { number, negated } => {
                exprs.expr(&Selector::L4proto.load(R1)).expr(&equals(&[number], negated));
                return exprs;
            }
            Self::Load(selector) => {
                exprs.expr(&selector.load(R1));
                return exprs;
            }
            Self::LoadPrefix(end, family, len) => {
                exprs.expr(&address(end, family).load(R1));
                match family {
                    Family::V4 => exprs.expr(&masked(&mask::<4>(len), &[0; 4])),
                    Family::V6 => exprs.expr(&masked(&mask::<16>(len), &[0; 16])),
                };
                return exprs;
            }
            Self::Accept => Verdict::Accept,
            Self::Drop => Verdict::Drop,
            Self::Return => Verdict::Return,
        };
        exprs.expr(&Immediate::new(Register::VERDICT, verdict.into()));
        exprs
    }
}

/// The first so many bits.
fn mask<const LEN: usize>(bits: u8) -> [u8; LEN] {
    core::array::from_fn(|index| {
        let before = u32::try_from(index).unwrap_or(u32::MAX).saturating_mul(8);
        let left = u32::from(bits).saturating_sub(before).min(8);
        // The upper bits of an octet.
        u8::try_from((0xff00_u32 >> left) & 0xff).unwrap_or(u8::MAX)
    })
}

/// The first register with these bits kept, and those turned over.
fn masked(mask: &[u8], xor: &[u8]) -> Bitwise {
    let len = u32::try_from(mask.len()).unwrap_or(u32::MAX);
    Bitwise { mask: Some(Data::value(mask)), xor: Some(Data::value(xor)), ..Bitwise::new(R1, R1, len) }
}

fn equals(value: &[u8], negated: bool) -> Cmp {
    Cmp::new(R1, if negated { CmpOp::NEQ } else { CmpOp::EQ }, Data::value(value))
}

/// Writes rules, one at a time: appends expressions to those that it has. Its memory stays for the next.
pub(super) struct Appender {
    rule: RuleBuf,
    /// What was said before: few enough to look at one after the other.
    phrases: Vec<(Phrase, ExprBuf)>,
    /// Which family the packets are of that come so far, once that is asked.
    family: Option<Family>,
    /// What the first register still holds.
    loaded: Option<Selector>,
}

pub(super) const fn address(end: End, family: Family) -> Selector {
    match (end, family) {
        (End::Source, Family::V4) => Selector::Ipv4Saddr,
        (End::Destination, Family::V4) => Selector::Ipv4Daddr,
        (End::Source, Family::V6) => Selector::Ipv6Saddr,
        (End::Destination, Family::V6) => Selector::Ipv6Daddr,
    }
}

pub(super) const fn port(end: End) -> Selector {
    match end {
        End::Source => Selector::Sport,
        End::Destination => Selector::Dport,
    }
}

const R1: Register = Register::R1;

impl Appender {
    pub(super) fn new(table: &Name, chain: &Name) -> Self {
        Self { rule: RuleBuf::new(table, chain), phrases: Vec::new(), family: None, loaded: None }
    }

    /// What follows are rules of this chain.
    pub(super) fn set_chain(&mut self, table: &Name, chain: &Name) {
        self.rule.set_chain(table, chain);
    }

    /// A rule that says nothing yet.
    pub(super) fn begin(&mut self) {
        self.rule.clear();
        (self.family, self.loaded) = (None, None);
    }

    pub(super) fn comment(&mut self, comment: &str) {
        self.rule.comment(comment);
    }

    /// The rule, with all that was appended.
    pub(super) const fn rule(&self) -> &RuleBuf {
        &self.rule
    }

    fn say(&mut self, phrase: Phrase) {
        self.loaded = None;
        if let Some((_, exprs)) = self.phrases.iter().find(|(known, _)| *known == phrase) {
            self.rule.exprs(exprs);
            return;
        }
        let exprs = phrase.written();
        self.rule.exprs(&exprs);
        if self.phrases.len() < MAX_PHRASES {
            self.phrases.push((phrase, exprs));
        }
    }

    pub(super) fn accept(&mut self) {
        self.say(Phrase::Accept);
    }

    pub(super) fn drop(&mut self) {
        self.say(Phrase::Drop);
    }

    pub(super) fn back(&mut self) {
        self.say(Phrase::Return);
    }

    pub(super) fn push(&mut self, expr: &impl Expression) {
        self.loaded = None;
        self.rule.expr(expr);
    }

    pub(super) fn compare(&mut self, value: &[u8], negated: bool) {
        // It changes no register.
        self.rule.expr(&equals(value, negated));
    }

    /// It is of this family.
    pub(super) fn family(&mut self, family: Family) {
        if self.family == Some(family) {
            return;
        }
        // What is of one family and of the other is nothing; both stay, and no packet comes this far.
        self.family = Some(family);
        self.say(Phrase::Family(family));
    }

    pub(super) fn mask(&mut self, mask: &[u8], xor: &[u8]) {
        self.push(&masked(mask, xor));
    }

    /// The mark with these bits kept, and those turned over.
    pub(super) fn mark(&mut self, keep: u32, turn: u32) {
        self.push(&Meta { dreg: Some(R1), ..Meta::new(MetaKey::MARK) });
        self.mask(&keep.to_ne_bytes(), &turn.to_ne_bytes());
    }

    /// An address without the bits behind a prefix of this length, in the first register.
    pub(super) fn address(&mut self, end: End, family: Family, len: u8) {
        self.family(family);
        let full = if family == Family::V4 { 32 } else { 128 };
        let is_whole = len >= full;
        self.say(if is_whole {
            Phrase::Load(address(end, family))
        } else {
            Phrase::LoadPrefix(end, family, len)
        });
    }

    /// An address is in this prefix.
    pub(super) fn net(&mut self, end: End, net: IpNet, negated: bool) {
        self.address(end, Family::of_net(&net), net.prefix_len());
        self.compare(super::octets(net.network()).as_ref(), negated);
    }

    pub(super) fn protocol(&mut self, number: u8, negated: bool) {
        self.say(Phrase::Protocol { number, negated });
    }

    pub(super) fn port(&mut self, end: End, range: &PortRange, negated: bool) {
        self.load(port(end));
        self.range(range.min.to_be_bytes(), range.max.to_be_bytes(), negated);
    }

    /// An address is from the first of these to the last.
    pub(super) fn between(&mut self, end: End, (from, to): (IpAddr, IpAddr), negated: bool) {
        let family = Family::of(&from);
        self.family(family);
        self.load(address(end, family));
        match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => self.range(from.octets(), to.octets(), negated),
            (IpAddr::V6(from), IpAddr::V6(to)) => self.range(from.octets(), to.octets(), negated),
            // Prefixes begin and end in one family.
            _ => {}
        }
    }

    /// Loads into the first register what is not there already.
    fn load(&mut self, selector: Selector) {
        if self.loaded != Some(selector) {
            self.say(Phrase::Load(selector));
            self.loaded = Some(selector);
        }
    }

    fn range<const LEN: usize>(&mut self, from: [u8; LEN], to: [u8; LEN], negated: bool) {
        if from == to {
            return self.compare(&from, negated);
        }
        let op = if negated { RangeOp::NEQ } else { RangeOp::EQ };
        self.rule.expr(&Range::new(R1, op, Data::value(from), Data::value(to)));
    }

    /// A byte behind the transport header's beginning.
    pub(super) fn transport_byte(&mut self, offset: u32, value: u8, negated: bool) {
        let base = tortie_nft_wire::expr::Base::TRANSPORT;
        self.push(&Payload { dreg: Some(R1), ..Payload::new(base, offset, 1) });
        self.compare(&[value], negated);
    }

    /// More parts of a key, behind a first one that has so many bytes.
    pub(super) fn more(&mut self, first: u32, parts: &[Selector]) {
        let mut word = first.div_ceil(4);
        for part in parts {
            // As the kernel tells them: where one of the large registers begins, that.
            let register = if word % 4 == 0 {
                Register::new(1_u32.saturating_add(word / 4))
            } else {
                Register::new(8_u32.saturating_add(word))
            };
            self.push(&part.load(register));
            word = word.saturating_add(part.len().div_ceil(4));
        }
    }

    /// Its source becomes this address, or that of the interface, and a port among these.
    pub(super) fn translate(&mut self, address: Option<IpAddr>, ports: Option<PortRange>) {
        let flags = Some(Nat::FULLY_RANDOM);
        if let Some(address) = address {
            self.push(&Immediate::new(R1, Data::value(super::octets(address))));
        }
        let registers = ports.map(|ports| {
            self.push(&Immediate::new(Register::R2, Data::value(ports.min.to_be_bytes())));
            if ports.min == ports.max {
                return (Register::R2, Register::R2);
            }
            self.push(&Immediate::new(Register::R3, Data::value(ports.max.to_be_bytes())));
            (Register::R2, Register::R3)
        });
        let (port_min, port_max) = (registers.map(|(min, _)| min), registers.map(|(_, max)| max));
        match address {
            None => {
                let ports = if registers.is_some() { Nat::PROTO_SPECIFIED } else { 0 };
                self.push(&Masq { flags: flags.map(|flags| flags | ports), port_min, port_max });
            }
            Some(address) => {
                let family = if address.is_ipv4() { Nat::IPV4 } else { Nat::IPV6 };
                let (addr_min, addr_max) = (Some(R1), Some(R1));
                self.push(&Nat {
                    addr_min,
                    addr_max,
                    port_min,
                    port_max,
                    flags,
                    ..Nat::new(NatType::SNAT, family)
                });
            }
        }
    }

    pub(super) fn lookup(&mut self, set: Name, id: Option<u32>, verdict: bool, negated: bool) {
        self.push(&Lookup {
            set_id: id,
            dreg: verdict.then_some(Register::VERDICT),
            flags: Some(if negated { Lookup::INVERTED } else { 0 }),
            ..Lookup::new(set, R1)
        });
    }
}
