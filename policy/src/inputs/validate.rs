//! Validation of specs by themselves.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::convert;
use crate::error::FieldError;
use crate::key::{PolicyKey, PolicyKind};
use crate::model::{
    GlobalNetworkPolicySpec, GlobalNetworkSetSpec, HostEndpointSpec, NetworkPolicySpec, PolicyType,
    ProfileSpec, Staged, StagedAction, TierSpec,
};

impl NetworkPolicySpec {
    /// All that is wrong with it, each with the path of its field; empty if nothing is.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_policy::model::NetworkPolicySpec;
    ///
    /// let spec = NetworkPolicySpec { selector: Some("role = 'db'".into()), ..Default::default() };
    /// let faults = spec.validate();
    /// assert_eq!(faults[0].path(), "spec.selector");
    /// println!("{}", faults[0].render_selector().expect("a selector"));
    /// ```
    #[must_use]
    pub fn validate(&self) -> Vec<FieldError> {
        namespaced(PolicyKind::NetworkPolicy, None, self)
    }

    /// The types, or those that their absence stands for. A writer should store these, as the reference system does.
    #[must_use]
    pub fn types_or_default(&self) -> Vec<PolicyType> {
        types_or_default(&self.types, convert::default_types(&self.ingress, &self.egress))
    }
}

impl GlobalNetworkPolicySpec {
    /// All that is wrong with it, each with the path of its field; empty if nothing is.
    #[must_use]
    pub fn validate(&self) -> Vec<FieldError> {
        global(PolicyKind::GlobalNetworkPolicy, None, self)
    }

    /// The types, or those that their absence stands for. A writer should store these, as the reference system does.
    #[must_use]
    pub fn types_or_default(&self) -> Vec<PolicyType> {
        types_or_default(&self.types, convert::default_types(&self.ingress, &self.egress))
    }
}

fn types_or_default(types: &[PolicyType], default: Vec<PolicyType>) -> Vec<PolicyType> {
    if types.is_empty() { default } else { types.to_vec() }
}

impl Staged<NetworkPolicySpec> {
    /// All that is wrong with it, each with the path of its field; empty if nothing is.
    #[must_use]
    pub fn validate(&self) -> Vec<FieldError> {
        namespaced(PolicyKind::StagedNetworkPolicy, Some(&self.staged_action), &self.spec)
    }
}

impl Staged<GlobalNetworkPolicySpec> {
    /// All that is wrong with it, each with the path of its field; empty if nothing is.
    #[must_use]
    pub fn validate(&self) -> Vec<FieldError> {
        global(PolicyKind::StagedGlobalNetworkPolicy, Some(&self.staged_action), &self.spec)
    }
}

fn namespaced(
    kind: PolicyKind,
    staged: Option<&Option<StagedAction>>,
    spec: &NetworkPolicySpec,
) -> Vec<FieldError> {
    convert::namespaced_policy(&PolicyKey::of_kind(kind, Some("default"), "unnamed").into(), staged, spec)
        .errors
}

fn global(
    kind: PolicyKind,
    staged: Option<&Option<StagedAction>>,
    spec: &GlobalNetworkPolicySpec,
) -> Vec<FieldError> {
    convert::global_policy(&PolicyKey::of_kind(kind, None, "unnamed").into(), staged, spec).errors
}

impl TierSpec {
    /// All that is wrong with it as the spec of the tier of this name, each with the path of its field; empty if nothing is.
    #[must_use]
    pub fn validate(&self, name: &str) -> Vec<FieldError> {
        convert::tier(name, self).errors
    }
}

impl HostEndpointSpec {
    /// All that is wrong with it, each with the path of its field; empty if nothing is.
    #[must_use]
    pub fn validate(&self) -> Vec<FieldError> {
        convert::host_endpoint("unnamed", &BTreeMap::new(), self).errors
    }
}

impl ProfileSpec {
    /// All that is wrong with it as the spec of the profile of this name, each with the path of its field; empty if nothing is.
    #[must_use]
    pub fn validate(&self, name: &str) -> Vec<FieldError> {
        convert::profile(name, self).errors
    }
}

impl GlobalNetworkSetSpec {
    /// All that is wrong with it and with the labels of its metadata, each with the path of its field; empty if nothing
    /// is.
    #[must_use]
    pub fn validate(&self, labels: &BTreeMap<String, String>) -> Vec<FieldError> {
        convert::network_set(None, labels, self).errors
    }
}
