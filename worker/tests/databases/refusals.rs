//! Rows and roads that are refused: constraints, rights, passwords, certificates.

use std::sync::Arc;

use aggregator_crds::pipeline::WriteMode;
use aggregator_tests::postgres::{Postgres, foreign_authority};
use aggregator_worker::connector::{ErrorKind, RejectReason, SinkRequest};
use arrow::array::{Int64Array, StringArray};
use serde_json::json;

use crate::rows::{batch, execute, fresh, into, open, open_with, postgres_spec, read, request, texts, write};

/// Rows 0 to 2999, of which those that 500 divides break the check, 7 holds a NUL and 8 has no name.
fn mixed() -> arrow::array::RecordBatch {
    let name = |id: i64| match id {
        7 => Some("nul\0".to_owned()),
        8 => None,
        _ => Some(format!("n{id}")),
    };
    batch(vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..3000))),
        ("name", Arc::new(StringArray::from_iter((0..3000).map(name)))),
    ])
}

#[tokio::test]
async fn refused_rows_become_rejects_in_every_mode_and_the_others_are_written() {
    let (server, database, connector) = fresh().await;
    let rows = mixed();
    for (epoch, mode) in [(1, WriteMode::Append), (2, WriteMode::Overwrite), (3, WriteMode::Upsert)] {
        execute(
            &server,
            &database,
            "DROP TABLE IF EXISTS t; CREATE TABLE t (id bigint PRIMARY KEY CHECK (id % 500 <> 0), name text NOT NULL)",
        )
        .await;
        let key: &[&str] = if mode == WriteMode::Upsert { &["id"] } else { &[] };
        let lenient = SinkRequest { rejects: true, ..into("public.t", &rows, mode, key) };
        let staged = write(&*connector, lenient, epoch, std::slice::from_ref(&rows)).await.expect("written");
        assert_eq!((staged.written, staged.deduplicated), (3000 - 8, 0), "{mode:?}");
        let mut refused: Vec<i64> = staged
            .rejects
            .iter()
            .map(|reject| {
                assert_eq!((reject.reason, reject.location.as_str()), (RejectReason::WriteRefused, "public.t"));
                let row: serde_json::Value = serde_json::from_str(&reject.raw).expect("JSON");
                row["id"].as_i64().expect("an id")
            })
            .collect();
        refused.sort_unstable();
        assert_eq!(refused, [0, 7, 8, 500, 1000, 1500, 2000, 2500], "{mode:?}");
        let sum = "SELECT count(*) || ' ' || sum(id) FROM t";
        let expected = 2999 * 3000 / 2 - (7 + 8 + 500 + 1000 + 1500 + 2000 + 2500);
        assert_eq!(texts(&server, &database, sum).await, [format!("2992 {expected}")], "{mode:?}");
        let nul = staged.rejects.iter().find(|reject| reject.raw.contains("\"id\":7,")).expect("row 7");
        assert!(nul.message.contains("U+0000"), "{}", nul.message);
    }
    let strict = into("public.t", &rows, WriteMode::Append, &[]);
    let error = write(&*connector, strict, 4, &[rows]).await.expect_err("the first bad row ends it");
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.detail.contains("U+0000") && error.detail.contains("\"id\":7"), "{error}");
    assert_eq!(texts(&server, &database, "SELECT count(*)::text FROM t").await, ["2992"]);
    let doubled = batch(vec![
        ("id", Arc::new(Int64Array::from(vec![4001, 1]))),
        ("name", Arc::new(StringArray::from(vec!["ok", "double"]))),
    ]);
    let strict = into("public.t", &doubled, WriteMode::Append, &[]);
    let error = write(&*connector, strict, 5, &[doubled]).await.expect_err("the key is there");
    assert!(error.detail.contains(r#"for the row {"id":1,"name":"double"}"#), "{error}");
}

#[tokio::test]
async fn a_wrong_password_a_missing_table_and_a_missing_right_say_what_to_do() {
    let (server, database, connector) = fresh().await;
    execute(
        &server,
        &database,
        "CREATE TABLE airports (iata text); CREATE ROLE \"outsider_refusals\" LOGIN PASSWORD 'guest'",
    )
    .await;
    let spec = postgres_spec(server.port(), &database);
    let error = open_with(spec.clone(), "wrong").check().await.expect_err("a wrong password");
    assert_eq!(error.kind, ErrorKind::Credentials);
    assert!(!format!("{error:?}").contains("\"wrong\""), "{error:?}");

    let error = connector.describe("public.airport").await.expect_err("no such table");
    assert_eq!((error.kind, error.remedy.as_deref()), (ErrorKind::NotFound, Some("did you mean `public.airports`?")));
    let mut by_column = request("public.airports");
    by_column.columns = Some(vec!["iatta".into()]);
    let error = read(&*connector, by_column).await.expect_err("no such column");
    assert_eq!((error.kind, error.remedy.as_deref()), (ErrorKind::NotFound, Some("did you mean `iata`?")));

    let mut guest = spec.clone();
    guest["postgres"]["username"] = json!("outsider_refusals");
    let error = read(&*open_with(guest, "guest"), request("public.airports")).await.expect_err("no right");
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.remedy.as_deref().is_some_and(|remedy| remedy.contains("GRANT SELECT")), "{error:?}");

    let mut nowhere = spec.clone();
    nowhere["postgres"]["database"] = json!("nowhere");
    assert_eq!(open(nowhere).check().await.expect_err("no database").kind, ErrorKind::NotFound);
    let report = connector.check().await.expect("reachable");
    assert!(report.message.starts_with("PostgreSQL ") && report.message.contains("as postgres"), "{report:?}");

    let mut narrow = spec;
    narrow["limits"] = json!({"connections": 1});
    narrow["postgres"]["connectTimeout"] = json!("1s");
    let narrow = open(narrow);
    let held = narrow.source(request("public.airports")).await.expect("the one connection");
    assert_eq!(narrow.check().await.expect_err("none is left").kind, ErrorKind::Limit);
    drop(held);
    narrow.check().await.expect("it is free again");
}

