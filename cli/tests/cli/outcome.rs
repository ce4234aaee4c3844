//! What became of a run that met a fault on the road to a server: it went through all the same, or it said what happened.

use serde_json::Value;

use crate::aggregator::Said;

/// What a run may say of a commit that was made, or will be: the answer to it was lost, or something behind it went wrong.
const COMMITTED: [&str; 2] = ["whether it was committed is unknown", "the commit stands"];

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// It went through all the same.
    Recovered,
    /// Nothing was committed, which was told.
    Told,
    /// It was committed, or the next run commits it, and nobody heard of that; which was told.
    Unanswered,
}

impl Outcome {
    /// That of a run which ended so.
    pub(crate) fn of(name: &str, said: &Said, committed: bool) -> Self {
        if said.code() == Some(0) {
            let report: Value = serde_json::from_str(&said.stdout).expect("a report");
            assert!(committed && report["ledger"]["balanced"] == Value::Bool(true), "{name}: {report}");
            return Self::Recovered;
        }
        let report = truthful(name, said);
        let remedy = report["error"]["remedy"].as_str().expect("a remedy");
        assert!(!committed || COMMITTED.iter().any(|words| remedy.contains(words)), "{name}: {report}");
        if committed { Self::Unanswered } else { Self::Told }
    }
}

/// A run that failed said so: that the way to the server is at fault, that it may be tried again, and what to look at.
pub(crate) fn truthful(name: &str, said: &Said) -> Value {
    let report: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{name}: {error}: {said:?}"));
    let error = &report["error"];
    let code = match error["reason"].as_str() {
        Some("Unreachable") => 3,
        Some("Transient") => 1,
        other => panic!("{name}: {other:?}: {report}"),
    };
    assert_eq!((said.code(), &error["exitCode"]), (Some(code), &code.into()), "{name}: {report}");
    assert_eq!((&report["outcome"], &error["retryable"]), (&"Failed".into(), &true.into()), "{name}: {report}");
    assert!(error["remedy"].as_str().is_some_and(|remedy| remedy.len() > 10), "{name}: {report}");
    report
}
