//! Pages of Parquet files that grow too much, by being decompressed, by repeating what they hold, or by saying that it is more
//! than it is. No writer makes such files, so they are put together here.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use aggregator_tests::alone::is_alone;
use aggregator_tests::figures;
use aggregator_worker::connector::{Buffers, ConnectorError, ErrorKind};
use aggregator_worker::format::{Input, Place, ReadPlan, format_by_name, open};
use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, CompressionCodec, Encoding, GzipLevel};
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// What a footer says that lies.
pub(crate) const LITTLE: u64 = 1000;
pub(crate) const NAME: &str = "bomb.parquet";

/// A page, as it stands in a file.
pub(crate) struct Page {
    pub(crate) dictionary: bool,
    pub(crate) values: u64,
    pub(crate) encoding: Encoding,
    /// What its header says that it is when decompressed.
    pub(crate) stated: u64,
    /// Of the second version, which says how many rows there are.
    pub(crate) rows: Option<u64>,
    /// The bytes of its levels there: of repetition, and of definition.
    pub(crate) levels: [u64; 2],
    pub(crate) content: Vec<u8>,
}

impl Page {
    /// A data page of so many bytes of numbers, compressed.
    pub(crate) fn numbers(bytes: u64, content: Vec<u8>) -> Self {
        Self { stated: bytes, ..Self::plain(bytes / 8, Encoding::PLAIN, content) }
    }

    /// A data page that is not compressed.
    pub(crate) fn plain(values: u64, encoding: Encoding, content: Vec<u8>) -> Self {
        let stated = content.len() as u64;
        Self { dictionary: false, values, encoding, stated, rows: None, levels: [0, 0], content }
    }

    /// Its header and what is in it.
    fn bytes(&self) -> Vec<u8> {
        let (encoding, of_levels) = (self.encoding as u64, Encoding::RLE as u64);
        let (kind, head, more) = match self.rows {
            _ if self.dictionary => (2, 0x4c, vec![encoding]),
            None => (0, 0x2c, vec![encoding, of_levels, of_levels]),
            // No nulls.
            Some(rows) => (3, 0x5c, vec![0, rows, encoding, self.levels[1], self.levels[0]]),
        };
        let field = |value: u64| [vec![0x15], number(value << 1)].concat();
        let mut bytes = [kind, self.stated, self.content.len() as u64].into_iter().flat_map(field).collect::<Vec<u8>>();
        bytes.push(head);
        bytes.extend([vec![self.values], more].concat().into_iter().flat_map(field));
        bytes.extend([0, 0]);
        bytes.extend(&self.content);
        bytes
    }
}

/// A number in groups of seven bits, the lowest first.
pub(crate) fn number(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// Numbers that each differ from the one before by as much, as the differences between them (DELTA_BINARY_PACKED): some bytes,
/// however many these are.
fn steps(count: u64, first: u64, step: u64) -> Vec<u8> {
    let block = 1 << 20;
    let mut bytes = [number(block), number(1), number(count), number(first << 1)].concat();
    for _ in 0..count.saturating_sub(1).div_ceil(block) {
        bytes.extend(number(step << 1));
        bytes.push(0);
    }
    bytes
}

/// A file of one column `a` with these pages, whose footer says that they are so large when decompressed.
pub(crate) fn file(column: &str, codec: CompressionCodec, stated: u64, pages: &[Page]) -> Bytes {
    let rows = pages.iter().filter(|page| !page.dictionary).map(|page| page.values).sum();
    file_of(column, codec, stated, [rows, rows], pages)
}

/// The same, whose footer says that there are so many rows and values.
pub(crate) fn file_of(
    column: &str,
    codec: CompressionCodec,
    stated: u64,
    [rows, values]: [u64; 2],
    pages: &[Page],
) -> Bytes {
    let schema = parse_message_type(&format!("message rows {{ {column}; }}")).unwrap();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::default()).unwrap();
    let chunk: Vec<u8> = pages.iter().flat_map(Page::bytes).collect();
    let dictionary = pages.iter().find(|page| page.dictionary).map_or(0, |page| page.bytes().len());
    let metadata = ColumnChunkMetaData::builder(writer.schema_descr().column(0))
        .set_compression_codec(codec)
        .set_encodings(pages.iter().map(|page| page.encoding).collect())
        .set_num_values(i64::try_from(values).unwrap())
        .set_total_compressed_size(i64::try_from(chunk.len()).unwrap())
        .set_total_uncompressed_size(i64::try_from(stated).unwrap())
        .set_data_page_offset(i64::try_from(dictionary).unwrap())
        .set_dictionary_page_offset((dictionary > 0).then_some(0))
        .build()
        .unwrap();
    let close = ColumnCloseResult {
        bytes_written: chunk.len() as u64,
        rows_written: rows,
        metadata,
        bloom_filter: None,
        column_index: None,
        offset_index: None,
    };
    let mut group = writer.next_row_group().unwrap();
    group.append_column(&Bytes::from(chunk), close).unwrap();
    group.close().unwrap();
    Bytes::from(writer.into_inner().unwrap())
}

