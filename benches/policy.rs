//! Policy: the verdict of one flow by the compiled program and by the reference evaluator, and the way from policies to
//! the text of an nftables table.
//!
//! Input: 100 policies of 10 rules in each direction, 500 endpoints in 10 namespaces, of which 50 are local; 2,000 flows
//! between local endpoints. An element of `policy/verdict` is one flow; of the others, one of the 2,000 rules.
//! `compile_rule` and `render_rule` have as many rules of the reference system's own benchmark, all on one endpoint: from what
//! is resolved to netlink messages (of that, `compile_program` is the rule program alone), and from the rule program to text.
//! The evaluator is the naive twin: it asks every policy, every time. What the reference system takes for the text of
//! one rule alone, calico@87c15906f2 felix/rules with Go 1.26.5 on two cores of a Xeon, is 16.0 us.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use core::hint::black_box;
use std::collections::BTreeMap;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tortie_benches::fixtures::{Fnv1a, policies};
use tortie_benches::report::Row;
use tortie_policy::{
    Endpoint, Flow, Host, Inputs, Packet, Place, Program, Verdict, compile, evaluate, interpret, nftables,
    resolve,
};

const POLICIES: usize = 100;
const ENDPOINTS: usize = 500;
/// One endpoint in so many is local. No divisor of the number of namespaces, so that all of them have local endpoints.
const STEP: usize = 9;
const FLOWS: usize = 2000;

fn inputs() -> Inputs {
    let mut inputs = Inputs::new();
    for n in 0..ENDPOINTS {
        inputs.insert_endpoint(Endpoint {
            id: format!("node-{}/pod-{n}", n % STEP),
            interface: format!("cali{n:08x}"),
            namespace: Some(policies::namespace(n)),
            labels: BTreeMap::from([("app".into(), policies::app(n))]),
            profiles: vec![format!("kns.{}", policies::namespace(n))],
            addresses: vec![policies::address(n).into()],
            ..Endpoint::default()
        });
    }
    for n in 0..policies::NAMESPACES {
        let spec = r#"{ "ingress": [{ "action": "Allow" }], "egress": [{ "action": "Allow" }] }"#;
        let name = format!("kns.{}", policies::namespace(n));
        assert!(inputs.insert_profile(&name, &serde_json::from_str(spec).unwrap()).is_empty());
    }
    for n in 0..POLICIES {
        let spec = serde_json::from_str(&policies::policy(n)).unwrap();
        let faults = inputs.insert_network_policy(&policies::namespace(n), &format!("policy-{n}"), &spec);
        assert!(faults.is_empty(), "{faults:?}");
    }
    inputs
}

fn is_local(endpoint: &Endpoint) -> bool {
    endpoint.id.starts_with("node-0/")
}

fn program(inputs: &Inputs) -> Program {
    compile(&resolve(inputs, &Host::new("node-0"), is_local))
}

fn flows(inputs: &Inputs) -> Vec<(Flow, String, String)> {
    let interface = |address| inputs.endpoint_at(address).unwrap().interface.clone();
    policies::flows(FLOWS, ENDPOINTS, STEP, 8)
        .into_iter()
        .map(|(source, destination, tcp)| {
            let flow = if tcp { Flow::tcp(source, destination) } else { Flow::udp(source, destination) };
            (flow, interface(source.ip()), interface(destination.ip()))
        })
        .collect()
}

fn verdict(criterion: &mut Criterion) {
    let inputs = inputs();
    let program = program(&inputs);
    let flows = flows(&inputs);
    let by_program = || {
        let verdict = |(flow, from, to): &(Flow, String, String)| {
            let packet = Packet::new(Place::Workload(from), Place::Workload(to), *flow);
            interpret(&program, &packet).verdict()
        };
        flows.iter().map(verdict).collect::<Vec<_>>()
    };
    let by_evaluator = || flows.iter().map(|(flow, ..)| evaluate(&inputs, flow).verdict).collect::<Vec<_>>();
    let verdicts = by_program();
    assert_eq!(verdicts, by_evaluator());
    let allowed = verdicts.iter().filter(|verdict| **verdict == Verdict::Allow).count();
    assert!((FLOWS / 10..FLOWS * 9 / 10).contains(&allowed), "{allowed} of {FLOWS} allowed proves little");

    const WORK: &str = "policy/verdict";
    let (tortie, evaluator) = (Row::tortie(WORK, "tortie"), Row::twin(WORK));
    // Both came to the same verdicts, just now.
    tortie.check(allowed);
    evaluator.check(allowed);
    let mut group = criterion.benchmark_group(WORK);
    group.sample_size(10).throughput(Throughput::Elements(FLOWS as u64));
    group.bench_function(tortie.name(), |bencher| bencher.iter(|| black_box(by_program())));
    group.bench_function(evaluator.name(), |bencher| bencher.iter(|| black_box(by_evaluator())));
    group.finish();
}

