//! What can be said about selectors without any labels at hand: can this one match, does it imply that one.
//!
//! For whoever checks configuration before it is in use: a policy that no item can ever match, two pools for the same
//! node, a rule that another one already covers. Every answer comes with an example where an example can show it.
//!
//! ```
//! use tortie_selector::Selector;
//! use tortie_selector::analysis::{Exists, Holds, implies, is_disjoint, is_satisfiable};
//!
//! let web = Selector::parse("app == 'web' && tier in {'front', 'edge'}")?;
//! let outside = Selector::parse("tier == 'edge' || has(public)")?;
//!
//! // Is one always the other? No: these labels match the first alone.
//! let Holds::No(labels) = implies(&web, &outside) else { panic!("it does not") };
//! assert_eq!((labels["app"].as_str(), labels["tier"].as_str()), ("web", "front"));
//!
//! // Can they meet? Yes: these labels match both.
//! let Holds::No(labels) = is_disjoint(&web, &outside) else { panic!("they meet") };
//! assert!(web.matches(&labels) && outside.matches(&labels));
//!
//! // No value is both.
//! let never = Selector::parse("app starts with 'web-' && app == 'web'")?;
//! assert_eq!(is_satisfiable(&never), Exists::No);
//! # Ok::<(), tortie_selector::ParseError>(())
//! ```
//!
//! # What is decided
//!
//! The whole language, exactly: every operator, presence and absence, any nesting. A label may have any value that a
//! `&str` can be, of any length, or be missing; what a platform forbids its labels to be is not considered.
//! `global()` is `all()`, as in evaluation. An answer is [`Unknown`](Holds::Unknown) where the [`Budget`] is spent, and
//! nowhere else: such questions are NP-complete, although those about selectors that people write take a few thousand
//! steps. (One curious exception: selectors that spell out every character of Unicode, which only lifted limits let in.)
//!
//! The same question gets the same answer, with the same labels, everywhere and always.
//!
//! # How
//!
//! Both selectors become one graph of conjunctions and negations in which equal parts are one node. A search with
//! learning (CDCL) chooses among alternatives; what is chosen is checked label by label as it is chosen. Labels that the
//! search finds are tried with [`Selector::matches`] before they are given out, so that no wrong example can be.

mod form;
mod label;
mod search;

use alloc::collections::BTreeMap;
use alloc::string::String;

use crate::selector::Selector;

/// Labels that show something: names to values.
pub type Witness = BTreeMap<String, String>;

/// How much work a question may cost.
///
/// A step is about one term looked at, or sixteen bytes of text compared. Memory is a small multiple of the selectors'
/// size, and of the steps in the worst case (a few bytes for each).
///
/// # Example: an answer that is not to be had for the price
///
/// ```
/// use tortie_selector::Selector;
/// use tortie_selector::analysis::{Budget, Exists, is_satisfiable_with};
///
/// let selector = Selector::parse("a == 'x' && (b == 'y' || c == 'z')")?;
/// assert_eq!(is_satisfiable_with(&selector, Budget::steps(3)), Exists::Unknown);
/// assert!(is_satisfiable_with(&selector, Budget::default()).is_yes());
/// # Ok::<(), tortie_selector::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    steps: u64,
}

impl Budget {
    /// So many steps. Default: 20,000,000.
    #[must_use]
    pub const fn steps(steps: u64) -> Self {
        Self { steps }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::steps(20_000_000)
    }
}

/// Whether there are labels of some kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth answer, and each must be thought of")]
pub enum Exists {
    /// There are: these, for example.
    Yes(Witness),
    /// There are none.
    No,
    /// The budget did not suffice to find out.
    Unknown,
}

/// Whether a statement holds for all labels.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth answer, and each must be thought of")]
pub enum Holds {
    /// It holds for all.
    Yes,
    /// It does not hold for these.
    No(Witness),
    /// The budget did not suffice to find out.
    Unknown,
}

impl Exists {
    /// Whether there certainly are such labels. False for [`Unknown`](Self::Unknown).
    #[must_use]
    pub const fn is_yes(&self) -> bool {
        matches!(self, Self::Yes(_))
    }

    /// Whether there certainly are no such labels. False for [`Unknown`](Self::Unknown).
    #[must_use]
    pub const fn is_no(&self) -> bool {
        matches!(self, Self::No)
    }

    /// The example.
    #[must_use]
    pub const fn witness(&self) -> Option<&Witness> {
        match self {
            Self::Yes(labels) => Some(labels),
            Self::No | Self::Unknown => None,
        }
    }
}

impl Holds {
    /// Whether it certainly holds. False for [`Unknown`](Self::Unknown).
    #[must_use]
    pub const fn is_yes(&self) -> bool {
        matches!(self, Self::Yes)
    }

    /// Whether it certainly does not hold. False for [`Unknown`](Self::Unknown).
    #[must_use]
    pub const fn is_no(&self) -> bool {
        matches!(self, Self::No(_))
    }

    /// The counter-example.
    #[must_use]
    pub const fn witness(&self) -> Option<&Witness> {
        match self {
            Self::No(labels) => Some(labels),
            Self::Yes | Self::Unknown => None,
        }
    }
}

