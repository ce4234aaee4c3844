//! A custom kind with lists and maps of every sort, written at random by several managers.

use aggregator_embedded_kube::api::apply::{Manager, applied, settled, tracked};
use aggregator_embedded_kube::api::patch::{PatchBody, checked_options, patched};
use aggregator_embedded_kube::api::{Kind, Refusal};
use aggregator_tests::random::Random;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::schema::described;
use super::server::{Answer, Server, compared, none, of_refusal, same};

const STEPS: usize = 300;
const MANAGERS: [&str; 4] = ["one", "two", "three", "kubectl"];
const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const VALUES: [&str; 3] = ["x", "y", "z"];
const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const OPERATIONS: &str = "application/json-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

fn schema() -> Value {
    let text = json!({"type": "string"});
    json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "text": text,
            "count": {"type": "integer"},
            "port": {"x-kubernetes-int-or-string": true},
            "list": {"type": "array", "items": text},
            "set": {"type": "array", "items": text, "x-kubernetes-list-type": "set"},
            "numbers": {"type": "array", "items": {"type": "integer"}, "x-kubernetes-list-type": "set"},
            "map": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "required": ["name"], "properties": {
                    "name": text,
                    "value": text,
                    "tags": {"type": "array", "items": text, "x-kubernetes-list-type": "set"},
                    "deep": {"type": "object", "properties": {"x": text, "y": text}},
                }},
            },
            "pairs": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["number", "protocol"],
                "items": {"type": "object", "required": ["number"], "properties": {
                    "number": {"type": "integer"},
                    "protocol": {"type": "string", "default": "TCP"},
                    "note": text,
                }},
            },
            "parts": {"type": "object", "additionalProperties": text},
            "whole": {"type": "object", "additionalProperties": text, "x-kubernetes-map-type": "atomic"},
            "objects": {"type": "object", "additionalProperties": {
                "type": "object",
                "properties": {"x": text, "y": text},
            }},
            "deep": {"type": "object", "properties": {
                "x": text,
                "deeper": {"type": "object", "properties": {"y": text, "z": text}},
            }},
            "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        }},
        "status": {"type": "object", "properties": {
            "phase": text,
            "conditions": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
                "items": {"type": "object", "required": ["type"], "properties": {"type": text, "status": text}},
            },
        }},
    }})
}

fn kind() -> Kind {
    described("differential.test", "v1", "Mosaic", "mosaics", true, schema())
}

fn install(server: &Server) {
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "mosaics.differential.test"},
        "spec": {
            "group": "differential.test",
            "scope": "Namespaced",
            "names": {"plural": "mosaics", "singular": "mosaic", "kind": "Mosaic", "listKind": "MosaicList"},
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": schema()},
                "subresources": {"status": {}},
            }],
        },
    });
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/mosaics.differential.test?fieldManager=test";
    let answer = server.ask("PATCH", path, APPLY, &definition);
    assert!(answer.code < 300, "{}", answer.body);
    server.plane.kubectl(["wait", "crd/mosaics.differential.test", "--for=condition=Established", "--timeout=60s"]);
}

fn text(random: &mut Random) -> Value {
    (*random.pick(&VALUES)).into()
}

fn texts(random: &mut Random, chance: usize) -> Value {
    let names = random.some(&NAMES, chance);
    Value::Object(names.into_iter().map(|name| (name.to_owned(), text(random))).collect())
}

fn fields(random: &mut Random, names: &[&str]) -> Value {
    let names = random.some(names, 50);
    Value::Object(names.into_iter().map(|name| (name.to_owned(), text(random))).collect())
}

