//! The record of a sink's commits: one object that is only ever changed by compare-and-set.
//!
//! Every change carries a token of its own. When the answer to a write is lost, the token that is found tells whether the
//! write arrived; that something is there tells nothing.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::bucket::{Bucket, Condition};
use super::fault;
use crate::connector::{CommitRecord, ConnectorError, ErrorKind, Result};

/// Where commits are recorded.
pub(super) const RECORDS: &str = "_aggregator";

/// A staged part, and where it goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Move {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) size: u64,
    pub(super) rows: u64,
    /// Whether the name is a fixed one: what has it is replaced by the copy, in one act.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) replaces: bool,
}

/// An object that the last commit has made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Committed {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) rows: u64,
    pub(super) etag: String,
}

/// What is left to do of a commit that was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "camelCase")]
pub(super) enum Journal {
    /// Parts get their final names; until all have, readers see nothing of them.
    Copying {
        /// What is copied.
        moves: Vec<Move>,
        /// What is replaced.
        deletes: Vec<String>,
        /// The record when it is done.
        next: CommitRecord,
    },
    /// Readers see the new objects, and none of these any more.
    Deleting {
        /// What was replaced.
        deletes: Vec<String>,
        /// What was copied.
        staged: Vec<String>,
    },
}

/// The content of the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    /// Who owns the sink, and what was committed last.
    #[serde(flatten)]
    pub(super) record: CommitRecord,
    /// Another one with every write.
    pub(super) token: String,
    /// The objects of the last commit.
    #[serde(default)]
    pub(super) files: Vec<Committed>,
    /// A commit that is not finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) journal: Option<Journal>,
}

impl State {
    /// Reads a record.
    pub(super) fn parse(content: &[u8], address: &str) -> Result<Self> {
        serde_json::from_slice(content).map_err(|error| {
            ConnectorError::new(ErrorKind::Data, format!("read {address}"), format!("the record is broken: {error}"))
                .remedy("restore an earlier version of the object; without it nobody knows what was committed")
        })
    }

    /// The objects that readers do not see, though they may be listed.
    pub(super) fn hidden(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match &self.journal {
            None => Box::new(std::iter::empty()),
            Some(Journal::Copying { moves, .. }) => {
                // What has a fixed name is whole at any moment: the old content, and then the new one.
                Box::new(moves.iter().filter(|part| !part.replaces).map(|part| part.to.as_str()))
            }
            Some(Journal::Deleting { deletes, .. }) => Box::new(deletes.iter().map(String::as_str)),
        }
    }
}

/// What a compare-and-set came to.
#[derive(Debug)]
pub(super) enum Swap {
    /// The record is ours; its tag.
    Done(String),
    /// Somebody else has changed it before.
    Lost,
}

/// Where a record is.
#[derive(Clone, Debug)]
pub(super) struct RecordAt {
    pub(super) bucket: Bucket,
    pub(super) path: String,
}

impl RecordAt {
    /// The record and its tag, if there is one.
    pub(super) async fn load(&self) -> Result<Option<(State, String)>> {
        let Some((content, etag)) = self.bucket.get(&self.path).await? else { return Ok(None) };
        Ok(Some((State::parse(&content, &self.bucket.address(&self.path))?, etag)))
    }

    /// Writes the record if it is still the one with that tag, or if there is still none.
    pub(super) async fn swap(&self, state: &mut State, expected: Option<&str>) -> Result<Swap> {
        state.token = Uuid::now_v7().to_string();
        let condition = expected.map_or(Condition::Absent, Condition::Still);
        let error = match self.bucket.put_if(&self.bucket.key(&self.path)?, encoded(state)?, condition).await {
            Ok(Some(etag)) => return Ok(Swap::Done(etag)),
            Ok(None) => return Err(self.bucket.no_etag(&self.path)),
            Err(error) => error,
        };
        let failed = fault::of(&format!("write {}", self.bucket.address(&self.path)), &error);
        match self.load().await {
            Ok(Some((found, etag))) if found.token == state.token => Ok(Swap::Done(etag)),
            Ok(_) if fault::is_condition(&error) => Ok(Swap::Lost),
            Ok(_) | Err(_) => Err(failed),
        }
    }

    /// Makes sure that the store looks at conditions: one that ignores them would let two attempts commit. What is written
    /// if it does is what is there already.
    pub(super) async fn check_conditions(&self, state: &State) -> Result<()> {
        const NO_TAG: &str = "\"00000000000000000000000000000000\"";
        let (key, content) = (self.bucket.key(&self.path)?, encoded(state)?);
        for (condition, name) in [(Condition::Absent, "If-None-Match"), (Condition::Still(NO_TAG), "If-Match")] {
            match self.bucket.put_if(&key, content.clone(), condition).await {
                Err(error) if fault::is_condition(&error) => {}
                Err(error) => return Err(fault::of(&format!("write {}", self.bucket.address(&self.path)), &error)),
                Ok(_) => {
                    return Err(ConnectorError::new(
                        ErrorKind::Refused,
                        format!("write {}", self.bucket.address(&self.path)),
                        format!("the store does not look at {name}, so attempts cannot be told apart there"),
                    )
                    .remedy(
                        "use a store with conditional writes, or write with a `file` Connector and copy the files",
                    ));
                }
            }
        }
        Ok(())
    }
}

fn encoded(state: &State) -> Result<Bytes> {
    let text = serde_json::to_vec_pretty(state)
        .map_err(|error| ConnectorError::new(ErrorKind::Bug, "write a commit record", error.to_string()))?;
    Ok(text.into())
}
