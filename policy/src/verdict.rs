//! What the evaluator answers, and how it came to it.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::flow::Flow;
use crate::key::{Direction, ListKind, Origin, PolicyKey, Verdict};
use crate::model::Action;

/// Verdict on a flow, with the path that led to it.
///
/// `Display` tells it over several lines, for people.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Evaluation {
    /// What was asked.
    pub flow: Flow,
    /// Allow if all that judge it allow.
    pub verdict: Verdict,
    /// How each end judged.
    pub trace: Trace,
}

/// How each endpoint judged, in the order in which they were asked.
///
/// All are asked, even if one before has denied.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Trace {
    /// Empty if nothing on the way is an endpoint: then no policy applies.
    pub ends: Vec<EndTrace>,
}

impl Trace {
    /// The first that judged in this direction.
    #[must_use]
    pub fn end(&self, direction: Direction) -> Option<&EndTrace> {
        self.ends.iter().find(|end| end.direction == direction)
    }
}

/// How one endpoint judged.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EndTrace {
    /// Id of the endpoint, or name of the host endpoint, or of the interface that no endpoint has.
    pub endpoint: String,
    /// Egress if the endpoint sends the packet on, ingress if it receives it.
    pub direction: Direction,
    /// Which of its policies were consulted.
    pub list: ListKind,
    /// What it says.
    pub verdict: Verdict,
    /// What decided it.
    pub decided_by: Origin,
    /// What was consulted, in order.
    pub consulted: Vec<Consulted>,
    /// What it would say if all staged policies were enforced; `None` if that changes nothing that is consulted.
    pub staged: Option<StagedTrace>,
}

impl EndTrace {
    /// A decision for which nothing was consulted.
    pub(crate) fn bare(endpoint: &str, direction: Direction, verdict: Verdict, decided_by: Origin) -> Self {
        let (list, consulted) = (ListKind::Normal, Vec::new());
        Self { endpoint: endpoint.into(), direction, list, verdict, decided_by, consulted, staged: None }
    }
}

/// How an endpoint would judge if all staged policies were enforced.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StagedTrace {
    /// What it would say.
    pub verdict: Verdict,
    /// What would decide it.
    pub decided_by: Origin,
    /// What would be consulted, in order.
    pub consulted: Vec<Consulted>,
}

/// A tier, policy or profile that was consulted.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Consulted {
    /// A tier with policies that govern the endpoint in this direction; they follow.
    #[non_exhaustive]
    Tier {
        /// Its name.
        name: Arc<str>,
        /// Whether there is such a tier. One that does not exist comes last, and denies by default.
        exists: bool,
        /// Its order; last if `None`.
        order: Option<f64>,
    },
    /// No rule of the tier's policies matched.
    #[non_exhaustive]
    EndOfTier {
        /// Name of the tier.
        name: Arc<str>,
        /// Whether what comes next is consulted; else the packet is denied.
        passes: bool,
    },
    /// A policy that governs the endpoint in this direction.
    #[non_exhaustive]
    Policy {
        /// Its name.
        key: PolicyKey,
        /// Its order; last if `None`.
        order: Option<f64>,
        /// Its rules, up to the one that decided.
        rules: Vec<ConsultedRule>,
    },
    /// A profile of the endpoint; consulted if no tier decided.
    #[non_exhaustive]
    Profile {
        /// Its name.
        name: String,
        /// Its rules, up to the one that decided; `None` if there is no such profile.
        rules: Option<Vec<ConsultedRule>>,
    },
}

/// A rule that was consulted.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConsultedRule {
    /// Which rule.
    pub origin: Origin,
    /// What it does if it matches.
    pub action: Action,
    /// Whether it matched.
    pub outcome: Outcome,
}

/// Whether a rule matched.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// All criteria hold.
    #[non_exhaustive]
    Matched {
        /// Path of a criterion that was left out: because it is not known, or because others judge HTTP requests.
        without: Option<String>,
    },
    /// A criterion does not hold; the first that does not.
    #[non_exhaustive]
    Differs {
        /// Its field: `protocol`, `source.nets`.
        criterion: &'static str,
        /// What it asks for.
        wanted: String,
    },
    /// The rule never matches, because a criterion is not enforced: not known, or for HTTP requests that nobody judges.
    #[non_exhaustive]
    NotEnforced {
        /// Path of the criterion.
        criterion: String,
    },
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.verdict, self.flow)?;
        if self.trace.ends.is_empty() {
            f.write_str("\n  neither end is an endpoint here: no policy applies")?;
        }
        self.trace.ends.iter().try_for_each(|end| write!(f, "\n{end}"))
    }
}

impl fmt::Display for EndTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, direction, list, verdict, decided_by, .. } = self;
        f.write_str("  ")?;
        if *list != ListKind::Normal {
            write!(f, "{list} ")?;
        }
        write!(f, "{direction} of {endpoint}: {verdict}, by {decided_by}")?;
        self.consulted.iter().try_for_each(|consulted| write!(f, "\n    {consulted}"))?;
        let Some(staged) = &self.staged else { return Ok(()) };
        write!(f, "\n    with staged policies enforced: {}, by {}", staged.verdict, staged.decided_by)?;
        staged.consulted.iter().try_for_each(|consulted| write!(f, "\n    | {consulted}"))
    }
}

impl fmt::Display for Consulted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = match self {
            Self::Tier { name, exists: true, order: Some(order) } => {
                return write!(f, "tier {name} (order {order})");
            }
            Self::Tier { name, exists: true, order: None } => {
                return write!(f, "tier {name} (no order, so last)");
            }
            Self::Tier { name, exists: false, .. } => {
                return write!(f, "tier {name}: there is no such tier, so after all others");
            }
            Self::EndOfTier { name, passes: true } => return write!(f, "end of tier {name}: pass"),
            Self::EndOfTier { name, passes: false } => return write!(f, "end of tier {name}: deny"),
            Self::Policy { key, order: Some(order), rules } => {
                write!(f, "{key} (order {order})")?;
                rules
            }
            Self::Policy { key, order: None, rules } => {
                write!(f, "{key} (no order, so last)")?;
                rules
            }
            Self::Profile { name, rules: Some(rules) } => {
                write!(f, "Profile {name}")?;
                rules
            }
            Self::Profile { name, rules: None } => {
                return write!(f, "Profile {name}: there is no such profile");
            }
        };
        rules.iter().try_for_each(|rule| write!(f, "\n      {rule}"))?;
        if rules.is_empty() {
            f.write_str("\n      no rules in this direction")?;
        }
        Ok(())
    }
}

impl fmt::Display for ConsultedRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Rule { direction, index, .. } => write!(f, "{direction}[{index}] {}: ", self.action)?,
            other => write!(f, "{other}, {}: ", self.action)?,
        }
        match &self.outcome {
            Outcome::Matched { without: None } => f.write_str("matched"),
            Outcome::Matched { without: Some(criterion) } => {
                write!(f, "matched, without {criterion}, which is not judged here")
            }
            Outcome::Differs { criterion, wanted } => write!(f, "no, {criterion} is not {wanted}"),
            Outcome::NotEnforced { criterion } => {
                write!(f, "never, because {criterion} is not enforced here")
            }
        }
    }
}
