//! One rule as expressions.

use alloc::vec::Vec;

use ipnet::IpNet;
use tortie_nft_wire as nft;
use tortie_nft_wire::expr::{
    Cmp, CmpOp, Ct, CtKey, Fib, FibResult, Immediate, Log, Meta, MetaKey, Notrack, ObjectType, Objref,
    Reject, RejectType,
};
use tortie_nft_wire::{Bytes, Connection, CtState, Data, EncodeError, Name, Register, Selector, Set, Type};

use super::exprs::{Appender, address, port};
use super::{INET, Key, Writer, interface, octets};
use crate::backend::nftables::layout::{Deed, Line, PartKind, Side, Test, joined, leaf_name};
use crate::program::{Addresses, Match};
use crate::rule::{Family, PortRange};
use crate::table::{Row, Spread, Tuples};

const R1: Register = Register::R1;

type Result = core::result::Result<(), EncodeError>;

/// Writes the rule of this line; what it looks up in sets of its own is put into the batch before it.
pub(super) fn rule(writer: &mut Writer<'_>, out: &mut Appender, line: &Line<'_>) -> Result {
    out.begin();
    for wanted in &line.tests {
        test(writer, out, wanted)?;
    }
    if let Some(counter) = line.counter {
        let (kind, name) = (Some(ObjectType::COUNTER), Some(Name::new(counter)?));
        out.push(&Objref { kind, name, ..Objref::new() });
    }
    deed(writer, out, &line.deed)?;
    if let Some(said) = line.comment {
        out.comment(&writer.origins.comment(said));
    }
    Ok(())
}

const fn side(side: Side) -> Selector {
    match side {
        Side::In => Selector::Iifname,
        Side::Out => Selector::Oifname,
    }
}

fn deed(writer: &mut Writer<'_>, out: &mut Appender, deed: &Deed<'_>) -> Result {
    let mark = writer.options.mark;
    let set_mark = || Meta { sreg: Some(R1), ..Meta::new(MetaKey::MARK) };
    let verdict = match deed {
        Deed::Accept => {
            out.accept();
            return Ok(());
        }
        Deed::Drop => {
            out.drop();
            return Ok(());
        }
        Deed::Return => {
            out.back();
            return Ok(());
        }
        Deed::Reject => {
            let code = Some(Reject::PORT_UNREACHABLE);
            out.push(&Reject { icmp_code: code, ..Reject::new(RejectType::ICMPX_UNREACH) });
            return Ok(());
        }
        Deed::Translate { address, ports } => {
            out.translate(*address, *ports);
            return Ok(());
        }
        Deed::Jump(chain) => nft::Verdict::Jump(Name::new(chain)?),
        Deed::Goto(chain) => nft::Verdict::Goto(Name::new(chain)?),
        Deed::Log => {
            let mut prefix = Bytes::from_slice(writer.options.log_prefix.as_bytes());
            prefix.push(0);
            out.push(&Log { prefix: (prefix.len() > 1).then_some(prefix), ..Log::new() });
            return Ok(());
        }
        Deed::AcceptMarked { untracked } => {
            if *untracked {
                out.push(&Notrack::new());
            }
            out.mark(!mark, mark);
            out.push(&set_mark());
            nft::Verdict::Accept
        }
        Deed::ClearMark => {
            out.mark(!mark, 0);
            out.push(&set_mark());
            return Ok(());
        }
        Deed::Dispatch(interface, map) => {
            out.push(&side(*interface).load(R1));
            out.lookup(Name::new(map)?, None, true, false);
            return Ok(());
        }
        Deed::Spread(spread, leaves) => return spread_map(writer, out, spread, leaves),
    };
    out.push(&Immediate::new(Register::VERDICT, verdict.into()));
    Ok(())
}

