//! What can go wrong before and while a program is supervised.

use std::io;
use std::path::PathBuf;

use nix::errno::Errno;

/// Why a supervisor gave up.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the order cannot be read")]
    Order(#[source] io::Error),
    #[error("the order is not understood")]
    Understand(#[source] serde_json::Error),
    #[error("the report cannot be sent")]
    Report(#[source] io::Error),
    #[error("{what} failed")]
    System { what: &'static str, source: Errno },
    #[error("{what} {}", path.display())]
    Path { what: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot start {}", program.display())]
    Start { program: PathBuf, source: io::Error },
    #[error("{0}")]
    Refused(String),
    #[error("this process is not started by a supervisor")]
    NotStarted,
}

impl Error {
    /// The error of a system call, by what it was to do.
    pub(super) fn system(what: &'static str) -> impl FnOnce(Errno) -> Self {
        move |source| Self::System { what, source }
    }

    /// The error of a system call on a path.
    pub(super) fn path<E: Into<io::Error>>(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |source| Self::Path { what, path, source: source.into() }
    }
}
