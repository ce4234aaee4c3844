//! What a request of the operator is for.

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{Method, Uri};
use serde_json::Value;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Change,
    Delete,
}

/// A request, as far as it is for objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) verb: Verb,
    /// Of what, as `jobs`.
    pub(crate) resource: String,
    /// Of which one; a list, a watch and a new object have none.
    name: Option<String>,
    /// Of which part of it, as `status`.
    part: Option<String>,
}

impl Call {
    /// None for what is for no objects, as `/version`.
    pub(crate) fn of(method: &Method, uri: &Uri) -> Option<Self> {
        let mut parts = uri.path().split('/').filter(|part| !part.is_empty());
        let skip = match parts.next()? {
            "api" => 1,
            "apis" => 2,
            _ => return None,
        };
        let mut rest: Vec<&str> = parts.skip(skip).collect();
        if rest.len() > 2 && rest[0] == "namespaces" {
            rest.drain(..2);
        }
        let own = |text: &&str| (*text).to_owned();
        let (resource, name, part) = (own(rest.first()?), rest.get(1).map(own), rest.get(2).map(own));
        let watches = uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "watch=true"));
        let verb = match (method.as_str(), &name) {
            ("GET", Some(_)) => Verb::Get,
            ("GET", None) if watches => Verb::Watch,
            ("GET", None) => Verb::List,
            ("POST", _) => Verb::Create,
            ("PUT" | "PATCH", _) => Verb::Change,
            ("DELETE", _) => Verb::Delete,
            _ => return None,
        };
        Some(Self { verb, resource, name, part })
    }

    /// Whether it changes something that counts: Events are told, and nobody depends on them.
    pub(crate) fn is_write(&self) -> bool {
        matches!(self.verb, Verb::Create | Verb::Change | Verb::Delete)
            && !matches!(self.resource.as_str(), "events" | "leases")
    }

    /// In words: `create jobs first`, `status pipelineruns first`.
    pub(crate) fn words(&self, parts: &Parts, body: &[u8]) -> String {
        let how = parts.headers.get(CONTENT_TYPE).and_then(|how| how.to_str().ok()).unwrap_or_default();
        let verb = match (self.verb, self.part.as_deref()) {
            (Verb::Create, _) => "create",
            (Verb::Delete, _) => "delete",
            (_, Some(part)) => part,
            _ if how.starts_with("application/apply-patch") => "apply",
            _ => "merge",
        };
        let in_body = || {
            let object: Value = serde_json::from_slice(body).unwrap_or_default();
            object["metadata"]["name"].as_str().map(str::to_owned)
        };
        let name = self.name.clone().or_else(in_body).unwrap_or_default();
        format!("{verb} {} {name}", self.resource)
    }
}

/// The value of a parameter of a request.
pub(crate) fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let mut pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn words(method: Method, path: &str, how: &str, body: &str) -> Option<String> {
        let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, how);
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        let call = Call::of(&parts.method, &parts.uri).filter(Call::is_write)?;
        Some(call.words(&parts, body.as_bytes()))
    }

    #[test]
    fn writes_are_told_in_words() {
        let ours = "/apis/aggregator.dev/v1alpha1/namespaces/n";
        let apply = "application/apply-patch+yaml";
        let job = r#"{"metadata":{"name":"first"}}"#;
        let (run, connector) = (format!("{ours}/pipelineruns/r/status?&force=true"), format!("{ours}/connectors/c?"));
        for (method, path, how, body, said) in [
            (Method::POST, "/apis/batch/v1/namespaces/n/jobs?", "application/json", job, Some("create jobs first")),
            (Method::PATCH, run.as_str(), apply, "{}", Some("status pipelineruns r")),
            (Method::PATCH, "/api/v1/namespaces/n/serviceaccounts/w?", apply, "{}", Some("apply serviceaccounts w")),
            (
                Method::PATCH,
                "/apis/batch/v1/namespaces/n/jobs/first?",
                "application/merge-patch+json",
                "{}",
                Some("merge jobs first"),
            ),
            (Method::DELETE, connector.as_str(), "", "", Some("delete connectors c")),
            (Method::POST, "/api/v1/namespaces/n/events?", "", "{}", None),
            (Method::GET, "/api/v1/namespaces/n/configmaps/c", "", "", None),
        ] {
            assert_eq!(words(method, path, how, body).as_deref(), said, "{path}");
        }
    }

    #[test]
    fn lists_and_watches_are_told_apart() {
        let verb = |uri: &str| Call::of(&Method::GET, &uri.parse().expect("a path")).map(|call| call.verb);
        assert_eq!(verb("/api/v1/namespaces/n/pods?&limit=100"), Some(Verb::List));
        assert_eq!(verb("/api/v1/namespaces/n/pods?watch=true&resourceVersion=7"), Some(Verb::Watch));
        assert_eq!(verb("/api/v1/namespaces/n/pods/p"), Some(Verb::Get));
        assert_eq!(verb("/version"), None);
        let uri: Uri = "/api/v1/pods?watch=true&resourceVersion=7".parse().expect("a path");
        assert_eq!(parameter(&uri, "resourceVersion").as_deref(), Some("7"));
    }
}
