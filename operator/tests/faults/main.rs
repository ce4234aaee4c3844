//! The operator under faults: each of its writes, and each of its watches, goes wrong in every way, and what comes of it is what
//! comes of it when nothing goes wrong.
//!
//! ```text
//! workload ─► played three times, undisturbed ─► what it writes, its end, its children
//!          └► played again for each write and each fault ─► the same end, the same children, within 30 s
//! ```
//! The shipped operator runs in this process, against a control plane that is real, or the embedded one: AGGREGATOR_PLANE
//! says which. It is killed by taking it out of the world where it stands. AGGREGATOR_FAULTS=all tries every write with every
//! fault; otherwise a fixed part of these is tried, in which each write and each fault is (`matrix.rs`). Writes that nothing
//! answers, and watches that go wrong for one kind alone, are tried with `all` only.

#![expect(clippy::print_stdout, reason = "the tests say what they have tried")]

mod call;
mod fault;
mod matrix;
mod names;
mod node;
mod others;
mod play;
mod reference;
mod road;
mod runs;
mod scene;
mod schedules;
mod seen;
mod stage;
mod state;
mod wire;
mod worker;
mod workload;

use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregator_tests::figures::times;
use aggregator_tests::reliability::note;
use serde_json::json;
use tokio::task::JoinSet;

use crate::fault::{Fault, WatchFault};
use crate::play::{Played, Wrong, play};
use crate::reference::Reference;
use crate::road::Trouble;
use crate::stage::{Harness, Stage};
use crate::workload::{WORKLOADS, Workload};

/// How often a play is tried in which nothing went wrong: not every write is made every time.
const TRIES: usize = 3;
/// How many writes a play may take: an operator that hears nothing for minutes must not try again all the time.
const MOST_WRITES: usize = 400;
/// One of so many writes may be one that is not made in every undisturbed play: nothing goes wrong with it.
const UNSTEADY: usize = 10;
/// The kinds of which the watch goes wrong alone.
const ALONE: [&str; 4] = ["jobs", "pods", "pipelineruns", "configmaps"];

/// What has come of cases.
#[derive(Default)]
struct Tried {
    /// How long each took to recover.
    recovered: Vec<Duration>,
    /// What went otherwise.
    failures: Vec<String>,
    /// How many writes there are.
    writes: usize,
    /// Those among them that are not made in every undisturbed play.
    unsteady: Vec<String>,
}

impl Tried {
    fn add(&mut self, case: Result<Duration, String>) {
        match case {
            Ok(took) => self.recovered.push(took),
            Err(why) => self.failures.push(why),
        }
    }

    fn add_all(&mut self, other: Self) {
        self.recovered.extend(other.recovered);
        self.failures.extend(other.failures);
        self.writes += other.writes;
        self.unsteady.extend(other.unsteady);
    }

    /// Everything must have gone well.
    fn assert(self, what: &str, begun: Instant) {
        let (all, failed) = (self.recovered.len() + self.failures.len(), self.failures.len());
        println!("{what}: {all} cases in {:.0} s, {failed} failed", begun.elapsed().as_secs_f64());
        println!("from the fault to the end: {}", times(&self.recovered));
        let (writes, unsteady) = (self.writes, self.unsteady.len());
        if unsteady > 0 {
            println!("{unsteady} of {writes} writes are not made every time: {}", self.unsteady.join("; "));
        }
        let shown: Vec<String> = self.failures.into_iter().take(8).collect();
        assert!(failed == 0, "{failed} of {all} cases failed, among them:\n\n{}", shown.join("\n\n"));
        assert!(unsteady * UNSTEADY <= writes, "nothing goes wrong with {unsteady} of {writes} writes");
    }
}

