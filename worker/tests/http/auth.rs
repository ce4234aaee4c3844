//! How requests prove who sends them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aggregator_tests::http::HttpServer;
use aggregator_worker::connector::ErrorKind;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::read::{columns, connect, items, items_of, number, read};

/// Three pages of two records for whoever sends this header.
fn guarded(header: &'static str, value: &'static str) -> Router {
    Router::new().route(
        "/items",
        get(move |headers: HeaderMap, Query(query): Query<HashMap<String, String>>| async move {
            if headers.get_all(header).iter().map(|sent| sent.to_str().unwrap()).ne([value]) {
                return StatusCode::UNAUTHORIZED.into_response();
            }
            three_pages(&query)
        }),
    )
}

fn three_pages(query: &HashMap<String, String>) -> Response {
    let page = number(query, "page").unwrap_or(1);
    let next = (page < 3).then(|| format!("/items?page={}", page + 1));
    Json(json!({"data": items_of(page * 2 - 1..=page * 2), "next": next})).into_response()
}

fn spec(url: &str, auth: Value) -> Value {
    json!({
        "url": url,
        "auth": auth,
        "endpoints": [{
            "name": "items", "path": "/items", "records": "$.data[*]", "pagination": {"nextLink": "$.next"},
            "schema": columns()
        }]
    })
}

#[tokio::test]
async fn bearer_basic_and_key_headers_are_sent_with_every_page() {
    let cases = [
        (json!({"bearer": {"token": {"secretKey": "key"}}}), "abc.DEF", "authorization", "Bearer abc.DEF"),
        (
            json!({"basic": {"username": "reader", "password": {"secretKey": "key"}}}),
            "open sesame\n",
            "authorization",
            "Basic cmVhZGVyOm9wZW4gc2VzYW1l",
        ),
        (json!({"apiKey": {"name": "X-API-Key", "value": {"secretKey": "key"}}}), "k-1", "x-api-key", "k-1"),
    ];
    for (auth, secret, header, value) in cases {
        let server = HttpServer::start(guarded(header, value)).await.unwrap();
        let connector = connect(spec(&server.url(), auth.clone()), &[("key", secret)]).unwrap();
        let outcome = read(connector.as_ref(), items()).await.unwrap();
        assert_eq!(outcome.rows, items_of(1..=6));
        let sent: Vec<String> = server.seen().iter().map(|seen| seen.headers[header].clone()).collect();
        assert_eq!(sent, [value; 3]);

        let connector = connect(spec(&server.url(), auth), &[("key", "wrong")]).unwrap();
        let error = read(connector.as_ref(), items()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Credentials, "{error}");
        assert_eq!(server.seen().len(), 4, "a refusal is not tried again");
    }
}

#[tokio::test]
async fn a_key_in_the_query_is_sent_with_every_page() {
    let router = Router::new().route(
        "/items",
        get(|Query(query): Query<HashMap<String, String>>| async move {
            if query.get("api_key").map(String::as_str) != Some("k/1 &") {
                return StatusCode::UNAUTHORIZED.into_response();
            }
            three_pages(&query)
        }),
    );
    let server = HttpServer::start(router).await.unwrap();
    let auth = json!({"apiKey": {"name": "api_key", "in": "Query", "value": {"secretKey": "key"}}});
    let connector = connect(spec(&server.url(), auth), &[("key", "k/1 &")]).unwrap();
    let outcome = read(connector.as_ref(), items()).await.unwrap();
    assert_eq!(outcome.rows, items_of(1..=6));
    let queries: Vec<String> = server.seen().into_iter().map(|seen| seen.query).collect();
    assert_eq!(queries, ["api_key=k%2F1+%26", "page=2&api_key=k%2F1+%26", "page=3&api_key=k%2F1+%26"]);
}

#[derive(Default)]
struct Issuer {
    /// Tokens given out; the last one is the only one that is valid.
    issued: AtomicU64,
    /// Records' requests that were answered.
    answered: AtomicU64,
    lifetime: Option<u64>,
    /// After how many answers the valid token is revoked, once.
    revoke_after: Option<u64>,
}

