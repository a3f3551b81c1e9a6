//! Finding files of cases, and reading them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// One case, and where it stands.
pub(crate) struct Case {
    /// The line in a file of lines, else the place in the list; from 1.
    pub(crate) number: usize,
    pub(crate) value: Value,
}

impl Case {
    /// A field that is a string.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.value.get(field).and_then(Value::as_str)
    }
}

/// The files at these paths, folders searched, in order and each once.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            search(path, &mut found)?;
        } else if path.exists() {
            found.push(path.clone());
        } else {
            bail!("there is no {}", path.display());
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn search(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        // A link to a folder above would have no end.
        if entry.file_type()?.is_dir() {
            search(&path, found)?;
        } else if path.extension().is_some_and(|end| end == "jsonl" || end == "json") {
            found.push(path);
        }
    }
    Ok(())
}

/// All cases of a file.
pub(crate) fn cases(path: &Path) -> Result<Vec<Case>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    if path.extension().is_some_and(|end| end == "jsonl") {
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        return lines
            .map(|(number, line)| {
                let value = serde_json::from_str(line)
                    .with_context(|| format!("{}:{number} is not JSON", path.display()))?;
                Ok(Case { number, value })
            })
            .collect();
    }
    let values =
        match serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))? {
            Value::Array(values) => values,
            value => vec![value],
        };
    Ok((1..).zip(values).map(|(number, value)| Case { number, value }).collect())
}
