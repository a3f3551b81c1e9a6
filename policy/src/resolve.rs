//! Which policies, profiles and addresses matter to the endpoints of one host.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use ipnet::IpNet;
use tortie_selector::Selector;

use crate::endpoint::Endpoint;
use crate::error::EndpointFault;
use crate::inputs::{Encapsulation, Inputs};
use crate::ipset::IpSet;
use crate::key::{Direction, PolicyKey};
use crate::policy::{Policy, Profile};
use crate::rule::Rule;

/// What governs one endpoint in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct PolicyList {
    /// Policies, in the order in which they are consulted.
    pub policies: Vec<PolicyKey>,
    /// Profiles, in the order in which they are consulted if no policy governs, or after a Pass.
    pub profiles: Vec<String>,
}

/// A local endpoint with what governs it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResolvedEndpoint {
    /// Id of the endpoint.
    pub id: String,
    /// Name of its interface: 1 to 15 of `[a-zA-Z0-9_.-]`.
    pub interface: String,
    /// What governs packets to it.
    pub ingress: PolicyList,
    /// What governs packets from it.
    pub egress: PolicyList,
}

impl ResolvedEndpoint {
    /// What governs its packets in this direction.
    #[must_use]
    pub const fn list(&self, direction: Direction) -> &PolicyList {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

/// All that the rules of one host are made of.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    endpoints: Vec<ResolvedEndpoint>,
    faults: Vec<EndpointFault>,
    pub(crate) policies: BTreeMap<PolicyKey, Policy>,
    pub(crate) profiles: BTreeMap<String, Profile>,
    sets: BTreeMap<Selector, IpSet>,
    pub(crate) encapsulation: Encapsulation,
}

impl Resolved {
    /// Local endpoints with an interface of their own, by id.
    #[must_use]
    pub fn endpoints(&self) -> &[ResolvedEndpoint] {
        &self.endpoints
    }

    /// Local endpoints that get no rules, and why. Report them.
    #[must_use]
    pub fn faults(&self) -> &[EndpointFault] {
        &self.faults
    }

    /// Addresses that each selector of a rule stands for.
    #[must_use]
    pub const fn sets(&self) -> &BTreeMap<Selector, IpSet> {
        &self.sets
    }
}

/// Longest name of a network interface, in bytes.
const MAX_INTERFACE_LEN: usize = 15;

fn is_interface_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=MAX_INTERFACE_LEN).contains(&name.len()) && name.bytes().all(plain)
}

/// Resolves policy for the endpoints of one host, which `is_local` tells from all others.
///
/// Only policies that govern a local endpoint, the profiles of local endpoints, and the selectors of their rules are in
/// the answer; the addresses of the sets are those of all endpoints and network sets. Of two local endpoints with one
/// interface, the one with the smaller id has it.
///
/// # Complexity
///
/// Policies by local endpoints, and selectors by all endpoints and network sets.
///
/// Source: calico@87c15906f2 felix/calc/{`active_rules_calculator`,`policy_resolver`}.go.
#[must_use]
pub fn resolve(inputs: &Inputs, mut is_local: impl FnMut(&Endpoint) -> bool) -> Resolved {
    let mut resolved = Resolved { encapsulation: *inputs.encapsulation(), ..Resolved::default() };
    let policies = inputs.policies_in_order();
    let mut interfaces: BTreeMap<&str, &str> = BTreeMap::new();
    for endpoint in inputs.endpoints().filter(|endpoint| is_local(endpoint)) {
        let (id, interface) = (endpoint.id.clone(), endpoint.interface.clone());
        if !is_interface_name(&interface) {
            resolved.faults.push(EndpointFault::Interface { id, interface });
            continue;
        }
        if let Some(active) = interfaces.get(endpoint.interface.as_str()) {
            resolved.faults.push(EndpointFault::Shadowed { id, interface, active: (*active).into() });
            continue;
        }
        interfaces.insert(&endpoint.interface, &endpoint.id);

        let labels = inputs.labels_of(endpoint);
        let governing: Vec<&Policy> = (policies.iter().copied())
            .filter(|policy| policy.selector.as_ref().is_some_and(|selector| selector.matches(&labels)))
            .collect();
        let list = |direction| PolicyList {
            policies: (governing.iter())
                .filter(|policy| policy.rules(direction).is_some())
                .map(|policy| policy.key.clone())
                .collect(),
            profiles: endpoint.profiles.clone(),
        };
        let (ingress, egress) = (list(Direction::Ingress), list(Direction::Egress));
        resolved.endpoints.push(ResolvedEndpoint { id, interface, ingress, egress });
        for policy in governing {
            resolved.policies.entry(policy.key.clone()).or_insert_with(|| policy.clone());
        }
        for name in &endpoint.profiles {
            if let Some(profile) = inputs.profile(name) {
                resolved.profiles.entry(name.clone()).or_insert_with(|| profile.clone());
            }
        }
    }
    resolved.sets = members(inputs, selectors(&resolved));
    resolved
}

/// Every selector of the rules, once.
fn selectors(resolved: &Resolved) -> Vec<Selector> {
    let of_policies = (resolved.policies.values())
        .flat_map(|policy| Direction::ALL.into_iter().filter_map(|direction| policy.rules(direction)));
    let of_profiles = (resolved.profiles.values())
        .flat_map(|profile| Direction::ALL.into_iter().map(|direction| profile.rules(direction)));
    let of_rule = |rule: &Rule| {
        let ends = [&rule.criteria.source, &rule.criteria.destination];
        ends.map(|end| [end.selector.clone(), end.not_selector.clone()])
    };
    let mut selectors: Vec<_> = (of_policies.chain(of_profiles).flatten())
        .filter(|rule| !rule.never)
        .flat_map(of_rule)
        .flatten()
        .flatten()
        .collect();
    selectors.sort_unstable();
    selectors.dedup();
    selectors
}

fn members(inputs: &Inputs, selectors: Vec<Selector>) -> BTreeMap<Selector, IpSet> {
    let endpoints: Vec<_> =
        inputs.endpoints().map(|endpoint| (endpoint, inputs.labels_of(endpoint))).collect();
    let of = |selector: &Selector| {
        let addresses = (endpoints.iter())
            .filter(|(_, labels)| selector.matches(labels))
            .flat_map(|(endpoint, _)| &endpoint.addresses)
            .map(|address| IpNet::from(address.to_canonical()));
        let nets =
            inputs.network_sets().filter(|set| selector.matches(&set.labels)).flat_map(|set| &set.nets);
        IpSet::new(addresses.chain(nets.copied()))
    };
    selectors.into_iter().map(|selector| (selector.clone(), of(&selector))).collect()
}
