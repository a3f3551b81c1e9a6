//! Backends: rule programs in the words of a kernel's packet filter.

pub mod nftables;
