//! The client of kube-rs, with the parts of it that controllers are made of.

use std::sync::Arc;
use std::time::Duration;

use aggregator_tests::wait::PATIENCE;
use futures::{AsyncReadExt, StreamExt};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ServiceAccount};
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, LogParams, Patch, PatchParams,
    PostParams, Preconditions, WatchEvent, WatchParams,
};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::finalizer::finalizer;
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::watcher;
use kube::{Resource, ResourceExt, discovery};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::manifests::{boat, config, job, labelled, object, pod};
use crate::stage::Stage;

fn read<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).expect("an object of the kind")
}

fn boats_kind() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("example.com", "v1", "Boat"))
}

fn boats(stage: &Stage) -> Api<DynamicObject> {
    Api::namespaced_with(stage.plane.client.clone(), &stage.namespace, &boats_kind())
}

fn maps(stage: &Stage) -> Api<ConfigMap> {
    Api::namespaced(stage.plane.client.clone(), &stage.namespace)
}

/// What has come of a request.
fn told<T: Serialize>(result: kube::Result<T>) -> Value {
    match result {
        Ok(value) => json!({"ok": serde_json::to_value(value).expect("JSON")}),
        Err(kube::Error::Api(status)) => json!({"refused": serde_json::to_value(status).expect("JSON")}),
        Err(other) => json!({"failed": other.to_string()}),
    }
}

/// Does something for as long as a test is patient.
async fn patiently<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it ends in time")
}

async fn objects(stage: Stage) -> Value {
    let api = maps(&stage);
    let params = PostParams { field_manager: Some("me".into()), ..PostParams::default() };
    let made = api.create(&params, &read(config("a"))).await;
    let again = api.create(&params, &read(config("a"))).await;
    let mut changed = made.as_ref().expect("it is new").clone();
    changed.data.get_or_insert_default().insert("size".into(), "2".into());
    let put = api.replace("a", &params, &changed).await;
    changed.data.get_or_insert_default().insert("size".into(), "3".into());
    let late = api.replace("a", &params, &changed).await;
    let missing = api.get_opt("none").await;
    let metadata = api.get_metadata("a").await;
    let gone = api
        .delete("a", &DeleteParams::default())
        .await
        .map(|either| either.either(|map| json!(map), |status| json!(status)));
    let wrong = api.create(&PostParams::default(), &read(config("A_b"))).await;
    json!([told(made), told(again), told(put), told(late), told(missing), told(metadata), told(gone), told(wrong)])
}

async fn pages(stage: Stage) -> Value {
    let api = maps(&stage);
    let mut params = ListParams::default().limit(2).labels("x");
    let mut told = Vec::new();
    loop {
        let page = api.list(&params).await.expect("a page");
        told.push(json!([
            page.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>(),
            page.metadata.remaining_item_count
        ]));
        match page.metadata.continue_ {
            Some(next) if !next.is_empty() => params = params.continue_token(&next),
            _ => break,
        }
    }
    let metadata = api.list_metadata(&ListParams::default().labels("x")).await.expect("a list");
    json!({"pages": told, "metadata": metadata.items})
}

/// What is told of a change: what has happened, and to what.
fn change(event: kube::Result<WatchEvent<ConfigMap>>) -> Option<Value> {
    Some(match event {
        Ok(WatchEvent::Added(map)) => json!(["added", map.name_any(), map.data]),
        Ok(WatchEvent::Modified(map)) => json!(["modified", map.name_any(), map.data]),
        Ok(WatchEvent::Deleted(map)) => json!(["deleted", map.name_any(), map.data]),
        Ok(WatchEvent::Bookmark(_)) => return None,
        Ok(WatchEvent::Error(status)) => json!(["error", status.code, status.reason]),
        Err(error) => json!(["failed", error.to_string()]),
    })
}

async fn changes(stage: Stage) -> Value {
    let api = maps(&stage);
    let version = api.list(&ListParams::default()).await.expect("a list").metadata.resource_version.expect("a version");
    api.create(&PostParams::default(), &read(config("a"))).await.expect("it is new");
    let patch = Patch::Merge(json!({"data": {"size": "2"}}));
    api.patch("a", &PatchParams::default(), &patch).await.expect("it is there");
    api.delete("a", &DeleteParams::default()).await.expect("it is there");
    // The watch lasts a second, and tells what the server has heard by then.
    let heard = stage.until("{core}/configmaps/a?resourceVersion=0", |answer| answer["status"] == 404).await;
    assert!(heard.is_ok(), "{heard:?}");
    let events = api.watch(&WatchParams::default().timeout(1), &version).await.expect("a watch");
    events.filter_map(|event| async move { change(event) }).collect::<Vec<Value>>().await.into()
}

