//! A prefix as a length octet and as many octets as that needs (RFC 4271 §4.3).

use ipnet::IpNet;

use crate::cursor::Writer;
use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::family::Family;

/// The octets at the front of an address whose others are zero; `None` if it has fewer.
pub(crate) fn padded<const N: usize>(head: &[u8]) -> Option<[u8; N]> {
    let mut octets = [0; N];
    octets.get_mut(..head.len())?.copy_from_slice(head);
    Some(octets)
}

/// The first prefix: its octets with the irrelevant bits cleared, its length, what follows.
pub(super) fn split<const N: usize>(bytes: &[u8]) -> Option<([u8; N], u8, &[u8])> {
    let (&len, rest) = bytes.split_first()?;
    let (head, rest) = rest.split_at_checked(usize::from(len).div_ceil(8))?;
    let mut octets = padded(head)?;
    if let (bits @ 1.., Some(last)) = (len % 8, octets.get_mut(usize::from(len / 8))) {
        *last &= 0xff << (8 - bits);
    }
    Some((octets, len, rest))
}

/// Checks that a field is a sequence of prefixes; a field of an unknown family always is.
pub(crate) fn check(family: Family, bytes: &[u8], offset: u16) -> Result<(), DecodeError> {
    let max = match family {
        Family::IPV4_UNICAST => 32,
        Family::IPV6_UNICAST => 128,
        _ => return Ok(()),
    };
    let mut rest = bytes;
    while let Some((&len, tail)) = rest.split_first() {
        match tail.get(usize::from(len).div_ceil(8)..) {
            Some(next) if len <= max => rest = next,
            _ => {
                let at = u16::try_from(bytes.len() - rest.len()).unwrap_or(u16::MAX);
                return Err(DecodeError::new(DecodeErrorKind::InvalidNetwork, offset.saturating_add(at)));
            }
        }
    }
    Ok(())
}

/// Length of the encoded prefix in octets.
pub(crate) fn encoded_len(prefix: IpNet) -> usize {
    1 + usize::from(prefix.prefix_len()).div_ceil(8)
}

/// Writes a prefix; host bits are cleared.
pub(crate) fn encode(prefix: IpNet, w: &mut Writer<'_>) -> Result<(), EncodeError> {
    let octets = usize::from(prefix.prefix_len()).div_ceil(8);
    w.u8(prefix.prefix_len())?;
    match prefix {
        IpNet::V4(net) => w.put(net.network().octets().get(..octets).unwrap_or(&[])),
        IpNet::V6(net) => w.put(net.network().octets().get(..octets).unwrap_or(&[])),
    }
}
