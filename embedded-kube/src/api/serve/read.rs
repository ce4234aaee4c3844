//! Gives objects, lists of them, and what happens to them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use super::super::access::User;
use super::super::discovery::Endpoint;
use super::super::follow::{Follow, Told};
use super::super::request::{ListOptions, Match, ResourcePath, Verb, query};
use super::super::selector::{FieldSelector, LabelSelector};
use super::super::store::Stored;
use super::super::{Kind, Refusal, RefusalReason};
use super::answer::Answer;
use super::form::{Shape, shown};
use super::registry::key;
use super::{Api, Asked, event};

/// How long a watch is open when the client says nothing of it, in seconds: from, and how much more at most.
const WATCH_SECONDS: u64 = 1800;
/// The longest that a watch is open, in seconds.
const LONGEST_WATCH: u64 = 24 * 60 * 60;

/// Which objects of a list are wanted.
#[derive(Clone)]
struct Selection {
    labels: LabelSelector,
    fields: FieldSelector,
    kind: Arc<Kind>,
}

impl Selection {
    fn of(kind: &Kind, options: &ListOptions) -> Result<Self, Refusal> {
        Ok(Self {
            labels: LabelSelector::parse(&options.label_selector)?,
            fields: FieldSelector::parse(&options.field_selector, kind, &[])?,
            kind: Arc::new(kind.clone()),
        })
    }

    fn is_all(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    fn takes(&self, stored: &Stored) -> bool {
        if self.is_all() {
            return true;
        }
        let object = event::seen(&self.kind, &stored.object);
        self.labels.matches(&object) && self.fields.matches(&self.kind, &object)
    }

    /// The fields that are asked to have one value, for whoever decides about rights.
    fn exact(&self) -> Vec<(String, String)> {
        let fields = ["metadata.name", "spec.nodeName"];
        let exact = fields.iter().filter_map(|field| Some(((*field).to_owned(), self.fields.exact(field)?.to_owned())));
        exact.collect()
    }
}

impl Api {
    /// Answers a request for objects.
    pub(super) async fn resource(
        &self,
        asked: &Asked,
        user: User,
        path: ResourcePath,
        now: Timestamp,
    ) -> Result<Answer, Refusal> {
        let options = query(&asked.uri)?;
        let reads = matches!(asked.method, Method::GET | Method::HEAD);
        let list = if reads { ListOptions::of(&options)? } else { ListOptions::default() };
        let Some(verb) = Verb::of(&asked.method, path.name.is_some(), list.watch && path.name.is_none()) else {
            return Err(not_allowed());
        };
        let found = self.registry().find(&path);
        let selection = match &found {
            Ok(kind) if reads && path.name.is_none() => Some(Selection::of(kind, &list)),
            _ => None,
        };
        let exact = selection.as_ref().and_then(|it| it.as_ref().ok()).map(Selection::exact).unwrap_or_default();
        // Whether there is such a kind is told to those who may ask for it.
        let user = self.check_resource(asked, user, verb, &path, exact)?;
        let kind = found?;
        match (verb, selection) {
            (Verb::Get, _) => self.get(asked, &kind, &path).await,
            (Verb::List, Some(selection)) => self.list(asked, &kind, &path, &list, &selection?),
            (Verb::Watch, Some(selection)) => self.watch(asked, &kind, &path, &list, selection?),
            _ => self.write(asked, &user, &kind, &path, verb, now).await,
        }
    }

