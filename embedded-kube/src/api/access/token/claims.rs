//! What a ServiceAccount's token says.

use serde::{Deserialize, Serialize};

/// What a ServiceAccount's token says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// For whom it is.
    #[serde(default, deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub aud: Vec<String>,
    /// Until when it holds, in seconds since 1970.
    #[serde(default)]
    pub exp: i64,
    /// When it was given out.
    #[serde(default)]
    pub iat: i64,
    /// Who has given it out.
    #[serde(default)]
    pub iss: String,
    /// What tells it from others.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub jti: String,
    /// Whom it makes known, and to what it is bound.
    #[serde(default, rename = "kubernetes.io")]
    pub kubernetes: Kubernetes,
    /// From when on it holds.
    #[serde(default)]
    pub nbf: i64,
    /// The ServiceAccount as a user.
    #[serde(default)]
    pub sub: String,
}

/// Whom a token makes known, and to what it is bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Kubernetes {
    /// Where.
    pub namespace: String,
    /// The node on which the Pod is, or to which it is bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Reference>,
    /// The Pod to which it is bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<Reference>,
    /// The Secret to which it is bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Reference>,
    /// The ServiceAccount.
    pub serviceaccount: Reference,
    /// From when on somebody should have asked for a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warnafter: Option<i64>,
}

/// An object that is no other one of the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Reference {
    /// Its name.
    pub name: String,
    /// Its UID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Audience::deserialize(deserializer)? {
        Audience::One(one) => vec![one],
        Audience::Many(many) => many,
    })
}
