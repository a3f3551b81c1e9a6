//! From resolved policy to the rule program.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::inputs::Encapsulation;
use crate::ipset::IpSet;
use crate::key::{Direction, Origin, PolicyKey};
use crate::model::Protocol;
use crate::policy::Policy;
use crate::program::{Addresses, Chain, ChainId, Dispatch, End, Match, Program, Role, Step, StepAction};
use crate::resolve::{PolicyList, Resolved};
use crate::rule::{Deed, Entity, Family, PortRange, Rule};

/// The rule program for what was resolved.
///
/// Every policy and profile has one chain for each direction, jumped to from the lists that it is in; a list is one
/// chain for all endpoints that have it. The rules of a policy with Pass stand in the list itself, because where Pass
/// leads depends on the endpoint's profiles.
#[must_use]
pub fn compile(resolved: &Resolved) -> Program {
    let mut compiler = Compiler { resolved, program: Program::default(), made: BTreeMap::new() };
    for endpoint in resolved.endpoints() {
        let [ingress, egress] =
            Direction::ALL.map(|direction| compiler.list(endpoint.list(direction), direction));
        let dispatch = Dispatch { endpoint: endpoint.id.clone(), ingress, egress };
        compiler.program.dispatch.insert(endpoint.interface.clone(), dispatch);
    }
    compiler.program.guard = guard(&resolved.encapsulation);
    compiler.program.sets = resolved.sets().clone();
    compiler.program
}

fn guard(encapsulation: &Encapsulation) -> Vec<Step> {
    let drop = |matches| Step { matches, action: StepAction::Drop, origin: Some(Origin::Encapsulated) };
    let protocol = |number| Match::Protocol { number, negated: false };
    let mut steps = Vec::new();
    if !encapsulation.allow_vxlan {
        let port = encapsulation.vxlan_port;
        let ranges = vec![PortRange { min: port, max: port }];
        let port = Match::Port { end: End::Destination, ranges, negated: false };
        steps.push(drop(vec![protocol(Protocol::UDP), port]));
    }
    if !encapsulation.allow_ipip {
        steps.push(drop(vec![protocol(Protocol::IPIP)]));
    }
    steps
}

/// What a chain was made for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Made {
    Policy(PolicyKey),
    Profile(String),
    List(PolicyList),
}

struct Compiler<'a> {
    resolved: &'a Resolved,
    program: Program,
    made: BTreeMap<(Direction, Made), ChainId>,
}

