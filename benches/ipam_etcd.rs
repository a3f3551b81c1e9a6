//! Assignment over a real etcd, beside as many bare compare-and-swap puts.
//!
//! - `etcd_auto_assign`: one node whose affine block is at hand assigns one address after another.
//! - `etcd_auto_assign_8_nodes`: eight such nodes at once, each with a connection and a block of its own.
//! - `etcd_auto_assign_ratio`: the time of either over that of its floor.
//!
//! The floor is as many puts of a value as large as the block, half full, each on condition that the key has the revision of
//! the put before, by `etcd-client` alone. Both take turns, round by round, on one server, which the benchmark starts in a
//! folder of its own; wall-clock time of an address, the median of the rounds.

#![expect(clippy::unwrap_used, reason = "a benchmark")]
#![expect(clippy::panic, reason = "a benchmark")]

use core::time::Duration;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use etcd_client::{Client, Compare, CompareOp, Txn, TxnOp};
use tokio::task::JoinSet;
use tortie_benches::report::{self, Mode, Row};
use tortie_datastore::{Etcd, EtcdOptions};
use tortie_ipam::{Allocator, AssignRequest, OwnBlocks, Pool, Use, View, keys};

const NOW: Duration = Duration::from_secs(1_800_000_000);
const NODES: usize = 8;
/// How many addresses a node assigns in a round; its block has more.
const PODS: usize = 50;
/// Longer than a server takes to start.
const START: Duration = Duration::from_secs(30);

const ONE: Row<'_> = Row::tortie("ipam/etcd_auto_assign", "tortie");
const ONE_FLOOR: Row<'_> = Row::floor("ipam/etcd_auto_assign", "cas_put_alone");
const ALL: Row<'_> = Row::tortie("ipam/etcd_auto_assign_8_nodes", "tortie");
const ALL_FLOOR: Row<'_> = Row::floor("ipam/etcd_auto_assign_8_nodes", "cas_put_alone");
const ONE_RATIO: Row<'_> = Row::tortie("ipam/etcd_auto_assign_ratio", "one_node");
const ALL_RATIO: Row<'_> = Row::tortie("ipam/etcd_auto_assign_ratio", "8_nodes");

/// An etcd; killed, by its own process id, when dropped.
struct Server {
    child: Child,
    endpoint: String,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address =
            || format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
        let (client, peer) = (address(), address());
        let child = Command::new("etcd")
            .args(["--name", "bench", "--data-dir"])
            .arg(folder.path())
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("bench={peer}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start etcd (Debian: etcd-server): {error}"));
        Self { child, endpoint: client, _folder: folder }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A node that assigns and releases.
struct Node {
    name: String,
    allocator: Allocator<Etcd>,
    own: OwnBlocks,
    view: View,
}

impl Node {
    fn new(server: &Server, number: usize) -> Self {
        let options = EtcdOptions::new([server.endpoint.as_str()]).timeout(START);
        Self {
            name: format!("node-{number}"),
            allocator: Allocator::new(Etcd::new(&options).unwrap()),
            own: OwnBlocks::default(),
            view: View::new([Pool::new("pool", "10.0.0.0/16".parse().unwrap())]),
        }
    }

    async fn assign(&mut self, pod: usize) {
        let handle = format!("k8s-pod-network.{}-{pod}", self.name);
        let request = AssignRequest::new(handle, &self.name, Use::Workload)
            .v4(1)
            .attribute("namespace", "default")
            .attribute("node", &self.name)
            .attribute("pod", format!("pod-{pod}"));
        let assigned =
            self.allocator.auto_assign_from(&mut self.own, &request, &self.view, NOW).await.unwrap();
        assert_eq!(assigned.addresses().count(), 1);
    }

    /// A round that is measured: warm, since the first assignment was made before.
    async fn round(mut self) -> Self {
        for pod in 0..PODS {
            self.assign(pod).await;
        }
        assert_eq!(self.own.len(), 1, "a block was not enough");
        self
    }

