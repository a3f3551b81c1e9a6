//! Rule programs as text for `nft -f -`.
//!
//! One table of family `inet`, for IPv4 and IPv6, replaced as a whole by one transaction. It has base chains on these
//! hooks. But for what a [`Network`] asks for, it touches no packet that neither comes from nor goes to an interface of a
//! workload or of a host endpoint:
//!
//! | hook | priority | what it does |
//! |---|---|---|
//! | prerouting | raw | drops packets from a workload whose source address is not routed back to it |
//! | forward | filter | egress policy of the workload that sends |
//! | forward | filter + 1 | ingress policy of the workload that receives |
//! | input | filter | egress policy of the workload that sends to the host |
//! | input | filter + 1 | [`HostAction`](crate::HostAction) for what that policy allows |
//! | prerouting | raw | untracked ingress policy of host endpoints |
//! | output | raw | untracked egress policy of host endpoints |
//! | prerouting | mangle | pre-DNAT policy of host endpoints |
//! | forward | filter + 2 | ingress policy of host endpoints for what is forwarded |
//! | forward | filter + 3 | egress policy of host endpoints for what is forwarded |
//! | input | filter + 2 | normal ingress policy of host endpoints |
//! | output | filter | normal egress policy of host endpoints |
//! | postrouting | mangle | the same, for what the host sends to an address that was translated |
//! | forward | filter + 4 | drops what goes to an address of a service that nobody translated |
//! | postrouting | srcnat + 10 | translates sources of members of pools |
//!
//! A drop is final; an accept ends only the base chain it stands in, so that both ends are judged, and tables of others
//! have their say. What the host itself sends to its workloads is not policed. Packets of connections that were accepted
//! pass before policy is asked, as do those related to them; packets that connection tracking calls invalid are dropped.
//! A packet from or to an interface with the prefix of workloads that no endpoint has is dropped.
//!
//! The host accepts neighbour discovery and multicast listener messages from workloads (ICMPv6 types 130 to 133, 135 and
//! 136), and never router advertisements or redirects.
//!
//! # Connections that are there
//!
//! What was accepted goes on when policy changes, until somebody asks about each connection that the kernel tracks: then
//! `Ruleset::connection_mark` says which ones policy would not accept now, and packets of those that have the mark, of both
//! directions, are dropped. So an agent that takes over a node cuts what began before there was policy, and one that is told
//! to evaluate connections anew does so after each change. Where nobody has tracked connections before, the kernel takes
//! whoever speaks first afterwards for the one who began, and so do these.
//!
//! # Rules
//!
//! Every rule carries a comment with the policy or profile that it stems from, its direction and its place in the list.
//!
//! Works with nft 1.0.6 and Linux 5.10 or later. Nothing of a table persists if the kernel is told to flush it by others:
//! the flags `owner` and `persist` cannot be had from one run of nft 1.0.6.
//!
//! Source of the layout: calico@87c15906f2 felix/rules/{static,endpoints,dispatch}.go.

mod denied;
#[cfg(feature = "nft-wire")]
mod foreign;
mod layout;
mod network;
mod options;
#[cfg(feature = "nft-wire")]
mod ruleset;
mod text;
#[cfg(feature = "nft-wire")]
mod wire;

use alloc::string::String;

#[cfg(feature = "nft-wire")]
pub use denied::Denied;
pub use denied::Denier;
#[cfg(feature = "nft-wire")]
pub use foreign::{ForeignDrop, foreign_drops};
pub use network::{Network, ServiceLoop};
pub use options::{Options, OptionsError};
#[cfg(feature = "nft-wire")]
pub use ruleset::{Counts, Denial, Ruleset};

use crate::program::Program;

/// Name of the table, of family `inet`.
pub const TABLE: &str = "tortie";

/// The text that makes the kernel do what the program says: one transaction for `nft -f -`.
///
/// It replaces the table if it is there, so it is also the way from an older program to this one. A packet of no connection
/// that runs through the old one at that moment may be dropped; none slips by both. The same program always gives the same text.
///
/// # Example
///
/// ```
/// use tortie_policy::{Host, Inputs, compile, nftables, resolve};
///
/// let program = compile(&resolve(&Inputs::new(), &Host::new("node-1"), |endpoint| endpoint.id.starts_with("node-1/")));
/// let text = nftables::render(&program, &nftables::Options::default());
/// assert!(text.contains("delete table inet tortie"));
/// ```
#[must_use]
pub fn render(program: &Program, options: &Options) -> String {
    text::render(program, options)
}

/// The text that drops every packet from and to workloads, established connections included, if the table is not there.
///
/// If the table is there, the transaction fails with `File exists` and changes nothing: then the rules that
/// [`render`] made are in force. For whoever brings up a workload while they may not be.
#[must_use]
pub fn lockdown(options: &Options) -> String {
    text::lockdown(options)
}

/// The text that removes the table, or does nothing if it is not there. Afterwards nothing is policed.
#[must_use]
pub fn remove(options: &Options) -> String {
    text::remove(options)
}
