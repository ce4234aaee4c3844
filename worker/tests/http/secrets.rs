//! No error shows a secret, even when the server repeats it.

use std::error::Error;
use std::fmt::Write;

use aggregator_tests::http::{HttpServer, RawServer};
use aggregator_worker::connector::{ConnectorError, SourceRequest};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use serde_json::{Value, json};

use crate::read::{columns, connect, items, read};

const SECRET: &str = "hunter2 & \"söns\"/+";
const PLAIN: &str = "hunter2";

/// All that anybody could show of an error.
fn texts(error: &ConnectorError) -> String {
    let mut text = format!("{error}\n{error:?}\n{error:#?}\n{:?}\n", error.remedy);
    let mut below = error.source();
    while let Some(error) = below {
        write!(text, "{error}\n{error:?}\n").unwrap();
        below = error.source();
    }
    text
}

/// Answers with everything it was sent: the address, the headers, and the key decoded.
async fn echo(request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let key: String = url::form_urlencoded::parse(query.as_bytes()).map(|(_, value)| value.into_owned()).collect();
    let headers: Vec<String> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let said = format!("{} {key} {}", request.uri(), headers.join(" "));
    let elsewhere = format!("http://localhost:1/x?{query}");
    match request.uri().path() {
        "/html" => said.into_response(),
        "/missing" => axum::Json(json!({said: 1})).into_response(),
        "/next" => axum::Json(json!({"data": [], "next": format!("http://localhost:1/{key}?{query}")})).into_response(),
        "/loop" => axum::Json(json!({"data": [], "next": request.uri().to_string()})).into_response(),
        "/types" => axum::Json(json!({"data": [{"id": "no number"}]})).into_response(),
        "/rows" => format!("id,name\n\"{}\",x\n", said.replace('"', "\"\"")).into_response(),
        "/redirect" => (StatusCode::FOUND, [("location", elsewhere)]).into_response(),
        path => {
            let status = path.trim_start_matches('/').parse().unwrap();
            (StatusCode::from_u16(status).unwrap(), said).into_response()
        }
    }
}

fn spec(url: &str, path: &str, auth: &Value) -> Value {
    json!({
        "url": url, "auth": auth, "retries": 0,
        "endpoints": [
            {
                "name": "items", "path": path, "records": "$.data[*]", "schema": columns(),
                "pagination": {"nextLink": "$.next"}
            },
            {"name": "file", "path": path, "format": {"csv": {"schema": columns()}}}
        ]
    })
}

fn kinds(token_url: &str) -> Vec<(Value, &'static str, Vec<&'static str>)> {
    let key = json!({"secretKey": "key"});
    vec![
        (json!({"bearer": {"token": key}}), PLAIN, vec![PLAIN]),
        // `reader:hunter2`
        (json!({"basic": {"username": "reader", "password": key}}), PLAIN, vec![PLAIN, "cmVhZGVyOmh1bnRlcjI="]),
        (json!({"apiKey": {"name": "X-Key", "value": key}}), PLAIN, vec![PLAIN]),
        (json!({"apiKey": {"name": "key", "in": "Query", "value": key}}), SECRET, vec![PLAIN, "söns", "s%C3%B6ns"]),
        (
            json!({"oauth2ClientCredentials": {"tokenUrl": token_url, "clientId": "c", "clientSecret": key}}),
            PLAIN,
            // `c:hunter2`, and the token itself.
            vec![PLAIN, "YzpodW50ZXIy", "fetched-token"],
        ),
    ]
}

