//! The prefixes of the classic fields, as they were sent.

use ipnet::Ipv4Net;

use super::prefix;
use crate::error::EncodeError;
use crate::family::Family;

/// A prefix of the field of announced, or of withdrawn, routes: IPv4 unicast, as all of them are.
///
/// Written again it has the same octets. Bits beyond the length of the prefix, which RFC 4271 §4.3 calls irrelevant, are
/// kept for that alone: [`net`](Self::net) has them cleared.
///
/// ```
/// use tortie_bgp_wire::ClassicPrefix;
///
/// let prefix = ClassicPrefix::new("10.0.0.0/8".parse().unwrap()).with_path_id(7);
/// assert_eq!((prefix.path_id(), prefix.net().to_string()), (Some(7), "10.0.0.0/8".to_owned()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassicPrefix {
    path_id: Option<u32>,
    sent: Ipv4Net,
}

impl ClassicPrefix {
    /// A prefix without path identifier; its host bits are cleared.
    pub fn new(net: Ipv4Net) -> Self {
        Self { path_id: None, sent: net.trunc() }
    }

    /// A prefix as it is sent: of the bits beyond its length, those in its last octet are kept.
    #[cfg(any(feature = "arbitrary", feature = "serde"))]
    pub(crate) fn from_sent(path_id: Option<u32>, sent: Ipv4Net) -> Self {
        let octets = Ipv4Net::new(sent.addr(), sent.prefix_len().div_ceil(8) * 8);
        let address = octets.map_or_else(|_| sent.network(), |octets| octets.network());
        Self { path_id, sent: Ipv4Net::new(address, sent.prefix_len()).unwrap_or(sent) }
    }

    /// The same with a path identifier, for a session that sends them (RFC 7911).
    #[must_use]
    pub const fn with_path_id(self, id: u32) -> Self {
        Self { path_id: Some(id), ..self }
    }

    /// The path identifier, where the session has them.
    pub const fn path_id(&self) -> Option<u32> {
        self.path_id
    }

    /// The prefix; bits beyond its length are cleared.
    pub fn net(&self) -> Ipv4Net {
        self.sent.trunc()
    }

    /// The prefix with those bits beyond its length that are in its last octet, as it was sent.
    pub const fn sent(&self) -> Ipv4Net {
        self.sent
    }

    /// Writes prefixes, and gives the room that is left.
    #[inline]
    pub(crate) fn write_all<'b>(
        list: &[Self],
        mut room: &'b mut [u8],
        add_path: bool,
    ) -> Result<&'b mut [u8], EncodeError> {
        for prefix in list {
            if prefix.path_id.is_some() != add_path {
                return Err(EncodeError::PathIdentifiers { family: Family::IPV4_UNICAST });
            }
            if let Some(id) = prefix.path_id {
                let (slot, rest) = room.split_first_chunk_mut().ok_or(EncodeError::BufferTooSmall)?;
                *slot = id.to_be_bytes();
                room = rest;
            }
            room = prefix::put_sent(prefix.sent, room).ok_or(EncodeError::BufferTooSmall)?;
        }
        Ok(room)
    }
}

impl From<Ipv4Net> for ClassicPrefix {
    fn from(net: Ipv4Net) -> Self {
        Self::new(net)
    }
}

/// Iterator over a checked classic field: [`ClassicPrefix`]es.
#[derive(Debug, Clone)]
pub struct ClassicPrefixes<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) add_path: bool,
}

impl Iterator for ClassicPrefixes<'_> {
    type Item = ClassicPrefix;

    #[inline]
    fn next(&mut self) -> Option<ClassicPrefix> {
        let (path_id, bytes) = if self.add_path {
            let (id, rest) = self.bytes.split_first_chunk()?;
            (Some(u32::from_be_bytes(*id)), rest)
        } else {
            (None, self.bytes)
        };
        let (sent, rest) = prefix::v4_sent(bytes)?;
        self.bytes = rest;
        Some(ClassicPrefix { path_id, sent })
    }
}
