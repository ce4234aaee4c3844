//! Whether a Pipeline compiles: found out once for each version of it and of what it names.
//!
//! A Pipeline is looked at whenever one of its runs tells how far it is, and compiling one takes milliseconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aggregator_compiler::diagnostic::Diagnostic;

use crate::names::{self, Mark};
use crate::run::Unresolved;

/// What is worth knowing of a Pipeline that compiles; why it does not, of another one.
pub type Checked = Result<Vec<Diagnostic>, Unresolved>;

/// What was found out, by the UIDs of Pipelines, with the versions that it was found out from: both as marks, since there are
/// as many as there are Pipelines.
#[derive(Clone, Debug)]
pub struct Checks {
    known: Arc<Mutex<HashMap<Mark, Known>>>,
    /// What is known of most.
    sound: Arc<Checked>,
}

type Known = (Mark, Arc<Checked>);

impl Default for Checks {
    fn default() -> Self {
        Self { known: Arc::default(), sound: Arc::new(Ok(Vec::new())) }
    }
}

impl Checks {
    fn known(&self) -> MutexGuard<'_, HashMap<Mark, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a Pipeline in these versions; found out, if nothing is.
    pub fn of(&self, uid: &str, versions: &[String], check: impl FnOnce() -> Checked) -> Arc<Checked> {
        let (uid, versions) = (names::mark([uid]), names::mark(versions.iter().map(String::as_str)));
        if let Some((of, checked)) = self.known().get(&uid)
            && *of == versions
        {
            return Arc::clone(checked);
        }
        // Others are found out meanwhile.
        let checked = match check() {
            Ok(warnings) if warnings.is_empty() => Arc::clone(&self.sound),
            other => Arc::new(other),
        };
        self.known().insert(uid, (versions, Arc::clone(&checked)));
        checked
    }

    /// The Pipeline is gone.
    pub fn forget(&self, uid: &str) {
        self.known().remove(&names::mark([uid]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_out_once_for_each_version() {
        let checks = Checks::default();
        let count = std::cell::Cell::new(0);
        let found = |uid: &str, version: &str| {
            let check = || {
                count.set(count.get() + 1);
                Err(Unresolved::ConnectorMissing(version.to_owned()))
            };
            let found = checks.of(uid, &[version.to_owned()], check);
            assert_eq!(*found, Err(Unresolved::ConnectorMissing(version.to_owned())));
        };
        for (uid, version, times) in [("a", "1", 1), ("a", "1", 1), ("b", "1", 2), ("a", "2", 3), ("a", "1", 4)] {
            found(uid, version);
            assert_eq!(count.get(), times, "{uid} {version}");
        }
        checks.forget("a");
        found("a", "1");
        assert_eq!(count.get(), 5);
    }

    #[test]
    fn what_holds_of_most_is_kept_once() {
        let checks = Checks::default();
        let sound = |uid: &str| checks.of(uid, &[], || Ok(Vec::new()));
        assert!(Arc::ptr_eq(&sound("a"), &sound("b")));
        assert_eq!(*sound("a"), Ok(Vec::new()));
        let warning = Diagnostic::warning("UnusedNode", "nothing reads `rows`");
        assert_eq!(*checks.of("c", &[], || Ok(vec![warning.clone()])), Ok(vec![warning.clone()]));
    }
}
