//! Network policy: model, reference evaluator with traces, and a compiler to kernel rules
#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod backend;
mod combine;
mod compile;
mod convert;
mod endpoint;
mod error;
mod eval;
mod flow;
mod inputs;
mod interpret;
mod ipset;
mod key;
pub mod model;
mod net;
mod policy;
mod program;
mod resolve;
mod rule;
mod verdict;

pub use backend::nftables;
pub use compile::compile;
pub use endpoint::{
    Endpoint, NAMESPACE_LABEL, NAMESPACE_LABEL_PREFIX, SERVICE_ACCOUNT_LABEL, SERVICE_ACCOUNT_LABEL_PREFIX,
};
pub use error::{EndpointFault, FieldError, FieldErrorKind};
pub use eval::evaluate;
pub use flow::{Flow, Transport};
pub use inputs::{Encapsulation, Inputs};
pub use interpret::{Interpretation, Judgement, Packet, interpret};
pub use ipset::IpSet;
pub use key::{Direction, Origin, Owner, PolicyKey, PolicyKind, Verdict};
pub use program::{Addresses, Chain, ChainId, Dispatch, End, Match, Program, Role, Step, StepAction};
pub use resolve::{PolicyList, Resolved, ResolvedEndpoint, resolve};
pub use rule::{Family, IcmpMatch, PortRange};
pub use verdict::{Consulted, ConsultedRule, EndTrace, Evaluation, Outcome, Trace};
