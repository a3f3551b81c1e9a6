//! What takes the place of a policy that cannot be read: as much as can be read of it, and it denies.

use core::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use tortie_policy::k8s;
use tortie_policy::model::Salvage;

use crate::resource::Kind;

/// The spec of a record, as far as there is one, but for its rules: of those nothing can be kept, and they may be very long.
pub(super) fn spec(record: &[u8]) -> serde_json::Value {
    serde_json::from_slice(record).map_or_else(|_| serde_json::Value::Null, |Record { spec }| spec.0.into())
}

#[derive(serde::Deserialize)]
struct Record {
    spec: Fields,
}

/// Fields of a spec that are no rules.
#[derive(Default)]
struct Fields(serde_json::Map<String, serde_json::Value>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self::default())
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a spec")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Self, A::Error> {
        while let Some(name) = fields.next_key::<String>()? {
            if matches!(name.as_str(), "ingress" | "egress") {
                fields.next_value::<IgnoredAny>()?;
            } else {
                self.0.insert(name, fields.next_value()?);
            }
        }
        Ok(self)
    }
}

/// What can still be read of the spec of a policy of Calico.
pub(super) fn salvage(spec: serde_json::Value) -> Salvage {
    serde_json::from_value(spec).unwrap_or_default()
}

/// What isolates the pods that a spec says, in the directions that it says; all pods in both, if it does not say that.
pub(super) fn salvage_isolation(spec: serde_json::Value) -> k8s::NetworkPolicySpec {
    let kept = |name: &str| spec.get(name).cloned().unwrap_or_default();
    let both = serde_json::json!(["Ingress", "Egress"]);
    let types =
        Some(kept("policyTypes")).filter(|types| types.as_array().is_some_and(|types| !types.is_empty()));
    let types = types.unwrap_or_else(|| both.clone());
    let attempts =
        [(kept("podSelector"), types), (kept("podSelector"), both.clone()), (serde_json::Value::Null, both)];
    let read = |(selector, types)| {
        serde_json::from_value(serde_json::json!({ "podSelector": selector, "policyTypes": types })).ok()
    };
    attempts.into_iter().find_map(read).unwrap_or_default()
}

/// What denies all to and from the subject of a spec; to and from all pods, if it does not say it.
pub(super) fn salvage_denial<S: Kind + Default>(spec: serde_json::Value) -> S {
    // Without peers, a rule has a fault, and denies everything.
    let rules = serde_json::json!([{ "action": "Deny" }]);
    let kept = |names: &[&str]| {
        let kept = names.iter().filter_map(|name| Some(((*name).to_owned(), spec.get(name)?.clone())));
        let denial = ["ingress", "egress"].map(|name| (name.to_owned(), rules.clone()));
        serde_json::from_value(denial.into_iter().chain(kept).collect::<serde_json::Value>()).ok()
    };
    let attempts = [&["tier", "priority", "subject"][..], &["tier", "subject"], &["tier"], &[]];
    attempts.into_iter().find_map(kept).unwrap_or_default()
}
