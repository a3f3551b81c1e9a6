//! Names reach rule text, comments, user data and the names of chains, sets and counters: whatever they are, there is as
//! much of everything as with plain names.

use std::collections::BTreeMap;

use tortie_nft_wire::{Entry, Family, Socket};
use tortie_policy::model::{GlobalNetworkSetSpec, HostEndpointSpec, NetworkPolicySpec, ProfileSpec};
use tortie_policy::nftables::{self, Options, OptionsError, Ruleset};
use tortie_policy::{
    Endpoint, EndpointFault, EndpointSlice, FieldErrorKind, HostAction, Inputs, NamedPort, PolicyKey,
    PolicyKind, ServiceKey, ServicePort, compile, resolve,
};

use crate::lab::{Place, enter, nft, ruleset};
use crate::transaction::settle;
use crate::{endpoint, host, program};

/// Ends of quotes, blocks, lines and texts, commands of nft and of a shell, and what is drawn otherwise than it is written.
const HOSTILE: [&str; 18] = [
    "\"",
    "\" drop\n\t}\n\tchain evil { type filter hook input priority -400; policy accept; accept\n\t}\n#",
    "}\n}\nflush ruleset\ntable inet tortie {\n",
    "; drop; ",
    "{ 1.2.3.4 }",
    "# comment",
    "*",
    "include \"/etc/passwd\"",
    "$(reboot)`reboot`$PATH",
    "\\\" accept \\",
    "\\",
    "\0null\0",
    "\r\n\t\u{b}\u{1b}[2J",
    "\u{202e}gnp.exe\u{2066}",
    "\u{1f600}\u{10ffff}",
    "é\u{301}ß",
    "../../etc/passwd",
    "",
];

