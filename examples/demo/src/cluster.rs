//! The cluster as the demo holds it: hosts, pods, router and datastore.

use crate::bird::Bird;
use crate::hosts::{self, Host, Router};
use crate::network;
use crate::pods::{self, Pod};
use crate::programs::{self, Programs};
use crate::screen::Screen;
use crate::world::Machine;
use anyhow::{Context as _, anyhow};
use core::time::Duration;
use futures_util::future::try_join_all;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use tortie_datastore::{Datastore, Location};

/// How many hosts there are.
const HOSTS: u8 = 3;
/// How long an agent may take to be ready.
const READY: Duration = Duration::from_secs(20);

/// Everything that runs.
pub(crate) struct Cluster {
    pub(crate) programs: Programs,
    pub(crate) router: Router,
    pub(crate) hosts: Vec<Host>,
    pub(crate) pods: Vec<Pod>,
    pub(crate) bird: Option<Bird>,
    pub(crate) store: Datastore,
    pub(crate) datastore: PathBuf,
}

/// The folder of this demo's manifests and pods.
pub(crate) fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Cluster {
    /// Lays the cables, opens the datastore, and starts BIRD where there is one. No agent runs yet.
    pub(crate) async fn build(machine: &Machine) -> anyhow::Result<Self> {
        let programs = Programs::beside()?;
        let router = Router::new();
        let hosts: Vec<_> = (1..=HOSTS).map(Host::new).collect();
        network::lay(&router, &hosts).await.context("cabling")?;
        let datastore = hosts::datastore();
        let store = Location::File(datastore.clone()).open()?;
        let bird =
            machine.bird.as_deref().map(|bird| Bird::start(bird, &programs, &router, &hosts)).transpose()?;
        let pods = pods::read(&folder().join("pods.json"))?.into_iter().map(Pod::new).collect();
        Ok(Self { programs, router, hosts, pods, bird, store, datastore })
    }

    /// Runs `tortie-ctl` and returns what it printed.
    pub(crate) async fn ctl<A: AsRef<OsStr>>(
        &self,
        arguments: &[A],
        input: &str,
    ) -> anyhow::Result<programs::Ended> {
        let mut command = tokio::process::Command::new(&self.programs.ctl);
        command.arg("--datastore").arg(&self.datastore).args(arguments);
        programs::run(&mut command, input).await
    }

    /// `tortie-ctl apply -f` of a file or folder; how many lines it printed.
    pub(crate) async fn apply(&self, path: &Path) -> anyhow::Result<usize> {
        let ended = self.ctl(&[OsStr::new("apply"), OsStr::new("-f"), path.as_os_str()], "").await?;
        Ok(ended.out("tortie-ctl apply")?.lines().count())
    }

    /// The host of this name.
    pub(crate) fn host(&self, name: &str) -> anyhow::Result<&Host> {
        self.hosts.iter().find(|host| host.name == name).ok_or_else(|| anyhow!("no host {name}"))
    }

    /// Starts all agents and waits until they are ready.
    pub(crate) async fn start_agents(&mut self, screen: &Screen) -> anyhow::Result<()> {
        for host in &mut self.hosts {
            host.start_agent(&self.programs)?;
        }
        screen.stage("agents become ready", self.hosts.len());
        try_join_all(self.hosts.iter_mut().map(async |host| {
            host.until_ready(READY).await?;
            screen.step();
            anyhow::Ok(())
        }))
        .await?;
        Ok(())
    }

    /// Makes all pods: the hosts at the same time, the pods of a host one after the other.
    pub(crate) async fn add_pods(&mut self, screen: &Screen) -> anyhow::Result<()> {
        screen.stage("pods get their network from tortie-cni", self.pods.len());
        let Self { programs, hosts, pods, datastore, .. } = self;
        let mut of_hosts: Vec<(&Host, Vec<&mut Pod>)> = hosts.iter().map(|host| (host, Vec::new())).collect();
        for pod in pods {
            let of_host = of_hosts.iter_mut().find(|(host, _)| host.name == pod.wanted.node);
            let (_, of_host) =
                of_host.ok_or_else(|| anyhow!("{} wants the host {}", pod.name(), pod.wanted.node))?;
            of_host.push(pod);
        }
        try_join_all(of_hosts.into_iter().map(async |(host, pods)| {
            for pod in pods {
                network::prepare(pod).await?;
                pod.add(programs, host, datastore).await?;
                pod.start(programs, &hosts::logs()).await?;
                screen.step();
            }
            anyhow::Ok(())
        }))
        .await?;
        Ok(())
    }
}