/// What is told of each block that is read of a file.
pub(crate) fn read<T>(
    content: Bytes,
    data_type: DataType,
    tell: impl Fn(&RecordBatch) -> T,
) -> Result<Vec<T>, ConnectorError> {
    read_from(content, data_type, None, tell)
}

/// The same from a row on.
pub(crate) fn read_from<T>(
    content: Bytes,
    data_type: DataType,
    row: Option<u64>,
    tell: impl Fn(&RecordBatch) -> T,
) -> Result<Vec<T>, ConnectorError> {
    let plan = ReadPlan {
        schema: Arc::new(Schema::new(vec![Field::new("a", data_type, true)])),
        known: None,
        location: NAME.into(),
        rejects: false,
        batch_rows: 65_536,
        threads: 1,
        buffers: Buffers::default(),
        constants: Vec::new(),
        from: row.map(Place::Row),
    };
    let format = format_by_name(NAME).unwrap();
    let mut reader = open(Input::Bytes(content), NAME, &format, plan, &Arc::<AtomicU64>::default())?;
    let mut told = Vec::new();
    while let Some(block) = reader.next_block()? {
        told.push(tell(&block.batch));
    }
    Ok(told)
}

/// So many mebibytes of zeros, each compressed for itself.
fn by_zstd(mebibytes: usize) -> Vec<u8> {
    zstd::encode_all(io::repeat(0).take(MIB), 1).unwrap().repeat(mebibytes)
}

fn by_gzip(mut content: impl Read) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    io::copy(&mut content, &mut writer).unwrap();
    writer.finish().unwrap()
}

/// One frame.
fn by_lz4(mut content: impl Read) -> Vec<u8> {
    let mut writer = lz4_flex::frame::FrameEncoder::new(Vec::new());
    io::copy(&mut content, &mut writer).unwrap();
    writer.finish().unwrap()
}

/// The error of a file whose column `a` is corrupt.
fn corrupt(why: &str) -> String {
    format!("read {NAME}, column `a`: the Parquet file is corrupt: {why}")
}

/// Fails when this process has taken too much memory.
pub(crate) fn check_memory() {
    let peak = figures::memory(std::process::id()).most;
    assert!(peak < 400 * MIB, "{} MiB were taken", peak / MIB);
}

