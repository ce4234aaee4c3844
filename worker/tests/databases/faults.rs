//! A database that refuses, hangs, cuts the line or restarts: an error in time, and never half of the rows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregator_crds::pipeline::WriteMode;
use aggregator_tests::postgres::Postgres;
use aggregator_tests::proxy::{Direction, Fault, Mode, Proxy};
use aggregator_worker::connector::{Connector, ErrorKind};
use arrow::array::{Int64Array, RecordBatch};
use serde_json::json;

use crate::rows::{attempt, batch, execute, into, open, positions, postgres_spec, read, request, texts, write};

const PATIENCE: Duration = Duration::from_secs(20);

fn through(proxy: &Proxy, database: &str) -> Box<dyn Connector> {
    let mut spec = postgres_spec(proxy.port(), database);
    spec["postgres"]["connectTimeout"] = json!("2s");
    spec["postgres"]["statementTimeout"] = json!("2s");
    // Encrypted bytes would still be counted, but the test wants to know what it cuts.
    spec["postgres"]["tls"] = json!({"mode": "Disable"});
    open(spec)
}

fn numbers(from: i64, to: i64) -> RecordBatch {
    batch(vec![("n", Arc::new(Int64Array::from_iter_values(from..to)))])
}

#[tokio::test]
async fn a_server_that_refuses_or_stays_silent_is_unreachable_in_time() {
    let server = Postgres::shared();
    let database = server.database().await;
    let proxy = Proxy::start(server.port()).await;
    let connector = through(&proxy, &database);
    connector.check().await.expect("the road is open");
    for (mode, kind) in [(Mode::Refuse, ErrorKind::Unreachable), (Mode::Hang, ErrorKind::Unreachable)] {
        let hits = proxy.hits();
        proxy.set(mode);
        let started = Instant::now();
        let error = connector.check().await.expect_err("broken");
        assert_eq!(error.kind, kind, "{mode:?}: {error:?}");
        assert!(started.elapsed() < PATIENCE && proxy.hits() > hits, "{mode:?}");
    }
    proxy.set(Mode::Forward);
    connector.check().await.expect("the road is open again");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
    assert_eq!(open(postgres_spec(closed, "x")).check().await.expect_err("closed").kind, ErrorKind::Unreachable);
}

#[tokio::test]
async fn a_read_that_is_cut_or_silenced_ends_with_an_error() {
    let server = Postgres::shared();
    let database = server.database().await;
    execute(&server, &database, "CREATE TABLE t AS SELECT n::int8 AS n FROM generate_series(1, 200000) n").await;
    for mode in [Mode::Refuse, Mode::Hang] {
        let proxy = Proxy::start(server.port()).await;
        let connector = through(&proxy, &database);
        proxy.set_fault(Fault { direction: Direction::ToClient, after: 500_000, mode });
        let started = Instant::now();
        let error = read(&*connector, request("public.t")).await.expect_err("the line broke");
        assert_eq!((error.kind, proxy.hits()), (ErrorKind::Transient, 1), "{mode:?}: {error:?}");
        assert!(started.elapsed() < PATIENCE);
    }
    let whole = read(&*through(&Proxy::start(server.port()).await, &database), request("public.t")).await;
    assert_eq!(whole.expect("an open road").end.read, 200_000);
}

#[tokio::test]
async fn a_write_that_is_cut_or_silenced_leaves_nothing_and_may_be_repeated() {
    let server = Postgres::shared();
    let database = server.database().await;
    execute(&server, &database, "CREATE TABLE t (n bigint)").await;
    for (epoch, mode) in [(1, Mode::Refuse), (2, Mode::Hang)] {
        let proxy = Proxy::start(server.port()).await;
        let connector = through(&proxy, &database);
        proxy.set_fault(Fault { direction: Direction::ToServer, after: 500_000, mode });
        let batches: Vec<RecordBatch> = (0..20).map(|part| numbers(part * 5000, (part + 1) * 5000)).collect();
        let request = into("public.t", &batches[0], WriteMode::Append, &[]);
        let error = write(&*connector, request, epoch, &batches).await.expect_err("the line broke");
        assert_eq!((error.kind, proxy.hits()), (ErrorKind::Transient, 1), "{mode:?}: {error:?}");
        assert_eq!(texts(&server, &database, "SELECT count(*)::text FROM t").await, ["0"]);
    }
    let rows = numbers(0, 10);
    let connector = open(postgres_spec(server.port(), &database));
    write(&*connector, into("public.t", &rows, WriteMode::Append, &[]), 3, &[rows]).await.expect("written");
    assert_eq!(texts(&server, &database, "SELECT count(*) || ' ' || sum(n) FROM t").await, ["10 45"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_or_dies_loses_nothing_that_was_committed() {
    let server = Postgres::start();
    let database = server.database().await;
    let connector = open(postgres_spec(server.port(), &database));
    let rows = numbers(0, 10);
    write(&*connector, into("public.t", &rows, WriteMode::Append, &[]), 1, std::slice::from_ref(&rows))
        .await
        .expect("written");
    for (epoch, kill) in [(2, false), (3, true)] {
        let mut sink = connector.sink(into("public.t", &rows, WriteMode::Append, &[])).await.expect("a sink");
        sink.fence(&attempt(epoch)).await.expect("fenced");
        sink.write(rows.clone()).await.expect("written");
        sink.stage().await.expect("staged");
        if kill {
            server.kill();
            assert_eq!(connector.check().await.expect_err("dead").kind, ErrorKind::Unreachable);
            server.start_again();
        } else {
            server.restart();
        }
        let error = sink.commit(&positions(2)).await.expect_err("the transaction died with the server");
        assert_eq!(error.kind, ErrorKind::Transient, "{error:?}");
        assert_eq!(texts(&server, &database, "SELECT count(*)::text FROM t").await, ["10"]);
        let mut again = connector.sink(into("public.t", &rows, WriteMode::Append, &[])).await.expect("a sink");
        let last = again.last_commit().await.expect("read").expect("a commit");
        assert_eq!((last.epoch, last.run.as_deref()), (epoch, Some("run-1")));
    }
}
