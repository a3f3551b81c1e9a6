//! Label selectors of Kubernetes.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::combine::{parse, quoted};
use crate::error::ParseError;
use crate::selector::Selector;
use crate::token;

/// Stands in front of what selects pods: nothing but a pod of Kubernetes has this label with this value.
const POD: &str = "projectcalico.org/orchestrator == 'k8s'";

/// Label selector as the API of Kubernetes has it.
///
/// With feature `serde` it is read from and written as the API's JSON: `matchLabels`, `matchExpressions`.
///
/// # Example
///
/// ```
/// use tortie_selector::{LabelSelector, Operator, Requirement};
///
/// let mut selector = LabelSelector::default();
/// selector.match_labels.insert("app".into(), "web".into());
/// selector.match_expressions.push(Requirement::new("tier", Operator::NotIn, ["db"]));
/// assert_eq!(selector.namespaces()?.canonical(), r#"(app == "web" && tier not in {"db"})"#);
/// assert_eq!(
///     selector.pods()?.canonical(),
///     r#"(projectcalico.org/orchestrator == "k8s" && app == "web" && tier not in {"db"})"#
/// );
/// # Ok::<(), tortie_selector::LabelSelectorError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase", default))]
#[non_exhaustive]
pub struct LabelSelector {
    /// Labels that must be there with these values.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "BTreeMap::is_empty"))]
    pub match_labels: BTreeMap<String, String>,
    /// What else must hold, all of it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub match_expressions: Vec<Requirement>,
}

/// One requirement of a [`LabelSelector`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Requirement {
    /// Name of the label.
    pub key: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what; one or more for `In` and `NotIn`, none for the others.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub values: Vec<String>,
}

/// How a [`Requirement`] compares a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_enums, reason = "the API has these four")]
pub enum Operator {
    /// The label is there and its value is one of these.
    In,
    /// The label has another value, or is not there.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}

/// Why a [`LabelSelector`] is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelSelectorError {
    /// A name that no label can have.
    #[error("`{key}` is no label name")]
    Key {
        /// The name.
        key: String,
    },
    /// A value with both kinds of quotes, for which the selector language has no spelling.
    #[error("a value of label `{key}` has both kinds of quotes")]
    Value {
        /// Name of the label.
        key: String,
    },
    /// `In` or `NotIn` without values, or `Exists` or `DoesNotExist` with some.
    #[error("operator {operator:?} of label `{key}` has {count} values")]
    Count {
        /// Name of the label.
        key: String,
        /// The operator.
        operator: Operator,
        /// How many values it has.
        count: usize,
    },
    /// All of it together exceeds the default [`Limits`](crate::Limits).
    #[error("the selector is too large")]
    TooLarge(#[source] ParseError),
}

impl Requirement {
    /// A requirement.
    pub fn new<V: Into<String>>(
        key: impl Into<String>,
        operator: Operator,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Self { key: key.into(), operator, values: values.into_iter().map(V::into).collect() }
    }

    fn term(&self) -> Result<String, LabelSelectorError> {
        let Self { key, operator, values } = self;
        check(key)?;
        if matches!(operator, Operator::In | Operator::NotIn) == values.is_empty() {
            return Err(LabelSelectorError::Count {
                key: key.clone(),
                operator: *operator,
                count: values.len(),
            });
        }
        let set = || -> Result<String, LabelSelectorError> {
            let values: Result<Vec<_>, _> = values.iter().map(|value| literal(key, value)).collect();
            Ok(values?.join(", "))
        };
        Ok(match operator {
            Operator::In => format!("{key} in {{ {} }}", set()?),
            Operator::NotIn => format!("{key} not in {{ {} }}", set()?),
            Operator::Exists => format!("has({key})"),
            Operator::DoesNotExist => format!("! has({key})"),
        })
    }
}

impl LabelSelector {
    /// The pods that it selects; an empty one selects all pods.
    ///
    /// # Errors
    ///
    /// Any [`LabelSelectorError`].
    pub fn pods(&self) -> Result<Selector, LabelSelectorError> {
        self.selector(Some(POD))
    }

    /// The namespaces that it selects, by their labels without a prefix; an empty one selects all.
    ///
    /// Where the API leaves the selector out, so must the caller: that is not the same.
    ///
    /// # Errors
    ///
    /// Any [`LabelSelectorError`].
    pub fn namespaces(&self) -> Result<Selector, LabelSelectorError> {
        self.selector(None)
    }