#[test]
fn pages_of_parquet_that_grow_too_much_are_refused_before_they_take_memory() {
    if !is_alone("pages::pages_of_parquet_that_grow_too_much_are_refused_before_they_take_memory") {
        return;
    }
    let grows = (
        ErrorKind::Limit,
        format!("read {NAME}: it grows to more than 250 times its size when decompressed"),
        "if the file is meant to be like that, write it again without compression",
    );
    let large = (
        ErrorKind::Limit,
        format!("read {NAME}, column `a`: a page is larger than 256 MiB when decompressed"),
        "leave the column out, or write the file again with smaller pages",
    );
    let lies = (
        ErrorKind::Data,
        corrupt("a page is not as large when decompressed as its header says"),
        "fetch or write the file again",
    );
    let zeros = || Page::numbers(GIB, by_zstd(1024));
    let dictionary = Page { dictionary: true, ..zeros() };
    let small = || Page::numbers(40 * MIB, by_zstd(40));
    let members = by_gzip(io::repeat(0).take(MIB)).repeat(1024);
    let lying = |content| Page { stated: LITTLE, ..Page::numbers(GIB, content) };
    let frame = by_lz4(io::repeat(0).take(GIB / 2));
    for (what, codec, stated, pages, (kind, text, remedy)) in [
        ("a page of zeros", CompressionCodec::ZSTD, GIB, vec![zeros()], &grows),
        ("a footer that lies", CompressionCodec::ZSTD, LITTLE, vec![zeros()], &large),
        ("a dictionary", CompressionCodec::ZSTD, LITTLE, vec![dictionary, Page::numbers(MIB, by_zstd(1))], &large),
        ("pages that are fine alone", CompressionCodec::ZSTD, LITTLE, vec![small(), small()], &grows),
        ("a page's header that lies", CompressionCodec::GZIP, LITTLE, vec![lying(members)], &lies),
        ("the same of a frame of LZ4", CompressionCodec::LZ4, LITTLE, vec![lying(frame)], &lies),
    ] {
        let content = file("REQUIRED INT64 a", codec, stated, &pages);
        let error = read(content, DataType::Int64, RecordBatch::num_rows).expect_err(what);
        assert_eq!((error.kind, &error.to_string(), error.remedy.as_deref()), (*kind, text, Some(*remedy)), "{what}");
    }
    // A text of a mebibyte, which some bytes repeat 600 times: it is read, a few rows at once.
    let mut text = (1_u32 << 20).to_le_bytes().to_vec();
    text.resize(4 + (1 << 20), b'x');
    let dictionary = Page {
        dictionary: true,
        stated: text.len() as u64,
        ..Page::plain(1, Encoding::PLAIN, zstd::encode_all(&text[..], 1).unwrap())
    };
    // One run of the first text of the dictionary, whose number has one bit.
    let mut run = vec![1];
    run.extend(number(600 << 1));
    run.push(0);
    let repeated = Page {
        stated: run.len() as u64,
        ..Page::plain(600, Encoding::RLE_DICTIONARY, zstd::encode_all(&run[..], 1).unwrap())
    };
    let content = file("REQUIRED BYTE_ARRAY a (UTF8)", CompressionCodec::ZSTD, LITTLE, &[dictionary, repeated]);
    let mut blocks = vec![64; 9];
    blocks.push(24);
    assert_eq!(read(content, DataType::Utf8, RecordBatch::num_rows).unwrap(), blocks);
    check_memory();
}

#[test]
fn pages_of_parquet_that_need_no_more_than_their_headers_say_are_read_whatever_they_could_become() {
    // Numbers that are hardly compressed, so that zeros in as many bytes would be hundreds of mebibytes.
    let numbers: Vec<i64> = (1..=400_000_u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15) as i64).collect();
    let plain: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    for (codec, content) in [(CompressionCodec::GZIP, by_gzip(&plain[..])), (CompressionCodec::LZ4, by_lz4(&plain[..]))]
    {
        assert!(content.len() as u64 > 2 * MIB, "{codec}: {} bytes", content.len());
        let page = Page::numbers(plain.len() as u64, content);
        let content = file("REQUIRED INT64 a", codec, plain.len() as u64, &[page]);
        let values = |batch: &RecordBatch| batch.column(0).as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(read(content, DataType::Int64, values).unwrap().concat(), numbers, "{codec}");
    }
}

