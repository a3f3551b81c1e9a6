//! Labels of a workload, as runtimes pass them in `args`, and the names that records may have.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::env::shown;
use crate::error::{Code, Error};

/// Longest value of a label, and longest name part of its key (Kubernetes labels).
const LABEL_MAX: usize = 63;
/// Longest DNS name.
const NAME_MAX: usize = 253;

/// The labels in `args`: those of the CNI conventions (`args.cni.labels`), then those of Mesos
/// (`args."org.apache.mesos".network_info.labels.labels`), which are made to fit; the later of two with one key wins.
///
/// # Errors
/// Code 7 for a list of another shape, or for a label of the first form that is not one: a policy that looks for it
/// would silently not apply.
pub(crate) fn from_args(args: Option<&Value>) -> Result<BTreeMap<String, String>, Error> {
    let mut labels = BTreeMap::new();
    let Some(args) = args else { return Ok(labels) };
    for (key, value) in pairs(args.pointer("/cni/labels"), "args.cni.labels")? {
        if !is_label_key(key) || !is_label_value(value) {
            let message = format!("args.cni.labels: {}={} is not a label", shown(key), shown(value));
            return Err(Error::new(Code::BadConfig, message));
        }
        labels.insert(key.to_owned(), value.to_owned());
    }
    let field = "args.\"org.apache.mesos\".network_info.labels.labels";
    for (key, value) in pairs(args.pointer("/org.apache.mesos/network_info/labels/labels"), field)? {
        if key == "projectcalico.org/namespace" {
            labels.insert(key.to_owned(), value.to_owned());
        } else {
            labels.insert(sanitise(key), sanitise(value));
        }
    }
    Ok(labels)
}

fn pairs<'a>(list: Option<&'a Value>, field: &str) -> Result<Vec<(&'a str, &'a str)>, Error> {
    let wrong =
        || Error::new(Code::BadConfig, format!("field {field} must be a list of {{\"key\", \"value\"}}"));
    match list {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| {
                let key = item.get("key").and_then(Value::as_str).ok_or_else(wrong)?;
                let value = match item.get("value") {
                    None | Some(Value::Null) => "",
                    Some(value) => value.as_str().ok_or_else(wrong)?,
                };
                Ok((key, value))
            })
            .collect(),
        Some(_) => Err(wrong()),
    }
}

/// Makes a label of any text, as the reference does for Mesos: `/` becomes `.`, a run of other foreign characters
/// becomes `-`, a run of dots and dashes with a dot in it becomes `.`, and none is left at the ends.
fn sanitise(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut in_foreign = false;
    for c in text.chars() {
        let c = if c == '/' { '.' } else { c };
        let fits = c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if fits {
            clean.push(c);
        } else if !in_foreign {
            clean.push('-');
        }
        in_foreign = !fits;
    }
    let mut joined = String::with_capacity(clean.len());
    let mut rest = clean.as_str();
    while let Some(start) = rest.find(['.', '-']) {
        let (before, run) = rest.split_at(start);
        let end = run.find(|c| c != '.' && c != '-').unwrap_or(run.len());
        let (run, after) = run.split_at(end);
        joined.push_str(before);
        joined.push_str(if run.contains('.') { "." } else { run });
        rest = after;
    }
    joined.push_str(rest);
    joined.trim_matches(['.', '-']).to_owned()
}

fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_label_name(value)
}

fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_dns_name(prefix) && is_label_name(name),
        None => is_label_name(key),
    }
}

fn is_label_name(name: &str) -> bool {
    name.len() <= LABEL_MAX
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Whether a text is a DNS subdomain in lower case, as names of nodes, pods, namespaces and pools are.
pub(crate) fn is_dns_name(name: &str) -> bool {
    name.len() <= NAME_MAX
        && name.split('.').all(|part| {
            part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && part.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_are_read() {
        let args = json!({
            "cni": {"labels": [{"key": "app", "value": "web"}, {"key": "a.b/c", "value": ""}, {"key": "x", "value": null}]},
            "org.apache.mesos": {"network_info": {"name": "n", "labels": {"labels": [
                {"key": "projectcalico.org/namespace", "value": "blue"},
                {"key": "a//b", "value": "some value!"}]}}},
            "unknown": 3,
        });
        let labels = from_args(Some(&args)).unwrap();
        let want = [
            ("a.b", "some-value"),
            ("a.b/c", ""),
            ("app", "web"),
            ("projectcalico.org/namespace", "blue"),
            ("x", ""),
        ];
        assert_eq!(labels, want.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect());
    }

    #[test]
    fn foreign_text_becomes_a_label() {
        for (text, want) in [
            ("", ""),
            ("plain", "plain"),
            ("/a/b/", "a.b"),
            ("a -. b", "a.b"),
            ("a--b", "a--b"),
            ("ä ö", ""),
            ("a\u{e4}\u{f6}b", "a-b"),
            ("..-x-..", "x"),
            ("a!!!-b", "a--b"),
        ] {
            assert_eq!(sanitise(text), want, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_label_is_refused() {
        for label in
            [json!({"key": "", "value": "x"}), json!({"key": "a b", "value": "x"}), json!({"key": "a/b/c"})]
        {
            let args = json!({"cni": {"labels": [label]}});
            assert_eq!(from_args(Some(&args)).unwrap_err().code, Code::BadConfig, "{args}");
        }
        let long = json!({"cni": {"labels": [{"key": "k", "value": "x".repeat(64)}]}});
        assert!(from_args(Some(&long)).is_err());
    }

    #[test]
    fn dns_names() {
        for good in ["n1", "a.b-c.d", "1"] {
            assert!(is_dns_name(good), "{good}");
        }
        for bad in ["", ".", "a..b", "-a", "a-", "A", "a_b", "a/b"] {
            assert!(!is_dns_name(bad), "{bad}");
        }
    }
}
