//! Why a cluster cannot be started, or has ended.

use std::path::PathBuf;

use crate::api::access::KeyError;
use crate::api::controllers::ControllerError;
use crate::api::home::{HomeError, Taken};
use crate::api::serve::PortError;
use crate::api::store::StoreError;
use crate::node;

/// Why a cluster cannot be started, or has ended.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The folder is used by another process.
    #[error(transparent)]
    Taken(Taken),
    /// The folder cannot be used.
    #[error(transparent)]
    Home(HomeError),
    /// There is no place for a temporary folder.
    #[error("cannot make a temporary folder: {0}")]
    Temporary(#[source] std::io::Error),
    /// A key of the folder cannot be used.
    #[error("{}: {source}", path.display())]
    Key {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// A user cannot have a file of that name.
    #[error("`{0}` cannot be the name of a user: it takes lower-case letters, digits, `-` and `.`")]
    User(String),
    /// The API cannot be served on its port.
    #[error(transparent)]
    Listen(#[from] PortError),
    /// The objects cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Requests cannot be written down.
    #[error("cannot write requests to {}: {source}", path.display())]
    Audit {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An object that is to be there from the beginning is refused.
    #[error("{object} is refused: {why}")]
    Object {
        /// Its kind and name.
        object: String,
        /// Why.
        why: String,
    },
    /// The node cannot be started, or has ended.
    #[error("the node: {}", crate::chain(.0))]
    Node(#[from] node::Error),
    /// The controllers have ended.
    #[error(transparent)]
    Controllers(#[from] ControllerError),
    /// The port has failed.
    #[error("the port of the API has failed: {0}")]
    Port(#[source] std::io::Error),
    /// A part has ended that should not.
    #[error("{0} ended by itself: this is a mistake of the program")]
    Ended(&'static str),
    /// A part did not end in time.
    #[error("{0} did not end in time, and was given up")]
    Stuck(String),
}

impl From<HomeError> for ClusterError {
    fn from(error: HomeError) -> Self {
        match error {
            HomeError::Taken(taken) => Self::Taken(taken),
            other => Self::Home(other),
        }
    }
}
