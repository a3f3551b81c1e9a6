//! Policy sets one after the other, and whoever judges packets by them.

use alloc::collections::BTreeMap;
use core::error::Error;
use core::fmt;

use crate::model::Rule;
use crate::{
    Delta, Judgement, Packet, Passes, Program, Verdict, evaluate_packet, interpret, nftables, optimise,
};

use super::counts::{Counts, way};
use super::tables::are_disjoint;
use super::{Both, Choices, Object, Spec, World, judgements, objects, packet, packet_for};

/// What enforces programs.
pub trait Backend {
    /// Enforces this program. The change is what it differs by from the one before, if it follows from that.
    ///
    /// # Errors
    ///
    /// It cannot, and says why.
    fn enforce(&mut self, program: &Program, change: Option<&Delta>) -> Result<(), Box<dyn Error>>;

    /// For each packet, the first of its connection and in this order, whether it passes; `None` for one that it cannot be asked about.
    ///
    /// # Errors
    ///
    /// It cannot be asked at all, and says why.
    fn send(&mut self, packets: &[Packet<'_>]) -> Result<Vec<Option<bool>>, Box<dyn Error>>;
}

/// Policy sets, each reached from the last by changes, and what became of the probes.
#[derive(Debug)]
pub struct Trial {
    world: World,
    both: Both,
    program: Program,
    objects: BTreeMap<String, Object>,
    counts: Counts,
}

/// What somebody does not agree on with the evaluator.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "tests print it")]
pub struct Disagreement {
    /// Who says otherwise, of what, and what the evaluator says.
    pub what: String,
    /// Whether the objects alone show it; else it takes the changes that led to them.
    pub is_minimal: bool,
    /// The objects: as few as show it, if they do.
    pub objects: Vec<Object>,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        match self.is_minimal {
            true => writeln!(f, "these objects show it:")?,
            false => writeln!(f, "it takes the changes that led here; the objects are:")?,
        }
        self.objects.iter().try_for_each(|object| writeln!(f, "{object:?}"))
    }
}

/// Passes that look rules up in tables even where there are few, so that small policy sets have tables, too.
pub const EAGER: Passes = Passes::none().shadow(true).fold(true).spread(true).inline(0);

/// How many times a disagreement is looked for again in fewer objects.
const MOST_ATTEMPTS: usize = 2000;

impl Trial {
    /// As many bytes make up any set with a hundred probes.
    pub const BYTES: usize = 6000;

    /// Nothing yet, in this world.
    #[must_use]
    pub fn new(world: World) -> Self {
        let both = start(&world);
        Self { world, both, program: Program::default(), objects: BTreeMap::new(), counts: Counts::default() }
    }

    /// What was tried so far.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The objects as they are now, by kind and name.
    #[must_use]
    pub const fn objects(&self) -> &BTreeMap<String, Object> {
        &self.objects
    }

    /// Goes on to the next set and probes it. Half of the sets are new, the others are the last with some changes.
    ///
    /// # Errors
    ///
    /// [`Disagreement`]: somebody does not say what the evaluator says. Then the trial is at an end.
    pub fn step(
        &mut self,
        bytes: &[u8],
        probes: usize,
        mut backend: Option<&mut dyn Backend>,
    ) -> Result<(), Box<Disagreement>> {
        let mut choices = Choices::new(bytes);
        self.change(&mut choices);
        let delta = self.both.resolver.flush();
        self.program.apply(delta.clone());
        if self.program != self.both.program() {
            return Err(self.whole("the program that is kept is not the one that is made anew".into()));
        }
        let programs = variants(&self.program);
        if let Some(what) = overlapping(&programs) {
            let shows = |world: &World, objects: &[Object]| overlapping(&variants(&made(world, objects).1));
            return Err(self.smallest(shows).unwrap_or_else(|| self.whole(what)));
        }
        self.counts.features(&self.program);
        programs.iter().for_each(|(_, program)| self.counts.features(program));
        let mut packets = Vec::new();
        let mut wanted = Vec::new();
        let rules: Vec<&Rule> = self.objects.values().flat_map(rules_of).collect();
        for probe in 0..probes {
            // Half of the probes are aimed at rules, as far as anybody is asked about any packet.
            let is_aimed = self.world.strange && probe % 2 > 0 && !rules.is_empty();
            let (world, inputs) = (&self.world, &self.both.inputs);
            let packet = match is_aimed {
                true => {
                    let at = choices.below(256) * rules.len() / 256;
                    packet_for(&mut choices, world, inputs, |_| true, rules[at])
                }
                false => packet(&mut choices, world, inputs, |_| true),
            };
            let evaluation = evaluate_packet(&self.both.inputs, &self.both.host, |_| true, &packet);
            let allowed = evaluation.verdict == Verdict::Allow;
            let wants = judgements(&evaluation);
            if interpret(&self.program, &packet).judgements != wants {
                return Err(self.on(&packet, None));
            }
            if programs.iter().any(|(_, program)| !says(program, &packet, &wants)) {
                return Err(self.on(&packet, None));
            }
            let family = usize::from(packet.flow.destination.is_ipv6());
            let count = if allowed { &mut self.counts.allowed } else { &mut self.counts.denied };
            count[family] += 1;
            *self.counts.ways.entry(way(&packet)).or_default() += 1;
            self.counts.decided(&wants);
            packets.push(packet);
            wanted.push(allowed);
        }
        self.counts.sets += 1;
        let Some(backend) = &mut backend else { return Ok(()) };
        let found = backend.enforce(&self.program, Some(&delta)).and_then(|()| backend.send(&packets));
        let found = match found {
            Ok(found) => found,
            Err(error) => return Err(self.whole(format!("the backend fails: {error}"))),
        };
        if found.len() != packets.len() {
            return Err(self.whole(format!("{} packets, {} answers", packets.len(), found.len())));
        }
        for ((packet, wanted), found) in packets.iter().zip(wanted).zip(found) {
            match found {
                Some(found) if found != wanted => return Err(self.on(packet, Some(&mut **backend))),
                found => self.counts.sent += usize::from(found.is_some()),
            }
        }
        Ok(())
    }

