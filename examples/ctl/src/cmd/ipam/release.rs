//! `ipam release`: an address, or those that a check found leaked.

use core::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use tortie_datastore::{Datastore, convert};
use tortie_ipam::{Allocator, ReleaseRequest};

use super::check::{Leaked, Report};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Release this address, whoever has it: make sure that nothing uses it.
    #[arg(long, value_name = "ADDRESS", required_unless_present = "from_report")]
    ip: Option<IpAddr>,
    /// Release what `ipam check -o json` found leaked. Nothing is released unless all of it is leaked still, and was not
    /// assigned again.
    #[arg(long, value_name = "FILE", conflicts_with = "ip")]
    from_report: Option<PathBuf>,
    #[command(flatten)]
    services: super::used::Listed,
}

pub(super) async fn run(store: &Datastore, arguments: &Arguments) -> Result<ExitCode> {
    let view = convert::pool_view(store).await?;
    let allocator = Allocator::new(store.clone());
    let requests = match (&arguments.ip, &arguments.from_report) {
        (Some(address), _) => vec![ReleaseRequest::new(address.to_canonical())],
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            let report: Report = serde_json::from_str(&text)
                .with_context(|| format!("{} is no report of `ipam check -o json`", path.display()))?;
            leaks(store, &report, arguments.services.read()?.as_ref()).await?
        }
        (None, None) => bail!("give --ip or --from-report"),
    };
    let mut free = 0_usize;
    // One by one: what changes in this moment keeps no other from being released.
    for request in &requests {
        let released = allocator.release_addresses(core::slice::from_ref(request), &view, super::now()).await;
        match released {
            Ok(outcome) => {
                outcome.released.iter().for_each(|address| say!("released {address}\n"));
                outcome.unallocated.iter().for_each(|address| say!("{address} is not assigned\n"));
                free += outcome.unallocated.len();
            }
            Err(error) => {
                free += 1;
                eprintln!("{}: {error}", request.address);
            }
        }
    }
    Ok(if free == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a report says leaked; an error if any of it is a leak no more.
async fn leaks(
    store: &Datastore,
    report: &Report,
    services: Option<&super::used::Services>,
) -> Result<Vec<ReleaseRequest>> {
    let version = env!("CARGO_PKG_VERSION");
    ensure!(
        report.version == version,
        "the report is of version {}, not {version}: check again",
        report.version
    );
    let now = Report::new(&super::audit(store, services).await?);
    let is = |leak: &Leaked| now.leaked.contains(leak);
    if let Some(stale) = report.leaked.iter().find(|leak| !is(leak)) {
        bail!("the report is stale: {} is not leaked as it says; check again", stale.ip);
    }
    let request = |leak: &Leaked| {
        let mut request = ReleaseRequest::new(leak.ip).handle(leak.handle.clone().unwrap_or_default());
        request.sequence = leak.sequence_number;
        request
    };
    Ok(report.leaked.iter().map(request).collect())
}
