//! Acknowledgements: a file for each endpoint whose policy the kernel holds.
//!
//! The plugin does not end an ADD before it finds the endpoint's file.

use anyhow::Context as _;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tortie_datastore::resource::{Resource, WorkloadEndpointSpec};
use tortie_datastore::status::{EndpointStatus, file_name};

/// The folder of acknowledgements, and what is in it.
pub(crate) struct Statuses {
    folder: PathBuf,
}

impl Statuses {
    pub(crate) fn new(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self { folder: folder.to_path_buf() })
    }

    /// Makes the folder hold exactly these endpoints' files. What cannot be written is tried again at the next call.
    pub(crate) async fn acknowledge(&self, endpoints: impl Iterator<Item = &Resource<WorkloadEndpointSpec>>) {
        let wanted: BTreeMap<String, Vec<u8>> = endpoints.filter_map(file).collect();
        if let Err(error) = self.sync(&wanted).await {
            tracing::warn!(error = format!("{error:#}"), "cannot acknowledge endpoints");
        }
    }

    async fn sync(&self, wanted: &BTreeMap<String, Vec<u8>>) -> anyhow::Result<()> {
        let mut entries = tokio::fs::read_dir(&self.folder).await?;
        while let Some(entry) = entries.next_entry().await? {
            let name = entry.file_name();
            if !name.to_str().is_some_and(|name| wanted.contains_key(name)) {
                tokio::fs::remove_file(entry.path())
                    .await
                    .with_context(|| format!("cannot remove {}", entry.path().display()))?;
            }
        }
        for (name, contents) in wanted {
            let path = self.folder.join(name);
            if tokio::fs::read(&path).await.is_ok_and(|old| old == *contents) {
                continue;
            }
            // Whole or not at all: the reader may look at any moment.
            let draft = self.folder.join(format!(".{name}"));
            tokio::fs::write(&draft, contents).await?;
            tokio::fs::rename(&draft, &path)
                .await
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

/// Name and contents of an endpoint's file; none for one without an interface.
fn file(endpoint: &Resource<WorkloadEndpointSpec>) -> Option<(String, Vec<u8>)> {
    if endpoint.spec.interface_name.is_empty() {
        return None;
    }
    Some((file_name(endpoint)?, serde_json::to_vec(&EndpointStatus::of(endpoint)).ok()?))
}
