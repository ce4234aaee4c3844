//! A token for a ServiceAccount: `TokenRequest`.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::identity::seconds;
use super::mistake;
use crate::api::access::name::quoted;
use crate::api::access::token::{Claims, Kubernetes, Reference};
use crate::api::access::user::account_name;
use crate::api::access::{Issuer, Objects};
use crate::api::{Cause, Details, Refusal, RefusalReason};

const GROUP: &str = "authentication.k8s.io";
const HOUR: i64 = 60 * 60;

/// So long tokens for the API server are asked for by kubelets, and given for a year: who does not renew them goes on, and is
/// told so in the audit log.
const OF_KUBELET: i64 = HOUR + 7;
const YEAR: i64 = 365 * 24 * HOUR;

/// A request for a token: by its path, the object that was sent, when, and what will tell the token from others (a UUID).
#[derive(Clone, Copy, Debug)]
pub struct TokenAsked<'a> {
    /// The namespace in the path.
    pub namespace: &'a str,
    /// The ServiceAccount in the path.
    pub name: &'a str,
    /// What was sent.
    pub request: &'a Value,
    /// When.
    pub now: Timestamp,
    /// What tells the token from others.
    pub id: &'a str,
}

/// Gives out a token: the `TokenRequest` with it.
///
/// # Errors
/// When the request has a mistake, or what it is about is not there.
pub fn token_request(issuer: &Issuer, objects: &dyn Objects, asked: &TokenAsked<'_>) -> Result<Value, Refusal> {
    let TokenAsked { namespace, name, request, now, id } = *asked;
    named(asked)?;
    let account = get(objects, "serviceaccounts", namespace, name)?;
    let uid = text(&account["metadata"]["uid"]);
    same_uid(asked, uid)?;

    let mut answer = request.clone();
    answer["metadata"]["name"] = name.into();
    answer["metadata"]["namespace"] = namespace.into();
    answer["metadata"]["uid"] = uid.into();
    answer["metadata"]["creationTimestamp"] = seconds(now).into();
    let mut audiences = texts(&request["spec"]["audiences"]);
    if audiences.is_empty() {
        audiences = issuer.audiences().to_vec();
    }
    answer["spec"]["audiences"] = json!(audiences);
    let expires = request["spec"]["expirationSeconds"].as_i64().unwrap_or(HOUR);
    answer["spec"]["expirationSeconds"] = expires.into();
    if request["spec"]["boundObjectRef"].is_null() {
        answer["spec"]["boundObjectRef"] = Value::Null;
    }
    mistake::none(GROUP, "TokenRequest", "", mistakes(&request["spec"], expires))?;

    let mut kubernetes = Kubernetes {
        namespace: namespace.to_owned(),
        serviceaccount: Reference { name: name.to_owned(), uid: uid.to_owned() },
        ..Kubernetes::default()
    };
    bind(&mut kubernetes, objects, asked)?;
    let own = audiences.iter().all(|audience| issuer.audiences().contains(audience));
    let (mut until, begun) = (expires, now.as_second());
    if own && kubernetes.pod.is_some() && expires == OF_KUBELET {
        kubernetes.warnafter = Some(begun + expires);
        until = YEAR;
    }
    let claims = Claims {
        aud: audiences,
        exp: begun + until,
        iat: begun,
        nbf: begun,
        iss: issuer.name().to_owned(),
        jti: id.to_owned(),
        sub: account_name(namespace, name),
        kubernetes,
    };
    let token = issuer.sign(&claims).map_err(|error| {
        Refusal::new(
            RefusalReason::InternalError,
            format!("Internal error occurred: failed to generate token: {error}"),
        )
    })?;
    let end = now.saturating_add(SignedDuration::from_secs(expires)).unwrap_or(Timestamp::MAX);
    answer["status"] = json!({"token": token, "expirationTimestamp": seconds(end)});
    Ok(answer)
}

/// The names in the object are those in the path, if there are any.
fn named(asked: &TokenAsked<'_>) -> Result<(), Refusal> {
    let metadata = &asked.request["metadata"];
    let differs = |own: &str, path: &str| !own.is_empty() && own != path;
    if differs(text(&metadata["namespace"]), asked.namespace) {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Refusal::bad_request(why));
    }
    let name = text(&metadata["name"]);
    if differs(name, asked.name) {
        let why = "must match the service account name if specified";
        let cause = mistake::invalid("metadata.name", &name.into(), why);
        return mistake::none(GROUP, "TokenRequest", asked.name, vec![cause]);
    }
    Ok(())
}

