//! Pages of Parquet files. The library takes as much memory as a page's header and what is in the page ask for, and repeats
//! values as often as it is told: here both are bounded, by what is met, whatever the footer says of it.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::{CompressionCodec, Encoding, Type};
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length, SerializedPageReader};

use super::allowance::{Allowance, lock};
use super::delta::{Deltas, Lengths};
use super::lists::{Lists, Parts, Texts};
use super::lz4;
use super::page_header::Sizes;
use super::runs::Runs;
use crate::connector::MAX_ROW;

/// The most values of a page whose lengths stand apart from them: the library takes all of these at once.
const MAX_LENGTHS: u64 = 16 * 1024 * 1024;
/// The codecs that are decompressed here: with one the library would go on for as long as it finds something, of the other it
/// does not read all that there is.
const OWN: [CompressionCodec; 2] = [CompressionCodec::GZIP, CompressionCodec::LZ4];
/// How values are held as the differences between them, or their lengths are.
const DELTAS: [Encoding; 3] =
    [Encoding::DELTA_BINARY_PACKED, Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY];
const OTHER_SIZE: &str = "a page is not as large when decompressed as its header says";

/// The row groups of a file.
pub(super) struct Groups<R> {
    file: Arc<R>,
    metadata: Arc<ParquetMetaData>,
    allowance: Arc<Allowance>,
    /// How many of its columns have their values in lists.
    lists: usize,
}

impl<R: ChunkReader> Groups<R> {
    /// Those of `file`, whose pages take no more than is allowed.
    pub(super) fn new(file: R, metadata: &Arc<ParquetMetaData>, allowance: &Arc<Allowance>) -> Self {
        let columns = metadata.file_metadata().schema_descr().columns();
        let lists = columns.iter().filter(|column| column.max_rep_level() > 0).count();
        Self { file: Arc::new(file), metadata: Arc::clone(metadata), allowance: Arc::clone(allowance), lists }
    }
}

