//! What the reference's tests of automatic assignment check, on a store in memory.
//!
//! Cases after calico@87c15906f2 libcalico-go/lib/ipam/ipam_test.go.

#![expect(clippy::unwrap_used, reason = "a test")]

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tortie_ipam::{
    AddressRequest, Affinity, AffinityError, Allocator, AssignError, AssignErrorKind, AssignRequest,
    Assigned, AssignmentMode, Config, Fault, ListOptions, MemoryStore, Message, Pool, PoolError, Revision,
    Store, Use, Utilization, View, block_on, keys,
};
use tortie_selector::Selector;

const NOW: Duration = Duration::from_secs(1_787_918_700);
const V4: &str = "192.168.1.0/24";
const V6: &str = "fd80:24e2:f998:72d6::/120";

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn net4(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

fn pool(name: &str, cidr: &str) -> Pool {
    Pool::new(name, net(cidr))
}

fn strict() -> Config {
    Config { strict_affinity: true, ..Config::default() }
}

/// An allocator on a fresh store, and short words for what the tests do with it.
struct Cluster(Allocator<MemoryStore>);

impl Cluster {
    fn new() -> Self {
        Self(Allocator::new(MemoryStore::new()))
    }

    fn request(&self, request: &AssignRequest, view: &View) -> Result<Assigned, AssignError> {
        self.at(request, view, NOW)
    }

    fn at(&self, request: &AssignRequest, view: &View, now: Duration) -> Result<Assigned, AssignError> {
        block_on(self.0.auto_assign(request, view, now))
    }

    fn some(&self, host: &str, num4: u32, view: &View) -> Assigned {
        self.request(&request(host).v4(num4), view).unwrap()
    }

    /// Blocks with their owners.
    fn owners(&self, view: &View) -> BTreeMap<IpNet, Option<String>> {
        let blocks = self.utilization(view).pools.into_iter().flat_map(|pool| pool.blocks);
        blocks.map(|block| (block.cidr, block.affinity.map(|owner| owner.to_string()))).collect()
    }

    fn utilization(&self, view: &View) -> Utilization {
        block_on(self.0.utilization(view, NOW)).unwrap()
    }
}

fn request(host: &str) -> AssignRequest {
    AssignRequest::new(format!("handle-{host}"), host, Use::Workload).attribute("node", host)
}

fn addresses(assigned: &Assigned) -> Vec<IpAddr> {
    assigned.addresses().map(|net| net.addr()).collect()
}

#[test]
fn no_block_overlaps_one_of_another_size() {
    let view = |len| View::new([Pool::new("p", "10.0.0.0/24".parse().unwrap()).block_len(len)]);
    let allocator = Allocator::new(MemoryStore::new());
    let now = Duration::from_secs(1_000);
    let request = |handle: &str| AssignRequest::new(handle, "a", Use::Workload).v4(1);
    let first = block_on(allocator.assign_all(&request("h"), &view(26), now)).unwrap().v4.addresses[0];
    let existing = first.trunc();
    // The pool is cut anew: the old block has the address, and no small one comes over it.
    let wanted = AddressRequest::new(first.addr(), "other", "b", Use::Workload);
    let error = block_on(allocator.assign_address(&wanted, &view(28), now)).unwrap_err();
    assert!(
        matches!(error, AssignErrorKind::Overlaps { existing: found, .. } if found == existing),
        "{error}"
    );
    let small = IpNet::new(first.addr(), 28).unwrap().trunc();
    let error = block_on(allocator.claim_block(&Affinity::host("b"), &small, now)).unwrap_err();
    assert_eq!(error, AffinityError::Overlaps { cidr: small, existing });
    let whole = "10.0.0.0/24".parse().unwrap();
    let claimed = block_on(allocator.claim_range(&Affinity::host("b"), &whole, &view(28), now)).unwrap();
    assert_eq!((claimed.claimed.len(), claimed.failed.len()), (12, 4));
    // An affinity of the old size whose block is gone is not brought back over a new one.
    let stale = keys::affinity(&Affinity::host("c"), &"10.0.0.0/24".parse().unwrap());
    block_on(allocator.store().create(&stale, b"")).unwrap();
    let request = AssignRequest::new("c1", "c", Use::Workload).v4(1);
    let assigned = block_on(allocator.auto_assign(&request, &view(28), now)).unwrap();
    assert_eq!(assigned.v4.addresses[0].prefix_len(), 28);
}

#[test]
fn as_many_as_there_are() {
    for (len4, len6) in [(32, 128), (26, 122), (24, 120), (28, 124)] {
        let pools = [pool("v4", V4).block_len(len4), pool("v6", V6).block_len(len6)];
        let view = View::new(pools.clone());
        let assigned = Cluster::new().request(&request("a").v4(1).v6(1), &view).unwrap();
        assert_eq!(addresses(&assigned).len(), 2);
        assert_eq!(assigned.v4.addresses[0].prefix_len(), len4, "the prefix length is the block's");
        assert_eq!(assigned.shortfall(), None);

        let config = Config { max_blocks_per_host: 1_000, ..Config::default() };
        let view = View { config, ..view };
        let cluster = Cluster::new();
        let assigned = cluster.request(&request("a").v4(256).v6(256), &view).unwrap();
        let distinct: BTreeSet<IpAddr> = addresses(&assigned).into_iter().collect();
        assert_eq!(distinct.len(), 512);
        assert!(distinct.iter().all(|addr| pools.iter().any(|pool| pool.cidr.contains(addr))));
        let released = block_on(cluster.0.release_by_handle("handle-a", &config, NOW)).unwrap();
        assert_eq!(released.len(), 512);
    }
}

#[test]
fn the_block_limit_stops_at_once_and_keeps_what_was_assigned() {
    let view = View::new([pool("v4", V4)]);
    for (limit, got) in [(1, 64), (2, 128)] {
        let error = Cluster::new().request(&request("a").v4(256).max_blocks(limit), &view).unwrap_err();
        assert_eq!(error.kind(), &AssignErrorKind::BlockLimit { limit });
        assert_eq!(error.assigned().v4.addresses.len(), got);
        assert_eq!(error.assigned().v4.messages, [Message::BlockLimit(limit)]);
        assert_eq!(
            error.assigned().shortfall().unwrap().to_string(),
            format!(
                "Assigned {got} out of 256 requested IPv4 addresses; Need to allocate an IPAM block but could not - \
                 limit of {limit} blocks reached for this node"
            )
        );
        assert!(!error.is_retryable());
    }
}

#[test]
fn the_limits_of_request_and_configuration() {
    // /28 of /30 blocks: four blocks of four.
    let view = View::new([pool("v4", "10.0.0.0/28").block_len(30)]);
    let config = Config { max_blocks_per_host: 2, ..strict() };
    let view = View { config, ..view };
    let cluster = Cluster::new();
    assert_eq!(addresses(&cluster.some("a", 8, &view)).len(), 8);
    assert!(cluster.request(&request("a").v4(1), &view).is_err());
    assert_eq!(addresses(&cluster.some("b", 1, &view)).len(), 1);
    assert!(cluster.request(&request("a").v4(1), &view).is_err());
    assert!(cluster.request(&request("a").v4(1).max_blocks(3), &view).is_err());
    let config = Config { max_blocks_per_host: 3, ..config };
    let view = View { config, ..view };
    assert!(cluster.request(&request("a").v4(1).max_blocks(2), &view).is_err());
    assert_eq!(addresses(&cluster.some("a", 1, &view)).len(), 1);
}

#[test]
fn one_more_than_there_are_is_no_error() {
    let view = View::new([pool("v4", V4)]);
    let assigned = Cluster::new().some("a", 257, &view);
    assert_eq!(assigned.v4.addresses.len(), 256);
    let text = assigned.shortfall().unwrap().to_string();
    assert_eq!(
        text,
        "Assigned 256 out of 257 requested IPv4 addresses; No IPs available in pools: [192.168.1.0/24]"
    );
}

#[test]
fn two_hosts_take_two_blocks_and_then_borrow() {
    let view = View::new([pool("v4", "10.0.0.0/25")]);
    let cluster = Cluster::new();
    let of_a = cluster.some("a", 1, &view);
    let of_b = cluster.some("b", 1, &view);
    let block = |assigned: &Assigned| assigned.v4.addresses[0].trunc();
    assert_ne!(block(&of_a), block(&of_b));
    let more = cluster.some("a", 64, &view);
    let own = more.v4.addresses.iter().filter(|net| net.trunc() == block(&of_a)).count();
    assert_eq!((own, more.v4.addresses.len()), (63, 64));
    let owners = cluster.owners(&view);
    assert_eq!(owners.values().flatten().collect::<Vec<_>>().len(), 2);
    assert_eq!(owners[&block(&of_b)].as_deref(), Some("host:b"));
    // What was borrowed is released like the rest, and the lender keeps its own.
    block_on(cluster.0.release_by_handle("handle-a", &view.config, NOW)).unwrap();
    assert_eq!(block_on(cluster.0.addresses_by_handle("handle-b")).unwrap(), addresses(&of_b));
}

#[test]
fn strict_affinity_on_and_off() {
    let open = View::new([pool("v4", "10.0.0.0/26")]);
    let closed = View { config: strict(), ..open.clone() };
    let cluster = Cluster::new();
    for host in ["a", "b"] {
        assert_eq!(cluster.some(host, 1, &open).v4.addresses.len(), 1);
    }
    assert_eq!(cluster.some("a", 1, &closed).v4.addresses.len(), 1);
    let none = cluster.some("b", 1, &closed);
    assert_eq!(none.v4.addresses, []);
    assert_eq!(none.v4.messages, [Message::Strict]);
    assert_eq!(cluster.some("b", 1, &open).v4.addresses.len(), 1);

    let all = Cluster::new().some("a", 256, &closed);
    assert_eq!(all.v4.addresses.len(), 64);
    assert_eq!(all.v4.messages[0].to_string(), "No more free affine blocks and strict affinity enabled");
}

#[test]
fn new_blocks_can_be_forbidden() {
    let view = View::new([pool("v4", "10.0.0.0/25")]);
    let cluster = Cluster::new();
    cluster.some("a", 1, &view);
    let config = Config { auto_allocate_blocks: false, ..strict() };
    let view = View { config, ..view };
    assert_eq!(cluster.some("a", 63, &view).v4.addresses.len(), 63);
    let error = cluster.request(&request("a").v4(1), &view).unwrap_err();
    assert_eq!(error.kind(), &AssignErrorKind::BlocksForbidden);
}

fn zone(value: &str) -> Selector {
    Selector::parse(&format!("zone == '{value}'")).unwrap()
}

fn labels(zone: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("zone".to_string(), zone.to_string())])
}

