//! nf_tables from Rust, at the kernel's own speed: netlink messages for tables, chains, rules, sets and their elements.
//!
//! For who programs nf_tables from a program that cannot afford to run `nft` and to read what it prints.
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
//!
//! # Model
//!
//! A [`Batch`] is a transaction: messages in one buffer, which the kernel takes all, or none of. What is put into it is a
//! structure whose fields are the attributes of the kernel's header (linux/netfilter/nf_tables.h): [`Table`], [`Chain`],
//! [`Rule`], [`Set`], [`Object`], [`Flowtable`]; [`Element`]s, or for many of one kind keys, [intervals](Batch::add_intervals),
//! [verdicts](Batch::add_verdicts) and [data](Batch::add_values) as they are. A [`Rule`] has methods that read like a line of
//! `nft`, and takes any [expression](expr).
//!
//! [`Messages`] reads what the kernel tells, into the same structures.
//!
//! With the feature `socket`, `Socket` hands batches to the kernel of any network namespace, lists what it has, and finds out
//! what it can do ([`Features`]); `Events` tells what others change. With `tokio`, `AsyncSocket` and `AsyncEvents` do so.
//!
//! # Guarantees
//!
//! - What is in a batch is what was put there: an [`EncodeError`] leaves the batch as it was, and nothing is truncated.
//! - Keys, intervals, verdicts and data are written without an allocation for each; a batch that was [cleared](Batch::clear)
//!   writes without any.
//! - Hostile bytes are read as far as they go: no panic, no recursion deeper than the format, memory in proportion
//!   to the input (at most some 120 bytes for one).
//! - What this crate does not know is kept as bytes and written as it was read: expressions as
//!   [`Expr::Other`], attributes as [`Table::unknown`] and its like, messages as [`Entry::Other`].
//! - Every operation of a socket ends. A batch is in force as a whole, or not at all, and which of the two is known, but for
//!   what `CommitError::Unknown` says.
//!
//! # Limits
//!
//! Of an attribute, 65,535 bytes: the expressions of a rule, and one element. Of a rule, 128 expressions. Of a key, 64 bytes. Of a
//! name, 255.
//!
//! # Sources
//!
//! linux/netfilter/nf_tables.h, linux/netfilter/nfnetlink.h, linux/netlink.h.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "socket")]
extern crate std;

mod attr;
mod batch;
mod chain;
mod comment;
mod connection;
mod error;
pub mod expr;
mod family;
mod features;
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
pub use connection::{Connection, Tuple};
#[cfg(feature = "socket")]
pub use error::{CommitError, Refusal};
pub use error::{EncodeError, NameError};
pub use expr::{Expr, Exprs, ObjectType};
pub use family::Family;
pub use features::{Feature, Features};
pub use message::{Entry, Generation, Message, Messages};
pub use name::Name;
pub use object::{FlowHook, Flowtable, Object, ObjectData};
pub use path::{Action, Part, Path, Subject};
pub use rule::{CtState, ExprBuf, Rule, RuleBuf, Selector};
pub use set::{Element, Layout, Parts, Set, SetPolicy, Type};
#[cfg(feature = "tokio")]
pub use socket::{AsyncEvents, AsyncSocket};
#[cfg(feature = "socket")]
pub use socket::{Conntrack, Event, Events, Listing, Marked, Options, Socket};
pub use table::Table;
pub use verdict::{Data, Register, Verdict};

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
