//! Frames that begin a connection, written octet by octet.

use core::net::IpAddr;

use tortie_policy::model::Protocol;
use tortie_policy::{Flow, Transport};

/// Address of an Ethernet interface.
pub(super) type Mac = [u8; 6];

const ETHERNET: usize = 14;
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];

/// What tells a packet from others, apart from its addresses: two ports, or type and code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    protocol: u8,
    words: [u16; 2],
}

impl Identity {
    pub(super) fn of(flow: &Flow) -> Self {
        let words = match (flow.ports(), flow.icmp()) {
            (Some((source, destination)), _) => [source, destination],
            (_, Some((kind, code))) => [u16::from_be_bytes([kind, code]), 0],
            _ => [0; 2],
        };
        let Flow { source, destination, .. } = *flow;
        Self { source, destination, protocol: flow.protocol(), words }
    }

    /// That of an answer to it.
    pub(super) const fn answer(&self) -> Self {
        let [first, second] = self.words;
        Self {
            source: self.destination,
            destination: self.source,
            protocol: self.protocol,
            words: [second, first],
        }
    }

    /// That of the packet in a frame; `None` if it has none that is sent here.
    pub(super) fn read(frame: &[u8]) -> Option<Self> {
        let packet = frame.get(ETHERNET..)?;
        match frame.get(12..14)?.try_into() {
            Ok(IPV4) => Self::ipv4(packet),
            Ok(IPV6) => {
                let wide = |at: usize| -> Option<[u8; 16]> { packet.get(at..at + 16)?.try_into().ok() };
                Self::new(wide(8)?.into(), wide(24)?.into(), *packet.get(6)?, packet.get(40..)?)
            }
            _ => None,
        }
    }

    /// That of a packet of IPv4.
    pub(super) fn ipv4(packet: &[u8]) -> Option<Self> {
        let array = |at: usize| -> Option<[u8; 4]> { packet.get(at..at + 4)?.try_into().ok() };
        Self::new(array(12)?.into(), array(16)?.into(), *packet.get(9)?, packet.get(20..)?)
    }

    /// That of a packet of which only the header of IP is read.
    pub(super) fn new(source: IpAddr, destination: IpAddr, protocol: u8, rest: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_be_bytes(rest.get(at..at + 2)?.try_into().ok()?));
        let words = match protocol {
            Protocol::TCP | Protocol::UDP | Protocol::SCTP => [word(0)?, word(2)?],
            Protocol::ICMP if source.is_ipv4() => [word(0)?, 0],
            Protocol::ICMPV6 if source.is_ipv6() => [word(0)?, 0],
            _ => [0; 2],
        };
        Some(Self { source, destination, protocol, words })
    }
}

/// The address of the host that is asked about.
pub(super) const ASKED: [u8; 4] = [198, 18, 0, 1];

/// Whoever asks for the time of this number.
fn asker(number: u32) -> Mac {
    let [a, b, c, d] = number.to_be_bytes();
    [2, 3, a, b, c, d]
}

/// A frame that asks who has the address, for the time of this number: of ARP, which no rule is about. It is asked from no
/// address, as by somebody who wants to take it, so that nobody remembers the asker.
pub(super) fn question(number: u32) -> Vec<u8> {
    let asker = asker(number);
    // To all; of Ethernet and IPv4, with addresses of six and four octets, a question.
    let mut frame = vec![0xff; 6];
    frame.extend(asker);
    frame.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    frame.extend(asker);
    frame.extend([0; 10]);
    frame.extend(ASKED);
    frame
}

/// Whether the frame answers the question of this number.
pub(super) fn is_answer(frame: &[u8], number: u32) -> bool {
    frame.get(12..14) == Some(&[0x08, 0x06])
        && frame.get(20..22) == Some(&[0, 2])
        && frame.get(28..32) == Some(&ASKED)
        && frame.get(32..38) == Some(&asker(number))
}

/// The first packet of a connection, in a frame to this address.
pub(super) fn first(flow: &Flow, to: Mac, from: Mac) -> Vec<u8> {
    let payload = payload(flow);
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let mut frame = Vec::from_iter(to.into_iter().chain(from));
    match (flow.source, flow.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            frame.extend(IPV4);
            let mut header = vec![0x45, 0];
            header.extend((length + 20).to_be_bytes());
            header.extend([0, 1, 0x40, 0, 64, flow.protocol(), 0, 0]);
            header.extend(source.octets());
            header.extend(destination.octets());
            let sum = checksum(&header).to_be_bytes();
            header.splice(10..12, sum);
            frame.extend(header);
        }
        (source, destination) => {
            frame.extend(IPV6);
            frame.extend([0x60, 0, 0, 0]);
            frame.extend(length.to_be_bytes());
            frame.extend([flow.protocol(), 64]);
            frame.extend(octets(source));
            frame.extend(octets(destination));
        }
    }
    frame.extend(payload);
    frame
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().into(),
        IpAddr::V6(address) => address.octets().into(),
    }
}

