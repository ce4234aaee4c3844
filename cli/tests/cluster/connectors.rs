//! Connectors: checked by Jobs, with what was found at them kept for Pipelines.

use std::sync::Arc;

use aggregator_tests::postgres::{PASSWORD, Postgres, USER};
use aggregator_tests::wait::eventually;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor};

use crate::project::Project;

/// A database of a real server.
pub(crate) struct Shop {
    server: Arc<Postgres>,
    database: String,
    runtime: tokio::runtime::Runtime,
}

impl Shop {
    pub(crate) fn new() -> Self {
        let server = Postgres::shared();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let database = runtime.block_on(server.database());
        let shop = Self { server, database, runtime };
        shop.execute(
            "CREATE TABLE orders (id bigint PRIMARY KEY, placed timestamptz); INSERT INTO orders VALUES (1, now())",
        );
        shop
    }

    pub(crate) fn execute(&self, statements: &str) {
        self.runtime.block_on(async {
            let mut connection = self.server.connect(&self.database).await;
            connection.execute(AssertSqlSafe(statements.to_owned())).await.expect("a statement");
        });
    }

    pub(crate) fn connector(&self) -> String {
        format!(
            "
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: shop}}
spec:
  postgres:
    {{host: 127.0.0.1, port: {}, database: {}, username: {USER}, password: {{secretKey: password}}, connectTimeout: 20s}}
",
            self.server.port(),
            self.database
        )
    }
}

pub(crate) fn secret(password: &str) -> String {
    format!(
        "\napiVersion: v1\nkind: Secret\nmetadata: {{name: connector-shop}}\nstringData: {{password: \"{password}\"}}\n"
    )
}

/// The condition of that type, as `True Reached: PostgreSQL …`.
fn condition(object: &Value, condition: &str) -> String {
    let all = object["status"]["conditions"].as_array().into_iter().flatten();
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    all.filter(|it| it["type"] == condition)
        .map(|it| format!("{} {}: {}", text(it, "status"), text(it, "reason"), text(it, "message")))
        .collect()
}

fn until(project: &Project, kind: &str, name: &str, of: &str, begin: &str) -> Value {
    eventually(&format!("{of} of {kind} {name} to be {begin}"), || {
        let object = project.get(kind, name);
        condition(&object, of).starts_with(begin).then_some(object)
    })
}

#[test]
fn a_connector_is_checked_and_pipelines_are_compiled_with_what_was_found() {
    let (project, shop) = (Project::new(), Shop::new());
    // Nobody has written its Secret yet.
    project.namespace.apply(&shop.connector());
    let missing = until(&project, "connector", "shop", "Ready", "False");
    assert!(condition(&missing, "CredentialsResolved").starts_with("False CredentialsRefused"), "{missing}");
    assert!(condition(&missing, "CredentialsResolved").contains("connector-shop"), "{missing}");
    assert!(condition(&missing, "Reachable").starts_with("Unknown NotChecked"), "{missing}");

    project.namespace.apply(&secret("wrong"));
    let ask = |value: &str| {
        let annotation = format!("aggregator.dev/check-requested-at={value}");
        project.namespace.kubectl(["annotate", "--overwrite", "connector/shop", &annotation]);
    };
    ask("first");
    let refused = until(&project, "connector", "shop", "Reachable", "False");
    assert!(condition(&refused, "Reachable").starts_with("False CredentialsRefused"), "{refused}");
    assert!(!refused.to_string().contains("wrong"), "a password is shown: {refused}");

    project.namespace.apply(&secret(PASSWORD));
    ask("second");
    project.namespace.kubectl(["wait", "connector/shop", "--for=condition=Ready", "--timeout=120s"]);
    let ready = project.get("connector", "shop");
    assert!(condition(&ready, "Ready").starts_with("True Reached: PostgreSQL 1"), "{ready}");
    assert_eq!(condition(&ready, "Discovered"), "True Discovered: 1 stream", "{ready}");
    assert_eq!(ready["status"]["streams"]["names"][0], "public.orders", "{ready}");
    assert_eq!(ready["status"]["lastCheck"]["requestedAt"], "second", "{ready}");
    let shown = project.namespace.kubectl(["get", "aconn", "shop"]);
    let words: Vec<&str> = shown.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    assert_eq!(words[..5], ["shop", "postgres", "True", "Reached", "1"], "{shown}");
    eventually("no Job of a check", || {
        project
            .list("jobs")
            .iter()
            .all(|job| job["metadata"]["ownerReferences"][0]["kind"] != "Connector")
            .then_some(())
    });

    project.namespace.apply(
        "
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: out}
spec: {file: {root: out, format: {ndjson: {}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: move}
spec:
  sources: [{name: orders, connector: shop, stream: public.orders}]
  transforms: [{name: paid, from: [orders], filter: {where: paid}}]
  sinks: [{name: kept, from: paid, connector: out, stream: rows/}]
",
    );
    let wrong = until(&project, "pipeline", "move", "Ready", "False SchemaMismatch");
    assert!(condition(&wrong, "Ready").contains("there is no column `paid`"), "{wrong}");
    assert!(condition(&wrong, "Ready").contains("aggregator.dev/check-requested-at"), "{wrong}");
    // Its own spec is no mistake: the table may get the column.
    assert!(condition(&wrong, "Valid").starts_with("True"), "{wrong}");
    shop.execute("ALTER TABLE orders ADD COLUMN paid boolean DEFAULT true");
    ask("third");
    until(&project, "pipeline", "move", "Ready", "True");
    project.run("first", "move");
    assert_eq!(project.ended("first")["status"]["totals"]["written"], 1);
}

#[test]
fn a_connector_that_somebody_only_tries_goes_away() {
    let project = Project::new();
    let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(15);
    project.namespace.apply(&format!(
        "
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: tried, annotations: {{aggregator.dev/expires-at: \"{expires}\"}}}}
spec: {{generator: {{streams: [{{name: rows, rows: 3, columns: [{{name: id, sequence: {{}}}}]}}]}}}}
"
    ));
    project.namespace.kubectl(["wait", "connector/tried", "--for=condition=Ready", "--timeout=60s"]);
    let kept = |name: &str| project.list("configmaps").iter().any(|config| config["metadata"]["name"] == name);
    assert!(kept("tried-catalogue"));
    project.namespace.kubectl(["wait", "connector/tried", "--for=delete", "--timeout=60s"]);
    assert!(jiff::Timestamp::now() >= expires, "it went away before its time");
    eventually("its catalogue to go with it", || (!kept("tried-catalogue")).then_some(()));
}
