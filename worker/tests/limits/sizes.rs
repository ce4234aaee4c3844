//! Rows, documents and files that are too large or too deep.

use std::io::Write;
use std::sync::Arc;

use aggregator_worker::connector::{ConnectorError, ErrorKind};
use arrow::array::{ArrayRef, ListBuilder, RecordBatch, StringArray, StringBuilder, StringViewArray};
use parquet::arrow::ArrowWriter;
use serde_json::json;

use crate::harness::Lake;
use crate::pages::number;
use crate::source::fails;

const MIB: usize = 1 << 20;

/// What an error says: its whole text, and what to do.
fn said(error: &ConnectorError) -> (String, String) {
    (error.to_string(), error.remedy.clone().unwrap())
}

#[test]
fn a_cell_of_a_gibibyte_is_refused_and_not_held() {
    let quote = "look for a quote that is not closed, or set `quote: \"\"` if quotes mean nothing in this file";
    let line = "put one record on a line, or declare the format `json` if the file is one document";
    let document = "write one record a line and declare the format `ndjson`, which is read as a stream";
    for (name, head, filler, text, remedy, most) in [
        ("a.csv", &b"a\nx\n"[..], b'x', "read a.csv:3: the record that begins here is longer than 64 MiB", quote, 160),
        ("b.csv", b"a\nx\n\"\n", b'x', "read b.csv:3: the record that begins here is longer than 64 MiB", quote, 160),
        ("c.csv", b"", b'x', "read c.csv:1: the record that begins here is longer than 64 MiB", quote, 160),
        ("d.ndjson", b"{}\n{\"a\":\"", b'x', "read d.ndjson:2: the line is longer than 64 MiB", line, 80),
        ("e.ndjson", b"", b' ', "read e.ndjson:1: the line is longer than 64 MiB", line, 80),
        ("f.json", b"[{\"a\":\"", b'x', "read f.json: the document is larger than 256 MiB", document, 260),
    ] {
        let (error, taken) = fails(name, head, filler);
        assert_eq!(said(&error), (text.into(), remedy.into()));
        assert!(taken <= most << 20, "{name}: {} MiB were taken", taken >> 20);
    }
}

#[tokio::test]
async fn a_file_that_grows_too_much_when_decompressed_is_refused() {
    // Rows of a megabyte, so that the time goes into decompressing.
    let mut row = vec![b'x'; MIB - 1];
    row.push(b'\n');
    let gzip = |text: &[u8]| {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    };
    let lake = Lake::plain();
    // Four gibibytes, of members that are compressed once.
    lake.put("bomb.csv.gz", [gzip(b"a\n"), gzip(&row).repeat(4096)].concat());
    lake.put(
        "bomb.csv.zst",
        [zstd::encode_all(&b"a\n"[..], 1).unwrap(), zstd::encode_all(&row[..], 1).unwrap().repeat(4096)].concat(),
    );
    for name in ["bomb.csv.gz", "bomb.csv.zst"] {
        let error = lake.read(name).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Limit);
        let text = format!("read {name}: it grows to more than 250 times its size when decompressed");
        assert_eq!(said(&error), (text, "if the file is meant to be like that, decompress it first".into()));
    }
}

#[tokio::test]
async fn json_that_is_nested_too_deep_is_told_from_what_is_no_json() {
    let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let lake = Lake::plain();
    let lines = [format!("{{\"a\":{}}}\n", nested(126)), format!("{{\"a\":{}}}\n", nested(127)), "{\"a\":\n".into()];
    lake.put("lines.ndjson", lines.concat());
    let lake = lake.reopen(Some(json!({"ndjson": {"schema": {"columns": [{"name": "a", "type": "Utf8"}]}}})));
    let outcome = lake.read("lines.ndjson").await.unwrap();
    assert_eq!(outcome.rows(), [[nested(126)]]);
    let messages: Vec<&str> = outcome.rejects.iter().map(|reject| reject.message.as_str()).collect();
    assert_eq!(messages[0], "the line is nested deeper than 127 levels, at its line 1 column 132");
    assert!(messages[1].starts_with("the line is not JSON: EOF"), "{messages:?}");
    assert_eq!(outcome.reasons(), [(2, None, "Malformed"), (3, None, "Malformed")]);

    let lake = lake.reopen(None);
    // As deep as memory goes.
    lake.put("deep.json", nested(10 * MIB)).put("fine.json", format!("[{{\"a\":{}}}]", nested(125)));
    let error = lake.read("deep.json").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Limit);
    let text = "read deep.json: the document is nested deeper than 127 levels, at its line 1 column 128";
    assert_eq!(said(&error), (text.into(), "write what is nested deeper as text that holds JSON".into()));
    let fine = lake.read("fine.json").await.unwrap();
    assert_eq!(fine.batch.num_rows(), 1);
}

