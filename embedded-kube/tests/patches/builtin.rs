//! Owners of fields of built-in kinds.

use aggregator_embedded_kube::api::Kind;
use aggregator_embedded_kube::api::apply::{Manager, applied, settled, tracked};
use aggregator_tests::random::Random;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::schema::{built_in, described, without_extensions};
use super::server::{Server, comparable, none, same};

const APPLY: &str = "application/apply-patch+yaml";
const NAMES: [&str; 3] = ["a", "b", "c"];

fn named(name: &str) -> Manager {
    Manager { name: name.into(), subresource: String::new() }
}

fn managers(object: &Value) -> Value {
    comparable(object)["metadata"]["managedFields"].clone()
}

#[test]
fn config_maps_are_applied_alike() {
    let server = Server::start();
    let kind = built_in(&server, "", "v1", "ConfigMap", "configmaps");
    let path = format!("/api/v1/namespaces/{}/configmaps/it", server.namespace.name());
    let mut random = Random::seeded("config_maps_are_applied_alike");
    let mut live: Option<Value> = None;
    for step in 0..80 {
        let data = random.some(&NAMES, 60);
        let data = data.into_iter().map(|name| (name.to_owned(), Value::from(*random.pick(&["x", "y"]))));
        let data = Value::Object(data.collect());
        let mut configuration = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "it"}});
        configuration["data"] = data;
        if random.percent(40) {
            configuration["metadata"]["labels"] = json!({"l": random.pick(&NAMES)});
        }
        if random.percent(5) {
            configuration["typo"] = json!({});
        }
        let (manager, force) = (*random.pick(&NAMES), random.percent(50));
        let real = server.ask("PATCH", &format!("{path}?fieldManager={manager}&force={force}"), APPLY, &configuration);
        let ours = applied(&kind, live.as_ref(), &configuration, &named(manager), force, Timestamp::now());
        let ours = ours.map(|mut object| {
            object["metadata"]["namespace"] = server.namespace.name().into();
            live.as_ref().map_or_else(|| object.clone(), |live| settled(live, object.clone()))
        });
        let ours = ours.map(|mut object| {
            object.as_object_mut().unwrap().retain(|_, value| *value != json!({}) && !value.is_null());
            object["metadata"].as_object_mut().unwrap().retain(|_, value| *value != json!({}) && !value.is_null());
            object
        });
        let what = format!("step {step}: {manager} force={force} {configuration:#}\nlive: {live:#?}");
        live = same(&what, ours, &real).or(live);
    }
}

fn template(random: &mut Random) -> Value {
    let mut containers = vec![json!({"name": "a", "image": "i"})];
    for name in ["b", "c"] {
        if random.percent(50) {
            containers.insert(random.below(containers.len() + 1), json!({"name": name, "image": "i"}));
        }
    }
    for container in &mut containers {
        if random.percent(60) {
            let variables = random.some(&NAMES, 50).into_iter().map(|name| match name {
                "c" => json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
                _ => json!({"name": name, "value": random.pick(&["x", "y"])}),
            });
            container["env"] = Value::Array(variables.collect());
        }
        if random.percent(50) {
            let ports = random.some(&[(1, Some("TCP")), (1, Some("UDP")), (2, None)], 50);
            let ports = ports.into_iter().map(|(port, protocol)| match protocol {
                Some(protocol) => json!({"containerPort": port, "protocol": protocol}),
                None => json!({"containerPort": port}),
            });
            container["ports"] = Value::Array(ports.collect());
        }
        if random.percent(40) {
            container["args"] = json!(random.some(&NAMES, 50));
        }
        if random.percent(40) {
            container["resources"] = json!({"limits": {"cpu": "1"}, "requests": {"memory": "1Mi"}});
        }
    }
    let mut spec = json!({"containers": containers});
    if random.percent(50) {
        spec["volumes"] =
            random.some(&NAMES, 50).into_iter().map(|name| json!({"name": name, "emptyDir": {}})).collect();
    }
    if random.percent(40) {
        spec["nodeSelector"] = json!({"a": random.pick(&NAMES)});
    }
    if random.percent(40) {
        spec["tolerations"] = json!([{"key": random.pick(&NAMES), "operator": "Exists"}]);
    }
    if random.percent(30) {
        spec["topologySpreadConstraints"] = json!([{
            "maxSkew": 1,
            "topologyKey": random.pick(&NAMES),
            "whenUnsatisfiable": random.pick(&["DoNotSchedule", "ScheduleAnyway"]),
            "labelSelector": {"matchLabels": {"a": "b"}},
        }]);
    }
    if random.percent(30) {
        spec["imagePullSecrets"] = random.some(&NAMES, 50).into_iter().map(|name| json!({"name": name})).collect();
    }
    json!({"metadata": {"labels": {"x": random.pick(&NAMES)}}, "spec": spec})
}

