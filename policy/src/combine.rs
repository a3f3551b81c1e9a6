//! Selectors of policies and rules, combined with those of their namespaces.
//!
//! Source: calico@87c15906f2 libcalico-go/lib/backend/syncersv1/updateprocessors/{rules,networkpolicyprocessor,
//! globalnetworkpolicyprocessor}.go. Where the reference system replaces `all()` and `global()` as text, string literals
//! included, literals are left alone here.

use alloc::format;
use alloc::string::String;

use tortie_selector::{Expr, Limits, ParseError, Selector, Term};

use crate::endpoint::{NAMESPACE_LABEL, NAMESPACE_LABEL_PREFIX};

/// Whether `global()` is anywhere in it.
pub(crate) fn mentions_global(expr: Expr<'_>) -> bool {
    match expr.term() {
        Term::Global => true,
        Term::Not { operand, .. } => mentions_global(operand),
        Term::And { mut operands, .. } | Term::Or { mut operands, .. } => operands.any(mentions_global),
        _ => false,
    }
}

/// Replaces in the text what is outside of string literals.
fn replace_outside_literals(text: &str, from: &str, to: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(['"', '\'']) {
        let (before, literal) = rest.split_at(start);
        out.push_str(&before.replace(from, to));
        // The quote that opens is one byte, and the parser has seen that there is one that closes.
        let quote = if literal.starts_with('"') { '"' } else { '\'' };
        let end = literal.char_indices().skip(1).find(|(_, character)| *character == quote);
        let (literal, after) =
            literal.split_at(end.map_or(literal.len(), |(index, _)| index.saturating_add(1)));
        out.push_str(literal);
        rest = after;
    }
    out.push_str(&rest.replace(from, to));
    out
}

/// Each part is within the limits of the API by itself; what they make together may nest a little deeper.
fn parse(text: &str) -> Result<Selector, ParseError> {
    Selector::parse_with(text, &Limits::default().depth(Limits::MAX_DEPTH))
}

/// Both must match.
fn both(a: &Selector, b: &Selector) -> Result<Selector, ParseError> {
    parse(&format!("({a}) && ({b})"))
}

/// `projectcalico.org/namespace == "<namespace>"`, or `None` if the name has both kinds of quotes.
pub(crate) fn in_namespace(namespace: &str) -> Option<Selector> {
    let quote = ['"', '\''].into_iter().find(|quote| !namespace.contains(*quote))?;
    parse(&format!("{NAMESPACE_LABEL} == {quote}{namespace}{quote}")).ok()
}

/// What a `NetworkPolicy` governs: those of its namespace that its selector matches.
pub(crate) fn of_network_policy(
    selector: Option<&Selector>,
    own_namespace: &Selector,
) -> Result<Selector, ParseError> {
    selector.map_or_else(|| Ok(own_namespace.clone()), |selector| both(selector, own_namespace))
}

/// What a `GlobalNetworkPolicy` governs.
///
/// With a namespace selector, `all()` means "whatever has a namespace", in the policy's selector too: stored policies
/// rely on it.
pub(crate) fn of_global_policy(
    selector: Option<&Selector>,
    namespace_selector: Option<&Selector>,
) -> Result<Selector, ParseError> {
    let Some(namespaces) = namespace_selector else {
        return Ok(selector.cloned().unwrap_or_default());
    };
    let namespaces = namespaces.prefixed(NAMESPACE_LABEL_PREFIX)?;
    let text = match selector {
        Some(selector) => format!("({selector}) && ({namespaces})"),
        None => format!("{namespaces}"),
    };
    parse(&replace_outside_literals(&text, "all()", &format!("has({NAMESPACE_LABEL})")))
}

/// The selectors of one end of a rule, as written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndSelectors<'a> {
    pub(crate) selector: Option<&'a Selector>,
    pub(crate) not_selector: Option<&'a Selector>,
    pub(crate) namespace_selector: Option<&'a Selector>,
}

/// Positive and negated selector of one end of a rule in a policy of this namespace; not both.
///
/// A rule of a namespaced policy that has a selector of any kind is confined to the namespace. If there is a positive
/// selector then the negated one joins it: both speak of the same endpoint. Else it stays alone, and holds for unknown
/// addresses.
pub(crate) fn of_rule(
    end: EndSelectors<'_>,
    own_namespace: Option<&Selector>,
) -> Result<(Option<Selector>, Option<Selector>), ParseError> {
    let confined = end.selector.or(end.not_selector).or(end.namespace_selector).is_some();
    let namespaces = match end.namespace_selector {
        Some(namespaces) => {
            let text = format!("{}", namespaces.prefixed(NAMESPACE_LABEL_PREFIX)?);
            let text = replace_outside_literals(&text, "all()", &format!("has({NAMESPACE_LABEL})"));
            Some(parse(&replace_outside_literals(&text, "global()", &format!("!has({NAMESPACE_LABEL})")))?)
        }
        None => own_namespace.filter(|_| confined).cloned(),
    };
    let positive = match (namespaces, end.selector) {
        (Some(namespaces), Some(selector)) => Some(both(&namespaces, selector)?),
        (Some(namespaces), None) => Some(namespaces),
        (None, selector) => selector.cloned(),
    };
    match (positive, end.not_selector) {
        (Some(positive), Some(negated)) => {
            Ok((Some(parse(&format!("({positive}) && (!({negated}))"))?), None))
        }
        (positive, negated) => Ok((positive, negated.cloned())),
    }
}
