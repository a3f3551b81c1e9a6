//! The kernel, given messages, does what the evaluator says, what the text says, and the same whatever was there before.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code: a panic is a failed test, and what is printed says what was tried"
)]

mod lab;
mod transaction;

use std::collections::BTreeMap;
use std::process::Command;

use ipnet::IpNet;
use tortie_nft_wire::{CommitError, Family, Socket};
use tortie_policy::model::GlobalNetworkSetSpec;
use tortie_policy::nftables::{self, Network, Options, Ruleset, ServiceLoop};
use tortie_policy::testing::{Choices, EAGER, World, bytes_of, inputs};
use tortie_policy::{
    Addresses, Endpoint, Flow, Host, Inputs, Match, Packet, Passes, Program, Resolver, StepAction, Transport,
    Verdict, compile, evaluate, evaluate_packet, optimise, resolve,
};

use lab::{HOST, Lab, Place, enter, nft, ruleset};
use transaction::{commit, settle};

/// Random policies whose packets are sent; ten times as many with `TORTIE_PROVE=1`.
const ROUNDS: u64 = 24;
/// Random programs that are compared as text and as messages, and changes from one to the next.
const PROGRAMS: u64 = 24;

fn prove(count: u64) -> u64 {
    if std::env::var_os("TORTIE_PROVE").is_some_and(|value| value == "1") { count * 10 } else { count }
}

fn host() -> Host {
    Host { name: "host".to_string(), interfaces: [("uplink".to_string(), vec![])].into() }
}

fn program(inputs: &Inputs, passes: &Passes) -> Program {
    optimise(&compile(&resolve(inputs, &host(), |_| true)), passes).program
}

/// What nft lists of the table: for each chain, set and map its lines. Sizes are left out, and elements are sorted.
fn listed() -> BTreeMap<String, Vec<String>> {
    let output =
        Command::new("nft").args(["-s", "-n", "list", "table", "inet", nftables::TABLE]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut blocks: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut head, mut elements) = (String::new(), None::<String>);
    for line in text.lines().map(str::trim) {
        // Behind the head of a table with an owner stands who that is.
        let line = line.split_once(" # progname").map_or(line, |(head, _)| head);
        if let Some(list) = &mut elements {
            list.push(' ');
            list.push_str(line);
        } else if let Some(name) = line.strip_suffix(" {").filter(|_| !line.contains('=')) {
            head = name.to_string();
            blocks.entry(head.clone()).or_default();
        } else if line.starts_with("elements = {") {
            elements = Some(line.to_string());
        } else if ["", "}"].contains(&line)
            || line.starts_with("size ")
            || (head.starts_with("table") && line.starts_with("flags "))
        {
            continue;
        } else {
            blocks.get_mut(&head).unwrap().push(sorted(line));
        }
        if let Some(list) = elements.take_if(|list| list.ends_with('}')) {
            blocks.get_mut(&head).unwrap().push(sorted(&list));
        }
    }
    blocks
}

/// The line with the elements of each set in order. nft puts comparisons of one ICMP header in an order of its own: words of
/// such a line are sorted, too.
fn sorted(line: &str) -> String {
    let line = with_sorted_elements(line);
    if !line.contains("icmp") {
        return line;
    }
    let mut words: Vec<&str> = line.split(' ').collect();
    words.sort_unstable();
    words.join(" ")
}

fn with_sorted_elements(line: &str) -> String {
    let Some((before, rest)) = line.split_once("{ ") else { return line.to_string() };
    let Some((list, after)) = rest.split_once(" }") else { return line.to_string() };
    let mut items: Vec<&str> = list.split(", ").map(str::trim).collect();
    items.sort_unstable();
    format!("{before}{{ {} }}{}", items.join(", "), with_sorted_elements(after))
}

#[track_caller]
fn assert_same(what: &str, one: &BTreeMap<String, Vec<String>>, other: &BTreeMap<String, Vec<String>>) {
    for name in one.keys().chain(other.keys()) {
        assert_eq!(one.get(name), other.get(name), "{what}: {name}");
    }
}

