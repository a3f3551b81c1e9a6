//! BMP: what routers tell a monitoring station (RFC 7854, RFC 8671, RFC 9069).
//!
//! ```
//! use tortie_bgp_wire::bmp::{Message, PeerHeader, RouteMonitoring};
//! use tortie_bgp_wire::{AsPath, Attribute, Family, NextHop, Origin, UpdateBuilder};
//!
//! // A router reports a route of a peer.
//! let peer = PeerHeader::new([192, 0, 2, 1].into(), 64512, [192, 0, 2, 1].into()).at(1_700_000_000, 0);
//! let path = [Attribute::Origin(Origin::IGP), Attribute::AsPath(AsPath::sequence(&[64512]))];
//! let (mut space, mut buf) = ([0; 128], [0; 256]);
//! let next_hop = NextHop::Ipv4([192, 0, 2, 1].into());
//! let mut update = UpdateBuilder::announce(&mut space, &peer.session(), Family::IPV4_UNICAST, next_hop, &path)?;
//! update.push("10.0.0.0/26".parse().unwrap())?;
//! let len = Message::RouteMonitoring(RouteMonitoring::new(peer, update.finish())).encode(&mut buf)?;
//!
//! // The station reads it.
//! let (message, rest) = Message::decode(&buf[..len])?;
//! let Message::RouteMonitoring(routes) = message else { unreachable!() };
//! assert_eq!((routes.peer.asn, routes.peer.address()), (64512, Some([192, 0, 2, 1].into())));
//! let update = routes.decode_message(&routes.peer.session())?;
//! assert!(rest.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Model
//!
//! [`Message::decode`] checks one message once and gives a view that borrows the octets, allocates nothing, and encodes to the
//! same octets. `BmpReader` (feature `std`) takes messages from any source, such as a `TcpStream`; a driver with a buffer of its own
//! calls `decode` again when [`BmpErrorKind::Incomplete`] has said how much is needed.
//!
//! The BGP messages inside are not read until they are asked for. What reads them, the width of AS numbers and path identifiers,
//! stands in the [`PeerUp`] of the peer: keep [`PeerUp::session`] for each.
//!
//! Message types, information, statistics and reasons that are not named here are kept as octets.

#[cfg(feature = "arbitrary")]
mod arbitrary;
mod error;
mod information;
mod message;
mod peer;
mod session;
mod statistics;
#[cfg(feature = "std")]
mod stream;

pub use crate::entries::{Entries, Entry, EntryIter};
pub use error::{BmpError, BmpErrorKind};
pub use information::{
    InformationType, Initiation, MirroringCode, RouteMirroring, Termination, TerminationReason,
};
pub use message::{HEADER_LEN, Message, MessageType, RouteMonitoring, VERSION};
pub use peer::{PeerFlags, PeerHeader, PeerType};
pub use session::{PeerDown, PeerDownReason, PeerUp};
pub use statistics::{Statistic, StatisticType, StatisticValue, StatisticsReport};
#[cfg(feature = "std")]
pub use stream::{Bmp, BmpReadError, BmpReader};