fn test(writer: &mut Writer<'_>, out: &mut Appender, test: &Test<'_>) -> Result {
    match test {
        Test::Match(wanted) => self::wanted(writer, out, wanted)?,
        Test::Family(family) => out.family(*family),
        Test::InSet { end, family, part, negated } => {
            match part.kind {
                PartKind::Masked(len) => out.address(*end, *family, len),
                _ => out.address(*end, *family, u8::MAX),
            }
            if part.kind == PartKind::Ports {
                out.more(address(*end, *family).len(), &[Selector::L4proto, port(*end)]);
            }
            out.lookup(Name::new(&part.name)?, None, false, *negated);
        }
        Test::Port { end, range, negated } => out.port(*end, range, *negated),
        Test::Between { end, addresses, negated } => out.between(*end, *addresses, *negated),
        Test::Net(end, net) => out.net(*end, *net, false),
        Test::Protocol { number, negated } => out.protocol(*number, *negated),
        Test::Established => state(out, CtState::ESTABLISHED.or(CtState::RELATED)),
        Test::ConnectionMarked { mark, is_set } => {
            out.push(&Ct { dreg: Some(R1), ..Ct::new(CtKey::MARK) });
            out.mask(&mark.to_ne_bytes(), &[0; 4]);
            out.compare(&[0; 4], *is_set);
        }
        Test::Invalid => state(out, CtState::INVALID),
        Test::Marked(mark) => {
            out.mark(*mark, 0);
            out.push(&Cmp::new(R1, CmpOp::NEQ, Data::value([0; 4])));
        }
        Test::Forwarded => {
            out.push(&Meta { dreg: Some(R1), ..Meta::new(MetaKey::IIF) });
            out.compare(&[0; 4], true);
        }
        Test::Translated(is) => {
            out.push(&Ct { dreg: Some(R1), ..Ct::new(CtKey::STATUS) });
            out.mask(&Connection::DST_NAT.to_ne_bytes(), &[0; 4]);
            out.compare(&[0; 4], *is);
        }
        Test::Interface(interface, name) => {
            out.push(&side(*interface).load(R1));
            out.compare(&super::interface(name), false);
        }
        Test::Prefix(interface, prefix) => {
            out.push(&side(*interface).load(R1));
            out.compare(prefix.as_bytes(), false);
        }
        Test::NoneOf(side_, names) if names.len() == 1 => {
            out.push(&side(*side_).load(R1));
            names.iter().for_each(|name| out.compare(&interface(name), true));
        }
        Test::NoneOf(side_, names) => {
            let (set, id) = anonymous(writer, Type::IFNAME, 16, names.len())?;
            writer.batch.add(INET, &set)?;
            writer.batch.add_keys(INET, &set, names.iter().map(|name| interface(name)))?;
            out.push(&side(*side_).load(R1));
            out.lookup(set.name, Some(id), false, true);
        }
        Test::Unrouted => {
            out.push(&Fib::new(R1, FibResult::OIF, Fib::SADDR | Fib::IIF | Fib::PRESENT));
            // One byte, and zeros behind it; nft compares all four.
            out.compare(&[0; 4], false);
        }
    }
    Ok(())
}

fn state(out: &mut Appender, state: CtState) {
    out.push(&Ct { dreg: Some(R1), ..Ct::new(CtKey::STATE) });
    out.mask(&state.bits().to_ne_bytes(), &[0; 4]);
    out.push(&Cmp::new(R1, CmpOp::NEQ, Data::value([0; 4])));
}

fn wanted(writer: &mut Writer<'_>, out: &mut Appender, wanted: &Match) -> Result {
    match wanted {
        Match::Family(family) => out.family(*family),
        Match::Protocol { number, negated } => out.protocol(*number, *negated),
        Match::Address { end, family, addresses: Addresses::Nets(nets), negated } => match nets.as_slice() {
            [net] => out.net(*end, *net, *negated),
            nets => {
                let (set, id) = nets_set(writer, *family, nets)?;
                out.address(*end, *family, u8::MAX);
                out.lookup(set, Some(id), false, *negated);
            }
        },
        // These are laid out as parts.
        Match::Address { .. } | Match::AddressPort { .. } => {}
        Match::Port { end, ranges, negated } => {
            let (set, id) = ports_set(writer, ranges)?;
            out.push(&port(*end).load(R1));
            out.lookup(set, Some(id), false, *negated);
        }
        Match::IcmpType { family, kind, negated } => {
            out.family(*family);
            out.transport_byte(0, *kind, *negated);
        }
        Match::IcmpCode { family, code, negated } => {
            out.family(*family);
            out.transport_byte(1, *code, *negated);
        }
        Match::Tuple(tuples) => self::tuples(writer, out, tuples)?,
    }
    Ok(())
}

