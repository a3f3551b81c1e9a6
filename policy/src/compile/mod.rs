//! From resolved policy to the rule program.

mod rule;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use crate::key::{Direction, ListKind, Origin};
use crate::model::Protocol;
use crate::policy::{Policy, Scope};
use crate::program::{
    Chain, ChainKey, Dispatch, End, HostDispatch, ListKey, Match, ProfilesKey, Program, Step, StepAction,
    TierKey,
};
use crate::resolve::{PolicyList, Resolved, ResolvedHostEndpoint, TierPolicies};
use crate::rule::{Deed, Family, PortRange, Rule};
use crate::settings::{Encapsulation, Failsafe, FailsafePort};

/// The rule program for what was resolved.
///
/// Every policy and profile has one chain for each direction, jumped to from the tiers that it is in; a tier with the same
/// policies is one chain for all endpoints, and so is a list of tiers. The rules of a policy with Pass stand in the chain
/// of the tier, so that to pass is to return from there: the nesting does not grow with the number of tiers. (Were one tier
/// to go to the next, it would: the kernel counts every step from chain to chain, and refuses the sixteenth.)
#[must_use]
pub fn compile(resolved: &Resolved) -> Program {
    let mut compiler = Compiler { resolved, program: Program::default() };
    for endpoint in resolved.endpoints() {
        let [ingress, egress] = Direction::ALL.map(|direction| {
            let http = endpoint.has_http_enforcer;
            compiler.list(endpoint.list(direction), ListKind::Normal, direction, false, http)
        });
        let dispatch = Dispatch { endpoint: endpoint.id.clone(), ingress, egress };
        compiler.program.dispatch.insert(endpoint.interface.clone(), dispatch);
    }
    for (interface, endpoint) in resolved.host_interfaces() {
        let dispatch = compiler.host(endpoint);
        compiler.program.hosts.insert(interface.clone(), dispatch);
    }
    compiler.program.all_interfaces = resolved.all_interfaces().map(|endpoint| compiler.host(endpoint));
    let mut program = compiler.program;
    program.guard = guard(&resolved.encapsulation);
    program.to_host = solicitations();
    program.host_action = resolved.to_host;
    program.sets = resolved.sets().clone();
    program
}

const fn protocol(number: u8) -> Match {
    Match::Protocol { number, negated: false }
}

fn port(end: End, port: u16) -> Match {
    Match::Port { end, ranges: vec![PortRange { min: port, max: port }], negated: false }
}

fn guard(encapsulation: &Encapsulation) -> Vec<Step> {
    let drop = |matches| Step { matches, action: StepAction::Drop, origin: Some(Origin::Encapsulated) };
    let mut steps = Vec::new();
    if !encapsulation.allow_vxlan {
        steps.push(drop(vec![protocol(Protocol::UDP), port(End::Destination, encapsulation.vxlan_port)]));
    }
    if !encapsulation.allow_ipip {
        steps.push(drop(vec![protocol(Protocol::IPIP)]));
    }
    steps
}

/// Messages of ICMPv6 from workloads to their host: multicast listening (130 to 132), router solicitations (133), neighbour
/// solicitations and advertisements (135, 136) are accepted; router advertisements (134) and redirects (137) never are, for
/// no workload tells its host where to route.
fn solicitations() -> Vec<Step> {
    let step = |kind: u8| match kind {
        134 | 137 => icmpv6(kind, StepAction::Drop, Origin::RoutingAdvice),
        _ => icmpv6(kind, StepAction::Accept, Origin::NeighbourDiscovery),
    };
    (130..=137).map(step).collect()
}

fn icmpv6(kind: u8, action: StepAction, origin: Origin) -> Step {
    let family = Family::V6;
    let kind = Match::IcmpType { family, kind, negated: false };
    Step {
        matches: vec![Match::Family(family), protocol(Protocol::ICMPV6), kind],
        action,
        origin: Some(origin),
    }
}

