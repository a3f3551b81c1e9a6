//! Families of tables.

use core::fmt;

use crate::attr::code;

code! {
    /// Which packets a table sees.
    pub struct Family: u8 {
        /// IPv4 and IPv6.
        INET = 1,
        /// IPv4.
        IPV4 = 2,
        /// ARP.
        ARP = 3,
        /// Packets as a device gets or sends them.
        NETDEV = 5,
        /// Frames of a bridge.
        BRIDGE = 7,
        /// IPv6.
        IPV6 = 10,
    }
}

/// As `nft` calls it.
impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match *self {
            Self::INET => "inet",
            Self::IPV4 => "ip",
            Self::ARP => "arp",
            Self::NETDEV => "netdev",
            Self::BRIDGE => "bridge",
            Self::IPV6 => "ip6",
            other => return write!(f, "family {}", other.get()),
        })
    }
}
