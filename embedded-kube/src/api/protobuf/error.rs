//! Why a body is not read.

use crate::api::{Refusal, RefusalReason};

/// Why a body is not read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// There is no body.
    #[error("empty data")]
    Empty,
    /// It is something else.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    Prefix,
    /// There is nothing in it.
    #[error("empty body")]
    EmptyBody,
    /// The kind is not one of those that are read; `kubectl apply` sends all of them as JSON.
    #[error("objects of {api_version} {kind} are not read from protocol buffers; send JSON")]
    Kind {
        /// Group and version; empty when the body does not tell.
        api_version: String,
        /// The kind; empty when the body does not tell.
        kind: String,
    },
    /// What is in it is encoded once more, as compressed.
    #[error("the content of the body is encoded; send it as it is")]
    Encoding,
    /// It has a number that is none, or a group that does not end.
    #[error("the body is no protocol buffer")]
    Wire(#[source] prost::DecodeError),
    /// A field has another type than the kind gives it.
    #[error("a field of the body has a wrong wire type")]
    Type,
    /// A text is no text.
    #[error("a string of the body is not valid UTF-8")]
    Text,
    /// A time is none of this calendar.
    #[error("a time of the body is out of range")]
    Time,
    /// What should be JSON in it is none.
    #[error("a field of the body that holds JSON does not")]
    Json(#[source] serde_json::Error),
    /// It stands for more values than a body may.
    #[error("the body stands for too many values; the limit is {limit}")]
    Large {
        /// How many it may.
        limit: usize,
    },
}

impl DecodeError {
    /// What the API says about it.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Kind { .. } | Self::Encoding => only("application/json, application/yaml"),
            Self::Large { .. } => Refusal::new(RefusalReason::RequestEntityTooLarge, self.to_string()),
            _ => Refusal::bad_request(self.to_string()),
        }
    }
}

/// The refusal of a body in a media type that is not read.
#[must_use]
pub fn unsupported() -> Refusal {
    only("application/json, application/yaml, application/vnd.kubernetes.protobuf")
}

fn only(types: &str) -> Refusal {
    let message = format!("the body of the request was in an unknown format - accepted media types include: {types}");
    Refusal::new(RefusalReason::UnsupportedMediaType, message)
}
