//! Secrets on their way to an HTTP API and back, and in its addresses.

use aggregator_tests::http::HttpServer;
use aggregator_tests::postgres::foreign_authority;
use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};

use super::scene::{SECRETS, Scene};

/// A Connector and, for each endpoint, a Pipeline of the name `CONNECTOR-ENDPOINT` that reads it.
pub(super) fn api(name: &str, fields: &Value, endpoints: &[(&str, Value)]) -> String {
    let mut http = fields.clone();
    http["retries"] = json!(1);
    let of = |(name, fields): &(&str, Value)| {
        let mut endpoint = json!({
            "name": name, "records": "$.data[*]", "schema": {"columns": [{"name": "id", "type": "Int64"}]},
        });
        endpoint.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        endpoint
    };
    http["endpoints"] = endpoints.iter().map(of).collect();
    let object = |kind: &str, name: &str, spec: Value| json!({"apiVersion": "aggregator.dev/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": "test"}, "spec": spec});
    let mut objects = vec![
        object("Connector", name, json!({"http": http})),
        object("Connector", "out", json!({"file": {"root": "../left/out", "format": {"ndjson": {}}}})),
    ];
    for (endpoint, _) in endpoints {
        let pipeline = format!("{name}-{endpoint}");
        objects.push(object(
            "Pipeline",
            &pipeline,
            json!({
                "sources": [{"name": "source", "connector": name, "stream": endpoint}],
                "sinks": [{"name": "sink", "from": "source", "connector": "out", "stream": format!("{pipeline}/")}],
                "rejects": {"connector": "out", "stream": format!("{pipeline}-rejects/")},
            }),
        ));
    }
    objects.iter().map(Value::to_string).collect::<Vec<_>>().join("\n---\n")
}

fn secret(name: &str, field: &str, key: &str, value: &str) -> String {
    let values = json!({key: value});
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "test"}, field: values})
        .to_string()
}

/// Every way to sign a request: taken, refused with all that was sent in the answer, and put off.
pub(super) fn signed(scene: &mut Scene) {
    let url = scene.server.url();
    let key = json!({"secretKey": "key"});
    let client_key = scene.canaries.plant("the query of `tokenUrl`");
    let oauth = |path: &str| {
        let token_url = format!("{url}{path}?client_key={client_key}");
        json!({"oauth2ClientCredentials": {"tokenUrl": token_url, "clientId": "reader", "clientSecret": key}})
    };
    let cases = [
        ("bearer", json!({"bearer": {"token": key}}), ""),
        ("basic", json!({"basic": {"username": "reader", "password": key}}), ""),
        ("header", json!({"apiKey": {"name": "X-Key", "value": key}}), ""),
        // Characters that addresses and JSON write otherwise.
        ("query", json!({"apiKey": {"name": "k", "in": "Query", "value": key}}), "ü \"/+%"),
        ("oauth", oauth("/token"), " &="),
    ];
    for (name, auth, around) in cases {
        let value = format!("{around}{}{around}", scene.canaries.plant(&format!("the secret of `auth: {name}`")));
        scene.give(&format!("secrets/connector-{name}/key"), &value);
        let fields = json!({"url": url, "auth": auth});
        let endpoints = [
            ("good", json!({"path": "/items"})),
            ("refused", json!({"path": "/status/401"})),
            ("forbidden", json!({"path": "/status/403"})),
            ("busy", json!({"path": "/status/503"})),
        ];
        scene.give(&format!("{name}.yaml"), api(name, &fields, &endpoints));
        scene.run_pipeline(&format!("{name}.yaml"), &format!("{name}-good"), 0);
        let refused = scene.run_pipeline(&format!("{name}.yaml"), &format!("{name}-refused"), 3);
        assert!(refused.stderr.contains("CredentialsRefused") && refused.stderr.contains("***"), "{}", refused.stderr);
        scene.run_pipeline(&format!("{name}.yaml"), &format!("{name}-forbidden"), 1);
        scene.run_pipeline(&format!("{name}.yaml"), &format!("{name}-busy"), 1);
        scene.run(&format!("connectors check -f given/{name}.yaml --secrets {SECRETS} -c {name} -o json"), 0);
    }
    // Nobody listens there.
    scene.give(
        "bearer.yaml",
        api(
            "bearer",
            &json!({"url": "http://127.0.0.1:1", "auth": {"bearer": {"token": key}}}),
            &[("gone", json!({"path": "/x"}))],
        ),
    );
    scene.run_pipeline("bearer.yaml", "bearer-gone", 3);
    for (path, code) in [("/status/401", 3), ("/token/wrong", 2)] {
        let pipeline = [("good", json!({"path": "/items"}))];
        scene.give("oauth.yaml", api("oauth", &json!({"url": url, "auth": oauth(path)}), &pipeline));
        scene.run_pipeline("oauth.yaml", "oauth-good", code);
    }
}