    /// Source: calico@87c15906f2 libcalico-go/lib/backend/k8s/conversion/conversion.go, `k8sSelectorToCalico`.
    fn selector(&self, first: Option<&str>) -> Result<Selector, LabelSelectorError> {
        let mut terms: Vec<String> = first.into_iter().map(String::from).collect();
        for (key, value) in &self.match_labels {
            check(key)?;
            terms.push(format!("{key} == {}", literal(key, value)?));
        }
        for requirement in &self.match_expressions {
            terms.push(requirement.term()?);
        }
        if terms.is_empty() {
            return Ok(Selector::all());
        }
        parse(&terms.join(" && ")).map_err(LabelSelectorError::TooLarge)
    }
}

/// Refuses what is no label name: it could be read as something else.
fn check(key: &str) -> Result<(), LabelSelectorError> {
    let (name, rest) = token::label(key);
    if name.is_empty() || !rest.is_empty() || name.len() > token::MAX_LABEL_LEN {
        return Err(LabelSelectorError::Key { key: key.into() });
    }
    Ok(())
}

fn literal(key: &str, value: &str) -> Result<String, LabelSelectorError> {
    quoted(value).ok_or_else(|| LabelSelectorError::Value { key: key.into() })
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    fn with(key: &str, operator: Operator, values: &[&str]) -> Result<String, LabelSelectorError> {
        let requirement = Requirement::new(key, operator, values.iter().copied());
        let selector =
            LabelSelector { match_expressions: alloc::vec![requirement], ..LabelSelector::default() };
        selector.namespaces().map(|selector| selector.to_string())
    }

    #[test]
    fn requirements_are_terms() {
        assert_eq!(with("a", Operator::In, &["y", "x"]).unwrap(), "a in {\"x\", \"y\"}");
        assert_eq!(with("a", Operator::NotIn, &["it's"]).unwrap(), "a not in {\"it's\"}");
        assert_eq!(with("a", Operator::Exists, &[]).unwrap(), "has(a)");
        assert_eq!(with("a", Operator::DoesNotExist, &[]).unwrap(), "!has(a)");
        let empty = LabelSelector::default();
        assert_eq!(empty.namespaces().unwrap().canonical(), "all()");
        assert_eq!(empty.pods().unwrap().canonical(), "projectcalico.org/orchestrator == \"k8s\"");
    }

    #[test]
    fn what_could_be_read_as_something_else_is_refused() {
        let key = |key: &str| LabelSelectorError::Key { key: key.into() };
        for wrong in ["", "a b", "a) || all(", "\u{e9}"] {
            assert_eq!(with(wrong, Operator::Exists, &[]), Err(key(wrong)));
        }
        assert_eq!(
            with("a", Operator::In, &["x'} || all() || b in {\"y"]),
            Err(LabelSelectorError::Value { key: "a".into() })
        );
        for (operator, values) in
            [(Operator::In, &[][..]), (Operator::NotIn, &[]), (Operator::Exists, &["x"])]
        {
            let error = LabelSelectorError::Count { key: "a".into(), operator, count: values.len() };
            assert_eq!(with("a", operator, values), Err(error));
        }
    }

    #[test]
    fn as_many_terms_as_fit() {
        let labels = (0..70_000).map(|n| (format!("l{n}"), "x".to_string()));
        let selector = LabelSelector { match_labels: labels.collect(), ..LabelSelector::default() };
        assert!(matches!(selector.pods(), Err(LabelSelectorError::TooLarge(_))));
    }

    #[cfg(feature = "serde")]
    #[test]
    fn the_api_s_json_is_read_and_written() {
        let text = r#"{"matchLabels":{"a":"x"},"matchExpressions":[{"key":"b","operator":"DoesNotExist"},{"key":"c","operator":"In","values":["y"]}]}"#;
        let selector: LabelSelector = serde_json::from_str(text).unwrap();
        assert_eq!(selector.namespaces().unwrap().canonical(), r#"(a == "x" && !has(b) && c in {"y"})"#);
        assert_eq!(serde_json::to_string(&selector).unwrap(), text);
        assert_eq!(serde_json::to_string(&LabelSelector::default()).unwrap(), "{}");
    }
}
