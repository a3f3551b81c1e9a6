//! Routes and advertisements against a twin that asks, for each address of a small space, who should get its packets.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod kit;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use kit::{Hop, affinity, block, endpoint, look_up, node, pool};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::json;
use tortie_fabric::{Cluster, fabric};

/// Random clusters that each property is tried on.
const CASES: u32 = 400;
/// Factor for the long proof, which the environment asks for with `TORTIE_PROVE=1`.
const PROVE_FACTOR: u32 = 50;
/// Addresses of the space: its pools and blocks are cut from so many.
const SPACE: u32 = 64;
/// Addresses that one place for blocks has.
const PLACE: u32 = 8;
const HOSTS: [&str; 4] = ["a", "b", "c", "d"];

fn config() -> ProptestConfig {
    let prove = std::env::var_os("TORTIE_PROVE").is_some_and(|value| value == "1");
    let cases = if prove { CASES * PROVE_FACTOR } else { CASES };
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(0x0070_7274),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Plain,
    Vxlan,
    LoadBalancer,
}

#[derive(Clone, Debug)]
struct PoolPlan {
    first: u32,
    /// How often the space was halved.
    halvings: u8,
    mode: Mode,
    exported: bool,
}

#[derive(Clone, Debug)]
struct BlockPlan {
    first: u32,
    size: u32,
    owner: Option<String>,
    /// (place in the block, attribute `node`).
    allocations: Vec<(u32, Option<String>)>,
    confirmed: bool,
}

#[derive(Clone, Debug)]
struct EndpointPlan {
    node: String,
    addresses: Vec<u32>,
    interface: bool,
}

#[derive(Clone, Debug)]
struct Plan {
    v6: bool,
    parent: bool,
    /// Address of each host, if it has a Node: outside of the space, or inside.
    hosts: Vec<Option<Option<HostAddress>>>,
    pools: Vec<PoolPlan>,
    blocks: Vec<BlockPlan>,
    endpoints: Vec<EndpointPlan>,
}

#[derive(Clone, Copy, Debug)]
enum HostAddress {
    Outside(u8),
    Inside(u32),
}

impl Plan {
    fn address(&self, place: u32) -> IpAddr {
        if self.v6 {
            IpAddr::V6(Ipv6Addr::from_bits(0xfd00 << 112 | u128::from(place)))
        } else {
            IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | place))
        }
    }

    fn net(&self, first: u32, size: u32) -> IpNet {
        let len = u8::try_from(size.trailing_zeros()).unwrap();
        IpNet::new(self.address(first), if self.v6 { 128 } else { 32 } - len).unwrap()
    }

    fn host_address(&self, host: &str) -> Option<IpAddr> {
        let index = HOSTS.iter().position(|known| *known == host)?;
        Some(match self.hosts[index]?? {
            HostAddress::Inside(place) => self.address(place),
            HostAddress::Outside(last) if self.v6 => format!("2001:db8::{last}").parse().unwrap(),
            HostAddress::Outside(last) => IpAddr::from([192, 0, 2, last]),
        })
    }

    fn cluster(&self, local: &str) -> Cluster {
        let mut cluster = Cluster::new(local);
        let parent = self.parent.then(|| "eth0".to_owned());
        (cluster.parents.v4, cluster.parents.v6) = (parent.clone(), parent);
        for (index, host) in HOSTS.into_iter().enumerate() {
            if self.hosts[index].is_some() {
                let address = self.host_address(host).map(|address| address.to_string());
                let (v4, v6) = if self.v6 { (None, address) } else { (address, None) };
                node(&mut cluster, host, v4.as_deref(), v6.as_deref());
            }
        }
        for (index, plan) in self.pools.iter().enumerate() {
            let cidr = self.net(plan.first, SPACE >> plan.halvings);
            let mut spec = json!({"cidr": cidr, "disableBGPExport": !plan.exported});
            match plan.mode {
                Mode::Plain => {}
                Mode::Vxlan => spec["vxlanMode"] = json!("Always"),
                Mode::LoadBalancer => spec["allowedUses"] = json!(["LoadBalancer"]),
            }
            pool(&mut cluster, &format!("p{index}"), &spec);
        }
        for plan in &self.blocks {
            let cidr = self.net(plan.first, plan.size).to_string();
            let allocations: Vec<_> = plan
                .allocations
                .iter()
                .map(|(place, holder)| (self.address(plan.first + place).to_string(), holder.clone()))
                .collect();
            let allocations: Vec<_> =
                allocations.iter().map(|(address, holder)| (address.as_str(), holder.as_deref())).collect();
            block(&mut cluster, &cidr, plan.owner.as_deref(), &allocations);
            if let Some(host) = plan.owner.as_deref().and_then(|owner| owner.strip_prefix("host:")) {
                affinity(&mut cluster, host, &cidr, if plan.confirmed { "confirmed" } else { "pending" });
            }
        }
        for (index, plan) in self.endpoints.iter().enumerate() {
            let networks: Vec<_> =
                plan.addresses.iter().map(|&place| IpNet::from(self.address(place)).to_string()).collect();
            let networks: Vec<_> = networks.iter().map(String::as_str).collect();
            let interface = if plan.interface { format!("cali{index}") } else { String::new() };
            endpoint(&mut cluster, &plan.node, &format!("e{index}"), &interface, &networks);
        }
        cluster
    }
}

