//! Servers that are slow, broken or wrong.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aggregator_tests::http::{HttpServer, RawServer};
use aggregator_worker::connector::{Buffers, ConnectorError, ErrorKind};
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::read::{columns, connect, connect_within, items, items_of, number, read};

/// What is told of an answer that breaks off.
const BROKEN_OFF: &str = "run again; if it breaks off again, ask for smaller pages, or look at what stands between: a proxy \
                          may end answers that are long or slow";

fn spec(url: &str, endpoint: Value) -> Value {
    let mut all = json!({"name": "items", "path": "/items", "schema": columns()});
    all.as_object_mut().unwrap().extend(endpoint.as_object().unwrap().clone());
    json!({"url": url, "retries": 2, "endpoints": [all]})
}

/// Answers the first requests with these, the others with two records.
fn first(answers: Vec<(u16, Option<String>)>) -> Router {
    let count = Arc::new(AtomicUsize::new(0));
    Router::new().route(
        "/items",
        get(move || {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let answer = answers.get(number).cloned();
            async move {
                match answer {
                    Some((status, Some(wait))) => {
                        (StatusCode::from_u16(status).unwrap(), [("retry-after", wait)]).into_response()
                    }
                    Some((status, None)) => StatusCode::from_u16(status).unwrap().into_response(),
                    None => Json(items_of(1..=2)).into_response(),
                }
            }
        }),
    )
}

async fn fails(server: &str, endpoint: Value) -> ConnectorError {
    read(connect(spec(server, endpoint), &[]).unwrap().as_ref(), items()).await.expect_err("the server is wrong")
}

#[tokio::test]
async fn retry_after_is_kept_in_seconds_and_as_a_date() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3));
    for (wait, at_least) in [("1".to_owned(), 1000), (date, 500)] {
        let server = HttpServer::start(first(vec![(429, Some(wait.clone()))])).await.unwrap();
        let connector = connect(spec(&server.url(), json!({})), &[]).unwrap();
        assert_eq!(read(connector.as_ref(), items()).await.unwrap().rows, items_of(1..=2));
        let seen = server.seen();
        assert_eq!(seen.len(), 2);
        let waited = seen[1].at - seen[0].at;
        assert!(waited >= Duration::from_millis(at_least), "{wait}: {waited:?}");
    }
}