    /// Gives the addresses back, and then assigns one, which reads the block as the releases have left it.
    async fn rest(mut self) -> Self {
        for pod in 0..=PODS {
            let handle = format!("k8s-pod-network.{}-{pod}", self.name);
            // Before the first round, the last one is not there.
            let _ = self.allocator.release_by_handle(&handle, &self.view.config, NOW).await;
        }
        self.assign(PODS).await;
        self
    }
}

/// Somebody who puts.
struct Putter {
    client: Client,
    key: String,
    value: Vec<u8>,
    revision: i64,
}

impl Putter {
    async fn new(server: &Server, number: usize, value: &[u8]) -> Self {
        let mut client = Client::connect([&server.endpoint], None).await.unwrap();
        let key = format!("/bare/ipam/v2/assignment/ipv4/block/10.0.0.{number}-26");
        let put = client.put(key.as_str(), value, None).await.unwrap();
        let revision = put.header().unwrap().revision();
        Self { client, key, value: value.to_vec(), revision }
    }

    async fn round(mut self) -> Self {
        for _ in 0..PODS {
            let condition = Compare::mod_revision(self.key.as_str(), CompareOp::Equal, self.revision);
            let put = TxnOp::put(self.key.as_str(), self.value.as_slice(), None);
            let done = self.client.txn(Txn::new().when([condition]).and_then([put])).await.unwrap();
            assert!(done.succeeded());
            self.revision = done.header().unwrap().revision();
        }
        self
    }
}

/// Does a round of all of them at once; how long an address took, in microseconds.
async fn all<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    those: &mut Vec<T>,
    round: impl Fn(T) -> F,
) -> f64 {
    let addresses = f64::from(u32::try_from(those.len() * PODS).unwrap());
    let mut running: JoinSet<T> = JoinSet::new();
    let begun = Instant::now();
    for one in those.drain(..) {
        running.spawn(round(one));
    }
    while let Some(done) = running.join_next().await {
        those.push(done.unwrap());
    }
    begun.elapsed().as_secs_f64() * 1e6 / addresses
}

/// The medians of the rounds: tortie's, the floor's, and that of the ratio of each round.
async fn compare(server: &Server, nodes: usize, rounds: usize, first: usize) -> [f64; 3] {
    let (mut hosts, mut putters) = (Vec::new(), Vec::new());
    for number in first..first + nodes {
        let mut node = Node::new(server, number);
        for pod in 0..PODS / 2 {
            node.assign(pod).await;
        }
        let block = node.allocator.store().list(keys::BLOCKS).await.unwrap().items;
        let owner = format!("host:{}", node.name);
        let value = block.iter().find(|item| String::from_utf8_lossy(&item.value).contains(&owner));
        putters.push(Putter::new(server, number, &value.unwrap().value).await);
        for pod in PODS / 2..PODS {
            node.assign(pod).await;
        }
        hosts.push(node.rest().await);
    }
    let mut figures: [Vec<f64>; 3] = [const { Vec::new() }; 3];
    let [ours, floors, ratios] = &mut figures;
    for _ in 0..rounds {
        let (our, floor) = (all(&mut hosts, Node::round).await, all(&mut putters, Putter::round).await);
        ours.push(our);
        floors.push(floor);
        ratios.push(our / floor);
        all(&mut hosts, Node::rest).await;
    }
    figures.map(median)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn main() {
    let rows = [ONE, ONE_FLOOR, ALL, ALL_FLOOR, ONE_RATIO, ALL_RATIO];
    let Some(mode) = report::mode(&rows) else { return };
    let rounds = if mode == Mode::Measure { 25 } else { 1 };
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let one = runtime.block_on(compare(&server, 1, rounds, 0));
    let eight = runtime.block_on(compare(&server, NODES, rounds, 1));
    for ([ours, floor, ratio], rows, nodes) in
        [(one, [ONE, ONE_FLOOR, ONE_RATIO], 1), (eight, [ALL, ALL_FLOOR, ALL_RATIO], NODES)]
    {
        let samples = rounds * nodes * PODS;
        rows[0].measured(ours, "us", samples, PODS);
        rows[1].measured(floor, "us", samples, PODS);
        rows[2].measured(ratio, "x floor", rounds, PODS);
    }
}