/// The twin: no tries, no maps, no routes. One address, one answer.
struct Twin<'a> {
    plan: &'a Plan,
    local: &'a str,
}

impl Twin<'_> {
    /// The mode in which all of a range is carried: pools from the largest to the smallest, each overriding the one
    /// around it unless it says nothing of workloads (spec of the reference's resolver).
    fn mode(&self, first: u32, size: u32) -> Option<Mode> {
        let mut around: Vec<_> = self
            .plan
            .pools
            .iter()
            .filter(|pool| pool.first <= first && first + size <= pool.first + (SPACE >> pool.halvings))
            .collect();
        around.sort_by_key(|pool| pool.halvings);
        around.into_iter().map(|pool| pool.mode).fold(None, |mode, inner| match inner {
            Mode::LoadBalancer => mode,
            other => Some(other),
        })
    }

    /// The way to a host for such a range.
    fn way(&self, host: &str, mode: Option<Mode>) -> Option<Hop> {
        let address = self.plan.host_address(host)?;
        let usable = mode == Some(Mode::Plain)
            && self.plan.parent
            && self.plan.host_address(self.local) != Some(address);
        usable.then_some(Hop::Via(address))
    }

    fn hop(&self, place: u32) -> Hop {
        let address = self.plan.address(place);
        for (index, endpoint) in self.plan.endpoints.iter().enumerate() {
            if endpoint.node == self.local && endpoint.interface && endpoint.addresses.contains(&place) {
                return Hop::Deliver(format!("cali{index}"));
            }
        }
        let Some(block) = self.plan.blocks.iter().find(|b| (b.first..b.first + b.size).contains(&place))
        else {
            return Hop::Nowhere;
        };
        let owner = block.owner.as_deref().and_then(|owner| owner.strip_prefix("host:"));
        let holder = block
            .allocations
            .iter()
            .find(|(at, _)| block.first + at == place)
            .and_then(|(_, holder)| holder.as_deref())
            .filter(|holder| !holder.is_empty());
        let is_a_hosts = HOSTS.iter().any(|host| self.plan.host_address(host) == Some(address));
        if let Some(holder) = holder.filter(|&holder| Some(holder) != owner) {
            let usable = !is_a_hosts && holder != self.local;
            if let Some(hop) = self.way(holder, self.mode(place, 1)).filter(|_| usable) {
                return hop;
            }
            if block.size == 1 {
                return Hop::Nowhere;
            }
        }
        match owner {
            None => Hop::Nowhere,
            Some(_) if block.size == 1 && is_a_hosts => Hop::Nowhere,
            Some(owner) if owner == self.local && block.size == 1 => Hop::Nowhere,
            Some(owner) if owner == self.local => Hop::Blackhole,
            Some(owner) => self.way(owner, self.mode(block.first, block.size)).unwrap_or(Hop::Nowhere),
        }
    }

    fn exported(&self, first: u32, size: u32) -> Option<bool> {
        let around =
            |pool: &&PoolPlan| pool.first <= first && first + size <= pool.first + (SPACE >> pool.halvings);
        self.plan.pools.iter().filter(around).map(|pool| pool.exported).reduce(|all, one| all && one)
    }

    fn advertised(&self, first: u32, size: u32) -> bool {
        let mine = |block: &&BlockPlan| {
            block.confirmed && block.owner.as_deref() == Some(format!("host:{}", self.local).as_str())
        };
        let exact = self.plan.blocks.iter().filter(mine).any(|b| (b.first, b.size) == (first, size));
        let inside = self
            .plan
            .blocks
            .iter()
            .filter(mine)
            .any(|b| b.size > size && (b.first..b.first + b.size).contains(&first));
        let here = self.plan.endpoints.iter().any(|e| e.node == self.local && e.addresses.contains(&first));
        let exported = self.exported(first, size);
        exported != Some(false)
            && if size == 1 { here && !inside && (exact || exported.is_some()) } else { exact }
    }
}

