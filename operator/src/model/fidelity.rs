//! The server of the model is the real one, as far as the operator can tell: both are asked for the same random changes, and
//! must answer with the same code and reason, and have the same objects then.

use aggregator_tests::control_plane::ControlPlane;
use aggregator_tests::random::Random;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams, Preconditions,
    PropagationPolicy,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Map, Value, json};

use super::fields::merged;
use super::object::{NAMESPACE, Object, Place};
use super::server::{Meant, Refusal, Server};
use crate::action::Kind;

/// How many sequences of how many requests there are, and how many sequences at a time.
const SEQUENCES: usize = 50;
const REQUESTS: usize = 50;
const AT_A_TIME: usize = 4;

/// What no object has.
const OTHER_UID: &str = "00000000-0000-4000-8000-000000000001";
const OTHER_VERSION: &str = "1";

/// Who writes.
const MANAGERS: [&str; 2] = ["one", "two"];
/// What holds an object back.
const HOLD: &str = "tests/hold";
const KINDS: [Kind; 3] = [Kind::ConfigMap, Kind::PipelineRun, Kind::Job];

/// Which UID or version a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    None,
    Own,
    Other,
}

/// A change that is asked for.
#[derive(Clone, Debug)]
enum Ask {
    Create(Value),
    /// The object as it is, with these changes; the template, where there is none.
    Replace {
        template: Value,
        changes: Value,
    },
    Merge {
        patch: Value,
        status: bool,
    },
    Apply {
        fields: Value,
        status: bool,
    },
    Delete {
        foreground: bool,
    },
}

/// A request.
#[derive(Clone, Debug)]
struct Request {
    kind: Kind,
    name: String,
    by: &'static str,
    uid: Which,
    version: Which,
    ask: Ask,
}

/// What comes of a request: the code and the reason of a refusal, the object as it is then, and whether that is another version.
#[derive(Debug, PartialEq)]
struct Outcome {
    refused: Option<(u16, String)>,
    there: Option<Value>,
    changed: bool,
}

fn api_version(kind: Kind) -> String {
    kind.resource().api_version
}

/// A new object of a kind.
fn template(random: &mut Random, kind: Kind, name: &str) -> Value {
    let mut object = json!({
        "apiVersion": api_version(kind), "kind": kind.name(),
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": few(random, &["a", "b"])},
    });
    if random.percent(40) {
        object["metadata"]["finalizers"] = json!([HOLD]);
    }
    match kind {
        Kind::ConfigMap => {
            object["data"] = few(random, &["x", "y", "z"]);
            if random.percent(10) {
                object["immutable"] = true.into();
            }
        }
        Kind::PipelineRun => {
            object["spec"] = json!({"pipelineRef": {"name": "move"}});
            object["status"] = json!({"job": "left out"});
        }
        _ => {
            let container = json!({"name": "main", "image": "none"});
            let pod = json!({"restartPolicy": "Never", "containers": [container]});
            object["spec"] = json!({"suspend": true, "parallelism": 1, "template": {"spec": pod}});
        }
    }
    object
}

/// At least one of the keys, with values.
fn few(random: &mut Random, keys: &[&str]) -> Value {
    let mut fields = Map::new();
    for key in random.few(keys, keys.len()) {
        fields.insert(key.to_owned(), Value::from(*random.pick(&["1", "2"])));
    }
    Value::Object(fields)
}

/// The same, where some of the keys are taken away.
fn changed(random: &mut Random, keys: &[&str]) -> Value {
    let mut fields = few(random, keys);
    for key in keys {
        if random.percent(15) {
            fields[*key] = Value::Null;
        }
    }
    fields
}

/// Changes of what is asked for.
fn changes(random: &mut Random, kind: Kind, going: bool) -> Value {
    let mut changes = json!({});
    if random.percent(50) {
        changes["metadata"]["labels"] = changed(random, &["a", "b"]);
    }
    if random.percent(20) {
        // Whoever is being deleted may lose finalizers, and get none.
        changes["metadata"]["finalizers"] = if going || random.percent(50) { Value::Null } else { json!([HOLD]) };
    }
    match kind {
        Kind::ConfigMap if random.percent(60) => changes["data"] = changed(random, &["x", "y", "z"]),
        Kind::PipelineRun if random.percent(30) => changes["spec"]["cancel"] = "Immediate".into(),
        Kind::Job if random.percent(60) => {
            changes["spec"]["suspend"] = random.percent(50).into();
            changes["spec"]["parallelism"] = (random.below(2) + 1).into();
        }
        _ => {}
    }
    changes
}

