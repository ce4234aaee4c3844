//! What is said of a Secret that is not there, or has not the key: names and places, never a value.

use crate::aggregator::Place;

const MANIFEST: &str = "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: api, namespace: test}
spec:
  http:
    url: http://127.0.0.1:1
    auth:
      bearer:
        token: {secretKey: token}
    endpoints: [{name: words, path: /words}]
";

const SECRET: &str = "---
apiVersion: v1
kind: Secret
metadata: {name: connector-api, namespace: test}
stringData: {tokn: canary, user: canary}
";

fn check(place: &Place, arguments: &str) -> String {
    let said = place.say(&format!("connectors check -f m.yaml {arguments}"));
    assert_eq!(said.code(), Some(3), "{}{}", said.stdout, said.stderr);
    assert!(!said.stdout.contains("canary") && !said.stderr.contains("canary"), "{}{}", said.stdout, said.stderr);
    said.stdout
}

#[test]
fn a_key_that_a_secret_has_not_is_told_with_those_that_it_has() {
    let place = Place::new();
    place.write("m.yaml", &format!("{MANIFEST}{SECRET}"));
    let told = |found: &str, keys: &str| {
        format!(
            "✗ test/api: read key `token` of Secret `connector-api`: the Secret has no such key; its keys are {keys}; it \
             was found as {found}\n  \
             at m.yaml:9:28: Connector test/api spec.http.auth.bearer.token.secretKey\n  \
             help: add the key `token` there, or name one of these keys in the Connector's `secretKey`\n"
        )
    };
    assert_eq!(check(&place, ""), told("the v1 Secret at m.yaml:12", "tokn, user"));
    // Both places count: what is in the folder wins, and adds.
    place.write("secrets/connector-api/password", "canary");
    let both = "the folder secrets/connector-api, and the v1 Secret at m.yaml:12";
    assert_eq!(check(&place, "--secrets secrets"), told(both, "password, tokn, user"));
    place.write("m.yaml", MANIFEST);
    assert_eq!(check(&place, "--secrets secrets"), told("the folder secrets/connector-api", "password"));
}

#[test]
fn a_secret_that_is_not_there_is_told_with_where_it_was_looked_for() {
    let place = Place::new();
    // One of another namespace is another one.
    place.write("m.yaml", &format!("{MANIFEST}{}", SECRET.replace("namespace: test", "namespace: prod")));
    place.write("secrets/other/token", "canary");
    let told = |sought: &str| {
        format!(
            "✗ test/api: read key `token` of Secret `connector-api`: there is no such Secret; it was looked for as {sought}\n  \
             at m.yaml:9:28: Connector test/api spec.http.auth.bearer.token.secretKey\n  \
             help: add it: a file `connector-api/token` in the folder given with --secrets, a v1 Secret among the \
             manifests, or, on a cluster, `kubectl create secret generic connector-api --from-literal=token=…`\n"
        )
    };
    let among = "a v1 Secret in the namespace test among the manifests";
    assert_eq!(check(&place, ""), told(among));
    assert_eq!(check(&place, "--secrets secrets"), told(&format!("the folder secrets/connector-api, and {among}")));
    // So a Pod has one that is not there.
    std::fs::create_dir(place.file("secrets/connector-api")).expect("a folder");
    let empty = format!("the folder secrets/connector-api, which is empty, and {among}");
    assert_eq!(check(&place, "--secrets secrets"), told(&empty));
}
