//! Against the real kernel, in network namespaces of their own. Each test is skipped, and says so, where namespaces may
//! not be made.
#![cfg(feature = "netlink")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]
#![expect(clippy::print_stdout, reason = "a skipped test says why")]

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use tortie_routes::netlink::{Driver, ErrorKind, Kernel, Links, NetNs, Veth, netns, sysctl};
use tortie_routes::{
    Config, Entry, Errno, Event, Family, Key, Mac, Notice, Op, Ownership, Protocol, Reconciler, Route, Scan,
    Status, Table,
};

/// Routes per family in the tests of many routes.
const MANY: u32 = 5_000;

/// A new namespace, or the reason why the test cannot run.
fn namespace(test: &str) -> Option<NetNs> {
    match NetNs::create() {
        Ok(namespace) => Some(namespace),
        Err(error) if matches!(error.errno(), Some(Errno::EPERM | Errno::EINVAL)) => {
            println!("skipped {test}: {error}; run it as root");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

macro_rules! namespace {
    ($test:literal) => {
        match namespace($test) {
            Some(namespace) => namespace,
            None => return,
        }
    };
}

/// A namespace's links: `cali1` and `eth0`, veth ends, up, with addresses on `eth0`.
async fn hosts(namespace: &NetNs) -> (Links, u32, u32) {
    let links = Links::open_in(namespace).unwrap();
    let cali1 = pair(&links, "cali1", "peer1").await;
    let eth0 = pair(&links, "eth0", "peer2").await;
    links.add_address(eth0, "192.0.2.1/24".parse().unwrap()).await.unwrap();
    links.add_address_nodad(eth0, "2001:db8::1/64".parse().unwrap()).await.unwrap();
    (links, cali1, eth0)
}

async fn pair(links: &Links, name: &str, peer: &str) -> u32 {
    let index = links.create_veth(&Veth::new(name, peer)).await.unwrap();
    let peer = links.require(peer).await.unwrap();
    links.set_up(index).await.unwrap();
    links.set_up(peer.index).await.unwrap();
    index
}

fn driver(namespace: &NetNs) -> Driver {
    let config = Config::new(Ownership::agent("cali")).grace("cali", Duration::from_secs(10));
    let mut driver = Driver::new(Reconciler::new(config), Kernel::open_in(namespace).unwrap());
    driver.reconciler().set_in_sync();
    driver
}

async fn settle(driver: &mut Driver) {
    if !driver.settle(Duration::from_secs(30)).await.unwrap() {
        let notices: Vec<Notice> = core::iter::from_fn(|| driver.reconciler().poll_notice()).collect();
        panic!("not settled: {notices:?} {:?}", driver.reconciler().stats());
    }
}

fn entries(kernel: &mut Kernel, family: Family) -> Vec<Entry> {
    kernel.scan(Scan::Routes { family, table: Table::MAIN }).unwrap().entries().to_vec()
}

fn of_protocol(kernel: &mut Kernel, protocol: Protocol) -> BTreeSet<Key> {
    let all = Family::ALL.map(|family| entries(kernel, family));
    all.iter().flatten().filter(|entry| entry.protocol == protocol).map(|entry| entry.key).collect()
}

#[tokio::test]
async fn netns_links_addresses_and_neighbours() {
    let host_ns = namespace!("netns_links_addresses_and_neighbours");
    let pod_ns = NetNs::create().unwrap();
    let (host, pod) = (Links::open_in(&host_ns).unwrap(), Links::open_in(&pod_ns).unwrap());
    let mac: Mac = "ee:ee:ee:ee:ee:ee".parse().unwrap();
    let pod_mac: Mac = "0a:00:00:00:00:02".parse().unwrap();
    let veth = Veth::new("cali12", "eth0").peer_namespace(&pod_ns).mtu(1400).mac(mac).peer_mac(pod_mac);
    let index = host.create_veth(&veth).await.unwrap();
    assert!(host.create_veth(&veth).await.unwrap_err().is_already_exists());

    assert_eq!(host.find("eth0").await.unwrap(), None, "the peer was never here");
    let ours = host.require("cali12").await.unwrap();
    let theirs = pod.require("eth0").await.unwrap();
    assert_eq!((ours.index, ours.mac, ours.mtu, ours.up), (index, Some(mac), 1400, false));
    assert_eq!((theirs.mac, theirs.mtu), (Some(pod_mac), 1400));
    assert_eq!(
        (ours.kind.as_deref(), ours.peer, ours.peer_elsewhere),
        (Some("veth"), Some(theirs.index), true)
    );
    host.set_up(index).await.unwrap();
    assert!(!host.require("cali12").await.unwrap().carrier);
    pod.set_up(theirs.index).await.unwrap();
    let ours = host.find_index(index).await.unwrap().unwrap();
    assert!(ours.up && ours.carrier);

    let bridge = host.create_bridge("br0").await.unwrap();
    host.set_up(bridge).await.unwrap();
    host.set_master(index, Some(bridge)).await.unwrap();
    assert_eq!(host.require("cali12").await.unwrap().master, Some(bridge));
    host.set_master(index, None).await.unwrap();
    assert_eq!(host.require("cali12").await.unwrap().master, None);
    host.set_mtu(index, 1450).await.unwrap();
    host.set_mac(bridge, pod_mac).await.unwrap();
    host.set_down(bridge).await.unwrap();
    host.rename(bridge, "br1").await.unwrap();
    assert_eq!(host.require("br1").await.unwrap().mac, Some(pod_mac));
    assert_eq!(host.require("cali12").await.unwrap().mtu, 1450);
    assert!(host.require("br0").await.unwrap_err().is_not_found());
    let names: Vec<String> = host.list().await.unwrap().into_iter().map(|link| link.name).collect();
    assert_eq!(names, ["lo", "cali12", "br1"]);

    let (v4, v6) = ("10.0.0.2/32".parse().unwrap(), "fd00::2/128".parse().unwrap());
    pod.add_address(theirs.index, v4).await.unwrap();
    pod.add_address_nodad(theirs.index, v6).await.unwrap();
    assert!(pod.add_address(theirs.index, v4).await.unwrap_err().is_already_exists());
    let addresses = pod.addresses(Some(theirs.index)).await.unwrap();
    for net in [v4, v6] {
        let address = addresses.iter().find(|address| address.net == net).unwrap();
        assert!(!address.tentative, "{net} can be used at once");
    }
    pod.delete_address(theirs.index, v4).await.unwrap();
    assert!(pod.delete_address(theirs.index, v4).await.unwrap_err().is_not_found());

    for address in ["169.254.1.1", "fe80::ecee:eeff:feee:eeee"] {
        let address: IpAddr = address.parse().unwrap();
        pod.set_neighbour(theirs.index, address, pod_mac).await.unwrap();
        pod.set_neighbour(theirs.index, address, mac).await.unwrap();
        let neighbours = pod.neighbours(Some(theirs.index)).await.unwrap();
        let found = neighbours.iter().find(|neighbour| neighbour.address == address).unwrap();
        assert_eq!((found.mac, found.permanent), (Some(mac), true));
        pod.delete_neighbour(theirs.index, address).await.unwrap();
        assert!(pod.delete_neighbour(theirs.index, address).await.unwrap_err().is_not_found());
    }

    pod.move_to(theirs.index, &host_ns).await.unwrap();
    assert!(host.find("eth0").await.unwrap().is_some());
    host.delete(index).await.unwrap();
    assert_eq!(host.find("eth0").await.unwrap(), None, "a veth takes its peer along");
    assert!(host.delete(index).await.unwrap_err().is_not_found());
    let error = host.find("a/b").await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::BadName);
}

struct Remove(PathBuf);

impl Drop for Remove {
    fn drop(&mut self) {
        let _ = netns::delete(&self.0);
    }
}

#[test]
fn netns_names_and_parameters() {
    drop(namespace!("netns_names_and_parameters"));
    let path = Remove(std::env::temp_dir().join(format!("tortie-routes-{}", std::process::id())));
    netns::create(&path.0).unwrap();
    assert!(netns::create(&path.0).unwrap_err().is_already_exists());
    let outside = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    let inside = || {
        sysctl::write("ipv4/ip_forward", "1").unwrap();
        sysctl::write_interface(Family::V4, "lo", "proxy_arp", "1").unwrap();
        sysctl::write_neighbour(Family::V4, "lo", "proxy_delay", "0").unwrap();
        std::fs::read_link("/proc/thread-self/ns/net").unwrap()
    };
    let there = netns::enter(&path.0, inside).unwrap();
    assert_ne!(there, outside);
    assert_eq!(std::fs::read_link("/proc/thread-self/ns/net").unwrap(), outside, "we stay where we are");
    // It lives on without a process in it.
    let read = || sysctl::read_interface(Family::V4, "lo", "proxy_arp").unwrap();
    assert_eq!(netns::enter(&path.0, read).unwrap(), "1");
    let panicked = netns::enter(&path.0, || panic!("on purpose")).unwrap_err();
    assert_eq!(panicked.kind(), &ErrorKind::Thread);
    netns::delete(&path.0).unwrap();
    assert!(netns::delete(&path.0).unwrap_err().is_not_found());
    assert!(netns::enter(&path.0, || ()).unwrap_err().is_not_found());
    assert_eq!(netns::enter("/dev/null", || ()).unwrap_err().errno(), Some(Errno::EINVAL));
}

#[tokio::test]
async fn netns_every_kind_of_route_comes_back_as_it_went() {
    let namespace = namespace!("netns_every_kind_of_route_comes_back_as_it_went");
    let (_links, _, eth0) = hosts(&namespace).await;
    let mut kernel = Kernel::open_in(&namespace).unwrap();
    let (v4, v6) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
    let routes = |net: &str, gateway: &str, far: &str, source| {
        let parse = |n: u8| net.replace('N', &n.to_string()).parse().unwrap();
        let (gateway, far) = (gateway.parse().unwrap(), far.parse().unwrap());
        vec![
            Route::device(parse(1), "eth0"),
            Route::via(parse(2), gateway, "eth0").metric(7),
            Route::via(parse(3), far, "eth0").onlink(),
            Route::blackhole(parse(4)),
            Route::prohibit(parse(5)),
            Route::unreachable(parse(6)).metric(4_000_000_000),
            Route::throw(parse(7)).protocol(Protocol::new(201)),
            Route::device(parse(8), "eth0").mtu(1300).preferred_source(source),
            Route::device(parse(9), "eth0").table(Table::new(100_000)),
        ]
    };
    let mut all = routes("10.0.N.0/24", "192.0.2.7", "198.51.100.1", v4);
    all.extend(routes("fd00:N::/32", "2001:db8::7", "2001:db8:ffff::1", v6));
    all.push(Route::via("10.1.0.0/16".parse().unwrap(), "2001:db8::7".parse().unwrap(), "eth0"));
    all.push(Route::via("0.0.0.0/0".parse().unwrap(), "192.0.2.7".parse().unwrap(), "eth0"));
    all.push(Route::via("::/0".parse().unwrap(), "2001:db8::7".parse().unwrap(), "eth0"));
    let wanted: BTreeSet<Entry> = all.iter().map(|route| Entry::resolve(route, eth0)).collect();

    for result in kernel.change(&wanted.iter().cloned().map(Op::Create).collect::<Vec<_>>()) {
        result.unwrap();
    }
    let mut read = |table| {
        let scans = Family::ALL.map(|family| kernel.scan(Scan::Routes { family, table }).unwrap());
        scans.iter().flat_map(|snapshot| snapshot.entries().to_vec()).collect::<Vec<Entry>>()
    };
    let mut found: BTreeSet<Entry> = read(Table::MAIN).into_iter().chain(read(Table::new(100_000))).collect();
    assert!(read(Table::new(77)).is_empty(), "a table that is not there is empty");
    found.retain(|entry| entry.protocol != Protocol::KERNEL);
    assert_eq!(found, wanted);
    // What was read can be taken away again by what was read.
    for result in kernel.change(&found.into_iter().map(Op::Delete).collect::<Vec<_>>()) {
        result.unwrap();
    }
    assert!(of_protocol(&mut kernel, Protocol::AGENT).is_empty());
}

#[tokio::test]
async fn netns_refusals_are_told_of_the_right_operation() {
    let namespace = namespace!("netns_refusals_are_told_of_the_right_operation");
    let (_links, _, eth0) = hosts(&namespace).await;
    let mut kernel = Kernel::open_in(&namespace).unwrap();
    let route = |n: u32| Route::device(format!("10.{}.{}.0/24", n / 256, n % 256).parse().unwrap(), "eth0");
    // Every third operation names an interface that does not exist; far more than one send.
    let ops: Vec<Op> = (0..1000)
        .map(|n| Op::Create(Entry::resolve(&route(n), if n % 3 == 0 { 999_999 } else { eth0 })))
        .collect();
    for (n, result) in kernel.change(&ops).into_iter().enumerate() {
        assert_eq!(result, if n % 3 == 0 { Err(Errno::ENODEV) } else { Ok(()) }, "{n}");
    }
    let again = kernel.change(&ops);
    assert_eq!(again.iter().filter(|result| **result == Err(Errno::EEXIST)).count(), 666);
    let gone: Vec<Op> = ops.iter().map(|op| Op::Delete(op.entry().clone())).collect();
    assert_eq!(kernel.change(&gone).iter().filter(|result| result.is_ok()).count(), 666);
    assert!(kernel.change(&gone).iter().all(|result| result.is_err()));
    assert!(kernel.change(&[]).is_empty());
}

#[tokio::test]
async fn netns_many_routes() {
    let namespace = namespace!("netns_many_routes");
    let (_links, _, _) = hosts(&namespace).await;
    let mut driver = driver(&namespace);
    let mut kernel = Kernel::open_in(&namespace).unwrap();
    let routes = |gateway: u32| {
        (0..MANY).flat_map(move |n| {
            let v4 = format!("10.{}.{}.0/26", n / 256, n % 256).parse().unwrap();
            let v6 = format!("fd00:{n:x}::/64").parse().unwrap();
            let via4 = format!("192.0.2.{gateway}").parse().unwrap();
            let via6 = format!("2001:db8::{gateway}").parse().unwrap();
            [Route::via(v4, via4, "eth0").onlink(), Route::via(v6, via6, "eth0").onlink()]
        })
    };
    settle(&mut driver).await;
    for (what, gateway, count) in [("insert", 7, 2 * MANY), ("replace", 8, 2 * MANY), ("delete", 0, 0)] {
        let start = Instant::now();
        let desired = routes(gateway).take(count as usize);
        assert!(driver.reconciler().replace_all(desired).is_empty());
        settle(&mut driver).await;
        println!("{what}: {:?}", start.elapsed());
        let found: Vec<Entry> = Family::ALL.iter().flat_map(|family| entries(&mut kernel, *family)).collect();
        let ours: Vec<&Entry> = found.iter().filter(|entry| entry.protocol == Protocol::AGENT).collect();
        assert_eq!(ours.len(), count as usize);
        let through: BTreeSet<IpAddr> = ours.iter().map(|entry| entry.hop.unwrap().via.unwrap()).collect();
        assert!(
            through.len() <= 2 && through.iter().all(|via| via.to_string().ends_with(&gateway.to_string()))
        );
    }
    let stats = driver.reconciler().stats();
    assert_eq!((stats.creates, stats.replaces, stats.deletes), (10_000, 10_000, 10_000));
    assert_eq!(
        (stats.outside_changes, stats.refusals, stats.overruns),
        (0, 0, 0),
        "our own echoes are none of these"
    );
}

#[tokio::test]
async fn netns_outside_changes_are_repaired_at_once() {
    let namespace = namespace!("netns_outside_changes_are_repaired_at_once");
    let (_links, cali1, _) = hosts(&namespace).await;
    let mut driver = driver(&namespace);
    let mut stranger = Kernel::open_in(&namespace).unwrap();
    let pods: Vec<Route> = ["10.0.0.2", "fd00::2"]
        .iter()
        .map(|address| Route::local(address.parse().unwrap(), "cali1").metric(1024))
        .collect();
    driver.reconciler().replace_all(pods.clone());
    settle(&mut driver).await;
    for pod in &pods {
        let ours = Entry::resolve(pod, cali1);
        assert_eq!(stranger.change(&[Op::Delete(ours.clone())]), [Ok(())]);
        let start = Instant::now();
        settle(&mut driver).await;
        println!("deleted outside, repaired within {:?}", start.elapsed());
        assert!(start.elapsed() < Duration::from_secs(2), "long before a resync");
        assert!(entries(&mut stranger, pod.family()).contains(&ours));

        let other = Entry::resolve(&Route::blackhole(pod.destination).metric(1024), 0);
        assert_eq!(stranger.change(&[Op::Replace(other)]), [Ok(())]);
        settle(&mut driver).await;
        assert!(entries(&mut stranger, pod.family()).contains(&ours));
    }
    // What nobody desires goes, whatever table order it came in; what is not ours stays.
    let stale = Entry::resolve(&Route::blackhole("10.7.0.0/26".parse().unwrap()), 0);
    assert_eq!(stranger.change(&[Op::Create(stale.clone())]), [Ok(())]);
    settle(&mut driver).await;
    assert!(!entries(&mut stranger, Family::V4).contains(&stale));
}

#[tokio::test]
async fn netns_links_flap() {
    let namespace = namespace!("netns_links_flap");
    let (links, cali1, _) = hosts(&namespace).await;
    let mut driver = driver(&namespace);
    let mut kernel = Kernel::open_in(&namespace).unwrap();
    let pods: Vec<Route> = ["10.0.0.2", "fd00::2"]
        .iter()
        .map(|address| Route::local(address.parse().unwrap(), "cali1").metric(1024))
        .collect();
    driver.reconciler().replace_all(pods.clone());
    driver
        .reconciler()
        .set(Route::via("10.9.0.0/26".parse().unwrap(), "192.0.2.7".parse().unwrap(), "eth0"))
        .unwrap();
    settle(&mut driver).await;
    let status = |driver: &mut Driver| {
        pods.iter().map(|pod| driver.reconciler().status(&pod.key())).collect::<Vec<_>>()
    };
    let held = |kernel: &mut Kernel, index: u32| {
        pods.iter().all(|pod| entries(kernel, pod.family()).contains(&Entry::resolve(pod, index)))
    };
    assert!(held(&mut kernel, cali1));
    for _ in 0..3 {
        links.set_down(cali1).await.unwrap();
        settle(&mut driver).await;
        assert_eq!(status(&mut driver), [Status::Blocked; 2]);
        links.set_up(cali1).await.unwrap();
        settle(&mut driver).await;
        assert_eq!(status(&mut driver), [Status::InPlace; 2]);
        assert!(held(&mut kernel, cali1));
    }
    // Down and up again before the driver looks: the IPv4 route went without a word.
    links.set_down(cali1).await.unwrap();
    links.set_up(cali1).await.unwrap();
    settle(&mut driver).await;
    assert!(held(&mut kernel, cali1));
    // Another link of the same name.
    links.delete(cali1).await.unwrap();
    settle(&mut driver).await;
    let again = pair(&links, "cali1", "peer1").await;
    settle(&mut driver).await;
    assert!(again != cali1 && held(&mut kernel, again));
    // The name moves to another link; the routes follow.
    links.rename(again, "cali9").await.unwrap();
    let third = pair(&links, "cali1", "peer3").await;
    settle(&mut driver).await;
    assert!(held(&mut kernel, third));
    assert_eq!(driver.reconciler().stats().refusals, 0);
}

#[tokio::test]
async fn netns_foreign_routes_stay() {
    let namespace = namespace!("netns_foreign_routes_stay");
    let (_links, cali1, eth0) = hosts(&namespace).await;
    let mut driver = driver(&namespace);
    let mut stranger = Kernel::open_in(&namespace).unwrap();
    let ours = |net: &str| Route::via(net.parse().unwrap(), "192.0.2.7".parse().unwrap(), "eth0");
    let theirs = |net: &str, protocol| Entry::resolve(&ours(net).protocol(protocol).mtu(1300), eth0);
    let foreign = [
        theirs("10.0.0.0/26", Protocol::STATIC),
        theirs("10.0.1.0/26", Protocol::BOOT), // boot, but not on a workload's interface
        theirs("10.0.2.0/26", Protocol::new(186)),
        theirs("10.0.3.0/26", Protocol::BIRD),
        Entry::resolve(&Route::local("10.0.4.1".parse().unwrap(), "cali1").protocol(Protocol::STATIC), cali1),
    ];
    assert!(stranger.change(&foreign.clone().map(Op::Create)).iter().all(Result::is_ok));
    driver.reconciler().set(ours("10.0.0.0/26")).unwrap();
    driver.reconciler().set(ours("10.0.1.0/26")).unwrap();
    driver.reconciler().set(ours("10.0.9.0/26")).unwrap();
    settle(&mut driver).await;
    let found = entries(&mut stranger, Family::V4);
    assert!(foreign.iter().all(|entry| found.contains(entry)));
    let key = ours("10.0.0.0/26").key();
    assert_eq!(driver.reconciler().status(&key), Status::Conflict(Protocol::STATIC));
    assert_eq!(driver.reconciler().conflicts().count(), 2);
    // The stranger leaves, and at once it is ours.
    assert_eq!(stranger.change(&[Op::Delete(foreign[0].clone())]), [Ok(())]);
    settle(&mut driver).await;
    assert_eq!(driver.reconciler().status(&key), Status::InPlace);
    // What BIRD wrote is taken over, once it is desired, and not before.
    driver.reconciler().set(ours("10.0.3.0/26")).unwrap();
    settle(&mut driver).await;
    let found = entries(&mut stranger, Family::V4);
    assert!(!found.contains(&foreign[3]));
    assert!(found.contains(&Entry::resolve(&ours("10.0.3.0/26"), eth0)));
    // We leave: only what was ours goes.
    driver.reconciler().replace_all([]);
    settle(&mut driver).await;
    let found = entries(&mut stranger, Family::V4);
    assert!([1, 2, 4].iter().all(|n| found.contains(&foreign[*n])));
    assert!(of_protocol(&mut stranger, Protocol::AGENT).is_empty());
}

#[tokio::test]
async fn netns_the_plugin_hands_over() {
    let namespace = namespace!("netns_the_plugin_hands_over");
    let (_links, cali1, _) = hosts(&namespace).await;
    let mut driver = driver(&namespace);
    settle(&mut driver).await;
    let mut plugin = Kernel::open_in(&namespace).unwrap();
    let pod = Route::local("10.0.0.2".parse().unwrap(), "cali1");
    let (before, after) = (Entry::resolve(&pod, cali1), Entry::resolve(&pod.clone().metric(1024), cali1));
    assert_eq!(plugin.change(&[Op::Create(before.clone())]), [Ok(())]);
    assert!(!driver.settle(Duration::from_millis(300)).await.unwrap(), "grace");
    assert!(entries(&mut plugin, Family::V4).contains(&before));

    let mut listener = Kernel::open_in(&namespace).unwrap();
    driver.reconciler().set(pod.metric(1024)).unwrap();
    settle(&mut driver).await;
    let mut news = Vec::new();
    listener.read_news(|event| news.push(event)).unwrap();
    assert_eq!(
        news,
        [Event::RouteSet { entry: after, replaced: false }, Event::RouteGone { entry: before }],
        "make before break"
    );
}

#[tokio::test]
async fn netns_lost_notifications_are_made_up_for() {
    let namespace = namespace!("netns_lost_notifications_are_made_up_for");
    let (_links, _, eth0) = hosts(&namespace).await;
    let mut driver = driver(&namespace);
    let pod = Route::local("10.0.0.2".parse().unwrap(), "cali1").metric(1024);
    driver.reconciler().set(pod.clone()).unwrap();
    settle(&mut driver).await;
    // More than the driver's socket holds unread, and among it what matters.
    let mut stranger = Kernel::open_in(&namespace).unwrap();
    let net = |n: u32| format!("10.{}.{}.{}/32", 64 + n / 65536, n / 256 % 256, n % 256).parse().unwrap();
    let flood: Vec<Op> = (0..100_000)
        .map(|n| Op::Create(Entry::resolve(&Route::device(net(n), "eth0").protocol(Protocol::STATIC), eth0)))
        .collect();
    assert!(stranger.change(&flood).iter().all(Result::is_ok));
    let stale = Entry::resolve(&Route::blackhole("10.7.0.0/26".parse().unwrap()), 0);
    assert_eq!(stranger.change(&[Op::Create(stale.clone())]), [Ok(())]);
    settle(&mut driver).await;
    let stats = driver.reconciler().stats();
    assert!(stats.overruns > 0, "{stats:?}");
    let found = entries(&mut stranger, Family::V4);
    assert!(!found.contains(&stale));
    assert_eq!(found.iter().filter(|entry| entry.protocol == Protocol::STATIC).count(), 100_000);
    assert_eq!(driver.reconciler().status(&pod.key()), Status::InPlace);
}

#[tokio::test]
async fn netns_a_free_key_is_taken_exclusively() {
    let namespace = namespace!("netns_a_free_key_is_taken_exclusively");
    let (_links, cali1, eth0) = hosts(&namespace).await;
    // IPv6 would merge a second route with the same key into one of several next hops, IPv4 with another kind is replaced.
    let mut kernel = Kernel::open_in(&namespace).unwrap();
    for net in ["10.0.0.0/26", "fd00:1::/64"] {
        let route = Route::device(net.parse().unwrap(), "eth0");
        let one = Entry::resolve(&route, eth0);
        let two = Entry::resolve(&route.protocol(Protocol::STATIC), cali1);
        let wrong = Op::Delete(two.clone());
        let results = kernel.change(&[Op::Create(one.clone()), Op::Create(two), wrong]);
        assert_eq!(results, [Ok(()), Err(Errno::EEXIST), Err(Errno::ESRCH)]);
        let found = entries(&mut kernel, Family::of_net(&one.key.destination));
        assert!(found.contains(&one), "and a deletion names its protocol");
    }
}
