//! Random policy out of bytes: all zeros make the simplest, so that proptest shrinks towards it.

use core::net::IpAddr;
use std::collections::BTreeMap;

use tortie_policy::model::{
    Action, EntityRule, GlobalNetworkPolicySpec, GlobalNetworkSetSpec, IcmpFields, NetworkPolicySpec,
    PolicyType, Port, ProfileSpec, Protocol, Rule, Value,
};
use tortie_policy::{Endpoint, Inputs};

/// Bytes to take choices from; zeros when they are used up.
pub(crate) struct Choices<'a>(core::slice::Iter<'a, u8>);

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.iter())
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % n
    }

    /// True once in `n` times; false if the bytes are used up.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    pub(crate) fn one<'b, T>(&mut self, items: &'b [T]) -> &'b T {
        &items[self.below(items.len())]
    }

    fn some<T>(&mut self, max: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let len = self.below(max + 1);
        (0..len).map(|_| make(self)).collect()
    }
}

/// What addresses, ports and protocols there are to choose from.
#[derive(Clone)]
pub(crate) struct World {
    /// Addresses of endpoint number n, one of each family.
    pub(crate) endpoints: Vec<[IpAddr; 2]>,
    /// Addresses of no endpoint, one of each family.
    pub(crate) outside: Vec<[IpAddr; 2]>,
    pub(crate) ports: Vec<u16>,
    /// Whether objects may have faults, and rules criteria that are not enforced.
    pub(crate) faults: bool,
}

impl World {
    pub(crate) fn new() -> Self {
        let pair = |last: u8| {
            [IpAddr::from([10, 0, 0, last]), IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)])]
        };
        let outside = |last: u8| {
            [IpAddr::from([192, 0, 2, last]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(last)])]
        };
        Self {
            endpoints: (1..=6).map(pair).collect(),
            outside: (1..=2).map(outside).collect(),
            ports: vec![80, 81, 443, 8080, 4789],
            faults: true,
        }
    }

    fn nets(&self, family: usize) -> Vec<String> {
        let all = self.endpoints.iter().chain(&self.outside);
        let mut nets: Vec<String> = all.map(|pair| pair[family].to_string()).collect();
        let more: &[&str] = match family {
            0 => &["10.0.0.0/30", "10.0.0.0/8", "10.0.0.4/30", "192.0.2.0/24", "0.0.0.0/0", "10.0.0.0/29"],
            _ => &["fd00::/126", "fd00::/16", "fd00::4/126", "2001:db8::/64", "::/0", "fd00::/8"],
        };
        nets.extend(more.iter().map(|net| (*net).to_string()));
        nets
    }
}

const SELECTORS: &[&str] = &[
    "all()",
    "app == 'web'",
    "app != 'web'",
    "app in {'db', 'cache'}",
    "has(app)",
    "!has(app)",
    "team == 'red'",
    "app == 'db' || team == 'blue'",
    "has(team) && app not in {'web'}",
    "projectcalico.org/namespace == 'shop'",
    "kind == 'outside'",
    "pcns.stage == 'prod'",
];
const NAMESPACE_SELECTORS: &[&str] = &["all()", "stage == 'prod'", "!has(stage)", "global()"];
const NAMESPACES: &[Option<&str>] = &[Some("shop"), Some("bank"), None];
const PROFILES: &[&str] = &["kns.shop", "kns.bank", "open", "team-red", "missing"];

fn labels(choices: &mut Choices<'_>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (name, values) in [("app", ["web", "db", "cache"]), ("team", ["red", "blue", "green"])] {
        if !choices.once_in(3) {
            labels.insert(name.to_string(), (*choices.one(&values)).to_string());
        }
    }
    if choices.once_in(6) {
        // Not for a workload to say.
        labels.insert("pcns.stage".to_string(), "prod".to_string());
        labels.insert("projectcalico.org/namespace".to_string(), "shop".to_string());
    }
    labels
}

fn entity(choices: &mut Choices<'_>, world: &World, family: Option<usize>, ports: bool) -> EntityRule {
    let mut end = EntityRule::default();
    let text = |choices: &mut Choices<'_>, from: &[&str]| Some((*choices.one(from)).to_string());
    if let Some(family) = family {
        let nets = world.nets(family);
        end.nets = choices.some(3, |choices| choices.one(&nets).clone());
        if choices.once_in(3) {
            end.not_nets = choices.some(2, |choices| choices.one(&nets).clone());
            end.not_nets.retain(|net| !net.ends_with("/0"));
        }
    }
    if choices.once_in(3) {
        end.selector = text(choices, SELECTORS);
    }
    if choices.once_in(6) {
        end.not_selector = text(choices, SELECTORS);
    }
    if choices.once_in(8) {
        end.namespace_selector = text(choices, NAMESPACE_SELECTORS);
    }
    if ports {
        let port = |choices: &mut Choices<'_>| match choices.below(4) {
            0 | 1 => Port::Number(*choices.one(&world.ports)),
            2 => Port::Range { min: 80, max: 90 },
            _ => Port::Range { min: *choices.one(&[0, 81, 91]), max: u16::MAX },
        };
        end.ports = choices.some(3, port);
        if choices.once_in(4) {
            end.not_ports = choices.some(2, port);
        }
    }
    if world.faults && choices.once_in(40) {
        end.unknown.insert("zone".to_string(), Value::Null);
    }
    if world.faults && choices.once_in(100) {
        end.nets.push("10.0.0.0/33".to_string());
    }
    end
}

