//! Strategic merge patches.

use aggregator_embedded_kube::api::apply::{Manager, tracked};
use aggregator_embedded_kube::api::patch::{PatchBody, patched};
use aggregator_embedded_kube::api::{Kind, Refusal};
use aggregator_tests::random::Random;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::schema::built_in;
use super::server::{Server, none, of_refusal, same};

const STRATEGIC: &str = "application/strategic-merge-patch+json";
const NAMES: [&str; 3] = ["a", "b", "c"];
const FINALIZERS: [&str; 3] = ["t.test/a", "t.test/b", "t.test/c"];

fn change(kind: &Kind, live: &Value, patch: &Value) -> Result<Value, Refusal> {
    patched(kind, live, &PatchBody::read(kind, STRATEGIC, patch.to_string().as_bytes())?)
}

fn create(server: &Server, path: &str, object: &Value) -> Value {
    let answer = server.ask("POST", &format!("{path}?fieldManager=creator"), "application/json", object);
    assert_eq!(answer.code, 201, "{}", answer.body);
    answer.body
}

/// Whether everything of ours is in theirs, and lists are as long: the API server adds defaults.
fn fits(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => ours.iter().all(|(name, value)| match theirs.get(name) {
            Some(other) => fits(value, other),
            // Empty parts are left out, and what is no field.
            None => name.starts_with('$') || value.is_null() || *value == json!({}) || *value == json!([]),
        }),
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| fits(ours, theirs))
        }
        // Null is the zero of its type when it is read.
        (ours, theirs) => ours.is_null() || ours == theirs,
    }
}

/// Items by name, some of which only say what is to be done with them.
fn named(random: &mut Random, directives: bool) -> Vec<Value> {
    let mut items: Vec<Value> = random.some(&NAMES, 50).into_iter().map(|name| json!({"name": name})).collect();
    if directives {
        for item in &mut items {
            if random.percent(25) {
                item["$patch"] = "delete".into();
            }
        }
        if random.percent(10) {
            items.push(json!({"$patch": "replace"}));
        }
    }
    items
}

/// The order of the patch's items, with others between.
fn order(random: &mut Random, items: &[Value]) -> Value {
    let mut order: Vec<Value> = items.iter().filter(|item| item.get("$patch").is_none()).cloned().collect();
    for name in NAMES {
        if !order.iter().any(|item| item["name"] == name) && random.percent(50) {
            order.insert(random.below(order.len() + 1), json!({"name": name}));
        }
    }
    Value::Array(order.iter().map(|item| json!({"name": item["name"]})).collect())
}

fn metadata(random: &mut Random) -> Value {
    let mut metadata = json!({});
    if random.percent(50) {
        let finalizers = random.some(&FINALIZERS, 50);
        if random.percent(40) {
            let mut order = finalizers.clone();
            order.extend(FINALIZERS.iter().filter(|name| !finalizers.contains(name)).take(random.below(3)));
            metadata["$setElementOrder/finalizers"] = json!(order);
        }
        metadata["finalizers"] = json!(finalizers);
    } else if random.percent(50) {
        // Not with the other: which of both the API server does first is another each time.
        metadata["$deleteFromPrimitiveList/finalizers"] = json!(random.some(&FINALIZERS, 40));
    }
    if random.percent(50) {
        metadata["labels"] = json!({"a": random.pick(&[Value::Null, json!("x"), json!("y")])});
        if random.percent(20) {
            metadata["labels"] = json!({"$patch": random.pick(&["replace", "delete"])});
        }
    }
    metadata
}