/// The PodTemplate as a Job: our kinds have no PodTemplate, and Jobs do not let their templates be changed.
fn as_job(object: &Value) -> Value {
    let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": object["metadata"]});
    job["spec"] = json!({"template": object["template"]});
    for entry in job["metadata"]["managedFields"].as_array_mut().into_iter().flatten() {
        entry["apiVersion"] = "batch/v1".into();
        if let Some(below) = entry["fieldsV1"].as_object_mut().unwrap().remove("f:template") {
            entry["fieldsV1"]["f:spec"] = json!({"f:template": below});
        }
    }
    if job["metadata"].get("managedFields").is_some_and(Value::is_null) {
        job["metadata"].as_object_mut().unwrap().remove("managedFields");
    }
    job
}

/// By the schema that the API server publishes, and by one that is silent about how values merge.
#[test]
fn templates_of_pods_are_applied_alike() {
    let server = Server::start();
    let kind = built_in(&server, "", "v1", "PodTemplate", "podtemplates");
    let job = built_in(&server, "batch", "v1", "Job", "jobs");
    let silent = described("batch", "v1", "Job", "jobs", false, without_extensions(&job.schema));
    let path = format!("/api/v1/namespaces/{}/podtemplates/it", server.namespace.name());
    let mut random = Random::seeded("templates_of_pods_are_applied_alike");
    let mut live: Option<Value> = None;
    let (mut written, mut conflicts) = (0, 0);
    for step in 0..100 {
        let template = template(&mut random);
        let configuration =
            json!({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "it"}, "template": template});
        let (manager, force) = (*random.pick(&NAMES), random.percent(60));
        let real = server.ask("PATCH", &format!("{path}?fieldManager={manager}&force={force}"), APPLY, &configuration);
        let what = format!("step {step}: {manager} force={force} {configuration:#}\nlive: {live:#?}");
        let apply = |kind: &Kind, live: Option<&Value>, configuration: &Value| {
            applied(kind, live, configuration, &named(manager), force, Timestamp::now())
        };
        let ours = apply(&kind, live.as_ref(), &configuration);
        let silent = apply(&silent, live.as_ref().map(as_job).as_ref(), &as_job(&configuration));
        match (ours, silent) {
            (Ok(ours), Ok(silent)) => {
                assert!(real.code < 300, "{what}\ntheirs: {:#}", real.body);
                assert_eq!(managers(&ours), managers(&real.body), "{what}");
                assert_eq!(managers(&silent), managers(&as_job(&real.body)), "silent: {what}");
                let names = |object: &Value, list: &str| -> Vec<Value> {
                    let items = object["template"]["spec"][list].as_array().cloned().unwrap_or_default();
                    items.iter().map(|item| item["name"].clone()).collect()
                };
                for list in ["containers", "volumes", "imagePullSecrets"] {
                    assert_eq!(names(&ours, list), names(&real.body, list), "{what}");
                }
                live = Some(real.body);
                written += 1;
            }
            (Err(ours), Err(silent)) => {
                assert_eq!(
                    silent.message.replace("batch/v1", "v1").replace(".spec.template", ".template"),
                    ours.message
                );
                assert_eq!(same(&what, Err(ours), &real), None);
                conflicts += 1;
            }
            (ours, silent) => panic!("{what}\nours: {ours:#?}\nsilent: {silent:#?}\ntheirs: {:#}", real.body),
        }
    }
    assert!(written > 40 && conflicts > 5, "{written} {conflicts}");
}

