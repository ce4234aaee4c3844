//! Reading: dialects, bad input, globs, positions.

use std::io::Write;
use std::sync::Arc;

use aggregator_tests::random::Random;
use aggregator_worker::connector::{CursorWindow, ErrorKind, SourceRequest};
use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use serde_json::{Value, json};

use super::harness::{Lake, Outcome, open, request};

fn csv(options: Value) -> Option<Value> {
    Some(json!({ "csv": options }))
}

fn columns(declared: &[(&str, &str)]) -> Value {
    let columns: Vec<Value> = declared.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
    json!({ "columns": columns })
}

fn schema_of(outcome: &Outcome) -> Vec<(String, String)> {
    let schema = outcome.batch.schema();
    schema.fields().iter().map(|field| (field.name().clone(), field.data_type().to_string())).collect()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_file_becomes_typed_rows_and_the_counts_hold() {
    let lake = Lake::plain();
    let text = "id,zip,price,ok,day,at\n1,007,1.5,true,2026-01-31,2026-01-31T10:00:00.123456Z\n2,123,,FALSE,,\n";
    lake.put("a.csv", text);
    let outcome = lake.read("a.csv").await.unwrap();
    assert_eq!(
        outcome.rows(),
        [
            ["1", "007", "1.5", "true", "2026-01-31", "2026-01-31T10:00:00.123456Z"],
            ["2", "123", "∅", "false", "∅", "∅"]
        ]
    );
    let types: Vec<String> = schema_of(&outcome).into_iter().map(|(_, data_type)| data_type).collect();
    assert_eq!(types, ["Int64", "Utf8", "Float64", "Boolean", "Date32", "Timestamp(µs, \"UTC\")"]);
    assert_eq!((outcome.end.read, outcome.end.bytes), (2, text.len() as u64));
    assert_eq!(outcome.end.note.as_deref(), Some("1 file"));
    assert_eq!(outcome.end.position, None);
}

#[tokio::test]
async fn bad_rows_first_in_the_middle_and_last_are_rejected_with_their_place() {
    let schema = columns(&[("id", "Int64"), ("name", "Utf8"), ("day", "Date32")]);
    let lake = Lake::new(csv(json!({ "schema": schema })));
    let text = "id,name,day\nx,first,2026-01-01\n1,a,2026-01-01\n2,b,31.12.2026\n3,c\n4,d,2026-01-04,more\n5,e,\n6,\"f,\nF\",never\n";
    lake.put("in/a.csv", text);
    let outcome = lake.read("in/*.csv").await.unwrap();
    assert_eq!(outcome.rows(), [["1", "a", "2026-01-01"], ["5", "e", "∅"]]);
    assert_eq!(
        outcome.reasons(),
        [
            (2, Some("id"), "CastFailed"),
            (4, Some("day"), "CastFailed"),
            (5, None, "FieldCount"),
            (6, None, "FieldCount"),
            (8, Some("day"), "CastFailed"),
        ]
    );
    assert!(outcome.balanced());
    for reject in &outcome.rejects {
        let at = reject.offset.unwrap() as usize;
        assert_eq!(reject.location, "in/a.csv");
        assert!(text[at..].starts_with(&reject.raw), "{reject:?}");
    }
    assert_eq!(outcome.rejects[0].message, "`x` is not an integer (Int64)");
    assert_eq!(outcome.rejects[3].message, "the row has 4 fields, not 3");
    assert_eq!(outcome.rejects[4].raw, "6,\"f,\nF\",never");
}

#[tokio::test]
async fn without_rejects_the_first_bad_row_stops_the_read_and_tells_what_to_do() {
    let lake = Lake::new(csv(json!({"schema": columns(&[("id", "Int64")])})));
    lake.put("a.csv", "id\n1\nzwei\n");
    let error = lake.read_as(SourceRequest { rejects: false, ..request("a.csv") }).await.expect_err("a bad row");
    assert_eq!(error.kind, ErrorKind::Data);
    assert_eq!(error.to_string(), "read a.csv:3: column `id`: `zwei` is not an integer (Int64)");
    assert!(error.remedy.unwrap().contains("`rejects`"));
}

#[tokio::test]
async fn numbers_and_times_at_their_limits_are_exact_or_rejected() {
    let schema =
        columns(&[("i", "Int64"), ("f", "Float64"), ("d", "Decimal128(10, 2)"), ("t", "Timestamp(Microsecond, UTC)")]);
    let lake = Lake::new(csv(json!({ "schema": schema })));
    lake.put(
        "a.csv",
        "i,f,d,t\n\
         9223372036854775807,9007199254740992,99999999.99,9999-12-31T23:59:59.999999Z\n\
         -9223372036854775808,-0.1,-99999999.99,0001-01-01T00:00:00Z\n\
         9223372036854775808,,,\n\
         ,9007199254740993,,\n\
         ,,100000000.00,\n\
         ,,1.005,\n\
         ,,,2026-01-01T00:00:00.0000001Z\n\
         ,1e309,,\n\
         1.0,,,\n",
    );
    let outcome = lake.read("a.csv").await.unwrap();
    assert_eq!(
        outcome.rows(),
        [
            ["9223372036854775807", "9007199254740992.0", "99999999.99", "9999-12-31T23:59:59.999999Z"],
            ["-9223372036854775808", "-0.1", "-99999999.99", "0001-01-01T00:00:00Z"],
        ]
    );
    let columns: Vec<_> = outcome.reasons().into_iter().map(|(line, column, _)| (line, column.unwrap())).collect();
    assert_eq!(columns, [(4, "i"), (5, "f"), (6, "d"), (7, "d"), (8, "t"), (9, "f"), (10, "i")]);
    assert!(outcome.balanced());
}

#[tokio::test]
async fn line_ends_quotes_and_blank_lines_keep_their_meaning_and_places() {
    for end in ["\n", "\r\n", "\r"] {
        let lake = Lake::new(csv(json!({"schema": columns(&[("a", "Int64"), ("b", "Utf8")])})));
        let text = ["a,b", "1,\"x \"\"y\"\", z\"", "", "2,\"two", "lines\"", "", "x,bad", "3,\"\""].join(end);
        lake.put("a.csv", &text);
        let outcome = lake.read("a.csv").await.unwrap();
        let two = format!("two{end}lines");
        assert_eq!(outcome.rows(), [["1", "x \"y\", z"], ["2", &two], ["3", "∅"]], "{end:?}");
        assert_eq!(outcome.reasons(), [(7, Some("a"), "CastFailed")], "{end:?}");
        assert_eq!(outcome.rejects[0].offset, Some(text.find("x,bad").unwrap() as u64));
        assert_eq!(outcome.rejects[0].raw, "x,bad");
    }
}

#[tokio::test]
async fn an_open_quote_is_a_reject_not_a_field_that_swallowed_the_file() {
    let lake = Lake::plain();
    lake.put("end.csv", "a,b\n1,x\n2,\"never closed\n3,z\n");
    let outcome = lake.read("end.csv").await.unwrap();
    assert_eq!(outcome.rows(), [["1", "x"]]);
    assert_eq!(outcome.reasons(), [(3, None, "Malformed")]);
    assert!(outcome.rejects[0].message.contains("before it is closed"));
    // A later quote closes it: two rows would pass as one.
    lake.put("middle.csv", "a,b\n1,\"open\n2,\"closed\"\n3,z\n");
    let outcome = lake.read("middle.csv").await.unwrap();
    assert_eq!(outcome.rows(), [["3", "z"]]);
    assert_eq!(outcome.reasons(), [(2, None, "Malformed")]);
    assert!(outcome.balanced());
}

#[tokio::test]
async fn files_without_rows_are_read_as_such_when_the_columns_are_known() {
    let schema = columns(&[("a", "Int64")]);
    for (name, content) in [("empty", &b""[..]), ("header", b"a\n"), ("bom", b"\xEF\xBB\xBF"), ("blank", b"\n\r\n\n")] {
        let lake = Lake::new(csv(json!({ "schema": schema })));
        lake.put("a.csv", content);
        let outcome = lake.read("a.csv").await.unwrap();
        assert_eq!((outcome.rows().len(), outcome.end.read), (0, 0), "{name}");
    }
    let lake = Lake::plain();
    lake.put("a.csv", "");
    let error = lake.read("a.csv").await.expect_err("no columns");
    assert_eq!(error.kind, ErrorKind::Data);
    assert!(error.to_string().contains("a.csv holds no record"), "{error}");
    lake.put("a.csv", "x,y\n");
    let outcome = lake.read("a.csv").await.unwrap();
    assert_eq!(schema_of(&outcome), [("x".into(), "Utf8".into()), ("y".into(), "Utf8".into())]);
}

#[tokio::test]
async fn text_in_another_encoding_is_rejected_until_the_encoding_is_declared() {
    let lake = Lake::plain();
    lake.put("a.csv", b"a,b\n1,Z\xFCrich\n2,Bern\n");
    let outcome = lake.read("a.csv").await.unwrap();
    assert_eq!(outcome.rows(), [["2", "Bern"]]);
    assert_eq!(outcome.reasons(), [(2, None, "Malformed")]);
    assert!(outcome.rejects[0].message.contains("windows-1252"));
    assert_eq!(outcome.rejects[0].raw, "1,Z\u{FFFD}rich");
    let lake = lake.reopen(csv(json!({"encoding": "windows-1252"})));
    assert_eq!(lake.read("a.csv").await.unwrap().rows(), [["1", "Zürich"], ["2", "Bern"]]);
    let utf16: Vec<u8> = "\u{FEFF}a,b\n1,Köln\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    lake.put("b.csv", utf16);
    assert_eq!(lake.read("b.csv").await.unwrap().rows(), [["1", "Köln"]]);
    lake.put("c.csv", b"a,b\n1,x\0y\n");
    assert_eq!(lake.read("c.csv").await.unwrap().rows(), [["1", "x\0y"]]);
}

#[tokio::test]
async fn every_option_of_the_dialect_does_what_it_says() {
    let cases: [(Value, &str, &[&[&str]]); 12] = [
        (json!({"delimiter": "\\t"}), "a\tb\n1\t2,5\n", &[&["1", "2,5"]]),
        (json!({"delimiter": ";", "quote": "'"}), "a;b\n1;'x;y'\n", &[&["1", "x;y"]]),
        (json!({"quote": ""}), "a,b\n1,5\"\n", &[&["1", "5\""]]),
        (json!({"escape": "\\"}), "a,b\n1,\"x\\\"y\"\n", &[&["1", "x\"y"]]),
        (json!({"comment": "#"}), "#top\na,b\n#middle\n1,x\n#last", &[&["1", "x"]]),
        (json!({"terminator": "|"}), "a,b|1,x\ny|2,z", &[&["1", "x\ny"], &["2", "z"]]),
        (json!({"skipRows": 2}), "title\n\"odd\na,b\n1,x\n", &[&["1", "x"]]),
        (json!({"nullValues": ["NA", "-"]}), "a,b\nNA,-\n1,\n", &[&["∅", "∅"], &["1", ""]]),
        (json!({"trim": true}), " a , b\n 1 , x \n", &[&["1", "x"]]),
        (json!({"header": false}), "1,x\n2,y\n", &[&["1", "x"], &["2", "y"]]),
        (json!({"header": true, "columns": ["p", "q"]}), "a,b\n1,x\n", &[&["1", "x"]]),
        (json!({"raggedRows": "Fill"}), "a,b\n1\n2,x,more\n", &[&["1", "∅"], &["2", "x"]]),
    ];
    for (options, text, expected) in cases {
        let lake = Lake::new(csv(options.clone()));
        lake.put("a.csv", text);
        let outcome = lake.read("a.csv").await.unwrap();
        assert_eq!(outcome.rows(), expected, "{options}");
        assert_eq!(outcome.rejects, [], "{options}");
        assert!(outcome.balanced(), "{options}");
    }
    let lake = Lake::new(csv(json!({"header": false})));
    lake.put("a.csv", "1,x\n");
    assert_eq!(schema_of(&lake.read("a.csv").await.unwrap())[1].0, "column_2");
    for wrong in [
        json!({"delimiter": ",,"}),
        json!({"delimiter": "\""}),
        json!({"encoding": "latin-99"}),
        json!({"comment": "ä"}),
    ] {
        let lake = Lake::new(csv(wrong.clone()));
        lake.put("a.csv", "a\n1\n");
        assert_eq!(lake.read("a.csv").await.expect_err("a wrong dialect").kind, ErrorKind::Config, "{wrong}");
    }
}

#[tokio::test]
async fn names_that_stand_twice_are_told_apart_and_said() {
    let lake = Lake::plain();
    lake.put("a.csv", "x,x,,x_2\n1,2,3,4\n");
    let outcome = lake.read("a.csv").await.unwrap();
    let names: Vec<String> = schema_of(&outcome).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["x", "x_3", "column_3", "x_2"]);
    assert!(outcome.end.note.unwrap().contains("column 2 `x` is called `x_3`"));
}

