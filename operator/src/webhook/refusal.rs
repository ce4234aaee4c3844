//! Why a request makes nothing fire, and what its sender can do about that.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::schedule::Refused;

/// After how many seconds it is worth asking again.
const AGAIN: &str = "5";

/// Why a request makes nothing fire.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    why: String,
}

pub(super) fn refusal(status: StatusCode, why: impl Into<String>) -> Refusal {
    Refusal { status, why: why.into() }
}

/// Said of a wrong token and of a Schedule that is not there alike: nobody is told which there are.
pub(super) fn unauthorized() -> Refusal {
    refusal(StatusCode::UNAUTHORIZED, "there is no such Schedule, or this is not its token")
}

/// Said where the request may stand in the Schedule's status, or may not. One that is sent again with its key is one fire.
pub(super) fn unknown(status: StatusCode, why: &str) -> Refusal {
    let remedy = "send it again, with the same key if it has one";
    refusal(status, format!("{why}, and it is not known whether the request was taken: {remedy}"))
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let status = match refused {
            Refused::Invalid(_) | Refused::Suspended => StatusCode::CONFLICT,
            Refused::TooMany => StatusCode::TOO_MANY_REQUESTS,
        };
        refusal(status, refused.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut answer = (self.status, Json(json!({"error": self.why}))).into_response();
        let header = match self.status {
            StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, "Bearer")),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                Some((RETRY_AFTER, AGAIN))
            }
            _ => None,
        };
        if let Some((name, value)) = header {
            answer.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        answer
    }
}