#[test]
fn pages_of_parquet_that_say_that_they_hold_more_than_they_do_are_refused() {
    const MANY: u64 = 1 << 30;
    const DICTIONARY: Encoding = Encoding::PLAIN;
    let again = (ErrorKind::Data, "fetch or write the file again");
    let smaller = (ErrorKind::Limit, "leave the column out, or write the file again with smaller pages");
    let many: &str = &format!("a page says that it has 5 values, and has {MANY}");
    let none = "a page says that it has 5 values, and has 0";
    let small: &str = &format!("a dictionary says that it has {MANY} values, and is too small for them");
    let broken = "what is in a page is broken";
    let (number_column, text_column) = ("REQUIRED INT64 a", "REQUIRED BYTE_ARRAY a (UTF8)");
    let long_block = [number(1 << 40), number(1), number(5), number(0)].concat();
    // Each goes on from two bytes more than the one before has, of which it has one of its own.
    let long_beginnings = [steps(5, 0, 2), steps(5, 1, 0), b"abcde".to_vec()].concat();
    for (column, encoding, values, content, why) in [
        (text_column, Encoding::DELTA_LENGTH_BYTE_ARRAY, 5, steps(MANY, 0, 0), many),
        (text_column, Encoding::DELTA_BYTE_ARRAY, 5, steps(MANY, 0, 0), many),
        ("REQUIRED FIXED_LEN_BYTE_ARRAY (4) a", Encoding::DELTA_BYTE_ARRAY, 5, steps(MANY, 0, 0), many),
        (number_column, Encoding::DELTA_BINARY_PACKED, 5, steps(MANY, 0, 0), many),
        (number_column, Encoding::DELTA_BINARY_PACKED, 5, steps(0, 0, 0), none),
        (number_column, Encoding::DELTA_BINARY_PACKED, 5, long_block.clone(), broken),
        (text_column, Encoding::DELTA_LENGTH_BYTE_ARRAY, 5, long_block, broken),
        (text_column, Encoding::DELTA_BYTE_ARRAY, 5, long_beginnings, broken),
        (text_column, Encoding::DELTA_BYTE_ARRAY, 5, steps(5, 0, 0), broken),
        (number_column, DICTIONARY, MANY, vec![0; 8], small),
        (text_column, DICTIONARY, MANY, vec![0; 8], small),
    ] {
        let page = Page { dictionary: encoding == DICTIONARY, ..Page::plain(values, encoding, content) };
        let next = Page::plain(1, Encoding::RLE_DICTIONARY, vec![1, 2, 0]);
        let content = file(column, CompressionCodec::UNCOMPRESSED, LITTLE, &[page, next]);
        let what = format!("{column}, {encoding}: {why}");
        let error = read(content, DataType::Utf8, RecordBatch::num_rows).expect_err(&what);
        assert_eq!((error.kind, error.remedy.as_deref()), (again.0, Some(again.1)), "{what}");
        assert_eq!(error.to_string(), corrupt(why), "{what}");
    }
    // It is true, and more than is decoded at once.
    let page = Page::plain(1 << 25, Encoding::DELTA_LENGTH_BYTE_ARRAY, steps(1 << 25, 0, 0));
    let content = file(text_column, CompressionCodec::UNCOMPRESSED, LITTLE, &[page]);
    let error = read(content, DataType::Utf8, RecordBatch::num_rows).expect_err("a page of many values");
    assert_eq!((error.kind, error.remedy.as_deref()), (smaller.0, Some(smaller.1)));
    assert_eq!(error.to_string(), format!("read {NAME}, column `a`: a page has more than 16777216 values"));
    // Values of which only the levels tell that they are there: the library panics.
    let levels = vec![2, 0, 0, 0, 5 << 1, 1];
    let page = Page::plain(5, Encoding::DELTA_BINARY_PACKED, [levels, steps(0, 0, 0)].concat());
    let content = file("OPTIONAL INT64 a", CompressionCodec::UNCOMPRESSED, LITTLE, &[page]);
    let error = read(content, DataType::Int64, RecordBatch::num_rows).expect_err("values that are not there");
    assert_eq!((error.kind, error.remedy.as_deref()), (again.0, Some(again.1)));
    assert!(error.to_string().starts_with(&format!("read {NAME}: the Parquet file is corrupt: ")), "{error}");
}

#[test]
fn pages_of_parquet_that_say_that_they_have_other_rows_than_they_do_are_read_by_what_they_have() {
    let values = |batch: &RecordBatch| batch.column(0).as_primitive::<Int64Type>().values().to_vec();
    for said in [0, 1, 5, 6] {
        let page = |first: i64| {
            let content = (first..first + 5).flat_map(i64::to_le_bytes).collect();
            Page { rows: Some(said), ..Page::plain(5, Encoding::PLAIN, content) }
        };
        let pages = [page(0), page(5), page(10)];
        let content = file("REQUIRED INT64 a", CompressionCodec::UNCOMPRESSED, LITTLE, &pages);
        for row in 0..15 {
            let read = read_from(content.clone(), DataType::Int64, Some(row), values).unwrap().concat();
            assert!(read.into_iter().eq(row as i64..15), "{said} rows said, from row {row}");
        }
    }
}

