//! Registers, verdicts and what may be in a register.

use crate::attr::{Attrs, Bytes, Field, NESTED, Writer, code};
use crate::name::Name;

code! {
    /// Where expressions leave values for those behind them.
    ///
    /// There are 64 bytes, as four registers of 16 ([`R1`](Self::R1) to [`R4`](Self::R4)) and, the same bytes, as sixteen of
    /// four. A key of several parts lies in such small registers one behind the other, each part from a new one on.
    pub struct Register: u32 {
        /// The verdict of the rule.
        VERDICT = 0,
        /// The first 16 bytes.
        R1 = 1,
        /// The second.
        R2 = 2,
        /// The third.
        R3 = 3,
        /// The last.
        R4 = 4,
    }
}

impl Register {
    /// The four bytes from `4 * index` on; `None` from 16 on.
    ///
    /// ```
    /// use tortie_nft_wire::Register;
    ///
    /// assert_eq!(Register::word(0).map(Register::get), Some(8));
    /// assert_eq!(Register::word(16), None);
    /// ```
    #[must_use]
    pub const fn word(index: u32) -> Option<Self> {
        if index < 16 { Some(Self::new(8 + index)) } else { None }
    }
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It passes this base chain; those of later priorities see it.
    Accept,
    /// It is dropped at once.
    Drop,
    /// The next rule.
    Continue,
    /// The next rule; what is left of this one is not asked.
    Break,
    /// Back to the chain that jumped here; in a base chain, its policy.
    Return,
    /// On in another chain, and back when it ends.
    Jump(Name),
    /// On in another chain, and not back.
    Goto(Name),
    /// Another verdict of the kernel, by its code.
    Other(i32),
}

impl Verdict {
    const fn code(&self) -> i32 {
        match self {
            Self::Drop => 0,
            Self::Accept => 1,
            Self::Continue => -1,
            Self::Break => -2,
            Self::Jump(_) => -3,
            Self::Goto(_) => -4,
            Self::Return => -5,
            Self::Other(code) => *code,
        }
    }
}

impl Field for Verdict {
    const FLAGS: u16 = NESTED;

    fn write(&self, writer: &mut Writer<'_>) {
        writer.put(1, &self.code());
        if let Self::Jump(chain) | Self::Goto(chain) = self {
            writer.put(2, chain);
        }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (mut code, mut chain) = (None, None);
        for attr in Attrs(bytes) {
            match attr.kind {
                1 => code = Some(i32::read(attr.value)?),
                2 => chain = Some(Name::read(attr.value)?),
                _ => return None,
            }
        }
        Some(match (code?, chain) {
            (0, None) => Self::Drop,
            (1, None) => Self::Accept,
            (-1, None) => Self::Continue,
            (-2, None) => Self::Break,
            (-5, None) => Self::Return,
            (-3, Some(chain)) => Self::Jump(chain),
            (-4, Some(chain)) => Self::Goto(chain),
            (code, None) => Self::Other(code),
            _ => return None,
        })
    }
}

/// What may be in a register: bytes, in the order of the network where they are a number of a packet, or a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the kernel's registers hold nothing else")]
pub enum Data {
    /// Bytes.
    Value(Bytes),
    /// A verdict.
    Verdict(Verdict),
}

impl Data {
    /// These bytes.
    #[must_use]
    pub fn value(bytes: impl AsRef<[u8]>) -> Self {
        Self::Value(Bytes::from_slice(bytes.as_ref()))
    }
}

impl From<Verdict> for Data {
    fn from(verdict: Verdict) -> Self {
        Self::Verdict(verdict)
    }
}

impl Field for Data {
    const FLAGS: u16 = NESTED;

    fn write(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Value(bytes) => writer.bytes(1, bytes),
            Self::Verdict(verdict) => writer.put(2, verdict),
        }
    }

    #[inline]
    fn put(&self, kind: u16, writer: &mut Writer<'_>) {
        match self {
            Self::Value(bytes) => writer.bytes_inside(kind, 1, bytes),
            Self::Verdict(verdict) => writer.nest(kind, |writer| writer.put(2, verdict)),
        }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut attrs = Attrs(bytes);
        let attr = attrs.next().filter(|_| attrs.is_empty())?;
        match attr.kind {
            1 => Field::read(attr.value).map(Self::Value),
            2 => Field::read(attr.value).map(Self::Verdict),
            _ => None,
        }
    }
}
