//! Random numbers from the system.

use rustix::rand::{GetRandomFlags, getrandom};

use crate::Error;

fn bytes() -> Result<[u8; 16], Error> {
    let mut bytes = [0; 16];
    // So few bytes are given whole or not at all (getrandom(2)).
    getrandom(&mut bytes, GetRandomFlags::empty()).map_err(Error::unavailable)?;
    Ok(bytes)
}

/// A UUID of version 4 (RFC 9562 §5.4): the identifier of a new object.
pub(crate) fn uid() -> Result<String, Error> {
    let number = u128::from_be_bytes(bytes()?) & !(0xf << 76 | 0b11 << 62) | 0x4 << 76 | 0b10 << 62;
    let hex = format!("{number:032x}");
    let part = |range| hex.get(range).unwrap_or_default();
    Ok([part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-"))
}

/// A number from 0 up to 1, for pauses that should differ from host to host; where there is no randomness, always 0.
#[cfg(feature = "etcd")]
pub(crate) fn fraction() -> f64 {
    let [first, second, ..] = bytes().unwrap_or_default();
    f64::from(u16::from_be_bytes([first, second])) / 65_536.0
}
