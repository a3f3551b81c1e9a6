//! What becomes of a batch that was sent.

use alloc::string::String;
use alloc::vec::Vec;
use std::io;

use super::exchange::{ERROR, Exchange, Idle, errno, generation};
use crate::attr::Attrs;
use crate::batch::Batch;
use crate::error::{CommitError, Refusal};
use crate::message::{Message, Messages};
use crate::path::Path;
use crate::protocol::HEADER;

/// Of an answer: the question is not in it.
const CAPPED: u16 = 0x100;
/// Of an answer: attributes follow.
const ATTRIBUTES: u16 = 0x200;
const ERESTART: i32 = 85;
const ENOBUFS: i32 = 105;
/// Types of the attributes of an answer: a text, and how many bytes of the message stand before what is wrong.
const TEXT: u16 = 1;
const OFFSET: u16 = 2;

/// A refused message as the kernel told it.
#[derive(Debug)]
struct Answer {
    number: u32,
    errno: i32,
    text: String,
    offset: Option<usize>,
}

/// A batch that was sent.
#[derive(Debug)]
pub(super) struct Commit {
    /// Number of its last message, whose answer comes behind all others.
    last: u32,
    refused: Vec<Answer>,
    is_answered: bool,
    is_foreign: bool,
    /// Whether answers were lost.
    is_lossy: bool,
    /// The question for the generation, whose answer comes behind all of the batch's: asked where those are missing.
    question: Option<u32>,
    after: Option<u32>,
}

impl Commit {
    pub(super) const fn new(last: u32) -> Self {
        Self {
            last,
            refused: Vec::new(),
            is_answered: false,
            is_foreign: false,
            is_lossy: false,
            question: None,
            after: None,
        }
    }

    /// What became of the batch, before which this was the generation. `error` is what was wrong with the socket, if it was.
    pub(super) fn outcome(
        self,
        batch: &Batch,
        before: u32,
        error: Option<io::Error>,
    ) -> Result<(), CommitError> {
        if self.is_foreign {
            return Err(CommitError::Foreign);
        }
        if !self.refused.is_empty() {
            return Err(CommitError::Refused(refusals(self.refused, batch)));
        }
        if self.is_answered {
            return Ok(());
        }
        match self.after {
            Some(after) if after == before => Err(CommitError::NotInForce),
            after => {
                let source = error.unwrap_or_else(|| io::Error::from_raw_os_error(ENOBUFS));
                Err(CommitError::Unknown { before, after, source })
            }
        }
    }
}

