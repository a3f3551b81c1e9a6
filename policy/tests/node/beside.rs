//! Beside tables of others.

use core::net::{IpAddr, SocketAddr};

use tortie_nft_wire::{Family, Listing, Socket};
use tortie_policy::nftables::{Options, Ruleset, foreign_drops};
use tortie_policy::{Flow, Host, compile, resolve};

use crate::lab::{Lab, Place, enter, nft, ruleset};
use crate::transaction::settle;
use crate::{open, world};

fn udp(source: IpAddr, destination: IpAddr, port: u16) -> Flow {
    Flow::udp(SocketAddr::new(source, 40000), SocketAddr::new(destination, port))
}

/// The chains that may drop what we accept, as a socket lists them.
fn foreign(socket: &mut Socket) -> Vec<String> {
    let entries = socket.list(Family::new(0), Listing::Chains).unwrap();
    foreign_drops(&entries).iter().map(ToString::to_string).collect()
}

/// Everybody may send to everybody, but nobody to port 81.
fn policed(socket: &mut Socket) -> Ruleset {
    let mut inputs = open(&world());
    let spec = r#"{ "types": ["Ingress"], "ingress": [
        { "action": "Deny", "protocol": "UDP", "destination": { "ports": [81] } }, { "action": "Allow" }] }"#;
    assert_eq!(inputs.insert_global_network_policy("p", &serde_json::from_str(spec).unwrap()), []);
    let mut rules = Ruleset::new(Options::default());
    rules.set_program(compile(&resolve(&inputs, &Host::new("host"), |_| true)));
    settle(socket, &mut rules);
    rules
}

/// What Docker makes of `FORWARD` drops what we accept until it accepts it, too, and never opens what we deny.
#[test]
fn netns_docker_drops_what_it_does_not_accept_and_is_named() {
    if let Place::Done = enter("beside::netns_docker_drops_what_it_does_not_accept_and_is_named") {
        return;
    }
    let world = world();
    let mut lab = Lab::new(&world);
    let (a, b) = (world.endpoints[0], world.endpoints[1]);
    let mut socket = Socket::open().unwrap();
    let _rules = policed(&mut socket);
    assert_eq!(foreign(&mut socket), Vec::<String>::new());
    let mut expect = |what: &str, flows: &[(Flow, bool)]| {
        let wanted: Vec<bool> = flows.iter().map(|(_, arrives)| *arrives).collect();
        assert_eq!(lab.send(flows), wanted, "{what}\n{}", ruleset());
    };
    let flows =
        |v4: bool| [(udp(a[0], b[0], 80), v4), (udp(a[1], b[1], 80), true), (udp(a[0], b[0], 81), false)];
    expect("alone", &flows(true));

    let docker = "table ip filter {
        chain DOCKER-USER { return; }
        chain DOCKER-FORWARD { oifname docker0 ct state established,related accept; iifname docker0 accept; }
        chain FORWARD { type filter hook forward priority filter; policy drop; jump DOCKER-USER; jump DOCKER-FORWARD; }
        chain INPUT { type filter hook input priority filter; policy accept; }
    }";
    assert_eq!(nft(docker), Ok(()));
    expect("beside Docker", &flows(false));
    assert_eq!(foreign(&mut socket), ["table ip filter, chain FORWARD (hook forward, priority 0)"]);

    // As its documentation says: what others want to pass is accepted in the chain of the user.
    assert_eq!(nft("insert rule ip filter DOCKER-USER iifname cali* accept"), Ok(()));
    expect("with a rule of the user", &flows(true));
    assert_eq!(foreign(&mut socket).len(), 1, "it drops by default all the same");

    assert_eq!(nft("add chain ip filter FORWARD { policy accept; }"), Ok(()));
    assert_eq!(foreign(&mut socket), Vec::<String>::new());
    let ours = "table inet other { chain o { type filter hook output priority 5; policy drop; }; };
        table netdev n { chain c { type filter hook ingress device lo priority 0; policy drop; }; };
        table inet other { chain plain { drop; }; }";
    assert_eq!(nft(ours), Ok(()));
    assert_eq!(foreign(&mut socket), ["table inet other, chain o (hook output, priority 5)"]);
}

/// Services that kube-proxy translates are judged by where they lead to.
#[test]
fn netns_kube_proxy_translates_and_policy_judges_behind_it() {
    if let Place::Done = enter("beside::netns_kube_proxy_translates_and_policy_judges_behind_it") {
        return;
    }
    let world = world();
    let mut lab = Lab::new(&world);
    let (a, b) = (world.endpoints[0][0], world.endpoints[1][0]);
    let mut socket = Socket::open().unwrap();
    let proxy = "table ip kube-proxy {
        map service-ips { type ipv4_addr . inet_proto . inet_service : verdict;
            elements = { 10.96.0.1 . udp . 443 : goto service-a, 10.96.0.1 . udp . 444 : goto service-b }; }
        chain service-a { meta l4proto udp dnat to 10.0.0.2:80; }
        chain service-b { meta l4proto udp dnat to 10.0.0.2:81; }
        chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }
        chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
        chain nat-output { type nat hook output priority -100; jump services; }
        chain masquerading { meta mark & 0x4000 == 0 return; masquerade fully-random; }
        chain nat-postrouting { type nat hook postrouting priority srcnat; jump masquerading; }
        chain filter-forward { type filter hook forward priority -110; ct state new ip daddr 10.96.0.9 reject; }
    }";
    assert_eq!(nft(proxy), Ok(()));
    let mut rules = policed(&mut socket);
    assert_eq!(foreign(&mut socket), Vec::<String>::new());
    let service: IpAddr = "10.96.0.1".parse().unwrap();
    let check = |lab: &mut Lab| {
        let flows = [(udp(a, service, 443), true), (udp(a, service, 444), false), (udp(a, b, 80), true)];
        assert_eq!(lab.send(&flows), [true, false, true], "{}", ruleset());
    };
    check(&mut lab);
    // Each keeps its own when the other is made anew.
    assert_eq!(nft(&format!("delete table ip kube-proxy; {proxy}")), Ok(()));
    check(&mut lab);
    rules.forget();
    settle(&mut socket, &mut rules);
    check(&mut lab);
    assert!(ruleset().contains("service-ips"));
}