#[test]
fn which_pools() {
    let disabled = |mut pool: Pool| {
        pool.disabled = true;
        pool
    };
    // Enabled or not, selecting the node or not, named or not: used or not.
    for (enabled, selects, named, used) in [
        (true, true, true, true),
        (true, true, false, true),
        (true, false, true, true),
        (true, false, false, false),
        (false, true, true, false),
        (false, true, false, false),
        (false, false, true, false),
        (false, false, false, false),
    ] {
        for cidr in [V4, V6] {
            let subject = pool("subject", cidr).node_selector(zone(if selects { "here" } else { "there" }));
            let subject = if enabled { subject } else { disabled(subject) };
            let view = View { node_labels: labels("here"), ..View::new([subject]) };
            let wanted = match net(cidr) {
                IpNet::V4(cidr) => request("a").v4(1).pools4(if named { vec![cidr] } else { vec![] }),
                IpNet::V6(cidr) => request("a").v6(1).pools6(if named { vec![cidr] } else { vec![] }),
            };
            let got = Cluster::new().request(&wanted, &view);
            assert_eq!(got.is_ok(), used, "{cidr} enabled {enabled} selects {selects} named {named}");
        }
    }
}

#[test]
fn why_no_pool() {
    let cluster = Cluster::new();
    let kind = |request: &AssignRequest, view: &View| match cluster.request(request, view).unwrap_err().kind()
    {
        AssignErrorKind::Pool(error) => error.clone(),
        other => unreachable!("{other:?}"),
    };
    let one = request("a").v4(1);
    assert_eq!(kind(&one, &View::default()), PoolError::NoneQualified);
    assert_eq!(kind(&one, &View::new([pool("v6", V6)])), PoolError::NoneQualified);
    let view = View::new([pool("v4", V4)]);
    let unknown = kind(&request("a").v4(1).pools4([net4("10.0.0.0/24")]), &view);
    assert_eq!(unknown.to_string(), "the given pool (10.0.0.0/24) does not exist, or is not enabled");
    let elsewhere = View::new([pool("v4", V4).node_selector(zone("x"))]);
    assert_eq!(kind(&one, &elsewhere), PoolError::NoneForNode { node: "a".to_string() });
    let tunnels = View::new([pool("v4", V4).allowed_uses([Use::Tunnel])]);
    assert_eq!(
        kind(&one, &tunnels).to_string(),
        "no configured Calico pools for node a, no pools match the required use (Workload)"
    );
    // The use holds for pools that are named, too.
    assert!(matches!(kind(&request("a").v4(1).pools4([net4(V4)]), &tunnels), PoolError::NoneForUse { .. }));
    // A block larger than its pool, or than a block may be, makes a pool that cannot be used.
    let large = View::new([pool("v4", V4).block_len(20), pool("wide", "10.0.0.0/8").block_len(8)]);
    assert_eq!(kind(&one, &large), PoolError::NoneQualified);
    for text in ["", "a/b", "a\nb"] {
        let mut bad = request("a").v4(1);
        bad.handle = text.to_string();
        let error = cluster.request(&bad, &view).unwrap_err();
        assert!(matches!(error.kind(), AssignErrorKind::Fault(Fault::InvalidName { .. })), "{text:?}");
    }
}

