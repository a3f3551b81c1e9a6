//! UPDATE from typed values.

use crate::attribute::FlaggedAttribute;
use crate::error::EncodeError;
use crate::family::Family;
use crate::header::HEADER_LEN;
use crate::nlri::ClassicPrefix;
use crate::session::Session;

/// What an UPDATE is made of, as typed values. Those of a message that was read give its octets again.
///
/// ```
/// use tortie_bgp_wire::{Attribute, ClassicPrefix, FlaggedAttribute, Message, Origin, Session, UpdateParts};
///
/// let attributes = [FlaggedAttribute::from(Attribute::Origin(Origin::IGP))];
/// let announced = [ClassicPrefix::new("10.0.0.0/8".parse().unwrap())];
/// let mut buf = [0; 64];
/// let parts = UpdateParts { withdrawn: &[], attributes: &attributes, announced: &announced };
/// let len = parts.encode(&mut buf, &Session::default())?;
/// let Ok((Message::Update(update), _)) = Message::decode(&buf[..len], &Session::default()) else { unreachable!() };
/// assert!(update.classic_announcements().eq(announced));
/// # Ok::<(), tortie_bgp_wire::EncodeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "an UPDATE has these three fields since 1995")]
pub struct UpdateParts<'a> {
    /// The classic field of withdrawn routes.
    pub withdrawn: &'a [ClassicPrefix],
    /// The attributes, in the order in which they are written.
    pub attributes: &'a [FlaggedAttribute<'a>],
    /// The classic field of announced routes.
    pub announced: &'a [ClassicPrefix],
}

impl UpdateParts<'_> {
    /// Writes the whole message and returns its length.
    ///
    /// # Errors
    /// `BufferTooSmall`, `MessageTooLong`, `ValueTooLong`, `AsNeedsFourOctets`; `PathIdentifiers` for prefixes that have one
    /// where the session sends none, or the other way round. What the buffer then holds is of no use.
    ///
    /// # Panics
    /// Never.
    pub fn encode(&self, buf: &mut [u8], session: &Session) -> Result<usize, EncodeError> {
        let max = session.max_len();
        let limit = buf.len().min(max);
        let too_long =
            if buf.len() >= max { EncodeError::MessageTooLong { max } } else { EncodeError::BufferTooSmall };
        let room = buf.get_mut(..limit).ok_or(too_long)?;
        self.write(room, session).map_err(|error| match error {
            EncodeError::BufferTooSmall => too_long,
            other => other,
        })
    }

    fn write(&self, buf: &mut [u8], session: &Session) -> Result<usize, EncodeError> {
        let add_path = session.add_path_send.contains(Family::IPV4_UNICAST);
        let total = buf.len();
        // The lengths stand in front of what they measure, and are written last.
        let (header, room) = buf.split_first_chunk_mut().ok_or(EncodeError::BufferTooSmall)?;
        let start = room.len();
        let room = ClassicPrefix::write_all(self.withdrawn, room, add_path)?;
        let withdrawn = octets(start - room.len())?;
        let (attributes, room) = room.split_first_chunk_mut().ok_or(EncodeError::BufferTooSmall)?;
        let start = room.len();
        let room = FlaggedAttribute::write_all(self.attributes, room, session.four_octet_as)?;
        *attributes = octets(start - room.len())?;
        let room = ClassicPrefix::write_all(self.announced, room, add_path)?;
        let len = total - room.len();
        *header = HEADER;
        let [.., l1, l0, _, w1, w0] = header;
        [*l1, *l0] = octets(len)?;
        [*w1, *w0] = withdrawn;
        Ok(len)
    }
}

/// A length as it is written.
#[inline(always)]
fn octets(len: usize) -> Result<[u8; 2], EncodeError> {
    u16::try_from(len).map(u16::to_be_bytes).map_err(|_| EncodeError::ValueTooLong)
}

/// The header of an UPDATE and the length of the withdrawn routes, both lengths still zero.
const HEADER: [u8; HEADER_LEN + 2] = {
    let mut bytes = [0xff; HEADER_LEN + 2];
    let [.., l1, l0, kind, w1, w0] = &mut bytes;
    (*l1, *l0, *kind, *w1, *w0) = (0, 0, 2, 0, 0);
    bytes
};
