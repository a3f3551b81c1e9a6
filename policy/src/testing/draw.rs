//! Random objects with rules in them, and all that the rules speak of.

use alloc::collections::BTreeMap;

use ipnet::IpNet;

use crate::model::{
    Action, EndpointPort, GlobalNetworkPolicySpec, GlobalNetworkSetSpec, HostEndpointSpec, NetworkPolicySpec,
    PolicyType, ProfileSpec, Protocol, Rule, Staged, StagedAction, TierSpec,
};
use crate::{
    Encapsulation, Endpoint, EndpointSlice, Failsafe, FailsafePort, HostAction, Inputs, NamedPort, PolicyKey,
    PolicyKind, ServiceKey, ServicePort,
};

use super::rules::{
    ACCOUNTS, NAMESPACE_SELECTORS, NAMESPACES, PORT_NAMES, PROFILES, Place, SELECTORS, SERVICES, labels,
    list, rule,
};
use super::{Choices, Object, Spec, World};

const TIERS: &[&str] = &["default", "security", "late", "kube-admin", "kube-baseline", "nowhere"];

fn types(choices: &mut Choices<'_>) -> Vec<PolicyType> {
    match choices.below(4) {
        0 => vec![],
        1 => vec![PolicyType::Ingress],
        2 => vec![PolicyType::Egress],
        _ => vec![PolicyType::Ingress, PolicyType::Egress],
    }
}

fn profile(choices: &mut Choices<'_>, world: &World, name: &str) -> ProfileSpec {
    let mut spec = ProfileSpec::default();
    if choices.below(3) > 0 {
        spec.ingress = vec![Rule::new(Action::Allow)];
        spec.egress = vec![Rule::new(Action::Allow)];
    } else {
        let mut rules = |ingress| {
            let place = Place { ingress, has_namespace: false };
            choices.some(3, |choices| rule(choices, world, place))
        };
        spec.ingress = rules(true);
        spec.egress = rules(false);
    }
    let label = match name {
        "kns.shop" => ("pcns.stage", "prod"),
        "kns.bank" => ("pcns.projectcalico.org/name", "bank"),
        "ksa.admin" => ("pcsa.trust", "high"),
        "team-red" => ("team", "red"),
        _ => ("app", "db"),
    };
    spec.labels_to_apply.insert(label.0.to_string(), label.1.to_string());
    spec
}

/// Random inputs.
#[must_use]
pub fn inputs(choices: &mut Choices<'_>, world: &World) -> Inputs {
    let mut inputs = Inputs::new();
    for object in objects(choices, world) {
        object.insert(&mut inputs);
    }
    inputs
}

/// Random objects, of which no two have one [name](Object::name).
#[must_use]
pub fn objects(choices: &mut Choices<'_>, world: &World) -> Vec<Object> {
    let mut objects = Vec::new();
    for name in PROFILES.iter().filter(|name| **name != "missing") {
        objects.push(Object::Profile((*name).to_string(), profile(choices, world, name)));
    }
    endpoints(choices, world, &mut objects);
    sets(choices, world, &mut objects);
    tiers(choices, &mut objects);
    if !world.interfaces.is_empty() {
        hosts(choices, world, &mut objects);
    }
    if world.strange {
        settings(choices, world, &mut objects);
    }
    for index in 0..choices.below(8) {
        policy(choices, world, index, &mut objects);
    }
    objects
}

fn endpoints(choices: &mut Choices<'_>, world: &World, objects: &mut Vec<Object>) {
    for (index, addresses) in world.endpoints.iter().enumerate() {
        let namespace = choices.one(NAMESPACES).map(str::to_string);
        let mut profiles: Vec<String> =
            namespace.iter().map(|namespace| format!("kns.{namespace}")).collect();
        if namespace.is_none() || choices.once_in(3) {
            let len = if choices.once_in(8) { PROFILES.len() } else { PROFILES.len() - 1 };
            profiles.push((*choices.one(&PROFILES[..len])).to_string());
        }
        let service_account = choices.once_in(2).then(|| (*choices.one(ACCOUNTS)).to_string());
        if service_account.is_some() {
            profiles.push("ksa.admin".to_string());
        }
        let ports = choices.some(3, |choices| NamedPort {
            name: (*choices.one(PORT_NAMES)).to_string(),
            protocol: *choices.one(&[6, 17, 132]),
            port: *choices.one(&world.ports),
        });
        objects.push(Object::Endpoint(Endpoint {
            id: format!("host-{}/pod-{index}", index % 2),
            node: format!("host-{}", index % 2),
            interface: world.links[index].clone(),
            namespace,
            service_account,
            labels: labels(choices),
            profiles,
            addresses: addresses.to_vec(),
            ports,
            has_http_enforcer: choices.once_in(3),
        }));
    }
}

