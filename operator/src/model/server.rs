//! The API server, as far as the operator can tell: what it keeps, what it refuses, and what it tells watches.
//!
//! What is done to an object's content is worked out once for each content (`memo`); a state holds the numbers that come of it.

use std::panic::Location;

use serde_json::{Map, Value, json};

use super::fields::{Owner, applied, merged};
use super::memo::{Done, Memo};
use super::object::{Content, Object, Place, Stored, time, uid};
use crate::action::Kind;

/// Why a request was refused: the codes and reasons of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Refusal {
    /// There is no object of that name.
    NotFound,
    /// There is one already.
    AlreadyExists,
    /// Another object, or another version of it, was meant.
    Conflict,
    /// The object may not be like that.
    Invalid,
}

impl Refusal {
    /// The code of the answer.
    pub(super) fn code(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::AlreadyExists | Self::Conflict => 409,
            Self::Invalid => 422,
        }
    }

    /// The reason that the answer has.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "NotFound",
            Self::AlreadyExists => "AlreadyExists",
            Self::Conflict => "Conflict",
            Self::Invalid => "Invalid",
        }
    }
}

/// What a watch is told: that an object is so now, or that it is gone and was so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Event {
    /// The object.
    pub(super) object: Object,
    /// Whether it is gone.
    pub(super) gone: bool,
}

/// What is left of objects of a name: how many there were, and the last version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Grave {
    /// Where they were.
    pub(super) place: Place,
    /// How many there were.
    pub(super) lives: u8,
    /// The version of the last one when it went.
    pub(super) version: u16,
}

/// Which object a write means, where it says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Meant<'a> {
    /// Its UID.
    pub(super) uid: Option<&'a str>,
    /// Its version.
    pub(super) version: Option<u16>,
}

impl Meant<'_> {
    fn is_other(self, object: Object) -> bool {
        self.uid.is_some_and(|uid| uid != object.uid())
    }

    fn is_late(self, object: Object) -> bool {
        self.version.is_some_and(|version| version != object.version)
    }

    /// Whether who deletes or replaces an object means it.
    fn check(self, object: Object) -> Result<(), Refusal> {
        if self.is_other(object) || self.is_late(object) { Err(Refusal::Conflict) } else { Ok(()) }
    }

    /// Whether a patch may be tried: another UID is a field that may not be changed. Of a patch of the status of a kind with a
    /// definition, only the status is taken, and the UID is not looked at.
    fn check_patch(self, object: Object, status: bool) -> Result<(), Refusal> {
        let looks = !(status && object.place().kind().is_ours());
        match (self.is_late(object), looks && self.is_other(object)) {
            (true, _) => Err(Refusal::Conflict),
            (false, true) => Err(Refusal::Invalid),
            (false, false) => Ok(()),
        }
    }
}

/// The API server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Server {
    /// The second that it is.
    pub(super) clock: u32,
    /// All objects, by kind and name.
    pub(super) objects: Vec<Object>,
    /// Names of which objects have gone.
    pub(super) graves: Vec<Grave>,
    /// What has happened in this move. Empty between moves: the caches have it then.
    pub(super) told: Vec<Event>,
}

impl Server {
    /// Puts an object there as it is, with its status: for the beginning.
    pub(super) fn stand(&mut self, object: &Value) {
        let status = object["status"].clone();
        let made = self.create(object, None).expect("objects of the beginning have names of their own");
        if !status.is_null() {
            let done = Memo::changed(made.content, "stand", &status.to_string(), self.clock, || {
                let mut whole = made.json().clone();
                whole["status"] = status.clone();
                finish(made.content, whole, None)
            });
            self.done(made.place(), done).expect("it may have any status");
        }
    }

    fn find(&self, place: Place) -> Result<usize, usize> {
        self.objects.binary_search_by(|object| object.place().cmp(&place))
    }

    /// The object of that kind and name.
    pub(super) fn get(&self, kind: impl Into<Stored>, name: &str) -> Option<Object> {
        self.at(Place::of(kind, name))
    }

    /// The object of that place.
    pub(super) fn at(&self, place: Place) -> Option<Object> {
        self.find(place).ok().map(|index| self.objects[index])
    }

    /// All objects of a kind, by name.
    pub(super) fn all(&self, kind: impl Into<Stored>) -> impl Iterator<Item = Object> {
        let kind = kind.into();
        self.objects.iter().copied().filter(move |object| object.place().kind() == kind)
    }

