//! What the caller has to say about writes, as validating webhooks have it at the real one: after rights, patches and schemas,
//! and before anything is stored (<https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/>).

#[cfg(test)]
mod tests;

use serde_json::Value;

use super::super::access::{Attributes, Resource, Target, User};
use super::super::schema::go;
use super::super::{Kind, Refusal, RefusalReason};
use super::Api;
use super::write::Asking;

/// What may refuse a write: the caller's own. It changes nothing, and is asked again when the object has changed meanwhile.
pub trait Admission: Send + Sync {
    /// Its name, which refusals tell, as `guards.example.com`.
    fn name(&self) -> &str;

    /// Looks at what is about to be written. The request waits for it, so it waits for nothing itself.
    ///
    /// # Errors
    /// When it must not be written: why, for whoever asks.
    fn admit(&self, request: &AdmissionRequest<'_>) -> Result<(), String>;
}

/// What is about to be done, as admission has it: a patch is an update, and of a collection, each object goes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// An object is made, also by who replaces or applies one that is not there; a Pod is bound, or sent away.
    Create,
    /// It changes.
    Update,
    /// It goes, or begins to.
    Delete,
}

/// A write that is about to be made (`admission.k8s.io/v1 AdmissionRequest`).
pub struct AdmissionRequest<'a> {
    /// What is about to be done.
    pub operation: Operation,
    /// The kind of the path; what is sent to a part of it may be of another.
    pub kind: &'a Kind,
    /// Which part, as `status`, `binding` or `eviction`; empty for the object itself.
    pub subresource: &'a str,
    /// Where; empty for what is in no namespace.
    pub namespace: &'a str,
    /// Which object, also if its name was made up just now.
    pub name: &'a str,
    /// Who asks: whom they act as, if they act as somebody else.
    pub user: &'a User,
    /// The object as it would be, in the version of the path; nothing when it goes.
    pub object: Option<&'a Value>,
    /// The object as it is; nothing when it is made.
    pub old_object: Option<&'a Value>,
    /// Whether everything is done but the writing.
    pub dry_run: bool,
    pub(super) api: &'a Api,
}

impl<'a> AdmissionRequest<'a> {
    /// What a request does with the object that its path names; with what in it, is left to say.
    pub(super) fn new(api: &'a Api, asking: &Asking<'a>, operation: Operation) -> Self {
        let path = asking.path;
        Self {
            operation,
            kind: asking.kind,
            subresource: path.subresource.as_deref().unwrap_or_default(),
            namespace: path.namespace.as_deref().unwrap_or_default(),
            name: path.name.as_deref().unwrap_or_default(),
            user: asking.user,
            object: None,
            old_object: None,
            dry_run: asking.options.dry_run,
            api,
        }
    }

    /// Whether who asks may do something else, too.
    #[must_use]
    pub fn may(&self, verb: &str, resource: Resource) -> bool {
        let target = Target::Resource(resource);
        let attributes = Attributes { user: self.user.clone(), verb: verb.to_owned(), target };
        self.api.with_authority(|authority| authority.decide(&attributes).allowed)
    }
}

impl Api {
    /// Asks everybody who has a say, in order, until one refuses.
    pub(super) fn admit(&self, request: &AdmissionRequest<'_>) -> Result<(), Refusal> {
        for admission in &self.0.admission {
            admission.admit(request).map_err(|why| denied(admission.name(), &why))?;
        }
        Ok(())
    }
}

/// A refusal as a webhook's that answers with code 403: of the object, it says nothing.
fn denied(name: &str, why: &str) -> Refusal {
    let message = format!("admission webhook {} denied the request: {why}", go::quoted(name));
    Refusal::new(RefusalReason::Forbidden, message)
}
