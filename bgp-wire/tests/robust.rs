//! No bytes panic; what decodes, encodes to the same bytes; fragments make no difference.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod support;

use proptest::prelude::*;
use support::{config, four, hex, message, update, walk};
use tortie_bgp_wire::{Framer, KEEPALIVE, Message, Session};

/// Cases of each property.
const CASES: u32 = 2000;

/// Whatever a message is, all of it can be read, and it encodes to itself or to a normal form that decodes to it.
fn check(bytes: &[u8], session: &Session) {
    let Ok((message, rest)) = Message::decode(bytes, session) else { return };
    assert!(bytes.len() >= rest.len() + 19);
    core::hint::black_box(walk(&message));
    let mut buf = [0; 4200];
    let len = message.encode(&mut buf, session).unwrap();
    assert_eq!(message.encoded_len(session), Ok(len));
    match message {
        Message::Open(_) => assert_eq!(Message::decode(&buf[..len], session), Ok((message, &[][..]))),
        _ => assert_eq!(&buf[..len], &bytes[..bytes.len() - rest.len()]),
    }
    // The other width of AS numbers: an error or a whole message, never a panic.
    let mut other = *session;
    other.four_octet_as = !session.four_octet_as;
    if let Ok(len) = message.encode(&mut buf, &other) {
        assert!(Message::decode(&buf[..len], &other).is_ok());
    }
}

fn sessions() -> impl Strategy<Value = Session> {
    (any::<bool>(), any::<bool>()).prop_map(|(wide, external)| {
        let mut session = Session::default();
        (session.four_octet_as, session.external) = (wide, external);
        session
    })
}

/// Good messages with many features, as seeds for mutants.
fn seeds() -> Vec<Vec<u8>> {
    let attributes = "40010100 4002100202 0000fc00 0000fc01 0101 0000fc02 4003040a000001 80040400000007
        40050400000064 400600 c007080000fc000a000001 c00808fc000001ffffff01 8009040a000002 800a080a0000030a000004
        f063 0003 010203";
    let reach = "800e2f 000201 20 fd000000000000000000000000000001 fe800000000000000000000000000001 00
        40fd00000000000001 00 800f0d 000201 40fd00000000000002 00";
    vec![
        KEEPALIVE.to_vec(),
        update(&[8, 11, 32, 1, 2, 3, 4], &hex(attributes), &[0, 26, 10, 0, 0, 64]),
        update(&[], &[hex("40010100 400200"), hex(reach)].concat(), &[]),
        update(&[], &[], &[]),
        message(
            1,
            &hex(
                "04 5ba0 005a 0a000001 1f 021d 010400010001 010400020001 0200 4104fa56ea01 40020078 c803010203",
            ),
        ),
        message(1, &hex("04 fc00 005a 0a000001 ff ff 0009 02 0006 010400020001")),
        message(3, b"\x06\x02\x0bmaintenance"),
        message(5, &[0, 1, 0, 1]),
    ]
}

#[test]
fn the_seeds_are_good() {
    for seed in seeds() {
        let (message, rest) = Message::decode(&seed, &four()).unwrap();
        assert!(rest.is_empty());
        if let Message::Update(update) = message {
            assert_eq!(update.disposition(), None);
        }
        check(&seed, &four());
    }
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn random_bodies(kind in 0..7u8, body in prop::collection::vec(any::<u8>(), 0..200), session in sessions()) {
        check(&message(kind, &body), &session);
        check(&body, &session);
    }

    #[test]
    fn random_attributes(
        attributes in prop::collection::vec((any::<u8>(), 0..20u8, prop::collection::vec(any::<u8>(), 0..40)), 0..6),
        nlri in prop::collection::vec(any::<u8>(), 0..8),
        session in sessions(),
    ) {
        let mut bytes = Vec::new();
        for (flags, code, value) in attributes {
            let flags = flags & !0x10;
            bytes.extend([flags, code, u8::try_from(value.len()).unwrap()]);
            bytes.extend(value);
        }
        check(&update(&[], &bytes, &nlri), &session);
    }

    #[test]
    fn mutants(
        seed in 0..8usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..6),
        session in sessions(),
    ) {
        let mut bytes = seeds().swap_remove(seed);
        for (at, value, how) in edits {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = value,
                1 => bytes.insert(at, value),
                _ => { bytes.remove(at); }
            }
        }
        check(&bytes, &session);
        // With a header that is right again, so that the body is reached.
        if bytes.len() >= 19 {
            let (kind, body) = (bytes[18], bytes[19..].to_vec());
            check(&message(kind, &body), &session);
        }
    }

    #[test]
    fn fragments_make_no_difference(
        picks in prop::collection::vec(0..8usize, 0..8),
        garbage in prop::collection::vec(any::<u8>(), 0..40),
        cuts in prop::collection::vec(1..60usize, 1..40),
    ) {
        let seeds = seeds();
        let mut stream: Vec<u8> = picks.iter().flat_map(|i| seeds[*i].clone()).collect();
        stream.extend(&garbage);
        // The twin: headers read one after the other from the whole stream.
        let (mut expected, mut rest) = (Vec::new(), &stream[..]);
        let error = loop {
            if rest.len() < 19 { break None; }
            match tortie_bgp_wire::Header::decode(rest) {
                Err(error) => break Some(error),
                Ok(header) if usize::from(header.len()) > rest.len() => break None,
                Ok(header) => {
                    let (message, tail) = rest.split_at(usize::from(header.len()));
                    expected.push(message.to_vec());
                    rest = tail;
                }
            }
        };
        let (mut framer, mut seen, mut failed) = (Framer::new(), Vec::new(), None);
        let mut cuts = cuts.iter().cycle();
        let mut rest = &stream[..];
        'stream: while !rest.is_empty() {
            let (mut chunk, tail) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            rest = tail;
            loop {
                match framer.next(chunk) {
                    Ok((None, left)) => {
                        prop_assert!(left.is_empty());
                        break;
                    }
                    Ok((Some(message), left)) => {
                        seen.push(message.to_vec());
                        chunk = left;
                    }
                    Err(error) => {
                        failed = Some(error);
                        prop_assert_eq!(framer.next(&KEEPALIVE), Err(error), "a broken stream stays broken");
                        prop_assert_eq!(tortie_bgp_wire::Header::decode(framer.header()), Err(error));
                        break 'stream;
                    }
                }
            }
        }
        prop_assert_eq!(seen, expected);
        prop_assert_eq!(failed, error);
    }
}