/// A set without a name of its own, which does not change: with its number.
fn anonymous(
    writer: &mut Writer<'_>,
    key_type: Type,
    key_len: u32,
    len: usize,
) -> core::result::Result<(Set, u32), EncodeError> {
    let id = writer.next_set();
    let set = Set::of(writer.table.clone(), Name::new("__set%d")?, id, key_type, key_len);
    let size = u32::try_from(len.max(1)).unwrap_or(u32::MAX);
    Ok((set.size(size).flags(Set::ANONYMOUS | Set::CONSTANT), id))
}

const fn address_type(family: Family) -> (Type, u32) {
    match family {
        Family::V4 => (Type::IPV4_ADDR, 4),
        Family::V6 => (Type::IPV6_ADDR, 16),
    }
}

fn nets_set(
    writer: &mut Writer<'_>,
    family: Family,
    nets: &[IpNet],
) -> core::result::Result<(Name, u32), EncodeError> {
    let (key_type, key_len) = address_type(family);
    if nets.iter().all(|net| net.prefix_len() == net.max_prefix_len()) {
        let (set, id) = anonymous(writer, key_type, key_len, nets.len())?;
        writer.batch.add(INET, &set)?;
        writer.batch.add_keys(INET, &set, nets.iter().map(|net| octets(net.network())))?;
        return Ok((set.name, id));
    }
    let runs = joined(nets.iter().copied());
    let (set, id) = anonymous(writer, key_type, key_len, runs.len().saturating_mul(2))?;
    let set = set.flags(Set::INTERVAL);
    writer.batch.add(INET, &set)?;
    writer.batch.add_intervals(INET, &set, runs.iter().map(|(from, to)| (octets(*from), octets(*to))))?;
    Ok((set.name, id))
}

fn ports_set(
    writer: &mut Writer<'_>,
    ranges: &[PortRange],
) -> core::result::Result<(Name, u32), EncodeError> {
    if ranges.iter().all(|range| range.min == range.max) {
        let (set, id) = anonymous(writer, Type::INET_SERVICE, 2, ranges.len())?;
        writer.batch.add(INET, &set)?;
        writer.batch.add_keys(INET, &set, ranges.iter().map(|range| range.min.to_be_bytes()))?;
        return Ok((set.name, id));
    }
    let (set, id) = anonymous(writer, Type::INET_SERVICE, 2, ranges.len().saturating_mul(2))?;
    let set = set.flags(Set::INTERVAL);
    writer.batch.add(INET, &set)?;
    let intervals = ranges.iter().map(|range| (range.min.to_be_bytes(), range.max.to_be_bytes()));
    writer.batch.add_intervals(INET, &set, intervals)?;
    Ok((set.name, id))
}