    /// The objects of a kind that the object with that UID controls, by name.
    pub(super) fn owned(&self, kind: impl Into<Stored>, uid: &str) -> impl Iterator<Item = Object> {
        self.all(kind).filter(move |object| object.controller() == Some(uid))
    }

    /// How many objects have had that name, with the one that is there.
    pub(super) fn lives(&self, place: Place) -> u8 {
        let gone = self.graves.iter().find(|grave| grave.place == place).map_or(0, |grave| grave.lives);
        gone + u8::from(self.at(place).is_some())
    }

    /// Makes an object, by POST. A status that it has is left out, where that is written by itself.
    ///
    /// # Errors
    /// When there is one of that name.
    pub(super) fn create(&mut self, object: &Value, by: Option<&'static str>) -> Result<Object, Refusal> {
        let place = Place::of(Stored::of(object), object["metadata"]["name"].as_str().unwrap_or_default());
        let Err(index) = self.find(place) else { return Err(Refusal::AlreadyExists) };
        let grave = self.graves.iter().find(|grave| grave.place == place);
        let (life, version) = grave.map_or((1, 1), |grave| (grave.lives + 1, grave.version + 1));
        let content = Memo::created(object, life, self.clock, by, || new(object, place, life, self.clock));
        let made = Object { content, version };
        self.objects.insert(index, made);
        self.told.push(Event { object: made, gone: false });
        Ok(made)
    }

    /// Puts an object in the place of the one that is there, by PUT; or its status alone.
    ///
    /// # Errors
    /// When there is none, or another one or another version was meant, or it may not be like that.
    pub(super) fn replace(
        &mut self,
        object: &Value,
        meant: Meant<'_>,
        by: &'static str,
        status: bool,
    ) -> Result<Object, Refusal> {
        let place = Place::of(Stored::of(object), object["metadata"]["name"].as_str().unwrap_or_default());
        let there = self.at(place).ok_or(Refusal::NotFound)?;
        meant.check(there)?;
        // Kinds of definitions are never replaced whatever their version is.
        if meant.version.is_none() && place.kind().is_ours() {
            return Err(Refusal::Invalid);
        }
        let by = Owner { manager: by, applies: false, status };
        let key = format!("{by:?} {object}");
        let done = Memo::changed(there.content, "replace", &key, self.clock, || {
            update(there.content, object.clone(), Some(&by), status)
        });
        self.done(place, done)
    }

    /// Sets fields, by a merge patch; of the status, if that is meant.
    ///
    /// # Errors
    /// When there is none, or another one or another version was meant, or it may not be like that.
    pub(super) fn merge(
        &mut self,
        place: Place,
        patch: &Value,
        meant: Meant<'_>,
        by: Option<&'static str>,
        status: bool,
    ) -> Result<Object, Refusal> {
        let there = self.at(place).ok_or(Refusal::NotFound)?;
        meant.check_patch(there, status)?;
        let by = by.map(|manager| Owner { manager, applies: false, status });
        let key = format!("{by:?} {status} {patch}");
        let done = Memo::changed(there.content, "merge", &key, self.clock, || {
            let mut whole = there.json().clone();
            merged(&mut whole, patch);
            update(there.content, whole, by.as_ref(), status)
        });
        self.done(place, done)
    }

