//! `calico-rules/1`: rules as the reference system gives them to whoever enforces them, and packets at one interface.
//!
//! The rules are made into policies and sets again. Each of the lists becomes a state of its own, because in the API a
//! policy for what is forwarded is one for the host itself, too, and a packet meets the one list or the other.

use core::net::{IpAddr, SocketAddr};
use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use tortie_policy::model::{
    Action, EntityRule, GlobalNetworkPolicySpec, GlobalNetworkSetSpec, HostEndpointSpec, IcmpFields,
    PolicyType, Port, ProfileSpec, Protocol, Rule, TierSpec,
};
use tortie_policy::{
    Endpoint, Failsafe, FieldError, Flow, Host, HostAction, Inputs, NamedPort, Packet, Place, Transport,
};

use crate::run::{Run, held_wrong};

#[derive(Deserialize)]
struct Case {
    id: String,
    group: String,
    ipv6: bool,
    policy: PolicyForm,
    ipsets: Option<BTreeMap<String, Vec<String>>>,
    allowed: Vec<PacketForm>,
    dropped: Vec<PacketForm>,
    unmatched: Vec<PacketForm>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PolicyForm {
    tiers: Option<Vec<TierForm>>,
    profiles: Option<Vec<NamedRules>>,
    host_pre_dnat_tiers: Option<Vec<TierForm>>,
    host_forward_tiers: Option<Vec<TierForm>>,
    host_normal_tiers: Option<Vec<TierForm>>,
    host_profiles: Option<Vec<NamedRules>>,
    for_host_interface: bool,
    suppress_normal_host_policy: bool,
    #[serde(rename = "forXDP")]
    for_xdp: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TierForm {
    end_action: String,
    #[serde(rename = "name")]
    _name: String,
    policies: Option<Vec<NamedRules>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedRules {
    name: String,
    rules: Vec<RuleForm>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RuleForm {
    action: String,
    protocol: Option<ProtocolForm>,
    not_protocol: Option<ProtocolForm>,
    src_net: Vec<String>,
    not_src_net: Vec<String>,
    dst_net: Vec<String>,
    not_dst_net: Vec<String>,
    src_ports: Vec<RangeForm>,
    not_src_ports: Vec<RangeForm>,
    dst_ports: Vec<RangeForm>,
    not_dst_ports: Vec<RangeForm>,
    src_ip_set_ids: Vec<String>,
    not_src_ip_set_ids: Vec<String>,
    dst_ip_set_ids: Vec<String>,
    not_dst_ip_set_ids: Vec<String>,
    src_named_port_ip_set_ids: Vec<String>,
    dst_named_port_ip_set_ids: Vec<String>,
    icmp: Option<IcmpForm>,
    not_icmp: Option<IcmpForm>,
}

#[derive(Clone, Deserialize)]
struct ProtocolForm {
    protocol: ProtocolName,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
enum ProtocolName {
    Name(String),
    Number(u8),
}

#[derive(Clone, Copy, Deserialize)]
struct RangeForm {
    first: u16,
    last: u16,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", untagged)]
enum IcmpForm {
    #[serde(rename_all = "camelCase")]
    Both {
        type_code: TypeCode,
    },
    Type {
        r#type: u8,
    },
}

#[derive(Clone, Copy, Deserialize)]
struct TypeCode {
    r#type: u8,
    code: u8,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PacketForm {
    src: IpAddr,
    sport: u16,
    dst: IpAddr,
    dport: u16,
    protocol: u8,
    #[serde(default)]
    icmp_type: u8,
    #[serde(default)]
    icmp_code: u8,
    #[serde(rename = "preNATDst")]
    pre_nat_dst: Option<IpAddr>,
    #[serde(rename = "preNATDport")]
    pre_nat_dport: Option<u16>,
    #[serde(default)]
    from_host: bool,
    #[serde(default)]
    to_host: bool,
}

/// What must become of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Allowed,
    Denied,
    /// No rule decides about it.
    Unmatched,
}

/// The interface of the host that has policies.
const HOST_INTERFACE: &str = "out0";
/// Another interface of the host.
const OTHER_INTERFACE: &str = "out1";
/// The interface of the workload that has policies.
const WORKLOAD: &str = "cali0";

pub(crate) fn run(case: &Value, run: &mut Run<'_>) {
    if let Err(error) = packets(case, run) {
        run.fault(format!("{error:#}"));
    }
}

fn packets(case: &Value, run: &mut Run<'_>) -> Result<()> {
    let case = Case::deserialize(case).context("not a case of this format")?;
    let wanted = [
        (&case.allowed, Wanted::Allowed),
        (&case.dropped, Wanted::Denied),
        (&case.unmatched, Wanted::Unmatched),
    ];
    let packets: Vec<_> = wanted
        .into_iter()
        .flat_map(|(packets, wanted)| packets.iter().map(move |packet| (packet, wanted)))
        .collect();
    ensure!(!packets.is_empty(), "nothing is expected: the case proves nothing");
    let host = Host {
        name: "node".into(),
        interfaces: [HOST_INTERFACE, OTHER_INTERFACE].map(|name| (name.to_string(), Vec::new())).into(),
    };
    for (index, (packet, wanted)) in packets.into_iter().enumerate() {
        let held_wrong = held_wrong(&case.id, index);
        for way in Way::of(&case, packet)? {
            let (inputs, from, to) = case.state(packet, way)?;
            let mut judged = Packet::new(from, to, packet.flow());
            judged.original_destination = packet
                .pre_nat_dst
                .zip(packet.pre_nat_dport)
                .map(|(address, port)| SocketAddr::new(address, port));
            run.packet(&format!("{way:?}"), &inputs, &host, &judged, wanted, held_wrong);
        }
    }
    Ok(())
}

/// Where a packet passes the interface that has policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// To a workload from the world.
    ToWorkload,
    /// From a workload to the world.
    FromWorkload,
    /// From a workload to its host.
    WorkloadToHost,
    /// From the host to a workload of it.
    HostToWorkload,
    /// In by an interface of the host, and out by another.
    Forwarded,
    /// In by an interface of the host, for the host itself.
    ToHost,
    /// From the host itself.
    FromHost,
}

impl Way {
    fn of(case: &Case, packet: &PacketForm) -> Result<Vec<Self>> {
        Ok(match (case.group.as_str(), case.policy.for_host_interface, packet.to_host, packet.from_host) {
            ("workload", false, false, false) => vec![Self::ToWorkload, Self::FromWorkload],
            ("host", false, false, false) => vec![Self::ToWorkload, Self::FromWorkload],
            ("host", false, true, false) => vec![Self::WorkloadToHost],
            ("host", false, false, true) => vec![Self::HostToWorkload],
            ("host" | "xdp", true, false, false) => vec![Self::Forwarded],
            ("host", true, true, false) => vec![Self::ToHost],
            ("host", true, false, true) => vec![Self::FromHost],
            other => bail!("no packet passes like this: {other:?}"),
        })
    }

    /// Whether the list for what is forwarded is asked at interfaces of the host.
    const fn is_forwarded(self) -> bool {
        matches!(self, Self::ToWorkload | Self::FromWorkload | Self::Forwarded)
    }
}

/// Which list of an endpoint a tier is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Workload,
    Normal,
    Forward,
    PreDnat,
    Untracked,
}

impl Case {
    /// All that policy knows when the packet passes this way, and the way itself.
    fn state(&self, packet: &PacketForm, way: Way) -> Result<(Inputs, Place<'static>, Place<'static>)> {
        let mut inputs = Inputs::new();
        // The rules are all there is.
        inputs.set_failsafe(Failsafe { inbound: Vec::new(), outbound: Vec::new() });
        inputs.set_to_host(if self.policy.suppress_normal_host_policy {
            HostAction::Accept
        } else {
            HostAction::Return
        });
        let mut state = State { case: self, inputs, faults: Vec::new() };
        state.sets()?;
        let policy = &self.policy;
        let endpoint_profiles = state.profiles("workload", policy.profiles.as_deref())?;
        let host_profiles = state.profiles("host", policy.host_profiles.as_deref())?;
        state.tiers(List::Workload, policy.tiers.as_deref())?;
        state.tiers(List::PreDnat, policy.host_pre_dnat_tiers.as_deref())?;
        if policy.for_xdp {
            state.tiers(List::Untracked, policy.host_normal_tiers.as_deref())?;
        } else if way.is_forwarded() {
            state.tiers(List::Forward, policy.host_forward_tiers.as_deref())?;
        } else {
            state.tiers(List::Normal, policy.host_normal_tiers.as_deref())?;
        }
        if policy.for_host_interface {
            let spec = HostEndpointSpec {
                node: "node".into(),
                interface_name: Some(HOST_INTERFACE.into()),
                profiles: host_profiles,
                ..HostEndpointSpec::default()
            };
            let labels = [("judged".to_string(), "host".to_string())].into();
            let faults = state.inputs.insert_host_endpoint("host", &labels, &spec);
            state.faults.extend(faults);
        } else {
            let address =
                if matches!(way, Way::ToWorkload | Way::HostToWorkload) { packet.dst } else { packet.src };
            state.inputs.insert_endpoint(Endpoint {
                id: SUBJECT.into(),
                interface: WORKLOAD.into(),
                labels: [("judged".to_string(), "workload".to_string())].into(),
                profiles: endpoint_profiles,
                addresses: vec![address],
                ..Endpoint::default()
            });
        }
        ensure!(state.faults.is_empty(), "the rules have faults: {:?}", state.faults);
        let (world, other) = (Place::Interface(HOST_INTERFACE), Place::Interface(OTHER_INTERFACE));
        let workload = Place::Workload(WORKLOAD);
        let (from, to) = match way {
            Way::ToWorkload => (world, workload),
            Way::FromWorkload => (workload, world),
            Way::WorkloadToHost => (workload, Place::Host),
            Way::HostToWorkload => (Place::Host, workload),
            Way::Forwarded => (world, other),
            Way::ToHost => (world, Place::Host),
            Way::FromHost => (Place::Host, world),
        };
        Ok((state.inputs, from, to))
    }

    const fn icmp(&self) -> u8 {
        if self.ipv6 { Protocol::ICMPV6 } else { Protocol::ICMP }
    }
}

/// Id of the workload that has policies.
pub(crate) const SUBJECT: &str = "node/subject";

struct State<'a> {
    case: &'a Case,
    inputs: Inputs,
    faults: Vec<FieldError>,
}

impl State<'_> {
    /// Members that are addresses become network sets; members that have ports, endpoints elsewhere that have them.
    fn sets(&mut self) -> Result<()> {
        let mut named = BTreeMap::<IpAddr, Vec<NamedPort>>::new();
        for (id, members) in self.case.ipsets.iter().flatten() {
            let mut nets = Vec::new();
            for member in members {
                let Some((net, port)) = member.split_once(',') else {
                    nets.push(member.clone());
                    continue;
                };
                let (protocol, port) = port.split_once(':').context("a port without a protocol")?;
                let address = net.split('/').next().unwrap_or_default().parse()?;
                let protocol = Protocol::parse(protocol).number().context("an unknown protocol")?;
                named.entry(address).or_default().push(NamedPort {
                    name: id.clone(),
                    protocol,
                    port: port.parse()?,
                });
            }
            let labels = [(format!("set.{id}"), String::new())].into();
            let spec = GlobalNetworkSetSpec { nets, ..GlobalNetworkSetSpec::default() };
            self.faults.extend(self.inputs.insert_network_set(id, &labels, &spec));
        }
        for (address, ports) in named {
            self.inputs.insert_endpoint(Endpoint {
                id: format!("elsewhere/{address}"),
                interface: "cali0".into(),
                addresses: vec![address],
                ports,
                ..Endpoint::default()
            });
        }
        Ok(())
    }

    fn profiles(&mut self, whose: &str, profiles: Option<&[NamedRules]>) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for profile in profiles.unwrap_or_default() {
            let rules = self.rules(&profile.rules)?;
            let spec = ProfileSpec { ingress: rules.clone(), egress: rules, ..ProfileSpec::default() };
            let name = format!("{whose}-{}", profile.name);
            self.faults.extend(self.inputs.insert_profile(&name, &spec));
            names.push(name);
        }
        Ok(names)
    }

    fn tiers(&mut self, list: List, tiers: Option<&[TierForm]>) -> Result<()> {
        for (place, tier) in tiers.unwrap_or_default().iter().enumerate() {
            let default_action = match tier.end_action.as_str() {
                "" | "deny" => Action::Deny,
                "pass" => Action::Pass,
                other => bail!("{other:?} ends no tier"),
            };
            let name = format!("{list:?}-{place}").to_lowercase();
            #[expect(clippy::cast_precision_loss, reason = "a handful of tiers")]
            let spec = TierSpec {
                order: Some(place as f64),
                default_action: Some(default_action),
                ..TierSpec::default()
            };
            self.faults.extend(self.inputs.insert_tier(&name, &spec));
            for (index, policy) in tier.policies.iter().flatten().enumerate() {
                let rules = self.rules(&policy.rules)?;
                let both = vec![PolicyType::Ingress, PolicyType::Egress];
                let before = matches!(list, List::PreDnat | List::Untracked);
                let ingress_only = list == List::PreDnat;
                let whose = if list == List::Workload { "workload" } else { "host" };
                #[expect(clippy::cast_precision_loss, reason = "a handful of policies")]
                let spec = GlobalNetworkPolicySpec {
                    tier: Some(name.clone()),
                    order: Some(index as f64),
                    selector: Some(format!("judged == '{whose}'")),
                    types: if ingress_only { vec![PolicyType::Ingress] } else { both },
                    egress: if ingress_only { Vec::new() } else { rules.clone() },
                    ingress: rules,
                    pre_dnat: Some(list == List::PreDnat),
                    do_not_track: Some(list == List::Untracked),
                    apply_on_forward: Some(before || list == List::Forward),
                    ..GlobalNetworkPolicySpec::default()
                };
                let policy = format!("{name}.{}", policy.name);
                self.faults.extend(self.inputs.insert_global_network_policy(&policy, &spec));
            }
        }
        Ok(())
    }

    fn rules(&self, rules: &[RuleForm]) -> Result<Vec<Rule>> {
        let rules: Result<Vec<_>> = rules.iter().map(|rule| self.rule(rule)).collect();
        Ok(rules?.concat())
    }

    /// The rules of the API that mean what the rule does; none, if it matches nothing.
    fn rule(&self, form: &RuleForm) -> Result<Vec<Rule>> {
        if form.not_src_net.iter().chain(&form.not_dst_net).any(|net| net.ends_with("/0")) {
            return Ok(Vec::new());
        }
        let sets = [&form.src_ip_set_ids, &form.dst_ip_set_ids];
        let others = [&form.not_src_ip_set_ids, &form.not_dst_ip_set_ids];
        // A selector speaks of one endpoint or set, and these of several.
        ensure!(
            sets.iter().zip(others).all(|(sets, others)| sets.len() + usize::from(!others.is_empty()) <= 1),
            "several sets at one end cannot be told by a selector"
        );
        ensure!(
            form.not_protocol.is_none() || (form.icmp.is_none() && form.not_icmp.is_none()),
            "ICMP beside a protocol that must not be is not understood"
        );
        let action = Action::from(form.action.clone());
        ensure!(!matches!(action, Action::Other(_)), "{action} is no action");
        let mut rule = Rule::new(action);
        rule.protocol = form.protocol.as_ref().map(ProtocolForm::protocol);
        rule.not_protocol = form.not_protocol.as_ref().map(ProtocolForm::protocol);
        rule.source = end(
            [&form.src_net, &form.not_src_net],
            [&form.src_ip_set_ids, &form.not_src_ip_set_ids],
            [&form.src_ports, &form.not_src_ports],
            &form.src_named_port_ip_set_ids,
        );
        rule.destination = end(
            [&form.dst_net, &form.not_dst_net],
            [&form.dst_ip_set_ids, &form.not_dst_ip_set_ids],
            [&form.dst_ports, &form.not_dst_ports],
            &form.dst_named_port_ip_set_ids,
        );
        let mut rules = vec![rule];
        if form.protocol.is_none() {
            let lists = [&form.src_ports, &form.dst_ports, &form.not_src_ports, &form.not_dst_ports];
            if lists.iter().any(|ports| !ports.is_empty()) {
                // The API asks what the ports are of; here, they are of whatever has ports.
                let protocols = [Protocol::TCP, Protocol::UDP, Protocol::SCTP];
                let of = |protocol| rules.iter().cloned().map(move |rule| with_protocol(rule, protocol));
                rules = protocols.into_iter().flat_map(of).collect();
            }
            let icmp = self.case.icmp();
            if let Some(wanted) = form.icmp {
                for rule in &mut rules {
                    rule.protocol = Some(Protocol::Number(icmp));
                    rule.icmp = Some(wanted.fields());
                }
            }
            if let Some(unwanted) = form.not_icmp {
                let mut others = rules.clone();
                for rule in &mut others {
                    rule.not_protocol = Some(Protocol::Number(icmp));
                }
                for rule in &mut rules {
                    rule.protocol = Some(Protocol::Number(icmp));
                    rule.not_icmp = Some(unwanted.fields());
                }
                rules.extend(others);
            }
        }
        Ok(rules)
    }
}

fn with_protocol(mut rule: Rule, protocol: u8) -> Rule {
    rule.protocol = Some(Protocol::Number(protocol));
    rule
}

impl ProtocolForm {
    fn protocol(&self) -> Protocol {
        match &self.protocol {
            ProtocolName::Name(name) => Protocol::Name(name.clone()),
            ProtocolName::Number(number) => Protocol::Number(*number),
        }
    }
}

impl IcmpForm {
    fn fields(self) -> IcmpFields {
        let (kind, code) = match self {
            Self::Both { type_code } => (type_code.r#type, Some(i64::from(type_code.code))),
            Self::Type { r#type } => (r#type, None),
        };
        IcmpFields { kind: Some(i64::from(kind)), code, ..IcmpFields::default() }
    }
}

/// One end of a rule; of each pair, the second is what must not be.
fn end(
    [nets, not_nets]: [&Vec<String>; 2],
    [sets, not_sets]: [&Vec<String>; 2],
    [ports, not_ports]: [&Vec<RangeForm>; 2],
    named_ports: &[String],
) -> EntityRule {
    let selector = |sets: &[String], glue: &str| {
        let terms: Vec<_> = sets.iter().map(|id| format!("has(set.{id})")).collect();
        (!terms.is_empty()).then(|| terms.join(glue))
    };
    let numbers = |ports: &[RangeForm]| -> Vec<Port> {
        ports.iter().map(|range| Port::Range { min: range.first, max: range.last }).collect()
    };
    let names: BTreeSet<_> = named_ports.iter().cloned().collect();
    EntityRule {
        nets: nets.clone(),
        not_nets: not_nets.clone(),
        // An address must be in the set, or in none.
        selector: selector(sets, " && "),
        not_selector: selector(not_sets, " || "),
        ports: names.into_iter().map(Port::Named).chain(numbers(ports)).collect(),
        not_ports: numbers(not_ports),
        ..EntityRule::default()
    }
}

impl PacketForm {
    fn flow(&self) -> Flow {
        let (source_port, destination_port) = (self.sport, self.dport);
        let transport = match (self.protocol, self.src) {
            (Protocol::TCP, _) => Transport::Tcp { source_port, destination_port },
            (Protocol::UDP, _) => Transport::Udp { source_port, destination_port },
            (Protocol::SCTP, _) => Transport::Sctp { source_port, destination_port },
            (Protocol::ICMP, IpAddr::V4(_)) | (Protocol::ICMPV6, IpAddr::V6(_)) => {
                Transport::Icmp { kind: self.icmp_type, code: self.icmp_code }
            }
            (other, _) => Transport::Other(other),
        };
        let mut flow = Flow::new(self.src, self.dst, transport);
        flow.from_host = self.from_host;
        flow
    }
}