/// Any value of a field of the spec.
fn field(random: &mut Random, name: &str) -> Value {
    match name {
        "count" => random.below(3).into(),
        "port" => random.pick(&[json!(80), json!("http")]).clone(),
        "list" | "set" => json!(random.some(&NAMES, 50)),
        "numbers" => json!(random.some(&[1, 2, 3], 50)),
        "map" => {
            let names = random.some(&NAMES, 45);
            let items = names.into_iter().map(|name| {
                let mut item = json!({"name": name});
                if random.percent(60) {
                    item["value"] = text(random);
                }
                if random.percent(30) {
                    item["tags"] = json!(random.some(&NAMES, 50));
                }
                if random.percent(30) {
                    item["deep"] = fields(random, &["x", "y"]);
                }
                item
            });
            Value::Array(items.collect())
        }
        "pairs" => {
            let pairs = [(1, None), (1, Some("UDP")), (2, None), (2, Some("TCP"))];
            let mut pairs = random.some(&pairs, 45);
            // What is left out is TCP, and the pair the same.
            if pairs.contains(&(2, None)) {
                pairs.retain(|pair| *pair != (2, Some("TCP")));
            }
            let pairs = pairs.into_iter().map(|(number, protocol)| {
                let mut pair = json!({"number": number});
                if let Some(protocol) = protocol {
                    pair["protocol"] = protocol.into();
                }
                if random.percent(50) {
                    pair["note"] = text(random);
                }
                pair
            });
            Value::Array(pairs.collect())
        }
        "parts" | "whole" => texts(random, 40),
        "objects" => {
            let names = random.some(&NAMES, 40);
            Value::Object(names.into_iter().map(|name| (name.to_owned(), fields(random, &["x", "y"]))).collect())
        }
        "deep" => {
            let mut deep = fields(random, &["x"]);
            if random.percent(50) {
                deep["deeper"] = fields(random, &["y", "z"]);
            }
            deep
        }
        "open" => random
            .pick(&[
                json!({}),
                json!({"a": 1, "b": {"c": [1, 2]}}),
                json!({"b": {"c": "x", "d": true}}),
                json!({"a": "x"}),
            ])
            .clone(),
        _ => text(random),
    }
}

const FIELDS: [&str; 13] =
    ["text", "count", "port", "list", "set", "numbers", "map", "pairs", "parts", "whole", "objects", "deep", "open"];

fn spec(random: &mut Random, chance: usize) -> Value {
    let names = random.some(&FIELDS, chance);
    Value::Object(names.into_iter().map(|name| (name.to_owned(), field(random, name))).collect())
}

fn status(random: &mut Random) -> Value {
    let mut status = fields(random, &["phase"]);
    if random.percent(60) {
        let conditions = random.some(&NAMES, 40).into_iter().map(|name| json!({"type": name, "status": text(random)}));
        status["conditions"] = Value::Array(conditions.collect());
    }
    status
}

fn metadata(random: &mut Random) -> Value {
    let mut metadata = json!({"name": "it"});
    if random.percent(40) {
        metadata["labels"] = texts(random, 40);
    }
    if random.percent(30) {
        metadata["annotations"] = texts(random, 40);
    }
    if random.percent(30) {
        let finalizers = random.some(&["t.test/a", "t.test/b", "t.test/c"], 50);
        metadata["finalizers"] = json!(finalizers);
    }
    if random.percent(20) {
        let owners = random
            .some(&["1", "2"], 50)
            .into_iter()
            .map(|uid| json!({"apiVersion": "v1", "kind": "Thing", "name": text(random), "uid": uid}));
        metadata["ownerReferences"] = Value::Array(owners.collect());
    }
    metadata
}

fn object(random: &mut Random, chance: usize) -> Value {
    let mut object = json!({"apiVersion": "differential.test/v1", "kind": "Mosaic", "metadata": metadata(random)});
    if random.percent(90) {
        object["spec"] = spec(random, chance);
    }
    if random.percent(15) {
        object["status"] = status(random);
    }
    object
}

