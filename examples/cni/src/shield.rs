//! The firewall that must be there before a workload's link is: what no policy covers is dropped.

use tortie_nft_wire::{CommitError, Entry, Family, Listing, Socket};
use tortie_policy::nftables::{Options, Ruleset, TABLE};

use crate::error::{Code, Error};

/// What the kernel answers if a table is there: to whom it belongs to, or to nobody; and to others.
const IS_THERE: [i32; 2] = [17, 1];

/// Sees to it that packets of workloads that nobody polices are dropped: the agent's table if it is there, else one that
/// drops everything from and to workloads until the agent comes.
///
/// # Errors
/// Code 102 when neither is there and the second cannot be made. Then there must be no link.
pub(crate) fn raise() -> Result<(), Error> {
    let failed = |error: &dyn core::error::Error| {
        Error::caused(Code::Network, "the table that drops what no policy covers cannot be made", error)
    };
    let mut socket = Socket::open().map_err(|error| failed(&error))?;
    let mut batch = Ruleset::lockdown(&Options::default()).map_err(|error| failed(&error))?;
    match socket.commit(&mut batch) {
        Ok(()) => {
            tracing::warn!(table = TABLE, "the agent's table is not there: nothing passes until it is");
            Ok(())
        }
        // The first message makes the table: whoever has made it before polices workloads.
        Err(CommitError::Refused(refusals))
            if refusals.iter().any(|refusal| refusal.number == 1 && IS_THERE.contains(&refusal.errno)) =>
        {
            is_there(&mut socket).map_err(|error| failed(&error))?.then_some(()).ok_or_else(|| {
                Error::new(Code::Network, "the table that drops what no policy covers is refused")
                    .details(refusals.first().map(ToString::to_string).unwrap_or_default())
            })
        }
        Err(error) => Err(failed(&error)),
    }
}

/// Whether there is a table of that name: a refusal may also mean that nothing at all is permitted.
fn is_there(socket: &mut Socket) -> std::io::Result<bool> {
    let tables = socket.list(Family::INET, Listing::Tables)?;
    let is_ours = |entry: &Entry| match entry {
        Entry::Table(table) => table.name.as_bytes() == TABLE.as_bytes(),
        _ => false,
    };
    Ok(tables.iter().any(|(_, entry)| is_ours(entry)))
}
