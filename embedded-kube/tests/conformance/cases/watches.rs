//! Watches: what is told, in which form, from when on, and for how long.

use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::manifests::{boat, config, labelled};
use crate::request::Request;

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const METADATA: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";

/// Events without marks of where the watch is, of which there may be any number; those that end a list stay.
fn without_marks(mut answer: Value) -> Value {
    // One event alone is read as an object.
    if answer["body"].is_object() && answer["body"]["type"].is_string() {
        answer["body"] = json!([answer["body"].take()]);
    }
    if let Some(events) = answer["body"].as_array_mut() {
        events.retain(|event| {
            let end = &event["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"];
            event["type"] != "BOOKMARK" || end.is_string()
        });
    }
    answer
}

/// ConfigMaps that come, change and go, after which a watch is asked for from before that.
fn changed(name: &'static str) -> Case {
    case(name)
        .create([labelled("a", &json!({"color": "red"}))])
        .remember("{core}/configmaps")
        .create([labelled("b", &json!({"color": "red"}))])
        .merge("{core}/configmaps/a", json!({"metadata": {"labels": {"color": "blue"}}}))
        .merge("{core}/configmaps/b", json!({"data": {"size": "2"}}))
        .delete("{core}/configmaps/b", Value::Null)
        // A watch lasts a second here, and tells what the server has heard by then.
        .until_gone("{core}/configmaps/b?resourceVersion=0")
}

/// Waits until the server has heard of both maps that have the label.
fn heard_of_both(case: Case) -> Case {
    case.until_that("{core}/configmaps?labelSelector=x&resourceVersion=0", "has both", |maps| {
        maps["items"].as_array().is_some_and(|items| items.len() == 2)
    })
}

fn watched(case: Case, path: &str) -> Case {
    case.get(path).seen(without_marks)
}

pub(super) fn cases() -> Vec<Case> {
    [by_hand(), by_kubectl()].into_iter().flatten().collect()
}

fn by_hand() -> Vec<Case> {
    let from = "watch=1&timeoutSeconds=1&resourceVersion={version}";
    let since = format!("{{core}}/configmaps?{from}");
    let maps = || [labelled("a", &json!({"x": ""})), labelled("b", &json!({"x": ""}))];
    let fleet = || [boat("a", &json!({})), boat("b", &json!({"color": "red"}))];
    let initial =
        "watch=1&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    vec![
        watched(changed("watch-from-then-on"), &since),
        watched(changed("watch-by-label"), &format!("{since}&labelSelector=color=red")),
        watched(changed("watch-by-absence"), &format!("{since}&labelSelector=color!=red")),
        watched(changed("watch-by-name"), &format!("{since}&fieldSelector=metadata.name=b")),
        watched(
            changed("watch-everywhere"),
            &format!("/api/v1/configmaps?{from}&labelSelector=color&fieldSelector=metadata.namespace={{ns}}"),
        ),
        changed("watch-in-tables").accepting(&since, TABLE).seen(without_marks),
        changed("watch-of-metadata").accepting(&since, METADATA).seen(without_marks),
        watched(
            heard_of_both(case("watch-with-what-is-there").create(maps())),
            "{core}/configmaps?watch=1&timeoutSeconds=1&labelSelector=x",
        ),
        watched(
            heard_of_both(case("watch-from-nought").create(maps())),
            "{core}/configmaps?watch=true&timeoutSeconds=1&resourceVersion=0&labelSelector=x",
        ),
        watched(case("watch-that-begins-with-a-list").create(fleet()), &format!("{{boats}}?{initial}")),
        watched(
            case("watch-that-begins-with-red").create(fleet()),
            &format!("{{boats}}?{initial}&fieldSelector=spec.color=red"),
        ),
        watched(case("watch-that-begins-with-nothing"), &format!("{{boats}}?{initial}")),
        watched(
            case("watch-of-a-custom-kind")
                .remember("{boats}")
                .create([boat("a", &json!({}))])
                .merge("{boats}/a", json!({"spec": {"color": "red"}}))
                .delete("{boats}/a", Value::Null)
                .until_gone("{boats}/a?resourceVersion=0"),
            &format!("{{boats}}?{from}&fieldSelector=spec.color=red"),
        ),
        case("watch-that-is-wrong")
            .get("{core}/configmaps?watch=1&timeoutSeconds=1&sendInitialEvents=true")
            .get("{core}/configmaps?watch=1&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion=5")
            .get("{core}/configmaps?watch=1&timeoutSeconds=1&resourceVersionMatch=NotOlderThan&resourceVersion=5")
            .get("{core}/configmaps?watch=1&timeoutSeconds=1&resourceVersion=x")
            .get("{core}/configmaps?watch=1&timeoutSeconds=soon")
            .get("{core}/configmaps?watch=1&timeoutSeconds=1&fieldSelector=data.color=red")
            .get("{core}/configmaps?watch=1&timeoutSeconds=1&labelSelector=a%20b"),
        // The first version of all is forgotten, or was never known: not even the namespaces were there.
        case("watch-from-too-long-ago")
            .get("/api/v1/namespaces?watch=1&timeoutSeconds=1&resourceVersion=1")
            .seen(|mut answer| {
                let first = answer["body"].get(0).cloned().unwrap_or_else(|| answer["body"].take());
                let object = &first["object"];
                json!([answer["status"], first["type"], object["kind"], object["code"], object["reason"]])
            }),
        case("watch-from-the-future").create([config("a")]).code("changes while it is watched", |stage| {
            Box::pin(async move {
                let path = "{core}/configmaps?watch=1&timeoutSeconds=2&resourceVersion=900000000";
                let watch = stage.get(path);
                let changes = async {
                    // When the watch begins is not known: changes are made until it ends.
                    for size in 0.. {
                        let body = json!({"data": {"size": size.to_string()}}).to_string();
                        let request = Request::new("PATCH", "{core}/configmaps/a");
                        stage.ask(request.body("application/merge-patch+json", body)).await;
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    }
                };
                tokio::select! {
                    answer = watch => {
                        json!({"status": answer["status"], "told": answer["body"].to_string().contains("MODIFIED")})
                    }
                    () = changes => Value::Null,
                }
            })
        }),
        case("watch-of-an-absent-kind")
            .get("/apis/example.com/v1/namespaces/{ns}/ships?watch=1&timeoutSeconds=1")
            .get("/api/v1/namespaces/{ns}-none/configmaps?watch=1&timeoutSeconds=1"),
        case("watch-of-events-of-a-namespace")
            .remember("/api/v1/namespaces")
            .merge("/api/v1/namespaces/{ns}", json!({"metadata": {"labels": {"a": "b"}}}))
            .until("/api/v1/namespaces/{ns}?resourceVersion=0", "/metadata/labels/a", "b")
            .get("/api/v1/namespaces?watch=1&timeoutSeconds=1&resourceVersion={version}&fieldSelector=metadata.name={ns}")
            .seen(without_marks),
    ]
}

