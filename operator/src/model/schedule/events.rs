//! A Schedule that waits for the successes of another Pipeline: each of them is one fire, whatever the clocks show.
//!
//! What is assumed, besides what is of all Schedules: clocks differ by less than ten seconds, are set right once, and nobody is
//! behind for longer than that.

use serde_json::{Value, json};
use stateright::Property;

use super::{
    active, blocked, count, end, is_behind, is_idle, is_over, is_told, keys, look, new_runs, of_ours, pipeline, place,
    schedule,
};
use crate::action::{Kind, Plan};
use crate::errand::Why;
use crate::model::check::{Walked, holds};
use crate::model::object::Place;
use crate::model::server::Server;
use crate::model::stage::Stage;
use crate::model::subject::{Bounds, Looked, Scene, Subject};
use crate::model::system::System;
use crate::routes::Key;

/// The runs of the other Pipeline.
const OTHERS: [&str; 2] = ["o1", "o2"];

/// A Schedule that waits for another Pipeline.
struct After {
    /// What it is about, in a few words.
    name: &'static str,
    bounds: Bounds,
    /// Whether the clock goes back.
    turns: bool,
}

/// What is around it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Around {
    /// How many runs have started.
    made: u8,
    /// Whether the clock goes back no more. Clocks differ by less than ten seconds (`schedule::plan`'s `TOGETHER`), and
    /// so does what one shows before and after it is set right.
    turned: bool,
    /// Whether it went on while somebody was behind: that lasts less than ten seconds, too.
    lagged: bool,
}

/// A run ends: one of the other Pipeline, or one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step(Place);

/// How many of the other Pipeline's runs have succeeded.
fn successes(server: &Server) -> u64 {
    let ended = OTHERS.iter().filter_map(|name| server.get(Kind::PipelineRun, name));
    let well = ended.filter(|run| run.at("/status/conditions/0/status") == "True");
    well.map(|_| 1_u64).sum()
}

/// How many fires have been decided on.
fn decided(server: &Server) -> u64 {
    let kinds = ["started", "skipped", "missed"];
    let counted = |schedule| kinds.into_iter().map(|what| count(schedule, what)).sum::<u64>();
    server.at(place()).map_or(0, counted)
}

impl Subject for After {
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
            "pipelineSucceeded": {"name": "other"}, "concurrencyPolicy": "Allow", "successfulRunsHistoryLimit": 0,
        });
        let others = OTHERS.map(|name| of_ours("PipelineRun", name, &json!({"pipelineRef": {"name": "other"}})));
        [pipeline()].into_iter().chain(others).chain([schedule(&waits)]).collect()
    }

    fn around(&self) -> Around {
        Around { made: 0, turned: !self.turns, lagged: false }
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
        let others = OTHERS.iter().filter_map(|name| stage.server.get(Kind::PipelineRun, name));
        let going = others.filter(|run| !is_over(*run)).chain(active(&stage.server));
        steps.extend(going.map(|run| Step(run.place())));
    }

    fn take(&self, stage: &mut Stage<Around>, Step(run): Step) -> bool {
        end(&mut stage.server, run, true)
    }

    fn onward(&self, stage: &Stage<Around>) -> Option<Step> {
        active(&stage.server).first().map(|run| Step(run.place()))
    }

    fn moments(&self, stage: &Stage<Around>) -> Vec<u32> {
        let (now, around) = (stage.clock(), &stage.around);
        if is_behind(stage) {
            return if around.lagged { Vec::new() } else { vec![now + 3] };
        }
        let back = (!around.turned && now >= 4).then(|| now - 4);
        [now + 3, now + 70].into_iter().chain(back).collect()
    }

    fn saw(&self, before: &Stage<Around>, after: &mut Stage<Around>) {
        let new = u8::try_from(new_runs(before, after).len()).unwrap_or(u8::MAX);
        after.around.made = after.around.made.saturating_add(new);
        after.around.turned |= after.clock() < before.clock();
        after.around.lagged |= after.clock() > before.clock() && is_behind(before);
    }

    fn settled(&self, stage: &Stage<Around>) -> bool {
        let successes = successes(&stage.server);
        let schedule = stage.server.at(place()).filter(|schedule| is_told(*schedule) && is_idle(*schedule));
        schedule.is_some_and(|schedule| count(schedule, "started") == successes)
            && u64::from(stage.around.made) == successes
    }

    fn laws(&self) -> Vec<Property<System<Self>>> {
        vec![
            Property::<System<Self>>::always("no success starts two runs", |_, stage| {
                u64::from(stage.around.made) <= successes(&stage.server)
            }),
            Property::<System<Self>>::always("no success is decided on twice", |_, stage| {
                decided(&stage.server) <= successes(&stage.server)
            }),
            Property::<System<Self>>::sometimes("two successes of one second start two runs", |_, stage| {
                stage.around.made > 1 && stage.server.clock == 0
            }),
        ]
    }
}

/// Walks through all of it, or so many states of each scene.
pub(super) fn walk(of_a_scene: usize) -> Walked {
    let calm = Bounds { lag: 0, ..Bounds::CALM };
    let faults = Bounds { crashes: 1, losses: 1, ticks: 2, lag: 2, ..Bounds::CALM };
    let leaders = Bounds { operators: 2, leaders: 2, losses: 1, ticks: 1, lag: 2, skew: 5, ..Bounds::CALM };
    let scenes = [
        After { name: "successes, and nothing else", bounds: calm, turns: false },
        After { name: "successes", bounds: faults, turns: true },
        After { name: "successes, and clocks that differ", bounds: leaders, turns: false },
    ];
    scenes.into_iter().map(|scene| holds(scene, of_a_scene)).sum()
}
