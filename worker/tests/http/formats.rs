//! Endpoints that answer with files: CSV, NDJSON, JSON documents, Parquet.

use std::collections::HashMap;
use std::sync::Arc;

use aggregator_tests::http::{HttpServer, RawServer};
use aggregator_worker::connector::{ErrorKind, RejectReason, SourceRequest};
use arrow::array::{Float64Array, Int64Array, StringArray};
use axum::Router;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::{Value, json};

use crate::content::{Write, by_page, csv, document, gzip, ndjson, pages, parquet, parquet_of, sized, spec};
use crate::read::{columns, connect, items, items_from, items_of, number, read};

/// Each format with declared columns where it can have them, how it writes records, and what is asked for.
fn formats() -> [(Value, Write, &'static str); 4] {
    [
        (json!({"csv": {"schema": columns()}}), |ids| csv(ids), "text/csv, */*;q=0.5"),
        (
            json!({"ndjson": {"schema": columns()}}),
            |ids| ndjson(ids),
            "application/x-ndjson, application/jsonl;q=0.9, */*;q=0.5",
        ),
        (json!({"json": {"records": "$.data[*]", "schema": columns()}}), |ids| document(ids), "application/json"),
        (json!({"parquet": {}}), |ids| parquet(ids), "application/vnd.apache.parquet, */*;q=0.5"),
    ]
}

#[tokio::test]
async fn every_format_gives_every_record_of_two_pages_once() {
    for (format, write, accept) in formats() {
        // The page behind the last one is empty in its own way: a header, no line, no record, no row.
        let bodies = vec![write(1..11), write(11..19), write(19..19)];
        let server = HttpServer::start(pages(bodies.clone())).await.unwrap();
        let connector = connect(spec(&server.url(), &format, by_page()), &[]).unwrap();
        let schema = connector.describe("items").await.unwrap();
        let types: Vec<(&str, &str)> =
            schema.columns.iter().map(|column| (column.name.as_str(), column.data_type.as_str())).collect();
        assert_eq!(types, [("id", "Int64"), ("name", "Utf8")], "{format}");
        let before = server.seen().len();
        let outcome = read(connector.as_ref(), items()).await.unwrap();
        assert_eq!(outcome.rows, items_of(1..=18), "{format}");
        assert!(outcome.batches.iter().all(|rows| *rows <= 4), "{format}: {:?}", outcome.batches);
        assert_eq!(outcome.end.read, 18, "{format}");
        assert_eq!(outcome.end.bytes, bodies.iter().map(|body| body.len() as u64).sum::<u64>(), "{format}");
        assert_eq!(outcome.end.note.as_deref(), Some("3 pages"), "{format}");
        let seen = &server.seen()[before..];
        assert_eq!(seen.iter().map(|seen| seen.query.as_str()).collect::<Vec<_>>(), ["page=1", "page=2", "page=3"]);
        assert!(seen.iter().all(|seen| seen.headers["accept"] == accept), "{:?}", seen[0].headers);
    }
}

#[tokio::test]
async fn every_kind_of_pagination_that_needs_no_json_works() {
    let router = Router::new()
        .route(
            "/headers",
            get(|Query(query): Query<HashMap<String, String>>| async move {
                let page = number(&query, "page").unwrap_or(1);
                let link = if page < 3 { format!("</headers?page={}>; rel=next", page + 1) } else { String::new() };
                ([("link", link), ("x-total-count", "9".to_owned())], csv(page * 3 - 2..=page * 3))
            }),
        )
        .route(
            "/offsets",
            get(|Query(query): Query<HashMap<String, String>>| async move {
                let (skip, top) = (number(&query, "skip").unwrap(), number(&query, "top").unwrap());
                csv((skip + 1..=9).take(usize::try_from(top).unwrap()))
            }),
        )
        .route(
            "/numbers",
            get(|Query(query): Query<HashMap<String, String>>| async move {
                let page = number(&query, "page").unwrap();
                match page {
                    0..3 => csv(page * 3 + 1..=page * 3 + 3).into_response(),
                    // No content at all has no header either.
                    3 => StatusCode::NO_CONTENT.into_response(),
                    _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
                }
            }),
        );
    let server = HttpServer::start(router).await.unwrap();
    for (path, pagination, requests) in [
        ("/headers", json!({"linkHeader": {}}), 3),
        ("/offsets", json!({"offset": {"parameter": "skip", "sizeParameter": "top", "size": 4}}), 4),
        ("/numbers", json!({"page": {"parameter": "page", "start": 0}}), 4),
    ] {
        let more = json!({"path": path, "pagination": pagination});
        let spec = spec(&server.url(), &json!({"csv": {"schema": columns()}}), more);
        let before = server.seen().len();
        let outcome = read(connect(spec, &[]).unwrap().as_ref(), items()).await.unwrap();
        assert_eq!((outcome.rows, outcome.end.read), (items_of(1..=9), 9), "{path}");
        assert_eq!(server.seen().len() - before, requests, "{path}");
    }
}

#[tokio::test]
async fn a_bad_row_is_rejected_with_its_place_first_in_the_middle_and_last() {
    // The bad rows are the first of all, the last of the first page, one in the middle and the last of all.
    let csv_pages = [
        "id,name\nfirst,a\n2,item 2\n3,item 3\nend,\"of\npage\"\n",
        "id,name\n5,item 5\n6,item 6\n7,seven,8\n8,item 8\n9,item 9\nlast,b",
    ];
    let csv_places = [
        (1, 2, 8, Some("id"), RejectReason::CastFailed, "first,a"),
        (1, 5, 34, Some("id"), RejectReason::CastFailed, "end,\"of\npage\""),
        (2, 4, 26, None, RejectReason::FieldCount, "7,seven,8"),
        (2, 7, 54, Some("id"), RejectReason::CastFailed, "last,b"),
    ];
    let line_pages = [
        "{\"id\": 1.5}\n{\"id\": 2, \"name\": \"item 2\"}\n{\"id\": 3, \"name\": \"item 3\"}\n\n[4]\n",
        "{\"id\": 5, \"name\": \"item 5\"}\n{\"id\": 6, \"name\": \"item 6\"}\n{\"id\": 7\n{\"id\": 8, \"name\": \"item 8\"}\n\
         {\"id\": 9, \"name\": \"item 9\"}\n{\"id\": \"x\"}",
    ];
    let line_places = [
        (1, 1, 0, Some("id"), RejectReason::CastFailed, "{\"id\": 1.5}"),
        (1, 5, 69, None, RejectReason::Malformed, "[4]"),
        (2, 3, 56, None, RejectReason::Malformed, "{\"id\": 7"),
        (2, 6, 121, Some("id"), RejectReason::CastFailed, "{\"id\": \"x\"}"),
    ];
    let cases = [
        (json!({"csv": {"schema": columns()}}), csv_pages, csv_places),
        (json!({"ndjson": {"schema": columns()}}), line_pages, line_places),
    ];
    for (format, bodies, expected) in cases {
        let bodies: Vec<Vec<u8>> = bodies.into_iter().map(|body| body.as_bytes().to_vec()).collect();
        let server = HttpServer::start(pages(bodies)).await.unwrap();
        let connector = connect(spec(&server.url(), &format, by_page()), &[]).unwrap();
        let outcome = read(connector.as_ref(), SourceRequest { rejects: true, ..items() }).await.unwrap();
        assert_eq!(outcome.rows, items_of([2, 3, 5, 6, 8, 9]), "{format}");
        assert_eq!(outcome.end.read, 10, "{format}");
        let places: Vec<_> = outcome
            .rejects
            .iter()
            .map(|reject| {
                let page = reject.location.strip_prefix(&format!("{}/items?page=", server.url())).unwrap();
                let (line, offset) = (reject.line.unwrap(), reject.offset.unwrap());
                (page.parse().unwrap(), line, offset, reject.column.as_deref(), reject.reason, reject.raw.as_str())
            })
            .collect();
        assert_eq!(places, expected, "{format}");

        let error = read(connector.as_ref(), items()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Data);
        assert!(error.operation.ends_with(&format!("/items?page=1:{}", expected[0].1)), "{error}");
        assert!(error.remedy.is_some_and(|remedy| remedy.contains("rejects")), "{}", error.detail);
    }
}

#[tokio::test]
async fn a_row_of_parquet_that_does_not_fit_the_first_page_is_rejected_by_its_number() {
    let names = || Arc::new(StringArray::from(vec!["item 5", "half", "item 7"]));
    let second = parquet_of(vec![("id", Arc::new(Float64Array::from(vec![5.0, 6.5, 7.0]))), ("name", names())]);
    let server = HttpServer::start(pages(vec![parquet(1..=4), second])).await.unwrap();
    let connector = connect(spec(&server.url(), &json!({"parquet": {}}), by_page()), &[]).unwrap();
    let request = SourceRequest { rejects: true, ..items() };
    let outcome = read(connector.as_ref(), request).await.unwrap();
    assert_eq!(outcome.rows, items_of([1, 2, 3, 4, 5, 7]));
    assert_eq!(outcome.end.read, 7);
    let [reject] = outcome.rejects.as_slice() else { panic!("{:?}", outcome.rejects) };
    assert_eq!((reject.location.as_str(), reject.line), (format!("{}/items?page=2", server.url()).as_str(), Some(2)));
    assert_eq!((reject.column.as_deref(), reject.reason), (Some("id"), RejectReason::CastFailed));
    assert_eq!(reject.raw, r#"{"id":6.5,"name":"half"}"#);
}

#[tokio::test]
async fn compressed_content_comes_out_whichever_way_it_was_compressed() {
    let plain = csv(1..=500);
    let zstd = |content: &[u8]| zstd::encode_all(content, 1).unwrap();
    let coded = "content-encoding: gzip\r\n";
    let auto = json!({"csv": {"schema": columns()}});
    let declared = |compression: &str| json!({"csv": {"schema": columns(), "compression": compression}});
    for (path, format, headers, body) in [
        // Compressed for the transfer.
        ("/items", auto.clone(), coded, gzip(&plain)),
        // Files that are compressed, by their ending or by declaration.
        ("/items.csv.gz", auto.clone(), "", gzip(&plain)),
        ("/items.csv.zst", auto.clone(), "", zstd(&plain)),
        ("/items", declared("gzip"), "", gzip(&plain)),
        ("/items", declared("zstd"), "", zstd(&plain)),
        ("/items.gz", declared("none"), "", plain.clone()),
        // Both: a file that a server gives out as what is in it, and one that it compresses once more.
        ("/items.csv.gz", auto.clone(), coded, gzip(&plain)),
        ("/items.csv.gz", auto.clone(), coded, gzip(&gzip(&plain))),
        ("/items", declared("gzip"), coded, gzip(&gzip(&plain))),
        (
            "/items.ndjson.bz2",
            json!({"ndjson": {"schema": columns(), "compression": "none"}}),
            coded,
            gzip(&ndjson(1..=500)),
        ),
        (
            "/items.json.gz",
            json!({"json": {"records": "$.data[*]", "schema": columns()}}),
            "",
            gzip(&document(1..=500)),
        ),
        ("/items", json!({"parquet": {}}), coded, gzip(&parquet(1..=500))),
    ] {
        let server = RawServer::start(vec![sized(headers, &body)]).await.unwrap();
        let spec = spec(&server.url(), &format, json!({"path": path}));
        let outcome = read(connect(spec, &[]).unwrap().as_ref(), items()).await.unwrap();
        assert_eq!(outcome.rows, items_of(1..=500), "{path} {format} {headers}");
        assert_eq!((outcome.end.read, outcome.end.bytes), (500, body.len() as u64), "{path} {format} {headers}");
    }
}

#[tokio::test]
async fn a_dialect_and_an_encoding_are_those_of_files() {
    let text = "exported today\n# comment\nname;id\n M\u{fc}ller ;1\nNA;2\n'a;b';3\n".replace('\u{fc}', "\u{1}");
    let latin: Vec<u8> = text.bytes().map(|byte| if byte == 1 { 0xFC } else { byte }).collect();
    let utf16: Vec<u8> =
        "{\"data\":[{\"id\":1,\"name\":\"M\u{fc}ller\"}]}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let dialect = json!({"csv": {
        "delimiter": ";", "quote": "'", "comment": "#", "skipRows": 1, "nullValues": ["NA"], "trim": true,
        "encoding": "windows-1252", "schema": columns()
    }});
    let document = json!({"json": {"records": "$.data[*]", "encoding": "utf-16le", "schema": columns()}});
    for (format, body, expected) in [
        (dialect, latin, json!([{"id": 1, "name": "Müller"}, {"id": 2}, {"id": 3, "name": "a;b"}])),
        (document, utf16, json!([{"id": 1, "name": "Müller"}])),
    ] {
        let server = HttpServer::start(pages(vec![body])).await.unwrap();
        let outcome = read(connect(spec(&server.url(), &format, json!({})), &[]).unwrap().as_ref(), items()).await;
        assert_eq!(Value::from(outcome.unwrap().rows), expected, "{format}");
    }
}

