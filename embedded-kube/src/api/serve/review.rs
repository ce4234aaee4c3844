//! Questions that are answered and not kept: who am I, may I, whose token is this; and tokens for ServiceAccounts.

use http::StatusCode;
use serde_json::Value;

use super::super::access::Authentication;
use super::super::access::review::{
    TokenAsked, local_subject_access, self_subject, self_subject_access, self_subject_rules, subject_access, token,
    token_request,
};
use super::super::request::Verb;
use super::super::{Refusal, apply, builtin};
use super::answer::Answer;
use super::guard::Lookup;
use super::write::Asking;
use super::{Api, body};

impl Api {
    /// The answer to a question; None when the request asks none.
    pub(super) async fn reviewed(&self, asking: &Asking<'_>, verb: Verb) -> Result<Option<Answer>, Refusal> {
        let Asking { asked, user, path, now, .. } = asking;
        let kind = asking.kind;
        let asks_token = kind.plural == "serviceaccounts" && path.subresource.as_deref() == Some("token");
        let asks = matches!(kind.group.as_str(), "authentication.k8s.io" | "authorization.k8s.io");
        if verb != Verb::Create || !(asks || asks_token) {
            return Ok(None);
        }
        let token_kind = builtin::token_request();
        let of = if asks_token { &token_kind } else { kind };
        let bytes = body::json(of, &asked.headers, &asked.body)?;
        let decoded = self.0.schemas.decoded(of, &bytes, asking.strictness())?;
        let (mut sent, warnings) = (decoded.object, decoded.warnings);
        place(&mut sent, path.namespace.as_deref())?;
        let lookup = Lookup(&self.0.store);
        let guard = &self.0.guard;
        let namespace = path.namespace.as_deref().unwrap_or_default();
        let mut answered = if asks_token {
            let id = uuid::Uuid::new_v4().to_string();
            let name = path.name.as_deref().unwrap_or_default();
            let asked = TokenAsked { namespace, name, request: &sent, now: *now, id: &id };
            token_request(&guard.issuer, &lookup, &asked)?
        } else {
            match kind.kind.as_str() {
                "SelfSubjectReview" => self_subject(user, *now),
                "TokenReview" => {
                    let known = Authentication { tokens: &guard.tokens, issuer: &guard.issuer, objects: &lookup };
                    token(&known, &sent, *now)?
                }
                "SubjectAccessReview" => self.with_authority(|authority| subject_access(authority, &sent))?,
                "LocalSubjectAccessReview" => {
                    self.with_authority(|authority| local_subject_access(authority, namespace, &sent))?
                }
                "SelfSubjectAccessReview" => {
                    self.with_authority(|authority| self_subject_access(authority, user, &sent))?
                }
                "SelfSubjectRulesReview" => {
                    self.with_authority(|authority| self_subject_rules(authority, user, &sent))?
                }
                _ => return Ok(None),
            }
        };
        // A question that comes back says who has asked it.
        if !matches!(of.kind.as_str(), "SelfSubjectReview" | "SelfSubjectRulesReview") {
            let tracked = apply::tracked(of, None, sent, &asking.manager(), *now);
            if let Some(managers) = tracked["metadata"].get("managedFields") {
                answered["metadata"]["managedFields"] = managers.clone();
            }
        }
        Ok(Some(Answer::object(StatusCode::CREATED, &answered).warning(&warnings)))
    }
}

/// A question is in the namespace in which it is asked.
fn place(sent: &mut Value, namespace: Option<&str>) -> Result<(), Refusal> {
    let own = sent["metadata"]["namespace"].as_str().unwrap_or_default();
    match namespace {
        Some(namespace) if own == namespace => {}
        Some(namespace) if own.is_empty() => sent["metadata"]["namespace"] = namespace.into(),
        Some(_) => {
            let why = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(Refusal::bad_request(why));
        }
        None => {
            if let Some(metadata) = sent["metadata"].as_object_mut() {
                metadata.shift_remove("namespace");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_question_is_asked_in_a_namespace_or_in_none() {
        let placed = |own: Value, namespace: Option<&str>| {
            let mut sent = json!({"metadata": own});
            place(&mut sent, namespace).map(|()| sent["metadata"].clone()).map_err(|refusal| refusal.message)
        };
        assert_eq!(placed(json!({}), Some("n")), Ok(json!({"namespace": "n"})));
        assert_eq!(placed(json!({"namespace": "n"}), Some("n")), Ok(json!({"namespace": "n"})));
        assert_eq!(placed(json!({"namespace": "n"}), None), Ok(json!({})));
        assert!(placed(json!({"namespace": "other"}), Some("n")).is_err_and(|why| why.contains("does not match")));
    }
}
