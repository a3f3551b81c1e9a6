//! YAML (of which JSON is a part) as values that know their lines.

use core::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

/// How deep values may be nested.
const DEPTH: usize = 64;

/// A value, with the place where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Counted from 1 in the text that was parsed.
    pub(crate) line: u64,
    tree: Tree,
}

#[derive(Clone, Debug)]
enum Tree {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// A text that is not YAML.
#[derive(Clone, Debug)]
pub(crate) struct SyntaxError {
    /// Counted from 1 in the text that was parsed, where it is known.
    pub(crate) line: Option<u64>,
    pub(crate) message: String,
}

impl Node {
    /// Parses one document; `None` if it is empty.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, SyntaxError> {
        let options = serde_saphyr::options! {
            with_snippet: false,
            strict_booleans: true,
            reject_unsupported_tags: true,
            leading_zero_numbers_as_strings: true,
            underscored_numbers_as_strings: true,
            budget: serde_saphyr::budget! { max_depth: DEPTH, flow_nesting_limit: DEPTH },
        };
        let parsed: Result<Option<Self>, _> = serde_saphyr::from_str_with_options(text, options);
        parsed.map_err(|error| SyntaxError {
            line: error.location().map(|location| location.line()).filter(|line| *line > 0),
            message: error.without_snippet().to_string(),
        })
    }

