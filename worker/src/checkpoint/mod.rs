//! What a Pipeline remembers between runs: its runs, its attempts, and how far each source was read.

pub(crate) mod claim;
mod local;
mod lock;
pub(crate) mod record;
mod shard;
#[cfg(test)]
mod walk;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::connector::{Attempt, Position};

pub use local::LocalStore;
pub use shard::{Idle, Joined, Shard, Sharing};

/// Positions by source node.
pub type Positions = BTreeMap<String, Position>;

/// What kind of run it is: a run is continued only by an attempt of the same kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunKind {
    /// Sources are read from where the last run ended, as their `sync` says.
    Incremental,
    /// Sources are read from the start.
    Full,
}

/// An attempt that may begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Begun {
    /// Which attempt of which run it is.
    pub attempt: Attempt,
    /// Whether an earlier attempt of the same run did not end well.
    pub resumed: bool,
    /// Where the last run that succeeded had ended.
    pub positions: Positions,
    /// The attempt that stored those positions.
    pub committed: Option<Attempt>,
}

/// How an attempt that committed nothing new ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unfinished {
    /// It failed.
    Failed,
    /// It was asked to stop.
    Interrupted,
}

/// A failure of the place where checkpoints are kept.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Another process runs this Pipeline now.
    #[error("another run of Pipeline `{pipeline}` is going on (it holds the lock {lock})")]
    Busy {
        /// The Pipeline, as `namespace/name`.
        pipeline: String,
        /// The lock file.
        lock: String,
    },
    /// A newer attempt has taken the Pipeline over.
    #[error("attempt {epoch} of Pipeline `{pipeline}` is not the newest one any more")]
    Superseded {
        /// The Pipeline, as `namespace/name`.
        pipeline: String,
        /// This attempt's epoch.
        epoch: u64,
    },
    /// Who asked for the run does not count on this attempt any more.
    #[error("the run `{run}` has ended without this attempt, or goes on with a later one: nothing of it is committed")]
    GivenUp {
        /// The run.
        run: String,
    },
    /// What should be a folder is a file.
    #[error("state cannot be kept in {path}: it is a file, and not a folder")]
    NotAFolder {
        /// The file.
        path: String,
    },
    /// The file system refused.
    #[error("cannot use the state folder {path}: {source}")]
    Folder {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database of checkpoints refused.
    #[error("cannot use the checkpoints in {path}: {source}")]
    Database {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The Kubernetes API refused, or could not be reached for minutes.
    #[error("cannot use the Checkpoint `{name}`: {source}")]
    Unreachable {
        /// The object.
        name: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is to be remembered is more than one object holds.
    #[error("the Checkpoint `{name}` would have about {} KiB, which is more than the API server takes", .bytes / 1024)]
    TooLarge {
        /// The object.
        name: String,
        /// About how many bytes it would have.
        bytes: usize,
        /// What the API server said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was stored does not read.
    #[error("a checkpoint of Pipeline `{pipeline}` does not read")]
    Corrupt {
        /// The Pipeline, as `namespace/name`.
        pipeline: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl CheckpointError {
    /// Whether the same question may be answered later.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::Unreachable { .. } => true,
            Self::Superseded { .. }
            | Self::GivenUp { .. }
            | Self::NotAFolder { .. }
            | Self::Folder { .. }
            | Self::Database { .. }
            | Self::TooLarge { .. }
            | Self::Corrupt { .. } => false,
        }
    }
}

/// Where a Pipeline's checkpoints are kept. One store serves one attempt at a time.
#[async_trait]
pub trait CheckpointStore: Send + Sync {
    /// Where the last run that succeeded had ended. Changes nothing.
    async fn positions(&self, pipeline: &str) -> Result<Positions, CheckpointError>;

    /// Begins an attempt: of the run that did not end well if it was of the same kind and had the same `plan` (any text
    /// that changes when what a run would do changes), else of a new run. The epoch is greater than every earlier one and
    /// than `above`.
    ///
    /// # Errors
    /// [`CheckpointError::Busy`] while another process runs the Pipeline.
    async fn begin(&self, pipeline: &str, kind: RunKind, plan: &str, above: u64) -> Result<Begun, CheckpointError>;

    /// Which of several processes that share each run this one is, if they do.
    fn shard(&self) -> Option<Shard> {
        None
    }

    /// Instead of [`CheckpointStore::begin`], where processes share a run: says what this one does next, and waits while
    /// another one divides the run. Asked anew after each step. A store that is of no [`Shard`] does everything by itself.
    ///
    /// # Errors
    /// [`CheckpointError::Busy`] while another process is the same shard, or runs the Pipeline by itself.
    async fn join(&self, pipeline: &str, kind: RunKind, plan: &str, above: u64) -> Result<Joined, CheckpointError> {
        Ok(Joined::Finish(self.begin(pipeline, kind, plan, above).await?))
    }

    /// The attempt that this process has begun to share is shared so.
    ///
    /// # Errors
    /// [`CheckpointError::Superseded`] when it is not the newest.
    async fn divided(&self, _pipeline: &str, _attempt: &Attempt, _sharing: &Sharing) -> Result<(), CheckpointError> {
        Ok(())
    }

    /// The sinks have all that is this shard's own of the shared attempt.
    ///
    /// # Errors
    /// [`CheckpointError::Superseded`] when it is not the one that is shared now.
    async fn saved(&self, _pipeline: &str, _attempt: &Attempt) -> Result<(), CheckpointError> {
        Ok(())
    }

    /// The attempt is about to commit: from now on, who asked for it takes into account that it may have.
    ///
    /// # Errors
    /// [`CheckpointError::GivenUp`] when they do not count on it any more; nothing may be committed then.
    async fn commits(&self, _pipeline: &str) -> Result<(), CheckpointError> {
        Ok(())
    }

    /// A sink has refused the commit: what the attempt then says of its end is all that there is to be known.
    fn refused(&self, _pipeline: &str) {}

    /// The run has committed: stores its positions, if the attempt is still the newest.
    ///
    /// # Errors
    /// [`CheckpointError::Superseded`] when it is not.
    async fn succeed(&self, pipeline: &str, attempt: &Attempt, positions: &Positions) -> Result<(), CheckpointError>;

    /// The attempt ended without success; the next one continues the run.
    async fn end(&self, pipeline: &str, attempt: &Attempt, how: Unfinished) -> Result<(), CheckpointError>;
}
