//! Writing: formats, modes, partitions, large objects, what a plan says, what is refused.

use aggregator_crds::pipeline::WriteMode;
use aggregator_worker::connector::{ErrorKind, WriteOptions};
use serde_json::{Value, json};

use super::harness::{Lake, attempt, batch, positions, read, request, sink};

pub(crate) fn mode(mode: WriteMode) -> WriteOptions {
    WriteOptions { mode, ..WriteOptions::default() }
}

#[tokio::test(flavor = "multi_thread")]
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
    let first = Lake::plain();
    for format in formats {
        let lake = first.another(Some(format.clone()));
        assert_eq!(lake.write("out/", &rows, mode(WriteMode::Append), 1).await, 1000, "{format}");
        let outcome = lake.read("out/").await.unwrap();
        assert_eq!(outcome.batch, rows, "{format}");
        assert_eq!((outcome.rejects, outcome.end.read), (Vec::new(), 1000), "{format}");
        let data = lake.data().await;
        let sizes: Vec<usize> = vec![lake.bucket.get(&data[0]).await.len()];
        assert!(outcome.end.bytes >= sizes[0] as u64, "{format}: {} of {sizes:?}", outcome.end.bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn append_adds_and_overwrite_replaces_and_each_remembers_its_commit() {
    let lake = Lake::new(Some(json!({"parquet": {}})));
    for key in ["out/README.md", "out/.hidden.parquet", "out/foreign.csv", "outer/other.parquet"] {
        lake.bucket.put(key, "kept").await;
    }
    lake.write("out/", &batch(&[1]), mode(WriteMode::Append), 1).await;
    lake.write("out/", &batch(&[2]), mode(WriteMode::Append), 2).await;
    assert_eq!(lake.read("out/*.parquet").await.unwrap().ids(), ["1", "2"]);

    let mut sink = lake.sink("out/", batch(&[]).schema(), mode(WriteMode::Overwrite)).await;
    let record = sink.last_commit().await.unwrap().unwrap();
    assert_eq!((record.epoch, record.run.as_deref(), record.rows), (2, Some("run-2"), 1));
    assert_eq!(record.positions, positions(2));
    sink.fence(&attempt(3)).await.unwrap();
    sink.write(batch(&[3])).await.unwrap();
    sink.write(batch(&[5])).await.unwrap();
    assert_eq!(sink.stage().await.unwrap().written, 2);
    let before = lake.data().await;
    assert_eq!(before.len(), 6, "what is staged is not seen: {before:?}");
    assert_eq!(lake.staged().await.len(), 1);
    sink.commit(&positions(3)).await.unwrap();
    assert_eq!(lake.read("out/*.parquet").await.unwrap().ids(), ["3", "5"]);
    let data = lake.data().await;
    assert_eq!(data.len(), 5, "{data:?}");
    for key in ["out/README.md", "out/.hidden.parquet", "out/foreign.csv", "outer/other.parquet"] {
        assert!(data.iter().any(|found| found == key), "{key}: {data:?}");
    }
    assert_eq!(lake.staged().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_rows_replaces_with_nothing_and_appends_nothing() {
    let lake = Lake::new(Some(json!({"csv": {}})));
    lake.write("out/", &batch(&[]), mode(WriteMode::Append), 1).await;
    assert_eq!(lake.data().await, Vec::<String>::new());
    lake.write("out/", &batch(&[1]), mode(WriteMode::Append), 2).await;
    lake.write("out/", &batch(&[]), mode(WriteMode::Overwrite), 3).await;
    let data = lake.data().await;
    assert_eq!(data.len(), 1);
    assert_eq!(lake.bucket.get(&data[0]).await, b"id,name,price,at\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_become_folders_and_come_back_as_columns() {
    let lake = Lake::new(Some(json!({"ndjson": {"compression": "gzip"}})));
    let options = WriteOptions { partition_by: vec!["name".into()], ..WriteOptions::default() };
    let wanted: Vec<i64> = (0..60).collect();
    lake.write("out/", &batch(&wanted), options.clone(), 1).await;
    let data = lake.data().await;
    assert!(data.iter().any(|key| key.starts_with("out/name=__HIVE_DEFAULT_PARTITION__/part-")), "{data:?}");
    assert!(data.iter().all(|key| key.ends_with(".ndjson.gz")), "{data:?}");
    let outcome = lake.read("out/").await.unwrap();
    let column = outcome.batch.schema().index_of("name").unwrap();
    let mut found: Vec<(i64, String)> =
        outcome.rows().iter().map(|row| (row[0].parse().unwrap(), row[column].clone())).collect();
    found.sort();
    let expected: Vec<(i64, String)> = wanted
        .iter()
        .map(|id| (*id, if id % 3 == 0 { "∅".to_owned() } else { format!("=n/a ä \"{id}\"\n") }))
        .collect();
    assert_eq!(found, expected);
    let overwrite = WriteOptions { mode: WriteMode::Overwrite, ..options };
    lake.write("out/", &batch(&[1]), overwrite, 2).await;
    assert_eq!(lake.data().await.len(), 1, "{:?}", lake.data().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_is_sent_in_pieces_and_counted_by_what_came() {
    let lake = Lake::new(Some(json!({"csv": {"quoting": "Always"}})));
    let mut sink = lake.sink("out/", batch(&[]).schema(), mode(WriteMode::Append)).await;
    sink.fence(&attempt(1)).await.unwrap();
    let rows: Vec<i64> = (0..50_000).collect();
    for first in 0..10 {
        let ids: Vec<i64> = rows.iter().map(|id| id + first * 50_000).collect();
        sink.write(batch(&ids)).await.unwrap();
    }
    let staged = sink.stage().await.unwrap();
    assert_eq!(staged.written, 500_000);
    assert!(staged.bytes > 20 * 1024 * 1024, "{} bytes are three pieces", staged.bytes);
    sink.commit(&positions(1)).await.unwrap();
    let outcome = lake.read("out/").await.unwrap();
    assert_eq!((outcome.end.read, outcome.end.bytes), (500_000, staged.bytes));
    let ids = outcome.batch.column(0).as_any().downcast_ref::<arrow::array::Int64Array>().unwrap();
    assert!(ids.values().iter().copied().eq(0..500_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_would_be_done_and_does_nothing() {
    let lake = Lake::new(Some(json!({"parquet": {}})));
    lake.write("out/", &batch(&[1]), mode(WriteMode::Append), 1).await;
    let keys = lake.bucket.keys().await;
    let mut sink = lake.sink("out/", batch(&[]).schema(), mode(WriteMode::Overwrite)).await;
    let actions: Vec<String> = sink.plan().await.unwrap().into_iter().map(|change| change.action).collect();
    let data = lake.data().await;
    let place = format!("s3://{}/out/", lake.bucket.name);
    assert_eq!(actions, [format!("add objects to {place} (parquet, 4 columns)"), format!("delete object {}", data[0])]);
    assert_eq!(lake.bucket.keys().await, keys);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_refused_before_anything_is_done() {
    let lake = Lake::new(Some(json!({"csv": {}})));
    for (stream, options, part) in [
        ("out/../../x/", mode(WriteMode::Append), "could leave the root"),
        ("/out/", mode(WriteMode::Append), "could leave the root"),
        ("out//x/", mode(WriteMode::Append), "not data"),
        ("_aggregator/", mode(WriteMode::Append), "not data"),
        ("out/*.csv", mode(WriteMode::Append), "a glob is no place"),
        ("out/", mode(WriteMode::Upsert), "no key to find a row by"),
    ] {
        let refused = sink(lake.connector.as_ref(), stream, batch(&[]).schema(), options).await.err().unwrap();
        assert_eq!(refused.kind, ErrorKind::Config, "{stream}");
        assert!(refused.to_string().contains(part), "{stream}: {refused}");
    }
    assert_eq!(lake.bucket.keys().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_is_where_everything_is() {
    let lake = Lake::plain();
    let inner = lake.other(&json!({"prefix": "teams/a", "format": {"ndjson": {}}}));
    let mut writer = sink(inner.as_ref(), "out/", batch(&[]).schema(), mode(WriteMode::Append)).await.unwrap();
    writer.fence(&attempt(1)).await.unwrap();
    writer.write(batch(&[7])).await.unwrap();
    writer.stage().await.unwrap();
    writer.commit(&positions(1)).await.unwrap();
    lake.bucket.put("teams/ab/out/x.ndjson", "{}").await;
    let keys = lake.bucket.keys().await;
    assert_eq!(keys.len(), 3, "{keys:?}");
    assert!(
        keys[0] == "teams/a/_aggregator/demo%2Fdelays.lake.json" && keys[1].starts_with("teams/a/out/part-"),
        "{keys:?}"
    );
    assert_eq!(read(inner.as_ref(), request("**/*.ndjson")).await.unwrap().ids(), ["7"]);
}