/// Group, kind, resource, whether it is in a namespace, an object, and what the API server adds to it later.
type Sample = (&'static str, &'static str, &'static str, bool, Value, &'static [&'static str]);

/// An object of each kind; and what the API server adds to it only after it has seen who wrote what.
fn samples() -> Vec<Sample> {
    let pod = json!({"containers": [{"name": "a", "image": "i", "env": [{"name": "X", "value": "y"}]}], "restartPolicy": "Never"});
    let labels = json!({"name": "it", "labels": {"a": "b"}});
    let later: &[&str] = &[
        "/spec/serviceAccount",
        "/spec/serviceAccountName",
        "/spec/tolerations",
        "/spec/priority",
        "/spec/preemptionPolicy",
        "/spec/volumes",
        "/spec/containers/0/volumeMounts",
    ];
    vec![
        (
            "",
            "ConfigMap",
            "configmaps",
            true,
            json!({"metadata": labels, "data": {"a": "b"}, "binaryData": {"c": "ZA=="}}),
            &[],
        ),
        ("", "Secret", "secrets", true, json!({"metadata": labels, "data": {"a": "Yg=="}}), &[]),
        ("", "ServiceAccount", "serviceaccounts", true, json!({"metadata": labels, "secrets": [{"name": "s"}]}), &[]),
        ("", "Pod", "pods", true, json!({"metadata": labels, "spec": pod}), later),
        (
            "",
            "ResourceQuota",
            "resourcequotas",
            true,
            json!({"metadata": labels, "spec": {"hard": {"pods": "5"}}}),
            &[],
        ),
        (
            "",
            "LimitRange",
            "limitranges",
            true,
            json!({"metadata": labels, "spec": {"limits": [{"type": "Container", "max": {"cpu": "5"}}]}}),
            &[],
        ),
        (
            "",
            "Event",
            "events",
            true,
            json!({
                "metadata": labels,
                "involvedObject": {"kind": "Pod", "name": "x", "namespace": "NAMESPACE"},
                "reason": "r",
                "source": {"component": "c"},
            }),
            &[],
        ),
        (
            "batch",
            "Job",
            "jobs",
            true,
            json!({"metadata": labels, "spec": {"suspend": true, "template": {"spec": pod}}}),
            &["/spec/selector", "/spec/template/metadata", "/metadata/labels/controller-uid"],
        ),
        (
            "coordination.k8s.io",
            "Lease",
            "leases",
            true,
            json!({"metadata": labels, "spec": {"holderIdentity": "x"}}),
            &[],
        ),
        (
            "apps",
            "ControllerRevision",
            "controllerrevisions",
            true,
            json!({"metadata": labels, "data": {"a": {"b": 1}}, "revision": 1}),
            &[],
        ),
        (
            "networking.k8s.io",
            "NetworkPolicy",
            "networkpolicies",
            true,
            json!({"metadata": labels, "spec": {"podSelector": {"matchLabels": {"a": "b"}}, "policyTypes": ["Ingress"]}}),
            &[],
        ),
        (
            "rbac.authorization.k8s.io",
            "Role",
            "roles",
            true,
            json!({"metadata": labels, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
            &[],
        ),
        (
            "rbac.authorization.k8s.io",
            "RoleBinding",
            "rolebindings",
            true,
            json!({
                "metadata": labels,
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "it"},
                "subjects": [{"kind": "ServiceAccount", "name": "it", "namespace": "NAMESPACE"}],
            }),
            &[],
        ),
        (
            "",
            "Namespace",
            "namespaces",
            false,
            json!({"metadata": {"name": "patches-it", "labels": {"a": "b"}}}),
            &["/spec/finalizers"],
        ),
        (
            "",
            "Node",
            "nodes",
            false,
            json!({"metadata": {"name": "patches-it"}, "spec": {"unschedulable": true}}),
            &["/spec/taints"],
        ),
        (
            "apiextensions.k8s.io",
            "CustomResourceDefinition",
            "customresourcedefinitions",
            false,
            json!({
                "metadata": {"name": "pieces.differential.test"},
                "spec": {
                    "group": "differential.test",
                    "scope": "Namespaced",
                    "names": {"plural": "pieces", "singular": "piece", "kind": "Piece", "listKind": "PieceList"},
                    "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
                },
            }),
            &[],
        ),
    ]
}

#[test]
fn who_creates_an_object_owns_the_same() {
    let server = Server::start();
    let mut differences = Vec::new();
    for (group, kind, plural, namespaced, object, later) in samples() {
        let kind = built_in(&server, group, "v1", kind, plural);
        let root = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{group}/v1") };
        let namespace = if namespaced { format!("/namespaces/{}", server.namespace.name()) } else { String::new() };
        let text = object.to_string().replace("NAMESPACE", server.namespace.name());
        let object: Value = serde_json::from_str(&text).unwrap();
        let real =
            server.ask("POST", &format!("{root}{namespace}/{plural}?fieldManager=one"), "application/json", &object);
        assert_eq!(real.code, 201, "{plural}: {:#}", real.body);
        let mut new = real.body.clone();
        for pointer in later {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            if let Some(parent) = new.pointer_mut(parent).and_then(Value::as_object_mut) {
                parent.remove(name);
            }
        }
        new["metadata"].as_object_mut().unwrap().remove("managedFields");
        if kind.kind == "Namespace" {
            // The API server adds it before it looks.
            new["metadata"]["labels"] = real.body["metadata"]["labels"].clone();
        }
        let ours = tracked(&kind, None, new, &named("one"), Timestamp::now());
        if managers(&ours) != managers(&real.body) {
            let (ours, theirs) = (managers(&ours), managers(&real.body));
            differences.push(format!("{plural}\nours: {ours}\ntheirs: {theirs}"));
        }
    }
    none(&differences);
}

#[test]
fn managers_are_forgotten_alike() {
    let server = Server::start();
    let kind = built_in(&server, "", "v1", "ConfigMap", "configmaps");
    let path = format!("/api/v1/namespaces/{}/configmaps", server.namespace.name());
    for (name, reset, kept) in [("a", json!([]), false), ("b", json!([{}]), false), ("c", Value::Null, true)] {
        let object = json!({"metadata": {"name": name}, "data": {"a": "b"}});
        let live = server.ask("POST", &format!("{path}?fieldManager=one"), "application/json", &object).body;
        let mut new = live.clone();
        new["data"]["a"] = "c".into();
        new["metadata"]["managedFields"] = reset;
        let real = server.ask("PUT", &format!("{path}/{name}?fieldManager=two"), "application/json", &new);
        let ours = tracked(&kind, Some(&live), new, &named("two"), Timestamp::now());
        let live = same(name, Ok(ours), &real).unwrap();
        assert_eq!(live["metadata"].get("managedFields").is_some(), kept, "{name}");
        // Who applies next finds owners, of whatever was there before if there are none.
        let configuration =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "d"}});
        for force in [false, true] {
            let real =
                server.ask("PATCH", &format!("{path}/{name}?fieldManager=three&force={force}"), APPLY, &configuration);
            let ours = applied(&kind, Some(&live), &configuration, &named("three"), force, Timestamp::now());
            assert_eq!(same(name, ours, &real).is_some(), force);
        }
    }
}

