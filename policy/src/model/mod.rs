//! Specs of network policy objects as users write and datastores hold them.
//!
//! Field names and forms are those of the Calico v3 API. Decoding is lenient in words (a protocol, an action, a CIDR that
//! is none) and strict in shape (a list where a list belongs), so that `validate` can name every fault of a document
//! with the path of its field. Fields that this version does not know are kept in `unknown`: they survive a read and a
//! write, `validate` reports them, and no Allow rule that has one ever matches.

mod port;
mod protocol;
mod rule;
mod spec;
pub(crate) mod value;
mod word;

pub use port::{Port, PortError};
pub use protocol::Protocol;
pub use rule::{EntityRule, HttpMatch, HttpPath, IcmpFields, Rule, ServiceAccountMatch, ServiceMatch};
pub use spec::{
    DEFAULT_TIER, EndpointPort, GlobalNetworkPolicySpec, GlobalNetworkSetSpec, HostEndpointSpec,
    NetworkPolicySpec, NetworkSetSpec, ProfileSpec, Salvage, Staged, StagedGlobalNetworkPolicySpec,
    StagedNetworkPolicySpec, TierSpec,
};
pub use value::{Unknown, Value};
pub use word::{Action, PolicyType, StagedAction};
