//! What happens to the objects of a kind, as the server tells it.

use std::pin::pin;
use std::time::Duration;

use futures::{AsyncBufReadExt, StreamExt};
use http::header::ACCEPT;
use kube::api::WatchParams;
use serde_json::Value;

use super::connection::Connection;
use super::kind::Kind;
use super::list::Form;
use super::trouble::Trouble;

/// How long the server is asked to tell, in seconds.
const TOLD: u32 = 290;
/// A server that says nothing for so long is not there any more: by then, it has ended the watch.
const SILENCE: Duration = Duration::from_secs(300);

/// A watch, and how far it has come.
pub(super) struct Watch<'a> {
    pub(super) connection: &'a Connection,
    pub(super) kind: &'a Kind,
    pub(super) namespace: Option<&'a str>,
    pub(super) which: WatchParams,
    pub(super) form: Form,
    /// The version from which on it tells; empty: what is there comes first.
    pub(super) version: String,
}

/// How a watch has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It can be taken up where it was.
    Over,
    /// That is too long ago.
    Expired,
}

impl Watch<'_> {
    /// Tells what happens until the watch ends: what it is in a word, and the object.
    pub(super) async fn follow(&mut self, mut told: impl FnMut(&str, &Value)) -> Result<End, Trouble> {
        let which = WatchParams { timeout: Some(TOLD), ..self.which.clone() };
        let request = self.kind.requests(self.namespace).watch(&which, &self.version);
        let mut request = self.connection.made(request)?;
        request.headers_mut().insert(ACCEPT, self.form.accept());
        let stream = match self.connection.within(self.connection.client.request_stream(request)).await {
            Ok(stream) => stream,
            Err(Trouble::Refused(status)) if status.code == 410 => return Ok(End::Expired),
            Err(trouble) => return Err(trouble),
        };
        let mut lines = pin!(stream.lines());
        // A line that was cut off ends the watch as silence does.
        while let Ok(Some(Ok(line))) = tokio::time::timeout(SILENCE, lines.next()).await {
            let Ok(event) = serde_json::from_str::<Value>(&line) else { break };
            let object = &event["object"];
            match event["type"].as_str().unwrap_or_default() {
                "ERROR" => {
                    let status: kube::core::Status = serde_json::from_value(object.clone()).unwrap_or_default();
                    return if status.code == 410 { Ok(End::Expired) } else { Err(Trouble::Refused(status.boxed())) };
                }
                "BOOKMARK" => {}
                what => told(what, object),
            }
            if let Some(version) = version(object) {
                version.clone_into(&mut self.version);
            }
        }
        Ok(End::Over)
    }
}

/// The version of an object, or of the one in a table.
fn version(object: &Value) -> Option<&str> {
    let at = |place: &str| object.pointer(place).and_then(Value::as_str).filter(|version| !version.is_empty());
    at("/rows/0/object/metadata/resourceVersion").or_else(|| at("/metadata/resourceVersion"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_version_is_that_of_the_object() {
        let meta = |version: &str| json!({"metadata": {"resourceVersion": version}});
        assert_eq!(version(&meta("5")), Some("5"));
        let row = json!({"metadata": {"resourceVersion": ""}, "rows": [{"object": meta("7")}]});
        assert_eq!(version(&row), Some("7"));
        assert_eq!(version(&json!({"metadata": {}})), None);
    }
}
