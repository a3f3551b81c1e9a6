//! Numbers of netlink, nfnetlink and nf_tables.
//!
//! Source: linux/netlink.h, linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h.

/// nf_tables in the upper byte of types of messages.
pub(crate) const SUBSYSTEM: u16 = 10;
/// Bytes of the header of a message, and of what nfnetlink puts behind it.
pub(crate) const HEADER: usize = 16;
pub(crate) const SUBHEADER: usize = 4;

pub(crate) const BATCH_BEGIN: u16 = 0x10;
pub(crate) const BATCH_END: u16 = 0x11;

/// Flags of questions.
pub(crate) const REQUEST: u16 = 1;
pub(crate) const ACK: u16 = 4;
pub(crate) const REPLACE: u16 = 0x100;
pub(crate) const EXCLUSIVE: u16 = 0x200;
pub(crate) const CREATE: u16 = 0x400;
pub(crate) const APPEND: u16 = 0x800;

/// Types of messages.
pub(crate) const NEW_TABLE: u8 = 0;
pub(crate) const DELETE_TABLE: u8 = 2;
pub(crate) const NEW_CHAIN: u8 = 3;
pub(crate) const DELETE_CHAIN: u8 = 5;
pub(crate) const NEW_RULE: u8 = 6;
pub(crate) const DELETE_RULE: u8 = 8;
pub(crate) const NEW_SET: u8 = 9;
pub(crate) const DELETE_SET: u8 = 11;
pub(crate) const NEW_ELEMENTS: u8 = 12;
pub(crate) const DELETE_ELEMENTS: u8 = 14;
pub(crate) const NEW_GENERATION: u8 = 15;
pub(crate) const NEW_OBJECT: u8 = 18;
pub(crate) const DELETE_OBJECT: u8 = 20;
pub(crate) const NEW_FLOWTABLE: u8 = 22;
pub(crate) const DELETE_FLOWTABLE: u8 = 24;
pub(crate) const DESTROY_TABLE: u8 = 26;
pub(crate) const DESTROY_CHAIN: u8 = 27;
pub(crate) const DESTROY_RULE: u8 = 28;
pub(crate) const DESTROY_SET: u8 = 29;
pub(crate) const DESTROY_ELEMENTS: u8 = 30;
pub(crate) const DESTROY_OBJECT: u8 = 31;
pub(crate) const DESTROY_FLOWTABLE: u8 = 32;
