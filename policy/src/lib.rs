//! Network policy: model, reference evaluator with traces, and a compiler to nftables.
//!
//! For whoever enforces Calico's network policy on a host, or asks what it says.
//!
//! ```
//! use tortie_policy::{Endpoint, Flow, Inputs, Verdict, evaluate};
//!
//! let mut inputs = Inputs::new();
//! inputs.insert_endpoint(Endpoint {
//!     id: "node-1/web".into(),
//!     interface: "cali1a2b3c".into(),
//!     namespace: Some("shop".into()),
//!     addresses: vec!["10.0.0.1".parse()?],
//!     ..Endpoint::default()
//! });
//! let spec = r#"{ "ingress": [{ "action": "Allow", "protocol": "TCP", "destination": { "ports": [80] } }] }"#;
//! assert!(inputs.insert_network_policy("shop", "web", &serde_json::from_str(spec)?).is_empty());
//! let flow = Flow::tcp("192.0.2.7:40000".parse()?, "10.0.0.1:80".parse()?);
//! assert_eq!(evaluate(&inputs, &flow).verdict, Verdict::Allow);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Storeys
//!
//! | from | by | to |
//! |---|---|---|
//! | documents | serde | [`model`]: specs as written |
//! | specs, endpoints | [`Inputs`], which names every fault | all that policy knows |
//! | [`Inputs`], a [`Flow`] | [`evaluate`] | [`Evaluation`]: the verdict and how it came about |
//! | [`Inputs`], a [`Host`], a [`Packet`] | [`evaluate_packet`] | the same, of all that this host has to say |
//! | [`Inputs`] | [`resolve`] | [`Resolved`]: policies, profiles and addresses that matter to one host |
//! | [`Resolved`] | [`compile`] | [`Program`]: chains and sets, in no backend's words |
//! | [`Program`] | [`optimise`] | a [`Program`] with the same verdicts in fewer steps |
//! | the same, as it changes | [`Resolver`] | [`Delta`]s of that [`Program`] |
//! | [`Program`], a [`Packet`] | [`interpret`] | what a backend must do with it |
//! | [`Program`] | [`nftables::render`] | text for `nft -f -` |
//! | [`Program`], [`Delta`] | `nftables::Ruleset` (feature `nft-wire`) | netlink transactions |
//!
//! # Semantics
//!
//! The first packet of a connection is judged at both ends: by the egress policy of the endpoint that sends it, and the
//! ingress policy of the one that receives it. At each end, policies whose selector matches the endpoint and that govern the
//! direction are consulted, tier by tier: tiers by `order`, those without one last, equals by name; within a tier, policies
//! by `order`, those without one last, equals by the text `name/namespace/kind`. The first rule that matches decides: Allow
//! lets this end go on, Deny drops, Pass goes on to the next tier, Log logs and goes on to the next rule. If policies of a
//! tier govern the end and no rule matches, the default action of the tier is taken: Deny, or Pass. If no tier decides,
//! profiles are consulted in the order of the endpoint, in the same way; a Pass goes on to the next profile. If no rule of
//! them matches either, it drops.
//!
//! The packets that follow, and replies, are not judged: a change of policy does not cut what was accepted.
//!
//! Staged policies are never enforced. The evaluator tells what would decide if they were: a policy takes the place of the
//! one that it is a draft of (`Set`, `Learn`), removes it (`Delete`), or does nothing (`Ignore`).
//!
//! What the interfaces of a host itself let through, host endpoints say, in up to four lists: see [`evaluate_packet`].
//!
//! # Guarantees
//!
//! `no_std` with `alloc`, no unsafe code, no panic on any input, no recursion deeper than the limits of selectors and of
//! the deserializer. What is not understood fails closed: see [`Inputs`].
//!
//! # Limits
//!
//! [`resolve`] and [`compile`] start anew each time, and the text is the whole table: the
//! work grows with policies by local endpoints, and with rule selectors by all endpoints. A [`Resolver`] comes to the same
//! program, change by change, at a cost in proportion to what a change affects.
//!
//! # Features
//!
//! * `std` (default): `std` of `tortie-selector`.
//! * `k8s`: policies and pods of Kubernetes, in module `k8s`.
//! * `nft-wire`: `nftables::Ruleset`, which makes the kernel's table by netlink messages.
//! * `testing`: random policy and packets, and what holds a backend of your own against the evaluator, in module `testing`.
//!
//! MSRV: 1.85.
//!
//! # Sources
//!
//! Facts after Calico, calico@87c15906f2 `api/pkg/apis/projectcalico/v3`, `libcalico-go/lib/validator/v3`,
//! `libcalico-go/lib/backend/syncersv1/updateprocessors`, `felix/calc`, `felix/rules`. `docs/compat.md` of the repository
//! lists the deviations.

#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod backend;
mod compile;
mod convert;
mod endpoint;
mod error;
mod eval;
mod flow;
mod host;
mod inputs;
mod interpret;
mod ipset;
#[cfg(feature = "k8s")]
pub mod k8s;
mod key;
pub mod model;
mod net;
mod optimise;
mod policy;
mod program;
mod resolve;
mod resolver;
mod rule;
mod service;
mod set;
mod settings;
mod table;
#[cfg(feature = "testing")]
pub mod testing;
mod verdict;

/// README's example, held as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use backend::nftables;
pub use compile::compile;
pub use endpoint::{
    Endpoint, NAMESPACE_LABEL, NAMESPACE_LABEL_PREFIX, NamedPort, ORCHESTRATOR_LABEL, SERVICE_ACCOUNT_LABEL,
    SERVICE_ACCOUNT_LABEL_PREFIX,
};
pub use error::{EndpointFault, FieldError, FieldErrorKind};
pub use eval::{evaluate, evaluate_packet};
pub use flow::{Flow, Transport};
pub use host::{Host, Packet, Place};
pub use inputs::{Inputs, PolicySpec};
pub use interpret::{Interpretation, Judgement, interpret};
pub use ipset::IpSet;
pub use key::{Direction, ListKind, Origin, Owner, PolicyKey, PolicyKind, Verdict};
pub use optimise::{Optimised, Passes, Reason, Removed, optimise};
pub use program::{
    Addresses, Chain, ChainKey, Dispatch, End, HostDispatch, ListKey, Match, ProfilesKey, Program, Step,
    StepAction, TierKey,
};
pub use resolve::{PolicyList, Resolved, ResolvedEndpoint, ResolvedHostEndpoint, TierPolicies, resolve};
pub use resolver::{CheckedPolicy, Delta, Resolver, ResolverStats, SetChange};
pub use rule::{Family, IcmpMatch, PortRange};
pub use service::{EndpointSlice, ServicePort};
pub use set::{Members, NetworkSet, PortMember, ServiceKey, SetId};
pub use settings::{Encapsulation, Failsafe, FailsafePort, HostAction};
pub use table::{Row, Spread, SpreadRow, Tuples};
pub use verdict::{Consulted, ConsultedRule, EndTrace, Evaluation, Outcome, StagedTrace, Trace};
