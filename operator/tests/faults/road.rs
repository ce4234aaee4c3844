//! The road between an operator and the API server. What the operator writes is numbered here, and one thing goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body as Answered, Bytes, to_bytes};
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::BoxError;

use crate::call::{Call, Verb, parameter};
use crate::fault::{Fault, WatchFault, refused};
use crate::scene::Scene;
use crate::wire::{Wire, disturbed};

/// An operator has said what it had to say when it has not written for so long.
const REST: Duration = Duration::from_millis(250);
/// How long that is waited for.
const RESTLESS: Duration = Duration::from_secs(3);
/// How long a late write is held when nothing repeats it.
const LATE: Duration = Duration::from_secs(3);
/// How long an API server that lags tells nothing.
const LAG: Duration = Duration::from_millis(1500);

type Answer = Result<Response<Answered>, BoxError>;

/// A write of a workload: what it is, and which of several that are alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) what: String,
    pub(crate) nth: usize,
}

impl Mark {
    /// What is tried instead when it was not written: how often a status is written depends on how much of what has happened is
    /// seen at a time.
    fn instead(&self) -> Self {
        let fewer = if self.what.starts_with("status ") { self.nth.saturating_sub(1).max(1) } else { self.nth };
        Self { what: self.what.clone(), nth: fewer }
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.what)?;
        if self.nth > 1 { write!(out, " ({})", self.nth) } else { Ok(()) }
    }
}

/// A write that was made.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) mark: Mark,
    pub(crate) begun: Instant,
    /// When it was answered, and with which code; 0 for a broken connection.
    pub(crate) answered: Option<(Instant, u16)>,
}

/// What is to go wrong.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    Nothing,
    /// One write.
    Write(Mark, Fault),
    /// Every watch.
    Watch(WatchFault),
    /// The operator is killed after one write, and the next one is shown what was there before another one.
    Past {
        before: Mark,
        after: Mark,
    },
}

impl Trouble {
    /// What is tried instead when it did not come about.
    pub(crate) fn instead(self) -> Self {
        match self {
            Self::Write(mark, fault) => Self::Write(mark.instead(), fault),
            Self::Past { before, after } => Self::Past { before, after: after.instead() },
            other => other,
        }
    }
}

/// What went wrong, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit {
    /// How often.
    pub(crate) times: u64,
    /// When first.
    pub(crate) begun: Instant,
    /// Since when nothing goes wrong any more.
    pub(crate) over: Option<Instant>,
}

/// The road of one play.
pub(crate) struct Road {
    base: Client,
    scene: Arc<Scene>,
    trouble: Trouble,
    writes: Mutex<Vec<Write>>,
    hit: Mutex<Option<Hit>>,
    /// The operator was killed.
    pub(crate) killed: Notify,
    /// The write that is held, was repeated.
    repeated: Notify,
    /// How many connections of each watch there were.
    watches: Mutex<BTreeMap<String, u32>>,
    /// The kinds whose versions are too old to go on from.
    gone: Mutex<BTreeSet<String>>,
    /// What an API server that lags answers to a list, by its path.
    past: Mutex<BTreeMap<String, Bytes>>,
    operators: AtomicU32,
}

/// The road as one operator process has it, until that is killed.
#[derive(Clone)]
pub(crate) struct Lane {
    road: Arc<Road>,
    dead: CancellationToken,
    /// Which operator of the play it is, from 0.
    number: u32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn broken(why: &str) -> BoxError {
    io::Error::new(io::ErrorKind::ConnectionReset, format!("a fault of the test: {why}")).into()
}

impl Road {
    pub(crate) fn new(scene: Arc<Scene>, trouble: Trouble) -> Self {
        Self {
            base: scene.stage.client.clone(),
            scene,
            trouble,
            writes: Mutex::default(),
            hit: Mutex::default(),
            killed: Notify::new(),
            repeated: Notify::new(),
            watches: Mutex::default(),
            gone: Mutex::default(),
            past: Mutex::default(),
            operators: AtomicU32::new(0),
        }
    }

    /// The road for the next operator.
    pub(crate) fn lane(self: &Arc<Self>) -> Lane {
        let number = self.operators.fetch_add(1, Ordering::Relaxed);
        Lane { road: Arc::clone(self), dead: CancellationToken::new(), number }
    }

    /// What was written.
    pub(crate) fn writes(&self) -> Vec<Write> {
        lock(&self.writes).clone()
    }

