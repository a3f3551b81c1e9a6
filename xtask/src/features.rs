//! The features that everything is checked and tested with: all of them, or all that can be built here.

use crate::{install, shell};
use anyhow::Context as _;
use std::collections::BTreeMap;

/// The feature that needs a program which is not on every machine.
const ETCD: &str = "etcd";

/// A manifest, as far as it names members or features.
#[derive(serde::Deserialize)]
struct Manifest {
    package: Option<Package>,
    workspace: Option<Workspace>,
    #[serde(default)]
    features: BTreeMap<String, Vec<String>>,
}

#[derive(serde::Deserialize)]
struct Package {
    name: String,
}

#[derive(serde::Deserialize)]
struct Workspace {
    members: Vec<String>,
}

/// Cargo's words for the features of one package, or of all.
///
/// Without `protoc` they name every feature but `etcd`, so that all else is checked there, too.
pub(crate) fn words(package: Option<&str>) -> anyhow::Result<Vec<String>> {
    if install::builds_etcd() {
        return Ok(vec!["--all-features".into()]);
    }
    Ok(vec!["--features".into(), without_etcd(package)?.join(",")])
}

fn without_etcd(package: Option<&str>) -> anyhow::Result<Vec<String>> {
    let root = read("Cargo.toml")?;
    let mut features = Vec::new();
    for member in root.workspace.context("Cargo.toml has no workspace")?.members {
        let manifest = read(&format!("{member}/Cargo.toml"))?;
        let name = manifest.package.with_context(|| format!("{member} is no package"))?.name;
        if package.is_none_or(|package| package == name) {
            let buildable = manifest.features.into_keys().filter(|feature| feature != ETCD);
            features.extend(buildable.map(|feature| format!("{name}/{feature}")));
        }
    }
    Ok(features)
}

fn read(path: &str) -> anyhow::Result<Manifest> {
    let text =
        std::fs::read_to_string(shell::root().join(path)).with_context(|| format!("cannot read {path}"))?;
    toml::from_str(&text).with_context(|| format!("cannot parse {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_but_one_is_named() {
        let all = without_etcd(None).unwrap();
        assert!(
            all.contains(&"tortie-routes/netlink".to_owned())
                && !all.iter().any(|name| name.ends_with("/etcd"))
        );
        let one = without_etcd(Some("tortie-ipam")).unwrap();
        assert!(
            one.contains(&"tortie-ipam/std".to_owned())
                && one.iter().all(|name| name.starts_with("tortie-ipam/"))
        );
        assert!(without_etcd(Some("tortie-datastore")).unwrap().is_empty());
    }
}
