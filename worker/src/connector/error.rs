//! What can go wrong at a connector: one type, classed, with a remedy.

use std::error::Error;
use std::sync::Arc;

use aggregator_compiler::diagnostic::Place;

/// A result of a connector.
pub type Result<T, E = ConnectorError> = std::result::Result<T, E>;

/// Whose fault an error is, and so what helps: it decides the exit code and whether another attempt makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum ErrorKind {
    /// The manifest says something that cannot work. The user edits it.
    Config,
    /// The system refused the credentials, or they are missing.
    Credentials,
    /// The system could not be reached.
    Unreachable,
    /// The stream, table, file or column is not there.
    NotFound,
    /// The data is broken beyond one row (a truncated file, a corrupt page).
    Data,
    /// A documented limit was exceeded.
    Limit,
    /// A newer attempt owns the sink.
    Fenced,
    /// The system answered with an error that another attempt may not meet (deadlock, restart, 503).
    Transient,
    /// The system refused the work (no right, no space, a constraint).
    Refused,
    /// The run was asked to stop.
    Interrupted,
    /// A mistake of ours.
    Bug,
}

impl ErrorKind {
    /// Whether the same attempt may succeed when it is made again without any change.
    #[must_use]
    pub fn retryable(self) -> bool {
        match self {
            Self::Unreachable | Self::Transient => true,
            Self::Config
            | Self::Credentials
            | Self::NotFound
            | Self::Data
            | Self::Limit
            | Self::Fenced
            | Self::Refused
            | Self::Interrupted
            | Self::Bug => false,
        }
    }
}

/// An error of a connector: what was tried, what happened, what to do about it.
///
/// The text never holds a secret's value.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{operation}: {detail}")]
pub struct ConnectorError {
    /// Whose fault it is.
    pub kind: ErrorKind,
    /// What was tried, with the names a user knows: `read public.airports from 127.0.0.1:5432/reference`.
    pub operation: String,
    /// What happened, in the system's own words where it has some.
    pub detail: String,
    /// What to do, as a sentence.
    pub remedy: Option<String>,
    /// Whether what was to be committed stands, or may: this went wrong while it was decided, or behind that.
    pub decided: bool,
    /// Where the manifest says what cannot be.
    pub place: Option<Box<Place>>,
    /// The error underneath, for the log.
    #[source]
    pub source: Option<Arc<dyn Error + Send + Sync>>,
}

impl ConnectorError {
    /// An error without a remedy or a source yet.
    pub fn new(kind: ErrorKind, operation: impl Into<String>, detail: impl Into<String>) -> Self {
        let (operation, detail) = (operation.into(), detail.into());
        Self { kind, operation, detail, remedy: None, decided: false, place: None, source: None }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Says, behind what there is to do, how a commit stands that is decided, or may be.
    #[must_use]
    pub fn decided(mut self, how: &str) -> Self {
        self.remedy = Some(self.remedy.map_or_else(|| how.to_owned(), |remedy| format!("{remedy}; {how}")));
        self.decided = true;
        self
    }

    /// It went wrong behind the decision of a commit, which whoever comes next goes on with.
    #[must_use]
    pub fn stands(self) -> Self {
        self.decided("the commit stands: the next run goes on with it")
    }

    /// Says where the manifest says it, unless that is known better already.
    #[must_use]
    pub fn at(mut self, place: Option<Place>) -> Self {
        self.place = self.place.or(place.map(Box::new));
        self
    }

    /// Keeps the error underneath for the log.
    #[must_use]
    pub fn caused_by(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }
}