    /// Sets the fields that are the writer's, by server-side apply with force; of the status, if that is meant. Makes the
    /// object if there is none and the status is not meant.
    ///
    /// # Errors
    /// When there is none of which the status could be written, or another one or another version was meant, or it may not be
    /// like that.
    pub(super) fn apply(
        &mut self,
        place: Place,
        fields: &Value,
        meant: Meant<'_>,
        by: &'static str,
        status: bool,
    ) -> Result<Object, Refusal> {
        let by = Owner { manager: by, applies: true, status };
        let Some(there) = self.at(place) else {
            if status {
                return Err(Refusal::NotFound);
            }
            if meant != Meant::default() {
                return Err(Refusal::Conflict);
            }
            let made = self.create(fields, None)?;
            self.told.pop();
            let done = Memo::changed(made.content, "make by apply", &format!("{by:?} {fields}"), self.clock, || {
                let owners = applied(made.json(), made.content.owners(), fields, &by).1;
                Done::Changed(Content::of(made.json().clone(), owners))
            });
            let Done::Changed(content) = done else { return Err(Refusal::Invalid) };
            let made = Object { content, ..made };
            if let Ok(index) = self.find(place) {
                self.objects[index] = made;
            }
            self.told.push(Event { object: made, gone: false });
            return Ok(made);
        };
        meant.check_patch(there, status)?;
        let key = format!("{by:?} {fields}");
        let done = Memo::changed(there.content, "apply", &key, self.clock, || {
            let own = if status { json!({ "status": fields["status"] }) } else { fields.clone() };
            let (whole, owners) = applied(there.json(), there.content.owners(), &own, &by);
            // A map that is somebody's own, and whose fields go all of them, is left as a null.
            let is_empty = |object: &Value| object["status"].as_object().is_none_or(Map::is_empty);
            let emptied = owners.own("/status") && is_empty(&whole) && !is_empty(there.json());
            if emptied && place.kind().is_ours() {
                return Done::Refused(Refusal::Invalid);
            }
            match update(there.content, whole, None, status) {
                Done::Same => Done::of(there.content, there.json().clone(), owners),
                Done::Changed(content) => Done::Changed(Content::of(content.json().clone(), owners)),
                other => other,
            }
        });
        self.done(place, done)
    }

    /// Deletes an object: at once, or it is marked, as long as it has finalizers or is a Pod that somebody must end.
    ///
    /// # Errors
    /// When there is none, or another one or another version was meant.
    pub(super) fn delete(&mut self, place: Place, meant: Meant<'_>, foreground: bool) -> Result<Object, Refusal> {
        let there = self.at(place).ok_or(Refusal::NotFound)?;
        meant.check(there)?;
        // What waits for its dependents alone, and has to wait no more, goes at once: the real server forgets then which version
        // was meant, and finds that it is another one.
        if meant.version.is_some() && !foreground && *there.at("/metadata/finalizers") == json!([FOREGROUND]) {
            return Err(Refusal::Conflict);
        }
        let what = if foreground { "delete in the foreground" } else { "delete" };
        let now = self.clock;
        let done = Memo::changed(there.content, what, "", now, || deleted(there.content, foreground, now));
        self.done(place, done)
    }

    /// What a controller of Kubernetes, the kubelet or a user makes of an object, knowing its newest version. `what` and `with`
    /// say what `change` does: from one place of the program, for the same of both and the same object, it must do the same.
    /// Whether anything has changed.
    #[track_caller]
    pub(super) fn edit(
        &mut self,
        kind: impl Into<Stored>,
        name: &str,
        what: &'static str,
        with: u32,
        change: impl FnOnce(&mut Value),
    ) -> bool {
        let place = Place::of(kind, name);
        let Some(there) = self.at(place) else { return false };
        let edit = (what, with, Location::caller());
        let done = Memo::edited(there.content, edit, self.clock, || {
            let mut whole = there.json().clone();
            change(&mut whole);
            finish(there.content, whole, None)
        });
        let before = self.told.len();
        self.done(place, done).is_ok() && self.told.len() > before
    }

    /// An object is gone, whatever held it: the kubelet's last word on a Pod.
    pub(super) fn remove(&mut self, kind: impl Into<Stored>, name: &str) -> bool {
        let place = Place::of(kind, name);
        self.at(place).is_some_and(|there| self.done(place, Done::Gone(there.content)).is_ok())
    }

    fn done(&mut self, place: Place, done: Done) -> Result<Object, Refusal> {
        let index = self.find(place).map_err(|_| Refusal::NotFound)?;
        let there = self.objects[index];
        match done {
            Done::Same => Ok(there),
            Done::Refused(refusal) => Err(refusal),
            Done::Changed(content) => {
                let object = Object { content, version: there.version + 1 };
                self.objects[index] = object;
                self.told.push(Event { object, gone: false });
                Ok(object)
            }
            Done::Gone(content) => {
                let object = Object { content, version: there.version + 1 };
                self.objects.remove(index);
                self.bury(object);
                self.told.push(Event { object, gone: true });
                Ok(object)
            }
        }
    }