fn of_account(random: &mut Random, live: &Value) -> Value {
    let mut patch = json!({"metadata": metadata(random)});
    let secrets = named(random, true);
    if random.percent(40) {
        patch["$setElementOrder/secrets"] = order(random, &secrets);
    }
    if random.percent(80) {
        patch["secrets"] = Value::Array(secrets);
    }
    if random.percent(30) {
        patch["imagePullSecrets"] = Value::Array(named(random, false));
    }
    // One that is of no use, now and then.
    match random.below(30) {
        0 => patch = json!({"secrets": [{"namespace": "x"}]}),
        1 => patch = json!({"secrets": [{"name": "a", "$patch": "bogus"}]}),
        2 => patch = json!({"secrets": [{"name": "a", "$patch": "merge"}]}),
        // Where there is no list to merge it with, it is for the schema to refuse.
        3 if live.get("secrets").is_some() => patch = json!({"secrets": ["a", {"name": "b"}]}),
        4 => {
            patch = json!({"$setElementOrder/secrets": [{"name": "b"}, {"name": "a"}], "secrets": [{"name": "a"}, {"name": "b"}]})
        }
        5 => patch = json!({"$setElementOrder/secrets": "a"}),
        6 => patch = json!({"$patch": "bogus"}),
        7 => patch = json!({"metadata": {"$retainKeys": ["labels"], "annotations": {"a": "b"}}}),
        8 => patch = json!({"metadata": {"$deleteFromPrimitiveList": ["a"]}}),
        _ => {}
    }
    patch
}

#[test]
fn service_accounts_are_merged_alike() {
    let server = Server::start();
    let kind = built_in(&server, "", "v1", "ServiceAccount", "serviceaccounts");
    let path = format!("/api/v1/namespaces/{}/serviceaccounts", server.namespace.name());
    let mut live =
        create(&server, &path, &json!({"metadata": {"name": "it"}, "secrets": [{"name": "a"}, {"name": "c"}]}));
    let mut random = Random::seeded("service_accounts_are_merged_alike");
    let (mut written, mut refused) = (0, 0);
    for step in 0..150 {
        let patch = of_account(&mut random, &live);
        let manager = *random.pick(&["one", "two"]);
        let real = server.ask("PATCH", &format!("{path}/it?fieldManager={manager}"), STRATEGIC, &patch);
        let manager = Manager { name: manager.into(), subresource: String::new() };
        let what = format!("step {step}: {patch:#}\nlive: {live:#}");
        let ours = change(&kind, &live, &patch);
        if let Err(refusal) = &ours {
            let (ours, theirs) = (of_refusal(&refusal.status()), of_refusal(&real.body));
            assert_eq!(ours, theirs, "{what}");
            refused += 1;
            continue;
        }
        let ours = ours.map(|new| tidied(tracked(&kind, Some(&live), tidied(new), &manager, Timestamp::now())));
        live = same(&what, ours, &real).unwrap();
        written += 1;
    }
    assert!(written > 75 && refused > 5, "{written} {refused}");
}

/// Empty lists and maps of structs are left out when they are written.
fn tidied(mut object: Value) -> Value {
    let empty = |value: &Value| *value == json!([]) || *value == json!({}) || value.is_null();
    let object_map = object.as_object_mut().unwrap();
    object_map.retain(|name, value| name == "metadata" || !empty(value));
    object_map["metadata"].as_object_mut().unwrap().retain(|_, value| !empty(value));
    object
}

#[test]
fn secrets_and_config_maps_are_merged_alike() {
    let server = Server::start();
    for (kind, plural) in [("Secret", "secrets"), ("ConfigMap", "configmaps")] {
        let kind = built_in(&server, "", "v1", kind, plural);
        let path = format!("/api/v1/namespaces/{}/{plural}", server.namespace.name());
        let mut live = create(&server, &path, &json!({"metadata": {"name": "it"}, "data": {"a": "YQ==", "b": "Yg=="}}));
        for patch in [
            json!({"data": {"c": "Yw==", "a": null}}),
            json!({"data": {"$patch": "replace", "d": "ZA=="}}),
            json!({"data": {"$retainKeys": ["e"], "e": "ZQ=="}}),
            json!({"metadata": {"labels": {"x": "y"}, "annotations": null}}),
            json!({"data": null}),
            json!({"data": {"f": null, "g": "Zw=="}}),
            json!({"data": {"$patch": "delete"}}),
        ] {
            let real = server.ask("PATCH", &format!("{path}/it?fieldManager=one"), STRATEGIC, &patch);
            let manager = Manager { name: "one".into(), subresource: String::new() };
            let ours = change(&kind, &live, &patch)
                .map(|new| tracked(&kind, Some(&live), tidied(new), &manager, Timestamp::now()));
            live = same(&format!("{plural}: {patch}\nlive: {live:#}"), ours, &real).unwrap();
        }
    }
}

