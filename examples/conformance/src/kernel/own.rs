//! What the host itself sends and receives.

use core::net::{IpAddr, SocketAddr};
use core::num::NonZeroU32;
use std::collections::HashSet;
use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recvfrom, sendto,
    socket_with,
};
use tortie_policy::Flow;
use tortie_policy::model::Protocol as Number;

use super::frame::{self, Identity};

/// Protocols that are sent and received; the two of ICMP are one.
const PROTOCOLS: [u8; 7] = [Number::TCP, Number::UDP, Number::SCTP, Number::ICMP, 253, 4, 47];
/// Longest packet that is looked at, in octets.
const LONGEST: usize = 256;

/// Sockets for packets of one protocol at one address each.
#[derive(Debug)]
pub(super) struct Own(Vec<(IpAddr, u8, OwnedFd)>);

impl Own {
    /// Opens them at these addresses.
    pub(super) fn open(addresses: &[IpAddr]) -> Result<Self> {
        let mut sockets = Vec::new();
        for address in addresses {
            for protocol in PROTOCOLS {
                let (family, protocol) = match address {
                    IpAddr::V4(_) => (AddressFamily::INET, protocol),
                    IpAddr::V6(_) if protocol == Number::ICMP => (AddressFamily::INET6, Number::ICMPV6),
                    IpAddr::V6(_) => (AddressFamily::INET6, protocol),
                };
                let number = NonZeroU32::new(protocol.into()).map(Protocol::from_raw);
                let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
                let socket = socket_with(family, SocketType::RAW, flags, number)
                    .with_context(|| format!("cannot open a raw socket for protocol {protocol}"))?;
                bind(&socket, &SocketAddr::new(*address, 0))
                    .with_context(|| format!("cannot bind a raw socket to {address}"))?;
                sockets.push((*address, protocol, socket));
            }
        }
        Ok(Self(sockets))
    }

    /// Whether this is an address of the host.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|(own, ..)| *own == address)
    }

    /// Sends the first packet of a flow from the host.
    pub(super) fn send(&self, flow: &Flow) -> Result<()> {
        let socket =
            self.0.iter().find(|(own, protocol, _)| (*own, *protocol) == (flow.source, flow.protocol()));
        let (_, _, socket) = socket.with_context(|| format!("{flow}: the host cannot send this"))?;
        let to = SocketAddr::new(flow.destination, 0);
        match sendto(socket, &frame::payload(flow), SendFlags::empty(), &to) {
            // So it says that it has dropped it.
            Ok(_) | Err(Errno::PERM) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("cannot send {flow}")),
        }
    }

    /// What has arrived.
    pub(super) fn collect(&self, found: &mut HashSet<Identity>) -> Result<()> {
        for (own, protocol, socket) in &self.0 {
            let mut packet = [0; LONGEST];
            loop {
                let (len, source) = match recvfrom(socket, packet.as_mut_slice(), RecvFlags::TRUNC) {
                    Ok((_, len, source)) => (len.min(LONGEST), source),
                    Err(Errno::AGAIN) => break,
                    Err(error) => return Err(error).context("cannot receive a packet"),
                };
                let packet = packet.get(..len).unwrap_or_default();
                let source = source.and_then(|source| SocketAddr::try_from(source).ok());
                // With the header in one family, without it in the other.
                found.extend(match source {
                    Some(source) if own.is_ipv6() => Identity::new(source.ip(), *own, *protocol, packet),
                    _ => Identity::ipv4(packet),
                });
            }
        }
        Ok(())
    }
}