/// The chain of what host policy never closes.
fn failsafe(failsafe: &Failsafe, direction: Direction, replies: bool) -> Chain {
    let peer = match direction {
        Direction::Ingress => End::Source,
        Direction::Egress => End::Destination,
    };
    let step = |end: End, failsafe: &FailsafePort| {
        let mut matches = Vec::new();
        if let Some(net) = failsafe.net {
            matches.push(Match::Family(Family::of_net(&net)));
        }
        matches.push(protocol(failsafe.protocol));
        matches.extend(failsafe.net.and_then(|net| rule::in_net(peer, net)));
        matches.push(port(end, failsafe.port));
        Step { matches, action: StepAction::Accept, origin: Some(Origin::Failsafe) }
    };
    let to = failsafe.ports(direction).iter().map(|port| step(End::Destination, port));
    let opposite = match direction {
        Direction::Ingress => Direction::Egress,
        Direction::Egress => Direction::Ingress,
    };
    let replies = failsafe.ports(opposite).iter().filter(|_| replies).map(|port| step(End::Source, port));
    // Without these, nothing else passes; for IPv4, no rules here see what does the same.
    let neighbours = (133..=136).map(|kind| icmpv6(kind, StepAction::Accept, Origin::NeighbourDiscovery));
    Chain { tier: None, steps: neighbours.chain(to).chain(replies).collect() }
}

struct Compiler<'a> {
    resolved: &'a Resolved,
    program: Program,
}

