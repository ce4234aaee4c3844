//! Pages of Parquet files. The library takes as much memory as a page's header asks for, and repeats the values of a
//! dictionary as often as it is told: here both are bounded, by what is met, whatever the footer says of it.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::{CompressionCodec, Encoding, Type};
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length, SerializedPageReader};

use super::compression::check_growth;
use super::large::grown;
use super::page_header::Sizes;
use crate::connector::{ConnectorError, ErrorKind, MAX_ROW};

/// The most bytes of a page when it is decompressed: it is held whole.
const MAX_PAGE: u64 = 256 * 1024 * 1024;
/// About the most bytes of values that are decoded at once.
const MAX_VALUES: u64 = 256 * 1024 * 1024;
/// How many times larger than its compressed form anything may be, as these are made.
const MAX_GZIP_RATIO: u64 = 1032;
const MAX_LZ4_RATIO: u64 = 255;
/// How frames of LZ4 begin, of this version and of the one before.
const LZ4_FRAMES: [[u8; 4]; 2] = [[0x04, 0x22, 0x4d, 0x18], [0x02, 0x21, 0x4c, 0x18]];

/// What the pages of one file may take.
pub(super) struct Allowance {
    location: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The bytes of the pages that were met: as they are in the file, and decompressed.
    taken: u64,
    given: u64,
    /// How many rows are decoded at once.
    rows: usize,
    /// How long a value may be that a page repeats, by the number of its column.
    longest: BTreeMap<usize, u64>,
    /// The sum of these: what a row may take.
    row: u64,
    verdict: Option<Verdict>,
}

/// Why reading was stopped.
pub(super) enum Verdict {
    /// The file takes more than it may.
    Refused(ConnectorError),
    /// So many rows at once are too many; with this many it can go on.
    Fewer(usize),
}

impl Allowance {
    /// That of a file of which so many rows are decoded at once.
    pub(super) fn new(location: &str, rows: usize) -> Arc<Self> {
        let state = Mutex::new(State { rows, ..State::default() });
        Arc::new(Self { location: location.to_owned(), state })
    }

    /// Why the last error has come; None when the file is broken.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        self.state().verdict.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes notice of a page of `column`, before it is fetched or decompressed.
    fn admit(&self, column: &str, taken: u64, given: u64) -> Result<()> {
        if taken.max(given) > MAX_PAGE {
            return self.refuse_page(column);
        }
        let mut state = self.state();
        state.taken = state.taken.saturating_add(taken);
        state.given = state.given.saturating_add(given);
        match check_growth(state.taken, state.given) {
            Ok(()) => Ok(()),
            Err(bomb) => {
                state.verdict = Some(Verdict::Refused(grown(&self.location, &bomb)));
                Err(stopped())
            }
        }
    }

    fn refuse_page(&self, column: &str) -> Result<()> {
        let operation = format!("read {}, column `{column}`", self.location);
        let detail = format!("a page is larger than {} MiB when decompressed", MAX_PAGE >> 20);
        let refused = ConnectorError::new(ErrorKind::Limit, operation, detail)
            .remedy("leave the column out, or write the file again with smaller pages");
        self.state().verdict = Some(Verdict::Refused(refused));
        Err(stopped())
    }

    /// Takes notice of how long values may be that the next pages of a column repeat, before they are decoded.
    fn repeat(&self, leaf: usize, longest: u64) -> Result<()> {
        let mut state = self.state();
        let before = state.longest.insert(leaf, longest).unwrap_or(0);
        state.row = state.row - before + longest;
        if state.rows <= 1 || state.row.saturating_mul(state.rows as u64) <= MAX_VALUES {
            return Ok(());
        }
        // With room for the columns that come next, as reading begins anew.
        state.rows = usize::try_from(MAX_VALUES / 4 / state.row).unwrap_or(1).max(1);
        state.verdict = Some(Verdict::Fewer(state.rows));
        Err(stopped())
    }
}

/// What the library is told; `Allowance::verdict` has the reason.
fn stopped() -> ParquetError {
    ParquetError::General("reading was stopped".into())
}

/// The row groups of a file.
pub(super) struct Groups<R> {
    file: Arc<R>,
    metadata: Arc<ParquetMetaData>,
    allowance: Arc<Allowance>,
}

impl<R: ChunkReader> Groups<R> {
    /// Those of `file`, whose pages take no more than is allowed.
    pub(super) fn new(file: R, metadata: &Arc<ParquetMetaData>, allowance: &Arc<Allowance>) -> Self {
        Self { file: Arc::new(file), metadata: Arc::clone(metadata), allowance: Arc::clone(allowance) }
    }
}

impl<R: ChunkReader + 'static> RowGroups for Groups<R> {
    fn num_rows(&self) -> usize {
        let rows = self.metadata.row_groups().iter().map(|group| usize::try_from(group.num_rows()).unwrap_or(0));
        rows.fold(0, usize::saturating_add)
    }

    fn column_chunks(&self, leaf: usize) -> Result<Box<dyn PageIterator>> {
        let (file, metadata) = (Arc::clone(&self.file), Arc::clone(&self.metadata));
        Ok(Box::new(Chunks { file, metadata, allowance: Arc::clone(&self.allowance), leaf, next: 0 }))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.metadata.row_groups().iter())
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The chunks of one column, one a row group.
struct Chunks<R> {
    file: Arc<R>,
    metadata: Arc<ParquetMetaData>,
    allowance: Arc<Allowance>,
    /// The number of the column.
    leaf: usize,
    /// The row group of the next one.
    next: usize,
}

