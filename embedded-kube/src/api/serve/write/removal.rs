//! The removal of objects, one by one or all that are selected.

use http::StatusCode;
use serde_json::{Value, json};

use super::super::admission::{AdmissionRequest, Operation};
use super::super::answer::Answer;
use super::super::definitions::{going, is_definition};
use super::super::form::Shape;
use super::super::{Api, body, event};
use super::{AGAIN, Asking, forbidden, unwritten};
use crate::api::discovery::Endpoint;
use crate::api::follow::Page;
use crate::api::lifecycle::{self, DeleteOptions, Deleted};
use crate::api::request::{ListOptions, deletion, query};
use crate::api::selector::{FieldSelector, LabelSelector};
use crate::api::store::{Change, Expected, Key, NotWritten};
use crate::api::{Refusal, RefusalReason};

/// Kinds whose objects are given back when they go; of others, it is said that they are gone.
const GIVEN_BACK: [&str; 4] = ["namespaces", "pods", "resourcequotas", "serviceaccounts"];
/// Namespaces that always are.
const IMMORTAL: [&str; 3] = ["default", "kube-public", "kube-system"];

impl Api {
    pub(super) async fn delete(&self, asking: &Asking<'_>) -> Result<Answer, Refusal> {
        let options = delete_options(asking)?;
        let name = asking.name();
        let (object, gone) = self.remove(asking, &asking.key(name), &options).await?;
        if !gone || (asking.kind.group.is_empty() && GIVEN_BACK.contains(&asking.kind.plural.as_str())) {
            return Ok(Answer::object(StatusCode::OK, &event::shown(asking.kind, object)));
        }
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        let mut details = json!({"name": name, "kind": asking.kind.plural, "uid": uid});
        if !asking.kind.group.is_empty() {
            details["group"] = asking.kind.group.clone().into();
        }
        let status =
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
        Ok(Answer::object(StatusCode::OK, &status))
    }

    /// Removes an object, or marks it. Gives it back as it is then, and whether it is gone.
    pub(in crate::api::serve) async fn remove(
        &self,
        asking: &Asking<'_>,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<(Value, bool), Refusal> {
        let (kind, name) = (asking.kind, key.name.as_str());
        let dry = asking.options.dry_run || options.dry_run.iter().any(|what| what == "All");
        if kind.group.is_empty() && kind.plural == "namespaces" && IMMORTAL.contains(&name) {
            return Err(forbidden(kind, name, "this namespace may not be deleted"));
        }
        for _ in 0..AGAIN {
            let there = self.0.store.get(key).ok_or_else(|| Refusal::not_found(kind, name))?;
            let mut deleted = lifecycle::delete(kind, &there.object, options, asking.now)?;
            // A Pod that is sent away was asked for as that.
            if asking.part().is_empty() && !self.0.admission.is_empty() {
                let old = event::shown(kind, there.object.clone());
                self.admit(&AdmissionRequest {
                    name,
                    old_object: Some(&old),
                    dry_run: dry,
                    ..AdmissionRequest::new(self, asking, Operation::Delete)
                })?;
            }
            if is_definition(kind) {
                deleted = going(&there.object, deleted, asking.now);
            }
            let (change, object, gone) = match deleted {
                Deleted::Same(object) => return Ok((object, false)),
                Deleted::Marked(object) => (Change::Put(object.clone()), object, false),
                Deleted::Gone(object) => (Change::Remove(object.clone()), object, true),
            };
            if dry {
                return Ok((object, gone));
            }
            match self.0.store.write(key.clone(), Expected::Version(there.version), change).await {
                Ok(stored) => {
                    self.after(&stored).await;
                    return Ok((stored.object.clone(), gone));
                }
                Err(NotWritten::Unexpected(_)) => {}
                Err(error) => return Err(unwritten(kind, name, error, false)),
            }
        }
        Err(Refusal::modified(kind, name))
    }

    pub(super) async fn delete_all(&self, asking: &Asking<'_>) -> Result<Answer, Refusal> {
        let kind = asking.kind;
        let options = delete_options(asking)?;
        let list = ListOptions::of(&query(&asking.asked.uri))?;
        let labels = LabelSelector::parse(&list.label_selector)?;
        let fields = FieldSelector::parse(&list.field_selector, kind, &self.selectable(kind))?;
        let listed = self.0.store.list(&event::resource(kind), asking.path.namespace.as_deref());
        let mut items = Vec::new();
        for stored in listed.items {
            let object = event::shown(kind, stored.object.clone());
            if !labels.matches(&object) || !fields.matches(kind, &object) {
                continue;
            }
            match self.remove(asking, &stored.key, &options).await {
                Ok(_) => items.push(stored),
                // Somebody else was faster.
                Err(refusal) if refusal.reason == RefusalReason::NotFound => {}
                Err(refusal) => return Err(refusal),
            }
        }
        let page = Page { version: self.0.store.version(), items, ..Page::default() };
        let shape = Shape::of(asking.asked, kind, Endpoint::List)?;
        Ok(Answer::object(StatusCode::OK, &shape.list(kind, &page, true)?))
    }
}

fn delete_options(asking: &Asking<'_>) -> Result<DeleteOptions, Refusal> {
    let Asking { asked, kind, .. } = asking;
    let query = query(&asked.uri);
    if asked.body.is_empty() {
        return deletion(&[], &query);
    }
    deletion(&body::json(kind, &asked.headers, &asked.body)?, &query)
}
