//! Bodies in Kubernetes' protocol buffers.

use aggregator_embedded_kube::api::lifecycle;
use aggregator_embedded_kube::api::protobuf::decode;
use aggregator_embedded_kube::api::schema::{Schemas, Strictness};
use jiff::Timestamp;

use crate::kinds::{check_kept, check_refusal, kind};

/// The most characters of JSON for a byte: an empty value in a list takes two bytes, and its name is told once.
const PER_BYTE: usize = 64;

/// Any bytes are refused, or stand for an object of a kind that is read: not much larger than they are, the same when it is kept
/// and read again, and then taken or refused as any other.
pub(crate) fn run(input: &[u8]) -> &'static str {
    let object = match decode(input) {
        Ok(object) => object,
        Err(error) => {
            let refusal = error.refusal();
            check_refusal(&refusal, &[400, 413, 415]);
            return if refusal.reason.code() == 415 { "of another kind" } else { "broken" };
        }
    };
    let text = object.to_string();
    assert!(text.len() <= PER_BYTE * (input.len() + 16), "{} bytes stand for {}", input.len(), text.len());
    check_kept(&object);
    let said = |field: &str| object[field].as_str().unwrap_or_default();
    let kind = kind(said("apiVersion"), said("kind"));
    // Tokens are asked for at a part of ServiceAccounts, which is no kind of its own.
    let Some(kind) = kind else { return "a question" };
    let schemas = Schemas::default();
    let decoded = match schemas.decoded(kind, text.as_bytes(), Strictness::Strict) {
        Ok(decoded) => decoded.object,
        Err(refusal) => {
            check_refusal(&refusal, &[400]);
            return "refused";
        }
    };
    let namespace = decoded["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    let begun = lifecycle::begin(kind, decoded, &namespace, ("uid", 0), Timestamp::UNIX_EPOCH);
    match begun.and_then(|begun| schemas.created(kind, begun)) {
        Ok(admitted) => {
            check_kept(&admitted.object);
            "taken"
        }
        Err(refusal) => {
            // A version that a new object may not have is called a mistake of the server by the real one too.
            check_refusal(&refusal, &[400, 422, 500]);
            "refused"
        }
    }
}
