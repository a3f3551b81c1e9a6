//! The command line.

use anyhow::Context as _;
use core::net::SocketAddr;
use std::path::PathBuf;
use tortie_datastore::resource::FelixSettings;
use tortie_datastore::{Datastore, Location};
use tortie_policy::HostAction;

/// The reference agent: policy, routes and BGP of one host
#[derive(clap::Parser)]
#[command(name = "tortie-agent", version)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(clap::Subcommand)]
pub(crate) enum Verb {
    /// Keeps this host's policy, routes and BGP sessions as the datastore wants them
    Run(Run),
    /// Releases this host's address blocks, and removes its routes and its table
    Uninstall(Host),
}

/// Which host this is, and where the cluster's state is.
#[derive(clap::Args, Clone)]
pub(crate) struct Host {
    /// The name of this host's Node
    #[arg(long, env = "NODENAME")]
    pub(crate) node: String,
    /// The datastore's file; without it, ETCD_ENDPOINTS and the like say where etcd is
    #[arg(long, env = "TORTIE_DATASTORE")]
    pub(crate) datastore: Option<PathBuf>,
    /// Interfaces whose names begin so belong to workloads [default: `interfacePrefix` of the FelixConfiguration, or cali]
    #[arg(long)]
    pub(crate) interface_prefix: Option<String>,
}

impl Host {
    /// What it says of the host.
    ///
    /// # Errors
    /// The prefix cannot begin a name.
    pub(crate) fn settings(&self) -> anyhow::Result<FelixSettings> {
        let mut settings = FelixSettings::default();
        let prefix = self.interface_prefix.as_deref().unwrap_or_default();
        if let Some(Err(error)) = settings.set("interfacePrefix", prefix) {
            anyhow::bail!("--interface-prefix: {error}");
        }
        Ok(settings)
    }

    /// Where options and environment say that the datastore is.
    pub(crate) fn location(&self) -> anyhow::Result<Location> {
        Ok(Location::from_env(self.datastore.as_deref())?)
    }

    /// Opens the datastore that options and environment name.
    pub(crate) fn open(&self) -> anyhow::Result<Datastore> {
        let location = self.location()?;
        location.open_existing().with_context(|| format!("cannot open {location}"))
    }
}

#[derive(clap::Args, Clone)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) host: Host,
    /// Make the datastore's file if there is none, and no policy in force here: for the first agent of a cluster
    #[arg(long)]
    pub(crate) create_datastore: bool,
    /// Where the plugin looks for the acknowledgement of an endpoint
    #[arg(long, default_value = "/var/run/calico/endpoint-status")]
    pub(crate) status_dir: PathBuf,
    /// Where /liveness and /readiness are served
    #[arg(long, default_value = "127.0.0.1:9099")]
    pub(crate) health: SocketAddr,
    /// Log to this file instead of standard error
    #[arg(long)]
    pub(crate) log_file: Option<PathBuf>,
    /// What becomes of packets from a pod to its own host that policy allows. This and what follows comes before what the
    /// environment (FELIX_...) says, and that before the FelixConfiguration of this node and the default one
    #[arg(long, value_enum)]
    pub(crate) endpoint_to_host: Option<ToHost>,
    /// The UDP port that VXLAN uses here
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) vxlan_port: Option<u16>,
    /// Pods may send VXLAN packets that policy allows
    #[arg(long)]
    pub(crate) allow_vxlan_from_pods: bool,
    /// Pods may send IP in IP packets that policy allows
    #[arg(long)]
    pub(crate) allow_ipip_from_pods: bool,
    /// What becomes of connections that are there when policy changes
    #[arg(long, value_enum, default_value_t = Established::Keep)]
    pub(crate) established: Established,
}

impl Run {
    /// What it says of the host.
    pub(crate) fn settings(&self) -> FelixSettings {
        let to_host = |to_host| match to_host {
            ToHost::Drop => HostAction::Drop,
            ToHost::Accept => HostAction::Accept,
            ToHost::Return => HostAction::Return,
        };
        FelixSettings {
            endpoint_to_host: self.endpoint_to_host.map(to_host),
            vxlan_port: self.vxlan_port,
            allow_vxlan: self.allow_vxlan_from_pods.then_some(true),
            allow_ipip: self.allow_ipip_from_pods.then_some(true),
            ..FelixSettings::default()
        }
    }
}

/// Whether a change of policy speaks of connections that are there.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Established {
    /// They go on
    Keep,
    /// Those that policy would not accept now are cut
    ReEvaluate,
}

/// `defaultEndpointToHostAction`.
#[derive(clap::ValueEnum, Clone, Copy)]
pub(crate) enum ToHost {
    Drop,
    Accept,
    Return,
}
