//! The reference agent: one process a host.
//!
//! It follows the datastore and keeps three things as the datastore wants them: policy (`policy`), routes (`routes`) and
//! BGP sessions (`bgp`). Policy follows change by change; the others compute what they want from a whole snapshot and hand
//! it to a library that finds the difference. A restart is nothing special, and a death changes neither rules nor routes.

extern crate alloc;

mod address;
mod bgp;
mod health;
mod network;
mod options;
mod policy;
mod routes;
mod settings;
mod source;
mod state;
mod status;
mod uninstall;

use anyhow::Context as _;
use clap::Parser as _;
use options::{Options, Run, Verb};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tortie_routes::Family;
use tortie_routes::netlink::sysctl;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let options = Options::parse();
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .and_then(|runtime| {
            runtime.block_on(async {
                match &options.verb {
                    Verb::Run(run) => {
                        log_to(run)?;
                        agent(run).await
                    }
                    Verb::Uninstall(host) => {
                        log_to_stderr();
                        uninstall::run(host).await
                    }
                }
            })
        });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "ended");
            ExitCode::FAILURE
        }
    }
}

fn filter() -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"))
}

fn log_to_stderr() {
    tracing_subscriber::fmt().with_env_filter(filter()).with_writer(std::io::stderr).init();
}

fn log_to(run: &Run) -> anyhow::Result<()> {
    let Some(path) = &run.log_file else {
        log_to_stderr();
        return Ok(());
    };
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter())
        .with_ansi(false)
        .with_writer(std::sync::Mutex::new(file))
        .init();
    Ok(())
}

/// A host of workloads forwards, in both families; where it may not be told so, somebody else has to.
fn forward() {
    let told = sysctl::write("ipv4/ip_forward", "1")
        .and_then(|()| sysctl::write_interface(Family::V6, "all", "forwarding", "1"));
    if let Err(error) = told {
        tracing::warn!(%error, "cannot switch forwarding on: packets between workloads may be lost");
    }
}

/// Runs until told to end; rules and routes stay as they are.
async fn agent(run: &Run) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tracing::info!(node = run.host.node, version = env!("CARGO_PKG_VERSION"), "starting");
    let mut settings = settings::Settings::of(&run.host, run.settings())?;
    let mut source = source::Source::new(run.host.location()?, run.create_datastore)?;
    forward();
    let (health, metrics) = (health::Health::default(), health::Metrics::default());
    let statuses = status::Statuses::new(&run.status_dir)?;
    let (stop, stopped) = watch::channel(false);
    let mut server = tokio::spawn(health::serve(health.clone(), metrics.clone(), run.health));
    let datastore = health.part("datastore");
    let begin = async {
        let store = settings.load(&mut source, |reason| datastore.not_ready(reason)).await;
        address::settle(&store, &run.host.node).await;
    };
    tokio::select! {
        () = begin => {}
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
        ended = &mut server => ended?.context("cannot serve health")?,
    }

    let (parents_out, parents) = watch::channel(None);
    let feed = Arc::new(policy::Feed::new(&run.host.node));
    let prefix = settings.prefix().to_owned();
    let follower =
        state::Follower::new(&run.host.node, source, settings, parents, Arc::clone(&feed), datastore);
    let enforcer =
        policy::Enforcer::new(run.established, Arc::clone(&feed), statuses, health.part("policy"), metrics);
    let routes = routes::Keeper::open(&prefix, follower.fabric(), parents_out, feed, health.part("routes"))?;
    let speaker = tokio::spawn(bgp::Runner::new(follower.fabric(), stopped, health.part("bgp")).run());
    let parts = [tokio::spawn(follower.run()), tokio::spawn(enforcer.run()), tokio::spawn(routes.run())];
    tokio::select! {
        _ = terminate.recv() => tracing::info!("told to end"),
        _ = interrupt.recv() => tracing::info!("interrupted"),
        ended = server => ended?.context("cannot serve health")?,
    }
    stop.send_replace(true);
    let said = speaker.await;
    for part in parts {
        part.abort();
    }
    said.context("the BGP task panicked")
}