fn udp(source: core::net::IpAddr, destination: core::net::IpAddr, port: u16) -> Flow {
    Flow::udp((source, 40000).into(), (destination, port).into())
}

#[test]
fn netns_messages_meet_the_verdicts_of_the_evaluator() {
    if let Place::Done = enter("netns_messages_meet_the_verdicts_of_the_evaluator") {
        return;
    }
    let world = World { faults: false, interfaces: vec![], ..World::new() };
    let mut lab = Lab::new(&world);
    let mut socket = Socket::open().unwrap();
    let mut rules = Ruleset::new(Options::default());
    let all: Vec<_> = world.endpoints.iter().chain(&world.outside[..1]).copied().collect();
    let mut counts = [0usize; 2];
    for seed in 0..prove(ROUNDS) {
        let bytes = bytes_of(seed, 4000);
        let mut choices = Choices::new(&bytes);
        let inputs = inputs(&mut choices, &world);
        let passes = [Passes::none(), Passes::default(), EAGER][usize::try_from(seed % 3).unwrap()];
        rules.set_program(program(&inputs, &passes));
        settle(&mut socket, &mut rules);
        assert_eq!(rules.denials().count(), 0);

        let mut flows = Vec::new();
        for (index, source) in all.iter().enumerate() {
            for destination in all.iter().filter(|destination| *destination != source) {
                for family in 0..2 {
                    let (source, destination) = (source[family], destination[family]);
                    flows.push(udp(source, destination, *choices.one(&world.ports)));
                    if choices.once_in(8) {
                        let port = *choices.one(&world.ports[..4]);
                        flows.push(Flow::tcp((source, 50000).into(), (destination, port).into()));
                    }
                    if choices.once_in(8) {
                        let kind = if source.is_ipv4() { 8 } else { 128 };
                        flows.push(Flow::new(source, destination, Transport::Icmp { kind, code: 0 }));
                    }
                }
            }
            flows.push(udp(source[index % 2], HOST[index % 2], 80));
        }
        let expected = |flow: &Flow| {
            let to_host = HOST.contains(&flow.destination) && inputs.endpoint_at(flow.source).is_some();
            evaluate(&inputs, flow).verdict == Verdict::Allow && !to_host
        };
        let flows: Vec<_> = flows.into_iter().map(|flow| (flow, expected(&flow))).collect();
        let arrived = lab.send(&flows);
        for ((flow, expected), arrived) in flows.iter().zip(arrived) {
            counts[usize::from(arrived)] += 1;
            assert_eq!(
                arrived,
                *expected,
                "seed {seed}: arrived, expected\n{}\n{}",
                evaluate(&inputs, flow),
                ruleset()
            );
        }
    }
    println!("{} packets arrived, {} did not", counts[1], counts[0]);
    assert!(counts.iter().all(|count| *count > 300), "too few of one kind: {counts:?}");
}

/// Datagrams only: untracked policy judges replies too.
#[test]
fn netns_messages_meet_the_verdicts_of_host_endpoints() {
    if let Place::Done = enter("netns_messages_meet_the_verdicts_of_host_endpoints") {
        return;
    }
    let world = World { faults: false, interfaces: ["uplink", "*"].map(String::from).into(), ..World::new() };
    let mut lab = Lab::new(&world);
    let mut socket = Socket::open().unwrap();
    let mut rules = Ruleset::new(Options::default());
    let place = |address: core::net::IpAddr| {
        let pod = world.endpoints.iter().position(|pair| pair.contains(&address));
        let outside = world.outside.iter().flatten().any(|other| *other == address);
        match pod {
            Some(index) => tortie_policy::Place::Workload(&world.links[index]),
            None if outside => tortie_policy::Place::Interface("uplink"),
            None => tortie_policy::Place::Host,
        }
    };
    let all: Vec<_> =
        world.endpoints[..2].iter().chain(&world.outside[..1]).chain([&HOST]).copied().collect();
    let mut counts = [0usize; 2];
    for seed in 2000..2000 + prove(ROUNDS * 2) {
        let bytes = bytes_of(seed, 5000);
        let mut choices = Choices::new(&bytes);
        let inputs = inputs(&mut choices, &world);
        let passes = if seed % 2 == 0 { Passes::none() } else { EAGER };
        rules.set_program(program(&inputs, &passes));
        settle(&mut socket, &mut rules);
        let mut flows = Vec::new();
        for source in &all {
            for destination in all.iter().filter(|destination| *destination != source) {
                for family in 0..2 {
                    let flow = udp(source[family], destination[family], *choices.one(&world.ports));
                    let packet = Packet::new(place(flow.source), place(flow.destination), flow);
                    let evaluation = evaluate_packet(&inputs, &host(), |_| true, &packet);
                    flows.push((flow, evaluation.verdict == Verdict::Allow, evaluation));
                }
            }
        }
        let sent: Vec<_> = flows.iter().map(|(flow, expected, _)| (*flow, *expected)).collect();
        for ((_, expected, evaluation), arrived) in flows.iter().zip(lab.send(&sent)) {
            counts[usize::from(arrived)] += 1;
            assert_eq!(arrived, *expected, "seed {seed}: arrived, expected\n{evaluation}\n{}", ruleset());
        }
    }
    println!("{} packets arrived, {} did not", counts[1], counts[0]);
    assert!(counts.iter().all(|count| *count > 200), "too few of one kind: {counts:?}");
}