fn oauth(issuer: Arc<Issuer>) -> Router {
    async fn token(State(issuer): State<Arc<Issuer>>, headers: HeaderMap, body: String) -> Response {
        // `client one` and `pass:word`, each form-encoded: RFC 6749 §2.3.1.
        if headers["authorization"] != "Basic Y2xpZW50K29uZTpwYXNzJTNBd29yZA=="
            || body != "grant_type=client_credentials&scope=read+list"
        {
            return (StatusCode::UNAUTHORIZED, Json(json!({"error": "invalid_client"}))).into_response();
        }
        let number = issuer.issued.fetch_add(1, Ordering::SeqCst) + 1;
        Json(json!({"access_token": format!("t-{number}"), "token_type": "bearer", "expires_in": issuer.lifetime}))
            .into_response()
    }
    async fn records(
        State(issuer): State<Arc<Issuer>>,
        headers: HeaderMap,
        Query(query): Query<HashMap<String, String>>,
    ) -> Response {
        let valid = issuer.issued.load(Ordering::SeqCst);
        let answered = issuer.answered.load(Ordering::SeqCst);
        let revoked = issuer.revoke_after == Some(answered) && valid == 1;
        if revoked || headers["authorization"] != format!("Bearer t-{valid}") {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        issuer.answered.fetch_add(1, Ordering::SeqCst);
        three_pages(&query)
    }
    Router::new().route("/token", post(token)).route("/items", get(records)).with_state(issuer)
}

async fn read_with_tokens(
    issuer: Issuer,
    secret: &str,
) -> (Arc<Issuer>, aggregator_worker::connector::Result<Vec<Value>>) {
    let issuer = Arc::new(issuer);
    let server = HttpServer::start(oauth(Arc::clone(&issuer))).await.unwrap();
    let auth = json!({"oauth2ClientCredentials": {
        "tokenUrl": format!("{}/token", server.url()), "clientId": "client one",
        "clientSecret": {"secretKey": "secret"}, "scopes": ["read", "list"]
    }});
    let connector = connect(spec(&server.url(), auth), &[("secret", secret)]).unwrap();
    let outcome = read(connector.as_ref(), items()).await;
    (issuer, outcome.map(|outcome| outcome.rows))
}

#[tokio::test]
async fn a_token_is_fetched_once_and_kept() {
    let (issuer, rows) = read_with_tokens(Issuer { lifetime: Some(3600), ..Issuer::default() }, "pass:word").await;
    assert_eq!(rows.unwrap(), items_of(1..=6));
    assert_eq!(issuer.issued.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_token_that_has_ended_is_fetched_again() {
    let (issuer, rows) = read_with_tokens(Issuer { lifetime: Some(0), ..Issuer::default() }, "pass:word").await;
    assert_eq!(rows.unwrap(), items_of(1..=6));
    assert_eq!(issuer.issued.load(Ordering::SeqCst), 3, "one for each page");
}

#[tokio::test]
async fn a_token_that_is_refused_is_fetched_again_once() {
    let (issuer, rows) = read_with_tokens(Issuer { revoke_after: Some(1), ..Issuer::default() }, "pass:word").await;
    assert_eq!(rows.unwrap(), items_of(1..=6));
    assert_eq!(issuer.issued.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_client_that_is_refused_is_an_error_of_the_credentials() {
    let (issuer, rows) = read_with_tokens(Issuer::default(), "wrong").await;
    let error = rows.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Credentials);
    assert!(error.to_string().contains("/token") && error.to_string().contains("invalid_client"), "{error}");
    assert_eq!(issuer.answered.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_missing_key_of_the_secret_is_named() {
    let error = connect(spec("http://127.0.0.1:1", json!({"bearer": {"token": {"secretKey": "token"}}})), &[])
        .err()
        .expect("the Secret has no such key");
    assert_eq!(error.kind, ErrorKind::Credentials);
    assert!(error.to_string().contains("key `token` of Secret `connector-api`"), "{error}");
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_when_it_is_named() {
    let (server, pem) = HttpServer::start_tls(guarded("authorization", "Bearer t")).await.unwrap();
    let auth = json!({"bearer": {"token": {"secretKey": "token"}}});
    for ca in [json!({"pem": pem}), json!({"secretKey": "ca.crt"})] {
        let mut spec = spec(&server.url(), auth.clone());
        spec["ca"] = ca;
        let connector = connect(spec, &[("token", "t"), ("ca.crt", &pem)]).unwrap();
        assert_eq!(read(connector.as_ref(), items()).await.unwrap().rows, items_of(1..=6));
    }
    let (other, other_pem) = HttpServer::start_tls(Router::new()).await.unwrap();
    let mut spec = spec(&server.url(), auth);
    spec["ca"] = json!({"pem": other_pem});
    let error = read(connect(spec, &[("token", "t")]).unwrap().as_ref(), items()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.detail.contains("certificate is not trusted"), "{error}");
    assert!(!error.detail.contains("tried"), "waiting does not help: {error}");
    assert!(error.remedy.is_some_and(|remedy| remedy.contains("`ca`")));
    drop(other);
}
