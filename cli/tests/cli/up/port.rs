//! The port of `aggregator up`, as others find it: whom it turns away, and what each role's token is good for.

use aggregator_crds::{GROUP, Role};
use http::Request;
use http::header::{CONTENT_TYPE, HOST};
use kube::Client;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Up, pipeline, refusal};
use crate::aggregator::Place;

/// The most bytes of a request.
const LARGEST: usize = 3 * 1024 * 1024;
const RBAC: &str = "rbac.authorization.k8s.io";

/// What somebody asks for in the namespace `shop`: a verb, and a resource.
type Wish = (&'static str, &'static str);

/// For each role something that it may, and something that it may not.
const WISHES: [(Role, Wish, Wish); 6] = [
    (Role::Admin, ("list", "rolebindings"), ("list", "secrets")),
    (Role::Developer, ("create", "connectors"), ("list", "rolebindings")),
    (Role::Designer, ("create", "transformations"), ("create", "connectors")),
    (Role::Executor, ("create", "pipelineruns"), ("create", "pipelines")),
    (Role::Viewer, ("list", "checkpoints"), ("create", "pipelineruns")),
    (Role::Executive, ("list", "reports"), ("list", "pipelines")),
];

/// The group of a resource.
fn group(resource: &str) -> &'static str {
    match resource {
        "secrets" => "",
        "rolebindings" => RBAC,
        _ => GROUP,
    }
}

/// Whether the table of roles has it.
fn may(role: Role, (verb, resource): Wish) -> bool {
    let named = |list: Option<&Vec<String>>, word: &str| list.into_iter().flatten().any(|it| it == word);
    role.rules().iter().any(|rule| {
        named(rule.api_groups.as_ref(), group(resource))
            && named(rule.resources.as_ref(), resource)
            && named(Some(&rule.verbs), verb)
    })
}

fn request((verb, resource): Wish) -> Request<Vec<u8>> {
    let path = match group(resource) {
        "" => "/api/v1".to_owned(),
        RBAC => format!("/apis/{RBAC}/v1"),
        _ => format!("/apis/{}", aggregator_crds::API_VERSION),
    };
    let path = format!("{path}/namespaces/shop/{resource}");
    let request = match verb {
        "list" => Request::get(path).body(Vec::new()),
        "create" => {
            let request = Request::post(path).header(CONTENT_TYPE, "application/json");
            request.body(object(resource).to_string().into_bytes())
        }
        other => panic!("nobody wishes to {other}"),
    };
    request.expect("a request")
}

/// One of a resource.
fn object(resource: &str) -> Value {
    let (kind, spec) = match resource {
        "connectors" => ("Connector", json!({"file": {"root": "lake", "format": {"ndjson": {}}}})),
        "transformations" => ("Transformation", json!({"sql": {"query": "SELECT id FROM input"}})),
        "pipelineruns" => ("PipelineRun", json!({"pipelineRef": {"name": "orders"}})),
        "pipelines" => return json!(pipeline("orders")),
        other => panic!("nobody makes {other}"),
    };
    json!({"apiVersion": aggregator_crds::API_VERSION, "kind": kind, "metadata": {"name": "one"}, "spec": spec})
}

#[test]
fn who_is_not_known_calls_it_by_another_name_or_sends_too_much_is_turned_away() {
    let place = Place::new();
    let up = Up::start(&place, "--ephemeral");
    let namespaces = || Request::get("/api/v1/namespaces");
    let ask = |client: Client, request: Request<Vec<u8>>| up.ask(client.request_text(request));
    let refused =
        |client: Client, request: Request<Vec<u8>>| refusal(ask(client, request).expect_err("it is turned away"));

    for token in [None, Some("another-token".to_owned().into())] {
        let mut config = up.config("root");
        config.auth_info.token = token;
        let request = namespaces().body(Vec::new()).expect("a request");
        let (code, message) = refused(up.client_of(config), request);
        assert_eq!((code, message.as_str()), (401, "Unauthorized"));
    }

    let called = |host: &str| namespaces().header(HOST, host).body(Vec::new()).expect("a request");
    let seen = ask(up.client("root"), called("localhost")).expect("a name of this machine");
    assert!(seen.contains("\"NamespaceList\""), "{seen}");
    for host in ["evil.example", "127.0.0.1.evil.example:443"] {
        let (code, message) = refused(up.client("root"), called(host));
        assert_eq!((code, message.as_str()), (403, "this server answers to the names 127.0.0.1 and localhost only"));
    }

    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "large"}, "data": {"value": "x".repeat(LARGEST)},
    });
    let request = Request::post("/api/v1/namespaces/default/configmaps").header(CONTENT_TYPE, "application/json");
    let request = request.body(object.to_string().into_bytes()).expect("a request");
    let (code, message) = refused(up.client("root"), request);
    assert_eq!((code, message), (413, format!("Request entity too large: limit is {LARGEST}")));
    up.end(Signal::SIGTERM);
}

#[test]
fn each_token_is_good_for_what_its_role_may_and_for_nothing_else() {
    let place = Place::new();
    let up = Up::start(&place, "--ephemeral");
    up.create_namespace("shop");
    for (role, allowed, forbidden) in WISHES {
        let name = role.name();
        assert!(may(role, allowed) && !may(role, forbidden), "the table of roles has changed for {name}");
        let client = up.client(name);
        match up.ask(client.request_text(request(allowed))) {
            Ok(_) => assert_ne!(allowed.1, "reports"),
            // Reports are let through, and nobody makes any yet.
            Err(error) => assert_eq!((allowed.1, refusal(error).0), ("reports", 404), "{name}"),
        }
        let (verb, resource) = forbidden;
        let (code, message) = refusal(up.ask(client.request_text(request(forbidden))).expect_err("it may not"));
        assert_eq!(code, 403, "{message}");
        let said = format!("User \"{name}\" cannot {verb} resource \"{resource}\" in API group");
        assert!(message.contains(&said), "{message}");
    }
    up.end(Signal::SIGTERM);
}
