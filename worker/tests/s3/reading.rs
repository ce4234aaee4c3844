//! Reading: names, incremental reads, rejects, splits, objects that change while they are read.

use aggregator_worker::connector::{ErrorKind, ReadSplit, SourceEvent};
use futures::StreamExt;
use serde_json::json;

use super::harness::{Lake, Outcome, collect, open, read, request};

fn csv(ids: std::ops::Range<u64>) -> String {
    std::iter::once("id,name\n".to_owned()).chain(ids.map(|id| format!("{id},name {id}\n"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn globs_folders_and_names_find_what_is_data() {
    let lake = Lake::plain();
    for (key, id) in [("a.csv", 1), ("b/1.csv", 2), ("b/2.csv", 3), ("b/deep/c=x/3.csv", 4), ("b/deep/4.csv.gz", 5)] {
        let content = if key.ends_with(".gz") { gzip(&csv(id..id + 1)) } else { csv(id..id + 1).into_bytes() };
        lake.bucket.put(key, content).await;
    }
    for key in ["b/_x.csv", "b/.y.csv", "_aggregator/5.csv", ".hidden/4.csv", "bb/9.csv", "b/marker"] {
        lake.bucket.put(key, "").await;
    }
    for (stream, ids) in [
        ("**/[0-9a-c].csv*", &["1", "2", "3", "4", "5"][..]),
        ("b/*.csv", &["2", "3"]),
        ("b/", &["2", "3", "4", "5"]),
        ("b", &["2", "3", "4", "5"]),
        ("./a.csv", &["1"]),
        ("b/deep/**/*.csv", &["4"]),
        ("b/deep/*.csv.gz", &["5"]),
    ] {
        assert_eq!(lake.read(stream).await.unwrap().ids(), ids, "{stream}");
    }
    let missing = lake.read("none/*.csv").await.unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound);
    assert_eq!(missing.detail, format!("no object below s3://{}/ matches", lake.bucket.name));
    assert!(missing.remedy.unwrap().starts_with("there are: *.csv, b/*.csv"), "names are told");
    let partition = lake.connector.describe("b/deep/**/*.csv").await.unwrap();
    assert_eq!(partition.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["id", "name", "c"]);
    let names: Vec<String> =
        lake.connector.discover().await.unwrap().streams.into_iter().map(|stream| stream.name).collect();
    assert_eq!(names, ["*.csv", "b/*.csv", "b/deep/**/*.csv", "b/deep/*.csv.gz", "bb/*.csv"]);
}

fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incremental_read_takes_new_and_changed_objects() {
    let lake = Lake::plain();
    lake.bucket.put("in/a.csv", csv(0..2)).await;
    lake.bucket.put("in/b.csv", csv(2..4)).await;
    let incremental = |from| {
        let mut incremental = request("in/*.csv");
        (incremental.incremental, incremental.from) = (true, from);
        incremental
    };
    let first = read(lake.connector.as_ref(), incremental(None)).await.unwrap();
    assert_eq!(first.ids(), ["0", "1", "2", "3"]);
    let position = first.end.position.clone().unwrap();
    assert_eq!(position.kind, "objects");
    lake.bucket.put("in/a.csv", csv(0..2)).await;
    let again = read(lake.connector.as_ref(), incremental(Some(position.clone()))).await.unwrap();
    assert_eq!(again.end.read, 0, "the same content has the same tag");
    // Of the same size, so only the tag tells.
    lake.bucket.put("in/b.csv", csv(4..6)).await;
    lake.bucket.put("in/c.csv", csv(6..7)).await;
    let second = read(lake.connector.as_ref(), incremental(Some(position.clone()))).await.unwrap();
    assert_eq!(second.ids(), ["4", "5", "6"]);
    assert_eq!(second.end.note.as_deref(), Some("2 objects, 1 already read"));
    // What an attempt has committed is read again, and nothing that came later.
    lake.bucket.put("in/d.csv", csv(7..8)).await;
    let mut repeated = incremental(Some(position.clone()));
    repeated.to = second.end.position;
    let third = read(lake.connector.as_ref(), repeated.clone()).await.unwrap();
    assert_eq!(third.ids(), ["4", "5", "6"]);
    lake.bucket.put("in/c.csv", csv(8..9)).await;
    let changed = read(lake.connector.as_ref(), repeated).await.unwrap_err();
    assert_eq!(changed.kind, ErrorKind::Data);
    assert_eq!(
        changed.to_string(),
        "read in/c.csv: the object was changed or removed since an attempt of this run read it"
    );
    let mut foreign = incremental(Some(position));
    foreign.from.as_mut().unwrap().kind = "files".into();
    let refused = read(lake.connector.as_ref(), foreign).await.unwrap_err();
    assert!(refused.to_string().contains("of kind `files` version 1, not `objects` version 1"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_row_is_a_reject_with_its_place() {
    let lake = Lake::new(Some(json!({"csv": {"schema": {"columns": [
        {"name": "id", "type": "Int64"}, {"name": "name", "type": "Utf8"},
    ]}}})));
    lake.bucket.put("in.csv", "id,name\n1,a\nx,b\n3\n4,d\n").await;
    let Outcome { batch, rejects, end } = lake.read("in.csv").await.unwrap();
    assert_eq!((batch.num_rows(), end.read), (2, 4));
    let told: Vec<_> = rejects
        .iter()
        .map(|reject| {
            (reject.location.as_str(), reject.line, reject.offset, reject.reason.as_str(), reject.raw.as_str())
        })
        .collect();
    assert_eq!(
        told,
        [("in.csv", Some(3), Some(12), "CastFailed", "x,b"), ("in.csv", Some(4), Some(16), "FieldCount", "3")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_text_is_read_in_order_across_requests() {
    let lake = Lake::plain();
    // Over three requests of 4 MiB.
    let text = csv(0..700_000);
    assert!(text.len() > 12 << 20);
    lake.bucket.put("in.csv", text.clone()).await;
    let outcome = lake.read("in.csv").await.unwrap();
    assert_eq!((outcome.end.read, outcome.end.bytes), (700_000, text.len() as u64));
    let ids = outcome.batch.column(0).as_any().downcast_ref::<arrow::array::Int64Array>().unwrap();
    assert!(ids.values().iter().copied().eq(0..700_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_replaced_or_removed_while_it_is_read_is_transient() {
    let lake = Lake::plain();
    for removed in [false, true] {
        lake.bucket.put("in.csv", csv(0..2_000_000)).await;
        let source = lake.connector.source(request("in.csv")).await.unwrap();
        let mut events = source.read().await.unwrap();
        assert!(matches!(events.next().await.unwrap().unwrap(), SourceEvent::Batch(_)));
        if removed {
            lake.bucket.delete("in.csv").await;
        } else {
            lake.bucket.put("in.csv", csv(0..2_000_001)).await;
        }
        let error = loop {
            match events.next().await.expect("it does not end well") {
                Ok(SourceEvent::End(end)) => panic!("read to the end: {end:?}"),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        let what = if removed { "removed" } else { "replaced" };
        assert_eq!(error.kind, ErrorKind::Transient);
        let place = format!("s3://{}/in.csv", lake.bucket.name);
        assert_eq!(error.to_string(), format!("read {place}: the object was {what} while it was read"));
        assert!(events.next().await.is_none(), "nothing comes after an error");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_is_fetched_by_the_columns_that_are_wanted_and_a_replaced_one_is_transient() {
    use aggregator_crds::pipeline::WriteMode;
    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use std::sync::Arc;
    let lake = Lake::new(Some(json!({"parquet": {"compression": "none", "rowGroupRows": 50000}})));
    let wide: Vec<String> = (0..200_000).map(|id| format!("{id:064}")).collect();
    let arrays: Vec<(&str, ArrayRef)> =
        vec![("wide", Arc::new(StringArray::from(wide))), ("id", Arc::new(Int64Array::from_iter_values(0..200_000)))];
    let rows =
        RecordBatch::try_from_iter_with_nullable(arrays.into_iter().map(|(name, array)| (name, array, true))).unwrap();
    lake.write("out/", &rows, super::writing::mode(WriteMode::Append), 1).await;
    let key = lake.data().await.remove(0);
    let size = lake.bucket.get(&key).await.len() as u64;
    let mut narrow = request("out/");
    narrow.columns = Some(vec!["id".into()]);
    let outcome = read(lake.connector.as_ref(), narrow).await.unwrap();
    assert_eq!(outcome.batch.num_rows(), 200_000);
    assert_eq!(outcome.rows()[199_999], ["199999"]);
    assert!(size > 14 << 20 && outcome.end.bytes < size * 2 / 3, "{} of {size} bytes", outcome.end.bytes);
    assert_eq!(lake.read("out/").await.unwrap().batch, rows);

    let source = lake.connector.source(request("out/")).await.unwrap();
    let mut events = source.read().await.unwrap();
    assert!(matches!(events.next().await.unwrap().unwrap(), SourceEvent::Batch(_)));
    lake.bucket.put(&key, vec![0; 14 << 20]).await;
    let error = loop {
        match events.next().await.expect("it does not end well") {
            Ok(SourceEvent::End(end)) => panic!("read to the end: {end:?}"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(error.to_string().ends_with("the object was replaced while it was read"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_division_stands_while_tags_do_and_its_splits_are_the_stream() {
    let lake = Lake::plain();
    for file in 0..5_u64 {
        lake.bucket.put(&format!("in/{file}.csv"), csv(file * 100..file * 100 + 100)).await;
    }
    let mut source = lake.connector.source(request("in/")).await.unwrap();
    let schema = source.schema();
    let bytes = source.size().bytes.unwrap();
    let division = source.divide(bytes / 3, &[]).await.unwrap().unwrap();
    assert_eq!(division.rest.len(), 3);
    let (mut ids, mut earlier) = (Vec::new(), Vec::new());
    for split in division.rest {
        let outcome = collect(schema.clone(), source.read_split(&split).await.unwrap()).await.unwrap();
        ids.extend(outcome.ids());
        earlier.push(ReadSplit { split, read: outcome.end.read });
    }
    ids.sort_by_key(|id| id.parse::<u64>().unwrap());
    assert!(ids.into_iter().eq((0..500).map(|id| id.to_string())));
    lake.bucket.put("in/0.csv", csv(0..100)).await;
    let last = "in/4.csv";
    lake.bucket.put(last, csv(900..1000)).await;
    let mut source = lake.connector.source(request("in/")).await.unwrap();
    let division = source.divide(bytes / 3, &earlier).await.unwrap().unwrap();
    assert_eq!(division.stands, [true, true, false], "only the last one has another tag");
    let rest: Vec<&serde_json::Value> = division.rest.iter().map(|split| &split.state["files"]).collect();
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].as_object().unwrap().keys().collect::<Vec<_>>(), [last]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_what_answered() {
    let lake = Lake::plain();
    let said = lake.connector.check().await.unwrap().message;
    let (name, endpoint) = (&lake.bucket.name, &lake.bucket.endpoint);
    assert_eq!(said, format!("s3://{name}/ at {endpoint}, no object is there yet"));
    lake.bucket.put("raw/a.csv", csv(0..1)).await;
    let inner = open(endpoint, name, &json!({"prefix": "raw"})).unwrap();
    assert_eq!(inner.check().await.unwrap().message, format!("s3://{name}/raw/ at {endpoint}, objects are there"));
    let beside = open(endpoint, name, &json!({"prefix": "ra"})).unwrap();
    assert_eq!(beside.check().await.unwrap().message, format!("s3://{name}/ra/ at {endpoint}, no object is there yet"));
}
