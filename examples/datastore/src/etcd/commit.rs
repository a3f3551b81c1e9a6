//! One commit as one transaction: conditions, writes, and, if the conditions do not hold, what is there instead.

use std::collections::HashSet;

use etcd_client::proto::{PbTxnOpResponse, PbTxnResponse};
use etcd_client::{Compare, CompareOp, GetOptions, Txn, TxnOp};
use tortie_ipam::{Op, Revision};

use super::fault::malformed;
use super::list::{mod_revision, revision};
use crate::Error;

/// What is sent.
pub(super) fn transaction(ops: &[Op]) -> Result<Txn, Error> {
    let mut written = HashSet::new();
    let mut writes = Vec::new();
    for op in ops {
        let write = match op {
            Op::Create { key, value } | Op::Update { key, value, .. } => {
                TxnOp::put(key.as_str(), value.as_slice(), None)
            }
            Op::Delete { key, .. } => TxnOp::delete(key.as_str(), None),
            Op::Check { .. } => continue,
        };
        if !written.insert(op.key()) {
            return Err(Error::DuplicateKey { key: op.key().to_owned() });
        }
        writes.push(write);
    }
    let conditions: Vec<Compare> = ops.iter().map(condition).collect();
    let look = |op: &Op| TxnOp::get(op.key(), Some(GetOptions::new().with_keys_only()));
    Ok(Txn::new().when(conditions).and_then(writes).or_else(ops.iter().map(look).collect::<Vec<_>>()))
}

/// What must hold for an op to be done.
fn condition(op: &Op) -> Compare {
    match op {
        Op::Create { key, .. } | Op::Check { key, revision: None } => {
            Compare::version(key.as_str(), CompareOp::Equal, 0)
        }
        Op::Update { key, revision, .. }
        | Op::Delete { key, revision }
        | Op::Check { key, revision: Some(revision) } => {
            // A key that is not there has revision 0 in comparisons: 0 must not be taken for a version of it.
            let number = i64::try_from(revision.get()).ok().filter(|number| *number > 0).unwrap_or(-1);
            Compare::mod_revision(key.as_str(), CompareOp::Equal, number)
        }
    }
}

/// What the answer says.
pub(super) fn outcome(ops: &[Op], response: &PbTxnResponse) -> Result<Revision, Error> {
    let header = response.header.as_ref().ok_or_else(|| malformed("a transaction without a header"))?;
    let now = revision(header.revision)?;
    if response.succeeded {
        return Ok(now);
    }
    if response.responses.len() != ops.len() {
        return Err(malformed("a transaction with too few or too many answers").into());
    }
    for (op, answer) in ops.iter().zip(&response.responses) {
        let Some(PbTxnOpResponse::ResponseRange(range)) = &answer.response else {
            return Err(malformed("a write in a transaction that was not done").into());
        };
        let current = match range.kvs.as_slice() {
            [] => None,
            [found] if found.key == op.key().as_bytes() => Some(mod_revision(found)?),
            _ => return Err(malformed("another key than the one asked for").into()),
        };
        judge(op, current)?;
    }
    Err(malformed("a transaction was not done, but all of its conditions hold").into())
}

