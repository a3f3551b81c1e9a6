//! Pods: a namespace each, and a link to the host as the plugin makes it.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tortie_datastore::resource::{Resource, WorkloadEndpointSpec, namespace_profile_name};
use tortie_policy::nftables::{Options, Ruleset};
use tortie_routes::netlink::{Kernel, Links, NetNs, Veth, sysctl};
use tortie_routes::{Entry, Family, Mac, Op, Protocol, Route};

use super::Host;
use super::host::{NAMESPACE, NODE};

/// What names of workloads' interfaces begin with.
const WORKLOADS: &str = "cali";
/// The host's ends of all links.
const HOST_MAC: Mac = Mac::new([0xee; 6]);
const GATEWAYS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 1, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0xecee, 0xeeff, 0xfeee, 0xeeee)),
];

/// A pod of this number.
pub(crate) struct Pod {
    pub(crate) number: u16,
    prefix: &'static str,
    pub(crate) namespace: NetNs,
    /// Its addresses, IPv4 first.
    pub(crate) addresses: [IpAddr; 2],
}

impl Pod {
    /// A pod without a link.
    pub(crate) fn new(number: u16) -> Self {
        Self { number, prefix: WORKLOADS, namespace: NetNs::create().unwrap(), addresses: addresses(number) }
    }

    /// Somebody outside, on an interface that is none of a workload.
    pub(crate) fn outside(number: u16) -> Self {
        Self { prefix: "uplink", ..Self::new(number) }
    }

    /// A pod with its record, and then its link.
    pub(crate) fn attached(host: &Host, number: u16, labels: &[(&str, &str)]) -> Self {
        let pod = Self::new(number);
        host.apply(pod.record(labels));
        pod.attach(host);
        pod
    }

    /// The name of the host's end of its link.
    pub(crate) fn interface(&self) -> String {
        format!("{}{}", self.prefix, self.number)
    }

    /// The record of its endpoint.
    pub(crate) fn record(&self, labels: &[(&str, &str)]) -> Resource<WorkloadEndpointSpec> {
        record(NODE, self.number, labels)
    }

    /// Makes its link, and routes at both ends. The plugin makes it after the record and after [`raise`].
    pub(crate) fn attach(&self, host: &Host) {
        host.wait(async {
            let name = self.interface();
            let veth = Veth::new(name.as_str(), "eth0").mac(HOST_MAC).peer_mac(mac(self.number));
            let index = host.links.create_veth(&veth.peer_namespace(&self.namespace)).await.unwrap();
            sysctl::write_interface(Family::V6, &name, "accept_dad", "0").unwrap();
            host.links.set_up(index).await.unwrap();
            host.links
                .add_address_nodad(index, Ipv6Net::new_assert(v6(GATEWAYS[1]), 64).into())
                .await
                .unwrap();

            self.namespace
                .run(|| sysctl::write_interface(Family::V6, "eth0", "accept_dad", "0"))
                .unwrap()
                .unwrap();
            let inside = Links::open_in(&self.namespace).unwrap();
            let eth0 = inside.require("eth0").await.unwrap().index;
            for link in ["lo", "eth0"] {
                inside.set_up(inside.require(link).await.unwrap().index).await.unwrap();
            }
            let routes = [
                Route::device(IpNet::from(GATEWAYS[0]), "eth0"),
                Route::via(Ipv4Net::default().into(), GATEWAYS[0], "eth0"),
                Route::via(Ipv6Net::default().into(), GATEWAYS[1], "eth0"),
            ];
            for (gateway, address) in GATEWAYS.into_iter().zip(self.addresses) {
                inside.set_neighbour(eth0, gateway, HOST_MAC).await.unwrap();
                inside.add_address_nodad(eth0, address.into()).await.unwrap();
                // No packet waits for its turn, so none is lost waiting.
                host.links.set_neighbour(index, address, mac(self.number)).await.unwrap();
            }
            write(&mut Kernel::open_in(&self.namespace).unwrap(), routes.to_vec(), eth0);
            let own = self.addresses.map(|address| Route::local(address, name.as_str()));
            write(&mut host.kernel.borrow_mut(), own.to_vec(), index);
        });
    }

    /// Removes its link.
    pub(crate) fn detach(&self, host: &Host) {
        host.wait(async {
            let link = host.links.require(&self.interface()).await.unwrap();
            host.links.delete(link.index).await.unwrap();
        });
    }
}

fn addresses(number: u16) -> [IpAddr; 2] {
    let [high, low] = number.to_be_bytes();
    [Ipv4Addr::new(10, 65, high, low).into(), Ipv6Addr::new(0xfd65, 0, 0, 0, 0, 0, 0, number).into()]
}

const fn mac(number: u16) -> Mac {
    let [high, low] = number.to_be_bytes();
    Mac::new([2, 0, 0, 0, high, low])
}

/// The record of the endpoint of the pod of this number, on this node.
pub(crate) fn record(node: &str, number: u16, labels: &[(&str, &str)]) -> Resource<WorkloadEndpointSpec> {
    let spec = WorkloadEndpointSpec {
        orchestrator: "k8s".into(),
        node: node.into(),
        container_id: format!("c{number}"),
        pod: format!("pod-{number}"),
        endpoint: "eth0".into(),
        ip_networks: addresses(number).map(IpNet::from).into(),
        profiles: vec![namespace_profile_name(NAMESPACE)],
        interface_name: format!("{WORKLOADS}{number}"),
        mac: mac(number).to_string(),
        ..WorkloadEndpointSpec::default()
    };
    let mut record = Resource::namespaced(NAMESPACE, spec.name().unwrap(), spec);
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    record.metadata.labels =
        labels.chain([("projectcalico.org/namespace".into(), NAMESPACE.into())]).collect();
    record
}

const fn v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V6(address) => address,
        IpAddr::V4(address) => address.to_ipv6_mapped(),
    }
}

/// Writes routes; one that is there already was written by the agent, who was faster.
fn write(kernel: &mut Kernel, routes: Vec<Route>, index: u32) {
    let entries = routes.iter().map(|route| Entry::resolve(&route.clone().protocol(Protocol::BOOT), index));
    for result in kernel.change(&entries.map(Op::Create).collect::<Vec<_>>()) {
        assert!(matches!(result, Ok(()) | Err(tortie_routes::Errno::EEXIST)), "{result:?}");
    }
}

/// What the plugin does before it makes a link: if there is no table, one that drops whatever comes from or goes to workloads.
pub(crate) fn raise() {
    let mut socket = tortie_nft_wire::Socket::open().unwrap();
    socket.commit(&mut Ruleset::lockdown(&Options::default()).unwrap()).unwrap();
}
