//! Whether a ServiceAccount's token makes somebody known.

use jiff::Timestamp;
use serde_json::Value;

use super::{Claims, Issuer, Objects, Reference};
use crate::api::access::User;
use crate::api::access::name::quoted_all;
use crate::api::access::user::CREDENTIAL;

/// Clocks may differ by so many seconds.
const LEEWAY: i64 = 60;

/// A token was let go of, by what it was bound to.
const INVALIDATED: &str = "service account token has been invalidated";

/// Whom a token makes known to some audiences, and to which of them; or why nobody. Nothing, when the token is none of the
/// issuer's.
pub(crate) fn verify(
    token: &str,
    audiences: &[String],
    issuer: &Issuer,
    objects: &dyn Objects,
    now: Timestamp,
) -> Option<Result<(User, Vec<String>), String>> {
    Some(issuer.read(token)?.and_then(|claims| known(&claims, audiences, objects, now)))
}

fn known(
    claims: &Claims,
    audiences: &[String],
    objects: &dyn Objects,
    now: Timestamp,
) -> Result<(User, Vec<String>), String> {
    let both: Vec<String> = claims.aud.iter().filter(|audience| audiences.contains(audience)).cloned().collect();
    if both.is_empty() {
        let (of, wanted) = (quoted_all(&claims.aud), quoted_all(audiences));
        return Err(format!("token audiences {of} is invalid for the target audiences {wanted}"));
    }
    in_time(claims, now)?;
    let kubernetes = &claims.kubernetes;
    let (namespace, account) = (kubernetes.namespace.as_str(), &kubernetes.serviceaccount);
    let found = objects.get("serviceaccounts", namespace, &account.name);
    let found = found.ok_or_else(|| format!("serviceaccounts \"{}\" not found", account.name))?;
    let uid = found["metadata"]["uid"].as_str().unwrap_or_default();
    if uid != account.uid {
        return Err(format!("service account UID ({uid}) does not match claim ({})", account.uid));
    }
    if gone(&found, now) {
        return Err(format!("service account {namespace}/{} has been deleted", account.name));
    }
    let bound = |kind: &str, namespace: &str, reference: &Option<Reference>| {
        let Some(Reference { name, uid: claim }) = reference else { return Ok(()) };
        let object = objects.get(&format!("{kind}s"), namespace, name).ok_or(INVALIDATED)?;
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        if uid != claim {
            return Err(format!("{kind} UID ({uid}) does not match service account {kind} ref claim ({claim})"));
        }
        if gone(&object, now) { Err(INVALIDATED.to_owned()) } else { Ok(()) }
    };
    bound("secret", namespace, &kubernetes.secret)?;
    bound("pod", namespace, &kubernetes.pod)?;
    // The node of a Pod may go before the Pod does.
    if kubernetes.pod.is_none() {
        bound("node", "", &kubernetes.node)?;
    }
    Ok((user(claims), both))
}

fn in_time(claims: &Claims, now: Timestamp) -> Result<(), String> {
    let now = now.as_second();
    let why = if now.saturating_add(LEEWAY) < claims.nbf {
        "service account token is not valid yet"
    } else if now.saturating_sub(LEEWAY) > claims.exp {
        "service account token has expired"
    } else if now.saturating_add(LEEWAY) < claims.iat {
        "service account token is issued in the future"
    } else {
        return Ok(());
    };
    Err(why.to_owned())
}

/// Whether an object has been on its way out for longer than clocks may differ.
fn gone(object: &Value, now: Timestamp) -> bool {
    let deleted = object["metadata"]["deletionTimestamp"].as_str();
    let deleted = deleted.and_then(|time| time.parse::<Timestamp>().ok());
    deleted.is_some_and(|deleted| deleted.as_second() < now.as_second() - LEEWAY)
}

fn user(claims: &Claims) -> User {
    let kubernetes = &claims.kubernetes;
    let account = &kubernetes.serviceaccount;
    let mut user = User::of_account(&kubernetes.namespace, &account.name, &account.uid);
    let mut tell = |key: &str, value: &str| {
        user.extra.insert(key.to_owned(), vec![value.to_owned()]);
    };
    if let Some(pod) = &kubernetes.pod {
        tell("authentication.kubernetes.io/pod-name", &pod.name);
        tell("authentication.kubernetes.io/pod-uid", &pod.uid);
    }
    if !claims.jti.is_empty() {
        tell(CREDENTIAL, &format!("JTI={}", claims.jti));
    }
    if let Some(node) = &kubernetes.node {
        tell("authentication.kubernetes.io/node-name", &node.name);
        if !node.uid.is_empty() {
            tell("authentication.kubernetes.io/node-uid", &node.uid);
        }
    }
    user
}