/// What a watcher tells of what is there, and of what happens then.
async fn followed(stage: Stage, config: watcher::Config) -> Value {
    let api = maps(&stage);
    let mut events = watcher(api.clone(), config.labels("x")).boxed();
    let mut told = Vec::new();
    let mut changed = false;
    while told.len() < 7 {
        let event = patiently(events.next()).await.expect("an event");
        told.push(match event {
            Ok(watcher::Event::Init) => json!("init"),
            Ok(watcher::Event::InitApply(map)) => json!(["init", map.name_any()]),
            Ok(watcher::Event::InitDone) => json!("done"),
            Ok(watcher::Event::Apply(map)) => json!(["apply", map.name_any(), map.data]),
            Ok(watcher::Event::Delete(map)) => json!(["delete", map.name_any()]),
            Err(error) => json!(error.to_string()),
        });
        if told.last() == Some(&json!("done")) && !changed {
            changed = true;
            api.create(&PostParams::default(), &read(labelled("c", &json!({"x": ""})))).await.expect("it is new");
            let patch = Patch::Merge(json!({"data": {"size": "2"}}));
            api.patch("a", &PatchParams::default(), &patch).await.expect("it is there");
            api.delete("b", &DeleteParams::default()).await.expect("it is there");
        }
    }
    told.into()
}

async fn reconcile(boat: Arc<DynamicObject>, maps: Arc<Api<ConfigMap>>) -> kube::Result<Action> {
    let owner = boat.controller_owner_ref(&boats_kind());
    let mut map = object("v1", "ConfigMap", &boat.name_any(), &json!({"data": {"color": boat.data["spec"]["color"]}}));
    map["metadata"]["ownerReferences"] = json!([owner]);
    maps.patch(&boat.name_any(), &PatchParams::apply("skipper").force(), &Patch::Apply(map)).await?;
    Ok(Action::await_change())
}

async fn controlled(stage: Stage) -> Value {
    let (boats, maps) = (boats(&stage), maps(&stage));
    let controller = Controller::new_with(boats.clone(), watcher::Config::default(), boats_kind());
    let controller = controller.owns(maps.clone(), watcher::Config::default());
    let retry =
        |_: Arc<DynamicObject>, _: &kube::Error, _: Arc<Api<ConfigMap>>| Action::requeue(Duration::from_secs(1));
    let running = controller.run(reconcile, retry, Arc::new(maps.clone()));
    let running = tokio::spawn(running.for_each(|_| async {}));
    let is = |color: &'static str| {
        move |map: Option<&ConfigMap>| map.and_then(|map| map.data.as_ref()?.get("color")).is_some_and(|it| it == color)
    };
    let made = patiently(await_condition(maps.clone(), "a", is("blue"))).await.is_ok();
    let patch = Patch::Merge(json!({"spec": {"color": "red"}}));
    boats.patch("a", &PatchParams::default(), &patch).await.expect("it is there");
    let changed = patiently(await_condition(maps.clone(), "a", is("red"))).await.is_ok();
    let taken = Patch::Merge(json!({"data": {"color": "green"}}));
    maps.patch("a", &PatchParams::default(), &taken).await.expect("it is there");
    let restored = patiently(await_condition(maps.clone(), "a", is("red"))).await.is_ok();
    running.abort();
    let map = maps.get("a").await.expect("it is there");
    json!({"made": made, "changed": changed, "restored": restored, "owners": map.metadata.owner_references})
}

/// Lets a finalizer hold an object, or lets it go if it is about to go.
async fn held(api: &Api<DynamicObject>, boat: Arc<DynamicObject>) -> Value {
    let nothing = |_| async { Ok::<_, kube::Error>(Action::await_change()) };
    let done = finalizer(api, "example.com/hold", boat, nothing).await;
    done.err().map_or_else(|| json!("done"), |error| json!(error.to_string()))
}

async fn finalized(stage: Stage) -> Value {
    let api = boats(&stage);
    let mut seen = Vec::new();
    for _ in 0..2 {
        let boat = Arc::new(api.get("a").await.expect("it is there"));
        let done = held(&api, boat).await;
        let boat = api.get("a").await.expect("it is there");
        seen.push(json!([done, boat.finalizers()]));
    }
    api.delete("a", &DeleteParams::default()).await.expect("it is there");
    let boat = Arc::new(api.get("a").await.expect("it is held"));
    let done = held(&api, boat).await;
    seen.push(json!([done, told(api.get_opt("a").await)]));
    seen.into()
}

