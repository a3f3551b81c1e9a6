//! The same verdicts with fewer steps on the way.
//!
//! Each pass takes the steps of one chain and gives back steps with the same verdict on every packet. So a chain that did
//! not change need not be looked at again, and each pass can be switched off by itself.

mod fold;
mod intervals;
mod shadow;
mod spread;

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::key::Origin;
use crate::program::{Chain, Program, Step, StepAction};
use crate::resolver::Delta;

pub use shadow::{Reason, Removed};

/// Which passes run, and from what length on they are worth it.
///
/// # Example
///
/// ```
/// use tortie_policy::Passes;
///
/// let passes = Passes::default().spread(false);
/// assert_ne!(passes, Passes::default());
/// assert_eq!(Passes::none().inline(3), Passes::none().inline(3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passes {
    shadow: bool,
    fold: bool,
    spread: bool,
    inline: usize,
}

impl Default for Passes {
    /// All passes. Up to 8 rules stay as they are: in nftables they cost about as much as one look-up.
    fn default() -> Self {
        Self { shadow: true, fold: true, spread: true, inline: 8 }
    }
}

impl Passes {
    /// No pass: the program stays as it was compiled.
    #[must_use]
    pub const fn none() -> Self {
        Self { shadow: false, fold: false, spread: false, inline: 8 }
    }

    /// Whether steps that can never decide are left out.
    #[must_use]
    pub const fn shadow(mut self, on: bool) -> Self {
        self.shadow = on;
        self
    }

    /// Whether neighbouring rules with one verdict become one look-up in a table.
    #[must_use]
    pub const fn fold(mut self, on: bool) -> Self {
        self.fold = on;
        self
    }

    /// Whether long lists of rules with ports are entered by protocol and port.
    #[must_use]
    pub const fn spread(mut self, on: bool) -> Self {
        self.spread = on;
        self
    }

    /// How many rules stay as they are, because a look-up would cost as much: folding and spreading begin above.
    #[must_use]
    pub const fn inline(mut self, rules: usize) -> Self {
        self.inline = rules;
        self
    }
}

/// A program with the same verdicts, and what was left out of it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Optimised {
    /// The program.
    pub program: Program,
    /// Rules that never decide, each with the reason, in the order of the program.
    pub removed: Vec<Removed>,
}

/// Runs the passes over every chain.
///
/// Verdicts and log lines stay. Of several rules that match a packet with the same verdict, another may be named as the
/// one that decided.
///
/// # Complexity
///
/// In proportion to the steps, times the logarithm of their number, and 64 comparisons for each.
///
/// # Example
///
/// ```
/// use tortie_policy::{Endpoint, Host, Inputs, Passes, compile, optimise, resolve};
///
/// let mut inputs = Inputs::new();
/// inputs.insert_endpoint(Endpoint {
///     id: "web".into(),
///     interface: "cali1".into(),
///     addresses: vec!["10.0.0.1".parse()?],
///     ..Endpoint::default()
/// });
/// let rule = |n: u32| format!(r#"{{ "action": "Allow", "protocol": "TCP",
///     "source": {{ "nets": ["192.0.2.{n}/32"] }}, "destination": {{ "ports": [{}] }} }}"#, 8000 + n);
/// let rules: Vec<_> = (0..100).map(rule).collect();
/// let spec = serde_json::from_str(&format!(r#"{{ "selector": "all()", "ingress": [{}] }}"#, rules.join(",")))?;
/// assert!(inputs.insert_global_network_policy("many", &spec).is_empty());
/// let program = compile(&resolve(&inputs, &Host::new("node-1"), |_| true));
/// let steps = |program: &tortie_policy::Program| -> usize {
///     program.chains.values().map(|chain| chain.steps.len()).max().unwrap_or(0)
/// };
/// assert_eq!(steps(&program), 100);
/// assert!(steps(&optimise(&program, &Passes::default()).program) <= 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn optimise(program: &Program, passes: &Passes) -> Optimised {
    let mut optimised = Optimised { program: program.clone(), removed: Vec::new() };
    optimised.program.chains.values_mut().for_each(|it| chain(it, passes, &mut optimised.removed));
    optimised
}

impl Delta {
    /// Runs the passes over the chains that are new or have changed, and tells which of their rules never decide.
    ///
    /// What an empty program becomes by all deltas of a [`Resolver`](crate::Resolver), each optimised by the same passes, is
    /// what [`optimise`] makes of the resolver's program.
    ///
    /// # Complexity
    ///
    /// In proportion to the steps of these chains, as [`optimise`].
    pub fn optimise(&mut self, passes: &Passes) -> Vec<Removed> {
        let mut removed = Vec::new();
        self.chains.iter_mut().for_each(|(_, it)| chain(it, passes, &mut removed));
        removed
    }
}

/// Runs the passes over one chain.
fn chain(chain: &mut Arc<Chain>, passes: &Passes, removed: &mut Vec<Removed>) {
    let steps = steps(chain.steps.clone(), passes, removed);
    *chain = Arc::new(Chain { tier: chain.tier.clone(), steps });
}

/// Runs the passes over the steps of one chain.
fn steps(mut steps: Vec<Step>, passes: &Passes, removed: &mut Vec<Removed>) -> Vec<Step> {
    if passes.shadow {
        steps = shadow::remove(steps, removed);
    }
    if passes.fold {
        steps = fold::fold(steps, passes.inline);
    }
    if passes.spread {
        steps = spread::spread(steps, passes.inline);
    }
    steps
}

/// Whether the step ends the judgement by itself.
const fn is_verdict(step: &Step) -> bool {
    matches!(step.action, StepAction::Accept | StepAction::AcceptHost { .. } | StepAction::Drop)
}

/// What a step stems from. Only steps that lead elsewhere have no origin, and those are no verdicts.
fn origin(step: &Step) -> Origin {
    step.origin.clone().unwrap_or(Origin::UnknownInterface)
}
