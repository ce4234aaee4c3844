//! The shell around the pure plans: one queue, one look at an object at a time, every failure on its own.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aggregator_crds::run::PipelineRunStatus;
use aggregator_crds::{Connector, Pipeline, PipelineRun, Schedule, Transformation};
use aggregator_telemetry::{TraceId, Traces};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, ResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span};

use crate::action::{Action, Kind, Plan};
use crate::backoff::Backoff;
use crate::errand::Why;
use crate::execute::{ExecuteError, FIELD_MANAGER, PATIENCE, execute, words};
use crate::expectations::Expectations;
use crate::health::Health;
use crate::index::Tie;
use crate::leader::{Elector, Leadership};
use crate::metrics::Metrics;
use crate::news::{News, fires, news, unstarted};
use crate::queue::{Again, Lane, Queue};
use crate::routes::{Key, everything, interested, is_awaited, lane};
use crate::settings::Settings;
use crate::unreadable::Unreadable;
use crate::webhook::Webhooks;
use crate::world::{Cache, Cached, Changed, Changes, World};
use crate::{connector, labels, pipeline, run, schedule, traces, transformation};

/// How soon an object is looked at again whose last write the caches have not seen.
const UNSEEN: Duration = Duration::from_millis(50);
/// How soon it is tried again to tell of an object that cannot be read.
const UNTOLD: Duration = Duration::from_secs(5);
/// How many failures come before an object's condition tells of the next one.
const TELL_AFTER: u32 = 2;
/// How soon an object is looked at again that goes, or of which something goes. When the API server says that what is to be
/// deleted is not there, and it is (say, because a proxy answers), no watch will ever tell that it is gone.
const GOES: Duration = Duration::from_secs(10);
/// Everything is looked at again after this time, should a change have been missed.
const RESYNC: Duration = Duration::from_secs(60 * 60);

/// A kind that has a controller.
trait Reconciled: Cached + Serialize {
    const KIND: Kind;
    type View: Send + 'static;
    fn cache(world: &World) -> &Cache<Self>;
    fn observe(world: &World, object: &Arc<Self>, settings: &Settings) -> Self::View;
    fn plan(view: &Self::View, settings: &Settings, now: Timestamp) -> Plan;
    /// What is said of an object when a write that it needs is refused again and again.
    fn blocked(view: &Self::View, settings: &Settings, why: &Why, now: Timestamp) -> Plan;
    /// Whether a plan may be carried out, or is to be made anew: the world has changed since it was looked at.
    fn still_holds(_: &World, _: &Self::View, _: &Plan) -> bool {
        true
    }
    /// How many of a plan's writes somebody waits for. The others may as well be planned anew a moment later.
    fn awaited(plan: &Plan) -> usize {
        plan.actions.len()
    }
}

impl Reconciled for PipelineRun {
    const KIND: Kind = Kind::PipelineRun;
    type View = run::View;
    fn cache(world: &World) -> &Cache<Self> {
        &world.runs
    }
    fn observe(world: &World, object: &Arc<Self>, settings: &Settings) -> Self::View {
        run::observe(world, object, settings)
    }
    fn plan(view: &Self::View, settings: &Settings, now: Timestamp) -> Plan {
        run::plan(view, settings, now)
    }
    fn blocked(view: &Self::View, _: &Settings, why: &Why, now: Timestamp) -> Plan {
        run::blocked(view, why, now)
    }
    fn still_holds(world: &World, view: &Self::View, plan: &Plan) -> bool {
        run::may_begin(world, view, plan)
    }
    fn awaited(plan: &Plan) -> usize {
        run::awaited(plan)
    }
}

impl Reconciled for Connector {
    const KIND: Kind = Kind::Connector;
    type View = connector::View;
    fn cache(world: &World) -> &Cache<Self> {
        &world.connectors
    }
    fn observe(world: &World, object: &Arc<Self>, settings: &Settings) -> Self::View {
        connector::observe(world, object, settings)
    }
    fn plan(view: &Self::View, settings: &Settings, now: Timestamp) -> Plan {
        connector::plan(view, settings, now)
    }
    fn blocked(view: &Self::View, _: &Settings, why: &Why, now: Timestamp) -> Plan {
        connector::blocked(view, why, now)
    }
}