    fn bury(&mut self, object: Object) {
        let place = object.place();
        match self.graves.binary_search_by(|grave| grave.place.cmp(&place)) {
            Ok(index) => {
                self.graves[index].lives += 1;
                self.graves[index].version = object.version;
            }
            Err(index) => self.graves.insert(index, Grave { place, lives: 1, version: object.version }),
        }
    }

    /// The first object, by kind and name, whose owner is gone: the garbage collector deletes it.
    pub(super) fn orphan(&self) -> Option<Object> {
        let is_there = |uid: &str| self.objects.iter().any(|object| object.uid() == uid);
        let mut orphans = self.objects.iter().filter(|object| !object.is_going());
        orphans.find(|object| object.controller().is_some_and(|uid| !is_there(uid))).copied()
    }
}

/// A new object.
fn new(object: &Value, place: Place, life: u8, now: u32) -> Value {
    let mut whole = object.clone();
    let kind = place.kind();
    let metadata = &mut whole["metadata"];
    metadata["uid"] = uid(kind, place.name(), life).into();
    metadata["creationTimestamp"] = time(now).to_string().into();
    if kind.has_generation() {
        metadata["generation"] = 1.into();
    }
    if kind.has_status()
        && let Some(fields) = whole.as_object_mut()
    {
        fields.shift_remove("status");
    }
    whole
}

/// What comes of an object that is to be another one, where each part of it is written by itself.
fn update(before: Content, mut whole: Value, by: Option<&Owner>, status: bool) -> Done {
    let kind = before.place().kind();
    let there = before.json();
    let Some(fields) = whole.as_object_mut() else { return Done::Refused(Refusal::Invalid) };
    let mut keep = |field: &str| {
        match there.get(field) {
            Some(value) => fields.insert(field.to_owned(), value.clone()),
            None => fields.shift_remove(field),
        };
    };
    if status {
        there.as_object().into_iter().flatten().filter(|(name, _)| *name != "status").for_each(|(name, _)| keep(name));
    } else if kind.has_status() {
        keep("status");
    }
    let metadata = &mut whole["metadata"];
    for field in ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        metadata[field] = there["metadata"][field].clone();
    }
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.shift_remove("resourceVersion");
    }
    let is_plain = kind == Stored::Written(Kind::ConfigMap);
    let changes = |field: &str| whole.get(field).unwrap_or(&Value::Null) != there.get(field).unwrap_or(&Value::Null);
    if is_plain && there["immutable"] == true && ["data", "binaryData", "immutable"].into_iter().any(changes) {
        return Done::Refused(Refusal::Invalid);
    }
    finish(before, whole, by)
}