#[test]
fn manual_pools_and_namespaces_and_names() {
    let manual = pool("a-manual", "10.1.0.0/26").assignment_mode(AssignmentMode::Manual);
    let team = pool("b-team", "10.2.0.0/26").namespace_selector(zone("team"));
    let rest = pool("c-rest", "10.3.0.0/26");
    let view = View::new([rest, team, manual]);
    let inside = |assigned: Assigned, cidr: &str| net(cidr).contains(&assigned.v4.addresses[0].addr());
    let cluster = Cluster::new();
    assert!(inside(cluster.some("a", 1, &view), "10.3.0.0/26"), "no namespace, no labels");
    let in_team = View { namespace_labels: labels("team"), ..view.clone() };
    assert!(inside(cluster.some("b", 1, &in_team), "10.2.0.0/26"), "pools go by name");
    for cidr in ["10.1.0.0/26", "10.2.0.0/26"] {
        let named = cluster.request(&request("c").v4(1).pools4([net4(cidr)]), &view).unwrap();
        assert!(inside(named, cidr), "named pools serve whom they are named by");
    }
    // Named pools are used in the order in which they are named.
    let order = request("d").v4(100).pools4([net4("10.3.0.0/26"), net4("10.1.0.0/26")]);
    let assigned = cluster.request(&order, &view).unwrap();
    let first = assigned.v4.addresses.iter().take_while(|cidr| net("10.3.0.0/26").contains(*cidr)).count();
    assert_eq!((first, assigned.v4.addresses.len()), (63, 100));
}

