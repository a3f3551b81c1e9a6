//! Writing attributes.

use crate::attribute::as_path::write_asn;
use crate::attribute::{Aggregator, Attribute, AttributeCode, AttributeFlags, FlaggedAttribute};
use crate::cursor::Writer;
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
    #[inline(never)]
    pub(crate) fn write(&self, w: &mut Writer<'_>, session: &Session) -> Result<(), EncodeError> {
        FlaggedAttribute::from(*self).write(w, session.four_octet_as)
    }
}

impl FlaggedAttribute<'_> {
    /// Length of the encoded attribute in octets, header included.
    pub fn encoded_len(&self, session: &Session) -> usize {
        let len = self.attribute.value_len(session.four_octet_as);
        len + if len > 255 || self.flags.contains(AttributeFlags::EXTENDED_LENGTH) { 4 } else { 3 }
    }

    /// Writes header and value.
    ///
    /// Always inlined, so that where the writer stands stays in a register from one attribute to the next.
    #[inline(always)]
    pub(crate) fn write(&self, w: &mut Writer<'_>, four_octet_as: bool) -> Result<(), EncodeError> {
        let (flags, code) = (self.flags, self.attribute.code());
        match &self.attribute {
            // The frequent ones first: their length needs no second look.
            Attribute::Origin(origin) => write_short(w, flags, code, [origin.0]),
            Attribute::NextHop(address) | Attribute::OriginatorId(address) => {
                write_short(w, flags, code, address.octets())
            }
            Attribute::Med(value) | Attribute::LocalPref(value) | Attribute::OnlyToCustomer(value) => {
                write_short(w, flags, code, value.to_be_bytes())
            }
            Attribute::AsPath(path) => match path.wire(four_octet_as) {
                Some(bytes) => write_bytes(w, flags, code, bytes),
                None => self.write_other(w, four_octet_as),
            },
            Attribute::Communities(list) => match list.wire() {
                Some(bytes) => write_bytes(w, flags, code, bytes),
                None => self.write_other(w, four_octet_as),
            },
            Attribute::ClusterList(list) => match list.wire() {
                Some(bytes) => write_bytes(w, flags, code, bytes),
                None => self.write_other(w, four_octet_as),
            },
            Attribute::ExtendedCommunities(list) => match list.wire() {
                Some(bytes) => write_bytes(w, flags, code, bytes),
                None => self.write_other(w, four_octet_as),
            },
            Attribute::LargeCommunities(list) => match list.wire() {
                Some(bytes) => write_bytes(w, flags, code, bytes),
                None => self.write_other(w, four_octet_as),
            },
            Attribute::AtomicAggregate => write_short(w, flags, code, []),
            Attribute::Aggregator(Aggregator { asn, address }) if four_octet_as => {
                let ([a, b, c, d], [e, f, g, h]) = (asn.to_be_bytes(), address.octets());
                write_short(w, flags, code, [a, b, c, d, e, f, g, h])
            }
            Attribute::MpReach(reach) => {
                write_header(w, flags, code, reach.encoded_len())?;
                reach.write(w)
            }
            Attribute::MpUnreach(unreach) => {
                write_header(w, flags, code, unreach.encoded_len())?;
                unreach.write(w)
            }
            _ => self.write_other(w, four_octet_as),
        }
    }

    #[inline(never)]
    fn write_other(&self, w: &mut Writer<'_>, four_octet_as: bool) -> Result<(), EncodeError> {
        write_header(w, self.flags, self.attribute.code(), self.attribute.value_len(four_octet_as))?;
        match &self.attribute {
            Attribute::Origin(origin) => w.u8(origin.0),
            Attribute::AsPath(path) => path.write(w, four_octet_as),
            Attribute::NextHop(address) | Attribute::OriginatorId(address) => w.put(&address.octets()),
            Attribute::Med(value) | Attribute::LocalPref(value) | Attribute::OnlyToCustomer(value) => {
                w.u32(*value)
            }
            Attribute::AtomicAggregate => Ok(()),
            Attribute::Aggregator(Aggregator { asn, address }) => {
                write_asn(w, *asn, four_octet_as)?;
                w.put(&address.octets())
            }
            Attribute::Communities(list) => list.write(w),
            Attribute::ClusterList(list) => list.write(w),
            Attribute::ExtendedCommunities(list) => list.write(w),
            Attribute::Ipv6ExtendedCommunities(list) => list.write(w),
            Attribute::LargeCommunities(list) => list.write(w),
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
            Attribute::TunnelEncap(tunnels) => w.put(tunnels.bytes()),
            Attribute::Aigp(aigp) => w.put(aigp.bytes()),
            Attribute::LinkState(state) => w.put(state.bytes()),
            Attribute::PrefixSid(sid) => w.put(sid.bytes()),
            Attribute::AttributeSet(set) => {
                w.u32(set.origin())?;
                w.put(set.bytes())
            }
            Attribute::MpReach(reach) => reach.write(w),
            Attribute::MpUnreach(unreach) => unreach.write(w),
            Attribute::Unknown(raw) => w.put(raw.value),
        }
    }
}

/// Writes an attribute with a value of a few octets.
#[inline(always)]
fn write_short<const N: usize>(
    w: &mut Writer<'_>,
    flags: AttributeFlags,
    code: AttributeCode,
    value: [u8; N],
) -> Result<(), EncodeError> {
    write_header(w, flags, code, N)?;
    w.put(&value)
}

/// Writes an attribute whose value is there already.
#[inline(always)]
fn write_bytes(
    w: &mut Writer<'_>,
    flags: AttributeFlags,
    code: AttributeCode,
    value: &[u8],
) -> Result<(), EncodeError> {
    write_header(w, flags, code, value.len())?;
    w.put(value)
}

/// Writes flags, code and length; the extended length bit is added if `len` needs it.
#[inline(always)]
fn write_header(
    w: &mut Writer<'_>,
    flags: AttributeFlags,
    code: AttributeCode,
    len: usize,
) -> Result<(), EncodeError> {
    let [high, low] = u16::try_from(len).map_err(|_| EncodeError::ValueTooLong)?.to_be_bytes();
    if high == 0 && !flags.contains(AttributeFlags::EXTENDED_LENGTH) {
        w.put_first([flags.get(), code.get(), low, 0], 3)
    } else {
        let flags = flags.with(AttributeFlags::EXTENDED_LENGTH);
        w.put(&[flags.get(), code.get(), high, low])
    }
}
