//! What the tests share.

#![expect(clippy::unwrap_used, reason = "test code")]
#![allow(dead_code, reason = "each test file uses its part")]

#[cfg(all(feature = "bmp", feature = "std"))]
pub(crate) mod bmp;
#[cfg(all(feature = "mrt", feature = "std"))]
pub(crate) mod mrt;
pub(crate) mod revised;

use proptest::test_runner::{Config as ProptestConfig, RngSeed};
use tortie_bgp_wire::{Attribute, Message, Session, Update};

/// So many cases from a fixed seed; fifty times as many with `TORTIE_PROVE=1`.
pub(crate) fn config(cases: u32) -> ProptestConfig {
    let prove = std::env::var("TORTIE_PROVE").is_ok_and(|value| value == "1");
    ProptestConfig {
        cases: if prove { cases * 50 } else { cases },
        rng_seed: RngSeed::Fixed(4271),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A session with four-octet AS numbers.
pub(crate) fn four() -> Session {
    let mut session = Session::default();
    session.four_octet_as = true;
    session
}

/// Octets from hexadecimal digits; whatever is no digit is skipped.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
}

/// Says why a test has nothing to do.
#[expect(clippy::print_stdout, reason = "whoever runs the tests should know")]
pub(crate) fn skip(reason: &str) {
    println!("skipped: {reason}");
}

/// The octets of a compressed file.
pub(crate) fn gunzip(path: &std::path::Path) -> Vec<u8> {
    let out = std::process::Command::new("gzip").arg("-dc").arg(path).output().unwrap();
    assert!(out.status.success(), "gzip -dc {}", path.display());
    out.stdout
}

/// So many pieces of 300 octets, the same each time; most octets are zero, as in lengths that fit.
pub(crate) fn noise(count: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut state = 6396_u64;
    let mut octet = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let [octet, choice, ..] = (state >> 48).to_le_bytes();
        if choice < 85 { octet } else { 0 }
    };
    core::iter::repeat_with(move || (0..300).map(|_| octet()).collect()).take(count)
}

/// A message with this type and body.
pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(19 + body.len()).unwrap();
    [&[0xff; 16][..], &len.to_be_bytes(), &[kind], body].concat()
}

/// An UPDATE of these three sections.
pub(crate) fn update(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let len = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    message(2, &[&len(withdrawn), withdrawn, &len(attributes), attributes, nlri].concat())
}

/// Touches everything that can be read from a message; the sum keeps it from being optimised away.
pub(crate) fn walk(message: &Message<'_>) -> u64 {
    match message {
        Message::Open(open) => {
            let capabilities = open.capabilities();
            u64::from(open.asn())
                + u64::from(open.hold_time().seconds())
                + u64::try_from(capabilities.iter().count()).unwrap()
                + u64::try_from(capabilities.families().iter().count()).unwrap()
                + u64::try_from(format!("{open:?}").len()).unwrap()
        }
        Message::Update(update) => walk_update(update),
        Message::Notification(notification) => {
            let text = notification.shutdown_communication().unwrap_or_default();
            u64::try_from(text.len() + notification.code().to_string().len()).unwrap()
        }
        Message::RouteRefresh(refresh) => refresh.family().to_string().len().try_into().unwrap(),
        _ => 0,
    }
}

fn walk_update(update: &Update<'_>) -> u64 {
    let mut sum = 0_u64;
    for nlri in update.announcements().chain(update.withdrawals()) {
        sum += nlri.prefix().map_or(1, |prefix| u64::from(prefix.prefix_len()));
        sum += u64::from(update.next_hop(nlri.family()).is_some());
    }
    for attribute in update.attributes() {
        sum += match attribute {
            Ok(Attribute::AsPath(path)) => {
                path.asns().map(u64::from).sum::<u64>()
                    + u64::try_from(path.hops() + path.to_string().len()).unwrap()
            }
            Ok(Attribute::Communities(list)) => list.iter().map(|community| u64::from(community.get())).sum(),
            Ok(Attribute::ClusterList(list)) => list.iter().map(|id| u64::from(u32::from(id))).sum(),
            Ok(Attribute::Unknown(raw)) => raw.value().iter().map(|b| u64::from(*b)).sum(),
            Ok(other) => u64::from(other.code().get()),
            Err(error) => u64::try_from(error.to_string().len()).unwrap(),
        };
    }
    sum += u64::try_from(update.raw_attributes().count()).unwrap();
    sum + u64::from(update.disposition().is_some()) + u64::from(update.end_of_rib().is_some())
}
