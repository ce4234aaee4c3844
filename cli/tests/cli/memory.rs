//! What a run takes of the machine's memory, whatever its rows are like.

use std::fs::File;
use std::sync::Arc;

use aggregator_tests::random::Random;
use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use serde_json::Value;

use crate::aggregator::{CONNECTORS, Place};

/// How many rows there are, and how many bytes each has: 300 MB in all.
const ROWS: i64 = 2000;
const BYTES: usize = 150_000;
/// The folders that they are written into.
const FOLDERS: i64 = 32;

/// Text that no compression makes smaller.
fn text(row: i64) -> String {
    let mut random = Random::from_seed(u64::try_from(row).expect("a number"));
    let mut text = String::with_capacity(BYTES);
    while text.len() < BYTES {
        text.extend(random.next().to_be_bytes().map(|byte| char::from(b'0' + byte % 64)));
    }
    text
}

fn write(file: File) {
    let fields = vec![Field::new("folder", DataType::Int64, false), Field::new("text", DataType::Utf8, false)];
    let schema = Arc::new(Schema::new(fields));
    let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), None).expect("a writer");
    for first in (0..ROWS).step_by(20) {
        let rows = first..first + 20;
        let folders: Int64Array = rows.clone().map(|row| row % FOLDERS).collect();
        let texts = StringArray::from_iter_values(rows.map(text));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(folders), Arc::new(texts)]);
        writer.write(&batch.expect("a batch")).expect("written");
    }
    writer.close().expect("closed");
}

#[test]
fn large_rows_of_a_parquet_file_go_into_many_folders_within_bounds() {
    let place = Place::new();
    place.write(
        "m/m.yaml",
        "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: files, namespace: test}
spec: {file: {root: .., format: {parquet: {compression: none}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: copy, namespace: test}
spec:
  sources: [{name: rows, connector: files, stream: large.parquet}]
  sinks: [{name: copy, from: rows, connector: files, stream: copy/, write: {mode: Append, partitionBy: [folder]}}]
",
    );
    write(File::create(place.file("large.parquet")).expect("a file"));
    let report = place.json("run -f m --state state --memory 64Mi");
    assert_eq!(report["nodes"][1]["written"], ROWS, "{report}");
    let peak = report["cost"]["peakMemoryBytes"].as_u64().expect("a peak");
    println!("{} MiB", peak >> 20);
    assert!(peak < 640 << 20, "{} MiB", peak >> 20);
    let folders = std::fs::read_dir(place.file("copy")).expect("folders");
    let folders = folders
        .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("folder=")));
    assert_eq!(folders.count() as i64, FOLDERS);
}

#[test]
fn large_rows_pass_a_join_within_bounds() {
    const FILES: i64 = 4;
    let place = Place::new();
    place.write(
        "m/m.yaml",
        "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: files, namespace: test}
spec: {file: {root: .., format: {parquet: {compression: none}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: made, namespace: test}
spec:
  generator:
    seed: 1
    streams: [{name: folders, rows: 32, columns: [{name: number, sequence: {start: 0}}]}]
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: pass, namespace: test}
spec:
  sources:
    - {name: rows, connector: files, stream: \"in/*.parquet\"}
    - {name: folders, connector: made, stream: folders}
  transforms: [{name: both, from: [folders, rows], join: {type: Inner, keys: [{left: number, right: folder}]}}]
  sinks: [{name: copy, from: both, connector: files, stream: copy/}]
",
    );
    place.write("in/_note", "");
    write(File::create(place.file("in/0.parquet")).expect("a file"));
    for number in 1..FILES {
        std::fs::hard_link(place.file("in/0.parquet"), place.file(&format!("in/{number}.parquet"))).expect("a link");
    }
    let report = place.json("run -f m --state state --memory 64Mi");
    let sink = report["nodes"].as_array().and_then(|nodes| nodes.last()).expect("a sink");
    assert_eq!(sink["written"], ROWS * FILES, "{report}");
    let peak = report["cost"]["peakMemoryBytes"].as_u64().expect("a peak");
    println!("{} MiB", peak >> 20);
    // A batch of 8192 of them has 1.2 GB.
    assert!(peak < 900 << 20, "{} MiB", peak >> 20);
}

#[test]
fn a_join_that_needs_more_than_there_is_says_what_to_raise() {
    let place = Place::new();
    place.write(
        "m/m.yaml",
        &[
            CONNECTORS,
            "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: made, namespace: test}
spec:
  generator:
    seed: 1
    streams:
      - {name: one, rows: 300000, columns: [{name: id, sequence: {}}, {name: text, text: {length: 100}}]}
      - {name: two, rows: 300000, columns: [{name: id, sequence: {}}, {name: more, text: {length: 100}}]}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: join, namespace: test}
spec:
  sources: [{name: one, connector: made, stream: one}, {name: two, connector: made, stream: two}]
  transforms: [{name: both, from: [one, two], join: {type: Inner, keys: [{left: id, right: id}]}}]
  sinks: [{name: kept, from: both, connector: out, stream: rows/}]
",
        ]
        .concat(),
    );
    let said = place.say("run -f m --state state --memory 16Mi --output json");
    assert_eq!(said.code(), Some(1), "{}", said.stderr);
    let report: Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!(report["error"]["reason"], "OutOfMemory", "{report}");
    let remedy = report["error"]["remedy"].as_str().expect("a remedy");
    assert!(remedy.contains("--memory"), "{remedy}");
    assert!(!place.file("out/rows").exists(), "nothing is visible");
    place.ok("run -f m --state state --memory 256Mi");
}
