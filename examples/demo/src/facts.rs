//! What the datastore says: blocks, endpoints, and what the reference evaluator makes of the policies.

use crate::matrix::{Expected, Way};
use crate::pods::Pod;
use crate::probe::{PORT, Protocol};
use anyhow::{Context as _, anyhow, bail};
use core::net::{IpAddr, SocketAddr};
use ipnet::IpNet;
use tortie_datastore::Datastore;
use tortie_datastore::convert::PolicyState;
use tortie_datastore::resource::{self, WorkloadEndpointSpec};
use tortie_ipam::{Affinity, Block, keys};
use tortie_policy::{Evaluation, Flow, Verdict, evaluate};

/// The port that flows come from when the evaluator is asked; no policy of the demo looks at it.
const SOURCE_PORT: u16 = 40000;

/// All blocks.
pub(crate) async fn blocks(store: &Datastore) -> anyhow::Result<Vec<Block>> {
    let listing = store.list(keys::BLOCKS).await?;
    let blocks =
        listing.items.iter().map(|item| Block::decode(&item.value).with_context(|| item.key.clone()));
    blocks.collect()
}

/// The host that a block belongs to.
pub(crate) fn owner(block: &Block) -> Option<String> {
    match block.affinity() {
        Some(Affinity::Host(name)) => Some(name),
        _ => None,
    }
}

/// The host that an allocation was made by, where its record says so.
pub(crate) fn node_of(allocation: &tortie_ipam::Allocation<'_>) -> Option<String> {
    allocation.attributes().active_owner.remove("node")
}

/// An address that a host borrows from another's block.
pub(crate) struct Borrowed {
    pub(crate) address: IpAddr,
    pub(crate) block: IpNet,
    pub(crate) owner: String,
    pub(crate) borrower: String,
}

/// All borrowed addresses.
pub(crate) fn borrowed(blocks: &[Block]) -> Vec<Borrowed> {
    let mut found = Vec::new();
    for block in blocks {
        let Some(owner) = owner(block) else { continue };
        for allocation in block.allocations() {
            if let Some(borrower) = node_of(&allocation).filter(|node| *node != owner) {
                found.push(Borrowed {
                    address: allocation.address,
                    block: block.cidr(),
                    owner: owner.clone(),
                    borrower,
                });
            }
        }
    }
    found
}

/// Keys that begin with one of these must all be gone.
pub(crate) async fn left_under(store: &Datastore, prefix: &str) -> anyhow::Result<Vec<String>> {
    Ok(store.list(prefix).await?.items.into_iter().map(|item| item.key).collect())
}

/// The prefix of all endpoints' keys.
pub(crate) fn endpoints() -> String {
    resource::prefix::<WorkloadEndpointSpec>(None)
}

/// The reference evaluator, with the policies, profiles, sets and endpoints of the datastore.
pub(crate) struct Judge(PolicyState);

impl Judge {
    pub(crate) async fn read(store: &Datastore) -> anyhow::Result<Self> {
        let (state, faults, _) = PolicyState::load(store).await?;
        if let Some(fault) = faults.first() {
            bail!("a record that policy is made from is wrong: {fault}");
        }
        Ok(Self(state))
    }

    /// What it says of one way.
    pub(crate) fn evaluate(&self, pods: &[Pod], way: &Way) -> anyhow::Result<Evaluation> {
        let target = way.target(pods)?;
        let from = pods
            .get(way.from)
            .and_then(|pod| pod.address(way.v6))
            .ok_or_else(|| anyhow!("no source address"))?;
        let (from, to) = (SocketAddr::new(from, SOURCE_PORT), SocketAddr::new(target.address, PORT));
        let flow = match way.protocol {
            Protocol::Tcp => Flow::tcp(from, to),
            Protocol::Udp => Flow::udp(from, to),
        };
        let evaluation = evaluate(self.0.inputs(), &flow);
        // Both ends are pods here: fewer than two opinions mean that the evaluator does not know one of them.
        if evaluation.trace.ends.len() != 2 {
            bail!("the evaluator does not know both ends of {}", way.text(pods));
        }
        Ok(evaluation)
    }

    /// What must come of all these ways.
    pub(crate) fn expected(&self, pods: &[Pod], ways: &[Way]) -> anyhow::Result<Expected> {
        let judged = ways.iter().map(|way| Ok((*way, self.evaluate(pods, way)?.verdict == Verdict::Allow)));
        judged.collect()
    }
}