    /// What went wrong.
    pub(crate) fn hit(&self) -> Option<Hit> {
        *lock(&self.hit)
    }

    /// When something was written last.
    pub(crate) fn wrote(&self) -> Option<Instant> {
        let writes = lock(&self.writes);
        writes.iter().map(|write| write.answered.map_or(write.begun, |(at, _)| at)).max()
    }

    /// Waits until the operator has said what it had to say.
    pub(crate) async fn rests(&self) {
        let begun = Instant::now();
        while begun.elapsed() < RESTLESS {
            let since = self.wrote().map_or(begun, |wrote| wrote.max(begun)).elapsed();
            let Some(left) = REST.checked_sub(since).filter(|left| !left.is_zero()) else { return };
            tokio::time::sleep(left).await;
        }
    }

    /// Something goes wrong so many times.
    pub(crate) fn strikes(&self, times: u64) {
        if times == 0 {
            return;
        }
        let mut hit = lock(&self.hit);
        match hit.as_mut() {
            Some(hit) => hit.times += times,
            None => *hit = Some(Hit { times, begun: Instant::now(), over: None }),
        }
    }

    /// What went wrong does so no more.
    pub(crate) fn calms(&self) {
        if let Some(hit) = lock(&self.hit).as_mut() {
            hit.over = Some(Instant::now());
        }
    }

    /// No watch of a kind may go on from its version, until there was another list.
    pub(crate) fn forgets(&self, resource: &str) {
        lock(&self.gone).insert(resource.to_owned());
    }

    /// A write begins: its place in the list, and what it is.
    fn begins(&self, what: String) -> (usize, Mark) {
        let mut writes = lock(&self.writes);
        let nth = writes.iter().filter(|write| write.mark.what == what).count() + 1;
        let mark = Mark { what, nth };
        writes.push(Write { mark: mark.clone(), begun: Instant::now(), answered: None });
        (writes.len() - 1, mark)
    }

    fn ends(&self, place: usize, code: u16) {
        let mut writes = lock(&self.writes);
        writes[place].answered = Some((Instant::now(), code));
        if let Trouble::Write(held, Fault::Delayed) = &self.trouble {
            let mark = &writes[place].mark;
            if mark.what == held.what && mark.nth > held.nth {
                self.repeated.notify_one();
            }
        }
    }

    /// Sends a write when the one that repeats it has been answered.
    fn send_late(self: &Arc<Self>, request: Request<Body>) {
        let road = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::timeout(LATE, road.repeated.notified()).await.unwrap_or_default();
            // Whether it is taken is up to the API server.
            road.base.send(request).await.map(drop).unwrap_or_default();
            road.calms();
        });
    }

    /// Takes lists as they are now, to be shown later.
    async fn remember(&self) -> Result<(), BoxError> {
        let paths: Vec<String> = lock(&self.past).keys().cloned().collect();
        for path in paths {
            let request = Request::get(&path).body(Body::empty())?;
            let list = Answered::new(self.base.send(request).await?.into_body());
            let list = to_bytes(list, usize::MAX).await?;
            lock(&self.past).insert(path, list);
        }
        Ok(())
    }
}

impl Lane {
    /// Answers a request of the operator, as long as that lives.
    pub(crate) async fn answer(self, request: Request<Body>) -> Answer {
        let forward = self.forward(request);
        let answer = self.dead.run_until_cancelled(forward).await;
        answer.unwrap_or_else(|| Err(broken("the operator was killed")))
    }

    async fn forward(&self, request: Request<Body>) -> Answer {
        let Some(call) = Call::of(request.method(), request.uri()) else { return self.send(request).await };
        match call.verb {
            _ if call.is_write() => self.write(&call, request).await,
            Verb::Watch => self.watch(&call, request).await,
            Verb::List => self.list(&call, request).await,
            _ => self.send(request).await,
        }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        Ok(self.road.base.send(request).await?.map(Answered::new))
    }

