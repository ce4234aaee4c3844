//! How a workload goes when nothing goes wrong: played several times, because not everything is the same every time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::play::{Played, Wrong, play};
use crate::road::{Mark, Trouble};
use crate::stage::Stage;
use crate::state::{State, is_masked};
use crate::workload::Workload;

/// How often it is played.
const PLAYS: usize = 3;

/// How a workload goes when nothing goes wrong.
pub(crate) struct Reference {
    pub(crate) workload: &'static Workload,
    /// What the operator writes every time, in its order.
    pub(crate) writes: Vec<Mark>,
    /// What it writes at times: nothing of that goes wrong.
    pub(crate) unsteady: Vec<Mark>,
    /// What comes of it.
    state: State,
    /// Fields that are not the same every time.
    pub(crate) masks: BTreeSet<String>,
    /// How long it is from each write to the end.
    from: BTreeMap<Mark, Duration>,
}

impl Reference {
    /// That of a workload, which is found out once.
    pub(crate) async fn of(stage: &Arc<Stage>, workload: &'static Workload) -> Result<Arc<Self>, String> {
        let cell = {
            let mut all = stage.references.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(workload.name).or_default())
        };
        let found = cell.get_or_try_init(|| async move { Self::find(stage, workload).await.map(Arc::new) }).await;
        found.cloned()
    }

    async fn find(stage: &Arc<Stage>, workload: &'static Workload) -> Result<Self, String> {
        let plays = (0..PLAYS).map(|_| play(Arc::clone(stage), workload, Trouble::Nothing));
        let mut played = Vec::with_capacity(PLAYS);
        for play in futures::future::join_all(plays).await {
            played.push(play.map_err(|wrong| match wrong {
                Wrong::Missed => "nothing was to go wrong".to_owned(),
                Wrong::Otherwise(why) => format!("{}, undisturbed: {why}", workload.name),
            })?);
        }
        Self::over(workload, &played)
    }

    fn over(workload: &'static Workload, played: &[Played]) -> Result<Self, String> {
        let Some((first, others)) = played.split_first() else { return Err("it was not played".to_owned()) };
        let mut masks = BTreeSet::new();
        for other in others {
            masks.extend(first.state.unlike(&other.state));
            if (&other.state.counts, other.state.commits) != (&first.state.counts, first.state.commits) {
                let differs = other.state.differences(&first.state, &masks, false);
                return Err(format!("{}: undisturbed plays differ: {}", workload.name, differs.join("; ")));
            }
        }
        masks.retain(|path| !is_masked(path));
        // What is there, and what was asked for, is the same every time.
        if let Some(path) = masks.iter().find(|path| !path.contains("/status/")) {
            return Err(format!("{}: undisturbed plays differ in {path}", workload.name));
        }
        let marks = |play: &Played| play.writes.iter().map(|write| write.mark.clone()).collect::<BTreeSet<_>>();
        let sets: Vec<BTreeSet<Mark>> = played.iter().map(marks).collect();
        let always = |mark: &Mark| sets.iter().all(|set| set.contains(mark));
        let writes: Vec<Mark> = first.writes.iter().map(|write| write.mark.clone()).filter(always).collect();
        let any: BTreeSet<&Mark> = sets.iter().flatten().collect();
        let unsteady = any.into_iter().filter(|mark| !always(mark)).cloned().collect();
        let from = |mark: &Mark| {
            let mut times: Vec<Duration> = played.iter().filter_map(|play| play.since(mark)).collect();
            times.sort();
            times.get(times.len() / 2).copied().unwrap_or_default()
        };
        let from = writes.iter().map(|mark| (mark.clone(), from(mark))).collect();
        Ok(Self { workload, writes, unsteady, state: first.state.clone(), masks, from })
    }

    /// Whether the operator's watch of a kind has objects to tell of.
    pub(crate) fn tells_of(&self, resource: &str) -> bool {
        let kind = match resource {
            "pipelineruns" => "PipelineRun/",
            "configmaps" => "ConfigMap/",
            // Pods are those of Jobs.
            _ => "Job/",
        };
        // What every namespace has is not watched.
        self.state.counts.keys().any(|name| name.starts_with(kind) && !name.ends_with("/kube-root-ca.crt"))
    }

    /// What of a state is not as it must be; `again` is whether errands may have been done again.
    pub(crate) fn differences(&self, found: &State, again: bool) -> Vec<String> {
        found.differences(&self.state, &self.masks, again && self.workload.errands)
    }

    /// How much longer it took from a write to the end than when nothing goes wrong.
    pub(crate) fn lost(&self, mark: &Mark, took: Duration) -> Duration {
        took.saturating_sub(self.from.get(mark).copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::road::Write;
    use crate::workload::WORKLOADS;

    fn played(marks: &[(&str, usize)]) -> Played {
        let begun = Instant::now();
        let write = |(what, nth): &(&str, usize)| {
            let mark = Mark { what: (*what).to_owned(), nth: *nth };
            Write { mark, by: 0, begun, answered: None }
        };
        let counts = [("ConfigMap/kube-root-ca.crt".to_owned(), (1, 0)), ("Job/first".to_owned(), (1, 0))];
        let state = State { counts: counts.into(), ..State::default() };
        Played { state, writes: marks.iter().map(write).collect(), hit: None, ended: begun }
    }

    #[test]
    fn what_is_not_written_every_time_is_told_apart() {
        let often = [("create jobs first", 1), ("status pipelineruns first", 1), ("status pipelineruns first", 2)];
        let plays = [played(&often[..2]), played(&often), played(&often)];
        let reference = Reference::over(&WORKLOADS[0], &plays).expect("they have one end");
        let words = |marks: &[Mark]| marks.iter().map(Mark::to_string).collect::<Vec<String>>();
        assert_eq!(words(&reference.writes), ["create jobs first", "status pipelineruns first"]);
        assert_eq!(words(&reference.unsteady), ["status pipelineruns first (2)"]);
        let told = ["jobs", "pods", "pipelineruns", "configmaps"].map(|resource| reference.tells_of(resource));
        assert_eq!(told, [true, true, false, false]);
    }
}
