//! What is to be done for a Schedule now: a pure decision.

use std::sync::Arc;
use std::time::Duration;

use aggregator_compiler::plural::counted;
use aggregator_crds::condition::{ConditionStatus, ConditionType};
use aggregator_crds::run::{PipelineRevisionRef, PipelineRunSpec, RunMode};
use aggregator_crds::schedule::{
    ConcurrencyPolicy, Decision, FileArrivalTrigger, FireCounts, FireDecision, ScheduleStatus, Trigger,
};
use aggregator_crds::{PipelineRun, Reason, Schedule};
use jiff::{SignedDuration, Timestamp, ToSpan};
use kube::ResourceExt;
use serde_json::json;

use super::backfill::{Filled, fill};
use super::clock;
use super::fires::{Due, Fire, is_fire, of_clock};
use super::look::{Looked, look};
use super::requests::WEBHOOK;
use super::view::View;
use crate::action::{Action, Kind, Plan, Target};
use crate::clock::Clock;
use crate::conditions::{Said, find, kstatus, led_by, renew, seconds};
use crate::errand::Why;
use crate::labels::{self, labels};
use crate::names;
use crate::run;
use crate::settings::Settings;

/// How many runs may go on or wait for one another.
const QUEUE: usize = 100;
/// How many runs that have ended are kept when the Schedule says nothing of it.
const HISTORY: usize = 10;
/// Times of ends have whole seconds, and are seen out of order.
const TOGETHER: SignedDuration = SignedDuration::from_secs(10);
/// How long a run stays at least, so that its fire is known to have been decided.
const AT_LEAST: SignedDuration = SignedDuration::from_secs(60);
/// How many events that were decided on are noted.
const EVENTS: usize = 100;
/// How many coming fires, and how many active runs, the status names.
const NEXT: usize = 5;
const ACTIVE: usize = 50;
/// How many fires that started nothing it tells of.
const DECISIONS: usize = 20;

/// The keys of the triggers whose fires are told by a clock.
const CLOCKS: [&str; 2] = ["cron", "interval"];

/// Why a look may have seen nothing.
const TROUBLE: [Reason; 10] = [
    Reason::LookFailed,
    Reason::TimedOut,
    Reason::Unschedulable,
    Reason::ImagePullFailed,
    Reason::ContainerFailed,
    Reason::Evicted,
    Reason::OutOfMemory,
    Reason::Killed,
    Reason::WorkerFailed,
    Reason::OutcomeLost,
];

/// Which fires are open.
#[derive(Debug, Default)]
struct Open {
    /// Fires up to this time have been decided.
    until: Timestamp,
    /// Those after this one are decided as the Schedule says now.
    after: Timestamp,
    /// Whether it was suspended in between: what came due then is not made up for.
    asleep: bool,
    /// What came due by times that the Schedule had before it was edited, in whole seconds.
    former: Vec<Timestamp>,
}

impl Open {
    /// All fires after a time.
    fn since(until: Timestamp) -> Self {
        Self { until, after: until, ..Self::default() }
    }
}

/// What has been decided, to be written down.
#[derive(Default)]
struct Decided {
    actions: Vec<Action>,
    counts: FireCounts,
    last: Option<FireDecision>,
    /// Fires that started nothing: of looks before, the newest first, and of this one, the newest last.
    before: Vec<FireDecision>,
    unstarted: Vec<FireDecision>,
    /// Runs that go on, with those that were just made.
    active: Vec<String>,
}

/// What goes into the status.
struct Found<'a> {
    clock: &'a Result<Option<Clock>, String>,
    due: &'a Due,
    decided: &'a Decided,
    looked: &'a Looked,
    filled: &'a Filled,
}

