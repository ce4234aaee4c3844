//! The document of schemas in the second version of OpenAPI, without any schema: kubectl asks for it when the third version lacks
//! a kind, and takes a kind that it does not find there for one that it cannot check.

use prost::Message;
use serde_json::{Value, json};

/// The form in which kubectl asks for it (<https://github.com/google/gnostic-models/blob/main/openapiv2/OpenAPIv2.proto>).
pub const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

const TITLE: &str = "Kubernetes";
const SWAGGER: &str = "2.0";

#[derive(Message)]
struct Document {
    #[prost(string, tag = "1")]
    swagger: String,
    #[prost(message, tag = "2")]
    info: Option<Info>,
    #[prost(message, tag = "8")]
    paths: Option<Paths>,
}

#[derive(Message)]
struct Info {
    #[prost(string, tag = "1")]
    title: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Message)]
struct Paths {}

/// The document, as JSON.
#[must_use]
pub fn second(version: &str) -> Value {
    json!({"swagger": SWAGGER, "info": {"title": TITLE, "version": version}, "paths": {}, "definitions": {}})
}

/// The document, in protocol buffers.
#[must_use]
pub fn second_encoded(version: &str) -> Vec<u8> {
    let info = Info { title: TITLE.to_owned(), version: version.to_owned() };
    Document { swagger: SWAGGER.to_owned(), info: Some(info), paths: Some(Paths {}) }.encode_to_vec()
}