fn sets(choices: &mut Choices<'_>, world: &World, objects: &mut Vec<Object>) {
    for index in 0..choices.below(3) {
        let nets = [world.nets(0), world.nets(1)].concat();
        let nets = choices.some(4, |choices| choices.one(&nets).clone());
        let spec = GlobalNetworkSetSpec { nets, ..GlobalNetworkSetSpec::default() };
        let kind = ("kind".to_string(), "outside".to_string());
        let labels = if choices.once_in(3) { labels(choices) } else { BTreeMap::from([kind]) };
        let namespace = choices.once_in(2).then(|| (*choices.one(&["shop", "bank"])).to_string());
        objects.push(Object::NetworkSet(namespace, format!("set-{index}"), labels, spec));
    }
    let everywhere: Vec<_> = world.endpoints.iter().chain(&world.outside).flatten().copied().collect();
    for index in 0..choices.below(4) {
        let namespace = (*choices.one(&["shop", "bank"])).to_string();
        objects.push(Object::Slice(EndpointSlice {
            name: format!("slice-{index}"),
            service: ServiceKey { namespace, name: (*choices.one(SERVICES)).to_string() },
            addresses: choices.some(3, |choices| *choices.one(&everywhere)),
            ports: choices.some(2, |choices| ServicePort {
                protocol: *choices.one(&[6, 17]),
                port: *choices.one(&world.ports),
            }),
        }));
    }
    for index in 0..choices.below(3) {
        let mut labels = labels(choices);
        labels.insert("zone".to_string(), (*choices.one(&["a", "b"])).to_string());
        let addresses = if index == 0 { world.host } else { world.outside[0] };
        objects.push(Object::Node(format!("node-{index}"), labels, addresses.to_vec()));
    }
}

fn tiers(choices: &mut Choices<'_>, objects: &mut Vec<Object>) {
    for name in ["security", "late"] {
        if choices.once_in(4) {
            continue;
        }
        let order = choices.once_in(2).then(|| *choices.one(&[1.0, 100.0, 2_000_000.0]));
        let default_action = choices.once_in(2).then(|| choices.one(&[Action::Pass, Action::Deny]).clone());
        let spec = TierSpec { order, default_action, ..TierSpec::default() };
        objects.push(Object::Tier(name.to_string(), spec));
    }
}

fn hosts(choices: &mut Choices<'_>, world: &World, objects: &mut Vec<Object>) {
    for (index, interface_name) in world.interfaces.iter().enumerate() {
        if !choices.once_in(2) {
            continue;
        }
        let interface_name = (!interface_name.is_empty()).then(|| interface_name.to_string());
        let port = |choices: &mut Choices<'_>| EndpointPort {
            name: (*choices.one(PORT_NAMES)).to_string(),
            protocol: Protocol::Number(*choices.one(&[6, 17])),
            port: *choices.one(&world.ports),
            unknown: BTreeMap::new(),
        };
        let spec = HostEndpointSpec {
            node: "host".to_string(),
            interface_name,
            expected_ips: world.host.iter().map(ToString::to_string).collect(),
            profiles: choices.some(2, |choices| (*choices.one(PROFILES)).to_string()),
            ports: choices.some(2, port),
            unknown: BTreeMap::new(),
        };
        objects.push(Object::HostEndpoint(format!("hep-{index}"), labels(choices), spec));
    }
    let action = *choices.one(&[HostAction::Return, HostAction::Drop, HostAction::Accept]);
    objects.push(Object::ToHost(action));
}

