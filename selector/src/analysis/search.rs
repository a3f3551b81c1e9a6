//! Search for labels: choose, follow what the choice forces, learn from conflicts (CDCL).
//!
//! Clauses say what a node that is decided forces. A conjunction that must hold forces each of its operands; one that
//! must not hold is a *choice*: one of its operands must not. Only choices of nodes that are decided are made, so that
//! what no longer matters is left open. What is decided about a test goes to its label's [`Constraint`]. A conflict,
//! there or in a clause, is traced back to the earliest choices that bring it about, and a clause is learnt that
//! forbids these in all that is still to come.
//!
//! The search ends: it never comes back to the same decisions after a conflict, and their number is finite.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use super::form::{Form, Lit, Node};
use super::label::Constraint;
use super::{Exhausted, Meter, Witness};
use crate::selector::Selector;

/// Labels that each of the selectors matches, or does not, as it says beside it; `None` if there are none.
pub(super) fn search(wanted: &[(&Selector, bool)], meter: &mut Meter) -> Result<Option<Witness>, Exhausted> {
    let (form, root) = Form::new(wanted, meter)?;
    if root == Lit::FALSE {
        return Ok(None);
    }
    let mut search = Search::new(&form, meter)?;
    search.write_clauses(root)?;
    if search.run(root)? { search.witness().map(Some) } else { Ok(None) }
}

/// Of a long clause, so many literals are searched for one that holds, before one more is made to hold.
const GLANCE: usize = 16;
/// Steps for a literal that is learnt, so that the budget bounds memory, too.
const LEARNT: usize = 8;

/// A disjunction, as a range in the list of all clauses' literals. The first two are watched: neither of them is false
/// as long as no other is true, or the clause forces something.
#[derive(Clone, Copy, Debug)]
struct Clause {
    start: usize,
    end: usize,
    /// Where the search for another literal to watch goes on, so that it does not begin anew at each change.
    next: usize,
}

/// What is known of a node.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    holds: Option<bool>,
    /// How many choices had been made.
    level: usize,
    /// The clause that forced it.
    reason: Option<usize>,
    is_seen: bool,
}

/// The state before a choice.
#[derive(Clone, Copy, Debug)]
struct Mark {
    trail: usize,
    agenda: usize,
    settled: usize,
}

#[derive(Debug)]
struct Search<'f, 'a> {
    form: &'f Form<'a>,
    meter: &'f mut Meter,
    lits: Vec<Lit>,
    clauses: Vec<Clause>,
    /// By literal: the clauses that watch it.
    watches: Vec<Vec<usize>>,
    /// By literal: the clause that is its choice.
    choices: Vec<Option<usize>>,
    /// By node.
    known: Vec<Known>,
    /// By label.
    constraints: Vec<Constraint>,
    /// What is decided, in order; the consequences of the first `followed` have been drawn.
    trail: Vec<Lit>,
    followed: usize,
    /// Choices to be made, in order; the first `settled` need no more.
    agenda: Vec<usize>,
    settled: usize,
    marks: Vec<Mark>,
}

/// Literals that are all false, although one of them must be true.
type Refuted = Vec<Lit>;

impl<'f, 'a> Search<'f, 'a> {
    fn new(form: &'f Form<'a>, meter: &'f mut Meter) -> Result<Self, Exhausted> {
        let nodes = form.nodes().len();
        meter.spend(nodes)?;
        Ok(Self {
            form,
            meter,
            lits: Vec::new(),
            clauses: Vec::new(),
            watches: alloc::vec![Vec::new(); 2 * nodes],
            choices: alloc::vec![None; 2 * nodes],
            known: alloc::vec![Known::default(); nodes],
            constraints: form.labels().iter().map(|label| Constraint::new(label.values.len())).collect(),
            trail: Vec::new(),
            followed: 0,
            agenda: Vec::new(),
            settled: 0,
            marks: Vec::new(),
        })
    }

    /// Writes the clauses of all that the root may force.
    fn write_clauses(&mut self, root: Lit) -> Result<(), Exhausted> {
        let form = self.form;
        let mut is_written = alloc::vec![false; 2 * form.nodes().len()];
        let mut open = alloc::vec![root];
        while let Some(lit) = open.pop() {
            self.meter.spend(1)?;
            let Some(written @ false) = is_written.get_mut(lit.index()) else { continue };
            *written = true;
            let Some(Node::And(operands)) = form.nodes().get(lit.node()) else { continue };
            self.meter.spend(operands.len())?;
            if lit.is_negated() {
                let choice = self.add([!lit].into_iter().chain(operands.iter().map(|operand| !*operand)));
                if let Some(slot) = self.choices.get_mut(lit.index()) {
                    *slot = Some(choice);
                }
                open.extend(operands.iter().map(|operand| !*operand));
            } else {
                for operand in operands.iter() {
                    self.add([!lit, *operand].into_iter());
                }
                open.extend(operands.iter());
            }
        }
        Ok(())
    }