impl Reconciled for Transformation {
    const KIND: Kind = Kind::Transformation;
    type View = transformation::View;
    fn cache(world: &World) -> &Cache<Self> {
        &world.transformations
    }
    fn observe(world: &World, object: &Arc<Self>, _: &Settings) -> Self::View {
        transformation::observe(world, object)
    }
    fn plan(view: &Self::View, settings: &Settings, now: Timestamp) -> Plan {
        transformation::plan(view, settings, now)
    }
    fn blocked(view: &Self::View, _: &Settings, why: &Why, now: Timestamp) -> Plan {
        transformation::blocked(view, why, now)
    }
}

impl Reconciled for Pipeline {
    const KIND: Kind = Kind::Pipeline;
    type View = pipeline::View;
    fn cache(world: &World) -> &Cache<Self> {
        &world.pipelines
    }
    fn observe(world: &World, object: &Arc<Self>, settings: &Settings) -> Self::View {
        pipeline::observe(world, object, settings)
    }
    fn plan(view: &Self::View, _: &Settings, now: Timestamp) -> Plan {
        pipeline::plan(view, now)
    }
    fn blocked(view: &Self::View, _: &Settings, why: &Why, now: Timestamp) -> Plan {
        pipeline::blocked(view, why, now)
    }
}

impl Reconciled for Schedule {
    const KIND: Kind = Kind::Schedule;
    type View = schedule::View;
    fn cache(world: &World) -> &Cache<Self> {
        &world.schedules
    }
    fn observe(world: &World, object: &Arc<Self>, _: &Settings) -> Self::View {
        schedule::observe(world, object)
    }
    fn plan(view: &Self::View, settings: &Settings, now: Timestamp) -> Plan {
        schedule::plan(view, settings, now)
    }
    fn blocked(view: &Self::View, _: &Settings, why: &Why, now: Timestamp) -> Plan {
        schedule::blocked(view, why, now)
    }
}

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// A watch has ended for good.
    #[error("a watch of the Kubernetes API has ended: {0}")]
    Watch(String),
    /// Another operator acts now, or the Lease could not be renewed.
    #[error("the Lease was lost")]
    LeaseLost,
}

/// How often, and for whom, the operator acts.
pub struct Operation {
    /// What it is told.
    pub settings: Settings,
    /// What it counts.
    pub metrics: Metrics,
    /// Where it is told that the caches are filled.
    pub health: Health,
    /// The Lease under which it acts, with a client of its own; without one, it is alone.
    pub elector: Option<Elector>,
    /// Where it tells the spans of runs, if anybody listens.
    pub traces: Option<Traces>,
    /// Where it listens for requests to Schedules, if it does ([`Settings::webhooks`]).
    pub webhooks: Option<TcpListener>,
}

/// The target of spans that only say in log lines for whom something is done.
pub const ABOUT: &str = "aggregator::about";

/// Why an object was not brought further.
#[derive(Debug, thiserror::Error)]
enum ReconcileError {
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    #[error("the plan panicked: this is a mistake of the program")]
    Panicked,
    #[error("another operator acts")]
    NotLeader,
}

impl ReconcileError {
    fn category(&self) -> &'static str {
        match self {
            Self::Execute(error) => error.category(),
            Self::Panicked => "panic",
            Self::NotLeader => "not_leader",
        }
    }
}

struct Context {
    client: Client,
    world: World,
    settings: Settings,
    expectations: Expectations,
    queue: Queue,
    /// Whether it is this process's turn to look at anything.
    acts: AtomicBool,
    /// How many objects of each kind may be planned at a time.
    planners: BTreeMap<Kind, Semaphore>,
    backoff: Backoff,
    metrics: Metrics,
    leadership: Leadership,
    events: Recorder,
    traces: Option<Traces>,
}

/// Plans take CPU time and memory alone: as many at a time as there are cores, of each kind, so that a large Pipeline that is
/// compiled holds up no run.
fn planners() -> BTreeMap<Kind, Semaphore> {
    let cores = std::thread::available_parallelism().map_or(2, NonZeroUsize::get).max(2);
    Kind::OURS.into_iter().map(|kind| (kind, Semaphore::new(cores))).collect()
}

