//! The operator under faults: each of its writes, and each of its watches, goes wrong in every way, and what comes of it is what
//! comes of it when nothing goes wrong.
//!
//! ```text
//! workload ─► played three times, undisturbed ─► what it writes, its end, its children
//!          └► played again for each write and each fault ─► the same end, the same children, within 30 s
//! ```
//! The shipped operator runs in this process, against a control plane that is real, or the embedded one: AGGREGATOR_PLANE
//! says which. It is killed by taking it out of the world where it stands. AGGREGATOR_FAULTS=all tries every write with every
//! fault; otherwise a fixed part of these is tried, in which each write and each fault is (`matrix.rs`).

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

/// What has come of cases.
#[derive(Default)]
struct Tried {
    /// How long each took to recover.
    recovered: Vec<Duration>,
    /// What went otherwise.
    failures: Vec<String>,
}

impl Tried {
    fn add(&mut self, case: Result<Duration, String>) {
        match case {
            Ok(took) => self.recovered.push(took),
            Err(why) => self.failures.push(why),
        }
    }

    /// Everything must have gone well.
    fn assert(self, what: &str, begun: Instant) {
        let (all, failed) = (self.recovered.len() + self.failures.len(), self.failures.len());
        println!("{what}: {all} cases in {:.0} s, {failed} failed", begun.elapsed().as_secs_f64());
        println!("from the fault to the end: {}", times(&self.recovered));
        let shown: Vec<String> = self.failures.into_iter().take(8).collect();
        assert!(failed == 0, "{failed} of {all} cases failed, among them:\n\n{}", shown.join("\n\n"));
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
    let (written, masked) = (reference.writes.len(), reference.masks.len());
    let line = json!({"plane": plane, "workload": workload.name, "writes": written, "masks": masked});
    note("workloads", line);
    let mut cases = JoinSet::new();
    for (write, way) in matrix::pairs(reference.writes.len(), Fault::ALL.len(), matrix::everything()) {
        let (mark, fault) = (reference.writes[write].clone(), Fault::ALL[way]);
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
    }
    Ok(all(cases).await)
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

/// Every watch of a workload goes wrong in every way, and an operator is shown the past.
async fn watches(stage: Arc<Stage>, workload: &'static Workload) -> Result<Tried, String> {
    let plane = stage.plane;
    let mut cases = JoinSet::new();
    let mut begins = |fault: &'static str, name: String, trouble: Trouble| {
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
        begins(fault.name(), format!("{}, {}", workload.name, fault.name()), Trouble::Watch(fault));
    };
    silent.into_iter().for_each(&mut of);
    let reference = Reference::of(&stage, workload).await?;
    others.into_iter().for_each(of);
    for (before, after) in matrix::pasts(reference.writes.len(), matrix::everything()) {
        let (before, after) = (reference.writes[before].clone(), reference.writes[after].clone());
        let name = format!("{}, killed, and shown the past: `{before}` after `{after}`", workload.name);
        begins("killed, and shown the past", name, Trouble::Past { before, after });
    }
    Ok(all(cases).await)
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
            Ok(Ok(tried)) => {
                all.recovered.extend(tried.recovered);
                all.failures.extend(tried.failures);
            }
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
