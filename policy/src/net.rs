//! CIDRs and addresses as documents write them.

use alloc::borrow::ToOwned;
use core::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use crate::error::FieldErrorKind;

/// The prefix that this text is, without host bits; an address is a prefix of full length.
///
/// An IPv4 address or prefix that is mapped into IPv6 is IPv4.
pub(crate) fn parse(text: &str) -> Result<IpNet, FieldErrorKind> {
    let malformed = || FieldErrorKind::Net { text: text.to_owned() };
    let (address, len) = match text.split_once('/') {
        Some((address, len)) => {
            let digits = (1..=3).contains(&len.len()) && len.bytes().all(|byte| byte.is_ascii_digit());
            let len = len.parse::<u32>().ok().filter(|_| digits).ok_or_else(malformed)?;
            (address, Some(len))
        }
        None => (text, None),
    };
    let address = address.parse::<IpAddr>().map_err(|_| malformed())?;
    let max = if address.is_ipv4() { 32 } else { 128 };
    let len = len.unwrap_or(max);
    let net = u8::try_from(len).ok().filter(|_| len <= max).and_then(|len| IpNet::new(address, len).ok());
    net.map(canonical).ok_or(FieldErrorKind::PrefixTooLong { len, max })
}

/// The prefix without host bits, as IPv4 if it is one that is mapped into IPv6.
fn canonical(net: IpNet) -> IpNet {
    if let (IpNet::V6(v6), Some(len)) = (net, net.prefix_len().checked_sub(96)) {
        if let Some(Ok(v4)) = v6.addr().to_ipv4_mapped().map(|address| Ipv4Net::new(address, len)) {
            return IpNet::V4(v4.trunc());
        }
    }
    net.trunc()
}
