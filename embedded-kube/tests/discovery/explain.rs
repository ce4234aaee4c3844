//! What kubectl makes of the documents, which a small server hands it.

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use aggregator_embedded_kube::api::discovery::{
    AGGREGATED_CONTENT_TYPE, Endpoint, Form, aggregated, api_group, api_groups, api_resources, api_versions, negotiate,
    version,
};
use aggregator_embedded_kube::api::openapi::{Answer, OpenApi, acceptable};
use aggregator_embedded_kube::api::{Kind, Refusal, RefusalReason};
use aggregator_tests::control_plane::ControlPlane;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::kinds;
use crate::real::Real;

/// A server of the documents, and nothing else.
struct Server {
    address: String,
    home: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

struct Documents {
    kinds: Vec<Kind>,
    schemas: OpenApi,
}

impl Server {
    fn start(kinds: Vec<Kind>) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let documents = Arc::new(Documents { schemas: OpenApi::new(&kinds), kinds });
        let router = Router::new().fallback(answer).with_state(documents);
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async { axum::serve(listener, router).await });
        Self { address, home: tempfile::tempdir().unwrap(), runtime }
    }

    fn kubectl(&self, plane: &ControlPlane, arguments: &[&str]) -> String {
        let mut command = Command::new(plane.program());
        command.arg("kubectl").arg(format!("--server={}", self.address)).args(arguments);
        output(command, self.home.path())
    }
}

/// What it says, of any kind.
fn output(mut command: Command, home: &std::path::Path) -> String {
    let output = command.env("HOME", home).env_remove("KUBECONFIG").env_remove("KUBERC").output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn real_kubectl(real: &Real, arguments: &[&str]) -> String {
    let mut command = Command::new(real.plane.program());
    command.arg("kubectl").arg("--kubeconfig").arg(real.plane.kubeconfig()).args(arguments);
    output(command, real.plane.kubeconfig().parent().unwrap())
}

async fn answer(State(documents): State<Arc<Documents>>, request: Request) -> Response {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let accept = accept.as_deref();
    let path = request.uri().path().trim_matches('/').to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let hash = query.split('&').find_map(|word| word.strip_prefix("hash="));
    let kinds = &documents.kinds;
    let parts: Vec<&str> = path.split('/').collect();
    let document = match parts[..] {
        ["openapi", "v2"] => return StatusCode::NOT_ACCEPTABLE.into_response(),
        ["openapi", "v3"] => Some(documents.schemas.index()),
        ["openapi", "v3", ref rest @ ..] => {
            assert!(acceptable(accept), "{accept:?}");
            return match documents.schemas.document(&rest.join("/"), hash) {
                Answer::Document { body, .. } => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
                other => panic!("{other:?} for {path}"),
            };
        }
        [root @ ("api" | "apis")] if negotiate(accept, Endpoint::Groups, false) == Ok(Form::Aggregated) => {
            let body = aggregated(kinds, root == "api").to_string();
            return ([(header::CONTENT_TYPE, AGGREGATED_CONTENT_TYPE)], body).into_response();
        }
        ["api"] => Some(api_versions(kinds, "127.0.0.1:1")),
        ["apis"] => Some(api_groups(kinds)),
        ["apis", group] => api_group(kinds, group),
        ["api", version] => api_resources(kinds, "", version),
        ["apis", group, version] => api_resources(kinds, group, version),
        ["version"] => Some(version("v1.37.2")),
        _ => None,
    };
    let (code, document) = document.map_or_else(
        || {
            let refusal = Refusal::new(RefusalReason::NotFound, "the server could not find the requested resource");
            (StatusCode::NOT_FOUND, refusal.status())
        },
        |document| (StatusCode::OK, document),
    );
    (code, [(header::CONTENT_TYPE, "application/json")], document.to_string()).into_response()
}

/// Without the values that a field may have, which the descriptions that we have lack.
fn without_values(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = Vec::new();
    let mut values = false;
    for line in text.lines() {
        let begins = line.starts_with("ENUM:") || line.trim_start().starts_with("Possible enum values:");
        if begins && lines.last() == Some(&"") {
            lines.pop();
        }
        values = begins || (values && !line.trim().is_empty());
        if !values && !line.trim_start().starts_with("enum: ") {
            lines.push(line.trim_end());
        }
    }
    lines
}

#[test]
fn kubectl_explains_what_it_would_explain_with_the_api_server() {
    let real = Real::start();
    let started = Instant::now();
    let server = Server::start(kinds::all());
    let index = OpenApi::new(&kinds::all());
    println!("made in {:?}", started.elapsed());
    let started = Instant::now();
    assert!(index.index()["paths"].as_object().unwrap().len() > 10);
    println!("all documents in {:?}", started.elapsed());
    for arguments in [
        &["shirts"][..],
        &["sh"],
        &["shirts.spec"],
        &["shirts.spec.color"],
        &["shirts.spec.size"],
        &["shirts.spec.parts"],
        &["shirts.spec.parts.name"],
        &["shirts.spec.parts.weights"],
        &["shirts.spec.port"],
        &["shirts.spec.any"],
        &["shirts.spec.template"],
        &["shirts.spec.template.metadata.name"],
        &["shirts.metadata"],
        &["shirts.metadata.ownerReferences.uid"],
        &["shirts.status.conditions.status"],
        &["shirts", "--recursive"],
        &["shirts.spec", "--recursive"],
        &["shirts", "--api-version=wear.example.com/v1beta1"],
        &["shirts.wear.example.com"],
        &["caps"],
        &["caps.metadata.labels"],
        &["shirts.nothing"],
        &["shirts.spec.parts.nothing"],
        &["nothing"],
        &["pods"],
        &["pods.spec"],
        &["pods.spec.containers"],
        &["pods.spec.containers.env.valueFrom"],
        &["pods.spec.volumes.projected.sources"],
        &["pods.spec.containers.resources.limits"],
        &["pods.status.conditions"],
        &["pods.metadata.creationTimestamp"],
        &["pods", "--recursive"],
        &["jobs"],
        &["jobs.spec.podFailurePolicy.rules"],
        &["jobs.spec.template.spec", "--recursive"],
        &["configmaps"],
        &["secrets.data"],
        &["namespaces.status"],
        &["nodes.status.addresses"],
        &["events"],
        &["events", "--api-version=events.k8s.io/v1"],
        &["serviceaccounts"],
        &["leases.spec"],
        &["controllerrevisions"],
        &["resourcequotas.status"],
        &["limitranges.spec.limits"],
        &["networkpolicies.spec.ingress.ports.port"],
        &["roles.rules"],
        &["rolebindings"],
        &["clusterroles.aggregationRule"],
        &["clusterrolebindings.subjects"],
        &["crds.spec.versions"],
        &["crds.spec.versions.schema.openAPIV3Schema"],
    ] {
        let arguments: Vec<&str> = std::iter::once(&"explain").chain(arguments).copied().collect();
        let (ours, theirs) = (server.kubectl(&real.plane, &arguments), real_kubectl(&real, &arguments));
        if arguments[1].starts_with("shirts") || arguments[1].starts_with("sh") {
            assert_eq!(ours, theirs, "{arguments:?}");
        } else {
            let (ours, theirs) = (without_values(&ours), without_values(&theirs));
            let first = ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs).unwrap_or_default();
            let around = |lines: &[&str]| {
                lines[first.saturating_sub(3).min(lines.len())..(first + 4).min(lines.len())].join("\n")
            };
            assert!(ours == theirs, "{arguments:?}, line {first}:\n{}\n---\n{}", around(&ours), around(&theirs));
        }
    }
    drop(server.runtime);
}

