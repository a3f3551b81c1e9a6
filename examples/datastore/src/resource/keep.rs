//! Fields that this version does not know, kept when an object is written anew.
//!
//! Whoever writes a manifest does not know them either. So they stay where they are: beside the fields of the same object,
//! and in the items of lists that are what they were, or that alone have taken the place of them.

use alloc::collections::{BTreeMap, BTreeSet};
use core::ops::Bound;

use serde_json::{Map, Value};

use super::{Body, FieldError, Kind, field};

/// The new spec, with the fields of the stored one that this version does not know and that it does not give.
pub(crate) fn keep_unknown<S: Kind>(new: S, stored: &S) -> Result<S, FieldError> {
    let unknown: BTreeSet<String> = stored.unknown_fields().into_iter().collect();
    if unknown.is_empty() {
        return Ok(new);
    }
    let (mut merged, stored, unknown) = (value(&new)?, value(stored)?, Unknown(&unknown));
    // As this version would write it, so that it compares with what is new.
    let root = match S::BODY {
        Body::Spec => "spec",
        Body::Whole => "",
    };
    let known = value(&field::decode::<_, S>(unknown.without(&stored, root))?)?;
    unknown.merge(&mut merged, &stored, &known, root);
    field::decode(merged)
}

fn value<S: Kind>(spec: &S) -> Result<Value, FieldError> {
    serde_json::to_value(spec).map_err(|error| FieldError::new("spec", error.to_string()))
}

/// The paths of the fields that are not known.
struct Unknown<'a>(&'a BTreeSet<String>);