fn by_kubectl() -> Vec<Case> {
    vec![
        case("watch-by-kubectl")
            .create([config("a")])
            .start("get configmaps -w -l '!none'")
            .lines(3)
            .create([config("b")])
            .lines(4)
            .merge("{core}/configmaps/b", json!({"data": {"size": "2"}}))
            .lines(5)
            .delete("{core}/configmaps/b", Value::Null)
            .lines(6)
            .end(),
        case("watch-of-events-by-kubectl")
            .create([config("a")])
            .start("get configmaps -w --output-watch-events --field-selector metadata.name!=kube-root-ca.crt")
            .lines(2)
            .create([config("b")])
            .lines(3)
            .delete("{core}/configmaps/a", Value::Null)
            .lines(4)
            .end(),
        case("watch-of-one-by-kubectl")
            .create([config("a"), config("b")])
            .start("get configmap a -w")
            .lines(2)
            .merge("{core}/configmaps/b", json!({"data": {"size": "2"}}))
            .merge("{core}/configmaps/a", json!({"data": {"size": "2"}}))
            .lines(3)
            .delete("{core}/configmaps/a", Value::Null)
            .lines(4)
            .end(),
        case("watch-only-by-kubectl")
            .create([boat("a", &json!({}))])
            .start("get boats --watch-only -o name")
            .create([boat("b", &json!({}))])
            .create([boat("c", &json!({}))])
            .code("changes until one is told", |stage| {
                Box::pin(async move {
                    // When the watch begins is not known: changes are made until one is seen.
                    let seen = stage.home.join("following.out");
                    for size in 0..100 {
                        let request = Request::new("PATCH", "{boats}/a");
                        let body = json!({"metadata": {"labels": {"size": size.to_string()}}}).to_string();
                        stage.ask(request.body("application/merge-patch+json", body)).await;
                        if std::fs::read_to_string(&seen).is_ok_and(|text| {
                            text.contains("boats.example.com/a\n") || text.contains("boat.example.com/a\n")
                        }) {
                            return json!("one was told");
                        }
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    }
                    json!("none was told")
                })
            })
            .end()
            .seen(|answer| answer["err"].clone()),
        case("watch-of-a-custom-kind-by-kubectl")
            .create([boat("a", &json!({}))])
            .start("get boats -w")
            .lines(2)
            .merge("{boats}/a", json!({"spec": {"color": "red", "crew": 9}}))
            .lines(3)
            .merge("{boats}/a/status", json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}))
            .lines(4)
            .end(),
        case("watch-in-json-by-kubectl")
            .create([config("a")])
            .start(r#"get configmap a -w -o 'jsonpath={.data}{"\n"}'"#)
            .lines(1)
            .merge("{core}/configmaps/a", json!({"data": {"size": "2"}}))
            .lines(2)
            .end(),
    ]
}
