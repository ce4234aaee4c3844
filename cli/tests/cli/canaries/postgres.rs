//! Secrets on their way to a PostgreSQL server, one that behaves and one that repeats what it is sent.

use aggregator_tests::postgres::{PASSWORD, Postgres, USER, foreign_authority};
use serde_json::{Value, json};

use super::repeater::Repeater;
use super::scene::{SECRETS, Scene};
use crate::postgres::Database;

const FILE: &str = "database.yaml";

/// A Connector, and the Pipeline `database` that reads a stream of it.
fn manifest(fields: &Value, stream: &str) -> String {
    let object = |kind: &str, name: &str, spec: Value| {
        let metadata = json!({"name": name, "namespace": "test"});
        json!({"apiVersion": "aggregator.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}).to_string()
    };
    let out = json!({"file": {"root": "../left/out", "format": {"ndjson": {}}}});
    let pipeline = json!({
        "params": [{"name": "least", "type": "Int64", "default": "0"}],
        "sources": [{"name": "source", "connector": "db", "stream": stream}],
        "transforms": [{"name": "some", "from": ["source"], "filter": {"where": "id > $least"}}],
        "sinks": [{"name": "sink", "from": "some", "connector": "out", "stream": "database/"}],
    });
    [
        object("Connector", "db", json!({"postgres": fields})),
        object("Connector", "out", out),
        object("Pipeline", "database", pipeline),
    ]
    .join("\n---\n")
}

fn with_password(fields: &Value) -> Value {
    let mut fields = fields.clone();
    fields["password"] = json!({"secretKey": "password"});
    fields
}

/// Right and wrong passwords, and what is no secret.
pub(super) fn real(scene: &mut Scene) {
    let database = Database::new();
    let right = scene.canaries.plant("the right password");
    let wrong = scene.canaries.plant("a wrong password");
    let told = scene.variable("PGPASSWORD");
    database.execute(&format!(
        "CREATE TABLE events AS SELECT 1 AS id; CREATE ROLE keeper LOGIN PASSWORD '{right}'; \
         CREATE ROLE stranger LOGIN PASSWORD '{told}'; GRANT SELECT ON events TO keeper, stranger"
    ));
    let fields =
        |role: &str| json!({"host": "127.0.0.1", "port": database.port(), "database": database.name, "username": role});
    // The password itself does not pass the wire: the server takes or refuses what is proven by it.
    for (password, code) in [(&wrong, 3), (&right, 0)] {
        scene.give("secrets/connector-db/password", password);
        scene.give(FILE, manifest(&with_password(&fields("keeper")), "public.events"));
        let said = scene.run_pipeline(FILE, "database", code);
        assert_eq!(code == 3, said.stderr.contains("password authentication failed"), "{}", said.stderr);
        scene.canaries.passed(password);
        scene.run(&format!("connectors check -f given/{FILE} -c db --secrets {SECRETS} -o json"), code);
        scene.run(&format!("connectors discover -f given/{FILE} -c db --secrets {SECRETS} -o json"), code);
    }
    // Without a password of its own a Connector has that of the environment.
    scene.give(FILE, manifest(&fields("stranger"), "public.events"));
    scene.run_pipeline(FILE, "database", 0);

    let literal = scene.canaries.plant_public("a literal of a query");
    let broken = scene.canaries.plant_public("a literal that the server refuses");
    let param = scene.canaries.plant_public("a parameter");
    let user = scene.canaries.plant_public("a user name");
    let query = |literal: &str| format!("SELECT id FROM events WHERE '{literal}' <> ''");
    scene.give(FILE, manifest(&with_password(&fields("keeper")), &query(&literal)));
    scene.run_pipeline(FILE, "database", 0);
    scene.run(&format!("plan -f given/{FILE} --secrets {SECRETS} -o json"), 0);
    scene.run(&format!("plan -f given/{FILE} --secrets {SECRETS} --param least={param}"), 2);
    scene.canaries.passed(&param);
    scene.give(FILE, manifest(&with_password(&fields("keeper")), &format!("SELECT '{broken}'::int AS id")));
    scene.run_pipeline(FILE, "database", 1);
    scene.give(FILE, manifest(&with_password(&fields(&user)), "public.events"));
    scene.run_pipeline(FILE, "database", 3);
    database.execute("DROP OWNED BY keeper, stranger; DROP ROLE keeper, stranger");
}

/// A server that takes passwords as they are, repeats them wherever an answer has room, and hangs up.
pub(super) fn echoing(scene: &mut Scene) {
    let server = Repeater::start();
    let fields = json!({"host": "127.0.0.1", "port": server.port(), "database": "d", "username": "u"});
    scene.give(FILE, manifest(&with_password(&fields), "public.events"));
    for (place, code) in
        [("a password that the server repeats", "28P01"), ("a password behind which the server fails", "XX000")]
    {
        let password = scene.canaries.plant(place);
        scene.give("secrets/connector-db/password", &password);
        server.answer_with(code);
        let exit = if code == "28P01" { 3 } else { 1 };
        let said = scene.run_pipeline(FILE, "database", exit);
        assert!(said.stderr.contains("the server was told"), "{}", said.stderr);
        scene.run(&format!("connectors check -f given/{FILE} -c db --secrets {SECRETS} -o json"), exit);
        scene.canaries.passed(&server.seen());
    }
}

/// What stands beside certificates in a Secret; TLS that holds and TLS that breaks.
pub(super) fn encrypted(scene: &mut Scene) {
    let server = Postgres::start_with_tls();
    let fields = json!({
        "host": "localhost", "port": server.port(), "database": "postgres", "username": USER,
        "password": {"secretKey": "password"}, "tls": {"mode": "VerifyFull", "ca": {"secretKey": "ca.crt"}},
    });
    scene.give(FILE, manifest(&fields, "SELECT 1 AS id"));
    scene.give("secrets/connector-db/password", PASSWORD);
    for (place, authority, code) in [
        ("beside the right authority of `tls.ca`", server.ca().to_owned(), 0),
        ("beside a foreign authority of `tls.ca`", foreign_authority(), 2),
        ("a `tls.ca` that is no certificate", String::new(), 2),
    ] {
        let canary = scene.canaries.plant_read(place);
        scene.give("secrets/connector-db/ca.crt", format!("{canary}\n{authority}"));
        scene.run_pipeline(FILE, "database", code);
    }
}