fn holder() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        6 => prop::sample::select(&HOSTS[..]).prop_map(|host| Some(host.to_owned())),
        1 => Just(None),
        1 => Just(Some(String::new())),
        1 => Just(Some("unknown".to_owned())),
    ]
}

fn owner() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        8 => prop::sample::select(&HOSTS[..]).prop_map(|host| Some(format!("host:{host}"))),
        1 => Just(None),
        1 => Just(Some("virtual:load-balancer".to_owned())),
        1 => Just(Some("host:unknown".to_owned())),
    ]
}

/// Blocks of one place: none, one of eight addresses, or up to two of four, or single ones.
fn blocks_of(place: u32) -> impl Strategy<Value = Vec<BlockPlan>> {
    let one = |first: u32, size: u32| {
        let allocations =
            prop::collection::btree_map(0..size, holder(), 0..=usize::try_from(size.min(3)).unwrap());
        (owner(), allocations, any::<bool>()).prop_map(move |(owner, allocations, confirmed)| BlockPlan {
            first,
            size,
            owner,
            allocations: allocations.into_iter().collect(),
            confirmed,
        })
    };
    let first = place * PLACE;
    prop_oneof![
        1 => Just(Vec::new()),
        2 => one(first, 8).prop_map(|block| vec![block]),
        1 => (one(first, 4), one(first + 4, 4)).prop_map(|(a, b)| vec![a, b]),
        1 => (one(first, 1), one(first + 3, 1), one(first + 4, 2)).prop_map(|(a, b, c)| vec![a, b, c]),
    ]
}

fn pools() -> impl Strategy<Value = Vec<PoolPlan>> {
    let mode = prop_oneof![4 => Just(Mode::Plain), 1 => Just(Mode::Vxlan), 1 => Just(Mode::LoadBalancer)];
    let pool =
        (0..6_u8, 0..SPACE, mode, prop::bool::weighted(0.8)).prop_map(|(halvings, at, mode, exported)| {
            let size = SPACE >> halvings;
            PoolPlan { first: at / size * size, halvings, mode, exported }
        });
    prop::collection::vec(pool, 0..4).prop_map(|mut pools| {
        // Two pools of one range are refused when they are stored.
        pools.sort_by_key(|pool| (pool.first, pool.halvings));
        pools.dedup_by_key(|pool| (pool.first, pool.halvings));
        pools
    })
}

fn host_address() -> impl Strategy<Value = Option<Option<HostAddress>>> {
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(None)),
        8 => (1..6_u8).prop_map(|last| Some(Some(HostAddress::Outside(last)))),
        1 => (0..SPACE).prop_map(|place| Some(Some(HostAddress::Inside(place)))),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let endpoint = (
        prop::sample::select(&HOSTS[..2]),
        prop::collection::btree_set(0..SPACE, 1..4),
        prop::bool::weighted(0.9),
    )
        .prop_map(|(node, addresses, interface)| EndpointPlan {
            node: node.to_owned(),
            addresses: addresses.into_iter().collect(),
            interface,
        });
    let blocks: Vec<_> = (0..SPACE / PLACE).map(blocks_of).collect();
    (
        any::<bool>(),
        prop::bool::weighted(0.9),
        prop::collection::vec(host_address(), HOSTS.len()),
        pools(),
        blocks.prop_map(|blocks| blocks.concat()),
        prop::collection::vec(endpoint, 0..6),
    )
        .prop_map(|(v6, parent, hosts, pools, blocks, endpoints)| Plan {
            v6,
            parent,
            hosts,
            pools,
            blocks,
            endpoints,
        })
}

