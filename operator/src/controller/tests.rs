use std::convert::Infallible;
use std::future::pending;

use aggregator_crds::Checkpoint;
use axum::body::Body;
use http::{Request, Response};
use kube::api::ObjectMeta;
use serde_json::json;

use super::*;
use crate::action::Target;
use crate::backoff::FIRST;
use crate::calls::client_of;
use crate::fixture::object;

/// A kind of which the plan of one object is a mistake. It has no controller otherwise.
impl Reconciled for Checkpoint {
    const KIND: Kind = Kind::Checkpoint;
    type View = String;
    fn cache(world: &World) -> &Cache<Self> {
        &world.checkpoints
    }
    fn observe(_: &World, object: &Arc<Self>, _: &Settings) -> Self::View {
        object.name_any()
    }
    fn plan(view: &Self::View, _: &Settings, _: Timestamp) -> Plan {
        assert_ne!(view, "poisoned", "a mistake of the program");
        Plan::nothing()
    }
    fn blocked(_: &Self::View, _: &Settings, _: &Why, _: Timestamp) -> Plan {
        Plan::nothing()
    }
}

/// An operator that knows these Checkpoints, and an API server that never answers. One object of them is planned at a time.
fn operator<const N: usize>(names: [&str; N]) -> Arc<Context> {
    let metrics = Metrics::new().expect("names");
    let silent = tower::service_fn(|_: Request<kube::client::Body>| pending::<Result<Response<Body>, Infallible>>());
    let client = client_of(silent, &metrics);
    let (world, _) = World::watch(&client, &[]);
    let checkpoints = names.map(|name| {
        Arc::new(object(json!({
            "apiVersion": aggregator_crds::API_VERSION, "kind": "Checkpoint",
            "metadata": {"name": name, "namespace": "demo"},
            "spec": {"pipelineRef": {"name": name}, "epoch": 1},
        })))
    });
    Arc::new(Context {
        events: Recorder::new(client.clone(), Reporter::from(FIELD_MANAGER)),
        client,
        world: World { checkpoints: Cache::of(checkpoints), ..world },
        settings: Settings::of_tests(),
        expectations: Expectations::default(),
        queue: Queue::default(),
        acts: AtomicBool::default(),
        planners: [(Kind::Checkpoint, Semaphore::new(1))].into(),
        backoff: Backoff::default(),
        metrics,
        leadership: Leadership::alone(),
        traces: None,
    })
}

fn checkpoint(name: &str) -> Key {
    Key { kind: Kind::Checkpoint, namespace: "demo".into(), name: name.into() }
}

/// A look at a Checkpoint, which must have its turn: when the next one is due.
async fn looked(operator: &Arc<Context>, name: &str) -> Duration {
    let key = checkpoint(name);
    let look = reconcile::<Checkpoint>(operator, &key, Lane::Ordinary).boxed();
    let again = tokio::time::timeout(PATIENCE, look).await.expect("its turn");
    again.expect("it is there").after
}

#[tokio::test]
async fn a_plan_that_panics_holds_up_no_other_object() {
    let operator = operator(["poisoned", "sound"]);
    let mut pauses = Vec::new();
    for _ in 0..3 {
        pauses.push(looked(&operator, "poisoned").await);
        assert_eq!(looked(&operator, "sound").await, RESYNC);
    }
    assert!(pauses[0] >= FIRST && pauses[1] > pauses[0] && pauses[2] > pauses[1], "{pauses:?}");
    assert_eq!(["poisoned", "sound"].map(|name| operator.backoff.failures(&checkpoint(name))), [3, 0]);
    let text = operator.metrics.text().expect("text");
    for (outcome, looks) in [("panic", 3), ("ok", 3)] {
        let line = format!("reconciles_total{{kind=\"Checkpoint\",outcome=\"{outcome}\"}} {looks}\n");
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    // Nor does the queue keep a place for it: it comes back when its pause is over.
    operator.ask(checkpoint("poisoned"), Lane::Ordinary);
    let (taken, _) = operator.queue.take().expect("it waits");
    operator.queue.done(&taken, Some(Again { after: pauses[2], lane: Lane::Ordinary }));
    operator.ask(checkpoint("sound"), Lane::Ordinary);
    assert_eq!(operator.queue.take().map(|(taken, _)| taken.name.clone()).as_deref(), Some("sound"));
}

#[test]
fn what_was_deleted_is_looked_for_once_more() {
    let target = Target::of(Kind::Connector, &ObjectMeta::default());
    let deletes = Plan::nothing().then(Action::Delete { target, foreground: false });
    assert_eq!(again(&deletes), GOES);
    let soon = Duration::from_secs(3);
    assert_eq!(again(&deletes.again_in(soon)), soon);
    assert_eq!(again(&Plan::nothing()), RESYNC);
    assert_eq!(again(&Plan::nothing().again_in(2 * RESYNC)), RESYNC);
}
