//! Expressions that load a value into a register, or store one.

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

code! {
    /// Where offsets in a packet begin.
    pub struct Base: u32 {
        /// At the header of the link.
        LINK = 0,
        /// At the header of IP.
        NETWORK = 1,
        /// At the header of TCP, UDP and their like.
        TRANSPORT = 2,
        /// Behind that header.
        INNER = 3,
    }
}

code! {
    /// Which checksum changes when a packet is written to.
    pub struct Checksum: u32 {
        /// None.
        NONE = 0,
        /// That of the Internet, at an offset.
        INET = 1,
        /// That of SCTP.
        SCTP = 2,
    }
}

record! {
    /// `payload`: loads bytes of a packet into `dreg`, or writes them from `sreg`.
    pub struct Payload {
        must {
            /// Where the offset begins.
            base: Base = 2,
            /// Bytes before the first one.
            offset: u32 = 3,
            /// How many bytes.
            len: u32 = 4,
        }
        may {
            /// Where to.
            dreg: Register = 1,
            /// Where from.
            sreg: Register = 5,
            /// The checksum to correct.
            checksum: Checksum = 6,
            /// Where it stands, from the same base on.
            checksum_offset: u32 = 7,
            /// 1: correct the checksum of the transport header, too, whose pseudo header has these bytes.
            checksum_flags: u32 = 8,
        }
    }
}

code! {
    /// What about a connection.
    pub struct CtKey: u32 {
        /// Its state: a bit of [`CtState`](crate::CtState), 4 bytes of the host's order.
        STATE = 0,
        /// Direction of the packet, 1 byte.
        DIRECTION = 1,
        /// Bits of its status (`IPS_*`).
        STATUS = 2,
        /// Its mark.
        MARK = 3,
        /// Its security mark.
        SECMARK = 4,
        /// Milliseconds until it is forgotten.
        EXPIRATION = 5,
        /// Name of its helper, 16 bytes.
        HELPER = 6,
        /// Family, 1 byte.
        L3PROTOCOL = 7,
        /// Source address of a direction.
        SRC = 8,
        /// Destination address of a direction.
        DST = 9,
        /// Protocol above IP, 1 byte.
        PROTOCOL = 10,
        /// Source port of a direction, 2 bytes in the order of the network.
        PROTO_SRC = 11,
        /// Destination port of a direction.
        PROTO_DST = 12,
        /// Its labels, 16 bytes.
        LABELS = 13,
        /// Packets so far, 8 bytes.
        PKTS = 14,
        /// Bytes so far, 8 bytes.
        BYTES = 15,
        /// Mean bytes of a packet, 8 bytes.
        AVGPKT = 16,
        /// Its zone, 2 bytes of the host's order.
        ZONE = 17,
        /// Events that are told about it.
        EVENTMASK = 18,
        /// IPv4 source address of a direction.
        SRC_IP = 19,
        /// IPv4 destination address of a direction.
        DST_IP = 20,
        /// IPv6 source address of a direction.
        SRC_IP6 = 21,
        /// IPv6 destination address of a direction.
        DST_IP6 = 22,
        /// Its number.
        ID = 23,
    }
}

record! {
    /// `ct`: loads what is known about a connection into `dreg`, or sets it from `sreg`.
    pub struct Ct {
        must {
            /// What.
            key: CtKey = 2,
        }
        may {
            /// Where to.
            dreg: Register = 1,
            /// 0 for packets as the first one went, 1 for replies.
            direction: u8 = 3,
            /// Where from.
            sreg: Register = 4,
        }
    }
}

code! {
    /// What about a route.
    pub struct RtKey: u32 {
        /// Its realm.
        CLASSID = 0,
        /// The next hop of IPv4.
        NEXTHOP4 = 1,
        /// The next hop of IPv6.
        NEXTHOP6 = 2,
        /// The largest TCP segment, 2 bytes of the host's order.
        TCPMSS = 3,
        /// Whether it goes through IPsec, 1 byte.
        XFRM = 4,
    }
}

record! {
    /// `rt`: loads what is known about the packet's route.
    pub struct Rt {
        must {
            /// Where to.
            dreg: Register = 1,
            /// What.
            key: RtKey = 2,
        }
        may {}
    }
}