/// Runs the controllers until they are asked to stop; what is being done is then ended.
///
/// # Errors
/// When a watch ends for good, or the Lease is lost.
pub async fn run(client: Client, operation: Operation, stop: CancellationToken) -> Result<(), OperatorError> {
    let Operation { settings, metrics, health, elector, traces, webhooks } = operation;
    let (world, changes) = World::watch(&client, &settings.namespaces);
    let leadership = elector.as_ref().map_or_else(Leadership::alone, Elector::leadership);
    let context = Arc::new(Context {
        events: Recorder::new(client.clone(), Reporter::from(FIELD_MANAGER)),
        client,
        world: world.clone(),
        settings,
        expectations: Expectations::default(),
        queue: Queue::default(),
        acts: AtomicBool::default(),
        planners: planners(),
        backoff: Backoff::default(),
        metrics: metrics.clone(),
        leadership,
        traces,
    });
    // What stops the controllers: being asked to, or the loss of the Lease.
    let over = stop.child_token();
    let pump = AbortOnDropHandle::new(tokio::spawn(pump(changes, Arc::clone(&context))));
    let ready = tokio::select! {
        ready = world.ready() => ready.map_err(|error| OperatorError::Watch(error.to_string())),
        () = stop.cancelled() => return Ok(()),
    };
    ready?;
    health.is_ready();
    // Also by who waits for its turn: what is asked for is only written down.
    let listening = webhooks.map(|listener| {
        let webhooks = Webhooks::new(context.client.clone(), &world, metrics.clone());
        AbortOnDropHandle::new(tokio::spawn(webhooks.serve(listener, over.clone())))
    });
    let kept = match elector {
        None => None,
        Some(mut elector) => {
            tracing::info!("the caches are filled; the Lease is asked for");
            if !elector.acquire(&stop).await {
                answered(listening).await;
                return Ok(());
            }
            // Given back when the controllers have ended, and not before.
            let released = CancellationToken::new();
            let (lost, token) = (over.clone(), released.clone());
            let keeping = tokio::spawn(async move {
                elector.keep(token).await;
                lost.cancel();
            });
            Some((keeping, released))
        }
    };
    tracing::info!("the operator acts: everything is looked at");
    metrics.leads(true);
    context.begin();
    serve(&context, &over).await;
    metrics.leads(false);
    drop(pump);
    let kept = match kept {
        Some((keeping, released)) => {
            released.cancel();
            keeping.await
        }
        None => Ok(()),
    };
    // The next operator acts meanwhile.
    answered(listening).await;
    kept.map_err(|error| OperatorError::Watch(error.to_string()))?;
    if stop.is_cancelled() { Ok(()) } else { Err(OperatorError::LeaseLost) }
}

/// Waits until those are answered that have sent requests to Schedules before the end, which takes seconds at most.
async fn answered(listening: Option<AbortOnDropHandle<()>>) {
    let Some(listening) = listening else { return };
    if let Err(error) = listening.await {
        tracing::error!(%error, "not all requests to Schedules are answered");
    }
}

/// Hands on who has to be looked at, and tells of what cannot be read.
async fn pump(mut changes: Changes, context: Arc<Context>) {
    let mut untold: Vec<Unreadable> = Vec::new();
    loop {
        let changed = tokio::select! {
            changed = changes.next() => changed,
            // Who waits for the Lease tells of nothing until it acts.
            () = tokio::time::sleep(UNTOLD), if !untold.is_empty() => {
                untold = context.tell_unreadable(untold).await;
                continue;
            }
        };
        match changed {
            Some(Ok(Changed::Unreadable(unreadable))) => {
                untold = context.tell_unreadable(untold.into_iter().chain([*unreadable]).collect()).await;
            }
            Some(Ok(changed)) => {
                if let Changed::Pipeline(pipeline) = &changed {
                    context.world.forget(pipeline);
                }
                // Whose turn comes later looks at everything then.
                if context.acts.load(Ordering::Relaxed) {
                    for key in interested(&changed, &context.world) {
                        let lane = lane(&key, &changed, &context.world);
                        context.ask(key, lane);
                    }
                }
            }
            Some(Err(error)) => {
                context.metrics.watch_failed();
                tracing::warn!(%error, "a watch failed and is begun anew");
            }
            None => return,
        }
    }
}