/// A merge patch with nulls here and there.
fn merge(random: &mut Random) -> Value {
    let mut patch = json!({"spec": spec(random, 20)});
    for name in random.some(&FIELDS, 8) {
        patch["spec"][name] = Value::Null;
    }
    if random.percent(30) {
        patch["spec"]["parts"] = json!({"a": null, "b": text(random), "c": {}});
        patch["spec"]["parts"].as_object_mut().unwrap().remove("c");
    }
    if random.percent(30) {
        patch["metadata"] = json!({"labels": {"a": null, "b": text(random)}});
    }
    patch
}

fn operations(random: &mut Random) -> Value {
    let mut operations = Vec::new();
    for _ in 0..=random.below(3) {
        let value = text(random);
        operations.push(match random.below(11) {
            0 => json!({"op": "add", "path": "/spec/text", "value": value}),
            1 => json!({"op": "remove", "path": "/spec/text"}),
            2 => json!({"op": "replace", "path": "/spec/count", "value": random.below(3)}),
            3 => json!({"op": "add", "path": "/spec/set/-", "value": random.pick(&NAMES)}),
            4 => json!({"op": "replace", "path": "/spec/map/0/value", "value": value}),
            5 => json!({"op": "remove", "path": "/spec/map/-1"}),
            6 => json!({"op": "add", "path": "/spec/parts", "value": {"a": value}}),
            7 => json!({"op": "copy", "from": "/spec/text", "path": "/spec/deep/x"}),
            8 => json!({"op": "move", "from": "/spec/list/0", "path": "/spec/list/-"}),
            9 => json!({"op": "test", "path": "/spec/open", "value": null}),
            _ => json!({"op": "add", "path": "/metadata/labels", "value": {"a": value}}),
        });
    }
    Value::Array(operations)
}

/// What the API server makes of an object of the kind beside.
fn defaulted(mut object: Value) -> Value {
    let pairs = object.pointer_mut("/spec/pairs").and_then(Value::as_array_mut);
    for pair in pairs.into_iter().flatten().filter_map(Value::as_object_mut) {
        pair.entry("protocol").or_insert_with(|| "TCP".into());
    }
    without_nulls(&mut object, "");
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|name, value| name == "managedFields" || !(*value == json!({}) || *value == json!([])));
    }
    object
}

/// No field of it may be null: what is, is dropped.
fn without_nulls(value: &mut Value, path: &str) {
    match value {
        Value::Object(members) if path != "/spec/open" => {
            members.retain(|_, value| !value.is_null());
            for (name, value) in members.iter_mut() {
                without_nulls(value, &format!("{path}/{name}"));
            }
        }
        Value::Array(items) => {
            for item in items {
                without_nulls(item, &format!("{path}/-"));
            }
        }
        _ => {}
    }
}

/// A write to the object, or to its status, leaves the rest.
fn of_part(live: Option<&Value>, new: Value, part: &str) -> Value {
    let put = |object: &mut Value, name: &str, from: Option<&Value>| match from.and_then(|from| from.get(name)) {
        Some(value) => object[name] = value.clone(),
        None => {
            object.as_object_mut().unwrap().remove(name);
        }
    };
    if part.is_empty() {
        let mut object = new;
        put(&mut object, "status", live);
        return object;
    }
    let mut object = live.unwrap().clone();
    put(&mut object, "status", Some(&new));
    let managers = new.pointer("/metadata/managedFields").cloned();
    let metadata: &mut Map<String, Value> = object["metadata"].as_object_mut().unwrap();
    match managers {
        Some(managers) => metadata.insert("managedFields".into(), managers),
        None => metadata.remove("managedFields"),
    };
    object
}

struct Request {
    method: &'static str,
    content_type: &'static str,
    part: &'static str,
    force: Option<bool>,
    body: Value,
}

