//! BGP's TCP connections, as the kernel of each host shows them.

use crate::cluster::Cluster;
use crate::garbage::BGP;
use crate::hosts::Host;
use anyhow::{Context as _, bail};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use tokio::time::{Instant, sleep};
use tortie_routes::netlink::NetNs;

/// How long the agents may take to connect.
const LIMIT: Duration = Duration::from_secs(20);
/// `TCP_ESTABLISHED`, as `/proc/net/tcp` writes it.
const ESTABLISHED: &str = "01";

/// An open connection whose one end is BGP's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    own: SocketAddr,
    pub(crate) peer: SocketAddr,
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} - {}", self.own, self.peer)
    }
}

/// The BGP connections of a host.
pub(crate) fn of(host: &Host) -> anyhow::Result<Vec<Connection>> {
    let read =
        || ["tcp", "tcp6"].map(|file| std::fs::read_to_string(format!("/proc/thread-self/net/{file}")));
    let mut found = Vec::new();
    for text in NetNs::open(&host.netns)?.run(read)? {
        found.extend(text?.lines().skip(1).filter_map(parse));
    }
    found.sort_by_key(|connection| (connection.peer, connection.own));
    Ok(found)
}

/// Reads a line of `/proc/net/tcp`: number, own end, peer, state.
fn parse(line: &str) -> Option<Connection> {
    let mut words = line.split_whitespace().skip(1);
    let (own, peer) = (end(words.next()?)?, end(words.next()?)?);
    let open = words.next()? == ESTABLISHED && (own.port() == BGP || peer.port() == BGP);
    open.then_some(Connection { own, peer })
}

/// Reads `0B001EAC:00B3`: words of the address as this machine keeps them, and the port.
fn end(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let mut bytes = Vec::with_capacity(16);
    for at in (0..address.len()).step_by(8) {
        bytes.extend(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    }
    let address = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        _ => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
    };
    Some(SocketAddr::new(address.to_canonical(), u16::from_str_radix(port, 16).ok()?))
}

/// One connection between every two hosts over each family, and one from each to BIRD over IPv4.
pub(crate) async fn claim(cluster: &Cluster) -> anyhow::Result<String> {
    let begun = Instant::now();
    loop {
        let mut wrong = Vec::new();
        let mut count = 0_usize;
        for host in &cluster.hosts {
            let others = cluster.hosts.iter().filter(|other| other.name != host.name);
            let others = others.flat_map(|other| [IpAddr::V4(other.v4), IpAddr::V6(other.v6)]);
            let router = cluster.bird.is_some().then_some(IpAddr::V4(cluster.router.v4));
            let mut wanted: Vec<_> = others.chain(router).collect();
            wanted.sort_unstable();
            let found = of(host).with_context(|| host.name.clone())?;
            let found: Vec<_> = found.into_iter().map(|connection| connection.peer.ip()).collect();
            if found != wanted {
                wrong.push(format!("{} has connections with {found:?}, not {wanted:?}", host.name));
            }
            count += found.len();
        }
        if wrong.is_empty() {
            return Ok(format!("{count} ends"));
        }
        if begun.elapsed() > LIMIT {
            bail!("{}", wrong.join("; "));
        }
        sleep(Duration::from_millis(200)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_the_kernel() {
        let open = "   3: 0B001EAC:00B3 0C001EAC:9C42 01 00000000:00000000 00:00000000 00000000     0        0 4711 1";
        let found = parse(open).unwrap();
        assert_eq!(found.to_string(), "172.30.0.11:179 - 172.30.0.12:40002");
        assert_eq!(parse(&open.replace(" 01 ", " 0A ")), None);
        assert_eq!(parse(&open.replace(":00B3", ":00B4")), None);
        let v6 = " 0: 000030FD000000000000000011000000:00B3 000030FD000000000000000012000000:9C42 01 x";
        let found = parse(v6).unwrap();
        assert_eq!(found.peer.ip(), "fd30::12".parse::<IpAddr>().unwrap());
    }
}
