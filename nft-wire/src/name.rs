//! Names of tables, chains, sets and objects.

use core::fmt;

use smallvec::SmallVec;

use crate::attr::{Field, Writer};
use crate::error::NameError;

/// Name of a table, chain, set, object or flow table: 1 to 255 bytes, none of them zero.
///
/// Names of up to 48 bytes are no allocation. `Display` replaces what is not UTF-8.
///
/// # Example
///
/// ```
/// use tortie_nft_wire::{Name, NameError};
///
/// assert_eq!(Name::new("filter")?.to_string(), "filter");
/// assert_eq!(Name::new(""), Err(NameError::Empty));
/// # Ok::<(), NameError>(())
/// ```
///
/// Source: `NFT_NAME_MAXLEN` of linux/netfilter/nf_tables.h.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(SmallVec<[u8; 48]>);

impl Name {
    /// Most bytes of a name.
    pub const MAX_LEN: usize = 255;

    /// A name of these bytes.
    ///
    /// # Errors
    ///
    /// The name is empty, longer than [`MAX_LEN`](Self::MAX_LEN), or has a zero in it.
    pub fn new(name: impl AsRef<[u8]>) -> Result<Self, NameError> {
        let name = name.as_ref();
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > Self::MAX_LEN {
            return Err(NameError::TooLong { len: name.len(), max: Self::MAX_LEN });
        }
        // Nearly no name has one, which is seen of many bytes at once.
        let has_zero = name.iter().fold(false, |has, byte| has | (*byte == 0));
        if has_zero {
            let at = name.iter().position(|byte| *byte == 0).unwrap_or_default();
            return Err(NameError::Zero { at });
        }
        Ok(Self(SmallVec::from_slice(name)))
    }

    /// Its bytes, without the zero that ends it in a message.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Field for Name {
    #[inline]
    fn write(&self, writer: &mut Writer<'_>) {
        writer.raw(&self.0);
        writer.raw(&[0]);
    }

    #[inline]
    fn put(&self, kind: u16, writer: &mut Writer<'_>) {
        writer.text(kind, &self.0);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        // The kernel ends names with a zero, and pads some with more.
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        Self::new(bytes.get(..end)?).ok()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&alloc::string::String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&alloc::string::String::from_utf8_lossy(&self.0), f)
    }
}

impl TryFrom<&str> for Name {
    type Error = NameError;

    fn try_from(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}
