//! Words of which the set is closed today and may not be tomorrow.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

/// What a rule does with a packet that matches it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum Action {
    /// The packet is accepted by this endpoint.
    Allow,
    /// The packet is dropped.
    Deny,
    /// The packet is logged, and the next rule is tried.
    Log,
    /// The rest of the tier is skipped.
    Pass,
    /// A word that this version does not know; makes the object invalid.
    Other(String),
}

impl Action {
    /// The word as documents spell it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
            Self::Log => "Log",
            Self::Pass => "Pass",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for Action {
    fn from(word: String) -> Self {
        match word.as_str() {
            "Allow" => Self::Allow,
            "Deny" => Self::Deny,
            "Log" => Self::Log,
            "Pass" => Self::Pass,
            _ => Self::Other(word),
        }
    }
}

impl From<Action> for String {
    fn from(action: Action) -> Self {
        match action {
            Action::Other(word) => word,
            known => known.as_str().into(),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A direction that a policy governs, as its `types` spell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum PolicyType {
    /// Packets to the endpoint.
    Ingress,
    /// Packets from the endpoint.
    Egress,
    /// A word that this version does not know; makes the object invalid.
    Other(String),
}

impl PolicyType {
    /// The word as documents spell it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ingress => "Ingress",
            Self::Egress => "Egress",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for PolicyType {
    fn from(word: String) -> Self {
        match word.as_str() {
            "Ingress" => Self::Ingress,
            "Egress" => Self::Egress,
            _ => Self::Other(word),
        }
    }
}

impl From<PolicyType> for String {
    fn from(kind: PolicyType) -> Self {
        match kind {
            PolicyType::Other(word) => word,
            known => known.as_str().into(),
        }
    }
}

/// What becomes of the policy that a staged policy is a draft of, as its `stagedAction` spells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum StagedAction {
    /// The draft takes its place.
    #[default]
    Set,
    /// It is removed.
    Delete,
    /// The draft was recommended, and takes its place.
    Learn,
    /// Nothing: the draft was put aside.
    Ignore,
    /// A word that this version does not know; makes the object invalid.
    Other(String),
}

impl StagedAction {
    /// The word as documents spell it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Set => "Set",
            Self::Delete => "Delete",
            Self::Learn => "Learn",
            Self::Ignore => "Ignore",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for StagedAction {
    fn from(word: String) -> Self {
        match word.as_str() {
            "Set" => Self::Set,
            "Delete" => Self::Delete,
            "Learn" => Self::Learn,
            "Ignore" => Self::Ignore,
            _ => Self::Other(word),
        }
    }
}

impl From<StagedAction> for String {
    fn from(action: StagedAction) -> Self {
        match action {
            StagedAction::Other(word) => word,
            known => known.as_str().into(),
        }
    }
}
