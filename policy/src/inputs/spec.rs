//! Specs of policies, whatever their kind.

use alloc::sync::Arc;

use crate::convert::{self, Converted};
#[cfg(feature = "k8s")]
use crate::k8s::Document;
use crate::key::PolicyKey;
use crate::model::{GlobalNetworkPolicySpec, NetworkPolicySpec, Staged, StagedAction};
use crate::policy::Policy;

/// The spec of a policy of any kind, of Kubernetes too, for [`Inputs::insert_policy`](crate::Inputs::insert_policy). Made
/// `From` a reference to one.
#[derive(Clone, Copy, Debug)]
pub struct PolicySpec<'a> {
    body: Body<'a>,
    /// What a staged policy says is to be done; `None` for kinds that are enforced.
    staged: Option<&'a Option<StagedAction>>,
}

#[derive(Clone, Copy, Debug)]
enum Body<'a> {
    Namespaced(&'a NetworkPolicySpec),
    Global(&'a GlobalNetworkPolicySpec),
    #[cfg(feature = "k8s")]
    Kubernetes(Document<'a>),
}

impl<'a> From<&'a NetworkPolicySpec> for PolicySpec<'a> {
    fn from(spec: &'a NetworkPolicySpec) -> Self {
        Self { body: Body::Namespaced(spec), staged: None }
    }
}

impl<'a> From<&'a GlobalNetworkPolicySpec> for PolicySpec<'a> {
    fn from(spec: &'a GlobalNetworkPolicySpec) -> Self {
        Self { body: Body::Global(spec), staged: None }
    }
}

impl<'a> From<&'a Staged<NetworkPolicySpec>> for PolicySpec<'a> {
    fn from(staged: &'a Staged<NetworkPolicySpec>) -> Self {
        Self { body: Body::Namespaced(&staged.spec), staged: Some(&staged.staged_action) }
    }
}

impl<'a> From<&'a Staged<GlobalNetworkPolicySpec>> for PolicySpec<'a> {
    fn from(staged: &'a Staged<GlobalNetworkPolicySpec>) -> Self {
        Self { body: Body::Global(&staged.spec), staged: Some(&staged.staged_action) }
    }
}

#[cfg(feature = "k8s")]
impl<'a> PolicySpec<'a> {
    pub(crate) const fn kubernetes(document: Document<'a>, staged: Option<&'a Option<StagedAction>>) -> Self {
        Self { body: Body::Kubernetes(document), staged }
    }
}

impl PolicySpec<'_> {
    pub(crate) fn convert(self, key: &Arc<PolicyKey>) -> Converted<Policy> {
        match self.body {
            Body::Namespaced(body) => convert::namespaced_policy(key, self.staged, body),
            Body::Global(body) => convert::global_policy(key, self.staged, body),
            #[cfg(feature = "k8s")]
            Body::Kubernetes(body) => body.convert(key, self.staged),
        }
    }
}
