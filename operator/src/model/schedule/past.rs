//! A Schedule that reads the past again: every interval is read, and none is said to be read that was not, whatever
//! users edit meanwhile.

use jiff::Timestamp;
use serde_json::{Value, json};
use stateright::Property;

use super::{active, blocked, end, is_behind, is_idle, is_told, keys, look, new_runs, pipeline, place, runs, schedule};
use crate::action::Plan;
use crate::errand::Why;
use crate::model::check::{Walked, holds};
use crate::model::object::{Object, Place};
use crate::model::server::Meant;
use crate::model::stage::Stage;
use crate::model::subject::{Bounds, Looked, Scene, Subject};
use crate::model::system::System;
use crate::routes::Key;

/// The past that is asked for, in half past of hours: two intervals of an hour, or one of two.
const FROM: &str = "2026-11-23T06:30:00Z";
const TO: &str = "2026-11-23T08:30:00Z";
const HOURLY: &str = "30 * * * *";
const EVERY_TWO_HOURS: &str = "30 */2 * * *";
/// Both hours of it.
const ALL: u8 = 0b11;

/// A Schedule that reads the past.
struct Past {
    /// What it is about, in a few words.
    name: &'static str,
    /// When it fires, and when after an edit.
    fires: [&'static str; 2],
    bounds: Bounds,
}

/// What is around it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Around {
    /// The hours that were read with success, a bit each.
    read: u8,
    /// How many edits are left.
    edits: u8,
    /// How many runs may still be deleted by users.
    takes: u8,
    /// How many may still fail.
    fails: u8,
    /// Whether two went on at once.
    both: bool,
}

/// What others do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A run ends, well or badly.
    End(Place, bool),
    /// A user deletes one.
    Take(Place),
    /// A user edits when it fires.
    Edit,
}

/// The hours of an interval.
fn hours(interval: &Value) -> u8 {
    let hour = |field: &str| {
        let at: Option<Timestamp> = interval[field].as_str().and_then(|text| text.parse().ok());
        let from: Timestamp = FROM.parse().expect("a time");
        at.and_then(|at| u32::try_from(at.duration_since(from).as_hours()).ok())
    };
    let (Some(from), Some(to)) = (hour("from"), hour("to")) else { return 0 };
    (from..to.min(u8::BITS)).fold(0, |all, hour| all | (1 << hour))
}

/// What is said of it: nothing yet, or whether it has been read.
fn backfilled(schedule: Object) -> &'static str {
    let mut conditions = schedule.at("/status/conditions").as_array().into_iter().flatten();
    let said = conditions.find(|condition| condition["type"] == "Backfilled");
    said.and_then(|condition| condition["status"].as_str()).unwrap_or("Unknown")
}

impl Subject for Past {
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
        // Every run goes as soon as it may.
        let asks = json!({
            "cron": {"expressions": [self.fires[0]], "timeZone": "UTC"}, "backfill": {"from": FROM, "to": TO},
            "successfulRunsHistoryLimit": 0, "failedRunsHistoryLimit": 0,
        });
        vec![pipeline(), schedule(&asks)]
    }

    fn around(&self) -> Around {
        Around { read: 0, edits: 1, takes: 1, fails: 1, both: false }
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
        for run in active(&stage.server) {
            steps.push(Step::End(run.place(), true));
            if stage.around.fails > 0 {
                steps.push(Step::End(run.place(), false));
            }
        }
        if stage.around.takes > 0 {
            steps.extend(runs(&stage.server).into_iter().map(|run| Step::Take(run.place())));
        }
        if stage.around.edits > 0 {
            steps.push(Step::Edit);
        }
    }

    fn take(&self, stage: &mut Stage<Around>, step: Step) -> bool {
        let Stage { server, around, .. } = stage;
        match step {
            Step::End(run, well) => {
                if well {
                    around.read |= server.at(run).map_or(0, |run| hours(run.at("/spec/backfill")));
                } else {
                    around.fails -= 1;
                }
                end(server, run, well)
            }
            Step::Take(run) => {
                around.takes -= 1;
                server.delete(run, Meant::default(), false).is_ok()
            }
            Step::Edit => {
                around.edits -= 1;
                let patch = json!({"spec": {"cron": {"expressions": [self.fires[1]]}}});
                server.merge(place(), &patch, Meant::default(), None, false).is_ok()
            }
        }
    }

    fn onward(&self, stage: &Stage<Around>) -> Option<Step> {
        active(&stage.server).first().map(|run| Step::End(run.place(), true))
    }

    fn moments(&self, stage: &Stage<Around>) -> Vec<u32> {
        if is_behind(stage) { Vec::new() } else { vec![stage.clock() + 70] }
    }

    fn saw(&self, before: &Stage<Around>, after: &mut Stage<Around>) {
        let new = !new_runs(before, after).is_empty();
        after.around.both |= new && active(&after.server).len() > 1;
    }

    fn settled(&self, stage: &Stage<Around>) -> bool {
        let schedule = stage.server.at(place()).filter(|schedule| is_told(*schedule) && is_idle(*schedule));
        schedule.is_some_and(|schedule| backfilled(schedule) != "Unknown")
    }

    fn laws(&self) -> Vec<Property<System<Self>>> {
        vec![
            Property::<System<Self>>::always("what is kept as read was read", |_, stage| {
                let filled = stage.server.at(place()).and_then(|schedule| schedule.at("/status/filled").as_array());
                filled.into_iter().flatten().all(|interval| hours(interval) & !stage.around.read == 0)
            }),
            Property::<System<Self>>::always("a past that is told as read was read", |_, stage| {
                let told = stage.server.at(place()).map_or("Unknown", backfilled);
                told != "True" || stage.around.read == ALL
            }),
            Property::<System<Self>>::always("one interval is read after the other", |_, stage| !stage.around.both),
            Property::<System<Self>>::sometimes("an hour is read", |_, stage| stage.around.read > 0),
        ]
    }
}

/// Walks through all of it, or so many states of each scene.
pub(super) fn walk(of_a_scene: usize) -> Walked {
    let bounds = Bounds { crashes: 1, ticks: 1, lag: 2, ..Bounds::CALM };
    let rarer = Past { name: "the past, and rarer fires", fires: [HOURLY, EVERY_TWO_HOURS], bounds };
    let denser = Past { name: "the past, and more fires", fires: [EVERY_TWO_HOURS, HOURLY], bounds };
    holds(rarer, of_a_scene) + holds(denser, of_a_scene)
}

#[test]
fn what_is_asked_for_has_two_hours() {
    assert_eq!(hours(&json!({"from": FROM, "to": TO})), ALL);
    assert_eq!(hours(&json!({"from": "2026-11-23T07:30:00Z", "to": TO})), 0b10);
}
