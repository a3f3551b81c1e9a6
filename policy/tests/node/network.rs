//! Sources translated, and services that do not loop.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::io::ErrorKind;
use std::net::UdpSocket;

use ipnet::IpNet;
use tortie_policy::nftables::{Network, Options, Ruleset, ServiceLoop};
use tortie_policy::{Host, compile, resolve};

use crate::lab::{Lab, Place, Station, enter, nft, ruleset};
use crate::transaction::settle;
use crate::{open, stage};

/// How long something that must not arrive is waited for.
const GRACE: Duration = Duration::from_millis(100);

fn nets(nets: &[&str]) -> Vec<IpNet> {
    nets.iter().map(|net| net.parse().unwrap()).collect()
}

fn bound(station: &Station, address: IpAddr) -> UdpSocket {
    let socket = station.within(|| UdpSocket::bind(SocketAddr::new(address, 0)).unwrap());
    socket.set_read_timeout(Some(GRACE)).unwrap();
    socket
}

/// Sends there and back from new sockets: whom the receiver sees; nobody if nothing arrives, or no answer does.
fn seen(lab: &Lab, source: IpAddr, destination: IpAddr) -> Option<SocketAddr> {
    let (sender, receiver) =
        (bound(lab.station(source), source), bound(lab.station(destination), destination));
    sender.send_to(b"there", receiver.local_addr().unwrap()).unwrap();
    let (_, from) = receiver.recv_from(&mut [0; 8]).ok()?;
    receiver.send_to(b"back", from).unwrap();
    let (_, answerer) = sender.recv_from(&mut [0; 8]).ok()?;
    assert_eq!(answerer, receiver.local_addr().unwrap(), "the answer is translated back");
    Some(from)
}

#[test]
fn netns_sources_are_translated_outside_of_pools_alone() {
    if let Place::Done = enter("network::netns_sources_are_translated_outside_of_pools_alone") {
        return;
    }
    let (world, lab, mut socket) = stage();
    let mut rules = Ruleset::new(Options::default());
    rules.set_program(compile(&resolve(&open(&world), &Host::new("host"), |_| true)));
    settle(&mut socket, &mut rules);
    let mut with = |network: Network| {
        rules.set_network(network);
        settle(&mut socket, &mut rules);
    };
    let (pods, outside) = (&world.endpoints, &world.outside);
    // Some of the endpoints are in a pool that is translated, others in one that is not.
    let pools = nets(&["10.0.0.0/30", "10.0.0.4/30", "fd00::/126", "fd00::4/126"]);
    let network = Network::new().pools(pools).masqueraded(nets(&["10.0.0.0/30", "fd00::/126"]));
    let is = |lab: &Lab, from: [IpAddr; 2], to: [IpAddr; 2], translated: bool| {
        for (source, destination) in from.into_iter().zip(to) {
            let seen = seen(lab, source, destination)
                .unwrap_or_else(|| panic!("{source} {destination}\n{}", ruleset()));
            assert_eq!(seen.ip() != source, translated, "{source} to {destination}: {seen}\n{}", ruleset());
        }
    };
    let [pod, neighbour, other, world_] = [pods[0], pods[1], pods[4], outside[0]];
    is(&lab, pod, world_, false);
    with(network.clone());
    is(&lab, pod, world_, true);
    is(&lab, pod, neighbour, false);
    is(&lab, pod, other, false);
    is(&lab, other, world_, false);
    is(&lab, world_, pod, false);

    // But not to these.
    let excluded = outside[0].map(IpNet::from);
    with(network.clone().excluded(excluded));
    is(&lab, pod, outside[0], false);
    is(&lab, pod, outside[1], true);

    with(network.clone().interface("upl+").unwrap());
    is(&lab, pod, world_, true);
    with(network.clone().interface("other").unwrap());
    is(&lab, pod, world_, false);

    with(network.clone().ports(30000..=30003));
    for (source, destination) in pod.into_iter().zip(world_) {
        let seen = seen(&lab, source, destination).unwrap();
        assert!((30000..=30003).contains(&seen.port()), "{seen}");
    }
    let addresses: [IpAddr; 2] = ["10.255.0.1", "fdff::1"].map(|address| address.parse().unwrap());
    with(network.address(addresses[0]).address(addresses[1]).ports(40000..=40000));
    for (index, (source, destination)) in pod.into_iter().zip(world_).enumerate() {
        assert_eq!(seen(&lab, source, destination), Some(SocketAddr::new(addresses[index], 40000)));
    }

    with(Network::new());
    is(&lab, pod, world_, false);
    assert!(!ruleset().contains("masquerade") && !ruleset().contains("pools"), "{}", ruleset());
}