/// Networks of every kind.
fn network(seed: u64) -> Network {
    let nets = |nets: &[&str]| nets.iter().map(|net| net.parse().unwrap()).collect::<Vec<IpNet>>();
    let mut network = Network::new().pools(nets(&["10.0.0.0/16", "192.168.0.0/24", "fd00::/64"]));
    if seed & 1 > 0 {
        network = network.masqueraded(nets(&["10.0.0.0/16", "10.9.0.0/24", "fd00::/64"]));
    }
    if seed & 2 > 0 {
        network = network.excluded(nets(&["192.0.2.1/32", "2001:db8::1/128"])).interface("upl+").unwrap();
    }
    if seed & 4 > 0 {
        network = network.ports(if seed & 8 > 0 { 2000..=2999 } else { 2000..=2000 });
    }
    if seed & 8 > 0 {
        let addresses = ["192.0.2.200", "2001:db8::200"].map(|address| address.parse().unwrap());
        network = network.address(addresses[0]).address(addresses[1]);
    }
    if seed & 16 > 0 {
        network = network.interface("uplink").unwrap();
    }
    let actions = [ServiceLoop::Drop, ServiceLoop::Reject, ServiceLoop::Pass];
    let services = if seed % 5 > 0 { &["10.96.0.0/12", "fd96::/108"][..] } else { &[] };
    network.services(nets(services)).service_loop(actions[usize::try_from(seed % 3).unwrap()])
}

#[test]
fn netns_text_and_messages_make_the_same_table() {
    if let Place::Done = enter("netns_text_and_messages_make_the_same_table") {
        return;
    }
    let mut socket = Socket::open().unwrap();
    let mut lines = 0;
    for seed in 0..prove(PROGRAMS) {
        let bytes = bytes_of(seed + 1000, 4000);
        let inputs = inputs(&mut Choices::new(&bytes), &World::new());
        let passes = if seed % 2 == 0 { Passes::none() } else { EAGER };
        let program = program(&inputs, &passes);
        let comment = if seed % 2 == 0 { "" } else { "cluster f0f0" };
        let options = Options::default().comment(comment).unwrap().network(network(seed));
        let text = nftables::render(&program, &options);
        if let Err(error) = nft(&text) {
            panic!("{error}\n{text}");
        }
        let by_text = listed();
        let mut rules = Ruleset::new(options);
        rules.set_program(program);
        commit(&mut socket, &mut rules);
        let by_messages = listed();
        assert_same(&format!("seed {seed}: by text, by messages"), &by_text, &by_messages);
        lines += by_text.values().map(Vec::len).sum::<usize>();
    }
    println!("{lines} lines are the same");
    assert!(lines > 1000);
}

