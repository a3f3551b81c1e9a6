//! The difference, done to a stupid kernel, leads to what is desired and leaves the rest alone.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tortie_routes::{Entry, Key, LinkState, LinkTable, Op, Ownership, Protocol, Route, diff};

/// Cases per run of the tests; TORTIE_PROVE=1 multiplies them by 50.
const CASES: u32 = 5_000;

const NETS: [&str; 4] = ["10.0.0.1/32", "10.0.0.0/26", "fd00::1/128", "fd00::/122"];
const LINKS: [(&str, bool); 3] = [("cali1", true), ("eth0", true), ("cali2", false)];
const PROTOCOLS: [Protocol; 4] = [Protocol::AGENT, Protocol::BOOT, Protocol::STATIC, Protocol::BIRD];

fn route() -> impl Strategy<Value = Route> {
    (0..NETS.len(), 0..3_usize, 0..PROTOCOLS.len(), 0..3_u8, any::<bool>()).prop_map(
        |(net, link, protocol, shape, metric)| {
            let net: ipnet::IpNet = NETS[net].parse().unwrap();
            let gateway = if net.addr().is_ipv4() { "192.0.2.1" } else { "2001:db8::1" };
            let route = match shape {
                0 => Route::blackhole(net),
                1 => Route::via(net, gateway.parse().unwrap(), LINKS[link].0).onlink(),
                _ => Route::device(net, LINKS[link].0),
            };
            route.protocol(PROTOCOLS[protocol]).metric(if metric { 1024 } else { 0 })
        },
    )
}

fn index(name: &str) -> u32 {
    LINKS.iter().position(|(link, _)| *link == name).map_or(0, |n| u32::try_from(n).unwrap() + 1)
}

fn ours(route: &Route) -> bool {
    let workload = route.interface().is_some_and(|name| name.starts_with("cali"));
    route.protocol == Protocol::AGENT || route.protocol == Protocol::BOOT && workload
}

fn entry(route: &Route) -> Entry {
    Entry::resolve(route, route.interface().map_or(0, index))
}

fn prove() -> u32 {
    if std::env::var_os("TORTIE_PROVE").is_some_and(|value| value == "1") { 50 } else { 1 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES * prove(), failure_persistence: None, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn leads_to_what_is_desired(desired in prop::collection::vec(route(), 0..8), held in prop::collection::vec(route(), 0..8)) {
        let links: LinkTable = LINKS.iter().map(|(name, up)| LinkState::new(index(name), *name, *up)).collect();
        let ownership = Ownership::agent("cali");
        // One entry per key, as a kernel has that nobody appended to.
        let before: BTreeMap<Key, Route> = held.into_iter().map(|route| (route.key(), route)).collect();
        let observed: Vec<Entry> = before.values().map(entry).collect();
        let wanted: BTreeMap<Key, &Route> =
            desired.iter().filter(|route| ours(route)).map(|route| (route.key(), route)).collect();
        let found = diff(&desired, &observed, &ownership, &links);

        let mut kernel: BTreeMap<Key, Entry> = before.iter().map(|(key, route)| (*key, entry(route))).collect();
        let mut gateways_begun = false;
        let mut removals_begun = false;
        for op in &found.ops {
            let gateway = op.entry().hop.is_some_and(|hop| hop.via.is_some());
            match op {
                Op::Create(new) => prop_assert!(kernel.insert(op.key(), new.clone()).is_none()),
                Op::Replace(new) => {
                    let old = kernel.insert(op.key(), new.clone());
                    prop_assert!(old.is_some_and(|old| old != *new));
                }
                Op::Delete(old) => prop_assert_eq!(kernel.remove(&op.key()), Some(old.clone())),
                _ => unreachable!(),
            }
            let removal = matches!(op, Op::Delete(_));
            prop_assert!(removal || !removals_begun, "make before break");
            prop_assert!(removal || gateway || !gateways_begun, "links before gateways");
            removals_begun |= removal;
            gateways_begun |= gateway && !removal;
        }
        for key in before.keys().chain(wanted.keys()) {
            let there = kernel.get(key);
            let old = before.get(key);
            let foreign = old.filter(|old| !ours(old));
            let ready = wanted.get(key).filter(|route| {
                route.interface().is_none_or(|name| LINKS.iter().any(|(link, up)| *link == name && *up))
            });
            let conflict = foreign.is_some_and(|old| old.protocol != Protocol::BIRD) && ready.is_some();
            prop_assert_eq!(found.conflicts.iter().any(|(held, _)| held == key), conflict);
            prop_assert_eq!(found.blocked.contains(key), wanted.contains_key(key) && ready.is_none());
            match (ready, foreign) {
                (Some(route), _) if !conflict => prop_assert_eq!(there, Some(&entry(route))),
                (_, Some(old)) => prop_assert_eq!(there, Some(&entry(old)), "a foreign route was touched"),
                // Blocked by a link that is down, but there: it stays.
                (None, None) => {
                    let kept = there.is_none_or(|there| wanted.get(key).is_some_and(|route| entry(route) == *there));
                    prop_assert!(kept, "left behind: {:?}", there);
                }
                (Some(_), None) => unreachable!(),
            }
        }
        // And then there is nothing left to do.
        let after: Vec<Entry> = kernel.into_values().collect();
        prop_assert_eq!(diff(&desired, &after, &ownership, &links).ops, vec![]);
    }
}
