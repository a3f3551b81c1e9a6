//! The selectors of policies and rules, combined with those of their namespaces and service accounts.
//!
//! A policy of Calico says in up to three fields whom it governs, and a rule in up to five whom it means. Each function
//! here makes one selector of them, which asks for the labels that an endpoint inherits from its namespace
//! ([`NAMESPACE_PREFIX`]) and its service account ([`SERVICE_ACCOUNT_PREFIX`]), too.
//!
//! In the selector of namespaces `all()` means "has a namespace", and `global()` "has none". The reference system replaces
//! them as text, string literals included; literals are left alone here.
//!
//! # Example
//!
//! ```
//! use tortie_selector::{Selector, combine};
//!
//! let own = combine::in_namespace("shop").expect("a name that can be quoted");
//! let governed = combine::of_network_policy(Some(&"app == 'web'".parse()?), &own, None)?;
//! assert_eq!(governed.canonical(), r#"(app == "web" && projectcalico.org/namespace == "shop")"#);
//!
//! // A rule that names namespaces is not confined to that of its policy.
//! let (team, web) = ("team == 'blue'".parse()?, "app == 'web'".parse()?);
//! let mut end = combine::End::default();
//! end.namespaces = Some(&team);
//! end.selector = Some(&web);
//! let (meant, not_meant) = combine::of_rule(&end, Some(&own))?;
//! assert_eq!(meant.unwrap().canonical(), r#"(pcns.team == "blue" && app == "web")"#);
//! assert_eq!(not_meant, None);
//! # Ok::<(), tortie_selector::ParseError>(())
//! ```
//!
//! Source: calico@87c15906f2 libcalico-go/lib/backend/syncersv1/updateprocessors/{rules,networkpolicyprocessor,
//! globalnetworkpolicyprocessor}.go.

use alloc::format;
use alloc::string::String;

use crate::error::{ParseError, ParseErrorKind};
use crate::expr::{Expr, Term};
use crate::limits::Limits;
use crate::selector::Selector;
use crate::token::Span;

/// The label with an endpoint's namespace.
pub const NAMESPACE: &str = "projectcalico.org/namespace";
/// The label with an endpoint's service account.
pub const SERVICE_ACCOUNT: &str = "projectcalico.org/serviceaccount";
/// Stands in front of the labels that an endpoint inherits from its namespace.
pub const NAMESPACE_PREFIX: &str = "pcns.";
/// Stands in front of the labels that an endpoint inherits from its service account.
pub const SERVICE_ACCOUNT_PREFIX: &str = "pcsa.";

/// Whether `global()` is anywhere in the selector. Policies may say it only in a rule's selector of namespaces, and there
/// it must be all that is said.
#[must_use]
pub fn mentions_global(selector: &Selector) -> bool {
    fn mentions(expr: Expr<'_>) -> bool {
        match expr.term() {
            Term::Global => true,
            Term::Not { operand } => mentions(operand),
            Term::And { mut operands } | Term::Or { mut operands } => operands.any(mentions),
            _ => false,
        }
    }
    mentions(selector.expr())
}

/// What is in a namespace: `projectcalico.org/namespace == "shop"`; `None` if the name has both kinds of quotes.
#[must_use]
pub fn in_namespace(namespace: &str) -> Option<Selector> {
    let quoted = quoted(namespace)?;
    parse(&format!("{NAMESPACE} == {quoted}")).ok()
}

/// What a `NetworkPolicy` governs: those in its namespace that its selectors match.
///
/// `service_accounts` is matched with the labels of service accounts.
///
/// # Errors
///
/// The parts are too large together: they exceed the default [`Limits`], or nest deeper than [`Limits::MAX_DEPTH`].
pub fn of_network_policy(
    selector: Option<&Selector>,
    own_namespace: &Selector,
    service_accounts: Option<&Selector>,
) -> Result<Selector, ParseError> {
    let governed = match selector {
        None => own_namespace.clone(),
        Some(selector) => both(selector, own_namespace)?,
    };
    match service_accounts {
        None => Ok(governed),
        Some(accounts) => both(&governed, &accounts.prefixed(SERVICE_ACCOUNT_PREFIX)?),
    }
}