/// A sum of all that is in a text.
fn sum(text: &str) -> u64 {
    Fnv1a::of_lines(text.lines())
}

fn text(criterion: &mut Criterion) {
    let inputs = inputs();
    let options = nftables::Options::default();
    let compiled = program(&inputs);
    let resolved = Row::tortie("policy/resolve", "tortie");
    let whole = Row::tortie("policy/resolve_compile", "tortie");
    let rendered = Row::tortie("policy/render", "tortie");
    let text = nftables::render(&compiled, &options);
    resolved.check(sum(&format!("{:?}", resolve(&inputs, &Host::new("node-0"), is_local))));
    whole.check(sum(&format!("{:?}", program(&inputs))));
    rendered.check(sum(&text));
    let mut measure = |row: Row<'_>, work: &dyn Fn()| {
        let mut group = criterion.benchmark_group(row.work());
        group.sample_size(10).throughput(Throughput::Elements((POLICIES * policies::RULES * 2) as u64));
        group.bench_function(row.name(), |bencher| bencher.iter(work));
        group.finish();
    };
    measure(resolved, &|| drop(black_box(resolve(&inputs, &Host::new("node-0"), is_local))));
    measure(whole, &|| drop(black_box(program(&inputs))));
    measure(rendered, &|| drop(black_box(nftables::render(&compiled, &options))));
}

/// From the rules of policies to the program, to the messages of a table that is made anew, and to text, a rule.
fn rules(criterion: &mut Criterion) {
    let mut inputs = Inputs::new();
    inputs.insert_endpoint(Endpoint {
        id: "node-0/pod".into(),
        interface: "cali0".into(),
        addresses: vec![policies::address(0).into()],
        ..Endpoint::default()
    });
    // Each set has a member: rules that speak of an empty one are left out.
    for n in 0..policies::SETS {
        inputs.insert_endpoint(Endpoint {
            id: format!("node-1/pod-{n}"),
            labels: BTreeMap::from([("set".into(), policies::set(n))]),
            addresses: vec![policies::address(1 + n).into()],
            ..Endpoint::default()
        });
    }
    for n in 0..POLICIES {
        let spec = serde_json::from_str(&policies::uniform_policy(n)).unwrap();
        let faults = inputs.insert_global_network_policy(&format!("policy-{n}"), &spec);
        assert!(faults.is_empty(), "{faults:?}");
    }
    let options = nftables::Options::default();
    let resolved = resolve(&inputs, &Host::new("node-0"), is_local);
    let program = compile(&resolved);
    let messages = || {
        let mut ruleset = nftables::Ruleset::new(options.clone());
        ruleset.set_program(compile(&resolved));
        ruleset.poll_batch().unwrap().map(|batch| (batch.len(), batch.len_octets())).unwrap()
    };
    let (compiled, to_messages, rendered) = (
        Row::tortie("policy/compile_program", "tortie"),
        Row::tortie("policy/compile_rule", "tortie"),
        Row::tortie("policy/render_rule", "tortie"),
    );
    compiled.check(program.chains.values().map(|chain| chain.steps.len()).sum::<usize>());
    let (count, octets) = messages();
    to_messages.check(format!("{count} messages, {octets} octets"));
    rendered.check(sum(&nftables::render(&program, &options)));
    let mut measure = |row: Row<'_>, work: &dyn Fn()| {
        let mut group = criterion.benchmark_group(row.work());
        group.sample_size(10).throughput(Throughput::Elements((POLICIES * policies::RULES * 2) as u64));
        group.bench_function(row.name(), |bencher| bencher.iter(work));
        group.finish();
    };
    measure(compiled, &|| drop(black_box(compile(&resolved))));
    measure(to_messages, &|| assert_eq!(black_box(messages()), (count, octets)));
    measure(rendered, &|| drop(black_box(nftables::render(&program, &options))));
}

criterion_group!(benches, verdict, text, rules);
criterion_main!(benches);