/// What is to be done for a Schedule now.
#[must_use]
pub fn plan(view: &View, settings: &Settings, now: Timestamp) -> Plan {
    let schedule = &view.schedule;
    if schedule.metadata.deletion_timestamp.is_some() {
        return Plan::nothing();
    }
    let clock = clock::of(schedule, now);
    let filled = fill(view, clock.as_ref().ok().and_then(Option::as_ref), now);
    let clock = clock.map(|clock| Some(clock::jittered(clock?, schedule)));
    let open = view.open(&clock, clock::made(schedule, now), now);
    let looked = match (&schedule.spec.trigger, &clock) {
        (Trigger::FileArrival(arrival), Ok(_)) => look(view, arrival, settings, now),
        _ => Looked { plan: view.looks.clean(None), ..Looked::default() },
    };
    let due = view.due(&clock, &open, &looked.fires, now);
    let mut decided = view.decide(&due);
    decided.actions.extend(filled.create.clone());
    decided.actions.extend(view.forget(now));
    let found = Found { clock: &clock, due: &due, decided: &decided, looked: &looked, filled: &filled };
    let status = view.status(&found, open.after, settings, now);
    let mut plan = Plan { actions: decided.actions, again: None }.and(looked.plan);
    if schedule.status.as_ref() != Some(&status) {
        plan = plan.then(Action::status(Target::of(Kind::Schedule, &schedule.metadata), &status));
    }
    // Also while it is suspended: what is skipped is recorded in its time.
    match clock.ok().flatten().and_then(|clock| clock.next(now)).or_else(|| view.ahead(now)) {
        Some(next) => plan.again_in(Duration::try_from(next.duration_since(now)).unwrap_or_default()),
        None => plan,
    }
}

/// What is said of a Schedule when a write that it needs is refused again and again.
#[must_use]
pub fn blocked(view: &View, why: &Why, now: Timestamp) -> Plan {
    let schedule = &view.schedule;
    let before = schedule.status.as_ref();
    let said = Said::holds(ConditionType::Ready, false, why.reason, why.message.clone());
    // Which version was looked at is not said: the fires of this one are not decided yet.
    let conditions = before.map_or(&[][..], |status| &status.conditions);
    let conditions = led_by(said, conditions.to_vec(), conditions, schedule.metadata.generation, now);
    let status = ScheduleStatus { conditions, ..before.cloned().unwrap_or_default() };
    if before == Some(&status) {
        return Plan::nothing();
    }
    Plan::nothing().then(Action::status(Target::of(Kind::Schedule, &schedule.metadata), &status))
}

impl View {
    /// Which fires are open.
    ///
    /// Whoever edits something else than when it fires leaves them as they are, and they are decided as the Schedule says now.
    /// Other times begin anew when they are seen: what they would have named before is none of its fires. What came due by
    /// the former ones is known by the next fires that the status has.
    fn open(&self, clock: &Result<Option<Clock>, String>, made: Timestamp, now: Timestamp) -> Open {
        let status = self.schedule.status.as_ref();
        let Some((status, until)) = status.and_then(|status| Some((status, status.decided_until?))) else {
            // The first fire of an interval may be the very moment at which the Schedule was made.
            return Open::since(made - 1.second());
        };
        if status.observed_generation == self.schedule.metadata.generation {
            return Open::since(until);
        }
        // In whole seconds, so that it is the same when it is looked at again.
        let anew = until.max(seconds(now - 1.second()));
        let suspended = find(&status.conditions, ConditionType::Suspended);
        let slept = suspended.is_some_and(|suspended| suspended.status == ConditionStatus::True);
        if !self.fires_as_before(status, clock, until, slept) {
            let next = status.next.iter().filter_map(|next| next.parse::<Timestamp>().ok());
            return Open { until, after: anew, asleep: false, former: next.filter(|at| *at <= now).collect() };
        }
        if slept && !self.schedule.spec.suspend {
            return Open { until, after: anew, asleep: true, former: Vec::new() };
        }
        Open::since(until)
    }