#[test]
fn netns_what_no_service_takes_does_not_loop() {
    if let Place::Done = enter("network::netns_what_no_service_takes_does_not_loop") {
        return;
    }
    let (world, lab, mut socket) = stage();
    let services = nets(&["10.96.0.0/12", "fd96::/108"]);
    let mut rules = Ruleset::new(Options::default().network(Network::new().services(services.clone())));
    rules.set_program(compile(&resolve(&open(&world), &Host::new("host"), |_| true)));
    // Services are where the default route leads, which is where a router sends them back from; of one address each, this
    // host knows an endpoint.
    let run = |arguments: &str| {
        let arguments: Vec<_> = arguments.split(' ').collect();
        assert!(std::process::Command::new("ip").args(arguments).status().unwrap().success());
    };
    for (net, router) in [("10.96.0.0/12", world.outside[0][0]), ("fd96::/108", world.outside[0][1])] {
        run(&format!("route add {net} via {router} dev uplink"));
    }
    let (taken, free): ([IpAddr; 2], [IpAddr; 2]) = (
        ["10.96.0.1", "fd96::1"].map(|address| address.parse().unwrap()),
        ["10.96.0.2", "fd96::2"].map(|address| address.parse().unwrap()),
    );
    for address in free {
        run(&format!("-n world addr add {address} dev lo"));
    }
    let proxy = "table inet proxy { chain pre { type nat hook prerouting priority dstnat; \
                 ip daddr 10.96.0.1 udp dport 53 dnat ip to 10.0.0.2:80; ip6 daddr fd96::1 udp dport 53 dnat ip6 to [fd00::2]:80; }; }";
    assert_eq!(nft(proxy), Ok(()));
    // The endpoint of what is translated, and the world, where all else would go.
    let arrives = |lab: &Lab, family: usize, to: IpAddr| {
        let source = world.endpoints[0][family];
        let sender = bound(lab.station(source), source);
        sender.connect(SocketAddr::new(to, 53)).unwrap();
        let world_ =
            lab.station(world.outside[0][0]).within(|| UdpSocket::bind(SocketAddr::new(to, 53)).ok());
        sender.send(b"query").unwrap();
        let refused = sender.recv(&mut [0; 8]).unwrap_err().kind() == ErrorKind::ConnectionRefused;
        let at_world = world_.is_some_and(|socket| {
            socket.set_read_timeout(Some(GRACE)).unwrap();
            socket.recv(&mut [0; 8]).is_ok()
        });
        (at_world, refused)
    };
    for action in [ServiceLoop::Drop, ServiceLoop::Reject, ServiceLoop::Pass, ServiceLoop::Drop] {
        rules.set_network(Network::new().services(services.clone()).service_loop(action));
        settle(&mut socket, &mut rules);
        for (family, address) in free.into_iter().enumerate() {
            let wanted = (action == ServiceLoop::Pass, action == ServiceLoop::Reject);
            assert_eq!(arrives(&lab, family, address), wanted, "{action:?} {address}\n{}", ruleset());
        }
    }
    // What is translated is no loop.
    for (family, address) in taken.into_iter().enumerate() {
        let (source, endpoint) = (world.endpoints[0][family], world.endpoints[1][family]);
        let sender = bound(lab.station(source), source);
        sender.send_to(b"abcdefgh", SocketAddr::new(address, 53)).unwrap();
        let received = lab.received(endpoint, 80);
        assert_eq!(received.as_deref(), Some(&b"abcdefgh"[..]), "{address}\n{}", ruleset());
    }
}
