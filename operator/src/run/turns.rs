//! Which run of a Pipeline has begun, as soon as it is decided.
//!
//! Its Job says so as well, but the cache hears of that a moment later. Of two runs that are planned at the same time each
//! may go before the other one: times of creation have whole seconds, so the later one may have the earlier place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aggregator_crds::PipelineRun;
use kube::ResourceExt;

use super::view::{View, is_over, writes};
use crate::action::{Action, Kind, Plan};
use crate::world::{Cache, World};

/// A namespace, and the name of a Pipeline in it.
type Place = (String, String);

/// The last run of each Pipeline that this process has let begin.
#[derive(Clone, Debug, Default)]
pub struct Turns(Arc<Mutex<HashMap<Place, Holder>>>);

/// A run that was let begin.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Holder {
    name: String,
    uid: String,
}

impl Holder {
    /// Whether it is still on its way.
    fn goes_on(&self, namespace: &str, runs: &Cache<PipelineRun>) -> bool {
        let run = runs.get(namespace, &self.name);
        run.is_some_and(|run| run.metadata.uid.as_deref() == Some(&self.uid) && !is_over(&run))
    }
}

fn place(run: &PipelineRun) -> Place {
    (run.namespace().unwrap_or_default(), run.spec.pipeline_ref.name.clone())
}

impl Turns {
    /// The name of the run that was let begin before this one, and goes on; its own name if it was let begin itself.
    pub(super) fn holder(&self, run: &PipelineRun, runs: &Cache<PipelineRun>) -> Option<String> {
        let place = place(run);
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&place).filter(|holder| holder.goes_on(&place.0, runs)).map(|holder| holder.name.clone())
    }

    /// Lets a run begin, unless another one of its Pipeline was let begin and goes on.
    fn take(&self, run: &PipelineRun, runs: &Cache<PipelineRun>) -> bool {
        let place = place(run);
        let own = Holder { name: run.name_any(), uid: run.uid().unwrap_or_default() };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(&place).is_some_and(|holder| *holder != own && holder.goes_on(&place.0, runs)) {
            return false;
        }
        all.insert(place, own);
        true
    }

    /// Forgets a Pipeline that is gone.
    pub(crate) fn forget(&self, namespace: &str, pipeline: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&(namespace.to_owned(), pipeline.to_owned()));
    }
}

/// Whether a plan may be carried out. One that begins a run may not when another run of the same Pipeline was let begin since
/// the world was looked at.
#[must_use]
pub fn may_begin(world: &World, view: &View, plan: &Plan) -> bool {
    let begins = plan.actions.iter().any(|action| matches!(action, Action::Create { kind: Kind::Job, .. }));
    !(begins && view.jobs.is_empty() && writes(&view.run)) || world.turns.take(&view.run, &world.runs)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::view::observe;
    use super::*;
    use crate::fixture::object;
    use crate::settings::Settings;

    fn run(name: &str, status: &str) -> Arc<PipelineRun> {
        Arc::new(object(json!({
            "apiVersion": aggregator_crds::API_VERSION, "kind": "PipelineRun",
            "metadata": {"name": name, "namespace": "demo", "uid": format!("uid-{name}"),
                         "creationTimestamp": "2026-11-30T10:00:00Z"},
            "spec": {"pipelineRef": {"name": "move"}, "mode": "Full"},
            "status": {"conditions": [{"type": "Succeeded", "status": status, "reason": "Running"}]},
        })))
    }

    fn begins() -> Plan {
        Plan::nothing().then(Action::Create { kind: Kind::Job, object: json!({}) })
    }

    fn ahead(world: &World, run: &Arc<PipelineRun>) -> Option<String> {
        observe(world, run, &Settings::of_tests()).ahead
    }

    /// Whether a run that was looked at in that world begins.
    fn begins_in(world: &World, looked: &World, run: &Arc<PipelineRun>) -> bool {
        may_begin(world, &observe(looked, run, &Settings::of_tests()), &begins())
    }

    #[test]
    fn of_two_that_are_looked_at_at_the_same_time_one_begins_and_keeps_its_turn() {
        let (earlier, later) = (run("b", "Unknown"), run("a", "Unknown"));
        let turns = Turns::default();
        // The later one has the earlier place, and was not seen when the other one was looked at; nobody sees a Job.
        let before = World { runs: Cache::of([earlier.clone()]), turns: turns.clone(), ..World::empty() };
        let world = World { runs: Cache::of([earlier.clone(), later.clone()]), turns, ..World::empty() };
        assert_eq!((ahead(&before, &earlier), ahead(&world, &later)), (None, None), "each goes first");
        assert!(begins_in(&world, &before, &earlier));
        assert!(!begins_in(&world, &world, &later));
        assert_eq!(ahead(&world, &later).as_deref(), Some("b"));
        // The one that has begun may try again, should its write have failed.
        assert_eq!(ahead(&world, &earlier), None);
        assert!(begins_in(&world, &world, &earlier));
        // Nothing but a beginning needs a turn.
        let view = observe(&world, &later, &Settings::of_tests());
        assert!(may_begin(&world, &view, &Plan::nothing()));
    }

    #[test]
    fn a_turn_ends_with_its_run_or_its_pipeline() {
        let (first, second) = (run("b", "Unknown"), run("a", "Unknown"));
        let turns = Turns::default();
        let with = |runs: &[&Arc<PipelineRun>]| World {
            runs: Cache::of(runs.iter().map(|run| Arc::clone(run))),
            turns: turns.clone(),
            ..World::empty()
        };
        assert!(turns.take(&first, &with(&[&first, &second]).runs));
        let another: Arc<PipelineRun> = {
            let mut another = PipelineRun::clone(&first);
            another.metadata.uid = Some("uid-of-another".into());
            Arc::new(another)
        };
        for (world, said) in [
            (with(&[&run("b", "False"), &second]), "its run is over"),
            (with(&[&second]), "its run is gone"),
            (with(&[&another, &second]), "another run has the name"),
        ] {
            assert_eq!(turns.holder(&second, &world.runs), None, "{said}");
        }
        assert!(turns.take(&second, &with(&[&second]).runs));
        assert!(!turns.take(&first, &with(&[&first, &second]).runs));
        turns.forget("demo", "move");
        assert!(turns.take(&first, &with(&[&first, &second]).runs));
    }
}