impl Compiler<'_> {
    /// The chain with this key, made if it is the first time that it is asked for.
    fn chain(&mut self, key: ChainKey, make: impl FnOnce(&mut Self) -> Chain) -> ChainKey {
        if !self.program.chains.contains_key(&key) {
            let chain = make(self);
            self.program.chains.insert(key.clone(), Arc::new(chain));
        }
        key
    }

    fn host(&mut self, endpoint: &ResolvedHostEndpoint) -> HostDispatch {
        let mut lists = BTreeMap::new();
        for (&(kind, direction), list) in &endpoint.lists {
            lists.insert((kind, direction), self.list(list, kind, direction, true, false));
        }
        HostDispatch { endpoint: endpoint.name.clone(), lists }
    }

    /// The chain for an endpoint with this list.
    fn list(
        &mut self,
        list: &PolicyList,
        kind: ListKind,
        direction: Direction,
        is_host: bool,
        http: bool,
    ) -> ChainKey {
        let mut tiers = Vec::new();
        let mut returns = true;
        for tier in &list.tiers {
            let key = self.tier_key(tier, direction, http);
            returns = key.passes || self.policies(&key).any(|(_, rules)| passes(rules));
            tiers.push(Arc::new(key));
            if !returns {
                // What follows cannot be reached, and lists that differ in it only are one.
                break;
            }
        }
        let profiles = (returns && kind == ListKind::Normal)
            .then(|| Arc::new(self.profiles_key(&list.profiles, direction, is_host, http)));
        if let (true, false, Some(profiles)) = (tiers.is_empty(), is_host, &profiles) {
            return self.profiles(profiles);
        }
        let key = Arc::new(ListKey { list: kind, direction, is_host, tiers, profiles });
        self.chain(ChainKey::List(Arc::clone(&key)), |compiler| compiler.list_chain(&key, returns))
    }

    fn list_chain(&mut self, key: &ListKey, returns: bool) -> Chain {
        let mut chain = Chain::default();
        if key.is_host && key.list != ListKind::Forward {
            let replies = key.list == ListKind::Untracked;
            let (ports, direction) = (&self.resolved.failsafe, key.direction);
            let failsafe = ChainKey::Failsafe { direction, replies };
            let id = self.chain(failsafe, |_| self::failsafe(ports, direction, replies));
            chain.steps.push(lead(StepAction::Jump(id)));
        }
        let last = key.tiers.len().saturating_sub(1);
        for (index, tier) in key.tiers.iter().enumerate() {
            let id = self.chain(ChainKey::Tier(Arc::clone(tier)), |compiler| compiler.tier(tier));
            let stays = index == last && !returns;
            chain.steps.push(lead(if stays { StepAction::Goto(id) } else { StepAction::Jump(id) }));
        }
        if let Some(profiles) = &key.profiles {
            let id = self.profiles(profiles);
            chain.steps.push(lead(StepAction::Goto(id)));
        } else if returns {
            chain.steps.push(end(StepAction::Accept, Origin::Undecided));
        }
        chain
    }

    fn tier_key(&self, tier: &TierPolicies, direction: Direction, http: bool) -> TierKey {
        let TierPolicies { tier, passes, policies } = tier.clone();
        let mut key = TierKey { tier, direction, passes, http, policies };
        key.http = http && self.policies(&key).any(|(_, rules)| has_http(rules));
        key
    }

    /// The policies of a tier, with their rules.
    fn policies<'a>(&'a self, key: &'a TierKey) -> impl Iterator<Item = (&'a Policy, &'a [Rule])> {
        let policies = key.policies.iter().filter_map(|policy| self.resolved.policies.get(policy));
        policies.filter_map(|policy| policy.rules(key.direction).map(|rules| (policy, rules)))
    }

    fn tier(&mut self, key: &TierKey) -> Chain {
        let resolved = self.resolved;
        let mut chain = Chain { tier: Some(Arc::clone(&key.tier)), steps: Vec::new() };
        for policy in key.policies.iter().filter_map(|policy| resolved.policies.get(policy)) {
            let rules = policy.rules(key.direction).unwrap_or_default();
            if passes(rules) {
                chain.steps.extend(rule::steps_of(rules, &accept(policy), key.http));
            } else if rules.iter().any(|rule| rule::counts(rule, key.http)) {
                let (policy_key, direction) = (Arc::clone(&policy.key), key.direction);
                let http = key.http && has_http(rules);
                let id = self.chain(ChainKey::Policy { policy: policy_key, direction, http }, |_| Chain {
                    tier: Some(Arc::clone(&key.tier)),
                    steps: rule::steps_of(rules, &accept(policy), http).collect(),
                });
                chain.steps.push(lead(StepAction::Jump(id)));
            }
        }
        if !key.passes {
            chain.steps.push(end(StepAction::Drop, Origin::EndOfTier { tier: Arc::clone(&key.tier) }));
        }
        chain
    }

    fn profiles_key(
        &self,
        names: &[Arc<str>],
        direction: Direction,
        is_host: bool,
        http: bool,
    ) -> ProfilesKey {
        let mut profiles = names.iter().filter_map(|name| self.resolved.profiles.get(name));
        let http = http && profiles.any(|profile| has_http(profile.rules(direction)));
        ProfilesKey { direction, is_host, http, profiles: names.to_vec() }
    }

    fn profiles(&mut self, key: &Arc<ProfilesKey>) -> ChainKey {
        let resolved = self.resolved;
        self.chain(ChainKey::Profiles(Arc::clone(key)), |compiler| {
            let mut chain = Chain::default();
            for name in &key.profiles {
                let Some(profile) = resolved.profiles.get(name) else {
                    let action = if key.is_host { StepAction::Accept } else { StepAction::Drop };
                    chain.steps.push(end(action, Origin::UnknownProfile { name: Arc::clone(name) }));
                    return chain;
                };
                let (rules, direction) = (profile.rules(key.direction), key.direction);
                let http = key.http && has_http(rules);
                // A Pass in a profile skips the rest of it.
                let profile = Arc::clone(name);
                let id = compiler.chain(ChainKey::Profile { profile, direction, http }, |_| Chain {
                    tier: None,
                    steps: rule::steps_of(rules, &StepAction::Accept, http).collect(),
                });
                chain.steps.push(lead(StepAction::Jump(id)));
            }
            chain.steps.push(end(StepAction::Drop, Origin::NoProfileMatched));
            chain
        })
    }
}

/// What an Allow of this policy does.
const fn accept(policy: &Policy) -> StepAction {
    match policy.scope {
        Scope::Normal { .. } => StepAction::Accept,
        Scope::PreDnat => StepAction::AcceptHost { untracked: false },
        Scope::Untracked => StepAction::AcceptHost { untracked: true },
    }
}

fn passes(rules: &[Rule]) -> bool {
    rules.iter().any(|rule| rule.deed == Deed::Pass)
}

fn has_http(rules: &[Rule]) -> bool {
    rules.iter().any(|rule| rule.http.is_some())
}

/// A step that only leads to another chain.
const fn lead(action: StepAction) -> Step {
    Step { matches: Vec::new(), action, origin: None }
}

/// A step that ends everything.
const fn end(action: StepAction, origin: Origin) -> Step {
    Step { matches: Vec::new(), action, origin: Some(origin) }
}
