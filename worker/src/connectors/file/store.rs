//! A folder as a place where the files of streams are.

use std::fs::File;
use std::path::PathBuf;

use aggregator_crds::connector::FileFormat;

use super::listing::{identity, is_open, list, list_all};
use crate::connector::{Buffers, ConnectorError, ErrorKind, Result};
use crate::connectors::files::{DataFile, Listing, Opened, Store};
use crate::connectors::pipe::Cause;
use crate::format::{Input, input_error};

/// A folder with files.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    /// Where it is.
    pub(super) root: PathBuf,
    /// How much of a file is read ahead, and gathered before it is written.
    pub(super) buffers: Buffers,
}

impl Store for Folder {
    const POSITIONS: &'static str = "files";
    const ONE: &'static str = "file";
    const EMPTY: &'static str = "the folder holds no files: correct `root`";
    const UNREADABLE: &'static str = "the folder cannot be read: correct `root`";
    const REPLACED: &'static str = "write files elsewhere and move them into place when they are complete";

    fn place(&self) -> String {
        self.root.display().to_string()
    }

    fn buffers(&self) -> Buffers {
        self.buffers
    }

    fn list(&self, stream: &str) -> Result<Listing> {
        list(&self.root, stream)
    }

    fn list_all(&self) -> Result<Listing> {
        list_all(&self.root)
    }

    fn is_open(&self, stream: &str) -> bool {
        is_open(&self.root, stream)
    }

    fn open(&self, file: &DataFile, _: &FileFormat) -> Result<Opened> {
        let opened = File::open(self.root.join(&file.path)).map_err(|error| input_error(&file.path, error))?;
        Ok(Opened { input: Input::File(opened), cause: Cause::default() })
    }

    fn check_unchanged(&self, file: &DataFile) -> Result<()> {
        let now = std::fs::metadata(self.root.join(&file.path))
            .and_then(|metadata| identity(&metadata))
            .map_err(|error| input_error(&file.path, error))?;
        if now == file.identity {
            return Ok(());
        }
        Err(ConnectorError::new(
            ErrorKind::Transient,
            format!("read {}", file.path),
            "the file was changed while it was read",
        )
        .remedy(Self::REPLACED))
    }
}
