//! Faults, and the paths of the fields that have them.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use tortie_selector::combine::mentions_global;
use tortie_selector::{ParseError, Selector, Term};

use crate::error::{FieldError, FieldErrorKind};
use crate::key::PolicyKind;
use crate::model::Unknown;

/// Path of a field, as a list from the leaf to the root.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Path<'a> {
    Root(&'a str),
    Field(&'a Self, &'a str),
    Index(&'a Self, usize),
}

impl Path<'_> {
    pub(crate) const fn field<'a>(&'a self, name: &'a str) -> Path<'a> {
        Path::Field(self, name)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{}", name.escape_debug()),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Longest selector in one field, in characters.
const MAX_SELECTOR_LEN: usize = 1024;

/// The faults found so far.
#[derive(Debug, Default)]
pub(crate) struct Check {
    errors: Vec<FieldError>,
    unbounded: bool,
    /// The last selector with its text: most rules of a policy speak of those that its rules spoke of before.
    parsed: Option<(String, Selector)>,
    /// The last selectors of an end of a rule, with what was combined of them.
    ends: Option<(Selectors, Combined)>,
}

/// Selectors of one end of a rule, as written.
pub(super) type Selectors = [Option<Selector>; 4];
/// What they make together: the positive selector and the negated one.
type Combined = (Option<Selector>, Option<Selector>);

impl Check {
    /// A check without the limits that the API of Calico sets: for what stems from another API, which has its own.
    pub(crate) fn unbounded() -> Self {
        Self { unbounded: true, ..Self::default() }
    }

    /// The check that objects of this kind undergo.
    pub(crate) fn of_kind(kind: PolicyKind) -> Self {
        match kind {
            PolicyKind::KubernetesAdminNetworkPolicy
            | PolicyKind::KubernetesBaselineAdminNetworkPolicy
            | PolicyKind::KubernetesClusterNetworkPolicy
            | PolicyKind::KubernetesNetworkPolicy
            | PolicyKind::StagedKubernetesNetworkPolicy => Self::unbounded(),
            PolicyKind::GlobalNetworkPolicy
            | PolicyKind::NetworkPolicy
            | PolicyKind::StagedGlobalNetworkPolicy
            | PolicyKind::StagedNetworkPolicy => Self::default(),
        }
    }

    pub(crate) fn error(&mut self, path: &Path<'_>, kind: FieldErrorKind) {
        self.errors.push(FieldError::new(path.to_string(), kind));
    }

    /// How many faults there are.
    #[cfg(feature = "k8s")]
    pub(crate) fn len(&self) -> usize {
        self.errors.len()
    }

    /// Path of the fault at this place, in the order in which they were found.
    #[cfg(feature = "k8s")]
    pub(crate) fn path_at(&self, index: usize) -> Option<String> {
        self.errors.get(index).map(|error| error.path().to_string())
    }

    /// Takes in a fault that another check has found.
    #[cfg(feature = "k8s")]
    pub(crate) fn push(&mut self, error: FieldError) {
        self.errors.push(error);
    }

    pub(crate) fn into_errors(self) -> Vec<FieldError> {
        self.errors
    }

    pub(crate) fn count(&mut self, path: &Path<'_>, len: usize, max: usize) {
        if len > max && !self.unbounded {
            self.error(path, FieldErrorKind::TooMany { len, max });
        }
    }

    /// Names each unknown field; the answer is the path of the first.
    pub(crate) fn unknown(&mut self, path: &Path<'_>, fields: &Unknown) -> Option<String> {
        for name in fields.keys() {
            self.error(&path.field(name), FieldErrorKind::UnknownField);
        }
        fields.keys().next().map(|name| path.field(name).to_string())
    }

    /// The selector in this field; `None` if there is none, if it is empty, or if it has a fault.
    pub(crate) fn selector(&mut self, path: &Path<'_>, text: Option<&String>) -> Option<Selector> {
        let text = text.filter(|text| !text.is_empty())?;
        let len = text.chars().count();
        if len > MAX_SELECTOR_LEN && !self.unbounded {
            self.error(path, FieldErrorKind::SelectorTooLong { len, max: MAX_SELECTOR_LEN });
            return None;
        }
        if let Some((_, selector)) = self.parsed.as_ref().filter(|(known, _)| known == text) {
            return Some(selector.clone());
        }
        match Selector::parse(text) {
            Ok(selector) => {
                self.parsed = Some((text.to_owned(), selector.clone()));
                Some(selector)
            }
            Err(error) => {
                self.error(path, FieldErrorKind::Selector { text: text.to_owned(), error });
                None
            }
        }
    }

    /// A selector in which `global()` has no meaning.
    pub(crate) fn policy_selector(&mut self, path: &Path<'_>, text: Option<&String>) -> Option<Selector> {
        let selector = self.selector(path, text)?;
        if mentions_global(&selector) {
            self.error(path, FieldErrorKind::MisplacedGlobal);
        }
        Some(selector)
    }

    /// The `namespaceSelector` of a rule, which may be `global()`, but may not contain it.
    pub(crate) fn rule_namespace_selector(
        &mut self,
        path: &Path<'_>,
        text: Option<&String>,
    ) -> Option<Selector> {
        let selector = self.selector(path, text)?;
        if !matches!(selector.expr().term(), Term::Global) && mentions_global(&selector) {
            self.error(path, FieldErrorKind::MisplacedGlobal);
        }
        Some(selector)
    }

    /// The selectors of an end, combined: by `combine`, or as they were the last time, in the same policy.
    pub(super) fn end(
        &mut self,
        path: &Path<'_>,
        selectors: Selectors,
        combine: impl FnOnce(&Selectors) -> Result<Combined, ParseError>,
    ) -> Combined {
        if let Some((_, combined)) = self.ends.as_ref().filter(|(known, _)| *known == selectors) {
            return combined.clone();
        }
        let Some(combined) = self.combined(path, combine(&selectors)) else { return (None, None) };
        self.ends = Some((selectors, combined.clone()));
        combined
    }

    /// What a combination of selectors gave.
    pub(crate) fn combined<T>(&mut self, path: &Path<'_>, combined: Result<T, ParseError>) -> Option<T> {
        combined.map_err(|error| self.error(path, FieldErrorKind::CombinedSelector { error })).ok()
    }
}
