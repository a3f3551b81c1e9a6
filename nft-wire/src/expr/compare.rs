//! Expressions that compare registers, change them, or look them up.

use crate::attr::{Attrs, Field, NESTED, Writer, code, record};
use crate::expr::{Expr, Exprs};
use crate::name::Name;
use crate::verdict::{Data, Register};

code! {
    /// How two values are compared, byte by byte from the first one on.
    pub struct CmpOp: u32 {
        /// Equal.
        EQ = 0,
        /// Not equal.
        NEQ = 1,
        /// Less than.
        LT = 2,
        /// Less than or equal.
        LTE = 3,
        /// Greater than.
        GT = 4,
        /// Greater than or equal.
        GTE = 5,
    }
}

record! {
    /// `cmp`: ends the rule unless the register compares so with the data.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::{Byteorder, ByteorderOp, Cmp, CmpOp, Meta, MetaKey};
    /// use tortie_nft_wire::{Batch, Data, Family, Name, Register, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // meta length > 1500: numbers of the host's order are turned around first
    /// let rule = rule
    ///     .expr(Meta { dreg: Some(Register::R1), ..Meta::new(MetaKey::LEN) })
    ///     .expr(Byteorder::new(Register::R1, Register::R1, ByteorderOp::HTON, 4, 4))
    ///     .expr(Cmp::new(Register::R1, CmpOp::GT, Data::value(1500_u32.to_be_bytes())));
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Cmp {
        must {
            /// Left side.
            sreg: Register = 1,
            /// How.
            op: CmpOp = 2,
            /// Right side.
            data: Data = 3,
        }
        may {}
    }
}

code! {
    /// On which side of a range.
    pub struct RangeOp: u32 {
        /// In it.
        EQ = 0,
        /// Not in it.
        NEQ = 1,
    }
}

record! {
    /// `range`: ends the rule unless the register is from `from` to `to`, or is not.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::{Range, RangeOp};
    /// use tortie_nft_wire::{Batch, Data, Family, Name, Register, Rule, Selector};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // tcp dport != 8000-8999
    /// let (from, to) = (Data::value(8000_u16.to_be_bytes()), Data::value(8999_u16.to_be_bytes()));
    /// let rule = rule
    ///     .l4proto(6)
    ///     .expr(Selector::Dport.load(Register::R1))
    ///     .expr(Range::new(Register::R1, RangeOp::NEQ, from, to));
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Range {
        must {
            /// What is compared.
            sreg: Register = 1,
            /// In it or not.
            op: RangeOp = 2,
            /// The lowest.
            from: Data = 3,
            /// The highest.
            to: Data = 4,
        }
        may {}
    }
}

code! {
    /// What is done with bits.
    pub struct BitwiseOp: u32 {
        /// `& mask ^ xor`.
        MASK_XOR = 0,
        /// Shifted to the left.
        LSHIFT = 1,
        /// Shifted to the right.
        RSHIFT = 2,
        /// `&` with another register (Linux 6.13).
        AND = 3,
        /// `|` with another register (Linux 6.13).
        OR = 4,
        /// `^` with another register (Linux 6.13).
        XOR = 5,
    }
}

record! {
    /// `bitwise`: changes the bits of a register.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::{Bitwise, Cmp, CmpOp, Meta, MetaKey};
    /// use tortie_nft_wire::{Batch, Data, Family, Name, Register, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // meta mark & 0x000000ff == 0x00000001
    /// let low = Bitwise {
    ///     mask: Some(Data::value(0xff_u32.to_ne_bytes())),
    ///     xor: Some(Data::value([0; 4])),
    ///     ..Bitwise::new(Register::R1, Register::R1, 4)
    /// };
    /// let rule = rule
    ///     .expr(Meta { dreg: Some(Register::R1), ..Meta::new(MetaKey::MARK) })
    ///     .expr(low)
    ///     .expr(Cmp::new(Register::R1, CmpOp::EQ, Data::value(1_u32.to_ne_bytes())));
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Bitwise {
        must {
            /// Where from.
            sreg: Register = 1,
            /// Where to.
            dreg: Register = 2,
            /// How many bytes.
            len: u32 = 3,
        }
        may {
            /// The bits that stay.
            mask: Data = 4,
            /// The bits that are then turned.
            xor: Data = 5,
            /// What is done; `& mask ^ xor` where nothing is said.
            op: BitwiseOp = 6,
            /// How far to shift, 4 bytes of the host's order.
            data: Data = 7,
            /// The other register.
            sreg2: Register = 8,
        }
    }
}

code! {
    /// Between which orders of bytes.
    pub struct ByteorderOp: u32 {
        /// From the network's to the host's.
        NTOH = 0,
        /// From the host's to the network's.
        HTON = 1,
    }
}

record! {
    /// `byteorder`: turns numbers around.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::{Byteorder, ByteorderOp, Cmp, CmpOp, Ct, CtKey};
    /// use tortie_nft_wire::{Batch, Data, Family, Name, Register, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // ct mark > 0xff
    /// let rule = rule
    ///     .expr(Ct { dreg: Some(Register::R1), ..Ct::new(CtKey::MARK) })
    ///     .expr(Byteorder::new(Register::R1, Register::R1, ByteorderOp::HTON, 4, 4))
    ///     .expr(Cmp::new(Register::R1, CmpOp::GT, Data::value(0xff_u32.to_be_bytes())));
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Byteorder {
        must {
            /// Where from.
            sreg: Register = 1,
            /// Where to.
            dreg: Register = 2,
            /// In which direction.
            op: ByteorderOp = 3,
            /// How many bytes in all.
            len: u32 = 4,
            /// How many bytes of one number: 2, 4 or 8.
            size: u32 = 5,
        }
        may {}
    }
}