/// A statement holds if its negation has no example.
impl From<Exists> for Holds {
    fn from(counter_example: Exists) -> Self {
        match counter_example {
            Exists::Yes(labels) => Self::No(labels),
            Exists::No => Self::Yes,
            Exists::Unknown => Self::Unknown,
        }
    }
}

/// Whether any labels match; the example does.
///
/// ```
/// use tortie_selector::Selector;
/// use tortie_selector::analysis::is_satisfiable;
///
/// assert!(is_satisfiable(&Selector::parse("a starts with 'ab' && a ends with 'ba'")?).is_yes());
/// assert!(is_satisfiable(&Selector::parse("a == 'x' && !has(a)")?).is_no());
/// # Ok::<(), tortie_selector::ParseError>(())
/// ```
pub fn is_satisfiable(selector: &Selector) -> Exists {
    is_satisfiable_with(selector, Budget::default())
}

/// As [`is_satisfiable`], for this budget.
pub fn is_satisfiable_with(selector: &Selector, budget: Budget) -> Exists {
    ask(&[(selector, true)], &mut Meter::new(budget))
}

/// Whether all labels that match `a` match `b`, too; the counter-example matches `a` and not `b`.
///
/// ```
/// use tortie_selector::Selector;
/// use tortie_selector::analysis::implies;
///
/// let narrow = Selector::parse("app == 'web' && zone in {'a', 'b'}")?;
/// let wide = Selector::parse("zone != 'c' && app starts with 'w'")?;
/// assert!(implies(&narrow, &wide).is_yes());
/// assert!(implies(&wide, &narrow).is_no());
/// # Ok::<(), tortie_selector::ParseError>(())
/// ```
pub fn implies(a: &Selector, b: &Selector) -> Holds {
    implies_with(a, b, Budget::default())
}

/// As [`implies`], for this budget.
pub fn implies_with(a: &Selector, b: &Selector, budget: Budget) -> Holds {
    ask(&[(a, true), (b, false)], &mut Meter::new(budget)).into()
}

/// Whether no labels match both; the counter-example matches both.
///
/// ```
/// use tortie_selector::Selector;
/// use tortie_selector::analysis::is_disjoint;
///
/// let racks = Selector::parse("rack in {'1', '2'}")?;
/// assert!(is_disjoint(&racks, &Selector::parse("rack == '3'")?).is_yes());
/// assert!(is_disjoint(&racks, &Selector::parse("rack != '1'")?).is_no());
/// # Ok::<(), tortie_selector::ParseError>(())
/// ```
pub fn is_disjoint(a: &Selector, b: &Selector) -> Holds {
    is_disjoint_with(a, b, Budget::default())
}

/// As [`is_disjoint`], for this budget.
pub fn is_disjoint_with(a: &Selector, b: &Selector, budget: Budget) -> Holds {
    ask(&[(a, true), (b, true)], &mut Meter::new(budget)).into()
}

/// Whether the same labels match both; the counter-example matches exactly one.
///
/// ```
/// use tortie_selector::Selector;
/// use tortie_selector::analysis::is_equivalent;
///
/// let a = Selector::parse("!(has(a) && a != 'x')")?;
/// let b = Selector::parse("a == 'x' || !has(a)")?;
/// assert!(a != b && is_equivalent(&a, &b).is_yes());
/// # Ok::<(), tortie_selector::ParseError>(())
/// ```
pub fn is_equivalent(a: &Selector, b: &Selector) -> Holds {
    is_equivalent_with(a, b, Budget::default())
}

/// As [`is_equivalent`], for this budget.
pub fn is_equivalent_with(a: &Selector, b: &Selector, budget: Budget) -> Holds {
    // One direction may be too hard where a counter-example of the other is at hand, so it does not get all.
    let half = budget.steps / 2;
    let mut meter = Meter::new(Budget::steps(half));
    let one_way = ask(&[(a, true), (b, false)], &mut meter);
    if one_way.is_yes() {
        return one_way.into();
    }
    meter.left += budget.steps - half;
    let other_way = ask(&[(b, true), (a, false)], &mut meter);
    if other_way.is_no() { one_way.into() } else { other_way.into() }
}

/// Labels that each of the selectors matches, or does not, as it says beside it.
fn ask(wanted: &[(&Selector, bool)], meter: &mut Meter) -> Exists {
    match search::search(wanted, meter) {
        Err(Exhausted) => Exists::Unknown,
        Ok(None) => Exists::No,
        Ok(Some(labels)) => {
            let right = wanted.iter().all(|(selector, matches)| selector.matches(&labels) == *matches);
            debug_assert!(right, "{labels:?} for {wanted:?}");
            if right { Exists::Yes(labels) } else { Exists::Unknown }
        }
    }
}

/// Counts steps down.
#[derive(Debug)]
struct Meter {
    left: u64,
}

/// The budget is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Exhausted;

impl Meter {
    const fn new(budget: Budget) -> Self {
        Self { left: budget.steps }
    }

    fn spend(&mut self, steps: usize) -> Result<(), Exhausted> {
        let steps = u64::try_from(steps).map_err(|_| Exhausted)?;
        if let Some(left) = self.left.checked_sub(steps) {
            self.left = left;
            Ok(())
        } else {
            self.left = 0;
            Err(Exhausted)
        }
    }
}
