//! A Schedule of the calendar: fires every two minutes, runs that end, users who edit it, delete runs, or delete the
//! Schedule and make it anew, and a clock that leaps over fires and goes back.
//!
//! What is assumed, besides what is of all Schedules: the clock does not leap over a fire while anything is behind, and stands
//! still then where users edit; nobody edits where an operator is shown the past.

use serde_json::{Value, json};
use stateright::Property;

use super::laws::{self, Lie};
use super::{active, blocked, end, is_behind, is_idle, is_told, keys, look, of_ours, pipeline, place, runs, schedule};
use crate::action::{Kind, Plan};
use crate::errand::Why;
use crate::labels::MANAGED_BY;
use crate::model::check::{Walked, holds};
use crate::model::object::{Object, Place, time, uid};
use crate::model::server::{Meant, Server};
use crate::model::stage::Stage;
use crate::model::subject::{Bounds, Looked, Scene, Subject};
use crate::model::system::System;
use crate::routes::Key;

/// The seconds between two fires.
const PERIOD: u32 = 120;
/// Fires at the even minutes of an hour, first when the Schedule is made. Those of other hours would only cost time.
const EVEN: &str = "0-58/2 10 * * *";
/// At the others.
pub(super) const ODD: &str = "1-59/2 10 * * *";
/// A run that another Schedule has made, and that ended long ago.
pub(super) const STRANGER: &str = "other-1";
/// What users edit.
const EDITS: &[Edit] = &[
    Edit::Cron(ODD),
    Edit::Suspend(true),
    Edit::Suspend(false),
    Edit::Policy("Replace"),
    Edit::Policy("Allow"),
    Edit::Draft(true),
];

/// A Schedule of the calendar, and who edits it.
pub(super) struct Firing {
    /// What it is about, in a few words.
    pub(super) name: &'static str,
    /// Fields of its spec.
    pub(super) spec: Value,
    pub(super) bounds: Bounds,
    /// What users may edit.
    pub(super) edits: &'static [Edit],
    /// How often.
    pub(super) times: u8,
    /// How many runs they delete.
    pub(super) takes: u8,
}

/// What is edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// When it fires.
    Cron(&'static str),
    /// Whether it is suspended.
    Suspend(bool),
    /// What happens to runs that overlap.
    Policy(&'static str),
    /// Whether the Pipeline is a draft.
    Draft(bool),
    /// The Schedule is deleted.
    Gone,
    /// It is made anew.
    Made,
}

/// What is around it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Around {
    /// How many edits are left.
    pub(super) edits: u8,
    /// How many runs may still be deleted by users.
    pub(super) takes: u8,
    /// How many runs may still fail.
    pub(super) fails: u8,
    /// The minutes of the fires that have, or had, a run, a bit each.
    pub(super) made: u64,
    /// Those of fires whose run a user has deleted before everybody knew what was decided: they may have another one,
    /// or be told to have none.
    pub(super) early: u64,
    /// The first thing that was not as it must be.
    pub(super) lie: Option<Lie>,
}

/// What others do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A run ends, well or badly.
    End(Place, bool),
    /// A user deletes a run.
    Take(Place),
    /// A user edits.
    Edit(Edit),
}

impl Firing {
    /// One that nobody touches.
    pub(super) fn of(name: &'static str, spec: Value, bounds: Bounds) -> Self {
        Self { name, spec, bounds, edits: &[], times: 0, takes: 0 }
    }

    fn schedule(&self) -> Value {
        let mut whole = schedule(&json!({"cron": {"expressions": [EVEN], "timeZone": "UTC"}}));
        crate::model::fields::merged(&mut whole["spec"], &self.spec);
        whole
    }
}

impl Edit {
    fn pipeline() -> Place {
        Place::of(Kind::Pipeline, super::PIPELINE)
    }

    /// Whether it makes a difference.
    fn changes(self, server: &Server) -> bool {
        let there = server.at(place());
        let is = |pointer: &str, value: &Value| there.is_some_and(|schedule| schedule.at(pointer) != value);
        match self {
            Self::Cron(expression) => is("/spec/cron/expressions/0", &expression.into()),
            Self::Suspend(suspend) => there.is_some_and(|schedule| (schedule.at("/spec/suspend") == true) != suspend),
            Self::Policy(policy) => is("/spec/concurrencyPolicy", &policy.into()),
            Self::Draft(draft) => {
                let pipeline = server.at(Self::pipeline());
                pipeline.is_some_and(|pipeline| (pipeline.at("/spec/draft") == true) != draft)
            }
            Self::Gone => there.is_some(),
            Self::Made => there.is_none(),
        }
    }