/// A case, tried again when nothing went wrong in it.
async fn case(
    stage: Arc<Stage>,
    workload: &'static Workload,
    mut trouble: Trouble,
    name: String,
    told: impl Fn(&Played, &Trouble, Duration) -> Result<(), String> + Send,
) -> Result<Duration, String> {
    for _ in 0..TRIES {
        match play(Arc::clone(&stage), workload, trouble.clone()).await {
            Ok(played) => {
                let begun = played.hit.map_or(played.ended, |hit| hit.begun);
                let took = played.ended.saturating_duration_since(begun);
                told(&played, &trouble, took).map_err(|why| format!("{name}: {why}"))?;
                return Ok(took);
            }
            Err(Wrong::Missed) => trouble = trouble.instead(),
            Err(Wrong::Otherwise(why)) => return Err(format!("{name}: {why}")),
        }
    }
    Err(format!("{name}: in {TRIES} plays this never came about"))
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Every write of a workload goes wrong in every way.
async fn writes(stage: Arc<Stage>, workload: &'static Workload) -> Result<Tried, String> {
    let reference = Reference::of(&stage, workload).await?;
    let plane = stage.plane;
    let [written, unsteady, masked] = [reference.writes.len(), reference.unsteady.len(), reference.masks.len()];
    let line = json!({
        "plane": plane, "workload": workload.name, "writes": written, "unsteady": unsteady, "masks": masked,
    });
    note("workloads", line);
    let mut cases = JoinSet::new();
    let mut begins = |write: usize, fault: Fault| {
        let mark = reference.writes[write].clone();
        let name = format!("{}, {} at `{mark}` (write {})", workload.name, fault.name(), write + 1);
        let of = Arc::clone(&reference);
        let told = move |played: &Played, trouble: &Trouble, took: Duration| {
            let Trouble::Write(own, _) = trouble else { return Err("it is no write".to_owned()) };
            let since = played.since(own).unwrap_or_default();
            let line = json!({
                "plane": plane, "workload": workload.name, "fault": fault.name(), "k": write + 1,
                "write": own.to_string(), "hit": played.hit.map_or(0, |hit| hit.times),
                "recoveredMs": milliseconds(took), "lostMs": milliseconds(of.lost(own, since)),
            });
            note("faults", line);
            Ok(())
        };
        cases.spawn(case(Arc::clone(&stage), workload, Trouble::Write(mark, fault), name, told));
    };
    for (write, way) in matrix::pairs(written, Fault::ALL.len(), matrix::everything()) {
        begins(write, Fault::ALL[way]);
    }
    // The last one makes a Job, where Jobs are made.
    let mut creations: Vec<usize> = (0..written).filter(|write| reference.writes[*write].is_creation()).collect();
    creations.reverse();
    for write in creations.iter().take(if matrix::everything() { written } else { 1 }) {
        begins(*write, Fault::Unread);
    }
    // Each takes as long as the operator has patience: one write stands for all of a workload.
    if matrix::everything() && written > 0 {
        for fault in Fault::HANGS {
            begins(creations.first().copied().unwrap_or(written / 2), fault);
        }
    }
    let mut tried = all(cases).await;
    tried.writes = written + unsteady;
    tried.unsteady = reference.unsteady.iter().map(|mark| format!("{}, {mark}", workload.name)).collect();
    Ok(tried)
}

/// Whether a watch of a workload goes wrong in a way.
fn is_tried(fault: WatchFault, workload: &Workload, plane: &str) -> bool {
    match fault {
        // What nobody hears does not depend on who does not tell it, and takes minutes.
        WatchFault::HalfOpen => plane == "real" || matrix::everything(),
        // Where each object changes once, nothing can be left out.
        WatchFault::Skip => !["a Connector that expires", "a Schedule's history"].contains(&workload.name),
        _ => true,
    }
}

/// Every watch of a workload goes wrong in every way, lists are refused, an operator is shown the past, and two of them act.
async fn watches(stage: Arc<Stage>, workload: &'static Workload) -> Result<Tried, String> {
    let plane = stage.plane;
    let mut cases = JoinSet::new();
    let mut begins = |fault: String, name: String, trouble: Trouble| {
        let told = move |played: &Played, _: &Trouble, took: Duration| {
            let (hit, written) = (played.hit.map_or(0, |hit| hit.times), played.writes.len());
            let line = json!({
                "plane": plane, "workload": workload.name, "fault": fault, "hit": hit,
                "recoveredMs": milliseconds(took), "writes": written,
            });
            note("watches", line);
            if written > MOST_WRITES {
                return Err(format!("{written} writes: it tries again and again what cannot succeed"));
            }
            Ok(())
        };
        cases.spawn(case(Arc::clone(&stage), workload, trouble, name, told));
    };
    let faults = WatchFault::ALL.into_iter().filter(|fault| is_tried(*fault, workload, plane));
    let (silent, others): (Vec<_>, Vec<_>) = faults.partition(|fault| *fault == WatchFault::HalfOpen);
    // What takes minutes does not wait until it is known how it must end. The others would do so with a turn that others need.
    let mut of = |fault: WatchFault| {
        let (name, trouble) = (fault.name().to_owned(), Trouble::Watch(fault, None));
        begins(name.clone(), format!("{}, {name}", workload.name), trouble);
    };
    silent.into_iter().for_each(&mut of);
    let reference = Reference::of(&stage, workload).await?;
    others.into_iter().for_each(of);
    for (before, after) in matrix::pasts(reference.writes.len(), matrix::everything()) {
        let (before, after) = (reference.writes[before].clone(), reference.writes[after].clone());
        let name = format!("{}, killed, and shown the past: `{before}` after `{after}`", workload.name);
        begins("killed, and shown the past".to_owned(), name, Trouble::Past { before, after });
    }
    let middle = reference.writes.get(reference.writes.len() / 2).cloned();
    for (fault, trouble) in [
        ("500 for the first list of each kind", Trouble::Lists),
        ("a second operator beside", Trouble::Beside { killed: None }),
        ("a second operator beside, one killed", Trouble::Beside { killed: middle }),
    ] {
        begins(fault.to_owned(), format!("{}, {fault}", workload.name), trouble);
    }
    if matrix::everything() {
        for (fault, kind) in alone(&reference) {
            let name = format!("{}, {}, of {kind} alone", workload.name, fault.name());
            begins(format!("{}, of one kind alone", fault.name()), name, Trouble::Watch(fault, Some(kind)));
        }
    }
    Ok(all(cases).await)
}

/// What goes wrong with the watch of one kind alone, and of which.
fn alone(reference: &Reference) -> Vec<(WatchFault, &'static str)> {
    let kinds: Vec<&'static str> = ALONE.into_iter().filter(|kind| reference.tells_of(kind)).collect();
    // Not every kind has objects that change twice in a moment, so that one change can be left out.
    let faults = WatchFault::ALL.into_iter().filter(|fault| *fault != WatchFault::Skip);
    faults.flat_map(|fault| kinds.iter().map(move |kind| (fault, *kind))).collect()
}

async fn all(mut cases: JoinSet<Result<Duration, String>>) -> Tried {
    let mut tried = Tried::default();
    while let Some(case) = cases.join_next().await {
        tried.add(case.unwrap_or_else(|error| Err(format!("a case panicked: {error}"))));
    }
    tried
}

/// All workloads, side by side.
async fn of_all<F>(stage: &Arc<Stage>, cases: fn(Arc<Stage>, &'static Workload) -> F) -> Tried
where
    F: Future<Output = Result<Tried, String>> + Send + 'static,
{
    let mut workloads = JoinSet::new();
    for workload in &WORKLOADS {
        workloads.spawn(cases(Arc::clone(stage), workload));
    }
    let mut all = Tried::default();
    while let Some(of_one) = workloads.join_next().await {
        match of_one {
            Ok(Ok(tried)) => all.add_all(tried),
            Ok(Err(why)) => all.failures.push(why),
            Err(error) => all.failures.push(format!("a workload panicked: {error}")),
        }
    }
    all
}

#[test]
fn each_write_may_go_wrong_in_each_way_and_the_end_is_the_same() {
    let (harness, begun) = (Harness::shared(), Instant::now());
    harness.play(of_all(&harness.stage, writes)).assert("writes", begun);
}

#[test]
fn each_watch_may_go_wrong_in_each_way_and_the_end_is_the_same() {
    let (harness, begun) = (Harness::shared(), Instant::now());
    harness.play(of_all(&harness.stage, watches)).assert("watches", begun);
}
