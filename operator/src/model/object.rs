//! Objects as the model keeps them: each content once for all states, so that a state holds a few numbers.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::fields::Owners;
use super::typed::Typed;
use crate::action::Kind;
use crate::labels::MANAGED_BY;

/// The only namespace of the model.
pub(super) const NAMESPACE: &str = "demo";

/// When the clock shows 0.
const BEGIN: i64 = 1_795_428_000;

/// The time of a second of the model: 2026-11-23T10:00:00Z and that many seconds.
pub(super) fn time(second: u32) -> Timestamp {
    Timestamp::from_second(BEGIN + i64::from(second)).expect("a time of this millennium")
}

/// The UID of the object of that name, of all that had it one after the other: the first is 1. The same on every way.
pub(super) fn uid(kind: impl Into<Stored>, name: &str, life: u8) -> String {
    format!("{}-{name}-{life}", kind.into().name().to_lowercase())
}

/// Which of all objects of its name has that UID.
pub(super) fn life(uid: &str) -> u8 {
    uid.rsplit('-').next().and_then(|life| life.parse().ok()).unwrap_or(0)
}

/// A kind of object that the server keeps: one that the operator writes, or a Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Stored {
    /// One that the operator writes.
    Written(Kind),
    /// What a Job's controller makes.
    Pod,
}

impl From<Kind> for Stored {
    fn from(kind: Kind) -> Self {
        Self::Written(kind)
    }
}

impl Stored {
    /// All of them.
    pub(super) const ALL: [Self; 13] = [
        Self::Written(Kind::Connector),
        Self::Written(Kind::Pipeline),
        Self::Written(Kind::Transformation),
        Self::Written(Kind::Schedule),
        Self::Written(Kind::PipelineRun),
        Self::Written(Kind::Checkpoint),
        Self::Written(Kind::ConfigMap),
        Self::Written(Kind::Job),
        Self::Written(Kind::ControllerRevision),
        Self::Written(Kind::ServiceAccount),
        Self::Written(Kind::Role),
        Self::Written(Kind::RoleBinding),
        Self::Pod,
    ];

    /// Its name, as `kind` of its objects.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Written(kind) => kind.name(),
            Self::Pod => "Pod",
        }
    }

    /// The kind of an object.
    pub(super) fn of(object: &Value) -> Self {
        let name = object["kind"].as_str().unwrap_or_default();
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.unwrap_or_else(|| panic!("the model has no kind `{name}`: {object}"))
    }

    /// Whether its objects have a status that is written by itself.
    pub(super) fn has_status(self) -> bool {
        match self {
            Self::Written(kind) => (Kind::OURS.contains(&kind) && kind != Kind::Checkpoint) || kind == Kind::Job,
            Self::Pod => true,
        }
    }

    /// Whether its objects count the changes of what they ask for.
    pub(super) fn has_generation(self) -> bool {
        match self {
            Self::Written(kind) => Kind::OURS.contains(&kind) || kind == Kind::Job,
            Self::Pod => false,
        }
    }

    /// Whether it is one of ours.
    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::Written(kind) if Kind::OURS.contains(&kind))
    }
}

/// A kind and a name: where an object is.
#[derive(Clone, Copy)]
pub(super) struct Place(&'static Named);

struct Named {
    id: u32,
    kind: Stored,
    name: String,
}

impl Place {
    /// The place of that kind and name.
    pub(super) fn of(kind: impl Into<Stored>, name: &str) -> Self {
        type Known = HashMap<Stored, HashMap<&'static str, Place>>;
        static KNOWN: LazyLock<Mutex<(u32, Known)>> = LazyLock::new(Mutex::default);
        let kind = kind.into();
        let (next, known) = &mut *lock(&KNOWN);
        let of_kind = known.entry(kind).or_default();
        if let Some(place) = of_kind.get(name) {
            return *place;
        }
        let named: &'static Named = Box::leak(Box::new(Named { id: *next, kind, name: name.to_owned() }));
        *next += 1;
        of_kind.insert(&named.name, Self(named));
        Self(named)
    }

    /// A number that stands for it.
    pub(super) fn id(self) -> u32 {
        self.0.id
    }

    /// The kind.
    pub(super) fn kind(self) -> Stored {
        self.0.kind
    }

    /// The name.
    pub(super) fn name(self) -> &'static str {
        &self.0.name
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Place {}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // By what it says, so that the steps of a counterexample come in the same order each time.
        if self == other {
            return std::cmp::Ordering::Equal;
        }
        (self.kind(), self.name()).cmp(&(other.kind(), other.name()))
    }
}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.kind().name(), self.name())
    }
}

