//! Filling one UPDATE with prefixes that share attributes.

use ipnet::IpNet;

use crate::attribute::{Attribute, AttributeCode, AttributeFlags};
use crate::cursor::Writer;
use crate::error::EncodeError;
use crate::family::Family;
use crate::header::{HEADER_LEN, MessageType};
use crate::nlri::{NextHop, Nlri};
use crate::session::Session;

/// Writes one UPDATE into the caller's buffer, at most as long as the buffer and as the session allows.
///
/// IPv4 unicast goes into the classic fields, every other family into MP_REACH_NLRI or MP_UNREACH_NLRI, which comes first
/// (RFC 7606 §5.1).
///
/// ```
/// use tortie_bgp_wire::{EncodeError, Family, Session, UpdateBuilder};
///
/// let session = Session::default();
/// let (mut buf, mut messages) = ([0; 4096], 0);
/// let mut builder = UpdateBuilder::withdraw(&mut buf, &session, Family::IPV6_UNICAST)?;
/// for i in 0..1000_u16 {
///     let prefix = ipnet::Ipv6Net::new([0x2001, 0xdb8, i, 0, 0, 0, 0, 0].into(), 48).unwrap().into();
///     if builder.push(prefix) == Err(EncodeError::Full) {
///         assert!(builder.finish().len() > 4080);
///         messages += 1;
///         builder = UpdateBuilder::withdraw(&mut buf, &session, Family::IPV6_UNICAST)?;
///         builder.push(prefix)?;
///     }
/// }
/// builder.finish();
/// assert_eq!(messages, 1); // and the second, which is not full
/// # Ok::<(), EncodeError>(())
/// ```
#[derive(Debug)]
pub struct UpdateBuilder<'b> {
    buf: &'b mut [u8],
    family: Family,
    /// Whether a path identifier stands before each destination.
    add_path: bool,
    /// Where the next prefix goes.
    at: usize,
    /// Where prefixes must end.
    limit: usize,
    count: usize,
    shape: Shape,
}

/// What surrounds the prefixes.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// Classic announcement: the attributes end at `attributes`, where the prefixes begin.
    Announce { attributes: usize },
    /// Classic withdrawal: the attributes length follows.
    Withdraw,
    /// In a multiprotocol attribute; the other attributes wait at `limit..limit + tail`.
    Multiprotocol { code: AttributeCode, tail: usize },
}

/// Header and the withdrawn length.
const WITHDRAWN: usize = HEADER_LEN + 2;
/// That, and the attributes length.
const ATTRIBUTES: usize = WITHDRAWN + 2;
/// That, and the header of a multiprotocol attribute.
const VALUE: usize = ATTRIBUTES + 4;