/// A change of a Pod's template.
fn of_template(random: &mut Random) -> Value {
    let mut containers = named(random, false);
    for container in &mut containers {
        container["image"] = format!("i{}", random.below(3)).into();
        if random.percent(60) {
            let mut variables = named(random, true);
            for variable in variables.iter_mut().filter(|variable| variable.get("$patch").is_none()) {
                variable["value"] = (*random.pick(&["x", "y"])).into();
            }
            if random.percent(30) {
                container["$setElementOrder/env"] = order(random, &variables);
            }
            container["env"] = Value::Array(variables);
        }
        if random.percent(40) {
            let ports = random.some(&[(1, "TCP"), (1, "UDP"), (2, "TCP")], 50);
            let ports = ports.iter().map(|(port, protocol)| json!({"containerPort": port, "protocol": protocol}));
            container["ports"] = Value::Array(ports.collect());
        }
        if random.percent(30) {
            container["args"] = json!(random.some(&NAMES, 50));
        }
        if random.percent(30) {
            container["resources"] = json!({"limits": {"cpu": random.pick(&[json!("1"), json!("2"), Value::Null])}});
        }
    }
    let mut spec = json!({});
    if random.percent(40) {
        spec["$setElementOrder/containers"] = order(random, &containers);
    }
    spec["containers"] = Value::Array(containers);
    if random.percent(50) {
        let volumes = random.some(&NAMES, 50).into_iter().map(|name| match random.below(4) {
            0 => json!({"name": name, "$retainKeys": ["name", "emptyDir"], "emptyDir": {"medium": "Memory"}}),
            1 => json!({"name": name, "$retainKeys": ["name", "secret"], "secret": {"secretName": "s"}}),
            2 => json!({"name": name, "$patch": "delete"}),
            _ => json!({"name": name, "$patch": "delete", "emptyDir": {}}),
        });
        spec["volumes"] = Value::Array(volumes.collect());
    }
    if random.percent(30) {
        spec["tolerations"] = json!([{"key": random.pick(&NAMES), "operator": "Exists"}]);
    }
    if random.percent(30) {
        spec["nodeSelector"] = json!({"a": "b", "c": random.pick(&[Value::Null, json!("d")])});
    }
    if random.percent(30) {
        spec["imagePullSecrets"] = Value::Array(named(random, true));
    }
    if random.percent(30) {
        spec["hostAliases"] = json!([{"ip": random.pick(&["1.1.1.1", "2.2.2.2"]), "hostnames": ["h"]}]);
    }
    json!({"metadata": metadata(random), "spec": spec})
}