impl<R: ChunkReader> Chunks<R> {
    fn pages(&self, group: &RowGroupMetaData) -> Result<Pages<R>> {
        let Some(column) = group.columns().get(self.leaf) else {
            return Err(ParquetError::IndexOutOfBound(self.leaf, group.num_columns()));
        };
        // Nothing of the chunk before is repeated in this one.
        self.allowance.repeat(self.leaf, 0)?;
        let chunk = Chunk {
            file: Arc::clone(&self.file),
            column: column.column_path().string(),
            codec: column.compression_codec(),
            header: Arc::default(),
            allowance: Arc::clone(&self.allowance),
        };
        let rows = usize::try_from(group.num_rows())?;
        Ok(Pages {
            pages: SerializedPageReader::new(Arc::new(chunk), column, rows, None)?,
            leaf: self.leaf,
            long: column.column_type() == Type::BYTE_ARRAY,
            allowance: Arc::clone(&self.allowance),
        })
    }
}

impl<R: ChunkReader + 'static> Iterator for Chunks<R> {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.metadata.row_groups().get(self.next)?;
        self.next += 1;
        Some(self.pages(group).map(|pages| Box::new(pages) as Box<dyn PageReader>))
    }
}

impl<R: ChunkReader + 'static> PageIterator for Chunks<R> {}

/// The pages of a column chunk, decompressed.
struct Pages<R: ChunkReader> {
    pages: SerializedPageReader<Chunk<R>>,
    leaf: usize,
    /// Whether one value may be longer than another.
    long: bool,
    allowance: Arc<Allowance>,
}

impl<R: ChunkReader> Iterator for Pages<R> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl<R: ChunkReader> PageReader for Pages<R> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        if self.long
            && let Some(longest) = page.as_ref().and_then(repeated)
        {
            self.allowance.repeat(self.leaf, longest)?;
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}

/// How long a value may be of which one byte in a page can make a whole one; None when each is as long as what is there.
fn repeated(page: &Page) -> Option<u64> {
    if let Page::DictionaryPage { buf, .. } = page {
        let mut rest: &[u8] = buf;
        let mut longest = 0;
        while let Some((length, text)) = rest.split_first_chunk::<4>() {
            let length = u32::from_le_bytes(*length);
            let Some(after) = text.get(length as usize..) else {
                break;
            };
            (rest, longest) = (after, longest.max(length));
        }
        return Some(u64::from(longest));
    }
    // Each value goes on from the one before, of which it may repeat all.
    (page.encoding() == Encoding::DELTA_BYTE_ARRAY).then(|| page.buffer().len() as u64)
}

/// The bytes of a column chunk, as the library asks for them: a page's header, byte by byte, and then what is in the page.
struct Chunk<R> {
    file: Arc<R>,
    column: String,
    codec: CompressionCodec,
    /// The header that was read last.
    header: Arc<Mutex<Vec<u8>>>,
    allowance: Arc<Allowance>,
}

impl<R> Chunk<R> {
    /// Whether a page may become larger than a page may be: some decoders take no bound, and go on for as long as they find
    /// something, whatever the header says.
    fn overflows(&self, compressed: &[u8]) -> bool {
        let (length, most) = (compressed.len() as u64, MAX_PAGE + 1);
        match self.codec {
            CompressionCodec::GZIP if length.saturating_mul(MAX_GZIP_RATIO) > MAX_PAGE => {
                let counted = io::copy(&mut MultiGzDecoder::new(compressed).take(most), &mut io::sink());
                // What is broken, the library tells.
                counted.is_ok_and(|counted| counted == most)
            }
            CompressionCodec::LZ4 if length.saturating_mul(MAX_LZ4_RATIO) > MAX_PAGE => {
                LZ4_FRAMES.iter().any(|beginning| compressed.starts_with(beginning))
            }
            _ => false,
        }
    }
}

impl<R: ChunkReader> Length for Chunk<R> {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl<R: ChunkReader> ChunkReader for Chunk<R> {
    type T = HeaderReader<R::T>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(HeaderReader { inner: self.file.get_read(start)?, begun: false, header: Arc::clone(&self.header) })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let header = std::mem::take(&mut *self.header.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(sizes) = Sizes::read(&header) else {
            return Err(ParquetError::General("the header of a page is broken".into()));
        };
        self.allowance.admit(&self.column, length as u64, sizes.decompressed)?;
        let page = self.file.get_bytes(start, length)?;
        let plain = usize::try_from(sizes.plain())?;
        if page.get(plain..).is_some_and(|compressed| self.overflows(compressed)) {
            self.allowance.refuse_page(&self.column)?;
        }
        Ok(page)
    }
}

/// Keeps what is read.
struct HeaderReader<T> {
    inner: T,
    begun: bool,
    header: Arc<Mutex<Vec<u8>>>,
}

impl<T: Read> Read for HeaderReader<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let mut header = self.header.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.begun {
            header.clear();
            self.begun = true;
        }
        // Statistics are in it, and values in these.
        if header.len() + read > 2 * MAX_ROW {
            return Err(io::Error::other("the header of a page is too large"));
        }
        header.extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}
