//! Readers of MRT and BMP from sources that give out what they like, fail, and lie about lengths.

#![cfg(all(feature = "mrt", feature = "bmp", feature = "std"))]
#![expect(clippy::indexing_slicing, reason = "test code")]

mod support;

use std::io::{self, Read};

use proptest::prelude::*;
use support::{bmp, config, hex, mrt};
use tortie_bgp_wire::bmp::{BmpErrorKind, BmpReadError, BmpReader, Message, MessageType};
use tortie_bgp_wire::mrt::{MrtErrorKind, MrtReadError, MrtReader, RawRecord, RecordType};

/// A source that gives out pieces of these sizes in turn, and now and then is interrupted.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: Vec<usize>,
    turn: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.turn += 1;
        if self.turn % 7 == 3 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let size = self.sizes[self.turn % self.sizes.len()].min(buf.len()).min(self.bytes.len());
        let (head, rest) = self.bytes.split_at(size);
        buf[..size].copy_from_slice(head);
        self.bytes = rest;
        Ok(size)
    }
}

/// The twin of the reader: the whole stream in one slice.
fn records(mut bytes: &[u8]) -> (Vec<RawRecord<'_>>, Option<MrtErrorKind>) {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        match RawRecord::decode(bytes) {
            Ok((record, rest)) => {
                found.push(record);
                bytes = rest;
            }
            Err(error) => return (found, Some(error.kind())),
        }
    }
    (found, None)
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn pieces_make_no_difference_to_records(
        picks in prop::collection::vec(0..10usize, 0..8),
        garbage in prop::collection::vec(any::<u8>(), 0..40),
        sizes in prop::collection::vec(1..60usize, 1..8),
    ) {
        let seeds = mrt::seeds();
        let mut stream: Vec<u8> = picks.iter().flat_map(|i| seeds[*i].clone()).collect();
        stream.extend(&garbage);
        let (expected, failure) = records(&stream);
        let mut reader = MrtReader::new(Pieces { bytes: &stream, sizes, turn: 0 });
        let mut seen = 0;
        while let Some(result) = reader.next_record() {
            match result {
                Ok(record) => prop_assert_eq!(Some(&record), expected.get(seen)),
                Err(MrtReadError::Record { error, .. }) => {
                    match (error.kind(), failure) {
                        // The twin has no limit.
                        (MrtErrorKind::TooLong { .. }, Some(MrtErrorKind::Incomplete { .. })) => {}
                        (kind, failure) => prop_assert_eq!(Some(kind), failure),
                    }
                    prop_assert_eq!(seen, expected.len());
                    break;
                }
                Err(error) => panic!("{error}"),
            }
            seen += 1;
        }
        prop_assert_eq!(seen, expected.len());
    }

    #[test]
    fn pieces_make_no_difference_to_messages(
        picks in prop::collection::vec(0..9usize, 0..8),
        garbage in prop::collection::vec(any::<u8>(), 0..40),
        sizes in prop::collection::vec(1..60usize, 1..8),
    ) {
        let seeds = bmp::seeds();
        let mut stream: Vec<u8> = picks.iter().flat_map(|i| seeds[*i].clone()).collect();
        stream.extend(&garbage);
        // The twin: the whole stream in one slice.
        let (mut rest, mut expected, mut failure) = (&stream[..], Vec::new(), None);
        while !rest.is_empty() && failure.is_none() {
            match Message::decode(rest) {
                Ok((message, tail)) => {
                    expected.push(message);
                    rest = tail;
                }
                Err(error) => failure = Some(error),
            }
        }
        let mut reader = BmpReader::new(Pieces { bytes: &stream, sizes, turn: 0 });
        let mut seen = 0;
        while let Some(result) = reader.next_message() {
            match result {
                Ok(message) => prop_assert_eq!(Some(&message), expected.get(seen)),
                Err(BmpReadError::Record { error, .. }) => {
                    match (error.kind(), failure.map(|error| error.kind())) {
                        // The twin has no limit.
                        (BmpErrorKind::TooLong { .. }, Some(BmpErrorKind::Incomplete { .. })) => {}
                        _ => prop_assert_eq!(Some(error), failure),
                    }
                    prop_assert_eq!(seen, expected.len());
                    break;
                }
                Err(error) => panic!("{error}"),
            }
            seen += 1;
        }
        prop_assert_eq!(seen, expected.len());
    }
}