/// Templates of Pods can be changed at will in no kind that is served but Jobs, which forbid it. So the API server changes a
/// PodTemplate, and we the same template in a Job.
#[test]
fn templates_of_pods_are_merged_alike() {
    let server = Server::start();
    let kind = built_in(&server, "batch", "v1", "Job", "jobs");
    let path = format!("/api/v1/namespaces/{}/podtemplates", server.namespace.name());
    let template = json!({"metadata": {"labels": {"x": "y"}}, "spec": {"containers": [{"name": "a", "image": "i"}]}});
    let mut live = create(&server, &path, &json!({"metadata": {"name": "it"}, "template": template}));
    let mut random = Random::seeded("templates_of_pods_are_merged_alike");
    let (mut written, mut invalid, mut differences) = (0, 0, Vec::new());
    for step in 0..150 {
        let patch = of_template(&mut random);
        let real = server.ask("PATCH", &format!("{path}/it"), STRATEGIC, &json!({"template": patch}));
        let before = json!({"spec": {"template": live["template"]}});
        let what = format!("step {step}: {patch:#}\nlive: {:#}", live["template"]);
        let ours = change(&kind, &before, &json!({"spec": {"template": patch}}));
        if ours.is_ok() && real.code == 422 && real.body["message"].as_str().unwrap().contains("is invalid: template") {
            invalid += 1;
            continue;
        }
        match ours {
            Ok(ours) => {
                let (ours, theirs) = (&ours["spec"]["template"], &real.body["template"]);
                if real.code != 200 || !fits(ours, theirs) {
                    let theirs = if real.code == 200 { theirs } else { &real.body };
                    differences.push(format!("{what}\nours: {ours:#}\ntheirs: {theirs:#}"));
                }
                live = if real.code == 200 { real.body } else { live };
                written += 1;
            }
            Err(refusal) => assert_eq!(of_refusal(&refusal.status()), of_refusal(&real.body), "{what}"),
        }
    }
    println!("{written} written, {invalid} invalid");
    none(&differences);
    assert!(written > 75, "{written}");
}

#[test]
fn pods_and_jobs_are_merged_alike() {
    let server = Server::start();
    let pod =
        json!({"containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "j"}], "restartPolicy": "Never"});
    let job = json!({"suspend": true, "template": {"spec": pod}});
    for (group, kind, plural, spec, patches) in [
        (
            "",
            "Pod",
            "pods",
            pod,
            vec![
                json!({"spec": {"containers": [{"name": "b", "image": "k"}]}}),
                json!({"spec": {"activeDeadlineSeconds": 5}, "metadata": {"labels": {"a": "b"}}}),
                json!({"metadata": {"finalizers": ["t.test/a"], "ownerReferences": [
                    {"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": "1"},
                    {"apiVersion": "v1", "kind": "Secret", "name": "t", "uid": "2"},
                ]}}),
                json!({"metadata": {"ownerReferences": [{"uid": "1", "$patch": "delete"}, {"uid": "2", "name": "u"}]}}),
                json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["t.test/a"], "ownerReferences": null}}),
            ],
        ),
        (
            "batch",
            "Job",
            "jobs",
            job,
            vec![
                json!({"spec": {"parallelism": 2, "template": {"metadata": {"labels": {"a": "b"}}}}}),
                json!({"spec": {"template": {"spec": {"tolerations": [{"key": "k", "operator": "Exists"}]}}}}),
                json!({"spec": {"template": {"spec": {"tolerations": [{"key": "l", "operator": "Exists"}]}}}}),
                json!({"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}}}),
                json!({"metadata": {"annotations": {"$patch": "replace", "a": "b"}}}),
            ],
        ),
    ] {
        let root = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{group}/v1") };
        let path = format!("{root}/namespaces/{}/{plural}", server.namespace.name());
        let kind = built_in(&server, group, "v1", kind, plural);
        create(&server, &path, &json!({"metadata": {"name": "it"}, "spec": spec}));
        for patch in patches {
            // Controllers write it too; the versions tell whether they did in between.
            let (live, real) = loop {
                let live = server.get(&format!("{path}/it"));
                let mut patch = patch.clone();
                patch["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
                let real = server.ask("PATCH", &format!("{path}/it?fieldManager=one"), STRATEGIC, &patch);
                if real.code != 409 {
                    break (live, real);
                }
            };
            assert_eq!(real.code, 200, "{patch}: {:#}", real.body);
            let mut ours = change(&kind, &live, &patch).unwrap();
            for name in ["resourceVersion", "generation", "managedFields"] {
                ours["metadata"].as_object_mut().unwrap().remove(name);
            }
            assert!(fits(&ours, &real.body), "{plural}: {patch:#}\nours: {ours:#}\ntheirs: {:#}", real.body);
        }
    }
}
