//! `--keep`: the cluster stays up, and the reader is told how to look inside.

use crate::cluster::Cluster;
use crate::screen::Screen;
use crate::world::{NETNS, WORK};
use core::convert::Infallible;
use core::fmt::Write as _;
use core::time::Duration;
use tokio::time::sleep;

/// How often agents are looked after.
const EVERY: Duration = Duration::from_millis(500);
/// How long a dead agent stays dead, so that one can look at what it left.
const AWAY: Duration = Duration::from_secs(5);

/// Stays until the user interrupts the program, which ends everything. Agents that end are started again.
pub(crate) async fn up(screen: &Screen, cluster: &mut Cluster, pid: u32) -> anyhow::Result<Infallible> {
    screen.line(&guide(cluster, pid)?);
    loop {
        sleep(EVERY).await;
        for host in &mut cluster.hosts {
            if let Some(status) = host.agent_ended()? {
                let name = host.name.clone();
                screen.line(&format!(
                    "the agent of {name} ended ({status}); it is started again in {} s",
                    AWAY.as_secs()
                ));
                sleep(AWAY).await;
                host.start_agent(&cluster.programs)?;
                screen.line(&format!("the agent of {name} is started again"));
            }
        }
    }
}

/// How to look inside.
fn guide(cluster: &Cluster, pid: u32) -> anyhow::Result<String> {
    let enter = format!("nsenter -t {pid} -U -m -p --preserve-credentials");
    let inside = |netns: &str| format!("{enter} --net=/proc/{pid}/root{NETNS}/{netns}");
    let mut text = String::from("\nThe cluster stays up until Ctrl-C. Its first process is number ");
    writeln!(text, "{pid}.\n")?;
    writeln!(text, "a host:     {}", inside("node-1"))?;
    writeln!(text, "the router: {}", inside("router"))?;
    if let Some(pod) = cluster.pods.first() {
        writeln!(
            text,
            "a pod:      {}",
            inside(&pod.netns.file_name().unwrap_or_default().to_string_lossy())
        )?;
    }
    writeln!(
        text,
        "the datastore:\n  {enter} {} --datastore {} get nodes",
        cluster.programs.ctl.display(),
        cluster.datastore.display()
    )?;
    writeln!(text, "killing an agent:\n  {enter} sh -c 'kill -9 $(cat {WORK}/node-1.pid)'")?;
    if cluster.bird.is_some() {
        writeln!(text, "what BIRD knows:\n  {enter} birdc -s {WORK}/bird.ctl show route")?;
    }
    writeln!(text, "logs:       /proc/{pid}/root{WORK}/logs")?;
    writeln!(text, "namespaces: /proc/{pid}/root{NETNS}\n")?;
    for pod in &cluster.pods {
        let addresses: Vec<_> = pod.addresses.iter().map(ToString::to_string).collect();
        let netns = pod.netns.file_name().unwrap_or_default().to_string_lossy();
        writeln!(text, "{:28} {:8} {:36} {netns}", pod.name(), pod.wanted.node, addresses.join(" "))?;
    }
    Ok(text)
}
