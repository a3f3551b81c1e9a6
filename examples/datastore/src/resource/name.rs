//! Names, labels, and keys read back.

use super::field::FieldError;
use super::{Metadata, PREFIX};

/// The longest object name, in octets (RFC 1123 as Kubernetes applies it).
const NAME_LIMIT: usize = 253;
/// The longest label value, and the longest last part of a label name.
const LABEL_LIMIT: usize = 63;

/// The parts of a resource's key.
///
/// # Example
///
/// ```
/// use tortie_datastore::resource::ResourceKey;
///
/// let key = ResourceKey::parse("/calico/resources/v3/projectcalico.org/networkpolicies/red/web").unwrap();
/// assert_eq!((key.plural, key.namespace, key.name), ("networkpolicies", Some("red"), "web"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ResourceKey<'a> {
    /// The kind as keys write it, such as `ippools`.
    pub plural: &'a str,
    /// Present exactly for namespaced kinds.
    pub namespace: Option<&'a str>,
    /// The object's name.
    pub name: &'a str,
}

impl<'a> ResourceKey<'a> {
    /// Reads a key; `None` for a key that is not a resource's.
    pub fn parse(key: &'a str) -> Option<Self> {
        let mut parts = key.strip_prefix(PREFIX)?.split('/');
        let (plural, second, third) = (parts.next()?, parts.next()?, parts.next());
        if parts.next().is_some() || plural.is_empty() || second.is_empty() || third == Some("") {
            return None;
        }
        Some(match third {
            Some(name) => Self { plural, namespace: Some(second), name },
            None => Self { plural, namespace: None, name: second },
        })
    }

    /// Writes name and namespace into an object that was read: the key decides, should the record say something else.
    pub(crate) fn name(&self, metadata: &mut Metadata) {
        metadata.namespace = self.namespace.map(ToOwned::to_owned);
        self.name.clone_into(&mut metadata.name);
    }
}

/// Checks a name: lower-case letters, digits, `-` and `.`, a letter or digit at both ends.
pub(super) fn check_name(path: &str, name: &str) -> Result<(), FieldError> {
    let problem = if name.is_empty() {
        "missing".to_owned()
    } else if name.len() > NAME_LIMIT {
        format!("longer than {NAME_LIMIT} characters")
    } else if let Some(bad) = name.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '.')) {
        format!("`{name}` holds `{}`; allowed are a-z, 0-9, `-` and `.`", bad.escape_debug())
    } else if name.starts_with(['-', '.']) || name.ends_with(['-', '.']) {
        format!("`{name}` must begin and end with a letter or digit")
    } else {
        return Ok(());
    };
    Err(FieldError::new(path, problem))
}

/// Checks a label as Kubernetes does: `[prefix/]name: value`.
pub(super) fn check_label(label: &str, value: &str, errors: &mut Vec<FieldError>) {
    let path = format!("metadata.labels[{label}]");
    let (prefix, name) = label.rsplit_once('/').map_or((None, label), |(prefix, name)| (Some(prefix), name));
    if name.is_empty() || !is_label_text(name) {
        let message = format!("the label's name must be 1-{LABEL_LIMIT} letters, digits, `-`, `_`, `.`");
        errors.push(FieldError::new(path.clone(), message));
    }
    if prefix.is_some_and(|prefix| check_name("", prefix).is_err()) {
        errors.push(FieldError::new(path.clone(), "the label's prefix must be a DNS name"));
    }
    if !is_label_text(value) {
        let message = format!(
            "`{}` must be at most {LABEL_LIMIT} letters, digits, `-`, `_`, `.`, a letter or digit at both ends",
            value.escape_debug()
        );
        errors.push(FieldError::new(path, message));
    }
}

fn is_label_text(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= LABEL_LIMIT
        && text.chars().all(inner)
        && edge(text.chars().next())
        && edge(text.chars().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back_and_nothing_else_is() {
        let key = ResourceKey::parse("/calico/resources/v3/projectcalico.org/ippools/pods").unwrap();
        assert_eq!((key.plural, key.namespace, key.name), ("ippools", None, "pods"));
        for other in [
            "/calico/ipam/v2/config",
            "/calico/resources/v3/projectcalico.org/",
            "/calico/resources/v3/projectcalico.org/ippools",
            "/calico/resources/v3/projectcalico.org/ippools/",
            "/calico/resources/v3/projectcalico.org/networkpolicies/red/",
            "/calico/resources/v3/projectcalico.org/a/b/c/d",
        ] {
            assert_eq!(ResourceKey::parse(other), None, "{other}");
        }
    }

    #[test]
    fn names_that_could_leave_their_key_are_refused() {
        for good in ["a", "node-1", "kns.red", "node--1-cni-abc-eth0", "0"] {
            assert_eq!(check_name("metadata.name", good), Ok(()), "{good}");
        }
        for bad in ["", "a/b", "A", "-a", "a.", "a b", "é", "a\0", &"x".repeat(254)] {
            assert!(check_name("metadata.name", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn labels_follow_kubernetes() {
        let bad = |label: &str, value: &str| {
            let mut errors = Vec::new();
            check_label(label, value, &mut errors);
            !errors.is_empty()
        };
        for (label, value) in [("app", "web"), ("projectcalico.org/name", "x_Y.z"), ("a", ""), ("A_b", "0")] {
            assert!(!bad(label, value), "{label}={value}");
        }
        for (label, value) in
            [("", "x"), ("a/b/c", "x"), ("app", "we b"), ("app", "-x"), ("/a", ""), ("a", &"x".repeat(64))]
        {
            assert!(bad(label, value), "{label}={value}");
        }
    }
}