    /// Whether the Schedule fires as it did when its status was written. One that was suspended has named no fires there.
    fn fires_as_before(
        &self,
        status: &ScheduleStatus,
        clock: &Result<Option<Clock>, String>,
        until: Timestamp,
        slept: bool,
    ) -> bool {
        let next_are_same = match clock {
            Ok(Some(clock)) => slept || self.all_shown(clock.upcoming(until, NEXT)) == status.next,
            Ok(None) => true,
            Err(_) => false,
        };
        next_are_same && status.trigger.as_ref() == Some(&self.schedule.spec.trigger.to_string())
    }

    /// The fires that are due.
    fn due(&self, clock: &Result<Option<Clock>, String>, open: &Open, arrived: &[Fire], now: Timestamp) -> Due {
        let Open { until, after, asleep, .. } = *open;
        let mut due = match clock {
            Ok(Some(clock)) => {
                let policy = self.schedule.spec.missed_runs.clone().unwrap_or_default();
                let mut due = of_clock(clock, after, now, &policy);
                if asleep {
                    due.missed += clock.count(until, after);
                    due.last_missed = due.last_missed.or_else(|| clock.latest(until, after, 1).pop());
                }
                due
            }
            Ok(None) => {
                let is_open = |fire: &Fire| !asleep || fire.at > after - TOGETHER || self.made(fire).is_some();
                let since = if asleep { until } else { after };
                let (mut start, skipped): (Vec<Fire>, Vec<Fire>) =
                    self.successes(since, now).into_iter().partition(is_open);
                start.extend_from_slice(arrived);
                let (missed, last_missed) = (skipped.len() as u64, skipped.last().map(|fire| fire.at));
                Due { start, missed, last_missed, asleep }
            }
            Err(_) => Due::default(),
        };
        if clock.is_ok() {
            // Also when it waits for something else now: who has sent one was told that it is taken.
            due.start.extend(self.requested());
        }
        let mut due = self.with_made(Due { asleep, ..due }, clock.as_ref().ok().and_then(Option::as_ref), until, now);
        let is_decided = |at: Timestamp| due.start.iter().any(|fire| seconds(fire.at) == at);
        let former: Vec<Timestamp> = open.former.iter().copied().filter(|at| !is_decided(*at)).collect();
        due.missed += former.len() as u64;
        due.last_missed = due.last_missed.max(former.last().copied());
        due
    }

    /// The same, with the fires whose runs are there: an operator has made them, and died before it could note that. These are
    /// not missed, however late they are noted.
    fn with_made(&self, mut due: Due, clock: Option<&Clock>, until: Timestamp, now: Timestamp) -> Due {
        let made = self.runs.iter().filter_map(|run| {
            let at = fire_of(run).filter(|at| *at > until && *at <= now)?;
            let fire = Fire { at, event: String::new() };
            let is_its = self.made(&fire).is_some_and(|made| made.metadata.name == run.metadata.name);
            (is_its && !due.start.contains(&fire)).then_some(fire)
        });
        let made: Vec<Fire> = made.collect();
        // One of former times was not counted.
        let counted = made.iter().filter(|fire| clock.is_some_and(|clock| is_fire(clock, fire.at)));
        due.missed = due.missed.saturating_sub(counted.count() as u64);
        due.start.extend(made);
        due.start.sort();
        due
    }

    /// Whether the status knows of a fire's run, so that the run may go. Before, it is what keeps the fire from starting another.
    pub(super) fn is_noted(&self, run: &PipelineRun) -> bool {
        let until = self.schedule.status.as_ref().and_then(|status| status.decided_until);
        // A request may be taken by a clock that is behind that of who decides.
        let is_decided = |fire| match self.request_at(fire) {
            Some(request) => request.decided,
            None => until.is_some_and(|until| until >= fire),
        };
        fire_of(run).is_none_or(is_decided)
            && self.unsaid().is_none_or(|(_, unsaid)| unsaid.metadata.name != run.metadata.name)
    }