/// A file of one column `a`, as a writer makes it.
pub(crate) fn written(column: &ArrayRef, properties: WriterPropertiesBuilder) -> Bytes {
    let rows = RecordBatch::try_from_iter_with_nullable([("a", Arc::clone(column), true)]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties.build())).unwrap();
    writer.write(&rows).unwrap();
    Bytes::from(writer.into_inner().unwrap())
}

#[test]
fn texts_that_go_on_from_the_one_before_are_decoded_in_batches_by_what_comes_out_of_them() {
    // Each is the one before and a kibibyte more: half a gibibyte in a mebibyte. It is read, fewer rows at once.
    let (values, more) = (1000, 1024);
    let mut content = [steps(values, 0, more), steps(values, more, 0)].concat();
    content.resize(content.len() + (values * more) as usize, b'x');
    let page = Page::plain(values, Encoding::DELTA_BYTE_ARRAY, content);
    let content = file("REQUIRED BYTE_ARRAY a (UTF8)", CompressionCodec::UNCOMPRESSED, LITTLE, &[page]);
    let mut blocks = vec![130; 7];
    blocks.push(90);
    assert_eq!(read(content, DataType::Utf8, RecordBatch::num_rows).unwrap(), blocks);

    // Texts that are much alike, as they mostly are, and a long one: all at once.
    let mut texts: Vec<String> =
        (0..60_000).map(|number| format!("https://example.org/customers/{number:08}")).collect();
    texts[30_000].push_str(&"x".repeat(1 << 20));
    let texts: ArrayRef = Arc::new(StringArray::from(texts));
    let properties = WriterProperties::builder();
    let content = written(&texts, properties.set_dictionary_enabled(false).set_encoding(Encoding::DELTA_BYTE_ARRAY));
    assert!(content.len() < texts.get_array_memory_size() / 2, "{} bytes", content.len());
    let read = read(content, DataType::Utf8, |batch| Arc::clone(batch.column(0))).unwrap();
    assert_eq!(read, [texts]);
}

#[test]
fn pages_as_writers_make_them_are_read_in_every_encoding_by_differences() {
    // Some pages have nulls only.
    let there = |number: i64| (number % 7 != 0 && !(1000..1300).contains(&number)).then_some(number);
    let all = || (0..3000).map(there);
    let text = |number: i64| format!("{}-{}", number / 5, "x".repeat(number as usize % 40));
    let mut lists = ListBuilder::new(StringBuilder::new());
    for number in all() {
        for part in 0..number.unwrap_or(0) % 4 {
            lists.values().append_option((part != 1).then(|| text(part)));
        }
        lists.append(number.is_some());
    }
    let decimals: Decimal128Array = all().map(|number| number.map(i128::from)).collect();
    let columns: [(ArrayRef, &[Encoding]); 4] = [
        (
            Arc::new(all().map(|number| number.map(|number| number * number)).collect::<Int64Array>()),
            &[Encoding::DELTA_BINARY_PACKED],
        ),
        (
            Arc::new(all().map(|number| number.map(text)).collect::<StringArray>()),
            &[Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY],
        ),
        (Arc::new(lists.finish()), &[Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY]),
        (Arc::new(decimals.with_precision_and_scale(20, 2).unwrap()), &[Encoding::DELTA_BYTE_ARRAY]),
    ];
    let gzip = Compression::GZIP(GzipLevel::default());
    for (column, encodings) in &columns {
        for encoding in *encodings {
            for compression in [Compression::UNCOMPRESSED, gzip, Compression::LZ4, Compression::LZ4_RAW] {
                for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
                    let properties = WriterProperties::builder()
                        .set_writer_version(version)
                        .set_compression(compression)
                        .set_dictionary_enabled(false)
                        .set_encoding(*encoding)
                        .set_data_page_row_count_limit(200)
                        .set_write_batch_size(50);
                    let content = written(column, properties);
                    let blocks =
                        read(content, column.data_type().clone(), |batch| Arc::clone(batch.column(0))).unwrap();
                    assert_eq!(blocks, [Arc::clone(column)], "{encoding}, {compression}, {version:?}");
                }
            }
        }
    }
}
