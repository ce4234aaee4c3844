//! Pages of Parquet files that grow too much, by being decompressed or by repeating what they hold. No writer makes such
//! files, so they are put together here.

use std::io::{self, Read};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use aggregator_tests::figures;
use aggregator_worker::connector::{ConnectorError, ErrorKind};
use aggregator_worker::format::{Input, ReadPlan, format_by_name, open};
use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use parquet::basic::{CompressionCodec, Encoding};
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// What a footer says that lies.
const LITTLE: u64 = 1000;
const NAME: &str = "bomb.parquet";
/// Set where a test has a process of its own, whose memory nothing else has taken.
const ALONE: &str = "AGGREGATOR_ALONE";

/// A page, as it stands in a file.
struct Page {
    dictionary: bool,
    values: u64,
    encoding: Encoding,
    /// What its header says that it is when decompressed.
    stated: u64,
    content: Vec<u8>,
}

impl Page {
    /// A data page of so many zeros of eight bytes.
    fn zeros(bytes: u64, content: Vec<u8>) -> Self {
        Self { dictionary: false, values: bytes / 8, encoding: Encoding::PLAIN, stated: bytes, content }
    }

    /// Its header and what is in it.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut field = |head: u8, value: u64| {
            bytes.push(head);
            bytes.extend(number(value << 1));
        };
        field(0x15, if self.dictionary { 2 } else { 0 });
        field(0x15, self.stated);
        field(0x15, self.content.len() as u64);
        bytes.push(if self.dictionary { 0x4c } else { 0x2c });
        let mut field = |value: u64| {
            bytes.push(0x15);
            bytes.extend(number(value << 1));
        };
        field(self.values);
        field(self.encoding as u64);
        if !self.dictionary {
            field(Encoding::RLE as u64);
            field(Encoding::RLE as u64);
        }
        bytes.extend([0, 0]);
        bytes.extend(&self.content);
        bytes
    }
}

/// A number in groups of seven bits, the lowest first.
fn number(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A file of one required column `a` with these pages, whose footer says that they are so large when decompressed.
fn file(column: &str, codec: CompressionCodec, stated: u64, pages: &[Page]) -> Bytes {
    let schema = parse_message_type(&format!("message rows {{ REQUIRED {column}; }}")).unwrap();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::default()).unwrap();
    let chunk: Vec<u8> = pages.iter().flat_map(Page::bytes).collect();
    let rows: u64 = pages.iter().filter(|page| !page.dictionary).map(|page| page.values).sum();
    let dictionary = pages.iter().find(|page| page.dictionary).map_or(0, |page| page.bytes().len());
    let metadata = ColumnChunkMetaData::builder(writer.schema_descr().column(0))
        .set_compression_codec(codec)
        .set_encodings(pages.iter().map(|page| page.encoding).collect())
        .set_num_values(i64::try_from(rows).unwrap())
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

/// How many rows each block has that is read of a file.
fn read(content: Bytes, data_type: DataType) -> Result<Vec<usize>, ConnectorError> {
    let plan = ReadPlan {
        schema: Arc::new(Schema::new(vec![Field::new("a", data_type, true)])),
        known: None,
        location: NAME.into(),
        rejects: false,
        batch_rows: 65_536,
        threads: 1,
        constants: Vec::new(),
        from: None,
    };
    let format = format_by_name(NAME).unwrap();
    let mut reader = open(Input::Bytes(content), NAME, &format, plan, &Arc::<AtomicU64>::default())?;
    let mut rows = Vec::new();
    while let Some(block) = reader.next_block()? {
        rows.push(block.batch.num_rows());
    }
    Ok(rows)
}

/// So many mebibytes of zeros, each compressed for itself.
fn by_zstd(mebibytes: usize) -> Vec<u8> {
    zstd::encode_all(io::repeat(0).take(MIB), 1).unwrap().repeat(mebibytes)
}

fn by_gzip(mebibytes: usize) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    io::copy(&mut io::repeat(0).take(MIB), &mut writer).unwrap();
    writer.finish().unwrap().repeat(mebibytes)
}

#[test]
fn pages_of_parquet_that_grow_too_much_are_refused_before_they_take_memory() {
    if std::env::var_os(ALONE).is_none() {
        let name = "pages::pages_of_parquet_that_grow_too_much_are_refused_before_they_take_memory";
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.args(["--exact", name]).env(ALONE, "yes").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("1 passed"), "{said}{errors}");
        return;
    }
    let grows = (
        format!("read {NAME}: it grows to more than 250 times its size when decompressed"),
        "if the file is meant to be like that, write it again without compression",
    );
    let large = (
        format!("read {NAME}, column `a`: a page is larger than 256 MiB when decompressed"),
        "leave the column out, or write the file again with smaller pages",
    );
    let zeros = || Page::zeros(GIB, by_zstd(1024));
    let dictionary = Page { dictionary: true, ..zeros() };
    let small = || Page::zeros(40 * MIB, by_zstd(40));
    let lying = Page { stated: LITTLE, ..Page::zeros(GIB, by_gzip(1024)) };
    let mut frames = vec![0x04, 0x22, 0x4d, 0x18];
    frames.resize(2 << 20, 0);
    let unbounded = Page { stated: LITTLE, ..Page::zeros(GIB, frames) };
    for (what, codec, stated, pages, (text, remedy)) in [
        ("a page of zeros", CompressionCodec::ZSTD, GIB, vec![zeros()], &grows),
        ("a footer that lies", CompressionCodec::ZSTD, LITTLE, vec![zeros()], &large),
        ("a dictionary", CompressionCodec::ZSTD, LITTLE, vec![dictionary, Page::zeros(MIB, by_zstd(1))], &large),
        ("pages that are fine alone", CompressionCodec::ZSTD, LITTLE, vec![small(), small()], &grows),
        ("a page's header that lies", CompressionCodec::GZIP, LITTLE, vec![lying], &large),
        ("frames of no known length", CompressionCodec::LZ4, LITTLE, vec![unbounded], &large),
    ] {
        let error = read(file("INT64 a", codec, stated, &pages), DataType::Int64).expect_err(what);
        assert_eq!(error.kind, ErrorKind::Limit, "{what}: {error}");
        assert_eq!((&error.to_string(), error.remedy.as_deref()), (text, Some(*remedy)), "{what}");
    }
    // A text of a mebibyte, which some bytes repeat 600 times: it is read, a few rows at once.
    let mut text = (1_u32 << 20).to_le_bytes().to_vec();
    text.resize(4 + (1 << 20), b'x');
    let dictionary = Page {
        dictionary: true,
        values: 1,
        encoding: Encoding::PLAIN,
        stated: text.len() as u64,
        content: zstd::encode_all(&text[..], 1).unwrap(),
    };
    // One run of the first text of the dictionary, whose number has one bit.
    let mut run = vec![1];
    run.extend(number(600 << 1));
    run.push(0);
    let repeated = Page {
        dictionary: false,
        values: 600,
        encoding: Encoding::RLE_DICTIONARY,
        stated: run.len() as u64,
        content: zstd::encode_all(&run[..], 1).unwrap(),
    };
    let content = file("BYTE_ARRAY a (UTF8)", CompressionCodec::ZSTD, LITTLE, &[dictionary, repeated]);
    let mut blocks = vec![64; 9];
    blocks.push(24);
    assert_eq!(read(content, DataType::Utf8).unwrap(), blocks);

    let peak = figures::memory(std::process::id()).most;
    assert!(peak < 400 * MIB, "{} MiB were taken", peak / MIB);
}