    /// The run of the last fire, where the status says that it has none: an earlier look has decided so, and its write came late,
    /// when another look had made the run.
    fn unsaid(&self) -> Option<(Timestamp, &Arc<PipelineRun>)> {
        let last = self.schedule.status.as_ref()?.last_decision.as_ref().filter(|last| last.run.is_none())?;
        let fire: Timestamp = last.fire.parse().ok()?;
        self.runs.iter().find_map(|run| {
            let at = fire_of(run)?;
            let event = match self.request_at(at) {
                Some(request) if at == fire => request.id.clone(),
                None if seconds(at) == fire => String::new(),
                _ => return None,
            };
            let made = self.made(&Fire { at, event })?;
            (made.metadata.name == run.metadata.name).then_some((at, run))
        })
    }

    /// The other Pipeline's successes after a time.
    fn successes(&self, after: Timestamp, now: Timestamp) -> Vec<Fire> {
        if !matches!(self.schedule.spec.trigger, Trigger::PipelineSucceeded(_)) {
            return Vec::new();
        }
        let succeeded = self.others.iter().filter_map(|run| {
            let status = run.status.as_ref()?;
            let end = find(&status.conditions, ConditionType::Succeeded)?;
            let at = status.completion_time.filter(|at| *at > after - TOGETHER && *at <= now)?;
            let counts = end.status == ConditionStatus::True && run::writes(run);
            let fire = Fire { at, event: run.uid().unwrap_or_default() };
            // Of those that ended at the same time as the last one, some may have been seen before.
            let new = at > after || !self.is_decided(&fire);
            (counts && new).then_some(fire)
        });
        let mut fires: Vec<Fire> = succeeded.collect();
        fires.sort();
        fires
    }

    /// The first end of the other Pipeline's runs that is still to come by this clock: the one that noted it was ahead.
    fn ahead(&self, now: Timestamp) -> Option<Timestamp> {
        let waits = matches!(self.schedule.spec.trigger, Trigger::PipelineSucceeded(_));
        let ends = self.others.iter().filter_map(|run| run.status.as_ref()?.completion_time);
        ends.filter(|at| waits && *at > now).min()
    }

    /// Whether an event was decided on, and that was noted. One whose run was made, and not noted, is noted still.
    fn is_decided(&self, fire: &Fire) -> bool {
        let noted = self.schedule.status.iter().flat_map(|status| &status.decided_events);
        noted.into_iter().any(|event| *event == fire.event)
    }

    /// The run of a fire, if it is there. That of a clock's fire may have been made when the Schedule had another clock.
    fn made(&self, fire: &Fire) -> Option<&Arc<PipelineRun>> {
        let own = [if self.request(fire).is_some() { WEBHOOK } else { self.schedule.spec.trigger.key() }];
        let keys: &[&str] = if fire.event.is_empty() { &CLOCKS } else { &own };
        keys.iter().find_map(|key| {
            let name = self.name_of(key, fire);
            self.runs.iter().find(|run| run.metadata.name.as_ref() == Some(&name))
        })
    }

    /// The events that are decided on up to that time, as long as they may be seen again.
    fn decided_events(&self, due: &Due, until: Timestamp) -> Vec<String> {
        let before = self.schedule.status.iter().flat_map(|status| &status.decided_events);
        let new = due.start.iter().map(|fire| &fire.event).filter(|event| !event.is_empty());
        let may_be_seen = |event: &String| {
            let ended = |run: &PipelineRun| run.status.as_ref().and_then(|status| status.completion_time);
            self.others.iter().any(|run| run.uid().as_ref() == Some(event) && ended(run) > Some(until - TOGETHER))
        };
        new.chain(before).filter(|event| may_be_seen(event)).take(EVENTS).cloned().collect()
    }