/// Secrets that stand in addresses, headers and bodies: in the manifest, and in what a server answers.
pub(super) fn addressed(scene: &mut Scene) {
    let plant = |scene: &mut Scene, place: &str| scene.canaries.plant(place);
    let fields = json!({
        "url": format!("{}?signature={}", scene.server.url(), plant(scene, "the query of `url`")),
        "headers": {"X-Auth-Token": plant(scene, "a header of all endpoints")},
    });
    let query = json!({"api_key": plant(scene, "the query of an endpoint")});
    let headers = json!({"X-Api-Key": plant(scene, "a header of an endpoint")});
    let body = json!({"login": {"user": "reader", "password": plant(scene, "the body of an endpoint")}}).to_string();
    let in_path = plant(scene, "the query in an endpoint's path");
    let endpoint = |path: &str, more: Value| {
        let mut endpoint = json!({"path": path});
        endpoint.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        endpoint
    };
    let links = json!({"pagination": {"linkHeader": {}}});
    let next = json!({"pagination": {"nextLink": "$.next"}});
    let all = |path: &str| endpoint(path, json!({"query": query, "headers": headers, "method": "Post", "body": body}));
    let endpoints = [
        ("good", all("/items"), 0),
        ("refused", all("/status/401"), 3),
        ("path", json!({"path": format!("/items?sig={in_path}")}), 0),
        ("path-refused", json!({"path": format!("/status/401?sig={in_path}")}), 3),
        ("linked", endpoint("/linked", links.clone()), 0),
        ("linked-broken", endpoint("/linked/broken", links.clone()), 3),
        ("next", endpoint("/next", next.clone()), 0),
        ("next-broken", endpoint("/next/broken", next.clone()), 3),
        ("next-elsewhere", endpoint("/next/elsewhere", next.clone()), 1),
        ("next-nowhere", endpoint("/next/nowhere", next.clone()), 1),
        ("user", endpoint("/user", links.clone()), 0),
        ("user-broken", endpoint("/user/broken", links), 3),
        ("redirect", json!({"path": "/redirect"}), 0),
        ("redirect-broken", json!({"path": "/redirect/broken"}), 3),
        ("redirect-elsewhere", json!({"path": "/redirect/elsewhere"}), 1),
    ];
    let given: Vec<(&str, Value)> = endpoints.iter().map(|(name, endpoint, _)| (*name, endpoint.clone())).collect();
    scene.give("plain.yaml", api("plain", &fields, &given));
    for (name, _, code) in &endpoints {
        scene.run_pipeline("plain.yaml", &format!("plain-{name}"), *code);
    }
    scene.run("plan -f given/plain.yaml --pipeline plain-good -o json", 0);
    scene.run("lint -f given/plain.yaml", 0);
}

