//! Packets that no honest socket sends, written octet by octet, and sockets that send and receive them as they are.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, recv, sendto,
    socket_with,
};

use crate::lab::Station;

/// How long something that must not arrive is waited for.
const GRACE: Duration = Duration::from_millis(60);

/// The checksum of the Internet: RFC 1071 section 1.
fn checksum(octets: &[u8]) -> u16 {
    let sum = octets.chunks(2).fold(0_u32, |sum, pair| {
        sum + u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))
    });
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap()
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The payload with its checksum at this place, which covers both addresses besides.
fn summed(source: IpAddr, destination: IpAddr, protocol: u8, mut payload: Vec<u8>, at: usize) -> Vec<u8> {
    let mut covered = octets(source);
    covered.extend(octets(destination));
    covered.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
    covered.extend([0, 0, 0, protocol]);
    covered.extend(&payload);
    let sum = checksum(&covered).to_be_bytes();
    payload[at..at + 2].copy_from_slice(&sum);
    payload
}

/// A datagram of UDP with these octets in it.
pub(crate) fn udp(source: SocketAddr, destination: SocketAddr, inside: &[u8]) -> Vec<u8> {
    let mut datagram = [source.port().to_be_bytes(), destination.port().to_be_bytes()].concat();
    datagram.extend(u16::try_from(8 + inside.len()).unwrap().to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(inside);
    summed(source.ip(), destination.ip(), 17, datagram, 6)
}

/// A segment of TCP with these flags and no data.
pub(crate) fn tcp(source: SocketAddr, destination: SocketAddr, flags: u8) -> Vec<u8> {
    let mut segment = [source.port().to_be_bytes(), destination.port().to_be_bytes()].concat();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    summed(source.ip(), destination.ip(), 6, segment, 16)
}

/// A message of the ICMP of this family: what is behind its checksum, from the fifth octet on.
pub(crate) fn icmp(source: IpAddr, destination: IpAddr, kind: u8, code: u8, rest: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0];
    message.extend(rest);
    if source.is_ipv6() {
        return summed(source, destination, 58, message, 2);
    }
    let sum = checksum(&message).to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    message
}

/// Which part of a packet this is: of which, where it begins, in octets, and whether more follow.
#[derive(Clone, Copy, Default)]
pub(crate) struct Fragment {
    pub(crate) of: u8,
    pub(crate) at: u16,
    pub(crate) more: bool,
}

/// A packet of IP: of IPv4 if its addresses are. Hops are few enough for any time that it may go round.
pub(crate) fn packet(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    fragment(source, destination, protocol, payload, None)
}

/// The same, or a part of one.
pub(crate) fn fragment(
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    payload: &[u8],
    part: Option<Fragment>,
) -> Vec<u8> {
    if source.is_ipv4() {
        let offset = part.map_or(0, |part| (part.at / 8) | (u16::from(part.more) << 13));
        let mut packet = vec![0x45, 0];
        packet.extend(u16::try_from(20 + payload.len()).unwrap().to_be_bytes());
        packet.extend([0, part.map_or(0, |part| part.of)]);
        packet.extend(offset.to_be_bytes());
        packet.extend([16, protocol, 0, 0]);
        packet.extend(octets(source));
        packet.extend(octets(destination));
        let sum = checksum(&packet).to_be_bytes();
        packet[10..12].copy_from_slice(&sum);
        packet.extend(payload);
        return packet;
    }
    let mut inside = Vec::new();
    if let Some(part) = part {
        inside.extend([protocol, 0]);
        inside.extend((part.at | u16::from(part.more)).to_be_bytes());
        inside.extend([0, 0, 0, part.of]);
    }
    inside.extend(payload);
    let next = if part.is_some() { 44 } else { protocol };
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(inside.len()).unwrap().to_be_bytes());
    packet.extend([next, 16]);
    packet.extend(octets(source));
    packet.extend(octets(destination));
    packet.extend(inside);
    packet
}

fn raw(family: AddressFamily, protocol: Protocol) -> OwnedFd {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(family, SocketType::RAW, flags, Some(protocol)).unwrap()
}

const fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 }
}

/// Sends whole packets, whatever stands in them, to where they say that they go.
pub(crate) fn send(station: &Station, destination: IpAddr, packets: &[Vec<u8>]) {
    station.within(|| {
        let socket = raw(family(destination), ipproto::RAW);
        for packet in packets {
            sendto(&socket, packet, SendFlags::empty(), &SocketAddr::new(destination, 0)).unwrap();
        }
    });
}

/// Sends one from the namespace of the calling thread.
pub(crate) fn send_to(to: SocketAddr, packet: &[u8]) {
    sendto(raw(family(to.ip()), ipproto::RAW), packet, SendFlags::empty(), &to).unwrap();
}

/// A socket that gets every packet of a protocol that comes to a station.
pub(crate) struct Listener(OwnedFd, usize);

impl Listener {
    pub(crate) fn new(station: &Station, address: IpAddr, protocol: u8) -> Self {
        let protocol = Protocol::from_raw(core::num::NonZeroU32::new(u32::from(protocol)).unwrap());
        // Of IPv4 the header comes with it.
        Self(station.within(|| raw(family(address), protocol)), if address.is_ipv4() { 20 } else { 0 })
    }

    /// What comes next behind the header of IP that is such, if anything does in a while.
    pub(crate) fn hears(&self, is_it: impl Fn(&[u8]) -> bool) -> bool {
        let start = Instant::now();
        let mut buffer = [0; 2048];
        while start.elapsed() < GRACE {
            match recv(&self.0, buffer.as_mut_slice(), RecvFlags::empty()) {
                Ok((len, _)) if buffer.get(self.1..len).is_some_and(&is_it) => return true,
                Ok(_) => {}
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
        false
    }
}
