//! The router: a namespace with BIRD 2, one eBGP neighbour per host, which learns and exports nothing.

use crate::hosts::{Host, Router};
use crate::programs::{self, Programs};
use crate::world::WORK;
use anyhow::{Context as _, anyhow, bail};
use core::fmt::Write as _;
use core::time::Duration;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tokio::process::Child;
use tokio::time::{Instant, sleep};

/// The hosts' AS number, as the manifests' BGPConfiguration says.
const HOSTS_AS: u32 = 64512;
/// The router's.
const ROUTER_AS: u32 = 64513;
/// How long BIRD may take to learn or forget routes.
const LIMIT: Duration = Duration::from_secs(20);

/// A running BIRD.
pub(crate) struct Bird {
    client: PathBuf,
    socket: PathBuf,
    netns: PathBuf,
    _child: Child,
}

/// BIRD's name for the neighbour.
pub(crate) fn protocol(host: &str) -> String {
    host.replace('-', "_")
}

fn configuration(router: &Router, hosts: &[Host], log: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    writeln!(text, "log \"{}\" all;", log.display())?;
    writeln!(text, "router id {};", router.v4)?;
    writeln!(text, "protocol device {{ scan time 2; }}")?;
    writeln!(
        text,
        "template bgp host {{\n  local {} as {ROUTER_AS};\n  strict bind yes;\n  connect delay time 1;\n  connect retry time 2;\n  \
         error wait time 1, 4;\n  ipv4 {{ import all; export none; }};\n  ipv6 {{ import all; export none; }};\n}}",
        router.v4
    )?;
    for host in hosts {
        writeln!(
            text,
            "protocol bgp {} from host {{ neighbor {} as {HOSTS_AS}; }}",
            protocol(&host.name),
            host.v4
        )?;
    }
    Ok(text)
}

impl Bird {
    /// Writes the configuration and starts BIRD in the router's namespace.
    pub(crate) fn start(
        program: &Path,
        programs: &Programs,
        router: &Router,
        hosts: &[Host],
    ) -> anyhow::Result<Self> {
        let work = Path::new(WORK);
        let (file, socket, log) = (work.join("bird.conf"), work.join("bird.ctl"), work.join("logs/bird.log"));
        std::fs::write(&file, configuration(router, hosts, &log)?).context("bird.conf")?;
        let output = std::fs::File::create(work.join("logs/bird.err"))?;
        let child = programs
            .inside(&router.netns, program)
            .arg("-f")
            .arg("-c")
            .arg(&file)
            .arg("-s")
            .arg(&socket)
            .arg("-P")
            .arg(work.join("bird.pid"))
            .stdin(std::process::Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("cannot start BIRD")?;
        let client = program.with_file_name("birdc");
        Ok(Self { client, socket, netns: router.netns.clone(), _child: child })
    }

    async fn ask(&self, programs: &Programs, question: &[&str]) -> anyhow::Result<String> {
        let mut command = programs.inside(&self.netns, &self.client);
        command.arg("-s").arg(&self.socket).args(question);
        programs::run(&mut command, "").await?.out("birdc")
    }

    /// What BIRD knows now.
    pub(crate) async fn routes(&self, programs: &Programs) -> anyhow::Result<Routes> {
        Ok(Routes::parse(&self.ask(programs, &["show", "route"]).await?))
    }

    /// An error unless the session with a host is established.
    pub(crate) async fn established(&self, programs: &Programs, host: &str) -> anyhow::Result<()> {
        let name = protocol(host);
        let text = self.ask(programs, &["show", "protocols", &name]).await?;
        let line = text
            .lines()
            .find(|line| line.starts_with(&name))
            .ok_or_else(|| anyhow!("BIRD knows no {name}"))?;
        match line.split_whitespace().next_back() {
            Some("Established") => Ok(()),
            _ => Err(anyhow!("BIRD's session with {host} is not established: {line}")),
        }
    }
}

/// Destinations, and the neighbours that announce them.
#[derive(Debug, Default)]
pub(crate) struct Routes(BTreeMap<IpNet, BTreeSet<String>>);

impl Routes {
    /// Reads `birdc show route`: a line for each route, which begins with spaces when the destination is that of the line
    /// before, and names the neighbour in brackets.
    fn parse(text: &str) -> Self {
        let mut routes = Self::default();
        let mut destination = None;
        for line in text.lines() {
            let Some((before, after)) = line.split_once('[') else { continue };
            if let Some(net) = before.split_whitespace().next().and_then(|word| word.parse().ok()) {
                destination = Some(net);
            }
            let neighbour = after.split([' ', ']']).next().unwrap_or_default();
            if let Some(destination) = destination {
                routes.0.entry(destination).or_default().insert(neighbour.to_owned());
            }
        }
        routes
    }

    /// Whether a host announces a destination.
    pub(crate) fn has(&self, destination: IpNet, host: &str) -> bool {
        self.0.get(&destination).is_some_and(|neighbours| neighbours.contains(&protocol(host)))
    }

    /// Whether anybody announces a destination.
    pub(crate) fn knows(&self, destination: IpNet) -> bool {
        self.0.contains_key(&destination)
    }

    /// What a host announces.
    pub(crate) fn of(&self, host: &str) -> Vec<IpNet> {
        self.0.keys().copied().filter(|net| self.has(*net, host)).collect()
    }

    /// All destinations.
    pub(crate) fn all(&self) -> impl Iterator<Item = IpNet> {
        self.0.keys().copied()
    }
}

/// Asks BIRD until `wrong` finds nothing wrong with its routes; returns them, or what is wrong in the end.
pub(crate) async fn until(
    bird: &Bird,
    programs: &Programs,
    wrong: impl Fn(&Routes) -> Vec<String>,
) -> anyhow::Result<Routes> {
    let begun = Instant::now();
    loop {
        let routes = bird.routes(programs).await?;
        let found = wrong(&routes);
        if found.is_empty() {
            return Ok(routes);
        }
        if begun.elapsed() > LIMIT {
            bail!("{}", found.join(", "));
        }
        sleep(Duration::from_millis(250)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_as_birdc_prints_them() {
        let routes = Routes::parse(
            "BIRD 2.17.1 ready.\nTable master4:\n\
             10.65.0.0/26         unicast [node_1 12:00:01.000] * (100) [AS64512i]\n\tvia 172.30.0.11 on eth0\n\
             \x20                    unicast [node_2 12:00:02.000] (100) [AS64512i]\n\tvia 172.30.0.11 on eth0\n\
             Table master6:\nfd00:65::/122        unicast [node_1 12:00:01.000] * (100) [AS64512i]\n\tvia fd00:30::11 on eth0\n",
        );
        let (v4, v6) = ("10.65.0.0/26".parse().unwrap(), "fd00:65::/122".parse().unwrap());
        assert!(routes.has(v4, "node-1") && routes.has(v4, "node-2") && !routes.has(v4, "node-3"));
        assert_eq!(routes.of("node-1"), [v4, v6]);
        assert_eq!(routes.of("node-2"), [v4]);
        assert_eq!(routes.all().count(), 2);
    }
}
