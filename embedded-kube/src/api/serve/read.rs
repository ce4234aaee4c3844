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
use super::super::discovery::{Endpoint, subresources, verbs};
use super::super::follow::{Follow, ListQuery, Told};
use super::super::request::{ListOptions, Match, ResourcePath, Verb, check_get, query};
use super::super::selector::{FieldSelector, LabelSelector};
use super::super::store::{Key, Scope, Stored};
use super::super::{Kind, Refusal, RefusalReason};
use super::answer::Answer;
use super::form::{Shape, shown};
use super::registry::{definitions, key};
use super::texts::Texts;
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
    fn of(kind: &Kind, options: &ListOptions, selectable: &[String]) -> Result<Self, Refusal> {
        Ok(Self {
            labels: LabelSelector::parse(&options.label_selector)?,
            fields: FieldSelector::parse(&options.field_selector, kind, selectable)?,
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

    /// Which objects can be among those wanted, as far as their keys tell.
    fn scope(&self, namespace: Option<&str>) -> Scope {
        let name = self.fields.exact("metadata.name").map(ToOwned::to_owned);
        Scope { name, ..Scope::within(namespace) }
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
        let options = query(&asked.uri);
        let reads = matches!(asked.method, Method::GET | Method::HEAD);
        let list = if reads && path.name.is_none() { ListOptions::of(&options)? } else { ListOptions::default() };
        let Some(verb) = Verb::of(&asked.method, path.name.is_some(), list.watch && path.name.is_none()) else {
            let kind = self.registry().find(&path).filter(|kind| kind.custom);
            return Err(kind.map_or_else(not_allowed, |kind| Refusal::not_supported(&kind, "")));
        };
        let found = self.registry().find(&path);
        let selection = match &found {
            Some(kind) if reads && path.name.is_none() => Some(Selection::of(kind, &list, &self.selectable(kind))),
            _ => None,
        };
        let exact = selection.as_ref().and_then(|it| it.as_ref().ok()).map(Selection::exact).unwrap_or_default();
        // Whether there is such a kind is told to those who may ask for it.
        let user = self.check_resource(asked, user, verb, &path, exact)?;
        let Some(kind) = found else { return self.nothing_at(asked.uri.path()) };
        if kind.namespaced && path.namespace.is_none() && !matches!(verb, Verb::List | Verb::Watch) {
            // Of objects that are in namespaces, those of all of them can be read, and nothing else.
            return if kind.custom || path.name.is_some() {
                self.nothing_at(asked.uri.path())
            } else {
                Err(not_allowed())
            };
        }
        check_served(&kind, &path, &asked.method, verb)?;
        let path = match verb {
            // Who makes an object of a custom kind may name one in the path: it is of no account.
            Verb::Create if kind.custom => ResourcePath { name: None, ..path },
            _ => path,
        };
        let answer = match (verb, selection) {
            (Verb::Get, _) => self.get(asked, &kind, &path).await,
            (Verb::List, Some(selection)) => self.list(asked, &kind, &path, &list, &selection?),
            (Verb::Watch, Some(selection)) => self.watch(asked, &kind, &path, &list, selection?),
            _ => self.write(asked, &user, &kind, &path, verb, now).await,
        }?;
        Ok(answer.warning(&self.deprecations(&kind)))
    }

    /// The fields by which a definition lets objects of its kind be selected, as `spec.color`.
    pub(super) fn selectable(&self, kind: &Kind) -> Vec<String> {
        if !kind.custom {
            return Vec::new();
        }
        let key = Key { resource: definitions(), namespace: String::new(), name: kind.resource() };
        let Some(definition) = self.0.store.get(&key) else { return Vec::new() };
        let versions = definition.object["spec"]["versions"].as_array().into_iter().flatten();
        let own = versions.filter(|version| version["name"] == kind.version.as_str());
        let fields = own.flat_map(|version| version["selectableFields"].as_array().into_iter().flatten());
        let paths = fields.filter_map(|field| field["jsonPath"].as_str());
        paths.map(|path| path.trim_start_matches('.').to_owned()).collect()
    }

    /// What is said of a path where nothing is: the real one has several parts, each with words of its own.
    ///
    /// # Errors
    /// In most cases; the part that serves definitions answers with a text.
    pub(super) fn nothing_at(&self, path: &str) -> Result<Answer, Refusal> {
        let words: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let built_in = match words.as_slice() {
            ["api", ..] => true,
            ["apis", group, version, ..] => self.registry().is_built_in(group, version),
            _ => false,
        };
        if built_in { Err(nothing()) } else { Ok(Answer::nothing_there()) }
    }

    async fn get(&self, asked: &Asked, kind: &Kind, path: &ResourcePath) -> Result<Answer, Refusal> {
        let name = path.name.as_deref().unwrap_or_default();
        if path.subresource.as_deref() != Some("log") {
            check_get(&query(&asked.uri))?;
        }
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
            Some(_) => return Err(unknown_part(kind, name)),
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
        let wanted = ListQuery {
            resource: event::resource(kind),
            namespace: path.namespace.clone(),
            label_selector: options.label_selector.clone(),
            field_selector: options.field_selector.clone(),
        };
        let page = if options.continue_token.is_empty() {
            let mut listed = self.0.store.list(&wanted.resource, wanted.namespace.as_deref());
            self.check_version(options, listed.version)?;
            if !selection.is_all() {
                listed.items.retain(|stored| selection.takes(stored));
            }
            self.0.pages.first(wanted, listed, options.limit)
        } else {
            self.0.pages.next(wanted, &options.continue_token, options.limit)?
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
        let scope = selection.scope(path.namespace.as_deref());
        let starts = options.initial_events.unwrap_or(false);
        let version = options.resource_version.filter(|version| *version > 0);
        let followed = match version.filter(|_| !starts) {
            // From now on, with what is there, as if it had just come.
            None => {
                let (listed, watch) = self.0.store.list_and_watch(&resource, &scope);
                Ok((watch, Some(listed)))
            }
            Some(version) => self.0.store.watch(&resource, &scope, version).map(|watch| (watch, None)),
        };
        let seconds =
            options.timeout_seconds.filter(|seconds| *seconds > 0).unwrap_or(WATCH_SECONDS).min(LONGEST_WATCH);
        let form = Form { kind: kind.clone(), shape, first: true, texts: Arc::clone(&self.0.texts) };
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
    texts: Arc<Texts>,
}

impl Form {
    fn line(&self, told: &Told) -> Bytes {
        let api_version = self.kind.api_version();
        if let (true, Some((what, stored))) = (self.shape.is_plain(), told.object()) {
            let text = self.texts.of(stored, &api_version, || shown(&self.kind, stored).to_string());
            let parts: [&[u8]; 5] = [br#"{"type":""#, what.as_bytes(), br#"","object":"#, &text, b"}\n"];
            return Bytes::from(parts.concat());
        }
        let object = |stored: &Stored| -> Value {
            let object = shown(&self.kind, stored);
            self.shape.event(&self.kind, &object, self.first)
        };
        let line = told.line(&api_version, &self.kind.kind, &object);
        Bytes::from(format!("{line}\n"))
    }
}

/// Whether something can be done there at all.
///
/// # Errors
/// When there is no such part, or nobody can do that with it.
fn check_served(kind: &Kind, path: &ResourcePath, method: &Method, verb: Verb) -> Result<(), Refusal> {
    let (name, part) = (path.name.as_deref(), path.subresource.as_deref());
    if kind.custom {
        return match part {
            None if name.is_none() && matches!(verb, Verb::Update | Verb::Patch) => {
                Err(Refusal::bad_request("name must be provided"))
            }
            None => Ok(()),
            Some("status") if kind.status => match verb {
                Verb::Get | Verb::Update | Verb::Patch => Ok(()),
                _ => Err(Refusal::not_supported(kind, verb.as_str())),
            },
            Some(_) => Err(unknown_part(kind, name.unwrap_or_default())),
        };
    }
    let parts = subresources(kind);
    let can: &[&str] = match (part, kind.group.as_str(), kind.plural.as_str()) {
        (None, ..) => verbs(kind),
        // Parts that are not told of.
        (Some("binding" | "eviction"), "", "pods") => &["create"],
        (Some("finalize"), "", "namespaces") => &["update"],
        (Some(part), ..) => match parts.iter().find(|known| known.name == part) {
            Some(known) => known.verbs,
            None => return Err(nothing()),
        },
    };
    let is_kept = can.contains(&"get") || part.is_some();
    if name.is_some() && !is_kept {
        return Err(nothing());
    }
    let of_one = matches!(verb, Verb::Get | Verb::Update | Verb::Patch | Verb::Delete);
    let fits = part.is_some() || of_one == name.is_some();
    if fits && can.contains(&verb.as_str()) && method != Method::HEAD { Ok(()) } else { Err(not_allowed()) }
}

pub(super) fn not_allowed() -> Refusal {
    let message = "the server does not allow this method on the requested resource";
    // The real one's router says so, which knows no details, and tells that there are none.
    Refusal { details: Some(Box::default()), ..Refusal::new(RefusalReason::MethodNotAllowed, message) }
}

fn nothing() -> Refusal {
    let message = "the server could not find the requested resource";
    Refusal { details: Some(Box::default()), ..Refusal::new(RefusalReason::NotFound, message) }
}

/// The kind has no such part.
pub(super) fn unknown_part(kind: &Kind, name: &str) -> Refusal {
    if kind.custom { Refusal::not_found(kind, name) } else { nothing() }
}