record! {
    /// `lookup`: ends the rule unless the register is in a set; of a map, loads what it holds.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::{Lookup, Meta, MetaKey};
    /// use tortie_nft_wire::{Batch, Family, Name, Register, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // iifname != @uplinks
    /// let lookup = Lookup { flags: Some(Lookup::INVERTED), ..Lookup::new(Name::new("uplinks")?, Register::R1) };
    /// let rule = rule.expr(Meta { dreg: Some(Register::R1), ..Meta::new(MetaKey::IIFNAME) }).expr(lookup);
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Lookup {
        must {
            /// Name of the set; of an anonymous one, the name that it was made with.
            set: Name = 1,
            /// What is looked up.
            sreg: Register = 2,
        }
        may {
            /// Where what a map holds goes to.
            dreg: Register = 3,
            /// Number of the set in this batch.
            set_id: u32 = 4,
            /// 0, or [`INVERTED`](Self::INVERTED).
            flags: u32 = 5,
        }
    }
}

impl Lookup {
    /// The rule ends if it is in the set.
    pub const INVERTED: u32 = 1;
}

code! {
    /// What packets do to a set.
    pub struct DynsetOp: u32 {
        /// Add an element.
        ADD = 0,
        /// Add it, or begin its time anew.
        UPDATE = 1,
        /// Delete it.
        DELETE = 2,
    }
}

/// `dynset`: adds the register to a set, or deletes it.
///
/// # Example
///
/// ```
/// use tortie_nft_wire::expr::{Counter, Dynset, DynsetOp};
/// use tortie_nft_wire::{Batch, Family, Name, Register, Rule, Selector};
///
/// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
/// // add @seen { ip saddr counter }
/// let add = Dynset {
///     exprs: vec![Counter::new().into()],
///     ..Dynset::new(Name::new("seen")?, DynsetOp::ADD, Register::R1)
/// };
/// let rule = rule.nfproto(Family::IPV4).expr(Selector::Ipv4Saddr.load(Register::R1)).expr(add);
/// Batch::new().add(Family::INET, &rule)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is made field by field, as in the kernel's header")]
pub struct Dynset {
    /// Name of the set.
    pub set: Name,
    /// What is done.
    pub op: DynsetOp,
    /// The key.
    pub key: Register,
    /// Number of the set in this batch.
    pub set_id: Option<u32>,
    /// What a map shall hold.
    pub data: Option<Register>,
    /// Milliseconds until it is gone.
    pub timeout: Option<u64>,
    /// 0, or [`INVERTED`](Self::INVERTED).
    pub flags: Option<u32>,
    /// What the element shall do for each packet. Several need Linux 5.11. A `dynset` among them is kept as bytes.
    pub exprs: Exprs,
}

impl Dynset {
    /// The rule goes on if it is not in the set.
    pub const INVERTED: u32 = 1;
    /// There is a list of expressions.
    const LIST: u32 = 2;

    /// With what must be there, and nothing else.
    #[must_use]
    pub const fn new(set: Name, op: DynsetOp, key: Register) -> Self {
        Self { set, op, key, set_id: None, data: None, timeout: None, flags: None, exprs: Exprs::new() }
    }
}

impl Field for Dynset {
    const FLAGS: u16 = NESTED;

    fn write(&self, writer: &mut Writer<'_>) {
        writer.put(1, &self.set);
        if let Some(id) = &self.set_id {
            writer.put(2, id);
        }
        writer.put(3, &self.op);
        writer.put(4, &self.key);
        if let Some(data) = &self.data {
            writer.put(5, data);
        }
        if let Some(timeout) = &self.timeout {
            writer.put(6, timeout);
        }
        let mut flags = self.flags;
        match self.exprs.as_slice() {
            [] => {}
            // As all kernels know it.
            [expr] => writer.put(7, expr),
            _ => {
                writer.put(10, &self.exprs);
                flags = Some(flags.unwrap_or(0) | Self::LIST);
            }
        }
        if let Some(flags) = &flags {
            writer.put(9, flags);
        }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (mut set, mut op, mut key) = (None, None, None);
        let (mut set_id, mut data, mut timeout, mut flags) = (None, None, None, None);
        let mut exprs = Exprs::new();
        let mut attrs = Attrs(bytes);
        for attr in attrs.by_ref() {
            match attr.kind {
                1 => set = Some(Name::read(attr.value)?),
                2 => set_id = Some(u32::read(attr.value)?),
                3 => op = Some(DynsetOp::read(attr.value)?),
                4 => key = Some(Register::read(attr.value)?),
                5 => data = Some(Register::read(attr.value)?),
                6 => timeout = Some(u64::read(attr.value)?),
                7 => exprs.push(Expr::read_inside(attr.value)?),
                8 if attr.value.is_empty() => {}
                9 => flags = Some(u32::read(attr.value)?),
                10 => {
                    let mut list = Attrs(attr.value);
                    for attr in list.by_ref() {
                        exprs.push(Expr::read_inside(attr.value)?);
                    }
                    list.is_empty().then_some(())?;
                }
                _ => return None,
            }
        }
        attrs.is_empty().then_some(())?;
        // They are written as a list, and read as if the flags of one were always said.
        if exprs.len() > 1 {
            flags = Some(flags.unwrap_or(0) & !Self::LIST);
        }
        Some(Self { set: set?, op: op?, key: key?, set_id, data, timeout, flags, exprs })
    }
}
