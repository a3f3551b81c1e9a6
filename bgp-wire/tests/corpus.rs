//! What is read is written again octet by octet: as a borrowed view, and from typed values.
//!
//! A few messages are here; real ones are read where there are some: `TORTIE_DATA` names the folder that holds
//! `bgp/mrt_as4.flat.gz` and others, or `TORTIE_BGP_CORPUS` one file of messages, each after its length (u32, big-endian).

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "test code")]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use support::{hex, message, update, walk};
use tortie_bgp_wire::{
    DecodeError, DecodeErrorKind, ErrorAction, FamilySet, Message, Session, Update, UpdateParts,
};

/// The octets of a file of the corpus; `None`, with a word about it, where there is none.
fn corpus(name: &str) -> Option<Vec<u8>> {
    let Some(folder) = std::env::var_os("TORTIE_DATA") else {
        println!("skipped: TORTIE_DATA is not set");
        return None;
    };
    Some(read(PathBuf::from(folder).join("bgp").join(name)))
}

fn read(path: PathBuf) -> Vec<u8> {
    if path.extension().is_some_and(|extension| extension == "gz") {
        let out = Command::new("gzip").arg("-dc").arg(&path).output().unwrap();
        assert!(out.status.success(), "gzip -dc {}", path.display());
        return out.stdout;
    }
    std::fs::read(&path).unwrap()
}

fn messages(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    core::iter::from_fn(move || {
        let (len, tail) = rest.split_first_chunk::<4>()?;
        let (bytes, tail) = tail.split_at(usize::try_from(u32::from_be_bytes(*len)).unwrap());
        rest = tail;
        Some(bytes)
    })
}

/// Sessions on which everything is agreed on, the likely ones first.
const SESSIONS: [(&str, bool, bool); 4] = [
    ("four octets", true, false),
    ("two octets", false, false),
    ("four octets, path identifiers", true, true),
    ("two octets, path identifiers", false, true),
];

fn everything(four_octet_as: bool, add_path: bool) -> Session {
    let mut session = Session::default();
    session.four_octet_as = four_octet_as;
    session.extended_message = true;
    session.ipv6_next_hops = FamilySet::ALL;
    if add_path {
        (session.add_path_receive, session.add_path_send) = (FamilySet::ALL, FamilySet::ALL);
    }
    session
}

/// The session that reads a message best: without an error, or with one in a single attribute, or at all.
fn fitting(bytes: &[u8]) -> Result<(&'static str, Session), DecodeError> {
    let all = SESSIONS.map(|(name, wide, add_path)| (name, everything(wide, add_path)));
    let judged = |session: &Session| match Message::decode(bytes, session)?.0 {
        Message::Update(update) => Ok(update.disposition().map_or(0, |error| match error.kind() {
            DecodeErrorKind::MalformedAsPath => 2,
            _ => 1,
        })),
        _ => Ok(0),
    };
    let best = all.iter().filter_map(|(name, session)| Some((judged(session).ok()?, name, session)));
    match best.min_by_key(|(errors, ..)| *errors) {
        Some((_, name, session)) => Ok((*name, *session)),
        None => judged(&everything(true, false)).map(|_: u8| panic!("read after all")),
    }
}

/// Whether all attributes can be framed, so that there are typed values of all octets.
fn is_framed(update: &Update<'_>) -> bool {
    let broken = |error: DecodeError| error.kind() == DecodeErrorKind::MalformedAttributeList;
    !update.attributes().filter_map(Result::err).any(broken)
}