/// A run's status as somebody applies it, or a part of it as a patch has it. Two write the same words and numbers; what has parts
/// of its own has one writer.
fn status(random: &mut Random, by: &str, patch: bool) -> Value {
    let mut status = json!({});
    let mut say = |random: &mut Random, field: &str, value: Value| {
        if random.percent(50) {
            status[field] = value;
        } else if patch && random.percent(30) {
            status[field] = Value::Null;
        }
    };
    let phase = *random.pick(&["Pending", "Running"]);
    say(random, "phase", phase.into());
    let attempt = random.below(2) + 1;
    say(random, "attempt", attempt.into());
    say(random, "job", "first".into());
    if !patch && by == MANAGERS[0] {
        let condition = json!({"type": "Succeeded", "status": "Unknown", "reason": phase, "message": "it goes on"});
        say(random, "conditions", json!([condition]));
    } else if !patch {
        let run = *random.pick(&["x", "y"]);
        say(random, "progress", json!({"run": run, "attempt": attempt, "time": "2026-11-23T10:00:00Z"}));
        let pod = *random.pick(&["first-x", "first-y"]);
        say(random, "commits", json!({(pod): {"run": run, "attempt": attempt}}));
    }
    status
}

impl Request {
    fn random(random: &mut Random, sequence: usize, server: &Server) -> Self {
        let kind = *random.pick(&KINDS);
        let name = format!("{}-{sequence}", random.pick(&["a", "b"]));
        let there = server.get(kind, &name);
        let going = there.is_some_and(Object::is_going);
        let by = *random.pick(&MANAGERS);
        let ask = match random.below(100) {
            // What is not there is made more often than anything else.
            _ if there.is_none() && random.percent(60) => Ask::Create(template(random, kind, &name)),
            0..10 => Ask::Create(template(random, kind, &name)),
            10..30 => Ask::Replace { template: template(random, kind, &name), changes: changes(random, kind, going) },
            30..55 if kind == Kind::PipelineRun => {
                // Who has nothing to say any more sends no status.
                let fields = if random.percent(15) { Value::Null } else { status(random, by, false) };
                Ask::Apply { fields, status: true }
            }
            30..55 if kind == Kind::ConfigMap => {
                let mut fields = json!({});
                if random.percent(70) {
                    fields["data"] = few(random, &["x", "y", "z"]);
                }
                // Nobody applies nothing at all.
                if fields["data"].is_null() || random.percent(40) {
                    fields["metadata"]["labels"] = few(random, &["a", "b"]);
                }
                Ask::Apply { fields, status: false }
            }
            30..65 if kind == Kind::PipelineRun => {
                Ask::Merge { patch: json!({"status": status(random, by, true)}), status: true }
            }
            30..85 => Ask::Merge { patch: changes(random, kind, going), status: false },
            _ => Ask::Delete { foreground: random.percent(30) },
        };
        let which = |random: &mut Random| match random.below(10) {
            0..5 => Which::None,
            5..8 => Which::Own,
            _ => Which::Other,
        };
        let (mut uid, mut version) = (which(random), which(random));
        if there.is_none() {
            // What is said of what is not there differs by kinds, and nobody asks.
            let applies = matches!(ask, Ask::Apply { status: false, .. });
            uid = if applies && uid == Which::Other { uid } else { Which::None };
            version = Which::None;
        }
        Self { kind, name, by, uid, version, ask }
    }
}

