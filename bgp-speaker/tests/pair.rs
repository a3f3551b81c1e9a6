//! Two and three speakers over connections that fragment, stall and break: in the end every RIB is the model's.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod sim;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use sim::{Sim, address, cases, peer_config, secs};
use tortie_bgp_speaker::{Event, SessionState, Source};

/// Histories per topology.
const CASES: u64 = 40;

/// A route in the model: AS path, and the node it was learned from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ModelRoute {
    path: Vec<u32>,
    from: Option<usize>,
}

/// The stupid twin of three tables, two sorts of peers and all messages: routes flood until nothing changes any more.
fn model(
    ases: &[u32],
    peerings: &BTreeSet<(usize, usize)>,
    own: &[BTreeSet<IpNet>],
) -> Vec<BTreeMap<IpNet, ModelRoute>> {
    let neighbors = |node: usize| {
        peerings.iter().filter_map(move |&(a, b)| match node {
            _ if node == a => Some(b),
            _ if node == b => Some(a),
            _ => None,
        })
    };
    let mut tables = vec![BTreeMap::new(); ases.len()];
    loop {
        let mut next: Vec<BTreeMap<IpNet, ModelRoute>> = vec![BTreeMap::new(); ases.len()];
        for node in 0..ases.len() {
            let mut candidates: BTreeMap<IpNet, Vec<ModelRoute>> = BTreeMap::new();
            for neighbor in neighbors(node) {
                for (prefix, route) in &tables[neighbor] {
                    let route: &ModelRoute = route;
                    let external = ases[node] != ases[neighbor];
                    let internally_learned = route.from.is_some_and(|from| ases[from] == ases[neighbor]);
                    if route.from == Some(node) || (!external && internally_learned) {
                        continue;
                    }
                    let mut path = route.path.clone();
                    if external {
                        path.insert(0, ases[neighbor]);
                    }
                    if !path.contains(&ases[node]) {
                        candidates
                            .entry(*prefix)
                            .or_default()
                            .push(ModelRoute { path, from: Some(neighbor) });
                    }
                }
            }
            for (prefix, routes) in candidates {
                let best = routes.into_iter().min_by_key(|route| {
                    let from = route.from.unwrap();
                    (route.path.len(), ases[from] == ases[node], from)
                });
                next[node].insert(prefix, best.unwrap());
            }
            for prefix in &own[node] {
                next[node].insert(*prefix, ModelRoute { path: vec![], from: None });
            }
        }
        if next == tables {
            return tables;
        }
        tables = next;
    }
}

/// What a node's Loc-RIB is, in the model's words.
fn table_of(sim: &Sim, node: usize) -> BTreeMap<IpNet, ModelRoute> {
    let routes = sim.speakers[node].routes().map(|route| {
        let from = match route.source {
            Source::Peer(peer) => Some(Sim::node(sim.speakers[node].peer(peer).unwrap().config.address)),
            _ => None,
        };
        if let Some(from) = from {
            assert_eq!(Sim::node(route.attributes.gateway().unwrap()), from, "the next hop is the sender");
        }
        (route.prefix, ModelRoute { path: route.attributes.as_path().asns().collect(), from })
    });
    routes.collect()
}

fn prefix(i: usize) -> IpNet {
    let text = if i % 2 == 0 { format!("192.168.{i}.0/26") } else { format!("fd00:{i:x}::/122") };
    text.parse().unwrap()
}