    /// Does it. The Schedule is made anew as this object says.
    fn take(self, stage: &mut Stage<Around>, object: &Value) -> bool {
        let patch = match self {
            Self::Cron(expression) => json!({"spec": {"cron": {"expressions": [expression]}}}),
            Self::Suspend(suspend) => json!({"spec": {"suspend": suspend}}),
            Self::Policy(policy) => json!({"spec": {"concurrencyPolicy": policy}}),
            Self::Draft(draft) => {
                let patch = json!({"spec": {"draft": draft}});
                return stage.server.merge(Self::pipeline(), &patch, Meant::default(), None, false).is_ok();
            }
            Self::Gone => return stage.server.delete(place(), Meant::default(), false).is_ok(),
            Self::Made => {
                // It is another one, whose fires have no runs.
                (stage.around.made, stage.around.early) = (0, 0);
                return stage.server.create(object, None).is_ok();
            }
        };
        stage.server.merge(place(), &patch, Meant::default(), None, false).is_ok()
    }
}

/// Whether everybody knows what became of a fire.
fn is_known(stage: &Stage<Around>, minute: u32) -> bool {
    let decided = |schedule: Option<Object>| {
        schedule.is_some_and(|schedule| laws::decided_until(schedule) >= time(60 * minute) && !denies(schedule, minute))
    };
    decided(stage.server.at(place())) && stage.operators.iter().all(|operator| decided(operator.cached(place())))
}

/// Whether a Schedule says that a fire has no run: one that it has is noted as soon as it is seen.
fn denies(schedule: Object, minute: u32) -> bool {
    let last = schedule.at("/status/lastDecision");
    let fire = last["fire"].as_str().and_then(|fire| fire.parse().ok());
    last["decision"] != "Started" && fire == Some(time(60 * minute))
}

impl Subject for Firing {
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
        let waits = json!({"pipelineRef": {"name": super::PIPELINE}, "webhook": {"tokenSha256": "0".repeat(64)}});
        let other = of_ours("Schedule", "other", &waits);
        let mut stranger = of_ours("PipelineRun", STRANGER, &json!({"pipelineRef": {"name": super::PIPELINE}}));
        stranger["metadata"]["labels"] = json!({MANAGED_BY.0: MANAGED_BY.1});
        stranger["metadata"]["ownerReferences"] = json!([{
            "apiVersion": aggregator_crds::API_VERSION, "kind": "Schedule", "name": "other",
            "uid": uid(Kind::Schedule, "other", 1), "controller": true,
        }]);
        let end = json!({"type": "Succeeded", "status": "True", "reason": "LedgerBalanced"});
        stranger["status"] = json!({"completionTime": time(0).to_string(), "conditions": [end]});
        vec![pipeline(), other, stranger, self.schedule()]
    }

    fn around(&self) -> Around {
        Around { edits: self.times, takes: self.takes, fails: 1, made: 0, early: 0, lie: None }
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
            let edits = self.edits.iter().filter(|edit| edit.changes(&stage.server));
            steps.extend(edits.map(|edit| Step::Edit(*edit)));
        }
    }

    fn take(&self, stage: &mut Stage<Around>, step: Step) -> bool {
        match step {
            Step::End(run, well) => {
                if !well {
                    stage.around.fails = stage.around.fails.saturating_sub(1);
                }
                end(&mut stage.server, run, well)
            }
            Step::Take(place) => {
                let run = stage.server.at(place);
                if let Some(minute) = run.and_then(laws::fire_of).filter(|minute| !is_known(stage, *minute)) {
                    stage.around.made &= !(1 << minute);
                    stage.around.early |= 1 << minute;
                }
                stage.around.takes -= 1;
                stage.server.delete(place, Meant::default(), false).is_ok()
            }
            Step::Edit(edit) => {
                stage.around.edits -= 1;
                edit.take(stage, &self.schedule())
            }
        }
    }

    fn onward(&self, stage: &Stage<Around>) -> Option<Step> {
        let run = active(&stage.server).into_iter().next()?;
        Some(Step::End(run.place(), run.at("/spec/cancel").is_null()))
    }

    fn moments(&self, stage: &Stage<Around>) -> Vec<u32> {
        let now = stage.clock();
        let passed = now % PERIOD;
        if is_behind(stage) {
            // Users are not as fast as a write that was lost: where there are some, nobody is behind for so long.
            return if passed == 0 && self.times == 0 { vec![now + 20] } else { Vec::new() };
        }
        let next = now - passed + PERIOD;
        let mut moments = vec![next, next + PERIOD];
        if passed < 70 {
            moments.push(now - passed + 70);
        }
        if passed == 0 && now > 0 {
            moments.push(now - 50);
        }
        moments
    }

    fn saw(&self, before: &Stage<Around>, after: &mut Stage<Around>) {
        laws::saw(before, after);
    }

    fn settled(&self, stage: &Stage<Around>) -> bool {
        let Some(schedule) = stage.server.at(place()) else {
            return stage.server.all(Kind::PipelineRun).all(|run| run.name() == STRANGER);
        };
        let open = laws::fires(schedule, laws::decided_until(schedule), time(stage.clock()));
        is_told(schedule) && is_idle(schedule) && open == 0 && laws::is_counted(schedule, &stage.around)
    }

    fn laws(&self) -> Vec<Property<System<Self>>> {
        let mut laws = vec![
            Property::<System<Self>>::always("no fire has two runs", |_, stage| is_true(stage, Lie::Twice)),
            Property::<System<Self>>::always("what is counted is what became of the fires", |_, stage| {
                is_true(stage, Lie::Counts)
            }),
            Property::<System<Self>>::always("what is decided stays so", |_, stage| is_true(stage, Lie::Open)),
            Property::<System<Self>>::always("the next fire that is told is to come", |_, stage| {
                is_true(stage, Lie::Next)
            }),
            Property::<System<Self>>::always("two runs of Forbid never go on at once", |_, stage| {
                is_true(stage, Lie::TwoAtOnce)
            }),
            Property::<System<Self>>::always("a run that is replaced is cancelled first", |_, stage| {
                is_true(stage, Lie::NotReplaced)
            }),
            Property::<System<Self>>::always("a Schedule that is suspended starts nothing", |_, stage| {
                is_true(stage, Lie::Suspended)
            }),
            Property::<System<Self>>::always("only runs that have ended are let go", |_, stage| {
                is_true(stage, Lie::Unended)
            }),
            Property::<System<Self>>::always("runs of others are let be", |_, stage| is_true(stage, Lie::Strange)),
            Property::<System<Self>>::sometimes("a fire has a run", |_, stage| stage.around.made > 0),
        ];
        if self.spec["missedRuns"].is_null() {
            laws.push(Property::<System<Self>>::sometimes("a fire is missed", |_, stage| {
                stage.server.at(place()).is_some_and(|schedule| super::count(schedule, "missed") > 0)
            }));
        }
        laws
    }
}