impl Unknown<'_> {
    /// Takes over from what is stored. `known` is what is known of that.
    fn merge(&self, new: &mut Value, old: &Value, known: &Value, path: &str) {
        let nothing = Value::Object(Map::new());
        match (new, old, known) {
            (Value::Object(new), Value::Object(old), Value::Object(known)) => {
                for (name, old) in old {
                    let (path, known) = (inside(path, name), known.get(name));
                    if let Some(new) = new.get_mut(name) {
                        self.merge(new, old, known.unwrap_or(&nothing), &path);
                    } else if known.is_none() && (self.0.contains(&path) || self.is_around(&path)) {
                        // Nobody who does not know these fields could see that they were there.
                        new.insert(name.clone(), old.clone());
                    }
                }
            }
            (Value::Array(new), Value::Array(old), Value::Array(known)) if self.is_around(path) => {
                for (at, from) in pairs(new, known) {
                    if let (Some(new), Some(old), Some(known)) =
                        (new.get_mut(at), old.get(from), known.get(from))
                    {
                        self.merge(new, old, known, &format!("{path}[{from}]"));
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether there is such a field inside of what is there.
    fn is_around(&self, path: &str) -> bool {
        let behind = (Bound::Excluded(path), Bound::Unbounded);
        let longer = self.0.range::<str, _>(behind).map_while(|other| other.strip_prefix(path));
        longer.into_iter().any(|rest| path.is_empty() || rest.starts_with(['.', '[']))
    }

    /// All but those.
    fn without(&self, value: &Value, path: &str) -> Value {
        match value {
            Value::Object(fields) => (fields.iter())
                .map(|(name, value)| (name, value, inside(path, name)))
                .filter(|(.., path)| !self.0.contains(path))
                .map(|(name, value, path)| (name.clone(), self.without(value, &path)))
                .collect(),
            Value::Array(items) => (items.iter().enumerate())
                .map(|(index, item)| self.without(item, &format!("{path}[{index}]")))
                .collect(),
            other => other.clone(),
        }
    }
}

/// The path of a field of what is there.
fn inside(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Which of the new items are which of the old ones: those that are equal, and those between them where as many have taken
/// the place of as many.
fn pairs(new: &[Value], old: &[Value]) -> Vec<(usize, usize)> {
    let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, item) in old.iter().enumerate().rev() {
        places.entry(item.to_string()).or_default().push(index);
    }
    let equal = |item: &Value| places.get_mut(&item.to_string()).and_then(Vec::pop);
    let found: Vec<Option<usize>> = new.iter().map(equal).collect();
    let taken: BTreeSet<usize> = found.iter().flatten().copied().collect();
    let mut pairs: Vec<(usize, usize)> =
        found.iter().enumerate().filter_map(|(at, from)| Some((at, (*from)?))).collect();
    // Those that are equal, and both ends, are the fences of what is between.
    let mut fences = vec![(0, 0)];
    fences.extend(pairs.iter().map(|(at, from)| (at + 1, from + 1)));
    fences.push((new.len() + 1, old.len() + 1));
    for fence in fences.windows(2) {
        let [(at, from), (at_end, from_end)] = fence else { continue };
        let (between, stored) = (*at..at_end - 1, *from..from_end.saturating_sub(1));
        if between.len() == stored.len() && !stored.clone().any(|from| taken.contains(&from)) {
            pairs.extend(between.zip(stored));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::super::{GlobalNetworkPolicySpec, NodeSpec};
    use super::*;

    fn kept<S: Kind>(new: &str, stored: &str) -> Value {
        let read = |text| serde_json::from_str::<S>(text).unwrap();
        serde_json::to_value(keep_unknown(read(new), &read(stored)).unwrap()).unwrap()
    }

    fn policy(new: &str, stored: &str) -> Value {
        let spec = |rules: &str| format!(r#"{{"ingress":[{rules}]}}"#);
        kept::<GlobalNetworkPolicySpec>(&spec(new), &spec(stored))["ingress"].clone()
    }

    fn rule(action: &str, more: &str) -> String {
        let comma = if more.is_empty() { "" } else { "," };
        format!(r#"{{"action":"{action}"{comma}{more}}}"#)
    }

    fn has_moon(rules: &Value) -> Vec<bool> {
        let rules = rules.as_array().into_iter().flatten();
        rules.map(|rule| rule.get("moon").is_some()).collect()
    }

    #[test]
    fn a_rule_that_is_what_it_was_keeps_its_fields_wherever_it_goes() {
        let (web, db) = (r#""source":{"selector":"web"}"#, r#""source":{"selector":"db"}"#);
        let stored = [rule("Allow", web), rule("Allow", &format!(r#"{db},"moon":1"#))].join(",");
        let [web, db] = [rule("Allow", web), rule("Allow", db)];
        let deny = rule("Deny", "");
        for (new, want) in [
            (vec![&web, &db], vec![false, true]),
            (vec![&db, &web], vec![true, false]),
            (vec![&deny, &db], vec![false, true]),
            (vec![&db], vec![true]),
            (vec![&web], vec![false]),
            (vec![&web, &web, &db, &db], vec![false, false, true, false]),
            // One rule was changed.
            (vec![&web, &deny], vec![false, true]),
            // Nobody can tell which of these it was.
            (vec![&web, &deny, &deny], vec![false, false, false]),
            (vec![], vec![]),
        ] {
            let new = new.into_iter().cloned().collect::<Vec<_>>().join(",");
            assert_eq!(has_moon(&policy(&new, &stored)), want, "{new}");
        }
    }

    #[test]
    fn fields_are_kept_at_every_depth() {
        let stored = r#"{"action":"Allow","source":{"zone":"x"},"http":{"methods":["GET"],"verbs":[1]},"moon":{"full":true}}"#;
        let new = r#"{"action":"Allow","http":{"methods":["GET"]}}"#;
        assert_eq!(policy(new, stored), serde_json::from_str::<Value>(&format!("[{stored}]")).unwrap());
        // What is given is not overwritten, and what was known and is not given is gone.
        let stored = r#"{"action":"Allow","protocol":"TCP","moon":1}"#;
        assert_eq!(policy(r#"{"action":"Allow","moon":2}"#, stored)[0]["moon"], 2);
        assert_eq!(policy(r#"{"action":"Allow"}"#, stored)[0].get("protocol"), None);
        let nodes = kept::<NodeSpec>(
            r#"{"addresses":[{"address":"10.0.0.2"}]}"#,
            r#"{"bgp":{"ipv4Address":"10.0.0.1/24","x":1},"addresses":[{"address":"10.0.0.1"}],"refs":[]}"#,
        );
        assert_eq!(nodes, serde_json::json!({"addresses": [{"address": "10.0.0.2"}], "refs": []}));
    }

    #[test]
    fn names_may_be_anything() {
        let stored = r#"{"action":"Allow","a.b":1,"source":{"[0]":2,"":3},"so":4}"#;
        assert_eq!(
            policy(r#"{"action":"Allow"}"#, stored)[0],
            serde_json::from_str::<Value>(stored).unwrap()
        );
    }
}