    /// The fires' runs that go on. The past that is read again keeps none of them waiting.
    fn active(&self) -> Vec<&Arc<PipelineRun>> {
        self.runs.iter().filter(|run| run.spec.backfill.is_none() && !run::is_over(run)).collect()
    }

    fn decide(&self, due: &Due) -> Decided {
        let schedule = &self.schedule;
        let before = schedule.status.as_ref();
        let mut decided = Decided {
            counts: before.and_then(|status| status.counts.clone()).unwrap_or_default(),
            last: before.and_then(|status| status.last_decision.clone()),
            before: before.map(|status| status.decisions.clone()).unwrap_or_default(),
            active: self.active().iter().map(|run| run.name_any()).collect(),
            ..Decided::default()
        };
        if let Some((fire, run)) = self.unsaid() {
            decided.takes_back();
            decided.note(self.said(fire, Decision::Started, None, Some(run.name_any())));
        }
        let mut missed = None;
        if due.missed > 0 {
            let (decision, reason) = if schedule.spec.suspend || due.asleep {
                (Decision::Skipped, Reason::Suspended)
            } else {
                (Decision::Missed, Reason::TooLate)
            };
            decided.count(decision, due.missed);
            missed = due.last_missed.map(|at| FireDecision {
                fires: Some(due.missed).filter(|fires| *fires > 1),
                ..self.said(at, decision, Some(reason), None)
            });
            decided.unstarted.extend(missed.clone());
        }
        // One that the next one would cancel at once is not begun.
        let replaced = match schedule.spec.concurrency_policy {
            ConcurrencyPolicy::Replace if !schedule.spec.suspend => due.start.len().saturating_sub(1),
            _ => 0,
        };
        for (number, fire) in due.start.iter().enumerate() {
            if number < replaced && self.made(fire).is_none() {
                decided.note(self.said(fire.at, Decision::Missed, Some(Reason::TooLate), None));
            } else {
                self.decide_one(fire, &mut decided);
            }
        }
        // A run that was made before, and not noted, may be of an earlier fire.
        if due.start.iter().all(|fire| Some(fire.at) < due.last_missed) {
            decided.last = missed.or(decided.last);
        }
        decided.counts.active = Some(decided.active.len() as u64);
        decided
    }

    fn decide_one(&self, fire: &Fire, decided: &mut Decided) {
        let schedule = &self.schedule;
        if let Some(run) = self.made(fire) {
            // It was made, and noting that was cut short.
            decided.note(self.said(fire.at, Decision::Started, None, Some(run.name_any())));
            return;
        }
        let policy = schedule.spec.concurrency_policy;
        let busy = !decided.active.is_empty();
        let refused = match &self.pipeline {
            _ if !self.takes_requests() && self.request(fire).is_some() => Some((Decision::Missed, Reason::TooLate)),
            _ if schedule.spec.suspend => Some((Decision::Skipped, Reason::Suspended)),
            None => Some((Decision::Failed, Reason::PipelineMissing)),
            Some(pipeline) if pipeline.spec.draft => Some((Decision::Failed, Reason::PipelineIsDraft)),
            Some(_) if busy && policy == ConcurrencyPolicy::Forbid => Some((Decision::Skipped, Reason::RunActive)),
            // Runs of one Pipeline follow one another, also where all of them are made.
            Some(_) if policy != ConcurrencyPolicy::Replace && decided.active.len() >= QUEUE => {
                Some((Decision::Skipped, Reason::QueueFull))
            }
            Some(_) => None,
        };
        if let Some((decision, reason)) = refused {
            decided.note(self.said(fire.at, decision, Some(reason), None));
            return;
        }
        let decision = match policy {
            ConcurrencyPolicy::Replace if busy => {
                let old = self.active().into_iter().filter(|run| run.spec.cancel.is_none());
                decided.actions.extend(old.map(|run| Action::Merge {
                    target: Target::of(Kind::PipelineRun, &run.metadata).any_version(),
                    patch: json!({"spec": {"cancel": "Immediate"}}),
                }));
                Decision::Replaced
            }
            ConcurrencyPolicy::Queue if busy => Decision::Queued,
            _ => Decision::Started,
        };
        let run = self.run_of(fire);
        let name = run.name_any();
        decided.actions.push(Action::create(Kind::PipelineRun, &run));
        decided.active.push(name.clone());
        decided.note(self.said(fire.at, decision, None, Some(name)));
    }

