//! Rules: their expressions, and methods that append what a line of `nft` says.

mod action;
mod buf;
mod exprs;
mod matching;
mod selector;

pub use buf::RuleBuf;
pub use exprs::ExprBuf;
pub use matching::CtState;
pub use selector::Selector;

use crate::attr::{Attrs, Bytes, Field, NESTED, Writer};
use crate::comment::{self, COMMENT};
use crate::error::EncodeError;
use crate::expr::{Expr, Exprs};
use crate::name::Name;

/// Types of the attributes of a rule that every maker writes.
const TABLE: u16 = 1;
const CHAIN: u16 = 2;
const EXPRS: u16 = 4;
const USERDATA: u16 = 7;

/// A rule of a chain: its expressions, one after the other.
///
/// The methods append what a line of `nft` says, in its order. What is wrong with a name or a text that they are given is told
/// when the rule is put into a [`Batch`](crate::Batch).
///
/// # Example
///
/// ```
/// use tortie_nft_wire::{Batch, CtState, Family, Name, Rule};
///
/// let (table, chain) = (Name::new("demo")?, Name::new("input")?);
/// // iifname "eth0" ct state established,related counter accept
/// let rule = Rule::new(table, chain)
///     .iifname("eth0")
///     .ct_state(CtState::ESTABLISHED.or(CtState::RELATED))
///     .counter()
///     .accept();
/// Batch::new().add(Family::INET, &rule)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its table.
    pub table: Name,
    /// Its chain.
    pub chain: Name,
    /// The kernel's number of it.
    pub handle: Option<u64>,
    /// The rule behind which, or before which, it is put, by its handle.
    pub position: Option<u64>,
    /// What it says.
    pub exprs: Exprs,
    /// Whatever its maker wants to remember, at most 256 bytes.
    pub userdata: Option<Bytes>,
    /// Its number in this batch.
    pub id: Option<u32>,
    /// The rule of this batch behind which, or before which, it is put.
    pub position_id: Option<u32>,
    /// Attributes that this crate does not know, as they were read.
    pub unknown: Option<Bytes>,
    /// What is wrong with it.
    pub(crate) fault: Option<EncodeError>,
}

impl Rule {
    /// A rule that says nothing yet.
    #[must_use]
    pub const fn new(table: Name, chain: Name) -> Self {
        Self {
            table,
            chain,
            handle: None,
            position: None,
            exprs: Exprs::new(),
            userdata: None,
            id: None,
            position_id: None,
            unknown: None,
            fault: None,
        }
    }

    /// One expression more.
    #[must_use]
    pub fn expr(mut self, expr: impl Into<Expr>) -> Self {
        if self.exprs.is_empty() {
            // What most rules need, at once.
            self.exprs.reserve(8);
        }
        self.exprs.push(expr.into());
        self
    }

    /// The same with this handle: the rule that is meant by [`replace`](crate::Batch::replace) or
    /// [`delete`](crate::Batch::delete).
    #[must_use]
    pub fn handle(self, handle: u64) -> Self {
        Self { handle: Some(handle), ..self }
    }

    /// The same at the rule with this handle: behind it if it is [added](crate::Batch::add), before it if it is
    /// [inserted](crate::Batch::insert).
    #[must_use]
    pub fn position(self, handle: u64) -> Self {
        Self { position: Some(handle), ..self }
    }

    /// `comment "..."`, which `nft` shows; at most 128 bytes, without control characters and double quotes.
    #[must_use]
    pub fn comment(mut self, comment: &str) -> Self {
        if let Err(fault) = comment::put(self.userdata.get_or_insert_default(), COMMENT, comment) {
            self.fault(fault);
        }
        self
    }

    /// Its comment.
    #[must_use]
    pub fn comment_text(&self) -> Option<alloc::string::String> {
        comment::find(self.userdata.as_ref()?, COMMENT)
    }

    /// Remembers what is wrong, if nothing was wrong before.
    fn fault(&mut self, fault: EncodeError) {
        self.fault.get_or_insert(fault);
    }
}

impl Field for Rule {
    const FLAGS: u16 = NESTED;

    fn write(&self, writer: &mut Writer<'_>) {
        writer.put(TABLE, &self.table);
        writer.put(CHAIN, &self.chain);
        if let Some(handle) = &self.handle {
            writer.put(3, handle);
        }
        if !self.exprs.is_empty() {
            writer.put(EXPRS, &self.exprs);
        }
        if let Some(position) = &self.position {
            writer.put(6, position);
        }
        if let Some(userdata) = &self.userdata {
            writer.put(USERDATA, userdata);
        }
        if let Some(id) = &self.id {
            writer.put(9, id);
        }
        if let Some(id) = &self.position_id {
            writer.put(10, id);
        }
        if let Some(unknown) = &self.unknown {
            writer.raw(unknown);
        }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (mut table, mut chain) = (None, None);
        let (mut handle, mut position, mut userdata, mut id, mut position_id, mut unknown) =
            (None, None, None, None, None, None);
        let mut exprs = Exprs::new();
        let mut attrs = Attrs(bytes);
        for attr in attrs.by_ref() {
            match attr.kind {
                TABLE => table = Some(Name::read(attr.value)?),
                CHAIN => chain = Some(Name::read(attr.value)?),
                3 => handle = Some(u64::read(attr.value)?),
                EXPRS => match Exprs::read(attr.value) {
                    Some(read) => exprs = read,
                    None => attr.keep(&mut unknown),
                },
                6 => position = Some(u64::read(attr.value)?),
                USERDATA => userdata = Some(Bytes::read(attr.value)?),
                8 => {}
                9 => id = Some(u32::read(attr.value)?),
                10 => position_id = Some(u32::read(attr.value)?),
                _ => attr.keep(&mut unknown),
            }
        }
        attrs.is_empty().then_some(())?;
        let (table, chain) = (table?, chain?);
        Some(Self { table, chain, handle, position, exprs, userdata, id, position_id, unknown, fault: None })
    }
}
