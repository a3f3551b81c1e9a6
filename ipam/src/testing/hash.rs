//! Hashing that is quick, and of 128 bits where states are told apart by nothing else.

use core::hash::{BuildHasherDefault, Hash, Hasher};
use std::collections::{HashMap, HashSet};

/// Two multiplicative hashes: enough that among millions of states none is taken for another.
#[derive(Clone, Copy)]
pub(super) struct Fingerprint(u64, u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(1, 2)
    }
}

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        self.0 ^ self.1
    }

    fn write(&mut self, bytes: &[u8]) {
        for word in bytes.chunks(8) {
            self.write_u64(word.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_u16(&mut self, value: u16) {
        self.write_u64(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        let mix = |state: u64, factor: u64| {
            let mixed = (state ^ value).wrapping_mul(factor);
            mixed ^ (mixed >> 32)
        };
        self.0 = mix(self.0, 0x9e37_79b9_7f4a_7c15);
        self.1 = mix(self.1.rotate_left(17), 0xd6e8_feb8_6659_fd93);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }
}

/// 128 bits that stand for a value.
pub(super) fn fingerprint<T: Hash + ?Sized>(value: &T) -> u128 {
    let mut hash = Fingerprint::default();
    value.hash(&mut hash);
    u128::from(hash.0) << 64 | u128::from(hash.1)
}

pub(super) type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<Fingerprint>>;
pub(super) type FastSet<K> = HashSet<K, BuildHasherDefault<Fingerprint>>;
