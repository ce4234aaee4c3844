//! Why a run did not succeed, and what that means for the exit code.

use std::error::Error;

use aggregator_compiler::diagnostic::{Diagnostic, Place};
use aggregator_compiler::plural::counted;
use aggregator_crds::Reason;
use datafusion::error::DataFusionError;

use crate::checkpoint::CheckpointError;
use crate::connector::{ConnectorError, ErrorKind};
use crate::ledger::Imbalance;

/// Why a run did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The manifests cannot run.
    #[error("the Pipeline does not compile: {}", counted(.0.len(), "error"))]
    Invalid(Vec<Diagnostic>),
    /// A draft was asked to write.
    #[error("the Pipeline `{0}` is a draft, which is never run")]
    Draft(String),
    /// A connector failed.
    #[error("{error}")]
    Connector {
        /// The node, when the error belongs to one.
        node: Option<Box<str>>,
        /// What happened.
        error: ConnectorError,
    },
    /// A node's plan failed on the data.
    #[error("node `{node}`: {detail}")]
    Query {
        /// The node.
        node: String,
        /// What happened.
        detail: String,
    },
    /// A node needed more memory than the run has, and could not spill.
    #[error("node `{node}` needs more memory than the run has: {detail}")]
    Memory {
        /// The node.
        node: String,
        /// What asked for how much.
        detail: String,
    },
    /// Rows that did not fit into memory could not be kept on the local disk.
    #[error("node `{node}`: rows that do not fit into memory could not be kept on the local disk: {detail}")]
    Spill {
        /// The node.
        node: String,
        /// What happened.
        detail: String,
    },
    /// Rows were lost or doubled.
    #[error("the ledger does not balance: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    LedgerMismatch(Vec<Imbalance>),
    /// A quality rule of severity Error is broken.
    #[error("{} of the quality rules {} broken: {}", .0.len(), if .0.len() == 1 { "is" } else { "are" }, .0.join(", "))]
    Quality(Vec<String>),
    /// There were too many rejected rows.
    #[error("{} over the budget of {budget}", if *.rejected == 1 { "1 rejected row is".to_owned() } else { format!("{rejected} rejected rows are") })]
    RejectBudget {
        /// How many there were when the run gave up.
        rejected: u64,
        /// What was allowed, in words.
        budget: String,
    },
    /// Two sinks disagree on what was committed last, and no checkpoint settles it.
    #[error("the sinks of this Pipeline were left at different positions and there is no checkpoint: {detail}")]
    Diverged {
        /// Which sink is where.
        detail: String,
    },
    /// The place where checkpoints are kept failed.
    #[error("{0}")]
    Checkpoint(#[from] CheckpointError),
    /// The run took longer than it may.
    #[error("the run took longer than `execution.timeout` allows, which is {0:?}")]
    TimedOut(std::time::Duration),
    /// The run was asked to stop.
    #[error("the run was interrupted; nothing was committed, the next run continues it")]
    Interrupted,
}

