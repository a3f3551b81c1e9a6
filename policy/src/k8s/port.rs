//! Ports and protocols of rules, gathered into as few rules as possible.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::convert::check::{Check, Path};
use crate::error::FieldErrorKind;
use crate::model::{Port, Protocol, Rule};

/// An integer or a string, where the Kubernetes API takes either.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the closed grammar of the field")]
pub enum IntOrString {
    /// An integer.
    Int(i64),
    /// A string.
    String(String),
}

impl Serialize for IntOrString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Int(number) => serializer.serialize_i64(*number),
            Self::String(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for IntOrString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IntOrStringVisitor;
        impl Visitor<'_> for IntOrStringVisitor {
            type Value = IntOrString;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer or a string")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<IntOrString, E> {
                Ok(IntOrString::Int(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<IntOrString, E> {
                i64::try_from(value)
                    .map(IntOrString::Int)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<IntOrString, E> {
                Ok(IntOrString::String(value.into()))
            }
        }
        deserializer.deserialize_any(IntOrStringVisitor)
    }
}

/// Protocol of a group of ports, in the order in which groups become rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer4 {
    /// Named ports alone: the name says of which protocol it is.
    Any,
    Sctp,
    Tcp,
    Udp,
}

impl Layer4 {
    /// The protocol of this word; TCP if there is none. `None` after a fault.
    pub(super) fn of(check: &mut Check, path: &Path<'_>, word: Option<&String>) -> Option<Self> {
        match word.map(String::as_str) {
            None | Some("TCP") => Some(Self::Tcp),
            Some("UDP") => Some(Self::Udp),
            Some("SCTP") => Some(Self::Sctp),
            Some(word) => {
                let expected = "TCP, UDP or SCTP";
                check.error(path, FieldErrorKind::NotOneOf { word: word.into(), expected });
                None
            }
        }
    }

    fn protocol(self) -> Option<Protocol> {
        let name = match self {
            Self::Any => return None,
            Self::Sctp => "SCTP",
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        };
        Some(Protocol::Name(name.into()))
    }
}

/// One item of a list of ports.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// All ports of the protocol.
    All,
    /// From the first to the second, both included.
    Range(u16, u16),
    /// What the receiver calls so.
    Named(String),
}

impl Item {
    /// One port of this number. `None` after a fault.
    pub(super) fn number(check: &mut Check, path: &Path<'_>, number: i64) -> Option<Self> {
        let port = port(check, path, number)?;
        Some(Self::Range(port, port))
    }

    /// The ports from one number to another. `None` after a fault.
    pub(super) fn range(
        check: &mut Check,
        path: &Path<'_>,
        names: [&str; 2],
        ends: [i64; 2],
    ) -> Option<Self> {
        let [min, max] = ends;
        let min = port(check, &path.field(names[0]), min);
        let max = port(check, &path.field(names[1]), max);
        let (min, max) = (min?, max?);
        if min > max {
            check.error(&path.field(names[1]), FieldErrorKind::PortRange { min, max });
            return None;
        }
        Some(Self::Range(min, max))
    }

    /// What the receiver calls so. `None` after a fault.
    ///
    /// A name of digits alone is none: it could be taken for a number.
    pub(super) fn named(check: &mut Check, path: &Path<'_>, name: &str) -> Option<Self> {
        if let Ok(Port::Named(name)) = Port::parse(name) {
            return Some(Self::Named(name));
        }
        check.error(path, FieldErrorKind::PortName);
        None
    }
}

fn port(check: &mut Check, path: &Path<'_>, port: i64) -> Option<u16> {
    let number = u16::try_from(port).ok().filter(|number| *number != 0);
    if number.is_none() {
        check.error(path, FieldErrorKind::PortNumber { port });
    }
    number
}

/// The ports of a rule by protocol.
#[derive(Debug, Default)]
pub(super) struct Ports(BTreeMap<Layer4, Vec<Item>>);

impl Ports {
    pub(super) fn insert(&mut self, protocol: Layer4, item: Item) {
        self.0.entry(protocol).or_default().push(item);
    }

    pub(super) fn has_names(&self) -> bool {
        self.0.values().flatten().any(|item| matches!(item, Item::Named(_)))
    }

    /// The rule, once for each protocol; as it is, if there are no ports.
    ///
    /// Source: calico@87c15906f2 libcalico-go/lib/backend/k8s/conversion/conversion.go, `k8sRuleToCalico`.
    pub(super) fn rules(&self, rule: &Rule) -> Vec<Rule> {
        if self.0.is_empty() {
            return vec![rule.clone()];
        }
        let with = |(protocol, items): (&Layer4, &Vec<Item>)| {
            let mut rule = rule.clone();
            rule.protocol = protocol.protocol();
            rule.destination.ports = merged(items);
            rule
        };
        self.0.iter().map(with).collect()
    }
}

/// The names, then the numbers in as few ranges as possible; empty if all ports are meant.
fn merged(items: &[Item]) -> Vec<Port> {
    let mut names = Vec::new();
    let mut ranges = Vec::new();
    for item in items {
        match item {
            Item::All => return Vec::new(),
            Item::Named(name) => names.push(name.clone()),
            Item::Range(min, max) => ranges.push((*min, *max)),
        }
    }
    names.sort_unstable();
    names.dedup();
    ranges.sort_unstable();
    ranges.dedup_by(|later, earlier| {
        let touches = later.0 <= earlier.1.saturating_add(1);
        if touches {
            earlier.1 = earlier.1.max(later.1);
        }
        touches
    });
    let port = |(min, max)| if min == max { Port::Number(min) } else { Port::Range { min, max } };
    names.into_iter().map(Port::Named).chain(ranges.into_iter().map(port)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    use alloc::string::ToString;

    #[test]
    fn ports_are_merged_and_names_go_first() {
        let range = |min, max| Item::Range(min, max);
        let text =
            |items: &[Item]| merged(items).iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let foo = || Item::Named("foo".into());
        let items = [range(82, 82), range(80, 80), range(9090, 9090), range(81, 81), foo(), foo()];
        assert_eq!(text(&items), "foo,80:82,9090");
        assert_eq!(text(&[range(1, 65535), range(65535, 65535), range(7, 9)]), "1:65535");
        assert_eq!(text(&[range(5, 10), range(12, 12), range(6, 7)]), "5:10,12");
        assert_eq!(text(&[range(80, 80), Item::All]), "");
    }
}