/// Random announcements, withdrawals, resets, hangs, cuts and stalls, then peace; the tables must be the model's.
fn history(seed: u64, ases: &[u32], links: &[(usize, usize)]) {
    let mut sim = Sim::of(seed, ases);
    sim.window = if seed % 3 == 0 { 300 } else { usize::MAX };
    let mut own = vec![BTreeSet::new(); ases.len()];
    let mut peerings: BTreeSet<(usize, usize)> = links.iter().copied().collect();
    for &(a, b) in links {
        sim.peer(a, b);
    }
    for _ in 0..200 {
        let node = sim.rng.below(ases.len());
        match sim.rng.below(40) {
            0..8 => {
                let prefix = prefix(sim.rng.below(12));
                own[node].insert(prefix);
                sim.speakers[node].announce(prefix);
            }
            8..12 => {
                let prefix = prefix(sim.rng.below(12));
                assert_eq!(sim.speakers[node].withdraw(prefix), own[node].remove(&prefix));
            }
            12 => sim.reset_some_link(),
            13 => sim.hang_some_link(),
            14 => {
                let at = sim.rng.below(links.len());
                let (a, b) = links[at];
                if peerings.remove(&(a, b)) {
                    let now = sim.now;
                    for (of, to) in [(a, b), (b, a)] {
                        let id = sim.id(of, to);
                        sim.speakers[of].remove_peer(id, now).unwrap();
                    }
                } else {
                    sim.peer(a, b);
                    peerings.insert((a, b));
                }
            }
            15 => {
                let at = sim.rng.below(links.len());
                sim.cut = if sim.rng.one_in(2) { vec![links[at]] } else { vec![] };
            }
            16..18 => sim.sleep(secs(20)),
            _ => {
                sim.deliver();
            }
        }
        sim.drain();
    }
    sim.cut.clear();
    // Longer than a hold time, so that hanging sessions are found out, and than the longest waits after that.
    sim.run(secs(240));
    let model = model(ases, &peerings, &own);
    for node in 0..ases.len() {
        for peer in sim.speakers[node].peers() {
            assert_eq!(peer.state, SessionState::Established, "seed {seed}: {node} {peer:?}");
        }
        let table = table_of(&sim, node);
        assert_eq!(table, model[node], "seed {seed}: Loc-RIB of node {node}");
        let told: BTreeMap<_, _> = sim.speakers[node].routes().map(|route| (route.prefix, route)).collect();
        assert_eq!(sim.learned[node], told, "seed {seed}: what poll_change told the owner of node {node}");
        for (of, to) in links.iter().flat_map(|&(a, b)| [(a, b), (b, a)]).filter(|(of, _)| *of == node) {
            if peerings.contains(&(of.min(to), of.max(to))) {
                let sent: BTreeSet<_> = sim.speakers[of].routes_to(sim.id(of, to)).collect();
                let received: BTreeSet<_> = sim.speakers[to]
                    .routes_from(Source::Peer(sim.id(to, of)))
                    .map(|route| route.prefix)
                    .collect();
                // What `to` does not accept is what has its own AS in the path.
                let looped = |p: &&IpNet| model[of][*p].path.contains(&ases[to]);
                let expected: BTreeSet<_> = sent.iter().filter(|p| !looped(p)).copied().collect();
                assert_eq!(received, expected, "seed {seed}: {of} to {to}");
                assert_eq!(sim.speakers[to].peer(sim.id(to, of)).unwrap().prefixes, received.len());
            }
        }
    }
}

#[test]
fn two_internal_speakers_agree_with_the_model() {
    (0..cases(CASES)).for_each(|seed| history(seed, &[64512, 64512], &[(0, 1)]));
}

#[test]
fn two_external_speakers_agree_with_the_model() {
    (0..cases(CASES)).for_each(|seed| history(seed, &[64512, 4_200_000_001], &[(0, 1)]));
}

#[test]
fn a_mesh_of_three_agrees_with_the_model() {
    (0..cases(CASES)).for_each(|seed| history(seed, &[64512; 3], &[(0, 1), (0, 2), (1, 2)]));
}

#[test]
fn an_external_triangle_agrees_with_the_model() {
    (0..cases(CASES)).for_each(|seed| history(seed, &[64512, 64513, 64514], &[(0, 1), (0, 2), (1, 2)]));
}

#[test]
fn two_internal_and_one_external_agree_with_the_model() {
    (0..cases(CASES)).for_each(|seed| history(seed, &[64512, 64512, 64513], &[(0, 1), (0, 2), (1, 2)]));
    (0..cases(CASES)).for_each(|seed| history(seed, &[64512, 64512, 64513], &[(0, 1), (1, 2)]));
}

