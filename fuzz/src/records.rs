//! MRT records, BMP messages, and streams of them.

use std::io::{self, Read};

use tortie_bgp_wire::bmp::{self, BmpError, BmpErrorKind, BmpReadError, BmpReader};
use tortie_bgp_wire::mrt::{
    Body, MrtError, MrtErrorKind, MrtReadError, MrtReader, PathAttributes, RawRecord, Record,
};
use tortie_bgp_wire::{Family, Message, Session};

/// The longest record of a stream here.
const MAX_LEN: usize = 600;

/// A source that gives out small pieces, and is asked for no more than what came so far allows.
struct Pieces<'a> {
    bytes: &'a [u8],
    size: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        assert!(buf.len() <= 64 << 10, "{} octets held for a stream of small pieces", buf.len());
        self.size = (self.size * 31 + 7) % 97;
        let len = self.size.min(buf.len()).max(1).min(self.bytes.len());
        let (head, rest) = self.bytes.split_at(len);
        buf[..len].copy_from_slice(head);
        self.bytes = rest;
        Ok(len)
    }
}

/// A stream of MRT records: what decodes can be read and encodes to its octets, and a stream in pieces gives the same.
///
/// The first octet seeds the sizes of the pieces.
pub fn check_mrt_read(data: &[u8]) {
    let Some((seed, stream)) = data.split_first() else { return };
    let mut reader = MrtReader::new(Pieces { bytes: stream, size: usize::from(*seed) }).max_len(MAX_LEN);
    let mut position = 0;
    while position < stream.len() {
        let at = &stream[position..];
        assert_eq!(reader.position(), position as u64);
        let long = at.first_chunk::<12>().and_then(|[.., a, b, c, d]| {
            let len = 12 + u64::from(u32::from_be_bytes([*a, *b, *c, *d]));
            (len > MAX_LEN as u64).then_some(len)
        });
        let next = reader.next_record().expect("the stream goes on");
        if let Some(len) = long {
            let kind = MrtErrorKind::TooLong { len, max: MAX_LEN };
            assert!(matches!(next, Err(MrtReadError::Record { error, .. }) if error.kind() == kind));
            position = position.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
            continue;
        }
        match RawRecord::decode(at) {
            Ok((raw, rest)) => {
                assert_eq!(next.expect("the twin reads it"), raw);
                let whole = &at[..at.len() - rest.len()];
                check_raw(&raw, whole);
                position += whole.len();
            }
            Err(error) => {
                check_mrt_error(&error, at.len());
                let MrtReadError::Record { error: of_stream, .. } = next.expect_err("the twin refuses it")
                else {
                    panic!("the source never fails");
                };
                assert_eq!(of_stream, error);
                match error.kind() {
                    MrtErrorKind::Incomplete { .. } => break,
                    // Too short for its microseconds; the next one follows.
                    _ => position += 12 + usize::from(at[11]),
                }
            }
        }
    }
    assert!(reader.next_record().is_none());
}

fn check_mrt_error(error: &MrtError, len: usize) {
    assert!(error.offset() <= len, "{error:?} of {len} octets");
    assert!(error.to_string().is_ascii());
}

fn check_raw(raw: &RawRecord<'_>, whole: &[u8]) {
    let mut buf = vec![0; whole.len()];
    assert_eq!((raw.encode(&mut buf), raw.encoded_len()), (Ok(whole.len()), whole.len()));
    assert_eq!(buf, whole);
    let record = match raw.record() {
        Ok(record) => record,
        Err(error) => return check_mrt_error(&error, whole.len()),
    };
    buf.fill(0);
    assert_eq!((record.encode(&mut buf), record.encoded_len()), (Ok(whole.len()), whole.len()));
    assert_eq!(buf, whole);
    assert!(record.encode(&mut buf[..whole.len() - 1]).is_err(), "a buffer that is too small");
    assert_eq!(Record::decode(whole).map(|(again, _)| again), Ok(record));
    match record.body {
        Body::Message(message) => check_message(message.message, &message.session()),
        Body::TableDump(entry) => check_attributes(entry.attributes, entry.prefix.trunc().addr().is_ipv6()),
        Body::PeerIndexTable(table) => {
            assert_eq!(table.peers.iter().count(), table.peers.len());
        }
        Body::Rib(rib) => {
            let v6 = rib.prefix().addr().is_ipv6();
            assert_eq!(rib.entries().iter().count(), rib.entries().len());
            for entry in rib.entries() {
                assert_eq!(entry.path_id.is_some(), rib.has_path_ids());
                check_attributes(entry.attributes, v6);
            }
        }
        Body::RibGeneric(rib) => {
            let destination = rib.destination().expect("a family that is typed");
            assert_eq!(destination.family(), rib.family());
            rib.entries().iter().for_each(|entry| check_attributes(entry.attributes, false));
        }
        _ => {}
    }
}