#[tokio::test]
async fn no_text_of_any_error_shows_a_secret() {
    let router = Router::new()
        .route(
            "/token",
            post(|| async { axum::Json(json!({"access_token": "fetched-token", "token_type": "Bearer"})) }),
        )
        .fallback(any(echo));
    let server = HttpServer::start(router).await.unwrap();
    let cut = RawServer::start(vec![b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n[".to_vec()]).await.unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut cases: Vec<(String, String)> =
        ["400", "401", "403", "404", "429", "500", "html", "missing", "next", "loop", "types", "redirect", "rows"]
            .map(|path| (server.url(), format!("/{path}")))
            .to_vec();
    cases.push((cut.url(), "/cut".into()));
    cases.push((closed, "/closed".into()));
    for (auth, value, secrets) in kinds(&format!("{}/token", server.url())) {
        for (url, path) in &cases {
            let connector = connect(spec(url, path, &auth), &[("key", value)]).unwrap();
            for stream in ["items", "file"] {
                let request = SourceRequest { stream: stream.into(), ..items() };
                let error = read(connector.as_ref(), request).await.expect_err(path);
                let shown = texts(&error);
                for secret in &secrets {
                    assert!(!shown.contains(secret), "{path} with {auth} shows {secret}: {shown}");
                }
                assert!(shown.contains(path.as_str()) && shown.contains(url.as_str()), "{path}: {shown}");
            }
        }
    }
    // The server did see what no error shows.
    let seen = server.seen();
    assert!(seen.iter().any(|seen| seen.headers.values().any(|value| value.contains(PLAIN))));
    assert!(seen.iter().any(|seen| seen.query.contains(PLAIN)));
    assert!(seen.iter().any(|seen| seen.headers.values().any(|value| value == "Bearer fetched-token")));
}

#[tokio::test]
async fn no_reject_shows_a_secret_that_the_server_repeats() {
    let router = Router::new()
        .route("/csv", get(|| async { format!("id,name\n{PLAIN},x\n1,\"{PLAIN}\",y\n") }))
        .route("/json", get(|| async { axum::Json(json!([{"id": PLAIN}, PLAIN])) }));
    let server = HttpServer::start(router).await.unwrap();
    let auth = json!({"bearer": {"token": {"secretKey": "key"}}});
    let endpoints = json!([
        {"name": "csv", "path": "/csv", "format": {"csv": {"schema": columns()}}},
        {"name": "json", "path": "/json", "schema": columns()}
    ]);
    let spec = json!({"url": server.url(), "auth": auth, "endpoints": endpoints});
    let connector = connect(spec, &[("key", PLAIN)]).unwrap();
    for stream in ["csv", "json"] {
        let request = SourceRequest { stream: stream.into(), rejects: true, ..items() };
        let rejects = read(connector.as_ref(), request).await.unwrap().rejects;
        assert_eq!(rejects.len(), 2);
        let shown = format!("{rejects:?}");
        assert!(shown.contains("***") && !shown.contains(PLAIN), "{shown}");
    }
}

#[tokio::test]
async fn a_token_server_that_repeats_the_secret_is_not_quoted() {
    async fn refuse(headers: HeaderMap) -> Response {
        let said = format!("bad client {PLAIN} {:?}", headers.get("authorization"));
        (StatusCode::BAD_REQUEST, said).into_response()
    }
    async fn nonsense() -> Response {
        axum::Json(json!({"access_token": ["fetched-token"]})).into_response()
    }
    let router = Router::new().route("/refuse", post(refuse)).route("/nonsense", post(nonsense));
    let server = HttpServer::start(router).await.unwrap();
    for path in ["/refuse", "/nonsense"] {
        let (auth, value, secrets) = kinds(&format!("{}{path}", server.url())).pop().unwrap();
        let connector = connect(spec(&server.url(), "/x", &auth), &[("key", value)]).unwrap();
        let shown = texts(&connector.check().await.unwrap_err());
        assert!(shown.contains(path), "{shown}");
        assert!(secrets.iter().all(|secret| !shown.contains(secret)), "{shown}");
    }
}

#[tokio::test]
async fn a_secret_that_no_header_may_hold_is_not_shown() {
    let auth = json!({"bearer": {"token": {"secretKey": "key"}}});
    let error = connect(spec("http://127.0.0.1:1", "/x", &auth), &[("key", "hunter2\nmore")]).err().unwrap();
    let shown = texts(&error);
    assert!(shown.contains("key `key`") && !shown.contains(PLAIN), "{shown}");
}
