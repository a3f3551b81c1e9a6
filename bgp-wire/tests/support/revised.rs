//! UPDATEs, and what RFC 7606 wants done with them.

#![expect(clippy::panic, reason = "test code")]

use tortie_bgp_wire::{DecodeError, DecodeErrorKind, ErrorAction, Message, Session, Update};

use super::{four, hex, update};

/// Origin IGP, empty path, next hop 10.0.0.1.
pub(crate) const GOOD: &str = "40010100 400200 4003040a000001";

/// Every attribute this crate knows, with its flags.
pub(crate) const KNOWN: [(u8, u8); 25] = [
    (1, 0x40),
    (2, 0x40),
    (3, 0x40),
    (4, 0x80),
    (5, 0x40),
    (6, 0x40),
    (7, 0xc0),
    (8, 0xc0),
    (9, 0x80),
    (10, 0x80),
    (14, 0x80),
    (15, 0x80),
    (16, 0xc0),
    (17, 0xc0),
    (18, 0xc0),
    (22, 0xc0),
    (23, 0xc0),
    (24, 0x80),
    (25, 0xc0),
    (26, 0x80),
    (29, 0x80),
    (32, 0xc0),
    (35, 0xc0),
    (40, 0xc0),
    (128, 0xc0),
];

/// The attributes of [`GOOD`] and then these, for 10.0.0.0/8.
pub(crate) fn with(attributes: &str) -> Vec<u8> {
    update(&[], &[hex(GOOD), hex(attributes)].concat(), &[8, 10])
}

/// An UPDATE for 10.0.0.0/8 with this attribute, and those of [`GOOD`] that have another code.
pub(crate) fn lone(code: u8, flags: u8, value: &str) -> Vec<u8> {
    let value = hex(value);
    let mut attributes = vec![flags, code, u8::try_from(value.len()).unwrap()];
    attributes.extend(value);
    for (other, attribute) in [(1, "40010100"), (2, "400200"), (3, "4003040a000001")] {
        if other != code {
            attributes.extend(hex(attribute));
        }
    }
    update(&[], &attributes, &[8, 10])
}

pub(crate) fn judged_in(bytes: &[u8], session: &Session) -> Option<DecodeError> {
    match Message::decode(bytes, session) {
        Err(error) => Some(error),
        Ok((Message::Update(update), [])) => update.disposition(),
        Ok(other) => panic!("{other:?}"),
    }
}

pub(crate) fn judged(bytes: &[u8]) -> Option<DecodeError> {
    judged_in(bytes, &four())
}

pub(crate) fn error(bytes: &[u8]) -> DecodeError {
    judged(bytes).unwrap()
}

pub(crate) fn attribute_error(bytes: &[u8]) -> Option<(DecodeErrorKind, ErrorAction)> {
    judged(bytes).map(|error| (error.kind(), error.action()))
}

pub(crate) fn action_in(bytes: &[u8], session: &Session) -> Option<ErrorAction> {
    judged_in(bytes, session).map(|error| error.action())
}

/// What is to be done on a session with an internal peer.
pub(crate) fn action(bytes: &[u8]) -> Option<ErrorAction> {
    action_in(bytes, &four())
}

pub(crate) fn external_action(bytes: &[u8]) -> Option<ErrorAction> {
    let mut session = four();
    session.external = true;
    action_in(bytes, &session)
}

pub(crate) fn read(bytes: &[u8]) -> Update<'_> {
    let Message::Update(update) = Message::decode(bytes, &four()).unwrap().0 else { panic!("no UPDATE") };
    update
}
