//! Whether a Pipeline compiles: found out once for each version of it and of what it names.
//!
//! A Pipeline is looked at whenever one of its runs tells how far it is, and compiling one takes milliseconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aggregator_compiler::diagnostic::Diagnostic;
use aggregator_crds::pipeline::PipelineDiagnostic;
use aggregator_crds::{Pipeline, Reason};

use super::diagnostics;
use crate::conditions::bounded;
use crate::names::{self, Mark};
use crate::run::Unresolved;

/// What is worth knowing of a Pipeline that compiles; why it does not, of another one.
pub(super) type Found = Result<Vec<Diagnostic>, Unresolved>;

/// What its status tells of whether a Pipeline compiles. The compiler may say any number of things, of any length: of them no
/// more is kept than is told, since there are as many as there are Pipelines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checked {
    /// Why it cannot be run, if it cannot.
    pub(super) refused: Option<Refused>,
    /// What the compiler says of it.
    pub(super) diagnostics: Vec<PipelineDiagnostic>,
}

/// Why a Pipeline cannot be run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refused {
    /// In a word.
    pub(super) reason: Reason,
    /// For people: the first mistake, and how many more there are.
    pub(super) message: String,
    /// Whether that is not its own fault, so that it may come right without an edit of it.
    pub(super) may_come_right: bool,
}

impl Checked {
    /// Of what was found out of a Pipeline, what is told.
    pub(super) fn of(pipeline: &Pipeline, found: &Found) -> Self {
        let refused = found.as_ref().err().map(|error| Refused {
            reason: error.reason(),
            message: bounded(error.to_string()),
            may_come_right: may_come_right(error),
        });
        let mut diagnostics = diagnostics::told(pipeline, found);
        diagnostics.shrink_to_fit();
        Self { refused, diagnostics }
    }

    /// Whether it can be run now, or may come right by itself.
    pub(super) fn is_valid(&self) -> bool {
        self.refused.as_ref().is_none_or(|refused| refused.may_come_right)
    }
}

fn may_come_right(error: &Unresolved) -> bool {
    match error {
        Unresolved::ConnectorMissing(_)
        | Unresolved::TransformationMissing(_)
        | Unresolved::VolumeMissing(_)
        | Unresolved::SchemaMismatch(_) => true,
        Unresolved::Invalid(_) | Unresolved::TooLarge(_) | Unresolved::Unwritable(_) => false,
    }
}

/// What was found out, by the UIDs of Pipelines, with the versions that it was found out from: both as marks, since there are
/// as many as there are Pipelines.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    known: Arc<Mutex<HashMap<Mark, Known>>>,
    /// What is known of most.
    sound: Arc<Checked>,
}

type Known = (Mark, Arc<Checked>);

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
        let checked = check();
        let checked = if checked == *self.sound { Arc::clone(&self.sound) } else { Arc::new(checked) };
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
    use aggregator_crds::pipeline::DiagnosticSeverity;
    use serde_json::json;

    use super::*;
    use crate::fixture::object;

    fn pipeline() -> Pipeline {
        object(json!({
            "apiVersion": aggregator_crds::API_VERSION, "kind": "Pipeline", "metadata": {"name": "move", "namespace": "demo"},
            "spec": {"sources": [{"name": "rows", "connector": "files"}],
                     "sinks": [{"name": "kept", "from": "rows", "connector": "files", "stream": "out/"}]},
        }))
    }

    #[test]
    fn it_is_found_out_once_for_each_version() {
        let checks = Checks::default();
        let count = std::cell::Cell::new(0);
        let found = |uid: &str, version: &str| {
            let check = || {
                count.set(count.get() + 1);
                Checked::of(&pipeline(), &Err(Unresolved::ConnectorMissing(version.to_owned())))
            };
            let found = checks.of(uid, &[version.to_owned()], check);
            let refused = found.refused.as_ref().expect("a Connector is missing");
            let message = format!("there is no Connector `{version}` in this namespace");
            assert_eq!((refused.reason, refused.may_come_right), (Reason::ConnectorMissing, true));
            assert_eq!(refused.message, message);
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
        let found = |uid: &str, found: Found| checks.of(uid, &[], || Checked::of(&pipeline(), &found));
        let sound = |uid: &str| found(uid, Ok(Vec::new()));
        assert!(Arc::ptr_eq(&sound("a"), &sound("b")));
        assert_eq!(*sound("a"), Checked::default());
        let warned = found("c", Ok(vec![Diagnostic::warning("UnusedNode", "nothing reads `rows`")]));
        assert!(warned.is_valid() && warned.refused.is_none(), "{warned:?}");
        let [told] = &warned.diagnostics[..] else { panic!("{warned:?}") };
        assert_eq!((told.severity, told.message.as_str()), (DiagnosticSeverity::Warning, "nothing reads `rows`"));
    }

    /// There are thousands of them, and the compiler may have said anything.
    #[test]
    fn no_more_is_kept_than_is_told() {
        let bytes = |checked: &Checked| {
            let texts = checked.diagnostics.iter().flat_map(|told| {
                let optional = [&told.object, &told.path, &told.help];
                let optional = optional.map(|text| text.as_ref().map_or(0, String::capacity));
                [told.code.capacity(), told.message.capacity()].into_iter().chain(optional)
            });
            let own = checked.diagnostics.capacity() * size_of::<PipelineDiagnostic>();
            texts.sum::<usize>() + own + checked.refused.as_ref().map_or(0, |refused| refused.message.capacity())
        };
        let of = |mistakes: Vec<Diagnostic>| Checked::of(&pipeline(), &Err(Unresolved::Invalid(mistakes)));
        let long = "ö".repeat(2500);
        let mistake = |number: u32| Diagnostic::error("UnknownInput", format!("{number}: {long}")).help(long.clone());
        let checked = of((0..1000).map(mistake).collect());
        let refused = checked.refused.as_ref().expect("mistakes");
        assert!(!checked.is_valid() && refused.reason == Reason::Invalid, "{refused:?}");
        assert!(refused.message.starts_with("0: ö") && refused.message.ends_with("ö…"), "{}", refused.message);
        assert_eq!(checked.diagnostics.len(), 20);
        assert!(bytes(&checked) < 50_000, "{} bytes", bytes(&checked));

        let mistake = |number: u32| Diagnostic::error("UnknownInput", format!("there is no node `{number}`"));
        let checked = of((0..1000).map(mistake).collect());
        let message = checked.refused.as_ref().map(|refused| refused.message.as_str());
        assert_eq!(message, Some("there is no node `0` (and 999 more)"));
        assert!(bytes(&checked) < 5_000, "{} bytes", bytes(&checked));
    }
}
