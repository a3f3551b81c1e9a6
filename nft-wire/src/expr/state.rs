//! Expressions that load what the kernel knows: connections, routes, sockets.

use crate::attr::{code, record};
use crate::verdict::Register;

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
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::{Cmp, CmpOp, Ct, CtKey};
    /// use tortie_nft_wire::{Batch, Data, Family, Name, Register, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // ct original saddr 192.0.2.1
    /// let source = Ct { dreg: Some(Register::R1), direction: Some(Ct::ORIGINAL), ..Ct::new(CtKey::SRC_IP) };
    /// let rule = rule.expr(source).expr(Cmp::new(Register::R1, CmpOp::EQ, Data::value([192, 0, 2, 1])));
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Ct {
        must {
            /// What.
            key: CtKey = 2,
        }
        may {
            /// Where to.
            dreg: Register = 1,
            /// [`ORIGINAL`](Self::ORIGINAL) or [`REPLY`](Self::REPLY).
            direction: u8 = 3,
            /// Where from.
            sreg: Register = 4,
        }
    }
}

impl Ct {
    /// Packets as the first one went.
    pub const ORIGINAL: u8 = 0;
    /// Packets the other way.
    pub const REPLY: u8 = 1;
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
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::{Cmp, CmpOp, Rt, RtKey};
    /// use tortie_nft_wire::{Batch, Data, Family, Name, Register, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // rt classid 5
    /// let rule = rule
    ///     .expr(Rt::new(Register::R1, RtKey::CLASSID))
    ///     .expr(Cmp::new(Register::R1, CmpOp::EQ, Data::value(5_u32.to_ne_bytes())));
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::{Cmp, CmpOp, Fib, FibResult};
    /// use tortie_nft_wire::{Batch, Data, Family, Name, Register, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // fib saddr . iif oif missing: whether the sender would not be answered on the interface it came in by
    /// let fib = Fib::new(Register::R1, FibResult::OIF, Fib::SADDR | Fib::IIF | Fib::PRESENT);
    /// let rule = rule.expr(fib).expr(Cmp::new(Register::R1, CmpOp::EQ, Data::value([0])));
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Fib {
        must {
            /// Where to.
            dreg: Register = 1,
            /// What is told.
            result: FibResult = 2,
            /// Bits of [`SADDR`](Self::SADDR) and its like.
            flags: u32 = 3,
        }
        may {}
    }
}

impl Fib {
    /// The source is looked up.
    pub const SADDR: u32 = 1;
    /// The destination is looked up.
    pub const DADDR: u32 = 2;
    /// With the mark.
    pub const MARK: u32 = 4;
    /// Only on the interface it came in by.
    pub const IIF: u32 = 8;
    /// Only on the interface it goes out by.
    pub const OIF: u32 = 16;
    /// Only whether there is a route: 1 byte.
    pub const PRESENT: u32 = 32;
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
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::{Cmp, CmpOp, SocketKey};
    /// use tortie_nft_wire::{expr, Batch, Data, Family, Name, Register, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // socket transparent 1
    /// let rule = rule
    ///     .expr(expr::Socket::new(SocketKey::TRANSPARENT, Register::R1))
    ///     .expr(Cmp::new(Register::R1, CmpOp::EQ, Data::value([1])));
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
