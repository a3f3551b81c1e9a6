//! Leaving a host for good: blocks released, routes and table removed.

use crate::options::Host;
use crate::settings::Settings;
use crate::{policy, routes};
use anyhow::Context as _;
use std::time::{SystemTime, UNIX_EPOCH};
use tortie_datastore::resource::FelixSettings;
use tortie_ipam::{Affinity, Allocator};

/// Removes everything that the agent of this host has made. It goes on after a failure, and tells all of them.
pub(crate) async fn run(host: &Host) -> anyhow::Result<()> {
    let mut settings = Settings::of(host, FelixSettings::default())?;
    // Without the datastore, what command line and environment say has to do.
    if let Ok(store) = host.open()
        && let Err(error) = settings.try_load(&store).await
    {
        tracing::warn!(%error, "the FelixConfiguration is not known");
    }
    let mut failures = Vec::new();
    let mut note = |what: &str, ended: anyhow::Result<()>| match ended {
        Ok(()) => tracing::info!("{what}: done"),
        Err(error) => failures.push(format!("{what}: {error:#}")),
    };
    note("release the host's address blocks", release(host).await);
    note("remove the routes", routes::remove_all(settings.prefix()).await);
    note("remove the table", policy::remove(&settings.now()).await);
    anyhow::ensure!(failures.is_empty(), "{}", failures.join("; "));
    Ok(())
}

async fn release(host: &Host) -> anyhow::Result<()> {
    let store = host.open()?;
    let view = tortie_datastore::convert::view(&store, &host.node, None).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let how = Affinity::Host(host.node.clone());
    let released = Allocator::new(store).release_host_affinities(&how, false, &view.config, now).await?;
    let failed: Vec<_> = released.failed.iter().map(|(block, error)| format!("{block}: {error}")).collect();
    anyhow::ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}
