//! Requests that the server does not take, and the forms in which it takes and gives others.

use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::manifests::{boat, config, idle_pod, object, suspended_job, with};
use crate::request::Request;

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// A body in the protocol buffers of Kubernetes: a ConfigMap without a name, if `whole`.
fn protobuf(whole: bool) -> Vec<u8> {
    // The type: apiVersion and kind; then the object, which is empty.
    let kind: &[u8] = b"\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x00";
    let end = if whole { kind.len() } else { 7 };
    [&b"k8s\0"[..], &kind[..end]].concat()
}

fn post(form: &'static str, body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST", "{core}/configmaps").body(form, body)
}

/// The status, the headers and the kind of an answer.
fn outline(answer: Value) -> Value {
    json!({"status": answer["status"], "headers": answer["headers"], "kind": answer["body"]["kind"]})
}

pub(super) fn cases() -> Vec<Case> {
    [methods(), bodies(), forms(), options()].into_iter().flatten().collect()
}

fn methods() -> Vec<Case> {
    let path = "{core}/configmaps/a";
    vec![
        case("method-that-is-not-allowed")
            .post(path, config("a"))
            .put("{core}/configmaps", config("a"))
            .merge("{core}/configmaps", json!({}))
            .ask(Request::new("OPTIONS", path))
            .ask(Request::new("TRACE", path))
            .ask(Request::new("PAINT", path)),
        case("method-that-is-not-allowed-for-boats")
            .post("{boats}/a", boat("a", &json!({})))
            .put("{boats}", boat("a", &json!({})))
            .merge("{boats}", json!({}))
            .ask(Request::new("OPTIONS", "{boats}")),
        case("method-for-kinds-that-are-not-kept")
            .get("/apis/authorization.k8s.io/v1/subjectaccessreviews")
            .delete("/apis/authentication.k8s.io/v1/tokenreviews", Value::Null)
            .get("/apis/authentication.k8s.io/v1/selfsubjectreviews/a"),
        case("method-that-gives-no-body")
            .create([config("a")])
            .ask(Request::new("HEAD", path))
            .ask(Request::new("HEAD", "{core}/configmaps"))
            .ask(Request::new("HEAD", "{core}/configmaps/none"))
            .ask(Request::new("HEAD", "/api/v1")),
        case("paths-that-are-not-there")
            .get("{core}/nothing")
            .get("{core}/configmaps/a/nothing")
            .get("{core}/pods/p/nothing")
            .get("{core}/pods/p/status/nothing")
            .get("/api/v1/configmaps/a")
            .get("/api/v1/nodes/none/status")
            .get("/apis/batch/v1/namespaces/{ns}/configmaps")
            .get("/api/v1/namespaces/{ns}/nodes"),
        case("paths-that-are-strange")
            .create([config("a")])
            .get("{core}/configmaps/")
            .get("{core}/configmaps/a/")
            .get("{core}//configmaps")
            .get("/API/v1")
            .get("{core}/configmaps/%61")
            .get("{core}/configmaps/a%2Fb")
            .get("{core}/configmaps/..%2F..")
            .get("{core}/configmaps?unknown=option"),
    ]
}

