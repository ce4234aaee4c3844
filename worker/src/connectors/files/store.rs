//! Where the files of streams are: what a connector must tell so that the rest is shared.

use aggregator_crds::connector::FileFormat;

use super::DataFile;
use crate::connector::{Buffers, ConnectorError, Result};
use crate::connectors::pipe::Cause;
use crate::format::Input;

/// The files of a stream.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Sorted by path.
    pub(crate) files: Vec<DataFile>,
    /// Links that were not followed because they leave the root.
    pub(crate) escaping: Vec<String>,
}

/// A file that was opened for reading.
pub(crate) struct Opened {
    /// Its content.
    pub(crate) input: Input,
    /// Why the content broke off on its way, when a format's reader fails.
    pub(crate) cause: Cause<ConnectorError>,
}

/// Where the files of streams are. Everything here blocks.
pub(crate) trait Store: Clone + Send + Sync + 'static {
    /// The kind of positions in it.
    const POSITIONS: &'static str;
    /// What it holds: `file`.
    const ONE: &'static str;
    /// What to do when there is none at all.
    const EMPTY: &'static str;
    /// What to do when they cannot be listed.
    const UNREADABLE: &'static str;
    /// What to do when one was changed or removed while it was read.
    const REPLACED: &'static str;

    /// Its address, for messages.
    fn place(&self) -> String;

    /// How much of the files is read ahead.
    fn buffers(&self) -> Buffers {
        Buffers::default()
    }

    /// The files of a stream. Hidden files, and folders and files that begin with `_` or `.`, are no data.
    fn list(&self, stream: &str) -> Result<Listing>;

    /// Every data file.
    fn list_all(&self) -> Result<Listing>;

    /// Whether a stream is a glob or a folder, into which files come and from which they go.
    fn is_open(&self, stream: &str) -> bool;

    /// Opens a file for reading.
    fn open(&self, file: &DataFile, format: &FileFormat) -> Result<Opened>;

    /// Fails if a file that was read is not the one that was listed: it may have been read half old, half new.
    fn check_unchanged(&self, file: &DataFile) -> Result<()>;
}