/// Looks at objects until it is asked to stop; the looks that go on then are ended.
async fn serve(context: &Arc<Context>, stop: &CancellationToken) {
    let mut looks = FuturesUnordered::new();
    while !stop.is_cancelled() {
        while let Some((key, lane)) = context.queue.take() {
            looks.push(look(Arc::clone(context), key, lane));
        }
        tokio::select! {
            Some((key, again)) = looks.next(), if !looks.is_empty() => context.queue.done(&key, again),
            () = context.queue.stirs() => {}
            () = stop.cancelled() => {}
        }
    }
    while looks.next().await.is_some() {}
}

/// Looks at an object; says when it is looked at again, if it is there.
async fn look(context: Arc<Context>, key: Arc<Key>, lane: Lane) -> (Arc<Key>, Option<Again>) {
    let span = about(&context.world, &key);
    let (around, about) = (Arc::clone(&context), Arc::clone(&key));
    // One that panics ends its own task.
    let look = async move {
        let look = match about.kind {
            Kind::Connector => reconcile::<Connector>(&around, &about, lane).boxed(),
            Kind::Transformation => reconcile::<Transformation>(&around, &about, lane).boxed(),
            Kind::PipelineRun => reconcile::<PipelineRun>(&around, &about, lane).boxed(),
            Kind::Pipeline => reconcile::<Pipeline>(&around, &about, lane).boxed(),
            Kind::Schedule => reconcile::<Schedule>(&around, &about, lane).boxed(),
            // No other kind has a controller.
            _ => return None,
        };
        look.await
    };
    let looked = tokio::spawn(look.instrument(span.clone())).await;
    let failed = || context.failed(&key, &ReconcileError::Panicked, lane);
    let again = looked.unwrap_or_else(|_| Some(span.in_scope(failed)));
    (key, again)
}

/// What every line of the log says while an object is looked at; of a run, also what its workers' lines and its trace say.
fn about(world: &World, key: &Key) -> Span {
    let run = if key.kind == Kind::PipelineRun { world.runs.get(&key.namespace, &key.name) } else { None };
    let uid = run.and_then(|run| run.uid());
    let trace = uid.as_deref().map(|uid| TraceId::of_run(uid).to_string());
    tracing::info_span!(
        target: ABOUT, "look", kind = key.kind.name(), namespace = key.namespace, name = key.name, run_uid = uid,
        trace_id = trace
    )
}

async fn reconcile<K: Reconciled>(context: &Arc<Context>, key: &Key, lane: Lane) -> Option<Again> {
    let Some(object) = K::cache(&context.world).get(&key.namespace, &key.name) else {
        context.metrics.gone(key);
        context.backoff.forgive(key);
        return None;
    };
    let begun = Instant::now();
    context.metrics.begun(key);
    let done = bring_further(&object, key, lane, context).await;
    let outcome = done.as_ref().map_or_else(ReconcileError::category, |_| "ok");
    context.metrics.reconciled(K::KIND, outcome, begun.elapsed());
    Some(done.unwrap_or_else(|error| context.failed(key, &error, lane)))
}