/// What only looks at an API: the first rows, and the columns that are found in an answer.
pub(super) fn looked_at(scene: &mut Scene) {
    let infer = json!({"infer": {"records": 2}});
    for (name, path, code) in [("seen", "/items", 0), ("unseen", "/status/401", 3)] {
        let value = scene.canaries.plant(&format!("the secret of an API that is {name}"));
        scene.give(&format!("secrets/connector-{name}/key"), &value);
        let fields = json!({"url": scene.server.url(), "auth": {"bearer": {"token": {"secretKey": "key"}}}});
        let endpoints = [("rows", json!({"path": path})), ("columns", json!({"path": path, "schema": infer}))];
        scene.give(&format!("{name}.yaml"), api(name, &fields, &endpoints));
        let given = format!("-f given/{name}.yaml --secrets {SECRETS}");
        let preview = format!("preview {given} --pipeline {name}-rows --node source");
        let said = [
            scene.run(&preview, code),
            scene.run(&format!("{preview} -o json"), code),
            scene.run(&format!("connectors discover {given} -c {name}"), code),
            scene.run(&format!("connectors discover {given} -c {name} -o json"), code),
        ];
        for said in said {
            assert_eq!(said.stderr.contains("CredentialsRefused"), code == 3, "{}", said.stderr);
        }
    }
}

/// Certificates are public, but they come from Secrets: what stands beside them is not shown either.
pub(super) fn encrypted(scene: &mut Scene) {
    let rows = || async { axum::Json(json!({"data": [{"id": 1}]})) };
    let started = scene.runtime.block_on(HttpServer::start_tls(Router::new().route("/items", get(rows))));
    let (server, authority) = started.expect("a server");
    let fields = json!({
        "url": server.url(), "auth": {"bearer": {"token": {"secretKey": "key"}}}, "ca": {"secretKey": "ca.crt"},
    });
    scene.give("tls.yaml", api("tls", &fields, &[("items", json!({"path": "/items"}))]));
    let token = scene.canaries.plant("a token sent over TLS");
    scene.give("secrets/connector-tls/key", &token);
    for (place, authority, code) in [
        ("a `ca` that is no certificate", String::new(), 2),
        ("beside a foreign authority of `ca`", foreign_authority(), 3),
        ("beside the right authority of `ca`", authority, 0),
    ] {
        let canary = scene.canaries.plant_read(place);
        scene.give("secrets/connector-tls/ca.crt", format!("{canary}\n{authority}"));
        scene.run_pipeline("tls.yaml", "tls-items", code);
    }
    let seen: Vec<String> = server.seen().iter().map(|seen| format!("{:?}", seen.headers)).collect();
    scene.canaries.passed(&seen.concat());
    // A value with a line break cannot stand in a header; one that is no text cannot be used at all.
    for value in ["\n{}", "{}\u{fffd}"] {
        let canary = scene.canaries.plant_read("a token that cannot be sent");
        let value = value.replace("{}", &canary);
        let bytes = value.bytes().map(|byte| if byte == 0xef { 0xff } else { byte });
        scene.give("secrets/connector-tls/key", bytes.collect::<Vec<u8>>());
        scene.run_pipeline("tls.yaml", "tls-items", 3);
    }
}

/// A Secret among the manifests: its values are used, as text and as base64.
pub(super) fn from_manifests(scene: &mut Scene) {
    let fields = json!({"url": scene.server.url(), "auth": {"bearer": {"token": {"secretKey": "key"}}}});
    let text = scene.canaries.plant("`stringData` of a Secret");
    let encoded = scene.canaries.plant("`data` of a Secret");
    let base64 = serde_json::to_value(k8s_openapi::ByteString(encoded.clone().into_bytes())).expect("base64");
    for (field, value) in [("stringData", text.as_str()), ("data", base64.as_str().expect("text"))] {
        let endpoints = [("good", json!({"path": "/items"})), ("refused", json!({"path": "/status/401"}))];
        let manifest =
            format!("{}\n---\n{}", secret("connector-own", field, "key", value), api("own", &fields, &endpoints));
        scene.give("own.yaml", manifest);
        scene.run_pipeline("own.yaml", "own-good", 0);
        scene.run_pipeline("own.yaml", "own-refused", 3);
        scene.run("lint -f given/own.yaml -o json", 0);
    }
}
