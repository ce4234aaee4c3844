//! What comes of changes to contents, worked out once: states differ far more often in what is where than in what it says.

use std::collections::HashMap;
use std::hash::Hash;
use std::panic::Location;
use std::sync::{LazyLock, Mutex};

use serde_json::Value;

use super::fields::Owners;
use super::object::{Content, lock, sorted};
use super::server::Refusal;

/// What a change comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// The object is as it was.
    Same,
    /// It says this now.
    Changed(Content),
    /// It is gone, and said this last.
    Gone(Content),
    /// It may not be done.
    Refused(Refusal),
}

impl Done {
    /// What it comes to that an object says this, and is owned so.
    pub(super) fn of(before: Content, whole: Value, owners: Owners) -> Self {
        let after = Content::of(whole, owners);
        if after == before { Self::Same } else { Self::Changed(after) }
    }
}

/// A table of what was worked out. Two threads that ask at the same time may both work it out, to the same end.
struct Table<K, V>(LazyLock<Mutex<HashMap<K, V>>>);

impl<K: Eq + Hash, V: Copy> Table<K, V> {
    const fn new() -> Self {
        Self(LazyLock::new(Mutex::default))
    }

    fn get(&self, key: K, work: impl FnOnce() -> V) -> V {
        if let Some(known) = lock(&self.0).get(&key) {
            return *known;
        }
        let value = work();
        lock(&self.0).insert(key, value);
        value
    }
}

type Created = (String, u8, u32, Option<&'static str>);
type Changed = (u32, &'static str, String, u32);
type Edited = (u32, Edit, u32);

/// A change that has a name and a number, and the place of the program that makes it.
pub(super) type Edit = (&'static str, u32, &'static Location<'static>);

static CREATED: Table<Created, Content> = Table::new();
static CHANGED: Table<Changed, Done> = Table::new();
static EDITED: Table<Edited, Done> = Table::new();

/// What was worked out.
pub(super) struct Memo;

impl Memo {
    /// A new object of a life, at a second.
    pub(super) fn created(
        object: &Value,
        life: u8,
        now: u32,
        by: Option<&'static str>,
        work: impl FnOnce() -> Value,
    ) -> Content {
        CREATED.get((object.to_string(), life, now, by), || {
            let whole = sorted(work());
            let by = by.map(|manager| super::fields::Owner { manager, applies: false, status: false });
            let owners = by.map(|by| Owners::default().updated(&Value::Null, &whole, Some(&by)));
            Content::of(whole, owners.unwrap_or_default())
        })
    }

    /// A request's change, told by its words.
    pub(super) fn changed(
        before: Content,
        what: &'static str,
        words: &str,
        now: u32,
        work: impl FnOnce() -> Done,
    ) -> Done {
        CHANGED.get((before.id(), what, words.to_owned(), now), work)
    }

    /// A change by a closure.
    pub(super) fn edited(before: Content, edit: Edit, now: u32, work: impl FnOnce() -> Done) -> Done {
        EDITED.get((before.id(), edit, now), work)
    }
}