fn check_attributes(attributes: PathAttributes<'_>, v6: bool) {
    let family = if v6 { Family::IPV6_UNICAST } else { Family::IPV4_UNICAST };
    let _ = (attributes.next_hop(family), attributes.aggregator());
    if let Some(path) = attributes.as_path() {
        assert!(path.asns().count() <= attributes.bytes().len());
    }
    let good = attributes.iter().filter(Result::is_ok).count();
    assert!(good <= attributes.raw().count());
}

fn check_message(bytes: &[u8], session: &Session) {
    if let Ok((Message::Update(update), _)) = Message::decode(bytes, session) {
        let _ = (update.as_path(), update.aggregator(), update.disposition());
        assert!(update.announced_paths().count() + update.withdrawn_paths().count() <= bytes.len());
    }
}

/// A stream of BMP messages: what decodes can be read and encodes to its octets, and a stream in pieces gives the same.
///
/// The first octet seeds the sizes of the pieces.
pub fn check_bmp_read(data: &[u8]) {
    let Some((seed, stream)) = data.split_first() else { return };
    let mut reader = BmpReader::new(Pieces { bytes: stream, size: usize::from(*seed) }).max_len(MAX_LEN);
    let mut position = 0;
    while position < stream.len() {
        let at = &stream[position..];
        assert_eq!(reader.position(), position as u64);
        let next = reader.next_message().expect("the stream goes on");
        let len = match at.first_chunk::<6>() {
            Some([3, a, b, c, d, _]) => u32::from_be_bytes([*a, *b, *c, *d]) as usize,
            _ => 0,
        };
        if len > MAX_LEN {
            let kind = BmpErrorKind::TooLong { len: len as u64, max: MAX_LEN };
            assert!(matches!(next, Err(BmpReadError::Record { error, .. }) if error.kind() == kind));
            position += len;
            continue;
        }
        match bmp::Message::decode(at) {
            Ok((message, rest)) => {
                assert_eq!(next.expect("the twin reads it"), message);
                check_report(&message, &at[..at.len() - rest.len()]);
            }
            Err(error) => {
                check_bmp_error(&error, at.len());
                let BmpReadError::Record { error: of_stream, .. } = next.expect_err("the twin refuses it")
                else {
                    panic!("the source never fails");
                };
                assert_eq!(of_stream, error);
                let kind = error.kind();
                if matches!(
                    kind,
                    BmpErrorKind::Incomplete { .. }
                        | BmpErrorKind::Version { .. }
                        | BmpErrorKind::Length { .. }
                ) {
                    break;
                }
            }
        }
        position += len;
    }
    assert!(reader.next_message().is_none());
}

fn check_bmp_error(error: &BmpError, len: usize) {
    assert!(error.offset() <= len, "{error:?} of {len} octets");
    assert!(error.to_string().is_ascii());
}

fn check_report(message: &bmp::Message<'_>, whole: &[u8]) {
    let mut buf = vec![0; whole.len()];
    assert_eq!((message.encode(&mut buf), message.encoded_len()), (Ok(whole.len()), whole.len()));
    assert_eq!(buf, whole);
    assert!(message.encode(&mut buf[..whole.len() - 1]).is_err(), "a buffer that is too small");
    if let Some(peer) = message.peer() {
        assert_eq!(peer.address().is_none(), peer.is_loc_rib());
    }
    match message {
        bmp::Message::RouteMonitoring(routes) => check_message(routes.message, &routes.peer.session()),
        bmp::Message::StatisticsReport(report) => {
            assert_eq!(report.statistics.iter().count(), report.statistics.len());
        }
        bmp::Message::PeerDown(down) => drop(down.notification()),
        bmp::Message::PeerUp(up) => {
            if let Ok(session) = up.session() {
                assert_eq!(session.four_octet_as, up.peer.four_octet_as());
            }
            let _ = (up.local(), up.table_name(), up.admin_label());
        }
        bmp::Message::Initiation(initiation) => {
            assert_eq!(initiation.information.iter().count(), initiation.information.len());
        }
        bmp::Message::Termination(termination) => {
            let _ = termination.reason();
        }
        bmp::Message::RouteMirroring(mirrored) => {
            let parts = mirrored.messages().count() + mirrored.codes().count();
            assert!(parts <= mirrored.information.len());
        }
        _ => {}
    }
}
