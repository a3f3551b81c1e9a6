//! The program of one host out of a large cluster, kept while the cluster changes, beside one that is made anew.
//!
//! Input: `isolated_customers_100k`: 100,000 customers, each with a namespace, a profile, a policy and a pod; one pod in a
//! thousand is on this host. `cold_start_200k`: 200,000 pods of 5,000 hosts in 500 namespaces, 40 of them on this host;
//! 2,500 policies, of which each governs one application of one namespace. Checked policies, specs of profiles, and endpoints
//! are made beforehand and not measured, as in the reference system's benchmark, which starts behind conversion: from there
//! to the first delta, in CPU seconds of the process. What it takes to check the policies is a row of its own (`check`). Memory is live bytes (MB: 10^6) without what
//! the caller holds. An update is another value of a label of one pod, to the delta; in the second cluster it
//! is a label that rules here speak of. The naive twin resolves and compiles the whole again.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark")]

use core::time::Duration;
use std::collections::BTreeMap;
use std::time::Instant;

use tortie_benches::fixtures::customers;
use tortie_benches::memory;
use tortie_benches::report::{self, Mode, Row};
use tortie_policy::model::{NetworkPolicySpec, ProfileSpec};
use tortie_policy::{CheckedPolicy, Endpoint, Host, Inputs, PolicyKey, Program, Resolver, compile, resolve};

#[global_allocator]
static ALLOCATOR: memory::Counted = memory::Counted::new();

const HERE: &str = "here/";
/// One application in so many of a namespace has a policy.
const APPS: usize = 5;

fn is_local(endpoint: &Endpoint) -> bool {
    endpoint.id.starts_with(HERE)
}

/// All that is told before the first delta.
struct Cluster {
    policies: Vec<(String, String, NetworkPolicySpec)>,
    profiles: Vec<(String, ProfileSpec)>,
    /// Those of other hosts first.
    endpoints: Vec<Endpoint>,
    /// The label that changes, and another value of it.
    update: (&'static str, &'static str),
    /// Active policies, sets, members of all sets, endpoints of this host.
    expected: [usize; 4],
}

fn endpoint(n: usize, local: bool, namespace: String, labels: BTreeMap<String, String>) -> Endpoint {
    Endpoint {
        id: format!("{}k8s/{namespace}/{}/eth0", if local { HERE } else { "there/" }, customers::pod(n)),
        interface: format!("cali{n:011x}"),
        profiles: vec![format!("kns.{namespace}")],
        namespace: Some(namespace),
        labels,
        addresses: vec![(0x0A00_0000 + u32::try_from(n).unwrap()).to_be_bytes().into()],
        ..Endpoint::default()
    }
}

fn profile(labels: BTreeMap<String, String>) -> ProfileSpec {
    ProfileSpec { labels_to_apply: labels, ..ProfileSpec::default() }
}

fn customers(count: usize) -> Cluster {
    let locals = count.div_ceil(customers::STEP);
    let order = (0..count).filter(|n| !customers::is_local(*n)).chain((0..count).step_by(customers::STEP));
    Cluster {
        policies: (0..count)
            .map(|n| {
                let spec = serde_json::from_str(&customers::policy(n)).unwrap();
                (customers::namespace(n), "isolated".to_owned(), spec)
            })
            .collect(),
        profiles: (0..count)
            .map(|n| (format!("kns.{}", customers::namespace(n)), profile(customers::profile_labels(n))))
            .collect(),
        endpoints: order
            .map(|n| endpoint(n, customers::is_local(n), customers::namespace(n), customers::labels(n)))
            .collect(),
        update: ("environment", "test"),
        expected: [locals, locals, locals, locals],
    }
}