#[test]
fn a_broken_model_is_noticed() {
    // Guards the comparison itself: another set of announcements is another model.
    let own = vec![BTreeSet::from([prefix(0)]), BTreeSet::new()];
    let peerings = BTreeSet::from([(0, 1)]);
    let tables = model(&[64512, 64512], &peerings, &own);
    assert_eq!(tables[1][&prefix(0)], ModelRoute { path: vec![], from: Some(0) });
    assert_ne!(tables, model(&[64512, 64513], &peerings, &own));
    assert_ne!(tables, model(&[64512, 64512], &BTreeSet::new(), &own));
}

#[test]
fn end_of_rib_follows_the_initial_table_in_both_families() {
    let mut sim = Sim::of(1, &[64512, 64512]);
    for i in 0..1000 {
        sim.speakers[0].announce(format!("10.{}.{}.0/24", i / 250, i % 250).parse().unwrap());
        sim.speakers[0].announce(format!("fd00:{i:x}::/64").parse().unwrap());
    }
    sim.peer(0, 1);
    sim.run(secs(2));
    let peer = sim.id(1, 0);
    let position = |wanted: &dyn Fn(&Event) -> bool| {
        sim.events.iter().position(|(node, event)| *node == 1 && wanted(event))
    };
    let up = position(&|event| matches!(event, Event::SessionUp { .. })).unwrap();
    let ends: Vec<_> =
        sim.events.iter().filter(|(n, e)| *n == 1 && matches!(e, Event::EndOfRib { .. })).collect();
    assert_eq!(ends.len(), 2);
    assert!(up < position(&|event| matches!(event, Event::EndOfRib { .. })).unwrap());
    assert_eq!(sim.speakers[1].routes_from(Source::Peer(peer)).count(), 2000);
    // Prefixes that share attributes share messages: 4 octets each of 1000, and 9 octets each of 1000.
    let sent = sim.speakers[0].peer(sim.id(0, 1)).unwrap().stats.updates_sent;
    assert!((5..=7).contains(&sent), "{sent} UPDATEs");
}

#[test]
fn passive_peers_wait_and_one_active_side_is_enough() {
    let mut sim = Sim::of(1, &[64512, 64512]);
    let now = sim.now;
    sim.speakers[0].add_peer(peer_config(0, 1, 64512).passive(true), now).unwrap();
    sim.run(secs(60));
    assert!(sim.events.is_empty());
    sim.speakers[1].add_peer(peer_config(1, 0, 64512), now).unwrap();
    sim.run(secs(10));
    assert_eq!(sim.speakers[0].peer(sim.id(0, 1)).unwrap().state, SessionState::Established);
}

#[test]
fn peers_change_while_the_session_lives() {
    let mut sim = Sim::of(3, &[64512, 64512]);
    sim.peer(0, 1);
    sim.speakers[0].announce(prefix(0));
    sim.run(secs(10));
    let (id, now) = (sim.id(0, 1), sim.now);
    let next_hop = "192.0.2.99".parse().unwrap();
    sim.speakers[0].change_peer(id, peer_config(0, 1, 64512).next_hop4(next_hop), now).unwrap();
    sim.run(secs(1));
    let gateway = sim.speakers[1].best(prefix(0)).unwrap().attributes.gateway();
    assert_eq!(gateway, Some(next_hop.into()));
    assert_eq!(sim.speakers[0].peer(id).unwrap().stats.sessions, 1);
    // Another set of families needs another session.
    let only4 = peer_config(0, 1, 64512).families(tortie_bgp_speaker::wire::FamilySet::IPV4);
    let now = sim.now;
    sim.speakers[0].set_peers([only4], now).unwrap();
    sim.run(secs(30));
    let status = sim.speakers[0].peer(id).unwrap();
    assert_eq!((status.stats.sessions, status.state), (2, SessionState::Established));
    assert_eq!(status.session.unwrap().families, tortie_bgp_speaker::wire::FamilySet::IPV4);
    let now = sim.now;
    sim.speakers[0].set_peers([], now).unwrap();
    sim.run(secs(1));
    assert_eq!(sim.speakers[1].routes().count(), 0);
    assert!(sim.speakers[0].peer_by_address(address(1).into()).is_none());
}
