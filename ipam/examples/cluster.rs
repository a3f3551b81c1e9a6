//! Three nodes on one small pool: they claim blocks, borrow, and give back.

#![expect(clippy::print_stdout, reason = "an example")]

use core::error::Error;
use core::time::Duration;
use std::time::SystemTime;

use tortie_ipam::{Affinity, Allocator, AssignRequest, MemoryStore, Pool, Use, View, block_on};

fn main() -> Result<(), Box<dyn Error>> {
    // Two blocks of four addresses, for three nodes.
    let view = View::new([
        Pool::new("small", "10.65.0.0/29".parse()?).block_len(30),
        Pool::new("v6", "fd00:65::/64".parse()?),
    ]);
    let allocator = Allocator::new(MemoryStore::new());
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);

    for pod in 0..9 {
        let (node, handle) = (format!("node-{}", pod % 3), format!("net.pod-{pod}"));
        let request = AssignRequest::new(&handle, &node, Use::Workload)
            .v4(1)
            .v6(1)
            .attribute("node", &node)
            .attribute("pod", format!("pod-{pod}"));
        match block_on(allocator.assign_all(&request, &view, now())) {
            Ok(assigned) => println!("{handle} on {node}: {:?}", assigned.addresses().collect::<Vec<_>>()),
            Err(error) => println!("{handle} on {node}: {error}"),
        }
    }
    for pool in block_on(allocator.utilization(&view, now()))?.pools {
        println!("pool {} {}: {} in use, {} available", pool.name, pool.cidr, pool.in_use, pool.available);
        for block in pool.blocks {
            let owner = block.affinity.map_or_else(|| String::from("nobody"), |owner| owner.to_string());
            println!("  block {} of {owner}: {} of {} in use", block.cidr, block.in_use, block.capacity);
        }
    }
    for pod in 0..8 {
        block_on(allocator.release_by_handle(&format!("net.pod-{pod}"), &view.config, now()))?;
    }
    for node in 0..3 {
        let owner = Affinity::host(format!("node-{node}"));
        let outcome = block_on(allocator.release_host_affinities(&owner, true, &view.config, now()))?;
        println!("{owner} gave back {:?}", outcome.released);
    }
    println!("keys left: {}", allocator.store().len());
    Ok(())
}
