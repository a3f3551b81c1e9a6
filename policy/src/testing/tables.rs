//! What holds of tables whatever packets there are.

use crate::program::{Match, Step, StepAction};
use crate::{Program, Row, SpreadRow};

/// Whether no packet has two rows of one table: a kernel refuses ranges that overlap, which an interpreter would not mind.
pub(super) fn are_disjoint(program: &Program) -> bool {
    program.chains.values().flat_map(|chain| &chain.steps).all(is_disjoint)
}

fn is_disjoint(step: &Step) -> bool {
    let matches = step.matches.iter().all(|wanted| match wanted {
        Match::Tuple(tuples) => none_overlap(tuples.rows(), overlap),
        _ => true,
    });
    let action = match &step.action {
        StepAction::Spread(spread) => {
            none_overlap(&spread.rows, overlap_spread) && spread.leaves.iter().flatten().all(is_disjoint)
        }
        _ => true,
    };
    matches && action
}

fn none_overlap<T>(rows: &[T], overlap: impl Fn(&T, &T) -> bool) -> bool {
    (rows.iter().enumerate()).all(|(at, row)| rows[..at].iter().all(|other| !overlap(row, other)))
}

/// Whether a packet can have both. All rows of a table have a field, or none.
fn overlap(one: &Row, other: &Row) -> bool {
    let addresses = one.address.zip(other.address);
    let ports = one.ports.zip(other.ports);
    one.protocol == other.protocol
        && addresses.is_none_or(|(one, other)| one.contains(&other) || other.contains(&one))
        && ports.is_none_or(|(one, other)| one.min <= other.max && other.min <= one.max)
}

fn overlap_spread(one: &SpreadRow, other: &SpreadRow) -> bool {
    let (ports, others) = (one.ports, other.ports);
    one.protocol == other.protocol && ports.min <= others.max && others.min <= ports.max
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Origin;
    use crate::rule::PortRange;

    #[test]
    fn rows_overlap_if_all_fields_do() {
        let row = |net: &str, protocol, (min, max)| Row {
            address: Some(net.parse().unwrap()),
            protocol: Some(protocol),
            ports: Some(PortRange { min, max }),
            origin: Origin::Undecided,
        };
        let one = row("10.0.0.0/24", 6, (80, 90));
        for (other, overlaps) in [
            (row("10.0.0.0/25", 6, (90, 95)), true),
            (row("10.0.0.0/8", 6, (0, 80)), true),
            (row("10.0.0.0/25", 6, (91, 95)), false),
            (row("10.0.0.0/25", 6, (0, 79)), false),
            (row("10.0.0.0/24", 17, (80, 90)), false),
            (row("10.0.1.0/24", 6, (80, 90)), false),
        ] {
            assert_eq!((overlap(&one, &other), overlap(&other, &one)), (overlaps, overlaps), "{other:?}");
        }
    }

    #[test]
    fn leaves_overlap_if_their_ports_do() {
        let row = |protocol, min, max| SpreadRow { protocol, ports: PortRange { min, max }, leaf: 0 };
        assert!(!none_overlap(&[row(6, 80, 90), row(6, 91, 95), row(6, 85, 86)], overlap_spread));
        assert!(none_overlap(&[row(6, 80, 90), row(6, 91, 95), row(17, 85, 86)], overlap_spread));
    }
}
