//! `ipam`: how addresses are assigned, whether the records agree, and what to do about it.

mod chart;
mod check;
mod configure;
pub(crate) mod plan;
mod release;
mod show;
mod split;
mod used;

use core::net::IpAddr;
use core::time::Duration;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::Subcommand;
use tortie_datastore::resource::{self, NodeSpec, Resource, WorkloadEndpointSpec};
use tortie_datastore::{Datastore, convert};
use tortie_ipam::{Audit, keys};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show how full the pools are, or who has an address.
    Show(show::Arguments),
    /// Say whether records, pools and workloads agree. The exit code is 1 where they do not.
    Check(check::Arguments),
    /// Release an address, or those that a check found leaked.
    Release(release::Arguments),
    /// Change how addresses are assigned.
    Configure(configure::Arguments),
    /// Say which block size fits a cluster: what becomes of blocks, routes and addresses with each.
    Plan(plan::Arguments),
    /// Put several pools in the place of one; blocks and addresses stay.
    Split(split::Arguments),
}

pub(crate) async fn run(store: &Datastore, command: &Command) -> Result<ExitCode> {
    match command {
        Command::Show(arguments) => show::run(store, arguments).await,
        Command::Check(arguments) => check::run(store, arguments).await,
        Command::Release(arguments) => release::run(store, arguments).await,
        Command::Configure(arguments) => configure::run(store, arguments).await,
        Command::Plan(arguments) => plan::run(Some(store), arguments).await,
        Command::Split(arguments) => split::run(store, arguments).await,
    }
}

/// The time since the Unix epoch.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Holds all records of assignment against workloads, nodes and services, as of one moment.
async fn audit(store: &Datastore, services: Option<&used::Services>) -> Result<Audit> {
    let view = convert::pool_view(store).await?;
    let endpoints = resource::prefix::<WorkloadEndpointSpec>(None);
    let nodes = resource::prefix::<NodeSpec>(None);
    let listings = store.list_all(&[keys::ROOT, &endpoints, &nodes]).await?;
    let [records, endpoints, nodes] = listings.as_slice() else {
        anyhow::bail!("the datastore gave no lists")
    };
    let mut used: Vec<IpAddr> = Vec::new();
    for record in &nodes.items {
        used.extend(used::tunnels(&tortie_datastore::client::decode(record)?)?);
    }
    used.extend(services.into_iter().flat_map(used::Services::addresses));
    for record in &endpoints.items {
        // What cannot be read may use any address: nothing is a leak then.
        let endpoint: Resource<WorkloadEndpointSpec> = tortie_datastore::client::decode(record)?;
        used.extend(endpoint.spec.ip_networks.iter().map(ipnet::IpNet::addr));
    }
    let mut audit = Audit::new(&records.items, &view, &used);
    if services.is_none() {
        // Which services there are is not known: none of their addresses is called a leak.
        audit.leaked.retain(|tenant| !used::is_of_service(tenant));
    }
    Ok(audit)
}