/// Reads everything, and writes the view and then the typed values: both must give the message back. Whether there were
/// typed values.
fn check(bytes: &[u8], session: &Session, buf: &mut [u8]) -> Result<bool, DecodeError> {
    let (message, left) = Message::decode(bytes, session)?;
    core::hint::black_box(walk(&message));
    let whole = bytes.strip_suffix(left).unwrap();
    let len = message.encode(buf, session).unwrap();
    assert_eq!((buf.get(..len), message.encoded_len(session)), (Some(whole), Ok(len)));
    let Message::Update(update) = message else { return Ok(true) };
    let attributes: Vec<_> = update.attributes().kept().collect();
    let withdrawn: Vec<_> = update.classic_withdrawals().collect();
    let announced: Vec<_> = update.classic_announcements().collect();
    let parts = UpdateParts { withdrawn: &withdrawn, attributes: &attributes, announced: &announced };
    let len = parts.encode(buf, session).unwrap();
    let same = buf.get(..len) == Some(whole);
    assert_eq!(same, is_framed(&update), "{bytes:02x?}");
    Ok(same)
}

#[test]
fn every_update_of_the_archives_encodes_to_itself() {
    let one = std::env::var_os("TORTIE_BGP_CORPUS").map(|path| read(PathBuf::from(path)));
    let real = one.is_none();
    let Some(data) = one.or_else(|| corpus("mrt_as4.flat.gz")) else { return };
    let (session, mut buf) = (everything(true, false), vec![0; 65535]);
    let (mut updates, mut refused, mut typed, mut malformed) = (0, 0, 0, 0);
    for bytes in messages(&data) {
        let is_update = bytes.get(18) == Some(&2);
        updates += usize::from(is_update);
        match check(bytes, &session, &mut buf) {
            Ok(same) => typed += usize::from(same && is_update),
            Err(error) => {
                println!("refused: {error}");
                refused += 1;
            }
        }
        if let Ok((Message::Update(update), _)) = Message::decode(bytes, &session) {
            malformed += usize::from(update.disposition().is_some());
        }
    }
    println!("{updates} UPDATEs, {refused} messages refused, {typed} typed, {malformed} with an error");
    assert!(!real || (updates, refused, typed, malformed) == (173_232, 12, 173_220, 4));
}

/// How many messages each session read, how many of them lack typed values, and how many none can read.
fn survey(name: &str) -> Option<([usize; 4], usize, usize)> {
    let data = corpus(name)?;
    let (mut sessions, mut untyped, mut refused) = (BTreeMap::new(), 0, 0);
    let mut buf = vec![0; 65535];
    for (i, bytes) in messages(&data).enumerate() {
        match fitting(bytes) {
            Ok((session_name, session)) => {
                *sessions.entry(session_name).or_insert(0) += 1;
                println!("{name} {i}: {session_name}");
                if !check(bytes, &session, &mut buf).unwrap() {
                    println!("{name} {i}: not typed, since attribute lengths do not add up");
                    untyped += 1;
                }
            }
            Err(error) => {
                println!("{name} {i}: refused, {error}");
                refused += 1;
            }
        }
    }
    let counts = SESSIONS.map(|(session, ..)| sessions.get(session).copied().unwrap_or(0));
    println!("{name}: {counts:?} by session, {untyped} not typed, {refused} refused");
    Some((counts, untyped, refused))
}

#[test]
fn every_message_of_captures_and_vectors_encodes_to_itself() {
    for (name, want) in [
        ("vectors.flat", ([627, 53, 6, 0], 1, 3)),
        ("pcap.flat", ([2876, 184, 1, 0], 318, 27)),
        ("mrt_addpath.flat", ([20, 0, 8, 0], 0, 0)),
    ] {
        assert_eq!(survey(name).unwrap_or(want), want, "{name}");
    }
}

