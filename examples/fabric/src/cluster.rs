//! What the datastore says, seen from one node.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use tortie_datastore::resource::{
    BgpConfigurationSpec, BgpPeerSpec, FieldError, IpPoolSpec, Kind, NodeSpec, Resource, ResourceKey,
    WorkloadEndpointSpec,
};
use tortie_ipam::keys::Key;
use tortie_ipam::{Affinity, AffinityState, Block, BlockAffinity, RecordError};
use tortie_routes::Family;

/// The objects that routes, peers and advertisements are made from.
///
/// Fill the maps directly, or feed stored records to [`Cluster::put`] and [`Cluster::remove`] as a watch brings them.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Cluster {
    /// Name of the node whose view this is.
    pub node: String,
    /// The links that hold this node's own addresses.
    pub parents: Parents,
    /// Nodes by name.
    pub nodes: BTreeMap<String, Resource<NodeSpec>>,
    /// Address pools by name; disabled ones too.
    pub pools: BTreeMap<String, Resource<IpPoolSpec>>,
    /// Address blocks by CIDR.
    pub blocks: BTreeMap<IpNet, Block>,
    /// Blocks whose affinity to this node is confirmed.
    pub confirmed: BTreeSet<IpNet>,
    /// Workload endpoints of this node by (namespace, name); those of others are passed over.
    pub endpoints: BTreeMap<(String, String), Resource<WorkloadEndpointSpec>>,
    /// BGP configurations by name: `default`, and `node.<name>` for the port of one node.
    pub bgp_configurations: BTreeMap<String, Resource<BgpConfigurationSpec>>,
    /// BGP peers by name.
    pub bgp_peers: BTreeMap<String, Resource<BgpPeerSpec>>,
}

/// Name of the link that holds the node's address, by family; `None` while it is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there are two families")]
pub struct Parents {
    /// For IPv4.
    pub v4: Option<String>,
    /// For IPv6.
    pub v6: Option<String>,
}

impl Parents {
    /// The link for that family.
    #[must_use]
    pub fn of(&self, family: Family) -> Option<&str> {
        match family {
            Family::V4 => self.v4.as_deref(),
            Family::V6 => self.v6.as_deref(),
        }
    }
}

/// What [`Cluster::put`] and [`Cluster::remove`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "either something changed or nothing did")]
pub enum Change {
    /// [`fabric()`](crate::fabric()) may now answer otherwise.
    Changed,
    /// The key is of no concern here, or nothing differs.
    Unchanged,
}

/// Why a record was not taken. What was there before stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// A resource is malformed.
    #[error("record {key} is no such resource")]
    Resource {
        /// Key of the record.
        key: String,
        /// The field, and what is wrong with it.
        #[source]
        source: FieldError,
    },
    /// A record of address management is malformed.
    #[error("record {key} is no such record of address management")]
    Record {
        /// Key of the record.
        key: String,
        /// What is wrong with it.
        #[source]
        source: RecordError,
    },
    /// A block is stored under another block's key.
    #[error("record {key} is of the block {cidr}")]
    Misplaced {
        /// Key of the record.
        key: String,
        /// The block in it.
        cidr: IpNet,
    },
}

impl Cluster {
    /// An empty cluster, seen from that node.
    #[must_use]
    pub fn new(node: impl Into<String>) -> Self {
        Self { node: node.into(), ..Self::default() }
    }