#[test]
fn load_balancers_own_their_blocks_together() {
    let lb = pool("lb", "10.9.0.0/26").allowed_uses([Use::LoadBalancer]);
    let view = View::new([lb, pool("v4", V4)]);
    let cluster = Cluster::new();
    for service in ["one", "two"] {
        let wanted = AssignRequest::new(service, "anything", Use::LoadBalancer).v4(1);
        let assigned = cluster.request(&wanted, &view).unwrap();
        assert!(net("10.9.0.0/26").contains(&assigned.v4.addresses[0].addr()));
    }
    let owners = cluster.owners(&view);
    assert_eq!(owners.values().flatten().collect::<Vec<_>>(), ["virtual:load-balancer"]);
}

#[test]
fn a_pool_that_goes_is_not_used_any_more() {
    let view = View::new([pool("a", "10.1.0.0/26"), pool("b", "10.2.0.0/26")]);
    let cluster = Cluster::new();
    let first = cluster.some("a", 1, &view);
    assert!(net("10.1.0.0/26").contains(&first.v4.addresses[0].addr()));
    let less = View::new([pool("b", "10.2.0.0/26")]);
    assert!(net("10.2.0.0/26").contains(&cluster.some("a", 1, &less).v4.addresses[0].addr()));
    // In use: it stays until its addresses are released.
    assert_eq!(cluster.owners(&view)[&net("10.1.0.0/26")].as_deref(), Some("host:a"));
    block_on(cluster.0.release_by_handle("handle-a", &less.config, NOW)).unwrap();
    cluster.some("a", 1, &less);
    assert!(!cluster.owners(&view).contains_key(&net("10.1.0.0/26")));
}

