//! What the evaluator answers, and how it came to it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::flow::Flow;
use crate::key::{Direction, Origin, PolicyKey, Verdict};
use crate::model::Action;

/// Verdict on a flow, with the path that led to it.
///
/// `Display` tells it over several lines, for people.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Evaluation {
    /// What was asked.
    pub flow: Flow,
    /// Allow if every end allows.
    pub verdict: Verdict,
    /// How each end judged.
    pub trace: Trace,
}

/// How each end judged that is an endpoint: the source's egress, then the destination's ingress.
///
/// The destination is judged even if the source denies.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Trace {
    /// At most one for each direction. Empty if no endpoint has either address: then no policy applies.
    pub ends: Vec<EndTrace>,
}

impl Trace {
    /// The end that judged in this direction.
    #[must_use]
    pub fn end(&self, direction: Direction) -> Option<&EndTrace> {
        self.ends.iter().find(|end| end.direction == direction)
    }
}

/// How one endpoint judged.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EndTrace {
    /// Id of the endpoint.
    pub endpoint: String,
    /// Egress if the endpoint is the source, ingress if it is the destination.
    pub direction: Direction,
    /// What this end says.
    pub verdict: Verdict,
    /// What decided it.
    pub decided_by: Origin,
    /// What was consulted, in order.
    pub consulted: Vec<Consulted>,
}

/// A policy or profile that was consulted.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Consulted {
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
    /// A profile of the endpoint; consulted if no policy governs it, or after a Pass.
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
        /// Path of a criterion that was left out because it is not enforced.
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
    /// The rule never matches, because a criterion is not enforced.
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
        let Self { endpoint, direction, verdict, decided_by, .. } = self;
        write!(f, "  {direction} of {endpoint}: {verdict}, by {decided_by}")?;
        for consulted in &self.consulted {
            let rules = match consulted {
                Consulted::Policy { key, order: Some(order), rules } => {
                    write!(f, "\n    {key} (order {order})")?;
                    rules
                }
                Consulted::Policy { key, order: None, rules } => {
                    write!(f, "\n    {key} (no order, so last)")?;
                    rules
                }
                Consulted::Profile { name, rules: Some(rules) } => {
                    write!(f, "\n    Profile {name}")?;
                    rules
                }
                Consulted::Profile { name, rules: None } => {
                    write!(f, "\n    Profile {name}: there is no such profile")?;
                    continue;
                }
            };
            rules.iter().try_for_each(|rule| write!(f, "\n      {rule}"))?;
            if rules.is_empty() {
                f.write_str("\n      no rules in this direction")?;
            }
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
                write!(f, "matched, without {criterion}, which is not enforced here")
            }
            Outcome::Differs { criterion, wanted } => write!(f, "no, {criterion} is not {wanted}"),
            Outcome::NotEnforced { criterion } => {
                write!(f, "never, because {criterion} is not enforced here")
            }
        }
    }
}