#[test]
fn netns_changes_make_what_a_fresh_table_is() {
    if let Place::Done = enter("netns_changes_make_what_a_fresh_table_is") {
        return;
    }
    let mut socket = Socket::open().unwrap();
    let mut rules = Ruleset::new(Options::default());
    let world = World::new();
    for seed in 0..prove(PROGRAMS) {
        let bytes = bytes_of(seed / 4 + 2000, 4000);
        let mut inputs = inputs(&mut Choices::new(&bytes), &world);
        // Neighbours differ by little, every fourth by all.
        let mut choices = bytes_of(seed + 3000, 64);
        for index in 0..6 {
            if choices.pop().unwrap() % 3 == 0 {
                inputs.remove_endpoint(&format!("host-{}/pod-{index}", index % 2));
            }
        }
        let passes = [Passes::none(), EAGER][usize::try_from(seed / 4 % 2).unwrap()];
        let program = program(&inputs, &passes);
        rules.set_program(program.clone());
        rules.set_network(network(seed));
        if rules.poll_batch().unwrap().is_some() {
            commit(&mut socket, &mut rules);
        }
        let changed = listed();
        let (_, entries) = socket.ruleset(Family::INET).unwrap();
        assert!(rules.is_listed(&entries).unwrap(), "seed {seed}: what is read is what was sent");
        rules.set_program(program.clone());
        assert!(rules.poll_batch().unwrap().is_none(), "the same again is nothing");
        rules.set_network(network(seed));
        assert!(rules.is_settled());
        let mut other = Ruleset::new(Options::default().network(network(seed)));
        other.set_program(program);
        commit(&mut socket, &mut other);
        assert_same(&format!("seed {seed}: changed, fresh"), &changed, &listed());
    }
}