    async fn get(&self, asked: &Asked, kind: &Kind, path: &ResourcePath) -> Result<Answer, Refusal> {
        let name = path.name.as_deref().unwrap_or_default();
        let stored = self.0.store.get(&key(kind, path.namespace.as_deref(), name));
        let stored = stored.ok_or_else(|| Refusal::not_found(kind, name))?;
        match path.subresource.as_deref() {
            None => {}
            Some("status") if kind.status => {}
            Some("log") if kind.plural == "pods" && kind.group.is_empty() => {
                let Some(logs) = &self.0.logs else {
                    let message = "there is no node that could have the log";
                    return Err(Refusal::new(RefusalReason::InternalError, message));
                };
                let log = logs.log(&stored.object, asked.uri.query().unwrap_or_default()).await?;
                let bound = stored.object["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
                return Ok(if bound { Answer::stream("text/plain", log) } else { Answer::nothing_yet() });
            }
            Some(_) => return Err(unknown_part()),
        }
        let shape = Shape::of(asked, kind, Endpoint::Object)?;
        let object = self.0.schemas.stored(kind, shown(kind, &stored));
        Ok(Answer::object(StatusCode::OK, &shape.object(kind, &object, true)?))
    }

    fn list(
        &self,
        asked: &Asked,
        kind: &Kind,
        path: &ResourcePath,
        options: &ListOptions,
        selection: &Selection,
    ) -> Result<Answer, Refusal> {
        let shape = Shape::of(asked, kind, Endpoint::List)?;
        let page = if options.continue_token.is_empty() {
            let mut listed = self.0.store.list(&event::resource(kind), path.namespace.as_deref());
            self.check_version(options, listed.version)?;
            if !selection.is_all() {
                listed.items.retain(|stored| selection.takes(stored));
            }
            self.0.pages.first(listed, options.limit)
        } else {
            self.0.pages.next(&options.continue_token, options.limit)?
        };
        Ok(Answer::object(StatusCode::OK, &shape.list(kind, &page, selection.is_all())?))
    }

    /// Whether a list of the version that is there now is one that was asked for.
    fn check_version(&self, options: &ListOptions, newest: u64) -> Result<(), Refusal> {
        let Some(asked) = options.resource_version.filter(|version| *version > 0) else { return Ok(()) };
        if options.version_match == Some(Match::Exact) && asked != newest {
            let message = "The resourceVersion for the provided list is too old.";
            return Err(Refusal::new(RefusalReason::Expired, message));
        }
        if asked > newest {
            let message = format!("Too large resource version: {asked}, current: {newest}");
            return Err(Refusal::new(RefusalReason::Timeout, message));
        }
        Ok(())
    }

    fn watch(
        &self,
        asked: &Asked,
        kind: &Kind,
        path: &ResourcePath,
        options: &ListOptions,
        selection: Selection,
    ) -> Result<Answer, Refusal> {
        let shape = Shape::of(asked, kind, Endpoint::Watch)?;
        let resource = event::resource(kind);
        let starts = options.initial_events.unwrap_or(false);
        if starts && options.version_match != Some(Match::NotOlderThan) {
            let message = "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            return Err(Refusal::bad_request(message));
        }
        let version = options.resource_version.filter(|version| *version > 0);
        let followed = match version.filter(|_| !starts) {
            // From now on, with what is there, as if it had just come.
            None => {
                let (listed, watch) = self.0.store.list_and_watch(&resource, path.namespace.as_deref());
                Ok((watch, Some(listed)))
            }
            Some(version) => self.0.store.watch(&resource, version).map(|watch| (watch, None)),
        };
        let seconds =
            options.timeout_seconds.filter(|seconds| *seconds > 0).unwrap_or(WATCH_SECONDS).min(LONGEST_WATCH);
        let form = Form { kind: kind.clone(), shape, first: true };
        let stream = match followed {
            Err(expired) => {
                let refusal = Refusal::new(RefusalReason::Expired, expired.to_string());
                let line = form.line(&Told::Error(refusal));
                Body::from(line)
            }
            Ok(followed) => {
                let selects = Box::new(move |stored: &Stored| selection.takes(stored));
                let time = Duration::from_secs(seconds);
                let bookmarks = (options.bookmarks, starts);
                let follow = Follow::new(followed, path.namespace.clone(), selects, bookmarks, time);
                let closed = self.0.closed.clone();
                let lines = stream::unfold((follow, form, closed), |(mut follow, mut form, closed)| async move {
                    let told = tokio::select! {
                        () = closed.cancelled() => None,
                        told = follow.next() => told,
                    }?;
                    let line = form.line(&told);
                    form.first = false;
                    Some((Ok::<_, std::convert::Infallible>(line), (follow, form, closed)))
                });
                Body::from_stream(lines)
            }
        };
        Ok(Answer::stream("application/json", stream))
    }
}

/// How lines of a watch are written.
struct Form {
    kind: Kind,
    shape: Shape,
    first: bool,
}

impl Form {
    fn line(&self, told: &Told) -> Bytes {
        let api_version = self.kind.api_version();
        let object = |stored: &Stored| -> Value {
            let object = shown(&self.kind, stored);
            self.shape.event(&self.kind, &object, self.first)
        };
        let line = told.line(&api_version, &self.kind.kind, &object);
        Bytes::from(format!("{line}\n"))
    }
}

pub(super) fn not_allowed() -> Refusal {
    let message = "the server does not allow this method on the requested resource";
    Refusal::new(RefusalReason::MethodNotAllowed, message)
}

pub(super) fn unknown_part() -> Refusal {
    Refusal::new(RefusalReason::NotFound, "the server could not find the requested resource")
}
