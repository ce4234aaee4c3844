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
/// How long the first write of one of two operators waits for one of the other.
const MEETS: Duration = Duration::from_secs(5);

type Answer = Result<Response<Answered>, BoxError>;

/// A write of a workload: what it is, and which of several that are alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) what: String,
    pub(crate) nth: usize,
}

impl Mark {
    /// Whether something is made.
    pub(crate) fn is_creation(&self) -> bool {
        self.what.starts_with("create ")
    }

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
    /// Which operator of the play made it, from 0.
    pub(crate) by: u32,
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
    /// Every watch, or that of one kind alone.
    Watch(WatchFault, Option<&'static str>),
    /// The first list of each kind: it is refused.
    Lists,
    /// Two operators act at the same time. When both have written, and the play has come to that write, one of them is killed,
    /// and another one follows.
    Beside {
        killed: Option<Mark>,
    },
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
    /// Two operators have written.
    both: CancellationToken,
    /// The write that is held, was repeated.
    repeated: Notify,
    /// How many connections of each watch there were.
    watches: Mutex<BTreeMap<String, u32>>,
    /// The kinds whose versions are too old to go on from.
    gone: Mutex<BTreeSet<String>>,
    /// The kinds whose first list was refused.
    unlisted: Mutex<BTreeSet<String>>,
    /// The kind of which the next question for an object is refused.
    unread: Mutex<Option<String>>,
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
            both: CancellationToken::new(),
            repeated: Notify::new(),
            watches: Mutex::default(),
            gone: Mutex::default(),
            unlisted: Mutex::default(),
            unread: Mutex::default(),
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

    /// Something goes wrong so many times; whether nothing did before.
    pub(crate) fn strikes(&self, times: u64) -> bool {
        if times == 0 {
            return false;
        }
        let mut hit = lock(&self.hit);
        match hit.as_mut() {
            Some(hit) => {
                hit.times += times;
                false
            }
            None => {
                *hit = Some(Hit { times, begun: Instant::now(), over: None });
                true
            }
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

    /// A write of an operator begins: its place in the list, and what it is.
    fn begins(&self, what: String, by: u32) -> (usize, Mark) {
        let mut writes = lock(&self.writes);
        let nth = writes.iter().filter(|write| write.mark.what == what).count() + 1;
        let mark = Mark { what, nth };
        writes.push(Write { mark: mark.clone(), by, begun: Instant::now(), answered: None });
        (writes.len() - 1, mark)
    }

    /// Whether that write has begun.
    fn has_begun(&self, mark: &Mark) -> bool {
        lock(&self.writes).iter().any(|write| write.mark == *mark)
    }

    /// Waits until each of the first two operators has written, but not for long; whether they have.
    async fn both_write(&self) -> bool {
        let all: BTreeSet<u32> = lock(&self.writes).iter().map(|write| write.by).collect();
        if all.contains(&0) && all.contains(&1) {
            self.both.cancel();
        }
        tokio::time::timeout(MEETS, self.both.cancelled()).await.is_ok()
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

/// A request that nothing answers: it is over when nobody waits for the answer any more.
struct Hanging<'a>(&'a Road);

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        self.0.calms();
    }
}

impl Lane {
    /// Waits until the operator is killed.
    pub(crate) async fn killed(&self) {
        self.dead.cancelled().await;
    }

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
            Verb::Get => self.get(&call, request).await,
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
        let (place, mark) = road.begins(road.scene.names.masked(&call.words(&parts, &body)), self.number);
        let request = || Request::from_parts(parts.clone(), Body::from(body.clone()));
        let answer = match &road.trouble {
            Trouble::Write(wrong, fault) if *wrong == mark => self.goes_wrong(*fault, call, &request).await,
            Trouble::Beside { killed } => self.beside(killed.as_ref(), &request).await,
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

    async fn goes_wrong(&self, fault: Fault, call: &Call, request: &(impl Fn() -> Request<Body> + Sync)) -> Answer {
        if fault == Fault::Unread {
            // What goes wrong is the question that follows.
            *lock(&self.road.unread) = Some(call.resource.clone());
            return self.twice(request).await;
        }
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
            Fault::Duplicated | Fault::Unread => self.twice(request).await,
            Fault::Delayed => {
                self.road.send_late(request());
                return Err(broken("the request is late"));
            }
            Fault::HangsBefore => self.hangs().await,
            Fault::HangsAfter => {
                self.send(request()).await?;
                self.hangs().await
            }
            Fault::Conflict | Fault::Missing | Fault::Refused | Fault::Throttled | Fault::Broken | Fault::TimedOut => {
                fault.refusal().ok_or_else(|| broken("a refusal has an answer"))
            }
        };
        self.road.calms();
        answer
    }

    /// Sends a write twice, and gives the second answer.
    async fn twice(&self, request: &(impl Fn() -> Request<Body> + Sync)) -> Answer {
        let first = self.send(request()).await?.into_body();
        to_bytes(first, usize::MAX).await?;
        self.send(request()).await
    }

    /// Does not answer: this never comes to an end.
    async fn hangs(&self) -> Answer {
        let _hanging = Hanging(&self.road);
        std::future::pending().await
    }

    /// A write of one of two operators. The first ones wait for each other, so that neither is made by who knows of the other.
    async fn beside(&self, killed: Option<&Mark>, request: &(impl Fn() -> Request<Body> + Sync)) -> Answer {
        let road = &self.road;
        let both = road.both_write().await;
        let dies = match killed {
            _ if !both => false,
            None => {
                road.strikes(1);
                false
            }
            // Only the first.
            Some(mark) => road.hit().is_none() && road.has_begun(mark) && road.strikes(1),
        };
        let answer = self.send(request()).await;
        if dies { self.is_killed().await } else { answer }
    }

    /// The operator is killed: this never comes to an end.
    async fn is_killed(&self) -> Answer {
        self.road.calms();
        self.dead.cancel();
        std::future::pending().await
    }

    async fn get(&self, call: &Call, request: Request<Body>) -> Answer {
        if lock(&self.road.unread).take_if(|resource| *resource == call.resource).is_some() {
            self.road.strikes(1);
            self.road.calms();
            return Ok(refused(500, "InternalError"));
        }
        self.send(request).await
    }

    async fn list(&self, call: &Call, request: Request<Body>) -> Answer {
        if matches!(self.road.trouble, Trouble::Lists) && lock(&self.road.unlisted).insert(call.resource.clone()) {
            self.road.strikes(1);
            return Ok(refused(500, "InternalError"));
        }
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
        let alone = matches!(road.trouble, Trouble::Watch(_, Some(_)));
        let wire = Wire { road: Arc::clone(road), resource, version, alone, dead: self.dead.clone() };
        match &road.trouble {
            Trouble::Watch(fault, kind)
                if kind.is_none_or(|kind| kind == call.resource) && number <= fault.connections() =>
            {
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
