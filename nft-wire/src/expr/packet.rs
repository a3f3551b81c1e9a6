//! Expressions that load bytes of a packet into a register, or write them.

use crate::attr::{code, record};
use crate::verdict::Register;

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
        /// At the header of a tunnel (Linux 6.2).
        TUNNEL = 4,
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
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::{Base, Bitwise, Checksum, Payload};
    /// use tortie_nft_wire::{Batch, Data, Family, Name, Register, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // ip dscp set cs1: the byte of the header is read, changed, and written back with the checksum of the header corrected
    /// let byte = Payload { dreg: Some(Register::R1), ..Payload::new(Base::NETWORK, 0, 2) };
    /// let dscp = Bitwise {
    ///     mask: Some(Data::value([0xff, 0x03])),
    ///     xor: Some(Data::value([0x00, 0x20])),
    ///     ..Bitwise::new(Register::R1, Register::R1, 2)
    /// };
    /// let write = Payload {
    ///     sreg: Some(Register::R1),
    ///     checksum: Some(Checksum::INET),
    ///     checksum_offset: Some(10),
    ///     ..Payload::new(Base::NETWORK, 0, 2)
    /// };
    /// let rule = rule.nfproto(Family::IPV4).expr(byte).expr(dscp).expr(write);
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
            /// 0, or [`PSEUDO_HEADER`](Self::PSEUDO_HEADER).
            checksum_flags: u32 = 8,
        }
    }
}

impl Payload {
    /// Corrects the checksum of the transport header, too, whose pseudo header has these bytes.
    pub const PSEUDO_HEADER: u32 = 1;
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
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::{Exthdr, ExthdrOp, Immediate};
    /// use tortie_nft_wire::{Batch, Data, Family, Name, Register, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // tcp option maxseg size set 1400
    /// let size = Exthdr {
    ///     sreg: Some(Register::R1),
    ///     op: Some(ExthdrOp::TCPOPT),
    ///     offset: Some(2),
    ///     len: Some(2),
    ///     ..Exthdr::new(2)
    /// };
    /// let rule = rule
    ///     .l4proto(6)
    ///     .expr(Immediate::new(Register::R1, Data::value(1400_u16.to_be_bytes())))
    ///     .expr(size);
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
            /// 0, or [`PRESENT`](Self::PRESENT).
            flags: u32 = 5,
            /// Of which kind; of IPv6 where nothing is said.
            op: ExthdrOp = 6,
            /// Where from.
            sreg: Register = 7,
        }
    }
}

impl Exthdr {
    /// Only whether it is there: 1 byte.
    pub const PRESENT: u32 = 1;
}
