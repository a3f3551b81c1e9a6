//! Expressions that make numbers.

use crate::attr::{code, record};
use crate::verdict::Register;

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
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::{Cmp, CmpOp, Numgen, NumgenType};
    /// use tortie_nft_wire::{Batch, Data, Family, Name, Register, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // numgen inc mod 2 == 0
    /// let rule = rule
    ///     .expr(Numgen::new(Register::R1, 2, NumgenType::INCREMENTAL))
    ///     .expr(Cmp::new(Register::R1, CmpOp::EQ, Data::value(0_u32.to_ne_bytes())));
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::{Cmp, CmpOp, Hash};
    /// use tortie_nft_wire::{Batch, Data, Family, Name, Register, Rule, Selector};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // jhash ip saddr mod 2 seed 0x1 == 0
    /// let hash = Hash { sreg: Some(Register::R1), len: Some(4), seed: Some(1), ..Hash::new(Register::R1, 2) };
    /// let rule = rule
    ///     .nfproto(Family::IPV4)
    ///     .expr(Selector::Ipv4Saddr.load(Register::R1))
    ///     .expr(hash)
    ///     .expr(Cmp::new(Register::R1, CmpOp::EQ, Data::value(0_u32.to_ne_bytes())));
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
