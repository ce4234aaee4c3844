//! Text that is decoded chunk by chunk, on several threads, and given out in its order: what readers of delimited text and of
//! JSON lines have in common.
//!
//! ```text
//! Chunks ─► Decode::decode, on several threads ─► blocks, in the text's order
//!              └ not regular: the chunk itself, for the format's reader
//! ```

use std::sync::Arc;

use super::block::{Block, Place, ReadPlan};
use super::chunks::{Chunk, Chunks};
use super::workers::Workers;
use crate::connector::{ConnectorError, ErrorKind, Result};

/// The least size of chunks: those are small enough that a few wait cheaply, and so large that handing them over costs nothing.
/// The largest has what buffers allow.
pub(crate) const SMALLEST_CHUNK: usize = 64 * 1024;

/// Decodes chunks of one file, on any thread.
pub(crate) trait Decode: Send + Sync + 'static {
    /// How the file is read.
    fn plan(&self) -> &ReadPlan;

    /// The rows of a chunk; None when it is not regular.
    fn decode(&self, chunk: &[u8]) -> Result<Option<Decoded>>;
}

/// The rows of a chunk, and how many lines it has. Places of rejects count from the chunk's beginning.
pub(crate) struct Decoded {
    pub(crate) block: Block,
    pub(crate) lines: u64,
}

/// A chunk, and what became of it: None of one that is not regular or not whole.
pub(crate) struct Worked {
    pub(crate) text: Vec<u8>,
    pub(crate) decoded: Result<Option<Decoded>>,
}

/// The text of one file, while it is decoded.
pub(crate) struct Decoding<D> {
    decoder: Arc<D>,
    chunks: Chunks,
    workers: Workers<Worked>,
    /// Nothing was read yet.
    fresh: bool,
    /// Nothing is read beside the chunk that was given last: the first one, which tells how long records are, or one that is
    /// very long.
    alone: bool,
    /// Why no more can be read: told when all that was read before is out, as if there were one thread.
    failed: Option<ConnectorError>,
    /// The size of the next chunk, in bytes.
    size: usize,
    smallest: usize,
    /// Where the next chunk to be given out begins.
    line: u64,
    offset: u64,
}

impl<D: Decode> Decoding<D> {
    /// Decodes `chunks`, which begin at that line and byte of the file. The first one has about `first` bytes.
    pub(crate) fn new(decoder: Arc<D>, chunks: Chunks, first: usize, line: u64, offset: u64) -> Self {
        Self {
            workers: Workers::new(decoder.plan().threads),
            decoder,
            chunks,
            fresh: true,
            alone: false,
            failed: None,
            size: first,
            smallest: first.min(SMALLEST_CHUNK),
            line,
            offset,
        }
    }

    /// How the file is read.
    pub(crate) fn plan(&self) -> &ReadPlan {
        self.decoder.plan()
    }

    fn largest(&self) -> usize {
        self.plan().buffers.chunk()
    }

    /// The next chunk; None at the end. Whoever takes it passes it.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<Worked>> {
        self.give();
        match self.take()? {
            Some(worked) => Ok(Some(worked)),
            None => self.failed.take().map_or(Ok(None), Err),
        }
    }

    /// The text of the next chunk, which comes after one that was taken and not passed yet; None at the end.
    pub(crate) fn more(&mut self) -> Result<Option<Vec<u8>>> {
        if let Some(worked) = self.take()? {
            return Ok(Some(worked.text));
        }
        match self.failed.take() {
            Some(error) => Err(error),
            None => Ok(self.chunks.next(self.size)?.map(|chunk| chunk.text)),
        }
    }

    /// Lets chunks be decoded, as many as there are threads.
    fn give(&mut self) {
        while self.workers.has_room() && !self.alone && self.failed.is_none() {
            let Chunk { text, whole } = match self.chunks.next(self.size) {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            };
            self.alone = std::mem::take(&mut self.fresh) || text.len() > self.largest();
            let decoder = Arc::clone(&self.decoder);
            self.workers.give(move || {
                let decoded = if whole { decoder.decode(&text) } else { Ok(None) };
                Worked { text, decoded }
            });
        }
    }

    /// The oldest chunk that was given.
    fn take(&mut self) -> Result<Option<Worked>> {
        let Some(worked) = self.workers.take() else { return Ok(None) };
        // What is alone was given last.
        self.alone &= self.workers.pending() > 0;
        worked.map(Some).map_err(|error| {
            ConnectorError::new(ErrorKind::Bug, format!("read {}", self.plan().location), error.to_string())
        })
    }

    /// Passes a chunk that was decoded; gives its rows, with their places in the file.
    pub(crate) fn pass_decoded(&mut self, text: &[u8], decoded: Decoded) -> Block {
        let Decoded { mut block, lines } = decoded;
        let rows = usize::try_from(block.read).unwrap_or(usize::MAX).max(1);
        // As many bytes as a batch has rows.
        let wanted = (text.len() / rows + 1).saturating_mul(self.plan().batch_rows);
        self.size = wanted.clamp(self.smallest, self.largest());
        for reject in &mut block.rejects {
            reject.line = reject.line.map(|line| line + self.line);
            reject.offset = reject.offset.map(|offset| offset + self.offset);
        }
        self.pass(lines, text.len() as u64);
        block
    }

    /// Passes so many lines and bytes.
    pub(crate) fn pass(&mut self, lines: u64, bytes: u64) {
        self.line += lines;
        self.offset += bytes;
    }

    /// The line, and the byte, at which begins what was not passed.
    pub(crate) fn begins(&self) -> (u64, u64) {
        (self.line, self.offset)
    }

    /// The same as a place.
    pub(crate) fn place(&self) -> Place {
        Place::Text { offset: self.offset, line: self.line }
    }
}
