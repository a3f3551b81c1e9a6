//! Label selectors as Kubernetes documents write them.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use tortie_selector::{LabelSelectorError, Operator, Selector};

use crate::convert::check::{Check, Path};
use crate::error::FieldErrorKind;
use crate::model::Unknown;
use crate::model::value::null_as_default;

/// Selects what has certain labels; an empty one selects everything.
///
/// Source: Kubernetes API, `LabelSelector` of meta/v1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct LabelSelector {
    /// Labels that must be there with these values.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// What else must hold, all of it.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<Requirement>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// One requirement of a [`LabelSelector`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct Requirement {
    /// Name of the label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// With what the value is compared: one or more for `In` and `NotIn`, none for the others.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl LabelSelector {
    /// Text of the selector of pods, which matches nothing but pods; `None` if it has a fault.
    pub(super) fn pods(&self, check: &mut Check, path: &Path<'_>) -> Option<String> {
        self.text(check, path, tortie_selector::LabelSelector::pods)
    }

    /// Text of the selector of namespaces or nodes, by their own labels; `None` if it has a fault.
    pub(super) fn plain(&self, check: &mut Check, path: &Path<'_>) -> Option<String> {
        self.text(check, path, tortie_selector::LabelSelector::namespaces)
    }

    fn text(
        &self,
        check: &mut Check,
        path: &Path<'_>,
        select: fn(&tortie_selector::LabelSelector) -> Result<Selector, LabelSelectorError>,
    ) -> Option<String> {
        let faults = check.len();
        check.unknown(path, &self.unknown);
        let mut selector = tortie_selector::LabelSelector::default();
        selector.match_labels.clone_from(&self.match_labels);
        let list = path.field("matchExpressions");
        for (index, requirement) in self.match_expressions.iter().enumerate() {
            let path = Path::Index(&list, index);
            check.unknown(&path, &requirement.unknown);
            let operator = match requirement.operator.as_str() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                word => {
                    let expected = "In, NotIn, Exists or DoesNotExist";
                    check.error(
                        &path.field("operator"),
                        FieldErrorKind::NotOneOf { word: word.into(), expected },
                    );
                    continue;
                }
            };
            let values = requirement.values.iter().cloned();
            selector.match_expressions.push(tortie_selector::Requirement::new(
                requirement.key.clone(),
                operator,
                values,
            ));
        }
        match select(&selector) {
            Ok(selector) => Some(selector.canonical().to_string()).filter(|_| check.len() == faults),
            Err(error) => {
                check.error(path, FieldErrorKind::LabelSelector { error });
                None
            }
        }
    }
}
