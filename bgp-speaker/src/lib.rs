//! A BGP speaker without sockets or clock: sessions, timers and RIBs as a state machine.

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
