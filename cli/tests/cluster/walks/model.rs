//! What must be there.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// What was done to the operator last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Acts,
    Sleeps,
    IsDead,
}

/// A Pipeline with a Connector of its own, and what was done to it.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) name: String,
    /// The rows that were written for it.
    pub(super) rows: BTreeSet<usize>,
    pub(super) there: bool,
    pub(super) draft: bool,
    pub(super) broken: bool,
    pub(super) connector: bool,
    pub(super) edits: usize,
    /// Why its runs may have failed since everything was compared last.
    pub(super) excuses: BTreeSet<&'static str>,
}

impl Pipe {
    pub(super) fn new(number: usize) -> Self {
        Self {
            name: format!("pipe-{number}"),
            rows: BTreeSet::new(),
            there: false,
            draft: false,
            broken: false,
            connector: false,
            edits: 0,
            excuses: BTreeSet::new(),
        }
    }

    /// Why its runs fail now.
    pub(super) fn wrong(&self) -> BTreeSet<&'static str> {
        let all = [
            (!self.there, "PipelineMissing"),
            (self.draft, "PipelineIsDraft"),
            (self.broken, "Invalid"),
            (!self.connector, "ConnectorMissing"),
        ];
        all.into_iter().filter_map(|(wrong, reason)| wrong.then_some(reason)).collect()
    }

    pub(super) fn spec(&self) -> Value {
        json!({
            "description": format!("edit {}", self.edits),
            "draft": self.draft,
            "sources": [{"name": "rows", "connector": self.name, "stream": "*.csv", "sync": {"mode": "Incremental"}}],
            "sinks": [{
                "name": "kept", "from": if self.broken { "row" } else { "rows" },
                "connector": "out", "stream": format!("{}/", self.name),
            }],
            "execution": {"retry": {"limit": 5, "backoff": {"initial": "1s"}}},
        })
    }

    /// The spec of its Connector, which has its name.
    pub(super) fn connector_spec(&self) -> Value {
        json!({
            "description": format!("edit {}", self.edits),
            "file": {"root": format!("in/{}", self.name), "format": {"csv": {}}},
        })
    }
}

/// A run, and what was done to it.
#[derive(Debug)]
pub(super) struct Run {
    /// The number of its Pipeline.
    pub(super) pipe: usize,
    pub(super) cancelled: bool,
    /// Its plan was deleted, which ends it if its worker has not begun.
    pub(super) without_plan: bool,
}

impl Run {
    pub(super) fn of(pipe: usize) -> Self {
        Self { pipe, cancelled: false, without_plan: false }
    }
}

/// A Schedule.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) uid: String,
    pub(super) edits: u64,
}
