//! Hosts: network namespaces on one bridge and subnet, with the agent in each.

use crate::inside;
use crate::programs::Programs;
use crate::world::{NETNS, WORK};
use anyhow::{Context as _, anyhow, bail};
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use rustix::process::{Pid, Signal};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Child;
use tokio::time::timeout;

/// Where each agent answers, in its own namespace.
const HEALTH: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 9099);
/// How long an agent may take to end after SIGTERM.
const TERM: Duration = Duration::from_secs(10);

/// The embedded datastore that all share.
pub(crate) fn datastore() -> PathBuf {
    Path::new(WORK).join("datastore.db")
}

/// The folder of all logs.
pub(crate) fn logs() -> PathBuf {
    Path::new(WORK).join("logs")
}

/// The router's namespace.
pub(crate) struct Router {
    pub(crate) netns: PathBuf,
    pub(crate) v4: Ipv4Addr,
    pub(crate) v6: Ipv6Addr,
    /// A second address, from which a bad peer speaks.
    pub(crate) stranger: Ipv4Addr,
}

impl Router {
    pub(crate) fn new() -> Self {
        Self {
            netns: Path::new(NETNS).join("router"),
            v4: Ipv4Addr::new(172, 30, 0, 1),
            v6: Ipv6Addr::new(0xfd00, 0x30, 0, 0, 0, 0, 0, 1),
            stranger: Ipv4Addr::new(172, 30, 0, 66),
        }
    }
}

/// A host: its namespace, its addresses, and its agent's process.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) netns: PathBuf,
    pub(crate) v4: Ipv4Addr,
    pub(crate) v6: Ipv6Addr,
    /// Where the agent says that an endpoint's policy is in place.
    pub(crate) status: PathBuf,
    agent: Option<Child>,
}

impl Host {
    /// The host `node-<number>`, with the addresses that the manifests give it.
    pub(crate) fn new(number: u8) -> Self {
        let name = format!("node-{number}");
        Self {
            netns: Path::new(NETNS).join(&name),
            v4: Ipv4Addr::new(172, 30, 0, 10 + number),
            // Written like the IPv4 address: node-1 is fd00:30::11.
            v6: Ipv6Addr::new(0xfd00, 0x30, 0, 0, 0, 0, 0, 0x10 + u16::from(number)),
            status: Path::new(WORK).join("status").join(&name),
            agent: None,
            name,
        }
    }

    /// Appends to a log of this host.
    pub(crate) fn note(&self, log: &str, text: &str) {
        let file = logs().join(format!("{log}-{}.log", self.name));
        let opened = std::fs::File::options().create(true).append(true).open(file);
        // A log that cannot be written is missed by nobody but the reader of a failure.
        let _full = opened.and_then(|mut file| writeln!(file, "{text}"));
    }

    /// Where the agent's process number is kept, for whoever looks inside.
    fn pid_file(&self) -> PathBuf {
        Path::new(WORK).join(format!("{}.pid", self.name))
    }

    /// Starts the agent.
    pub(crate) fn start_agent(&mut self, programs: &Programs) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.status)?;
        let output = std::fs::File::options()
            .create(true)
            .append(true)
            .open(logs().join(format!("agent-{}.err", self.name)))?;
        let child = programs
            .inside(&self.netns, &programs.agent)
            .args(["run", "--node", &self.name, "--datastore"])
            .arg(datastore())
            .arg("--status-dir")
            .arg(&self.status)
            .args(["--health", &format!("{}:{}", HEALTH.0, HEALTH.1), "--log-file"])
            .arg(logs().join(format!("agent-{}.log", self.name)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start the agent of {}", self.name))?;
        std::fs::write(self.pid_file(), format!("{}\n", child.id().unwrap_or_default()))?;
        self.agent = Some(child);
        Ok(())
    }

    /// The agent's exit, if it has ended.
    pub(crate) fn agent_ended(&mut self) -> anyhow::Result<Option<String>> {
        match self.agent.as_mut() {
            Some(agent) => Ok(agent.try_wait()?.map(|status| status.to_string())),
            None => Ok(Some("not started".to_owned())),
        }
    }

    /// Sends the agent a signal and waits for its end.
    pub(crate) async fn end_agent(&mut self, signal: Signal) -> anyhow::Result<()> {
        let mut agent = self.agent.take().ok_or_else(|| anyhow!("no agent runs on {}", self.name))?;
        let pid = agent.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let pid = pid.ok_or_else(|| anyhow!("the agent of {} has ended already", self.name))?;
        rustix::process::kill_process(pid, signal)?;
        let status = timeout(TERM, agent.wait()).await.map_err(|_| {
            anyhow!("the agent of {} did not end within {} s of {signal:?}", self.name, TERM.as_secs())
        })??;
        if signal == Signal::TERM && !status.success() {
            bail!("the agent of {} ended with {status} after SIGTERM", self.name);
        }
        Ok(())
    }

    /// Whether the agent calls itself ready; if not, what it says.
    pub(crate) async fn ready(&self) -> anyhow::Result<Result<(), String>> {
        let socket = inside::tcp(&self.netns)?;
        let asked = timeout(Duration::from_secs(2), async {
            let mut stream = socket.connect(HEALTH.into()).await?;
            stream.write_all(b"GET /readiness HTTP/1.0\r\nHost: localhost\r\n\r\n").await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        });
        Ok(match asked.await {
            Err(_) => Err("no answer".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Ok(Ok(answer)) => {
                let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
                let first = head.lines().next().unwrap_or_default();
                if first.split(' ').nth(1) == Some("200") {
                    Ok(())
                } else {
                    Err(format!("{first} {}", body.trim().replace('\n', "; ")))
                }
            }
        })
    }

    /// Waits until the agent is ready; says what it lacks when it takes longer than `limit`.
    pub(crate) async fn until_ready(&mut self, limit: Duration) -> anyhow::Result<()> {
        let begun = tokio::time::Instant::now();
        loop {
            let Err(lacking) = self.ready().await? else { return Ok(()) };
            if let Some(status) = self.agent_ended()? {
                bail!("the agent of {} has ended: {status}", self.name);
            }
            if begun.elapsed() > limit {
                bail!("the agent of {} is not ready after {} s: {lacking}", self.name, limit.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
