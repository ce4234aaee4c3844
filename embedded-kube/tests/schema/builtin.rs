//! Objects of built-in kinds.

use aggregator_embedded_kube::api::Kind;
use aggregator_embedded_kube::api::Refusal;
use aggregator_embedded_kube::api::builtin::{kinds, with_plugins};
use aggregator_embedded_kube::api::schema::{Admitted, Schemas, Strictness};
use serde_json::{Value, json};

use crate::alike::Tally;
use crate::server::{Answer, Server};

fn kind(name: &str) -> Kind {
    kinds().into_iter().find(|kind| kind.kind == name && kind.group != "events.k8s.io").expect("a built-in kind")
}

fn path(kind: &Kind, namespace: &str) -> String {
    let root = if kind.group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{}", kind.api_version()) };
    if kind.namespaced {
        format!("{root}/namespaces/{namespace}/{}", kind.plural)
    } else {
        format!("{root}/{}", kind.plural)
    }
}

/// What this server makes of a new object: its identity is that which the real one has given.
fn create(kind: &Kind, body: &str, namespace: &str, real: &Answer) -> Result<Admitted, Refusal> {
    let schemas = Schemas::default();
    let mut decoded = schemas.decoded(kind, body.as_bytes(), Strictness::Strict)?;
    if kind.namespaced {
        decoded.object["metadata"]["namespace"] = namespace.into();
    }
    decoded.object["metadata"]["uid"] = uid(real).into();
    decoded.object["metadata"]["creationTimestamp"] = "2026-11-29T21:00:00Z".into();
    if kind.kind == "Pod" {
        with_plugins(&mut decoded.object, &json!({}), &suffix(real));
    }
    schemas.created(kind, decoded.object)
}

/// The identity that the real server has given to an object, or had when it refused it.
fn uid(real: &Answer) -> String {
    let message = real.body["message"].as_str().unwrap_or_default();
    let told = message.split_once("controller-uid\":\"").map(|(_, rest)| rest.chars().take(36).collect());
    let given = real.body["metadata"]["uid"].as_str().map(ToOwned::to_owned);
    given.or(told).unwrap_or_else(|| "0c9ee7a1-9d2b-4f3c-8a1b-0123456789ab".to_owned())
}

/// The end of the name of the volume that the real server has given to a Pod.
fn suffix(real: &Answer) -> String {
    let volumes = real.body["spec"]["volumes"].as_array().into_iter().flatten();
    let mut names = volumes.filter_map(|volume| volume["name"].as_str()?.strip_prefix("kube-api-access-"));
    names.next().unwrap_or("abcde").to_owned()
}

fn pod(change: impl FnOnce(&mut Value)) -> Value {
    let mut pod = json!({
        "metadata": {"name": "a"},
        "spec": {"containers": [{"name": "c", "image": "worker:1"}]},
    });
    change(&mut pod);
    pod
}

fn job(change: impl FnOnce(&mut Value)) -> Value {
    let mut job = json!({
        "metadata": {"name": "a"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "worker:1"}]}}},
    });
    change(&mut job);
    job
}