fn request(random: &mut Random, live: Option<&Value>) -> Request {
    let apply = |random: &mut Random, part| {
        let mut body = object(random, 30);
        if part == "status" {
            body["status"] = status(random);
        }
        // One that is of no use, now and then.
        if random.percent(4) {
            body["spec"]["typo"] = 1.into();
        } else if random.percent(4) {
            body["spec"]["set"] = json!(["a", "b", "a"]);
        } else if random.percent(3) {
            body["spec"]["map"] = json!([{"value": "x"}]);
        } else if random.percent(3) {
            body["spec"]["text"] = json!(7);
        }
        Request { method: "PATCH", content_type: APPLY, part, force: Some(random.percent(45)), body }
    };
    let Some(live) = live else {
        if random.percent(50) {
            return apply(random, "");
        }
        let body = object(random, 50);
        return Request { method: "POST", content_type: JSON, part: "", force: None, body };
    };
    let part = if random.percent(25) { "status" } else { "" };
    match random.below(10) {
        0..4 => apply(random, part),
        4..6 => {
            let mut body = live.clone();
            body["spec"] = spec(random, 40);
            for name in random.some(&FIELDS, 60) {
                if let Some(kept) = live.pointer(&format!("/spec/{name}")) {
                    body["spec"][name] = kept.clone();
                }
            }
            body["status"] = status(random);
            let metadata = body["metadata"].as_object_mut().unwrap();
            match random.below(12) {
                0..3 => drop(metadata.remove("managedFields")),
                3 => drop(metadata.insert("managedFields".into(), json!([]))),
                4 => drop(metadata.insert("managedFields".into(), json!([{}]))),
                _ => {}
            }
            if random.percent(30) {
                metadata.insert("labels".into(), texts(random, 40));
            }
            Request { method: "PUT", content_type: JSON, part, force: None, body }
        }
        6..8 => {
            let mut body = merge(random);
            if random.percent(40) {
                body["status"] = status(random);
            }
            Request { method: "PATCH", content_type: MERGE, part, force: None, body }
        }
        _ => Request { method: "PATCH", content_type: OPERATIONS, part, force: None, body: operations(random) },
    }
}

fn ours(kind: &Kind, live: Option<&Value>, request: &Request, manager: &Manager) -> Result<Value, Refusal> {
    let now = Timestamp::now();
    let Request { method, content_type, part, force, body } = request;
    let written = |new: Value| of_part(live, tracked(kind, live, defaulted(new), manager, now), part);
    if *method != "PATCH" {
        return Ok(written(body.clone()));
    }
    let patch = PatchBody::read(kind, content_type, body.to_string().as_bytes())?;
    let object = match &patch {
        PatchBody::Apply(configuration) => {
            let object = applied(kind, live, configuration, manager, force.unwrap_or_default(), now)?;
            of_part(live, defaulted(object), part)
        }
        patch => written(patched(kind, live.unwrap(), patch)?),
    };
    Ok(live.map_or_else(|| object.clone(), |live| settled(live, object.clone())))
}

/// What has happened.
#[derive(Debug, Default)]
struct Tally {
    written: usize,
    conflicts: usize,
    refused: usize,
    invalid: usize,
}

/// Whether the object was refused for its content: that is not for patches to say.
fn is_invalid(answer: &Answer) -> bool {
    let message = answer.body["message"].as_str().unwrap_or_default();
    answer.code == 422 && message.starts_with("Mosaic.differential.test \"it\" is invalid: ")
}

