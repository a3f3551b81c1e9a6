//! Expressions in the bytes of their message.

use alloc::vec::Vec;

use crate::expr::Expression;

/// Expressions in the bytes of their message, for who says the same in many rules: they are written once, and copied into each
/// [`RuleBuf`](crate::RuleBuf).
///
/// # Example
///
/// ```
/// use tortie_nft_wire::expr::{Cmp, CmpOp};
/// use tortie_nft_wire::{Batch, Data, ExprBuf, Family, Name, Register, RuleBuf, Selector};
///
/// // meta l4proto tcp
/// let mut tcp = ExprBuf::new();
/// tcp.expr(&Selector::L4proto.load(Register::R1)).expr(&Cmp::new(Register::R1, CmpOp::EQ, Data::value([6])));
///
/// let mut batch = Batch::new();
/// let mut rule = RuleBuf::new(&Name::new("demo")?, &Name::new("input")?);
/// for port in [22_u16, 80, 443] {
///     // meta l4proto tcp th dport 22
///     rule.clear();
///     rule.exprs(&tcp)
///         .expr(&Selector::Dport.load(Register::R1))
///         .expr(&Cmp::new(Register::R1, CmpOp::EQ, Data::value(port.to_be_bytes())));
///     batch.add(Family::INET, &rule)?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ExprBuf {
    /// Elements of a list.
    bytes: Vec<u8>,
    /// How many they are.
    len: usize,
    /// Whether one was longer than its length can say.
    overflow: bool,
}

impl ExprBuf {
    /// None so far.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), len: 0, overflow: false }
    }

    /// One more. What is too large is told when it is put into a [`Batch`](crate::Batch).
    #[inline]
    pub fn expr(&mut self, expr: &impl Expression) -> &mut Self {
        self.overflow |= !expr.encode(&mut self.bytes);
        self.len += 1;
        self
    }

    /// These behind what there is.
    #[inline]
    pub(super) fn append(&mut self, more: &Self) {
        self.bytes.extend_from_slice(&more.bytes);
        self.len += more.len;
        self.overflow |= more.overflow;
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        (self.len, self.overflow) = (0, false);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many expressions there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) const fn is_whole(&self) -> bool {
        !self.overflow
    }
}
