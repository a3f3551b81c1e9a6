//! Chains of a program as chains of the kernel.

use alloc::vec;
use alloc::vec::Vec;

use smallvec::{SmallVec, smallvec};

use super::counters::{Counter, Counters};
use super::hooks::{REPLACED, said};
use super::inline::compare;
use super::{Catalogue, Comment, Deed, Head, Line, Test, Tests, about, leaf_name};
use crate::program::{Addresses, Chain, ChainKey, Match, Step, StepAction};
use crate::table::Spread;

/// A chain of the program and the leaves that its steps lead to, before it is said what stands in them.
#[derive(Debug)]
pub(in super::super) struct Outline<'a> {
    chain: &'a Chain,
    /// Its own, and for each step that spreads, that of the entrance and those of the leaves.
    heads: Vec<Head>,
    counters: Counters,
}

impl<'a> Outline<'a> {
    pub(in super::super) fn new(key: &ChainKey, name: &str, chain: &'a Chain) -> Self {
        let mut heads = vec![Head { name: name.into(), about: Some(about(key)), hook: None }];
        let mut counters = Counters::default();
        for (place, step) in chain.steps.iter().enumerate() {
            if let StepAction::Spread(spread) = &step.action {
                let entrance = alloc::format!("{name}-leaf-{place}");
                let leaf = |number| Head::new(leaf_name(&entrance, number), None);
                let leaves: Vec<_> = (0..spread.leaves.len()).map(leaf).collect();
                heads.push(Head::new(entrance, None));
                heads.extend(leaves);
                spread.leaves.iter().flatten().for_each(|step| counters.add(key, chain, step));
            }
            counters.add(key, chain, step);
        }
        Self { chain, heads, counters }
    }

    /// The chain's own, and those of the leaves.
    #[cfg(feature = "nft-wire")]
    pub(in super::super) fn heads(&self) -> &[Head] {
        &self.heads
    }

    /// What the rules of all of them count with.
    pub(in super::super) fn counters(&self) -> &[Counter] {
        &self.counters.all
    }

    /// The heads and the counters, when nothing is laid out any more.
    #[cfg(feature = "nft-wire")]
    pub(in super::super) fn into_parts(self) -> (Vec<Head>, Vec<Counter>) {
        (self.heads, self.counters.all)
    }

    /// How many steps there are: most of them are one rule.
    #[cfg(feature = "nft-wire")]
    pub(in super::super) fn steps(&self) -> usize {
        let steps = self.chain.steps.iter().map(|step| match &step.action {
            StepAction::Spread(spread) => spread.leaves.iter().map(Vec::len).sum(),
            _ => 1,
        });
        steps.sum()
    }

    /// What stands in each chain.
    pub(in super::super) fn lay<'o>(
        &'o self,
        catalogue: &'o impl Catalogue,
    ) -> impl Iterator<Item = (&'o Head, Vec<Line<'o>>)> {
        let mut counters = self.counters.in_order();
        let (mut heads, mut leaves) = (self.heads.iter(), Vec::new());
        let own = heads.next();
        let mut lines = Vec::with_capacity(self.chain.steps.len());
        for step in &self.chain.steps {
            let mut enter = "";
            if let StepAction::Spread(spread) = &step.action {
                if let Some(head) = heads.next() {
                    enter = &head.name;
                    leaves.push((head, entrance(spread, enter)));
                }
                for (steps, head) in spread.leaves.iter().zip(&mut heads) {
                    let mut lines = Vec::with_capacity(steps.len());
                    steps.iter().for_each(|step| push(catalogue, step, "", counters.of(step), &mut lines));
                    leaves.push((head, lines));
                }
            }
            push(catalogue, step, enter, counters.of(step), &mut lines);
        }
        own.map(|head| (head, lines)).into_iter().chain(leaves)
    }
}