/// What follows the header of IP.
pub(super) fn payload(flow: &Flow) -> Vec<u8> {
    let ports = |source: u16, destination: u16| [source.to_be_bytes(), destination.to_be_bytes()].concat();
    match flow.transport {
        Transport::Tcp { source_port, destination_port } => {
            let mut segment = ports(source_port, destination_port);
            // Sequence number, no acknowledgement, five words of header, SYN, a window, no urgent data.
            segment.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0]);
            with_checksum(flow, segment, 16)
        }
        Transport::Udp { source_port, destination_port } => {
            let mut datagram = ports(source_port, destination_port);
            datagram.extend([0, 12, 0, 0]);
            datagram.extend(*b"test");
            with_checksum(flow, datagram, 6)
        }
        Transport::Sctp { source_port, destination_port } => {
            let mut packet = ports(source_port, destination_port);
            // No tag yet, the checksum, then INIT: flags, length, tag, window, streams out and in, first number.
            packet.extend([0; 8]);
            packet.extend([1, 0, 0, 20, 0, 0, 0, 7, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1]);
            let sum = crc32c(&packet).to_le_bytes();
            packet.splice(8..12, sum);
            packet
        }
        Transport::Icmp { kind, code } => {
            let message = vec![kind, code, 0, 0, 0, 7, 0, 1];
            if flow.source.is_ipv6() {
                return with_checksum(flow, message, 2);
            }
            let sum = checksum(&message).to_be_bytes();
            let mut message = message;
            message.splice(2..4, sum);
            message
        }
        _ => vec![0; 8],
    }
}

/// With the checksum at this place, which covers addresses, protocol and length besides.
fn with_checksum(flow: &Flow, mut payload: Vec<u8>, at: usize) -> Vec<u8> {
    let mut covered = octets(flow.source);
    covered.extend(octets(flow.destination));
    covered.extend(u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes());
    covered.extend([0, 0, 0, flow.protocol()]);
    covered.extend(&payload);
    let sum = match checksum(&covered) {
        0 => u16::MAX,
        sum => sum,
    };
    payload.splice(at..at + 2, sum.to_be_bytes());
    payload
}

/// The checksum of the Internet: RFC 1071 section 1.
fn checksum(octets: &[u8]) -> u16 {
    let sum = octets.chunks(2).fold(0u32, |sum, pair| match *pair {
        [high, low] => sum + u32::from(u16::from_be_bytes([high, low])),
        [high] => sum + u32::from(u16::from_be_bytes([high, 0])),
        _ => sum,
    });
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(u16::MAX)
}

/// The checksum of SCTP: RFC 9260 appendix A.
fn crc32c(octets: &[u8]) -> u32 {
    let crc = octets.iter().fold(u32::MAX, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1)))
    });
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    use core::net::SocketAddr;

    #[test]
    fn checksums_are_right() {
        // RFC 1071 section 3, and RFC 3720 appendix B.4.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(checksum(&[0x12, 0x34, 0x56]), !0x6834);
    }

    #[test]
    fn what_is_written_is_read() {
        let ends: [(SocketAddr, SocketAddr); 2] = [
            ("10.0.0.1:20000".parse().unwrap(), "10.0.0.2:80".parse().unwrap()),
            ("[fd00::1]:20000".parse().unwrap(), "[fd00::2]:80".parse().unwrap()),
        ];
        for (source, destination) in ends {
            let ports = (source.port(), destination.port());
            let transports = [
                Transport::Tcp { source_port: ports.0, destination_port: ports.1 },
                Transport::Udp { source_port: ports.0, destination_port: ports.1 },
                Transport::Sctp { source_port: ports.0, destination_port: ports.1 },
                Transport::Icmp { kind: 8, code: 0 },
                Transport::Other(253),
            ];
            for transport in transports {
                let flow = Flow::new(source.ip(), destination.ip(), transport);
                let frame = first(&flow, [2; 6], [4; 6]);
                assert_eq!(Identity::read(&frame), Some(Identity::of(&flow)), "{flow}");
                for len in 0..frame.len() {
                    let _ = Identity::read(&frame[..len]);
                }
            }
        }
    }
}