#[test]
fn empty_blocks_go_when_the_selector_changes() {
    let of = |value: &str| pool("p", "10.1.0.0/26").node_selector(zone(value));
    let rest = pool("q", "10.2.0.0/26");
    let here = View { node_labels: labels("here"), ..View::new([of("here"), rest.clone()]) };
    let cluster = Cluster::new();
    let first = cluster.some("a", 1, &here);
    assert!(net("10.1.0.0/26").contains(&first.v4.addresses[0].addr()));
    block_on(cluster.0.release_by_handle("handle-a", &here.config, NOW)).unwrap();
    // Still selected, but not used for this request: kept.
    let mut tunnels = of("here");
    tunnels.allowed_uses = vec![Use::Tunnel];
    let kept = View { node_labels: labels("here"), ..View::new([tunnels, rest.clone()]) };
    cluster.some("a", 1, &kept);
    cluster.request(&request("a").v4(1).pools4([net4("10.2.0.0/26")]), &here).unwrap();
    assert!(cluster.owners(&here).contains_key(&net("10.1.0.0/26")));
    // Not selected any more: given back.
    let gone = View { node_labels: labels("here"), ..View::new([of("there"), rest]) };
    cluster.some("a", 1, &gone);
    assert!(!cluster.owners(&gone).contains_key(&net("10.1.0.0/26")));
    let affinity = keys::affinity(&Affinity::host("a"), &net("10.1.0.0/26"));
    assert_eq!(block_on(cluster.0.store().get(&affinity)).unwrap(), None);
}

#[test]
fn reserved_addresses_are_passed_over_but_can_be_named() {
    let view = View {
        reservations: vec![net("10.0.0.0/27"), net("10.0.0.0/28"), net("10.0.0.63/32")],
        ..View::new([pool("p", "10.0.0.0/26")])
    };
    let cluster = Cluster::new();
    let assigned = cluster.some("a", 64, &view);
    assert_eq!(assigned.v4.addresses.len(), 31);
    assert!(
        assigned.v4.addresses.iter().all(|net| !view.reservations.iter().any(|r| r.contains(&net.addr())))
    );
    let wanted = AddressRequest::new("10.0.0.5".parse().unwrap(), "h", "a", Use::Workload);
    let got = block_on(cluster.0.assign_address(&wanted, &view, NOW)).unwrap();
    assert_eq!(got, net("10.0.0.5/26"));
    // A block reserved whole, by parts, is not claimed.
    let view = View {
        reservations: vec![net("10.1.0.0/27"), net("10.1.0.32/27")],
        ..View::new([pool("p", "10.1.0.0/25")])
    };
    for host in ["a", "b", "c", "d"] {
        let assigned = Cluster::new().some(host, 1, &view);
        assert!(net("10.1.0.64/26").contains(&assigned.v4.addresses[0].addr()));
    }
}

#[test]
fn an_empty_block_of_another_is_taken_when_it_is_old() {
    let view = View { config: strict(), ..View::new([pool("p", "10.0.0.0/26")]) };
    let cluster = Cluster::new();
    cluster.some("a", 1, &view);
    let later = NOW + Duration::from_secs(60);
    assert_eq!(cluster.at(&request("b").v4(1), &view, later).unwrap().v4.addresses, [], "in use");
    block_on(cluster.0.release_by_handle("handle-a", &view.config, NOW)).unwrap();
    let soon = NOW + Duration::from_secs(59);
    assert_eq!(cluster.at(&request("b").v4(1), &view, soon).unwrap().v4.addresses, [], "too young");
    assert_eq!(cluster.at(&request("b").v4(1), &view, later).unwrap().v4.addresses.len(), 1);
    assert_eq!(cluster.owners(&view)[&net("10.0.0.0/26")].as_deref(), Some("host:b"));
    assert_eq!(cluster.0.store().len(), 3, "block, affinity, handle");
}

#[test]
fn an_address_that_rests_keeps_its_block_and_then_comes_back() {
    let config = Config { ip_cooldown: Duration::from_secs(30), ..strict() };
    let view = View { config, ..View::new([pool("p", "10.0.0.0/31").block_len(31)]) };
    let cluster = Cluster::new();
    let first = cluster.some("a", 1, &view);
    block_on(cluster.0.release_by_handle("handle-a", &config, NOW)).unwrap();
    assert_eq!(cluster.some("a", 2, &view).v4.addresses.len(), 1);
    let rested = NOW + Duration::from_secs(31);
    let again = cluster.at(&request("a").v4(1), &view, rested).unwrap();
    assert_eq!(addresses(&again), addresses(&first));
}

