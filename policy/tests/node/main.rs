//! What one node does with packets besides verdicts, and beside others: sources translated, denials counted, connections that live
//! on or are cut, and frames that no honest workload sends.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    reason = "test code: a panic is a failed test, and what is printed says why one was skipped"
)]

mod beside;
mod connections;
mod denied;
mod flood;
mod host;
#[path = "../lab/mod.rs"]
mod lab;
mod network;
mod options;
mod packet;
mod security;
#[path = "../transaction/mod.rs"]
#[allow(dead_code, reason = "one batch at a time is for others")]
mod transaction;

use lab::Lab;
use tortie_nft_wire::Socket;
use tortie_policy::testing::World;
use tortie_policy::{Endpoint, Inputs};

pub(crate) fn world() -> World {
    World { faults: false, interfaces: vec![], ..World::new() }
}

/// The world, the namespaces in which it is, and a socket to the host's packet filter.
pub(crate) fn stage() -> (World, Lab, Socket) {
    let world = world();
    let lab = Lab::new(&world);
    (world, lab, Socket::open().unwrap())
}

/// All endpoints of the world, open.
pub(crate) fn open(world: &World) -> Inputs {
    let mut inputs = Inputs::new();
    let profile = r#"{ "ingress": [{ "action": "Allow" }], "egress": [{ "action": "Allow" }] }"#;
    assert_eq!(inputs.insert_profile("open", &serde_json::from_str(profile).unwrap()), []);
    for (index, addresses) in world.endpoints.iter().enumerate() {
        inputs.insert_endpoint(Endpoint {
            id: format!("host/pod-{index}"),
            interface: world.links[index].clone(),
            profiles: vec!["open".to_string()],
            addresses: addresses.to_vec(),
            ..Endpoint::default()
        });
    }
    inputs
}
