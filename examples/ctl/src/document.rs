//! Files, folders and standard input, cut into documents.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// One document of a file.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// The file as messages name it.
    pub(crate) file: String,
    /// Counted from 1 in the file.
    pub(crate) number: usize,
    /// How many lines of the file come before it.
    pub(crate) before: u64,
    pub(crate) text: String,
}

/// Reads all documents of a file, of the manifests in a folder, or (`-`) of standard input; empty ones are left out.
pub(crate) fn read(path: &Path, recursive: bool) -> Result<Vec<Document>> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input")?;
        return Ok(split("standard input", &text));
    }
    let mut documents = Vec::new();
    for file in files(path, recursive)? {
        let name = file.display().to_string();
        let text = fs::read_to_string(&file).with_context(|| name.clone())?;
        documents.extend(split(&name, &text));
    }
    if documents.is_empty() {
        bail!("{} holds no object", path.display());
    }
    Ok(documents)
}

/// The file itself, or the manifests in the folder by name, those of its folders last.
fn files(path: &Path, recursive: bool) -> Result<Vec<PathBuf>> {
    if !fs::metadata(path).with_context(|| path.display().to_string())?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).with_context(|| path.display().to_string())?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>().with_context(|| path.display().to_string())?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let (mut manifests, mut inner) = (Vec::new(), Vec::new());
    for entry in entries {
        let entry = entry.path();
        let extension = entry.extension().and_then(|extension| extension.to_str());
        if entry.is_dir() {
            if recursive && !entry.is_symlink() {
                inner.extend(files(&entry, recursive)?);
            }
        } else if matches!(extension, Some("yaml" | "yml" | "json")) {
            manifests.push(entry);
        }
    }
    manifests.extend(inner);
    Ok(manifests)
}

/// Cuts a text at lines that begin with `---` or `...` (YAML 1.2.2 §9.1.2), which no text inside a document can hold.
fn split(file: &str, text: &str) -> Vec<Document> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = Vec::new();
    let mut current = String::new();
    let mut before = 0;
    let mut finish = |text: &mut String, before: u64| {
        // Directives, such as `%YAML 1.2`, stand before a document's first line.
        let content = |line: &str| !matches!(line.trim_start().chars().next(), None | Some('#' | '%'));
        if text.lines().any(content) {
            let (file, number) = (file.to_owned(), documents.len() + 1);
            documents.push(Document { file, number, before, text: core::mem::take(text) });
        }
        text.clear();
    };
    for (number, line) in (0..).zip(text.split_inclusive('\n')) {
        let marker = |marker: &str| {
            let rest = line.strip_prefix(marker)?;
            (rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n'])).then_some(rest)
        };
        if let Some(rest) = marker("---") {
            finish(&mut current, before);
            before = number;
            current.push_str("   ");
            current.push_str(rest);
        } else if marker("...").is_some() {
            finish(&mut current, before);
            before = number + 1;
        } else {
            current.push_str(line);
        }
    }
    finish(&mut current, before);
    documents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_cut_at_markers_only() {
        let text = "# first\n---\na: 1\n---   # comment\n\n---\nb: |\n  ---\n  text\n ---: x\n...\n%YAML 1.2\n--- {c: 3}\n---x: 4\n---";
        let documents = split("f", text);
        let got: Vec<_> = documents.iter().map(|d| (d.number, d.before, d.text.trim())).collect();
        let want = [(1, 1, "a: 1"), (2, 5, "b: |\n  ---\n  text\n ---: x"), (3, 12, "{c: 3}\n---x: 4")];
        assert_eq!(got, want);
        assert!(split("f", "").is_empty());
        assert_eq!(split("f", "\u{feff}a: 1")[0].text, "a: 1");
        assert_eq!(split("f", "a: 1\r\n---\r\nb: 2\r\n").len(), 2);
    }
}
