//! Writes the JSON of a block: the fields in the order of the reference, and nothing between the tokens.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use super::Block;

/// Appends a JSON string; whether it needed no escapes.
pub(super) fn push_string(json: &mut String, text: &str) -> bool {
    let plain =
        text.bytes().fold(true, |plain, byte| plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\'));
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
    let mut digits = [b'0'; 20];
    let mut len = 0;
    for slot in digits.iter_mut().rev() {
        // The remainder is a digit.
        *slot = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        len += 1;
        if number == 0 {
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