fn is_true(stage: &Stage<Around>, lie: Lie) -> bool {
    stage.around.lie != Some(lie)
}

/// Scenes in which few things go wrong, so that they are walked through far.
fn scenes() -> Vec<Firing> {
    let forbid = json!({"concurrencyPolicy": "Forbid", "successfulRunsHistoryLimit": 0, "failedRunsHistoryLimit": 0});
    let allow = json!({"concurrencyPolicy": "Allow", "successfulRunsHistoryLimit": 0, "failedRunsHistoryLimit": 1});
    let all = |policy: &str| json!({"concurrencyPolicy": policy, "missedRuns": {"policy": "All", "max": 3}});
    let calm = Bounds { ticks: 2, lag: 1, ..Bounds::CALM };
    let killed = Bounds { crashes: 1, ..calm };
    let late = Bounds { operators: 2, leaders: 1, delays: 1, ticks: 1, ..calm };
    let edited =
        Firing { edits: EDITS, times: 1, ..Firing::of("edited", forbid.clone(), Bounds { ticks: 1, ..killed }) };
    let suspended = &[Edit::Suspend(true), Edit::Suspend(false)];
    let suspended = Firing { edits: suspended, times: 2, ..Firing::of("suspended", forbid.clone(), calm) };
    let again = Bounds { ticks: 1, lag: 2, ..killed };
    let again = Firing { edits: &[Edit::Gone, Edit::Made], times: 2, ..Firing::of("made anew", forbid.clone(), again) };
    let taken = Firing { takes: 1, ..Firing::of("taken away", forbid.clone(), Bounds { losses: 1, ..killed }) };
    vec![
        Firing::of("killed", forbid.clone(), Bounds { crashes: 2, ..calm }),
        // Once: who is shown the past twice may note a fire as skipped whose run it has made itself, until it sees that run.
        Firing::of("shown the past", forbid.clone(), Bounds { pasts: 1, lag: 2, ..calm }),
        Firing::of("lost writes", forbid.clone(), Bounds { losses: 2, relists: 1, lag: 2, ..calm }),
        // With Forbid, a decision may be another one a moment later: one that comes late belies a run made since.
        Firing::of("late decisions", forbid, Bounds { delays: 1, ..calm }),
        Firing::of("late writes", allow.clone(), Bounds { delays: 1, refusals: 1, ..calm }),
        Firing::of("leaders", allow.clone(), Bounds { operators: 2, leaders: 2, ..calm }),
        Firing::of("leaders, and late writes", allow, late),
        Firing::of("replaced", all("Replace"), Bounds { losses: 1, ..killed }),
        Firing::of("queued", all("Queue"), Bounds { ticks: 1, ..killed }),
        edited,
        suspended,
        again,
        taken,
    ]
}

/// Everything goes wrong at once.
fn everything() -> Firing {
    let spec = json!({"concurrencyPolicy": "Forbid", "successfulRunsHistoryLimit": 0, "failedRunsHistoryLimit": 0});
    let bounds = Bounds { crashes: 2, losses: 1, refusals: 1, relists: 1, ticks: 2, lag: 2, ..Bounds::CALM };
    Firing::of("everything", spec, bounds)
}

/// Walks through the scenes, each to so many states, and then on to so many of all together, with those that there are.
pub(super) fn walk(of_a_scene: usize, all: usize, others: Walked) -> Walked {
    let walked = scenes().into_iter().map(|scene| holds(scene, of_a_scene)).sum::<Walked>() + others;
    // Those that are come to, and not walked on from, are looked at as well, and count.
    let left = all.saturating_sub(walked.states) * 6 / 10;
    walked + holds(everything(), left.max(of_a_scene))
}
