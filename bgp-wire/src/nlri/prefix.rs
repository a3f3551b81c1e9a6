//! A prefix as a length octet and as many octets as that needs (RFC 4271 §4.3).

use core::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::cursor::{Writer, put_first};
use crate::error::EncodeError;

/// The octets at the front of an address whose others are zero; `None` if it has fewer.
pub(crate) fn padded<const N: usize>(head: &[u8]) -> Option<[u8; N]> {
    let mut octets = [0; N];
    octets.get_mut(..head.len())?.copy_from_slice(head);
    Some(octets)
}

/// The first prefix of a field, its bits beyond the length cleared, and what follows.
#[inline(always)]
pub(super) fn v4(bytes: &[u8]) -> Option<(Ipv4Net, &[u8])> {
    v4_to(bytes, |len| len)
}

/// As [`v4`], with all bits of its last octet.
#[inline(always)]
pub(super) fn v4_sent(bytes: &[u8]) -> Option<(Ipv4Net, &[u8])> {
    v4_to(bytes, |len| len.div_ceil(8) * 8)
}

/// The first prefix of a field with so many of its bits, by its length.
#[inline(always)]
fn v4_to(bytes: &[u8], bits: impl FnOnce(u32) -> u32) -> Option<(Ipv4Net, &[u8])> {
    let (&len, tail) = bytes.split_first()?;
    let rest = tail.get(usize::from(len).div_ceil(8)..)?;
    let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits(len.into()))?).unwrap_or(0);
    // Four octets of the field, if there are so many: the mask clears what belongs to the next prefix.
    let octets = match *tail {
        [a, b, c, d, ..] => [a, b, c, d],
        [a, b, c] => [a, b, c, 0],
        [a, b] => [a, b, 0, 0],
        [a] => [a, 0, 0, 0],
        [] => [0; 4],
    };
    Some((Ipv4Net::new(Ipv4Addr::from(u32::from_be_bytes(octets) & mask), len).ok()?, rest))
}

/// As [`v4`].
#[inline]
pub(super) fn v6(bytes: &[u8]) -> Option<(Ipv6Net, &[u8])> {
    let (&len, tail) = bytes.split_first()?;
    let (head, rest) = tail.split_at_checked(usize::from(len).div_ceil(8))?;
    let mask = u128::MAX.checked_shl(128_u32.checked_sub(len.into())?).unwrap_or(0);
    let octets = match tail.first_chunk() {
        Some(octets) => *octets,
        None => padded(head)?,
    };
    Some((Ipv6Net::new(Ipv6Addr::from(u128::from_be_bytes(octets) & mask), len).ok()?, rest))
}

/// From the first prefix that is longer than `max` bits or cut, if there is one.
#[inline]
pub(super) fn first_bad(bytes: &[u8], max: u8) -> Option<&[u8]> {
    let mut rest = bytes;
    while let Some((&len, tail)) = rest.split_first() {
        match tail.get(usize::from(len).div_ceil(8)..) {
            Some(next) if len <= max => rest = next,
            _ => return Some(rest),
        }
    }
    None
}

/// Length of the encoded prefix in octets.
pub(crate) fn encoded_len(prefix: IpNet) -> usize {
    1 + usize::from(prefix.prefix_len()).div_ceil(8)
}

/// Writes a prefix; host bits are cleared.
pub(crate) fn encode(prefix: IpNet, w: &mut Writer<'_>) -> Result<(), EncodeError> {
    match prefix {
        IpNet::V4(net) => encode_v4(net, w),
        IpNet::V6(net) => {
            let octets = usize::from(net.prefix_len()).div_ceil(8);
            w.u8(net.prefix_len())?;
            w.put(net.network().octets().get(..octets).unwrap_or(&[]))
        }
    }
}

/// Writes an IPv4 prefix; host bits are cleared.
#[inline]
pub(crate) fn encode_v4(net: Ipv4Net, w: &mut Writer<'_>) -> Result<(), EncodeError> {
    w.pass(|room| put_sent(net.trunc(), room).ok_or(EncodeError::BufferTooSmall))
}

/// Writes the octets of an IPv4 prefix that its length asks for, as they are, and gives the room that is left; `None` if
/// there is too little.
#[inline(always)]
pub(super) fn put_sent(net: Ipv4Net, room: &mut [u8]) -> Option<&mut [u8]> {
    let (len, [a, b, c, d]) = (net.prefix_len(), net.addr().octets());
    put_first(room, [len, a, b, c, d, 0, 0, 0], 1 + usize::from(len).div_ceil(8))
}
