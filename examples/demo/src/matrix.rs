//! Every pod connected to every other, over both families and both protocols.

use crate::pods::Pod;
use crate::probe::{Answer, Ask, Outcome, Protocol, Target};
use anyhow::{anyhow, bail};
use core::time::Duration;
use futures_util::future::try_join_all;
use std::collections::BTreeMap;

/// One direction between two pods, over one family and protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Way {
    /// Indices into the pods.
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) v6: bool,
    pub(crate) protocol: Protocol,
}

/// The four ways that share a cell of the matrix, with the letters that stand for them.
const WAYS: [(bool, Protocol, char); 4] = [
    (false, Protocol::Tcp, 't'),
    (false, Protocol::Udp, 'u'),
    (true, Protocol::Tcp, 'T'),
    (true, Protocol::Udp, 'U'),
];

/// What the letters mean.
pub(crate) const LEGEND: &str = "t TCP and u UDP over IPv4, T TCP and U UDP over IPv6, - nobody answers, ! a wrong answer; from the row to the column";

impl Way {
    /// All of them, between so many pods.
    pub(crate) fn all(pods: usize) -> impl Iterator<Item = Self> {
        (0..pods).flat_map(move |from| {
            (0..pods).filter(move |to| *to != from).flat_map(move |to| {
                WAYS.into_iter().map(move |(v6, protocol, _)| Self { from, to, v6, protocol })
            })
        })
    }

    pub(crate) fn target(&self, pods: &[Pod]) -> anyhow::Result<Target> {
        let to = pods.get(self.to).ok_or_else(|| anyhow!("no pod {}", self.to))?;
        let address = to.address(self.v6).ok_or_else(|| anyhow!("{} has no address", to.name()))?;
        Ok(Target { protocol: self.protocol, address, name: to.name() })
    }

    /// In words.
    pub(crate) fn text(&self, pods: &[Pod]) -> String {
        let name = |index: usize| pods.get(index).map_or_else(|| index.to_string(), Pod::name);
        let family = if self.v6 { "IPv6" } else { "IPv4" };
        format!("{} -> {} {} over {family}", name(self.from), name(self.to), self.protocol)
    }
}

/// What came of every way.
pub(crate) type Matrix = BTreeMap<Way, Outcome>;

/// Tries these ways, each pod all of its own at the same time.
pub(crate) async fn connect(pods: &mut [Pod], ways: &[Way], patience: Duration) -> anyhow::Result<Matrix> {
    let patience_ms = u64::try_from(patience.as_millis())?;
    let mut asks = Vec::with_capacity(pods.len());
    for from in 0..pods.len() {
        let own: Vec<_> = ways.iter().copied().filter(|way| way.from == from).collect();
        let targets = own.iter().map(|way| way.target(pods)).collect::<Result<Vec<_>, _>>()?;
        asks.push((own, Ask::Probe { targets, patience_ms }));
    }
    let answers = pods.iter_mut().zip(asks).filter(|(_, (own, _))| !own.is_empty()).map(
        |(pod, (own, ask))| async move {
            match pod.ask(&ask).await? {
                Answer::Outcomes(outcomes) if outcomes.len() == own.len() => {
                    Ok(own.into_iter().zip(outcomes))
                }
                other => bail!("{} answered {other:?}", pod.name()),
            }
        },
    );
    Ok(try_join_all(answers).await?.into_iter().flatten().collect())
}

/// What must come of each way, true for an answer.
pub(crate) type Expected = BTreeMap<Way, bool>;

/// The ways that did not come out as expected.
pub(crate) fn differing(matrix: &Matrix, expected: &Expected) -> Vec<Way> {
    let fits = |way: &Way, outcome: &Outcome| match expected.get(way) {
        Some(true) => *outcome == Outcome::Open,
        Some(false) => *outcome == Outcome::Closed,
        None => false,
    };
    let unexpected = matrix.iter().filter(|(way, outcome)| !fits(way, outcome)).map(|(way, _)| *way);
    unexpected.chain(expected.keys().filter(|way| !matrix.contains_key(way)).copied()).collect()
}

/// The matrix as text; a cell that is not as expected ends in `*`.
pub(crate) fn table(pods: &[Pod], matrix: &Matrix, expected: &Expected) -> String {
    let differing = differing(matrix, expected);
    let names: Vec<_> = pods
        .iter()
        .enumerate()
        .map(|(index, pod)| format!("{} {} on {}", index + 1, pod.name(), pod.wanted.node))
        .collect();
    let width = names.iter().map(String::len).max().unwrap_or_default();
    let mut text = " ".repeat(width);
    for column in 1..=pods.len() {
        text.push_str(&format!("  {column:<5}"));
    }
    for (from, name) in names.iter().enumerate() {
        text.push_str(&format!("\n{name:width$}"));
        for to in 0..pods.len() {
            let mut cell = String::new();
            for (v6, protocol, letter) in WAYS {
                let way = Way { from, to, v6, protocol };
                match matrix.get(&way) {
                    Some(Outcome::Open) => cell.push(letter),
                    Some(Outcome::Closed) => cell.push('-'),
                    Some(Outcome::Wrong(_)) => cell.push('!'),
                    None => cell.push(' '),
                }
            }
            let mark = if differing.iter().any(|way| way.from == from && way.to == to) { '*' } else { ' ' };
            text.push_str(&format!("  {cell}{mark}"));
        }
    }
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_pods_have_288_ways() {
        let ways: std::collections::BTreeSet<_> = Way::all(9).collect();
        assert_eq!(ways.len(), 9 * 8 * 4);
        assert!(ways.iter().all(|way| way.from != way.to));
    }

    #[test]
    fn a_way_differs_when_it_is_missing_wrong_or_other_than_expected() {
        let way = |to| Way { from: 0, to, v6: false, protocol: Protocol::Tcp };
        let expected = Expected::from([
            (way(1), true),
            (way(2), false),
            (way(3), true),
            (way(4), false),
            (way(5), true),
        ]);
        let matrix = Matrix::from([
            (way(1), Outcome::Open),
            (way(2), Outcome::Open),
            (way(3), Outcome::Closed),
            (way(4), Outcome::Wrong("x".to_owned())),
            (way(6), Outcome::Closed),
        ]);
        let found: Vec<_> = differing(&matrix, &expected).iter().map(|way| way.to).collect();
        assert_eq!(found, [2, 3, 4, 6, 5]);
    }
}
