//! A batch that tries all features, and is refused in any case: the last message deletes what is not there.

use alloc::vec;
use alloc::vec::Vec;

use super::{Feature, Features};
use crate::batch::Batch;
use crate::chain::{Attachment, Chain, Devices, Hook};
use crate::error::{CommitError, EncodeError, NameError};
use crate::expr::{
    Base, Bitwise, BitwiseOp, Checksum, Connlimit, Counter, Ct, CtKey, Exthdr, ExthdrOp, Fib, FibResult,
    Hash, HashType, Immediate, Limit, Log, Masq, Meta, MetaKey, Nat, NatType, Notrack, Numgen, NumgenType,
    ObjectType, Payload, Queue, Quota, Redir, Rt, RtKey, Socket, SocketKey, Tproxy,
};
use crate::family::Family;
use crate::name::Name;
use crate::object::{FlowHook, Flowtable, Object};
use crate::rule::{Rule, Selector};
use crate::set::{Element, Set, Type};
use crate::table::Table;
use crate::verdict::{Data, Register};

/// What the names of the tables begin with.
const TABLE: &str = "tortie-probe-";

/// The names of a trial.
struct Names {
    table: Name,
    chain: Name,
    other: Name,
}

/// One batch that tries all features, each in a table of its own.
pub(crate) fn trial() -> Result<Batch, EncodeError> {
    let mut batch = Batch::new();
    for feature in Feature::ALL {
        let names = Names { table: table(*feature)?, chain: Name::new("chain")?, other: Name::new("other")? };
        let family = if *feature == Feature::Egress { Family::NETDEV } else { Family::INET };
        let table = Table::new(names.table.clone());
        let table = match feature {
            Feature::Owner => table.flags(Table::OWNER),
            Feature::Persist => table.flags(Table::OWNER | Table::PERSIST),
            _ => table,
        };
        batch.add(family, &table)?;
        if !parts(*feature, &names, family, &mut batch)? {
            let chain = Chain::new(names.table.clone(), names.chain.clone());
            batch.add(family, &chain)?;
            batch.add(family, &rule(*feature, Rule::new(names.table, names.chain), &names.other))?;
        }
    }
    // Whatever came before: nothing of it shall be in force.
    batch.delete(Family::INET, &Chain::new(table(Feature::Ct)?, Name::new("missing")?))?;
    Ok(batch)
}

fn table(feature: Feature) -> Result<Name, NameError> {
    Name::new([TABLE.as_bytes(), feature.name().as_bytes()].concat())
}

/// What the refused messages of a trial say: what is not among them was taken, until the last message.
///
/// # Errors
///
/// The kernel would not even try.
pub(crate) fn judge(batch: &Batch, result: Result<(), CommitError>) -> Result<Features, CommitError> {
    const EPERM: i32 = 1;
    let refusals = match result {
        Err(CommitError::Refused(refusals)) => refusals,
        Err(error) => return Err(error),
        // It deletes what is not there.
        Ok(()) => return Ok(Features::NONE),
    };
    let is_complete = refusals.last().is_some_and(|refusal| refusal.number == batch.len());
    if !is_complete || refusals.iter().any(|refusal| refusal.errno == EPERM) {
        return Err(CommitError::Refused(refusals));
    }
    let refusals = refusals.into_iter().filter(|refusal| refusal.number < batch.len());
    let missing: Vec<Name> = refusals.filter_map(|refusal| refusal.path.table).collect();
    let is_missing = |feature: &Feature| table(*feature).map_or(true, |table| missing.contains(&table));
    Ok(Feature::ALL.iter().copied().filter(|feature| !is_missing(feature)).collect())
}

/// Adds what a feature is about, unless that is an expression of a rule: whether it did.
fn parts(feature: Feature, names: &Names, family: Family, batch: &mut Batch) -> Result<bool, EncodeError> {
    let (table, other) = (|| names.table.clone(), || names.other.clone());
    let addresses = || Set::of(table(), other(), 1, Type::IPV4_ADDR, 4);
    let base = |kind: &str, attachment| {
        Ok::<_, EncodeError>(Chain::new(table(), names.chain.clone()).base(Name::new(kind)?, attachment))
    };
    let set = match feature {
        Feature::Owner | Feature::Persist => return Ok(true),
        Feature::Destroy => {
            batch.destroy(family, &Chain::new(table(), other()))?;
            return Ok(true);
        }
        Feature::InetNat => {
            let attachment = Attachment::new(Hook::POSTROUTING, Attachment::SRCNAT);
            batch.add(family, &base("nat", attachment)?)?;
            return Ok(true);
        }
        Feature::InetIngress | Feature::Egress => {
            let hook = if feature == Feature::Egress { Hook::EGRESS } else { Hook::INET_INGRESS };
            let attachment = Attachment::new(hook, 0).device(Name::new("lo")?);
            batch.add(family, &base("filter", attachment)?)?;
            return Ok(true);
        }
        Feature::Flowtable => {
            let devices = Some(Devices(vec![Name::new("lo")?]));
            let hook = FlowHook { priority: Some(0), devices, ..FlowHook::new(0) };
            batch.add(family, &Flowtable { hook: Some(hook), ..Flowtable::new(table(), other()) })?;
            return Ok(true);
        }
        Feature::Objref => {
            batch.add(family, &Object::counter(table(), other(), Counter::new()))?;
            // And a rule that uses it.
            return Ok(false);
        }
        Feature::Dynset | Feature::DynsetSeveral => {
            batch.add(family, &addresses().size(8).flags(Set::EVAL))?;
            return Ok(false);
        }
        Feature::Interval => addresses().flags(Set::INTERVAL),
        Feature::ConcatInterval => {
            let key_type = Type::IPV4_ADDR.then(Type::INET_SERVICE);
            Set::of(table(), other(), 1, key_type, 8).parts(&[4, 2])
        }
        Feature::Timeout => addresses().timeout_ms(1000),
        Feature::Each => addresses().each(vec![Counter::new().into()]),
        Feature::EachSeveral => {
            addresses().each(vec![Counter::new().into(), Limit { burst: Some(5), ..Limit::new(1, 1) }.into()])
        }
        Feature::Catchall => {
            batch.add(family, &addresses())?;
            batch.add_elements(family, &addresses(), &[Element::catchall()])?;
            return Ok(true);
        }
        Feature::ObjectMap => addresses().objects(ObjectType::COUNTER),
        _ => return Ok(false),
    };
    batch.add(family, &set)?;
    Ok(true)
}