    fn run_of(&self, fire: &Fire) -> PipelineRun {
        let mut run = self.run_named(self.name_of(self.schedule.spec.trigger.key(), fire));
        run.metadata.annotations = Some([(labels::FIRE.to_owned(), fire.at.to_string())].into());
        if let Some(request) = self.request(fire) {
            run.spec.params.extend(request.params.clone());
        }
        run
    }

    /// The name of a fire's run, of a trigger of that key.
    fn name_of(&self, trigger: &str, fire: &Fire) -> String {
        let (name, uid) = (self.schedule.name_any(), self.schedule.uid().unwrap_or_default());
        names::run(&name, &uid, trigger, fire.at, &fire.event)
    }

    /// A run of the Schedule's.
    pub(super) fn run_named(&self, name: String) -> PipelineRun {
        let schedule = &self.schedule;
        let pipeline = &schedule.spec.pipeline_ref.name;
        let whose = names::label(&schedule.name_any());
        let own = labels([(labels::SCHEDULE, &whose), (labels::PIPELINE, &names::label(pipeline))]);
        PipelineRun {
            metadata: labels::child_of::<Schedule>(schedule, name, own),
            spec: PipelineRunSpec {
                pipeline_ref: PipelineRevisionRef { name: pipeline.clone(), revision: None },
                mode: RunMode::Incremental,
                params: schedule.spec.params.clone(),
                backfill: None,
                preview: None,
                cancel: None,
            },
            status: None,
        }
    }

    fn said(&self, at: Timestamp, decision: Decision, reason: Option<Reason>, run: Option<String>) -> FireDecision {
        // Several requests may be of one second.
        let fire = if self.request_at(at).is_some() { at.to_string() } else { self.shown(at) };
        FireDecision { fire, decision, reason: reason.map(|reason| reason.to_string()), run, fires: None }
    }

    /// What is said of a Schedule that waits for files.
    fn waits_for_files(&self, arrival: &FileArrivalTrigger, looked: &Looked) -> (bool, Reason, String) {
        if let Some(why) = &looked.why {
            return (false, why.reason, why.message.clone());
        }
        let before = self.schedule.status.as_ref();
        let ready = before.and_then(|status| find(&status.conditions, ConditionType::Ready));
        let just_looked = before.and_then(|status| status.last_look.as_ref()) != looked.last.as_ref();
        if let Some(ready) = ready.filter(|ready| ready.status == ConditionStatus::False && !just_looked)
            && let Some(reason) = TROUBLE.into_iter().find(|reason| reason.as_str() == ready.reason)
        {
            // What the last look met holds until another one has seen more.
            return (false, reason, ready.message.clone());
        }
        let found = looked.last.as_ref().and_then(|last| last.found.as_ref()).map(|found| found.files);
        let seen = found.map_or_else(String::new, |files| format!("; the last look found {}", counted(files, "file")));
        (true, Reason::Waiting, format!("it waits for files of `{}`{seen}", arrival.stream))
    }

    /// A time in the Schedule's zone.
    fn shown(&self, at: Timestamp) -> String {
        let zone = match &self.schedule.spec.trigger {
            Trigger::Cron(cron) => cron.time_zone.as_str(),
            _ => "UTC",
        };
        match jiff::tz::TimeZone::get(zone) {
            Ok(zone) => at.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            Err(_) => at.to_string(),
        }
    }

    fn all_shown(&self, times: Vec<Timestamp>) -> Vec<String> {
        times.into_iter().map(|at| self.shown(at)).collect()
    }

