//! Writes batches into staged part files: one set of files for each partition, rolled at a size.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aggregator_crds::connector::FileFormat;
use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use serde::{Deserialize, Serialize};

use super::data_file::NULL_PARTITION;
use super::name::escaped;
use crate::connector::{Buffers, ConnectorError, ErrorKind, Result};
use crate::format::{Extent, FileWriter, Piece, join, write_error};

/// At about this size, a part file ends and the next one begins.
pub(crate) const ROLL_BYTES: u64 = 128 * 1024 * 1024;
/// The most files that are open at once; beyond, the one that was written longest ago ends.
const MAX_OPEN: usize = 32;

/// The name of the file that pieces are joined into.
const JOINED: &str = "joined";

/// A complete, durable, staged file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The partition folders it belongs into; empty for none.
    pub(crate) folder: String,
    /// Where it is, below the root.
    pub(crate) staged: PathBuf,
    /// Its rows, as the file itself says where it does.
    pub(crate) rows: u64,
    /// Its bytes.
    pub(crate) bytes: u64,
}

struct OpenPart {
    writer: FileWriter,
    staged: PathBuf,
    last_used: u64,
}

/// Writes part files into a staging folder. Blocking.
pub(crate) struct Parts {
    root: PathBuf,
    /// The folder below the root that files are written to.
    staging: PathBuf,
    /// What the names of files begin with.
    prefix: String,
    format: FileFormat,
    /// The columns that stand in the files, and those that become folders, by index.
    schema: SchemaRef,
    kept: Vec<usize>,
    partitions: Vec<usize>,
    roll_bytes: u64,
    buffers: Buffers,
    /// Whether the files are to be joined into one.
    extent: Extent,
    open: HashMap<String, OpenPart>,
    done: Vec<Part>,
    created: u64,
    clock: u64,
}

impl Parts {
    /// Part files of rows of `schema`, without those columns that `partition_by` turns into folders.
    pub(crate) fn new(
        root: &Path,
        staging: PathBuf,
        format: FileFormat,
        schema: &SchemaRef,
        partition_by: &[String],
        roll_bytes: u64,
        buffers: Buffers,
    ) -> Result<Self> {
        let wrong = |detail: String| {
            ConnectorError::new(ErrorKind::Config, "write files", detail)
                .remedy("name columns of the rows in `partitionBy`, and leave at least one for the files")
        };
        let partitions = partition_by
            .iter()
            .map(|column| {
                schema.index_of(column).map_err(|_| wrong(format!("`partitionBy`: there is no column `{column}`")))
            })
            .collect::<Result<Vec<_>>>()?;
        let kept: Vec<usize> = (0..schema.fields().len()).filter(|column| !partitions.contains(column)).collect();
        if kept.is_empty() {
            return Err(wrong("no column is left for the files".into()));
        }
        let fields: Vec<_> = kept.iter().map(|column| schema.field(*column).clone()).collect();
        let schema = Arc::new(Schema::new(fields));
        Ok(Self {
            root: root.to_owned(),
            staging,
            prefix: "part".into(),
            format,
            schema,
            kept,
            partitions,
            roll_bytes,
            buffers,
            extent: Extent::Whole,
            open: HashMap::new(),
            done: Vec::new(),
            created: 0,
            clock: 0,
        })
    }

