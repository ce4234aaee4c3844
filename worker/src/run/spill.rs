//! Files for rows that do not fit into memory: on the local disk, and counted.

use std::io::{self, Write};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use datafusion::error::Result;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::{DiskManager, SpillFile, SpillWriter, TempFileFactory};
use futures::Stream;

/// Makes files, and counts the bytes that are written to them.
#[derive(Debug)]
pub(super) struct Spill {
    files: Arc<DiskManager>,
    written: Arc<AtomicU64>,
}

impl Spill {
    /// Files in a folder; without one, in the system's for temporary files.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub(super) fn new(folder: Option<&Path>) -> Result<Arc<Self>> {
        let mode =
            folder.map_or(DiskManagerMode::OsTmpDirectory, |folder| DiskManagerMode::Directories(vec![folder.into()]));
        // The disk itself is the limit.
        let files = DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(u64::MAX).build()?;
        Ok(Arc::new(Self { files: Arc::new(files), written: Arc::default() }))
    }

    /// The bytes that were written so far.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

impl TempFileFactory for Spill {
    fn create_temp_file(&self, description: &str) -> Result<Arc<dyn SpillFile>> {
        let file = self.files.create_tmp_file(description)?;
        Ok(Arc::new(CountedFile { file, written: Arc::clone(&self.written) }))
    }
}

struct CountedFile {
    file: Arc<dyn SpillFile>,
    written: Arc<AtomicU64>,
}

impl SpillFile for CountedFile {
    fn path(&self) -> Option<&Path> {
        self.file.path()
    }

    fn size(&self) -> Option<u64> {
        self.file.size()
    }

    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
        self.file.read_stream()
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        Ok(Box::new(CountedWriter { writer: self.file.open_writer()?, written: Arc::clone(&self.written) }))
    }
}

struct CountedWriter {
    writer: Box<dyn SpillWriter>,
    written: Arc<AtomicU64>,
}

impl Write for CountedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.writer.write(bytes)?;
        self.written.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl SpillWriter for CountedWriter {
    fn finish(&mut self) -> Result<()> {
        self.writer.finish()
    }
}
