//! A real etcd of the test's own.
#![allow(dead_code, clippy::allow_attributes, reason = "each test crate uses its own part of this module")]

use core::time::Duration;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tortie_datastore::{Etcd, EtcdOptions};

/// Longer than a server takes to start, even on a busy machine.
const START: Duration = Duration::from_secs(30);

const LOOPBACK: &str = "127.0.0.1";

/// One member, in a folder of its own; killed, by its own process id, when dropped.
pub(crate) struct Server {
    child: Child,
    folder: tempfile::TempDir,
    address: String,
    ports: [u16; 2],
    scheme: &'static str,
    arguments: Vec<String>,
}

/// Whether there is an etcd on this machine; says so where there is none.
pub(crate) fn present() -> bool {
    let there = Command::new("etcd").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !there {
        println!("skipped: there is no `etcd` (Debian: etcd-server)");
    }
    there
}

/// A port that is free now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with("http", &[])
    }

    /// A server with more arguments.
    pub(crate) fn start_with(scheme: &'static str, arguments: &[&str]) -> Self {
        let mut folder = tempfile::tempdir().unwrap();
        let mut arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let begun = Instant::now();
        loop {
            // Somebody else may take a port before the server does; it then ends.
            let ports = [free_port(), free_port()];
            let child = run(folder.path(), LOOPBACK, ports, scheme, &arguments);
            let mut server = Self { child, folder, address: LOOPBACK.to_owned(), ports, scheme, arguments };
            if server.wait() {
                return server;
            }
            assert!(begun.elapsed() < START, "etcd does not start");
            (folder, arguments) = server.into_parts();
        }
    }

    /// A server at this address of the calling thread's namespace, where nobody else takes ports.
    pub(crate) fn start_at(address: &str, port: u16) -> Self {
        let (folder, ports) = (tempfile::tempdir().unwrap(), [port, free_port()]);
        let child = run(folder.path(), address, ports, "http", &[]);
        let address = address.to_owned();
        let mut server = Self { child, folder, address, ports, scheme: "http", arguments: Vec::new() };
        assert!(server.wait(), "etcd does not start");
        server
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("{}://{}:{}", self.scheme, self.address, self.ports[0])
    }

    pub(crate) fn port(&self) -> u16 {
        self.ports[0]
    }

    pub(crate) fn options(&self) -> EtcdOptions {
        EtcdOptions::new([self.endpoint()])
    }

    pub(crate) fn store(&self) -> Etcd {
        Etcd::new(&self.options()).unwrap()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts the same server again, after [`Server::kill`].
    pub(crate) fn restart(&mut self) {
        self.child = run(self.folder.path(), &self.address, self.ports, self.scheme, &self.arguments);
        assert!(self.wait(), "etcd does not start again");
    }

    /// Forgets everything, as one would whose disk was replaced; after [`Server::kill`].
    pub(crate) fn forget(&self) {
        std::fs::remove_dir_all(self.folder.path().join("data")).unwrap();
    }

    /// Waits until it answers; false if it has ended.
    fn wait(&mut self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < START {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            // Whether it would serve us, which may need certificates or a password, is another question.
            let ready = std::fs::read_to_string(self.folder.path().join("log"));
            if ready.is_ok_and(|log| log.contains("serving client traffic")) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("etcd is not ready");
    }

    fn into_parts(mut self) -> (tempfile::TempDir, Vec<String>) {
        let folder = core::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (folder, core::mem::take(&mut self.arguments))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(folder: &Path, address: &str, ports: [u16; 2], scheme: &str, arguments: &[String]) -> Child {
    let [client, peer] = ports;
    let client = format!("{scheme}://{address}:{client}");
    let peer = format!("http://{LOOPBACK}:{peer}");
    let log = std::fs::File::create(folder.join("log")).unwrap();
    Command::new("etcd")
        .args(["--name", "test", "--logger", "zap", "--data-dir"])
        .arg(folder.join("data"))
        .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", &format!("test={peer}")])
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}