    /// Changes the state to the next.
    fn change(&mut self, choices: &mut Choices<'_>) {
        let drawn = objects(choices, &self.world);
        let anew = choices.once_in(2);
        let mut next = if anew { BTreeMap::new() } else { self.objects.clone() };
        next.retain(|_, _| !choices.once_in(12));
        for object in drawn {
            if anew || choices.once_in(4) {
                next.insert(object.name(), object);
            }
        }
        for (name, object) in &self.objects {
            if !next.contains_key(name) {
                self.both.remove(object);
                self.counts.changes += 1;
            }
        }
        for (name, object) in &next {
            if self.objects.get(name) != Some(object) {
                self.both.insert(object);
                self.counts.changes += 1;
            }
        }
        self.objects = next;
    }

    /// A disagreement of which only all of the objects are known.
    fn whole(&self, what: String) -> Box<Disagreement> {
        let objects = self.objects.values().cloned().collect();
        Box::new(Disagreement { what, is_minimal: false, objects })
    }

    /// A disagreement on a packet, in as few objects and rules as show it.
    fn on(&self, packet: &Packet<'_>, mut backend: Option<&mut dyn Backend>) -> Box<Disagreement> {
        let smallest = self.smallest(|world, objects| shows(world, objects, packet, &mut backend));
        smallest.unwrap_or_else(|| {
            let evaluation = evaluate_packet(&self.both.inputs, &self.both.host, |_| true, packet);
            self.whole(format!("{packet:?}: somebody says otherwise than the evaluator: {evaluation}"))
        })
    }

