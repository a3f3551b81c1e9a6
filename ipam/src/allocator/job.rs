//! What a request comes down to.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use ipnet::IpNet;

use super::claim::Fresh;
use super::name;
use crate::assigned::{AssignRequest, HostReserve, LOAD_BALANCER};
use crate::config::Config;
use crate::error::AssignErrorKind;
use crate::pool::{Pool, Use, View};
use crate::record::Affinity;
use crate::span::{Family, Spans, range};

/// One family of a request, with what was decided for it.
pub(super) struct Job<'a> {
    pub(super) family: Family,
    pub(super) owner: Affinity,
    pub(super) handle: &'a str,
    pub(super) attributes: &'a BTreeMap<String, String>,
    /// Where the addresses may come from, in the order of use.
    pub(super) pools: Vec<&'a Pool>,
    pub(super) reserved: Spans,
    pub(super) view: &'a View,
    pub(super) config: &'a Config,
    pub(super) now: Duration,
    /// Limits of the request, if any.
    pub(super) max_blocks: Option<u32>,
    pub(super) max_per_handle: Option<u32>,
    /// What the node keeps of new blocks.
    pub(super) reserve: HostReserve,
}

impl Job<'_> {
    pub(super) const fn fresh(&self) -> Fresh {
        Fresh { reserve: self.reserve, ..Fresh::at(self.now) }
    }

    /// Whether a block may be used: it is of one of the pools, and not wholly reserved.
    pub(super) fn serves(&self, cidr: &IpNet) -> bool {
        let (first, last) = range(cidr);
        self.pools.iter().any(|pool| pool.cidr.contains(cidr))
            && self.reserved.covering(first, last).is_none()
    }
}

/// What a family of a request comes down to.
pub(super) fn job<'a>(
    request: &'a AssignRequest,
    family: Family,
    view: &'a View,
    now: Duration,
) -> Result<Job<'a>, AssignErrorKind> {
    let owner = owner(&request.host, request.intended_use);
    name(owner.name())?;
    let reserve = request.host_reserve.unwrap_or_default();
    if reserve != HostReserve::default() && !view.config.strict_affinity {
        return Err(AssignErrorKind::StrictRequired);
    }
    let named = request.named(family);
    let labels = labels(view, &owner);
    let pools = view.choose(family, &named, labels, owner.name(), request.intended_use, reserve)?;
    Ok(Job {
        family,
        owner,
        handle: &request.handle,
        attributes: &request.attributes,
        pools,
        reserved: Spans::of(family, &view.reservations),
        view,
        config: &view.config,
        now,
        max_blocks: request.max_blocks,
        max_per_handle: request.max_per_handle,
        reserve,
    })
}

/// The labels of an owner: none where it is no node.
pub(super) fn labels<'a>(view: &'a View, owner: &Affinity) -> &'a BTreeMap<String, String> {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    if matches!(owner, Affinity::Virtual(_)) { &NONE } else { &view.node_labels }
}

/// Who owns the blocks that a request claims.
pub(super) fn owner(host: &str, intended: Use) -> Affinity {
    if intended == Use::LoadBalancer {
        Affinity::Virtual(String::from(LOAD_BALANCER))
    } else {
        Affinity::Host(String::from(host))
    }
}

/// An address with the prefix length of its block.
pub(super) fn cidr_of(address: IpAddr, block: &IpNet) -> IpNet {
    IpNet::new(address, block.prefix_len()).unwrap_or_else(|_| IpNet::from(address))
}
