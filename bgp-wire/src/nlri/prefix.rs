//! A prefix as a length octet and as many octets as that needs (RFC 4271 §4.3).

use core::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::cursor::Writer;
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
    let (&len, tail) = bytes.split_first()?;
    let rest = tail.get(usize::from(len).div_ceil(8)..)?;
    let mask = u32::MAX.checked_shl(32_u32.checked_sub(len.into())?).unwrap_or(0);
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
    let len = net.prefix_len();
    let mask = u32::MAX.checked_shl(32_u32.saturating_sub(len.into())).unwrap_or(0);
    let [a, b, c, d] = (u32::from(net.addr()) & mask).to_be_bytes();
    match len {
        0 => w.put(&[len]),
        1..=8 => w.put(&[len, a]),
        9..=16 => w.put(&[len, a, b]),
        17..=24 => w.put(&[len, a, b, c]),
        _ => w.put(&[len, a, b, c, d]),
    }
}