    /// A disagreement in as few objects and rules as show it; `None` if the objects alone do not.
    fn smallest(
        &self,
        mut shows: impl FnMut(&World, &[Object]) -> Option<String>,
    ) -> Option<Box<Disagreement>> {
        let mut objects: Vec<Object> = self.objects.values().cloned().collect();
        let mut shows = |objects: &[Object]| shows(&self.world, objects);
        let mut what = shows(&objects)?;
        let mut attempts = 0;
        let mut at = 0;
        while at < objects.len() && attempts < MOST_ATTEMPTS {
            let object = objects.remove(at);
            let fewer = simpler(&object).into_iter().map(Some).chain([None]).rev().find_map(|simpler| {
                let mut objects = objects.clone();
                objects.splice(at..at, simpler);
                attempts += 1;
                shows(&objects).map(|what| (objects, what))
            });
            match fewer {
                // Once more, from the same place: what is simpler may be simpler still.
                Some(fewer) => (objects, what) = fewer,
                None => {
                    objects.insert(at, object);
                    at += 1;
                }
            }
        }
        Some(Box::new(Disagreement { what, is_minimal: true, objects }))
    }
}

fn start(world: &World) -> Both {
    let mut both = Both::new(world.host(), |_| true);
    both.resolver.set_in_sync();
    both
}

/// What these objects alone become.
fn made(world: &World, objects: &[Object]) -> (Both, Program) {
    let mut both = start(world);
    objects.iter().for_each(|object| both.insert(object));
    let mut program = Program::default();
    program.apply(both.resolver.flush());
    (both, program)
}

/// The program as each pass alone makes it, as [`EAGER`] does, and as all do by default.
fn variants(program: &Program) -> [(&'static str, Program); 5] {
    let alone = Passes::none().inline(0);
    [
        ("shadow", alone.shadow(true)),
        ("fold", alone.fold(true)),
        ("spread", alone.spread(true)),
        ("eager", EAGER),
        ("default", Passes::default()),
    ]
    .map(|(name, passes)| (name, optimise(program, &passes).program))
}

/// Which of these programs has a table of which a packet has two rows.
fn overlapping(programs: &[(&str, Program)]) -> Option<String> {
    let (name, _) = programs.iter().find(|(_, program)| !are_disjoint(program))?;
    Some(format!("optimised ({name}), it has a table with rows that overlap"))
}

/// Whether each end says this of the packet by this program, and logs it, by whatever rule.
fn says(program: &Program, packet: &Packet<'_>, wants: &[Judgement]) -> bool {
    let found = interpret(program, packet).judgements;
    let same = |(found, wanted): (Judgement, &Judgement)| {
        Judgement { decided_by: wanted.decided_by.clone(), ..found } == *wanted
    };
    found.len() == wants.len() && found.into_iter().zip(wants).all(same)
}

#[cfg(test)]
fn passes(program: &Program, packet: &Packet<'_>) -> bool {
    interpret(program, packet).verdict() == Verdict::Allow
}

/// Whether these objects alone show that somebody says otherwise, and who.
fn shows(
    world: &World,
    objects: &[Object],
    packet: &Packet<'_>,
    backend: &mut Option<&mut dyn Backend>,
) -> Option<String> {
    let (both, program) = made(world, objects);
    let evaluation = evaluate_packet(&both.inputs, &both.host, |_| true, packet);
    let allowed = evaluation.verdict == Verdict::Allow;
    let interpretation = interpret(&program, packet);
    let wants = judgements(&evaluation);
    let other = variants(&program).into_iter().find(|(_, program)| !says(program, packet, &wants));
    let who = if interpretation.judgements != wants {
        format!("the interpreter says {interpretation:#?}")
    } else if let Some((name, program)) = other {
        format!("optimised ({name}), it says {:#?}", interpret(&program, packet))
    } else {
        let backend = backend.as_mut()?;
        match backend.enforce(&program, None).and_then(|()| backend.send(&[*packet])) {
            Ok(found) if found.iter().flatten().all(|found| *found == allowed) => return None,
            Ok(_) => {
                let text = nftables::render(&program, &nftables::Options::default());
                format!("the backend says otherwise, of\n{text}")
            }
            Err(error) => format!("the backend fails: {error}"),
        }
    };
    Some(format!("{packet:?}\nthe evaluator says {evaluation}\nbut {who}"))
}

/// The rules of an object.
fn rules_of(object: &Object) -> impl Iterator<Item = &Rule> {
    let lists = match object {
        Object::Policy(_, Spec::Namespaced(spec)) => [&spec.ingress, &spec.egress],
        Object::Policy(_, Spec::Global(spec)) => [&spec.ingress, &spec.egress],
        Object::Profile(_, spec) => [&spec.ingress, &spec.egress],
        _ => return Vec::new().into_iter(),
    };
    lists.into_iter().flatten().collect::<Vec<_>>().into_iter()
}

/// The same object with one rule less, in every way.
fn simpler(object: &Object) -> Vec<Object> {
    fn rules(object: &mut Object) -> Option<[&mut Vec<Rule>; 2]> {
        match object {
            Object::Policy(_, Spec::Namespaced(spec)) => Some([&mut spec.ingress, &mut spec.egress]),
            Object::Policy(_, Spec::Global(spec)) => Some([&mut spec.ingress, &mut spec.egress]),
            Object::Profile(_, spec) => Some([&mut spec.ingress, &mut spec.egress]),
            _ => None,
        }
    }
    let mut copy = object.clone();
    let Some(lens) = rules(&mut copy).map(|lists| lists.map(|list| list.len())) else { return Vec::new() };
    let places = lens.into_iter().enumerate().flat_map(|(list, len)| (0..len).map(move |at| (list, at)));
    places
        .map(|(list, at)| {
            let mut fewer = object.clone();
            if let Some(lists) = rules(&mut fewer) {
                lists[list].remove(at);
            }
            fewer
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::bytes_of;
    use super::*;

    /// Lets everything pass that goes to one port.
    struct Leak(Program, u16);

    impl Backend for Leak {
        fn enforce(&mut self, program: &Program, _: Option<&Delta>) -> Result<(), Box<dyn Error>> {
            self.0 = program.clone();
            Ok(())
        }

        fn send(&mut self, packets: &[Packet<'_>]) -> Result<Vec<Option<bool>>, Box<dyn Error>> {
            let leaks = |packet: &Packet<'_>| packet.flow.ports().is_some_and(|(_, port)| port == self.1);
            Ok(packets.iter().map(|packet| Some(leaks(packet) || passes(&self.0, packet))).collect())
        }
    }

    #[test]
    fn a_backend_that_leaks_is_found_and_shown_by_little() {
        let mut trial = Trial::new(World { strange: false, faults: false, ..World::new() });
        let mut backend = Leak(Program::default(), 4789);
        let found = (0..100)
            .find_map(|seed| trial.step(&bytes_of(seed, Trial::BYTES), 100, Some(&mut backend)).err());
        let found = found.unwrap();
        assert!(found.is_minimal && found.what.contains("the backend says otherwise"), "{found}");
        assert!(found.objects.len() <= 2, "{found}");
    }
}