/// The table of a step: of hashes where it has one length of prefixes and no ranges; else of intervals, in each part.
fn tuples(writer: &mut Writer<'_>, out: &mut Appender, tuples: &Tuples) -> Result {
    let mask = tuples.mask();
    let (mut key_type, mut key_len, mut lens, mut parts) = (None::<Type>, 0_u32, Vec::new(), Vec::new());
    let mut part = |kind: Type, len: u32| {
        key_type = Some(key_type.map_or(kind, |before| before.then(kind)));
        key_len = key_len.saturating_add(len.next_multiple_of(4));
        lens.push(len);
    };
    if let Some((end, family)) = tuples.address() {
        let (kind, len) = address_type(family);
        part(kind, len);
        parts.push(address(end, family));
    }
    if let Some(end) = tuples.port() {
        part(Type::INET_SERVICE, 2);
        parts.push(port(end));
    }
    // Last, as in the text: what is the same for nearly all rows takes the kernel the longest.
    if tuples.protocol() {
        part(Type::INET_PROTO, 1);
        parts.push(Selector::L4proto);
    }
    let Some(key_type) = key_type else { return Ok(()) };
    // A key of one part is as long as that.
    let key_len = if let [len] = lens.as_slice() { *len } else { key_len };
    let rows = tuples.rows();
    let id = if mask.is_some() {
        let (set, id) = anonymous(writer, key_type, key_len, rows.len())?;
        writer.batch.add(INET, &set)?;
        writer.batch.add_keys(INET, &set, rows.iter().map(|row| (ends(row).0, key_len)).map(cut))?;
        id
    } else if lens.len() == 1 {
        let mut runs: Vec<_> = rows.iter().map(ends).collect();
        runs.sort_by_key(|(from, _)| from.bytes);
        let (set, id) = anonymous(writer, key_type, key_len, runs.len().saturating_mul(2))?;
        let set = set.flags(Set::INTERVAL);
        writer.batch.add(INET, &set)?;
        let runs = runs.into_iter().map(|(from, to)| (cut((from, key_len)), cut((to, key_len))));
        writer.batch.add_intervals(INET, &set, runs)?;
        id
    } else {
        let (set, id) = anonymous(writer, key_type, key_len, rows.len())?;
        let set = set.parts(&lens);
        writer.batch.add(INET, &set)?;
        writer.batch.add_intervals(INET, &set, rows.iter().map(ends))?;
        id
    };
    let (first, others) = parts.split_first().map_or((0, &[][..]), |(first, others)| (first.len(), others));
    match tuples.address() {
        Some((end, family)) => out.address(end, family, mask.unwrap_or(u8::MAX)),
        None => {
            if let Some(first) = parts.first() {
                out.push(&first.load(R1));
            }
        }
    }
    out.more(first, others);
    out.lookup(Name::new("__set%d")?, Some(id), false, false);
    Ok(())
}

/// The lowest and the highest key of a row.
fn ends(row: &Row) -> (Key, Key) {
    let (mut from, mut to) = (Key::default(), Key::default());
    if let Some(net) = row.address {
        from.push(octets(net.network()).as_ref());
        to.push(octets(net.broadcast()).as_ref());
    }
    if let Some(ports) = row.ports {
        from.push(&ports.min.to_be_bytes());
        to.push(&ports.max.to_be_bytes());
    }
    if let Some(protocol) = row.protocol {
        from.push(&[protocol]);
        to.push(&[protocol]);
    }
    (from, to)
}

/// A key of exactly so many bytes.
fn cut((mut key, len): (Key, u32)) -> Key {
    key.len = usize::try_from(len).unwrap_or(usize::MAX).min(key.bytes.len());
    key
}

/// The verdict map that leads to the leaves.
///
/// A packet that runs through the chain while it is filled anew may find the elements gone: what stands behind drops it.
fn spread_map(writer: &mut Writer<'_>, out: &mut Appender, spread: &Spread, leaves: &str) -> Result {
    let id = writer.next_set();
    let key_type = Type::INET_SERVICE.then(Type::INET_PROTO);
    let ranges: Vec<_> = spread.ranges().collect();
    let size = u32::try_from(ranges.len().max(1)).unwrap_or(u32::MAX);
    let map = Set::of(writer.table.clone(), Name::new("__map%d")?, id, key_type, 8);
    let map = map.map(Type::VERDICT, 0).size(size).parts(&[2, 1]).flags(Set::ANONYMOUS | Set::CONSTANT);
    writer.batch.add(INET, &map)?;
    let names =
        (0..spread.leaves.len()).map(|leaf| Ok(nft::Verdict::Goto(Name::new(leaf_name(leaves, leaf))?)));
    let names = names.collect::<core::result::Result<Vec<_>, EncodeError>>()?;
    let key = |protocol: u8, port: u16| {
        let mut key = Key::default();
        key.push(&port.to_be_bytes());
        key.push(&[protocol]);
        key
    };
    let back = nft::Verdict::Return;
    let rows = ranges.iter().filter_map(|(protocol, ports, leaf)| {
        let (from, to) = (key(*protocol, ports.min), key(*protocol, ports.max));
        leaf.map_or(Some(&back), |leaf| names.get(leaf)).map(|verdict| (from, to, verdict))
    });
    writer.batch.add_interval_verdicts(INET, &map, rows)?;
    out.push(&Selector::Dport.load(R1));
    out.more(2, &[Selector::L4proto]);
    out.lookup(map.name, Some(id), true, false);
    Ok(())
}
