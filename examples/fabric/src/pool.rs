//! Which encapsulation a destination is carried in, and whether it may be advertised.

use ipnet::IpNet;
use tortie_datastore::resource::{AllowedUse, EncapMode, IpPoolSpec};

use crate::cluster::Cluster;
use crate::report::Carrier;

/// How traffic to a destination in a pool travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// As it is.
    Plain,
    /// Encapsulated.
    Carried(Carrier),
}

/// The transport that a pool says; none for a pool of load balancer addresses, which says nothing of workloads.
pub(crate) fn transport(spec: &IpPoolSpec) -> Option<Transport> {
    if spec.allowed_uses() == [AllowedUse::LoadBalancer] {
        None
    } else if spec.vxlan_mode != EncapMode::Never {
        Some(Transport::Carried(Carrier::Vxlan))
    } else if spec.ipip_mode != EncapMode::Never {
        Some(Transport::Carried(Carrier::IpInIp))
    } else {
        Some(Transport::Plain)
    }
}

/// The pools of a cluster, longest prefix first. Disabled pools count: they only give no new addresses.
pub(crate) struct Pools<'a>(Vec<&'a IpPoolSpec>);

impl<'a> Pools<'a> {
    pub(crate) fn new(cluster: &'a Cluster) -> Self {
        let mut pools: Vec<_> = cluster.pools.values().map(|pool| &pool.spec).collect();
        pools.sort_by_key(|spec| core::cmp::Reverse(spec.cidr.prefix_len()));
        Self(pools)
    }

    fn around(&self, destination: IpNet) -> impl Iterator<Item = &'a IpPoolSpec> + '_ {
        self.0.iter().copied().filter(move |spec| spec.cidr.trunc().contains(&destination))
    }

    /// The transport to a destination: that of the longest pool around it that says one.
    pub(crate) fn transport(&self, destination: IpNet) -> Option<Transport> {
        self.around(destination).find_map(transport)
    }

    /// Whether no pool around a destination keeps it from BGP peers.
    pub(crate) fn permit_export(&self, destination: IpNet) -> bool {
        self.around(destination).all(|spec| !spec.disable_bgp_export)
    }

    /// Whether a destination is in a pool.
    pub(crate) fn contain(&self, destination: IpNet) -> bool {
        self.around(destination).next().is_some()
    }
}