/// What the operator can tell of an object, without what is as good as nothing.
fn seen(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let spec = &object["spec"];
    // A Job without labels is given those of its Pods.
    let labels = ["a", "b"].map(|key| (key.to_owned(), metadata["labels"][key].clone()));
    plain(json!({
        "labels": Map::from_iter(labels), "finalizers": metadata["finalizers"], "generation": metadata["generation"],
        "going": metadata["deletionTimestamp"].is_string(), "data": object["data"], "immutable": object["immutable"],
        "cancel": spec["cancel"], "pipeline": spec["pipelineRef"], "suspend": spec["suspend"],
        "parallelism": spec["parallelism"],
        "status": if object["kind"] == "PipelineRun" { object["status"].clone() } else { Value::Null },
    }))
}

/// Without nulls and what is empty.
fn plain(value: Value) -> Value {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, plain(value)));
            Value::Object(fields.filter(|(_, value)| !is_empty(value)).collect())
        }
        Value::Array(items) => items.into_iter().map(plain).collect(),
        other => other,
    }
}

/// What an apply or a patch says beside its fields.
fn addressed(request: &Request, fields: &Value, uid: Option<&str>, version: Option<&str>) -> Value {
    let mut body = fields.clone();
    body["apiVersion"] = api_version(request.kind).into();
    body["kind"] = request.kind.name().into();
    body["metadata"]["name"] = request.name.clone().into();
    if let Some(uid) = uid {
        body["metadata"]["uid"] = uid.into();
    }
    if let Some(version) = version {
        body["metadata"]["resourceVersion"] = version.into();
    }
    body
}

/// What the server of the model makes of a request.
fn in_the_model(server: &mut Server, request: &Request) -> Outcome {
    let place = Place::of(request.kind, &request.name);
    let before = server.at(place);
    let uid = match request.uid {
        Which::None => None,
        Which::Own => before.map(Object::uid),
        Which::Other => Some(OTHER_UID),
    };
    let version = match request.version {
        Which::None => None,
        Which::Own => before.map(|there| there.version),
        Which::Other => Some(u16::MAX),
    };
    let meant = Meant { uid, version };
    let answer = match &request.ask {
        Ask::Create(object) => server.create(object, Some(request.by)),
        Ask::Replace { template, changes } => {
            let mut object = before.map_or(template, |there| there.json()).clone();
            merged(&mut object, changes);
            server.replace(&object, meant, request.by, false)
        }
        Ask::Merge { patch, status } => server.merge(place, patch, meant, Some(request.by), *status),
        Ask::Apply { fields, status } => {
            let fields = if *status { json!({ "status": fields }) } else { fields.clone() };
            let mut fields = addressed(request, &fields, None, None);
            fields["metadata"]["namespace"] = NAMESPACE.into();
            server.apply(place, &fields, meant, request.by, *status)
        }
        Ask::Delete { foreground } => server.delete(place, meant, *foreground),
    };
    server.told.clear();
    let there = server.at(place);
    Outcome {
        refused: answer.err().map(|refusal: Refusal| (refusal.code(), refusal.reason().to_owned())),
        there: there.map(|there| seen(there.json())),
        changed: before.is_some_and(|before| there.is_some_and(|there| there.version != before.version)),
    }
}

