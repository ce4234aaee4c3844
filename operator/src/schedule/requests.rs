//! Requests that make a Schedule fire: each stands in its status before it is answered, and is decided on as any other fire.

use std::collections::BTreeMap;

use aggregator_crds::schedule::{FireRequest, ScheduleStatus, Trigger};
use aggregator_crds::{Schedule, Validate};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::fires::{Due, Fire};
use super::view::View;
use crate::names;

/// How many requests may wait to be decided on.
const UNDECIDED: usize = 16;
/// How many that are decided on stay, to be known when their keys come again.
const KNOWN: usize = 100;
/// How many digits name a request.
const DIGITS: usize = 16;
/// The key of the trigger that requests are of.
pub(super) const WEBHOOK: &str = "webhook";

/// What a request comes to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked {
    /// It was taken before.
    Known(FireRequest),
    /// It is taken once its Schedule has this status.
    New(FireRequest, Box<ScheduleStatus>),
}

/// Why a request is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the Schedule has a mistake: {0}")]
    Invalid(String),
    #[error("the Schedule is suspended")]
    Suspended,
    #[error("{} requests wait to be decided on", UNDECIDED)]
    TooMany,
}

/// What a request comes to, with its key if it has one, and the values of parameters that it brings.
///
/// # Errors
/// [`Refused`], but for one that was taken before.
pub(crate) fn ask(
    schedule: &Schedule,
    key: Option<&str>,
    params: BTreeMap<String, String>,
    now: Timestamp,
) -> Result<Asked, Refused> {
    let uid = schedule.uid().unwrap_or_default();
    let id = match key {
        Some(key) => names::hash(&[&uid, "key", key], DIGITS),
        // Of all writes that are made from one version of a Schedule, one is done.
        None => names::hash(&[&uid, "version", &schedule.resource_version().unwrap_or_default()], DIGITS),
    };
    let mut status = schedule.status.clone().unwrap_or_default();
    if let Some(known) = status.requests.iter().find(|known| known.id == id) {
        return Ok(Asked::Known(known.clone()));
    }
    if let Some(violation) = schedule.validate().first() {
        return Err(Refused::Invalid(violation.to_string()));
    }
    if schedule.spec.suspend {
        return Err(Refused::Suspended);
    }
    if status.requests.iter().filter(|known| !known.decided).count() >= UNDECIDED {
        return Err(Refused::TooMany);
    }
    let time = free(schedule, &status.requests, &id, now);
    let request = FireRequest { id, time, params, decided: false };
    status.requests.push(request.clone());
    Ok(Asked::New(request, Box::new(status)))
}

/// The first time from now on that is no other request's, and gives its run a name of its own.
fn free(schedule: &Schedule, others: &[FireRequest], id: &str, now: Timestamp) -> Timestamp {
    const NEXT: SignedDuration = SignedDuration::from_millis(1);
    let mut time = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
    if let Some(last) = others.iter().map(|other| other.time).max().filter(|last| *last >= time) {
        time = last + NEXT;
    }
    let taken: Vec<String> = others.iter().map(|other| run_name(schedule, other.time, &other.id)).collect();
    while taken.contains(&run_name(schedule, time, id)) {
        time += NEXT;
    }
    time
}

/// The name of the run that a request starts, if it starts one.
pub(crate) fn run_of(schedule: &Schedule, request: &FireRequest) -> String {
    run_name(schedule, request.time, &request.id)
}

fn run_name(schedule: &Schedule, time: Timestamp, id: &str) -> String {
    names::run(&schedule.name_any(), &schedule.uid().unwrap_or_default(), WEBHOOK, time, id)
}

/// Whether somebody has sent a request to a Schedule that is not decided on.
#[must_use]
pub(crate) fn is_asked(schedule: &Schedule) -> bool {
    schedule.status.iter().flat_map(|status| &status.requests).any(|request| !request.decided)
}

impl View {
    fn requests(&self) -> &[FireRequest] {
        self.schedule.status.as_ref().map_or(&[][..], |status| &status.requests)
    }

    /// The fires of those that are not decided on.
    pub(super) fn requested(&self) -> impl Iterator<Item = Fire> {
        let open = self.requests().iter().filter(|request| !request.decided);
        open.map(|request| Fire { at: request.time, event: request.id.clone() })
    }

    /// The request that has made a fire.
    pub(super) fn request(&self, fire: &Fire) -> Option<&FireRequest> {
        self.requests().iter().find(|request| request.id == fire.event)
    }

    /// The request of that time: each has one of its own.
    pub(super) fn request_at(&self, at: Timestamp) -> Option<&FireRequest> {
        self.requests().iter().find(|request| request.time == at)
    }

    /// Whether a Schedule waits for requests.
    pub(super) fn takes_requests(&self) -> bool {
        matches!(self.schedule.spec.trigger, Trigger::Webhook(_))
    }

    /// The requests that are known once these fires are decided on. Who waits for something else remembers none.
    pub(super) fn known_requests(&self, due: &Due) -> Vec<FireRequest> {
        let known = self.requests().iter().map(|request| {
            let decided = request.decided || due.start.iter().any(|fire| fire.event == request.id);
            let params = if decided { BTreeMap::new() } else { request.params.clone() };
            FireRequest { id: request.id.clone(), time: request.time, params, decided }
        });
        let mut known: Vec<FireRequest> = known.collect();
        let most = if self.takes_requests() { KNOWN } else { 0 };
        let mut old = known.iter().filter(|request| request.decided).count().saturating_sub(most);
        known.retain(|request| {
            let goes = request.decided && old > 0;
            old -= usize::from(goes);
            !goes
        });
        known
    }
}
