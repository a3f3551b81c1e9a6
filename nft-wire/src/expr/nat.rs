//! Expressions that change where a packet goes to or comes from.

use crate::attr::{code, record};
use crate::verdict::Register;

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
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::{Immediate, Nat, NatType};
    /// use tortie_nft_wire::{Batch, Data, Family, Name, Register, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // snat ip to 192.0.2.1-192.0.2.9 persistent
    /// let nat = Nat {
    ///     addr_min: Some(Register::R1),
    ///     addr_max: Some(Register::R2),
    ///     flags: Some(Nat::PERSISTENT),
    ///     ..Nat::new(NatType::SNAT, Nat::IPV4)
    /// };
    /// let rule = rule
    ///     .nfproto(Family::IPV4)
    ///     .expr(Immediate::new(Register::R1, Data::value([192, 0, 2, 1])))
    ///     .expr(Immediate::new(Register::R2, Data::value([192, 0, 2, 9])))
    ///     .expr(nat);
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Nat {
        must {
            /// Which end.
            kind: NatType = 1,
            /// Family of the address: [`IPV4`](Self::IPV4) or [`IPV6`](Self::IPV6).
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
            /// Bits of [`RANDOM`](Self::RANDOM) and its like; the kernel adds those that follow from the fields.
            flags: u32 = 7,
        }
    }
}

impl Nat {
    /// Family of IPv4.
    pub const IPV4: u32 = 2;
    /// Family of IPv6.
    pub const IPV6: u32 = 10;
    /// Of the flags: there is an address. The kernel adds it.
    pub const MAP_IPS: u32 = 1;
    /// Of the flags: there are ports. The kernel adds it to `nat`, and not to [`Masq`] and [`Redir`].
    pub const PROTO_SPECIFIED: u32 = 2;
    /// Of the flags: ports at random.
    pub const RANDOM: u32 = 4;
    /// Of the flags: the same address for each connection of a client.
    pub const PERSISTENT: u32 = 8;
    /// Of the flags: ports wholly at random.
    pub const FULLY_RANDOM: u32 = 16;
    /// Of the flags: one network onto another, address by address.
    pub const NETMAP: u32 = 64;
}

record! {
    /// `masq`: translates the source address to that of the interface.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::{Immediate, Masq, Nat};
    /// use tortie_nft_wire::{Batch, Data, Family, Name, Register, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // masquerade to :1024-2047 fully-random
    /// let masq = Masq {
    ///     port_min: Some(Register::R1),
    ///     port_max: Some(Register::R2),
    ///     flags: Some(Nat::PROTO_SPECIFIED | Nat::FULLY_RANDOM),
    /// };
    /// let rule = rule
    ///     .l4proto(6)
    ///     .expr(Immediate::new(Register::R1, Data::value(1024_u16.to_be_bytes())))
    ///     .expr(Immediate::new(Register::R2, Data::value(2047_u16.to_be_bytes())))
    ///     .expr(masq);
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Masq {
        must {}
        may {
            /// Bits of [`Nat::RANDOM`] and its like. Without [`Nat::PROTO_SPECIFIED`] the kernel does not look at the ports.
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
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::{Immediate, Nat, Redir};
    /// use tortie_nft_wire::{Batch, Data, Family, Name, Register, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // redirect to :8080
    /// let rule = rule
    ///     .l4proto(6)
    ///     .expr(Immediate::new(Register::R1, Data::value(8080_u16.to_be_bytes())))
    ///     .expr(Redir { port_min: Some(Register::R1), flags: Some(Nat::PROTO_SPECIFIED), ..Redir::new() });
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Redir {
        must {}
        may {
            /// Where the lowest port is.
            port_min: Register = 1,
            /// Where the highest is.
            port_max: Register = 2,
            /// Bits of [`Nat::RANDOM`] and its like.
            flags: u32 = 3,
        }
    }
}

record! {
    /// `tproxy`: hands the packet to a local socket.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::{Immediate, Tproxy};
    /// use tortie_nft_wire::{Batch, Data, Family, Name, Register, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // tproxy ip to :3128
    /// let rule = rule
    ///     .nfproto(Family::IPV4)
    ///     .l4proto(6)
    ///     .expr(Immediate::new(Register::R1, Data::value(3128_u16.to_be_bytes())))
    ///     .expr(Tproxy { port: Some(Register::R1), ..Tproxy::new(Tproxy::IPV4) });
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Tproxy {
        must {
            /// Of which family: [`IPV4`](Self::IPV4), [`IPV6`](Self::IPV6) or [`ANY`](Self::ANY).
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

impl Tproxy {
    /// Family: that of the packet.
    pub const ANY: u32 = 0;
    /// Family: IPv4.
    pub const IPV4: u32 = 2;
    /// Family: IPv6.
    pub const IPV6: u32 = 10;
}
