//! Writing attributes.

use crate::attribute::as_path::write_asn;
use crate::attribute::{Aggregator, Attribute, AttributeCode, AttributeFlags, FlaggedAttribute};
use crate::cursor::{Writer, put_first, put_short};
use crate::error::EncodeError;
use crate::session::Session;

impl Attribute<'_> {
    /// Length of the value in octets.
    fn value_len(&self, four_octet_as: bool) -> usize {
        match self {
            Self::Origin(_) => 1,
            Self::AsPath(path) => path.encoded_len(four_octet_as),
            Self::NextHop(_)
            | Self::Med(_)
            | Self::LocalPref(_)
            | Self::OriginatorId(_)
            | Self::OnlyToCustomer(_) => 4,
            Self::AtomicAggregate => 0,
            Self::Aggregator(_) => {
                if four_octet_as {
                    8
                } else {
                    6
                }
            }
            Self::Communities(list) => list.encoded_len(),
            Self::ClusterList(list) => list.encoded_len(),
            Self::ExtendedCommunities(list) => list.encoded_len(),
            Self::Ipv6ExtendedCommunities(list) => list.encoded_len(),
            Self::LargeCommunities(list) => list.encoded_len(),
            Self::As4Path(path) => path.encoded_len(true),
            Self::As4Aggregator(_) => 8,
            Self::PmsiTunnel(tunnel) => 5 + tunnel.identifier.len(),
            Self::TunnelEncap(tunnels) => tunnels.bytes().len(),
            Self::Aigp(aigp) => aigp.bytes().len(),
            Self::LinkState(state) => state.bytes().len(),
            Self::PrefixSid(sid) => sid.bytes().len(),
            Self::AttributeSet(set) => 4 + set.bytes().len(),
            Self::MpReach(reach) => reach.encoded_len(),
            Self::MpUnreach(unreach) => unreach.encoded_len(),
            Self::Unknown(raw) => raw.value.len(),
        }
    }

    /// The flags it is written with, but for the extended length bit.
    pub(super) fn flags(&self) -> AttributeFlags {
        match self {
            Self::Unknown(raw) => raw.flags,
            typed => typed.code().expected_flags().unwrap_or(AttributeFlags::OPTIONAL),
        }
    }

    /// Length of the encoded attribute in octets, header included.
    pub fn encoded_len(&self, session: &Session) -> usize {
        FlaggedAttribute::from(*self).encoded_len(session)
    }

    /// Writes header and value.
    pub(crate) fn write(&self, w: &mut Writer<'_>, session: &Session) -> Result<(), EncodeError> {
        let attribute = [FlaggedAttribute::from(*self)];
        w.pass(|room| FlaggedAttribute::write_all(&attribute, room, session.four_octet_as))
    }
}

impl FlaggedAttribute<'_> {
    /// Length of the encoded attribute in octets, header included.
    pub fn encoded_len(&self, session: &Session) -> usize {
        let len = self.attribute.value_len(session.four_octet_as);
        len + if len > 255 || self.flags.contains(AttributeFlags::EXTENDED_LENGTH) { 4 } else { 3 }
    }

    /// Writes attributes, and gives the room that is left.
    pub(crate) fn write_all<'b>(
        list: &[Self],
        mut room: &'b mut [u8],
        four_octet_as: bool,
    ) -> Result<&'b mut [u8], EncodeError> {
        for attribute in list {
            let header = Header { flags: attribute.flags, code: attribute.attribute.code() };
            // Most have a value of one word at the most, or octets that are there; the others stand at the end.
            let bytes = match &attribute.attribute {
                Attribute::Origin(origin) => {
                    room = header.write_word(room, 1, u32::from(origin.0) << 24)?;
                    continue;
                }
                Attribute::NextHop(address) | Attribute::OriginatorId(address) => {
                    room = header.write_word(room, 4, u32::from(*address))?;
                    continue;
                }
                Attribute::Med(value) | Attribute::LocalPref(value) | Attribute::OnlyToCustomer(value) => {
                    room = header.write_word(room, 4, *value)?;
                    continue;
                }
                Attribute::AtomicAggregate => {
                    room = header.write_word(room, 0, 0)?;
                    continue;
                }
                Attribute::AsPath(path) => path.wire(four_octet_as),
                Attribute::Communities(list) => list.wire(),
                Attribute::ClusterList(list) => list.wire(),
                Attribute::ExtendedCommunities(list) => list.wire(),
                Attribute::As4Path(path) => path.wire(true),
                Attribute::Ipv6ExtendedCommunities(list) => list.wire(),
                Attribute::LargeCommunities(list) => list.wire(),
                Attribute::TunnelEncap(tunnels) => Some(tunnels.bytes()),
                Attribute::Aigp(aigp) => Some(aigp.bytes()),
                Attribute::LinkState(state) => Some(state.bytes()),
                Attribute::PrefixSid(sid) => Some(sid.bytes()),
                Attribute::Unknown(raw) => Some(raw.value),
                Attribute::Aggregator(_)
                | Attribute::MpReach(_)
                | Attribute::MpUnreach(_)
                | Attribute::As4Aggregator(_)
                | Attribute::PmsiTunnel(_)
                | Attribute::AttributeSet(_) => None,
            };
            room = match bytes {
                Some(bytes) => header.write_bytes(room, bytes)?,
                None => header.write_parts(room, &attribute.attribute, four_octet_as)?,
            };
        }
        Ok(room)
    }
}