async fn recorded(stage: Stage) -> Value {
    let boat = boats(&stage).get("a").await.expect("it is there");
    let reporter = Reporter { controller: "example.com/skipper".into(), instance: Some("s-1".into()) };
    let recorder = Recorder::new(stage.plane.client.clone(), reporter);
    let event = Event {
        type_: EventType::Warning,
        reason: "Storm".into(),
        note: Some("it blows".into()),
        action: "Sailing".into(),
        secondary: None,
    };
    for _ in 0..3 {
        recorder.publish(&event, &boat.object_ref(&boats_kind())).await.expect("it is taken");
    }
    json!([stage.get("/apis/events.k8s.io/v1/namespaces/{ns}/events").await, stage.get("{core}/events").await])
}

async fn applied(stage: Stage) -> Value {
    let api = boats(&stage);
    let one = PatchParams::apply("one");
    let two = PatchParams::apply("two");
    let red = Patch::Apply(boat("a", &json!({"color": "red"})));
    let blue = Patch::Apply(boat("a", &json!({"color": "blue"})));
    let made = api.patch("a", &one, &red).await;
    let refused = api.patch("a", &two, &blue).await;
    let forced = api.patch("a", &two.clone().force(), &blue).await;
    let strict = api.patch("a", &one.clone().validation_strict(), &Patch::Apply(boat("a", &json!({"typo": 1})))).await;
    let shown = api.patch("a", &one.dry_run().force(), &red).await;
    let metadata = api
        .patch_metadata("a", &PatchParams::default(), &Patch::Merge(json!({"metadata": {"labels": {"x": "y"}}})))
        .await;
    json!([told(made), told(refused), told(forced), told(strict), told(shown), told(metadata)])
}

async fn statuses(stage: Stage) -> Value {
    let api = boats(&stage);
    let patched =
        api.patch_status("a", &PatchParams::default(), &Patch::Merge(json!({"status": {"phase": "Afloat"}}))).await;
    let mut boat = api.get_status("a").await.expect("it is there");
    boat.data["status"] = json!({"phase": "Sunk"});
    let put = api.replace_status("a", &PostParams::default(), &boat).await;
    let applied = json!({"apiVersion": "example.com/v1", "kind": "Boat", "status": {"phase": "Raised"}});
    let conflict = api.patch_status("a", &PatchParams::apply("me"), &Patch::Apply(&applied)).await;
    let forced = api.patch_status("a", &PatchParams::apply("me").force(), &Patch::Apply(&applied)).await;
    json!([told(patched), told(put), told(conflict), told(forced)])
}

async fn discovered(stage: Stage) -> Value {
    let client = &stage.plane.client;
    let looks = |(kind, can): &(ApiResource, discovery::ApiCapabilities)| {
        let parts = can.subresources.iter().map(|(part, can)| json!([part.plural, part.kind, can.operations]));
        json!([
            kind.group,
            kind.version,
            kind.api_version,
            kind.kind,
            kind.plural,
            format!("{:?}", can.scope),
            can.operations,
            parts.collect::<Vec<_>>()
        ])
    };
    let boat =
        discovery::pinned_kind(client, &GroupVersionKind::gvk("example.com", "v1", "Boat")).await.expect("a kind");
    let job = discovery::pinned_kind(client, &GroupVersionKind::gvk("batch", "v1", "Job")).await.expect("a kind");
    let ours = discovery::group(client, "aggregator.dev").await.expect("a group");
    let mut all: Vec<Value> = ours.recommended_resources().iter().map(looks).collect();
    all.sort_by_key(ToString::to_string);
    let whole =
        discovery::Discovery::new(client.clone()).filter(&["example.com"]).run_aggregated().await.expect("documents");
    let group = whole.get("example.com").expect("a group");
    let mut boats: Vec<Value> = group.recommended_resources().iter().map(looks).collect();
    boats.sort_by_key(ToString::to_string);
    let unknown = discovery::pinned_kind(client, &GroupVersionKind::gvk("example.com", "v1", "Ship")).await;
    json!({"boat": looks(&boat), "job": looks(&job), "ours": all, "boats": boats, "unknown": unknown.err().map(|error| error.to_string())})
}

async fn awaited(stage: Stage) -> Value {
    let jobs: Api<Job> = Api::namespaced(stage.plane.client.clone(), &stage.namespace);
    let done = Box::pin(patiently(await_condition(jobs.clone(), "j", conditions::is_job_completed())))
        .await
        .expect("no error");
    let job = done.expect("it is there");
    let gone = DeleteParams::foreground();
    jobs.delete("j", &gone).await.expect("it is there");
    let uid = job.uid().expect("a UID");
    Box::pin(patiently(await_condition(jobs.clone(), "j", conditions::is_deleted(&uid)))).await.expect("no error");
    json!([job.status.and_then(|status| status.succeeded), told(jobs.get_opt("j").await)])
}