impl<R: ChunkReader + 'static> RowGroups for Groups<R> {
    fn num_rows(&self) -> usize {
        let rows = self.metadata.row_groups().iter().map(|group| usize::try_from(group.num_rows()).unwrap_or(0));
        rows.fold(0, usize::saturating_add)
    }

    fn column_chunks(&self, leaf: usize) -> Result<Box<dyn PageIterator>> {
        let (file, metadata) = (Arc::clone(&self.file), Arc::clone(&self.metadata));
        let (allowance, lists) = (Arc::clone(&self.allowance), self.lists);
        Ok(Box::new(Chunks { file, metadata, allowance, lists, leaf, next: 0 }))
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
    /// How many columns have their values in lists.
    lists: usize,
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
        let (codec, described) = (column.compression_codec(), column.column_descr());
        let chunk = Arc::new(Chunk {
            file: Arc::clone(&self.file),
            column: column.column_path().string(),
            codec,
            header: Arc::default(),
            sizes: Mutex::default(),
            allowance: Arc::clone(&self.allowance),
        });
        // The library is told that nothing is compressed.
        let as_it_is = || column.clone().into_builder().set_compression_codec(CompressionCodec::UNCOMPRESSED).build();
        let told = OWN.contains(&codec).then(as_it_is).transpose()?;
        let rows = usize::try_from(group.num_rows())?;
        Ok(Pages {
            pages: SerializedPageReader::new(Arc::clone(&chunk), told.as_ref().unwrap_or(column), rows, None)?,
            chunk,
            leaf: self.leaf,
            values: column.column_type(),
            levels: [described.max_rep_level(), described.max_def_level()],
            dictionary: 0,
            lists: Lists::of(described, self.lists),
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
    chunk: Arc<Chunk<R>>,
    /// The number of the column.
    leaf: usize,
    /// What its values are.
    values: Type,
    /// The highest levels that stand before them: of repetition, and of definition.
    levels: [i16; 2],
    /// The bytes of the longest text of its dictionary.
    dictionary: u64,
    /// Where its values are in lists: what their rows take.
    lists: Option<Lists>,
}

impl<R: ChunkReader> Pages<R> {
    /// Refuses a page that says that it has more values than there are, or than there may be: the library takes memory for
    /// as many. Where one byte of it can make a whole text, or a row can have any number of values, it takes notice of how
    /// large these are.
    fn check(&mut self, page: &Page) -> Result<()> {
        match page {
            Page::DictionaryPage { buf, num_values, .. } => self.check_dictionary(buf, u64::from(*num_values)),
            Page::DataPage { .. } | Page::DataPageV2 { .. } => {
                self.check_differences(page)?;
                self.check_lists(page)
            }
        }
    }

    fn check_dictionary(&mut self, values: &[u8], said: u64) -> Result<()> {
        if said * least_bits(self.values) > values.len() as u64 * 8 {
            let why = format!("a dictionary says that it has {said} values, and is too small for them");
            return Err(self.chunk.broken(&why));
        }
        if self.values != Type::BYTE_ARRAY {
            return Ok(());
        }
        if let Some(lists) = &mut self.lists {
            // How many of them a row has, the next pages tell.
            lists.know(values);
            return Ok(());
        }
        self.dictionary = Texts(values).max().map_or(0, u64::from);
        self.chunk.allowance.repeat(self.leaf, self.dictionary)
    }

    /// Looks at values that are held as the differences between them.
    fn check_differences(&self, page: &Page) -> Result<()> {
        let (chunk, encoding) = (&self.chunk, page.encoding());
        if !DELTAS.contains(&encoding) {
            return Ok(());
        }
        let said = u64::from(page.num_values());
        let broken = || chunk.broken("what is in a page is broken");
        let values = parts(page, self.levels).ok_or_else(broken)?.values;
        let deltas = Deltas::read(values).ok_or_else(broken)?;
        let found = deltas.count();
        // Nulls are said, and not found.
        if found > said || (found < said && self.levels == [0, 0]) {
            return Err(chunk.broken(&format!("a page says that it has {said} values, and has {found}")));
        }
        if encoding == Encoding::DELTA_BINARY_PACKED {
            return Ok(());
        }
        if found > MAX_LENGTHS {
            let detail = format!("a page has more than {MAX_LENGTHS} values");
            return Err(chunk.allowance.too_large(&chunk.column, detail, false));
        }
        if encoding == Encoding::DELTA_BYTE_ARRAY {
            let lengths = Lengths::read(deltas).ok_or_else(broken)?;
            if self.values == Type::BYTE_ARRAY && self.lists.is_none() {
                // Where hardly more comes out than is there, it is as if nothing was repeated.
                let repeats = lengths.sum > 2 * page.buffer().len() as u64;
                let length = if repeats { lengths.among(said.min(chunk.allowance.rows())) } else { 0 };
                chunk.allowance.repeat(self.leaf, length.max(self.dictionary))?;
            }
        }
        Ok(())
    }

    /// Refuses a page with which a row of lists becomes too large.
    fn check_lists(&mut self, page: &Page) -> Result<()> {
        let Some(lists) = &mut self.lists else { return Ok(()) };
        let (chunk, values) = (&self.chunk, u64::from(page.num_values()));
        let at_once = chunk.allowance.rows();
        let taken = parts(page, self.levels).and_then(|parts| lists.take(parts, values, page.encoding(), at_once));
        let taken = taken.ok_or_else(|| chunk.broken("what is in a page is broken"))?;
        chunk.allowance.hold(self.leaf, &chunk.column, taken.largest)?;
        chunk.allowance.repeat(self.leaf, taken.each)
    }
}

impl<R: ChunkReader> Iterator for Pages<R> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl<R: ChunkReader> PageReader for Pages<R> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some(mut page) = self.pages.get_next_page()? else {
            return Ok(None);
        };
        self.chunk.decompress(&mut page)?;
        self.check(&page)?;
        Ok(Some(page))
    }

    /// The library is not told how many rows a page says that it has. Of lists, Arrow C++ before its version 12 says how many
    /// values there are instead, and a row may go on in the next page; of other columns, it has as many rows as values.
    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        Ok(self.pages.peek_next_page()?.map(|next| PageMetadata { num_rows: None, ..next }))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    /// Whether no row can go on in the next page.
    fn at_record_boundary(&mut self) -> Result<bool> {
        Ok(self.pages.peek_next_page()?.is_none())
    }
}

/// The bits that a value has at least in a dictionary. Of values that are all as long as the schema says, the library asks.
fn least_bits(values: Type) -> u64 {
    match values {
        Type::BOOLEAN => 1,
        Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => 32,
        Type::INT64 | Type::DOUBLE => 64,
        Type::INT96 => 96,
        Type::FIXED_LEN_BYTE_ARRAY => 0,
    }
}

