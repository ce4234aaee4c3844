//! The shell around the pure plans: one queue for each kind, one object at a time, every failure on its own.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aggregator_crds::{Pipeline, PipelineRun, Schedule};
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::{FutureExt, Stream, StreamExt};
use jiff::Timestamp;
use kube::Client;
use kube::runtime::controller::{Action, Config, ReconcileRequest, applier};
use kube::runtime::reflector::ObjectRef;
use tokio_util::sync::CancellationToken;

use crate::action::{Kind, Plan};
use crate::execute::{ExecuteError, execute};
use crate::expectations::Expectations;
use crate::routes::{Key, interested};
use crate::settings::Settings;
use crate::world::{Cache, Cached, Changes, World};
use crate::{pipeline, run, schedule};

/// How many objects of a kind are worked on at a time.
const AT_A_TIME: u16 = 16;
/// How soon an object is looked at again whose last write the caches have not seen.
const UNSEEN: Duration = Duration::from_millis(50);
/// How soon after a conflict.
const CONFLICT: Duration = Duration::from_millis(100);
/// The pauses after failures in a row.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// Everything is looked at again after this time, should a change have been missed.
const RESYNC: Duration = Duration::from_secs(60 * 60);

/// A kind that has a controller.
trait Reconciled: Cached {
    const KIND: Kind;
    type View;
    fn cache(world: &World) -> &Cache<Self>;
    fn observe(world: &World, object: &Arc<Self>, settings: &Settings) -> Self::View;
    fn plan(view: &Self::View, settings: &Settings, now: Timestamp) -> Plan;
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
}

impl Reconciled for Pipeline {
    const KIND: Kind = Kind::Pipeline;
    type View = pipeline::View;
    fn cache(world: &World) -> &Cache<Self> {
        &world.pipelines
    }
    fn observe(world: &World, object: &Arc<Self>, _: &Settings) -> Self::View {
        pipeline::observe(world, object)
    }
    fn plan(view: &Self::View, settings: &Settings, now: Timestamp) -> Plan {
        pipeline::plan(view, settings, now)
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
    fn plan(view: &Self::View, _: &Settings, now: Timestamp) -> Plan {
        schedule::plan(view, now)
    }
}

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// A watch has ended for good.
    #[error("a watch of the Kubernetes API has ended: {0}")]
    Watch(String),
}

/// Why an object was not brought further.
#[derive(Debug, thiserror::Error)]
enum ReconcileError {
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    #[error("the plan panicked: this is a mistake of the program")]
    Panicked,
}

struct Context {
    client: Client,
    world: World,
    settings: Settings,
    expectations: Expectations,
    failures: Mutex<HashMap<Key, u32>>,
}

/// Runs the controllers until they are asked to stop; what is being done is then ended.
///
/// # Errors
/// When a watch ends for good.
pub async fn run(client: Client, settings: Settings, stop: CancellationToken) -> Result<(), OperatorError> {
    let (world, changes) = World::watch(&client, &settings.namespaces);
    let context = Arc::new(Context {
        client,
        world: world.clone(),
        settings,
        expectations: Expectations::default(),
        failures: Mutex::default(),
    });
    let mut senders = Senders::default();
    let runs = queue::<PipelineRun>(&context, &mut senders, &stop);
    let pipelines = queue::<Pipeline>(&context, &mut senders, &stop);
    let schedules = queue::<Schedule>(&context, &mut senders, &stop);
    let pump = tokio::spawn(pump(changes, world.clone(), senders));
    let ready = tokio::select! {
        ready = world.ready() => ready.map_err(|error| OperatorError::Watch(error.to_string())),
        () = stop.cancelled() => return Ok(()),
    };
    ready?;
    tracing::info!("the caches are filled: everything is looked at");
    futures::future::join_all(runs.into_iter().chain(pipelines).chain(schedules)).await;
    pump.abort();
    Ok(())
}

/// Where the keys of a kind go: one queue for each namespace that is watched, or one for all.
#[derive(Default)]
struct Senders(HashMap<Kind, Vec<UnboundedSender<Key>>>);

/// Hands on who has to be looked at.
async fn pump(mut changes: Changes, world: World, senders: Senders) {
    while let Some(changed) = changes.next().await {
        match changed {
            Ok(changed) => {
                for key in interested(&changed, &world) {
                    for sender in senders.0.get(&key.kind).into_iter().flatten() {
                        // Who does not listen any more is about to end.
                        sender.unbounded_send(key.clone()).unwrap_or_default();
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "a watch failed and is begun anew"),
        }
    }
}

fn queue<K: Reconciled>(
    context: &Arc<Context>,
    senders: &mut Senders,
    stop: &CancellationToken,
) -> Vec<futures::future::BoxFuture<'static, ()>> {
    let mut all = Vec::new();
    for store in K::cache(&context.world).stores() {
        let (sender, receiver) = unbounded();
        senders.0.entry(K::KIND).or_default().push(sender);
        let requests = requests::<K>(receiver).take_until(stop.clone().cancelled_owned());
        let config = Config::default().concurrency(AT_A_TIME);
        let done = applier(
            |object, context| Box::pin(reconcile::<K>(object, context)),
            failed::<K>,
            Arc::clone(context),
            store.clone(),
            requests,
            config,
        );
        // What went wrong was told where it did; an object that is gone is no mistake.
        all.push(done.for_each(|_| std::future::ready(())).boxed());
    }
    all
}

fn requests<K: Reconciled>(
    keys: UnboundedReceiver<Key>,
) -> impl Stream<Item = Result<ReconcileRequest<K>, std::convert::Infallible>> {
    keys.map(|key| Ok(ReconcileRequest::from(ObjectRef::new(&key.name).within(&key.namespace))))
}

async fn reconcile<K: Reconciled>(object: Arc<K>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    let key = Key::of(K::KIND, object.as_ref());
    if !context.expectations.met(&key, &context.world) {
        return Ok(Action::requeue(UNSEEN));
    }
    let planned = catch_unwind(AssertUnwindSafe(|| {
        let view = K::observe(&context.world, &object, &context.settings);
        K::plan(&view, &context.settings, Timestamp::now())
    }));
    let plan = planned.map_err(|_| ReconcileError::Panicked)?;
    if !plan.actions.is_empty() {
        tracing::debug!(kind = ?K::KIND, namespace = key.namespace, name = key.name, %plan, "planned");
    }
    for action in &plan.actions {
        let written = execute(&context.client, action).await?;
        context.expectations.expect(&key, written);
    }
    context.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    Ok(Action::requeue(plan.again.unwrap_or(RESYNC).min(RESYNC)))
}

fn failed<K: Reconciled>(object: Arc<K>, error: &ReconcileError, context: Arc<Context>) -> Action {
    let key = Key::of(K::KIND, object.as_ref());
    if let ReconcileError::Execute(ExecuteError::Conflict(_)) = error {
        return Action::requeue(CONFLICT);
    }
    let failures = {
        let mut all = context.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = all.entry(key.clone()).or_default();
        *failures += 1;
        *failures
    };
    let pause = FIRST.saturating_mul(2u32.saturating_pow(failures - 1)).min(LONGEST);
    // Objects that failed together come back apart.
    let spread = u32::from_str_radix(&crate::names::hash(&[&key.namespace, &key.name], 4), 16).unwrap_or(0) % 250;
    let pause = pause + pause * spread / 1000;
    tracing::warn!(kind = ?K::KIND, namespace = key.namespace, name = key.name, %error, ?pause, "will be tried again");
    Action::requeue(pause)
}
