//! Random changes: objects that come, change and go, all of few names.

use core::fmt::Display;
use core::net::IpAddr;
use std::collections::BTreeMap;

use tortie_policy::model::{
    Action, EntityRule, GlobalNetworkPolicySpec, NetworkPolicySpec, ProfileSpec, Rule, TierSpec,
};
use tortie_policy::testing::{Both, Object, Spec};
use tortie_policy::{
    Encapsulation, Endpoint, EndpointSlice, Failsafe, Host, HostAction, NamedPort, PolicyKey, PolicyKind,
    ServiceKey, ServicePort,
};

/// Name of the host that programs are for.
pub(crate) const HOST: &str = "host-0";

/// Numbers to take choices from; zeros when they are used up.
pub(crate) struct Dice<'a>(core::slice::Iter<'a, u8>);

impl<'a> Dice<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.iter())
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % n
    }

    fn one<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Change {
    Insert(Object),
    Remove(Object),
    Interfaces(BTreeMap<String, Vec<IpAddr>>),
}

pub(crate) fn both() -> Both {
    Both::new(Host::new(HOST), |endpoint| endpoint.id.starts_with(HOST))
}

pub(crate) fn make(both: &mut Both, change: &Change) {
    match change {
        Change::Insert(object) => both.insert(object),
        Change::Remove(object) => both.remove(object),
        Change::Interfaces(interfaces) => both.set_interfaces(interfaces.clone()),
    }
}

const SELECTORS: &[&str] = &[
    "all()",
    "app == 'web'",
    "app != 'web'",
    "app in {'db', 'cache'}",
    "!has(app)",
    "app == 'db' || team == 'blue'",
    "has(team) && app not in {'web'}",
    "pcns.stage == 'prod'",
    "team starts with 'r'",
];
const NAMESPACES: &[&str] = &["shop", "bank"];
const TIERS: &[&str] = &["default", "early", "late", "kube-admin"];
const PROFILES: &[&str] = &["kns.shop", "kns.bank", "open"];
const NETS: &[&str] = &[
    "10.0.0.1/32",
    "10.0.0.0/30",
    "10.0.0.2/31",
    "10.0.0.0/8",
    "0.0.0.0/0",
    "fd00::/126",
    "fd00::2",
    "::/0",
];

fn labels(dice: &mut Dice<'_>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (name, values) in [("app", ["web", "db", "cache"]), ("team", ["red", "blue", "rose"])] {
        if dice.below(3) > 0 {
            labels.insert(name.to_owned(), dice.one(&values).to_owned());
        }
    }
    labels
}

fn addresses(dice: &mut Dice<'_>) -> Vec<IpAddr> {
    // Some have one address, some two, some share one.
    let last = u8::try_from(dice.below(5)).unwrap();
    let mut addresses = vec![IpAddr::from([10, 0, 0, last])];
    if dice.below(3) == 0 {
        addresses.push(IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)]));
    }
    if dice.below(8) == 0 {
        addresses.push(IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0x0a00, u16::from(last)]));
    }
    addresses
}

fn ports(dice: &mut Dice<'_>) -> Vec<NamedPort> {
    let len = dice.below(3);
    let port = |dice: &mut Dice<'_>| NamedPort {
        name: dice.one(&["http", "dns"]).to_owned(),
        protocol: dice.one(&[6, 17]),
        port: dice.one(&[80, 81]),
    };
    (0..len).map(|_| port(dice)).collect()
}

