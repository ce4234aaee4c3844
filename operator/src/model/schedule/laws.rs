//! What must hold of fires: told from what the API server keeps, by counting them otherwise than the operator does.

use jiff::{SignedDuration, Timestamp};

use super::clock::{Around, ODD, STRANGER};
use super::{active, count, is_over, is_told, new_runs, observed, place, runs};
use crate::action::Kind;
use crate::labels;
use crate::model::object::{Object, time};
use crate::model::server::Server;
use crate::model::stage::Stage;

/// What a move has shown that must never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lie {
    /// A second run of a fire was made.
    Twice,
    /// What was counted is not what became of the fires.
    Counts,
    /// What was decided is open again.
    Open,
    /// The next fire that is told is one that is decided.
    Next,
    /// Two of Forbid go on at once.
    TwoAtOnce,
    /// One of Replace goes on beside the next.
    NotReplaced,
    /// A run was made while nothing is to be started.
    Suspended,
    /// A run that goes on was deleted.
    Unended,
    /// A run of somebody else was deleted.
    Strange,
}

/// The fire that made a run, by its minute.
pub(super) fn fire_of(run: Object) -> Option<u32> {
    let at: Timestamp = run.at("/metadata/annotations")[labels::FIRE].as_str()?.parse().ok()?;
    let minute = at.duration_since(time(0)).as_secs() / 60;
    u32::try_from(minute).ok().filter(|minute| *minute < u64::BITS)
}

/// The fires of a Schedule after a time and up to another: a bit for the minute of each.
pub(super) fn fires(schedule: Object, after: Timestamp, until: Timestamp) -> u64 {
    every_other(is_odd(schedule), after, until)
}

/// Whether it fires at the odd minutes.
fn is_odd(schedule: Object) -> bool {
    schedule.text("/spec/cron/expressions/0") == ODD
}

fn every_other(odd: bool, after: Timestamp, until: Timestamp) -> u64 {
    let minutes = (0..30).map(|number| 2 * number + u32::from(odd));
    let due = minutes.filter(|minute| time(60 * *minute) > after && time(60 * *minute) <= until);
    due.fold(0, |all, minute| all | (1 << minute))
}

/// All minutes after a time and up to another.
fn within(after: Timestamp, until: Timestamp) -> u64 {
    let minutes = (0..u64::BITS).filter(|minute| time(60 * *minute) > after && time(60 * *minute) <= until);
    minutes.fold(0, |all, minute| all | (1 << minute))
}

/// Fires up to this time are decided.
pub(super) fn decided_until(schedule: Object) -> Timestamp {
    let made: Timestamp = schedule.text("/metadata/creationTimestamp").parse().unwrap_or(time(0));
    schedule.text("/status/decidedUntil").parse().unwrap_or(made - SignedDuration::from_secs(1))
}

/// The fires that a new status has to decide on.
///
/// What came due by former times is decided with the edit, and new times begin when they are seen; the clock never shows a
/// time just after one of them. Whoever was edited before anybody saw it has no former times.
fn due(was: Object, is: Object, from: Timestamp, until: Timestamp) -> u64 {
    let edited = observed(was).is_some() && observed(was) != observed(is);
    // At first it fires at the even minutes, and it is edited once where others may take their place.
    every_other(is_odd(is) && !edited, from, until)
}

/// Whether as many fires are said to have started as have a run, or had one.
pub(super) fn is_counted(schedule: Object, around: &Around) -> bool {
    let decided = within(time(0) - SignedDuration::from_secs(1), decided_until(schedule));
    let (ran, may_have_run) = (decided & around.made, decided & (around.made | around.early));
    (number(ran)..=number(may_have_run)).contains(&count(schedule, "started"))
}

fn number(fires: u64) -> u64 {
    u64::from(fires.count_ones())
}

/// Notes what a move has shown.
pub(super) fn saw(before: &Stage<Around>, after: &mut Stage<Around>) {
    if before.server.objects == after.server.objects {
        return;
    }
    let mut lies = Vec::new();
    let arrived = before.flying.len() > after.flying.len();
    for run in new_runs(before, after) {
        let Some(minute) = fire_of(run) else { continue };
        let fire: u64 = 1 << minute;
        let around = &mut after.around;
        if around.made & fire != 0 {
            lies.push(Lie::Twice);
        }
        around.made |= fire;
        around.early &= !fire;
        // One that comes late was planned when all was otherwise.
        if !arrived {
            lies.extend(begun(&after.server, run));
        }
    }
    let schedules = (before.server.at(place()), after.server.at(place()));
    if let (Some(was), Some(is)) = schedules
        && was.uid() == is.uid()
        && was.at("/status") != is.at("/status")
    {
        lies.extend(told(was, is, &after.around, arrived));
    }
    lies.extend(gone(before, after));
    let around = &mut after.around;
    around.lie = around.lie.or(lies.first().copied());
}

/// What a new run shows, where the operator knew the Schedule as it stands.
fn begun(server: &Server, run: Object) -> Option<Lie> {
    let schedule = server.at(place()).filter(|schedule| is_told(*schedule))?;
    if schedule.at("/spec/suspend") == true {
        return Some(Lie::Suspended);
    }
    let mut others = active(server);
    others.retain(|other| other.place() != run.place());
    match schedule.text("/spec/concurrencyPolicy") {
        "Forbid" if !others.is_empty() => Some(Lie::TwoAtOnce),
        "Replace" if others.iter().any(|other| other.at("/spec/cancel").is_null()) => Some(Lie::NotReplaced),
        _ => None,
    }
}

/// What a new status shows.
fn told(was: Object, is: Object, around: &Around, arrived: bool) -> Option<Lie> {
    let (from, until) = (decided_until(was), decided_until(is));
    if until < from {
        return Some(Lie::Open);
    }
    let counts = |schedule| ["started", "skipped", "missed"].map(|what| count(schedule, what));
    let all = |schedule| counts(schedule).into_iter().sum::<u64>();
    let (due, between) = (due(was, is, from, until), within(from, until));
    let (ran, may_have_run) = (between & around.made, between & (around.made | around.early));
    let decided = all(is).checked_sub(all(was));
    let is_whole = decided.is_some_and(|it| (number(due | ran)..=number(due | may_have_run)).contains(&it));
    // One that comes late may belie a run that was made since: the next one that counts mends that.
    let counts_anew = counts(was) != counts(is);
    if !is_whole || (counts_anew && !arrived && !is_counted(is, around)) {
        return Some(Lie::Counts);
    }
    let next = is.at("/status/next/0").as_str().and_then(|next| next.parse::<Timestamp>().ok());
    next.is_some_and(|next| next <= until).then_some(Lie::Next)
}

/// What runs that are gone show. Besides the operator, a user deletes runs, and the garbage collector those of a
/// Schedule that is gone.
fn gone(before: &Stage<Around>, after: &Stage<Around>) -> Option<Lie> {
    if after.server.get(Kind::PipelineRun, STRANGER).is_none() {
        return Some(Lie::Strange);
    }
    let taken = before.around.takes != after.around.takes;
    let is_there = |run: &Object| after.server.at(run.place()).is_some_and(|there| there.uid() == run.uid());
    let unended = runs(&before.server).into_iter().any(|run| !is_over(run) && !is_there(&run));
    (unended && !taken).then_some(Lie::Unended)
}