/// Counts what is asked for anew, and lets go what nothing holds back any more.
fn finish(before: Content, mut whole: Value, by: Option<&Owner>) -> Done {
    let there = before.json();
    if before.place().kind().has_generation() && whole.get("spec") != there.get("spec") {
        let generation = there["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
        whole["metadata"]["generation"] = generation.into();
    }
    let metadata = &whole["metadata"];
    let held = metadata["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty());
    let waits = metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) > 0;
    let over = metadata["deletionTimestamp"].is_string() && !held && !waits;
    tidy(&mut whole);
    let whole = super::object::sorted(whole);
    let owners = before.owners().updated(there, &whole, by);
    match Done::of(before, whole, owners) {
        Done::Changed(content) if over => Done::Gone(content),
        done => done,
    }
}

/// Maps and lists of these are as good as missing when nothing is in them.
fn tidy(whole: &mut Value) {
    fn is_empty(value: &Value) -> bool {
        value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
    }
    fn without(part: Option<&mut Value>, fields: &[&str]) {
        let Some(part) = part.and_then(Value::as_object_mut) else { return };
        for field in fields {
            if part.get(*field).is_some_and(is_empty) {
                part.shift_remove(*field);
            }
        }
    }
    without(whole.get_mut("metadata"), &["labels", "annotations", "finalizers"]);
    without(Some(whole), &["data"]);
}

/// The finalizer by which the garbage collector is asked to delete dependents first.
const FOREGROUND: &str = "foregroundDeletion";
/// How many seconds a Pod of the model has to end.
const GRACE: i64 = 60;

fn deleted(before: Content, foreground: bool, now: u32) -> Done {
    let there = before.json();
    let metadata = &there["metadata"];
    let mut finalizers: Vec<Value> = metadata["finalizers"].as_array().cloned().unwrap_or_default();
    finalizers.retain(|it| it != FOREGROUND);
    if foreground {
        finalizers.push(FOREGROUND.into());
    }
    let is_marked = metadata["deletionTimestamp"].is_string();
    let phase = there["status"]["phase"].as_str().unwrap_or_default();
    let works = before.place().kind() == Stored::Pod && !["Succeeded", "Failed"].contains(&phase);
    let grace = if works { GRACE } else { 0 };
    let mut whole = there.clone();
    let fields = &mut whole["metadata"];
    fields["finalizers"] = if finalizers.is_empty() { Value::Null } else { finalizers.clone().into() };
    if !is_marked {
        fields["deletionTimestamp"] = time(now).to_string().into();
        fields["deletionGracePeriodSeconds"] = grace.into();
        if let Some(generation) = metadata["generation"].as_i64() {
            fields["generation"] = (generation + 1).into();
        }
    }
    let waits = is_marked && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) > 0;
    let whole = super::object::sorted(whole);
    let owners = before.owners().updated(there, &whole, None);
    if finalizers.is_empty() && !waits && !works {
        return Done::Gone(Content::of(whole, owners));
    }
    Done::of(before, whole, owners)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Value {
        json!({"apiVersion": "aggregator.dev/v1alpha1", "kind": "PipelineRun",
               "metadata": {"name": "a", "namespace": "demo"}, "spec": {"pipelineRef": {"name": "move"}}})
    }

    fn place() -> Place {
        Place::of(Kind::PipelineRun, "a")
    }

    #[test]
    fn who_comes_second_or_means_another_one_is_refused() {
        let mut server = Server::default();
        let made = server.create(&run(), None).expect("it is made");
        assert_eq!((made.uid(), made.version), ("pipelinerun-a-1", 1));
        assert_eq!(server.create(&run(), None), Err(Refusal::AlreadyExists));
        let patch = json!({"spec": {"cancel": "Immediate"}});
        let other = Meant { uid: Some("other"), version: None };
        assert_eq!(server.merge(place(), &patch, other, None, false), Err(Refusal::Invalid));
        assert_eq!(server.delete(place(), other, false), Err(Refusal::Conflict));
        let late = Meant { uid: None, version: Some(7) };
        assert_eq!(server.delete(place(), late, false), Err(Refusal::Conflict));
        let done = server.merge(place(), &patch, Meant::default(), None, false).expect("it is taken");
        assert_eq!((done.version, done.at("/metadata/generation")), (2, &json!(2)));
        let same = server.merge(place(), &patch, Meant::default(), None, false).expect("it is taken");
        assert_eq!(same, done, "nothing has changed");
        server.delete(place(), Meant { uid: Some(made.uid()), version: Some(2) }, false).expect("it goes");
        assert_eq!(server.delete(place(), Meant::default(), false), Err(Refusal::NotFound));
        let again = server.create(&run(), None).expect("it is made");
        assert_eq!((again.uid(), again.version), ("pipelinerun-a-2", 4), "versions of a name never begin anew");
    }

    #[test]
    fn a_finalizer_holds_an_object_until_it_is_taken_away() {
        let mut server = Server::default();
        let mut held = run();
        held["metadata"]["finalizers"] = json!(["x"]);
        server.create(&held, None).expect("it is made");
        assert!(server.delete(place(), Meant::default(), false).expect("it is marked").is_going());
        let freed = json!({"metadata": {"finalizers": null}});
        server.merge(place(), &freed, Meant::default(), None, false).expect("it goes");
        assert!(server.at(place()).is_none());
        assert!(server.told.last().is_some_and(|event| event.gone));
    }

    #[test]
    fn a_status_is_written_by_itself_and_the_worker_keeps_its_part() {
        let mut server = Server::default();
        server.create(&run(), None).expect("it is made");
        let mut said = |by, status: Value| {
            let written = server.apply(place(), &json!({"status": status, "spec": 7}), Meant::default(), by, true);
            written.expect("it is taken").at("/status").clone()
        };
        said("operator", json!({"phase": "Pending", "job": "a"}));
        said("worker", json!({"progress": {"attempt": 1}}));
        assert_eq!(
            said("operator", json!({"phase": "Running"})),
            json!({"phase": "Running", "progress": {"attempt": 1}})
        );
        assert_eq!(said("worker", json!({})), json!({"phase": "Running"}));
    }
}