#[tokio::test]
async fn a_value_of_a_parquet_file_that_is_too_large_is_refused_with_its_place() {
    let large = "x".repeat(64 * MIB + 1);
    let list = |of: Option<&str>| -> ArrayRef {
        let mut builder = ListBuilder::new(StringBuilder::new());
        for value in [Some("a"), of] {
            builder.append_value([Some("b"), value]);
        }
        Arc::new(builder.finish())
    };
    let few = |of: Option<&str>| -> ArrayRef { Arc::new(StringViewArray::from(vec![Some("a"), of])) };
    let remedy = "leave the column out, or keep such content in files of its own and their names in the row";
    let remedy_of_lists = "leave the column out, or write what its lists hold as rows of their own";
    for (name, column, told, remedy) in [
        // The footer tells: there is nothing else in the column.
        (
            "one.parquet",
            Arc::new(StringArray::from(vec![large.as_str()])) as ArrayRef,
            "one.parquet, column `a`: a value is larger than 64 MiB",
            remedy,
        ),
        ("many.parquet", few(Some(&large)), "many.parquet, row 2, column `a`: the value is larger than 64 MiB", remedy),
        // Its page tells.
        (
            "lists.parquet",
            list(Some(&large)),
            "lists.parquet, column `a.list.item`: a row takes more than 64 MiB when it is decoded",
            remedy_of_lists,
        ),
    ] {
        let lake = Lake::plain();
        let rows = RecordBatch::try_from_iter([("a", column)]).unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
        writer.write(&rows).unwrap();
        lake.put(name, writer.into_inner().unwrap());
        let error = lake.read(name).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Limit, "{error}");
        assert_eq!(said(&error), (format!("read {told}"), remedy.into()));
    }
    // Many small values together are fine.
    let lake = Lake::plain();
    let small: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(MIB); 70]));
    let rows = RecordBatch::try_from_iter([("a", small)]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    lake.put("small.parquet", writer.into_inner().unwrap());
    assert_eq!(lake.read("small.parquet").await.unwrap().batch.num_rows(), 70);
}

#[tokio::test]
async fn a_footer_of_a_parquet_file_that_takes_too_much_is_refused_before_it_is_decoded() {
    // Three hundred columns, each of which keeps the name of what they all lie in.
    let columns = 300;
    let mut footer = [vec![0x15, 4, 0x19, 0xfc], number(columns + 2)].concat();
    footer.extend([0x48, 1, b'r', 0x15, 2, 0]);
    let name = [number(MIB as u64), vec![b'g'; MIB]].concat();
    footer.extend([&[0x35, 0, 0x18][..], &name, &[0x15], &number(columns << 1), &[0]].concat());
    footer.extend([0x15, 4, 0x25, 0, 0x18, 1, b'a', 0].repeat(columns as usize));
    footer.extend([0x16, 0, 0x19, 0x0c, 0]);
    let length = u32::try_from(footer.len()).unwrap().to_le_bytes();
    let lake = Lake::plain();
    lake.put("a.parquet", [&b"PAR1"[..], &footer, &length, b"PAR1"].concat());
    let error = lake.connector.describe("a.parquet").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Limit, "{error}");
    let text = "read a.parquet: its footer takes more than 256 MiB when it is decoded";
    let remedy = "write the file again with larger row groups, or as several files";
    assert_eq!(said(&error), (text.into(), remedy.into()));
}
