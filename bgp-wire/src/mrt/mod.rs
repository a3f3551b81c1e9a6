//! MRT: recorded BGP messages and RIBs (RFC 6396, RFC 8050).
//!
//! ```
//! use tortie_bgp_wire::mrt::{Body, PathAttributes, Peer, PeerIndexTable, Record, Rib, RibEntry, Timestamp};
//! use tortie_bgp_wire::{AsPath, Attribute, Family, Origin};
//!
//! // Writes the start of a RIB: the table of peers, and a route of the first of them.
//! let peers = [Peer::new([192, 0, 2, 1].into(), [192, 0, 2, 1].into(), 64512)];
//! let path = [64512, 4_200_000_001];
//! let attributes =
//!     [Attribute::Origin(Origin::IGP), Attribute::AsPath(AsPath::sequence(&path)), Attribute::NextHop([192, 0, 2, 1].into())];
//! let mut space = [0; 256];
//! let attributes = PathAttributes::encode(&attributes.map(Into::into), &mut space)?;
//! let routes = [RibEntry::new(0, 1_700_000_000, attributes)];
//!
//! let time = Timestamp::new(1_700_000_100);
//! let table = Record::new(time, Body::PeerIndexTable(PeerIndexTable::new([192, 0, 2, 9].into(), &peers)));
//! let rib = Record::new(time, Body::Rib(Rib::unicast(0, "10.0.0.0/26".parse()?, &routes)));
//! let mut file = [0; 512];
//! let first = table.encode(&mut file)?;
//! let len = first + rib.encode(&mut file[first..])?;
//!
//! // Reads it.
//! let (record, rest) = Record::decode(&file[..len])?;
//! let Body::PeerIndexTable(table) = record.body else { unreachable!() };
//! let (record, rest) = Record::decode(rest)?;
//! let Body::Rib(rib) = record.body else { unreachable!() };
//! for route in rib.entries() {
//!     let peer = table.peers.iter().nth(route.peer.into()).unwrap();
//!     assert_eq!((peer.asn(), rib.prefix()), (64512, "10.0.0.0/26".parse()?));
//!     assert!(route.attributes.as_path().unwrap().asns().eq(path));
//!     assert_eq!(route.attributes.next_hop(rib.family()).unwrap().address(), peer.address());
//! }
//! assert!(rest.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Model
//!
//! [`RawRecord::decode`] frames one record, [`RawRecord::record`] reads its body; [`Record::decode`] does both. Views borrow
//! the octets, allocate nothing, and encode to the same octets. `MrtReader` (feature `std`) takes records from any source.
//!
//! The BGP message in a record is not read until [`SessionMessage::decode_message`] is called, the attributes of a route not
//! until [`PathAttributes::iter`] is: an archive holds what a peer sent, good or bad, and one bad message is no reason to lose
//! the record around it.
//!
//! Types and subtypes that are not named here, the deprecated ones of RFC 6396 appendix B among them, are [`UnknownBody`]: kept
//! as octets, and written again as they were.

mod address;
#[cfg(feature = "arbitrary")]
mod arbitrary;
mod attributes;
mod bgp4mp;
mod error;
mod generic;
mod header;
mod peers;
mod record;
mod rib;
#[cfg(feature = "std")]
mod stream;
mod table;

pub use crate::entries::{Entries, Entry, EntryIter};
pub use attributes::{PathAttributeIter, PathAttributes};
pub use bgp4mp::{MessageForm, Peering, SessionMessage, State, StateChange};
pub use error::{MrtError, MrtErrorKind};
pub use generic::RibGeneric;
pub use header::{HEADER_LEN, RawRecord, RecordType, Timestamp};
pub use peers::{Peer, PeerIndexTable};
pub use record::{Body, Record, UnknownBody};
pub use rib::{Rib, RibEntry};
#[cfg(feature = "std")]
pub use stream::{Mrt, MrtReadError, MrtReader};
pub use table::TableDump;