/// Whether an op holds for what is there.
fn judge(op: &Op, current: Option<Revision>) -> Result<(), Error> {
    let key = || op.key().to_owned();
    match (op, current) {
        (Op::Create { .. }, Some(_)) => Err(Error::AlreadyExists { key: key() }),
        (Op::Update { .. } | Op::Delete { .. }, None) => Err(Error::NotFound { key: key() }),
        (Op::Update { revision, .. } | Op::Delete { revision, .. }, Some(current))
            if current != *revision =>
        {
            Err(Error::Conflict { key: key() })
        }
        (Op::Check { revision, .. }, current) if current != *revision => Err(Error::Conflict { key: key() }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use etcd_client::proto::{PbKeyValue, PbRangeResponse, PbResponseHeader, PbResponseOp};
    use proptest::prelude::*;

    use super::*;

    fn update(key: &str, revision: u64) -> Op {
        Op::Update { key: key.to_owned(), value: Vec::new(), revision: Revision::new(revision) }
    }

    fn found(key: &str, mod_revision: i64) -> PbResponseOp {
        let kv = PbKeyValue { key: key.into(), mod_revision, ..PbKeyValue::default() };
        let range = PbRangeResponse { kvs: vec![kv], ..PbRangeResponse::default() };
        PbResponseOp { response: Some(PbTxnOpResponse::ResponseRange(range)) }
    }

    fn nothing() -> PbResponseOp {
        PbResponseOp { response: Some(PbTxnOpResponse::ResponseRange(PbRangeResponse::default())) }
    }

    fn answer(succeeded: bool, revision: i64, responses: Vec<PbResponseOp>) -> PbTxnResponse {
        let header = PbResponseHeader { revision, ..PbResponseHeader::default() };
        PbTxnResponse { header: Some(header), succeeded, responses }
    }

    #[test]
    fn the_first_op_that_does_not_hold_is_named() {
        let create = Op::Create { key: "c".into(), value: Vec::new() };
        let check = Op::Check { key: "d".into(), revision: Some(Revision::new(4)) };
        let ops = [update("a", 2), create, check];
        let say = |responses| outcome(&ops, &answer(false, 9, responses)).unwrap_err().to_string();
        assert_eq!(say(vec![nothing(), nothing(), nothing()]), "`a` does not exist");
        assert_eq!(say(vec![found("a", 3), nothing(), nothing()]), "`a` was changed by somebody else");
        assert_eq!(say(vec![found("a", 2), found("c", 1), nothing()]), "`c` exists already");
        assert_eq!(say(vec![found("a", 2), nothing(), nothing()]), "`d` was changed by somebody else");
        assert_eq!(outcome(&ops, &answer(true, 9, Vec::new())).unwrap(), Revision::new(9));
    }

    #[test]
    fn answers_that_make_no_sense_are_errors() {
        let ops = [update("a", 2)];
        for (responses, words) in [
            (vec![], "too few"),
            (vec![nothing(), nothing()], "too many"),
            (vec![PbResponseOp { response: None }], "a write"),
            (vec![found("b", 2)], "another key"),
            (vec![found("a", 0)], "revision"),
            (vec![found("a", -7)], "revision"),
            (vec![found("a", 2)], "conditions hold"),
        ] {
            let error = outcome(&ops, &answer(false, 9, responses)).unwrap_err();
            assert!(matches!(&error, Error::Unavailable(_)), "{error}");
            assert!(error.to_string().contains(words), "{error}, not {words}");
        }
        assert!(outcome(&ops, &answer(true, 0, Vec::new())).is_err());
        assert!(outcome(&ops, &PbTxnResponse { succeeded: true, ..PbTxnResponse::default() }).is_err());
    }

    #[test]
    fn a_key_is_written_once() {
        let twice = [update("a", 2), Op::Delete { key: "a".into(), revision: Revision::new(2) }];
        assert!(matches!(transaction(&twice), Err(Error::DuplicateKey { key }) if key == "a"));
        let checked = [update("a", 2), Op::Check { key: "a".into(), revision: None }];
        assert!(transaction(&checked).is_ok());
    }

    proptest! {
        /// Whatever the server says: success only if it says so, and never a panic.
        #[test]
        fn no_answer_is_success_but_success(
            succeeded: bool,
            revision: i64,
            revisions in prop::collection::vec(prop::option::of(any::<i64>()), 0..4),
        ) {
            let ops = [update("a", 1), update("b", 2)];
            let responses = revisions.iter().zip(["a", "b", "c", "d"]).map(|(revision, key)| match revision {
                Some(revision) => found(key, *revision),
                None => nothing(),
            });
            let result = outcome(&ops, &answer(succeeded, revision, responses.collect()));
            prop_assert_eq!(result.is_ok(), succeeded && revision > 0);
        }
    }
}