/// What leads to leaves. The map knows all ports, so that only what runs through while the chain is replaced, when the
/// elements are gone already, finds nothing: that packet must not come to the steps behind.
fn entrance<'a>(spread: &'a Spread, leaves: &'a str) -> Vec<Line<'a>> {
    let others = spread.protocols().map(|number| Test::Protocol { number, negated: true });
    let line = |tests, deed| Line { tests, counter: None, deed, comment: None };
    vec![
        line(others.collect(), Deed::Return),
        line(smallvec![], Deed::Spread(spread, leaves)),
        said(vec![], Deed::Drop, REPLACED),
    ]
}

/// Steps that lead to no leaves, and whose packets are not counted.
pub(super) fn lines<'a>(catalogue: &'a impl Catalogue, steps: &'a [Step]) -> Vec<Line<'a>> {
    let mut lines = Vec::with_capacity(steps.len());
    steps.iter().for_each(|step| push(catalogue, step, "", None, &mut lines));
    lines
}

/// A step as one line, or as several of which no two match one packet: one for each part of the sets that it wants.
fn push<'a>(
    catalogue: &'a impl Catalogue,
    step: &'a Step,
    enter: &'a str,
    counter: Option<&'a str>,
    lines: &mut Vec<Line<'a>>,
) {
    let deed = match &step.action {
        StepAction::Accept => Deed::Accept,
        StepAction::AcceptHost { untracked } => Deed::AcceptMarked { untracked: *untracked },
        StepAction::Drop => Deed::Drop,
        StepAction::Log => Deed::Log,
        // What is not there cannot let a packet pass.
        StepAction::Jump(key) => catalogue.chain(key).map_or(Deed::Drop, Deed::Jump),
        StepAction::Goto(key) => catalogue.chain(key).map_or(Deed::Drop, Deed::Goto),
        StepAction::Return => Deed::Return,
        StepAction::Spread(_) => Deed::Jump(enter),
    };
    let comment = step.origin.as_ref().map(Comment::Origin);
    rows(catalogue, &step.matches, Line { tests: Tests::new(), counter, deed, comment }, lines);
}

/// Puts down this line with these matches as tests: once, or for each part of the sets that are wanted, so that no two of the lines
/// match one packet. There is none if nothing can match, because a set has no members of the packet's IP version.
pub(super) fn rows<'a>(
    catalogue: &'a impl Catalogue,
    matches: &'a [Match],
    line: Line<'a>,
    lines: &mut Vec<Line<'a>>,
) {
    let set = |wanted: &'a Match| match wanted {
        Match::Address { end, family, addresses: Addresses::Set(set), negated }
        | Match::AddressPort { end, family, set, negated } => {
            Some((*end, *family, catalogue.parts(set, *family), *negated))
        }
        _ => None,
    };
    let sets: SmallVec<[_; 4]> = matches.iter().filter_map(set).collect();
    if sets.iter().any(|(.., parts, negated)| parts.is_empty() && !negated) {
        return;
    }
    // What costs little is asked first. All must hold, so the order is nobody's concern.
    let first = lines.len();
    lines.push(line);
    if let Some(line) = lines.last_mut() {
        for wanted in matches {
            match wanted {
                Match::Address { addresses: Addresses::Set(_), .. } | Match::AddressPort { .. } => {}
                _ if compare(wanted, &mut line.tests) => {}
                _ => line.tests.push(Test::Match(wanted)),
            }
        }
    }
    for (end, family, parts, negated) in sets {
        let test = |part| Test::InSet { end, family, part, negated };
        match parts {
            // Of that version, and not in what nothing is in.
            [] => {
                if !matches.iter().any(|wanted| matches!(wanted, Match::Family(of) if *of == family)) {
                    lines.iter_mut().skip(first).for_each(|line| line.tests.push(Test::Family(family)));
                }
            }
            // In none of them.
            parts if negated => {
                lines.iter_mut().skip(first).for_each(|line| line.tests.extend(parts.iter().map(test)));
            }
            [part] => lines.iter_mut().skip(first).for_each(|line| line.tests.push(test(part))),
            parts => {
                let with = |line: &Line<'a>, part| {
                    let mut line = line.clone();
                    line.tests.push(test(part));
                    line
                };
                let before: Vec<_> = lines.drain(first..).collect();
                lines.extend(before.iter().flat_map(|line| parts.iter().map(move |part| with(line, part))));
            }
        }
    }
}
