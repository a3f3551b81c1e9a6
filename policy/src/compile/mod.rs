//! From resolved policy to the rule program.

mod rule;

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use smallvec::smallvec;

use crate::key::{Direction, ListKind, Origin, Owner, PolicyKey};
use crate::model::Protocol;
use crate::policy::{Policy, Profile, Scope};
use crate::program::{
    Chain, ChainKey, Dispatch, End, HostDispatch, ListKey, Match, ProfilesKey, Program, Step, StepAction,
    TierKey,
};
use crate::resolve::{PolicyList, Resolved, ResolvedHostEndpoint, TierPolicies};
use crate::rule::{Deed, Family, PortRange, Rule};
use crate::set::{SetId, sets_of};
use crate::settings::{Encapsulation, Failsafe, FailsafePort};

/// The rule program for what was resolved.
///
/// Every policy and profile has one chain for each direction, jumped to from the tiers that it is in; a tier with the same
/// policies is one chain for all endpoints, and so is a list of tiers. The rules of a policy with Pass stand in the chain
/// of the tier, so that to pass is to return from there: the nesting does not grow with the number of tiers. (Were one tier
/// to go to the next, it would: the kernel counts every step from chain to chain, and refuses the sixteenth.) So do the few
/// rules of a policy that is a pod's only one of its tier: whenever a rule changes, the kernel goes through all chains, and a pod
/// with a policy of its own has half as many of them. Of a host, each policy stays by itself, so that those of its rules that
/// can be enforced are, whatever becomes of others.
#[must_use]
pub fn compile(resolved: &Resolved) -> Program {
    let mut program = Program {
        guard: guard(&resolved.encapsulation),
        to_host: solicitations(),
        host_action: resolved.to_host,
        sets: resolved.sets().clone(),
        ..Program::default()
    };
    let rules = &resolved.rules;
    for endpoint in resolved.endpoints() {
        let [ingress, egress] = Direction::ALL.map(|direction| {
            let key = rules.workload(endpoint.list(direction), direction, endpoint.has_http_enforcer);
            rules.ensure(&mut program.chains, key)
        });
        let dispatch = Dispatch { endpoint: endpoint.id.clone(), ingress, egress };
        program.dispatch.insert(endpoint.interface.clone(), dispatch);
    }
    let mut host = |endpoint: &ResolvedHostEndpoint| {
        let dispatch = rules.host(endpoint);
        for key in dispatch.lists.values() {
            rules.ensure(&mut program.chains, key.clone());
        }
        dispatch
    };
    program.hosts =
        resolved.host_interfaces().iter().map(|(name, endpoint)| (name.clone(), host(endpoint))).collect();
    program.all_interfaces = resolved.all_interfaces().map(host);
    program
}

const fn protocol(number: u8) -> Match {
    Match::Protocol { number, negated: false }
}

fn port(end: End, port: u16) -> Match {
    Match::Port { end, ranges: smallvec![PortRange { min: port, max: port }], negated: false }
}

