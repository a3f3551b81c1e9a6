//! What has been decided about one label, and whether it can be so.
//!
//! Decided are literals: tests that the label passes, and tests that it does not pass. A label that is missing passes no
//! test, so without any test to pass, the label may be missing and all is well. Otherwise it has a value, and:
//!
//! * If the value must be one of a set, then the members are tried, one after the other.
//! * Else let P be the longest text that it must start with, S the longest that it must end with, C1, C2, .. the texts
//!   that it must contain, and f a character that is in no text of the selectors. **If any value will do, then
//!   `P f C1 f C2 f .. f S` does.** It starts with P, and so with every text that it must start with, or two of these
//!   are not one the start of the other, and nothing starts with both; the same goes for S. It contains every C. It is
//!   none of the values that it must not be, for they lack f. Suppose it starts with a text that it must not start
//!   with: that text lacks f, so it is a start of P, and every value that starts with P starts with it; the same goes
//!   for ends. Suppose it contains a text that it must not contain: that text lacks f, so it lies in P, in S or in one
//!   of the C, and so in every value that will do. Nothing bounds the length of a value, so that P and S need not
//!   overlap. (UTF-8 is self-synchronising: a text that lacks f as a character has none of its occurrences across one.)
//!
//! It follows that without a set, any conflict is one of two literals.

use alloc::string::String;
use alloc::vec::Vec;

use super::form::{Form, Label, Lit, Test};
use super::{Exhausted, Meter};

/// Literals that hold already and cannot hold together, if there are such.
pub(super) type Conflict = Option<Vec<Lit>>;

/// Constraint on one label: a stack of literals.
#[derive(Debug, Default)]
pub(super) struct Constraint {
    now: Now,
    /// What the value must pass: texts, and sets beside `now.set`.
    wanted: Vec<Lit>,
    /// Texts that the value must not start with, end with or contain.
    refused: Vec<Lit>,
    /// Why the first members of `now.set` will not do, one literal for each. The member behind these will.
    excluded: Vec<Lit>,
    /// By number of the value: the literal by which it must not be this one.
    barred_by: Vec<Option<Lit>>,
    /// Those that are barred, in the order in which they came to be.
    barred: Vec<usize>,
    before: Vec<Mark>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Now {
    /// A literal by which the label is there.
    present: Option<Lit>,
    /// A literal by which it is not.
    absent: Option<Lit>,
    /// The longest text to start with.
    prefix: Option<Lit>,
    /// The longest text to end with.
    suffix: Option<Lit>,
    /// A set that the value is in.
    set: Option<Lit>,
}

/// What to go back to.
#[derive(Clone, Copy, Debug)]
struct Mark {
    now: Now,
    wanted: usize,
    refused: usize,
    excluded: usize,
    barred: usize,
}

impl Constraint {
    /// For a label with so many numbered values.
    pub(super) fn new(values: usize) -> Self {
        Self { barred_by: alloc::vec![None; values], ..Self::default() }
    }

    /// Adds a literal, which is of this label. After a conflict nothing may come but [`pop`](Self::pop).
    pub(super) fn push(
        &mut self,
        lit: Lit,
        form: &Form<'_>,
        meter: &mut Meter,
    ) -> Result<Conflict, Exhausted> {
        self.before.push(Mark {
            now: self.now,
            wanted: self.wanted.len(),
            refused: self.refused.len(),
            excluded: self.excluded.len(),
            barred: self.barred.len(),
        });
        let Some((label, test)) = form.test(lit) else { return Ok(None) };
        let Some(label) = form.labels().get(label) else { return Ok(None) };
        if lit.is_negated() {
            self.push_negated(lit, test, label, form, meter)
        } else {
            self.push_positive(lit, test, label, form, meter)
        }
    }

    /// Takes the last literal back.
    pub(super) fn pop(&mut self) {
        let Some(mark) = self.before.pop() else { return };
        self.now = mark.now;
        self.wanted.truncate(mark.wanted);
        self.refused.truncate(mark.refused);
        self.excluded.truncate(mark.excluded);
        for number in self.barred.drain(mark.barred..) {
            if let Some(by) = self.barred_by.get_mut(number) {
                *by = None;
            }
        }
    }