#[test]
fn addresses_come_again_last() {
    let view = View { config: strict(), ..View::new([pool("p", "10.0.0.0/30").block_len(30)]) };
    let cluster = Cluster::new();
    let mut order = Vec::new();
    for _ in 0..8 {
        order.extend(addresses(&cluster.some("a", 1, &view)));
        block_on(cluster.0.release_by_handle("handle-a", &view.config, NOW)).unwrap();
    }
    let last: Vec<u8> = order
        .iter()
        .map(|address| match address {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(_) => unreachable!(),
        })
        .collect();
    assert_eq!(last, [0, 1, 2, 3, 0, 1, 2, 3]);
}

#[test]
fn all_or_nothing() {
    let cluster = Cluster::new();
    let view = View::new([pool("v4", "10.0.0.0/31").block_len(31), pool("v6", "fd00::/127").block_len(127)]);
    let one = |handle: &str| AssignRequest::new(handle, "a", Use::Workload).v4(1).v6(1);
    let all = |request: &AssignRequest, view: &View| block_on(cluster.0.assign_all(request, view, NOW));
    assert_eq!(addresses(&all(&one("x"), &view).unwrap()).len(), 2);
    // IPv6 falls short: the IPv4 address is not kept.
    let six = AssignRequest::new("y", "a", Use::Workload).v6(1);
    all(&six, &view).unwrap();
    let error = all(&one("z"), &view).unwrap_err();
    assert!(matches!(error.kind(), AssignErrorKind::Short(short) if short.assigned == 0));
    assert_eq!(
        error.to_string(),
        "failed to request IPv6 addresses: Assigned 0 out of 1 requested IPv6 addresses; \
         No IPs available in pools: [fd00::/127]"
    );
    assert_eq!(error.assigned(), &Assigned::default());
    assert_eq!(block_on(cluster.0.store().get(&keys::handle("z"))).unwrap(), None);
    // IPv6 fails with an error: neither; and what the handle had before stays.
    let no_six = View::new([pool("v4", "10.0.0.0/31").block_len(31)]);
    let before = block_on(cluster.0.addresses_by_handle("x")).unwrap();
    let error = all(&one("x"), &no_six).unwrap_err();
    assert_eq!(error.kind(), &AssignErrorKind::Pool(PoolError::NoneQualified));
    assert_eq!(block_on(cluster.0.addresses_by_handle("x")).unwrap(), before);
    assert_eq!(cluster.utilization(&view).pools[0].in_use, 1);
}

#[test]
fn one_particular_address() {
    let tunnels = pool("t", "10.1.0.0/26").allowed_uses([Use::Tunnel]);
    let mut elsewhere = pool("p", "10.0.0.0/26").node_selector(zone("there"));
    elsewhere.assignment_mode = AssignmentMode::Manual;
    let view = View::new([elsewhere, tunnels]);
    let cluster = Cluster::new();
    let assign = |address: &str, handle: &str, host: &str, view: &View| {
        let wanted = AddressRequest::new(address.parse().unwrap(), handle, host, Use::Workload);
        block_on(cluster.0.assign_address(&wanted, view, NOW))
    };
    assert_eq!(assign("10.0.0.9", "x", "a", &view), Ok(net("10.0.0.9/26")), "any selector, any mode");
    assert_eq!(assign("10.0.0.9", "x", "a", &view), Ok(net("10.0.0.9/26")), "its own already");
    let address: IpAddr = "10.0.0.9".parse().unwrap();
    assert_eq!(assign("10.0.0.9", "y", "a", &view), Err(AssignErrorKind::AlreadyAssigned { address }));
    assert!(matches!(assign("10.2.0.9", "y", "a", &view), Err(AssignErrorKind::NotInPool { .. })));
    assert!(matches!(assign("fd00::1", "y", "a", &view), Err(AssignErrorKind::NotInPool { .. })));
    assert!(matches!(assign("10.1.0.9", "y", "a", &view), Err(AssignErrorKind::UseForbidden { .. })));
    assert_eq!(assign("10.0.0.10", "z", "b", &view), Ok(net("10.0.0.10/26")), "borrowed");
    let closed = View { config: strict(), ..view };
    let owner = Some(Affinity::host("a"));
    let cidr = net("10.0.0.0/26");
    assert_eq!(assign("10.0.0.11", "z", "b", &closed), Err(AssignErrorKind::ForeignBlock { cidr, owner }));
    assert_eq!(block_on(cluster.0.release_by_handle("x", &closed.config, NOW)).unwrap(), [address]);
}

