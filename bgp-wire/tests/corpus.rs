//! Real messages, where there are some: `TORTIE_DATA` names the folder that holds `bgp/mrt_as4.flat.gz` and others, or
//! `TORTIE_BGP_CORPUS` one file of messages, each after its length (u32, big-endian).

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

mod support;

use std::path::PathBuf;
use std::process::Command;

use support::{four, walk};
use tortie_bgp_wire::{FamilySet, FlaggedAttribute, Message, Session, UpdateParts};

/// The octets of a file of the corpus; `None`, with a word about it, where there is none.
fn corpus(name: &str) -> Option<Vec<u8>> {
    let path = match (std::env::var_os("TORTIE_BGP_CORPUS"), std::env::var_os("TORTIE_DATA")) {
        (Some(path), _) => PathBuf::from(path),
        (None, Some(folder)) => PathBuf::from(folder).join("bgp").join(name),
        (None, None) => {
            println!("skipped: neither TORTIE_DATA nor TORTIE_BGP_CORPUS is set");
            return None;
        }
    };
    if path.extension().is_some_and(|extension| extension == "gz") {
        let out = Command::new("gzip").arg("-dc").arg(&path).output().unwrap();
        assert!(out.status.success(), "gzip -dc {}", path.display());
        return Some(out.stdout);
    }
    Some(std::fs::read(&path).unwrap())
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

/// A session on which everything is agreed on.
fn everything(four_octet_as: bool, add_path: bool) -> Session {
    let mut session = four();
    session.four_octet_as = four_octet_as;
    session.extended_message = true;
    session.ipv6_next_hops = FamilySet::ALL;
    if add_path {
        (session.add_path_receive, session.add_path_send) = (FamilySet::ALL, FamilySet::ALL);
    }
    session
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    decoded: usize,
    refused: usize,
    judged: usize,
    typed: usize,
}

/// Decodes, reads everything, encodes the view and then the typed values; both must give the message back.
fn check(bytes: &[u8], session: &Session, buf: &mut [u8], counts: &mut Counts) {
    let Ok((message, left)) = Message::decode(bytes, session) else {
        counts.refused += 1;
        return;
    };
    counts.decoded += 1;
    core::hint::black_box(walk(&message));
    let Message::Update(update) = message else { return };
    let whole = bytes.strip_suffix(left).unwrap();
    let len = message.encode(buf, session).unwrap();
    assert_eq!(buf.get(..len).unwrap(), whole);
    counts.judged += usize::from(update.disposition().is_some());
    let attributes: Result<Vec<FlaggedAttribute<'_>>, _> = update.attributes().flagged().collect();
    let Ok(attributes) = attributes else { return };
    let classic = |reach: usize, paths: Vec<_>| paths.into_iter().skip(reach).collect::<Vec<_>>();
    let reach = attributes.iter().find_map(|flagged| match flagged.attribute {
        tortie_bgp_wire::Attribute::MpReach(reach) => Some(reach.nlri().count()),
        _ => None,
    });
    let announced = classic(reach.unwrap_or(0), update.announced_paths().collect());
    let mut withdrawn: Vec<_> = update.withdrawn_paths().collect();
    let unreach = attributes.iter().find_map(|flagged| match flagged.attribute {
        tortie_bgp_wire::Attribute::MpUnreach(unreach) => Some(unreach.nlri().count()),
        _ => None,
    });
    withdrawn.truncate(withdrawn.len() - unreach.unwrap_or(0));
    let parts = UpdateParts { withdrawn: &withdrawn, attributes: &attributes, announced: &announced };
    let len = parts.encode(buf, session).unwrap();
    counts.typed += usize::from(buf.get(..len).unwrap() == whole);
}

#[test]
fn every_update_of_the_archives_encodes_to_itself() {
    let Some(data) = corpus("mrt_as4.flat.gz") else { return };
    let (mut counts, mut buf) = (Counts::default(), vec![0; 65535]);
    messages(&data).for_each(|bytes| check(bytes, &everything(true, false), &mut buf, &mut counts));
    println!("{counts:?}");
    assert!(counts.decoded > 0);
}

#[test]
fn every_message_of_captures_and_vectors_encodes_to_itself() {
    if std::env::var_os("TORTIE_DATA").is_none() {
        println!("skipped: TORTIE_DATA is not set");
        return;
    }
    for name in ["vectors.flat", "pcap.flat", "mrt_addpath.flat", "odd.flat"] {
        let Some(data) = corpus(name) else { return };
        let mut buf = vec![0; 65535];
        for (wide, add_path) in [(true, false), (false, false), (true, true), (false, true)] {
            let mut counts = Counts::default();
            let session = everything(wide, add_path);
            messages(&data).for_each(|bytes| check(bytes, &session, &mut buf, &mut counts));
            println!("{name}, four octets {wide}, path identifiers {add_path}: {counts:?}");
        }
    }
}
