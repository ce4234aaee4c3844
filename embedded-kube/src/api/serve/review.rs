//! Questions that are answered and not kept: who am I, may I, whose token is this; and tokens for ServiceAccounts.

use http::StatusCode;
use serde_json::Value;

use super::super::access::Authentication;
use super::super::access::review::{
    TokenAsked, local_subject_access, self_subject, self_subject_access, self_subject_rules, subject_access, token,
    token_request,
};
use super::super::request::Verb;
use super::super::{Kind, Refusal};
use super::answer::Answer;
use super::guard::Lookup;
use super::write::Asking;
use super::{Api, body};

impl Api {
    /// The answer to a question; None when the request asks none.
    pub(super) async fn reviewed(&self, asking: &Asking<'_>, verb: Verb) -> Result<Option<Answer>, Refusal> {
        let Asking { asked, user, kind, path, now, .. } = asking;
        let asks_token = kind.plural == "serviceaccounts" && path.subresource.as_deref() == Some("token");
        let asks = matches!(kind.group.as_str(), "authentication.k8s.io" | "authorization.k8s.io");
        if verb != Verb::Create || !(asks || asks_token) {
            return Ok(None);
        }
        let request = Kind { kind: "TokenRequest".into(), group: "authentication.k8s.io".into(), ..(*kind).clone() };
        let of = if asks_token { &request } else { kind };
        let bytes = body::json(of, &asked.headers, &asked.body)?;
        let sent: Value = serde_json::from_slice(&bytes).map_err(|error| Refusal::bad_request(error.to_string()))?;
        let plain = |field: &str| matches!(sent.get(field), None | Some(Value::Null | Value::Object(_)));
        if !sent.is_object() || !plain("metadata") || !plain("spec") {
            return Err(Refusal::bad_request(format!("this is no {}", of.kind)));
        }
        let lookup = Lookup(&self.0.store);
        let guard = &self.0.guard;
        let namespace = path.namespace.as_deref().unwrap_or_default();
        let answered = if asks_token {
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
        Ok(Some(Answer::object(StatusCode::CREATED, &answered)))
    }
}
