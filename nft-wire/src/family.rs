//! Families of tables.

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
