//! Acknowledgements: a file for each endpoint whose policy the kernel holds.
//!
//! The plugin does not end an ADD before it finds the endpoint's file.

use anyhow::Context as _;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tortie_datastore::Excerpt;
use tortie_datastore::resource::{Resource, WorkloadEndpointSpec};
use tortie_datastore::status::{EndpointStatus, file_name};

/// How often the folder is read, in case somebody else changes it.
const LOOK: Duration = Duration::from_secs(5);

/// Where a file is written before it gets its name; no endpoint's is such, all have spaces.
const DRAFT: &str = ".draft";

/// Name and contents of an endpoint's file.
#[derive(Clone, PartialEq)]
pub(crate) struct Status {
    name: String,
    contents: Vec<u8>,
}

impl Status {
    /// That of an endpoint; none for one without an interface.
    pub(crate) fn of(endpoint: &Resource<WorkloadEndpointSpec>) -> Option<Self> {
        if endpoint.spec.interface_name.is_empty() {
            return None;
        }
        let contents = serde_json::to_vec(&EndpointStatus::of(endpoint)).ok()?;
        Some(Self { name: file_name(endpoint)?, contents })
    }
}

/// The folder of acknowledgements, and what is in it.
pub(crate) struct Statuses {
    folder: PathBuf,
    written: BTreeMap<String, Vec<u8>>,
    /// When the folder was read last; `None` if something may be otherwise than was written.
    looked: Option<Instant>,
    /// What was wrong the last time, so that it is told once.
    faults: BTreeSet<String>,
}

impl Statuses {
    pub(crate) fn new(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self {
            folder: folder.to_path_buf(),
            written: BTreeMap::new(),
            looked: None,
            faults: BTreeSet::new(),
        })
    }

    /// Makes the folder hold exactly these files. What cannot be written is tried again at the next call, and keeps no other
    /// from being written.
    pub(crate) async fn acknowledge(&mut self, statuses: impl Iterator<Item = &Status>) {
        let wanted = statuses.map(|status| (status.name.clone(), status.contents.clone())).collect();
        let faults = self.sync(&wanted).await;
        if !faults.is_empty() {
            self.looked = None;
        }
        let faults: BTreeSet<String> = faults.into_iter().map(|fault| format!("{fault:#}")).collect();
        for fault in faults.difference(&self.faults) {
            tracing::warn!(error = %Excerpt(fault), "cannot acknowledge endpoints");
        }
        self.faults = faults;
    }

    /// What could not be done.
    async fn sync(&mut self, wanted: &BTreeMap<String, Vec<u8>>) -> Vec<anyhow::Error> {
        let mut faults = Vec::new();
        if self.looked.is_none_or(|at| at.elapsed() > LOOK) {
            match self.read(wanted, &mut faults).await {
                Ok(found) => (self.written, self.looked) = (found, Some(Instant::now())),
                Err(error) => return vec![error],
            }
        }
        let gone: Vec<String> =
            self.written.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        for name in gone {
            match remove(&self.folder.join(&name)).await {
                Ok(()) => drop(self.written.remove(&name)),
                Err(error) => faults.push(error),
            }
        }
        for (name, contents) in wanted {
            if self.written.get(name) == Some(contents) {
                continue;
            }
            match self.write(name, contents).await {
                Ok(()) => drop(self.written.insert(name.clone(), contents.clone())),
                Err(error) => faults.push(error),
            }
        }
        faults
    }

    /// Whole or not at all: the reader may look at any moment.
    async fn write(&self, name: &str, contents: &[u8]) -> anyhow::Result<()> {
        let (path, draft) = (self.folder.join(name), self.folder.join(DRAFT));
        tokio::fs::write(&draft, contents)
            .await
            .with_context(|| format!("cannot write {}", draft.display()))?;
        tokio::fs::rename(&draft, &path).await.with_context(|| format!("cannot write {}", path.display()))
    }

    /// What is in the folder; of files that are not wanted, the names alone.
    async fn read(
        &self,
        wanted: &BTreeMap<String, Vec<u8>>,
        faults: &mut Vec<anyhow::Error>,
    ) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
        let mut found = BTreeMap::new();
        let about = || format!("cannot read {}", self.folder.display());
        tokio::fs::create_dir_all(&self.folder).await.with_context(about)?;
        let mut entries = tokio::fs::read_dir(&self.folder).await.with_context(about)?;
        while let Some(entry) = entries.next_entry().await.with_context(about)? {
            let path = entry.path();
            match entry.file_name().into_string() {
                // What cannot be read is written anew.
                Ok(name) if wanted.contains_key(&name) => {
                    if let Ok(contents) = tokio::fs::read(&path).await {
                        found.insert(name, contents);
                    }
                }
                Ok(name) => drop(found.insert(name, Vec::new())),
                Err(_) => faults.extend(remove(&path).await.err()),
            }
        }
        Ok(found)
    }
}