#[test]
fn a_view_that_is_out_of_date_assigns_nothing() {
    let cluster = Cluster::new();
    let key = "/pools/p";
    let revision = block_on(cluster.0.store().create(key, b"1")).unwrap();
    let mut view = View::new([pool("p", "10.0.0.0/26")]);
    view.guards = vec![(key.to_string(), Some(revision)), ("/config".to_string(), None)];
    assert_eq!(cluster.some("a", 1, &view).v4.addresses.len(), 1);
    block_on(cluster.0.store().update(key, b"2", revision)).unwrap();
    let error = cluster.request(&request("a").v4(1), &view).unwrap_err();
    let changed = Fault::ViewChanged { key: key.to_string() };
    assert_eq!(error.kind(), &AssignErrorKind::Fault(changed));
    assert!(error.is_retryable() && error.assigned().v4.addresses.is_empty());
    view.guards = vec![(key.to_string(), Some(Revision::new(9_999)))];
    assert!(cluster.request(&request("a").v4(1), &view).is_err());
}

#[test]
fn a_block_that_cannot_be_read_is_passed_over() {
    let view = View::new([pool("p", "10.0.0.0/30").block_len(31)]);
    let cluster = Cluster::new();
    let first = cluster.some("a", 1, &view).v4.addresses[0].trunc();
    let store = cluster.0.store();
    let stored = block_on(store.get(&keys::block(&first))).unwrap().unwrap();
    block_on(store.update(&keys::block(&first), b"{", stored.revision)).unwrap();
    let next = cluster.some("a", 1, &view);
    assert_ne!(next.v4.addresses[0].trunc(), first);
    assert_eq!(next.v4.messages, [Message::Unreadable(first)]);
    // A release goes on, and says so.
    let error = block_on(cluster.0.release_by_handle("handle-a", &view.config, NOW)).unwrap_err();
    assert!(error.to_string().contains(&keys::block(&first)));
    assert_eq!(block_on(cluster.0.addresses_by_handle("handle-a")).unwrap(), Vec::<IpAddr>::new());
}

#[test]
fn pools_cut_anew_never_overlap_old_blocks() {
    let cluster = Cluster::new();
    let wide = View::new([pool("p", "10.0.0.0/26").block_len(28)]);
    let config = Config { max_blocks_per_host: 100, ..Config::default() };
    let wide = View { config, ..wide };
    cluster.some("a", 20, &wide);
    let narrow = View { config, ..View::new([pool("p", "10.0.0.0/26").block_len(30)]) };
    let all = cluster.request(&request("b").v4(64), &narrow).unwrap();
    let distinct: BTreeSet<IpAddr> = addresses(&all).into_iter().collect();
    assert_eq!(distinct.len(), 44);
    let held = block_on(cluster.0.addresses_by_handle("handle-a")).unwrap();
    assert!(held.iter().all(|address| !distinct.contains(address)));
}

#[test]
fn long_names_and_large_v6_pools() {
    let host = "n".repeat(300);
    let view = View::new([pool("p", "fd00::/48")]);
    let cluster = Cluster::new();
    let six: Ipv6Net = "fd00::/48".parse().unwrap();
    let assigned = cluster.request(&request(&host).v6(2).pools6([six]), &view).unwrap();
    assert_eq!(addresses(&assigned).len(), 2);
    assert_eq!(cluster.utilization(&view).pools[0].capacity, 1 << 80);
}

#[test]
fn any_store_of_one_type() {
    use std::sync::Arc;
    let store = Arc::new(MemoryStore::new());
    let erased = Allocator::new(tortie_ipam::ErasedStore::new(Arc::clone(&store)));
    let view = View::new([pool("p", "10.0.0.0/26")]);
    // Futures are Send, over a trait object too.
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let request = request("a").v4(1);
        let future: tortie_ipam::BoxFuture<'_, _> = Box::pin(erased.assign_all(&request, &view, NOW));
        sender.send(block_on(future).unwrap()).unwrap();
    });
    assert_eq!(receiver.recv().unwrap().v4.addresses.len(), 1);
    let page = ListOptions::new().keys_only().limit(2);
    let keys = block_on(store.list("/calico/ipam/v2/", &page)).unwrap();
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().all(|item| item.value.is_empty()));
    let rest =
        block_on(store.list("/calico/ipam/v2/", &ListOptions::new().after(keys[1].key.clone()))).unwrap();
    assert_eq!(rest.len(), 1);
}
