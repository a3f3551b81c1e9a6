//! Addresses and AS numbers of either length.

use core::net::{IpAddr, Ipv6Addr};

use crate::cursor::Writer;
use crate::error::EncodeError;
use crate::fields::{Cut, Fields};

impl Fields<'_> {
    /// An AS number of two or four octets.
    pub(super) fn asn(&mut self, four: bool) -> Result<u32, Cut> {
        if four { self.u32() } else { self.u16().map(u32::from) }
    }

    pub(super) fn address(&mut self, v6: bool) -> Result<IpAddr, Cut> {
        Ok(if v6 { IpAddr::V6(Ipv6Addr::from(self.array::<16>()?)) } else { IpAddr::V4(self.v4()?) })
    }
}

/// Writes an AS number of two or four octets.
pub(super) fn write_asn(w: &mut Writer<'_>, asn: u32, four: bool) -> Result<(), EncodeError> {
    match u16::try_from(asn) {
        _ if four => w.u32(asn),
        Ok(short) => w.u16(short),
        Err(_) => Err(EncodeError::AsNeedsFourOctets { asn }),
    }
}

pub(super) fn write_address(w: &mut Writer<'_>, address: IpAddr) -> Result<(), EncodeError> {
    match address {
        IpAddr::V4(address) => w.put(&address.octets()),
        IpAddr::V6(address) => w.put(&address.octets()),
    }
}

/// Length of an address in octets.
pub(super) const fn address_len(address: IpAddr) -> usize {
    if address.is_ipv4() { 4 } else { 16 }
}
