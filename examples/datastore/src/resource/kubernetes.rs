//! Policies of Kubernetes, kept as they are, and drafts of them: the specs are those of `tortie_policy::k8s`.

pub use tortie_policy::k8s::{
    AdminNetworkPolicySpec, BaselineAdminNetworkPolicySpec, ClusterNetworkPolicySpec, NetworkPolicySpec,
    StagedKubernetesNetworkPolicySpec,
};

use super::field::FieldError;
use super::policy::{faults, unknown};
use super::{Kind, Metadata};

/// A kind of which the spec says by itself what is wrong with it.
macro_rules! kind {
    ($spec:ty, $kind:literal, $plural:literal, $version:literal, $namespaced:literal) => {
        impl Kind for $spec {
            const API_VERSION: &'static str = $version;
            const KIND: &'static str = $kind;
            const PLURAL: &'static str = $plural;
            const NAMESPACED: bool = $namespaced;

            fn validate(&self, _metadata: &Metadata) -> Vec<FieldError> {
                faults(Self::validate(self))
            }

            fn unknown_fields(&self) -> Vec<String> {
                unknown(&Self::validate(self))
            }
        }
    };
}

// The plurals say whose kinds they are: one of Calico's has the same name.
kind!(NetworkPolicySpec, "NetworkPolicy", "kubernetesnetworkpolicies", "networking.k8s.io/v1", true);
kind!(
    ClusterNetworkPolicySpec,
    "ClusterNetworkPolicy",
    "kubernetesclusternetworkpolicies",
    "policy.networking.k8s.io/v1alpha2",
    false
);
kind!(
    AdminNetworkPolicySpec,
    "AdminNetworkPolicy",
    "kubernetesadminnetworkpolicies",
    "policy.networking.k8s.io/v1alpha1",
    false
);
kind!(
    BaselineAdminNetworkPolicySpec,
    "BaselineAdminNetworkPolicy",
    "kubernetesbaselineadminnetworkpolicies",
    "policy.networking.k8s.io/v1alpha1",
    false
);
kind!(
    StagedKubernetesNetworkPolicySpec,
    "StagedKubernetesNetworkPolicy",
    "stagedkubernetesnetworkpolicies",
    "projectcalico.org/v3",
    true
);