/// All that has a name, of a part that is the same always, and one that is not.
fn inputs(hostile: &str) -> (Inputs, Vec<String>) {
    let named = |name: &str| format!("{name}{hostile}");
    let mut inputs = Inputs::new();
    let mut faults = Vec::new();
    let mut told = |found: Vec<tortie_policy::FieldError>| {
        faults.extend(found.into_iter().map(|fault| fault.path().to_string()));
    };
    let allow: ProfileSpec =
        serde_json::from_str(r#"{ "ingress": [{ "action": "Deny" }], "egress": [{ "action": "Allow" }] }"#)
            .unwrap();
    told(inputs.insert_profile(&named("kns."), &allow));
    let tier = serde_json::from_str(r#"{ "order": 5 }"#).unwrap();
    told(inputs.insert_tier(&named("tier"), &tier));
    let port = |name: String| NamedPort { name, protocol: 6, port: 80 };
    for number in 1..=2 {
        inputs.insert_endpoint(Endpoint {
            id: named(&format!("pod-{number}")),
            namespace: Some(named("ns")),
            service_account: Some(named("account")),
            labels: [("app".into(), named("web")), (named("key"), named("value"))].into(),
            profiles: vec![named("kns."), named("unknown")],
            ports: vec![port(named("http")), port("http".into())],
            ..endpoint(number, &[])
        });
    }
    let nets = GlobalNetworkSetSpec { nets: vec!["192.0.2.0/24".into()], ..GlobalNetworkSetSpec::default() };
    let labels = BTreeMap::from([(named("set"), named("value")), ("kind".into(), "set".into())]);
    told(inputs.insert_network_set(&named("set"), &labels, &nets));
    told(inputs.insert_namespaced_network_set(&named("ns"), &named("set"), &labels, &nets));
    inputs.insert_endpoint_slice(EndpointSlice {
        name: named("slice"),
        service: ServiceKey { namespace: named("ns"), name: named("service") },
        addresses: vec![[10, 0, 0, 1].into()],
        ports: vec![ServicePort { protocol: 6, port: 80 }],
    });
    inputs.insert_node(&named("node"), &labels, &[[192, 0, 2, 9].into()]);
    inputs.set_to_host(HostAction::Return);
    let host_endpoint = HostEndpointSpec {
        node: "here".into(),
        interface_name: Some("eth0".into()),
        profiles: vec![named("kns.")],
        ..HostEndpointSpec::default()
    };
    told(inputs.insert_host_endpoint(&named("host"), &labels, &host_endpoint));

    let mut spec: NetworkPolicySpec = serde_json::from_str(
        r#"{ "types": ["Ingress", "Egress"], "ingress": [
            { "action": "Log" },
            { "action": "Deny", "protocol": "TCP", "destination": { "ports": [80, "http"] } },
            { "action": "Allow", "source": { "selector": "kind == 'set'" } },
            { "action": "Allow", "source": { "nodeSelector": "kind == 'set'" } }] , "egress": [
            { "action": "Allow", "destination": { "nets": ["192.0.2.0/25"] } }] }"#,
    )
    .unwrap();
    // What can be quoted is looked for.
    let quote = if hostile.contains('"') { '\'' } else { '"' };
    spec.ingress[2].source.selector = Some(format!("kind == 'set' && app != {quote}{hostile}{quote}"));
    spec.tier = Some(named("tier"));
    let service = tortie_policy::model::ServiceMatch {
        name: named("service"),
        namespace: named("ns"),
        ..Default::default()
    };
    spec.egress[0].destination.nets.clear();
    spec.egress[0].destination.services = Some(service);
    told(inputs.insert_network_policy(&named("ns"), &named("policy"), &spec));
    let global = serde_json::from_str(
        r#"{ "types": ["Ingress"], "ingress": [{ "action": "Pass", "protocol": "UDP" }, { "action": "Deny" }] }"#,
    )
    .unwrap();
    told(inputs.insert_global_network_policy(&named("global"), &global));
    let key = PolicyKey::of_kind(PolicyKind::KubernetesClusterNetworkPolicy, None, named("cluster").as_str());
    told(inputs.insert_policy(key, &global));
    // A rule of a field that is not known, and a kind of everything that is invalid.
    let unknown = format!(r#"{{ "ingress": [{{ "action": "Deny", {}: 1 }}] }}"#, quoted(&named("field")));
    let invalid = format!(r#"{{ "tier": {}, "selector": "has(", "order": 1 }}"#, quoted(&named("other")));
    for (name, text) in [("unknown", &unknown), ("invalid", &invalid)] {
        let spec = serde_json::from_str(text).unwrap();
        let found = inputs.insert_global_network_policy(&named(name), &spec);
        assert_eq!(found.len(), 1, "{found:?}");
        // A fault is one line of text that does nothing to a terminal.
        assert!(!found[0].to_string().contains(|character: char| character.is_control()), "{found:?}");
    }
    (inputs, faults)
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// How many rules, chains, sets, maps, elements and counters a listing has.
fn counts(socket: &mut Socket) -> BTreeMap<&'static str, usize> {
    let (_, entries) = socket.ruleset(Family::INET).unwrap();
    let mut counts = BTreeMap::new();
    for (_, entry) in &entries {
        let (kind, count) = match entry {
            Entry::Table(_) => ("tables", 1),
            Entry::Chain(_) => ("chains", 1),
            Entry::Rule(_) => ("rules", 1),
            Entry::Set(_) => ("sets", 1),
            Entry::Elements { elements, .. } => ("elements", elements.len()),
            Entry::Object(_) => ("counters", 1),
            _ => ("others", 1),
        };
        *counts.entry(kind).or_default() += count;
    }
    counts
}

#[test]
fn names_get_nowhere_in_text() {
    let plain = lines(&inputs("").0);
    for hostile in HOSTILE {
        for hostile in [hostile.to_string(), hostile.repeat(300)] {
            let (inputs, faults) = inputs(&hostile);
            let text = nftables::render(&program(&inputs), &Options::default());
            assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t')), "{text}");
            if faults.is_empty() {
                assert_eq!(lines(&inputs), plain, "{hostile:?}\n{text}");
            }
            let longest = text.lines().map(str::len).max().unwrap();
            assert!(longest < 600, "{hostile:?}: {longest}");
        }
    }
}

/// How many lines begin with each word.
fn lines(inputs: &Inputs) -> BTreeMap<String, usize> {
    let text = nftables::render(&program(inputs), &Options::default());
    let mut counts = BTreeMap::new();
    for word in text.lines().filter_map(|line| line.split_whitespace().next()) {
        *counts.entry(word.to_string()).or_default() += 1;
    }
    counts
}

#[test]
fn netns_names_get_nowhere_in_the_kernel() {
    if let Place::Done = enter("names::netns_names_get_nowhere_in_the_kernel") {
        return;
    }
    let mut socket = Socket::open().unwrap();
    let mut wanted: Option<[BTreeMap<&str, usize>; 2]> = None;
    let names = [""].into_iter().chain(HOSTILE).map(str::to_string);
    // As long as names of the API can be, and longer.
    let long = HOSTILE.iter().take(6).map(|hostile| hostile.repeat(253_usize.div_ceil(hostile.len())));
    for hostile in names.chain(long).chain(["a".repeat(253), "b".repeat(4000)]) {
        let (inputs, faults) = inputs(&hostile);
        println!("{:?}: {faults:?}", hostile.chars().take(20).collect::<String>());
        let program = program(&inputs);
        let text = nftables::render(&program, &Options::default());
        assert_eq!(nft(&text), Ok(()), "{hostile:?}\n{text}");
        let as_text = counts(&mut socket);
        let is_evil = |line: &str| line.trim_start().starts_with("chain evil");
        assert!(!ruleset().lines().any(is_evil), "{}", ruleset());
        assert_eq!(nft("flush ruleset"), Ok(()));
        let mut rules = Ruleset::new(Options::default());
        rules.set_program(program);
        settle(&mut socket, &mut rules);
        assert_eq!(rules.denials().count(), 0, "{hostile:?}");
        assert!(rules.is_listed(&socket.ruleset(Family::INET).unwrap().1).unwrap(), "{hostile:?}");
        let as_messages = counts(&mut socket);
        // nft writes of them what it can read again.
        let listed = ruleset();
        assert_eq!(nft(&format!("flush ruleset\n{listed}")), Ok(()), "{hostile:?}\n{listed}");
        assert_eq!(counts(&mut socket)["rules"], as_messages["rules"], "{hostile:?}\n{listed}");
        assert_eq!(nft("flush ruleset"), Ok(()));
        let wanted = wanted.get_or_insert_with(|| [as_text.clone(), as_messages.clone()]);
        if faults.is_empty() {
            assert_eq!(*wanted, [as_text, as_messages], "{hostile:?}\n{text}");
        }
    }
}

/// The kernel takes 127 bytes of a prefix of log lines, and so do the options.
#[test]
fn netns_a_log_prefix_is_what_the_kernel_takes() {
    if let Place::Done = enter("names::netns_a_log_prefix_is_what_the_kernel_takes") {
        return;
    }
    let mut socket = Socket::open().unwrap();
    let (inputs, _) = inputs("");
    let program = program(&inputs);
    let longest = "x".repeat(127);
    for prefix in [longest.as_str(), "", "(reboot) {}; * # '`id`", "%s%n"] {
        let options = Options::default().log_prefix(prefix).unwrap();
        let text = nftables::render(&program, &options);
        assert_eq!(nft(&text), Ok(()), "{text}");
        let by_text = ruleset();
        assert_eq!(nft("flush ruleset"), Ok(()));
        let mut rules = Ruleset::new(options);
        rules.set_program(program.clone());
        settle(&mut socket, &mut rules);
        let by_messages = ruleset();
        let prefixes = |listed: &str| -> Vec<String> {
            listed
                .lines()
                .filter_map(|line| line.split_once("log"))
                .map(|(_, rest)| rest.to_string())
                .collect()
        };
        assert!(!prefixes(&by_text).is_empty());
        if !prefix.is_empty() {
            assert!(by_messages.contains(&format!("log prefix \"{prefix}\"")), "{by_messages}");
            assert!(by_text.contains(&format!("log prefix \"{prefix}\"")), "{by_text}");
        }
        assert_eq!(nft("flush ruleset"), Ok(()));
    }
    let refused =
        |prefix: &str| matches!(Options::default().log_prefix(prefix), Err(OptionsError::LogPrefix));
    let too_long = "x".repeat(128);
    for prefix in [too_long.as_str(), "\"", "\\", "$x", "a$", "a\nb", "\0", "\u{202e}", "é"] {
        assert!(refused(prefix), "{prefix:?}");
    }
}

/// A name that no interface has gets no rule, is told, and is nowhere in the text.
#[test]
fn interfaces_have_plain_names() {
    let sixteen = "cali567890123456";
    for name in HOSTILE.into_iter().chain([sixteen, "cali/0", "cali 0", ".."]) {
        let is_plain = name == "..";
        let mut inputs = Inputs::new();
        inputs.insert_endpoint(Endpoint { interface: name.into(), ..endpoint(1, &[]) });
        let resolved = resolve(&inputs, &host(), |_| true);
        let told = resolved.faults();
        assert_eq!(told.len(), usize::from(!is_plain), "{name:?}: {told:?}");
        let is_named = |fault: &EndpointFault| matches!(fault, EndpointFault::Interface { id, interface, .. } if id == "pod-1" && interface == name);
        assert!(told.iter().all(is_named), "{name:?}: {told:?}");
        if !is_plain {
            assert!(compile(&resolved).dispatch.is_empty());
            assert_eq!(
                nftables::render(&compile(&resolved), &Options::default()),
                nftables::render(&program(&Inputs::new()), &Options::default()),
                "{name:?}"
            );
        }
        let spec = HostEndpointSpec {
            node: "here".into(),
            interface_name: Some(name.into()),
            ..HostEndpointSpec::default()
        };
        let faults = inputs.insert_host_endpoint("host", &BTreeMap::new(), &spec);
        match name {
            // It stands for all of them.
            "*" | ".." => assert_eq!(faults, []),
            "" => assert_eq!(*faults[0].kind(), FieldErrorKind::NoInterface),
            _ => {
                assert_eq!(faults[0].path(), "spec.interfaceName");
                assert!(matches!(faults[0].kind(), FieldErrorKind::InterfaceName { .. }), "{faults:?}");
            }
        }
    }
}

/// Names of ports stand in no text: others than the API has are faults of the rule or host endpoint that has them.
#[test]
fn ports_have_plain_names() {
    for name in HOSTILE.into_iter().filter(|name| !name.is_empty()).chain([&*"x".repeat(129), "a b"]) {
        let spec = format!(
            r#"{{ "ingress": [{{ "action": "Allow", "protocol": "TCP", "destination": {{ "ports": [{}] }} }}] }}"#,
            quoted(name)
        );
        let read = serde_json::from_str::<NetworkPolicySpec>(&spec);
        assert!(read.is_err_and(|error| error.to_string().contains("expected a port number")), "{name:?}");
        let spec = format!(
            r#"{{ "node": "here", "interfaceName": "eth0", "ports": [{{ "name": {}, "protocol": "TCP", "port": 1 }}] }}"#,
            quoted(name)
        );
        let spec: HostEndpointSpec = serde_json::from_str(&spec).unwrap();
        let faults = Inputs::new().insert_host_endpoint("host", &BTreeMap::new(), &spec);
        assert_eq!((faults.len(), faults[0].path()), (1, "spec.ports[0].name"), "{name:?}");
    }
}