impl Exchange for Commit {
    fn take(&mut self, answers: &[u8]) -> io::Result<bool> {
        for answer in Messages::new(answers) {
            if answer.kind() != ERROR {
                if self.question == Some(answer.number()) {
                    self.after = generation(&answer);
                    return Ok(true);
                }
                continue;
            }
            let Some(errno) = errno(&answer) else { continue };
            let number = answer.number();
            if self.question == Some(number) {
                // It has no answer either.
                return Ok(true);
            }
            match errno {
                0 if number == self.last => {
                    self.is_answered = true;
                    return Ok(true);
                }
                0 => {}
                // Not the generation that the batch wants.
                ERESTART => {
                    self.is_foreign = true;
                    return Ok(true);
                }
                _ => {
                    let (text, offset) = extended(&answer);
                    self.refused.push(Answer { number, errno, text, offset });
                    // The last one is answered last, refused or not; one that begins the batch, alone.
                    if number == self.last || number == 0 {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    fn lose(&mut self) -> io::Result<()> {
        self.is_lossy = true;
        Ok(())
    }

    fn idle(&mut self) -> Idle {
        match self.question {
            // One refused message is enough to know that nothing is in force.
            _ if self.is_lossy && !self.refused.is_empty() => Idle::Over,
            None => Idle::Ask,
            Some(_) => Idle::Wait,
        }
    }

    fn asked(&mut self, number: u32) {
        self.question = Some(number);
    }
}

/// What the refused messages are.
fn refusals(mut refused: Vec<Answer>, batch: &Batch) -> Vec<Refusal> {
    refused.sort_by_key(|answer| answer.number);
    let wanted: Vec<_> = refused.iter().map(|answer| (answer.number, answer.offset)).collect();
    let mut paths = batch.paths(&wanted).into_iter();
    refused
        .into_iter()
        .map(|Answer { number, errno, text, .. }| {
            // The kernel answers to what there is.
            let path = paths.next().unwrap_or(Path::BATCH);
            Refusal { number, path, errno, text }
        })
        .collect()
}

/// What the kernel says beside the number of an error: a text, and where in the message it is.
fn extended(answer: &Message<'_>) -> (String, Option<usize>) {
    let attributes = match answer.flags() & (CAPPED | ATTRIBUTES) {
        // The error and the header of the question.
        flags if flags == CAPPED | ATTRIBUTES => answer.payload().get(4 + HEADER..),
        _ => None,
    };
    let attribute = |kind| Attrs(attributes.unwrap_or_default()).find(|attr| attr.kind == kind);
    let text = attribute(TEXT).and_then(|attr| attr.value.split(|byte| *byte == 0).next());
    let offset = attribute(OFFSET).and_then(|attr| attr.value.try_into().ok()).map(u32::from_ne_bytes);
    (
        String::from_utf8_lossy(text.unwrap_or_default()).into_owned(),
        offset.and_then(|offset| usize::try_from(offset).ok()),
    )
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::super::exchange::{DONE, Dump, INTERRUPTED, attributes};
    use super::*;
    use crate::family::Family;
    use crate::protocol::{NEW_GENERATION, SUBHEADER, SUBSYSTEM};
    use crate::{Name, Set, Table, Type};

    /// An answer to a message, with an offset.
    fn answer(number: u32, errno: i32, offset: Option<u32>) -> Vec<u8> {
        let mut payload = errno.wrapping_neg().to_ne_bytes().to_vec();
        payload.extend_from_slice(&[0; HEADER]);
        if let Some(offset) = offset {
            payload.extend_from_slice(&8_u16.to_ne_bytes());
            payload.extend_from_slice(&OFFSET.to_ne_bytes());
            payload.extend_from_slice(&offset.to_ne_bytes());
        }
        message(ERROR, CAPPED | if offset.is_some() { ATTRIBUTES } else { 0 }, number, &payload)
    }

    fn message(kind: u16, flags: u16, number: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(HEADER + payload.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&number.to_ne_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(payload);
        bytes
    }

    fn generation_answer(number: u32, generation: u32) -> Vec<u8> {
        let mut payload = vec![0; SUBHEADER];
        payload.extend_from_slice(&attributes(|writer| writer.put(1, &generation)));
        message(SUBSYSTEM << 8 | u16::from(NEW_GENERATION), 0, number, &payload)
    }

    fn name(name: &str) -> Name {
        Name::new(name).unwrap()
    }

    /// A table, and 10,000 elements in four messages: numbers 1 to 5 (the last has three quarters of them).
    fn batch() -> Batch {
        let mut batch = Batch::new();
        batch.add(Family::INET, &Table::new(name("t"))).unwrap();
        let set = Set::of(name("t"), name("s"), 1, Type::IPV4_ADDR, 4);
        batch.add_keys(Family::INET, &set, (0..10_000_u32).map(u32::to_be_bytes)).unwrap();
        batch.finish();
        batch
    }

    #[test]
    fn a_batch_that_is_answered_is_in_force() {
        let batch = batch();
        let mut commit = Commit::new(batch.len());
        assert!(!commit.take(&answer(1, 0, None)).unwrap());
        assert!(commit.take(&answer(batch.len(), 0, None)).unwrap());
        assert!(commit.outcome(&batch, 7, None).is_ok());
    }

    #[test]
    fn refused_messages_are_named_by_their_path() {
        let batch = batch();
        let mut commit = Commit::new(batch.len());
        // The second element of the third message: behind the headers, two names, the number, and the list's.
        let offset = u32::try_from(HEADER + SUBHEADER + 8 + 8 + 8 + 4 + 16).unwrap();
        assert!(!commit.take(&answer(3, 23, Some(offset))).unwrap());
        assert!(commit.take(&answer(batch.len(), 0, None)).unwrap());
        let error = commit.outcome(&batch, 7, None).unwrap_err();
        let text = "the kernel refused the batch: message 3: add element 4096 (key 0x00001000) of set inet t s: \
            the set is full (ENFILE)";
        assert_eq!(alloc::string::ToString::to_string(&error), text);
    }

    #[test]
    fn a_lost_answer_is_looked_for_by_the_generation() {
        let batch = batch();
        // Nothing came: the generation says whether anything changed.
        for (after, in_force) in [(7, false), (8, true)] {
            let mut commit = Commit::new(batch.len());
            commit.lose().unwrap();
            assert_eq!(commit.idle(), Idle::Ask);
            commit.asked(99);
            assert_eq!(commit.idle(), Idle::Wait);
            assert!(commit.take(&generation_answer(99, after)).unwrap());
            match commit.outcome(&batch, 7, None) {
                Err(CommitError::NotInForce) => assert!(!in_force),
                Err(CommitError::Unknown { before: 7, after: Some(8), .. }) => assert!(in_force),
                other => panic!("{other:?}"),
            }
        }
        // One refusal came, the others were lost: nothing is in force, and nothing has to be asked.
        let mut commit = Commit::new(batch.len());
        commit.lose().unwrap();
        assert!(!commit.take(&answer(2, 12, None)).unwrap());
        assert_eq!(commit.idle(), Idle::Over);
        assert!(
            matches!(commit.outcome(&batch, 7, None), Err(CommitError::Refused(list)) if list.len() == 1)
        );
        // The socket itself failed.
        let error = Some(io::ErrorKind::TimedOut.into());
        let outcome = Commit::new(batch.len()).outcome(&batch, 7, error);
        assert!(matches!(outcome, Err(CommitError::Unknown { before: 7, after: None, .. })));
    }

    #[test]
    fn another_generation_is_foreign() {
        let batch = batch();
        let mut commit = Commit::new(batch.len());
        assert!(commit.take(&answer(0, ERESTART, None)).unwrap());
        assert!(matches!(commit.outcome(&batch, 7, None), Err(CommitError::Foreign)));
    }

    #[test]
    fn an_interrupted_dump_is_not_whole() {
        let table = attributes(|writer| writer.put(1, &name("t")));
        let mut payload = vec![1, 0, 0, 0];
        payload.extend_from_slice(&table);
        let new_table = |flags, number| message(SUBSYSTEM << 8, flags, number, &payload);
        let done = |number| message(DONE, 0, number, &[0; 4]);

        let mut dump = Dump::new(5);
        assert!(!dump.take(&new_table(0, 5)).unwrap());
        // Of another question.
        assert!(!dump.take(&new_table(0, 4)).unwrap());
        assert!(!dump.take(&done(4)).unwrap());
        assert!(dump.take(&done(5)).unwrap());
        assert!(dump.is_whole && dump.entries.len() == 1);

        let mut dump = Dump::new(5);
        assert!(!dump.take(&new_table(INTERRUPTED, 5)).unwrap());
        assert!(dump.take(&done(5)).unwrap());
        assert!(!dump.is_whole);

        let mut dump = Dump::new(5);
        dump.lose().unwrap();
        assert!(dump.take(&done(5)).unwrap());
        assert!(!dump.is_whole);

        assert!(Dump::new(5).take(&answer(5, 1, None)).is_err());
    }
}