pub(crate) fn guard(encapsulation: &Encapsulation) -> Vec<Step> {
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
pub(crate) fn solicitations() -> Vec<Step> {
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

/// What chains are made of: a key and this make a chain, wherever and whenever.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rules {
    pub(crate) policies: BTreeMap<Arc<PolicyKey>, Policy>,
    pub(crate) profiles: BTreeMap<Arc<str>, Profile>,
    pub(crate) failsafe: Failsafe,
}

impl Rules {
    /// Makes the chain with this key and those that it leads to, as far as they are not there.
    fn ensure(&self, chains: &mut BTreeMap<ChainKey, Arc<Chain>>, key: ChainKey) -> ChainKey {
        if let Entry::Vacant(place) = chains.entry(key.clone()) {
            let chain = Arc::clone(place.insert(Arc::new(self.chain(&key))));
            // No chain is nested deeper than `Program::MAX_DEPTH`.
            for next in chain.targets() {
                self.ensure(chains, next.clone());
            }
        }
        key
    }

    /// Every set that a policy or profile speaks of.
    pub(crate) fn sets(&self, owner: &Owner) -> BTreeSet<SetId> {
        let lists = |direction| match owner {
            Owner::Policy(key) => self.policies.get(key).and_then(|policy| policy.rules(direction)),
            Owner::Profile(name) => self.profiles.get(name).map(|profile| profile.rules(direction)),
        };
        let rules = Direction::ALL.into_iter().filter_map(lists).flatten();
        rules.filter(|rule| !rule.never).flat_map(sets_of).collect()
    }

    /// The chain that judges packets of a workload with this list.
    pub(crate) fn workload(&self, list: &PolicyList, direction: Direction, http: bool) -> ChainKey {
        self.list(list, ListKind::Normal, direction, false, http)
    }

    /// The chains of a host endpoint.
    pub(crate) fn host(&self, endpoint: &ResolvedHostEndpoint) -> HostDispatch {
        let key = |(&(kind, direction), list): (&(ListKind, Direction), &PolicyList)| {
            ((kind, direction), self.list(list, kind, direction, true, false))
        };
        HostDispatch { endpoint: endpoint.name.clone(), lists: endpoint.lists.iter().map(key).collect() }
    }

    /// The chain for an endpoint with this list.
    fn list(
        &self,
        list: &PolicyList,
        kind: ListKind,
        direction: Direction,
        is_host: bool,
        http: bool,
    ) -> ChainKey {
        let mut tiers = Vec::new();
        let mut returns = true;
        for tier in &list.tiers {
            let key = self.tier_key(tier, direction, is_host, http);
            returns = self.returns(&key);
            tiers.push(Arc::new(key));
            if !returns {
                // What follows cannot be reached, and lists that differ in it only are one.
                break;
            }
        }
        let profiles = (returns && kind == ListKind::Normal)
            .then(|| Arc::new(self.profiles_key(&list.profiles, direction, is_host, http)));
        match (profiles, tiers.as_slice()) {
            (Some(profiles), []) if !is_host => ChainKey::Profiles(profiles),
            // A tier that decides about all packets is the whole list.
            (None, [tier]) if !is_host && !returns => ChainKey::Tier(Arc::clone(tier)),
            (profiles, _) => {
                ChainKey::List(Arc::new(ListKey { list: kind, direction, is_host, tiers, profiles }))
            }
        }
    }

    /// Whether there are packets about which the tier does not decide.
    fn returns(&self, key: &TierKey) -> bool {
        key.passes || self.policies(key).any(|(_, rules)| passes(rules))
    }

    fn tier_key(&self, tier: &TierPolicies, direction: Direction, is_host: bool, http: bool) -> TierKey {
        let TierPolicies { tier, passes, policies } = tier.clone();
        let mut key = TierKey { tier, direction, is_host, passes, http, policies };
        key.http = http && self.policies(&key).any(|(_, rules)| has_http(rules));
        key
    }

    /// The policies of a tier, with their rules.
    fn policies<'a>(&'a self, key: &'a TierKey) -> impl Iterator<Item = (&'a Policy, &'a [Rule])> {
        let policies = key.policies.iter().filter_map(|policy| self.policies.get(policy));
        policies.filter_map(|policy| policy.rules(key.direction).map(|rules| (policy, rules)))
    }

    fn profiles_key(
        &self,
        names: &[Arc<str>],
        direction: Direction,
        is_host: bool,
        http: bool,
    ) -> ProfilesKey {
        let mut profiles = names.iter().filter_map(|name| self.profiles.get(name));
        let http = http && profiles.any(|profile| has_http(profile.rules(direction)));
        ProfilesKey { direction, is_host, http, profiles: names.to_vec() }
    }

    /// The chain with this key.
    pub(crate) fn chain(&self, key: &ChainKey) -> Chain {
        match key {
            ChainKey::Policy { policy, direction, http } => {
                let policy = self.policies.get(policy);
                let mut steps = Vec::new();
                if let Some(policy) = policy {
                    let rules = policy.rules(*direction).unwrap_or_default();
                    rule::push_steps(&mut steps, rules, &accept(policy), *http);
                }
                Chain { tier: policy.map(|policy| Arc::clone(&policy.tier)), steps }
            }
            ChainKey::Profile { profile, direction, http } => {
                // A Pass in a profile skips the rest of it.
                let rules = self.profiles.get(profile).map(|profile| profile.rules(*direction));
                let mut steps = Vec::new();
                rule::push_steps(&mut steps, rules.unwrap_or_default(), &StepAction::Accept, *http);
                Chain { tier: None, steps }
            }
            ChainKey::Tier(key) => self.tier_chain(key),
            ChainKey::Profiles(key) => self.profiles_chain(key),
            ChainKey::List(key) => self.list_chain(key),
            ChainKey::Failsafe { direction, replies } => failsafe(&self.failsafe, *direction, *replies),
        }
    }

    fn list_chain(&self, key: &ListKey) -> Chain {
        let mut chain = Chain::default();
        if key.is_host && key.list != ListKind::Forward {
            let (direction, replies) = (key.direction, key.list == ListKind::Untracked);
            chain.steps.push(lead(StepAction::Jump(ChainKey::Failsafe { direction, replies })));
        }
        // Only the last of them may not return.
        let returns = key.tiers.last().is_none_or(|tier| self.returns(tier));
        let last = key.tiers.len().saturating_sub(1);
        for (index, tier) in key.tiers.iter().enumerate() {
            let id = ChainKey::Tier(Arc::clone(tier));
            let stays = index == last && !returns;
            chain.steps.push(lead(if stays { StepAction::Goto(id) } else { StepAction::Jump(id) }));
        }
        if let Some(profiles) = &key.profiles {
            chain.steps.push(lead(StepAction::Goto(ChainKey::Profiles(Arc::clone(profiles)))));
        } else if returns {
            chain.steps.push(end(StepAction::Accept, Origin::Undecided));
        }
        chain
    }

    fn tier_chain(&self, key: &TierKey) -> Chain {
        let mut chain = Chain { tier: Some(Arc::clone(&key.tier)), steps: Vec::new() };
        for policy in key.policies.iter().filter_map(|policy| self.policies.get(policy)) {
            let rules = policy.rules(key.direction).unwrap_or_default();
            let is_alone = !key.is_host && key.policies.len() == 1;
            if passes(rules) || is_alone && rules.len() <= FEW {
                rule::push_steps(&mut chain.steps, rules, &accept(policy), key.http);
            } else if rules.iter().any(|rule| rule::counts(rule, key.http)) {
                let (policy, direction) = (Arc::clone(&policy.key), key.direction);
                let http = key.http && has_http(rules);
                chain.steps.push(lead(StepAction::Jump(ChainKey::Policy { policy, direction, http })));
            }
        }
        if !key.passes {
            chain.steps.push(end(StepAction::Drop, Origin::EndOfTier { tier: Arc::clone(&key.tier) }));
        }
        chain
    }

    fn profiles_chain(&self, key: &ProfilesKey) -> Chain {
        let mut chain = Chain::default();
        for name in &key.profiles {
            let Some(profile) = self.profiles.get(name) else {
                let action = if key.is_host { StepAction::Accept } else { StepAction::Drop };
                chain.steps.push(end(action, Origin::UnknownProfile { name: Arc::clone(name) }));
                return chain;
            };
            let direction = key.direction;
            let http = key.http && has_http(profile.rules(direction));
            let profile = Arc::clone(name);
            chain.steps.push(lead(StepAction::Jump(ChainKey::Profile { profile, direction, http })));
        }
        chain.steps.push(end(StepAction::Drop, Origin::NoProfileMatched));
        chain
    }
}

/// Most rules of a policy that stand in the chain of its tier if no other policy does. They may be there twice, for endpoints with
/// other policies and for those without; more are not written again when an endpoint comes to have another policy.
const FEW: usize = 16;

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
