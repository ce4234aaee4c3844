//! Requests, as they go over the wire.

use http::HeaderMap;
use kube::Client;
use kube::client::Body;
use serde_json::{Map, Value, json};

use crate::case::Who;

/// The headers of an answer that are compared.
const HEADERS: [&str; 7] =
    ["allow", "content-encoding", "content-type", "location", "retry-after", "warning", "www-authenticate"];

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) who: Who,
}

impl Request {
    /// A request without a body.
    pub(crate) fn new(method: &'static str, path: &str) -> Self {
        Self { method, path: path.to_owned(), headers: Vec::new(), body: Vec::new(), who: Who::default() }
    }

    /// With a header.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// With a body.
    pub(crate) fn body(mut self, form: &'static str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", form)
    }

    /// With a body that is JSON.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// What the server answers: status, headers and body.
    pub(crate) async fn sent(self, client: &Client) -> Value {
        match self.answered(client).await {
            Ok(answer) => answer,
            Err(error) => json!({"failed": error}),
        }
    }

    async fn answered(self, client: &Client) -> Result<Value, String> {
        let mut request = http::Request::builder().method(self.method).uri(&self.path);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Body::from(self.body)).map_err(|error| error.to_string())?;
        let response = client.send(request).await.map_err(|error| error.to_string())?;
        let (status, headers) = (response.status().as_u16(), told(response.headers()));
        let body = response.into_body().collect_bytes().await.map_err(|error| error.to_string())?;
        Ok(json!({"status": status, "headers": headers, "body": read(&body)}))
    }
}

/// The headers that are compared.
fn told(headers: &HeaderMap) -> Value {
    let values = |name: &str| -> Vec<Value> {
        headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default().into()).collect()
    };
    let told = HEADERS.into_iter().map(|name| (name.to_owned(), Value::from(values(name))));
    told.filter(|(_, values)| values.as_array().is_some_and(|values| !values.is_empty())).collect::<Map<_, _>>().into()
}

/// A body: JSON, lines of JSON, or text.
fn read(body: &[u8]) -> Value {
    let Ok(text) = std::str::from_utf8(body) else { return json!({"binary": true}) };
    if let Ok(value) = serde_json::from_str(text) {
        return value;
    }
    let lines: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
    match lines {
        Ok(lines) if !lines.is_empty() => lines.into(),
        _ => json!({"text": text}),
    }
}