/// What stands before the length of an attribute.
#[derive(Debug, Clone, Copy)]
struct Header {
    flags: AttributeFlags,
    code: AttributeCode,
}

impl Header {
    /// Writes flags, code and length, and the first `count` octets of a word, at most four, that the value begins with; the
    /// extended length bit is added if `len` needs it.
    ///
    /// Both forms of header are one word with what follows. Which it is, is no branch, since it depends on the peer and is hard
    /// to guess ahead.
    #[inline(always)]
    fn write(self, room: &mut [u8], len: u16, count: u8, word: u32) -> Result<&mut [u8], EncodeError> {
        let flags = self.flags.get() | u8::from(len > 255) << 4;
        let long = flags >> 4 & 1;
        let head = u64::from(u16::from_be_bytes([flags, self.code.get()])) << 48;
        let body = (u64::from(len) << 32 | u64::from(word)) << (8 * (1 - long));
        put_first(room, (head | body).to_be_bytes(), usize::from(3 + long + count))
            .ok_or(EncodeError::BufferTooSmall)
    }

    /// Writes an attribute whose value is the first `len` octets of a word.
    #[inline(always)]
    fn write_word(self, room: &mut [u8], len: u8, word: u32) -> Result<&mut [u8], EncodeError> {
        self.write(room, len.into(), len, word)
    }

    /// Writes an attribute whose value is there.
    #[inline(always)]
    fn write_bytes<'b>(self, room: &'b mut [u8], bytes: &[u8]) -> Result<&'b mut [u8], EncodeError> {
        if let [a, b, c, d] = *bytes {
            return self.write_word(room, 4, u32::from_be_bytes([a, b, c, d]));
        }
        let len = u16::try_from(bytes.len()).map_err(|_| EncodeError::ValueTooLong)?;
        let room = self.write(room, len, 0, 0)?;
        put_short(room, bytes).ok_or(EncodeError::BufferTooSmall)
    }

    /// Writes an attribute whose value is put together.
    #[inline(never)]
    fn write_parts<'b>(
        self,
        room: &'b mut [u8],
        attribute: &Attribute<'_>,
        four_octet_as: bool,
    ) -> Result<&'b mut [u8], EncodeError> {
        let len = attribute.value_len(four_octet_as);
        let len = u16::try_from(len).map_err(|_| EncodeError::ValueTooLong)?;
        let mut writer = Writer::new(self.write(room, len, 0, 0)?);
        let w = &mut writer;
        match attribute {
            Attribute::AsPath(path) => path.write(w, four_octet_as),
            Attribute::Aggregator(Aggregator { asn, address }) => {
                write_asn(w, *asn, four_octet_as)?;
                w.put(&address.octets())
            }
            Attribute::Communities(list) => list.write(w),
            Attribute::ClusterList(list) => list.write(w),
            Attribute::MpReach(reach) => reach.write(w),
            Attribute::MpUnreach(unreach) => unreach.write(w),
            Attribute::ExtendedCommunities(list) => list.write(w),
            Attribute::As4Path(path) => path.write(w, true),
            Attribute::As4Aggregator(Aggregator { asn, address }) => {
                w.u32(*asn)?;
                w.put(&address.octets())
            }
            Attribute::PmsiTunnel(tunnel) => {
                w.put(&[tunnel.flags, tunnel.kind])?;
                w.put(&tunnel.label.octets())?;
                w.put(tunnel.identifier)
            }
            Attribute::Ipv6ExtendedCommunities(list) => list.write(w),
            Attribute::LargeCommunities(list) => list.write(w),
            Attribute::AttributeSet(set) => {
                w.u32(set.origin())?;
                w.put(set.bytes())
            }
            // These have been written as they are.
            Attribute::Origin(_)
            | Attribute::NextHop(_)
            | Attribute::Med(_)
            | Attribute::LocalPref(_)
            | Attribute::AtomicAggregate
            | Attribute::OriginatorId(_)
            | Attribute::TunnelEncap(_)
            | Attribute::Aigp(_)
            | Attribute::LinkState(_)
            | Attribute::OnlyToCustomer(_)
            | Attribute::PrefixSid(_)
            | Attribute::Unknown(_) => Ok(()),
        }?;
        Ok(writer.into_room())
    }
}
