//! A host that forwards to a pod, and sockets that send and receive whole frames at both ends.

#![expect(unsafe_code, reason = "rustix has no address of a link, and one's own are unsafe to write")]
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a benchmark ends where it cannot go on")]

use core::net::Ipv4Addr;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netdevice, recv, send,
    socket_with,
};

/// Where the host gets frames from the world, and the world's end of it.
pub const UPLINK: [&str; 2] = ["uplink", "world"];
/// The host's interface to the pod, and the pod's end of it.
pub const POD: [&str; 2] = ["cali0", "pod"];
/// The pod's address.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 20, 0, 1);
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// Type of a frame with a packet of IPv4.
const IPV4: u16 = 0x0800;
/// Where the source address and the source port of a datagram stand in a frame.
const SOURCE: core::ops::Range<usize> = 26..30;
const PORT: core::ops::Range<usize> = 34..36;

/// `struct sockaddr_ll`.
#[repr(C)]
struct LinkAddress {
    family: u16,
    protocol: u16,
    index: u32,
    /// Type and address of the hardware, which is the link's own.
    rest: [u8; 12],
}

// SAFETY: the pointer is to a whole `sockaddr_ll`, which lives as long as the call.
unsafe impl SocketAddrArg for LinkAddress {
    unsafe fn with_sockaddr<R>(&self, f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R) -> R {
        f(core::ptr::from_ref(self).cast(), u32::try_from(size_of::<Self>()).unwrap())
    }
}

/// Runs a program with this input, in the namespace of this thread.
pub fn run(program: &str, arguments: &[&str], input: &str) {
    let mut child = Command::new(program).args(arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{program} {arguments:?}");
}

/// Makes the namespace of this thread such a host.
pub fn connect() {
    for (path, value) in [
        ("ipv4/ip_forward", "1"),
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/default/rp_filter", "0"),
        ("ipv6/conf/default/disable_ipv6", "1"),
    ] {
        std::fs::write(format!("/proc/sys/net/{path}"), value).unwrap();
    }
    let ([uplink, world], [cali, pod]) = (UPLINK, POD);
    let mac = MAC.map(|octet| format!("{octet:02x}")).join(":");
    let batch = format!(
        "link set lo up
        link add {uplink} address {mac} type veth peer name {world}
        link add {cali} type veth peer name {pod}
        link set {uplink} up\nlink set {world} up\nlink set {cali} up\nlink set {pod} up
        addr add 203.0.113.1/32 dev {uplink}
        route add default dev {uplink}
        route add {ADDRESS} dev {cali}
        neigh add {ADDRESS} lladdr {mac} dev {cali} nud permanent\n"
    );
    run("ip", &["-batch", "-"], &batch);
}

/// One end of a link.
#[derive(Debug)]
pub struct Link(OwnedFd);

impl Link {
    /// Sends and receives on an interface; it receives packets of IPv4.
    #[must_use]
    pub fn open(interface: &str) -> Self {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Without a protocol it receives nothing until it is bound.
        let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None::<Protocol>).unwrap();
        let index = netdevice::name_to_index(&socket, interface).unwrap();
        let family = AddressFamily::PACKET.as_raw();
        bind(&socket, &LinkAddress { family, protocol: IPV4.to_be(), index, rest: [0; 12] }).unwrap();
        Self(socket)
    }

    /// Sends a frame. A packet that the host forwards has gone all its way when this returns: the kernel does it on this
    /// processor, before the call ends.
    pub fn send(&self, frame: &[u8]) {
        send(&self.0, frame, SendFlags::empty()).unwrap();
    }

    /// Source address and port of a datagram that has come.
    #[must_use]
    pub fn receive(&self) -> Option<(Ipv4Addr, u16)> {
        let mut frame = [0; 64];
        recv(&self.0, &mut frame, RecvFlags::TRUNC).ok()?;
        let (source, port): ([u8; 4], [u8; 2]) =
            (frame.get(SOURCE)?.try_into().ok()?, frame.get(PORT)?.try_into().ok()?);
        Some((source.into(), u16::from_be_bytes(port)))
    }
}

/// A datagram from the world to the pod, in a frame.
#[must_use]
pub fn datagram((source, source_port): (Ipv4Addr, u16), port: u16) -> Vec<u8> {
    let header = |sum: u16| {
        let head: [u8; 10] = [0x45, 0, 0, 46, 0, 1, 0x40, 0, 64, 17];
        [&head[..], &sum.to_be_bytes(), &source.octets(), &ADDRESS.octets()].concat()
    };
    let words = header(0);
    let words = words.chunks_exact(2).filter_map(<[u8]>::first_chunk).copied().map(u16::from_be_bytes);
    let sum: u32 = words.map(u32::from).sum();
    let folded = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    let (from, to) = (source_port.to_be_bytes(), port.to_be_bytes());
    // 26 octets long, without a sum.
    let transport = [&from[..], &to, &[0, 26, 0, 0], &[0; 18]].concat();
    [&MAC[..], &[2, 0, 0, 0, 0, 2], &IPV4.to_be_bytes(), &header(!folded), &transport].concat()
}
