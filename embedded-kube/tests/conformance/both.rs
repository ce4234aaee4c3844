//! Does every case on both planes, and tells what is not the same.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use futures::{StreamExt, stream};

use crate::allowed::ALLOWED;
use crate::case::Case;
use crate::compare::{Difference, differences};
use crate::planes::{Plane, Planes};
use crate::play::play;

/// How many cases are done at the same time.
const WIDTH: usize = 6;
/// How many differences of a step are shown.
const SHOWN: usize = 25;

/// What has come of all cases.
#[derive(Default)]
pub(crate) struct Outcome {
    /// What is wrong with a case, for each that something is wrong with.
    pub(crate) failures: Vec<String>,
    /// The allowed differences that were seen, by their places in the list.
    pub(crate) seen: BTreeSet<usize>,
}

/// Does them all. The name of a case is told with its family.
pub(crate) async fn compare(planes: &Planes, cases: Vec<(&'static str, Case)>) -> Outcome {
    let done = |(family, case): (&'static str, Case)| {
        one(family, Arc::new(case), Arc::clone(&planes.real), Arc::clone(&planes.embedded))
    };
    let mut all = stream::iter(cases).map(done).buffer_unordered(WIDTH);
    let mut outcome = Outcome::default();
    while let Some(Outcome { failures, seen }) = all.next().await {
        outcome.failures.extend(failures);
        outcome.seen.extend(seen);
    }
    outcome.failures.sort();
    outcome
}

async fn one(family: &'static str, case: Arc<Case>, real: Arc<Plane>, embedded: Arc<Plane>) -> Outcome {
    let name = format!("{family}/{}", case.name);
    let run = |plane: Arc<Plane>| tokio::spawn(play(plane, Arc::clone(&case)));
    let (there, here) = futures::future::join(run(real), run(embedded)).await;
    let (there, here) = match (there, here) {
        (Ok(there), Ok(here)) => (there, here),
        (there, here) => {
            let told = [there.err(), here.err()].into_iter().flatten().map(|error| error.to_string());
            let told = format!("== {name}: it cannot be done\n  {}", told.collect::<Vec<_>>().join("\n  "));
            return Outcome { failures: vec![told], ..Outcome::default() };
        }
    };
    let mut outcome = Outcome::default();
    let mut report = String::new();
    for (step, (there, here)) in case.steps.iter().zip(there.iter().zip(&here)) {
        let mut left = Vec::new();
        let ours = here.to_string();
        for difference in differences(there, here) {
            match ALLOWED.iter().position(|allowed| allowed.covers(&name, &difference, &ours)) {
                Some(place) => {
                    outcome.seen.insert(place);
                }
                None => left.push(difference),
            }
        }
        tell(&mut report, &step.label, &left);
    }
    if !report.is_empty() {
        outcome.failures.push(format!("== {name}\n{report}"));
    }
    outcome
}

fn tell(report: &mut String, step: &str, left: &[Difference]) {
    if left.is_empty() {
        return;
    }
    let shown: Vec<String> = left.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = left.len().saturating_sub(SHOWN);
    let more = if more == 0 { String::new() } else { format!("\n    and {more} more") };
    // Writing to a text does not fail.
    writeln!(report, "  {step}\n{}{more}", shown.join("\n")).unwrap_or_default();
}

/// The allowed differences that no case has shown.
pub(crate) fn stale(outcome: &Outcome) -> Vec<String> {
    let unseen = ALLOWED.iter().enumerate().filter(|(place, _)| !outcome.seen.contains(place));
    unseen.map(|(_, allowed)| allowed.to_string()).collect()
}
