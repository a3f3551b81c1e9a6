//! `cargo xtask tidy`: the rules of the house that no compiler checks.

use crate::shell;
use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which of our libraries each library may depend on (ARCHITECTURE.md draws the same).
const ARROWS: [(&str, &[&str]); 7] = [
    ("selector", &[]),
    ("bgp-wire", &[]),
    ("nft-wire", &[]),
    ("routes", &[]),
    ("ipam", &["tortie-selector"]),
    ("policy", &["tortie-nft-wire", "tortie-selector"]),
    ("bgp-speaker", &["tortie-bgp-wire"]),
];
/// The toolchain that every library promises to build with.
const LIBRARY_MSRV: &str = "1.85";
/// The most normal dependencies of a library, those behind features included.
const DEPENDENCIES: usize = 10;
/// The most lines of a source file; tests, benches and fuzz targets are free.
const LINES: usize = 800;
/// Words that stand for work left undone.
const UNDONE: [&str; 3] = ["todo!(", "unimplemented!(", "FIXME"];

/// A manifest, as far as these rules read it.
#[derive(serde::Deserialize)]
struct Manifest {
    package: Option<Package>,
    #[serde(default)]
    dependencies: BTreeMap<String, toml::Value>,
    #[serde(default, rename = "dev-dependencies")]
    dev_dependencies: BTreeMap<String, toml::Value>,
    #[serde(default)]
    lints: BTreeMap<String, toml::Value>,
}

#[derive(serde::Deserialize)]
struct Package {
    #[serde(rename = "rust-version")]
    rust_version: Option<toml::Value>,
}

/// Checks every rule, prints every breach, and fails where there is one.
pub(crate) fn run() -> anyhow::Result<()> {
    let root = shell::root();
    let mut breaches = Vec::new();
    for (folder, allowed) in ARROWS {
        library(&root, folder, allowed, &mut breaches)?;
    }
    for manifest in files(&root, "toml")?.iter().filter(|file| file.ends_with("Cargo.toml")) {
        if manifest.parent() != Some(&root) && !manifest.starts_with(root.join("fuzz")) {
            member(&root, manifest, &mut breaches)?;
        }
    }
    for file in files(&root, "rs")? {
        source(&root, &file, &mut breaches)?;
    }
    for breach in &breaches {
        println!("tidy: {breach}");
    }
    if !breaches.is_empty() {
        bail!("tidy found {} breaches", breaches.len());
    }
    println!("tidy: all rules hold");
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Manifest> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("cannot parse {}", path.display()))
}

fn library(root: &Path, folder: &str, allowed: &[&str], breaches: &mut Vec<String>) -> anyhow::Result<()> {
    let manifest = read(&root.join(folder).join("Cargo.toml"))?;
    for name in manifest.dependencies.keys().chain(manifest.dev_dependencies.keys()) {
        if name.starts_with("tortie-") && !allowed.contains(&name.as_str()) {
            breaches.push(format!("{folder} depends on {name}: not one of the arrows in ARCHITECTURE.md"));
        }
    }
    let foreign = manifest.dependencies.keys().filter(|name| !name.starts_with("tortie-")).count();
    if foreign > DEPENDENCIES {
        breaches.push(format!("{folder} has {foreign} dependencies, more than {DEPENDENCIES}"));
    }
    let promised = manifest.package.and_then(|package| package.rust_version);
    if promised.as_ref().and_then(toml::Value::as_str) != Some(LIBRARY_MSRV) {
        breaches.push(format!("{folder} does not promise rust-version = \"{LIBRARY_MSRV}\""));
    }
    Ok(())
}

/// Rules for every package of the workspace.
fn member(root: &Path, path: &Path, breaches: &mut Vec<String>) -> anyhow::Result<()> {
    let manifest = read(path)?;
    let name = path.strip_prefix(root).unwrap_or(path).display();
    if manifest.lints.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
        breaches.push(format!("{name}: no `[lints] workspace = true`"));
    }
    for (dependency, value) in manifest.dependencies.iter().chain(&manifest.dev_dependencies) {
        if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
            breaches.push(format!("{name}: {dependency} does not take its version from the workspace"));
        }
    }
    Ok(())
}

fn source(root: &Path, path: &Path, breaches: &mut Vec<String>) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let relative = path.strip_prefix(root).unwrap_or(path);
    let free = relative.components().any(|part| {
        ["tests", "testdata", "fuzz", "benches"].iter().any(|folder| part.as_os_str() == *folder)
    });
    if !free && text.lines().count() > LINES {
        breaches.push(format!("{}: over {LINES} lines", relative.display()));
    }
    if relative == Path::new("xtask/src/tidy.rs") {
        return Ok(());
    }
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(citation) = malformed_citation(line) {
            breaches.push(format!("{}:{number}: write `{citation}` as `RFC 4271`", relative.display()));
        }
        if let Some(word) = UNDONE.iter().find(|word| line.contains(**word)) {
            breaches.push(format!("{}:{number}: `{word}`", relative.display()));
        }
    }
    Ok(())
}

/// An RFC cited otherwise than as `RFC 4271`; quotes, `//= rfc4271#section-4` and `//# the sentence`, are as they are.
fn malformed_citation(line: &str) -> Option<&str> {
    let comment = line.find("//").and_then(|at| line.get(at..))?;
    if comment.starts_with("//=") || comment.starts_with("//#") || comment.contains("://") {
        return None;
    }
    comment.split_whitespace().find(|word| {
        let word = word.trim_start_matches(['(', '`', '[']);
        let number =
            word.get(..3).filter(|start| start.eq_ignore_ascii_case("rfc")).and_then(|_| word.get(3..));
        number.is_some_and(|rest| {
            rest.trim_start_matches('-').starts_with(|first: char| first.is_ascii_digit())
        })
    })
}

/// Every file with that ending below the root, but for what is built or hidden.
fn files(root: &Path, ending: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if entry.file_type()?.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(entry.path());
                }
            } else if name.rsplit_once('.').is_some_and(|(_, end)| end == ending) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::malformed_citation;

    #[test]
    fn citations_have_one_form() {
        assert_eq!(malformed_citation("// see RFC 4271 section 6.8"), None);
        assert_eq!(malformed_citation("//= rfc7606#section-4"), None);
        assert_eq!(malformed_citation("//# of [RFC4271], word by word"), None);
        assert_eq!(malformed_citation("let rfc4271 = 1;"), None);
        assert_eq!(malformed_citation("/// (RFC4271, section 4)"), Some("(RFC4271,"));
        assert_eq!(malformed_citation("// rfc-7606 says"), Some("rfc-7606"));
    }
}