/// The text of a list.
fn list<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn rule(dice: &mut Dice<'_>, ingress: bool, namespaced: bool) -> String {
    let action = dice.one(&["Allow", "Deny", "Allow", "Pass", "Log"]);
    let selector = |dice: &mut Dice<'_>| dice.one(SELECTORS);
    let (mut fields, mut far, mut destination) = (Vec::new(), Vec::new(), Vec::new());
    let mut protocol = None;
    match dice.below(14) {
        0 => {}
        1 | 2 => far.push(format!(r#""selector": "{}""#, selector(dice))),
        3 => far.push(format!(r#""notSelector": "{}""#, selector(dice))),
        4 => far.push(r#""namespaceSelector": "stage == 'prod'""#.to_owned()),
        // Which nodes, is said later.
        5 | 12 => {}
        6 | 13 => {
            let namespace = if namespaced { "" } else { r#", "namespace": "shop""# };
            far.push(format!(r#""services": {{ "name": "svc-{}"{namespace} }}"#, dice.below(2)));
        }
        7 => {
            protocol = dice.one(&[None, Some("TCP"), Some("UDP")]);
            destination.push(format!(r#""ports": ["{}"]"#, dice.one(&["http", "dns"])));
        }
        8 => {
            protocol = Some("TCP");
            destination.push(format!(
                r#""ports": [{}, "http"], "selector": "{}""#,
                dice.one(&[80, 443]),
                selector(dice)
            ));
        }
        9 => far.push(format!(r#""nets": ["{}"]"#, dice.one(NETS))),
        10 if ingress && action == "Allow" => fields.push(r#""http": { "methods": ["GET"] }"#.to_owned()),
        _ => protocol = Some("TCP"),
    }
    if dice.below(30) == 0 {
        fields.push(r#""moon": "full""#.to_owned());
    }
    fields.extend(protocol.map(|protocol| format!(r#""protocol": "{protocol}""#)));
    if ingress {
        fields.push(format!(r#""source": {{ {} }}"#, list(&far)));
    } else {
        destination.extend(far);
    }
    fields.push(format!(r#""destination": {{ {} }}"#, list(&destination)));
    format!(r#"{{ "action": "{action}", {} }}"#, list(&fields))
}

fn rules(dice: &mut Dice<'_>, ingress: bool, namespaced: bool) -> String {
    let len = dice.below(4);
    list(&(0..len).map(|_| rule(dice, ingress, namespaced)).collect::<Vec<_>>())
}

/// No document speaks of nodes: some ends of rules that say nothing else do.
fn nodes(dice: &mut Dice<'_>, ingress: &mut [Rule], egress: &mut [Rule]) {
    let sources = ingress.iter_mut().map(|rule| &mut rule.source);
    let destinations = egress.iter_mut().map(|rule| &mut rule.destination);
    for end in sources.chain(destinations).filter(|end| **end == EntityRule::default()) {
        if dice.below(3) == 0 {
            end.node_selector = Some(dice.one(SELECTORS).to_owned());
        }
    }
}

fn policy(dice: &mut Dice<'_>) -> Object {
    let name = format!("policy-{}", dice.below(5));
    let kind = dice.one(&[
        PolicyKind::NetworkPolicy,
        PolicyKind::GlobalNetworkPolicy,
        PolicyKind::NetworkPolicy,
        PolicyKind::GlobalNetworkPolicy,
        PolicyKind::StagedGlobalNetworkPolicy,
    ]);
    let namespace = kind.is_namespaced().then(|| dice.one(NAMESPACES));
    let mut fields = vec![format!(r#""selector": "{}""#, dice.one(SELECTORS))];
    if dice.below(2) == 0 {
        fields.push(format!(r#""order": {}"#, dice.below(3)));
    }
    fields.push(format!(r#""tier": "{}""#, dice.one(TIERS)));
    let scope = if namespace.is_none() { dice.below(6) } else { 0 };
    let types = match scope {
        1 => r#""Ingress""#,
        _ => dice.one(&[r#""Ingress""#, r#""Egress""#, r#""Ingress", "Egress""#]),
    };
    fields.push(format!(r#""types": [{types}]"#));
    fields.push(format!(r#""ingress": [{}]"#, rules(dice, true, namespace.is_some())));
    if scope != 1 {
        fields.push(format!(r#""egress": [{}]"#, rules(dice, false, namespace.is_some())));
    }
    match scope {
        1 => fields.push(r#""preDNAT": true, "applyOnForward": true"#.to_owned()),
        2 => fields.push(r#""doNotTrack": true, "applyOnForward": true"#.to_owned()),
        3 => fields.push(r#""applyOnForward": true"#.to_owned()),
        _ => {}
    }
    if dice.below(12) == 0 {
        // Invalid.
        fields.push(r#""types": ["Ingress", "Ingress"]"#.to_owned());
        fields.retain(|field| {
            !field.starts_with(r#""types": [""#) || field.ends_with(r#""Ingress", "Ingress"]"#)
        });
    }
    let text = format!("{{ {} }}", list(&fields));
    let spec = match kind {
        PolicyKind::NetworkPolicy => {
            let mut spec: Box<NetworkPolicySpec> = serde_json::from_str(&text).unwrap();
            nodes(dice, &mut spec.ingress, &mut spec.egress);
            Spec::Namespaced(spec)
        }
        PolicyKind::GlobalNetworkPolicy => {
            let mut spec: Box<GlobalNetworkPolicySpec> = serde_json::from_str(&text).unwrap();
            nodes(dice, &mut spec.ingress, &mut spec.egress);
            Spec::Global(spec)
        }
        _ => Spec::StagedGlobal(serde_json::from_str(&text).unwrap()),
    };
    Object::Policy(PolicyKey::of_kind(kind, namespace, name), spec)
}

fn profile(dice: &mut Dice<'_>) -> Object {
    let name = dice.one(PROFILES);
    let label = dice.one(&[("pcns.stage", "prod"), ("pcns.stage", "test"), ("app", "web"), ("team", "red")]);
    let text = format!(
        r#"{{ "labelsToApply": {{ "{}": "{}" }}, "ingress": [{}], "egress": [{}] }}"#,
        label.0,
        label.1,
        rules(dice, true, false),
        rules(dice, false, false)
    );
    let mut spec: ProfileSpec = serde_json::from_str(&text).unwrap();
    if dice.below(10) == 0 {
        spec.ingress.resize(1025, Rule::new(Action::Allow));
    }
    Object::Profile(name.to_owned(), spec)
}

fn endpoint(dice: &mut Dice<'_>) -> Object {
    let number = dice.below(6);
    // Two share an interface, one has a bad one; one moves from host to host, under another id.
    let interface = ["cali0", "cali1", "cali2", "cali1", "not a name", "cali3"][number];
    let namespace = (dice.below(4) > 0).then(|| dice.one(NAMESPACES).to_owned());
    let mut profiles: Vec<String> = namespace.iter().map(|name| format!("kns.{name}")).collect();
    if dice.below(3) == 0 {
        profiles.push("open".to_owned());
    }
    if dice.below(9) == 0 {
        profiles.push("missing".to_owned());
    }
    Object::Endpoint(Endpoint {
        id: format!("host-{}/pod-{number}", usize::from(dice.below(3) == 0)),
        interface: interface.to_owned(),
        namespace,
        labels: labels(dice),
        profiles,
        addresses: addresses(dice),
        ports: ports(dice),
        has_http_enforcer: dice.below(3) == 0,
        ..Endpoint::default()
    })
}

fn host_endpoint(dice: &mut Dice<'_>) -> Object {
    let number = dice.below(4);
    let interface = dice.one(&["*", "eth0", "eth1", ""]);
    let spec = format!(
        r#"{{ "node": "host-{}", "interfaceName": "{interface}", "expectedIPs": ["{}"], "profiles": [{}],
            "ports": [{{ "name": "http", "protocol": "TCP", "port": 8080 }}] }}"#,
        usize::from(dice.below(4) == 0),
        dice.one(&["10.0.0.1", "10.0.0.9", "fd00::9"]),
        dice.one(&["", r#""open""#, r#""missing""#]),
    );
    Object::HostEndpoint(
        format!("host-endpoint-{number}"),
        labels(dice),
        serde_json::from_str(&spec).unwrap(),
    )
}

fn network_set(dice: &mut Dice<'_>) -> Object {
    let namespace = dice.one(&[None, Some("shop")]).map(str::to_owned);
    let len = dice.below(4);
    let nets: Vec<_> = (0..len).map(|_| format!("{:?}", dice.one(NETS))).collect();
    let spec = serde_json::from_str(&format!(r#"{{ "nets": [{}] }}"#, list(&nets))).unwrap();
    Object::NetworkSet(namespace, format!("set-{}", dice.below(2)), labels(dice), spec)
}

fn slice(dice: &mut Dice<'_>) -> Object {
    let service = ServiceKey { namespace: "shop".to_owned(), name: format!("svc-{}", dice.below(2)) };
    let len = dice.below(3);
    let port = |dice: &mut Dice<'_>| ServicePort { protocol: dice.one(&[6, 17]), port: dice.one(&[80, 81]) };
    Object::Slice(EndpointSlice {
        name: format!("slice-{}", dice.below(3)),
        service,
        addresses: addresses(dice),
        ports: (0..len).map(|_| port(dice)).collect(),
    })
}

fn tier(dice: &mut Dice<'_>) -> Object {
    let name = dice.one(&["early", "late"]);
    let order = dice.one(&[None, Some(1.0), Some(2_000_000.0)]);
    let mut spec = TierSpec { order, ..TierSpec::default() };
    if dice.below(2) == 0 {
        spec.default_action = Some(Action::Pass);
    }
    Object::Tier(name.to_owned(), spec)
}

/// A random object.
pub(crate) fn object(dice: &mut Dice<'_>) -> Object {
    match dice.below(18) {
        0..=4 => policy(dice),
        5 | 6 => profile(dice),
        7..=9 => endpoint(dice),
        10 => host_endpoint(dice),
        11 | 12 => network_set(dice),
        13 | 16 => Object::Node(format!("node-{}", dice.below(2)), labels(dice), addresses(dice)),
        14 | 17 => slice(dice),
        _ => tier(dice),
    }
}

fn setting(dice: &mut Dice<'_>) -> Change {
    Change::Insert(match dice.below(5) {
        0 => Object::Encapsulation(Encapsulation {
            allow_ipip: dice.below(2) == 0,
            ..Encapsulation::default()
        }),
        1 => Object::ToHost(dice.one(&[HostAction::Drop, HostAction::Accept, HostAction::Return])),
        2 => {
            let mut failsafe = Failsafe::default();
            failsafe.inbound.truncate(dice.below(3));
            Object::Failsafe(failsafe)
        }
        _ => {
            let mut interfaces = BTreeMap::new();
            for (name, address) in [("eth0", [10, 0, 0, 1]), ("eth1", [10, 0, 0, 9])] {
                if dice.below(3) > 0 {
                    interfaces.insert(name.to_owned(), vec![IpAddr::from(address)]);
                }
            }
            return Change::Interfaces(interfaces);
        }
    })
}

/// A random change.
pub(crate) fn change(dice: &mut Dice<'_>) -> Change {
    match dice.below(20) {
        0 => setting(dice),
        1..=4 => Change::Remove(object(dice)),
        _ => Change::Insert(object(dice)),
    }
}