#[tokio::test]
async fn columns_are_guessed_from_as_many_pages_as_it_takes() {
    let bodies =
        ["id,name,name\n", "id,name,name\n1,a,x\n2,b,y\n", "id,name,name\n3.5,c,z\n", "id,name,name\nno number,d,z\n"];
    // A page without records ends the pages, so they are followed by their links here.
    let linked = Router::new().route(
        "/items",
        get(move |Query(query): Query<HashMap<String, String>>| async move {
            let page = usize::try_from(number(&query, "page").unwrap_or(1)).unwrap();
            let link =
                if page < bodies.len() { format!("</items?page={}>; rel=next", page + 1) } else { String::new() };
            ([("link", link)], bodies[page - 1])
        }),
    );
    let linked = HttpServer::start(linked).await.unwrap();
    let format = |records: u64| json!({"csv": {"schema": {"infer": {"records": records}}}});
    for (records, requests, id) in [(2, 2, "Int64"), (3, 3, "Float64"), (1000, 4, "Utf8")] {
        let before = linked.seen().len();
        let more = json!({"pagination": {"linkHeader": {}}, "primaryKey": ["id"]});
        let connector = connect(spec(&linked.url(), &format(records), more), &[]).unwrap();
        let stream = connector.describe("items").await.unwrap();
        let types: Vec<(&str, &str)> =
            stream.columns.iter().map(|column| (column.name.as_str(), column.data_type.as_str())).collect();
        assert_eq!(types, [("id", id), ("name", "Utf8"), ("name_2", "Utf8")], "{records}");
        assert_eq!(stream.primary_key, ["id"]);
        assert!(stream.comment.is_some_and(|comment| comment.contains("column 3 `name` is called `name_2`")));
        assert_eq!(linked.seen().len() - before, requests, "{records}: no more pages than are needed");
        connector.describe("items").await.unwrap();
        assert_eq!(linked.seen().len() - before, requests, "what is known is not asked again");
    }

    let empty = connect(spec(&linked.url(), &json!({"ndjson": {}}), json!({"path": "/none"})), &[]).unwrap();
    assert_eq!(empty.describe("items").await.unwrap_err().kind, ErrorKind::NotFound);
    let silent = HttpServer::start(pages(vec![Vec::new()])).await.unwrap();
    let error = connect(spec(&silent.url(), &json!({"ndjson": {}}), json!({})), &[])
        .unwrap()
        .describe("items")
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "infer the schema of endpoint `items`: no column was found in the first 0 records");
    assert_eq!(error.remedy.as_deref(), Some("declare the columns with `schema: {columns: […]}` inside `format`"));
}

