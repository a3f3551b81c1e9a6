//! The host: its links and routes, its datastore, and the files that agent and plugin share.

use core::cell::RefCell;
use core::future::Future;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;

use ipnet::IpNet;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tortie_datastore::resource::{
    GlobalNetworkPolicySpec, Kind, NodeBgp, NodeSpec, Resource, WorkloadEndpointSpec, namespace_profile,
};
use tortie_datastore::status::{EndpointStatus, file_name};
use tortie_datastore::{Datastore, Embedded, client};
use tortie_routes::Family;
use tortie_routes::netlink::{Kernel, Links, sysctl};

use super::until;

/// The name of its Node.
pub(crate) const NODE: &str = "node-1";
/// The namespace of its pods, whose profile allows everything.
pub(crate) const NAMESPACE: &str = "default";
/// Its own addresses, which are on no link to others.
pub(crate) const ADDRESSES: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 255, 0, 1)), IpAddr::V6(Ipv6Addr::new(0xfdff, 0, 0, 0, 0, 0, 0, 1))];

/// The file of its datastore.
pub(crate) const STORE: &str = "tortie.db";
/// What that is called while it is away.
const AWAY: &str = "away.db";

/// The host in whose namespace the test is.
pub(crate) struct Host {
    pub(crate) store: Datastore,
    /// Where its etcd is, if its datastore is in one.
    pub(crate) etcd: Option<String>,
    pub(crate) links: Links,
    pub(crate) kernel: RefCell<Kernel>,
    runtime: Runtime,
    folder: TempDir,
    markers: RefCell<u32>,
}

impl Host {
    /// A host that forwards, with a datastore that has its Node and a namespace that allows everything.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Embedded::open(folder.path().join(STORE)).unwrap().into();
        let host = Self::with(folder, store, None);
        host.begin();
        host
    }

    /// A host whose datastore is in etcd, which need not be there yet, and has no records.
    #[cfg(feature = "etcd")]
    pub(crate) fn on_etcd(endpoint: &str) -> Self {
        let store = tortie_datastore::Etcd::new(&tortie_datastore::EtcdOptions::new([endpoint])).unwrap();
        Self::with(tempfile::tempdir().unwrap(), store.into(), Some(endpoint.to_owned()))
    }

    fn with(folder: TempDir, store: Datastore, etcd: Option<String>) -> Self {
        std::fs::create_dir(folder.path().join("status")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (links, kernel) = runtime
            .block_on(async {
                let links = Links::open()?;
                links.set_up(links.require("lo").await?.index).await?;
                Ok::<_, tortie_routes::netlink::Error>((links, Kernel::open()?))
            })
            .unwrap();
        sysctl::write("ipv4/ip_forward", "1").unwrap();
        sysctl::write_interface(Family::V6, "all", "forwarding", "1").unwrap();
        let kernel = RefCell::new(kernel);
        let host = Self { store, etcd, links, kernel, runtime, folder, markers: RefCell::new(0) };
        host.wait(async {
            let lo = host.links.require("lo").await.unwrap().index;
            for address in ADDRESSES {
                host.links.add_address_nodad(lo, address.into()).await.unwrap();
            }
        });
        host
    }

    /// Writes the first records.
    pub(crate) fn begin(&self) {
        let addresses = ADDRESSES.map(IpNet::from);
        let bgp = NodeBgp {
            ipv4_address: Some(addresses[0]),
            ipv6_address: Some(addresses[1]),
            ..NodeBgp::default()
        };
        self.apply(Resource::new(NODE, NodeSpec { bgp: Some(bgp), ..NodeSpec::default() }));
        self.apply(namespace_profile(NAMESPACE, &BTreeMap::new()));
    }

    /// A file of the host's own.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Moves the datastore's file away, and with it what SQLite keeps beside it.
    pub(crate) fn take_store(&self) {
        self.rename(STORE, AWAY, ["", "-wal", "-shm"]);
    }

    /// Moves it back: what is beside it first, without which it is not whole.
    pub(crate) fn give_store_back(&self) {
        self.rename(AWAY, STORE, ["-wal", "-shm", ""]);
    }

    fn rename(&self, from: &str, to: &str, ends: [&str; 3]) {
        for end in ends {
            let [from, to] = [from, to].map(|name| self.path(&format!("{name}{end}")));
            match std::fs::rename(&from, &to) {
                Err(error) if error.kind() != ErrorKind::NotFound => panic!("{}: {error}", from.display()),
                _ => {}
            }
        }
    }

    /// Waits for something that is done by and by.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Writes a record.
    pub(crate) fn apply<K: Kind>(&self, resource: Resource<K>) {
        self.wait(client::apply(&self.store, resource)).unwrap();
    }

    /// Deletes a record.
    pub(crate) fn delete<K: Kind>(&self, namespace: Option<&str>, name: &str) {
        self.wait(client::delete::<K>(&self.store, namespace, name)).unwrap();
    }

    /// Writes a GlobalNetworkPolicy of this name and `spec`.
    pub(crate) fn policy(&self, name: &str, spec: Value) {
        let spec: GlobalNetworkPolicySpec = serde_json::from_value(spec).unwrap();
        self.apply(Resource::new(name, spec));
    }

    pub(crate) fn remove_policy(&self, name: &str) {
        self.delete::<GlobalNetworkPolicySpec>(None, name);
    }

    /// Deletes an endpoint's record.
    pub(crate) fn remove(&self, endpoint: &Resource<WorkloadEndpointSpec>) {
        self.delete::<WorkloadEndpointSpec>(Some(NAMESPACE), &endpoint.metadata.name);
    }

    /// Whether the agent says that the endpoint's policy is in place, as the plugin finds out.
    pub(crate) fn is_acknowledged(&self, endpoint: &Resource<WorkloadEndpointSpec>) -> bool {
        let file = self.path("status").join(file_name(endpoint).unwrap());
        let addresses: Vec<_> = endpoint.spec.addresses().collect();
        std::fs::read(file).is_ok_and(|text| {
            serde_json::from_slice::<EndpointStatus>(&text)
                .is_ok_and(|status| status.is_of(&endpoint.spec.interface_name, &addresses))
        })
    }

    /// Waits until everything that was written before is enforced: an endpoint that is written last is acknowledged.
    pub(crate) fn settle(&self) {
        let number = self.markers.replace_with(|number| *number + 1) + 1;
        let spec = WorkloadEndpointSpec {
            orchestrator: "k8s".into(),
            node: NODE.into(),
            pod: format!("marker-{number}"),
            endpoint: "eth0".into(),
            interface_name: format!("calimark{number}"),
            ..WorkloadEndpointSpec::default()
        };
        let marker = Resource::namespaced(NAMESPACE, spec.name().unwrap(), spec);
        self.apply(marker.clone());
        until("the agent has enforced what was written", || self.is_acknowledged(&marker));
        self.remove(&marker);
    }
}
