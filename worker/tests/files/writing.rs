//! Writing: formats, modes, partitions, fencing, what a plan says.

use std::collections::BTreeSet;
use std::sync::Arc;

use aggregator_crds::pipeline::WriteMode;
use aggregator_worker::connector::{Attempt, ErrorKind, PlannedChange, SavedSplit, Split, WriteOptions};
use aggregator_worker::ledger::Ledger;
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use serde_json::{Value, json};

use super::harness::{Lake, attempt, positions};

pub(crate) fn batch(ids: &[i64]) -> RecordBatch {
    let names: Vec<Option<String>> = ids.iter().map(|id| (id % 3 != 0).then(|| format!("=name, \"{id}\"\n"))).collect();
    let arrays: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(ids.to_vec()))),
        ("name", Arc::new(StringArray::from(names))),
        ("price", Arc::new(Float64Array::from_iter_values(ids.iter().map(|id| *id as f64 / 4.0)))),
        (
            "at",
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(ids.iter().map(|id| id * 1_000_001)).with_timezone("UTC"),
            ),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(arrays.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

pub(crate) fn mode(mode: WriteMode) -> WriteOptions {
    WriteOptions { mode, ..WriteOptions::default() }
}

pub(crate) fn ids(rows: &[Vec<String>]) -> Vec<&str> {
    rows.iter().map(|row| row[0].as_str()).collect()
}

#[tokio::test]
async fn every_format_and_compression_comes_back_as_it_was_written() {
    let declared = json!({"columns": [
        {"name": "id", "type": "Int64"}, {"name": "name", "type": "Utf8"},
        {"name": "price", "type": "Float64"}, {"name": "at", "type": "Timestamp(Microsecond, UTC)"},
    ]});
    let rows = batch(&(0..1000).collect::<Vec<_>>());
    let mut formats: Vec<Value> = Vec::new();
    for compression in ["none", "gzip", "zstd", "bzip2", "xz"] {
        formats.push(json!({"csv": {"compression": compression, "schema": declared}}));
        formats.push(json!({"ndjson": {"compression": compression, "schema": declared}}));
        formats.push(json!({"json": {"compression": compression, "schema": declared}}));
    }
    for compression in ["none", "snappy", "gzip", "lz4", "zstd"] {
        formats.push(json!({"parquet": {"compression": compression, "rowGroupRows": 300}}));
    }
    formats.push(json!({"csv": {"quoting": "Always", "delimiter": ";", "nullValues": ["NULL"], "schema": declared}}));
    formats.push(json!({"csv": {"escape": "\\", "terminator": "|", "schema": declared}}));
    for format in formats {
        let lake = Lake::new(Some(format.clone()));
        assert_eq!(lake.write("out/", &rows, mode(WriteMode::Append), 1).await, 1000, "{format}");
        let outcome = lake.read("out/").await.unwrap();
        assert_eq!(outcome.batch, rows, "{format}");
        assert_eq!(outcome.rejects, [], "{format}");
    }
}

#[tokio::test]
async fn the_ending_of_one_file_says_how_it_is_written() {
    let lake = Lake::plain();
    for name in ["a.csv", "b.csv.gz", "c.ndjson.zst", "d.json", "e.parquet", "deep/f.jsonl.xz"] {
        lake.write(name, &batch(&[1, 2, 4]), mode(WriteMode::Overwrite), 1).await;
        let outcome = lake.read(name).await.unwrap();
        assert_eq!(ids(&outcome.rows()), ["1", "2", "4"], "{name}");
        // The next one of the same name has its own commits only if its node has: start over.
        std::fs::remove_dir_all(lake.root().join("_aggregator")).unwrap();
    }
    let gzip = std::fs::read(lake.root().join("b.csv.gz")).unwrap();
    assert_eq!(gzip[..2], [0x1F, 0x8B]);
    let text = std::fs::read_to_string(lake.root().join("a.csv")).unwrap();
    assert!(
        text.starts_with("id,name,price,at\n1,\"=name, \"\"1\"\"\n\",0.25,1970-01-01T00:00:01.000001Z\n"),
        "{text}"
    );
}

#[tokio::test]
async fn append_adds_and_overwrite_replaces_and_each_remembers_its_commit() {
    let lake = Lake::new(Some(json!({"parquet": {}})));
    lake.put("out/README.md", "kept").put("out/.hidden.parquet", "kept").put("out/foreign.csv", "kept");
    lake.write("out/", &batch(&[1]), mode(WriteMode::Append), 1).await;
    lake.write("out/", &batch(&[2]), mode(WriteMode::Append), 2).await;
    assert_eq!(lake.files().len(), 5, "{:?}", lake.files());
    lake.put("other/x.parquet", std::fs::read(lake.root().join(&lake.files()[3])).unwrap());

    let mut sink = lake.sink("out/", batch(&[]).schema(), mode(WriteMode::Overwrite)).await.unwrap();
    let record = sink.last_commit().await.unwrap().unwrap();
    assert_eq!((record.epoch, record.run.as_deref(), record.rows), (2, Some("run-2"), 1));
    assert_eq!(record.positions, positions(2));
    sink.fence(&attempt(3)).await.unwrap();
    sink.write(batch(&[3])).await.unwrap();
    sink.write(batch(&[5])).await.unwrap();
    let staged = sink.stage().await.unwrap();
    assert_eq!(staged.written, 2);
    let visible = lake.connector.describe("out/*.parquet").await.unwrap();
    assert_eq!(visible.estimated_rows, Some(2), "what is staged is not seen");
    sink.commit(&positions(3)).await.unwrap();
    let outcome = lake.read("out/*.parquet").await.unwrap();
    assert_eq!(ids(&outcome.rows()), ["3", "5"]);
    let files = lake.files();
    assert_eq!(files.len(), 5, "{files:?}");
    assert!(files.iter().any(|file| file == "out/README.md") && files.iter().any(|file| file == "out/foreign.csv"));
    assert!(!files.iter().any(|file| file.starts_with(".aggregator-staging")), "{files:?}");
}

#[tokio::test]
async fn a_run_without_rows_replaces_with_nothing_and_appends_nothing() {
    let lake = Lake::new(Some(json!({"csv": {}})));
    lake.write("out/", &batch(&[]), mode(WriteMode::Append), 1).await;
    assert_eq!(lake.files(), Vec::<String>::new());
    lake.write("out/", &batch(&[1]), mode(WriteMode::Append), 2).await;
    lake.write("out/", &batch(&[]), mode(WriteMode::Overwrite), 3).await;
    let files = lake.files();
    assert_eq!(files.len(), 1);
    assert_eq!(std::fs::read_to_string(lake.root().join(&files[0])).unwrap(), "id,name,price,at\n");
    let lake = lake.reopen(None);
    for (epoch, name, content) in [(4, "e.json", "[]"), (5, "e.ndjson", ""), (6, "e.csv", "id,name,price,at\n")] {
        lake.write(name, &batch(&[]), mode(WriteMode::Overwrite), epoch).await;
        assert_eq!(std::fs::read_to_string(lake.root().join(name)).unwrap().trim(), content.trim(), "{name}");
    }
    lake.write("e.parquet", &batch(&[]), mode(WriteMode::Overwrite), 7).await;
    assert_eq!(lake.connector.describe("e.parquet").await.unwrap().columns.len(), 4);
}

#[tokio::test]
async fn partitions_become_folders_and_come_back_as_columns() {
    let lake = Lake::new(Some(json!({"ndjson": {}})));
    let options = WriteOptions { partition_by: vec!["name".into()], ..WriteOptions::default() };
    let wanted: Vec<i64> = (0..120).collect();
    lake.write("out/", &batch(&wanted), options.clone(), 1).await;
    assert!(
        lake.files().iter().any(|file| file.starts_with("out/name=__HIVE_DEFAULT_PARTITION__/part-")),
        "{:?}",
        lake.files()
    );
    assert!(
        lake.files().iter().any(|file| file.starts_with("out/name=%3Dname%2C%20%221%22%0A/part-")),
        "{:?}",
        lake.files()
    );
    let outcome = lake.read("out/").await.unwrap();
    let mut found: Vec<(i64, String)> =
        outcome.rows().iter().map(|row| (row[0].parse().unwrap(), row[3].clone())).collect();
    found.sort();
    let expected: Vec<(i64, String)> =
        wanted.iter().map(|id| (*id, if id % 3 == 0 { "∅".into() } else { format!("=name, \"{id}\"\n") })).collect();
    assert_eq!(found, expected);
    for columns in [vec!["nope".to_owned()], vec!["id".into(), "name".into(), "price".into(), "at".into()]] {
        let options = WriteOptions { partition_by: columns, ..WriteOptions::default() };
        let error = lake.sink("out/", batch(&[]).schema(), options).await.err().expect("wrong columns");
        assert_eq!(error.kind, ErrorKind::Config);
    }
}

#[tokio::test]
async fn an_attempt_that_was_overtaken_leaves_nothing() {
    let lake = Lake::new(Some(json!({"csv": {}})));
    let mut old = lake.sink("out/", batch(&[]).schema(), mode(WriteMode::Append)).await.unwrap();
    old.fence(&attempt(1)).await.unwrap();
    old.write(batch(&[1])).await.unwrap();
    old.stage().await.unwrap();
    let mut new = lake.sink("out/", batch(&[]).schema(), mode(WriteMode::Append)).await.unwrap();
    new.fence(&attempt(2)).await.unwrap();
    let error = old.commit(&positions(1)).await.expect_err("overtaken");
    assert_eq!(error.kind, ErrorKind::Fenced);
    assert_eq!(lake.files(), Vec::<String>::new());
    let mut late = lake.sink("out/", batch(&[]).schema(), mode(WriteMode::Append)).await.unwrap();
    assert_eq!(late.fence(&attempt(2)).await.expect_err("the same epoch").kind, ErrorKind::Fenced);
    new.write(batch(&[2])).await.unwrap();
    new.stage().await.unwrap();
    new.abort().await.unwrap();
    assert_eq!(lake.files(), Vec::<String>::new());
    assert_eq!(new.last_commit().await.unwrap().unwrap().run, None);
}

#[tokio::test]
async fn a_plan_says_what_would_be_created_and_replaced_and_changes_nothing() {
    let lake = Lake::new(Some(json!({"csv": {}})));
    let plan = async |stream: &str, write| -> Vec<String> {
        let mut sink = lake.sink(stream, batch(&[]).schema(), write).await.unwrap();
        sink.plan().await.unwrap().into_iter().map(|PlannedChange { action, .. }| action).collect()
    };
    assert_eq!(plan("out/", mode(WriteMode::Append)).await, ["create folder out/ (csv, 4 columns)"]);
    assert_eq!(plan("out/r.csv", mode(WriteMode::Overwrite)).await, ["create file out/r.csv (csv, 4 columns)"]);
    assert_eq!(lake.files(), Vec::<String>::new());
    lake.put("out/old.csv", "x\n").put("out/r.csv", "x\n");
    assert_eq!(
        plan("out/", mode(WriteMode::Overwrite)).await,
        ["add files to folder out/ (csv, 4 columns)", "delete file out/old.csv", "delete file out/r.csv"]
    );
    assert_eq!(plan("out/r.csv", mode(WriteMode::Overwrite)).await, ["replace file out/r.csv (csv, 4 columns)"]);
    let partitioned = WriteOptions { partition_by: vec!["id".into()], ..WriteOptions::default() };
    assert_eq!(plan("new/", partitioned).await, ["create folder new/ (csv, 4 columns, in folders by id)"]);
}

#[tokio::test]
async fn what_files_cannot_do_is_refused_with_a_remedy() {
    let lake = Lake::plain();
    lake.put("there.csv", "id\n1\n");
    let schema = batch(&[]).schema();
    let partitioned = WriteOptions { partition_by: vec!["id".into()], ..WriteOptions::default() };
    for (stream, write, words) in [
        ("a.csv", mode(WriteMode::Upsert), "Upsert"),
        ("a.csv", mode(WriteMode::Merge), "Merge"),
        ("a.csv", mode(WriteMode::Scd2), "Scd2"),
        ("*.csv", mode(WriteMode::Append), "glob"),
        ("../a.csv", mode(WriteMode::Append), "leave the root"),
        ("/tmp/a.csv", mode(WriteMode::Append), "leave the root"),
        ("_aggregator/a.csv", mode(WriteMode::Append), "not data"),
        (".aggregator-staging/a.csv", mode(WriteMode::Append), "not data"),
        ("out/", mode(WriteMode::Append), "in which format"),
        ("a.xyz", mode(WriteMode::Append), "in which format"),
        ("a.csv", partitioned, "partition folders"),
    ] {
        let error = lake.sink(stream, schema.clone(), write).await.err().expect(stream);
        assert_eq!(error.kind, ErrorKind::Config, "{stream}");
        assert!(error.to_string().contains(words), "{stream}: {error}");
        assert!(error.remedy.is_some(), "{stream}");
    }
    let mut sink = lake.sink("there.csv", schema, mode(WriteMode::Append)).await.unwrap();
    let error = sink.fence(&attempt(1)).await.expect_err("it is there");
    assert_eq!(error.kind, ErrorKind::Config);
    assert!(error.remedy.unwrap().contains("folder"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_does_not_lead_a_sink_out_of_the_root() {
    let outside = tempfile::tempdir().unwrap();
    let lake = Lake::new(Some(json!({"csv": {}})));
    std::os::unix::fs::symlink(outside.path(), lake.root().join("out")).unwrap();
    let refused = match lake.sink("out/", batch(&[]).schema(), mode(WriteMode::Append)).await {
        Err(error) => error,
        Ok(mut sink) => sink.fence(&attempt(1)).await.expect_err("a link out of the root"),
    };
    assert_eq!(refused.kind, ErrorKind::Config);
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_attempt_that_was_overtaken_takes_nothing_away_that_its_successor_keeps() {
    let lake = Lake::new(Some(json!({"csv": {}})));
    let of = |epoch| Attempt { run: "one".into(), epoch };
    let sink = async || lake.sink("out/", batch(&[]).schema(), mode(WriteMode::Append)).await.unwrap();
    let mut old = sink().await;
    old.fence(&of(1)).await.unwrap();
    old.keep(&BTreeSet::new(), true).await.unwrap();
    for number in 0..3 {
        old.write(batch(&[number])).await.unwrap();
        old.save(&split(number.unsigned_abs())).await.unwrap();
    }
    old.write(batch(&[99])).await.unwrap();
    let mut new = sink().await;
    new.fence(&of(2)).await.unwrap();
    let numbers = |saved: Vec<SavedSplit>| saved.iter().map(|saved| saved.number).collect::<BTreeSet<u64>>();
    assert_eq!(numbers(new.saved().await.unwrap()), BTreeSet::from([0, 1, 2]));
    new.keep(&BTreeSet::from([0, 2]), true).await.unwrap();
    // The old attempt wakes up: whatever it tries, it changes nothing.
    assert_eq!(old.save(&split(3)).await.expect_err("overtaken").kind, ErrorKind::Fenced);
    assert_eq!(old.keep(&BTreeSet::new(), false).await.expect_err("overtaken").kind, ErrorKind::Bug);
    old.abort().await.unwrap();
    let mut again = sink().await;
    assert_eq!(again.fence(&of(1)).await.expect_err("overtaken").kind, ErrorKind::Fenced);
    assert_eq!(numbers(new.saved().await.unwrap()), BTreeSet::from([0, 2]));
    new.write(batch(&[7])).await.unwrap();
    new.save(&split(3)).await.unwrap();
    assert_eq!(new.stage().await.unwrap().written, 3);
    new.commit(&positions(2)).await.unwrap();
    assert_eq!(ids(&lake.read("out/").await.unwrap().rows()), ["0", "2", "7"]);
}

#[tokio::test]
async fn another_run_removes_what_a_run_has_saved() {
    let lake = Lake::new(Some(json!({"csv": {}})));
    let mut old = lake.sink("out/", batch(&[]).schema(), mode(WriteMode::Append)).await.unwrap();
    old.fence(&attempt(1)).await.unwrap();
    old.keep(&BTreeSet::new(), true).await.unwrap();
    old.write(batch(&[1])).await.unwrap();
    old.save(&split(0)).await.unwrap();
    drop(old);
    let mut new = lake.sink("out/", batch(&[]).schema(), mode(WriteMode::Append)).await.unwrap();
    new.fence(&attempt(2)).await.unwrap();
    assert_eq!(new.saved().await.unwrap(), []);
    new.stage().await.unwrap();
    new.commit(&positions(2)).await.unwrap();
    assert_eq!(
        std::fs::read_dir(lake.root().join(".aggregator-staging"))
            .unwrap()
            .flat_map(|entry| std::fs::read_dir(entry.unwrap().path()).unwrap())
            .count(),
        0
    );
}

pub(crate) fn split(number: u64) -> SavedSplit {
    let split = Split { state: json!({"number": number}), bytes: 1 };
    SavedSplit { number, source: "source".into(), split, rest: None, schemas: "same".into(), ledger: Ledger::default() }
}

#[tokio::test]
async fn formulas_are_kept_or_made_text_and_escapes_come_back() {
    let texts = ["=1+1", "+1", "-1", "@a", "\tx", "a\\", "\\", "\"", "a=1", "#x"];
    let fields = [("=id", DataType::Int64), ("text", DataType::Utf8)];
    let fields = fields.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec();
    let ids = Int64Array::from_iter_values((0..10).map(|id| -id));
    let rows = RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        vec![Arc::new(ids), Arc::new(StringArray::from(texts.to_vec()))],
    )
    .unwrap();
    for (format, prefix) in [
        (json!({}), ""),
        (json!({"escape": "\\"}), ""),
        (json!({"escape": "\\", "quoting": "Always"}), ""),
        (json!({"comment": "#", "columns": ["text"], "header": false}), ""),
        (json!({"formulas": "Prefix"}), "'"),
        (json!({"formulas": "Prefix", "escape": "\\"}), "'"),
    ] {
        let rows = if format["comment"] == "#" { rows.project(&[1]).unwrap() } else { rows.clone() };
        let lake = Lake::new(Some(json!({"csv": format})));
        lake.write("out.csv", &rows, mode(WriteMode::Append), 1).await;
        let again = lake.read("out.csv").await.unwrap();
        assert!(again.rejects.is_empty(), "{format}: {:?}", again.rejects);
        let schema = again.batch.schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let id = format!("{prefix}=id");
        assert_eq!(names, if rows.num_columns() == 1 { vec!["text"] } else { vec![&id, "text"] }, "{format}");
        let expected = texts
            .map(|text| format!("{}{text}", if text.starts_with(['=', '+', '-', '@', '\t']) { prefix } else { "" }));
        let found: Vec<String> = again.rows().into_iter().map(|mut row| row.pop().unwrap()).collect();
        assert_eq!(found, expected, "{format}");
        if rows.num_columns() == 2 {
            assert_eq!(again.rows()[9][0], "-9", "numbers are no formulas: {format}");
        }
    }
    let lake = Lake::new(Some(json!({"csv": {"escape": "\\", "nullValues": ["\\N"]}})));
    let error = lake.sink("out.csv", rows.schema(), mode(WriteMode::Append)).await.err().expect("null cannot be told");
    assert_eq!(error.kind, ErrorKind::Config);
    assert_eq!(error.detail, "no value would be written as `\\N`, in which `escape` means something else");
    assert!(error.remedy.unwrap().contains("nullValues"));
}