async fn logged(stage: Stage) -> Value {
    let pods: Api<Pod> = Api::namespaced(stage.plane.client.clone(), &stage.namespace);
    Box::pin(patiently(await_condition(pods.clone(), "p", conditions::is_pod_running()))).await.expect("no error");
    let follow = LogParams { follow: true, ..LogParams::default() };
    let mut stream = Box::pin(pods.log_stream("p", &follow).await.expect("a log"));
    let mut text = String::new();
    patiently(stream.read_to_string(&mut text)).await.expect("text");
    let last = LogParams { tail_lines: Some(1), ..LogParams::default() };
    json!([text, told(pods.logs("p", &last).await), told(pods.logs("none", &last).await)])
}

async fn removed(stage: Stage) -> Value {
    let api = maps(&stage);
    let preconditions =
        Preconditions { uid: Some("00000000-0000-4000-8000-000000000001".into()), ..Preconditions::default() };
    let other = api.delete("a", &DeleteParams::default().preconditions(preconditions)).await;
    let other = told(other.map(|either| either.either(|map| json!(map), |status| json!(status))));
    let shown = api.delete("a", &DeleteParams::default().dry_run()).await;
    let shown = told(shown.map(|either| either.either(|map| json!(map), |status| json!(status))));
    let all = api.delete_collection(&DeleteParams::default(), &ListParams::default().labels("x")).await;
    let all = told(all.map(|either| either.either(|list| json!(list.items.len()), |status| json!(status))));
    json!([other, shown, all, told(api.get_opt("a").await)])
}

async fn entered(stage: Stage) -> Value {
    let api = maps(&stage);
    let mut new = api.entry("a").await.expect("an answer").or_insert(|| read(config("a")));
    let made = new.commit(&PostParams::default()).await.map_err(|error| error.to_string());
    new.get_mut().data.get_or_insert_default().insert("size".into(), "2".into());
    let changed = new.commit(&PostParams::default()).await.map_err(|error| error.to_string());
    json!([made, changed, new.get()])
}

async fn tokens(stage: Stage) -> Value {
    let api: Api<ServiceAccount> = Api::namespaced(stage.plane.client.clone(), &stage.namespace);
    let request = read(json!({"metadata": {}, "spec": {"audiences": ["x"], "expirationSeconds": 900}}));
    told(api.create_token_request("default", &PostParams::default(), &request).await)
}

pub(super) fn cases() -> Vec<Case> {
    let two = || [labelled("a", &json!({"x": ""})), labelled("b", &json!({"x": ""}))];
    vec![
        case("client-objects").code("objects come, change and go", |stage| Box::pin(objects(stage))),
        case("client-pages")
            .create(two())
            .create([labelled("c", &json!({"x": ""}))])
            .code("pages", |stage| Box::pin(pages(stage))),
        case("client-changes").code("a watch", |stage| Box::pin(changes(stage))),
        case("client-watcher")
            .create(two())
            .code("a watcher", |stage| Box::pin(followed(stage, watcher::Config::default()))),
        case("client-watcher-that-streams")
            .create(two())
            // It is content with what the server remembers, which may be late.
            .until_that("{core}/configmaps?labelSelector=x&resourceVersion=0", "has both", |maps| {
                maps["items"].as_array().is_some_and(|items| items.len() == 2)
            })
            .code("a watcher", |stage| Box::pin(followed(stage, watcher::Config::default().streaming_lists()))),
        case("client-controller")
            .create([boat("a", &json!({}))])
            .code("a controller", |stage| Box::pin(controlled(stage))),
        case("client-finalizer")
            .create([boat("a", &json!({}))])
            .code("a finalizer", |stage| Box::pin(finalized(stage))),
        case("client-recorder").create([boat("a", &json!({}))]).code("events", |stage| Box::pin(recorded(stage))),
        case("client-apply").code("configurations", |stage| Box::pin(applied(stage))),
        case("client-status").create([boat("a", &json!({}))]).code("statuses", |stage| Box::pin(statuses(stage))),
        case("client-discovery").code("kinds", |stage| Box::pin(discovered(stage))),
        case("client-conditions")
            .create([job("j", "exit 0", &json!({}))])
            .code("conditions", |stage| Box::pin(awaited(stage))),
        case("client-logs")
            .create([pod("p", "echo one; sleep 2; echo two")])
            .code("logs", |stage| Box::pin(logged(stage))),
        case("client-deletion").create(two()).code("deletions", |stage| Box::pin(removed(stage))),
        case("client-entries").code("entries", |stage| Box::pin(entered(stage))),
        case("client-tokens").code("a token", |stage| Box::pin(tokens(stage))),
    ]
}
