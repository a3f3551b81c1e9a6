//! Policies and pods of Kubernetes (feature `k8s`).
//!
//! The types are the specs and objects as the API of Kubernetes has them. [`Inputs`] and [`Resolver`](crate::Resolver) take
//! the specs of policies and make of them what they make of Calico's own:
//!
//! | here | there | tier | order |
//! |---|---|---|---|
//! | [`NetworkPolicySpec`] | a policy of its namespace with Allow rules | `default` | 1000 |
//! | [`ClusterNetworkPolicySpec`], `Admin` | a global policy of pods | `kube-admin` | its priority |
//! | [`ClusterNetworkPolicySpec`], `Baseline` | a global policy of pods | `kube-baseline` | its priority |
//! | [`AdminNetworkPolicySpec`] | a global policy of pods | `kube-admin` | its priority |
//! | [`BaselineAdminNetworkPolicySpec`] | a global policy of pods | `kube-baseline` | last |
//! | [`Namespace`] | profile `kns.<name>`: labels, and all is allowed | | |
//! | [`ServiceAccount`] | profile `ksa.<namespace>.<name>`: labels | | |
//! | [`Pod`] | an [`Endpoint`](crate::Endpoint) | | |
//!
//! Decoding is lenient in words and strict in shape, fields that this version does not know are kept, and every fault is
//! named with the path of its field, as in [`model`](crate::model). A rule with a fault lets nothing pass: one that allows
//! is left out, one that denies or passes denies everything. A fault elsewhere makes the policy invalid: see
//! [`Inputs`]. Traces name the rule of the document, though it may have become several.

mod admin;
mod cluster;
mod draft;
mod labels;
mod network_policy;
mod object;
mod peer;
mod port;
mod protocol;

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::convert::Converted;
use crate::error::FieldError;
use crate::inputs::{Inputs, PolicySpec};
use crate::key::{PolicyKey, PolicyKind};
use crate::model::StagedAction;
use crate::policy::Policy;

pub use admin::{
    AdminNetworkPolicyPort, AdminNetworkPolicySpec, BaselineAdminNetworkPolicySpec, ProtocolPort,
    ProtocolPortRange,
};
pub use cluster::{ClusterEgressRule, ClusterIngressRule, ClusterNetworkPolicySpec};
pub use labels::{LabelSelector, Requirement};
pub use network_policy::{
    IpBlock, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec, StagedKubernetesNetworkPolicySpec,
};
pub use object::{
    Container, ContainerPort, Namespace, ObjectMeta, Pod, PodIp, PodSpec, PodStatus, ServiceAccount,
};
pub use peer::{ClusterPeer, NamespacedPod, Subject};
pub use port::IntOrString;
pub use protocol::{ClusterProtocol, DestinationPort, NumberOrRange, StartEnd};

/// A policy of Kubernetes of any kind.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Document<'a> {
    NetworkPolicy(&'a NetworkPolicySpec),
    Cluster(&'a ClusterNetworkPolicySpec),
    Admin(&'a AdminNetworkPolicySpec),
    Baseline(&'a BaselineAdminNetworkPolicySpec),
}

impl Document<'_> {
    pub(crate) fn convert(
        self,
        key: &Arc<PolicyKey>,
        staged: Option<&Option<StagedAction>>,
    ) -> Converted<Policy> {
        match self {
            Self::NetworkPolicy(spec) => spec.convert(key, staged),
            Self::Cluster(spec) => spec.convert(key),
            Self::Admin(spec) => spec.convert(key),
            Self::Baseline(spec) => spec.convert(key),
        }
    }
}

macro_rules! from {
    ($($spec:ty => $document:ident),*) => {$(
        impl<'a> From<&'a $spec> for PolicySpec<'a> {
            fn from(spec: &'a $spec) -> Self {
                Self::kubernetes(Document::$document(spec), None)
            }
        }
    )*};
}

from!(
    NetworkPolicySpec => NetworkPolicy,
    ClusterNetworkPolicySpec => Cluster,
    AdminNetworkPolicySpec => Admin,
    BaselineAdminNetworkPolicySpec => Baseline
);

impl<'a> From<&'a StagedKubernetesNetworkPolicySpec> for PolicySpec<'a> {
    fn from(staged: &'a StagedKubernetesNetworkPolicySpec) -> Self {
        Self::kubernetes(Document::NetworkPolicy(&staged.spec), Some(&staged.staged_action))
    }
}

impl Inputs {
    /// Inserts or replaces a `NetworkPolicy` of Kubernetes. The answer is what is wrong with it.
    ///
    /// Its key is of kind [`KubernetesNetworkPolicy`](PolicyKind::KubernetesNetworkPolicy).
    pub fn insert_kubernetes_network_policy(
        &mut self,
        namespace: &str,
        name: &str,
        spec: &NetworkPolicySpec,
    ) -> Vec<FieldError> {
        self.insert_policy(
            PolicyKey::of_kind(PolicyKind::KubernetesNetworkPolicy, Some(namespace), name),
            spec,
        )
    }

    /// Inserts or replaces a `ClusterNetworkPolicy` of Kubernetes. The answer is what is wrong with it.
    ///
    /// Its key is of kind [`KubernetesClusterNetworkPolicy`](PolicyKind::KubernetesClusterNetworkPolicy).
    pub fn insert_cluster_network_policy(
        &mut self,
        name: &str,
        spec: &ClusterNetworkPolicySpec,
    ) -> Vec<FieldError> {
        self.insert_policy(PolicyKey::of_kind(PolicyKind::KubernetesClusterNetworkPolicy, None, name), spec)
    }

    /// Inserts or replaces an `AdminNetworkPolicy` of Kubernetes. The answer is what is wrong with it.
    ///
    /// Its key is of kind [`KubernetesAdminNetworkPolicy`](PolicyKind::KubernetesAdminNetworkPolicy).
    pub fn insert_admin_network_policy(
        &mut self,
        name: &str,
        spec: &AdminNetworkPolicySpec,
    ) -> Vec<FieldError> {
        self.insert_policy(PolicyKey::of_kind(PolicyKind::KubernetesAdminNetworkPolicy, None, name), spec)
    }

    /// Inserts or replaces a `BaselineAdminNetworkPolicy` of Kubernetes. The answer is what is wrong with it.
    ///
    /// Its key is of kind [`KubernetesBaselineAdminNetworkPolicy`](PolicyKind::KubernetesBaselineAdminNetworkPolicy).
    pub fn insert_baseline_admin_network_policy(
        &mut self,
        name: &str,
        spec: &BaselineAdminNetworkPolicySpec,
    ) -> Vec<FieldError> {
        self.insert_policy(
            PolicyKey::of_kind(PolicyKind::KubernetesBaselineAdminNetworkPolicy, None, name),
            spec,
        )
    }
}