impl Compiler<'_> {
    /// The chain for this, made if it is the first time that it is asked for.
    fn chain(
        &mut self,
        direction: Direction,
        made: Made,
        role: Role,
        steps: impl FnOnce(&mut Self) -> Vec<Step>,
    ) -> ChainId {
        let key = (direction, made);
        if let Some(id) = self.made.get(&key) {
            return *id;
        }
        let steps = steps(self);
        let id = ChainId(self.program.chains.len());
        self.program.chains.push(Chain { role, direction, steps });
        self.made.insert(key, id);
        id
    }

    /// The chain for an endpoint with this list.
    fn list(&mut self, list: &PolicyList, direction: Direction) -> ChainId {
        if list.policies.is_empty() {
            return self.profiles(&list.profiles, direction);
        }
        let mut list = list.clone();
        let resolved = self.resolved;
        let rules = |key: &PolicyKey| resolved.policies.get(key).and_then(|policy| policy.rules(direction));
        if !list.policies.iter().filter_map(rules).any(passes) {
            // They cannot be reached, and lists that differ in them only are one.
            list.profiles.clear();
        }
        let role = Role::Policies(list.policies.clone());
        self.chain(direction, Made::List(list.clone()), role, |compiler| {
            let mut steps = Vec::new();
            for policy in list.policies.iter().filter_map(|key| resolved.policies.get(key)) {
                let Some(rules) = policy.rules(direction) else { continue };
                if passes(rules) {
                    let pass = StepAction::Goto(compiler.profiles(&list.profiles, direction));
                    steps.extend(rules.iter().flat_map(|rule| self::steps(rule, &pass)));
                } else if let Some(id) = compiler.policy(policy, rules, direction) {
                    steps.push(Step { matches: Vec::new(), action: StepAction::Jump(id), origin: None });
                }
            }
            steps.push(verdict(StepAction::Drop, Origin::EndOfTier));
            steps
        })
    }

    /// The chain of a policy without Pass, if any rule of it can match.
    fn policy(&mut self, policy: &Policy, rules: &[Rule], direction: Direction) -> Option<ChainId> {
        if rules.iter().all(|rule| rule.never) {
            return None;
        }
        let (made, role) = (Made::Policy(policy.key.clone()), Role::Policy(policy.key.clone()));
        let pass = StepAction::Return;
        Some(
            self.chain(direction, made, role, |_| rules.iter().flat_map(|rule| steps(rule, &pass)).collect()),
        )
    }

    fn profiles(&mut self, names: &[String], direction: Direction) -> ChainId {
        let list = PolicyList { policies: Vec::new(), profiles: names.to_vec() };
        self.chain(direction, Made::List(list), Role::Profiles(names.to_vec()), |compiler| {
            let resolved = compiler.resolved;
            let mut steps = Vec::new();
            for name in names {
                let Some(profile) = resolved.profiles.get(name) else {
                    steps.push(verdict(StepAction::Drop, Origin::UnknownProfile { name: name.clone() }));
                    return steps;
                };
                let rules = profile.rules(direction);
                let made = Made::Profile(name.clone());
                // A Pass in a profile skips the rest of it.
                let id = compiler.chain(direction, made, Role::Profile(name.clone()), |_| {
                    rules.iter().flat_map(|rule| self::steps(rule, &StepAction::Return)).collect()
                });
                steps.push(Step { matches: Vec::new(), action: StepAction::Jump(id), origin: None });
            }
            steps.push(verdict(StepAction::Drop, Origin::NoProfileMatched));
            steps
        })
    }
}

fn passes(rules: &[Rule]) -> bool {
    rules.iter().any(|rule| rule.deed == Deed::Pass)
}

const fn verdict(action: StepAction, origin: Origin) -> Step {
    Step { matches: Vec::new(), action, origin: Some(origin) }
}

/// The steps of one rule: no two of them match the same packet.
fn steps(rule: &Rule, pass: &StepAction) -> Vec<Step> {
    if rule.never {
        return Vec::new();
    }
    let action = match rule.deed {
        Deed::Allow => StepAction::Accept,
        Deed::Deny => StepAction::Drop,
        Deed::Log => StepAction::Log,
        Deed::Pass => pass.clone(),
    };
    let criteria = &rule.criteria;
    let names_addresses = [&criteria.source, &criteria.destination].into_iter().any(|end| {
        !end.nets.is_empty()
            || !end.not_nets.is_empty()
            || end.selector.is_some()
            || end.not_selector.is_some()
    });
    let families = match criteria.family {
        Some(family) => vec![Some(family)],
        None if names_addresses => Family::ALL.map(Some).into(),
        None => vec![None],
    };
    let mut steps = Vec::new();
    for family in families {
        let Some(matches) = matches(rule, family) else { continue };
        for extra in icmp_alternatives(rule, family) {
            let matches = matches.iter().cloned().chain(extra).collect();
            steps.push(Step { matches, action: action.clone(), origin: Some(rule.origin.clone()) });
        }
    }
    steps
}

