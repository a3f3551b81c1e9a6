//! A pod's process: serves TCP and UDP, and probes others when asked.

use crate::flow::Flow;
use crate::probe::{self, Answer, Ask, PORT, reply};
use anyhow::{Context as _, bail};
use core::net::Ipv6Addr;
use core::time::Duration;
use std::rc::Rc;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{JoinSet, LocalSet};

/// Lives until standard input ends.
pub(crate) async fn live(name: &str) -> anyhow::Result<()> {
    // One socket for both families: unless the system says otherwise, `::` takes IPv4 as well.
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, PORT)).await.context("TCP")?;
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, PORT)).await.context("UDP")?;
    let name: Rc<str> = name.into();
    let tasks = LocalSet::new();
    tasks.spawn_local(serve_tcp(listener, Rc::clone(&name)));
    tasks.spawn_local(serve_udp(socket, name));
    tasks.run_until(obey()).await
}

async fn serve_tcp(listener: TcpListener, name: Rc<str>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::task::spawn_local(echo(stream, Rc::clone(&name)))),
            // Out of descriptors, perhaps: wait for some to close.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn echo(stream: TcpStream, name: Rc<str>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let peer = stream.peer_addr()?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        stream.write_all(format!("{}\n", reply(line.trim_end(), &name, peer)).as_bytes()).await?;
        line.clear();
    }
    Ok(())
}

async fn serve_udp(socket: UdpSocket, name: Rc<str>) {
    let mut buffer = [0; 512];
    loop {
        // An error belongs to an earlier answer that was refused.
        if let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let word = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
            let _refused = socket.send_to(reply(&word, &name, peer).as_bytes(), peer).await;
        }
    }
}

/// Reads questions and answers them, one after the other.
async fn obey() -> anyhow::Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut flows: Vec<Flow> = Vec::new();
    say(&Answer::Serving).await?;
    while let Some(line) = lines.next_line().await? {
        let answer = match serde_json::from_str(&line)? {
            Ask::Probe { targets, patience_ms } => {
                let patience = Duration::from_millis(patience_ms);
                let mut tried = JoinSet::new();
                for (index, target) in targets.into_iter().enumerate() {
                    tried.spawn_local(async move { (index, probe::probe(&target, patience).await) });
                }
                let mut outcomes = tried.join_all().await;
                outcomes.sort_by_key(|(index, _)| *index);
                Answer::Outcomes(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
            }
            Ask::Start { targets, every_ms } => {
                if !flows.is_empty() {
                    bail!("flows are running already");
                }
                flows.extend(
                    targets.into_iter().map(|target| Flow::start(target, Duration::from_millis(every_ms))),
                );
                Answer::Started
            }
            Ask::Stop => {
                flows.iter().for_each(Flow::stop);
                let mut tallies = Vec::with_capacity(flows.len());
                for flow in flows.drain(..) {
                    tallies.push(flow.end().await?);
                }
                Answer::Tallies(tallies)
            }
        };
        say(&answer).await?;
    }
    Ok(())
}

async fn say(answer: &Answer) -> anyhow::Result<()> {
    let mut line = serde_json::to_string(answer)?;
    line.push('\n');
    let mut out = tokio::io::stdout();
    out.write_all(line.as_bytes()).await?;
    out.flush().await?;
    Ok(())
}
