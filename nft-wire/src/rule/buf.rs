//! Rules that are written while they are made.

use alloc::vec::Vec;

use super::{CHAIN, EXPRS, ExprBuf, TABLE, USERDATA};
use crate::attr::{NESTED, Writer};
use crate::batch::rule_of;
use crate::comment;
use crate::error::EncodeError;
use crate::expr::Expression;
use crate::name::Name;

/// A rule in the bytes of its message, for who makes many of them: each expression is written when it is given, and memory stays
/// for the next rule. What a [`Rule`](crate::Rule) of the same expressions makes of a batch is the same.
///
/// What is wrong with it is told when it is put into a [`Batch`](crate::Batch).
///
/// # Example
///
/// ```
/// use tortie_nft_wire::expr::{Cmp, CmpOp, Immediate};
/// use tortie_nft_wire::{Batch, Data, Family, Name, Register, RuleBuf, Selector, Verdict};
///
/// let mut batch = Batch::new();
/// let mut rule = RuleBuf::new(&Name::new("demo")?, &Name::new("input")?);
/// for port in [22_u16, 80, 443] {
///     // th dport 22 accept comment "open"
///     rule.clear();
///     rule.expr(&Selector::Dport.load(Register::R1))
///         .expr(&Cmp::new(Register::R1, CmpOp::EQ, Data::value(port.to_be_bytes())))
///         .expr(&Immediate::new(Register::VERDICT, Verdict::Accept.into()))
///         .comment("open");
///     batch.add(Family::INET, &rule)?;
/// }
/// assert_eq!(batch.len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RuleBuf {
    /// The attributes that say where it is.
    place: Vec<u8>,
    exprs: ExprBuf,
    userdata: Vec<u8>,
    fault: Option<EncodeError>,
}

impl RuleBuf {
    /// A rule of this table and chain that says nothing yet.
    #[must_use]
    pub fn new(table: &Name, chain: &Name) -> Self {
        let mut rule = Self { place: Vec::new(), exprs: ExprBuf::new(), userdata: Vec::new(), fault: None };
        rule.set_chain(table, chain);
        rule
    }

    /// Makes it a rule of another chain, which says nothing yet.
    pub fn set_chain(&mut self, table: &Name, chain: &Name) {
        self.clear();
        self.place.clear();
        let mut writer = Writer::new(&mut self.place);
        writer.put(TABLE, table);
        writer.put(CHAIN, chain);
    }

    /// Takes everything out of it but its table and chain.
    pub fn clear(&mut self) {
        self.exprs.clear();
        self.userdata.clear();
        self.fault = None;
    }

    /// One expression more.
    #[inline]
    pub fn expr(&mut self, expr: &impl Expression) -> &mut Self {
        self.exprs.expr(expr);
        self.check_exprs()
    }

    /// All of these expressions more.
    #[inline]
    pub fn exprs(&mut self, exprs: &ExprBuf) -> &mut Self {
        self.exprs.append(exprs);
        self.check_exprs()
    }

    #[inline]
    fn check_exprs(&mut self) -> &mut Self {
        if !self.exprs.is_whole() {
            self.fault(EncodeError::TooLarge);
        }
        self
    }

    /// `comment "..."`, which `nft` shows; at most 128 bytes, without control characters and double quotes. It stands behind all
    /// expressions.
    pub fn comment(&mut self, comment: &str) -> &mut Self {
        match comment::head(comment::COMMENT, comment) {
            Ok(head) => {
                self.userdata.extend_from_slice(&head);
                self.userdata.extend_from_slice(comment.as_bytes());
                self.userdata.push(0);
            }
            Err(fault) => self.fault(fault),
        }
        self
    }

    /// Remembers what is wrong, if nothing was wrong before.
    fn fault(&mut self, fault: EncodeError) {
        self.fault.get_or_insert(fault);
    }

    pub(crate) fn check(&self) -> Result<(), EncodeError> {
        rule_of(self.fault, self.exprs.len(), self.userdata.len())
    }

    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        writer.raw(&self.place);
        if !self.exprs.is_empty() {
            writer.bytes(EXPRS | NESTED, self.exprs.bytes());
        }
        if !self.userdata.is_empty() {
            writer.bytes(USERDATA, &self.userdata);
        }
    }
}