fn same_uid(asked: &TokenAsked<'_>, uid: &str) -> Result<(), Refusal> {
    let own = text(&asked.request["metadata"]["uid"]);
    if own.is_empty() || own == uid {
        return Ok(());
    }
    let why = format!("the UID in the token request ({own}) does not match the UID of the service account ({uid})");
    Err(conflict(GROUP, "TokenRequest", asked.name, &why))
}

fn mistakes(spec: &Value, expires: i64) -> Vec<Cause> {
    let why = match expires {
        ..600 => "may not specify a duration less than 10 minutes",
        600..=0x1_0000_0000 => "",
        _ => "may not specify a duration larger than 2^32 seconds",
    };
    let attestations = &spec["attestations"];
    if attestations.as_object().is_some_and(|attestations| !attestations.is_empty()) {
        let why = "attestations may only be specified with a webhook bound object reference";
        return vec![mistake::invalid("spec.attestations", attestations, why)];
    }
    if why.is_empty() { Vec::new() } else { vec![mistake::invalid("spec.expirationSeconds", &expires.into(), why)] }
}

/// Binds the token to an object, with which it ends.
fn bind(kubernetes: &mut Kubernetes, objects: &dyn Objects, asked: &TokenAsked<'_>) -> Result<(), Refusal> {
    let bound = &asked.request["spec"]["boundObjectRef"];
    if bound.is_null() {
        return Ok(());
    }
    let (name, kind) = (text(&bound["name"]), text(&bound["kind"]));
    let (group, version) = match text(&bound["apiVersion"]).split_once('/') {
        Some(parts) => parts,
        None => ("", text(&bound["apiVersion"])),
    };
    let (resource, namespace) = match (group, kind) {
        ("", "Pod") => ("pods", asked.namespace),
        ("", "Secret") => ("secrets", asked.namespace),
        ("", "Node") => ("nodes", ""),
        _ => {
            let what = format!("{group}/{version}, Kind={kind}");
            return Err(Refusal::bad_request(format!("cannot bind token to object of type {what}")));
        }
    };
    let object = get(objects, resource, namespace, name)?;
    let reference = Reference { name: name.to_owned(), uid: text(&object["metadata"]["uid"]).to_owned() };
    let (wanted, uid) = (text(&bound["uid"]), reference.uid.clone());
    match kind {
        "Pod" => {
            if text(&object["spec"]["serviceAccountName"]) != asked.name {
                let account = quoted(asked.name);
                return Err(Refusal::bad_request(format!(
                    "cannot bind token for serviceaccount {account} to pod running with different serviceaccount name."
                )));
            }
            kubernetes.node = Some(text(&object["spec"]["nodeName"])).filter(|node| !node.is_empty()).map(|node| {
                let found = objects.get("nodes", "", node);
                let uid = found.map(|node| text(&node["metadata"]["uid"]).to_owned());
                Reference { name: node.to_owned(), uid: uid.unwrap_or_default() }
            });
            kubernetes.pod = Some(reference);
        }
        "Secret" => kubernetes.secret = Some(reference),
        _ => kubernetes.node = Some(reference),
    }
    if !wanted.is_empty() && wanted != uid {
        let why = format!(
            "the UID in the bound object reference ({wanted}) does not match the UID in record. The object might have been \
             deleted and then recreated"
        );
        return Err(conflict("", kind, name, &why));
    }
    Ok(())
}

fn get(objects: &dyn Objects, resource: &str, namespace: &str, name: &str) -> Result<Arc<Value>, Refusal> {
    objects.get(resource, namespace, name).ok_or_else(|| {
        let details = Details { name: name.to_owned(), kind: resource.to_owned(), ..Details::default() };
        let message = format!("{resource} {} not found", quoted(name));
        Refusal { reason: RefusalReason::NotFound, message, details: Some(Box::new(details)) }
    })
}

fn conflict(group: &str, kind: &str, name: &str, why: &str) -> Refusal {
    let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
    let message = format!("Operation cannot be fulfilled on {qualified} {}: {why}", quoted(name));
    let details =
        Details { name: name.to_owned(), group: group.to_owned(), kind: kind.to_owned(), ..Details::default() };
    Refusal { reason: RefusalReason::Conflict, message, details: Some(Box::new(details)) }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn texts(value: &Value) -> Vec<String> {
    let texts = value.as_array().map(Vec::as_slice).unwrap_or_default();
    texts.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}
