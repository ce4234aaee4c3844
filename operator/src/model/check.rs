//! Walks through a model, and says how that went.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::iter::Sum;
use std::ops::Add;
use std::sync::Mutex;
use std::time::Instant;

use aggregator_tests::reliability::note;
use serde_json::json;
use stateright::{Checker, Expectation, HasDiscoveries, Model};

use super::object::lock;
use super::recovery;
use super::stage::Stage;
use super::subject::{Mutation, Subject};
use super::system::System;

/// How many states a kind is walked through, at least.
pub(super) const MANY: usize = 500_000;
/// How many states a mutant may take to be found.
const ENOUGH: usize = 2_000_000;
/// How many threads walk.
const THREADS: usize = 2;
/// More states than a test asks for: a number.
const STATES: &str = "AGGREGATOR_STATES";

/// Two models at a time would measure each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A law that does not hold, and how that comes about.
struct Broken {
    law: &'static str,
    moves: usize,
    story: String,
}

/// How a walk went.
struct Walk {
    states: usize,
    depth: usize,
    seconds: f64,
    plans: usize,
    cut: bool,
    /// The laws that do not hold: what comes about soonest first.
    broken: Vec<Broken>,
    /// What should be possible, and is.
    reached: BTreeSet<&'static str>,
    /// What should be possible and is not.
    never: BTreeSet<&'static str>,
}

/// How walks through the scenes of a kind went.
#[derive(Default)]
pub(super) struct Walked {
    /// How many states there were.
    pub(super) states: usize,
    /// What should be possible, and came about in some scene.
    reached: BTreeSet<&'static str>,
    /// What did not come about in some scene that may show it.
    never: BTreeSet<&'static str>,
}

impl Walked {
    /// All scenes of the kind were walked through.
    ///
    /// # Panics
    /// When these are too few states; or when what should be possible is not in any scene.
    pub(super) fn enough(&self) {
        let never: Vec<&str> = self.never.difference(&self.reached).copied().collect();
        assert!(never.is_empty(), "in no scene it happens that {}", never.join(", nor that "));
        assert!(self.states >= MANY, "{} states", self.states);
    }
}

impl Add for Walked {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self.states += other.states;
        self.reached.extend(other.reached);
        self.never.extend(other.never);
        self
    }
}

impl Sum for Walked {
    fn sum<I: Iterator<Item = Self>>(walks: I) -> Self {
        walks.fold(Self::default(), |all, walk| all + walk)
    }
}

/// Walks until one of these laws is broken, or there are no more states.
fn walk<S: Subject>(subject: S, mutation: Mutation, limit: usize, until: HasDiscoveries) -> Walk {
    let _alone = lock(&ONE_AT_A_TIME);
    let begun = Instant::now();
    let system = System::new(subject, mutation, limit);
    let checker = system.checker().threads(THREADS).finish_when(until).spawn_bfs().join();
    let seconds = begun.elapsed().as_secs_f64();
    let system = checker.model();
    system.shows();
    let laws = system.properties();
    let mut discoveries = checker.discoveries();
    let possible = laws.iter().filter(|law| law.expectation == Expectation::Sometimes).map(|law| law.name);
    let (reached, never) = possible.partition(|law| discoveries.contains_key(law));
    let failures = laws.iter().filter(|law| law.expectation != Expectation::Sometimes);
    let broken = failures.filter_map(|law| Some((law.name, discoveries.remove(law.name)?.into_vec())));
    let broken = broken.map(|(law, way)| {
        let mut story = String::new();
        for (stage, next) in &way {
            match next {
                Some(next) => tell(&mut story, format_args!("  {next:?}")),
                None => tell(&mut story, format_args!("in the end: {stage:#?}")),
            }
        }
        if let (recovery::LAW, Some((stage, _))) = (law, way.last()) {
            tell(&mut story, format_args!("from there: {}", stuck(system, stage)));
        }
        Broken { law, moves: way.len() - 1, story }
    });
    let mut broken: Vec<Broken> = broken.collect();
    // The shortest way tells most.
    broken.sort_by_key(|broken| broken.moves);
    Walk {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        seconds,
        plans: system.plans.made(),
        cut: system.is_cut(),
        broken,
        reached,
        never,
    }
}

fn tell(story: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(story, "{line}").expect("a text takes every line");
}

fn stuck<S: Subject>(system: &System<S>, stage: &Stage<S::Around>) -> String {
    match system.way(stage, true) {
        Ok(steps) => format!("it recovers in {steps} steps"),
        Err(last) => match system.broken(&last) {
            Some(law) => format!("it does not hold that {law}, when it has come to {last:#?}"),
            None => format!("it comes to {last:#?}"),
        },
    }
}

/// What a model is called.
fn name<S: Subject>(subject: &S) -> String {
    match subject.scene() {
        "" => S::NAME.to_owned(),
        scene => format!("{} ({scene})", S::NAME),
    }
}

/// Walks through the model of what is shipped: all of it, or so many states.
///
/// # Panics
/// With the shortest way to it, when a law does not hold; or when all of it was walked through, and something never happens
/// that should be possible.
pub(super) fn holds<S: Subject>(subject: S, limit: usize) -> Walked {
    let more = std::env::var(STATES).ok().map(|number| number.parse().expect("a number of states"));
    let (limit, name) = (more.unwrap_or(limit), name(&subject));
    let walked = walk(subject, Mutation::NONE, limit, HasDiscoveries::AnyFailures);
    let Walk { states, depth, seconds, plans, cut, broken, reached, never } = walked;
    let whole = if cut { "some" } else { "all" };
    println!("{name}: {states} states ({whole}), depth {depth}, {plans} plans, {seconds:.1} s");
    if let Some(Broken { law, moves, story }) = broken.first() {
        panic!("{name}: it does not hold that {law}, after {moves} moves:\n{story}");
    }
    // What takes long to come about may lie beyond where a walk that was cut has come to: another scene must show it.
    assert!(cut || never.is_empty(), "{name}: these never happen: {never:?}");
    note(
        "model",
        json!({"kind": S::NAME, "scene": name, "states": states, "all": !cut, "depth": depth, "plans": plans,
               "seconds": seconds}),
    );
    Walked { states, reached, never }
}

/// Walks through the model of a mutant until it breaks that law.
///
/// # Panics
/// When it does not.
pub(super) fn finds<S: Subject>(subject: S, mutation: Mutation, law: &'static str) {
    let mutant = mutation.name;
    let walked = walk(subject, mutation, ENOUGH, HasDiscoveries::AnyOf([law].into()));
    let Walk { states, seconds, broken, cut, .. } = walked;
    let Some(Broken { moves, .. }) = broken.iter().find(|broken| broken.law == law) else {
        let others: Vec<&str> = broken.iter().map(|broken| broken.law).collect();
        panic!("{}: with {mutant}, it holds that {law}, in {states} states (cut: {cut}); not: {others:?}", S::NAME);
    };
    println!("{}: with {mutant}, it does not hold that {law}: {moves} moves, {states} states, {seconds:.1} s", S::NAME);
    note(
        "mutants",
        json!({"kind": S::NAME, "mutant": mutant, "law": law, "moves": moves, "states": states, "seconds": seconds}),
    );
}
