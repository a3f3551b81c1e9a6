//! nf_tables from Rust, at the kernel's own speed: netlink messages for tables, chains, rules, sets and their elements.
//!
//! A [`Batch`] is a transaction: messages in one buffer, which the kernel takes all, or none of. What is put into it is a
//! structure whose fields are the attributes of the kernel's header (linux/netfilter/nf_tables.h); a [`Rule`] has methods that
//! read like a line of `nft`. [`Messages`] reads what the kernel tells, into the same structures; what this crate does not
//! know is kept as bytes.
//!
//! ```
//! use tortie_nft_wire::{Batch, Family, Name, Set, Table, Type};
//!
//! let table = Name::new("demo")?;
//! let blocked = Set::of(table.clone(), Name::new("blocked")?, 1, Type::IPV4_ADDR, 4).size(100_000);
//! let mut batch = Batch::new();
//! batch.add(Family::INET, &Table::new(table))?;
//! batch.add(Family::INET, &blocked)?;
//! // 100,000 addresses are one call, and no allocation for each.
//! batch.add_keys(Family::INET, &blocked, (0..100_000_u32).map(|n| (0x0a00_0000 + n).to_be_bytes()))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "socket")]
extern crate std;

mod attr;
mod batch;
mod chain;
mod comment;
mod error;
pub mod expr;
mod family;
mod message;
mod name;
mod object;
mod path;
mod protocol;
mod rule;
mod set;
#[cfg(feature = "socket")]
mod socket;
mod table;
mod verdict;

pub use attr::Bytes;
pub use batch::{Batch, Entity};
pub use chain::{Attachment, Chain, Devices, Hook, Policy};
#[cfg(feature = "socket")]
pub use error::{CommitError, Refusal};
pub use error::{EncodeError, NameError};
pub use expr::{Expr, Exprs, ObjectType};
pub use family::Family;
pub use message::{Entry, Generation, Message, Messages};
pub use name::Name;
pub use object::{FlowHook, Flowtable, Object, ObjectData};
pub use path::{Action, Part, Path, Subject};
pub use rule::{CtState, Rule, Selector};
pub use set::{Element, Layout, Parts, Set, SetPolicy, Type};
#[cfg(feature = "tokio")]
pub use socket::{AsyncEvents, AsyncSocket};
#[cfg(feature = "socket")]
pub use socket::{Event, Events, Listing, Options, Socket};
pub use table::Table;
pub use verdict::{Data, Register, Verdict};

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