    fn push_negated(
        &mut self,
        lit: Lit,
        test: &Test<'_>,
        label: &Label<'_>,
        form: &Form<'_>,
        meter: &mut Meter,
    ) -> Result<Conflict, Exhausted> {
        match test {
            Test::Present => {
                if let Some(present) = self.now.present {
                    return Ok(Some([present, lit].into()));
                }
                self.now.absent = self.now.absent.or(Some(lit));
                return Ok(None);
            }
            Test::OneOf(numbers) => {
                meter.spend(numbers.len())?;
                for number in numbers.iter() {
                    if let Some(by @ None) = self.barred_by.get_mut(*number) {
                        *by = Some(lit);
                        self.barred.push(*number);
                    }
                }
            }
            Test::Starts(_) | Test::Ends(_) | Test::Contains(_) => {
                self.refused.push(lit);
                if self.now.set.is_none() {
                    for wanted in &self.wanted {
                        let Some((_, passed)) = form.test(*wanted) else { continue };
                        meter.spend(cost(text(passed)))?;
                        if brings(passed, test) {
                            return Ok(Some([*wanted, lit].into()));
                        }
                    }
                }
            }
        }
        self.seek(lit, label, form, meter)
    }

    fn push_positive(
        &mut self,
        lit: Lit,
        test: &Test<'_>,
        label: &Label<'_>,
        form: &Form<'_>,
        meter: &mut Meter,
    ) -> Result<Conflict, Exhausted> {
        if let Some(absent) = self.now.absent {
            return Ok(Some([absent, lit].into()));
        }
        self.now.present = self.now.present.or(Some(lit));
        match test {
            Test::Present => return Ok(None),
            Test::OneOf(_) if self.now.set.is_none() => self.now.set = Some(lit),
            Test::OneOf(_) => self.wanted.push(lit),
            Test::Starts(_) | Test::Ends(_) | Test::Contains(_) => {
                self.wanted.push(lit);
                if self.now.set.is_none() {
                    return self.meet(lit, test, form, meter);
                }
            }
        }
        self.seek(lit, label, form, meter)
    }

    /// Whether a text to start with, end with or contain goes together with the others, where there is no set.
    fn meet(
        &mut self,
        lit: Lit,
        test: &Test<'_>,
        form: &Form<'_>,
        meter: &mut Meter,
    ) -> Result<Conflict, Exhausted> {
        let longest = match test {
            Test::Starts(_) => &mut self.now.prefix,
            Test::Ends(_) => &mut self.now.suffix,
            _ => &mut None,
        };
        match *longest {
            None => *longest = Some(lit),
            Some(other) => match form.test(other) {
                Some((_, other)) if brings(other, test) => {}
                Some((_, other)) if brings(test, other) => *longest = Some(lit),
                _ => return Ok(Some([other, lit].into())),
            },
        }
        for refused in &self.refused {
            meter.spend(cost(text(test)))?;
            if form.test(*refused).is_some_and(|(_, refused)| brings(test, refused)) {
                return Ok(Some([*refused, lit].into()));
            }
        }
        Ok(None)
    }

    /// Goes on to the next member of the set that will do, if there is a set, as this literal has been added.
    fn seek(
        &mut self,
        added: Lit,
        label: &Label<'_>,
        form: &Form<'_>,
        meter: &mut Meter,
    ) -> Result<Conflict, Exhausted> {
        let Some(set) = self.now.set else { return Ok(None) };
        let Some((_, Test::OneOf(numbers))) = form.test(set) else { return Ok(None) };
        // The member that did so far passes all but the new literal.
        let only = [added];
        let mut suspects = (set != added).then_some(only.as_slice());
        while let Some(number) = numbers.get(self.excluded.len()) {
            let value = label.values.get(*number).copied().unwrap_or_default();
            meter.spend(1)?;
            let culprit = match (self.barred_by.get(*number), suspects.take()) {
                (Some(Some(lit)), _) => Some(*lit),
                (_, Some(lits)) => culprit(lits, *number, value, form, meter)?,
                (_, None) => match culprit(&self.wanted, *number, value, form, meter)? {
                    None => culprit(&self.refused, *number, value, form, meter)?,
                    some => some,
                },
            };
            match culprit {
                Some(lit) => self.excluded.push(lit),
                None => return Ok(None),
            }
        }
        let mut conflict = self.excluded.clone();
        conflict.push(set);
        conflict.sort_unstable();
        conflict.dedup();
        Ok(Some(conflict))
    }