#[tokio::test]
async fn wanted_columns_are_given_in_their_order_and_missing_ones_are_null() {
    let two = "id,note\n2,x\n";
    let server = HttpServer::start(pages(vec![csv(1..=1), two.as_bytes().to_vec()])).await.unwrap();
    let connector = connect(spec(&server.url(), &json!({"csv": {"schema": columns()}}), by_page()), &[]).unwrap();
    let request = SourceRequest { columns: Some(vec!["name".into(), "id".into()]), ..items() };
    let outcome = read(connector.as_ref(), request).await.unwrap();
    assert_eq!(outcome.rows, [json!({"name": "item 1", "id": 1}), json!({"id": 2})]);
    assert_eq!(
        outcome.end.note.unwrap(),
        format!("2 pages; {}/items?page=2: no column `name`, read as null", server.url())
    );
}

#[tokio::test]
async fn the_server_sees_the_cursor_in_every_format() {
    for (format, write, _) in formats() {
        let (one, two) = (write(1..3), write(1..3));
        let router = Router::new()
            .route("/items", get(move || async move { one.clone() }))
            .route("/search", post(move || async move { two.clone() }));
        let server = HttpServer::start(router).await.unwrap();
        let mut spec = spec(&server.url(), &format, json!({"query": {"from": "${cursor:-0}", "since": "${cursor}"}}));
        let search = json!({
            "name": "search", "path": "/search", "method": "Post", "body": r#"{"since": ${cursor:-0}}"#, "format": format
        });
        spec["endpoints"].as_array_mut().unwrap().push(search);
        let connector = connect(spec, &[]).unwrap();
        for stream in ["items", "search"] {
            connector.describe(stream).await.unwrap();
        }
        let before = server.seen().len();
        for (stream, request) in
            [("items", items()), ("items", items_from("id", "17")), ("search", items_from("id", "17"))]
        {
            let outcome = read(connector.as_ref(), SourceRequest { stream: stream.into(), ..request }).await.unwrap();
            assert_eq!(outcome.rows, items_of(1..=2), "{format}");
            assert_eq!(outcome.end.note.as_deref(), Some("1 page"));
        }
        let seen = &server.seen()[before..];
        assert_eq!(seen[0].query, "from=0");
        assert_eq!(seen[1].query, "from=17&since=17");
        assert_eq!((seen[2].method.as_str(), seen[2].body.as_str()), ("POST", r#"{"since":17}"#));
    }
}

#[tokio::test]
async fn what_cannot_work_is_refused_when_the_connector_is_opened() {
    for (format, pagination, words) in [
        ("csv", json!({"nextLink": "$.next"}), "`nextLink` is a place in a JSON answer, and the answers are csv"),
        (
            "parquet",
            json!({"cursor": {"token": "$.next", "parameter": "after"}}),
            "`cursor` is a place in a JSON answer, and the answers are parquet",
        ),
    ] {
        let spec = spec("http://127.0.0.1:1", &json!({format: {}}), json!({"pagination": pagination}));
        let error = connect(spec, &[]).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Config);
        assert_eq!(error.to_string(), format!("read `pagination` of endpoint `items`: {words}"));
        assert_eq!(error.remedy.as_deref(), Some("use `linkHeader`, `page` or `offset`, or ask the API for JSON"));
    }
}

#[tokio::test]
async fn an_integer_of_parquet_is_exact() {
    let large = i64::MAX - 1;
    let body = parquet_of(vec![("id", Arc::new(Int64Array::from(vec![large])))]);
    let server = HttpServer::start(pages(vec![body])).await.unwrap();
    let connector = connect(spec(&server.url(), &json!({"parquet": {}}), json!({})), &[]).unwrap();
    assert_eq!(read(connector.as_ref(), items()).await.unwrap().rows, [json!({"id": large})]);
}