#[tokio::test]
async fn files_of_one_glob_are_matched_by_name_in_order_of_path() {
    let lake = Lake::plain();
    lake.put("in/b.csv", "name,id\nB,2\n")
        .put("in/a.csv", "id,name\n1,A\n")
        .put("in/c.csv", "id\n3\n")
        .put("in/_x.csv", "junk");
    let outcome = lake.read("in/*.csv").await.unwrap();
    assert_eq!(outcome.rows(), [["1", "A"], ["2", "B"], ["3", "∅"]]);
    assert!(outcome.end.note.unwrap().contains("in/c.csv: no column `name`"));
    let schema =
        json!({"columns": [{"name": "id", "type": "Int64"}, {"name": "name", "type": "Utf8", "nullable": false}]});
    let lake = lake.reopen(csv(json!({ "schema": schema })));
    let error = lake.read("in/*.csv").await.expect_err("a required column is missing");
    assert_eq!(error.kind, ErrorKind::Data);
    assert_eq!(error.to_string(), "read in/c.csv: there is no column `name`; there are id");
}

#[tokio::test]
async fn partition_folders_are_columns() {
    let lake = Lake::plain();
    lake.put("f/year=2025/city=S%C3%A3o%20Paulo/a.csv", "id\n1\n");
    lake.put("f/year=2026/city=__HIVE_DEFAULT_PARTITION__/b.csv", "id\n2\n3\n");
    let outcome = lake.read("f/**/*.csv").await.unwrap();
    assert_eq!(outcome.rows(), [["1", "2025", "São Paulo"], ["2", "2026", "∅"], ["3", "2026", "∅"]]);
    assert_eq!(schema_of(&outcome)[1], ("year".into(), "Int64".into()));
    let outcome = lake
        .read_as(SourceRequest { columns: Some(vec!["city".into(), "id".into()]), ..request("f/**/*.csv") })
        .await
        .unwrap();
    assert_eq!(outcome.rows()[0], ["São Paulo", "1"]);
    let error = lake
        .read_as(SourceRequest { columns: Some(vec!["nope".into()]), ..request("f/**/*.csv") })
        .await
        .expect_err("no such column");
    assert_eq!(error.kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn integers_that_no_64_bits_hold_keep_their_digits() {
    let line = r#"{"id": 18446744073709551616, "in": {"x": [-99999999999999999999]}, "small": 18446744073709551615}"#;
    let wanted = ["18446744073709551616", r#"{"x":["-99999999999999999999"]}"#, "18446744073709551615"];
    let mut lake = Lake::plain();
    lake.put("a.ndjson", line).put("a.json", format!("[{line}]"));
    for stream in ["a.ndjson", "a.json"] {
        assert_eq!(lake.read(stream).await.unwrap().rows(), [wanted], "{stream}");
    }
    // A column of decimals takes them, one of integers does not.
    for (declared, rows, reasons) in [
        ("Decimal128(38, 0)", vec![["18446744073709551616"]], vec![]),
        ("Int64", vec![], vec![(1, Some("id"), "CastFailed")]),
    ] {
        lake = lake.reopen(Some(json!({"ndjson": {"schema": columns(&[("id", declared)])}})));
        let outcome = lake.read("a.ndjson").await.unwrap();
        assert_eq!(outcome.rows(), rows, "{declared}");
        assert_eq!(outcome.reasons(), reasons, "{declared}");
    }
}

#[tokio::test]
async fn json_lines_and_documents_are_read_and_their_bad_records_rejected() {
    let lake = Lake::plain();
    lake.put(
        "a.ndjson",
        "{\"id\":1,\"tags\":[\"a\"],\"geo\":{\"x\":1}}\r\n\n{\"id\":2,\"tags\":[]\n[3]\n{\"id\":4,\"tags\":null}\n{\"id\":5} {\"id\":6}\n{\"id\":1.5}",
    );
    let outcome = lake.read("a.ndjson").await.unwrap();
    assert_eq!(outcome.rows()[0], ["1.0", "[a]", "{\"x\":1}"], "1.5 is looked at, too");
    assert_eq!(outcome.reasons(), [(3, None, "Malformed"), (4, None, "Malformed"), (6, None, "Malformed")]);
    assert!(outcome.balanced());
    assert_eq!(outcome.rejects[1].message, "the record is an array, not an object with columns as keys");
    let lake = lake.reopen(Some(json!({"ndjson": {"schema": columns(&[("id", "Int64")])}})));
    let outcome = lake.read("a.ndjson").await.unwrap();
    assert_eq!(outcome.rows(), [["1"], ["4"]]);
    assert_eq!(outcome.reasons().last().unwrap(), &(7, Some("id"), "CastFailed"));

    let lake = Lake::new(Some(json!({"json": {"records": "$.data[*]"}})));
    lake.put("a.json", r#"{"data": [{"id": 1, "id": 2}, {"id": 3}], "next": null}"#);
    assert_eq!(lake.read("a.json").await.unwrap().rows(), [["2"], ["3"]]);
    for (text, kind, words) in [
        (r#"{"rows": []}"#, ErrorKind::Data, "nothing in the document is at `$['data'][*]`"),
        (r#"{"data": [{"id": 1}"#, ErrorKind::Data, "not a JSON document"),
        ("", ErrorKind::Data, "not a JSON document"),
        ("\u{1}", ErrorKind::Data, "not a JSON document"),
    ] {
        lake.put("b.json", text);
        let error = lake.read("b.json").await.expect_err(text);
        assert_eq!(error.kind, kind);
        assert!(error.to_string().starts_with("read b.json"), "{error}");
        assert!(error.to_string().contains(words) || text.contains("rows"), "{error}");
    }
    let lake = Lake::new(Some(json!({"json": {"records": "$.["}})));
    lake.put("a.json", "[]");
    assert_eq!(lake.read("a.json").await.expect_err("a wrong path").kind, ErrorKind::Config);
}

#[tokio::test]
async fn both_ways_of_reading_json_agree() {
    let mut random = Random::seeded("both_ways_of_reading_json_agree");
    let declared: [(&str, &str); 6] = [
        ("i", "Int64"),
        ("f", "Float64"),
        ("s", "Utf8"),
        ("t", "Timestamp(Microsecond, UTC)"),
        ("d", "Decimal128(12, 3)"),
        ("l", "List(Int64)"),
    ];
    let values = [
        json!(null),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(9_007_199_254_740_993_u64),
        json!(1e300),
        json!("12"),
        json!("1.25"),
        json!("x"),
        json!(true),
        json!("2026-01-01T00:00:00.5Z"),
        json!("é\n\"\\"),
        json!([1, 2]),
        json!(["x"]),
        json!({"a": 1}),
        json!(""),
    ];
    let records: Vec<Value> = (0..2000)
        .map(|_| {
            let mut record = serde_json::Map::new();
            for (name, _) in &declared {
                if random.below(8) > 0 {
                    record.insert((*name).to_owned(), random.pick(&values).clone());
                }
            }
            if random.below(50) == 0 { json!([1]) } else { Value::Object(record) }
        })
        .collect();
    let lake = Lake::new(Some(json!({"ndjson": {"schema": columns(&declared)}})));
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    lake.put("a.ndjson", lines.join("\n"));
    let streamed = lake.read("a.ndjson").await.unwrap();
    let lake = lake.reopen(Some(json!({"json": {"schema": columns(&declared)}})));
    lake.put("a.json", Value::Array(records).to_string());
    let whole = lake.read("a.json").await.unwrap();
    assert_eq!(streamed.rows(), whole.rows());
    assert_eq!(streamed.reasons(), whole.reasons());
    assert!(!streamed.rejects.is_empty() && streamed.batch.num_rows() > 0 && streamed.balanced());
}

#[tokio::test]
async fn what_an_independent_writer_wrote_is_read_back_value_by_value() {
    let mut random = Random::seeded("what_an_independent_writer_wrote_is_read_back_value_by_value");
    let rows = 5000;
    let pieces = ["a", ",", "\"", "\n", "\r\n", "é", "'", " ", "\\", "#", ";"];
    let maybe = |random: &mut Random| random.below(10) > 0;
    let ints: Vec<Option<i64>> = (0..rows).map(|_| maybe(&mut random).then(|| random.next() as i64)).collect();
    let floats: Vec<Option<f64>> = (0..rows)
        .map(|_| maybe(&mut random).then(|| (random.next() as i64 as f64) / 10f64.powi(random.below(25) as i32 + 10)))
        .collect();
    let texts: Vec<Option<String>> = (0..rows)
        .map(|_| maybe(&mut random).then(|| (0..=random.below(6)).map(|_| *random.pick(&pieces)).collect()))
        .collect();
    let flags: Vec<Option<bool>> = (0..rows).map(|_| maybe(&mut random).then(|| random.below(2) == 0)).collect();
    let days: Vec<Option<i32>> =
        (0..rows).map(|_| maybe(&mut random).then(|| random.below(100_000) as i32 - 50_000)).collect();
    let times: Vec<Option<i64>> = (0..rows)
        .map(|_| maybe(&mut random).then(|| random.below(8_000_000_000_000_000) as i64 - 4_000_000_000_000_000))
        .collect();
    let arrays: Vec<(&str, ArrayRef)> = vec![
        ("i", Arc::new(Int64Array::from(ints))),
        ("f", Arc::new(Float64Array::from(floats))),
        ("s", Arc::new(StringArray::from(texts))),
        ("b", Arc::new(BooleanArray::from(flags))),
        ("d", Arc::new(Date32Array::from(days))),
        ("t", Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC"))),
    ];
    let batch =
        RecordBatch::try_from_iter_with_nullable(arrays.into_iter().map(|(name, array)| (name, array, true))).unwrap();
    let mut text = Vec::new();
    arrow::csv::Writer::new(&mut text).write(&batch).unwrap();
    let declared = columns(&[
        ("i", "Int64"),
        ("f", "Float64"),
        ("s", "Utf8"),
        ("b", "Boolean"),
        ("d", "Date32"),
        ("t", "Timestamp(Microsecond, UTC)"),
    ]);
    let lake = Lake::new(csv(json!({ "schema": declared })));
    lake.put("a.csv", &text);
    let good = lake.read_as(SourceRequest { batch_rows: 333, ..request("a.csv") }).await.unwrap();
    assert_eq!(good.batch, batch);
    assert_eq!(good.rejects, []);

    // The same rows with bad ones between them: the good ones are the same, in the same order.
    let bad = [
        "x,1,s,true,2026-01-01,2026-01-01T00:00:00Z",
        "1,2",
        "1,1,s,maybe,2026-01-01,2026-01-01T00:00:00Z",
        "1,\"q\"q,s,true,,",
    ];
    let mut mixed = Vec::new();
    let mut expected = 0;
    let header_end = text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    mixed.extend_from_slice(&text[..header_end]);
    for row in 0..rows {
        if random.below(7) == 0 {
            mixed.extend_from_slice(random.pick(&bad).as_bytes());
            mixed.push(b'\n');
            expected += 1;
        }
        let mut line = Vec::new();
        arrow::csv::WriterBuilder::new().with_header(false).build(&mut line).write(&batch.slice(row, 1)).unwrap();
        mixed.extend(line);
    }
    lake.put("b.csv", &mixed);
    let outcome = lake.read_as(SourceRequest { batch_rows: 257, ..request("b.csv") }).await.unwrap();
    assert_eq!(outcome.batch, batch);
    assert_eq!(outcome.rejects.len(), expected);
    for reject in &outcome.rejects {
        assert!(bad.contains(&reject.raw.as_str()), "{reject:?}");
        let at = reject.offset.unwrap() as usize;
        assert!(mixed[at..].starts_with(reject.raw.as_bytes()));
        let line = mixed[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        assert_eq!(reject.line, Some(line));
    }
}

#[tokio::test]
async fn truncated_and_corrupt_files_are_errors_that_name_the_file() {
    let rows: String =
        (0..50_000).map(|number: u64| format!("{},{}\n", number, number.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
    let whole = gzip(format!("a,b\n{rows}").as_bytes());
    let lake = Lake::plain();
    lake.put("good.csv.gz", &whole);
    let outcome = lake.read("good.csv.gz").await.unwrap();
    assert_eq!((outcome.batch.num_rows(), outcome.end.bytes), (50_000, whole.len() as u64));
    lake.put("cut.csv.gz", &whole[..whole.len() / 2]);
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle..middle + 64].fill(0xAA);
    lake.put("flipped.csv.gz", flipped);
    lake.put("plain.csv.gz", "a,b\n1,2\n");
    lake.put("bad.parquet", "PAR1 and nothing else");
    for name in ["cut.csv.gz", "flipped.csv.gz", "plain.csv.gz", "bad.parquet"] {
        let error = lake.read(name).await.expect_err(name);
        assert_eq!(error.kind, ErrorKind::Data, "{error}");
        assert!(error.to_string().starts_with(&format!("read {name}: ")), "{error}");
        assert!(error.remedy.is_some());
    }
    let error = lake.read("cut.csv.gz").await.expect_err("truncated");
    assert!(error.to_string().contains("truncated"), "{error}");
}

/// Each form of compression that we write tells of a bit that has changed.
#[tokio::test]
async fn a_bit_that_flips_in_a_compressed_file_never_gives_other_rows() {
    use std::io::Write;
    let rows: String =
        (0..2_000).map(|number: u64| format!("{},{}\n", number, number.wrapping_mul(0x9E37_79B9))).collect();
    let text = format!("a,b\n{rows}");
    let zstd = {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let lake = Lake::plain();
    for (name, whole) in [("a.csv.gz", gzip(text.as_bytes())), ("a.csv.zst", zstd)] {
        lake.put(name, &whole);
        let good = lake.read(name).await.unwrap().batch;
        let mut found = 0;
        for place in (0..whole.len()).step_by(whole.len() / 40) {
            let mut flipped = whole.clone();
            flipped[place] ^= 1;
            lake.put(name, &flipped);
            match lake.read(name).await {
                Ok(read) => assert_eq!(read.batch, good, "{name}, byte {place}: a bit that means nothing"),
                Err(error) => {
                    assert_eq!(error.kind, ErrorKind::Data, "{error}");
                    found += 1;
                }
            }
        }
        assert!(found > 35, "{name}: {found}");
    }
}

#[tokio::test]
async fn streams_that_are_not_there_and_paths_that_leave_the_root_are_told() {
    let lake = Lake::plain();
    lake.put("in/a.csv", "a\n1\n").put("p/x=1/a.ndjson", "{}\n");
    let error = lake.read("out/*.csv").await.expect_err("not there");
    assert_eq!(error.kind, ErrorKind::NotFound);
    let declare =
        "if the files were read and taken away, declare the columns with `schema` in the Connector's `format`";
    assert_eq!(error.remedy, Some(format!("there are: in/*.csv, p/**/*.ndjson; {declare}")));
    let error = lake.read("out/a.csv").await.expect_err("not there");
    assert_eq!(error.remedy.as_deref(), Some("there are: in/*.csv, p/**/*.ndjson"));
    for stream in ["../x.csv", "/etc/passwd", "in/../../x", "in/[", ""] {
        assert_eq!(lake.read(stream).await.expect_err(stream).kind, ErrorKind::Config, "{stream:?}");
    }
    lake.put("in/b.ndjson", "{\"a\":1}\n").put("in/c.xyz", "?");
    assert_eq!(lake.read("in/*").await.expect_err("two formats").kind, ErrorKind::Config);
    let gone = open(&lake.root().join("gone"), None).unwrap();
    let report = gone.check().await.expect("a sink would make it");
    assert!(report.message.ends_with("is not there yet; the first write makes it"), "{}", report.message);
    assert!(lake.connector.check().await.unwrap().message.contains("2 entries"));
}

#[tokio::test]
async fn discovery_lists_globs_of_like_files_and_unlike_files_one_by_one() {
    let lake = Lake::plain();
    lake.put("flights/1.csv", "id,at\n1,2026-01-01\n").put("flights/2.csv", "id,at\n2,2026-01-02\n");
    lake.put("mixed/airports.csv", "iata\nBER\n").put("mixed/airlines.csv", "code\nLH\n");
    lake.put("p/day=1/a.csv.gz", gzip(b"x\n1\n")).put("notes.txt", "no data");
    let catalogue = lake.connector.discover().await.unwrap();
    let names: Vec<&str> = catalogue.streams.iter().map(|stream| stream.name.as_str()).collect();
    assert_eq!(names, ["flights/*.csv", "mixed/airlines.csv", "mixed/airports.csv", "p/**/*.csv.gz"]);
    for stream in &catalogue.streams {
        let described = lake.connector.describe(&stream.name).await.unwrap();
        assert_eq!(described.columns, stream.columns, "{}", stream.name);
        assert!(!described.columns.is_empty());
    }
}

#[tokio::test]
async fn the_next_run_reads_new_and_changed_files_only() {
    let lake = Lake::plain();
    lake.put("in/1.csv", "id\n1\n").put("in/2.csv", "id\n2\n");
    let incremental = |from| SourceRequest { incremental: true, from, ..request("in/*.csv") };
    let first = lake.read_as(incremental(None)).await.unwrap();
    assert_eq!(first.rows(), [["1"], ["2"]]);
    let position = first.end.position.clone().unwrap();
    assert_eq!((position.kind.as_str(), position.version), ("files", 1));
    let again = lake.read_as(incremental(Some(position.clone()))).await.unwrap();
    assert_eq!((again.rows().len(), again.end.read), (0, 0));
    assert_eq!(again.end.note.as_deref(), Some("0 files, 2 already read"));
    assert_eq!(again.end.position.as_ref(), Some(&position));

    lake.put("in/2.csv", "id\n20\n21\n").put("in/3.csv", "id\n3\n");
    let next = lake.read_as(incremental(Some(position.clone()))).await.unwrap();
    assert_eq!(next.rows(), [["20"], ["21"], ["3"]]);
    // A file that came later is not part of what an attempt of this run has committed.
    lake.put("in/4.csv", "id\n4\n");
    let to = next.end.position.clone();
    let resumed = lake.read_as(SourceRequest { to: to.clone(), ..incremental(Some(position.clone())) }).await.unwrap();
    assert_eq!(resumed.rows(), next.rows());
    assert_eq!(resumed.end.position, to);
    lake.put("in/3.csv", "id\n33333\n");
    let error = lake.read_as(SourceRequest { to, ..incremental(Some(position)) }).await.expect_err("changed");
    assert_eq!(error.kind, ErrorKind::Data);
    let mut foreign = next.end.position.unwrap();
    foreign.kind = "cursor".into();
    let error = lake.read_as(incremental(Some(foreign))).await.expect_err("a position of another source");
    assert!(error.to_string().contains("`cursor`") && error.to_string().contains("`files`"), "{error}");
}

#[tokio::test]
async fn a_drop_folder_that_was_emptied_has_no_new_rows() {
    let columns = json!({"columns": [{"name": "id", "type": "Int64"}]});
    let lake = Lake::new(Some(json!({"csv": {"schema": columns}})));
    std::fs::create_dir(lake.root().join("in")).unwrap();
    let of = |stream: &str, from| SourceRequest { incremental: true, from, ..request(stream) };
    let not_found = async |request: SourceRequest| {
        let error = lake.read_as(request).await.expect_err("no file, and none before");
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert_eq!(error.remedy.as_deref(), Some("the folder holds no files: correct `root`"));
    };
    // Nothing was ever there: the glob may be wrong.
    not_found(of("in/*.csv", None)).await;

    lake.put("in/1.csv", "id\n1\n").put("in/2.csv", "id\n2\n");
    let first = lake.read_as(of("in/*.csv", None)).await.unwrap();
    let position = first.end.position.clone();
    std::fs::remove_dir_all(lake.root().join("in")).unwrap();
    for stream in ["in/*.csv", "in/"] {
        assert_eq!(lake.connector.describe(stream).await.unwrap().columns.len(), 1);
        let next = lake.read_as(of(stream, position.clone())).await.unwrap();
        assert_eq!((next.rows().len(), next.end.read, &next.end.position), (0, 0, &position));
        assert_eq!(next.end.note.as_deref(), Some("0 files, no file is left of 2 that were read before"));
    }
    // A full read would take nothing for everything, and a file that is named is not one that comes and goes.
    not_found(request("in/*.csv")).await;
    not_found(of("in/1.csv", position.clone())).await;
    // What an attempt of this run has committed has to be there still.
    let error = lake.read_as(SourceRequest { to: position.clone(), ..of("in/*.csv", None) }).await.expect_err("gone");
    assert_eq!(error.kind, ErrorKind::Data, "{error}");
    // By cursor, likewise.
    let window = |upper: Option<&str>| {
        let (lower, upper) = (Some("2".to_owned()), upper.map(str::to_owned));
        SourceRequest {
            window: Some(CursorWindow { column: "id".into(), lower, upper, lag: None }),
            ..request("in/*.csv")
        }
    };
    assert_eq!(lake.read_as(window(None)).await.unwrap().end.read, 0);
    not_found(window(Some("3"))).await;

    lake.put("in/3.csv", "id\n3\n");
    let next = lake.read_as(of("in/*.csv", position.clone())).await.unwrap();
    assert_eq!((next.rows(), next.end.read), (vec![vec!["3".to_owned()]], 1));

    // Without declared columns there is no telling them.
    std::fs::remove_file(lake.root().join("in/3.csv")).unwrap();
    for (format, advice) in [
        (None, "declare the columns with `schema` in the Connector's `format`"),
        (Some(json!({"parquet": {}})), "leave one, which tells the columns"),
    ] {
        let plain = open(lake.root(), format).unwrap();
        let error = plain.source(of("in/*.csv", position.clone())).await.err().unwrap();
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert_eq!(
            error.remedy,
            Some(format!("the folder holds no files: correct `root`; if the files were read and taken away, {advice}"))
        );
    }
}

#[tokio::test]
async fn dropping_the_stream_stops_the_reader() {
    use futures::StreamExt;
    let lake = Lake::plain();
    lake.put("a.csv", format!("id\n{}", "1\n".repeat(200_000)));
    let source = lake.connector.source(SourceRequest { batch_rows: 10, ..request("a.csv") }).await.unwrap();
    let mut events = source.read().await.unwrap();
    assert!(events.next().await.unwrap().is_ok());
    drop(events);
    // The reader's thread holds the file open; when it ends, nobody does.
    let open = || {
        std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
            .any(|path| path.starts_with(lake.root()))
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while open() {
        assert!(std::time::Instant::now() < deadline, "the reader goes on");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_record_of_many_megabytes_is_one_record() {
    let lake = Lake::plain();
    let large = "x\n".repeat(3 << 20);
    lake.put("a.csv", format!("a,b\n1,\"{large}\"\n2,y\n"));
    let outcome = lake.read("a.csv").await.unwrap();
    assert_eq!(outcome.rows(), [["1", &large], ["2", "y"]]);
}
