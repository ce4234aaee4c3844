//! What one watch has told, from its beginning until it ended.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;

use crate::history::{Change, History, State, state_of};
use crate::selection::Selection;

/// What one watch has told.
pub(crate) struct Session {
    /// The version after which it tells.
    pub(crate) after: u64,
    /// What was there at that version, if it was asked.
    pub(crate) there: Option<Vec<ConfigMap>>,
    /// What it has told.
    pub(crate) changes: Vec<Change>,
    /// The version up to which it says that it has told everything.
    pub(crate) until: u64,
}

impl Session {
    /// It was the truth, the whole truth, in order, and nothing twice.
    pub(crate) fn check(&self, history: &History, selection: &Selection) {
        let of = selection.words();
        if let Some(there) = &self.there {
            let listed = state_of(there);
            assert_eq!(listed.len(), there.len(), "{of}: an object is listed twice at {}", self.after);
            assert!(
                listed == selected(&history.at(self.after), selection),
                "{of}: what is listed at {} is not what was there: {:?}",
                self.after,
                listed.keys()
            );
        }
        let wanted = history.told(selection, self.after, self.until);
        let words = |changes: &[Change]| changes.iter().map(Change::words).collect::<Vec<_>>();
        assert_eq!(words(&self.changes), words(&wanted), "{of}: after {}, up to {}", self.after, self.until);
        for (told, wanted) in self.changes.iter().zip(&wanted) {
            assert_eq!(told.object, wanted.object, "{of}: {}", told.words());
        }
    }
}

/// Those of a state that are selected.
pub(crate) fn selected(state: &State, selection: &Selection) -> State {
    let taken = state.iter().filter(|(_, object)| selection.takes(object));
    taken.map(|(name, object)| (name.clone(), Arc::clone(object))).collect()
}