/// What a `GlobalNetworkPolicy` governs; with no selector at all, everything.
///
/// With a selector of namespaces, `all()` means "whatever has a namespace", in the policy's selector too, and with one of
/// service accounts "whatever has a service account": stored policies rely on it.
///
/// # Errors
///
/// As of [`of_network_policy`].
pub fn of_global_policy(
    selector: Option<&Selector>,
    namespaces: Option<&Selector>,
    service_accounts: Option<&Selector>,
) -> Result<Selector, ParseError> {
    let narrowed = |governed: Option<Selector>, by: Option<&Selector>, prefix, all: &str| match by {
        None => Ok(governed),
        Some(by) => {
            let by = by.prefixed(prefix)?;
            let text = governed.map_or_else(|| format!("{by}"), |governed| format!("({governed}) && ({by})"));
            parse(&replace_outside_literals(&text, "all()", &format!("has({all})"))).map(Some)
        }
    };
    let governed = narrowed(selector.cloned(), namespaces, NAMESPACE_PREFIX, NAMESPACE)?;
    let governed = narrowed(governed, service_accounts, SERVICE_ACCOUNT_PREFIX, SERVICE_ACCOUNT)?;
    Ok(governed.unwrap_or_default())
}

/// The selectors of one end of a rule, its source or its destination, as written.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct End<'a> {
    /// `selector`.
    pub selector: Option<&'a Selector>,
    /// `notSelector`.
    pub not_selector: Option<&'a Selector>,
    /// `namespaceSelector`.
    pub namespaces: Option<&'a Selector>,
    /// `serviceAccounts.selector`.
    pub service_accounts: Option<&'a Selector>,
    /// `serviceAccounts.names`.
    pub service_account_names: &'a [&'a str],
}

/// The positive and the negated selector of one end of a rule, in a policy of this namespace; not both.
///
/// A rule of a namespaced policy that has a selector of any kind is confined to the namespace. If there is a positive
/// selector then the negated one joins it: both speak of the same endpoint. Else it stays alone, and holds for unknown
/// addresses.
///
/// # Errors
///
/// As of [`of_network_policy`]; also [`UnterminatedString`](crate::ParseErrorKind::UnterminatedString), for a name with
/// both kinds of quotes.
pub fn of_rule(
    end: &End<'_>,
    own_namespace: Option<&Selector>,
) -> Result<(Option<Selector>, Option<Selector>), ParseError> {
    let accounts = service_accounts(end)?;
    let selector = match (accounts, end.selector) {
        (Some(accounts), Some(selector)) => Some(both(&accounts, selector)?),
        (accounts, selector) => accounts.or_else(|| selector.cloned()),
    };
    let namespaces = match end.namespaces {
        Some(namespaces) => {
            let text = format!("{}", namespaces.prefixed(NAMESPACE_PREFIX)?);
            let text = replace_outside_literals(&text, "all()", &format!("has({NAMESPACE})"));
            Some(parse(&replace_outside_literals(&text, "global()", &format!("!has({NAMESPACE})")))?)
        }
        None if selector.is_some() || end.not_selector.is_some() => own_namespace.cloned(),
        None => None,
    };
    let positive = match (namespaces, selector) {
        (Some(namespaces), Some(selector)) => Some(both(&namespaces, &selector)?),
        (namespaces, selector) => namespaces.or(selector),
    };
    match (positive, end.not_selector) {
        (Some(positive), Some(negated)) => {
            Ok((Some(parse(&format!("({positive}) && (!({negated}))"))?), None))
        }
        (positive, negated) => Ok((positive, negated.cloned())),
    }
}

/// What runs under one of the service accounts that a rule names and that its selector matches.
fn service_accounts(end: &End<'_>) -> Result<Option<Selector>, ParseError> {
    let by_label =
        end.service_accounts.map(|accounts| accounts.prefixed(SERVICE_ACCOUNT_PREFIX)).transpose()?;
    if end.service_account_names.is_empty() {
        return Ok(by_label);
    }
    let mut text = format!("{SERVICE_ACCOUNT} in {{");
    for name in end.service_account_names {
        let Some(literal) = quoted(name) else {
            let span = Span { start: 0, end: name.len() };
            return Err(ParseError::new(ParseErrorKind::UnterminatedString { quote: '"' }, span, name));
        };
        text.push_str(&literal);
        text.push(',');
    }
    text.push('}');
    let by_name = parse(&text)?;
    by_label.map_or_else(|| Ok(by_name.clone()), |by_label| both(&by_label, &by_name)).map(Some)
}

/// The value as a string literal, which cannot have both kinds of quotes in it.
pub(crate) fn quoted(value: &str) -> Option<String> {
    let quote = ['"', '\''].into_iter().find(|quote| !value.contains(*quote))?;
    Some(format!("{quote}{value}{quote}"))
}

