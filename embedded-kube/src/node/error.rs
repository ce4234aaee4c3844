//! What can keep a node from starting.

use std::io;
use std::path::PathBuf;

/// Why a node cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data folder or a file in it cannot be used.
    #[error("cannot use {}", path.display())]
    Data {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Two runners would end each other's containers.
    #[error("another node runner uses {}", .0.display())]
    InUse(PathBuf),
    /// A program of the list of images is not there.
    #[error("the image {image} stands for {}, which is not the absolute path of a file", program.display())]
    Program {
        /// The image's name.
        image: String,
        /// Its program.
        program: PathBuf,
    },
    /// The certificates for the log endpoint cannot be used.
    #[error("cannot use the certificate, key or authority in {}", path.display())]
    Certificate {
        /// The PEM file.
        path: PathBuf,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The port of the log endpoint cannot be opened.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address and port.
        address: std::net::SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The supervisor's program cannot be found or started.
    #[error("cannot start the supervisor")]
    Supervisor(#[source] io::Error),
    /// Mounts are asked for, and the machine does not let us make any.
    #[error("this machine does not allow containers their own mounts: {0}; set the view to rewrite, or to detect")]
    Mounts(String),
}