/// What must hold of a packet of this family, apart from the type of an ICMP message; `None` if nothing can.
fn matches(rule: &Rule, family: Option<Family>) -> Option<Vec<Match>> {
    let criteria = &rule.criteria;
    let mut matches: Vec<_> = family.map(Match::Family).into_iter().collect();
    let protocols = [(criteria.protocol, false), (criteria.not_protocol, true)];
    matches.extend(
        protocols
            .into_iter()
            .filter_map(|(number, negated)| number.map(|number| Match::Protocol { number, negated })),
    );
    let ends = [(End::Source, &criteria.source), (End::Destination, &criteria.destination)];
    for (end, entity) in ends {
        if let Some(family) = family {
            addresses(&mut matches, end, entity, family)?;
        }
    }
    for (end, entity) in ends {
        for (ranges, negated) in [(&entity.ports, false), (&entity.not_ports, true)] {
            if !ranges.is_empty() {
                matches.push(Match::Port { end, ranges: merged(ranges), negated });
            }
        }
    }
    Some(matches)
}

fn addresses(matches: &mut Vec<Match>, end: End, entity: &Entity, family: Family) -> Option<()> {
    for (nets, negated) in [(&entity.nets, false), (&entity.not_nets, true)] {
        if nets.is_empty() {
            continue;
        }
        let nets: Vec<_> = IpSet::new(nets.iter().copied()).members(family).collect();
        if nets.is_empty() && !negated {
            return None;
        }
        if !nets.is_empty() {
            matches.push(Match::Address { end, family, addresses: Addresses::Nets(nets), negated });
        }
    }
    for (selector, negated) in [(&entity.selector, false), (&entity.not_selector, true)] {
        if let Some(selector) = selector {
            let addresses = Addresses::Set(selector.clone());
            matches.push(Match::Address { end, family, addresses, negated });
        }
    }
    Some(())
}

/// What must hold besides, as alternatives that exclude each other.
fn icmp_alternatives(rule: &Rule, family: Option<Family>) -> Vec<Vec<Match>> {
    // A rule with a type has the family of its protocol.
    let Some(family) = family else { return vec![Vec::new()] };
    let of_type = |kind, negated| Match::IcmpType { family, kind, negated };
    let of_code = |code, negated| Match::IcmpCode { family, code, negated };
    let mut wanted = Vec::new();
    if let Some(icmp) = rule.criteria.icmp {
        wanted.push(of_type(icmp.kind, false));
        wanted.extend(icmp.code.map(|code| of_code(code, false)));
    }
    let Some(unwanted) = rule.criteria.not_icmp else { return vec![wanted] };
    let with = |more: &[Match]| wanted.iter().chain(more).cloned().collect();
    // Another type, or this one and another code.
    let mut alternatives = vec![with(&[of_type(unwanted.kind, true)])];
    if let Some(code) = unwanted.code {
        alternatives.push(with(&[of_type(unwanted.kind, false), of_code(code, true)]));
    }
    alternatives
}

/// The same ports in rising order, in as few ranges as possible.
fn merged(ranges: &[PortRange]) -> Vec<PortRange> {
    let mut ranges = ranges.to_vec();
    ranges.sort_unstable();
    ranges.dedup_by(|later, earlier| {
        let touches = later.min <= earlier.max.saturating_add(1);
        if touches {
            earlier.max = earlier.max.max(later.max);
        }
        touches
    });
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_ports_are_merged() {
        let merge = |ranges: &[(u16, u16)]| -> Vec<(u16, u16)> {
            let ranges: Vec<_> = ranges.iter().map(|(min, max)| PortRange { min: *min, max: *max }).collect();
            merged(&ranges).iter().map(|range| (range.min, range.max)).collect()
        };
        assert_eq!(merge(&[(90, 95), (80, 80), (80, 80)]), [(80, 80), (90, 95)]);
        assert_eq!(merge(&[(81, 85), (80, 80), (86, 90)]), [(80, 90)]);
        assert_eq!(merge(&[(80, 100), (85, 90), (100, 101)]), [(80, 101)]);
        assert_eq!(merge(&[(65535, 65535), (0, 65535), (1, 2)]), [(0, 65535)]);
    }
}
