//! What a Pipeline asks for that writes files: where they go, and in which format.

use std::path::{Path, PathBuf};

use aggregator_compiler::plural::counted;
use aggregator_crds::connector::{Compression, FileFormat};
use aggregator_crds::pipeline::WriteMode;
use sha2::{Digest, Sha256};

use super::{Parts, checked_name, escaped, has_wildcard};
use crate::connector::{Buffers, ConnectorError, ErrorKind, Result, SinkRequest};
use crate::format::{check_writable, compression_ending, declared_compression, ending_of, format_by_name, split_name};

/// Where rows go, below the root.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    /// A folder of part files; without a final `/`.
    Folder(String),
    /// One file.
    File(String),
}

/// What is written, and where.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// Where.
    pub(crate) target: Target,
    /// In which format; its compression is decided.
    pub(crate) format: FileFormat,
    /// How much of it is gathered before it is written.
    buffers: Buffers,
}

impl Written {
    /// Checks what the Pipeline asks for.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when it cannot be written like that.
    pub(crate) fn new(declared: Option<&FileFormat>, request: &SinkRequest, buffers: Buffers) -> Result<Self> {
        let operation = || format!("write stream `{}`", request.stream);
        let wrong = |detail: String, remedy: &str| {
            Err(ConnectorError::new(ErrorKind::Config, operation(), detail).remedy(remedy))
        };
        let name = checked_name(&request.stream)?;
        if has_wildcard(name) {
            return wrong(
                "a glob is no place to write to".into(),
                "name a folder, as `out/`, or a file, as `out/result.parquet`",
            );
        }
        if !matches!(request.write.mode, WriteMode::Append | WriteMode::Overwrite) {
            return wrong(
                format!("files take no rows in mode {:?}: they have no key to find a row by", request.write.mode),
                "use Overwrite, or Append and a `deduplicate` transform where the files are read, or write to a database",
            );
        }
        let last = name.trim_end_matches('/').rsplit('/').next().unwrap_or(name);
        let target = if name.ends_with('/') || !last.contains('.') {
            Target::Folder(name.trim_end_matches('/').to_owned())
        } else {
            Target::File(name.to_owned())
        };
        let Some(mut format) = declared.cloned().or_else(|| format_by_name(last)) else {
            return wrong(
                "nothing says in which format".into(),
                "give the Connector a `format`, or name a file with an ending: .csv, .ndjson, .json, .parquet",
            );
        };
        let compression = match (&target, declared_compression(&format)) {
            (Target::File(file), Compression::Auto) => split_name(file).1,
            (Target::Folder(_), Compression::Auto) => Compression::None,
            (_, declared) => declared,
        };
        match &mut format {
            FileFormat::Csv(csv) => csv.compression = compression,
            FileFormat::Ndjson(lines) => lines.compression = compression,
            FileFormat::Json(json) => json.compression = compression,
            FileFormat::Parquet(_) => {}
        }
        if matches!(target, Target::File(_)) && !request.write.partition_by.is_empty() {
            return wrong(
                "one file has no partition folders".into(),
                "name a folder, as `out/`, or leave `partitionBy` out",
            );
        }
        let written = Self { target, format, buffers };
        let parts = written.parts(Path::new(""), PathBuf::new(), request, u64::MAX)?;
        check_writable(&written.format, parts.schema())?;
        Ok(written)
    }

    /// Part files for the rows of a request, below `staging`, which lies below `root`. Creates nothing yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when `partitionBy` names no columns of the rows.
    pub(crate) fn parts(&self, root: &Path, staging: PathBuf, request: &SinkRequest, roll_bytes: u64) -> Result<Parts> {
        let format = self.format.clone();
        Parts::new(root, staging, format, &request.schema, &request.write.partition_by, roll_bytes, self.buffers)
    }

    /// What the names of files end with, without the first dot.
    pub(crate) fn ending(&self) -> String {
        format!("{}{}", ending_of(&self.format), compression_ending(declared_compression(&self.format)))
    }

    /// Whether a file in the target's folder is data of it: one of the format, however compressed.
    pub(crate) fn is_data(&self, path: &str) -> bool {
        format_by_name(path).is_some_and(|found| ending_of(&found) == ending_of(&self.format))
    }

    /// Format, columns and partitions, for `aggregator plan`.
    pub(crate) fn summary(&self, request: &SinkRequest) -> String {
        let what = format!("{}, {}", ending_of(&self.format), counted(request.schema.fields().len(), "column"));
        match request.write.partition_by.as_slice() {
            [] => what,
            columns => format!("{what}, in folders by {}", columns.join(", ")),
        }
    }
}

/// The beginning of the names of a run's part files: the run's own, by a digest.
pub(crate) fn prefix_of_run(run: &str, node: &str) -> String {
    let digest = Sha256::digest(run.as_bytes());
    let short: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("part-{short}-{}", escaped(node))
}
