//! Tokens of ServiceAccounts.

use std::sync::Arc;

use aggregator_embedded_kube::api::access::review::{TokenAsked, token, token_request};
use aggregator_embedded_kube::api::access::{Authentication, Issuer, Tokens};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::real::{AUTHENTICATION, Real, Snapshot};

const NAME: &str = "https://kubernetes.default.svc";

/// What a part of a token says.
fn part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// What is in a namespace, and all nodes.
fn snapshot(real: &Real, namespace: &str) -> Snapshot {
    let mut all = Vec::new();
    for (resource, path) in [
        ("serviceaccounts", format!("/api/v1/namespaces/{namespace}/serviceaccounts")),
        ("pods", format!("/api/v1/namespaces/{namespace}/pods")),
        ("secrets", format!("/api/v1/namespaces/{namespace}/secrets")),
        ("nodes", "/api/v1/nodes".to_owned()),
    ] {
        all.extend(real.list(&path, "").into_iter().map(|object| (resource, Arc::new(object))));
    }
    Snapshot(all)
}

fn pod(name: &str, account: &str, node: Option<&str>) -> Value {
    let mut pod = json!({
        "metadata": {"name": name},
        "spec": {"serviceAccountName": account, "containers": [{"name": "c", "image": "i"}]},
    });
    if let Some(node) = node {
        pod["spec"]["nodeName"] = node.into();
    }
    pod
}

#[test]
fn tokens_are_given_out_and_refused_alike() {
    let real = Real::new();
    let namespace = real.plane.namespace();
    let place = namespace.name();
    for account in ["one", "two"] {
        namespace.kubectl(["create", "serviceaccount", account]);
    }
    namespace.kubectl(["create", "secret", "generic", "s"]);
    let path = |resource: &str| format!("/api/v1/namespaces/{place}/{resource}");
    let node = real.create("/api/v1/nodes", &json!({"metadata": {"name": format!("node-{place}")}}));
    let node = node["metadata"]["name"].as_str().unwrap().to_owned();
    real.create(&path("pods"), &pod("p", "one", None));
    real.create(&path("pods"), &pod("bound", "one", Some(&node)));
    real.create(&path("pods"), &pod("lost", "one", Some("no-such-node")));
    let objects = snapshot(&real, place);
    let issuer = Issuer::new(NAME, vec![NAME.to_owned()], &Issuer::generate().unwrap()).unwrap();
    let bound = |kind: &str, name: &str| json!({"boundObjectRef": {"apiVersion": "v1", "kind": kind, "name": name}});
    let (mut given, mut refused) = (0, 0);
    for (account, metadata, spec) in [
        ("one", json!({}), json!({})),
        ("one", json!({}), json!({"audiences": ["a", "b"], "expirationSeconds": 1200})),
        ("one", json!({}), bound("Pod", "p")),
        ("one", json!({}), bound("Pod", "bound")),
        ("one", json!({}), bound("Pod", "lost")),
        (
            "one",
            json!({}),
            json!({"expirationSeconds": 3607, "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p"}}),
        ),
        (
            "one",
            json!({}),
            json!({"expirationSeconds": 3607, "audiences": ["x"], "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p"}}),
        ),
        ("one", json!({}), bound("Secret", "s")),
        ("one", json!({}), bound("Node", &node)),
        ("two", json!({}), bound("Pod", "p")),
        ("one", json!({}), bound("Pod", "none")),
        ("one", json!({}), bound("Node", "none")),
        ("one", json!({}), bound("ConfigMap", "x")),
        ("one", json!({}), json!({"boundObjectRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}})),
        ("one", json!({}), json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "other"}})),
        ("none", json!({}), json!({})),
        ("one", json!({"name": "two"}), json!({})),
        ("one", json!({"namespace": "default"}), json!({})),
        ("one", json!({"uid": "other"}), json!({})),
        ("one", json!({}), json!({"expirationSeconds": 599})),
        ("one", json!({}), json!({"expirationSeconds": 0})),
        ("one", json!({}), json!({"expirationSeconds": 4_294_967_297_i64})),
        ("one", json!({}), json!({"attestations": {"a": ["b"]}})),
    ] {
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": metadata, "spec": spec});
        let theirs = real.post(&path(&format!("serviceaccounts/{account}/token")), &[], &request);
        let created = theirs.body["metadata"]["creationTimestamp"].as_str().and_then(|time| time.parse().ok());
        let now = created.unwrap_or(Timestamp::UNIX_EPOCH);
        let asked = TokenAsked { namespace: place, name: account, request: &request, now, id: "id" };
        match token_request(&issuer, &objects, &asked) {
            Ok(ours) => {
                assert_eq!(theirs.code, 201, "{request}: {}", theirs.body);
                let rest = |answer: &Value| {
                    let mut answer = answer.clone();
                    answer["status"]["token"] = "".into();
                    answer["metadata"].as_object_mut().unwrap().remove("managedFields");
                    answer
                };
                let claims = |answer: &Value| part(answer["status"]["token"].as_str().unwrap(), 1);
                let until = |answer: &Value| {
                    answer["status"]["expirationTimestamp"].as_str().unwrap().parse::<Timestamp>().unwrap()
                };
                let mut theirs = theirs.body;
                let (mut wanted, mut found) = (claims(&theirs), claims(&ours));
                // Their clock goes on a little between two looks at it.
                let late = until(&theirs).duration_since(until(&ours));
                assert!(late.abs() <= SignedDuration::from_secs(1), "{late:?}");
                theirs["status"]["expirationTimestamp"] = ours["status"]["expirationTimestamp"].clone();
                assert_eq!(rest(&ours), rest(&theirs), "{request}");
                for claims in [&mut wanted, &mut found] {
                    let begun = claims["iat"].as_i64().unwrap();
                    for time in ["iat", "nbf", "exp"] {
                        claims[time] = (claims[time].as_i64().unwrap() - begun).into();
                    }
                    if let Some(warn) = claims["kubernetes.io"]["warnafter"].as_i64() {
                        claims["kubernetes.io"]["warnafter"] = (warn - begun).into();
                    }
                    assert!(!claims["jti"].as_str().unwrap().is_empty());
                    claims["jti"] = "".into();
                }
                assert_eq!(found, wanted, "{request}");
                given += 1;
            }
            Err(refusal) => {
                assert_eq!(refusal.status(), theirs.body, "{request}");
                refused += 1;
            }
        }
    }
    assert_eq!((given, refused), (9, 14));
}

