//! Writes down who has asked for what, and what became of it: a line of JSON for each request, at the level `Metadata`
//! (<https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/>).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use http::StatusCode;
use serde_json::{Value, json};

use super::super::Refusal;
use super::super::access::User;
use super::super::request::{ResourcePath, Target, Verb, query};
use super::Asked;

/// The header that says as whom somebody acts.
const ACTS_AS: &str = "impersonate-user";

/// A file of requests.
pub struct Audit(Mutex<File>);

impl Audit {
    /// Writes at the end of a file; it is made for its owner alone, if it is not there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        Ok(Self(Mutex::new(file)))
    }

    /// Writes a request down that was answered.
    pub(super) fn note(&self, asked: &Asked, user: &User, status: StatusCode, refusal: Option<&Refusal>) {
        let line = format!("{}\n", event(asked, user, status, refusal));
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::error!(%error, "a request could not be written down");
        }
    }
}

fn event(asked: &Asked, user: &User, status: StatusCode, refusal: Option<&Refusal>) -> Value {
    let (verb, path) = what(asked);
    let mut event = json!({
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "stage": "ResponseComplete",
        "requestURI": asked.uri.to_string(),
        "verb": verb,
        "user": {"username": user.name, "groups": user.groups},
        "responseStatus": {"code": status.as_u16()},
    });
    if let Some(acted) = asked.headers.get(ACTS_AS).and_then(|value| value.to_str().ok()) {
        event["impersonatedUser"] = json!({"username": acted});
    }
    if let Some(path) = path {
        event["objectRef"] = json!({
            "apiGroup": path.group,
            "apiVersion": path.version,
            "resource": path.plural,
            "subresource": path.subresource,
            "namespace": path.namespace,
            "name": path.name,
        });
    }
    if let Some(refusal) = refusal {
        event["responseStatus"]["message"] = refusal.message.clone().into();
    }
    event
}

/// The verb, as rights have it, and for what.
fn what(asked: &Asked) -> (String, Option<ResourcePath>) {
    let method = || asked.method.as_str().to_ascii_lowercase();
    let Some(Target::Resource(path)) = Target::of(asked.uri.path()) else { return (method(), None) };
    let words = query(&asked.uri);
    let watches = path.name.is_none() && words.get("watch").is_some_and(|word| word == "true" || word == "1");
    let verb = Verb::of(&asked.method, path.name.is_some(), watches);
    (verb.map_or_else(method, |verb| verb.as_str().to_owned()), Some(path))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, Method};

    use super::super::super::RefusalReason;
    use super::*;

    #[test]
    fn a_request_is_a_line() {
        let mut headers = HeaderMap::new();
        headers.insert(ACTS_AS, http::HeaderValue::from_static("ann"));
        let uri = "/apis/batch/v1/namespaces/n/jobs?watch=true".parse().expect("a path");
        let warned = Mutex::default();
        let asked = Asked { method: Method::GET, uri, headers, body: Bytes::new(), certified: None, warned };
        let user = User { name: "root".into(), ..User::default() };
        let refusal = Refusal::new(RefusalReason::Forbidden, "no");
        let told = event(&asked, &user, StatusCode::FORBIDDEN, Some(&refusal));
        let of = |pointer: &str| told.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(told["verb"], "watch");
        assert_eq!(of("/user/username"), "root");
        assert_eq!(of("/impersonatedUser/username"), "ann");
        assert_eq!(of("/objectRef/apiGroup"), "batch");
        assert_eq!(of("/objectRef/resource"), "jobs");
        assert_eq!(of("/objectRef/namespace"), "n");
        assert_eq!(of("/objectRef/name"), Value::Null);
        assert_eq!(of("/responseStatus"), json!({"code": 403, "message": "no"}));
    }

    #[test]
    fn lines_are_added_to_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("audit.log");
        for path in ["/version", "/api/v1/namespaces/n/configmaps/c"] {
            let audit = Audit::open(&file).expect("a file");
            let uri = path.parse().expect("a path");
            let (headers, warned) = (HeaderMap::new(), Mutex::default());
            let asked = Asked { method: Method::GET, uri, headers, body: Bytes::new(), certified: None, warned };
            audit.note(&asked, &User::default(), StatusCode::OK, None);
        }
        let text = std::fs::read_to_string(&file).expect("text");
        let verbs: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(verbs.len(), 2);
        assert_eq!((&verbs[0]["verb"], &verbs[1]["objectRef"]["name"]), (&json!("get"), &json!("c")));
    }
}