impl RunError {
    /// A stable word for the kind of failure, for reports and conditions.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        let reason = match self {
            Self::Invalid(_) => Reason::Invalid,
            Self::Draft(_) => Reason::PipelineIsDraft,
            Self::Connector { error, .. } => match error.kind {
                ErrorKind::Config => Reason::ConfigInvalid,
                ErrorKind::Credentials => Reason::CredentialsRefused,
                ErrorKind::Unreachable => Reason::Unreachable,
                ErrorKind::NotFound => Reason::NotFound,
                ErrorKind::Data => Reason::DataInvalid,
                ErrorKind::Limit => Reason::LimitExceeded,
                ErrorKind::Fenced => Reason::Fenced,
                ErrorKind::Transient => Reason::Transient,
                ErrorKind::Refused => Reason::Refused,
                ErrorKind::Interrupted => Reason::Interrupted,
                ErrorKind::Bug => Reason::InternalError,
            },
            Self::Query { .. } => Reason::QueryFailed,
            Self::Memory { .. } => Reason::OutOfMemory,
            Self::Spill { .. } => Reason::SpillFailed,
            Self::LedgerMismatch(_) => Reason::LedgerMismatch,
            Self::Quality(_) => Reason::QualityRuleBroken,
            Self::RejectBudget { .. } => Reason::RejectBudgetExceeded,
            Self::Diverged { .. } => Reason::SinksDiverged,
            Self::Checkpoint(CheckpointError::Busy { .. }) => Reason::AlreadyRunning,
            Self::Checkpoint(CheckpointError::Superseded { .. } | CheckpointError::GivenUp { .. }) => Reason::Fenced,
            Self::Checkpoint(CheckpointError::TooLarge { .. }) => Reason::LimitExceeded,
            Self::Checkpoint(_) => Reason::CheckpointUnavailable,
            Self::TimedOut(_) => Reason::TimedOut,
            Self::Interrupted => Reason::Interrupted,
        };
        reason.as_str()
    }

    /// The process's exit code: 1 the run failed, 2 invalid manifest, 3 a connector could not be reached, 4 quality or
    /// reject budget, 130 interrupted.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Invalid(_) | Self::Draft(_) => 2,
            Self::Connector { error, .. } => match error.kind {
                ErrorKind::Config => 2,
                ErrorKind::Unreachable | ErrorKind::Credentials => 3,
                ErrorKind::Interrupted => 130,
                _ => 1,
            },
            Self::Quality(_) | Self::RejectBudget { .. } => 4,
            Self::Interrupted => 130,
            _ => 1,
        }
    }

    /// Whether the same run may succeed when it is started again without any change.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Connector { error, .. } => error.kind.retryable(),
            Self::Checkpoint(error) => error.retryable(),
            Self::Invalid(_)
            | Self::Draft(_)
            | Self::Query { .. }
            | Self::Memory { .. }
            | Self::Spill { .. }
            | Self::LedgerMismatch(_)
            | Self::Quality(_)
            | Self::RejectBudget { .. }
            | Self::Diverged { .. }
            | Self::TimedOut(_)
            | Self::Interrupted => false,
        }
    }

    /// Whether the sink that it came from, when it was to commit, may have done so all the same.
    #[must_use]
    pub fn may_be_committed(&self) -> bool {
        let decided = matches!(self, Self::Connector { error, .. } if error.decided);
        // One that did not answer may have committed.
        decided || self.retryable() || matches!(self, Self::Interrupted)
    }

    /// The node at fault, when there is one.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        match self {
            Self::Connector { node, .. } => node.as_deref(),
            Self::Query { node, .. } | Self::Memory { node, .. } | Self::Spill { node, .. } => Some(node),
            _ => None,
        }
    }

    /// Where the manifest says what cannot be, when one place does.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Connector { error, .. } => error.place.as_deref(),
            _ => None,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Invalid(_) => Some("mend what is listed above; `aggregator lint` shows the same without running".into()),
            Self::Draft(_) => Some("publish it with `draft: false`, or use --mode DryRun or Preview".into()),
            Self::Connector { error, .. } => error.remedy.clone(),
            Self::Query { .. } => Some("mend the expression, or take such rows out with `filter` or `validate` before it".into()),
            Self::Memory { .. } => {
                Some("give the run more with --memory (on a cluster: execution.resources.limits.memory), or join fewer rows at once".into())
            }
            Self::Spill { .. } => Some(format!(
                "make room in {}, name a folder of a larger disk in the environment variable TMPDIR, or give the run more with --memory, so that less has to wait there",
                std::env::temp_dir().display()
            )),
            Self::LedgerMismatch(_) => Some("this is a mistake of the program; nothing was committed. Please report it with the report file".into()),
            Self::Quality(_) => Some("look at the rows with `aggregator preview --node NODE`; nothing was committed".into()),
            Self::RejectBudget { .. } => {
                Some("look at the rejected rows in the report, mend their source, or raise `rejects.budget`; nothing was committed".into())
            }
            Self::Diverged { .. } => Some("give the state folder of the last run with --state, or run once with --mode Full".into()),
            Self::Checkpoint(CheckpointError::Busy { .. }) => Some("wait until it ends, or stop it".into()),
            Self::Checkpoint(CheckpointError::Unreachable { .. }) => {
                Some("look whether the API server answers and the ServiceAccount of the worker may write Checkpoints".into())
            }
            Self::Checkpoint(CheckpointError::TooLarge { .. }) => {
                Some("raise `execution.splitSize`, so that the run has fewer splits; or read fewer files with one source, whose names it keeps".into())
            }
            Self::Checkpoint(CheckpointError::NotAFolder { .. }) => {
                Some("name a folder with --state; it is made when it is not there".into())
            }
            Self::Checkpoint(CheckpointError::Folder { .. }) => {
                Some("give this user the right to write there, or name another folder with --state".into())
            }
            Self::Checkpoint(_) => Some("check the folder given with --state".into()),
            Self::TimedOut(_) => {
                Some("the next run continues it; raise `execution.timeout` if it always takes so long".into())
            }
            Self::Interrupted => None,
        }
    }

    /// The class of an error that came out of a node's stream.
    #[must_use]
    pub fn from_stream(node: &str, error: &DataFusionError) -> Self {
        let node = find::<NodeError>(error).map_or(node, |inner| &inner.node).to_owned();
        if let Some(inner) = find::<ConnectorError>(error) {
            if inner.kind == ErrorKind::Interrupted {
                return Self::Interrupted;
            }
            return Self::Connector { node: Some(node.into()), error: inner.clone() };
        }
        // Plans themselves touch files for rows that do not fit into memory, and for nothing else.
        if let Some(cause) = last::<std::io::Error>(error) {
            return Self::Spill { node, detail: cause.to_string() };
        }
        let root = error.find_root();
        let detail = match find::<NodeError>(error) {
            Some(inner) => plain(inner.source.find_root()),
            None => plain(root),
        };
        let exhausted = find::<NodeError>(error)
            .is_some_and(|inner| matches!(inner.source.find_root(), DataFusionError::ResourcesExhausted(_)))
            || matches!(root, DataFusionError::ResourcesExhausted(_));
        if exhausted { Self::Memory { node, detail } } else { Self::Query { node, detail } }
    }
}