    /// Takes a stored record. Keys that are of no concern here are passed over.
    ///
    /// # Errors
    /// The record is malformed; the last good one stays.
    pub fn put(&mut self, key: &str, value: &[u8]) -> Result<Change, PutError> {
        if let Some(resource) = ResourceKey::parse(key) {
            let name = resource.name.to_owned();
            return match resource.plural {
                NodeSpec::PLURAL => Ok(insert(&mut self.nodes, name, decode(key, value)?)),
                IpPoolSpec::PLURAL => Ok(insert(&mut self.pools, name, decode(key, value)?)),
                BgpConfigurationSpec::PLURAL => {
                    Ok(insert(&mut self.bgp_configurations, name, decode(key, value)?))
                }
                BgpPeerSpec::PLURAL => Ok(insert(&mut self.bgp_peers, name, decode(key, value)?)),
                WorkloadEndpointSpec::PLURAL => {
                    let namespace = resource.namespace.unwrap_or_default().to_owned();
                    let endpoint: Resource<WorkloadEndpointSpec> = decode(key, value)?;
                    // A cluster has very many, and a node few.
                    if endpoint.spec.node != self.node {
                        return Ok(self.endpoints.remove(&(namespace, name)).is_some().into());
                    }
                    Ok(insert(&mut self.endpoints, (namespace, name), endpoint))
                }
                _ => Ok(Change::Unchanged),
            };
        }
        let wrong = |source| PutError::Record { key: key.to_owned(), source };
        match Key::parse(key) {
            Some(Key::Block(cidr)) => {
                let block = Block::decode(value).map_err(wrong)?;
                if block.cidr() != cidr {
                    return Err(PutError::Misplaced { key: key.to_owned(), cidr: block.cidr() });
                }
                if block.is_deleted() {
                    return Ok(self.remove(key));
                }
                let changed = self.blocks.get(&cidr) != Some(&block);
                self.blocks.insert(cidr, block);
                Ok(changed.into())
            }
            Some(Key::Affinity(Affinity::Host(host), cidr)) if host == self.node => {
                let affinity = BlockAffinity::decode(value).map_err(wrong)?;
                let confirmed = affinity.state == AffinityState::Confirmed && !affinity.deleted;
                let changed =
                    if confirmed { self.confirmed.insert(cidr) } else { self.confirmed.remove(&cidr) };
                Ok(changed.into())
            }
            _ => Ok(Change::Unchanged),
        }
    }

    /// Forgets the record of that key.
    pub fn remove(&mut self, key: &str) -> Change {
        if let Some(resource) = ResourceKey::parse(key) {
            let (name, namespace) = (resource.name, resource.namespace.unwrap_or_default());
            return match resource.plural {
                NodeSpec::PLURAL => self.nodes.remove(name).is_some(),
                IpPoolSpec::PLURAL => self.pools.remove(name).is_some(),
                BgpConfigurationSpec::PLURAL => self.bgp_configurations.remove(name).is_some(),
                BgpPeerSpec::PLURAL => self.bgp_peers.remove(name).is_some(),
                WorkloadEndpointSpec::PLURAL => {
                    self.endpoints.remove(&(namespace.to_owned(), name.to_owned())).is_some()
                }
                _ => false,
            }
            .into();
        }
        match Key::parse(key) {
            Some(Key::Block(cidr)) => self.blocks.remove(&cidr).is_some().into(),
            Some(Key::Affinity(Affinity::Host(host), cidr)) if host == self.node => {
                self.confirmed.remove(&cidr).into()
            }
            _ => Change::Unchanged,
        }
    }

    /// Endpoints of this node, as `namespace/name`, in order.
    pub(crate) fn local_endpoints(&self) -> impl Iterator<Item = (String, &Resource<WorkloadEndpointSpec>)> {
        self.endpoints
            .iter()
            .filter(|(_, endpoint)| endpoint.spec.node == self.node)
            .map(|((namespace, name), endpoint)| (format!("{namespace}/{name}"), endpoint))
    }
}

impl From<bool> for Change {
    fn from(changed: bool) -> Self {
        if changed { Self::Changed } else { Self::Unchanged }
    }
}

fn decode<S: Kind>(key: &str, value: &[u8]) -> Result<Resource<S>, PutError> {
    Resource::decode(value).map_err(|source| PutError::Resource { key: key.to_owned(), source })
}

fn insert<N: Ord, S: Kind>(map: &mut BTreeMap<N, Resource<S>>, name: N, resource: Resource<S>) -> Change {
    let changed = map.get(&name) != Some(&resource);
    map.insert(name, resource);
    changed.into()
}
