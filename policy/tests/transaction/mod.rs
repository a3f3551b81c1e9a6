//! Transactions with the kernel.

use tortie_nft_wire::{CommitError, Socket};
use tortie_policy::nftables::Ruleset;

/// Makes the kernel as wished; how many batches that took.
pub(crate) fn settle(socket: &mut Socket, ruleset: &mut Ruleset) -> usize {
    for count in 0..100 {
        let Some(batch) = ruleset.poll_batch().unwrap() else { return count };
        match socket.commit(batch) {
            Ok(()) => ruleset.confirm(),
            Err(CommitError::Refused(refusals)) => {
                let numbers: Vec<u32> = refusals.iter().map(|refusal| refusal.number).collect();
                let texts: Vec<String> = refusals.iter().map(ToString::to_string).collect();
                assert!(ruleset.reject(&numbers), "{}", texts.join("\n"));
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("it never ends");
}

/// Makes the kernel as wished by one batch that it takes.
pub(crate) fn commit(socket: &mut Socket, ruleset: &mut Ruleset) {
    let batch = ruleset.poll_batch().unwrap().unwrap();
    if let Err(error) = socket.commit(batch) {
        panic!("{error}");
    }
    ruleset.confirm();
    assert!(ruleset.poll_batch().unwrap().is_none(), "nothing is left to do");
}
