//! Bodies in Kubernetes' protocol buffers, in which kubectl sends the objects of some kinds, read as the JSON that they stand
//! for. A closed list of kinds; pure.
//!
//! What there is to a message is a table (`messages.txt`), made from the tags of the Go types, since these tell what their
//! `.proto` files do not: where zero is not the same as nothing, and whose fields stand in the place of a field.

mod error;
mod message;
mod object;
mod read;
mod scalar;

use serde_json::{Map, Value};

pub use error::{DecodeError, unsupported};

use read::{Content, Reader};

/// The media type of such bodies.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// What such a body begins with.
const PREFIX: &[u8] = b"k8s\0";

/// The kinds that are read.
const KINDS: [(&str, &str); 17] = [
    ("v1", "ConfigMap"),
    ("v1", "Namespace"),
    ("v1", "ResourceQuota"),
    ("v1", "Secret"),
    ("v1", "ServiceAccount"),
    ("authentication.k8s.io/v1", "SelfSubjectReview"),
    ("authentication.k8s.io/v1", "TokenRequest"),
    ("authentication.k8s.io/v1", "TokenReview"),
    ("authorization.k8s.io/v1", "LocalSubjectAccessReview"),
    ("authorization.k8s.io/v1", "SelfSubjectAccessReview"),
    ("authorization.k8s.io/v1", "SelfSubjectRulesReview"),
    ("authorization.k8s.io/v1", "SubjectAccessReview"),
    ("batch/v1", "Job"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
];

/// The object that a body stands for, with `apiVersion` and `kind`. Fields that this release does not know are left out, as by
/// the API server.
///
/// # Errors
/// When it is no such body, or of a kind that is not read.
pub fn decode(body: &[u8]) -> Result<Value, DecodeError> {
    if body.is_empty() {
        return Err(DecodeError::Empty);
    }
    let envelope = body.strip_prefix(PREFIX).ok_or(DecodeError::Prefix)?;
    if envelope.is_empty() {
        return Err(DecodeError::EmptyBody);
    }
    let Envelope { api_version, kind, raw } = Envelope::read(envelope)?;
    if !KINDS.contains(&(api_version.as_str(), kind.as_str())) {
        return Err(DecodeError::Kind { api_version, kind });
    }
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.as_str().into());
    object::read(&kind, raw, &mut object, &mut object::Budget::default())?;
    Ok(Value::Object(object))
}

/// `runtime.Unknown`: what stands around an object.
struct Envelope<'a> {
    api_version: String,
    kind: String,
    raw: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut envelope = Self { api_version: String::new(), kind: String::new(), raw: &[] };
        let mut reader = Reader::new(bytes);
        while let Some((number, content)) = reader.field()? {
            match (number, content) {
                (1, Content::Bytes(bytes)) => {
                    let mut reader = Reader::new(bytes);
                    while let Some((number, content)) = reader.field()? {
                        match number {
                            1 => envelope.api_version = scalar::text(content)?,
                            2 => envelope.kind = scalar::text(content)?,
                            _ => {}
                        }
                    }
                }
                (2, Content::Bytes(bytes)) => envelope.raw = bytes,
                (3, Content::Bytes(encoding)) if !encoding.is_empty() => return Err(DecodeError::Encoding),
                (1..=3, Content::Number(_)) => return Err(DecodeError::Type),
                _ => {}
            }
        }
        Ok(envelope)
    }
}

#[cfg(test)]
mod tests;
