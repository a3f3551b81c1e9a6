//! Reads a block as this crate and the reference write it: the fields in their order, nothing between the tokens, no
//! escapes. That is several times quicker than to read any JSON; what is written otherwise is left to `json.rs`. What
//! both can read they read alike.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::MAX_HOST_BITS;
use super::attributes::{Entry, HANDLE, NO_HANDLE};
use super::json::Stored;
use super::sequences::Sequences;

/// How many addresses a block has mostly.
const USUAL: usize = 64;

/// Reads the whole text; `None` if it is written otherwise, or is no block.
pub(super) fn read(text: &str) -> Option<Stored> {
    let mut reader = Reader { text, at: 0 };
    let mut stored = Stored::default();
    reader.eat(r#"{"cidr":""#)?;
    stored.cidr = Some(reader.string()?.parse::<ipnet::IpNet>().ok()?.trunc());
    reader.eat(r#","affinity":"#)?;
    stored.affinity = reader.string_or_null()?;
    if reader.eat(r#","affinity_claim_time":""#).is_some() {
        stored.claimed_at = Some(reader.string()?.parse().ok()?);
    }
    reader.eat(r#","allocations":["#)?;
    stored.allocations = reader.list(USUAL, |reader| match reader.eat("null") {
        Some(()) => Some(None),
        None => reader.ordinal().map(Some),
    })?;
    reader.eat(r#","unallocated":["#)?;
    stored.unallocated = reader.list(USUAL, Reader::ordinal)?;
    reader.eat(r#","attributes":"#)?;
    if reader.eat("null").is_none() {
        reader.eat("[")?;
        stored.attributes = Some(reader.list(USUAL, Reader::attributes)?);
    }
    reader.eat(r#","sequenceNumber":"#)?;
    stored.sequence = reader.number()?;
    reader.eat(r#","sequenceNumberForAllocation":"#)?;
    stored.sequences = reader.sequences()?;
    reader.eat(r#","deleted":"#)?;
    stored.deleted = match reader.eat("false") {
        Some(()) => false,
        None => reader.eat("true").map(|()| true)?,
    };
    if reader.eat(r#","hostAffinity":"#).is_some() {
        stored.host_affinity = reader.string_or_null()?;
    }
    reader.eat("}")?;
    (reader.at == text.len()).then_some(stored)
}

struct Reader<'a> {
    text: &'a str,
    /// How far it has been read.
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Passes over what must come next.
    fn eat(&mut self, what: &str) -> Option<()> {
        self.rest().starts_with(what.as_bytes()).then(|| self.at += what.len())
    }

    /// The string whose quotation mark was just passed.
    fn string(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let len = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..b' '))?;
        let start = self.at;
        self.at += len + 1;
        if rest.get(len) == Some(&b'"') { self.text.get(start..start + len) } else { None }
    }

    #[expect(clippy::option_option, reason = "null is a value, and something else is an error")]
    fn string_or_null(&mut self) -> Option<Option<String>> {
        if self.eat("null").is_some() {
            return Some(None);
        }
        self.eat("\"")?;
        self.string().map(|text| Some(String::from(text)))
    }

    fn number(&mut self) -> Option<u64> {
        let (mut number, mut len) = (0u64, 0);
        for byte in self.rest() {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            // Nothing more comes behind a leading zero.
            if len > 0 && number == 0 {
                return None;
            }
            number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
            len += 1;
        }
        self.at += len;
        (len > 0).then_some(number)
    }

    fn ordinal(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    /// The list whose bracket was just passed.
    fn list<T>(&mut self, usual: usize, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        if self.eat("]").is_some() {
            return Some(Vec::new());
        }
        let mut items = Vec::with_capacity(usual);
        loop {
            items.push(item(self)?);
            if self.eat(",").is_none() {
                return self.eat("]").map(|()| items);
            }
        }
    }

    fn sequences(&mut self) -> Option<Sequences> {
        if self.eat("null").is_some() {
            return Some(Sequences::null());
        }
        let mut sequences = Sequences::default();
        self.eat("{")?;
        if self.eat("}").is_some() {
            return Some(sequences);
        }
        loop {
            self.eat("\"")?;
            let ordinal = self.ordinal().filter(|ordinal| *ordinal < 1 << MAX_HOST_BITS)?;
            self.eat("\":")?;
            sequences.insert(ordinal, self.number()?);
            if self.eat(",").is_none() {
                return self.eat("}").map(|()| sequences);
            }
        }
    }

    fn attributes(&mut self) -> Option<Entry> {
        let start = self.at;
        let mut handle_len = None;
        if self.eat(HANDLE).is_some() {
            handle_len = Some(self.string()?.len());
        } else {
            self.eat(NO_HANDLE)?;
        }
        self.eat(r#","secondary":"#)?;
        if self.eat("null").is_none() {
            self.owner()?;
        }
        if self.eat(r#","alternateOwnerAttrs":"#).is_some() {
            self.owner()?;
        }
        let mut released_at = None;
        if self.eat(r#","releasedAt":""#).is_some() {
            let text = self.string()?;
            let moment: crate::timestamp::Timestamp = text.parse().ok()?;
            if moment.to_string() != text {
                return None;
            }
            released_at = Some(moment);
        }
        self.eat("}")?;
        Some(Entry::checked(self.text.get(start..self.at)?, handle_len, released_at))
    }

    /// Passes over the attributes of an owner, in the order of their names.
    fn owner(&mut self) -> Option<()> {
        self.eat("{")?;
        if self.eat("}").is_some() {
            return Some(());
        }
        let mut before = None;
        loop {
            self.eat("\"")?;
            let name = self.string()?;
            if before.is_some_and(|before| before >= name) {
                return None;
            }
            before = Some(name);
            self.eat(":\"")?;
            self.string()?;
            if self.eat(",").is_none() {
                return self.eat("}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::super::{Block, MAX_HOST_BITS};
    use super::*;

    const CASES: u32 = 400;

    /// What the other reader says.
    fn any_json(text: &str) -> Option<Stored> {
        serde_json::from_str(text).ok()
    }

    /// A block as others may have written it: sound or not, old or new.
    fn text() -> impl Strategy<Value = String> {
        let string = prop_oneof![
            4 => "[a-z.-]{0,6}",
            1 => Just(String::from("é\u{7f}")),
            1 => Just(String::from("a\\\"b")),
            1 => Just(String::from("h\\rold")),
        ];
        let owner = proptest::collection::btree_map("[a-c]{1,2}", string.clone(), 0..3).prop_map(|owner| {
            let pairs: Vec<String> =
                owner.iter().map(|(key, value)| format!(r#""{key}":"{value}""#)).collect();
            format!("{{{}}}", pairs.join(","))
        });
        let released = prop_oneof![
            Just("2026-08-28T12:05:00Z"),
            Just("2026-08-28T12:05:00.5Z"),
            Just("2026-08-28T12:05:00.50Z"),
            Just("2026-08-28T14:05:00+02:00"),
        ];
        let entry = (
            proptest::option::of(string.clone()),
            proptest::option::of(owner.clone()),
            proptest::option::weighted(0.2, owner),
            proptest::option::weighted(0.2, released),
        )
            .prop_map(|(handle, active, alternate, released)| {
                let handle = handle.map_or_else(|| "null".into(), |handle| format!("\"{handle}\""));
                let active = active.unwrap_or_else(|| "null".into());
                let alternate =
                    alternate.map_or(String::new(), |owner| format!(r#","alternateOwnerAttrs":{owner}"#));
                let released = released.map_or(String::new(), |at| format!(r#","releasedAt":"{at}""#));
                format!(r#"{{"handle_id":{handle},"secondary":{active}{alternate}{released}}}"#)
            });
        let slot = prop_oneof![Just(String::from("null")), (0u64..4).prop_map(|index| index.to_string())];
        let entries = prop_oneof![
            4 => proptest::collection::vec(entry, 0..4).prop_map(|entries| format!("[{}]", entries.join(","))),
            1 => Just(String::from("null")),
        ];
        let number = prop_oneof![4 => 0u64..20, 1 => Just(u64::MAX), 1 => Just(1 << MAX_HOST_BITS)];
        let sequences = prop_oneof![
            4 => proptest::collection::vec((number.clone(), number.clone()), 0..4).prop_map(|pairs| {
                let pairs: Vec<String> = pairs.iter().map(|(at, number)| format!(r#""{at}":{number}"#)).collect();
                format!("{{{}}}", pairs.join(","))
            }),
            1 => Just(String::from("null")),
        ];
        (
            proptest::option::of(string.clone()),
            proptest::collection::vec(slot, 0..5),
            proptest::collection::vec(0u64..5, 0..5),
            entries,
            number,
            sequences,
            any::<[bool; 3]>(),
        )
            .prop_map(|(affinity, slots, free, entries, number, sequences, [claimed, deleted, host])| {
                let affinity = affinity.map_or_else(|| "null".into(), |affinity| format!("\"{affinity}\""));
                let claimed = if claimed { r#","affinity_claim_time":"2026-08-28T14:05:00+02:00""# } else { "" };
                let free: Vec<String> = free.iter().map(u64::to_string).collect();
                let host = if host { r#","hostAffinity":null"# } else { "" };
                format!(
                    r#"{{"cidr":"10.0.0.5/30","affinity":{affinity}{claimed},"allocations":[{}],"unallocated":[{}],"attributes":{entries},"sequenceNumber":{number},"sequenceNumberForAllocation":{sequences},"deleted":{deleted}{host}}}"#,
                    slots.join(","),
                    free.join(","),
                )
            })
    }

    #[test]
    fn what_is_written_is_read_here() {
        let cidr = "10.0.0.0/26".parse().unwrap();
        let now = core::time::Duration::from_secs(1_787_918_700);
        let mut block = Block::new(cidr, &crate::Affinity::host("node-1"), now).unwrap();
        let owner = |pod: u32| {
            [("node", "node-1"), ("pod", &*format!("pod-{pod}"))].map(|(a, b)| (a.into(), b.into()))
        };
        for pod in 0..40 {
            block.assign(1, &format!("net.{pod}"), &owner(pod).into());
            block.release(&[pod / 2], now, core::time::Duration::from_secs(u64::from(pod % 3)));
            let text = String::from_utf8(block.encode()).unwrap();
            assert!(read(&text).is_some(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(crate::proof::config(CASES))]

        /// The twin: any JSON.
        #[test]
        fn both_readers_agree(
            text in text(),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), "[ -~]"), 0..3),
        ) {
            let mut text = text;
            for (at, with) in changes {
                let at = at.index(text.len() + 1);
                if let (true, Some(end)) = (text.is_char_boundary(at), text.get(at..).and_then(|rest| rest.chars().next())) {
                    text.replace_range(at..at + end.len_utf8(), &with);
                }
            }
            if let Some(stored) = read(&text) {
                prop_assert_eq!(Some(stored), any_json(&text));
            }
        }
    }
}