fn bodies() -> Vec<Case> {
    let big = config("a").to_string().replace("red", &"x".repeat(3 * 1024 * 1024));
    vec![
        case("body-that-is-no-json")
            .ask(post("application/json", "{"))
            .ask(post("application/json", "nonsense"))
            .ask(post("application/json", "[]"))
            .ask(post("application/json", "null"))
            .ask(post("application/json", "\"text\""))
            .ask(post("application/json", "{} {}"))
            .ask(post("application/json", r#"{"metadata": {"name": "a"}, "data": {"k": "\ud800"}}"#)),
        case("body-that-is-empty")
            .ask(post("application/json", ""))
            .ask(Request::new("POST", "{core}/configmaps"))
            .ask(Request::new("PUT", "{core}/configmaps/a")),
        case("body-that-is-no-yaml")
            .ask(post("application/yaml", "a: [b"))
            .seen(outline)
            .ask(post("application/yaml", "- a"))
            .seen(outline),
        case("body-in-yaml")
            .ask(post("application/yaml", "metadata:\n  name: a\ndata:\n  yes: 'no'\n  on: \"1\"\n"))
            .get("{core}/configmaps/a"),
        case("body-of-another-form")
            .ask(post("text/plain", "hello"))
            .ask(post("application/xml", "<a/>"))
            .ask(post("application/json; charset=latin-1", config("a").to_string()))
            .ask(post("nonsense", config("b").to_string()))
            .ask(Request { headers: Vec::new(), ..post("", config("c").to_string()) }),
        case("body-in-protobuf")
            .ask(post(PROTOBUF, protobuf(true)))
            .ask(post(PROTOBUF, "nonsense"))
            .seen(outline)
            .ask(post(PROTOBUF, protobuf(false)))
            .seen(outline)
            .ask(post(PROTOBUF, ""))
            .seen(outline),
        case("body-that-is-too-large").ask(post("application/json", big)),
        case("body-that-is-deep")
            .ask(post(
                "application/json",
                format!(r#"{{"metadata": {{"name": "a"}}, "x": {}1{}}}"#, "[".repeat(11_000), "]".repeat(11_000)),
            ))
            .seen(outline),
        case("body-of-wrong-types")
            .post("{core}/configmaps", json!({"metadata": {"name": 5}}))
            .post("{core}/configmaps", json!({"metadata": []}))
            .post("{core}/configmaps", json!({"metadata": {"name": "a"}, "data": {"k": {"l": "m"}}}))
            .post("{core}/configmaps", json!({"metadata": {"name": "a"}, "immutable": "yes"}))
            .post("{batch}/jobs", json!({"metadata": {"name": "a"}, "spec": {"parallelism": "two"}}))
            .post("{batch}/jobs", json!({"metadata": {"name": "a"}, "spec": {"parallelism": 1.5}}))
            .post("{batch}/jobs", json!({"metadata": {"name": "a"}, "spec": {"parallelism": 99_999_999_999_i64}}))
            .post("{core}/events", json!({"metadata": {"name": "a"}, "firstTimestamp": "yesterday"})),
    ]
}

fn forms() -> Vec<Case> {
    let path = "{core}/configmaps/a";
    vec![
        case("answer-of-another-form")
            .create([config("a")])
            .accepting(path, "text/html")
            .accepting(path, "*/*")
            .accepting(path, "application/*")
            .accepting(path, "application/json;as=Nonsense;v=v1;g=meta.k8s.io")
            .accepting(path, "application/json;as=Table;v=v9;g=meta.k8s.io,application/json")
            .accepting("{boats}", "text/html")
            .accepting("/api/v1", "text/html")
            .seen(outline),
        case("answer-in-yaml").create([config("a")]).accepting(path, "application/yaml").seen(outline),
        case("answer-in-protobuf")
            .create([config("a")])
            .accepting(path, PROTOBUF)
            .seen(|answer| json!({"status": answer["status"], "headers": answer["headers"]})),
        case("answer-that-is-large")
            .create([object("v1", "ConfigMap", "a", &json!({"data": {"k": "text ".repeat(60_000)}}))])
            .ask(Request::new("GET", path).header("accept-encoding", "gzip"))
            .seen(|answer| json!({"status": answer["status"], "headers": answer["headers"]}))
            .ask(Request::new("GET", path).header("accept-encoding", "identity"))
            .seen(outline),
        case("answer-that-is-small")
            .create([config("a")])
            .ask(Request::new("GET", path).header("accept-encoding", "gzip")),
        case("answer-that-is-pretty")
            .create([config("a")])
            .get("{core}/configmaps/a?pretty=true")
            .get("{core}/configmaps/none?pretty=1"),
        case("answer-that-is-known").code("a document that has not changed", |stage| {
            Box::pin(async move {
                let document =
                    |tag: &str| Request::new("GET", "/openapi/v3/apis/example.com/v1").header("if-none-match", tag);
                let (known, unknown) = (stage.ask(document("\"none\"")).await, stage.ask(document("*")).await);
                json!([outline(known), outline(unknown)])
            })
        }),
    ]
}

fn options() -> Vec<Case> {
    vec![
        case("options-that-are-wrong")
            .post("{core}/configmaps?fieldValidation=Nonsense", config("a"))
            .post("{core}/configmaps?dryRun=Nonsense", config("a"))
            .post("{core}/configmaps?dryRun=All&dryRun=All", config("a"))
            .post("{core}/configmaps?fieldManager=a%00b", config("a"))
            .post(&format!("{{core}}/configmaps?fieldManager={}", "x".repeat(129)), config("a"))
            .post("{boats}?fieldValidation=Nonsense", boat("a", &json!({})))
            .get("{core}/configmaps?labelSelector=%ZZ")
            .get("{core}/configmaps?limit=99999999999999999999"),
        case("options-that-are-empty")
            .post("{core}/configmaps?dryRun=&fieldManager=&fieldValidation=", config("a"))
            .get("{core}/configmaps?labelSelector=&fieldSelector=&limit=&continue=&resourceVersion=&watch=&timeoutSeconds=")
            .seen(outline),
        case("warnings")
            .post("{batch}/jobs", suspended_job("a.b"))
            .post("{core}/pods", with(idle_pod("p"), &json!({"spec": {"containers": [{
                "name": "main", "image": "tests/shell", "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}],
            }]}})))
            .post("{core}/configmaps", with(config("a"), &json!({"metadata": {"finalizers": ["kubernetes"]}})))
            .post("{core}/configmaps", with(config("b"), &json!({"typo": "with \"quotes\""}))),
    ]
}
