//! A BGP speaker without sockets or clock: sessions, timers and RIBs as a state machine.
//!
//! For whoever needs BGP inside something else: a node agent, a load balancer, a test network. The embedder gives it sockets
//! and time.
//!
//! # Example: the driver loop
//!
//! Two speakers and no network at all; a real driver has sockets where this one has a vector, and sleeps until a socket has
//! something or [`Speaker::poll_timeout`] has come.
//!
//! ```
//! use core::time::Duration;
//! use tortie_bgp_speaker::{Config, Event, Output, PeerConfig, Source, Speaker};
//!
//! let addresses = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
//! let mut speakers = addresses.map(|id| Speaker::new(Config::new(64512, id)));
//! let now = Duration::ZERO; // any epoch, the same in every call
//! speakers[0].add_peer(PeerConfig::new(addresses[1].into(), 64512).next_hop4(addresses[0]), now)?;
//! speakers[1].add_peer(PeerConfig::new(addresses[0].into(), 64512).passive(true), now)?;
//! speakers[0].announce("192.168.1.0/26".parse()?);
//!
//! let mut ends = Vec::new(); // the "sockets": (side, connection) and (other side, connection)
//! loop {
//!     let mut quiet = true;
//!     for side in 0..2 {
//!         while let Some(output) = speakers[side].poll_output() {
//!             quiet = false;
//!             let other = 1 - side;
//!             match output {
//!                 // TcpStream::connect from `local` to `remote`; then `connected`, or `closed` if that fails.
//!                 Output::Connect { connection, .. } => match speakers[other].accepted(addresses[side].into(), now) {
//!                     Ok(accepted) => {
//!                         ends.push([(side, connection), (other, accepted)]);
//!                         speakers[side].connected(connection, now);
//!                     }
//!                     Err(_) => speakers[side].closed(connection, now),
//!                 },
//!                 // Write; call `blocked` and later `writable` if the socket does not take it all.
//!                 Output::Send { connection, bytes } => {
//!                     let end = ends.iter().find(|ends| ends.contains(&(side, connection))).unwrap();
//!                     let (_, peer) = if end[0].0 == side { end[1] } else { end[0] };
//!                     speakers[other].data(peer, &bytes, now);
//!                 }
//!                 // Close when everything is written.
//!                 Output::Close { .. } => {}
//!                 _ => {}
//!             }
//!         }
//!         while let Some(event) = speakers[side].poll_event() {
//!             if let Event::SessionUp { peer, .. } = event {
//!                 println!("{side}: {peer} is up");
//!             }
//!         }
//!     }
//!     if quiet {
//!         break; // a real driver sleeps here, then calls `data`, `closed`, `accepted` or `handle_timeout(now)`
//!     }
//! }
//!
//! let change = speakers[1].poll_change().unwrap();
//! let route = change.route.unwrap();
//! assert_eq!(route.prefix, "192.168.1.0/26".parse()?);
//! assert_eq!(route.attributes.gateway(), Some(addresses[0].into()));
//! assert_ne!(route.source, Source::Local);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Model
//!
//! [`Speaker`] holds [peers](PeerConfig) and the prefixes it announces. Inputs carry the time; outputs, events and route changes are
//! polled. One session carries IPv4 and IPv6 unicast.
//!
//! - **Sessions** follow RFC 4271 §8. Two connections of one peer are settled by identifier (§6.8). A peer's bad message gets the
//!   right NOTIFICATION, or, where RFC 7606 allows it, costs only the routes it announces. After an error of its own a peer waits, 5 s at
//!   first, 30 s at most, and is refused meanwhile; after a lost connection or a Cease it may come back at once.
//! - **Routes** are chosen by local origin, LOCAL_PREF, length of AS_PATH, ORIGIN, MED within a neighbouring AS, external before internal,
//!   identifier, length of CLUSTER_LIST, address. Not accepted: our AS in the path, our identifier as originator, segments of a
//!   confederation, a next hop that is ours or no unicast address.
//! - **Advertisement**: own prefixes to everybody, external routes to everybody but their source, internal ones to external
//!   peers. The next hop is always the one configured for the peer and family. NO_EXPORT and NO_ADVERTISE are obeyed. End-of-RIB
//!   follows the first table. A ROUTE-REFRESH is answered.
//!
//! # Slow peers
//!
//! There is no queue of UPDATEs. Every change of a best route has a version, and each peer a cursor: what a peer is sent is made when
//! [`Speaker::poll_output`] asks for it, from the newest state. A peer that is [blocked](Speaker::blocked) costs one old cursor.
//!
//! # Timers
//!
//! | Timer | Length |
//! |---|---|
//! | Connect retry, and an attempt's limit | [`Config::connect_retry`], 5 s, the wait less up to a quarter |
//! | Wait after an error | [`Config::error_wait`] to [`Config::error_wait_max`], 5 to 30 s, doubling, less up to a quarter |
//! | Hold | the smaller of both sides', ours is [`Config::hold_time`], 90 s; 60 s until the OPEN has come |
//! | Keepalive | a third of that |
//! | Send hold (RFC 9687) | 8 min, or twice the hold time |
//!
//! The "up to a quarter" comes from a hash of both addresses and the number of the wait: the core draws no random numbers.
//!
//! # Guarantees
//!
//! `no_std` with `alloc`, no `unsafe`, no panic on any input. Memory is bounded by what peers announce, which
//! [`PeerConfig::prefix_limit`] bounds, plus 4 KiB a connection, if outputs, events and changes are drained.
//!
//! # Limits
//!
//! Peers must have four-octet AS numbers (RFC 6793); others get NOTIFICATION 2/7. No route reflection, graceful restart, filters,
//! ADD-PATH or multipath; no check that next hops can be reached. MD5 and TTL security are the driver's.
//!
//! # Features
//!
//! `std` (default) is reserved: errors implement [`core::error::Error`] with and without it.
//!
//! MSRV 1.85.

#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod config;
mod decision;
mod event;
mod export;
mod fsm;
mod manage;
mod peer;
#[cfg(test)]
mod prove;
mod rib;
mod speaker;
mod timers;
mod update;

pub use config::{Config, LocalRoute, PeerConfig};
pub use event::{
    Change, ConnectionId, DownReason, Event, Output, PeerError, PeerId, PeerStats, PeerStatus, Refusal,
    Route, SessionInfo, SessionState, Source,
};
pub use rib::PathAttributes;
pub use speaker::Speaker;
pub use tortie_bgp_wire as wire;

/// Compiles README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
