//! What a batch may add, delete or change, and what is checked before it is in one.

use crate::attr::{Bytes, Field, Writer};
use crate::chain::{Attachment, Chain, Devices};
use crate::error::{EncodeError, NameError};
use crate::object::{Flowtable, Object};
use crate::protocol::{
    APPEND, CREATE, DELETE_CHAIN, DELETE_FLOWTABLE, DELETE_OBJECT, DELETE_RULE, DELETE_SET, DELETE_TABLE,
    DESTROY_CHAIN, DESTROY_FLOWTABLE, DESTROY_OBJECT, DESTROY_RULE, DESTROY_SET, DESTROY_TABLE, NEW_CHAIN,
    NEW_FLOWTABLE, NEW_OBJECT, NEW_RULE, NEW_SET, NEW_TABLE,
};
use crate::rule::{Rule, RuleBuf};
use crate::set::Set;
use crate::table::Table;

/// Most bytes of userdata, `NFT_USERDATA_MAXLEN`.
const USERDATA: usize = 256;
/// Bytes of the name of an interface, with the zero at its end.
pub(crate) const INTERFACE: usize = 16;
/// Most bytes of a key: those of the registers.
pub(crate) const KEY: usize = 64;
/// Most expressions of a rule, `NFT_RULE_MAXEXPRS`.
const EXPRESSIONS: usize = 128;

/// What a batch may add, delete or change.
pub trait Entity: sealed::Sealed {}

impl<S: sealed::Sealed> Entity for S {}

pub(crate) mod sealed {
    use alloc::vec::Vec;

    use crate::error::EncodeError;
    use crate::protocol::CREATE;

    /// Types of the messages that add something, delete it, and delete it if it is there.
    #[derive(Clone, Copy, Debug)]
    #[expect(unnameable_types, reason = "nobody else may implement it")]
    pub struct Kinds {
        pub(crate) add: u8,
        pub(crate) delete: u8,
        pub(crate) destroy: u8,
    }

    #[expect(unnameable_types, reason = "nobody else may implement it")]
    pub trait Sealed {
        /// Types of its messages.
        const KINDS: Kinds;
        /// Flags of the message that adds it.
        const FLAGS: u16 = CREATE;

        /// What is wrong with it.
        ///
        /// # Errors
        ///
        /// That.
        fn check(&self) -> Result<(), EncodeError>;

        /// Its attributes; whether they are whole.
        fn encode(&self, bytes: &mut Vec<u8>) -> bool;
    }
}

macro_rules! entities {
    ($($type:ty: $add:ident $delete:ident $destroy:ident, $flags:expr, $check:expr;)*) => {$(
        impl sealed::Sealed for $type {
            const KINDS: sealed::Kinds = sealed::Kinds { add: $add, delete: $delete, destroy: $destroy };
            const FLAGS: u16 = $flags;

            fn check(&self) -> Result<(), EncodeError> {
                let check: fn(&Self) -> Result<(), EncodeError> = $check;
                check(self)
            }

            fn encode(&self, bytes: &mut alloc::vec::Vec<u8>) -> bool {
                let mut writer = Writer::new(bytes);
                self.write(&mut writer);
                writer.is_whole()
            }
        }
    )*};
}

entities! {
    Table: NEW_TABLE DELETE_TABLE DESTROY_TABLE, CREATE, |table| userdata(&table.userdata);
    Chain: NEW_CHAIN DELETE_CHAIN DESTROY_CHAIN, CREATE, chain;
    Rule: NEW_RULE DELETE_RULE DESTROY_RULE, CREATE | APPEND,
        |rule| rule_of(rule.fault, rule.exprs.len(), rule.userdata.as_ref().map_or(0, |userdata| userdata.len()));
    RuleBuf: NEW_RULE DELETE_RULE DESTROY_RULE, CREATE | APPEND, RuleBuf::check;
    Set: NEW_SET DELETE_SET DESTROY_SET, CREATE, set;
    Object: NEW_OBJECT DELETE_OBJECT DESTROY_OBJECT, CREATE, |object| userdata(&object.userdata);
    Flowtable: NEW_FLOWTABLE DELETE_FLOWTABLE DESTROY_FLOWTABLE, CREATE, flowtable;
}

/// Whether the kernel keeps so much.
pub(super) fn userdata(userdata: &Option<Bytes>) -> Result<(), EncodeError> {
    userdata_of(userdata.as_ref().map_or(0, |userdata| userdata.len()))
}

const fn userdata_of(len: usize) -> Result<(), EncodeError> {
    if len > USERDATA { Err(EncodeError::Userdata { len, max: USERDATA }) } else { Ok(()) }
}

fn devices(devices: &Option<Devices>) -> Result<(), EncodeError> {
    devices.iter().flat_map(|devices| &devices.0).try_for_each(|name| interface(name.as_bytes()))
}

/// Whether an interface may have this name.
pub(crate) fn interface(name: &[u8]) -> Result<(), EncodeError> {
    let (len, max) = (name.len(), INTERFACE - 1);
    if len > max { Err(NameError::TooLong { len, max }.into()) } else { Ok(()) }
}

fn chain(chain: &Chain) -> Result<(), EncodeError> {
    userdata(&chain.userdata)?;
    let Some(Attachment { device, devices: several, .. }) = &chain.attachment else { return Ok(()) };
    device.as_ref().map_or(Ok(()), |name| interface(name.as_bytes()))?;
    devices(several)
}

fn flowtable(flowtable: &Flowtable) -> Result<(), EncodeError> {
    flowtable.hook.as_ref().map_or(Ok(()), |hook| devices(&hook.devices))
}

/// What is wrong with a rule of so many expressions, and of so many bytes of userdata.
pub(crate) const fn rule_of(
    fault: Option<EncodeError>,
    len: usize,
    userdata: usize,
) -> Result<(), EncodeError> {
    match fault {
        Some(fault) => Err(fault),
        None if len > EXPRESSIONS => Err(EncodeError::TooManyExpressions { len, max: EXPRESSIONS }),
        None => userdata_of(userdata),
    }
}

fn set(set: &Set) -> Result<(), EncodeError> {
    userdata(&set.userdata)?;
    let parts = set.layout.as_ref().and_then(|layout| layout.parts.as_ref());
    let (Some(parts), Some(key)) = (parts, set.key_len) else { return Ok(()) };
    let parts = parts.0.iter().fold(0_usize, |sum, part| {
        sum.saturating_add(usize::try_from(*part).map_or(usize::MAX, |part| part.saturating_add(3) & !3))
    });
    let key = usize::try_from(key).unwrap_or(usize::MAX);
    if parts != key || key > KEY { Err(EncodeError::Parts { parts, key }) } else { Ok(()) }
}
