//! Secrets of what a run writes into: tables and stores, by one process and by several, one stream and many.

use aggregator_tests::s3::{Bucket, S3};

use super::scene::{SECRETS, Scene};
use crate::postgres::Database;

const FILE: &str = "targets.yaml";

/// A role's table and a bucket, and three Pipelines: into both, of many streams, and one that several processes share.
fn manifest(database: &Database, bucket: &Bucket) -> String {
    format!(
        "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: table, namespace: test}}
spec:
  postgres: {{host: 127.0.0.1, port: {}, database: {}, username: writer, password: {{secretKey: password}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: store, namespace: test}}
spec:
  s3:
    bucket: {}
    endpoint: {}
    format: {{ndjson: {{}}}}
    credentials: {{accessKeyId: {{secretKey: id}}, secretAccessKey: {{secretKey: secret}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: both, namespace: test}}
spec:
  sources: [{{name: rows, connector: table, stream: public.events}}]
  sinks:
    - {{name: table, from: rows, connector: table, stream: public.kept, write: {{mode: Upsert, key: [id]}}}}
    - {{name: store, from: rows, connector: store, stream: kept/}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: many, namespace: test}}
spec:
  sources: [{{name: rows, connector: table, streams: {{include: [\"public.*\"], exclude: [\"public._*\"]}}}}]
  sinks: [{{name: store, from: rows, connector: store, stream: \"many/${{stream.name}}/\"}}]
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: shared, namespace: test}}
spec:
  sources: [{{name: rows, connector: table, stream: public.events}}]
  sinks: [{{name: store, from: rows, connector: store, stream: shared/}}]
  execution: {{splitSize: 64Ki}}
",
        database.port(),
        database.name,
        bucket.name,
        bucket.endpoint,
    )
}

pub(super) fn written(scene: &mut Scene) {
    let database = Database::new();
    let right = scene.canaries.plant("the password of a target");
    let wrong = scene.canaries.plant("a wrong password of a target");
    database.execute(&format!(
        "CREATE TABLE events AS SELECT id, repeat('x', 100) AS text FROM generate_series(1, 2000) AS id; \
         CREATE ROLE writer LOGIN PASSWORD '{right}'; GRANT ALL ON SCHEMA public TO writer; GRANT SELECT ON events TO writer"
    ));
    let id = scene.canaries.plant_read("the id of a target's key");
    let secret = scene.canaries.plant_read("the secret of a target's key");
    let other = scene.canaries.plant_read("a wrong secret of a target's key");
    let server = S3::start_with(&id, &secret);
    scene.give(FILE, manifest(&database, &server.bucket()));
    scene.give("secrets/connector-store/id", &id);

    let given = |scene: &Scene, password: &str, secret: &str| {
        scene.give("secrets/connector-table/password", password);
        scene.give("secrets/connector-store/secret", secret);
    };
    given(scene, &right, &secret);
    scene.run_pipeline(FILE, "both", 0);
    scene.run_pipeline(FILE, "many", 0);
    let mut states = Vec::new();
    for index in [0, 1] {
        let shard = format!(
            "run -f given/{FILE} --pipeline shared --secrets {SECRETS} --state left/shared --shard {index}/2 -o json"
        );
        states.push(scene.run(&shard, 0).stdout);
    }
    assert!(states[0].contains("\"Waiting\"") && states[1].contains("\"Completing\""), "{states:?}");
    // A row that the target refuses, and keys and passwords that it does.
    database.execute("ALTER TABLE kept ADD CHECK (id < 0) NOT VALID");
    let said = scene.run_pipeline(FILE, "both", 1);
    assert!(said.stderr.contains("check constraint"), "{}", said.stderr);
    for (password, key, refused) in
        [(&wrong, &secret, "password authentication failed"), (&right, &other, "403 SignatureDoesNotMatch")]
    {
        given(scene, password, key);
        for pipeline in ["both", "many"] {
            let said = scene.run_pipeline(FILE, pipeline, 3);
            assert!(said.stderr.contains(refused), "{}", said.stderr);
        }
    }
    // The passwords themselves do not pass the wire: the server has taken or refused what is proven by them.
    scene.canaries.passed(&format!("{right} {wrong}"));
    database.execute("DROP OWNED BY writer; DROP ROLE writer");
}
