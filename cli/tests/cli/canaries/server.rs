//! An HTTP server that repeats what it is sent wherever it can, and has secrets of its own to give away.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::canary::Canaries;

/// The secrets that the server gives, and all that it has sent.
#[derive(Clone)]
pub(super) struct Given {
    tokens: Value,
    wrong_token: String,
    cookie: String,
    link: String,
    next: String,
    user: String,
    redirect: String,
    elsewhere: String,
    next_elsewhere: String,
    no_address: String,
    sent: Arc<Mutex<String>>,
}

impl Given {
    pub(super) fn plant(canaries: &mut Canaries) -> Self {
        let mut plant = |place: &str| canaries.plant(place);
        Self {
            tokens: json!({
                "access_token": plant("an OAuth answer's access token"),
                "refresh_token": plant("an OAuth answer's refresh token"),
                "id_token": plant("an OAuth answer's id token"),
                "token_type": "Bearer",
            }),
            wrong_token: plant("an access token of a wrong type"),
            cookie: plant("a cookie"),
            link: plant("a Link header's access token"),
            next: plant("a next link's signature"),
            user: plant("a Link header's user information"),
            redirect: plant("a redirect's token"),
            elsewhere: plant("a redirect's token for another host"),
            next_elsewhere: plant("a next link's token for another host"),
            no_address: plant("a next link's token in what is no address"),
            sent: Arc::default(),
        }
    }

    /// All that was sent so far.
    pub(super) fn sent(&self) -> String {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub(super) fn router(given: Given) -> Router {
    Router::new().fallback(answer).with_state(given)
}

/// What the server was sent, as it is and decoded.
async fn repeated(request: Request) -> String {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.expect("a body");
    let mut text = format!("{} {}", parts.method, parts.uri);
    for (name, value) in &parts.headers {
        text.push_str(&format!(" {name}: {}", String::from_utf8_lossy(value.as_bytes())));
    }
    text.push_str(&format!(" {}", String::from_utf8_lossy(&body)));
    text
}

async fn answer(State(given): State<Given>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    let second = request.uri().query().is_some_and(|query| query.contains("page=2"));
    let said = repeated(request).await;
    // A row that is no row, so that it is rejected with all of its text.
    let rows = json!([{"id": 1}, {"id": said}]);
    let page = |next: Option<String>| json!({"data": rows, "next": next}).to_string();
    let ok = StatusCode::OK;
    let (status, header, body): (StatusCode, Option<(&str, String)>, String) = match path.as_str() {
        "/token" => (ok, None, given.tokens.to_string()),
        "/token/wrong" => (ok, None, json!({"access_token": given.wrong_token, "token_type": "mac"}).to_string()),
        "/items" => (ok, Some(("set-cookie", format!("session={}", given.cookie))), page(None)),
        "/linked" | "/linked/broken" if !second => {
            (ok, Some(("link", format!("<{path}?page=2&access_token={}>; rel=\"next\"", given.link))), page(None))
        }
        "/next" | "/next/broken" if !second => (ok, None, page(Some(format!("{path}?page=2&sig={}", given.next)))),
        "/user" | "/user/broken" if !second => {
            let next = format!("http://user:{}@{host}{path}?page=2", given.user);
            (ok, Some(("link", format!("<{next}>; rel=\"next\""))), page(None))
        }
        "/redirect" => {
            (StatusCode::FOUND, Some(("location", format!("/items?session_token={}", given.redirect))), said)
        }
        "/redirect/broken" => {
            (StatusCode::FOUND, Some(("location", format!("/status/401?session_token={}", given.redirect))), said)
        }
        "/redirect/elsewhere" => {
            let to = format!("http://localhost:1/?session_token={0}#access_token={0}", given.elsewhere);
            (StatusCode::FOUND, Some(("location", to)), said)
        }
        "/next/elsewhere" => (ok, None, page(Some(format!("http://localhost:1/x?token={}", given.next_elsewhere)))),
        "/next/nowhere" => (ok, None, page(Some(format!("http://[x?token={}", given.no_address)))),
        "/linked" | "/next" | "/user" => (ok, None, page(None)),
        path => {
            let status = path.rsplit('/').next().and_then(|code| code.parse().ok()).unwrap_or(401);
            (StatusCode::from_u16(status).expect("a status"), None, said)
        }
    };
    let mut headers = HeaderMap::new();
    if let Some((name, value)) = &header {
        headers.insert(HeaderName::try_from(*name).expect("a name"), HeaderValue::try_from(value).expect("a value"));
    }
    given.sent.lock().unwrap_or_else(PoisonError::into_inner).push_str(&format!("{header:?} {body}\n"));
    (status, headers, body).into_response()
}
