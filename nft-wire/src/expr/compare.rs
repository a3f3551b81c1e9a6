//! Expressions that compare registers, change them, or look them up.

use alloc::boxed::Box;

use crate::attr::{code, record};
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
    }
}

record! {
    /// `bitwise`: changes the bits of a register.
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
            /// 1: ends the rule if it is in the set.
            flags: u32 = 5,
        }
    }
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

record! {
    /// `dynset`: adds the register to a set, or deletes it.
    pub struct Dynset {
        must {
            /// Name of the set.
            set: Name = 1,
            /// What is done.
            op: DynsetOp = 3,
            /// The key.
            key: Register = 4,
        }
        may {
            /// Number of the set in this batch.
            set_id: u32 = 2,
            /// What a map shall hold.
            data: Register = 5,
            /// Milliseconds until it is gone.
            timeout: u64 = 6,
            /// What the element shall do for each packet, if that is one expression.
            expr: Box<Expr> = 7,
            /// 1: goes on if it is not in the set; 2: there are expressions.
            flags: u32 = 9,
            /// What the element shall do for each packet.
            exprs: Exprs = 10,
        }
    }
}