/// What the real server makes of it.
async fn in_reality(client: &Client, request: &Request) -> Outcome {
    let resource: ApiResource = request.kind.resource();
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &resource);
    let name = request.name.as_str();
    let look = || async {
        let there = api.get_opt(name).await.expect("an answer");
        there.map(|there| serde_json::to_value(there).expect("JSON"))
    };
    let before = look().await;
    let own = |field: &str| before.as_ref().and_then(|there| there["metadata"][field].as_str()).map(str::to_owned);
    let named = |which: Which, field: &str, other: &str| match which {
        Which::None => None,
        Which::Own => own(field),
        Which::Other => Some(other.to_owned()),
    };
    let uid = named(request.uid, "uid", OTHER_UID);
    let version = named(request.version, "resourceVersion", OTHER_VERSION);
    let post = PostParams { field_manager: Some(request.by.into()), ..PostParams::default() };
    let typed = |object: Value| serde_json::from_value::<DynamicObject>(object).expect("an object");
    let answer = match &request.ask {
        Ask::Create(object) => api.create(&post, &typed(object.clone())).await.map(drop),
        Ask::Replace { template, changes } => {
            let mut object = before.clone().unwrap_or_else(|| template.clone());
            merged(&mut object, changes);
            object["metadata"]["uid"] = uid.into();
            object["metadata"]["resourceVersion"] = version.into();
            api.replace(name, &post, &typed(object)).await.map(drop)
        }
        Ask::Merge { patch, status } => {
            let body = Patch::Merge(addressed(request, patch, uid.as_deref(), version.as_deref()));
            let params = PatchParams { field_manager: Some(request.by.into()), ..PatchParams::default() };
            let patched = if *status {
                api.patch_status(name, &params, &body).await
            } else {
                api.patch(name, &params, &body).await
            };
            patched.map(drop)
        }
        Ask::Apply { fields, status } => {
            let params = PatchParams::apply(request.by).force();
            let fields = match (*status, fields) {
                (true, Value::Null) => json!({}),
                (true, fields) => json!({ "status": fields }),
                (false, fields) => fields.clone(),
            };
            let body = Patch::Apply(addressed(request, &fields, uid.as_deref(), version.as_deref()));
            let patched = if *status {
                api.patch_status(name, &params, &body).await
            } else {
                api.patch(name, &params, &body).await
            };
            patched.map(drop)
        }
        Ask::Delete { foreground } => {
            let policy = if *foreground { PropagationPolicy::Foreground } else { PropagationPolicy::Background };
            let preconditions = Some(Preconditions { uid, resource_version: version });
            let params = DeleteParams { propagation_policy: Some(policy), preconditions, ..DeleteParams::default() };
            api.delete(name, &params).await.map(drop)
        }
    };
    let refused = match answer {
        Ok(()) => None,
        Err(kube::Error::Api(status)) => Some((status.code, status.reason.clone())),
        Err(error) => panic!("{request:?}: {error}"),
    };
    let there = look().await;
    let version_of = |object: &Option<Value>| object.as_ref().map(|it| it["metadata"]["resourceVersion"].clone());
    Outcome {
        refused,
        changed: before.is_some() && there.is_some() && version_of(&before) != version_of(&there),
        there: there.as_ref().map(seen),
    }
}

/// One sequence; gives how many of its requests were refused.
async fn sequence(client: Client, mut random: Random, number: usize) -> usize {
    let mut server = Server::default();
    let mut refused = 0;
    let mut story = Vec::new();
    for _ in 0..REQUESTS {
        let request = Request::random(&mut random, number, &server);
        story.push(format!("{request:?}"));
        let (model, reality) = (in_the_model(&mut server, &request), Box::pin(in_reality(&client, &request)).await);
        assert_eq!(model, reality, "sequence {number}: the model, and what is real, after\n{}", story.join("\n"));
        refused += usize::from(reality.refused.is_some());
    }
    refused
}

async fn client(plane: &ControlPlane) -> Client {
    let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).expect("a kubeconfig");
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("a configuration");
    Client::try_from(config).expect("a client")
}

#[tokio::test]
async fn the_server_of_the_model_is_the_real_one() {
    let started = tokio::task::spawn_blocking(|| {
        let plane = ControlPlane::bare();
        plane.install();
        plane
    });
    let plane = started.await.expect("a control plane");
    let client = client(&plane).await;
    let namespace = Namespace {
        metadata: ObjectMeta { name: Some(NAMESPACE.into()), ..ObjectMeta::default() },
        ..Namespace::default()
    };
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.expect("a namespace");
    let random = Random::seeded("the server of the model");
    let sequences = (0..SEQUENCES).map(|number| sequence(client.clone(), random.of(number), number));
    let refused: Vec<usize> = futures::stream::iter(sequences).buffer_unordered(AT_A_TIME).collect().await;
    let (refused, all) = (refused.iter().sum::<usize>(), SEQUENCES * REQUESTS);
    println!("{all} requests were answered alike, {refused} of them refused");
    assert!((all / 20..all / 2).contains(&refused), "{refused} of {all} refused: the test tells little");
    aggregator_tests::reliability::note("fidelity", json!({"requests": all, "refused": refused}));
    // It ends its processes, which takes a moment.
    tokio::task::spawn_blocking(move || drop(plane)).await.expect("it ends");
}