#[test]
fn kubectl_finds_the_same_kinds() {
    let real = Real::start();
    let kinds = kinds::all();
    let server = Server::start(kinds.clone());
    let arguments = ["api-resources", "--no-headers", "--output=wide"];
    let known = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        kinds.iter().any(|kind| words.contains(&kind.kind.as_str()) && words.contains(&kind.api_version().as_str()))
    };
    let lines = |text: &str| -> Vec<Vec<String>> {
        text.lines().filter(known).map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    };
    let (ours, theirs) = (server.kubectl(&real.plane, &arguments), real_kubectl(&real, &arguments));
    // Shirts of the older version are not listed.
    assert_eq!(lines(&ours).len(), kinds.len() - 1, "{ours}");
    assert_eq!(lines(&ours), lines(&theirs));
}

#[test]
fn kubectl_leaves_the_check_of_fields_to_the_server() {
    let real = Real::start();
    let server = Server::start(kinds::all());
    let file = server.home.path().join("object.json");
    for object in [
        json!({"apiVersion": "wear.example.com/v1", "kind": "Shirt", "metadata": {"name": "s"}, "spec": {"typo": 1}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "typo": {}}),
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"typo": 1}}),
    ] {
        std::fs::write(&file, object.to_string()).unwrap();
        let file = format!("--filename={}", file.display());
        let told =
            server.kubectl(&real.plane, &["create", "--dry-run=client", "--validate=strict", "--output=json", &file]);
        let told: Value = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"));
        // Had it checked by itself, it would have refused the field.
        assert_eq!((&told["kind"], &told["metadata"]["name"]), (&object["kind"], &object["metadata"]["name"]));
    }
}