    /// Adds a clause of two literals or more, and watches the first two.
    fn add(&mut self, lits: impl Iterator<Item = Lit>) -> usize {
        let (number, start) = (self.clauses.len(), self.lits.len());
        self.lits.extend(lits);
        for lit in self.lits.iter().skip(start).take(2) {
            if let Some(watching) = self.watches.get_mut(lit.index()) {
                watching.push(number);
            }
        }
        self.clauses.push(Clause { start, end: self.lits.len(), next: 0 });
        number
    }

    fn clause(&self, number: usize) -> &[Lit] {
        self.clauses
            .get(number)
            .and_then(|clause| self.lits.get(clause.start..clause.end))
            .unwrap_or_default()
    }

    fn holds(&self, lit: Lit) -> Option<bool> {
        self.known.get(lit.node()).and_then(|known| known.holds).map(|holds| holds != lit.is_negated())
    }

    fn level(&self, lit: Lit) -> usize {
        self.known.get(lit.node()).map_or(0, |known| known.level)
    }

    fn decide(&mut self, lit: Lit, reason: Option<usize>) {
        let level = self.marks.len();
        if let Some(known) = self.known.get_mut(lit.node()) {
            *known = Known { holds: Some(!lit.is_negated()), level, reason, is_seen: false };
            self.trail.push(lit);
        }
    }

    /// Whether the root can hold. If so, enough is decided to tell for which labels.
    fn run(&mut self, root: Lit) -> Result<bool, Exhausted> {
        self.decide(root, None);
        loop {
            if let Some(refuted) = self.follow()? {
                if self.marks.is_empty() {
                    return Ok(false);
                }
                self.learn(refuted)?;
            } else if let Some(lit) = self.choose()? {
                self.marks.push(Mark {
                    trail: self.trail.len(),
                    agenda: self.agenda.len(),
                    settled: self.settled,
                });
                self.decide(lit, None);
            } else {
                return Ok(true);
            }
        }
    }

    /// Draws the consequences of what is decided, until there are no more or two exclude each other.
    fn follow(&mut self) -> Result<Option<Refuted>, Exhausted> {
        while let Some(lit) = self.trail.get(self.followed).copied() {
            self.followed += 1;
            self.meter.spend(1)?;
            if let Some((label, _)) = self.form.test(lit) {
                let Some(constraint) = self.constraints.get_mut(label) else { continue };
                if let Some(conflict) = constraint.push(lit, self.form, self.meter)? {
                    self.meter.spend(conflict.len())?;
                    return Ok(Some(conflict.into_iter().map(|lit| !lit).collect()));
                }
            }
            if let Some(Some(choice)) = self.choices.get(lit.index()) {
                self.agenda.push(*choice);
            }
            if let Some(clause) = self.follow_clauses(!lit)? {
                return Ok(Some(self.clause(clause).to_vec()));
            }
        }
        Ok(None)
    }

    /// Visits the clauses that watch a literal that is false now. Returns one of which all literals are false.
    fn follow_clauses(&mut self, refuted: Lit) -> Result<Option<usize>, Exhausted> {
        let Some(slot) = self.watches.get_mut(refuted.index()) else { return Ok(None) };
        let watching = mem::take(slot);
        let mut kept = Vec::with_capacity(watching.len());
        let mut broken = None;
        for number in watching {
            if broken.is_some() || !self.watch_another(number, refuted)? {
                kept.push(number);
            } else {
                continue;
            }
            if broken.is_none() {
                let Some(other) = self.clause(number).first().copied() else { continue };
                match self.holds(other) {
                    Some(true) => {}
                    Some(false) => broken = Some(number),
                    None => self.decide(other, Some(number)),
                }
            }
        }
        if let Some(slot) = self.watches.get_mut(refuted.index()) {
            *slot = kept;
        }
        Ok(broken)
    }

    /// Lets a clause watch another literal instead of this one, if it has one that is not false, and needs to. Leaves
    /// the literal that it watches besides in the first place.
    fn watch_another(&mut self, number: usize, refuted: Lit) -> Result<bool, Exhausted> {
        self.meter.spend(1)?;
        let known = &self.known;
        let holds = |lit: Lit| {
            let known = known.get(lit.node()).and_then(|known| known.holds);
            known.map(|holds| holds != lit.is_negated())
        };
        let Some(clause) = self.clauses.get_mut(number) else { return Ok(false) };
        let Some([first, second, rest @ ..]) = self.lits.get_mut(clause.start..clause.end) else {
            return Ok(false);
        };
        if *first == refuted {
            mem::swap(first, second);
        }
        if holds(*first) == Some(true) {
            return Ok(false);
        }
        // Once around, from where the last search ended.
        let (before, behind) = rest.split_at_mut(clause.next.min(rest.len()));
        let middle = before.len();
        let places = (middle..).zip(behind).chain((0..).zip(before));
        for (visited, (place, lit)) in (1..).zip(places) {
            if holds(*lit) != Some(false) {
                mem::swap(second, lit);
                clause.next = place;
                if let Some(watching) = self.watches.get_mut(second.index()) {
                    watching.push(number);
                }
                self.meter.spend(visited)?;
                return Ok(true);
            }
        }
        self.meter.spend(rest.len())?;
        Ok(false)
    }

