//! Pods: a network namespace each, networked by the CNI plugin as a runtime runs it.

use crate::hosts::Host;
use crate::probe::{Answer, Ask};
use crate::programs::{self, Programs};
use crate::world::NETNS;
use anyhow::{Context as _, anyhow, bail};
use core::net::IpAddr;
use core::time::Duration;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::Instant;

/// The network's name, in CNI's sense.
pub(crate) const NETWORK: &str = "tortie-demo";

/// How long the plugin may go on answering "try again".
const PATIENCE: Duration = Duration::from_secs(20);

/// One pod as `pods.json` wants it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) node: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// IPv4 pools by name, where not every pool will do.
    #[serde(default)]
    pools: Vec<String>,
}

/// Reads `pods.json`.
pub(crate) fn read(file: &Path) -> anyhow::Result<Vec<Wanted>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    serde_json::from_str(&text).with_context(|| file.display().to_string())
}

/// A process in some network namespace that answers questions on its standard input.
pub(crate) struct Prober {
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Prober {
    pub(crate) async fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(log).with_context(|| log.display().to_string())?)
            .spawn()
            .context("cannot start a pod's process")?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("a pod's process without pipes");
        };
        let mut prober = Self { stdin, stdout: BufReader::new(stdout).lines(), _child: child };
        match prober.answer().await? {
            Answer::Serving => Ok(prober),
            other => bail!("a pod's process began with {other:?}"),
        }
    }

    async fn answer(&mut self) -> anyhow::Result<Answer> {
        let line = self.stdout.next_line().await?.ok_or_else(|| anyhow!("a pod's process has ended"))?;
        serde_json::from_str(&line).context("a pod's answer")
    }

    /// Asks and waits for the answer.
    pub(crate) async fn ask(&mut self, ask: &Ask) -> anyhow::Result<Answer> {
        let mut line = serde_json::to_string(ask)?;
        line.push('\n');
        self.stdin.write_all(line.as_bytes()).await.context("a pod's process has ended")?;
        self.answer().await
    }
}

/// A pod, running or about to.
pub(crate) struct Pod {
    pub(crate) wanted: Wanted,
    container: String,
    pub(crate) netns: PathBuf,
    /// What the plugin reported: the name of the interface on the host.
    pub(crate) interface: String,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) prober: Option<Prober>,
}

impl Pod {
    pub(crate) fn new(wanted: Wanted) -> Self {
        let flat = format!("{}-{}", wanted.namespace, wanted.name);
        Self {
            // Runtimes name containers by 64 hexadecimal digits; any stable word does.
            container: format!(
                "{:0<64.64}",
                flat.bytes().map(|byte| format!("{byte:02x}")).collect::<String>()
            ),
            netns: Path::new(NETNS).join(flat),
            wanted,
            interface: String::new(),
            addresses: Vec::new(),
            prober: None,
        }
    }

