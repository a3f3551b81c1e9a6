//! What the demo asks of a pod's process, and how one connection is tried.
//!
//! A server answers each line (TCP) or datagram (UDP) with `<what came> <its name> <the address it came from>`, so that the
//! asker learns who answered and whether its own address arrived untouched.

use anyhow::{Context as _, bail};
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// The port on which every pod serves both protocols.
pub(crate) const PORT: u16 = 8080;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

/// One thing to connect to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) protocol: Protocol,
    pub(crate) address: IpAddr,
    /// The name that must answer.
    pub(crate) name: String,
}

impl Target {
    pub(crate) fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, PORT)
    }
}

/// What came of one probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// The right pod answered, and saw our own address.
    Open,
    /// Nobody answered in time, or the connection was refused.
    Closed,
    /// Somebody answered, but not as it must be.
    Wrong(String),
}

/// One line on a pod's standard input.
#[derive(Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Try these once each, all at the same time.
    Probe { targets: Vec<Target>, patience_ms: u64 },
    /// Begin to exchange numbered messages with these, one every `every_ms`.
    Start { targets: Vec<Target>, every_ms: u64 },
    /// End that, and say how it went.
    Stop,
}

/// One line on a pod's standard output, for each line on standard input.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// Once, at the beginning: it serves.
    Serving,
    Outcomes(Vec<Outcome>),
    Started,
    Tallies(Vec<Tally>),
}

/// How one continuous flow went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) target: Target,
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    /// The longest time between a message and its answer.
    pub(crate) slowest_ms: u64,
    /// When the first unanswered messages were sent, in milliseconds since the flow began.
    pub(crate) unanswered_ms: Vec<u64>,
    /// Why the flow ended early.
    pub(crate) broken: Option<String>,
}

impl Tally {
    pub(crate) fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.answered)
    }
}

/// Tries one target.
pub(crate) async fn probe(target: &Target, patience: Duration) -> Outcome {
    let tried = timeout(patience, async {
        match target.protocol {
            Protocol::Tcp => tcp(target).await,
            Protocol::Udp => udp(target).await,
        }
    });
    match tried.await {
        Ok(Ok(())) => Outcome::Open,
        Ok(Err(error)) if error.is::<Stranger>() => Outcome::Wrong(format!("{error}")),
        Ok(Err(_)) | Err(_) => Outcome::Closed,
    }
}

/// An answer that is not what it must be.
#[derive(Debug)]
struct Stranger(String);

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Stranger {}

/// The answer that `target` must give to `word` sent from `own`.
fn wanted(word: &str, target: &Target, own: SocketAddr) -> String {
    reply(word, &target.name, own)
}

/// What a server named `name` answers to `word` that came from `peer`.
pub(crate) fn reply(word: &str, name: &str, peer: SocketAddr) -> String {
    format!("{word} {name} {}", SocketAddr::new(peer.ip().to_canonical(), peer.port()))
}

async fn tcp(target: &Target) -> anyhow::Result<()> {
    let stream = TcpStream::connect(target.socket()).await?;
    let want = wanted("hello", target, stream.local_addr()?);
    let mut stream = BufReader::new(stream);
    stream.write_all(b"hello\n").await?;
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    compare(line.trim_end(), &want)
}

async fn udp(target: &Target) -> anyhow::Result<()> {
    let socket = udp_to(target).await?;
    let want = wanted("hello", target, socket.local_addr()?);
    let mut buffer = [0; 512];
    loop {
        socket.send(b"hello").await?;
        // The first packet may be lost to address resolution: send again, until the caller's patience ends.
        if let Ok(received) = timeout(Duration::from_millis(150), socket.recv(&mut buffer)).await {
            let answer = buffer.get(..received?).unwrap_or_default();
            return compare(&String::from_utf8_lossy(answer), &want);
        }
    }
}

fn compare(found: &str, want: &str) -> anyhow::Result<()> {
    if found.is_empty() {
        bail!("closed without an answer");
    }
    if found != want {
        return Err(Stranger(format!("answered `{found}`, not `{want}`")).into());
    }
    Ok(())
}

/// A UDP socket connected to the target.
pub(crate) async fn udp_to(target: &Target) -> anyhow::Result<UdpSocket> {
    let any: IpAddr = match target.address {
        IpAddr::V4(_) => core::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => core::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(target.socket()).await.context("connect")?;
    Ok(socket)
}