/// New objects, each of a kind.
fn objects() -> Vec<(&'static str, Value)> {
    let mut all = vec![
        ("ConfigMap", json!({"metadata": {"name": "a"}, "data": {"a": "b"}})),
        ("ConfigMap", json!({"metadata": {"name": "a"}, "data": {"a b": "c", "..": "d"}, "binaryData": {"x": "YQ=="}})),
        ("ConfigMap", json!({"metadata": {"name": "a"}, "data": {"a": "b"}, "binaryData": {"a": "YQ=="}})),
        ("ConfigMap", json!({"metadata": {"name": "a"}, "data": {"a": 1}})),
        ("ConfigMap", json!({"metadata": {"name": "a"}, "date": {}})),
        ("ConfigMap", json!({"metadata": {"name": "A"}, "immutable": true})),
        ("ConfigMap", json!({"metadata": {"name": "a", "labels": {"a b": "c d"}, "annotations": {"": ""}}})),
        ("Secret", json!({"metadata": {"name": "a"}, "stringData": {"a": "b"}, "data": {"c": "ZA=="}})),
        ("Secret", json!({"metadata": {"name": "a"}, "data": {"c": "?"}})),
        ("Secret", json!({"metadata": {"name": "a"}, "type": "kubernetes.io/basic-auth", "data": {"x": "ZA=="}})),
        ("Secret", json!({"metadata": {"name": "a"}, "type": "kubernetes.io/dockerconfigjson"})),
        ("ServiceAccount", json!({"metadata": {"name": "a"}, "automountServiceAccountToken": false})),
        (
            "Lease",
            json!({"metadata": {"name": "a"}, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-11-29T21:00:00.123456Z"}}),
        ),
        ("Lease", json!({"metadata": {"name": "a"}, "spec": {"leaseDurationSeconds": 0, "leaseTransitions": -1}})),
        ("Lease", json!({"metadata": {"name": "a"}, "spec": {"renewTime": "2026-11-29T21:00:00Z"}})),
        ("Lease", json!({"metadata": {"name": "a"}, "spec": {"leaseDurationSeconds": "x"}})),
        (
            "Role",
            json!({"metadata": {"name": "a"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
        ),
        ("Role", json!({"metadata": {"name": "a:b"}, "rules": []})),
        (
            "Role",
            json!({"metadata": {"name": "a"}, "rules": [{"verbs": []}, {"nonResourceURLs": ["/x"], "resources": ["y"], "verbs": ["get"]}]}),
        ),
        ("ClusterRole", json!({"metadata": {"name": "a"}, "rules": [{"nonResourceURLs": ["/x"], "verbs": ["get"]}]})),
        (
            "RoleBinding",
            json!({"metadata": {"name": "a"}, "roleRef": {"kind": "Role", "name": "b"}, "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s", "namespace": "n"}]}),
        ),
        (
            "RoleBinding",
            json!({"metadata": {"name": "a"}, "roleRef": {"kind": "Rule", "name": ""}, "subjects": [{"kind": "Robot", "name": ""}]}),
        ),
        (
            "ClusterRoleBinding",
            json!({"metadata": {"name": "a"}, "roleRef": {"kind": "Role", "name": "b"}, "subjects": [{"kind": "ServiceAccount", "name": "s"}]}),
        ),
        ("Namespace", json!({"metadata": {"name": "schema-a"}})),
        ("Namespace", json!({"metadata": {"name": "a.b"}})),
        (
            "ResourceQuota",
            json!({"metadata": {"name": "a"}, "spec": {"hard": {"pods": "10", "requests.cpu": "1500m"}}}),
        ),
        (
            "LimitRange",
            json!({"metadata": {"name": "a"}, "spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}}]}}),
        ),
        (
            "NetworkPolicy",
            json!({"metadata": {"name": "a"}, "spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}}),
        ),
        ("ControllerRevision", json!({"metadata": {"name": "a"}, "revision": 1, "data": {"x": 1}})),
        ("ControllerRevision", json!({"metadata": {"name": "a"}, "revision": 1})),
    ];
    let spoilt: Vec<(&str, Value)> = vec![
        ("/spec/containers", json!([])),
        ("/spec/containers/0/name", json!("A.b")),
        ("/spec/containers/0/image", json!("")),
        ("/spec/containers/0/imagePullPolicy", json!("Sometimes")),
        ("/spec/restartPolicy", json!("Maybe")),
        ("/spec/activeDeadlineSeconds", json!(0)),
        (
            "/spec/volumes",
            json!([{"name": "v", "emptyDir": {}}, {"name": "v", "secret": {}}, {"name": "W", "configMap": {"name": "x", "defaultMode": 9999}}]),
        ),
        ("/spec/containers/0/volumeMounts", json!([{"name": "v", "mountPath": "/a"}, {"name": "", "mountPath": "/a"}])),
        (
            "/spec/containers/0/env",
            json!([{"name": "", "value": "x"}, {"name": "a=b"}, {"name": "A", "value": "x", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}, {"name": "B", "valueFrom": {}}]),
        ),
        ("/spec/containers/0/env", json!([{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}])),
        ("/spec/containers/0/envFrom", json!([{}, {"configMapRef": {"name": "A"}}])),
        (
            "/spec/containers/0/ports",
            json!([{"containerPort": 80}, {"containerPort": 70000, "name": "x"}, {"containerPort": 1, "protocol": "ICMP"}]),
        ),
        ("/spec/containers/0/resources", json!({"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": "1"}})),
        ("/spec/containers/0/resources", json!({"limits": {"cpu": "0.5", "memory": "1024Mi"}})),
        ("/spec/containers/0/resources", json!({"limits": {"cpu": "much"}})),
        ("/spec/containers/0/resources", json!({"limits": {"bananas": "1"}})),
        ("/spec/terminationGracePeriodSeconds", json!("x")),
        ("/spec/serviceAccountName", json!("A b")),
        ("/spec/nodeSelector", json!({"a b": "c"})),
        ("/spec/initContainers", json!([{"name": "c", "image": "i"}])),
        ("/spec/unknown", json!(1)),
        ("/spec/hostname", json!("a.b")),
        ("/spec/securityContext", json!({"runAsNonRoot": true, "fsGroup": 5})),
        ("/spec/tolerations", json!([{"key": "a", "operator": "Exists"}])),
    ];
    all.push(("Pod", pod(|_| {})));
    all.push(("Job", job(|_| {})));
    for (place, value) in &spoilt {
        let (parent, name) = place.rsplit_once('/').expect("a place");
        // A plug-in refuses a Pod of a ServiceAccount that is not there.
        if name != "serviceAccountName" {
            all.push(("Pod", pod(|pod| pod.pointer_mut(parent).expect("a parent")[name] = value.clone())));
        }
        let parent = format!("/spec/template{parent}");
        all.push(("Job", job(|job| job.pointer_mut(&parent).expect("a parent")[name] = value.clone())));
    }
    for (name, value) in [
        ("parallelism", json!(-1)),
        ("completions", json!(3)),
        ("completionMode", json!("Indexed")),
        ("completionMode", json!("Other")),
        ("backoffLimit", json!(-1)),
        ("backoffLimitPerIndex", json!(1)),
        ("maxFailedIndexes", json!(1)),
        ("podReplacementPolicy", json!("Never")),
        ("ttlSecondsAfterFinished", json!(-5)),
        ("suspend", json!(true)),
        ("manualSelector", json!(true)),
        ("selector", json!({"matchLabels": {"a": "b"}})),
        (
            "podFailurePolicy",
            json!({"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [3, 2, 2, 0]}}, {"action": "Count"}, {"action": "Other", "onPodConditions": [{"type": "DisruptionTarget"}]}]}),
        ),
        (
            "podFailurePolicy",
            json!({"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}),
        ),
    ] {
        all.push(("Job", job(|job| job["spec"][name] = value)));
    }
    all.push(("Job", job(|job| job["spec"]["template"]["spec"]["restartPolicy"] = "Always".into())));
    all.push(("Job", job(|job| job["spec"]["template"]["metadata"] = json!({"labels": {"job-name": "b", "x": "y"}}))));
    all.push(("Job", job(|job| job["metadata"]["name"] = "a.b".into())));
    all.push((
        "Job",
        job(|job| {
            job["metadata"]["name"] = "x".repeat(63).into();
            job["spec"]["completionMode"] = "Indexed".into();
            job["spec"]["completions"] = 2.into();
        }),
    ));
    all
}

#[test]
fn new_objects_are_admitted_alike() {
    let server = Server::shared();
    let namespace = server.plane.namespace();
    let mut tally = Tally::of("built-in kinds");
    for (name, mut object) in objects() {
        let kind = kind(name);
        object["apiVersion"] = kind.api_version().into();
        object["kind"] = kind.kind.clone().into();
        let body = object.to_string();
        let url = format!("{}?dryRun=All&fieldValidation=Strict", path(&kind, namespace.name()));
        let real = server.ask("POST", &url, &body);
        tally.add(&body, &real, &create(&kind, &body, namespace.name(), &real), |_| {});
    }
    tally.settle();
}

#[test]
fn changed_objects_are_admitted_alike() {
    let server = Server::shared();
    let namespace = server.plane.namespace();
    let named = |name: &str| {
        job(|job| {
            job["metadata"]["name"] = name.into();
            job["spec"]["suspend"] = true.into();
        })
    };
    let frozen = |name: &str| json!({"metadata": {"name": name}, "data": {"a": "YQ=="}, "immutable": true});
    let grant = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]);
    let cases: Vec<(&str, Value, &str, Value)> = vec![
        ("ConfigMap", json!({"metadata": {"name": "a"}, "data": {"a": "b"}}), "/data/a", json!("c")),
        ("ConfigMap", frozen("b"), "/data/a", json!("c")),
        ("ConfigMap", frozen("c"), "/immutable", json!(false)),
        ("ConfigMap", json!({"metadata": {"name": "d"}}), "/metadata/labels", json!({"a b": "c"})),
        ("ConfigMap", json!({"metadata": {"name": "e"}}), "/metadata/finalizers", json!(["a b"])),
        ("Secret", frozen("a"), "/data/a", json!("Yg==")),
        ("Secret", json!({"metadata": {"name": "b"}}), "/type", json!("other")),
        (
            "Lease",
            json!({"metadata": {"name": "a"}, "spec": {"leaseDurationSeconds": 15}}),
            "/spec/leaseDurationSeconds",
            json!(-1),
        ),
        ("Role", json!({"metadata": {"name": "a"}, "rules": []}), "/rules", grant),
        (
            "RoleBinding",
            json!({"metadata": {"name": "a"}, "roleRef": {"kind": "Role", "name": "b"}}),
            "/roleRef/name",
            json!("c"),
        ),
        ("Job", named("a"), "/spec/parallelism", json!(5)),
        ("Job", named("b"), "/spec/completions", json!(5)),
        ("Job", named("c"), "/spec/completionMode", json!("Indexed")),
    ];
    let mut tally = Tally::of("changed built-in objects");
    for (name, mut object, place, value) in cases {
        let kind = kind(name);
        object["apiVersion"] = kind.api_version().into();
        object["kind"] = kind.kind.clone().into();
        let url = path(&kind, namespace.name());
        let made = server.ask("POST", &url, &object.to_string());
        assert_eq!(made.code, 201, "{name}: {made:?}");
        let mut changed = made.body.clone();
        let (parent, field) = place.rsplit_once('/').expect("a place");
        changed.pointer_mut(parent).expect("a parent")[field] = value;
        // A controller writes the status of a Job meanwhile: the real server takes its last version.
        let mut sent = changed.clone();
        if name == "Job" {
            sent["metadata"].as_object_mut().expect("metadata").shift_remove("resourceVersion");
        }
        let object_name = made.body["metadata"]["name"].as_str().expect("a name");
        let real = server.ask("PUT", &format!("{url}/{object_name}?dryRun=All"), &sent.to_string());
        let schemas = Schemas::default();
        let decoded = schemas.decoded(&kind, changed.to_string().as_bytes(), Strictness::Warn);
        let own = decoded.and_then(|decoded| schemas.updated(&kind, decoded.object, &made.body, ""));
        tally.add(&format!("{name} {place}"), &real, &own, |object| {
            if object["kind"] == "Job"
                && let Some(fields) = object.as_object_mut()
            {
                fields.shift_remove("status");
            }
        });
    }
    tally.settle();
}