    /// `<namespace>/<name>`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.wanted.namespace, self.wanted.name)
    }

    /// The address of a family, if it has one.
    pub(crate) fn address(&self, v6: bool) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|address| address.is_ipv6() == v6)
    }

    /// The plugin's configuration for this pod.
    fn configuration(&self, datastore: &Path, status: &Path) -> Value {
        let labels: Vec<_> =
            self.wanted.labels.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        let mut ipam = json!({"type": "tortie-ipam", "assign_ipv4": "true", "assign_ipv6": "true"});
        if let (false, Some(ipam)) = (self.wanted.pools.is_empty(), ipam.as_object_mut()) {
            ipam.insert("ipv4_pools".to_owned(), json!(self.wanted.pools));
        }
        json!({
            "cniVersion": "0.3.1",
            "name": NETWORK,
            "type": "tortie-cni",
            "nodename": self.wanted.node,
            "datastore": datastore,
            "ipam": ipam,
            "endpoint_status_dir": status,
            "args": {"cni": {"labels": labels}},
        })
    }

    /// The plugin as a runtime runs it: in the host's namespace, with CNI's environment.
    fn plugin(&self, programs: &Programs, host: &Host, verb: &str) -> Command {
        let mut command = programs.inside(&host.netns, &programs.cni);
        command
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", &self.container)
            .env("CNI_NETNS", &self.netns)
            .env("CNI_IFNAME", "eth0")
            .env(
                "CNI_ARGS",
                format!(
                    "IgnoreUnknown=1;K8S_POD_NAMESPACE={};K8S_POD_NAME={}",
                    self.wanted.namespace, self.wanted.name
                ),
            )
            .env("CNI_PATH", programs.cni.parent().unwrap_or_else(|| Path::new("/")));
        command
    }

    /// CNI ADD; takes interface and addresses from the result. Tries again while the plugin says so (code 11).
    pub(crate) async fn add(
        &mut self,
        programs: &Programs,
        host: &Host,
        datastore: &Path,
    ) -> anyhow::Result<()> {
        let input = self.configuration(datastore, &host.status).to_string();
        let begun = Instant::now();
        let out = loop {
            let ended = programs::run(&mut self.plugin(programs, host, "ADD"), &input).await?;
            host.note("cni", &format!("ADD {}\n{}{}", self.name(), ended.out, ended.err));
            let again = !ended.ok && error_code(&ended.out) == Some(11);
            if !again || begun.elapsed() > PATIENCE {
                break ended.out(&format!("CNI ADD for {}", self.name()))?;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        let result: Added = serde_json::from_str(&out).context("the result of CNI ADD")?;
        self.addresses =
            result.ips.iter().filter_map(|ip| ip.address.split('/').next()?.parse().ok()).collect();
        self.interface =
            result.interfaces.first().map(|interface| interface.name.clone()).unwrap_or_default();
        if self.address(false).is_none() || self.address(true).is_none() {
            bail!("CNI ADD for {} gave no address of some family: {out}", self.name());
        }
        Ok(())
    }

    /// CNI DEL.
    pub(crate) async fn delete(
        &self,
        programs: &Programs,
        host: &Host,
        datastore: &Path,
    ) -> anyhow::Result<()> {
        let input = self.configuration(datastore, &host.status).to_string();
        let ended = programs::run(&mut self.plugin(programs, host, "DEL"), &input).await?;
        host.note("cni", &format!("DEL {}\n{}{}", self.name(), ended.out, ended.err));
        ended.out(&format!("CNI DEL for {}", self.name())).map(|_| ())
    }

    /// CNI ADD with `input` in place of a configuration; the code of the error that the plugin printed.
    pub(crate) async fn refused(&self, programs: &Programs, host: &Host, input: &str) -> anyhow::Result<u64> {
        let ended = programs::run(&mut self.plugin(programs, host, "ADD"), input).await?;
        if ended.ok {
            bail!("the plugin accepted it: {}", ended.out.trim());
        }
        error_code(&ended.out)
            .ok_or_else(|| anyhow!("no error object on standard output, but `{}`", ended.out.trim()))
    }

    /// Starts the pod's process.
    pub(crate) async fn start(&mut self, programs: &Programs, logs: &Path) -> anyhow::Result<()> {
        let log = logs.join(format!("pod-{}-{}.log", self.wanted.namespace, self.wanted.name));
        self.prober = Some(Prober::start(programs.pod(&self.netns, &self.name()), &log).await?);
        Ok(())
    }

    /// Asks the pod's process.
    pub(crate) async fn ask(&mut self, ask: &Ask) -> anyhow::Result<Answer> {
        let name = self.name();
        let prober = self.prober.as_mut().ok_or_else(|| anyhow!("{name} does not run"))?;
        prober.ask(ask).await.context(name)
    }
}

/// The part of a CNI result that is of use here.
#[derive(Deserialize)]
struct Added {
    interfaces: Vec<AddedInterface>,
    ips: Vec<AddedAddress>,
}

#[derive(Deserialize)]
struct AddedInterface {
    name: String,
}

#[derive(Deserialize)]
struct AddedAddress {
    address: String,
}

/// The code of a CNI error object.
fn error_code(out: &str) -> Option<u64> {
    serde_json::from_str::<Value>(out).ok()?.get("code")?.as_u64()
}
