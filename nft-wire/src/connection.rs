//! Connections that the kernel tracks, as its messages tell them.
//!
//! Source: linux/netfilter/nfnetlink_conntrack.h, linux/netfilter/nf_conntrack_common.h.

use core::net::IpAddr;

use crate::attr::{Attrs, Bytes, Field as _};
use crate::family::Family;

/// One direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "what the kernel tells connections apart by")]
pub struct Tuple {
    /// Where its packets come from.
    pub source: IpAddr,
    /// Where they go.
    pub destination: IpAddr,
    /// Number of the IP protocol.
    pub protocol: u8,
    /// Ports of source and destination, if the protocol has ports.
    pub ports: Option<(u16, u16)>,
    /// Type and code of the first message, if the protocol is ICMP or ICMPv6.
    pub icmp: Option<(u8, u8)>,
}

/// A connection that the kernel tracks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// What its first packet was, before anything was translated.
    pub original: Tuple,
    /// What answers to it are, before they are translated back: they come from where the first packet went in the end.
    pub reply: Tuple,
    /// Bits of [`EXPECTED`](Self::EXPECTED) and its like.
    pub status: u32,
    /// Its mark; 0 if this kernel has no marks of connections.
    pub mark: u32,
    /// Its zone.
    pub zone: Option<u16>,
    /// The first tuple as it was read, by which the kernel finds it again.
    key: Bytes,
}

impl Connection {
    /// Of the status: another connection expected it, and it is let pass as related to that.
    pub const EXPECTED: u32 = 1;
    /// Of the status: both sides have sent something.
    pub const SEEN_REPLY: u32 = 2;
    /// Of the status: its destination is translated.
    pub const DST_NAT: u32 = 1 << 5;

    /// A connection as the attributes of a message tell it, which stand behind the header of netfilter; `None` if they are not
    /// whole.
    #[must_use]
    pub fn decode(attributes: &[u8]) -> Option<Self> {
        let (mut original, mut reply, mut key) = (None, None, Bytes::new());
        let (mut status, mut mark, mut zone) = (0, 0, None);
        for attr in Attrs(attributes) {
            match attr.kind {
                1 => {
                    original = Some(Tuple::read(attr.value)?);
                    key = Bytes::from_slice(attr.value);
                }
                2 => reply = Some(Tuple::read(attr.value)?),
                3 => status = u32::read(attr.value)?,
                8 => mark = u32::read(attr.value)?,
                18 => zone = Some(u16::read(attr.value)?),
                _ => {}
            }
        }
        Some(Self { original: original?, reply: reply?, status, mark, zone, key })
    }

    /// The family of its first packet.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self.original.source {
            IpAddr::V4(_) => Family::IPV4,
            IpAddr::V6(_) => Family::IPV6,
        }
    }

    /// The attributes of a message that makes the kernel give those bits of its mark that `mask` has the values that `mark` has.
    #[must_use]
    pub fn encode_mark(&self, mark: u32, mask: u32) -> alloc::vec::Vec<u8> {
        let mut bytes = alloc::vec::Vec::new();
        let mut writer = crate::attr::Writer::new(&mut bytes);
        writer.nest(1, |writer| writer.raw(&self.key));
        writer.bytes(8, &(mark & mask).to_be_bytes());
        writer.bytes(21, &mask.to_be_bytes());
        if let Some(zone) = self.zone {
            writer.bytes(18, &zone.to_be_bytes());
        }
        bytes
    }
}

impl Tuple {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (mut source, mut destination, mut protocol) = (None, None, None);
        let (mut ports, mut icmp) = ((None, None), (None, None));
        for attr in Attrs(bytes) {
            match attr.kind {
                1 => {
                    for attr in Attrs(attr.value) {
                        let end = match attr.kind {
                            1 | 3 => &mut source,
                            2 | 4 => &mut destination,
                            _ => continue,
                        };
                        *end = Some(address(attr.value)?);
                    }
                }
                2 => {
                    for attr in Attrs(attr.value) {
                        let byte = || attr.value.first().copied();
                        match attr.kind {
                            1 => protocol = Some(byte()?),
                            2 => ports.0 = Some(u16::read(attr.value)?),
                            3 => ports.1 = Some(u16::read(attr.value)?),
                            5 | 8 => icmp.0 = Some(byte()?),
                            6 | 9 => icmp.1 = Some(byte()?),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        let pair = |(a, b): (Option<u8>, Option<u8>)| Some((a?, b?));
        let (source, destination) = (source?, destination?);
        Some(Self { source, destination, protocol: protocol?, ports: ports.0.zip(ports.1), icmp: pair(icmp) })
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::Writer;

    fn tuple(writer: &mut Writer<'_>, kind: u16, source: [u8; 4], destination: [u8; 4]) {
        writer.nest(kind, |writer| {
            writer.nest(1, |writer| {
                writer.bytes(1, &source);
                writer.bytes(2, &destination);
            });
            writer.nest(2, |writer| {
                writer.bytes(1, &[6]);
                writer.bytes(2, &40000_u16.to_be_bytes());
                writer.bytes(3, &80_u16.to_be_bytes());
            });
        });
    }

    #[test]
    fn what_the_kernel_tells_is_read_and_what_is_cut_is_not() {
        let mut bytes = alloc::vec::Vec::new();
        let mut writer = Writer::new(&mut bytes);
        tuple(&mut writer, 1, [10, 0, 0, 1], [10, 0, 0, 2]);
        tuple(&mut writer, 2, [10, 0, 0, 3], [10, 0, 0, 1]);
        writer.bytes(3, &0x1f_u32.to_be_bytes());
        writer.bytes(8, &7_u32.to_be_bytes());
        let connection = Connection::decode(&bytes).unwrap();
        assert_eq!(connection.original.source, IpAddr::from([10, 0, 0, 1]));
        assert_eq!(connection.reply.source, IpAddr::from([10, 0, 0, 3]));
        assert_eq!(connection.original.ports, Some((40000, 80)));
        assert_eq!((connection.status, connection.mark, connection.zone), (0x1f, 7, None));
        for len in 0..bytes.len() {
            let cut = Connection::decode(&bytes[..len]);
            assert!(cut.is_none_or(|cut| cut.original == connection.original), "{len}");
        }
    }
}
