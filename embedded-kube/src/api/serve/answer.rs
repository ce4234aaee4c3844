//! Answers, as they go out.

use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, WARNING};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde_json::Value;

use super::super::openapi;
use super::super::{Refusal, discovery};

const JSON: &str = "application/json";

/// An answer.
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
}

fn header(text: &str) -> HeaderValue {
    // What no header can hold is left out; a client must not be kept waiting for it.
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

impl Answer {
    fn new(status: StatusCode, content: &str, body: Body) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, header(content))]);
        Self { status, headers, body }
    }

    /// An object.
    pub(super) fn object(status: StatusCode, object: &Value) -> Self {
        Self::new(status, JSON, Body::from(object.to_string()))
    }

    /// Lines that come one by one.
    pub(super) fn stream(content: &str, body: Body) -> Self {
        Self::new(StatusCode::OK, content, body)
    }

    /// Nothing, of what will be there.
    pub(super) fn nothing_yet() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: HeaderMap::new(), body: Body::empty() }
    }

    /// A document that is no text.
    pub(super) fn bytes(document: Vec<u8>, content: &str) -> Self {
        Self::new(StatusCode::OK, content, Body::from(document))
    }

    /// Text.
    pub(super) fn text(text: &'static str) -> Self {
        Self::new(StatusCode::OK, "text/plain; charset=utf-8", Body::from(text))
    }

    /// What the real one says of a path that it does not know.
    pub(super) fn nothing_there() -> Self {
        let body = Body::from("404 page not found\n");
        Self::new(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", body)
    }

    /// A refusal.
    pub(super) fn refusal(refusal: &Refusal) -> Self {
        let status = StatusCode::from_u16(refusal.reason.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::object(status, &refusal.status())
    }

    /// With warnings for whoever sent the request.
    pub(super) fn warning(mut self, warnings: &[String]) -> Self {
        for warning in warnings {
            let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
            self.headers.append(WARNING, header(&format!("299 - \"{quoted}\"")));
        }
        self
    }

    /// A document that clients keep until it changes.
    pub(super) fn tagged(document: &Value, asked: &HeaderMap, content: &str) -> Self {
        let text = document.to_string();
        let tag = discovery::etag(text.as_bytes());
        Self::by_tag(Bytes::from(text), &tag, asked, content)
    }

    fn by_tag(body: Bytes, tag: &str, asked: &HeaderMap, content: &str) -> Self {
        let known = asked.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let mut answer = if discovery::unchanged(known, tag) {
            Self { status: StatusCode::NOT_MODIFIED, headers: HeaderMap::new(), body: Body::empty() }
        } else {
            Self::new(StatusCode::OK, content, Body::from(body))
        };
        answer.headers.insert(ETAG, header(&format!("\"{tag}\"")));
        answer.headers.insert(http::header::VARY, HeaderValue::from_static("Accept"));
        answer.headers.insert(CACHE_CONTROL, HeaderValue::from_static("public"));
        answer
    }

    /// A document of schemas.
    pub(super) fn openapi(answer: openapi::Answer, asked: &HeaderMap) -> Self {
        match answer {
            openapi::Answer::Document { body, etag, forever } => {
                let mut answer = Self::by_tag(body, &etag, asked, JSON);
                if forever {
                    answer.headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
                }
                answer
            }
            openapi::Answer::Moved(place) => {
                let mut answer = Self::new(StatusCode::MOVED_PERMANENTLY, JSON, Body::empty());
                answer.headers.insert(LOCATION, header(&place));
                answer
            }
            openapi::Answer::Unknown => Self::nothing_there(),
        }
    }

    /// As HTTP has it.
    pub(super) fn response(self, method: &Method) -> Response<Body> {
        let body = if *method == Method::HEAD { Body::empty() } else { self.body };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