/// What few hosts set otherwise than by default.
fn settings(choices: &mut Choices<'_>, world: &World, objects: &mut Vec<Object>) {
    if choices.once_in(6) {
        objects.push(Object::Encapsulation(Encapsulation {
            vxlan_port: *choices.one(&[4789, 8080]),
            allow_vxlan: choices.once_in(2),
            allow_ipip: choices.once_in(2),
        }));
    }
    if choices.once_in(2) {
        let peers = [world.outside[0], world.endpoints[0]].concat();
        let mut ports = || {
            choices.some(4, |choices| FailsafePort {
                protocol: *choices.one(&[6, 17, 132]),
                port: *choices.one(&[80, 443, 22, 53]),
                net: choices.once_in(2).then(|| IpNet::from(*choices.one(&peers))),
            })
        };
        let failsafe = Failsafe { inbound: ports(), outbound: ports() };
        objects.push(Object::Failsafe(failsafe));
    }
}

fn policy(choices: &mut Choices<'_>, world: &World, index: usize, objects: &mut Vec<Object>) {
    let order = choices.once_in(2).then(|| *choices.one(&[0.0, 1.0, 2.0, 3.0]));
    let mut types = types(choices);
    let is_namespaced = choices.once_in(2);
    let [mut ingress, mut egress] = [true, false].map(|ingress| {
        let place = Place { ingress, has_namespace: is_namespaced };
        let mut rules = choices.some(4, |choices| rule(choices, world, place));
        if choices.once_in(8) {
            rules.append(&mut list(choices, world));
        }
        if choices.below(3) > 0 {
            rules.push(Rule::new(Action::Allow));
        }
        rules
    });
    let selector = if choices.once_in(2) { Some((*choices.one(SELECTORS)).to_string()) } else { None };
    let service_account_selector = choices.once_in(8).then(|| "trust == 'high'".to_string());
    let tier = choices.once_in(2).then(|| (*choices.one(TIERS)).to_string());
    let staged_action = choices
        .once_in(2)
        .then(|| choices.one(&[StagedAction::Set, StagedAction::Delete, StagedAction::Ignore]).clone());
    let is_staged = choices.once_in(5);
    // A draft may be one of the policy before.
    let name = format!("policy-{}", if is_staged { index.saturating_sub(1) } else { index });
    let kubernetes = choices.once_in(4);
    if is_namespaced {
        let spec = NetworkPolicySpec {
            tier,
            order,
            selector,
            types,
            ingress,
            egress,
            service_account_selector,
            ..Default::default()
        };
        let namespace = *choices.one(&["shop", "bank"]);
        let key = |kind| PolicyKey::of_kind(kind, Some(namespace), name.as_str());
        objects.push(if is_staged {
            let spec = match staged_action {
                Some(StagedAction::Delete) => NetworkPolicySpec::default(),
                _ => spec,
            };
            let staged = Staged { staged_action, spec };
            Object::Policy(key(PolicyKind::StagedNetworkPolicy), Spec::StagedNamespaced(Box::new(staged)))
        } else {
            let kind =
                if kubernetes { PolicyKind::KubernetesNetworkPolicy } else { PolicyKind::NetworkPolicy };
            Object::Policy(key(kind), Spec::Namespaced(Box::new(spec)))
        });
        return;
    }
    let namespace_selector = choices.once_in(6).then(|| (*choices.one(NAMESPACE_SELECTORS)).to_string());
    let (mut do_not_track, mut pre_dnat, mut apply_on_forward) = (None, None, None);
    match choices.below(6) {
        1 => apply_on_forward = Some(true),
        2 => (do_not_track, apply_on_forward) = (Some(true), Some(true)),
        3 => {
            (pre_dnat, apply_on_forward) = (Some(true), Some(true));
            types = vec![PolicyType::Ingress];
            egress.clear();
        }
        _ => {}
    }
    if do_not_track.is_some() {
        ingress.truncate(2);
    }
    let spec = GlobalNetworkPolicySpec {
        tier,
        order,
        selector,
        namespace_selector: namespace_selector.filter(|text| text != "global()"),
        types,
        ingress,
        egress,
        service_account_selector,
        do_not_track,
        pre_dnat,
        apply_on_forward,
        ..Default::default()
    };
    let key = |kind| PolicyKey::of_kind(kind, None, name.as_str());
    objects.push(if is_staged {
        let staged = Staged { staged_action: Some(StagedAction::Learn), spec };
        Object::Policy(key(PolicyKind::StagedGlobalNetworkPolicy), Spec::StagedGlobal(Box::new(staged)))
    } else {
        let kind = match kubernetes {
            true => PolicyKind::KubernetesClusterNetworkPolicy,
            false => PolicyKind::GlobalNetworkPolicy,
        };
        Object::Policy(key(kind), Spec::Global(Box::new(spec)))
    });
}
