//! Pools: where addresses may come from, and for whom.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use ipnet::IpNet;
use tortie_selector::Selector;

use crate::assigned::HostReserve;
use crate::block::MAX_HOST_BITS;
use crate::config::Config;
use crate::error::PoolError;
use crate::span::Family;

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Use {
    /// A workload's interface.
    Workload,
    /// A node's tunnel device.
    Tunnel,
    /// A service of type LoadBalancer.
    LoadBalancer,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Workload => "Workload",
            Self::Tunnel => "Tunnel",
            Self::LoadBalancer => "LoadBalancer",
        })
    }
}

/// Whether a pool serves requests that do not name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum AssignmentMode {
    /// It serves every request that its selectors admit.
    #[default]
    Automatic,
    /// It serves only requests that name it.
    Manual,
}

/// A range of addresses, cut into blocks of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pool {
    /// Unique name; pools are used in the order of their names.
    pub name: String,
    /// The range, host bits zero.
    pub cidr: IpNet,
    /// Prefix length of its blocks: at least that of the range, at most 32 or 128, and at most 2^16 addresses a block.
    /// Default 26 or 122.
    pub block_len: u8,
    /// Gives no addresses; its empty blocks are given back.
    pub disabled: bool,
    /// Which nodes it serves. Default all.
    pub node_selector: Selector,
    /// Which namespaces it serves. Default (`None`) all.
    pub namespace_selector: Option<Selector>,
    /// What for; empty (default) means workloads and tunnels.
    pub allowed_uses: Vec<Use>,
    /// Whether it serves requests that do not name it. Default automatic.
    pub assignment_mode: AssignmentMode,
}

impl Pool {
    /// A pool with the default block size, for all nodes and namespaces, workloads and tunnels. Host bits are cleared.
    #[must_use]
    pub fn new(name: impl Into<String>, cidr: IpNet) -> Self {
        Self {
            name: name.into(),
            cidr: cidr.trunc(),
            block_len: match cidr {
                IpNet::V4(_) => 26,
                IpNet::V6(_) => 122,
            },
            disabled: false,
            node_selector: Selector::all(),
            namespace_selector: None,
            allowed_uses: Vec::new(),
            assignment_mode: AssignmentMode::Automatic,
        }
    }

    /// With blocks of this prefix length.
    #[must_use]
    pub const fn block_len(mut self, len: u8) -> Self {
        self.block_len = len;
        self
    }

    /// For the nodes that this selects.
    #[must_use]
    pub fn node_selector(mut self, selector: Selector) -> Self {
        self.node_selector = selector;
        self
    }

    /// For the namespaces that this selects.
    #[must_use]
    pub fn namespace_selector(mut self, selector: Selector) -> Self {
        self.namespace_selector = Some(selector);
        self
    }

    /// For these uses only.
    #[must_use]
    pub fn allowed_uses(mut self, uses: impl Into<Vec<Use>>) -> Self {
        self.allowed_uses = uses.into();
        self
    }

    /// With this mode.
    #[must_use]
    pub const fn assignment_mode(mut self, mode: AssignmentMode) -> Self {
        self.assignment_mode = mode;
        self
    }

    /// Whether blocks can be cut from it: the block is no larger than the range and than 2^16 addresses.
    #[must_use]
    pub fn is_divisible(&self) -> bool {
        let bits = Family::of(&self.cidr).bits();
        (self.cidr.prefix_len()..=bits).contains(&self.block_len) && bits - self.block_len <= MAX_HOST_BITS
    }

    /// Whether it gives addresses for this use.
    #[must_use]
    pub fn allows(&self, intended: Use) -> bool {
        if self.allowed_uses.is_empty() {
            matches!(intended, Use::Workload | Use::Tunnel)
        } else {
            self.allowed_uses.contains(&intended)
        }
    }

    /// Whether it gives addresses at all.
    fn is_active(&self) -> bool {
        !self.disabled && self.is_divisible()
    }

