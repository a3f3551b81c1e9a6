//! The first packet of a connection, as policy sees it.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use crate::model::Protocol;

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// A TCP segment.
    Tcp {
        /// Port of the sender.
        source_port: u16,
        /// Port of the receiver.
        destination_port: u16,
    },
    /// A UDP datagram.
    Udp {
        /// Port of the sender.
        source_port: u16,
        /// Port of the receiver.
        destination_port: u16,
    },
    /// An SCTP packet.
    Sctp {
        /// Port of the sender.
        source_port: u16,
        /// Port of the receiver.
        destination_port: u16,
    },
    /// A message of the ICMP that belongs to the family of the addresses.
    Icmp {
        /// Type of the message.
        kind: u8,
        /// Code of the message.
        code: u8,
    },
    /// Another protocol, by number. One of those above by its number has neither ports nor type here.
    Other(u8),
}

/// First packet of a connection: what policy is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers write as literals")]
pub struct Flow {
    /// Address of the sender.
    pub source: IpAddr,
    /// Address of the receiver, after any translation of it.
    pub destination: IpAddr,
    /// What the packet carries.
    pub transport: Transport,
    /// Whether a process of the receiver's own host sends it; such a packet is not policed at the receiver.
    pub from_host: bool,
}

impl Flow {
    /// A TCP connection.
    #[must_use]
    pub const fn tcp(source: SocketAddr, destination: SocketAddr) -> Self {
        let (source_port, destination_port) = (source.port(), destination.port());
        Self::new(source.ip(), destination.ip(), Transport::Tcp { source_port, destination_port })
    }

    /// A UDP datagram.
    #[must_use]
    pub const fn udp(source: SocketAddr, destination: SocketAddr) -> Self {
        let (source_port, destination_port) = (source.port(), destination.port());
        Self::new(source.ip(), destination.ip(), Transport::Udp { source_port, destination_port })
    }

    /// A packet between workloads, or between a workload and the world outside of its host.
    #[must_use]
    pub const fn new(source: IpAddr, destination: IpAddr, transport: Transport) -> Self {
        Self { source, destination, transport, from_host: false }
    }

    /// The same flow with addresses in their plainest form: an IPv4 address mapped into IPv6 is an IPv4 address.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        self.source = self.source.to_canonical();
        self.destination = self.destination.to_canonical();
        self
    }

    /// Number of the IP protocol.
    #[must_use]
    pub const fn protocol(&self) -> u8 {
        match self.transport {
            Transport::Tcp { .. } => Protocol::TCP,
            Transport::Udp { .. } => Protocol::UDP,
            Transport::Sctp { .. } => Protocol::SCTP,
            Transport::Icmp { .. } => match self.destination {
                IpAddr::V4(_) => Protocol::ICMP,
                IpAddr::V6(_) => Protocol::ICMPV6,
            },
            Transport::Other(number) => number,
        }
    }

    /// Source and destination port, if the transport has ports.
    #[must_use]
    pub const fn ports(&self) -> Option<(u16, u16)> {
        match self.transport {
            Transport::Tcp { source_port, destination_port }
            | Transport::Udp { source_port, destination_port }
            | Transport::Sctp { source_port, destination_port } => Some((source_port, destination_port)),
            Transport::Icmp { .. } | Transport::Other(_) => None,
        }
    }

    /// Type and code, if the transport is ICMP.
    #[must_use]
    pub const fn icmp(&self) -> Option<(u8, u8)> {
        match self.transport {
            Transport::Icmp { kind, code } => Some((kind, code)),
            _ => None,
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.transport {
            Transport::Icmp { kind, code } => {
                write!(f, "icmp type {kind} code {code} {} -> {}", self.source, self.destination)
            }
            Transport::Other(number) => {
                write!(f, "protocol {number} {} -> {}", self.source, self.destination)
            }
            Transport::Tcp { source_port, destination_port }
            | Transport::Udp { source_port, destination_port }
            | Transport::Sctp { source_port, destination_port } => {
                let name = match self.transport {
                    Transport::Tcp { .. } => "tcp",
                    Transport::Udp { .. } => "udp",
                    _ => "sctp",
                };
                let source = SocketAddr::new(self.source, source_port);
                write!(f, "{name} {source} -> {}", SocketAddr::new(self.destination, destination_port))
            }
        }?;
        if self.from_host { f.write_str(" (from the host itself)") } else { Ok(()) }
    }
}