impl<'b> UpdateBuilder<'b> {
    /// Begins a message that announces prefixes of `family`.
    ///
    /// The attributes are written in the order given; NEXT_HOP is put where its type code belongs.
    ///
    /// # Errors
    /// `BuiltAttribute` if the attributes contain a next hop or multiprotocol NLRI, `WrongFamily` if the next hop is not one of
    /// `family`, `AsNeedsFourOctets`, `ValueTooLong`, and `BufferTooSmall` if not even the attributes fit.
    ///
    /// # Panics
    /// Never.
    pub fn announce(
        buf: &'b mut [u8],
        session: &Session,
        family: Family,
        next_hop: NextHop,
        attributes: &[Attribute<'_>],
    ) -> Result<Self, EncodeError> {
        let built = [AttributeCode::NEXT_HOP, AttributeCode::MP_REACH, AttributeCode::MP_UNREACH];
        if let Some(attribute) = attributes.iter().find(|attribute| built.contains(&attribute.code())) {
            return Err(EncodeError::BuiltAttribute { code: attribute.code().get() });
        }
        if !next_hop.fits(family, session) {
            return Err(EncodeError::WrongFamily { family });
        }
        let mut builder = Self::begin(buf, session, family)?;
        let room = builder.buf.get_mut(ATTRIBUTES..).ok_or(EncodeError::BufferTooSmall)?;
        let mut w = Writer::new(room);
        if let (NextHop::Ipv4(address), Family::IPV4_UNICAST) = (next_hop, family) {
            let mut next_hop = Some(Attribute::NextHop(address));
            for attribute in attributes {
                if attribute.code() > AttributeCode::NEXT_HOP {
                    if let Some(next_hop) = next_hop.take() {
                        next_hop.write(&mut w, session)?;
                    }
                }
                attribute.write(&mut w, session)?;
            }
            if let Some(next_hop) = next_hop {
                next_hop.write(&mut w, session)?;
            }
            let at = ATTRIBUTES + w.len();
            return Ok(Self { at, shape: Shape::Announce { attributes: at }, ..builder });
        }
        for attribute in attributes {
            attribute.write(&mut w, session)?;
        }
        // Multiprotocol: the others wait at the end of the buffer until the length of the first is known.
        let tail = w.len();
        builder.limit = builder.limit.saturating_sub(tail);
        builder.buf.copy_within(ATTRIBUTES..ATTRIBUTES + tail, builder.limit);
        builder.multiprotocol(AttributeCode::MP_REACH, tail, Some(next_hop))
    }

    /// What all messages begin with; it has the shape of a withdrawal.
    fn begin(buf: &'b mut [u8], session: &Session, family: Family) -> Result<Self, EncodeError> {
        let limit = buf.len().min(session.max_len());
        let buf = buf.get_mut(..limit).ok_or(EncodeError::BufferTooSmall)?;
        let add_path = session.add_path_send.contains(family);
        Ok(Self { buf, family, add_path, at: WITHDRAWN, limit, count: 0, shape: Shape::Withdraw })
    }

    /// Begins the multiprotocol attribute.
    fn multiprotocol(
        self,
        code: AttributeCode,
        tail: usize,
        next_hop: Option<NextHop>,
    ) -> Result<Self, EncodeError> {
        let room = self.buf.get_mut(VALUE..self.limit).ok_or(EncodeError::BufferTooSmall)?;
        let mut w = Writer::new(room);
        write_family(&mut w, self.family)?;
        if let Some(next_hop) = next_hop {
            let (octets, len) = next_hop.octets_for(self.family);
            w.u8(len)?;
            w.put(octets.get(..usize::from(len)).unwrap_or(&octets))?;
            w.u8(0)?;
        }
        let at = VALUE + w.len();
        Ok(Self { at, shape: Shape::Multiprotocol { code, tail }, ..self })
    }

    /// Begins a message that withdraws prefixes of `family`. Without any prefix it is the family's End-of-RIB.
    ///
    /// # Errors
    /// `BufferTooSmall`.
    ///
    /// # Panics
    /// Never.
    pub fn withdraw(buf: &'b mut [u8], session: &Session, family: Family) -> Result<Self, EncodeError> {
        let builder = Self::begin(buf, session, family)?;
        if family != Family::IPV4_UNICAST {
            return builder.multiprotocol(AttributeCode::MP_UNREACH, 0, None);
        }
        // The length of the attributes follows.
        let limit = builder.limit.checked_sub(2).filter(|limit| *limit >= WITHDRAWN);
        Ok(Self { limit: limit.ok_or(EncodeError::BufferTooSmall)?, ..builder })
    }

    /// Adds a prefix; its host bits are cleared. Where the session sends path identifiers, use [`push_path`](Self::push_path).
    ///
    /// # Errors
    /// `Full`: nothing was added, finish this message and begin the next. With no prefix in the message, that means that
    /// the attributes leave no room for even one. `WrongFamily`: the prefix is not of the message's family.
    /// `PathIdentifiers`: the session sends them with this family.
    ///
    /// # Panics
    /// Never.
    pub fn push(&mut self, prefix: IpNet) -> Result<(), EncodeError> {
        self.push_path(None, &Nlri::from(prefix))
    }

    /// Adds a destination of any family, with a path identifier if the session sends them (RFC 7911).
    ///
    /// # Errors
    /// As [`push`](Self::push).
    ///
    /// # Panics
    /// Never.
    pub fn push_path(&mut self, id: Option<u32>, nlri: &Nlri<'_>) -> Result<(), EncodeError> {
        let family = self.family;
        if nlri.family() != family {
            return Err(EncodeError::WrongFamily { family });
        }
        if id.is_some() != self.add_path {
            return Err(EncodeError::PathIdentifiers { family });
        }
        let room = self.buf.get_mut(self.at..self.limit).ok_or(EncodeError::Full)?;
        let mut w = Writer::new(room);
        id.map_or(Ok(()), |id| w.u32(id)).and_then(|()| nlri.write(&mut w)).map_err(|error| match error {
            EncodeError::BufferTooSmall => EncodeError::Full,
            other => other,
        })?;
        self.at += w.len();
        self.count += 1;
        Ok(())
    }

    /// How many prefixes are in the message.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether no prefix is in the message.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Completes the message and returns its octets, which stay in the buffer. An announcement without a prefix becomes
    /// a message of attributes alone, which nobody wants.
    ///
    /// # Panics
    /// Never.
    pub fn finish(self) -> &'b [u8] {
        let Self { buf, at, limit, shape, .. } = self;
        let len = match shape {
            Shape::Announce { attributes } => {
                set(buf, HEADER_LEN, &[0, 0]);
                set(buf, WITHDRAWN, &octets(attributes - ATTRIBUTES));
                at
            }
            Shape::Withdraw => {
                set(buf, HEADER_LEN, &octets(at - WITHDRAWN));
                set(buf, at, &[0, 0]);
                at + 2
            }
            Shape::Multiprotocol { code, tail } => {
                buf.copy_within(limit..limit + tail, at);
                set(buf, HEADER_LEN, &[0, 0]);
                set(buf, WITHDRAWN, &octets(at + tail - ATTRIBUTES));
                let flags = AttributeFlags::OPTIONAL.with(AttributeFlags::EXTENDED_LENGTH);
                set(buf, ATTRIBUTES, &[flags.get(), code.get()]);
                set(buf, ATTRIBUTES + 2, &octets(at - VALUE));
                at + tail
            }
        };
        set(buf, 0, &[0xff; 16]);
        set(buf, 16, &octets(len));
        set(buf, 18, &[MessageType::UPDATE.get()]);
        buf.get(..len).unwrap_or(&[])
    }
}

/// A length below 65536 as it is written.
fn octets(len: usize) -> [u8; 2] {
    u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes()
}

/// Overwrites octets that were reserved before.
fn set(buf: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(room) = buf.get_mut(at..at + bytes.len()) {
        room.copy_from_slice(bytes);
    }
}

fn write_family(w: &mut Writer<'_>, family: Family) -> Result<(), EncodeError> {
    w.u16(family.afi().get())?;
    w.u8(family.safi().get())
}