fn rule(choices: &mut Choices<'_>, world: &World) -> Rule {
    let mut rule = Rule::new(
        choices
            .one(&[Action::Allow, Action::Deny, Action::Allow, Action::Deny, Action::Pass, Action::Log])
            .clone(),
    );
    let mut family = choices.once_in(3).then(|| choices.below(2));
    if choices.once_in(6) {
        rule.ip_version = Some(if *family.get_or_insert_with(|| choices.below(2)) == 0 { 4 } else { 6 });
    }
    let name = |name: &str| Some(Protocol::Name(name.to_string()));
    rule.protocol = match choices.below(8) {
        0 => None,
        1 | 2 => name("TCP"),
        3 => name("udp"),
        4 => Some(Protocol::Number(17)),
        5 => name("SCTP"),
        6 => Some(Protocol::Number(*choices.one(&[253, 4, 1, 58]))),
        _ if *family.get_or_insert_with(|| choices.below(2)) == 0 => name("ICMP"),
        _ => name("ICMPv6"),
    };
    let number = rule.protocol.as_ref().and_then(Protocol::number);
    if number.is_none() && choices.once_in(4) {
        rule.not_protocol = Some(choices.one(&[Protocol::Number(6), Protocol::Number(17)]).clone());
    }
    if matches!(rule.protocol, Some(Protocol::Name(_))) && matches!(number, Some(1 | 58)) {
        let fields = |choices: &mut Choices<'_>| {
            choices.once_in(2).then(|| {
                let code = choices.once_in(2).then(|| *choices.one(&[0, 1]));
                IcmpFields { kind: Some(*choices.one(&[8, 128])), code, ..IcmpFields::default() }
            })
        };
        rule.icmp = fields(choices);
        rule.not_icmp = fields(choices);
    }
    let has_ports = matches!(number, Some(6 | 17 | 132));
    let (source_ports, destination_ports) = (choices.once_in(4), choices.once_in(2));
    rule.source = entity(choices, world, family, has_ports && source_ports);
    rule.destination = entity(choices, world, family, has_ports && destination_ports);
    if world.faults && choices.once_in(40) {
        rule.unknown.insert("moon".to_string(), Value::String("full".to_string()));
    }
    rule
}

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
        spec.ingress = choices.some(3, |choices| rule(choices, world));
        spec.egress = choices.some(3, |choices| rule(choices, world));
    }
    let label = match name {
        "kns.shop" => ("pcns.stage", "prod"),
        "kns.bank" => ("pcns.projectcalico.org/name", "bank"),
        "team-red" => ("team", "red"),
        _ => ("app", "db"),
    };
    spec.labels_to_apply.insert(label.0.to_string(), label.1.to_string());
    spec
}

/// Interface of endpoint number n.
pub(crate) fn interface(index: usize) -> String {
    format!("cali{index}")
}

/// Random inputs.
pub(crate) fn inputs(choices: &mut Choices<'_>, world: &World) -> Inputs {
    let mut inputs = Inputs::new();
    for name in PROFILES.iter().filter(|name| **name != "missing") {
        let spec = profile(choices, world, name);
        let _ = inputs.insert_profile(name, &spec);
    }
    for (index, addresses) in world.endpoints.iter().enumerate() {
        let namespace = choices.one(NAMESPACES).map(str::to_string);
        let mut profiles: Vec<String> =
            namespace.iter().map(|namespace| format!("kns.{namespace}")).collect();
        if namespace.is_none() || choices.once_in(3) {
            let len = if choices.once_in(8) { PROFILES.len() } else { PROFILES.len() - 1 };
            profiles.push((*choices.one(&PROFILES[..len])).to_string());
        }
        inputs.insert_endpoint(Endpoint {
            id: format!("host-{}/pod-{index}", index % 2),
            interface: interface(index),
            namespace,
            service_account: None,
            labels: labels(choices),
            profiles,
            addresses: addresses.to_vec(),
            ..Endpoint::default()
        });
    }
    for index in 0..choices.below(3) {
        let nets = [world.nets(0), world.nets(1)].concat();
        let nets = choices.some(4, |choices| choices.one(&nets).clone());
        let spec = GlobalNetworkSetSpec { nets, ..GlobalNetworkSetSpec::default() };
        let kind = ("kind".to_string(), "outside".to_string());
        let labels = if choices.once_in(3) { labels(choices) } else { BTreeMap::from([kind]) };
        let _ = inputs.insert_network_set(&format!("set-{index}"), &labels, &spec);
    }
    for index in 0..choices.below(6) {
        let order = choices.once_in(2).then(|| f64::from(u8::try_from(choices.below(4)).unwrap()));
        let types = types(choices);
        let [ingress, egress] = [(); 2].map(|()| {
            let mut rules = choices.some(4, |choices| rule(choices, world));
            if choices.below(3) > 0 {
                rules.push(Rule::new(Action::Allow));
            }
            rules
        });
        let selector = if choices.once_in(2) { Some((*choices.one(SELECTORS)).to_string()) } else { None };
        let mut tier = None;
        if world.faults && choices.once_in(30) {
            tier = Some("security".to_string());
        }
        if choices.once_in(2) {
            let spec =
                NetworkPolicySpec { tier, order, selector, types, ingress, egress, ..Default::default() };
            let namespace = *choices.one(&["shop", "bank"]);
            let _ = inputs.insert_network_policy(namespace, &format!("policy-{index}"), &spec);
        } else {
            let namespace_selector =
                choices.once_in(6).then(|| (*choices.one(NAMESPACE_SELECTORS)).to_string());
            let spec = GlobalNetworkPolicySpec {
                tier,
                order,
                selector,
                namespace_selector: namespace_selector.filter(|text| text != "global()"),
                types,
                ingress,
                egress,
                ..Default::default()
            };
            let _ = inputs.insert_global_network_policy(&format!("policy-{index}"), &spec);
        }
    }
    inputs
}