async fn remove(path: &Path) -> anyhow::Result<()> {
    match tokio::fs::remove_file(path).await {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::MetadataExt as _;

    fn status(name: &str, contents: &str) -> Status {
        Status { name: name.to_owned(), contents: contents.as_bytes().to_vec() }
    }

    fn listed(folder: &Path) -> Vec<(String, String)> {
        let entry = |entry: std::io::Result<fs::DirEntry>| {
            let entry = entry.unwrap();
            let contents = fs::read_to_string(entry.path()).unwrap_or_else(|_| "a folder".to_owned());
            (entry.file_name().into_string().unwrap(), contents)
        };
        let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(entry).collect();
        found.sort();
        found
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, contents)| ((*name).to_owned(), (*contents).to_owned())).collect()
    }

    #[tokio::test]
    async fn the_folder_holds_exactly_what_is_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status");
        let mut statuses = Statuses::new(&path).unwrap();
        // Of an earlier run, and of others: a name that is no text, too.
        fs::write(path.join("old"), "x").unwrap();
        fs::write(path.join("a"), "half").unwrap();
        fs::write(path.join(std::ffi::OsStr::from_bytes(b"\xff")), "x").unwrap();
        let (a, b) = (status("a", "one"), status("b", "two"));
        statuses.acknowledge([&a, &b].into_iter()).await;
        assert_eq!(listed(&path), pairs(&[("a", "one"), ("b", "two")]));

        // What is there as it should be is not written again; what is written is another file, so never half of one.
        let number = |name: &str| fs::metadata(path.join(name)).unwrap().ino();
        let before = (number("a"), number("b"));
        let again = status("b", "three");
        let opened = fs::File::open(path.join("b")).unwrap();
        statuses.acknowledge([&a, &again].into_iter()).await;
        assert_eq!(number("a"), before.0);
        assert_ne!(number("b"), before.1);
        assert_eq!(std::io::read_to_string(opened).unwrap(), "two", "who has begun to read goes on");

        statuses.acknowledge([&a].into_iter()).await;
        assert_eq!(listed(&path), pairs(&[("a", "one")]));

        // Others change the folder: it is read now and then.
        fs::write(path.join("foreign"), "x").unwrap();
        fs::write(path.join("a"), "wrong").unwrap();
        statuses.looked = None;
        statuses.acknowledge([&a].into_iter()).await;
        assert_eq!(listed(&path), pairs(&[("a", "one")]));
        fs::remove_dir_all(&path).unwrap();
        statuses.looked = None;
        statuses.acknowledge([&a, &b].into_iter()).await;
        assert_eq!(listed(&path), pairs(&[("a", "one"), ("b", "two")]));
    }

    /// A name that no file can have, and folders where files should be.
    #[tokio::test]
    async fn one_that_cannot_be_written_keeps_no_other_and_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let mut statuses = Statuses::new(path).unwrap();
        fs::create_dir(path.join("b")).unwrap();
        fs::create_dir(path.join("foreign")).unwrap();
        let long = status(&"x".repeat(300), "never");
        let (a, b, c) = (status("a", "one"), status("b", "two"), status("c", "three"));
        statuses.acknowledge([&long, &a, &b, &c].into_iter()).await;
        let all = pairs(&[("a", "one"), ("b", "a folder"), ("c", "three"), ("foreign", "a folder")]);
        let found: Vec<_> = listed(path).into_iter().filter(|(name, _)| name != DRAFT).collect();
        assert_eq!(found, all);
        assert_eq!(statuses.faults.len(), 3, "{:?}", statuses.faults);
        fs::remove_dir(path.join("b")).unwrap();
        fs::remove_dir(path.join("foreign")).unwrap();
        statuses.acknowledge([&a, &b, &c].into_iter()).await;
        assert_eq!(listed(path), pairs(&[("a", "one"), ("b", "two"), ("c", "three")]));
        assert!(statuses.faults.is_empty());
    }

    /// Whatever stands in a record, its file is in the folder and nowhere else.
    #[test]
    fn no_name_leads_out_of_the_folder() {
        for (namespace, pod, orchestrator, endpoint) in [
            ("..", "../../etc/passwd", "..", ".."),
            ("/", "/", "/", "/"),
            ("a", ".", "", ""),
            ("a\0b", "c\nd", "x", "y"),
        ] {
            let spec = WorkloadEndpointSpec {
                orchestrator: orchestrator.into(),
                pod: pod.into(),
                endpoint: endpoint.into(),
                interface_name: "cali1".into(),
                ..WorkloadEndpointSpec::default()
            };
            let status = Status::of(&Resource::namespaced(namespace, "w", spec)).unwrap();
            let name = Path::new(&status.name);
            assert_eq!(name.components().count(), 1, "{name:?}");
            assert_eq!(name.file_name(), Some(name.as_os_str()), "{name:?}");
            assert!(!status.name.chars().any(char::is_control), "{name:?}");
        }
    }
}
