//! The operator's writes, each kept once for all states.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{LazyLock, Mutex};

use super::object::{Place, lock};
use crate::action::Action;

/// A write that was planned, whatever the version was that it was planned from.
#[derive(Clone, Copy)]
pub(super) struct Task(&'static Kept);

struct Kept {
    id: u32,
    place: Place,
    action: Action,
}

impl Task {
    /// That write.
    pub(super) fn of(action: &Action) -> Self {
        static KNOWN: LazyLock<Mutex<HashMap<String, Task>>> = LazyLock::new(Mutex::default);
        let mut action = action.clone();
        if let Action::Status { target, .. } | Action::Merge { target, .. } | Action::Delete { target, .. } =
            &mut action
        {
            target.resource_version = target.resource_version.take().map(|_| String::new());
        }
        let text = serde_json::to_string(&action).expect("JSON");
        let known = &mut *lock(&KNOWN);
        if let Some(task) = known.get(&text) {
            return *task;
        }
        let id = u32::try_from(known.len()).expect("not so many writes");
        let task = Self(Box::leak(Box::new(Kept { id, place: place(&action), action })));
        known.insert(text, task);
        task
    }

    /// What is written.
    pub(super) fn place(self) -> Place {
        self.0.place
    }

    /// The write. A version that it names is empty.
    pub(super) fn action(self) -> &'static Action {
        &self.0.action
    }
}

fn place(action: &Action) -> Place {
    match action {
        Action::Create { kind, object } | Action::Apply { kind, object } => {
            Place::of(*kind, object["metadata"]["name"].as_str().unwrap_or_default())
        }
        Action::Status { target, .. } | Action::Merge { target, .. } | Action::Delete { target, .. } => {
            Place::of(target.kind, &target.name)
        }
    }
}

impl PartialEq for Task {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Task {}

impl Hash for Task {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0.action)
    }
}
