//! Running the plugin as a runtime does, against a datastore of the test's own.
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses its own part of this module")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code: what does not hold should stop the test"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tortie_datastore::resource::{IpPoolSpec, NodeSpec, Resource, WorkloadEndpointSpec};
use tortie_datastore::{Datastore, Embedded, client};
use tortie_ipam::{Block, keys};

/// What the plugin answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) ok: bool,
    /// What standard output holds: JSON, or null for nothing.
    pub(crate) said: Value,
    pub(crate) log: String,
}

impl Answer {
    pub(crate) fn code(&self) -> u64 {
        assert!(!self.ok, "{self:?}");
        self.said["code"].as_u64().unwrap()
    }

    pub(crate) fn expect_ok(self) -> Value {
        assert!(self.ok, "{self:?}");
        self.said
    }
}

/// A call of the plugin.
pub(crate) fn call(variables: &[(&str, &str)], input: &str) -> Answer {
    let output = start(variables, input).wait_with_output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{:?} {log}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    let said = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
    Answer { ok: output.status.success(), said, log }
}

/// The running plugin, with all its input.
pub(crate) fn start(variables: &[(&str, &str)], input: &str) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tortie-cni"))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The plugin may answer without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child
}

/// A datastore with one pool of each family, and the files that agent and plugin share.
pub(crate) struct Shared {
    pub(crate) dir: TempDir,
    pub(crate) store: Datastore,
}

impl Shared {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Embedded::open(dir.path().join("tortie.db")).unwrap().into();
        std::fs::create_dir(dir.path().join("status")).unwrap();
        client::create(&store, Resource::new("node-1", NodeSpec::default())).await.unwrap();
        for (name, cidr) in [("v4", "10.77.0.0/24"), ("v6", "fd77::/112")] {
            let pool = Resource::new(name, IpPoolSpec::new(cidr.parse().unwrap()));
            client::create(&store, pool).await.unwrap();
        }
        Self { dir, store }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A dual-stack configuration; its fields can be replaced.
    pub(crate) fn config(&self) -> Value {
        json!({
            "cniVersion": "0.3.1", "name": "testnet", "type": "tortie-cni", "nodename": "node-1",
            "datastore_type": "embedded", "datastore": self.path("tortie.db"),
            "ipam": {"type": "calico-ipam", "assign_ipv4": "true", "assign_ipv6": "true"},
            "ipam_lock_file": self.path("ipam.lock"), "endpoint_status_dir": self.path("status"),
            "args": {"cni": {"labels": [{"key": "app", "value": "web"}]}},
        })
    }

    pub(crate) async fn endpoints(&self) -> Vec<Resource<WorkloadEndpointSpec>> {
        client::list::<WorkloadEndpointSpec>(&self.store, None).await.unwrap().items
    }

    /// Addresses that are allocated, in order.
    pub(crate) async fn allocated(&self) -> Vec<String> {
        let blocks = self.store.list(keys::BLOCKS).await.unwrap().items;
        let blocks: Vec<_> = blocks.iter().map(|record| Block::decode(&record.value).unwrap()).collect();
        blocks.iter().flat_map(Block::allocations).map(|allocation| allocation.address.to_string()).collect()
    }

    /// Nothing of any container is in the datastore, nor among the files.
    pub(crate) async fn assert_clean(&self) {
        assert_eq!(self.allocated().await, [""; 0]);
        assert_eq!(self.endpoints().await, []);
        assert_eq!(self.store.list(keys::HANDLES).await.unwrap().items, []);
        let files: Vec<_> = std::fs::read_dir(self.path("status")).unwrap().collect();
        assert!(files.is_empty(), "{files:?}");
    }
}

/// The environment of a pod's call.
pub(crate) fn pod_variables<'a>(
    command: &'a str,
    container: &'a str,
    netns: &'a Path,
    args: &'a str,
) -> Vec<(&'a str, &'a str)> {
    vec![
        ("CNI_COMMAND", command),
        ("CNI_CONTAINERID", container),
        ("CNI_NETNS", netns.to_str().unwrap()),
        ("CNI_IFNAME", "eth0"),
        ("CNI_ARGS", args),
        ("CNI_PATH", "/opt/cni/bin"),
    ]
}