#[tokio::test]
async fn a_server_that_wants_an_hour_is_not_waited_for() {
    let server = HttpServer::start(first(vec![(429, Some("3600".into()))])).await.unwrap();
    let error = fails(&server.url(), json!({})).await;
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(error.detail.contains("429") && error.detail.contains("3600 s"), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_server_that_recovers_is_read_and_one_that_does_not_is_given_up() {
    let server = HttpServer::start(first(vec![(503, None), (502, None)])).await.unwrap();
    let connector = connect(spec(&server.url(), json!({})), &[]).unwrap();
    assert_eq!(read(connector.as_ref(), items()).await.unwrap().rows, items_of(1..=2));
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    let (one, two) = (seen[1].at - seen[0].at, seen[2].at - seen[1].at);
    assert!(one >= Duration::from_millis(100) && two >= Duration::from_millis(200), "{one:?} {two:?}");

    let server = HttpServer::start(first(vec![(503, None); 3])).await.unwrap();
    let error = fails(&server.url(), json!({})).await;
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(error.detail.contains("503") && error.detail.contains("tried 3 times"), "{error}");
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn other_statuses_are_told_at_once() {
    for (status, kind) in [
        (400, ErrorKind::Config),
        (401, ErrorKind::Credentials),
        (403, ErrorKind::Refused),
        (404, ErrorKind::NotFound),
        (501, ErrorKind::Transient),
    ] {
        let server = HttpServer::start(first(vec![(status, None)])).await.unwrap();
        let error = fails(&server.url(), json!({})).await;
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(&status.to_string()) && error.remedy.is_some(), "{error:?}");
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_body_that_is_cut_is_asked_again_and_then_told() {
    let body = serde_json::to_string(&items_of(1..=2)).unwrap();
    let whole = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let cut = whole.as_bytes()[..whole.len() - 10].to_vec();
    let chunked =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}", body.len()).into_bytes();
    let server = RawServer::start(vec![cut.clone(), chunked, whole.clone().into_bytes()]).await.unwrap();
    let connector = connect(spec(&server.url(), json!({})), &[]).unwrap();
    let outcome = read(connector.as_ref(), items()).await.unwrap();
    assert_eq!((outcome.rows, outcome.end.read), (items_of(1..=2), 2));
    assert_eq!(server.connections(), 3);

    let server = RawServer::start(vec![cut]).await.unwrap();
    let error = fails(&server.url(), json!({})).await;
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(error.detail.contains("cut off") && error.detail.contains("tried 3 times"), "{error}");
    assert_eq!(error.remedy.as_deref(), Some(BROKEN_OFF), "{error}");
    assert!(error.to_string().contains("page 1"), "{error}");
    assert_eq!(server.connections(), 3);

    // Without a length nobody can tell a cut but the JSON itself.
    let bare = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", &body[..body.len() - 10]);
    let server = RawServer::start(vec![bare.into_bytes()]).await.unwrap();
    let error = fails(&server.url(), json!({})).await;
    assert_eq!(error.kind, ErrorKind::Data);
    assert!(error.detail.contains("page 1 is JSON that was cut off"), "{error}");
    assert_eq!(error.remedy.as_deref(), Some(BROKEN_OFF), "{error}");
}

/// An answer without content is no page without records, unless its status says so.
#[tokio::test]
async fn an_empty_body_is_told_and_204_is_an_empty_page() {
    for body in ["", " \r\n"] {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        let server = RawServer::start(vec![answer.into_bytes()]).await.unwrap();
        let error = fails(&server.url(), json!({})).await;
        assert_eq!(error.kind, ErrorKind::Data, "{error}");
        assert_eq!(error.detail, "page 1 is empty: status 200 OK, and no content");
        assert_eq!(
            error.remedy.as_deref(),
            Some(
                "check `path`, `query` and `method`; an API that has no records answers with `[]`, or with status 204"
            )
        );
        assert_eq!(server.connections(), 1, "it would answer the same again");
    }
    let server =
        RawServer::start(vec![b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_vec()]).await.unwrap();
    let outcome = read(connect(spec(&server.url(), json!({})), &[]).unwrap().as_ref(), items()).await.unwrap();
    assert_eq!((outcome.rows, outcome.end.read), (vec![], 0));
}

#[tokio::test]
async fn a_connection_that_breaks_or_never_opens_is_told() {
    let server = RawServer::start(vec![Vec::new()]).await.unwrap();
    let error = fails(&server.url(), json!({})).await;
    assert_eq!(error.kind, ErrorKind::Transient, "{error}");
    assert_eq!(error.remedy.as_deref(), Some(BROKEN_OFF), "{error}");
    assert_eq!(server.connections(), 3);

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = fails(&closed, json!({})).await;
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.to_string().contains(&closed), "{error}");
    let error = connect(spec(&closed, json!({})), &[]).unwrap().check().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(!error.detail.contains("tried"), "a check does not wait: {error}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_left_in_time() {
    let router = Router::new().route("/items", get(std::future::pending::<()>));
    let server = HttpServer::start(router).await.unwrap();
    let mut spec = spec(&server.url(), json!({}));
    spec["timeout"] = json!("150ms");
    spec["retries"] = json!(1);
    let error = read(connect(spec, &[]).unwrap().as_ref(), items()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.remedy.is_some_and(|remedy| remedy.contains("timeout")));
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn an_answer_that_is_not_what_was_said_is_described() {
    let router = Router::new()
        .route("/page", get(|| async { ([("content-type", "text/html")], "<html>Please log in</html>") }))
        .route("/error", get(|| async { Json(json!({"error": "quota", "code": 7})) }))
        .route("/text", get(|| async { Json(json!({"data": "none"})) }));
    let server = HttpServer::start(router).await.unwrap();
    for (path, words) in [
        ("/page", ["page 1 is no JSON", "text/html", "Please log in"]),
        ("/error", ["page 1", "there is nothing at `$.data`", "`error`, `code`"]),
        ("/text", ["page 1", "`$.data` is a string", "not a list"]),
    ] {
        let error = fails(&server.url(), json!({"path": path, "records": "$.data[*]"})).await;
        assert_eq!(error.kind, ErrorKind::Data);
        assert!(words.iter().all(|word| error.detail.contains(word)), "{error}");
        assert!(error.operation.contains(&format!("{}{path}", server.url())), "{error}");
    }
}

#[tokio::test]
async fn pages_that_lie_are_found_out() {
    let router =
        Router::new().route(
            "/{lie}",
            get(
                |axum::extract::Path(lie): axum::extract::Path<String>,
                 Query(query): Query<HashMap<String, String>>| async move {
                    let offset = number(&query, "offset").unwrap_or(0);
                    let ids = |begin: u64, count: u64| Json(items_of(begin + 1..=begin + count)).into_response();
                    match lie.as_str() {
                        "deaf" => ids(0, 10),
                        "generous" => ids(offset, 20),
                        "capped" => ids(offset, if offset < 30 { 7 } else { 0 }),
                        "forgetful" => {
                            ([("x-total-count", "25")], ids(offset, if offset < 20 { 10 } else { 0 })).into_response()
                        }
                        "endless" => ids(offset, 10),
                        _ => StatusCode::NOT_FOUND.into_response(),
                    }
                },
            ),
        );
    let server = HttpServer::start(router).await.unwrap();
    for (lie, kind, words) in [
        ("deaf", ErrorKind::Data, "page 2 is the same as page 1"),
        ("generous", ErrorKind::Data, "page 1 has 20 records, though 10 were asked for"),
        ("capped", ErrorKind::Data, "page 1 had 7 of 10 records as if it were the last, but page 2 has 7 more"),
        ("forgetful", ErrorKind::Data, "the server announced 25 records and its pages held 20"),
        ("endless", ErrorKind::Limit, "there are more than 5 pages"),
    ] {
        let pagination = json!({"offset": {"parameter": "offset", "sizeParameter": "limit", "size": 10}});
        let endpoint = json!({"path": format!("/{lie}"), "pagination": pagination, "maxPages": 5});
        let error = fails(&server.url(), endpoint).await;
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.detail.contains(words), "{error}");
        assert!(error.operation.contains(&format!("{}/{lie}", server.url())), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_nested_too_deep_is_told_from_one_that_is_no_json() {
    let deep = format!("{}{}", "[".repeat(128), "]".repeat(128));
    let router = Router::new().route("/items", get(move || async { deep }));
    let server = HttpServer::start(router).await.unwrap();
    let error = fails(&server.url(), json!({})).await;
    assert_eq!(error.kind, ErrorKind::Limit, "{error}");
    assert_eq!(error.operation, format!("read page 1 of `items` from {}/items", server.url()));
    assert_eq!(error.detail, "page 1 is nested deeper than 127 levels, at its line 1 column 128");
    assert!(error.remedy.is_some_and(|remedy| remedy.starts_with("ask the API for less in one answer")));
}

#[tokio::test]
async fn an_answer_whose_values_take_more_than_there_is_says_what_to_raise() {
    let many = format!("[{}]", vec![r#"{"id":1}"#; 200_000].join(","));
    let router = Router::new().route("/items", get(move || async { many }));
    let server = HttpServer::start(router).await.unwrap();
    let connector = connect_within(Buffers::beside(0), spec(&server.url(), json!({})), &[]).unwrap();
    let error = read(connector.as_ref(), items()).await.unwrap_err();
    assert_eq!((error.kind, error.detail.as_str()), (ErrorKind::Limit, "the values of page 1 take more than 64 MiB"));
    assert!(error.remedy.as_ref().is_some_and(|remedy| remedy.contains("--memory")), "{error:?}");
}

#[tokio::test]
async fn a_loop_is_found() {
    let router = Router::new().route(
        "/items",
        get(|Query(query): Query<HashMap<String, String>>| async move {
            let page = number(&query, "page").unwrap_or(1);
            let next = if page == 3 { 2 } else { page + 1 };
            Json(json!({"data": items_of([page]), "next": format!("/items?page={next}"), "token": next}))
        }),
    );
    let server = HttpServer::start(router).await.unwrap();
    for (pagination, requests) in
        [(json!({"nextLink": "$.next"}), 3), (json!({"cursor": {"token": "$.token", "parameter": "page"}}), 3)]
    {
        let before = server.seen().len();
        let error = fails(&server.url(), json!({"records": "$.data[*]", "pagination": pagination})).await;
        assert_eq!(error.kind, ErrorKind::Data);
        assert!(error.detail.contains("page 3 points to itself or to a page before it"), "{error}");
        assert_eq!(server.seen().len() - before, requests);
    }
}

#[tokio::test]
async fn neither_a_link_nor_a_redirect_leads_to_another_host() {
    let other =
        HttpServer::start(Router::new().route("/items", get(|| async { Json(items_of(1..=2)) }))).await.unwrap();
    let target = format!("{}/items", other.url());
    let (next, header, away) = (target.clone(), target.clone(), target.clone());
    let router = Router::new()
        .route("/next", get(move || async move { Json(json!({"data": items_of([1]), "next": next})) }))
        .route(
            "/header",
            get(move || async move { ([("link", format!("<{header}>; rel=next"))], Json(json!({"data": []}))) }),
        )
        .route("/away", get(move || async move { Redirect::temporary(&away) }))
        .route("/round", get(|| async { Redirect::temporary("/round") }))
        .route("/near", get(|| async { Redirect::temporary("/here") }))
        .route("/here", get(|| async { Json(json!({"data": items_of(1..=2)})) }));
    let server = HttpServer::start(router).await.unwrap();
    let host = other.url();
    for (path, pagination, words) in [
        ("/next", json!({"nextLink": "$.next"}), format!("page 1 points to {host}, which is not")),
        ("/header", json!({"linkHeader": {}}), format!("page 1 points to {host}, which is not")),
        ("/away", Value::Null, format!("it redirects to {host}, which is not")),
        ("/round", Value::Null, "it redirects again and again".to_owned()),
    ] {
        let error = fails(&server.url(), json!({"path": path, "records": "$.data[*]", "pagination": pagination})).await;
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
        assert!(error.detail.contains(&words), "{error}");
    }
    assert_eq!(other.seen().len(), 0, "the other host was asked");
    let near = spec(&server.url(), json!({"path": "/near", "records": "$.data[*]"}));
    assert_eq!(read(connect(near, &[]).unwrap().as_ref(), items()).await.unwrap().rows, items_of(1..=2));
}

#[tokio::test]
async fn a_page_behind_the_last_may_be_missing() {
    let router = Router::new().route(
        "/items",
        get(|Query(query): Query<HashMap<String, String>>| async move {
            let page = number(&query, "page").unwrap();
            let answer: Response =
                if page <= 2 { Json(items_of([page])).into_response() } else { StatusCode::NOT_FOUND.into_response() };
            answer
        }),
    );
    let server = HttpServer::start(router).await.unwrap();
    let pagination = json!({"page": {"parameter": "page"}});
    let connector = connect(spec(&server.url(), json!({"pagination": pagination})), &[]).unwrap();
    assert_eq!(read(connector.as_ref(), items()).await.unwrap().rows, items_of(1..=2));
}