/// DataFusion's own words without the name of its error type in front.
fn plain(error: &DataFusionError) -> String {
    match error {
        DataFusionError::Execution(text) | DataFusionError::ResourcesExhausted(text) | DataFusionError::Plan(text) => {
            text.clone()
        }
        DataFusionError::ArrowError(inner, _) => inner.to_string(),
        other => other.strip_backtrace(),
    }
}

/// An error with the node it arose in.
#[derive(Debug, thiserror::Error)]
#[error("node `{node}`")]
pub(crate) struct NodeError {
    pub(crate) node: String,
    #[source]
    pub(crate) source: DataFusionError,
}

impl NodeError {
    /// Names the node an error arose in; an error that already names one is left as it is.
    pub(crate) fn wrap(node: &str, error: DataFusionError) -> DataFusionError {
        if find::<Self>(&error).is_some() {
            return error;
        }
        DataFusionError::External(Box::new(Self { node: node.to_owned(), source: error }))
    }
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|error| error.downcast_ref::<T>())
}

/// The one that lies deepest.
fn last<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).filter_map(|error| error.downcast_ref::<T>()).last()
}

/// An error and what it is caused by.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        match error.downcast_ref::<DataFusionError>() {
            // `Shared` hides its content behind an Arc, which is an error of its own kind.
            Some(DataFusionError::Shared(inner)) => Some(inner.as_ref() as &'a (dyn Error + 'static)),
            _ => error.source(),
        }
    })
}
