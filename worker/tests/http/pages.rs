//! How pages follow each other, and what is made of their records.

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use aggregator_tests::http::{HttpServer, RawServer};
use aggregator_worker::connector::{ErrorKind, RejectReason, SourceRequest};
use axum::extract::Query;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::read::{columns, connect, item, items, items_from, items_of, number, read};

const RECORDS: u64 = 25;

fn slice(offset: u64, size: u64) -> Vec<Value> {
    items_of((offset + 1..=RECORDS).take(usize::try_from(size).unwrap()))
}

/// Every kind of pagination over the same 25 records, ten a page.
fn server() -> Router {
    type Parameters = Query<HashMap<String, String>>;
    let page_of = |query: &HashMap<String, String>| number(query, "page").unwrap_or(1);
    Router::new()
        .route(
            "/links",
            get(move |Query(query): Parameters| async move {
                let page = page_of(&query);
                let next = (page < 3).then(|| format!("links?page={}", page + 1));
                Json(json!({"data": slice((page - 1) * 10, 10), "links": {"next": next}}))
            }),
        )
        .route(
            "/headers",
            get(move |Query(query): Parameters| async move {
                let page = page_of(&query);
                let mut link = String::from(r#"</headers?page=1>; rel="first""#);
                if page < 3 {
                    link.push_str(&format!(r#", </headers?page={}&x=a,b>; rel="next""#, page + 1));
                }
                ([("link", link), ("x-total-count", RECORDS.to_string())], Json(slice((page - 1) * 10, 10)))
            }),
        )
        .route(
            "/cursors",
            get(|Query(query): Parameters| async move {
                let offset = query.get("after").map_or(0, |token| token.strip_prefix("t=").unwrap().parse().unwrap());
                let next = (offset + 10 < RECORDS).then(|| format!("t={}", offset + 10));
                Json(json!({"data": slice(offset, 10), "meta": {"next": next}}))
            }),
        )
        .route(
            "/numbers",
            get(move |Query(query): Parameters| async move {
                Json(slice((page_of(&query) - 1) * 10, number(&query, "size").unwrap()))
            }),
        )
        .route(
            "/offsets",
            get(|Query(query): Parameters| async move {
                Json(slice(number(&query, "skip").unwrap(), number(&query, "top").unwrap()))
            }),
        )
}

fn spec(url: &str, path: &str, records: &str, pagination: Value) -> Value {
    json!({"url": url, "endpoints": [{
        "name": "items", "path": path, "records": records, "pagination": pagination, "schema": columns(),
        "primaryKey": ["id"]
    }]})
}

#[tokio::test]
async fn every_kind_of_pagination_gives_every_record_once() {
    let server = HttpServer::start(server()).await.unwrap();
    let cases = [
        ("/links", "$.data[*]", json!({"nextLink": "$.links.next"}), 3),
        ("/headers", "$[*]", json!({"linkHeader": {}}), 3),
        ("/cursors", "$.data[*]", json!({"cursor": {"token": "$.meta.next", "parameter": "after"}}), 3),
        ("/numbers", "$[*]", json!({"page": {"parameter": "page", "sizeParameter": "size", "size": 10}}), 4),
        ("/offsets", "$[*]", json!({"offset": {"parameter": "skip", "sizeParameter": "top", "size": 10}}), 4),
        ("/offsets", "$[*]", json!({"offset": {"parameter": "skip", "sizeParameter": "top", "size": 5}}), 6),
    ];
    for (path, records, pagination, requests) in cases {
        let before = server.seen().len();
        let connector = connect(spec(&server.url(), path, records, pagination.clone()), &[]).unwrap();
        let outcome = read(connector.as_ref(), items()).await.unwrap();
        assert_eq!(outcome.rows, items_of(1..=RECORDS), "{pagination}");
        assert_eq!(outcome.end.read, RECORDS, "{pagination}");
        assert!(outcome.batches.iter().all(|rows| *rows <= 4), "{:?}", outcome.batches);
        assert_eq!(server.seen().len() - before, requests, "{pagination}");
        assert!(outcome.end.bytes > RECORDS * 20, "{:?}", outcome.end);
    }
}

#[tokio::test]
async fn a_list_without_pagination_may_be_empty() {
    let router = Router::new().route("/items", get(|| async { Json(json!([])) }));
    let server = HttpServer::start(router).await.unwrap();
    let spec = json!({"url": server.url(), "endpoints": [{"name": "items", "path": "/items", "schema": columns()}]});
    let outcome = read(connect(spec, &[]).unwrap().as_ref(), items()).await.unwrap();
    assert_eq!((outcome.rows.len(), outcome.end.read), (0, 0));
}

#[tokio::test]
async fn the_server_sees_the_cursor_or_its_default() {
    let router = Router::new()
        .route("/items", get(|| async { Json(items_of(1..=2)) }))
        .route("/search", post(|| async { Json(items_of(1..=2)) }));
    let server = HttpServer::start(router).await.unwrap();
    let spec = json!({"url": server.url(), "endpoints": [
        {"name": "items", "path": "/items", "schema": columns(),
         "query": {"from": "${cursor:-2026-01-01}", "since": "${cursor}"}},
        {"name": "search", "path": "/search", "method": "Post", "schema": columns(),
         "body": r#"{"filter": {"from": "${cursor}"}, "limit": 2}"#},
    ]});
    let connector = connect(spec, &[]).unwrap();
    read(connector.as_ref(), items()).await.unwrap();
    read(connector.as_ref(), items_from("name", "2026-05-01T00:00:00.000001Z")).await.unwrap();
    for from in [items(), items_from("name", "say \"x\"")] {
        read(connector.as_ref(), SourceRequest { stream: "search".into(), ..from }).await.unwrap();
    }
    let seen = server.seen();
    assert_eq!(seen[0].query, "from=2026-01-01");
    assert_eq!(seen[1].query, "from=2026-05-01T00%3A00%3A00.000001Z&since=2026-05-01T00%3A00%3A00.000001Z");
    assert_eq!(seen[2].body, r#"{"filter":{},"limit":2}"#);
    assert_eq!(seen[3].body, r#"{"filter":{"from":"say \"x\""},"limit":2}"#);
    assert_eq!((seen[3].method.as_str(), seen[3].headers["content-type"].as_str()), ("POST", "application/json"));
}

#[tokio::test]
async fn records_that_do_not_fit_are_rejected_with_their_place() {
    let router = Router::new().route(
        "/items",
        get(|Query(query): Query<HashMap<String, String>>| async move {
            Json(match number(&query, "page") {
                Some(1) => vec![json!({"id": "first"}), item(2), item(3), item(4), item(5), json!(6)],
                Some(2) => vec![item(7), json!({"id": 1.5, "name": "half"})],
                _ => vec![],
            })
        }),
    );
    let server = HttpServer::start(router).await.unwrap();
    let spec = spec(&server.url(), "/items", "$[*]", json!({"page": {"parameter": "page"}}));
    let connector = connect(spec, &[]).unwrap();
    let outcome = read(connector.as_ref(), SourceRequest { rejects: true, ..items() }).await.unwrap();
    assert_eq!(outcome.rows, items_of([2, 3, 4, 5, 7]));
    assert_eq!(outcome.end.read, 8, "good and bad");
    let places: Vec<(String, Option<u64>, Option<&str>, RejectReason)> = outcome
        .rejects
        .iter()
        .map(|reject| {
            let place = reject.location.strip_prefix(&server.url()).unwrap().to_owned();
            (place, reject.line, reject.column.as_deref(), reject.reason)
        })
        .collect();
    assert_eq!(
        places,
        [
            ("/items?page=1".into(), Some(1), Some("id"), RejectReason::CastFailed),
            ("/items?page=1".into(), Some(6), None, RejectReason::Malformed),
            ("/items?page=2".into(), Some(2), Some("id"), RejectReason::CastFailed),
        ]
    );
    assert!(outcome.rejects[2].raw.contains("half"), "{:?}", outcome.rejects[2]);

    let error = read(connector.as_ref(), items()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Data);
    assert!(error.to_string().contains("/items?page=1:1"), "{error}");
}

#[tokio::test]
async fn streams_are_described_by_what_they_answer() {
    let router = Router::new().route(
        "/items",
        get(|Query(query): Query<HashMap<String, String>>| async move {
            let page = number(&query, "page").unwrap();
            let rows =
                if page <= 3 { vec![json!({"id": page, "at": "2026-01-02T03:04:05Z", "x": 0.5})] } else { vec![] };
            Json(rows)
        }),
    );
    let server = HttpServer::start(router).await.unwrap();
    let mut spec = spec(&server.url(), "/items", "$[*]", json!({"page": {"parameter": "page"}}));
    spec["endpoints"][0]["schema"] = json!({"infer": {"records": 2}});
    let connector = connect(spec, &[]).unwrap();
    let catalogue = connector.discover().await.unwrap();
    let stream = catalogue.stream("items").unwrap();
    let types: Vec<(&str, &str)> =
        stream.columns.iter().map(|column| (column.name.as_str(), column.data_type.as_str())).collect();
    assert_eq!(types, [("id", "Int64"), ("at", "Timestamp(Microsecond, UTC)"), ("x", "Float64")]);
    assert_eq!(stream.primary_key, ["id"]);
    assert_eq!(server.seen().len(), 2, "no more pages than are needed");
    assert_eq!(&connector.describe("items").await.unwrap(), stream);
    assert_eq!(server.seen().len(), 2, "what is known is not asked again");

    let request = SourceRequest { columns: Some(vec!["x".into(), "id".into()]), ..items() };
    let outcome = read(connector.as_ref(), request).await.unwrap();
    assert_eq!(outcome.rows, [1, 2, 3].map(|id| json!({"x": 0.5, "id": id})));
    assert_eq!(outcome.schema.fields().len(), 2);

    let error = connector.describe("itms").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.remedy.is_some_and(|remedy| remedy.contains("items")));
}

#[tokio::test]
async fn bytes_are_counted_as_they_were_transferred() {
    let body = serde_json::to_vec(&items_of(1..=500)).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&body).unwrap();
    let compressed = encoder.finish().unwrap();
    let mut answer =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", compressed.len())
            .into_bytes();
    answer.extend_from_slice(&compressed);
    let server = RawServer::start(vec![answer]).await.unwrap();
    let spec = json!({"url": server.url(), "endpoints": [{"name": "items", "path": "/", "schema": columns()}]});
    let outcome = read(connect(spec, &[]).unwrap().as_ref(), items()).await.unwrap();
    assert_eq!(outcome.rows, items_of(1..=500));
    assert_eq!(outcome.end.bytes, compressed.len() as u64);
}

#[tokio::test]
async fn requests_keep_the_rate_by_the_servers_clock() {
    let server = HttpServer::start(server()).await.unwrap();
    let mut spec = spec(
        &server.url(),
        "/offsets",
        "$[*]",
        json!({"offset": {"parameter": "skip", "sizeParameter": "top", "size": 4}}),
    );
    spec["rateLimit"] = json!({"requestsPerSecond": 20});
    let connector = connect(spec, &[]).unwrap();
    // Two streams of one Connector share its rate.
    let (one, two) = tokio::join!(read(connector.as_ref(), items()), read(connector.as_ref(), items()));
    assert_eq!((one.unwrap().rows, two.unwrap().rows), (items_of(1..=RECORDS), items_of(1..=RECORDS)));
    let seen = server.seen();
    assert_eq!(seen.len(), 16, "seven pages and an empty one, twice");
    let span = seen[seen.len() - 1].at - seen[0].at;
    // The first may be late by some milliseconds, no other may be early.
    assert!(span >= Duration::from_millis(15 * 50 - 40), "{span:?}");
}

#[tokio::test]
async fn a_check_is_one_request_and_nothing_can_be_written() {
    let router = Router::new().route("/items", get(|| async { Json(json!([])).into_response() }));
    let server = HttpServer::start(router).await.unwrap();
    let spec = json!({"url": server.url(), "endpoints": [{"name": "items", "path": "/items"}]});
    let connector = connect(spec, &[]).unwrap();
    let report = connector.check().await.unwrap();
    assert_eq!(report.message, format!("200 OK from {}/items", server.url()));
    assert!(report.latency > Duration::ZERO && report.latency < Duration::from_secs(10), "{report:?}");
    assert_eq!(server.seen().len(), 1);
}