/// Brings a plan into the state that a cluster at rest has: hosts have addresses of their own, one plain pool is around
/// everything, and each allocation is a workload of the host that made it.
fn settle(mut plan: Plan) -> Plan {
    plan.parent = true;
    plan.hosts = (1..=4).map(|last| Some(Some(HostAddress::Outside(last)))).collect();
    plan.pools = vec![PoolPlan { first: 0, halvings: 0, mode: Mode::Plain, exported: true }];
    plan.endpoints.clear();
    for block in &mut plan.blocks {
        block.confirmed = true;
        block
            .allocations
            .retain(|(_, holder)| holder.as_deref().is_some_and(|holder| HOSTS.contains(&holder)));
        if block.owner.as_deref() == Some("host:unknown") {
            block.owner = None;
        }
        for (place, holder) in &block.allocations {
            plan.endpoints.push(EndpointPlan {
                node: holder.clone().unwrap(),
                addresses: vec![block.first + place],
                interface: true,
            });
        }
    }
    plan
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_address_goes_where_the_twin_says(plan in plan()) {
        let fabric = fabric(&plan.cluster("a"));
        let twin = Twin { plan: &plan, local: "a" };
        for place in 0..SPACE {
            let address = plan.address(place);
            let expected = if address.is_unspecified() { Hop::Nowhere } else { twin.hop(place) };
            prop_assert_eq!(look_up(&fabric, address), expected, "{} in {:?}", address, plan);
        }
        for pair in fabric.routes.windows(2) {
            prop_assert!(pair[0].destination < pair[1].destination, "{} and {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn every_prefix_is_advertised_where_the_twin_says(plan in plan()) {
        let advertised = fabric(&plan.cluster("a")).advertisements;
        let twin = Twin { plan: &plan, local: "a" };
        let mut expected = Vec::new();
        for place in 0..SPACE {
            for size in [1, 2, 4, 8] {
                if place % size == 0 && twin.advertised(place, size) {
                    expected.push(plan.net(place, size));
                }
            }
        }
        expected.sort();
        expected.dedup();
        prop_assert_eq!(advertised, expected, "{:?}", plan);
    }

    /// The twin repeats the rules; this asks only for what they are for.
    #[test]
    fn in_a_cluster_at_rest_every_packet_arrives(plan in plan().prop_map(settle)) {
        let fabrics = HOSTS.map(|host| fabric(&plan.cluster(host)));
        let by_address = |address| HOSTS.iter().position(|host| plan.host_address(host) == Some(address));
        for (index, endpoint) in plan.endpoints.iter().enumerate() {
            for (start, host) in HOSTS.into_iter().enumerate() {
                let (mut at, mut hops) = (start, 0);
                let last = loop {
                    match look_up(&fabrics[at], plan.address(endpoint.addresses[0])) {
                        Hop::Via(next) if hops < 2 => {
                            at = by_address(next).unwrap();
                            hops += 1;
                        }
                        last => break last,
                    }
                };
                prop_assert_eq!(last, Hop::Deliver(format!("cali{index}")), "from {} in {:?}", host, plan);
                prop_assert_eq!(HOSTS[at], endpoint.node.as_str());
                prop_assert!(hops <= 1, "{} hops from {} in {:?}", hops, host, plan);
            }
        }
    }

    /// Two ends of each session agree on it, and exactly one of them connects.
    #[test]
    fn the_mesh_is_symmetric(plan in plan(), global in 1..5_u32, own in prop::collection::vec(prop::option::of(1..4_u32), 4)) {
        let clusters = HOSTS.map(|host| {
            let mut cluster = plan.cluster(host);
            kit::put(&mut cluster, "BGPConfiguration", "bgpconfigurations/default", &json!({"asNumber": global}));
            for (host, number) in HOSTS.iter().zip(&own) {
                let bgp = cluster.nodes.get_mut(*host).and_then(|node| node.spec.bgp.as_mut());
                if let (Some(number), Some(bgp)) = (number, bgp) {
                    bgp.as_number = Some(number.to_string().parse().unwrap());
                }
            }
            cluster
        });
        let fabrics = clusters.each_ref().map(fabric);
        let unique = |address: IpAddr| HOSTS.iter().filter(|host| plan.host_address(host) == Some(address)).count() == 1;
        for (index, host) in HOSTS.iter().enumerate() {
            let Some(address) = plan.host_address(host).filter(|&address| unique(address)) else { continue };
            for peer in &fabrics[index].peers {
                let Some(other) = HOSTS.iter().position(|host| plan.host_address(host) == Some(peer.address)) else {
                    return Err(TestCaseError::fail(format!("{} is no node's", peer.address)));
                };
                if !unique(peer.address) {
                    continue;
                }
                let back = fabrics[other].peers.iter().find(|back| back.address == address).unwrap();
                prop_assert_eq!((peer.local_as, peer.remote_as), (back.remote_as, back.local_as));
                prop_assert!(peer.passive != back.passive);
                prop_assert_eq!(back.port, fabrics[index].speaker.listen_port);
            }
        }
    }
}