    /// The value without places.
    pub(crate) fn value(&self) -> Value {
        match &self.tree {
            Tree::Scalar(value) => value.clone(),
            Tree::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Tree::Map(entries) => {
                let entries = entries.iter().map(|(name, node)| (name.clone(), node.value()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }

    /// A field of a map.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        match &self.tree {
            Tree::Map(entries) => entries.iter().find(|(key, _)| key == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> Option<&[Self]> {
        match &self.tree {
            Tree::List(items) => Some(items),
            _ => None,
        }
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.tree {
            Tree::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The names of a map's fields.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let entries = match &self.tree {
            Tree::Map(entries) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().map(|(name, _)| name.as_str())
    }

    /// The line of the field at `path` (`spec.ingress[0].ports`), or of the nearest that there is above it.
    pub(crate) fn line_of(&self, path: &str) -> u64 {
        let Some((child, rest)) = self.step(path) else { return self.line };
        child.line_of(rest)
    }

    /// The child that a path goes through, and the path from there.
    fn step<'a, 'p>(&'a self, path: &'p str) -> Option<(&'a Self, &'p str)> {
        let path = path.strip_prefix('.').unwrap_or(path);
        if let Some(inner) = path.strip_prefix('[') {
            let (index, rest) = inner.split_once(']')?;
            return match &self.tree {
                Tree::List(items) => Some((items.get(index.parse::<usize>().ok()?)?, rest)),
                _ => Some((self.field(index)?, rest)),
            };
        }
        let Tree::Map(entries) = &self.tree else { return None };
        // A name may hold dots itself: the longest that fits is meant.
        let fitting = entries.iter().filter_map(|(name, node)| {
            let rest = path.strip_prefix(name.as_str())?;
            (rest.is_empty() || rest.starts_with(['.', '['])).then_some((name.len(), node, rest))
        });
        fitting.max_by_key(|(length, ..)| *length).map(|(_, node, rest)| (node, rest))
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Tree>::deserialize(input)?;
        Ok(Self { line: spanned.referenced.line(), tree: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Tree;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E: Error>(self) -> Result<Tree, E> {
                Ok(Tree::Scalar(Value::Null))
            }

            fn visit_none<E: Error>(self) -> Result<Tree, E> {
                Ok(Tree::Scalar(Value::Null))
            }

            fn visit_some<D: Deserializer<'de>>(self, input: D) -> Result<Tree, D::Error> {
                Tree::deserialize(input)
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Scalar(Value::Bool(value)))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Tree, E> {
                let number = Number::from_f64(value).ok_or_else(|| E::custom("not a finite number"))?;
                Ok(Tree::Scalar(Value::Number(number)))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::Scalar(Value::String(value.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = access.next_element()? {
                    items.push(item);
                }
                Ok(Tree::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = access.next_key::<Spanned<String>>()? {
                    let mut node: Node = access.next_value()?;
                    // People look for the line of the name.
                    node.line = name.referenced.line();
                    entries.push((name.value, node));
                }
                Ok(Tree::Map(entries))
            }
        }

        input.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_know_their_lines() {
        let text = "# comment\nkind: X\nmetadata:\n  labels:\n    a.b/c: d\n    a: {b: 1}\nspec:\n  - one\n\n  - two: [\n      3,\n      4]\n";
        let node = Node::parse(text).unwrap().unwrap();
        for (path, line) in [
            ("", 2),
            ("kind", 2),
            ("metadata", 3),
            ("metadata.labels", 4),
            ("metadata.labels.a.b/c", 5),
            ("metadata.labels[a.b/c]", 5),
            ("metadata.labels.a.b", 6),
            ("metadata.name", 3),
            ("spec[0]", 8),
            ("spec[1].two", 10),
            ("spec[1].two[0]", 11),
            ("spec[1].two[1]", 12),
            ("spec[9]", 7),
            ("nothing", 2),
        ] {
            assert_eq!(node.line_of(path), line, "{path}");
        }
    }

    #[test]
    fn scalars_are_those_of_yaml_1_2() {
        let value = |text: &str| Node::parse(text).unwrap().unwrap().value();
        for (text, want) in [
            ("true", Value::Bool(true)),
            ("no", "no".into()),
            ("on", "on".into()),
            ("a: ~", serde_json::json!({"a": null})),
            ("010", "010".into()),
            ("1_000", "1_000".into()),
            ("-7", (-7).into()),
            ("1.5", 1.5.into()),
            ("\"7\"", "7".into()),
            ("2026-01-01", "2026-01-01".into()),
            ("18446744073709551615", u64::MAX.into()),
            ("{\"a\":\t[1,\n\t\"b\"]}", serde_json::json!({"a": [1, "b"]})),
            ("a: |\n  x\n  y\n", serde_json::json!({"a": "x\ny\n"})),
            ("a: &x {b: 1}\nc: *x\n", serde_json::json!({"a": {"b": 1}, "c": {"b": 1}})),
        ] {
            assert_eq!(value(text), want, "{text:?}");
        }
        assert!(Node::parse("# nothing\n").unwrap().is_none());
        assert!(Node::parse("").unwrap().is_none());
    }

    #[test]
    fn what_is_not_yaml_is_refused_with_its_line() {
        for (text, line) in [
            ("a: 1\nb: [1\n", None),
            ("a: 1\na: 2\n", Some(2)),
            ("a: 1\n  b: 2\n", Some(2)),
            ("a: \"x\n", None),
            ("a: !!set {b}\n", Some(1)),
            ("a: .inf\n", Some(1)),
            ("? [1]\n: 2\n", Some(1)),
        ] {
            let error = Node::parse(text).unwrap_err();
            assert!(!error.message.is_empty());
            if line.is_some() {
                assert_eq!(error.line, line, "{text:?}: {}", error.message);
            }
        }
    }

    #[test]
    fn deep_and_swelling_texts_are_refused() {
        for depth in [100, 100_000] {
            Node::parse(&format!("{}{}", "[".repeat(depth), "]".repeat(depth))).unwrap_err();
            Node::parse(&"{a: ".repeat(depth)).unwrap_err();
        }
        let indented: String = (0..1000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        Node::parse(&indented).unwrap_err();
        let laughs: String = (1..40).map(|n| format!("a{n}: &a{n} [*a{m}, *a{m}]\n", m = n - 1)).collect();
        Node::parse(&format!("a0: &a0 ha\n{laughs}")).unwrap_err();
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_text_panics(text in "[ -~\n\t\\[\\]{}:&*!|>'\"%#-]{0,80}") {
            let _ = Node::parse(&text);
        }
    }
}
