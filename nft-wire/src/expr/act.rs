//! Expressions that decide, count, limit, tell, or change where a packet goes.

use crate::attr::{Bytes, code, record};
use crate::expr::ObjectType;
use crate::name::Name;
use crate::verdict::{Data, Register};

record! {
    /// `immediate`: puts data into a register; a verdict into that of the verdict.
    pub struct Immediate {
        must {
            /// Where to.
            dreg: Register = 1,
            /// What.
            data: Data = 2,
        }
        may {}
    }
}

record! {
    /// `counter`: counts packets and bytes.
    pub struct Counter {
        must {}
        may {
            /// Bytes so far.
            bytes: u64 = 1,
            /// Packets so far.
            packets: u64 = 2,
        }
    }
}

code! {
    /// What is limited.
    pub struct LimitType: u32 {
        /// Packets.
        PACKETS = 0,
        /// Bytes.
        BYTES = 1,
    }
}

record! {
    /// `limit`: ends the rule once there are more in a unit of time.
    pub struct Limit {
        must {
            /// How many.
            rate: u64 = 1,
            /// Seconds of the unit of time.
            unit: u64 = 2,
        }
        may {
            /// How many more may come at once.
            burst: u32 = 3,
            /// Of what; packets where nothing is said.
            kind: LimitType = 4,
            /// 1: ends the rule until there are more.
            flags: u32 = 5,
        }
    }
}

record! {
    /// `connlimit`: ends the rule while there are more connections.
    pub struct Connlimit {
        must {
            /// How many.
            count: u32 = 1,
        }
        may {
            /// 1: ends the rule while there are no more.
            flags: u32 = 2,
        }
    }
}

record! {
    /// `quota`: ends the rule once there were more bytes.
    pub struct Quota {
        must {
            /// How many.
            bytes: u64 = 1,
        }
        may {
            /// 1: ends the rule until there were more; 2, in an answer: there were more.
            flags: u32 = 2,
            /// How many there were.
            consumed: u64 = 4,
        }
    }
}

record! {
    /// `last`: remembers when a packet came last.
    pub struct Last {
        must {}
        may {
            /// 1 if one ever came.
            set: u32 = 1,
            /// How many milliseconds ago.
            msecs: u64 = 2,
        }
    }
}

record! {
    /// `log`: tells about the packet: the kernel's log, or a group of nfnetlink where there is one.
    pub struct Log {
        must {}
        may {
            /// Group of nfnetlink_log.
            group: u16 = 1,
            /// What stands before each line, with a zero at the end; at most 127 bytes without it.
            prefix: Bytes = 2,
            /// How many bytes of the packet are told.
            snaplen: u32 = 3,
            /// How many packets are told together.
            qthreshold: u16 = 4,
            /// Level of the kernel's log, 4 (warning) where nothing is said.
            level: u32 = 5,
            /// What else is told (`NF_LOG_*`).
            flags: u32 = 6,
        }
    }
}

code! {
    /// How a packet is refused.
    pub struct RejectType: u32 {
        /// An ICMP or ICMPv6 error of the family's own codes.
        ICMP_UNREACH = 0,
        /// A reset of TCP.
        TCP_RST = 1,
        /// An ICMP or ICMPv6 error of a code for both: 0 no route, 1 port, 2 host unreachable, 3 prohibited.
        ICMPX_UNREACH = 2,
    }
}

record! {
    /// `reject`: drops the packet and tells the sender.
    pub struct Reject {
        must {
            /// How.
            kind: RejectType = 1,
        }
        may {
            /// Which error.
            icmp_code: u8 = 2,
        }
    }
}

code! {
    /// Which end of a connection is translated.
    pub struct NatType: u32 {
        /// The source.
        SNAT = 0,
        /// The destination.
        DNAT = 1,
    }
}

record! {
    /// `nat`: translates an address, a port, or both.
    pub struct Nat {
        must {
            /// Which end.
            kind: NatType = 1,
            /// Family of the address.
            family: u32 = 2,
        }
        may {
            /// Where the lowest address is.
            addr_min: Register = 3,
            /// Where the highest is.
            addr_max: Register = 4,
            /// Where the lowest port is.
            port_min: Register = 5,
            /// Where the highest is.
            port_max: Register = 6,
            /// `NF_NAT_RANGE_*`; the kernel adds those that follow from the fields.
            flags: u32 = 7,
        }
    }
}

record! {
    /// `masq`: translates the source address to that of the interface.
    pub struct Masq {
        must {}
        may {
            /// `NF_NAT_RANGE_*`.
            flags: u32 = 1,
            /// Where the lowest port is.
            port_min: Register = 2,
            /// Where the highest is.
            port_max: Register = 3,
        }
    }
}

record! {
    /// `redir`: translates the destination address to that of this host.
    pub struct Redir {
        must {}
        may {
            /// Where the lowest port is.
            port_min: Register = 1,
            /// Where the highest is.
            port_max: Register = 2,
            /// `NF_NAT_RANGE_*`.
            flags: u32 = 3,
        }
    }
}

record! {
    /// `notrack`: no connection is looked for.
    pub struct Notrack {
        must {}
        may {}
    }
}

record! {
    /// `queue`: hands the packet to a program.
    pub struct Queue {
        must {}
        may {
            /// Number of the first queue.
            num: u16 = 1,
            /// How many queues.
            total: u16 = 2,
            /// 1: goes on where nobody listens; 2: the queue of the processor.
            flags: u16 = 3,
            /// Where the number of the queue is.
            sreg: Register = 4,
        }
    }
}

record! {
    /// `objref`: uses an object of the table, by its name or through a map.
    pub struct Objref {
        must {}
        may {
            /// Kind of the object.
            kind: ObjectType = 1,
            /// Its name.
            name: Name = 2,
            /// What is looked up in a map.
            sreg: Register = 3,
            /// Name of the map.
            set: Name = 4,
            /// Number of the map in this batch.
            set_id: u32 = 5,
        }
    }
}

record! {
    /// `flow_offload`: hands the connection to a flow table.
    pub struct FlowOffload {
        must {
            /// Name of the flow table.
            table: Name = 1,
        }
        may {}
    }
}
