//! Which policies, profiles and addresses matter to the endpoints of one host.

mod members;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::compile::Rules;
use crate::convert::HostEndpoint;
use crate::endpoint::{Endpoint, is_interface_name};
use crate::error::EndpointFault;
use crate::host::Host;
use crate::inputs::{Inputs, OrderedTier};
use crate::key::{Direction, ListKind, Owner, PolicyKey};
use crate::policy::Policy;
use crate::set::{Members, SetId};
use crate::settings::{Encapsulation, HostAction};

/// What governs one endpoint in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct PolicyList {
    /// Tiers that have policies for it, in the order in which they are consulted.
    pub tiers: Vec<TierPolicies>,
    /// Profiles, in the order in which they are consulted if no tier decides. None for lists other than the normal one.
    pub profiles: Vec<Arc<str>>,
}

/// The policies of one tier that govern an endpoint in one direction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct TierPolicies {
    /// Name of the tier.
    pub tier: Arc<str>,
    /// Whether what comes next is consulted if no rule matches; else that is a denial.
    pub passes: bool,
    /// Policies, at least one, in the order in which they are consulted. None is staged.
    pub policies: Vec<Arc<PolicyKey>>,
}

/// A local endpoint with what governs it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResolvedEndpoint {
    /// Id of the endpoint.
    pub id: String,
    /// Name of its interface: 1 to 15 of `[a-zA-Z0-9_.-]`.
    pub interface: String,
    /// Whether somebody judges the HTTP requests that it receives.
    pub has_http_enforcer: bool,
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

/// A host endpoint with what governs it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResolvedHostEndpoint {
    /// Name of the host endpoint.
    pub name: String,
    /// What governs it. The normal lists are there always, others if they have policies.
    pub lists: BTreeMap<(ListKind, Direction), PolicyList>,
}

/// All that the rules of one host are made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resolved {
    endpoints: Vec<ResolvedEndpoint>,
    host_interfaces: BTreeMap<String, ResolvedHostEndpoint>,
    all_interfaces: Option<ResolvedHostEndpoint>,
    faults: Vec<EndpointFault>,
    pub(crate) rules: Rules,
    sets: BTreeMap<SetId, Members>,
    pub(crate) encapsulation: Encapsulation,
    pub(crate) to_host: HostAction,
}

impl Resolved {
    /// Local endpoints with an interface of their own, by id.
    #[must_use]
    pub fn endpoints(&self) -> &[ResolvedEndpoint] {
        &self.endpoints
    }

    /// Host endpoints of interfaces of this host, by the name of the interface.
    #[must_use]
    pub const fn host_interfaces(&self) -> &BTreeMap<String, ResolvedHostEndpoint> {
        &self.host_interfaces
    }

    /// The host endpoint of all other interfaces of this host.
    #[must_use]
    pub const fn all_interfaces(&self) -> Option<&ResolvedHostEndpoint> {
        self.all_interfaces.as_ref()
    }

    /// Local endpoints that get no rules, or not all, and why. Report them.
    #[must_use]
    pub fn faults(&self) -> &[EndpointFault] {
        &self.faults
    }

    /// What each set of a rule is made of.
    #[must_use]
    pub const fn sets(&self) -> &BTreeMap<SetId, Members> {
        &self.sets
    }
}

/// Resolves policy for the endpoints of one host; `is_local` tells its workloads from all others.
///
/// Only policies that govern a local endpoint, the profiles of local endpoints, and the sets of their rules are in the
/// answer; the members of the sets are those of all endpoints, network sets, nodes and services. Of two local endpoints
/// with one interface, the one with the smaller id has it.
///
/// # Complexity
///
/// Policies by local endpoints, and sets by all endpoints and network sets.
///
/// Source: calico@87c15906f2 felix/calc/{`active_rules_calculator`,`policy_resolver`}.go.
#[must_use]
pub fn resolve(inputs: &Inputs, host: &Host, mut is_local: impl FnMut(&Endpoint) -> bool) -> Resolved {
    let resolved = Resolved {
        encapsulation: *inputs.encapsulation(),
        rules: Rules { failsafe: inputs.failsafe().clone(), ..Rules::default() },
        to_host: inputs.to_host(),
        ..Resolved::default()
    };
    let mut resolver = Resolver { inputs, tiers: inputs.tiers_in_order(), resolved };
    let mut interfaces: BTreeMap<&str, &str> = BTreeMap::new();
    for endpoint in inputs.endpoints().filter(|endpoint| is_local(endpoint)) {
        let (id, interface) = (endpoint.id.clone(), endpoint.interface.clone());
        if !is_interface_name(&interface) {
            resolver.resolved.faults.push(EndpointFault::Interface { id, interface });
            continue;
        }
        if let Some(active) = interfaces.get(endpoint.interface.as_str()) {
            resolver.resolved.faults.push(EndpointFault::Shadowed {
                id,
                interface,
                active: (*active).into(),
            });
            continue;
        }
        interfaces.insert(&endpoint.interface, &endpoint.id);
        resolver.workload(endpoint);
    }
    resolver.host(host);
    let mut resolved = resolver.resolved;
    resolved.sets = members::of(inputs, sets(&resolved.rules));
    resolved
}