/// Each part is within the limits by itself; what they make together may nest a little deeper.
pub(crate) fn parse(text: &str) -> Result<Selector, ParseError> {
    Selector::parse_with(text, &Limits::default().depth(Limits::MAX_DEPTH))
}

/// Both must match.
fn both(a: &Selector, b: &Selector) -> Result<Selector, ParseError> {
    parse(&format!("({a}) && ({b})"))
}

/// Replaces in the text of a selector what is outside of string literals.
fn replace_outside_literals(text: &str, from: &str, to: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(['"', '\'']) {
        let (before, literal) = rest.split_at(start);
        out.push_str(&before.replace(from, to));
        // The quote that opens is one byte, and the parser has seen that there is one that closes.
        let quote = if literal.starts_with('"') { '"' } else { '\'' };
        let end = literal.char_indices().skip(1).find(|(_, character)| *character == quote);
        let (literal, after) = literal.split_at(end.map_or(literal.len(), |(index, _)| index + 1));
        out.push_str(literal);
        rest = after;
    }
    out.push_str(&rest.replace(from, to));
    out
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    fn selector(text: &str) -> Selector {
        text.parse().unwrap()
    }

    /// A name that has the rest of a selector in it.
    const EVIL: &str = "a\"} || all() || x in {'b'";

    #[test]
    fn a_rule_is_confined_only_by_selectors() {
        let own = in_namespace("ns").unwrap();
        let (a, b) = (selector("a == 'x'"), selector("has(b)"));
        let of = |end: End<'_>, own: Option<&Selector>| {
            let (positive, negated) = of_rule(&end, own).unwrap();
            [positive, negated].map(|one| one.map_or_else(String::new, |one| one.canonical().into()))
        };
        let end = End::default();
        assert_eq!(of(end, Some(&own)), ["", ""]);
        assert_eq!(of(End { not_selector: Some(&a), ..end }, None), ["", "a == \"x\""]);
        assert_eq!(
            of(End { not_selector: Some(&a), ..end }, Some(&own)),
            ["(projectcalico.org/namespace == \"ns\" && !a == \"x\")", ""]
        );
        assert_eq!(
            of(End { selector: Some(&a), not_selector: Some(&b), ..end }, None),
            ["(a == \"x\" && !has(b))", ""]
        );
        let namespaces = selector("all() || a == 'all()'");
        assert_eq!(
            of(End { namespaces: Some(&namespaces), selector: Some(&b), ..end }, Some(&own)),
            ["((has(projectcalico.org/namespace) || pcns.a == \"all()\") && has(b))", ""]
        );
        assert_eq!(
            of(End { namespaces: Some(&selector("global()")), ..end }, Some(&own)),
            ["!has(projectcalico.org/namespace)", ""]
        );
        assert_eq!(
            of(
                End {
                    service_accounts: Some(&b),
                    service_account_names: &["z", "it's"],
                    selector: Some(&a),
                    ..end
                },
                None
            ),
            ["((has(pcsa.b) && projectcalico.org/serviceaccount in {\"it's\", \"z\"}) && a == \"x\")", ""]
        );
        assert!(of_rule(&End { service_account_names: &[EVIL], ..end }, None).is_err());
        assert_eq!(in_namespace(EVIL), None);
    }

    #[test]
    fn policies_govern_what_their_selectors_match_together() {
        let (a, b, all) = (selector("a == 'x'"), selector("has(b)"), Selector::all());
        let own = in_namespace("ns").unwrap();
        let network = |selector, accounts| of_network_policy(selector, &own, accounts).unwrap().to_string();
        assert_eq!(network(None, None), "projectcalico.org/namespace == \"ns\"");
        assert_eq!(
            network(Some(&a), Some(&b)),
            "((a == \"x\" && projectcalico.org/namespace == \"ns\") && has(pcsa.b))"
        );
        let global = |selector, namespaces, accounts| {
            of_global_policy(selector, namespaces, accounts).unwrap().to_string()
        };
        assert_eq!(global(None, None, None), "all()");
        assert_eq!(global(Some(&all), None, None), "all()");
        assert_eq!(global(None, Some(&b), None), "has(pcns.b)");
        assert_eq!(global(Some(&all), Some(&b), None), "(has(projectcalico.org/namespace) && has(pcns.b))");
        assert_eq!(
            global(Some(&all), None, Some(&a)),
            "(has(projectcalico.org/serviceaccount) && pcsa.a == \"x\")"
        );
        assert!(mentions_global(&selector("a == 'x' || !(has(b) && global())")));
        assert!(!mentions_global(&selector("a == 'global()'")));
    }
}
