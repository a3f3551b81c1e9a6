//! Records of MRT, and what holds of all of them.

#![expect(clippy::indexing_slicing, reason = "test code")]

use tortie_bgp_wire::mrt::{Body, PathAttributes, Peering, RawRecord, Record};
use tortie_bgp_wire::{EncodeError, Family};

use super::{hex, update};

/// A record with this header and body; the length is counted.
pub(crate) fn record(kind: u16, subtype: u16, body: &str) -> Vec<u8> {
    let body = hex(body);
    let len = u32::try_from(body.len()).unwrap();
    [&hex("45cf1f3c")[..], &kind.to_be_bytes(), &subtype.to_be_bytes(), &len.to_be_bytes(), &body].concat()
}

/// Decodes one whole record, which encodes to the same octets.
pub(crate) fn decode(bytes: &[u8]) -> Record<'_> {
    let (record, rest) = Record::decode(bytes).unwrap();
    assert!(rest.is_empty());
    check_roundtrip(&record, bytes);
    record
}

pub(crate) fn check_roundtrip(record: &Record<'_>, bytes: &[u8]) {
    let mut buf = vec![0; bytes.len()];
    assert_eq!(record.encode(&mut buf), Ok(bytes.len()));
    assert_eq!(record.encoded_len(), bytes.len());
    assert_eq!(buf, bytes);
    assert_eq!(record.encode(&mut buf[..bytes.len() - 1]), Err(EncodeError::BufferTooSmall));
}

pub(crate) const PEERING: &str = "fc00 fc01 0007 0001 c0000201 c0000202";
pub(crate) const PEERING_AS4: &str = "0000fc00 fa56ea01 0000 0002 20010db8000000000000000000000001
    20010db8000000000000000000000002";

pub(crate) const EVPN: &str = "0019 46 03 11 0000fc0000000001 00000000 20 c0000201";

pub(crate) fn peering() -> Peering {
    let mut peering = Peering::new(64512, [192, 0, 2, 1].into(), 64513, [192, 0, 2, 2].into());
    peering.interface = 7;
    peering
}

/// Good records of most kinds.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let message: String =
        update(&[], &hex("40010100 4002060201 0000fc00 400304c0000201"), &hex("1a0a000000"))
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
    vec![
        record(16, 0, &format!("{PEERING} 0005 0006")),
        record(16, 4, &format!("{PEERING_AS4} {message}")),
        record(17, 9, &format!("0001e240 {PEERING_AS4} {message}")),
        record(12, 1, "0001 0002 0a000040 1a 01 45cf1e00 c0000201 fc00 0004 40010100"),
        record(13, 1, "c0000209 0004 6d61696e 0001 02 c0000203 c0000203 fa56ea01"),
        record(13, 2, "00000009 1a 0a000040 0002 0003 45cf1e00 0004 40010100 0004 45cf1e00 0000"),
        record(13, 10, "00000009 20 20010db8 0001 0003 45cf1e00 00000005 0007 800e04 04c00002"),
        record(13, 6, &format!("00000009 {EVPN} 0001 0003 45cf1e00 0004 40010100")),
        record(13, 12, &format!("00000009 {EVPN} 0001 0003 45cf1e00 00000005 0004 40010100")),
        record(99, 9, "0102030405"),
    ]
}

/// Whatever octets are, all of it can be read, and a record encodes to itself.
pub(crate) fn check(bytes: &[u8]) {
    let Ok((raw, rest)) = RawRecord::decode(bytes) else { return };
    let whole = &bytes[..bytes.len() - rest.len()];
    let Ok(record) = raw.record() else { return };
    check_roundtrip(&record, whole);
    match record.body {
        Body::Message(message) => drop(message.decode_message().map(|message| super::walk(&message))),
        Body::TableDump(entry) => walk(entry.attributes, Family::IPV4_UNICAST),
        Body::Rib(rib) => rib.entries().iter().for_each(|route| walk(route.attributes, rib.family())),
        Body::RibGeneric(rib) => {
            assert!(rib.destination().is_some());
            rib.entries().iter().for_each(|route| walk(route.attributes, rib.family()));
        }
        _ => {}
    }
}

pub(crate) fn walk(attributes: PathAttributes<'_>, family: Family) {
    core::hint::black_box((attributes.next_hop(family), attributes.aggregator()));
    let hops = attributes.as_path().map_or(0, |path| path.asns().count());
    core::hint::black_box(hops + attributes.iter().count());
}
