//! The difference between wanted and present routes, beside two nested loops.
//!
//! Input: 2,000 wanted IPv4 routes and 2,000 present ones, of which one in ten is missing, one in ten has another
//! gateway, and as many as are missing are left over. An element is one wanted route.

use core::hint::black_box;
use core::net::Ipv4Addr;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ipnet::Ipv4Net;
use tortie_benches::report::Row;
use tortie_routes::{Entry, LinkState, LinkTable, Op, Ownership, Protocol, Route, diff};

const ROUTES: u32 = 2000;
const INDEX: u32 = 7;

/// The route to the n-th block of 64 addresses.
fn route(n: u32, gateway: u32) -> Route {
    let destination = Ipv4Net::new_assert(Ipv4Addr::from(0x0A00_0000 + n * 64), 26);
    let gateway = Ipv4Addr::from(0xC000_0200 + gateway);
    Route::via(destination.into(), gateway.into(), "eth0").protocol(Protocol::AGENT)
}

/// What is wanted and what is there, in an order that is not that of the keys.
fn routes() -> (Vec<Route>, Vec<Entry>) {
    let desired = (0..ROUTES).map(|n| route((n * 7) % ROUTES, 1)).collect();
    let observed = (0..ROUTES)
        .map(|n| (n * 11) % ROUTES)
        .map(|n| match n % 10 {
            0 => route(n + ROUTES, 1),
            1 => route(n, 2),
            _ => route(n, 1),
        })
        .map(|route| Entry::resolve(&route, INDEX))
        .collect();
    (desired, observed)
}

/// The naive twin: for each wanted route a search through what is there, and the other way round.
fn naive(desired: &[Route], observed: &[Entry]) -> Vec<Op> {
    let mut ops = Vec::new();
    for route in desired {
        let want = Entry::resolve(route, INDEX);
        match observed.iter().find(|held| held.key == want.key) {
            None => ops.push(Op::Create(want)),
            Some(held) if *held != want => ops.push(Op::Replace(want)),
            Some(_) => {}
        }
    }
    for held in observed {
        if !desired.iter().any(|route| route.key() == held.key) {
            ops.push(Op::Delete(held.clone()));
        }
    }
    ops
}

/// The keys of the operations, in one order.
fn keys(ops: &[Op]) -> Vec<String> {
    let mut keys: Vec<String> = ops.iter().map(|op| format!("{op:?}")).collect();
    keys.sort_unstable();
    keys
}

fn benches(criterion: &mut Criterion) {
    let (desired, observed) = routes();
    let ownership = Ownership::agent("cali");
    let mut links = LinkTable::default();
    links.set(LinkState::new(INDEX, "eth0", true));
    let found = diff(&desired, &observed, &ownership, &links);
    assert_eq!(found.ops.len(), 600);
    assert_eq!(keys(&found.ops), keys(&naive(&desired, &observed)));

    const WORK: &str = "routes/diff";
    for row in [Row::tortie(WORK, "tortie"), Row::twin(WORK)] {
        // Both found the same operations, just now.
        row.check(found.ops.len());
    }
    let mut group = criterion.benchmark_group(WORK);
    group.throughput(Throughput::Elements(u64::from(ROUTES)));
    group.bench_function("tortie", |bencher| {
        bencher.iter(|| black_box(diff(&desired, &observed, &ownership, &links)));
    });
    group.bench_function("naive_twin", |bencher| bencher.iter(|| black_box(naive(&desired, &observed))));
    group.finish();
}

criterion_group!(routes_diff, benches);
criterion_main!(routes_diff);