#[test]
fn a_length_that_is_not_that_of_the_message_is_an_error() {
    let cut = DecodeErrorKind::Incomplete;
    let mut own = update(&[], &hex("40010100"), &[]);
    own.truncate(25);
    judge(&own, cut, &[0, 27]);
    own.truncate(10);
    judge(&own, cut, &[]);
    let mut long = message(2, &[0; 4]);
    if let Some(len) = long.get_mut(16..18) {
        len.copy_from_slice(&[0x28, 0x28]);
    }
    judge(&long, DecodeErrorKind::BadMessageLength { len: 0x2828 }, &[0x28, 0x28]);

    let Some(data) = corpus("odd.flat") else { return };
    let odd: Vec<_> = messages(&data).collect();
    let (last, others) = odd.split_last().unwrap();
    assert_eq!(odd.len(), 18);
    // Captures that lost their ends.
    others.iter().for_each(|bytes| judge(bytes, cut, bytes.get(16..18).unwrap()));
    // Its length field is text.
    judge(last, DecodeErrorKind::BadMessageLength { len: 0x2828 }, &[0x28, 0x28]);
}

fn judge(bytes: &[u8], kind: DecodeErrorKind, data: &[u8]) {
    for four_octet_as in [false, true] {
        let mut session = everything(four_octet_as, false);
        session.extended_message = false;
        let error = Message::decode(bytes, &session).unwrap_err();
        let notification = error.notification(bytes);
        let code = (notification.code().code(), notification.code().subcode());
        assert_eq!((error.kind(), code, error.action()), (kind, (1, 2), ErrorAction::SessionReset));
        assert_eq!(notification.data(), data);
    }
}

#[test]
fn what_has_no_meaning_is_kept() {
    let base = "40010100 400200 4003040a000001";
    let with = |attributes: &str, nlri: &[u8]| update(&[], &hex(&format!("{base} {attributes}")), nlri);
    let typed = [
        // Bits beyond the length of a prefix.
        with("", &[8, 10, 9, 10, 0xff, 0, 31, 1, 2, 3, 4, 17, 9, 9, 0x7f]),
        update(&[4, 0xff, 12, 10, 0x1f], &[], &[]),
        // Lengths wider than needed, the Partial bit, and bits that must be zero.
        with("d0080004 fc000001 e02000 0f63 00 8f0404 00000001", &[8, 10]),
        // Malformed: AS 0 in AGGREGATOR and in AS_PATH, a repeated attribute, an empty one.
        with("c00708 00000000 0a000001", &[8, 10]),
        update(&[], &hex("40010100 400206 020100000000 4003040a000001"), &[8, 10]),
        with("40010101 c00800", &[8, 10]),
        // A next hop that nobody reads, and a reserved octet that is not zero.
        update(&[], &hex("40010100 400200 800e0a 000185 04 0a000001 ff 00"), &[]),
        // Each capability in a parameter of its own, none in a parameter, an extended length that is not needed.
        message(1, &hex("04 fc00 005a 0a000001 0a 0202 0200 0200 0202 4600")),
        message(1, &hex("04 fc00 005a 0a000001 07 ff 0009 02 0006 010400020001")),
        message(3, &hex("0602 0b 6d61696e")),
        message(5, &hex("0001 02 80")),
    ];
    let mut buf = vec![0; 65535];
    for bytes in typed {
        assert_eq!(check(&bytes, &everything(true, false), &mut buf), Ok(true), "{bytes:02x?}");
    }
    let narrow = update(&[], &hex("40010100 400206 0202fc00fc01 4003040a000001"), &[8, 10]);
    assert_eq!(check(&narrow, &everything(false, false), &mut buf), Ok(true));
    assert_eq!(fitting(&narrow).map(|(name, _)| name), Ok("two octets"));
    let paths = update(&[], &hex(base), &[0, 0, 0, 1, 9, 10, 0xff, 0, 0, 0, 2, 8, 10]);
    assert_eq!(fitting(&paths).map(|(name, _)| name), Ok("four octets, path identifiers"));
    assert_eq!(check(&paths, &everything(true, true), &mut buf), Ok(true));
    // Lengths that do not add up: the view has all octets, the typed values do not.
    let broken = with("c00809 fc000001", &[8, 10]);
    assert_eq!(check(&broken, &everything(true, false), &mut buf), Ok(false));
}
