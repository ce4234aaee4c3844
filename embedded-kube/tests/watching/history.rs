//! Everything that ever happened to the objects, in order, and what must be told of it to whom.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;

use crate::selection::Selection;

/// What happened to an object, as a watch says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Added,
    Modified,
    Deleted,
}

/// Something that happened to an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) word: Word,
    pub(crate) version: u64,
    pub(crate) object: Arc<ConfigMap>,
}

/// Objects by namespace and name.
pub(crate) type State = BTreeMap<(String, String), Arc<ConfigMap>>;

pub(crate) fn name_of(object: &ConfigMap) -> (String, String) {
    (object.namespace().unwrap_or_default(), object.name_any())
}

pub(crate) fn version_of(object: &ConfigMap) -> u64 {
    object.resource_version().and_then(|version| version.parse().ok()).expect("a version, which is a number")
}

pub(crate) fn state_of(objects: &[ConfigMap]) -> State {
    objects.iter().map(|object| (name_of(object), Arc::new(object.clone()))).collect()
}

impl Change {
    pub(crate) fn new(word: Word, object: ConfigMap) -> Self {
        Self { word, version: version_of(&object), object: Arc::new(object) }
    }

    /// Without the content.
    pub(crate) fn words(&self) -> String {
        let (namespace, name) = name_of(&self.object);
        format!("{} {:?} {namespace}/{name}", self.version, self.word)
    }
}

/// Makes of a state what changes make of it. Each must fit what was there.
pub(crate) fn fold(state: &mut State, changes: &[Change]) {
    for change in changes {
        let name = name_of(&change.object);
        let before = state.get(&name).map(|before| version_of(before));
        assert_eq!(before.is_some(), change.word != Word::Added, "{} does not fit {before:?}", change.words());
        assert!(before.is_none_or(|before| before < change.version), "{} is older than {before:?}", change.words());
        match change.word {
            Word::Deleted => state.remove(&name),
            Word::Added | Word::Modified => state.insert(name, Arc::clone(&change.object)),
        };
    }
}

/// Everything that happened after a version.
pub(crate) struct History {
    begun: u64,
    first: State,
    changes: Vec<Change>,
}

impl History {
    /// What happened to those objects, which are of that version.
    pub(crate) fn new(begun: u64, first: State, changes: Vec<Change>) -> Self {
        let mut last = begun;
        for change in &changes {
            assert!(change.version > last, "{} comes after {last}", change.words());
            last = change.version;
        }
        fold(&mut first.clone(), &changes);
        Self { begun, first, changes }
    }

    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The objects as they were at a version.
    pub(crate) fn at(&self, version: u64) -> State {
        assert!(version >= self.begun, "what was before {} is not known: {version}", self.begun);
        let mut state = self.first.clone();
        let until = self.changes.partition_point(|change| change.version <= version);
        fold(&mut state, &self.changes[..until]);
        state
    }

    /// Whether there ever was that object, at its version.
    pub(crate) fn had(&self, object: &ConfigMap) -> bool {
        match self.changes.binary_search_by_key(&version_of(object), |change| change.version) {
            Ok(place) => *self.changes[place].object == *object,
            Err(_) => self.first.get(&name_of(object)).is_some_and(|there| **there == *object),
        }
    }

    /// What whoever has selected those is told of what happened after a version, up to another: an object may come among them,
    /// or leave them, without being new, or gone.
    pub(crate) fn told(&self, selection: &Selection, after: u64, until: u64) -> Vec<Change> {
        let mut state = self.at(after);
        let mut told = Vec::new();
        for change in self.changes.iter().filter(|change| change.version > after && change.version <= until) {
            let before = state.get(&name_of(&change.object)).cloned();
            let was = before.as_ref().is_some_and(|before| selection.takes(before));
            let is = change.word != Word::Deleted && selection.takes(&change.object);
            let object = match (was, is, before) {
                // It is told of as it was among them.
                (true, false, Some(before)) if change.word != Word::Deleted => {
                    let mut before = ConfigMap::clone(&before);
                    before.metadata.resource_version = Some(change.version.to_string());
                    Arc::new(before)
                }
                _ => Arc::clone(&change.object),
            };
            let word = match (was, is) {
                (false, true) => Some(Word::Added),
                (true, true) => Some(Word::Modified),
                (true, false) => Some(Word::Deleted),
                (false, false) => None,
            };
            told.extend(word.map(|word| Change { word, version: change.version, object }));
            fold(&mut state, std::slice::from_ref(change));
        }
        told
    }
}
