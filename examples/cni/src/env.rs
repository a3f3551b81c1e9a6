//! The environment that a runtime calls the plugin with.

use std::collections::BTreeMap;

use crate::error::{Code, Error};

/// Longest name of a Linux interface, in bytes.
const INTERFACE_NAME_MAX: usize = 15;

/// The verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Attach a container.
    Add,
    /// Detach a container.
    Del,
    /// Say which versions are supported.
    Version,
}

/// What ADD and DEL are told about the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Container {
    /// `CNI_CONTAINERID`.
    pub(crate) id: String,
    /// `CNI_NETNS`: path of the container's network namespace; DEL may come without it.
    pub(crate) netns: Option<String>,
    /// `CNI_IFNAME`: name of the interface inside.
    pub(crate) interface: String,
    /// `CNI_ARGS`, split.
    pub(crate) args: BTreeMap<String, String>,
}

impl Container {
    /// An argument of `CNI_ARGS`, if it is there and not empty.
    pub(crate) fn arg(&self, name: &str) -> Option<&str> {
        self.args.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// The parsed environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Environment {
    /// `CNI_COMMAND`.
    pub(crate) command: Command,
    /// The container: none for VERSION.
    pub(crate) container: Option<Container>,
}

impl Environment {
    /// Reads and checks the variables; an empty variable is a missing one.
    ///
    /// # Errors
    /// Code 4, naming every variable that is missing, or the one that is wrong.
    pub(crate) fn parse(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let Some(command) = variable("CNI_COMMAND") else {
            return Err(missing(&["CNI_COMMAND"]));
        };
        let command = match command.as_str() {
            "ADD" => Command::Add,
            "DEL" => Command::Del,
            "VERSION" => return Ok(Self { command: Command::Version, container: None }),
            other => {
                return Err(Error::new(
                    Code::BadEnvironment,
                    format!("unknown CNI_COMMAND: {}", shown(other)),
                ));
            }
        };
        let (id, netns, interface) =
            (variable("CNI_CONTAINERID"), variable("CNI_NETNS"), variable("CNI_IFNAME"));
        let mut absent = Vec::new();
        if id.is_none() {
            absent.push("CNI_CONTAINERID");
        }
        if netns.is_none() && command == Command::Add {
            absent.push("CNI_NETNS");
        }
        if interface.is_none() {
            absent.push("CNI_IFNAME");
        }
        let (Some(id), Some(interface), true) = (id, interface, absent.is_empty()) else {
            return Err(missing(&absent));
        };
        if !is_identifier(&id) {
            return Err(wrong("CNI_CONTAINERID", &id, "must match [A-Za-z0-9][A-Za-z0-9_.-]*"));
        }
        if !is_interface_name(&interface) {
            return Err(wrong(
                "CNI_IFNAME",
                &interface,
                "must be 1 to 15 bytes without '/', ':' and white space, and not '.' or '..'",
            ));
        }
        let args = parse_args(&variable("CNI_ARGS").unwrap_or_default())?;
        Ok(Self { command, container: Some(Container { id, netns, interface, args }) })
    }
}

/// Whether a container id or network name has the specification's form `[A-Za-z0-9][A-Za-z0-9_.-]*`.
pub(crate) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn is_interface_name(name: &str) -> bool {
    (1..=INTERFACE_NAME_MAX).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.contains(['/', ':', '\0'])
        && !name.contains(char::is_whitespace)
}

/// Splits `KEY=VALUE;KEY=VALUE`. Keys that mean nothing to this plugin are accepted, whatever `IgnoreUnknown` says.
fn parse_args(text: &str) -> Result<BTreeMap<String, String>, Error> {
    let mut args = BTreeMap::new();
    for pair in text.split(';').filter(|pair| !pair.is_empty()) {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(wrong("CNI_ARGS", pair, "must be KEY=VALUE pairs joined by ';'"));
        };
        args.insert(key.to_owned(), value.to_owned());
    }
    Ok(args)
}

fn missing(names: &[&str]) -> Error {
    Error::new(
        Code::BadEnvironment,
        format!("required environment variables are missing: {}", names.join(", ")),
    )
}

fn wrong(name: &str, value: &str, rule: &str) -> Error {
    Error::new(Code::BadEnvironment, format!("{name} is {}: it {rule}", shown(value)))
}

/// The value quoted and cut, so that no message grows with its input.
pub(crate) fn shown(value: &str) -> String {
    const MAX: usize = 80;
    let cut: String = value.chars().take(MAX).collect();
    if cut.len() < value.len() { format!("{cut:?}…") } else { format!("{cut:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<Environment, Error> {
        let map: BTreeMap<_, _> = pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        Environment::parse(|name| map.get(name).cloned())
    }

    const ADD: [(&str, &str); 4] =
        [("CNI_COMMAND", "ADD"), ("CNI_CONTAINERID", "c1"), ("CNI_NETNS", "/n"), ("CNI_IFNAME", "eth0")];

    #[test]
    fn every_missing_variable_is_named() {
        let error = parse(&[("CNI_COMMAND", "ADD"), ("CNI_NETNS", "")]).unwrap_err();
        assert_eq!(error.code, Code::BadEnvironment);
        assert_eq!(
            error.message,
            "required environment variables are missing: CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME"
        );
        let error = parse(&[]).unwrap_err();
        assert!(error.message.ends_with("CNI_COMMAND"));
    }

    #[test]
    fn del_needs_no_namespace() {
        let env =
            parse(&[("CNI_COMMAND", "DEL"), ("CNI_CONTAINERID", "c1"), ("CNI_IFNAME", "eth0")]).unwrap();
        assert_eq!(env.container.unwrap().netns, None);
    }

    #[test]
    fn verbs_of_newer_versions_are_unknown() {
        for verb in ["CHECK", "GC", "STATUS", "add", "GET"] {
            let error = parse(&[("CNI_COMMAND", verb)]).unwrap_err();
            assert_eq!(
                (error.code, error.message),
                (Code::BadEnvironment, format!("unknown CNI_COMMAND: {verb:?}"))
            );
        }
    }

    #[test]
    fn wrong_values_are_named() {
        for (name, bad) in [
            ("CNI_CONTAINERID", "-c"),
            ("CNI_CONTAINERID", "a/b"),
            ("CNI_IFNAME", ".."),
            ("CNI_IFNAME", "a:b"),
            ("CNI_IFNAME", "a b"),
            ("CNI_IFNAME", "sixteen-chars-xx"),
            ("CNI_ARGS", "K8S_POD_NAME"),
        ] {
            let mut pairs: Vec<_> = ADD.into_iter().filter(|(key, _)| *key != name).collect();
            pairs.push((name, bad));
            let error = parse(&pairs).unwrap_err();
            assert_eq!(error.code, Code::BadEnvironment, "{name}={bad}");
            assert!(error.message.starts_with(name), "{}", error.message);
        }
    }

    #[test]
    fn args_are_split_in_any_order() {
        let mut pairs = ADD.to_vec();
        pairs.push(("CNI_ARGS", "K8S_POD_NAME=p;IgnoreUnknown=1;X=a=b;EMPTY=;"));
        let container = parse(&pairs).unwrap().container.unwrap();
        assert_eq!(container.arg("K8S_POD_NAME"), Some("p"));
        assert_eq!(container.arg("X"), Some("a=b"));
        assert_eq!(container.arg("EMPTY"), None);
    }

    #[test]
    fn messages_do_not_grow_with_their_input() {
        let long = "x/".repeat(10_000);
        assert!(shown(&long).len() < 120);
    }
}
