//! What is known about a packet that is not in it.

use crate::attr::{code, record};
use crate::verdict::Register;

code! {
    /// What about a packet that is not in it.
    pub struct MetaKey: u32 {
        /// Length, 4 bytes of the host's order, as all numbers here.
        LEN = 0,
        /// EtherType, 2 bytes in the order of the network.
        PROTOCOL = 1,
        /// Priority of queueing.
        PRIORITY = 2,
        /// Firewall mark.
        MARK = 3,
        /// Index of the interface it came in by.
        IIF = 4,
        /// Index of the interface it goes out by.
        OIF = 5,
        /// Name of the interface it came in by, 16 bytes with zeros at the end.
        IIFNAME = 6,
        /// Name of the interface it goes out by.
        OIFNAME = 7,
        /// Kind of that it came in by (`ARPHRD_*`), 2 bytes.
        IIFTYPE = 8,
        /// Kind of that it goes out by.
        OIFTYPE = 9,
        /// User who owns its socket.
        SKUID = 10,
        /// Group who owns its socket.
        SKGID = 11,
        /// Whether it is traced, 1 byte.
        NFTRACE = 12,
        /// Realm of its route.
        RTCLASSID = 13,
        /// Security mark.
        SECMARK = 14,
        /// Family, 1 byte.
        NFPROTO = 15,
        /// Protocol above IP, 1 byte.
        L4PROTO = 16,
        /// Name of the bridge it came in by.
        BRI_IIFNAME = 17,
        /// Name of the bridge it goes out by.
        BRI_OIFNAME = 18,
        /// To whom: this host, broadcast, multicast; 1 byte.
        PKTTYPE = 19,
        /// Number of the processor.
        CPU = 20,
        /// Group of the interface it came in by.
        IIFGROUP = 21,
        /// Group of the interface it goes out by.
        OIFGROUP = 22,
        /// Control group (version 1) of its socket.
        CGROUP = 23,
        /// A random number.
        PRANDOM = 24,
        /// Whether it came through IPsec, 1 byte.
        SECPATH = 25,
        /// Driver of the interface it came in by, 16 bytes.
        IIFKIND = 26,
        /// Driver of the interface it goes out by.
        OIFKIND = 27,
        /// VLAN of the bridge's port it came in by, 2 bytes.
        BRI_IIFPVID = 28,
        /// VLAN protocol of that bridge, 2 bytes.
        BRI_IIFVPROTO = 29,
        /// Nanoseconds since 1970, 8 bytes.
        TIME_NS = 30,
        /// Day of the week, from Sunday 0, 1 byte.
        TIME_DAY = 31,
        /// Second of the day.
        TIME_HOUR = 32,
        /// Index of the port of a VRF it came in by.
        SDIF = 33,
        /// Name of the port of a VRF it came in by.
        SDIFNAME = 34,
    }
}

record! {
    /// `meta`: loads what is known about a packet into `dreg`, or sets it from `sreg`.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::{Immediate, Meta, MetaKey};
    /// use tortie_nft_wire::{Batch, Data, Family, Name, Register, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // meta mark set 0x1
    /// let rule = rule
    ///     .expr(Immediate::new(Register::R1, Data::value(1_u32.to_ne_bytes())))
    ///     .expr(Meta { sreg: Some(Register::R1), ..Meta::new(MetaKey::MARK) });
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Meta {
        must {
            /// What.
            key: MetaKey = 2,
        }
        may {
            /// Where to.
            dreg: Register = 1,
            /// Where from.
            sreg: Register = 3,
        }
    }
}
