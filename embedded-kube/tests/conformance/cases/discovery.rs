//! What there is: kinds, their descriptions, the version.

use serde_json::{Value, json};

use crate::case::{Case, case};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The kinds of the closed list, as `kubectl api-resources` calls them.
const SERVED: [&str; 24] = [
    "configmaps",
    "events",
    "limitranges",
    "namespaces",
    "nodes",
    "pods",
    "resourcequotas",
    "secrets",
    "serviceaccounts",
    "customresourcedefinitions",
    "controllerrevisions",
    "selfsubjectreviews",
    "tokenreviews",
    "localsubjectaccessreviews",
    "selfsubjectaccessreviews",
    "selfsubjectrulesreviews",
    "subjectaccessreviews",
    "jobs",
    "leases",
    "networkpolicies",
    "clusterroles",
    "clusterrolebindings",
    "roles",
    "rolebindings",
];
/// Parts of kinds of the closed list that are served.
const PARTS: [&str; 3] = ["status", "log", "token"];

/// Whether a resource of a document is on the closed list; parts that are not served are not.
fn is_served(name: &str) -> bool {
    match name.split_once('/') {
        Some((kind, part)) => SERVED.contains(&kind) && PARTS.contains(&part),
        None => SERVED.contains(&name),
    }
}

/// Of a document of kinds, those of the closed list.
fn served(mut answer: Value) -> Value {
    if let Some(resources) = answer.pointer_mut("/body/resources").and_then(Value::as_array_mut) {
        resources.retain(|resource| resource["name"].as_str().is_some_and(is_served));
    }
    answer
}

/// The resources of a document by their names: those that are defined come in any order.
fn by_name(mut answer: Value) -> Value {
    if let Some(resources) = answer.pointer_mut("/body/resources").and_then(Value::as_array_mut) {
        resources.sort_by_key(|resource| resource["name"].to_string());
    }
    answer
}

/// Of a document of schemas, what clients go by: which schema each kind has, and what can be done where.
fn schemas(mut answer: Value) -> Value {
    let body = &mut answer["body"];
    let operation = |it: &Value| json!([it["x-kubernetes-action"], it["x-kubernetes-group-version-kind"]]);
    for path in body["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut()) {
        let operations = path.as_object().into_iter().flatten().filter(|(name, _)| *name != "parameters");
        *path = operations.map(|(name, it)| (name.clone(), operation(it))).collect();
    }
    if let Some(schemas) = body["components"]["schemas"].as_object_mut() {
        schemas.retain(|name, _| name.starts_with("com.example."));
    }
    body["info"] = Value::Null;
    answer
}

/// Of a text with a kind in each line, those of the closed list.
fn served_lines(mut answer: Value) -> Value {
    let text = answer["out"]["text"].as_str().unwrap_or_default();
    let is_told = |line: &&str| {
        let first = line.split_whitespace().next().unwrap_or_default();
        first == "NAME" || SERVED.contains(&first.split('.').next().unwrap_or_default())
    };
    let lines: Vec<&str> = text.lines().filter(is_told).collect();
    answer["out"] = json!({"text": lines.join("\n")});
    answer
}

/// Of the groups of a document, those that both have for sure: ours, and those of the cases.
fn groups(mut answer: Value) -> Value {
    let name =
        |group: &Value| group["name"].as_str().or(group["metadata"]["name"].as_str()).unwrap_or_default().to_owned();
    let known =
        |group: &Value| matches!(name(group).as_str(), "example.com" | "aggregator.dev" | "coordination.k8s.io");
    for list in ["groups", "items"] {
        if let Some(groups) = answer["body"][list].as_array_mut() {
            groups.retain(known);
            // What else is in a group of Kubernetes' own is not served.
            groups.retain(|group| name(group) != "coordination.k8s.io" || list == "items");
            for group in groups.iter_mut() {
                for version in group["versions"].as_array_mut().into_iter().flatten() {
                    let resources = version["resources"].as_array_mut();
                    if let Some(resources) = resources {
                        resources.retain(|it| it["resource"].as_str().is_none_or(|name| name != "leasecandidates"));
                    }
                }
            }
        }
    }
    answer
}

/// Text without the values that a field may have, which the descriptions of built-in kinds lack.
fn without_values(mut answer: Value) -> Value {
    let text = answer["out"]["text"].as_str().unwrap_or_default();
    let (mut lines, mut values): (Vec<&str>, bool) = (Vec::new(), false);
    for line in text.lines() {
        let begins = line.starts_with("ENUM:") || line.trim_start().starts_with("Possible enum values:");
        if begins && lines.last().is_some_and(|last| last.trim().is_empty()) {
            lines.pop();
        }
        values = begins || (values && !line.trim().is_empty());
        if !values && !line.trim_start().starts_with("enum: ") {
            lines.push(line);
        }
    }
    answer["out"] = json!({"text": lines.join("\n")});
    answer
}

pub(super) fn cases() -> Vec<Case> {
    [documents(), explained(), by_kubectl()].into_iter().flatten().collect()
}

