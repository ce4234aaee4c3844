//! What a run takes of the machine's memory, whatever its rows are like.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use aggregator_tests::random::Random;
use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use serde_json::Value;

use crate::aggregator::{CONNECTORS, Place, Said};
use crate::disk::say_with_mounts;

const MIB: u64 = 1 << 20;

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

fn write(file: File, rows: i64) {
    let fields = vec![Field::new("folder", DataType::Int64, false), Field::new("text", DataType::Utf8, false)];
    let schema = Arc::new(Schema::new(fields));
    let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), None).expect("a writer");
    for first in (0..rows).step_by(20) {
        let rows = first..first + 20;
        let folders: Int64Array = rows.clone().map(|row| row % FOLDERS).collect();
        let texts = StringArray::from_iter_values(rows.map(text));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(folders), Arc::new(texts)]);
        writer.write(&batch.expect("a batch")).expect("written");
    }
    writer.close().expect("closed");
}

/// Fails when the process has held more than a container of that size has.
fn within(name: &str, report: &Value) {
    let peak = report["cost"]["peakMemoryBytes"].as_u64().expect("a peak");
    println!("{name}: {} MiB, {} s", peak / MIB, report["seconds"]);
    assert!(peak > 0 && peak < 512 * MIB, "{name}: {} MiB", peak / MIB);
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
    write(File::create(place.file("large.parquet")).expect("a file"), ROWS);
    let report = place.json("run -f m --state state --memory 64Mi");
    assert_eq!(report["nodes"][1]["written"], ROWS, "{report}");
    within("in folders", &report);
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
    write(File::create(place.file("in/0.parquet")).expect("a file"), ROWS);
    for number in 1..FILES {
        std::fs::hard_link(place.file("in/0.parquet"), place.file(&format!("in/{number}.parquet"))).expect("a link");
    }
    let report = place.json("run -f m --state state --memory 64Mi");
    let sink = report["nodes"].as_array().and_then(|nodes| nodes.last()).expect("a sink");
    assert_eq!(sink["written"], ROWS * FILES, "{report}");
    // A batch of 8192 of them has 1.2 GB.
    within("in a join", &report);
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

/// What runs in a container of 512 MiB, and how it ends.
struct Work {
    name: &'static str,
    sources: &'static str,
    transforms: &'static str,
    sink: &'static str,
    ends: Ends,
}

enum Ends {
    /// With so many rows.
    Well(u64),
    /// With an error of that reason.
    Short(&'static str),
    /// With so many rows, or because memory is short.
    Either(u64),
}

const MANY: u64 = 400_000;
const SOME: u64 = 100_000;
/// Rows that begin narrow, and go on with 400 kB each.
const NARROW: u64 = 20_000;
const WIDENING: u64 = NARROW + 700;
const LARGE: u64 = 1000;
const RECORDS: u64 = 2000;

const ALL: &str = "{name: rows, connector: files, stream: rows.csv}";
const BOTH: &str =
    "{name: rows, connector: files, stream: rows.csv}, {name: again, connector: files, stream: again.csv}";
const LATER: &str = "{name: rows, connector: files, stream: later.csv}";
const KEPT: &str = "from: result, connector: lake, stream: rows/";
const COPIED: &str = "from: rows, connector: lake, stream: rows/";

const WORKS: [Work; 14] = [
    Work { name: "delimited text into Parquet", sources: ALL, transforms: "", sink: COPIED, ends: Ends::Well(MANY) },
    Work {
        name: "a sort",
        sources: ALL,
        transforms: "{name: result, from: [rows], sql: {query: \"SELECT id, number, text || text || text AS text FROM rows \
                     ORDER BY number\"}}",
        sink: KEPT,
        ends: Ends::Well(MANY),
    },
    Work {
        name: "groups",
        sources: ALL,
        transforms: "{name: result, from: [rows], aggregate: {groupBy: [text], measures: [{name: last, expression: max(id)}]}}",
        sink: KEPT,
        ends: Ends::Well(MANY),
    },
    Work {
        name: "a join that fits",
        sources: BOTH,
        transforms: "{name: result, from: [rows, again], sql: {query: \"SELECT b.id, a.text, b.text AS other FROM (SELECT * \
                     FROM rows WHERE id < 300000) a JOIN again b ON a.id = b.id\"}}",
        sink: KEPT,
        ends: Ends::Well(300_000),
    },
    Work {
        name: "a join that does not",
        sources: BOTH,
        transforms: "{name: result, from: [rows, again], sql: {query: \"SELECT b.id, a.twice, b.text FROM (SELECT id, text || \
                     text AS twice FROM rows) a JOIN again b ON a.id = b.id\"}}",
        sink: KEPT,
        ends: Ends::Short("OutOfMemory"),
    },
    Work {
        // Of which each row of the side that it is built from is given, all of them at once.
        name: "rows that meet none",
        sources: BOTH,
        transforms: "{name: result, from: [rows, again], sql: {query: \"SELECT a.id, a.twice FROM (SELECT id, text || text AS \
                     twice FROM rows) a LEFT ANTI JOIN (SELECT id FROM again GROUP BY id) b ON a.id = b.id + 1000000\"}}",
        sink: KEPT,
        ends: Ends::Either(MANY),
    },
    Work {
        name: "a diamond",
        sources: ALL,
        transforms: "{name: groups, from: [rows], aggregate: {groupBy: [kind], \
                     measures: [{name: last, expression: max(id)}]}}, {name: result, from: [rows, groups], join: {type: Inner, keys: [{left: kind, right: kind}], \
                     select: [rows.id, rows.text, groups.last]}}",
        sink: KEPT,
        ends: Ends::Either(MANY),
    },
    Work {
        name: "large rows into folders",
        sources: "{name: rows, connector: files, stream: large.parquet}",
        transforms: "",
        sink: "from: rows, connector: lake, stream: rows/, write: {mode: Append, partitionBy: [folder]}",
        ends: Ends::Well(LARGE),
    },
    Work {
        name: "a filter of rows that turn out wide",
        sources: LATER,
        transforms: "{name: result, from: [rows], sql: {query: SELECT * FROM rows WHERE id % 7 <> 0}}",
        sink: KEPT,
        ends: Ends::Well(WIDENING - WIDENING.div_ceil(7)),
    },
    Work {
        // How large groups are is not known, so the join is built from the wide rows. Each meets ten others: 400 MB.
        name: "a join of rows that turn out wide",
        sources: "{name: rows, connector: files, stream: wide.csv}, {name: some, connector: files, stream: some.csv}",
        transforms: "{name: result, from: [rows, some], sql: {query: \"SELECT b.id, a.text FROM rows a JOIN (SELECT id FROM \
                     some WHERE id < 1000 GROUP BY id) b ON a.id = 20000 + b.id % 100\"}}",
        sink: KEPT,
        ends: Ends::Well(1000),
    },
    Work {
        name: "a JSON document",
        sources: "{name: rows, connector: documents, stream: document.json}",
        transforms: "",
        sink: COPIED,
        ends: Ends::Well(RECORDS),
    },
    Work {
        name: "a JSON document that is too large",
        sources: "{name: rows, connector: documents, stream: larger.json}",
        transforms: "",
        sink: COPIED,
        ends: Ends::Short("LimitExceeded"),
    },
    Work {
        name: "an upsert",
        sources: "{name: rows, connector: files, stream: some.csv}",
        transforms: "",
        sink: "from: rows, connector: lite, stream: rows, write: {mode: Upsert, key: [id]}",
        ends: Ends::Well(SOME),
    },
    Work {
        name: "four streams at once",
        sources: "{name: rows, connector: many, streams: {include: [\"*\"]}}",
        transforms: "{name: result, from: [rows], sql: {query: SELECT * FROM rows ORDER BY number}}",
        sink: "from: result, connector: lake, stream: \"${stream.name}/\"",
        ends: Ends::Well(4 * SOME),
    },
];

/// Letters, of which texts are taken from different places.
struct Letters(String);

impl Letters {
    fn new() -> Self {
        let mut random = Random::from_seed(7);
        let mut letters = String::new();
        while letters.len() < 2 << 20 {
            letters.extend(random.next().to_be_bytes().map(|byte| char::from(b'a' + byte % 16)));
        }
        Self(letters)
    }

    fn text(&self, row: u64, length: usize) -> &str {
        let first = usize::try_from(row).expect("a number") * 7919 % (self.0.len() - length);
        &self.0[first..first + length]
    }
}

/// The files that the works read.
fn give(place: &Place) {
    let letters = Letters::new();
    let writing = |name: &str| BufWriter::new(File::create(place.file(name)).expect("a file"));
    for (name, count) in [("rows.csv", MANY), ("some.csv", SOME)] {
        let mut file = writing(name);
        writeln!(file, "id,number,kind,text").expect("written");
        for row in 0..count {
            let (number, kind) = (row * 48271 % 300_000, ["a", "b", "c"][usize::try_from(row % 3).expect("few")]);
            writeln!(file, "{row},{number},{kind},{}", letters.text(row, 200)).expect("written");
        }
        file.flush().expect("written");
    }
    std::fs::hard_link(place.file("rows.csv"), place.file("again.csv")).expect("a link");
    for folder in ["many/a", "many/b", "many/c", "many/d"] {
        std::fs::create_dir_all(place.file(folder)).expect("a folder");
        std::fs::hard_link(place.file("some.csv"), place.file(folder).join("rows.csv")).expect("a link");
    }
    for (name, count) in [("later.csv", WIDENING), ("wide.csv", NARROW + 100)] {
        let mut file = writing(name);
        writeln!(file, "id,text").expect("written");
        for row in 0..count {
            let length = if row < NARROW { 10 } else { 400_000 };
            writeln!(file, "{row},{}", letters.text(row, length)).expect("written");
        }
        file.flush().expect("written");
    }
    write(File::create(place.file("large.parquet")).expect("a file"), i64::try_from(LARGE).expect("few"));
    // Of 128 MiB, which may have such a document, it has 120 MB.
    let mut file = writing("document.json");
    write!(file, "{{\"data\":[").expect("written");
    for row in 0..RECORDS {
        let comma = if row > 0 { "," } else { "" };
        write!(file, "{comma}{{\"id\":{row},\"text\":\"{}\"}}", letters.text(row, 60_000)).expect("written");
    }
    write!(file, "]}}").expect("written");
    file.flush().expect("written");
    // A hole takes no room on the disk.
    File::create(place.file("larger.json")).and_then(|file| file.set_len(200 * MIB)).expect("a large file");
}

/// Runs a work in a container of 512 MiB, as far as the program can tell.
fn run_contained(place: &Place, work: &Work) -> (Said, Value) {
    for made in ["out", "state"] {
        if place.file(made).exists() {
            place.remove(made);
        }
    }
    std::fs::create_dir(place.file("out")).expect("a folder");
    place.write(
        "m/m.yaml",
        &format!(
            "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: files, namespace: test}}
spec: {{file: {{root: ..}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: documents, namespace: test}}
spec: {{file: {{root: .., format: {{json: {{records: \"$.data[*]\"}}}}}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: many, namespace: test}}
spec: {{file: {{root: ../many}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: lake, namespace: test}}
spec: {{file: {{root: ../out, format: {{parquet: {{}}}}}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: lite, namespace: test}}
spec: {{sqlite: {{path: ../out/lite.sqlite}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: work, namespace: test}}
spec:
  sources: [{}]
  transforms: [{}]
  sinks: [{{name: kept, {}}}]
",
            work.sources, work.transforms, work.sink
        ),
    );
    let limit = "mount -t tmpfs none /sys/fs/cgroup && echo 536870912 > /sys/fs/cgroup/memory.max && exec \"$@\"";
    let said = say_with_mounts(place, limit, "run -f m --state state --report report.json");
    let report = std::fs::read_to_string(place.file("report.json")).expect("a report");
    let report = serde_json::from_str(&report).unwrap_or_else(|error| panic!("{}: {error}: {report}", work.name));
    (said, report)
}

/// Fails unless the run has ended with an error that says what to raise.
fn short(name: &str, reasons: &[&str], report: &Value) {
    let error = &report["error"];
    assert!(error["reason"].as_str().is_some_and(|reason| reasons.contains(&reason)), "{name}: {error}");
    assert!(error["remedy"].as_str().is_some_and(|remedy| remedy.contains("--memory")), "{name}: {error}");
}

#[test]
fn in_a_container_of_512_mebibytes() {
    let place = Place::new();
    give(&place);
    for work in &WORKS {
        let (said, report) = run_contained(&place, work);
        within(work.name, &report);
        let written =
            || report["nodes"].as_array().and_then(|nodes| nodes.last()).and_then(|sink| sink["written"].as_u64());
        match (&work.ends, said.code()) {
            (Ends::Well(rows) | Ends::Either(rows), Some(0)) => {
                assert_eq!(written(), Some(*rows), "{}: {report}", work.name)
            }
            (Ends::Short(reason), Some(1)) => short(work.name, &[*reason], &report),
            (Ends::Either(_), Some(1)) => short(work.name, &["OutOfMemory", "LimitExceeded"], &report),
            _ => panic!("{} has ended otherwise: {}{}", work.name, said.stdout, said.stderr),
        }
        if work.name == "a join that does not" {
            let message = report["error"]["message"].as_str().expect("a message");
            assert!(message.contains("256.0 MB"), "half of what the cgroup allows: {message}");
        }
        if work.name == "a sort" {
            assert!(report["cost"]["spilledBytes"].as_u64() > Some(10 * MIB), "it is no test: {}", report["cost"]);
        }
    }
}
