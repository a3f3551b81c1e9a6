//! Writes the JSON of a block: the fields in the order of the reference, and nothing between the tokens.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use super::Block;

/// Whether a text is its own JSON but for the quotation marks: it has no such mark, no backslash, no control character.
fn is_plain(text: &str) -> bool {
    const fn all(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    /// Has the topmost bit of a byte set if that byte is below `limit`, which is at most 128; others may have it set only
    /// above such a one.
    const fn below(eight: u64, limit: u8) -> u64 {
        eight.wrapping_sub(all(limit)) & !eight & all(0x80)
    }
    let odd = |eight: [u8; 8]| {
        let eight = u64::from_ne_bytes(eight);
        below(eight, b' ') | below(eight ^ all(b'"'), 1) | below(eight ^ all(b'\\'), 1)
    };
    let bytes = text.as_bytes();
    // The last eight overlap those before, and short texts are filled up with blanks.
    match bytes.last_chunk::<8>() {
        Some(last) => {
            bytes
                .chunks_exact(8)
                .filter_map(|eight| eight.first_chunk())
                .fold(odd(*last), |found, eight| found | odd(*eight))
                == 0
        }
        None => {
            let mut eight = [b' '; 8];
            for (to, from) in eight.iter_mut().zip(bytes) {
                *to = *from;
            }
            odd(eight) == 0
        }
    }
}

/// Appends a JSON string; whether it needed no escapes.
pub(super) fn push_string(json: &mut String, text: &str) -> bool {
    let plain = is_plain(text);
    if plain {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        push_value(json, text);
    }
    plain
}

/// Appends any value that JSON can say.
pub(super) fn push_value<T: Serialize + ?Sized>(json: &mut String, value: &T) {
    json.push_str(&serde_json::to_string(value).unwrap_or_default());
}

/// Appends a number in decimal.
fn push_number(json: &mut Vec<u8>, mut number: u64) {
    // A digit is less than ten.
    let digit = |number: u64| b'0' + u8::try_from(number).unwrap_or_default();
    if number < 10 {
        json.push(digit(number));
        return;
    }
    let mut digits = [b'0'; 20];
    let mut len = 0;
    for pair in digits.rchunks_exact_mut(2) {
        let two = number % 100;
        number /= 100;
        pair.copy_from_slice(&[digit(two / 10), digit(two % 10)]);
        len += 2;
        if number == 0 {
            len -= usize::from(two < 10);
            break;
        }
    }
    json.extend_from_slice(digits.get(digits.len() - len..).unwrap_or_default());
}

fn push_text(json: &mut Vec<u8>, text: Option<&str>) {
    let mut string = String::new();
    match text {
        None => string.push_str("null"),
        Some(text) => drop(push_string(&mut string, text)),
    }
    json.extend_from_slice(string.as_bytes());
}

/// Appends items with commas between.
fn push_all<T>(
    json: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut push: impl FnMut(&mut Vec<u8>, T),
) {
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        push(json, item);
    }
}

impl Block {
    /// The value to store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let attributes: usize = self.attributes.iter().map(|entry| entry.json().len() + 1).sum();
        let mut json =
            Vec::with_capacity(512 + attributes + 9 * self.allocations.len() + 26 * self.attributes.len());
        json.extend_from_slice(br#"{"cidr":"#);
        push_text(&mut json, Some(&alloc::format!("{}", self.cidr)));
        json.extend_from_slice(br#","affinity":"#);
        push_text(&mut json, self.affinity.as_deref());
        if let Some(claimed_at) = self.claimed_at {
            json.extend_from_slice(br#","affinity_claim_time":"#);
            push_text(&mut json, Some(&alloc::format!("{claimed_at}")));
        }
        json.extend_from_slice(br#","allocations":["#);
        push_all(&mut json, &self.allocations, |json, slot| match slot {
            None => json.extend_from_slice(b"null"),
            Some(index) => push_number(json, u64::from(*index)),
        });
        json.extend_from_slice(br#"],"unallocated":["#);
        push_all(&mut json, &self.unallocated, |json, ordinal| push_number(json, u64::from(*ordinal)));
        json.extend_from_slice(br#"],"attributes":"#);
        if self.attributes.is_null() {
            json.extend_from_slice(b"null");
        } else {
            json.push(b'[');
            push_all(&mut json, self.attributes.iter(), |json, entry| {
                json.extend_from_slice(entry.json().as_bytes());
            });
            json.push(b']');
        }
        json.extend_from_slice(br#","sequenceNumber":"#);
        push_number(&mut json, self.sequence);
        json.extend_from_slice(br#","sequenceNumberForAllocation":"#);
        if self.sequences.is_null() {
            json.extend_from_slice(b"null");
        } else {
            json.push(b'{');
            push_all(&mut json, self.sequences.in_order_of_text(), |json, (ordinal, sequence)| {
                json.push(b'"');
                push_number(json, u64::from(ordinal));
                json.extend_from_slice(b"\":");
                push_number(json, sequence);
            });
            json.push(b'}');
        }
        json.extend_from_slice(if self.deleted { br#","deleted":true"# } else { br#","deleted":false"# });
        if let Some(host) = &self.host_affinity {
            json.extend_from_slice(br#","hostAffinity":"#);
            push_text(&mut json, Some(host));
        }
        for (name, value) in &self.extra {
            json.push(b',');
            push_text(&mut json, Some(name));
            json.push(b':');
            let mut text = String::new();
            push_value(&mut text, value);
            json.extend_from_slice(text.as_bytes());
        }
        json.push(b'}');
        json
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::*;

    const CASES: u32 = 500;

    fn numbers() -> impl Strategy<Value = u64> {
        prop_oneof![0u64..1_000, any::<u64>(), (0u32..64).prop_map(|bits| 1 << bits)]
    }

    proptest! {
        #![proptest_config(crate::proof::config(CASES))]

        #[test]
        fn numbers_are_written_in_full(number in numbers()) {
            let mut json = Vec::new();
            push_number(&mut json, number);
            prop_assert_eq!(String::from_utf8(json).unwrap(), number.to_string());
        }

        #[test]
        fn strings_are_written_as_serde_json_does(text in prop_oneof!["[a-z\"\\\\\u{0}-\u{21}\u{5b}-\u{5d}\u{7e}-\u{a0}é]{0,40}", "\\PC{0,30}", "[a-zé]{0,30}"]) {
            let mut json = String::new();
            let plain = push_string(&mut json, &text);
            let want = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(plain, want.len() == text.len() + 2);
            prop_assert_eq!(json, want);
        }
    }
}