    /// A value that will do, or `None` if the label had better be missing.
    pub(super) fn value(
        &self,
        label: &Label<'_>,
        form: &Form<'_>,
        meter: &mut Meter,
    ) -> Result<Option<String>, Exhausted> {
        if self.now.present.is_none() {
            return Ok(None);
        }
        if let Some((_, Test::OneOf(numbers))) = self.now.set.and_then(|set| form.test(set)) {
            let number = numbers.get(self.excluded.len()).copied().unwrap_or_default();
            return Ok(label.values.get(number).map(|value| String::from(*value)));
        }
        let longest =
            |lit: Option<Lit>| lit.and_then(|lit| form.test(lit)).map_or("", |(_, test)| text(test));
        let (prefix, suffix) = (longest(self.now.prefix), longest(self.now.suffix));
        let fresh = fresh(label, meter)?;
        let mut value = String::from(prefix);
        for lit in &self.wanted {
            if let Some((_, Test::Contains(text))) = form.test(*lit) {
                meter.spend(cost(prefix) + cost(suffix))?;
                if !prefix.contains(text) && !suffix.contains(text) {
                    value.push(fresh);
                    value.push_str(text);
                }
            }
        }
        value.push(fresh);
        value.push_str(suffix);
        Ok(Some(value))
    }
}

/// The last of some literals that a value with this number does not conform to.
fn culprit(
    lits: &[Lit],
    number: usize,
    value: &str,
    form: &Form<'_>,
    meter: &mut Meter,
) -> Result<Option<Lit>, Exhausted> {
    for lit in lits.iter().rev() {
        meter.spend(cost(value))?;
        let passes = match form.test(*lit) {
            Some((_, Test::OneOf(numbers))) => numbers.binary_search(&number).is_ok(),
            Some((_, Test::Starts(text))) => value.starts_with(text),
            Some((_, Test::Ends(text))) => value.ends_with(text),
            Some((_, Test::Contains(text))) => value.contains(text),
            Some((_, Test::Present)) | None => !lit.is_negated(),
        };
        if passes == lit.is_negated() {
            return Ok(Some(*lit));
        }
    }
    Ok(None)
}

/// Whether every value that passes the first of two tests of texts passes the second.
fn brings(one: &Test<'_>, other: &Test<'_>) -> bool {
    match (one, other) {
        (Test::Starts(one), Test::Starts(other)) => one.starts_with(other),
        (Test::Ends(one), Test::Ends(other)) => one.ends_with(other),
        (Test::Starts(one) | Test::Ends(one) | Test::Contains(one), Test::Contains(other)) => {
            one.contains(other)
        }
        _ => false,
    }
}

const fn text<'a>(test: &Test<'a>) -> &'a str {
    match test {
        Test::Starts(text) | Test::Ends(text) | Test::Contains(text) => text,
        Test::Present | Test::OneOf(_) => "",
    }
}

/// Steps for a look through a text.
const fn cost(text: &str) -> usize {
    1 + text.len() / 16
}

/// A character that is in no text that the label's value is compared with; one that reads well, if there is.
fn fresh(label: &Label<'_>, meter: &mut Meter) -> Result<char, Exhausted> {
    let mut used = Vec::new();
    for text in label.values.iter().chain(&label.parts) {
        meter.spend(cost(text))?;
        used.extend(text.chars());
        // Long texts repeat themselves: the list stays as short as there are characters.
        if used.len() > 2 * 0x11_0000 {
            used.sort_unstable();
            used.dedup();
        }
    }
    used.sort_unstable();
    let readable = ('x'..='z').chain('a'..='w').chain('0'..='9').chain('A'..='Z');
    let all = readable.chain('\u{a1}'..=char::MAX).chain('\0'..='\u{a0}');
    // There may be none, if someone lifts the limits and spells out all of Unicode; nothing is known then.
    all.into_iter().find(|character| used.binary_search(character).is_err()).ok_or(Exhausted)
}