    async fn write(&self, call: &Call, request: Request<Body>) -> Answer {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await?;
        let road = &self.road;
        let (place, mark) = road.begins(road.scene.names.masked(&call.words(&parts, &body)));
        let request = || Request::from_parts(parts.clone(), Body::from(body.clone()));
        let answer = match &road.trouble {
            Trouble::Write(wrong, fault) if *wrong == mark => self.goes_wrong(*fault, &request).await,
            // Of a workload that writes once, the past is what was there at the beginning.
            Trouble::Past { after, .. } if *after == mark => {
                road.strikes(1);
                self.send(request()).await?;
                self.is_killed().await
            }
            Trouble::Past { before, .. } if *before == mark => {
                road.remember().await?;
                self.send(request()).await
            }
            _ => self.send(request()).await,
        };
        road.ends(place, answer.as_ref().map_or(0, |answer| answer.status().as_u16()));
        answer
    }

    async fn goes_wrong(&self, fault: Fault, request: &(impl Fn() -> Request<Body> + Sync)) -> Answer {
        self.road.strikes(1);
        let answer = match fault {
            Fault::CrashBefore => self.is_killed().await,
            Fault::CrashAfter => {
                self.send(request()).await?;
                self.is_killed().await
            }
            Fault::ReplyLost => {
                self.send(request()).await?;
                Err(broken("the answer is lost"))
            }
            Fault::Dropped => Err(broken("the request is lost")),
            Fault::Duplicated => {
                let first = self.send(request()).await?.into_body();
                to_bytes(first, usize::MAX).await?;
                self.send(request()).await
            }
            Fault::Delayed => {
                self.road.send_late(request());
                return Err(broken("the request is late"));
            }
            Fault::Conflict | Fault::Missing | Fault::Refused | Fault::Throttled | Fault::Broken | Fault::TimedOut => {
                fault.refusal().ok_or_else(|| broken("a refusal has an answer"))
            }
        };
        self.road.calms();
        answer
    }

    /// The operator is killed: this never comes to an end.
    async fn is_killed(&self) -> Answer {
        self.road.calms();
        self.road.killed.notify_one();
        self.dead.cancel();
        std::future::pending().await
    }

    async fn list(&self, call: &Call, request: Request<Body>) -> Answer {
        let path = request.uri().to_string();
        if let Trouble::Past { .. } = &self.road.trouble {
            if self.number > 0 {
                let past = lock(&self.road.past).remove(&path);
                return match past {
                    Some(past) => {
                        let answer = Response::builder().header(CONTENT_TYPE, "application/json");
                        Ok(answer.body(Answered::from(past))?)
                    }
                    None => self.send(request).await,
                };
            }
            let (parts, body) = self.send(request).await?.into_parts();
            let body = to_bytes(body, usize::MAX).await?;
            if parts.status.is_success() {
                lock(&self.road.past).entry(path).or_insert_with(|| body.clone());
            }
            return Ok(Response::from_parts(parts, Answered::from(body)));
        }
        let answer = self.send(request).await?;
        if answer.status().is_success() {
            lock(&self.road.gone).remove(&call.resource);
        }
        Ok(answer)
    }

    async fn watch(&self, call: &Call, request: Request<Body>) -> Answer {
        let road = &self.road;
        let number = {
            let mut watches = lock(&road.watches);
            let number = watches.entry(call.resource.clone()).or_default();
            *number += 1;
            *number
        };
        if lock(&road.gone).contains(&call.resource) {
            road.strikes(1);
            return Ok(refused(410, "Expired"));
        }
        let resource = call.resource.clone();
        let version = parameter(request.uri(), "resourceVersion").unwrap_or_default();
        let wire = Wire { road: Arc::clone(road), resource, version, dead: self.dead.clone() };
        match &road.trouble {
            Trouble::Watch(fault) if number <= fault.connections() => {
                let answer = self.send(request).await?;
                let fault = *fault;
                Ok(answer.map(|body| disturbed(body, wire, move |wire| wire.goes_wrong(fault))))
            }
            Trouble::Past { .. } if self.number > 0 => {
                let answer = self.send(request).await?;
                Ok(answer.map(|body| disturbed(body, wire, |wire| wire.lags(LAG))))
            }
            _ => self.send(request).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_may_be_written_less_often_and_nothing_else() {
        let mark = |what: &str, nth| Mark { what: what.to_owned(), nth };
        for (what, nth, instead) in
            [("status pipelineruns first", 8, 7), ("status pipelineruns first", 1, 1), ("create jobs first", 2, 2)]
        {
            assert_eq!(mark(what, nth).instead(), mark(what, instead));
        }
        assert_eq!(mark("status pipelineruns first", 2).to_string(), "status pipelineruns first (2)");
    }
}