code! {
    /// What a look-up in the routing tables tells.
    pub struct FibResult: u32 {
        /// Index of the interface, 0 if there is no route.
        OIF = 1,
        /// Name of the interface.
        OIFNAME = 2,
        /// Kind of the address (`RTN_*`): local, broadcast and so on.
        ADDRTYPE = 3,
    }
}

record! {
    /// `fib`: looks an address of the packet up in the routing tables.
    pub struct Fib {
        must {
            /// Where to.
            dreg: Register = 1,
            /// What is told.
            result: FibResult = 2,
            /// What is looked up: 1 the source, 2 the destination address, with 4 the mark, with 8 only on the interface it
            /// came in by, with 16 only on that it goes out by; 32 asks only whether there is a route.
            flags: u32 = 3,
        }
        may {}
    }
}

code! {
    /// What about a socket.
    pub struct SocketKey: u32 {
        /// Whether it is transparent, 1 byte.
        TRANSPARENT = 0,
        /// Its mark.
        MARK = 1,
        /// Whether it listens on any address, 1 byte.
        WILDCARD = 2,
        /// Its control group (version 2), 8 bytes of the host's order.
        CGROUPV2 = 3,
    }
}

record! {
    /// `socket`: loads what is known about the socket that would get the packet. The rule ends where there is none.
    pub struct Socket {
        must {
            /// What.
            key: SocketKey = 1,
            /// Where to.
            dreg: Register = 2,
        }
        may {
            /// Of [`CGROUPV2`](SocketKey::CGROUPV2): how deep the ancestor is.
            level: u32 = 3,
        }
    }
}

code! {
    /// Which kind of headers.
    pub struct ExthdrOp: u32 {
        /// Extension headers of IPv6.
        IPV6 = 0,
        /// Options of TCP.
        TCPOPT = 1,
        /// Options of IPv4.
        IPV4 = 2,
        /// Chunks of SCTP.
        SCTP = 3,
        /// Options of DCCP.
        DCCP = 4,
    }
}

record! {
    /// `exthdr`: loads bytes of an extension header or option, or writes them; with neither register, takes an option of TCP
    /// out of the packet.
    pub struct Exthdr {
        must {
            /// Number of the header or option.
            kind: u8 = 2,
        }
        may {
            /// Bytes before the first one.
            offset: u32 = 3,
            /// How many bytes.
            len: u32 = 4,
            /// Where to.
            dreg: Register = 1,
            /// 1 asks only whether it is there.
            flags: u32 = 5,
            /// Of which kind; of IPv6 where nothing is said.
            op: ExthdrOp = 6,
            /// Where from.
            sreg: Register = 7,
        }
    }
}

code! {
    /// How numbers are made.
    pub struct NumgenType: u32 {
        /// One after the other.
        INCREMENTAL = 0,
        /// At random.
        RANDOM = 1,
    }
}

record! {
    /// `numgen`: a number below `modulus`, plus `offset`; 4 bytes of the host's order.
    pub struct Numgen {
        must {
            /// Where to.
            dreg: Register = 1,
            /// One past the highest.
            modulus: u32 = 2,
            /// How.
            kind: NumgenType = 3,
        }
        may {
            /// The lowest.
            offset: u32 = 4,
        }
    }
}

code! {
    /// How a packet is made a number.
    pub struct HashType: u32 {
        /// Jenkins' hash of a register.
        JENKINS = 0,
        /// The same number for both directions of a flow; asks for no register.
        SYMMETRIC = 1,
    }
}

record! {
    /// `hash`: a number below `modulus`, plus `offset`; 4 bytes of the host's order.
    pub struct Hash {
        must {
            /// Where to.
            dreg: Register = 2,
            /// One past the highest.
            modulus: u32 = 4,
        }
        may {
            /// What is hashed.
            sreg: Register = 1,
            /// How many bytes of it.
            len: u32 = 3,
            /// What the hash begins with.
            seed: u32 = 5,
            /// The lowest.
            offset: u32 = 6,
            /// How; by Jenkins' hash where nothing is said.
            kind: HashType = 7,
        }
    }
}

record! {
    /// `tproxy`: hands the packet to a local socket.
    pub struct Tproxy {
        must {
            /// Of which family.
            family: u32 = 1,
        }
        may {
            /// Where the address of the socket is.
            addr: Register = 2,
            /// Where its port is.
            port: Register = 3,
        }
    }
}
