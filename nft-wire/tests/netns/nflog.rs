//! What `log group` tells, read from the kernel's nfnetlink_log.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::os::fd::AsFd as _;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use rustix::net::sockopt;
use tortie_nft_wire::expr::Log;
use tortie_nft_wire::{Attachment, Batch, Bytes, Chain, Family, Hook, Messages, Table};

use crate::lab::Lab;
use crate::{name, namespaced, rule};

const GROUP: u16 = 7;
/// Subsystem of nfnetlink_log, and its messages.
const ULOG: u16 = 4 << 8;
const PACKET: u16 = ULOG;
const CONFIG: u16 = ULOG | 1;

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(4 + value.len()).unwrap();
    let mut bytes = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Asks for whole packets of a group, each at once, and waits until the kernel agrees.
fn listen() -> Socket {
    let mut socket = Socket::new(NETLINK_NETFILTER).unwrap();
    socket.bind_auto().unwrap();
    sockopt::set_socket_timeout(socket.as_fd(), sockopt::Timeout::Recv, Some(Duration::from_secs(10)))
        .unwrap();
    // Bind (1), and copy up to 65,535 bytes of a packet (2).
    let attributes =
        [attribute(1, &[1]), attribute(2, &[0, 0, 0xff, 0xff, 2, 0]), attribute(5, &1_u32.to_be_bytes())];
    for attribute in attributes {
        let len = u32::try_from(20 + attribute.len()).unwrap();
        let mut bytes = len.to_ne_bytes().to_vec();
        bytes.extend_from_slice(&CONFIG.to_ne_bytes());
        // Request, with an answer.
        bytes.extend_from_slice(&5_u16.to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&[2, 0]);
        bytes.extend_from_slice(&GROUP.to_be_bytes());
        bytes.extend_from_slice(&attribute);
        socket.send_to(&bytes, &SocketAddr::new(0, 0), 0).unwrap();
        let answer = receive(&socket);
        let message = Messages::new(&answer).next().unwrap();
        assert_eq!(message.payload().get(..4), Some(&[0; 4][..]), "the group");
    }
    socket
}

fn receive(socket: &Socket) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 << 16);
    socket.recv_from(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn netns_a_logged_packet_is_told_to_its_group() {
    namespaced("netns_a_logged_packet_is_told_to_its_group", &["ip"], || {
        let lab = Lab::new();
        let mut batch = Batch::new();
        batch.add(Family::INET, &Table::new(name("t"))).unwrap();
        let forward = Attachment::new(Hook::FORWARD, Attachment::FILTER);
        batch
            .add(Family::INET, &Chain::new(name("t"), name("forward")).base(name("filter"), forward))
            .unwrap();
        let prefix = Some(Bytes::from_slice(b"dropped by 7\0"));
        let log = Log { group: Some(GROUP), prefix, snaplen: Some(28), qthreshold: Some(1), ..Log::new() };
        batch.add(Family::INET, &rule("forward").dport(17, 1).expr(log).drop()).unwrap();
        lab.router.commit(&mut batch);
        let socket = lab.router.within(listen);
        assert_eq!(lab.get_through(&[2, 1, 2]), [2, 2]);
        let told = receive(&socket);
        let message = Messages::new(&told).next().unwrap();
        assert_eq!(message.kind(), PACKET);
        // Behind the family, the version and the group: attributes, the payload 9 and the prefix 10 among them.
        let (mut rest, mut payload, mut prefix) = (&message.payload()[4..], None, None);
        while let [a, b, c, d, ..] = *rest {
            let len = usize::from(u16::from_ne_bytes([a, b]));
            match u16::from_ne_bytes([c, d]) {
                9 => payload = Some(&rest[4..len]),
                10 => prefix = Some(&rest[4..len]),
                _ => {}
            }
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
        assert_eq!(prefix, Some(&b"dropped by 7\0"[..]));
        let packet = payload.unwrap();
        let address = |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
        assert_eq!(
            (address(12).to_string(), address(16).to_string()),
            ("10.1.0.2".into(), "10.2.0.2".into())
        );
        assert_eq!((packet.len(), &packet[22..24]), (28, &[0, 1][..]));
    });
}