fn cluster(count: usize, hosts: usize) -> Cluster {
    let namespaces = count / 400;
    let namespace = |n: usize| format!("team-{}", n % namespaces);
    let app = |n: usize| format!("app-{}", n / namespaces % (2 * APPS));
    let is_local = |n: usize| n.is_multiple_of(hosts);
    let labels = |n: usize| {
        let pairs = [
            ("app", app(n)),
            ("app.kubernetes.io/name", app(n)),
            ("app.kubernetes.io/instance", format!("{}-{}", app(n), namespace(n))),
            ("pod-template-hash", format!("{:08x}", n / 3)),
            ("version", format!("v{}", n % 7)),
            ("tier", ["front", "back", "data"][n % 3].to_owned()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    };
    let policy = |n: usize| -> NetworkPolicySpec {
        let (app, peer) = (n % APPS * 2, (n % APPS * 2 + 2) % (2 * APPS));
        let text = format!(
            r#"{{ "selector": "app == 'app-{app}'", "types": ["Ingress", "Egress"],
                "ingress": [
                    {{ "action": "Allow", "protocol": "TCP", "source": {{ "selector": "app == 'app-{peer}'" }},
                       "destination": {{ "ports": [80, 443, "8000:8100"] }} }},
                    {{ "action": "Allow", "protocol": "TCP", "source": {{ "namespaceSelector": "class == 'edge'" }},
                       "destination": {{ "ports": [443] }} }}],
                "egress": [
                    {{ "action": "Allow", "protocol": "UDP", "destination": {{ "nets": ["10.96.0.10/32"], "ports": [53] }} }},
                    {{ "action": "Allow", "destination": {{ "selector": "tier in {{'back', 'data'}}" }} }},
                    {{ "action": "Allow", "destination": {{ "notNets": ["10.0.0.0/8"] }} }}] }}"#
        );
        serde_json::from_str(&text).unwrap()
    };
    let order = (0..count).filter(|n| !is_local(*n)).chain((0..count).step_by(hosts));
    Cluster {
        policies: (0..namespaces * APPS)
            .map(|n| (namespace(n / APPS), format!("policy-{}", n % APPS), policy(n)))
            .collect(),
        profiles: (0..namespaces)
            .map(|n| {
                let class = if n.is_multiple_of(50) { "edge" } else { "inner" };
                let labels =
                    [("pcns.projectcalico.org/name", namespace(n)), ("pcns.class", class.to_owned())];
                let labels = labels.into_iter().map(|(name, value)| (name.to_owned(), value));
                (format!("kns.{}", namespace(n)), profile(labels.collect()))
            })
            .collect(),
        endpoints: order.map(|n| endpoint(n, is_local(n), namespace(n), labels(n))).collect(),
        update: ("tier", "other"),
        expected: [0; 4],
    }
}

/// CPU time of this process so far.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Every policy, ready to be inserted.
fn checked(cluster: &Cluster) -> Vec<CheckedPolicy> {
    let check = |(namespace, name, spec): &(String, String, NetworkPolicySpec)| {
        CheckedPolicy::new(PolicyKey::namespaced(namespace, name), spec)
    };
    cluster.policies.iter().map(check).collect()
}

fn load(cluster: &Cluster, policies: Vec<CheckedPolicy>) -> (Resolver, Program) {
    let mut resolver = Resolver::new(Host::new("here"), is_local);
    for policy in policies {
        assert!(resolver.insert_checked(policy).is_empty());
    }
    for (name, spec) in &cluster.profiles {
        assert!(resolver.insert_profile(name, spec).is_empty());
    }
    for endpoint in &cluster.endpoints {
        resolver.insert_endpoint(endpoint);
    }
    resolver.set_in_sync();
    let mut program = Program::default();
    program.apply(resolver.flush());
    (resolver, program)
}

fn twin(cluster: &Cluster) -> (Inputs, Program) {
    let mut inputs = Inputs::new();
    for (namespace, name, spec) in &cluster.policies {
        assert!(inputs.insert_network_policy(namespace, name, spec).is_empty());
    }
    for (name, spec) in &cluster.profiles {
        assert!(inputs.insert_profile(name, spec).is_empty());
    }
    for endpoint in &cluster.endpoints {
        inputs.insert_endpoint(endpoint.clone());
    }
    let program = made_anew(&inputs);
    (inputs, program)
}

fn made_anew(inputs: &Inputs) -> Program {
    compile(&resolve(inputs, &Host::new("here"), is_local))
}