    /// Lets the oldest runs go that the history limits do not keep.
    fn forget(&self, now: Timestamp) -> Vec<Action> {
        let spec = &self.schedule.spec;
        let over: Vec<&Arc<PipelineRun>> = self.runs.iter().rev().filter(|run| run::is_over(run)).collect();
        let (well, badly): (Vec<_>, Vec<_>) = over.into_iter().partition(|run| {
            let conditions = run.status.as_ref().map_or(&[][..], |status| &status.conditions);
            find(conditions, ConditionType::Succeeded).is_some_and(|end| end.status == ConditionStatus::True)
        });
        let limit = |limit: Option<u32>| limit.map_or(HISTORY, |limit| limit as usize);
        let well = well.into_iter().skip(limit(spec.successful_runs_history_limit));
        let badly = badly.into_iter().skip(limit(spec.failed_runs_history_limit));
        let old =
            |run: &PipelineRun| run.creation_timestamp().is_some_and(|time| now.duration_since(time.0) > AT_LEAST);
        let gone =
            well.chain(badly).filter(|run| run.metadata.deletion_timestamp.is_none() && old(run) && self.is_known(run));
        gone.map(|run| Action::Delete {
            target: Target::of(Kind::PipelineRun, &run.metadata).any_version(),
            foreground: false,
        })
        .collect()
    }

    fn status(&self, found: &Found<'_>, after: Timestamp, settings: &Settings, now: Timestamp) -> ScheduleStatus {
        let Found { clock, due, decided, looked, filled } = *found;
        let schedule = &self.schedule;
        let before = schedule.status.as_ref();
        let suspended = schedule.spec.suspend;
        let next = match clock {
            // A clock that went back shows fires that are decided.
            Ok(Some(clock)) if !suspended => clock.upcoming(now.max(after), NEXT),
            _ => Vec::new(),
        };
        let next = self.all_shown(next);
        let (ready, reason, message) = match (clock, &self.pipeline) {
            (Err(error), _) => (false, Reason::Invalid, error.clone()),
            (Ok(_), None) => {
                let name = &schedule.spec.pipeline_ref.name;
                (false, Reason::PipelineMissing, format!("there is no Pipeline `{name}`"))
            }
            (Ok(_), Some(_)) if suspended => {
                (true, Reason::Suspended, "nothing is started while it is suspended".to_owned())
            }
            (Ok(_), Some(pipeline)) if pipeline.spec.draft => {
                (false, Reason::PipelineIsDraft, "a draft is never run".to_owned())
            }
            (Ok(Some(_)), Some(_)) => match next.first() {
                Some(next) => (true, Reason::Scheduled, format!("the next fire is at {next}")),
                None => (false, Reason::NeverFires, "no fire is due within ten years".to_owned()),
            },
            (Ok(None), Some(_)) => match &schedule.spec.trigger {
                Trigger::PipelineSucceeded(other) => {
                    (true, Reason::Waiting, format!("it waits for the next success of the Pipeline `{}`", other.name))
                }
                Trigger::Webhook(_) if settings.webhooks => {
                    (true, Reason::Waiting, "it waits for a request".to_owned())
                }
                Trigger::Webhook(_) => {
                    let message = "the operator listens for no requests: start it with `--webhook-address`";
                    (false, Reason::NoListener, message.to_owned())
                }
                Trigger::FileArrival(arrival) => self.waits_for_files(arrival, looked),
                trigger => (false, Reason::NotSupportedYet, format!("`{}` is not watched yet", trigger.key())),
            },
        };
        let ready = Said::holds(ConditionType::Ready, ready, reason, message);
        let beside = kstatus(&ready);
        let mut said = vec![
            ready,
            if suspended {
                Said::holds(ConditionType::Suspended, true, Reason::Suspended, "nothing is started")
            } else {
                Said::holds(ConditionType::Suspended, false, Reason::Active, "fires start runs")
            },
        ];
        said.extend(filled.said.clone());
        said.extend(beside);
        // Without a fire nothing is written: the time moves on only with what it decides.
        let moved = !due.start.is_empty() || due.missed > 0;
        // Also when the clock went back: what is decided stays so.
        let until = if moved { now.max(after) } else { after };
        let pipeline = &schedule.spec.pipeline_ref.name;
        let is_of_a_fire =
            |run: &&Arc<PipelineRun>| run.spec.backfill.is_none() && run.spec.pipeline_ref.name == *pipeline;
        let last_successful = self.runs.iter().filter(is_of_a_fire).filter_map(|run| {
            let status = run.status.as_ref()?;
            let end = find(&status.conditions, ConditionType::Succeeded)?;
            status.completion_time.filter(|_| end.status == ConditionStatus::True)
        });
        // Also of a run that is gone: the newest one may be deleted before the others.
        let known = before.filter(|status| status.last_successful_pipeline.as_ref() == Some(pipeline));
        let last_successful = last_successful.max().max(known.and_then(|status| status.last_successful_time));
        ScheduleStatus {
            observed_generation: schedule.metadata.generation,
            trigger: Some(schedule.spec.trigger.to_string()),
            decided_until: Some(until),
            decided_events: if moved {
                self.decided_events(due, until)
            } else {
                before.map(|status| status.decided_events.clone()).unwrap_or_default()
            },
            next,
            last_decision: decided.last.clone(),
            decisions: decided.unstarted.iter().rev().chain(&decided.before).take(DECISIONS).cloned().collect(),
            requests: self.known_requests(due),
            last_look: looked.last.clone(),
            backfill: filled.status.clone(),
            filled: filled.filled.clone(),
            last_successful_time: last_successful,
            last_successful_pipeline: last_successful.map(|_| pipeline.clone()),
            active: decided.active.iter().take(ACTIVE).cloned().collect(),
            counts: Some(decided.counts.clone()),
            conditions: renew(before.map_or(&[], |status| &status.conditions), said, schedule.metadata.generation, now),
        }
    }
}