    /// Whether it selects a node.
    fn selects_node(&self, labels: &BTreeMap<String, String>) -> bool {
        self.node_selector.matches(labels)
    }

    /// Whether it selects a namespace.
    fn selects_namespace(&self, labels: &BTreeMap<String, String>) -> bool {
        self.namespace_selector.as_ref().is_none_or(|selector| selector.matches(labels))
    }
}

/// What the caller read from the datastore beforehand, and what an allocator decides by.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers build it with a literal, the rest by `..View::default()`"
)]
pub struct View {
    /// All pools, disabled ones too, in any order.
    pub pools: Vec<Pool>,
    /// The configuration.
    pub config: Config,
    /// Ranges that are not assigned from; overlaps are fine. What is assigned already stays.
    pub reservations: Vec<IpNet>,
    /// Labels of the node that asks.
    pub node_labels: BTreeMap<String, String>,
    /// Labels of the namespace that the address is for; empty if there is none.
    pub namespace_labels: BTreeMap<String, String>,
    /// Keys that must still have these revisions (`None`: not exist) when an address is assigned, else
    /// [`Fault::ViewChanged`](crate::Fault::ViewChanged). For the keys of the pools and configuration above.
    ///
    /// Checked in the commit that assigns; on a store without such commits, just before.
    pub guards: Vec<(String, Option<crate::store::Revision>)>,
}

impl View {
    /// A view of these pools, with the default configuration and nothing else.
    #[must_use]
    pub fn new(pools: impl Into<Vec<Pool>>) -> Self {
        Self { pools: pools.into(), ..Self::default() }
    }

    /// Active pools of a family, in the order of their names.
    pub(crate) fn active(&self, family: Family) -> Vec<&Pool> {
        let mut pools: Vec<_> =
            self.pools.iter().filter(|pool| pool.is_active() && Family::of(&pool.cidr) == family).collect();
        pools.sort_by(|a, b| a.name.cmp(&b.name));
        pools
    }

    /// Active pools of a family that select the node, whatever the namespace, mode and use.
    pub(crate) fn selecting(&self, family: Family, labels: &BTreeMap<String, String>) -> Vec<&Pool> {
        self.active(family).into_iter().filter(|pool| pool.selects_node(labels)).collect()
    }

    /// The pools that a request may be served from, in the order of use.
    ///
    /// Pools that the request names are used in its order, whatever their selectors and mode. Those of which the node
    /// would keep whole blocks for itself do not count.
    pub(crate) fn choose(
        &self,
        family: Family,
        named: &[IpNet],
        node_labels: &BTreeMap<String, String>,
        node: &str,
        intended: Use,
        reserve: HostReserve,
    ) -> Result<Vec<&Pool>, PoolError> {
        let mut active = self.active(family);
        active.retain(|pool| pool.block_len <= reserve.longest(family));
        if active.is_empty() {
            return Err(PoolError::NoneQualified);
        }
        let chosen = if named.is_empty() {
            let automatic = |pool: &&Pool| pool.assignment_mode == AssignmentMode::Automatic;
            active
                .into_iter()
                .filter(automatic)
                .filter(|pool| {
                    pool.selects_node(node_labels) && pool.selects_namespace(&self.namespace_labels)
                })
                .collect()
        } else {
            let find = |cidr: &IpNet| {
                let found = active.iter().copied().find(|pool| pool.cidr == *cidr);
                found.ok_or(PoolError::NotEnabled { cidr: *cidr })
            };
            named.iter().map(find).collect::<Result<Vec<_>, _>>()?
        };
        if chosen.is_empty() {
            return Err(PoolError::NoneForNode { node: String::from(node) });
        }
        let fit: Vec<_> = chosen.into_iter().filter(|pool| pool.allows(intended)).collect();
        if fit.is_empty() {
            return Err(PoolError::NoneForUse { node: String::from(node), intended });
        }
        Ok(fit)
    }
}