/// The rule with the expression that a feature is about.
fn rule(feature: Feature, rule: Rule, other: &Name) -> Rule {
    const R1: Register = Register::R1;
    let value = |rule: Rule, bytes: &[u8]| rule.expr(Immediate::new(R1, Data::value(bytes)));
    match feature {
        Feature::Ct => rule.expr(Ct { dreg: Some(R1), ..Ct::new(CtKey::STATE) }),
        Feature::CtZone => rule.set_ct_zone(1),
        Feature::CtLabels => rule.set_ct_labels([1; 16]),
        Feature::Notrack => rule.expr(Notrack::new()),
        Feature::Limit => rule.limit_per_second(10, 5),
        Feature::Connlimit => rule.expr(Connlimit::new(10)),
        Feature::Quota => rule.expr(Quota::new(1000)),
        Feature::Last => rule.last(),
        Feature::Log => rule.log("x"),
        Feature::LogGroup => rule.expr(Log { group: Some(1), ..Log::new() }),
        Feature::Reject => rule.reject(),
        Feature::Nat => value(rule, &[192, 0, 2, 1])
            .expr(Nat { addr_min: Some(R1), ..Nat::new(NatType::SNAT, Nat::IPV4) }),
        Feature::Masquerade => rule.expr(Masq::new()),
        Feature::Redirect => rule.expr(Redir::new()),
        Feature::Fib => rule.expr(Fib::new(R1, FibResult::OIF, Fib::SADDR | Fib::IIF)),
        Feature::Rt => rule.expr(Rt::new(R1, RtKey::CLASSID)),
        Feature::ExthdrSet => value(rule, &1400_u16.to_be_bytes()).expr(Exthdr {
            sreg: Some(R1),
            op: Some(ExthdrOp::TCPOPT),
            offset: Some(2),
            len: Some(2),
            ..Exthdr::new(2)
        }),
        Feature::PayloadSet => value(rule, &[0, 80]).expr(Payload {
            sreg: Some(R1),
            checksum: Some(Checksum::INET),
            checksum_offset: Some(16),
            ..Payload::new(Base::TRANSPORT, 2, 2)
        }),
        Feature::Socket => rule.expr(Socket::new(SocketKey::TRANSPARENT, R1)),
        Feature::Tproxy => value(rule, &[0, 80]).expr(Tproxy { port: Some(R1), ..Tproxy::new(Tproxy::ANY) }),
        Feature::Numgen => rule.expr(Numgen::new(R1, 2, NumgenType::INCREMENTAL)),
        Feature::Hash => rule.expr(Selector::Ipv4Saddr.load(R1)).expr(Hash {
            sreg: Some(R1),
            len: Some(4),
            seed: Some(1),
            ..Hash::new(Register::R2, 2)
        }),
        Feature::SymmetricHash => rule.expr(Hash { kind: Some(HashType::SYMMETRIC), ..Hash::new(R1, 2) }),
        Feature::Queue => rule.expr(Queue { num: Some(0), ..Queue::new() }),
        Feature::Dynset => rule.add_to(&[Selector::Ipv4Saddr], other.clone(), vec![]),
        Feature::DynsetSeveral => {
            let limit = Limit { burst: Some(5), ..Limit::new(1, 1) };
            let exprs = vec![Counter::new().into(), limit.into()];
            rule.add_to(&[Selector::Ipv4Saddr], other.clone(), exprs)
        }
        Feature::Objref => rule.counter_named(other.clone()),
        Feature::BitwiseRegisters => rule
            .expr(Meta { dreg: Some(R1), ..Meta::new(MetaKey::MARK) })
            .expr(Ct { dreg: Some(Register::R2), ..Ct::new(CtKey::MARK) })
            .expr(Bitwise { op: Some(BitwiseOp::OR), sreg2: Some(Register::R2), ..Bitwise::new(R1, R1, 4) }),
        // What is no expression was tried before.
        _ => rule,
    }
}
