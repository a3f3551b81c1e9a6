//! `policy explain`: what policy says about a connection, and why.

use core::net::IpAddr;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use tortie_datastore::Datastore;
use tortie_datastore::convert::PolicyState;
use tortie_datastore::resource::{Resource, WorkloadEndpointSpec};
use tortie_policy::model::Protocol;
use tortie_policy::{Flow, Transport, evaluate};

/// An ephemeral port, as clients use.
const SOURCE_PORT: u16 = 49152;
/// The type of an echo request: ICMP, ICMPv6.
const ECHO_REQUEST: (u8, u8) = (8, 128);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Who connects: `<namespace>/<pod>`, or an address.
    #[arg(long, value_name = "NS/POD|IP")]
    from: String,
    /// To whom: `<namespace>/<pod>`, or an address.
    #[arg(long, value_name = "NS/POD|IP")]
    to: String,
    /// `tcp`, `udp`, `sctp`, `icmp` (an echo request, of either version), or a number.
    #[arg(long, default_value = "tcp")]
    protocol: String,
    /// The port to which; for TCP, UDP and SCTP.
    #[arg(long)]
    port: Option<u16>,
    /// The port from which.
    #[arg(long, default_value_t = SOURCE_PORT)]
    source_port: u16,
}

pub(crate) async fn run(store: &Datastore, arguments: &Arguments) -> Result<ExitCode> {
    let (state, faults, _revision) = PolicyState::load(store).await?;
    for fault in &faults {
        eprintln!("warning: {fault}");
    }
    let from = addresses(&state, &arguments.from).context("--from")?;
    let to = addresses(&state, &arguments.to).context("--to")?;
    let mut asked = false;
    for source in &from {
        for destination in to.iter().filter(|destination| destination.is_ipv4() == source.is_ipv4()) {
            let transport = transport(arguments, source.is_ipv4())?;
            say!("{}\n", evaluate(state.inputs(), &Flow::new(*source, *destination, transport)));
            asked = true;
        }
    }
    ensure!(asked, "{} and {} have no address family in common", arguments.from, arguments.to);
    Ok(ExitCode::SUCCESS)
}

fn transport(arguments: &Arguments, is_ipv4: bool) -> Result<Transport> {
    let name = arguments.protocol.to_ascii_lowercase();
    let number = match name.as_str() {
        "tcp" => Protocol::TCP,
        "udp" => Protocol::UDP,
        "sctp" => Protocol::SCTP,
        "icmp" | "icmpv6" => {
            let kind = if is_ipv4 { ECHO_REQUEST.0 } else { ECHO_REQUEST.1 };
            return Ok(Transport::Icmp { kind, code: 0 });
        }
        other => other.parse().with_context(|| format!("`{other}` is no protocol"))?,
    };
    let source_port = arguments.source_port;
    let port = arguments.port.with_context(|| format!("{name} needs --port"));
    Ok(match number {
        Protocol::TCP => Transport::Tcp { source_port, destination_port: port? },
        Protocol::UDP => Transport::Udp { source_port, destination_port: port? },
        Protocol::SCTP => Transport::Sctp { source_port, destination_port: port? },
        number => Transport::Other(number),
    })
}

/// The addresses that a word of the command line means.
fn addresses(state: &PolicyState, word: &str) -> Result<Vec<IpAddr>> {
    if let Ok(address) = word.parse::<IpAddr>() {
        return Ok(vec![address.to_canonical()]);
    }
    let Some((namespace, pod)) = word.split_once('/') else {
        bail!("`{word}` is neither an address nor <namespace>/<pod>");
    };
    let is_meant = |object: &Resource<WorkloadEndpointSpec>| {
        let spec = &object.spec;
        let names = [&spec.pod, &spec.workload, &spec.container_id, &object.metadata.name];
        object.metadata.namespace.as_deref() == Some(namespace) && names.into_iter().any(|name| name == pod)
    };
    let found: Vec<IpAddr> = state
        .workloads()
        .values()
        .filter(|object| is_meant(object))
        .flat_map(|o| o.spec.addresses())
        .collect();
    ensure!(!found.is_empty(), "there is no endpoint of a pod {pod} with addresses in namespace {namespace}");
    Ok(found)
}
