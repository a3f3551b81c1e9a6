//! The agent's process.

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::host::{NODE, STORE};
use super::{Host, until};

/// Where it answers probes.
const HEALTH: &str = "127.0.0.1:9099";
/// How long an answer is waited for: one of a process that is stopped never comes.
const ANSWER: Duration = Duration::from_secs(5);

/// A running agent, killed when dropped; what it has logged is shown if the test fails.
pub(crate) struct Agent {
    child: Child,
    log: PathBuf,
}

impl Agent {
    /// Starts it on the host, which is the calling thread's namespace, with these options more.
    pub(crate) fn start_with(host: &Host, options: &[&str]) -> Self {
        let log = host.path("agent.log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tortie-agent"));
        command.env_clear().env("RUST_LOG", "info,tortie_agent=debug,tortie_datastore=debug");
        command.args(["run", "--node", NODE, "--health", HEALTH]);
        match &host.etcd {
            Some(endpoint) => command.env("ETCD_ENDPOINTS", endpoint),
            None => command.arg("--datastore").arg(host.path(STORE)),
        };
        let child = command
            .arg("--status-dir")
            .arg(host.path("status"))
            .arg("--log-file")
            .arg(&log)
            .args(options)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        Self { child, log }
    }

    pub(crate) fn start(host: &Host) -> Self {
        Self::start_with(host, &[])
    }

    /// Starts it, and waits until all its parts are ready; and how long that took.
    pub(crate) fn ready(host: &Host) -> (Self, Duration) {
        let agent = Self::start(host);
        let took = agent.wait_ready();
        (agent, took)
    }

    /// What it answers: status and body. None if it does not.
    pub(crate) fn ask(&self, path: &str) -> Option<(u16, String)> {
        let address: SocketAddr = HEALTH.parse().unwrap();
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(ANSWER)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }

    /// Waits until all its parts are ready.
    pub(crate) fn wait_ready(&self) -> Duration {
        until("the agent is ready", || self.ask("/readiness").is_some_and(|(status, _)| status == 200))
    }

    /// Waits until its datastore says something like this of itself.
    pub(crate) fn wait_told(&self, what: &str) {
        let took = until(what, || self.part("datastore").contains(what));
        println!("in {took:.1?}: {}", self.part("datastore"));
    }

    /// Waits until it follows the datastore.
    pub(crate) fn wait_followed(&self) {
        until("the datastore is followed", || self.part("datastore") == "ok");
    }

    /// What a part of it says of itself, such as `ok`.
    pub(crate) fn part(&self, name: &str) -> String {
        let body = self.ask("/readiness").unwrap_or_default().1;
        let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_default().to_owned()
    }

    /// A number that it counts.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let (_, body) = self.ask("/metrics").expect("the agent counts");
        let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.expect(name).parse().unwrap()
    }

    /// A line about its memory in `/proc/PID/status`, such as `VmHWM`, in KiB.
    pub(crate) fn memory(&self, name: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// SIGKILL, and the end of it.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// It does nothing until it may go on.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("the agent's log:\n{}", self.log());
        }
    }
}