async fn bring_further<K: Reconciled>(
    object: &Arc<K>,
    key: &Key,
    lane: Lane,
    context: &Arc<Context>,
) -> Result<Again, ReconcileError> {
    let unseen = |lane| Again { after: UNSEEN, lane };
    if !context.expectations.met(key, &context.world) {
        return Ok(unseen(lane));
    }
    let (view, plan) = planned(object, context).await?;
    if !plan.actions.is_empty() {
        tracing::debug!(kind = K::KIND.name(), namespace = key.namespace, name = key.name, %plan, "planned");
    }
    if !K::still_holds(&context.world, &view, &plan) {
        return Ok(unseen(lane));
    }
    let awaited = match lane {
        Lane::Pressing => K::awaited(&plan),
        Lane::Ordinary => plan.actions.len(),
    };
    let (now, later) = plan.actions.split_at(awaited);
    let done = match context.carry_out(object.as_ref(), key, now).await {
        Ok(done) => done,
        Err(error) => {
            let why = match &error {
                ReconcileError::Execute(error) => error.why(),
                ReconcileError::Panicked | ReconcileError::NotLeader => None,
            };
            // What was in the way may be about to go, as children of an object of the same name that is just gone.
            if let Some(why) = why.filter(|_| context.backoff.failures(key) >= TELL_AFTER) {
                let said = K::blocked(&view, &context.settings, &why, Timestamp::now());
                context.carry_out(object.as_ref(), key, &said.actions).await?;
            }
            return Err(error);
        }
    };
    context.backoff.forgive(key);
    match done {
        Done::Otherwise => Ok(unseen(lane)),
        // Others may come first now.
        Done::All if !later.is_empty() => Ok(unseen(Lane::Ordinary)),
        Done::All => {
            let after = again(&plan);
            // A Schedule comes back for its next fire.
            let fires = K::KIND == Kind::Schedule && plan.again.is_some();
            let presses = fires || (K::KIND == Kind::PipelineRun && is_awaited(&context.world, key));
            Ok(Again { after, lane: if presses { Lane::Pressing } else { Lane::Ordinary } })
        }
    }
}

/// How soon an object is looked at again, when nothing changes, once a plan for it was carried out.
fn again(plan: &Plan) -> Duration {
    let deletes = plan.actions.iter().any(|action| matches!(action, Action::Delete { .. }));
    plan.again.unwrap_or(RESYNC).min(if deletes { GOES } else { RESYNC })
}

/// What is known of an object, and what is to be done for it now.
async fn planned<K: Reconciled>(object: &Arc<K>, context: &Arc<Context>) -> Result<(K::View, Plan), ReconcileError> {
    // Nobody closes it.
    let turn = match context.planners.get(&K::KIND) {
        Some(planners) => planners.acquire().await.ok(),
        None => None,
    };
    // A large Pipeline takes long to compile: meanwhile the others go on. One that panics ends its own thread.
    let (looked, around) = (Arc::clone(object), Arc::clone(context));
    let about = Span::current();
    let planned = tokio::task::spawn_blocking(move || {
        let _about = about.entered();
        let view = K::observe(&around.world, &looked, &around.settings);
        let plan = K::plan(&view, &around.settings, Timestamp::now());
        (view, plan)
    });
    let planned = planned.await.map_err(|_| ReconcileError::Panicked);
    drop(turn);
    planned
}

/// What has become of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    /// They were done.
    All,
    /// Something else was found than they were planned from: they are planned anew.
    Otherwise,
}

impl Context {
    /// Everything is looked at, and from now on whatever changes.
    fn begin(&self) {
        self.acts.store(true, Ordering::Relaxed);
        for key in everything(&self.world) {
            let lane = lane(&key, &Changed::Anything, &self.world);
            self.ask(key, lane);
        }
    }

    /// An object is to be looked at.
    fn ask(&self, key: Key, lane: Lane) {
        self.metrics.asked_for(&key);
        self.queue.ask(key, lane);
    }

    /// Does writes, up to the first that fails.
    async fn carry_out<K: Reconciled>(
        &self,
        object: &K,
        key: &Key,
        actions: &[Action],
    ) -> Result<Done, ReconcileError> {
        for action in actions {
            // A process that was stopped for a while wakes up here, and another one acts.
            if !self.leadership.holds() {
                return Err(ReconcileError::NotLeader);
            }
            let written = execute(&self.client, action).await;
            let (kind, verb) = action.what();
            self.metrics.wrote(kind, verb, written.as_ref().map_or_else(ExecuteError::category, |_| "ok"));
            let written = written?;
            let otherwise = written.belies_the_plan();
            self.expectations.expect(key, written);
            match action {
                Action::Status { target, status } => self.tell(object, target.kind, status).await,
                Action::Create { kind: Kind::PipelineRun, object } => self.fired(object),
                _ => {}
            }
            if otherwise {
                return Ok(Done::Otherwise);
            }
        }
        Ok(Done::All)
    }

