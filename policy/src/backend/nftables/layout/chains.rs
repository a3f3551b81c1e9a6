//! Chains of a program as chains of the kernel.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use smallvec::{SmallVec, smallvec};

use super::counters::Counters;
use super::hooks::{REPLACED, said};
use super::inline::compare;
use super::{Catalogue, Comment, Deed, LaidChain, Line, Test, Tests, about, leaf_name};
use crate::program::{Addresses, Chain, ChainKey, Match, Step, StepAction};
use crate::table::Spread;

/// A chain, and behind it the leaves that its steps lead to.
pub(in super::super) fn laid_chain<'a>(
    catalogue: &'a impl Catalogue,
    key: &ChainKey,
    name: &str,
    chain: &'a Chain,
) -> Vec<LaidChain<'a>> {
    let first = LaidChain { about: Some(about(key)), ..LaidChain::new(name, None, Vec::new()) };
    let mut laid = vec![first];
    let mut counters = Counters::new(key, chain);
    let mut lines = Vec::with_capacity(chain.steps.len());
    for (place, step) in chain.steps.iter().enumerate() {
        let mut leaves = String::new();
        if let StepAction::Spread(spread) = &step.action {
            leaves = alloc::format!("{name}-leaf-{place}");
            laid.extend(leaf_chains(catalogue, spread, &leaves, &mut counters));
        }
        push(catalogue, step, leaves, counters.of(step), &mut lines);
    }
    if let Some(first) = laid.first_mut() {
        first.lines = lines;
        first.counters = counters.all;
    }
    laid
}

fn leaf_chains<'a>(
    catalogue: &'a impl Catalogue,
    spread: &'a Spread,
    leaves: &str,
    counters: &mut Counters<'a>,
) -> impl Iterator<Item = LaidChain<'a>> {
    let laid = spread.leaves.iter().enumerate().map(move |(number, steps)| {
        let mut lines = Vec::with_capacity(steps.len());
        for step in steps {
            push(catalogue, step, String::new(), counters.of(step), &mut lines);
        }
        LaidChain::new(leaf_name(leaves, number), None, lines)
    });
    [entrance(spread, leaves)].into_iter().chain(laid)
}

/// The chain that leads to leaves. The map knows all ports, so that only what runs through while the chain is replaced, when the
/// elements are gone already, finds nothing: that packet must not come to the steps behind.
fn entrance<'a>(spread: &'a Spread, leaves: &str) -> LaidChain<'a> {
    let others = spread.protocols().map(|number| Test::Protocol { number, negated: true });
    let line = |tests, deed| Line { tests, counter: None, deed, comment: None };
    let lines = vec![
        line(others.collect(), Deed::Return),
        line(smallvec![], Deed::Spread(spread, leaves.into())),
        said(vec![], Deed::Drop, REPLACED),
    ];
    LaidChain::new(leaves, None, lines)
}

/// Steps that lead to no leaves, and whose packets are not counted.
pub(super) fn lines<'a>(catalogue: &'a impl Catalogue, steps: &'a [Step]) -> Vec<Line<'a>> {
    let mut lines = Vec::with_capacity(steps.len());
    steps.iter().for_each(|step| push(catalogue, step, String::new(), None, &mut lines));
    lines
}

/// A step as one line, or as several of which no two match one packet: one for each part of the sets that it wants.
fn push<'a>(
    catalogue: &'a impl Catalogue,
    step: &'a Step,
    leaves: String,
    counter: Option<Arc<str>>,
    lines: &mut Vec<Line<'a>>,
) {
    let rows = rows(catalogue, &step.matches);
    let comment = step.origin.as_ref().map(Comment::Origin);
    let deed = match &step.action {
        StepAction::Accept => Deed::Accept,
        StepAction::AcceptHost { untracked } => Deed::AcceptMarked { untracked: *untracked },
        StepAction::Drop => Deed::Drop,
        StepAction::Log => Deed::Log,
        // What is not there cannot let a packet pass.
        StepAction::Jump(key) => catalogue.chain(key).map_or(Deed::Drop, Deed::Jump),
        StepAction::Goto(key) => catalogue.chain(key).map_or(Deed::Drop, Deed::Goto),
        StepAction::Return => Deed::Return,
        StepAction::Spread(_) => Deed::Enter(leaves),
    };
    lines.extend(rows.into_iter().map(|tests| Line {
        tests,
        counter: counter.clone(),
        deed: deed.clone(),
        comment,
    }));
}

/// What must hold, in rows of which no two hold of one packet: one for each part of the sets that are wanted. There is none if
/// nothing can hold, because a set has no members of the packet's IP version.
pub(super) fn rows<'a>(catalogue: &'a impl Catalogue, matches: &'a [Match]) -> SmallVec<[Tests<'a>; 1]> {
    // What costs little is asked first. All must hold, so the order is nobody's concern.
    let mut tests = Tests::new();
    let set = |wanted: &'a Match| match wanted {
        Match::Address { end, family, addresses: Addresses::Set(set), negated }
        | Match::AddressPort { end, family, set, negated } => Some((*end, *family, set, *negated)),
        _ => None,
    };
    for wanted in matches {
        match wanted {
            _ if set(wanted).is_some() => {}
            _ if compare(wanted, &mut tests) => {}
            _ => tests.push(Test::Match(wanted)),
        }
    }
    let mut rows: SmallVec<[Tests<'a>; 1]> = smallvec![tests];
    for (end, family, set, negated) in matches.iter().filter_map(set) {
        let parts = catalogue.parts(set, family);
        let test = |part| Test::InSet { end, family, part, negated };
        match parts {
            // Of that version, and not in what nothing is in.
            [] if negated => {
                if !matches.iter().any(|wanted| matches!(wanted, Match::Family(of) if *of == family)) {
                    rows.iter_mut().for_each(|row| row.push(Test::Family(family)));
                }
            }
            // In none of them.
            parts if negated => rows.iter_mut().for_each(|row| row.extend(parts.iter().map(test))),
            [part] => rows.iter_mut().for_each(|row| row.push(test(part))),
            parts => {
                let with = |row: &Tests<'a>, part| {
                    let mut row = row.clone();
                    row.push(test(part));
                    row
                };
                rows = rows.iter().flat_map(|row| parts.iter().map(move |part| with(row, part))).collect();
            }
        }
    }
    rows
}