/// What is in a page of data; None when its levels are broken.
fn parts(page: &Page, levels: [i16; 2]) -> Option<Parts<'_>> {
    // Without a level above 0 there are none.
    let widths = levels.map(|highest| highest.unsigned_abs().checked_ilog2().map_or(0, |bit| bit as usize + 1));
    match page {
        Page::DictionaryPage { .. } => None,
        Page::DataPageV2 { buf, rep_levels_byte_len, def_levels_byte_len, .. } => {
            let (repetition, rest) = buf.split_at_checked(*rep_levels_byte_len as usize)?;
            let (definition, values) = rest.split_at_checked(*def_levels_byte_len as usize)?;
            let (repetition, definition) = (Runs::new(repetition, widths[0])?, Runs::new(definition, widths[1])?);
            Some(Parts { repetition, definition, values })
        }
        Page::DataPage { buf, num_values, rep_level_encoding, def_level_encoding, .. } => {
            let (repetition, rest) = runs(buf, widths[0], *rep_level_encoding, *num_values)?;
            let (definition, values) = runs(rest, widths[1], *def_level_encoding, *num_values)?;
            Some(Parts { repetition, definition, values })
        }
    }
}

/// So many levels of so many bits, and what comes after them in a page of the first version.
fn runs(bytes: &[u8], width: usize, encoding: Encoding, count: u32) -> Option<(Runs<'_>, &[u8])> {
    if width == 0 {
        return Some((Runs::default(), bytes));
    }
    match encoding {
        Encoding::RLE => {
            let (length, rest) = bytes.split_first_chunk::<4>()?;
            let (levels, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            Some((Runs::new(levels, width)?, rest))
        }
        #[allow(deprecated, reason = "files of old have them")]
        Encoding::BIT_PACKED => {
            let (levels, rest) = bytes.split_at_checked((count as usize * width).div_ceil(8))?;
            Some((Runs::packed(levels, width, count as usize)?, rest))
        }
        _ => None,
    }
}

/// The bytes of a column chunk, as the library asks for them: a page's header, byte by byte, and then what is in the page.
struct Chunk<R> {
    file: Arc<R>,
    column: String,
    codec: CompressionCodec,
    /// The header that was read last.
    header: Arc<Mutex<Vec<u8>>>,
    /// What the header of the page says that was fetched last.
    sizes: Mutex<Sizes>,
    allowance: Arc<Allowance>,
}

impl<R> Chunk<R> {
    fn broken(&self, why: &str) -> ParquetError {
        self.allowance.broken(&self.column, why)
    }

    /// Decompresses the page that was fetched last, where the library was told that it is not compressed.
    fn decompress(&self, page: &mut Page) -> Result<()> {
        if !OWN.contains(&self.codec) {
            return Ok(());
        }
        let (Page::DataPage { buf, .. }
        | Page::DataPageV2 { buf, is_compressed: true, .. }
        | Page::DictionaryPage { buf, .. }) = page
        else {
            return Ok(());
        };
        let sizes = *lock(&self.sizes);
        let (plain, size) = (usize::try_from(sizes.plain())?, usize::try_from(sizes.decompressed)?);
        let (Some((levels, compressed)), Some(rest)) = (buf.split_at_checked(plain), size.checked_sub(plain)) else {
            return Err(self.broken(OTHER_SIZE));
        };
        // One byte more tells that there is more.
        let mut decompressed = Vec::with_capacity(size + 1);
        decompressed.extend_from_slice(levels);
        // Of values that are all null there may be nothing, also nothing compressed.
        if rest > 0 {
            let read = if self.codec == CompressionCodec::GZIP {
                MultiGzDecoder::new(compressed).take(rest as u64 + 1).read_to_end(&mut decompressed).map(|_| ())
            } else {
                lz4::decompress(compressed, rest, &mut decompressed)
            };
            read.map_err(|error| self.broken(&format!("a page cannot be decompressed: {error}")))?;
        }
        if decompressed.len() != size {
            return Err(self.broken(OTHER_SIZE));
        }
        *buf = decompressed.into();
        Ok(())
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
        let header = std::mem::take(&mut *lock(&self.header));
        let Some(sizes) = Sizes::read(&header) else {
            return Err(self.broken("the header of a page is broken"));
        };
        *lock(&self.sizes) = sizes;
        self.allowance.admit(&self.column, length as u64, sizes.decompressed)?;
        self.file.get_bytes(start, length)
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
        let mut header = lock(&self.header);
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
