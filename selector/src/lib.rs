//! Label selectors of container platforms: parse, print, identify, evaluate, index, reason about.
//!
//! For whoever decides by labels which items a policy, a pool or a peer is meant for, and must agree with Calico about
//! it, letter by letter.
//!
//! ```
//! use std::collections::BTreeMap;
//! use tortie_selector::Selector;
//!
//! let selector: Selector = "app == 'web' && tier in {'front', 'edge'}".parse()?;
//! let labels = BTreeMap::from([("app", "web"), ("tier", "edge")]);
//! assert!(selector.matches(&labels));
//! assert_eq!(selector.to_string(), r#"(app == "web" && tier in {"edge", "front"})"#);
//! assert!(selector.id().starts_with("s:"));
//! # Ok::<(), tortie_selector::ParseError>(())
//! ```
//!
//! An error knows the place, and draws it:
//!
//! ```
//! use tortie_selector::Selector;
//!
//! let text = "app == 'web' && tier = 'front'";
//! let error = Selector::parse(text).unwrap_err();
//! assert_eq!(error.render(text).to_string(), "\
//! error: expected ==, found `=` at byte 21
//!   app == 'web' && tier = 'front'
//!                        ^
//!   hint: operators are written twice: ==, &&, ||");
//! ```
//!
//! Rules that combine selectors prefix the labels of some:
//!
//! ```
//! use tortie_selector::Selector;
//!
//! let namespaces = Selector::parse("team == 'blue'")?.prefixed("pcns.")?;
//! assert_eq!(namespaces.canonical(), r#"pcns.team == "blue""#);
//! # Ok::<(), tortie_selector::ParseError>(())
//! ```
//!
//! What can be said without labels at hand, [`analysis`] says, and gives labels that show it:
//!
//! ```
//! use tortie_selector::{Selector, analysis};
//!
//! let blue = Selector::parse("team in {'blue', 'teal'}")?;
//! let other = Selector::parse("has(team) && team != 'blue'")?;
//! assert!(analysis::implies(&blue, &other).is_no());
//! let shared = analysis::is_disjoint(&blue, &other);
//! assert_eq!(shared.witness().map(|labels| labels["team"].as_str()), Some("teal"));
//! # Ok::<(), tortie_selector::ParseError>(())
//! ```
//!
//! An index knows which of many selectors match which of many items, and tells what changes:
//!
//! ```
//! use tortie_selector::{Event, Index, Selector};
//!
//! let mut index = Index::<&str, &str, &str>::new();
//! index.set_selector("web", &Selector::parse("app == 'web' && env == 'prod'")?, |_| {});
//! index.set_item("pod-1", [("app", "web")], ["shop"], |_| {});
//! // The pod inherits the labels of its namespace.
//! index.set_parent("shop", [("env", "prod")], |event| {
//!     assert!(matches!(event, Event::MatchStarted { selector: &"web", item: &"pod-1", .. }));
//! });
//! assert_eq!(index.match_count(), 1);
//! # Ok::<(), tortie_selector::ParseError>(())
//! ```
//!
//! # Grammar
//!
//! ```text
//! selector    = [ disjunction ]                                  (empty or blank: all())
//! disjunction = conjunction { "||" conjunction }
//! conjunction = operation { "&&" operation }
//! operation   = { "!" } primary                                  (an even number of "!" vanishes)
//! primary     = "has(" label ")" | "all(" ")" | "global(" ")" | "(" disjunction ")"
//!             | label ( "==" | "!=" | "contains" | "starts with" | "ends with" ) string
//!             | label ( "in" | "not in" ) "{" [ string { "," string } [ "," ] ] "}"
//! label       = 1 to 512 of a-z A-Z 0-9 _ . / -
//! string      = '"' { any but '"' } '"' | "'" { any but "'" } "'"    (no escapes)
//! ```
//!
//! Blanks (space and tab, nothing else) may stand between any two of these, but not between `has`, `all`, `global` and
//! their parenthesis. The two words of an operator may be glued: `startswith`, `notin`. A word operator ends where no
//! label character follows: `in{` and `in"x"` are right, `inf` is not. The words are no reserved names: `in in {"in"}`
//! asks for a label called `in`. `!` covers the comparison that follows: `!a == "b"` is `!(a == "b")`.
//!
//! # Semantics
//!
//! | operator | the label is there | it is not |
//! |---|---|---|
//! | `a == "v"` | the value is v, byte by byte | no |
//! | `a != "v"` | the value is not v | **yes** |
//! | `a in {..}` | the value is one of the set | no |
//! | `a not in {..}` | the value is none of the set | **yes** |
//! | `a contains "v"`, `a starts with "v"`, `a ends with "v"` | as said; an empty v: yes | no |
//! | `has(a)` | yes, if only with an empty value | no |
//! | `all()`, `global()`, the empty text | yes | yes |
//!
//! # Guarantees
//!
//! No unsafe code, no panic on any text, no I/O; `no_std` with `alloc`. Nesting is bounded by [`Limits::depth`], so that
//! parsing, printing, evaluating and dropping never overflow the stack. [`Selector::matches`] allocates nothing. Parsing
//! takes time proportional to the text (sets are sorted, too) and memory of a small multiple of it.
//!
//! # Limits
//!
//! [`Limits`]: 1 MiB of text, 64 levels, 65,536 terms, unless the caller says otherwise.
//!
//! # Features
//!
//! * `std` (default): [`Labels`] for `std::collections::HashMap`.
//! * `serde`: [`Selector`] as a string, in canonical form when written; [`LabelSelector`] as in the Kubernetes API.
//! * `arbitrary`: selectors out of raw bytes, for fuzzing.
//!
//! MSRV: 1.85.
//!
//! # Sources
//!
//! Facts after Calico, calico@87c15906f2 `libcalico-go/lib/selector`, and its tests.

#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod analysis;
#[cfg(feature = "arbitrary")]
mod arbitrary;
pub mod combine;
mod compiled;
mod draft;
mod error;
mod expr;
mod id;
mod index;
mod intern;
mod kubernetes;
mod labels;
mod limits;
mod parse;
mod selector;
#[cfg(feature = "serde")]
mod serde;
mod term;
mod token;
mod tree;
mod write;

/// README's example, held as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use compiled::Compiled;
pub use error::{ParseError, ParseErrorKind, Rendered};
pub use expr::{Expr, Operands, Term, Values};
pub use id::unique_id;
pub use index::{Event, Index};
pub use intern::{LabelSet, Symbols};
pub use kubernetes::{LabelSelector, LabelSelectorError, Operator, Requirement};
pub use labels::{FromFn, Labels, SortedPairs, from_fn};
pub use limits::Limits;
pub use selector::Selector;
pub use token::{MAX_LABEL_LEN, Span};
