//! Prefixes that this node originates.

use std::collections::BTreeSet;

use ipnet::IpNet;
use tortie_ipam::Affinity;

use crate::cluster::Cluster;
use crate::pool::Pools;

/// The node's confirmed blocks, and the addresses of its workloads that are in none of them, ordered.
///
/// A block whose claim is still pending is not advertised: another node may yet own it. A block of a single address is
/// advertised while a workload has the address.
pub(crate) fn advertisements(cluster: &Cluster) -> Vec<IpNet> {
    let pools = Pools::new(cluster);
    let owned: BTreeSet<IpNet> = cluster
        .blocks
        .values()
        .filter(|block| matches!(block.affinity(), Some(Affinity::Host(host)) if host == cluster.node))
        .map(|block| block.cidr())
        .filter(|cidr| cluster.confirmed.contains(cidr))
        .collect();
    let mut advertised: BTreeSet<IpNet> =
        owned.iter().copied().filter(|cidr| cidr.prefix_len() != cidr.max_prefix_len()).collect();
    for (_, endpoint) in cluster.local_endpoints() {
        for &network in &endpoint.spec.ip_networks {
            let single = network.prefix_len() == network.max_prefix_len();
            let aggregated = (0..network.prefix_len()).any(|len| {
                IpNet::new(network.addr(), len).is_ok_and(|around| owned.contains(&around.trunc()))
            });
            if single && !aggregated && (owned.contains(&network) || pools.contain(network)) {
                advertised.insert(network);
            }
        }
    }
    advertised.retain(|&prefix| pools.permit_export(prefix) && !prefix.addr().is_unspecified());
    advertised.into_iter().collect()
}
