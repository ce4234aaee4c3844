//! Which documents there are, and what a request for one is answered. Documents are made when one is first asked for.

use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::super::Kind;
use super::super::discovery::{Endpoint, etag, group_versions, negotiate};
use super::document::document;

/// The documents of the kinds that are served; a new one takes its place when kinds come and go.
#[derive(Debug)]
pub struct OpenApi {
    versions: Vec<Version>,
}

#[derive(Debug)]
struct Version {
    /// `api/v1`, `apis/batch/v1`.
    path: String,
    kinds: Vec<Kind>,
    document: OnceLock<(Bytes, String)>,
}

/// What a request for a document is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The document.
    Document {
        /// It, as JSON.
        body: Bytes,
        /// Its tag, for the header `ETag`.
        etag: String,
        /// Whether it was asked for by its tag, so that it may be kept for ever: `Cache-Control: public, immutable`.
        forever: bool,
    },
    /// It was asked for by the tag of an older one: 301 leads to this place.
    Moved(String),
    /// There is none.
    Unknown,
}

impl OpenApi {
    /// The documents of these kinds.
    #[must_use]
    pub fn new(kinds: &[Kind]) -> Self {
        let versions = group_versions(kinds).into_iter().map(|version| Version {
            path: version.path(),
            kinds: kinds.iter().filter(|kind| version.has(kind)).cloned().collect(),
            document: OnceLock::new(),
        });
        Self { versions: versions.collect() }
    }

    /// `/openapi/v3`: where each document is.
    #[must_use]
    pub fn index(&self) -> Value {
        let place = |version: &Version| json!({"serverRelativeURL": place(&version.path, &version.document().1)});
        let paths: Map<String, Value> =
            self.versions.iter().map(|version| (version.path.clone(), place(version))).collect();
        json!({"paths": paths})
    }

    /// `/openapi/v3/PATH`, with the parameter `hash`, if there is one.
    #[must_use]
    pub fn document(&self, path: &str, hash: Option<&str>) -> Answer {
        let Some(version) = self.versions.iter().find(|version| version.path == path) else { return Answer::Unknown };
        let (body, etag) = version.document();
        match hash.filter(|hash| !hash.is_empty()) {
            Some(hash) if hash != etag => Answer::Moved(place(path, etag)),
            hash => Answer::Document { body: body.clone(), etag: etag.clone(), forever: hash.is_some() },
        }
    }
}

/// Whether a client takes documents as JSON, by its header `Accept`; one that does not is refused with 406 and no body.
#[must_use]
pub fn acceptable(accept: Option<&str>) -> bool {
    negotiate(accept, Endpoint::Resources, true).is_ok()
}

impl Version {
    fn document(&self) -> &(Bytes, String) {
        self.document.get_or_init(|| {
            let body = Bytes::from(document(&self.kinds).to_string());
            let tag = etag(&body);
            (body, tag)
        })
    }
}

fn place(path: &str, hash: &str) -> String {
    format!("/openapi/v3/{path}?hash={hash}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::discovery::sample::kind;

    #[test]
    fn documents_are_found_by_their_tags() {
        let kinds = [kind("", "v1", "ConfigMap", "configmaps"), kind("example.com", "v1", "Shirt", "shirts")];
        let documents = OpenApi::new(&kinds);
        let index = documents.index();
        let places: Vec<&str> = index["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(places, ["api/v1", "apis/example.com/v1"]);
        let place = index["paths"]["apis/example.com/v1"]["serverRelativeURL"].as_str().unwrap();
        let (path, hash) = place.split_once("?hash=").unwrap();
        assert_eq!(path, "/openapi/v3/apis/example.com/v1");
        let Answer::Document { body, etag: tag, forever } = documents.document("apis/example.com/v1", Some(hash))
        else {
            panic!("there is no document");
        };
        assert_eq!((tag.as_str(), etag(&body), forever), (hash, tag.clone(), true));
        assert_eq!(documents.document("apis/example.com/v1", Some("x")), Answer::Moved(place.to_owned()));
        assert!(matches!(documents.document("api/v1", None), Answer::Document { forever: false, .. }));
        assert_eq!(documents.document("apis/other/v1", None), Answer::Unknown);
    }

    #[test]
    fn a_changed_schema_has_another_tag() {
        let mut shirts = kind("example.com", "v1", "Shirt", "shirts");
        let before = OpenApi::new(std::slice::from_ref(&shirts)).index();
        shirts.schema = std::sync::Arc::new(json!({"type": "object", "description": "What is worn."}));
        let after = OpenApi::new(std::slice::from_ref(&shirts)).index();
        assert_ne!(before, after);
        assert_eq!(OpenApi::new(&[shirts]).index(), after);
    }

    #[test]
    fn documents_are_json() {
        assert!(acceptable(None) && acceptable(Some("application/json")) && acceptable(Some("*/*")));
        assert!(!acceptable(Some("application/com.github.proto-openapi.spec.v3.v1.0+protobuf")));
    }
}
