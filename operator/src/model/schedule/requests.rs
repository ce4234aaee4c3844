//! A Schedule that waits for requests: each that was taken is one fire, whoever is stopped before it is decided on, and also
//! where several operators take them.
//!
//! What is assumed, besides what is of all Schedules: whoever takes a request knows the newest version of the Schedule, since
//! the API server refuses any other.

use std::collections::BTreeMap;

use aggregator_crds::Schedule;
use serde_json::{Value, json};
use stateright::Property;

use super::{
    active, blocked, count, end, is_behind, is_idle, is_told, keys, look, new_runs, pipeline, place, schedule,
};
use crate::action::Plan;
use crate::errand::Why;
use crate::execute::FIELD_MANAGER;
use crate::fixture::object;
use crate::labels;
use crate::model::check::{Walked, holds};
use crate::model::object::{Object, Place, time};
use crate::model::server::{Meant, Server};
use crate::model::stage::Stage;
use crate::model::subject::{Bounds, Looked, Scene, Subject};
use crate::model::system::System;
use crate::routes::Key;
use crate::schedule::{Asked, ask};

/// How many requests come.
const REQUESTS: u8 = 2;

/// A Schedule that waits for requests.
pub(super) struct Waiting {
    /// What it is about, in a few words.
    pub(super) name: &'static str,
    pub(super) bounds: Bounds,
}

/// What is around it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Around {
    /// How many requests were taken.
    taken: u8,
    /// The requests that have, or had, a run, a bit each in their order.
    made: u8,
    /// Whether one of them has got a second run.
    twice: bool,
}

/// What others do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A request comes.
    Ask,
    /// A run ends.
    End(Place),
}

/// The requests that the Schedule knows of.
fn requests(schedule: Object) -> &'static [Value] {
    schedule.at("/status/requests").as_array().map_or(&[][..], Vec::as_slice)
}

/// Those that are decided on, a bit each.
fn decided(schedule: Object) -> u8 {
    let each = requests(schedule).iter().enumerate();
    each.fold(0, |all, (number, request)| all | (u8::from(request["decided"] == true) << number))
}

/// The request that has made a run, as a bit.
fn request_of(server: &Server, run: Object) -> u8 {
    let fire = &run.at("/metadata/annotations")[labels::FIRE];
    let schedule = server.at(place());
    let all = schedule.map_or(&[][..], requests);
    all.iter().position(|request| request["time"] == *fire).map_or(0, |number| 1 << number)
}

/// A request is written down, as `crate::webhook` does it.
fn take(server: &mut Server, number: u8) -> bool {
    let Some(there) = server.at(place()) else { return false };
    let schedule: Schedule = object(there.json().clone());
    let asked = ask(&schedule, Some(&number.to_string()), BTreeMap::new(), time(server.clock));
    let Ok(Asked::New(_, status)) = asked else { return false };
    server.apply(place(), &json!({"status": status}), Meant::default(), FIELD_MANAGER, true).is_ok()
}

impl Subject for Waiting {
    type Around = Around;
    type Step = Step;

    const NAME: &'static str = "Schedule";

    fn scene(&self) -> &'static str {
        self.name
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn objects(&self) -> Vec<Value> {
        let waits = json!({
            "webhook": {"tokenSha256": "0".repeat(64)}, "concurrencyPolicy": "Allow", "successfulRunsHistoryLimit": 0,
        });
        vec![pipeline(), schedule(&waits)]
    }

    fn around(&self) -> Around {
        Around { taken: 0, made: 0, twice: false }
    }

    fn keys(&self) -> Vec<Key> {
        keys()
    }

    fn look(&self, scene: &Scene<'_>) -> Option<Looked> {
        look(scene)
    }

    fn blocked(&self, scene: &Scene<'_>, why: &Why) -> Plan {
        blocked(scene, why)
    }

    fn steps(&self, stage: &Stage<Around>, steps: &mut Vec<Step>) {
        if stage.around.taken < REQUESTS {
            steps.push(Step::Ask);
        }
        steps.extend(active(&stage.server).into_iter().map(|run| Step::End(run.place())));
    }

    fn take(&self, stage: &mut Stage<Around>, step: Step) -> bool {
        let Stage { server, around, .. } = stage;
        match step {
            Step::Ask => {
                let is_taken = take(server, around.taken);
                around.taken += u8::from(is_taken);
                is_taken
            }
            Step::End(run) => end(server, run, true),
        }
    }

    fn onward(&self, stage: &Stage<Around>) -> Option<Step> {
        active(&stage.server).first().map(|run| Step::End(run.place()))
    }

    fn moments(&self, stage: &Stage<Around>) -> Vec<u32> {
        let now = stage.clock();
        if is_behind(stage) { vec![now + 3] } else { vec![now + 3, now + 70] }
    }

    fn saw(&self, before: &Stage<Around>, after: &mut Stage<Around>) {
        for run in new_runs(before, after) {
            let request = request_of(&after.server, run);
            after.around.twice |= after.around.made & request != 0;
            after.around.made |= request;
        }
    }

    fn settled(&self, stage: &Stage<Around>) -> bool {
        let Around { taken, made, .. } = stage.around;
        let schedule = stage.server.at(place()).filter(|schedule| is_told(*schedule) && is_idle(*schedule));
        schedule.is_some_and(|schedule| {
            decided(schedule) == made
                && made.count_ones() == u32::from(taken)
                && count(schedule, "started") == u64::from(taken)
        })
    }

    fn laws(&self) -> Vec<Property<System<Self>>> {
        vec![
            Property::<System<Self>>::always("no request starts two runs", |_, stage| !stage.around.twice),
            Property::<System<Self>>::always("no request is forgotten", |_, stage| {
                let known = stage.server.at(place()).map_or(0, |schedule| requests(schedule).len());
                known == usize::from(stage.around.taken)
            }),
            Property::<System<Self>>::always("what is decided on has a run, and is counted once", |_, stage| {
                stage.server.at(place()).is_none_or(|schedule| {
                    let decided = decided(schedule);
                    decided & !stage.around.made == 0 && count(schedule, "started") == u64::from(decided.count_ones())
                })
            }),
            Property::<System<Self>>::sometimes("two requests of one second start two runs", |_, stage| {
                stage.around.made.count_ones() > 1 && stage.server.clock == 0
            }),
        ]
    }
}

/// Walks through all of it, or so many states of each scene.
pub(super) fn walk(of_a_scene: usize) -> Walked {
    let calm = Bounds { lag: 0, ..Bounds::CALM };
    let faults = Bounds { crashes: 1, losses: 1, relists: 1, ticks: 2, lag: 2, ..Bounds::CALM };
    let leaders = Bounds { operators: 2, leaders: 1, delays: 1, ticks: 1, lag: 2, skew: 5, ..Bounds::CALM };
    let scenes = [
        Waiting { name: "requests, and nothing else", bounds: calm },
        Waiting { name: "requests", bounds: faults },
        Waiting { name: "requests, leaders, and late writes", bounds: leaders },
    ];
    scenes.into_iter().map(|scene| holds(scene, of_a_scene)).sum()
}