#[tokio::test]
async fn a_value_that_is_too_large_is_refused_with_its_row() {
    let (server, database, connector) = fresh().await;
    execute(
        &server,
        &database,
        "CREATE TABLE files (id int, content text); INSERT INTO files VALUES (1, 'a'), (2, repeat('x', 64 * 1024 * 1024))",
    )
    .await;
    let error = read(&*connector, request("public.files")).await.expect_err("a large value");
    assert_eq!(error.kind, ErrorKind::Limit, "{error}");
    assert!(error.operation.ends_with(", row 2") && error.detail == "the row is larger than 64 MiB", "{error}");
    assert!(error.remedy.as_deref().is_some_and(|remedy| remedy.starts_with("leave the column out")), "{error:?}");
    let mut narrow = request("public.files");
    narrow.columns = Some(vec!["id".into()]);
    assert_eq!(read(&*connector, narrow).await.expect("small values").rows(), ["1", "2"]);

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("files.sqlite");
    let large =
        "CREATE TABLE files (id INTEGER, content BLOB); INSERT INTO files VALUES (1, x'00'), (2, zeroblob(67108865))";
    rusqlite::Connection::open(&path).and_then(|database| database.execute_batch(large)).expect("a database");
    let connector = open(json!({"sqlite": {"path": path}}));
    let error = read(&*connector, request("files")).await.expect_err("a large value");
    assert_eq!(error.kind, ErrorKind::Limit, "{error}");
    assert!(error.to_string().starts_with("read files: string or blob too big"), "{error}");
    assert!(error.remedy.as_deref().is_some_and(|remedy| remedy.contains("more than 64 MiB")), "{error:?}");
}

#[tokio::test]
async fn tls_verifies_who_the_server_is() {
    let server = Postgres::start_with_tls();
    let database = server.database().await;
    let spec = |host: &str, tls: serde_json::Value| {
        let mut spec = postgres_spec(server.port(), &database);
        spec["postgres"]["host"] = json!(host);
        spec["postgres"]["tls"] = tls;
        spec
    };
    let encrypted = "SELECT ssl::text AS encrypted FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let verified = open(spec("localhost", json!({"mode": "VerifyFull", "ca": {"pem": server.ca()}})));
    assert_eq!(read(&*verified, request(encrypted)).await.expect("a read").rows(), ["true"]);
    let plain = open(spec("localhost", json!({"mode": "Disable"})));
    assert_eq!(read(&*plain, request(encrypted)).await.expect("a read").rows(), ["false"]);

    for (host, mode, pem) in [
        ("localhost", "VerifyFull", foreign_authority()),
        ("localhost", "VerifyCa", foreign_authority()),
        ("127.0.0.1", "VerifyFull", server.ca().to_owned()),
    ] {
        let tls = json!({"mode": mode, "ca": {"pem": pem}});
        let error = open(spec(host, tls)).check().await.expect_err("another authority or another name");
        assert_eq!(error.kind, ErrorKind::Config, "{host} {mode}: {error:?}");
        assert!(error.detail.contains("TLS"), "{error:?}");
    }
    let by_address = open(spec("127.0.0.1", json!({"mode": "VerifyCa", "ca": {"pem": server.ca()}})));
    assert_eq!(read(&*by_address, request(encrypted)).await.expect("a read").rows(), ["true"]);
}

/// `Prefer`, which is the default, takes what the server offers; `Require` takes nothing less than TLS, from anybody.
#[tokio::test]
async fn tls_is_used_when_it_is_there_and_demanded_when_it_is_required() {
    let encrypted = "SELECT ssl::text AS encrypted FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let (secured, plain) = (Postgres::start_with_tls(), Postgres::shared());
    for (server, offered) in [(&secured, true), (plain.as_ref(), false)] {
        let database = server.database().await;
        let with = |mode: Option<&str>| {
            let mut spec = postgres_spec(server.port(), &database);
            if let Some(mode) = mode {
                spec["postgres"]["tls"] = json!({"mode": mode});
            }
            open(spec)
        };
        for mode in [None, Some("Prefer")] {
            let read = read(&*with(mode), request(encrypted)).await.expect("a read");
            assert_eq!(read.rows(), [offered.to_string()], "{mode:?}");
        }
        let required = with(Some("Require"));
        if offered {
            // The certificate is of no public authority, and nobody asks.
            assert_eq!(read(&*required, request(encrypted)).await.expect("a read").rows(), ["true"]);
            continue;
        }
        for error in [
            required.check().await.expect_err("there is no TLS"),
            read(&*required, request(encrypted)).await.expect_err("there is no TLS"),
        ] {
            assert_eq!(error.kind, ErrorKind::Config, "{error:?}");
            assert!(error.detail.contains("server does not support TLS"), "{error:?}");
            assert_eq!(
                error.remedy.as_deref(),
                Some("let the server offer TLS (its `ssl`), or set `tls.mode: Prefer`, which does without it")
            );
        }
    }
}