#[test]
fn tokens_make_known_alike() {
    let real = Real::new();
    let namespace = real.plane.namespace();
    let place = namespace.name();
    let path = |resource: &str| format!("/api/v1/namespaces/{place}/{resource}");
    for account in ["gone", "again", "stays"] {
        namespace.kubectl(["create", "serviceaccount", account]);
    }
    for name in ["p", "again"] {
        real.create(&path("pods"), &pod(name, "stays", None));
    }
    let issuer = Issuer::new(NAME, vec![NAME.to_owned()], &Issuer::generate().unwrap()).unwrap();
    let before = snapshot(&real, place);
    let bound = |name: &str| json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": name}});
    let mut tokens = Vec::new();
    for (account, spec) in [
        ("stays", json!({})),
        ("stays", json!({"audiences": ["other"]})),
        ("stays", bound("p")),
        ("stays", bound("again")),
        ("gone", json!({})),
        ("again", json!({})),
    ] {
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
        let theirs = real.create(&path(&format!("serviceaccounts/{account}/token")), &request);
        let theirs = theirs["status"]["token"].as_str().unwrap().to_owned();
        let id = part(&theirs, 1)["jti"].as_str().unwrap().to_owned();
        let asked = TokenAsked { namespace: place, name: account, request: &request, now: Timestamp::now(), id: &id };
        let ours = token_request(&issuer, &before, &asked).unwrap();
        tokens.push((ours["status"]["token"].as_str().unwrap().to_owned(), theirs));
    }
    let review = |token: &str, audiences: &Value| {
        let mut spec = json!({"token": token});
        if !audiences.is_null() {
            spec["audiences"] = audiences.clone();
        }
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec})
    };
    let nobody = Tokens::default();
    let mut known = 0;
    let mut compare = |objects: &Snapshot, ours: &str, theirs: &str, audiences: &Value| {
        let answer = real.post(&format!("{AUTHENTICATION}/tokenreviews"), &[], &review(theirs, audiences));
        let authentication = Authentication { tokens: &nobody, issuer: &issuer, objects };
        match token(&authentication, &review(ours, audiences), Timestamp::now()) {
            Ok(ours) => {
                assert_eq!(ours["status"], answer.body["status"]);
                known += usize::from(ours["status"]["authenticated"] == true);
            }
            Err(refusal) => assert_eq!(refusal.status(), answer.body),
        }
    };
    let audiences = [Value::Null, json!(["other"]), json!([NAME, "other"]), json!(["none"])];
    for (ours, theirs) in &tokens {
        for audiences in &audiences {
            compare(&before, ours, theirs, audiences);
        }
    }
    for token in ["", "x", "a.b.c", " x"] {
        compare(&before, token, token, &Value::Null);
    }
    // A token that somebody has changed, and one by another key.
    let changed = |token: &str| {
        let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        let mut claims = part(token, 1);
        claims["sub"] = "system:serviceaccount:kube-system:admin".into();
        parts[1] = URL_SAFE_NO_PAD.encode(claims.to_string());
        parts.join(".")
    };
    compare(&before, &changed(&tokens[0].0), &changed(&tokens[0].1), &Value::Null);
    let strange = Issuer::new(NAME, vec![NAME.to_owned()], &Issuer::generate().unwrap()).unwrap();
    let request = json!({"spec": {}});
    let asked = TokenAsked { namespace: place, name: "stays", request: &request, now: Timestamp::now(), id: "x" };
    let strange = token_request(&strange, &before, &asked).unwrap();
    let strange = strange["status"]["token"].as_str().unwrap();
    compare(&before, strange, strange, &Value::Null);

    for account in ["gone", "again"] {
        namespace.kubectl(["delete", "serviceaccount", account]);
    }
    for name in ["p", "again"] {
        namespace.kubectl(["delete", "pod", name, "--now"]);
    }
    namespace.kubectl(["create", "serviceaccount", "again"]);
    real.create(&path("pods"), &pod("again", "stays", None));
    let after = snapshot(&real, place);
    // The API server remembers for ten seconds whom a token makes known.
    aggregator_tests::wait::eventually("the API server to forget", || {
        let answer = real.post(&format!("{AUTHENTICATION}/tokenreviews"), &[], &review(&tokens[4].1, &Value::Null));
        answer.body["status"]["authenticated"].is_null().then_some(())
    });
    aggregator_tests::wait::eventually("the API server to forget the last", || {
        let gone = |at: usize| {
            let answer =
                real.post(&format!("{AUTHENTICATION}/tokenreviews"), &[], &review(&tokens[at].1, &Value::Null));
            answer.body["status"]["authenticated"].is_null()
        };
        (gone(2) && gone(3) && gone(5)).then_some(())
    });
    for (ours, theirs) in &tokens {
        compare(&after, ours, theirs, &Value::Null);
    }
    assert!(known >= 10, "{known}");
}