#[test]
fn many_managers_write_one_object() {
    let server = Server::start();
    install(&server);
    let kind = kind();
    let mut random = Random::seeded("many_managers_write_one_object");
    let all = format!("/apis/differential.test/v1/namespaces/{}/mosaics", server.namespace.name());
    let mut live: Option<Value> = None;
    let (mut tally, mut differences) = (Tally::default(), Vec::new());
    for step in 0..STEPS {
        let request = request(&mut random, live.as_ref());
        let manager = *random.pick(&MANAGERS);
        let part = if request.part.is_empty() { String::new() } else { format!("/{}", request.part) };
        let force = request.force.map_or_else(String::new, |force| format!("&force={force}"));
        let path = if request.method == "POST" { all.clone() } else { format!("{all}/it{part}") };
        let path = format!("{path}?fieldManager={manager}{force}");
        let real = server.ask(request.method, &path, request.content_type, &request.body);
        let manager = Manager { name: manager.into(), subresource: request.part.into() };
        let mut ours = ours(&kind, live.as_ref(), &request, &manager);
        let what = format!(
            "step {step}: {} {path} {}\n{:#}\nlive: {:#}",
            request.method,
            request.content_type,
            request.body,
            live.clone().unwrap_or_default()
        );
        if is_invalid(&real) && ours.is_ok() {
            tally.invalid += 1;
            continue;
        }
        if let Ok(object) = &mut ours {
            object["metadata"]["namespace"] = server.namespace.name().into();
        }
        match compared(&what, ours, &real) {
            Err(difference) => {
                differences.push(difference);
                live = if real.code < 300 { Some(real.body) } else { live };
            }
            Ok(Some(object)) => {
                tally.written += 1;
                live = Some(object);
            }
            Ok(None) if of_refusal(&real.body)["reason"] == "Conflict" => tally.conflicts += 1,
            Ok(None) => tally.refused += 1,
        }
        if live.is_some() && random.percent(3) {
            let path = format!("{all}/it");
            server.ask("PATCH", &path, MERGE, &json!({"metadata": {"finalizers": null}}));
            server.ask("DELETE", &path, JSON, &Value::Null);
            live = None;
        }
    }
    println!("{tally:?}");
    none(&differences);
    assert!(tally.written > STEPS / 2 && tally.conflicts > STEPS / 30 && tally.refused > 0, "{tally:?}");
    assert!(tally.invalid < STEPS / 5, "{tally:?}");
}