fn members(program: &Program) -> usize {
    let count = |members: &tortie_policy::Members| -> usize {
        tortie_policy::Family::ALL.iter().map(|family| members.len(*family)).sum()
    };
    program.sets.values().map(count).sum()
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

struct Size {
    name: &'static str,
    make: fn() -> Cluster,
    loads: usize,
    /// Pods of which a label changes, and changes back.
    updates: usize,
    twin: bool,
}

const SIZES: [Size; 2] = [
    Size {
        name: "policy/isolated_customers_100k",
        make: || customers(100_000),
        loads: 3,
        updates: 2_000,
        twin: true,
    },
    Size {
        name: "policy/cold_start_200k",
        make: || cluster(200_000, 5_000),
        loads: 3,
        updates: 2_000,
        twin: true,
    },
];

fn main() {
    let mut works = Vec::new();
    for size in &SIZES {
        works.push((size.name.to_owned(), "tortie", false));
        works.push((format!("{}/check", size.name), "", false));
        works.push((format!("{}/memory", size.name), "", false));
        works.push((format!("{}/update", size.name), "", false));
        if size.twin {
            works.push((size.name.to_owned(), "", true));
            works.push((format!("{}/update", size.name), "", true));
        }
    }
    let rows: Vec<_> = works
        .iter()
        .map(|(work, name, twin)| if *twin { Row::twin(work) } else { Row::tortie(work, name) })
        .collect();
    match report::mode(&rows) {
        Some(Mode::Measure) => SIZES.iter().for_each(measure),
        Some(_) => {
            let make = || customers(2_000);
            measure(&Size { name: "policy/customers_test", make, loads: 1, updates: 10, twin: true });
            let make = || cluster(2_000, 50);
            measure(&Size { name: "policy/cluster_test", make, loads: 1, updates: 10, twin: true });
        }
        None => {}
    }
}

fn measure(size: &Size) {
    let cluster = (size.make)();
    let (mut seconds, mut checks) = (Vec::new(), Vec::new());
    let mut check = String::new();
    for _ in 0..size.loads {
        let start = cpu();
        let policies = checked(&cluster);
        checks.push((cpu() - start).as_secs_f64());
        let start = cpu();
        let (resolver, program) = load(&cluster, policies);
        seconds.push((cpu() - start).as_secs_f64());
        let stats = resolver.stats();
        let found = [stats.active_policies, stats.sets, members(&program), stats.workloads];
        if cluster.expected != [0; 4] {
            assert_eq!(found, cluster.expected);
        }
        assert_eq!(stats.items, cluster.endpoints.len());
        check = format!("{found:?}");
    }
    let loads = seconds.len();
    Row::tortie(size.name, "tortie").measured(median(seconds), "s", loads, &check);
    let work = format!("{}/check", size.name);
    Row::tortie(&work, "").measured(median(checks), "s", loads, cluster.policies.len());

    let before = memory::live();
    let (mut resolver, mut program) = load(&cluster, checked(&cluster));
    let kept = program.clone();
    program = Program::default();
    let bytes = memory::live() - before;
    drop(program);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let megabytes = bytes as f64 / 1e6;
    Row::tortie(&format!("{}/memory", size.name), "").measured(megabytes, "MB", 1, &check);
    program = kept;

    // One pod after the other has another label, and what it had.
    let (label, value) = cluster.update;
    let mut seconds = Vec::new();
    for n in 0..size.updates {
        let endpoint = &cluster.endpoints[n * 7919 % cluster.endpoints.len()];
        let mut other = endpoint.clone();
        other.labels.insert(label.to_owned(), value.to_owned());
        for endpoint in [&other, endpoint] {
            let start = Instant::now();
            resolver.insert_endpoint(endpoint);
            let delta = resolver.flush();
            seconds.push(start.elapsed().as_secs_f64());
            program.apply(delta);
        }
    }
    let work = format!("{}/update", size.name);
    let updates = seconds.len();
    Row::tortie(&work, "").measured(median(seconds) * 1e6, "us", updates, &check);

    if size.twin {
        let start = cpu();
        let (mut inputs, anew) = twin(&cluster);
        let seconds = (cpu() - start).as_secs_f64();
        assert_eq!(anew, program, "the twin has another program");
        Row::twin(size.name).measured(seconds, "s", 1, &check);
        let start = Instant::now();
        let mut other = cluster.endpoints[0].clone();
        other.labels.insert(label.to_owned(), value.to_owned());
        inputs.insert_endpoint(other);
        let anew = made_anew(&inputs);
        Row::twin(&work).measured(start.elapsed().as_secs_f64() * 1e6, "us", 1, &check);
        drop(anew);
    }
}