    /// The columns that stand in the files.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Appends rows to the files of their partitions.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if self.partitions.is_empty() {
            return if batch.num_rows() == 0 { Ok(()) } else { self.append(String::new(), batch) };
        }
        let bug =
            |error: arrow::error::ArrowError| ConnectorError::new(ErrorKind::Bug, "partition rows", error.to_string());
        let mut rows: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let columns: Vec<(String, &ArrayRef)> = self
            .partitions
            .iter()
            .map(|column| (escaped(batch.schema().field(*column).name()), batch.column(*column)))
            .collect();
        let options = FormatOptions::default();
        let formatters: Vec<ArrayFormatter<'_>> = columns
            .iter()
            .map(|(_, column)| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<_, _>>()
            .map_err(bug)?;
        for row in 0..batch.num_rows() {
            let folders: Vec<String> = columns
                .iter()
                .zip(&formatters)
                .map(|((name, column), formatter)| {
                    let value = if column.is_null(row) {
                        NULL_PARTITION.to_owned()
                    } else {
                        escaped(&formatter.value(row).to_string())
                    };
                    format!("{name}={value}")
                })
                .collect();
            rows.entry(folders.join("/")).or_default().push(
                u32::try_from(row)
                    .map_err(|error| ConnectorError::new(ErrorKind::Bug, "partition rows", error.to_string()))?,
            );
        }
        let batch = batch.project(&self.kept).map_err(bug)?;
        for (folder, rows) in rows {
            let part = take_record_batch(&batch, &UInt32Array::from(rows)).map_err(bug)?;
            self.append(folder, &part)?;
        }
        Ok(())
    }

    fn append(&mut self, folder: String, batch: &RecordBatch) -> Result<()> {
        self.clock += 1;
        if !self.open.contains_key(&folder) {
            self.make_room()?;
            let part = self.create(self.extent)?;
            self.open.insert(folder.clone(), part);
        }
        let Some(part) = self.open.get_mut(&folder) else { return Ok(()) };
        part.last_used = self.clock;
        part.writer.write(batch)?;
        if part.writer.size() >= self.roll_bytes {
            self.close(&folder)?;
        }
        self.let_go()
    }

    /// All files together hold no more in memory than one may: the one that holds the most writes it.
    fn let_go(&mut self) -> Result<()> {
        let most = self.buffers.row_group();
        while self.open.len() > 1 && self.open.values().map(|part| part.writer.held()).sum::<usize>() > most {
            let Some(largest) = self.open.values_mut().max_by_key(|part| part.writer.held()) else { break };
            let before = largest.writer.held();
            largest.writer.let_go()?;
            if largest.writer.held() >= before {
                break;
            }
        }
        Ok(())
    }

    fn make_room(&mut self) -> Result<()> {
        if self.open.len() < MAX_OPEN {
            return Ok(());
        }
        let oldest = self.open.iter().min_by_key(|(_, part)| part.last_used).map(|(folder, _)| folder.clone());
        oldest.map_or(Ok(()), |folder| self.close(&folder))
    }

    /// Begins another set of files, with names of their own.
    pub(crate) fn begin(&mut self, prefix: String) {
        self.prefix = prefix;
        self.created = 0;
    }

    /// From here on, files are pieces of one.
    pub(crate) fn in_pieces(&mut self) {
        self.extent = Extent::Piece;
    }

    /// Joins pieces into one file, in their order, and makes it durable. `proceed` is asked between short steps.
    pub(crate) fn join(&self, pieces: &[Part], proceed: &dyn Fn() -> Result<()>) -> Result<Part> {
        let place = |part: &Part| Piece { path: self.root.join(&part.staged), bytes: part.bytes, rows: part.rows };
        let pieces: Vec<Piece> = pieces.iter().map(place).collect();
        // An attempt that found all pieces saved has no folder yet.
        self.create_staging()?;
        let staged = self.staging.join(JOINED);
        let (bytes, rows) = join(&self.root.join(&staged), &self.format, &self.schema, &pieces, proceed)?;
        self.sync_staging()?;
        Ok(Part { folder: String::new(), staged, rows, bytes })
    }

    fn create_staging(&self) -> Result<()> {
        let folder = self.root.join(&self.staging);
        std::fs::create_dir_all(&folder).map_err(|error| write_error(&folder, error))
    }

    /// Makes every folder durable, up to the root, that may be new: the journal will name what is in it.
    fn sync_staging(&self) -> Result<()> {
        for folder in self.staging.ancestors() {
            let folder = self.root.join(folder);
            sync_folder(&folder).map_err(|error| write_error(&folder, error))?;
        }
        Ok(())
    }

    fn create(&mut self, extent: Extent) -> Result<OpenPart> {
        self.create_staging()?;
        let staged = self.staging.join(format!("{}-{:06}", self.prefix, self.created));
        self.created += 1;
        let path = self.root.join(&staged);
        let writer = FileWriter::create(&path, &self.format, &self.schema, extent, self.buffers)?;
        Ok(OpenPart { writer, staged, last_used: self.clock })
    }

    fn close(&mut self, folder: &str) -> Result<()> {
        let Some(part) = self.open.remove(folder) else { return Ok(()) };
        let (bytes, rows) = part.writer.finish()?;
        self.done.push(Part { folder: folder.to_owned(), staged: part.staged, rows, bytes });
        Ok(())
    }

    /// Ends all files, makes them durable, and gives those that were made since the last time. Without any, and if
    /// `always`, one without rows is made, which is whole.
    pub(crate) fn finish(&mut self, always: bool) -> Result<Vec<Part>> {
        let mut folders: Vec<String> = self.open.keys().cloned().collect();
        folders.sort();
        for folder in folders {
            self.close(&folder)?;
        }
        if self.done.is_empty() && always {
            let part = self.create(Extent::Whole)?;
            self.open.insert(String::new(), part);
            self.close("")?;
        }
        if !self.done.is_empty() {
            self.sync_staging()?;
        }
        let mut done = self.take_done();
        done.sort_by(|one, two| one.staged.cmp(&two.staged));
        Ok(done)
    }

    /// The files that have ended since the last time.
    pub(crate) fn take_done(&mut self) -> Vec<Part> {
        std::mem::take(&mut self.done)
    }
}

/// Makes what was created or renamed in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
