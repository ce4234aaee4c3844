//! What a plan is made of: writes, in order, each with preconditions.

use std::fmt;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::ObjectMeta;
use serde::Serialize;
use serde_json::{Value, json};

use super::resource::Resource;

/// An object that is written, and which version of it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Its kind.
    pub resource: Resource,
    /// Its namespace; empty where there is none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which of all objects that ever had this name.
    pub uid: String,
    /// The version that the plan was made from: a later one refuses the write.
    pub resource_version: Option<String>,
}

impl Target {
    /// An object as it was looked at.
    #[must_use]
    pub fn of(resource: &Resource, metadata: &ObjectMeta) -> Self {
        Self {
            resource: resource.clone(),
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone(),
        }
    }

    /// The same, whatever its version.
    #[must_use]
    pub fn any_version(mut self) -> Self {
        self.resource_version = None;
        self
    }

    /// What an Event says that it is about.
    #[must_use]
    pub fn reference(&self) -> ObjectReference {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        ObjectReference {
            api_version: Some(self.resource.api_version()),
            kind: Some(self.resource.kind.to_string()),
            namespace: some(&self.namespace),
            name: some(&self.name),
            uid: some(&self.uid),
            resource_version: self.resource_version.clone(),
            ..ObjectReference::default()
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ", self.resource.kind)?;
        if !self.namespace.is_empty() {
            write!(out, "{}/", self.namespace)?;
        }
        write!(out, "{}", self.name)
    }
}

/// What becomes of what an object owns, when it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Propagation {
    /// It stays, without its owner.
    Orphan,
    /// It goes after its owner.
    Background,
    /// It goes before its owner.
    Foreground,
}

/// What is told of an object: an Event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The object.
    pub about: Target,
    /// Whether it is of the type `Warning`.
    pub warning: bool,
    /// Why, in a word.
    pub reason: &'static str,
    /// Why, for people.
    pub message: String,
    /// The controller that says so.
    pub by: &'static str,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Action {
    /// Makes an object. One that is there and has the same controller is as good as made.
    Create {
        /// Its kind.
        resource: Resource,
        /// The whole object.
        object: Value,
        /// What is told when it is refused, before the reason that the API server gives.
        refused: Option<Box<Note>>,
    },
    /// Replaces a part of an object: `status`, `finalize`.
    Replace {
        /// The object.
        target: Target,
        /// Which part.
        part: &'static str,
        /// The whole object with the new part.
        object: Value,
    },
    /// Sets fields of an object, or of its status (a merge patch, RFC 7396).
    Merge {
        /// The object.
        target: Target,
        /// Which part; none is the object without its status.
        part: Option<&'static str>,
        /// The fields.
        patch: Value,
    },
    /// Makes fields of an object what they should be, whoever had them (server-side apply).
    Apply {
        /// The object.
        target: Target,
        /// The fields.
        fields: Value,
        /// Who owns them from then on.
        manager: &'static str,
    },
    /// Deletes an object.
    Delete {
        /// The object.
        target: Target,
        /// What becomes of its dependents; by default, what the API server thinks is right for the kind.
        propagation: Option<Propagation>,
        /// How many seconds it has; by default, what it says itself.
        grace: Option<u32>,
    },
    /// Binds a Pod to a node.
    Bind {
        /// The Pod.
        target: Target,
        /// The node.
        node: String,
    },
    /// Tells something of an object. That this fails is no failure.
    Tell(Note),
}

impl Action {
    /// Takes a finalizer off an object that has these.
    #[must_use]
    pub fn without_finalizer(target: Target, finalizers: &[String], finalizer: &str) -> Self {
        let left: Vec<&String> = finalizers.iter().filter(|other| *other != finalizer).collect();
        // An empty list is none.
        let left = if left.is_empty() { Value::Null } else { json!(left) };
        Self::Merge { target, part: None, patch: json!({"metadata": {"finalizers": left}}) }
    }

    /// Deletes an object as its kind has it.
    #[must_use]
    pub fn delete(target: Target) -> Self {
        Self::Delete { target, propagation: None, grace: None }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { resource, object, .. } => {
                let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
                write!(out, "create {} {}/{}", resource.kind, text("namespace"), text("name"))
            }
            Self::Replace { target, part, .. } => write!(out, "replace {part} of {target}"),
            Self::Merge { target, part: Some(part), .. } => write!(out, "change {part} of {target}"),
            Self::Merge { target, part: None, patch } => write!(out, "merge {patch} into {target}"),
            Self::Apply { target, .. } => write!(out, "apply {target}"),
            Self::Delete { target, .. } => write!(out, "delete {target}"),
            Self::Bind { target, node } => write!(out, "bind {target} to {node}"),
            Self::Tell(note) => write!(out, "tell {} of {}", note.reason, note.about),
        }
    }
}

/// What is to be done now.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    /// The writes, in order. Each is done, or fails and ends the plan; then it is planned anew.
    pub actions: Vec<Action>,
    /// When to look again, if nothing changes before.
    pub again: Option<Duration>,
}

impl Plan {
    /// Nothing to do.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Adds a write.
    #[must_use]
    pub fn then(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }

    /// Does what another plan says as well.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.actions.extend(other.actions);
        self.again = self.again.into_iter().chain(other.again).min();
        self
    }

    /// Looks again after this time, or earlier if that was said before.
    #[must_use]
    pub fn again_in(mut self, time: Duration) -> Self {
        self.again = Some(self.again.map_or(time, |before| before.min(time)));
        self
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actions: Vec<String> = self.actions.iter().map(ToString::to_string).collect();
        write!(out, "{}", if actions.is_empty() { "nothing to do".to_owned() } else { actions.join("; ") })?;
        match self.again {
            Some(time) => write!(out, "; again in {time:?}"),
            None => Ok(()),
        }
    }
}