    /// A literal to make true, for a choice that is still to be made.
    fn choose(&mut self) -> Result<Option<Lit>, Exhausted> {
        while let Some(number) = self.agenda.get(self.settled) {
            let clause = self.clause(*number);
            let looked = clause.iter().take(GLANCE);
            if !looked.clone().any(|lit| self.holds(*lit) == Some(true)) {
                // What it watches is not false: otherwise it would have forced something that is true, up in front.
                if let Some(lit) = clause.iter().take(2).find(|lit| self.holds(**lit).is_none()) {
                    return Ok(Some(*lit));
                }
            }
            self.meter.spend(1 + clause.len().min(GLANCE))?;
            self.settled += 1;
        }
        Ok(None)
    }

    /// Learns from literals that are all false: a clause that leaves one literal open before the last choice.
    fn learn(&mut self, refuted: Refuted) -> Result<(), Exhausted> {
        let now = self.marks.len();
        let mut learnt = alloc::vec![Lit::FALSE];
        let mut seen = Vec::new();
        let mut unexplained = 0_usize;
        let mut open = refuted;
        let mut rest = self.trail.len();
        let last = loop {
            self.meter.spend(open.len())?;
            for lit in open.drain(..) {
                let Some(known) = self.known.get_mut(lit.node()) else { continue };
                if known.is_seen || known.level == 0 {
                    continue;
                }
                known.is_seen = true;
                seen.push(lit);
                if known.level == now {
                    unexplained += 1;
                } else {
                    learnt.push(lit);
                }
            }
            // The latest of them; it is there, as what is false was made so after the last choice.
            let lit = loop {
                rest = rest.checked_sub(1).ok_or(Exhausted)?;
                let lit = self.trail.get(rest).copied().ok_or(Exhausted)?;
                if self.known.get(lit.node()).is_some_and(|known| known.is_seen) {
                    break lit;
                }
                self.meter.spend(1)?;
            };
            unexplained = unexplained.saturating_sub(1);
            if unexplained == 0 {
                break lit;
            }
            let reason = self.known.get(lit.node()).and_then(|known| known.reason).ok_or(Exhausted)?;
            open.extend(self.clause(reason).iter().filter(|other| **other != lit));
        };
        for lit in seen {
            if let Some(known) = self.known.get_mut(lit.node()) {
                known.is_seen = false;
            }
        }
        if let Some(slot) = learnt.first_mut() {
            *slot = !last;
        }
        // The second watched literal is one of those that became false last.
        let latest = (1..learnt.len()).max_by_key(|at| learnt.get(*at).map(|lit| self.level(*lit)));
        if let Some(latest) = latest {
            learnt.swap(1, latest);
        }
        let level = learnt.get(1).map_or(0, |lit| self.level(*lit));
        self.meter.spend(LEARNT * learnt.len())?;
        self.go_back(level)?;
        let reason = (learnt.len() > 1).then(|| self.add(learnt.into_iter()));
        self.decide(!last, reason);
        Ok(())
    }

    /// Takes back all choices but the first so many.
    fn go_back(&mut self, level: usize) -> Result<(), Exhausted> {
        let Some(mark) = self.marks.get(level).copied() else { return Ok(()) };
        self.meter.spend(self.trail.len().saturating_sub(mark.trail))?;
        while self.trail.len() > mark.trail {
            let Some(lit) = self.trail.pop() else { break };
            if let Some(known) = self.known.get_mut(lit.node()) {
                known.holds = None;
            }
            if self.trail.len() < self.followed {
                let label = self.form.test(lit).map(|(label, _)| label);
                if let Some(constraint) = label.and_then(|label| self.constraints.get_mut(label)) {
                    constraint.pop();
                }
            }
        }
        self.followed = self.followed.min(self.trail.len());
        self.agenda.truncate(mark.agenda);
        self.settled = mark.settled;
        self.marks.truncate(level);
        Ok(())
    }

    /// The labels that the decisions describe.
    fn witness(self) -> Result<Witness, Exhausted> {
        let mut labels = Witness::new();
        for (label, constraint) in self.form.labels().iter().zip(&self.constraints) {
            if let Some(value) = constraint.value(label, self.form, self.meter)? {
                labels.insert(String::from(label.name), value);
            }
        }
        Ok(labels)
    }
}