/// `kubectl apply`, first its own way and then the server's.
#[test]
fn kubectl_goes_over_alike() {
    let server = Server::start();
    let kind = built_in(&server, "", "v1", "ConfigMap", "configmaps");
    let path = format!("/api/v1/namespaces/{}/configmaps/it", server.namespace.name());
    let configuration = |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "it"}, "data": {"a": value, "b": "<&>"}});
    let kept = json!({"kubectl.kubernetes.io/last-applied-configuration": format!("{}\n", configuration("x"))});
    let mut object = configuration("x");
    object["metadata"]["annotations"] = kept;
    let all = path.trim_end_matches("/it");
    let created = format!("{all}?fieldManager=kubectl-client-side-apply");
    let mut live = server.ask("POST", &created, "application/json", &object).body;
    for (manager, value) in [("other", "y"), ("kubectl", "y"), ("kubectl", "z"), ("other", "x")] {
        let configuration = configuration(value);
        let real = server.ask("PATCH", &format!("{path}?fieldManager={manager}"), APPLY, &configuration);
        let ours = applied(&kind, Some(&live), &configuration, &named(manager), false, Timestamp::now());
        let now = same(&format!("{manager} {value}"), ours, &real);
        assert_eq!(now.is_some(), manager == "kubectl");
        live = now.unwrap_or(live);
    }
}