#[test]
fn more_updaters_than_are_told_apart() {
    let server = Server::start();
    install(&server);
    let kind = kind();
    let all = format!("/apis/differential.test/v1/namespaces/{}/mosaics", server.namespace.name());
    let mut live = json!({"apiVersion": "differential.test/v1", "kind": "Mosaic", "metadata": {"name": "it"}});
    live["spec"] = json!({"parts": {}});
    live = server.ask("POST", &format!("{all}?fieldManager=m00"), JSON, &live).body;
    for number in 1..14 {
        let manager = format!("m{number:02}");
        let patch = json!({"spec": {"parts": {manager.as_str(): "x"}}});
        let real = server.ask("PATCH", &format!("{all}/it?fieldManager={manager}"), MERGE, &patch);
        let body = PatchBody::read(&kind, MERGE, patch.to_string().as_bytes()).unwrap();
        let manager = Manager { name: manager, subresource: String::new() };
        let ours = patched(&kind, &live, &body).map(|new| tracked(&kind, Some(&live), new, &manager, Timestamp::now()));
        live = same(&format!("updater {number}"), ours, &real).unwrap();
    }
    let managers = live["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(managers.len(), 10);
    assert!(managers.iter().any(|entry| entry["manager"] == "ancient-changes"), "{live:#}");
}

#[test]
fn a_configuration_names_the_same_object() {
    let server = Server::start();
    install(&server);
    let kind = kind();
    let path = format!("/apis/differential.test/v1/namespaces/{}/mosaics/it?fieldManager=one", server.namespace.name());
    let configuration = |metadata: Value| {
        let mut configuration = json!({"apiVersion": "differential.test/v1", "kind": "Mosaic", "spec": {"text": "x"}});
        configuration["metadata"] = metadata;
        configuration["metadata"]["name"] = "it".into();
        configuration
    };
    let manager = Manager { name: "one".into(), subresource: String::new() };
    let mut live: Option<Value> = None;
    let mut outcomes = Vec::new();
    for metadata in [
        json!({"uid": "other"}),
        json!({"managedFields": []}),
        json!({"labels": {"a": "b"}}),
        json!({"resourceVersion": "1"}),
        json!({"uid": "other"}),
        json!({"resourceVersion": ""}),
        json!({"creationTimestamp": null, "uid": null}),
    ] {
        let configuration = configuration(metadata.clone());
        let real = server.ask("PATCH", &path, APPLY, &configuration);
        let ours = applied(&kind, live.as_ref(), &configuration, &manager, false, Timestamp::now());
        let ours = ours.map(|mut object| {
            object["metadata"]["namespace"] = server.namespace.name().into();
            object
        });
        outcomes.push(real.code);
        live = same(&metadata.to_string(), ours, &real).or(live);
    }
    assert_eq!(outcomes, [409, 400, 201, 409, 422, 422, 200]);
    let mut configuration = configuration(json!({}));
    configuration["kind"] = "Tile".into();
    let real = server.ask("PATCH", &path, APPLY, &configuration);
    let ours = applied(&kind, live.as_ref(), &configuration, &manager, false, Timestamp::now());
    assert_eq!(same("another kind", ours, &real), None);
}

#[test]
fn what_is_no_patch_is_refused_alike() {
    let server = Server::start();
    install(&server);
    let kind = kind();
    let path = format!("/apis/differential.test/v1/namespaces/{}/mosaics", server.namespace.name());
    let object = json!({"apiVersion": "differential.test/v1", "kind": "Mosaic", "metadata": {"name": "it"}});
    let live = server.ask("POST", &path, JSON, &object).body;
    let many = Value::Array(vec![json!({"op": "add", "path": "/spec/text", "value": "x"}); 10_001]);
    for (content_type, patch) in [
        ("application/strategic-merge-patch+json", json!({})),
        ("application/json", json!({})),
        (MERGE, json!([])),
        (MERGE, json!(1)),
        (OPERATIONS, json!({})),
        (OPERATIONS, json!([1])),
        (OPERATIONS, json!([{"op": 1}])),
        (OPERATIONS, json!([{"op": "jump", "path": "/spec"}])),
        (OPERATIONS, json!([{"op": "remove", "path": "/spec/none"}])),
        (OPERATIONS, json!([{"op": "test", "path": "/metadata/name", "value": "other"}])),
        (OPERATIONS, many),
        (APPLY, json!([])),
        (APPLY, json!({"metadata": {"name": "it"}})),
    ] {
        let real = server.ask("PATCH", &format!("{path}/it?fieldManager=one"), content_type, &patch);
        let ours = PatchBody::read(&kind, content_type, patch.to_string().as_bytes()).and_then(|body| match &body {
            PatchBody::Apply(configuration) => {
                let manager = Manager { name: "one".into(), subresource: String::new() };
                applied(&kind, Some(&live), configuration, &manager, false, Timestamp::now())
            }
            body => patched(&kind, &live, body),
        });
        assert!(real.code >= 400, "{patch}");
        assert_eq!(same(&format!("{content_type} {:.80}", patch.to_string()), ours, &real), None);
    }
    for (content_type, options) in
        [(APPLY, ""), (MERGE, "?force=true"), (MERGE, "?fieldManager=a%09b"), (APPLY, "?force=true")]
    {
        let real = server.ask("PATCH", &format!("{path}/it{options}"), content_type, &object);
        let body = PatchBody::read(&kind, content_type, object.to_string().as_bytes()).unwrap();
        let manager = if options.contains("a%09b") { "a\tb" } else { "" };
        let force = options.contains("force").then_some(true);
        let ours = checked_options(&body, manager, force).unwrap_err();
        assert_eq!(same(options, Err(ours), &real), None);
    }
    let long = "a".repeat(129);
    let real = server.ask("PATCH", &format!("{path}/it?fieldManager={long}"), MERGE, &json!({}));
    let ours = checked_options(&PatchBody::Merge(json!({})), &long, None).unwrap_err();
    assert_eq!(same("a long name", Err(ours), &real), None);
}
