//! The codecs of Parquet files: each is read, or it is said that it cannot be.

use std::sync::Arc;

use aggregator_worker::connector::ErrorKind;
use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use parquet::basic::{Compression, CompressionCodec};
use parquet::file::properties::WriterProperties;

use crate::pages::{LITTLE, NAME, Page, file, read, written};

#[test]
fn every_codec_of_parquet_is_read_or_said_not_to_be_supported() {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values((0..1000).map(|number| number * number % 77)));
    let mut missing = Vec::new();
    for codec in CompressionCodec::VARIANTS {
        if matches!(codec, CompressionCodec::LZO | CompressionCodec::BROTLI) {
            let content = file("REQUIRED INT64 a", *codec, LITTLE, &[Page::numbers(800, vec![0; 100])]);
            let error = read(content, DataType::Int64, RecordBatch::num_rows).expect_err("a codec that is missing");
            let told = format!("read {NAME}, column `a`: it is compressed with {codec}, a codec that is not supported");
            assert_eq!((error.kind, error.to_string()), (ErrorKind::Data, told));
            let remedy = "write the file again with the codec zstd or snappy, or leave the column out";
            assert_eq!(error.remedy.as_deref(), Some(remedy));
            missing.push(codec.to_string());
        } else {
            let properties = WriterProperties::builder().set_compression(Compression::from(*codec));
            let content = written(&column, properties);
            let blocks = read(content, DataType::Int64, |batch| Arc::clone(batch.column(0))).unwrap();
            assert_eq!(blocks, [Arc::clone(&column)], "{codec}");
        }
    }
    assert_eq!(missing, ["LZO", "BROTLI"]);
}

#[test]
fn pages_of_several_blocks_of_hadoop_are_read_whichever_of_them_is_the_largest() {
    let numbers: Vec<i64> = (0..10_000).map(|number| number * number).collect();
    let plain: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    for ends in [[40_000, 41_000], [1_000, 60_000], [79_000, 79_500]] {
        let mut content = Vec::new();
        for part in [&plain[..ends[0]], &plain[ends[0]..ends[1]], &plain[ends[1]..]] {
            let compressed = lz4_flex::block::compress(part);
            for size in [part.len(), compressed.len()] {
                content.extend(u32::try_from(size).unwrap().to_be_bytes());
            }
            content.extend(compressed);
        }
        let page = Page::numbers(plain.len() as u64, content);
        let content = file("REQUIRED INT64 a", CompressionCodec::LZ4, plain.len() as u64, &[page]);
        let values = |batch: &RecordBatch| batch.column(0).as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(read(content, DataType::Int64, values).unwrap().concat(), numbers, "{ends:?}");
    }
}
