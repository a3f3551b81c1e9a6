//! Messages of BMP, and what holds of all of them.

#![expect(clippy::indexing_slicing, reason = "test code")]

use tortie_bgp_wire::bmp::{Message, PeerHeader};
use tortie_bgp_wire::{Capability, EncodeError, HoldTime, KEEPALIVE, Open};

use super::{hex, message as bgp, update};

/// A message of this type and body; the length is counted.
pub(crate) fn message(kind: u8, body: &str) -> Vec<u8> {
    let body = hex(body);
    let len = u32::try_from(body.len() + 6).unwrap();
    [&[3][..], &len.to_be_bytes(), &[kind], &body].concat()
}

pub(crate) fn check_roundtrip(message: &Message<'_>, bytes: &[u8]) {
    let mut buf = vec![0; bytes.len()];
    assert_eq!(message.encode(&mut buf), Ok(bytes.len()));
    assert_eq!(message.encoded_len(), bytes.len());
    assert_eq!(buf, bytes);
    assert_eq!(message.encode(&mut buf[..bytes.len() - 1]), Err(EncodeError::BufferTooSmall));
}

/// Decodes one whole message, which encodes to the same octets.
pub(crate) fn decode(bytes: &[u8]) -> Message<'_> {
    let (message, rest) = Message::decode(bytes).unwrap();
    assert!(rest.is_empty());
    check_roundtrip(&message, bytes);
    message
}

pub(crate) fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|octet| format!("{octet:02x}")).collect()
}

// RFC 7854 §4.2: type, flags, distinguisher, address, AS, identifier, time.
pub(crate) const PEER: &str =
    "00 00 0000000000000000 000000000000000000000000c0000201 0000fc00 c0000201 45cf1f3c 0001e240";

pub(crate) fn peer() -> PeerHeader {
    PeerHeader::new([192, 0, 2, 1].into(), 64512, [192, 0, 2, 1].into()).at(0x45cf_1f3c, 123_456)
}

pub(crate) fn open(capabilities: &[Capability<'_>]) -> Vec<u8> {
    let mut buf = [0; 256];
    let len =
        Open::new(64512, HoldTime::DEFAULT, [192, 0, 2, 1].into(), capabilities).encode(&mut buf).unwrap();
    buf[..len].to_vec()
}

// RFC 7854 §4.3 and §4.4.
/// Good messages of every type.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let opened = digits(&open(&[Capability::FourOctetAs(64512)]));
    let routes =
        digits(&update(&[], &hex("40010100 4002060201 0000fc00 400304c0000201"), &hex("1a0a000000")));
    vec![
        message(0, &format!("{PEER} {routes}")),
        message(1, &format!("{PEER} 00000002  0000 0004 00000007  0009 000b 000201 0000000000000005")),
        message(2, &format!("{PEER} 01 {}", digits(&bgp(3, &[6, 2])))),
        message(2, &format!("{PEER} 06 0003 0003 726564")),
        message(
            3,
            &format!("{PEER} 000000000000000000000000c0000202 00b3 c000 {opened} {opened} 0000 0001 61"),
        ),
        message(4, "0001 0003 6f7331  0002 0002 7231"),
        message(5, "0001 0002 0003"),
        message(6, &format!("{PEER} 0001 0002 0001 0000 0013 {}", digits(&KEEPALIVE))),
        message(99, "0102"),
    ]
}

/// Whatever octets are, all of it can be read, and a message encodes to itself.
pub(crate) fn check(bytes: &[u8]) {
    let Ok((message, rest)) = Message::decode(bytes) else { return };
    check_roundtrip(&message, &bytes[..bytes.len() - rest.len()]);
    core::hint::black_box(message.peer().map(|peer| (peer.address(), peer.session())));
    match message {
        Message::RouteMonitoring(routes) => {
            let message = routes.decode_message(&routes.peer.session());
            core::hint::black_box(message.map_or(0, |message| super::walk(&message)));
        }
        Message::StatisticsReport(report) => {
            assert_eq!(report.statistics.iter().count(), report.statistics.len());
        }
        Message::PeerDown(down) => {
            core::hint::black_box(down.notification().is_some_and(|notification| notification.is_ok()));
        }
        Message::PeerUp(up) => {
            core::hint::black_box((up.session().is_ok(), up.local(), up.table_name(), up.admin_label()));
        }
        Message::RouteMirroring(mirrored) => {
            core::hint::black_box(mirrored.messages().count() + mirrored.codes().count());
        }
        _ => {}
    }
}