/// The fire that has made a run.
fn fire_of(run: &PipelineRun) -> Option<Timestamp> {
    run.annotations().get(labels::FIRE)?.parse().ok()
}

impl Decided {
    /// What was said of the last fire is not so: it has a run.
    fn takes_back(&mut self) {
        let Some(last) = self.last.take() else { return };
        let counted = match last.decision {
            Decision::Skipped | Decision::Failed => &mut self.counts.skipped,
            Decision::Missed => &mut self.counts.missed,
            Decision::Started | Decision::Queued | Decision::Replaced => return,
        };
        *counted = counted.saturating_sub(1);
        let is_it = |said: &FireDecision| said.fire == last.fire && said.decision == last.decision;
        let Some(index) = self.before.iter().position(is_it) else { return };
        match self.before[index].fires {
            Some(fires @ 2..) => self.before[index].fires = Some(fires - 1).filter(|fires| *fires > 1),
            _ => drop(self.before.remove(index)),
        }
    }

    /// What became of a fire.
    fn note(&mut self, said: FireDecision) {
        self.count(said.decision, 1);
        if said.run.is_none() {
            match self.unstarted.last_mut().filter(|last| last.reason == said.reason) {
                Some(last) => *last = FireDecision { fires: Some(last.fires.unwrap_or(1) + 1), ..said.clone() },
                None => self.unstarted.push(said.clone()),
            }
        }
        self.last = Some(said);
    }

    fn count(&mut self, decision: Decision, fires: u64) {
        match decision {
            Decision::Started | Decision::Queued | Decision::Replaced => self.counts.started += fires,
            Decision::Skipped | Decision::Failed => self.counts.skipped += fires,
            Decision::Missed => self.counts.missed += fires,
        }
    }
}