fn documents() -> Vec<Case> {
    vec![
        case("document-of-the-core").get("/api/v1").seen(served),
        case("document-of-jobs").get("/apis/batch/v1").seen(served),
        case("document-of-roles").get("/apis/rbac.authorization.k8s.io/v1").seen(served),
        case("document-of-our-kinds").get("/apis/aggregator.dev/v1alpha1").seen(by_name).get("/apis/aggregator.dev"),
        case("document-of-boats")
            .get("/apis/example.com/v1")
            .seen(by_name)
            .get("/apis/example.com")
            .get("/apis/example.com/"),
        case("document-of-groups").get("/apis").seen(groups),
        case("document-of-everything").accepting("/apis", AGGREGATED).seen(groups),
        case("document-of-what-is-not-there")
            .get("/apis/none.example.com")
            .get("/apis/none.example.com/v1")
            .get("/apis/example.com/v9")
            .get("/api/v2")
            .get("/nothing")
            .get("/apis/example.com/v1/ships"),
        case("document-of-versions").get("/version").seen(|answer| {
            let body = &answer["body"];
            json!([answer["status"], answer["headers"], body["major"], body["minor"], body["platform"]])
        }),
        case("document-of-the-core-versions").get("/api"),
        case("document-of-schemas").get("/openapi/v3").seen(|answer| {
            let (status, headers) = (&answer["status"], &answer["headers"]);
            json!([
                status,
                headers,
                answer["body"]["paths"]["apis/example.com/v1"],
                answer["body"]["paths"]["api/v1"].is_object()
            ])
        }),
        case("document-of-the-schemas-of-boats").get("/openapi/v3/apis/example.com/v1").seen(schemas),
        case("document-of-old-schemas").get("/openapi/v2").seen(|answer| answer["status"].clone()),
        case("document-of-health").get("/healthz").get("/livez").get("/readyz").get("/healthz/ping"),
        case("document-that-is-put")
            .post("/api/v1", json!({}))
            .post("/apis", json!({}))
            .seen(groups)
            .post("/version", json!({}))
            .delete("/apis/example.com", Value::Null),
    ]
}

fn explained() -> Vec<Case> {
    let each = |name: &'static str, lines: &[&str]| {
        lines.iter().fold(case(name), |case, line| case.kubectl(&format!("explain {line}")))
    };
    vec![
        each(
            "explain-boats",
            &[
                "boats",
                "boat.spec",
                "bo.spec.sails",
                "boats.spec.color",
                "boats.spec.season.from",
                "boats --recursive",
                "boats.nothing",
            ],
        ),
        each(
            "explain-our-kinds",
            &["schedules.spec", "pipelines.spec --recursive", "asched.status.counts", "pipelineruns.spec.mode"],
        ),
        ["configmaps", "pods.spec.containers.env.valueFrom", "jobs.spec", "secrets.data", "crds.spec.names"]
            .iter()
            .fold(case("explain-built-in-kinds"), |case, line| {
                case.kubectl(&format!("explain {line}")).seen(without_values)
            }),
        each("explain-nothing", &["nothing", "configmaps.nothing", "boats --api-version=example.com/v9"]),
        case("explain-what-a-field-may-be").kubectl("explain pods.spec.restartPolicy"),
    ]
}

fn by_kubectl() -> Vec<Case> {
    vec![
        case("api-resources-of-groups")
            .kubectl("api-resources --api-group=example.com")
            .kubectl("api-resources --api-group=aggregator.dev -o wide")
            .kubectl("api-resources --categories=fleet -o name")
            .kubectl("api-resources --categories=aggregator"),
        case("api-resources-of-namespaces")
            .kubectl("api-resources --api-group='' --namespaced=true")
            .seen(served_lines)
            .kubectl("api-resources --api-group='' --namespaced=false --no-headers")
            .seen(served_lines)
            .kubectl("api-resources --api-group=batch --verbs=list,watch -o name")
            .seen(served_lines)
            .kubectl("api-resources --api-group=none"),
        case("api-versions").kubectl("api-versions").seen(|mut answer| {
            let text = answer["out"]["text"].as_str().unwrap_or_default();
            let known = [
                "v1",
                "batch/v1",
                "rbac.authorization.k8s.io/v1",
                "example.com/v1",
                "aggregator.dev/v1alpha1",
                "events.k8s.io/v1",
            ];
            let lines: Vec<&str> = text.lines().filter(|line| known.contains(line)).collect();
            answer["out"] = json!({"text": lines.join("\n")});
            answer
        }),
        case("kinds-by-other-names")
            .kubectl("get bo")
            .kubectl("get boat.example.com")
            .kubectl("get boats.v1.example.com")
            .kubectl("get fleet -l none")
            .kubectl("get cm,ns,no,po -l none")
            .kubectl("get all")
            .kubectl("get aggregator")
            .kubectl("get nothing")
            .kubectl("get boats.nothing.com"),
        case("raw-paths")
            .kubectl("get --raw /readyz")
            .kubectl("get --raw /api/v1/namespaces/{ns}/serviceaccounts/none")
            .kubectl("get --raw /none"),
        case("measurements-by-kubectl").kubectl("top pods").kubectl("top nodes"),
        case("versions-by-kubectl").kubectl("version").kubectl("cluster-info"),
    ]
}
