//! The agent as it is released, on a node of the namespace, with a datastore in a file.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use tortie_datastore::resource::{NetworkPolicySpec, NodeSpec, Resource, WorkloadEndpointSpec};
use tortie_datastore::{Embedded, Op, Revision};

use super::{CLUSTER, Change, Found, NODE, PATIENCE, is_allowed_at_first, measure, pod, policies};

const NAMESPACE: &str = "shop";
/// How many records are written at once.
const AT_ONCE: usize = 500;
/// How long the agent may take to begin.
const START: Duration = Duration::from_secs(60);

/// Where cargo leaves it, beside the folder of this benchmark.
pub(super) fn program() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok()?.parent()?.parent()?.join("tortie-agent");
    beside.is_file().then_some(beside)
}

/// The record of a pod.
fn endpoint(n: usize, is_allowed: bool) -> Resource<WorkloadEndpointSpec> {
    let pod = pod(n, is_allowed);
    let (node, name) = pod.id.split_once('/').unwrap();
    let spec = WorkloadEndpointSpec {
        orchestrator: "k8s".into(),
        node: node.into(),
        pod: name.into(),
        endpoint: "eth0".into(),
        interface_name: pod.interface.clone(),
        ip_networks: pod.addresses.iter().copied().map(Into::into).collect(),
        ..WorkloadEndpointSpec::default()
    };
    let mut record = Resource::namespaced(NAMESPACE, spec.name().unwrap(), spec);
    record.metadata.labels = pod.labels.into_iter().collect();
    record.metadata.labels.insert("projectcalico.org/namespace".into(), NAMESPACE.into());
    record
}

/// A datastore, the revisions of its pods, and what waits for it.
struct Writer {
    store: Embedded,
    revisions: Vec<Revision>,
    runtime: tokio::runtime::Runtime,
}

impl Writer {
    /// A store with everything in it.
    fn new(path: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut writer = Self { store: Embedded::open(path).unwrap(), revisions: Vec::new(), runtime };
        let node = Resource::new("here", NodeSpec::default());
        let mut first = vec![(node.key().unwrap(), node.encode().unwrap())];
        for (name, spec) in policies() {
            let policy: Resource<NetworkPolicySpec> = Resource::namespaced(NAMESPACE, name, spec);
            first.push((policy.key().unwrap(), policy.encode().unwrap()));
        }
        writer.create(first);
        for from in (0..CLUSTER).step_by(AT_ONCE) {
            let numbers = from..(from + AT_ONCE).min(CLUSTER);
            let pods = numbers.clone().map(|n| {
                let pod = endpoint(n, is_allowed_at_first(n));
                (pod.key().unwrap(), pod.encode().unwrap())
            });
            let revision = writer.create(pods.collect());
            writer.revisions.extend(numbers.map(|_| revision));
        }
        writer
    }

    fn create(&self, records: Vec<(String, Vec<u8>)>) -> Revision {
        let ops = records.into_iter().map(|(key, value)| Op::Create { key, value }).collect();
        self.runtime.block_on(self.store.commit(ops)).unwrap()
    }

    fn write(&mut self, change: Change) {
        let pod = endpoint(change.pod, change.is_allowed);
        let revision = self.revisions.get_mut(change.pod).unwrap();
        let (key, value) = (pod.key().unwrap(), pod.encode().unwrap());
        *revision = self.runtime.block_on(self.store.update(&key, &value, *revision)).unwrap();
    }
}

/// Killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn run(program: &Path, count: u32) -> Found {
    let folder = tempfile::tempdir().unwrap();
    let (path, status) = (folder.path().join("tortie.db"), folder.path().join("status"));
    let mut writer = Writer::new(&path);
    std::fs::create_dir(&status).unwrap();
    let begun = Instant::now();
    let mut command = Command::new(program);
    command.args(["run", "--node", "here", "--health", "127.0.0.1:9099", "--datastore"]).arg(path);
    command.arg("--status-dir").arg(&status).arg("--log-file").arg(folder.path().join("log"));
    let agent = Running(command.env_clear().stdin(Stdio::null()).spawn().unwrap());
    // All endpoints of the node are acknowledged once the kernel has their rules.
    while std::fs::read_dir(&status).unwrap().count() < NODE {
        assert!(begun.elapsed() < START, "{}", std::fs::read_to_string(folder.path().join("log")).unwrap());
        thread::sleep(Duration::from_millis(10));
    }
    println!("the agent has acknowledged {NODE} endpoints after {:.2?}", begun.elapsed());
    // Connections are judged once more after the start.
    thread::sleep(PATIENCE / 5);
    let mut writes = Vec::new();
    let found = measure(count, |change| {
        let begun = Instant::now();
        writer.write(change);
        writes.push(begun.elapsed().as_secs_f64());
    });
    let write = tortie_benches::kernel::quantile(writes, 990) * 1e3;
    println!("of the writes themselves 99 of 100 took {write:.2} ms at most");
    drop(agent);
    found
}