    /// Tells of objects that cannot be read. Gives back those that nobody was told of yet.
    async fn tell_unreadable(&self, all: Vec<Unreadable>) -> Vec<Unreadable> {
        let mut untold = Vec::new();
        for unreadable in all {
            if !self.leadership.holds() {
                untold.push(unreadable);
                continue;
            }
            let told = tokio::time::timeout(PATIENCE, unreadable.tell(&self.client)).await;
            match told {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "it could not be told that an object cannot be read");
                    untold.push(unreadable);
                }
                Err(_) => untold.push(unreadable),
            }
        }
        untold
    }

    /// A look has failed: when the next one is due.
    fn failed(&self, key: &Key, error: &ReconcileError, lane: Lane) -> Again {
        if let ReconcileError::Execute(ExecuteError::Conflict(_)) = error {
            return Again { after: self.backoff.conflicted(key), lane };
        }
        let pause = self.backoff.failed(key);
        let Key { kind, namespace, name } = key;
        tracing::warn!(?kind, namespace, name, %error, ?pause, "will be tried again");
        Again { after: pause, lane }
    }

    /// Counts what a new status has to tell, and makes an Event of it.
    async fn tell<K: Reconciled>(&self, object: &K, kind: Kind, now: &Value) {
        let mut whole = serde_json::to_value(object).unwrap_or_default();
        if kind == Kind::PipelineRun {
            self.trace(&whole, now);
        }
        let before = whole["status"].take();
        for (decision, fires) in fires(&before, now) {
            self.metrics.fired(decision, fires);
        }
        let ends = ["Succeeded", "Failed", "Cancelled"];
        if kind == Kind::PipelineRun
            && before["phase"] != now["phase"]
            && let Some(phase) = now["phase"].as_str().filter(|phase| ends.contains(phase))
        {
            let made = object.creation_timestamp().map(|time| time.0);
            let took = made.and_then(|made| Duration::try_from(Timestamp::now().duration_since(made)).ok());
            let status = PipelineRunStatus::deserialize(now).unwrap_or_default();
            self.metrics.run_ended(phase, took.unwrap_or_default(), &status);
        }
        for news in news(kind, &before, now).into_iter().chain(unstarted(&before, now)) {
            self.publish(object, news).await;
        }
    }

    /// A run was made: for a fire, how late.
    fn fired(&self, run: &Value) {
        let fire = run["metadata"]["annotations"][labels::FIRE].as_str();
        let Some(fire) = fire.and_then(|fire| fire.parse::<Timestamp>().ok()) else { return };
        if let Ok(late) = Duration::try_from(Timestamp::now().duration_since(fire)) {
            self.metrics.fired_late(late);
        }
    }

    /// Tells of the spans that have ended with a run's new status.
    fn trace(&self, run: &Value, status: &Value) {
        let Some(told) = &self.traces else { return };
        // What we have written and read ourselves can be read.
        let (Ok(run), Ok(status)) = (PipelineRun::deserialize(run), PipelineRunStatus::deserialize(status)) else {
            return;
        };
        let uid = run.uid().unwrap_or_default();
        let job = |attempt: u32| {
            let attempt = attempt.to_string();
            let own = self.world.jobs.tied(&run.namespace().unwrap_or_default(), &Tie::Owner(uid.clone())).into_iter();
            let of_it = own.filter(|job| labels::label(job.as_ref(), labels::ATTEMPT) == attempt);
            of_it.min_by_key(|job| job.creation_timestamp().map(|time| time.0))
        };
        traces::ended(&run, &status, job, Timestamp::now()).into_iter().for_each(|span| told.tell(span));
    }

    /// Makes an Event. One that cannot be made is no failure.
    async fn publish<K: Reconciled>(&self, object: &K, news: News) {
        let News { warning, reason, note } = news;
        let event = Event {
            type_: if warning { EventType::Warning } else { EventType::Normal },
            action: reason.clone(),
            reason,
            note: Some(note),
            secondary: None,
        };
        if let Err(error) = self.events.publish(&event, &object.object_ref(&())).await {
            tracing::warn!(error = words(&error), reason = event.reason, "an Event could not be made");
        }
    }
}

#[cfg(test)]
mod tests;