/// The same, with a resolver that tells what has changed: endpoints and network sets come, change and go.
#[test]
fn netns_deltas_make_what_a_fresh_table_is() {
    if let Place::Done = enter("netns_deltas_make_what_a_fresh_table_is") {
        return;
    }
    let mut socket = Socket::open().unwrap();
    let mut batches = 0;
    for seed in 0..prove(4) {
        let mut rules = Ruleset::new(Options::default());
        let mut program = Program::default();
        let mut resolver = Resolver::new(Host::new("host"), |endpoint| endpoint.id.starts_with("host-0/"));
        let bytes = bytes_of(seed + 4000, 4000);
        let mut choices = Choices::new(&bytes);
        resolver.set_in_sync();
        for selector in ["app == 'web'", "app in {'web', 'db'}", "kind == 'outside'", "all()"] {
            let rule = |ports: &str| {
                format!(
                    r#"{{ "action": "Allow", "protocol": "TCP", "source": {{ "selector": "{selector}" }}{ports} }}"#
                )
            };
            let ports = r#", "destination": { "ports": [80, 443, "8000:8999"] }"#;
            let spec =
                format!(r#"{{ "selector": "{selector}", "ingress": [{}, {}] }}"#, rule(""), rule(ports));
            let spec = serde_json::from_str(&spec).unwrap();
            assert!(resolver.insert_global_network_policy(selector, &spec).is_empty());
        }
        for step in 0..30_u8 {
            for _ in 0..=choices.below(3) {
                let number = choices.below(12);
                let last = u8::try_from(number).unwrap() + 1;
                if choices.once_in(3) {
                    let nets =
                        ["192.0.2.0/24", "198.51.100.0/25", "203.0.113.0/26", "10.0.0.64/27", "10.0.0.96/32"];
                    let nets = nets.map(str::to_string);
                    let nets = nets[..=choices.below(nets.len())].to_vec();
                    let spec = GlobalNetworkSetSpec { nets, ..GlobalNetworkSetSpec::default() };
                    let labels = BTreeMap::from([("kind".to_string(), "outside".to_string())]);
                    assert!(
                        resolver
                            .insert_network_set(&format!("set-{}", number % 2), &labels, &spec)
                            .is_empty()
                    );
                } else if choices.once_in(4) {
                    resolver.remove_endpoint(&format!("host-{}/pod-{number}", number % 2));
                } else {
                    resolver.insert_endpoint(&Endpoint {
                        id: format!("host-{}/pod-{number}", number % 2),
                        interface: format!("cali{number}"),
                        labels: BTreeMap::from([(
                            "app".to_string(),
                            (*choices.one(&["web", "db", "x"])).to_string(),
                        )]),
                        // IPv6 begins and ends with one of them.
                        addresses: [core::net::IpAddr::from([10, 0, 0, last])]
                            .into_iter()
                            .chain((number == 11).then(|| "fd00::b".parse().unwrap()))
                            .collect(),
                        ..Endpoint::default()
                    });
                }
            }
            let delta = resolver.flush();
            program.apply(delta.clone());
            rules.apply(delta);
            batches += settle(&mut socket, &mut rules);
            if step % 3 == 0 {
                let changed = listed();
                let mut other = Ruleset::new(Options::default());
                other.set_program(program.clone());
                commit(&mut socket, &mut other);
                assert_same(&format!("seed {seed}, step {step}: changed, fresh"), &changed, &listed());
                // The other has made the table anew, and so it is as this one left it.
            }
        }
    }
    println!("{batches} batches");
    assert!(batches > 40);
}

/// A chain that the kernel refuses denies the endpoints that it is for, and no others.
#[test]
fn netns_a_refused_chain_denies_its_own_endpoint() {
    if let Place::Done = enter("netns_a_refused_chain_denies_its_own_endpoint") {
        return;
    }
    let world = World::new();
    let mut lab = Lab::new(&world);
    let mut socket = Socket::open().unwrap();
    let mut inputs = Inputs::new();
    for (index, addresses) in world.endpoints.iter().enumerate() {
        inputs.insert_endpoint(Endpoint {
            id: format!("host/pod-{index}"),
            interface: world.links[index].clone(),
            labels: BTreeMap::from([("pod".to_string(), index.to_string())]),
            addresses: addresses.to_vec(),
            ..Endpoint::default()
        });
    }
    let allow = r#"{ "selector": "all()", "types": ["Ingress", "Egress"], "ingress": [{ "action": "Allow" }], "egress": [{ "action": "Allow" }] }"#;
    assert!(inputs.insert_global_network_policy("open", &serde_json::from_str(allow).unwrap()).is_empty());
    let one = r#"{ "selector": "pod == '1'", "ingress": [{ "action": "Allow", "source": { "selector": "pod == '0'" } }, { "action": "Allow" }] }"#;
    assert!(inputs.insert_global_network_policy("one", &serde_json::from_str(one).unwrap()).is_empty());
    // The set of this has members, and is full with none.
    let all = [0, 1, 2].map(|index| world.endpoints[index][0]);
    let flows = |open: bool| {
        vec![
            (udp(all[0], all[1], 80), open),
            (udp(all[1], all[0], 80), open),
            (udp(all[0], all[2], 80), true),
            (udp(all[2], all[0], 81), true),
        ]
    };
    let check = |lab: &mut Lab, what: &str, open: bool| {
        let flows = flows(open);
        let arrived = lab.send(&flows);
        let wanted: Vec<bool> = flows.iter().map(|(_, open)| *open).collect();
        assert_eq!(arrived, wanted, "{what}\n{}", ruleset());
    };
    let denied =
        |rules: &Ruleset| rules.denials().map(|denial| denial.interface.to_string()).collect::<Vec<_>>();

    let mut rules = Ruleset::new(Options::default().max_set_len(0));
    rules.set_program(program(&inputs, &Passes::none()));
    settle(&mut socket, &mut rules);
    assert_eq!(denied(&rules), ["cali1"], "its set is full");
    check(&mut lab, "a full set", false);

    let mut rules = Ruleset::new(Options::default());
    let mut program = program(&inputs, &Passes::none());
    rules.set_program(program.clone());
    settle(&mut socket, &mut rules);
    assert_eq!(denied(&rules), Vec::<String>::new());
    check(&mut lab, "all is well", true);

    // More than the 128 expressions that a rule may have: it cannot be written.
    let key = program.chains.iter().find(|(_, chain)| {
        chain.steps.iter().any(|step| {
            step.origin.as_ref().is_some_and(|origin| origin.to_string().contains("one ingress[0]"))
        })
    });
    let (key, chain) = key.map(|(key, chain)| (key.clone(), chain.clone())).unwrap();
    let mut long = (*chain).clone();
    let matches = long.steps[0].matches.clone();
    long.steps[0].matches = matches.iter().cycle().take(matches.len() * 100).cloned().collect();
    program.chains.insert(key.clone(), std::sync::Arc::new(long));
    rules.set_program(program.clone());
    settle(&mut socket, &mut rules);
    assert_eq!(denied(&rules), ["cali1"], "its chain cannot be written");
    check(&mut lab, "a chain that cannot be written", false);

    // No prefix of full length can be in a set twice; so the kernel refuses intervals that overlap. Fewer would need no set.
    let mut wrong = (*chain).clone();
    let others = (0..9).map(|n| format!("10.{}.0.0/16", 100 + 2 * n));
    let nets = ["10.0.0.0/8".to_string(), "10.0.0.0/9".to_string()].into_iter().chain(others);
    let overlapping: Vec<IpNet> = nets.map(|net| net.parse().unwrap()).collect();
    for step in &mut wrong.steps {
        for wanted in &mut step.matches {
            if let Match::Address { addresses, .. } = wanted {
                *addresses = Addresses::Nets(overlapping.clone().into());
            }
        }
    }
    program.chains.insert(key.clone(), std::sync::Arc::new(wrong));
    rules.set_program(program.clone());
    settle(&mut socket, &mut rules);
    assert_eq!(denied(&rules), ["cali1"], "its set cannot be written");
    check(&mut lab, "a set that cannot be written", false);

    // A chain that leads back to where it comes from: this only the kernel finds, and it does not say where.
    let mut wrong = (*chain).clone();
    let list = program.dispatch.get("cali1").unwrap().ingress.clone();
    wrong.steps.iter_mut().for_each(|step| step.action = StepAction::Jump(list.clone()));
    program.chains.insert(key.clone(), std::sync::Arc::new(wrong));
    rules.set_program(program.clone());
    let batches = settle(&mut socket, &mut rules);
    println!("{batches} batches to find who jumps in a circle");
    assert_eq!(denied(&rules), ["cali1"], "its chain is refused");
    check(&mut lab, "a refused chain", false);

    program.chains.insert(key, chain);
    rules.set_program(program);
    settle(&mut socket, &mut rules);
    assert_eq!(denied(&rules), Vec::<String>::new(), "it has changed, so it is tried again");
    check(&mut lab, "it is mended", true);
}

/// Somebody else flushes everything; a table that belongs to our socket stays, and one that does not is made again.
#[test]
fn netns_a_flush_by_another_is_survived_or_mended() {
    if let Place::Done = enter("netns_a_flush_by_another_is_survived_or_mended") {
        return;
    }
    let bytes = bytes_of(1001, 4000);
    let program = program(&inputs(&mut Choices::new(&bytes), &World::new()), &EAGER);
    for owned in [false, true] {
        let mut socket = Socket::open().unwrap();
        let mut rules = Ruleset::new(Options::default().owned(owned));
        rules.set_program(program.clone());
        let batch = rules.poll_batch().unwrap().unwrap();
        match socket.commit(batch) {
            Ok(()) => rules.confirm(),
            Err(error) if owned => return println!("no tables with owners here: {error}"),
            Err(error) => panic!("{error}"),
        }
        let before = listed();
        assert_eq!(nft("flush ruleset"), Ok(()));
        assert_eq!(!ruleset().is_empty(), owned);
        let is_listed = |socket: &mut Socket, rules: &Ruleset| {
            rules.is_listed(&socket.ruleset(Family::INET).unwrap().1).unwrap()
        };
        assert_eq!(is_listed(&mut socket, &rules), owned);
        rules.forget();
        commit(&mut socket, &mut rules);
        assert_same("before the flush, after it", &before, &listed());
        assert!(is_listed(&mut socket, &rules));
        if !owned {
            assert_eq!(nft("add rule inet tortie judge-ingress accept"), Ok(()));
            assert!(!is_listed(&mut socket, &rules), "a rule more");
            assert_eq!(nft("flush chain inet tortie judge-ingress"), Ok(()));
            assert!(!is_listed(&mut socket, &rules), "rules less");
        }
        // Its owner dies; whoever comes takes the table over, as it takes over one without an owner.
        drop(socket);
        let mut socket = Socket::open().unwrap();
        let mut heir = Ruleset::new(Options::default().owned(owned));
        heir.set_program(program.clone());
        commit(&mut socket, &mut heir);
        assert_same("before the death, after it", &before, &listed());
        let mut batch = Ruleset::lockdown(&Options::default()).unwrap();
        assert!(
            matches!(Socket::open().unwrap().commit(&mut batch), Err(CommitError::Refused(_))),
            "a table is there"
        );
        let mut batch = Ruleset::remove(&Options::default().owned(owned)).unwrap();
        socket.commit(&mut batch).unwrap();
        assert_eq!(ruleset(), "");
        Socket::open().unwrap().commit(&mut Ruleset::lockdown(&Options::default()).unwrap()).unwrap();
        let by_messages = listed();
        assert_eq!(nft(&nftables::remove(&Options::default())), Ok(()));
        assert_eq!(nft(&nftables::lockdown(&Options::default())), Ok(()));
        assert_same("locked down by text, by messages", &listed(), &by_messages);
        assert_eq!(nft(&nftables::remove(&Options::default())), Ok(()));
    }
}

#[test]
fn netns_sets_and_maps_take_more_than_they_had_room_for() {
    let Place::Inside = enter("netns_sets_and_maps_take_more_than_they_had_room_for") else { return };
    let mut resolver = Resolver::new(host(), |endpoint: &Endpoint| endpoint.id.starts_with("here/"));
    let spec = r#"{ "selector": "app == 'db'", "ingress": [{ "action": "Allow", "source": { "selector": "app == 'web'" } }] }"#;
    let spec = serde_json::from_str(spec).unwrap();
    assert!(resolver.insert_network_policy("shop", "db", &spec).is_empty());
    let endpoint = |host: &str, app: &str, n: u32| Endpoint {
        id: format!("{host}/{app}-{n}"),
        interface: format!("cali{n}"),
        namespace: Some("shop".into()),
        labels: [("app".into(), app.into())].into(),
        addresses: vec![core::net::Ipv4Addr::from(0x0a00_0000 + n).into()],
        ..Endpoint::default()
    };
    resolver.insert_endpoint(&endpoint("here", "db", 0));
    resolver.set_in_sync();
    let (mut socket, mut rules) = (Socket::open().unwrap(), Ruleset::new(Options::default()));
    let mut members = 0_u32..0;
    let mut step = |wished: core::ops::Range<u32>, locals: u32, most: usize| {
        for n in members.clone().filter(|n| !wished.contains(n)) {
            resolver.remove_endpoint(&format!("there/web-{n}"));
        }
        wished.clone().for_each(|n| resolver.insert_endpoint(&endpoint("there", "web", n)));
        (0..locals).for_each(|n| resolver.insert_endpoint(&endpoint("here", "db", n + 100_000)));
        members = wished.clone();
        rules.apply(resolver.flush());
        let batches = settle(&mut socket, &mut rules);
        assert!(batches <= most, "{batches} batches");
        assert_eq!(rules.denials().count(), 0);
        // To list takes long.
        if !wished.len().is_multiple_of(20) {
            return;
        }
        let held = listed();
        let elements = |name: &str| {
            let (_, lines) = held.iter().find(|(head, _)| head.contains(name)).unwrap();
            let commas: usize = lines.iter().map(|line| line.matches(", ").count()).sum();
            commas + usize::from(lines.iter().any(|line| line.contains("elements")))
        };
        assert_eq!(elements("set ip4-s"), wished.len());
    };
    step(0..10, 0, 1);
    // More at once than there is room for.
    step(0..200, 0, 2);
    // One by one, room is made in time.
    for count in 201..420 {
        step(0..count, 0, 1);
    }
    // All others at once: those that go are counted until the end.
    step(1_000..1_420, 0, 2);
    // Of the maps, too.
    step(1_000..1_420, 300, 2);
}
