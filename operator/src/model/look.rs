//! What the shipped plans say of what caches hold: asked once for each set of objects and time, and then remembered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::object::{Content, Place, Stored, lock, number, time};
use super::stage::{Operator, Write};
use super::subject::{Bounds, Mutation, Scene, Subject, refusal};
use super::task::Task;
use super::typed::world;
use crate::action::{Action, Kind, Plan};
use crate::pipeline::Checks;
use crate::routes::Key;
use crate::settings::Settings;

/// A plan, as it is remembered.
#[derive(Debug, Default)]
pub(super) struct Planned {
    /// The writes, and whether each names the version that it was planned from.
    writes: Vec<(Task, bool)>,
    /// How many of them are waited for.
    pub(super) awaited: usize,
    /// What is written instead when one is refused.
    blocked: Vec<(Task, bool)>,
    /// When to look again.
    pub(super) again: Option<Duration>,
}

impl Planned {
    /// Whether it says that nothing is to be done.
    pub(super) fn is_nothing(&self) -> bool {
        self.writes.is_empty()
    }

    /// How many writes there are.
    pub(super) fn len(&self) -> usize {
        self.writes.len()
    }

    /// The first of its writes, of the versions that the operator has seen.
    pub(super) fn writes(&self, operator: &Operator, first: usize) -> Vec<Write> {
        self.writes[..first].iter().map(|write| seen(operator, *write)).collect()
    }

    /// What is written instead when one is refused.
    pub(super) fn blocked(&self, operator: &Operator) -> Vec<Write> {
        self.blocked.iter().map(|write| seen(operator, *write)).collect()
    }
}

fn seen(operator: &Operator, (task, versioned): (Task, bool)) -> Write {
    let there = operator.cached(task.place()).filter(|_| versioned);
    Write { task, version: there.map_or(0, |there| there.version) }
}

/// What was looked at: whom, when, whether its plan is known to be gone, and what the caches held.
type Looked = (u8, u32, bool, Box<[u32]>);

/// The plans of one model.
pub(super) struct Plans {
    settings: Settings,
    keys: Vec<Key>,
    known: Mutex<HashMap<Looked, Arc<Planned>>>,
    /// What was found out of Pipelines, by what they and what they name ask for: compiling takes milliseconds.
    checks: Mutex<HashMap<u32, Checks>>,
}

impl Plans {
    pub(super) fn of<S: Subject>(subject: &S) -> Self {
        Self { settings: subject.settings(), keys: subject.keys(), known: Mutex::default(), checks: Mutex::default() }
    }

    /// How many objects are looked at.
    pub(super) fn keys(&self) -> u8 {
        u8::try_from(self.keys.len()).expect("few keys")
    }

    /// Where the object is that is looked at.
    pub(super) fn place(&self, key: u8) -> Place {
        let key = &self.keys[usize::from(key)];
        Place::of(key.kind, &key.name)
    }

    /// How many plans were made.
    pub(super) fn made(&self) -> usize {
        lock(&self.known).len()
    }

    /// What an operator plans for an object, at a second of its clock.
    pub(super) fn of_look<S: Subject>(
        &self,
        (subject, mutation, bounds): (&S, &Mutation, &Bounds),
        operator: &Operator,
        key: u8,
        now: u32,
    ) -> Arc<Planned> {
        let ids = operator.cache.iter().map(|object| object.content.id()).collect();
        let plan_is_gone = !operator.gone.is_empty() && operator.knows_gone(self.place(key));
        let looked: Looked = (key, now, plan_is_gone, ids);
        if let Some(planned) = lock(&self.known).get(&looked) {
            return Arc::clone(planned);
        }
        let contents: Vec<Content> = operator.cache.iter().map(|object| object.content).collect();
        let world = world(&contents, self.checks(&contents));
        let key = &self.keys[usize::from(key)];
        let scene = Scene { world: &world, key, settings: &self.settings, now: time(now), plan_is_gone };
        let planned = subject.look(&scene).map_or_else(Planned::default, |looked| {
            let all = looked.awaited == looked.plan.actions.len();
            let plan = (mutation.plan)(&scene, looked.plan);
            let blocked = if bounds.refusals > 0 { subject.blocked(&scene, &refusal()) } else { Plan::nothing() };
            let awaited = if all { plan.actions.len() } else { looked.awaited.min(plan.actions.len()) };
            Planned {
                awaited,
                again: plan.again,
                writes: plan.actions.iter().map(|action| task(action, operator)).collect(),
                blocked: blocked.actions.iter().map(|action| task(action, operator)).collect(),
            }
        });
        let planned = Arc::new(planned);
        lock(&self.known).insert(looked, Arc::clone(&planned));
        planned
    }

    /// What was found out of Pipelines that ask for the same, with all that they may name.
    fn checks(&self, contents: &[Content]) -> Checks {
        let asked = contents.iter().filter(|content| {
            let kind = content.place().kind();
            kind.is_ours() || kind == Stored::Written(Kind::ConfigMap)
        });
        let asked: Vec<_> = asked
            .map(|content| {
                let json = content.json();
                let metadata = &json["metadata"];
                json!([
                    json["kind"],
                    metadata["name"],
                    metadata["uid"],
                    metadata["generation"],
                    json["spec"],
                    json["data"]
                ])
            })
            .collect();
        let asked = number(&json!(asked).to_string());
        lock(&self.checks).entry(asked).or_default().clone()
    }
}

/// A write as it is remembered. The version that it names must be the one that was seen.
fn task(action: &Action, operator: &Operator) -> (Task, bool) {
    let named = match action {
        Action::Status { target, .. } | Action::Merge { target, .. } | Action::Delete { target, .. } => {
            target.resource_version.as_deref()
        }
        Action::Create { .. } | Action::Apply { .. } => None,
    };
    let task = Task::of(action);
    if let Some(named) = named {
        let there = operator.cached(task.place()).map(|there| there.content.id().to_string());
        assert_eq!(Some(named), there.as_deref(), "{action} names a version that was not seen");
    }
    (task, named.is_some())
}