struct Resolver<'a> {
    inputs: &'a Inputs,
    tiers: Vec<OrderedTier<'a>>,
    resolved: Resolved,
}

impl Resolver<'_> {
    fn workload(&mut self, endpoint: &Endpoint) {
        let labels = self.inputs.labels_of(endpoint);
        let list = |direction| self.list(&labels, &endpoint.profiles, ListKind::Normal, direction);
        let (ingress, egress) = (list(Direction::Ingress), list(Direction::Egress));
        self.take(&ingress);
        self.take(&egress);
        self.resolved.endpoints.push(ResolvedEndpoint {
            id: endpoint.id.clone(),
            interface: endpoint.interface.clone(),
            has_http_enforcer: endpoint.has_http_enforcer,
            ingress,
            egress,
        });
    }

    fn host(&mut self, host: &Host) {
        let inputs = self.inputs;
        let own = inputs.host_endpoints().filter(|endpoint| endpoint.node == host.name);
        let named = own.filter(|endpoint| !endpoint.is_for_all_interfaces());
        let mut interfaces: BTreeSet<&str> = host.interfaces.keys().map(String::as_str).collect();
        interfaces.extend(named.filter_map(|endpoint| endpoint.interface.as_deref()));
        for interface in interfaces {
            if let Some(endpoint) = inputs.host_endpoint_of(host, interface) {
                let resolved = self.host_endpoint(endpoint);
                self.resolved.host_interfaces.insert(interface.into(), resolved);
            }
        }
        self.resolved.all_interfaces =
            inputs.host_endpoint_of_all(host).map(|endpoint| self.host_endpoint(endpoint));
    }

    fn host_endpoint(&mut self, endpoint: &HostEndpoint) -> ResolvedHostEndpoint {
        let labels = self.inputs.inherit(endpoint.labels.clone(), &endpoint.profiles);
        let mut lists = BTreeMap::new();
        for kind in ListKind::ALL {
            if kind == ListKind::Untracked && endpoint.is_for_all_interfaces() {
                let lists = Direction::ALL.map(|direction| self.list(&labels, &[], kind, direction));
                self.resolved.faults.extend(untracked(&endpoint.name, &lists));
                continue;
            }
            for direction in Direction::ALL {
                let list = self.list(&labels, &endpoint.profiles, kind, direction);
                if kind == ListKind::Normal || !list.tiers.is_empty() {
                    self.take(&list);
                    lists.insert((kind, direction), list);
                }
            }
        }
        ResolvedHostEndpoint { name: endpoint.name.clone(), lists }
    }

    /// What governs an endpoint with these labels and profiles.
    fn list(
        &self,
        labels: &BTreeMap<String, String>,
        profiles: &[String],
        kind: ListKind,
        direction: Direction,
    ) -> PolicyList {
        let governs = |policy: &&&Policy| {
            policy.staged.is_none()
                && policy.scope.includes(kind)
                && policy.rules(direction).is_some()
                && policy.selector.as_ref().is_some_and(|selector| selector.matches(labels))
        };
        let goes_on = matches!(kind, ListKind::PreDnat | ListKind::Untracked);
        let tiers = self.tiers.iter().filter_map(|tier| {
            let policies: Vec<_> =
                tier.policies.iter().filter(governs).map(|policy| Arc::clone(&policy.key)).collect();
            let passes = tier.passes || goes_on;
            (!policies.is_empty()).then(|| TierPolicies { tier: tier.name.clone(), passes, policies })
        });
        let profiles = if kind == ListKind::Normal { profiles } else { &[] };
        let profiles = profiles.iter().map(|name| name.as_str().into());
        PolicyList { tiers: tiers.collect(), profiles: profiles.collect() }
    }

    /// Keeps what a list speaks of.
    fn take(&mut self, list: &PolicyList) {
        for key in list.tiers.iter().flat_map(|tier| &tier.policies) {
            let policies = &mut self.resolved.rules.policies;
            if let Some(policy) = self.inputs.policy(key).filter(|_| !policies.contains_key(key)) {
                policies.insert(Arc::clone(key), policy.clone());
            }
        }
        for name in &list.profiles {
            if let Some(profile) = self.inputs.profile(name) {
                self.resolved.rules.profiles.entry(name.clone()).or_insert_with(|| profile.clone());
            }
        }
    }
}

/// That untracked policies do not count for this host endpoint, which is that of all interfaces.
pub(crate) fn untracked<'l>(
    name: &str,
    lists: impl IntoIterator<Item = &'l PolicyList>,
) -> impl Iterator<Item = EndpointFault> {
    let tiers = lists.into_iter().flat_map(|list| &list.tiers);
    let policies: BTreeSet<_> = tiers.flat_map(|tier| &tier.policies).cloned().collect();
    policies
        .into_iter()
        .map(move |policy| EndpointFault::Untracked { id: name.into(), policy: PolicyKey::clone(&policy) })
}

/// Every set of the rules, once.
fn sets(rules: &Rules) -> BTreeSet<SetId> {
    let policies = rules.policies.keys().map(|key| Owner::Policy(Arc::clone(key)));
    let profiles = rules.profiles.keys().map(|name| Owner::Profile(Arc::clone(name)));
    policies.chain(profiles).flat_map(|owner| rules.sets(&owner)).collect()
}