#[test]
fn records_above_the_limit_are_passed_over() {
    let long = mrt::record(99, 9, &"00".repeat(300));
    let stream = [mrt::seeds()[0].clone(), long, mrt::seeds()[3].clone()].concat();
    let mut reader = MrtReader::new(Pieces { bytes: &stream, sizes: vec![5, 100, 1], turn: 0 }).max_len(100);
    assert_eq!(reader.next_record().unwrap().unwrap().kind(), RecordType::BGP4MP);
    let error = reader.next_record().unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "record of 312 octets, above the limit of 100 at byte 8 of the record at 32"
    );
    assert_eq!(reader.position(), 32 + 312);
    assert_eq!(reader.next_record().unwrap().unwrap().kind(), RecordType::TABLE_DUMP);
    assert!(reader.next_record().is_none());
    assert_eq!(reader.position(), u64::try_from(stream.len()).unwrap());

    // One that claims four gigabytes, and ends.
    let mut claims = hex("45cf1f3c 0010 0001 ffffffff");
    claims.extend([0; 100]);
    let mut reader = MrtReader::new(&claims[..]);
    let error = reader.next_record().unwrap().unwrap_err();
    assert!(
        matches!(error, MrtReadError::Record { error, .. } if matches!(error.kind(), MrtErrorKind::TooLong { .. }))
    );
    assert!(reader.next_record().is_none());
}

/// A source that fails once.
struct Failing<'a>(&'a [u8], bool);

impl Read for Failing<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.0.len() < 40 && !core::mem::replace(&mut self.1, true) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = buf.len().min(9);
        self.0.read(&mut buf[..len])
    }
}

#[test]
fn a_source_that_failed_can_be_read_on() {
    let stream = mrt::seeds()[..2].concat();
    let mut reader = MrtReader::new(Failing(&stream, false));
    let (mut records, mut failures) = (0, 0);
    while let Some(result) = reader.next_record() {
        match result {
            Ok(_) => records += 1,
            Err(MrtReadError::Io(error)) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                failures += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((records, failures), (2, 1));
    assert!(reader.source().0.is_empty() && reader.into_source().1);
}

/// A source that is asked for no more than what came so far allows.
struct Frugal {
    left: usize,
    given: usize,
}

impl Read for Frugal {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        assert!(buf.len() <= self.given.max(64 << 10), "{} asked for after {}", buf.len(), self.given);
        let len = buf.len().min(self.left);
        buf[..len].fill(1);
        (self.left, self.given) = (self.left - len, self.given + len);
        Ok(len)
    }
}

#[test]
fn a_length_field_costs_no_memory() {
    // Every octet is 1, so that every record claims 16,843,009 octets.
    for left in [20, 1000, 300_000] {
        let mut reader = MrtReader::new(Frugal { left, given: 0 }).max_len(20 << 20);
        let error = reader.next_record().unwrap().unwrap_err();
        let MrtReadError::Record { error, position: 0 } = error else { panic!("{error}") };
        assert_eq!(
            (error.kind(), error.offset()),
            (MrtErrorKind::Incomplete { needed: 0x0101_0101 + 12 }, left)
        );
    }
    let mut reader = MrtReader::new(Frugal { left: 40 << 20, given: 0 }).max_len(20 << 20);
    assert_eq!(reader.next_record().unwrap().unwrap().body().len(), 0x0101_0101);
}

#[test]
fn a_stream_goes_on_behind_what_is_bad() {
    let long = bmp::message(99, &"00".repeat(300));
    let bad = bmp::message(4, "0000 0001");
    let stream = [&bmp::seeds()[5][..], &long, &bad, &bmp::seeds()[6], &[2, 0, 0, 0, 6, 0, 0]].concat();
    let mut reader = BmpReader::new(Pieces { bytes: &stream, sizes: vec![5, 100, 1], turn: 0 }).max_len(100);
    assert_eq!(reader.next_message().unwrap().unwrap().kind(), MessageType::INITIATION);
    let errors = [
        "message of 306 octets, above the limit of 100 at byte 1 of the message at 19",
        "field runs out of the message at byte 6 of the message at 325",
    ];
    for wanted in errors {
        assert_eq!(reader.next_message().unwrap().unwrap_err().to_string(), wanted);
    }
    assert_eq!(reader.next_message().unwrap().unwrap().kind(), MessageType::TERMINATION);
    // No length can be trusted after a version that is not ours.
    let error = reader.next_message().unwrap().unwrap_err();
    assert!(error.to_string().starts_with("BMP version 2 instead of 3"), "{error}");
    assert!(reader.next_message().is_none());
    assert!(reader.source().sizes.len() == 3 && reader.into_source().bytes.is_empty());
}
