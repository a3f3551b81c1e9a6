//! Acknowledgements: a file for each endpoint whose policy the kernel holds.
//!
//! The plugin does not end an ADD before it finds the endpoint's file.

use anyhow::Context as _;
use core::time::Duration;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tortie_datastore::resource::{Resource, WorkloadEndpointSpec};
use tortie_datastore::status::{EndpointStatus, file_name};

/// How often the folder is read, in case somebody else changes it.
const LOOK: Duration = Duration::from_secs(5);

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
}

impl Statuses {
    pub(crate) fn new(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self { folder: folder.to_path_buf(), written: BTreeMap::new(), looked: None })
    }

    /// Makes the folder hold exactly these files. What cannot be written is tried again at the next call.
    pub(crate) async fn acknowledge(&mut self, statuses: impl Iterator<Item = &Status>) {
        let wanted = statuses.map(|status| (status.name.clone(), status.contents.clone())).collect();
        if let Err(error) = self.sync(&wanted).await {
            self.looked = None;
            tracing::warn!(error = format!("{error:#}"), "cannot acknowledge endpoints");
        }
    }

    async fn sync(&mut self, wanted: &BTreeMap<String, Vec<u8>>) -> anyhow::Result<()> {
        if self.looked.is_none_or(|at| at.elapsed() > LOOK) {
            self.written = self.read(wanted).await?;
            self.looked = Some(Instant::now());
        }
        let gone: Vec<String> =
            self.written.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        for name in gone {
            let path = self.folder.join(&name);
            tokio::fs::remove_file(&path)
                .await
                .with_context(|| format!("cannot remove {}", path.display()))?;
            self.written.remove(&name);
        }
        for (name, contents) in wanted {
            if self.written.get(name) == Some(contents) {
                continue;
            }
            let path = self.folder.join(name);
            // Whole or not at all: the reader may look at any moment.
            let draft = self.folder.join(format!(".{name}"));
            tokio::fs::write(&draft, contents).await?;
            tokio::fs::rename(&draft, &path)
                .await
                .with_context(|| format!("cannot write {}", path.display()))?;
            self.written.insert(name.clone(), contents.clone());
        }
        Ok(())
    }

    /// What is in the folder; of files that are not wanted, the names alone.
    async fn read(&self, wanted: &BTreeMap<String, Vec<u8>>) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
        let mut found = BTreeMap::new();
        let mut entries = tokio::fs::read_dir(&self.folder).await?;
        while let Some(entry) = entries.next_entry().await? {
            let path = entry.path();
            let Ok(name) = entry.file_name().into_string() else {
                tokio::fs::remove_file(&path)
                    .await
                    .with_context(|| format!("cannot remove {}", path.display()))?;
                continue;
            };
            let contents =
                if wanted.contains_key(&name) { tokio::fs::read(&path).await? } else { Vec::new() };
            found.insert(name, contents);
        }
        Ok(found)
    }
}