/// What an object says, but for its version; kept once, however many states have it.
#[derive(Clone, Copy)]
pub(super) struct Content(&'static Kept);

struct Kept {
    id: u32,
    place: Place,
    uid: String,
    json: Value,
    owners: Owners,
    is_going: bool,
    is_managed: bool,
    controller: Option<String>,
    typed: OnceLock<Typed>,
}

impl Content {
    /// The content of a whole object, which knows its UID and no version.
    pub(super) fn of(json: Value, owners: Owners) -> Self {
        /// All contents, by what stands for their texts and for who owns which field: these are long.
        static KNOWN: LazyLock<Mutex<HashMap<[u64; 2], Content>>> = LazyLock::new(Mutex::default);
        let json = sorted(json);
        let text = json.to_string();
        let mark = [1_u8, 2].map(|salt| {
            let mut hasher = DefaultHasher::new();
            (salt, &text, &owners).hash(&mut hasher);
            hasher.finish()
        });
        let known = &mut *lock(&KNOWN);
        if let Some(content) = known.get(&mark) {
            return *content;
        }
        let id = u32::try_from(known.len()).expect("not so many contents");
        let content = Self(Box::leak(Box::new(Kept::new(id, json, owners))));
        known.insert(mark, content);
        content
    }

    /// The number under which it is kept.
    pub(super) fn id(self) -> u32 {
        self.0.id
    }

    /// Where it is.
    pub(super) fn place(self) -> Place {
        self.0.place
    }

    /// The whole object, without a version.
    pub(super) fn json(self) -> &'static Value {
        &self.0.json
    }

    /// Who owns which field.
    pub(super) fn owners(self) -> &'static Owners {
        &self.0.owners
    }

    /// The object as the caches keep it.
    pub(super) fn typed(self) -> &'static Typed {
        self.0.typed.get_or_init(|| Typed::of(self.json(), self.id()))
    }
}

impl Kept {
    fn new(id: u32, json: Value, owners: Owners) -> Self {
        let metadata = &json["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let references = metadata["ownerReferences"].as_array();
        let controller = references.into_iter().flatten().find(|reference| reference["controller"] == true);
        Self {
            place: Place::of(Stored::of(&json), metadata["name"].as_str().unwrap_or_default()),
            uid: text(&metadata["uid"]),
            owners,
            is_going: metadata["deletionTimestamp"].is_string(),
            is_managed: metadata["labels"][MANAGED_BY.0] == MANAGED_BY.1,
            controller: controller.map(|reference| text(&reference["uid"])),
            typed: OnceLock::new(),
            id,
            json,
        }
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Content {}

impl Hash for Content {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?} {}", self.place(), self.0.json["status"])
    }
}

/// An object as it is kept by the server, or by a cache.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Object {
    /// What it says.
    pub(super) content: Content,
    /// Its version. Numbers of one object grow; they are small, as a state names few of them.
    pub(super) version: u16,
}

impl fmt::Debug for Object {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?} v{}", self.content, self.version)
    }
}

impl Object {
    /// Where it is.
    pub(super) fn place(self) -> Place {
        self.content.place()
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        self.content.place().name()
    }

    /// Its UID.
    pub(super) fn uid(self) -> &'static str {
        &self.content.0.uid
    }

    /// Whether it is being deleted.
    pub(super) fn is_going(self) -> bool {
        self.content.0.is_going
    }

    /// Whether it has the label without which most caches do not see it.
    pub(super) fn is_managed(self) -> bool {
        self.content.0.is_managed
    }

    /// The UID of the object that controls it.
    pub(super) fn controller(self) -> Option<&'static str> {
        self.content.0.controller.as_deref()
    }

    /// The whole object, without its version.
    pub(super) fn json(self) -> &'static Value {
        self.content.json()
    }

    /// What stands at a JSON pointer, as `/status/phase`; null when nothing does.
    pub(super) fn at(self, pointer: &str) -> &'static Value {
        self.json().pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The text at a JSON pointer, empty when there is none.
    pub(super) fn text(self, pointer: &str) -> &'static str {
        self.at(pointer).as_str().unwrap_or_default()
    }
}

/// The same value with all keys in order, and without nulls: equal objects have equal texts.
pub(super) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> = fields.into_iter().filter(|(_, value)| !value.is_null()).collect();
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(fields.into_iter().map(|(name, value)| (name, sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// A number for a text: the same for the same text.
pub(super) fn number(text: &str) -> u32 {
    static KNOWN: LazyLock<Mutex<HashMap<String, u32>>> = LazyLock::new(Mutex::default);
    let known = &mut *lock(&KNOWN);
    if let Some(number) = known.get(text) {
        return *number;
    }
    let number = u32::try_from(known.len()).expect("not so many texts");
    known.insert(text.to_owned(), number);
    number
}

/// A lock that another thread may have left in a panic: what it guards is whole all the same.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
