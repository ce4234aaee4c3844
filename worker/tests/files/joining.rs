//! One file from the pieces of saved splits: the file that one go would have written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use aggregator_crds::pipeline::WriteMode;
use aggregator_tests::python;
use aggregator_worker::connector::{Attempt, ErrorKind, Sink};
use arrow::array::RecordBatch;
use serde_json::{Value, json};

use super::harness::{Lake, attempt, positions};
use super::writing::{batch, ids, mode, split};

fn of(epoch: u64) -> Attempt {
    Attempt { run: "one".into(), epoch }
}

/// A sink of the attempt, which keeps these splits and is about to be given more.
async fn resumed(lake: &Lake, stream: &str, epoch: u64, keep: &[u64]) -> Box<dyn Sink> {
    let mut sink = lake.sink(stream, batch(&[]).schema(), mode(WriteMode::Overwrite)).await.unwrap();
    sink.fence(&of(epoch)).await.unwrap();
    let saved: BTreeSet<u64> = sink.saved().await.unwrap().iter().map(|saved| saved.number).collect();
    let keep: BTreeSet<u64> = keep.iter().copied().collect();
    assert!(saved.is_superset(&keep), "{saved:?} were saved, not all of {keep:?}");
    sink.keep(&keep, true).await.unwrap();
    sink
}

async fn save(sink: &mut dyn Sink, number: u64, batches: &[RecordBatch]) {
    sink.begin(number).await.unwrap();
    for batch in batches {
        sink.write(batch.clone()).await.unwrap();
    }
    sink.flush().await.unwrap();
    sink.save(&split(number)).await.unwrap();
}

/// The staged files of that name.
fn staged(lake: &Lake, name: &str) -> Vec<PathBuf> {
    let named = |path: &String| path.starts_with(".aggregator-staging/") && path.ends_with(name);
    lake.files().iter().filter(|path| named(path)).map(|path| lake.root().join(path)).collect()
}

fn range(ids: std::ops::Range<i64>) -> RecordBatch {
    batch(&ids.collect::<Vec<_>>())
}

fn compare(joined: &Path, whole: &Path) {
    let script = aggregator_tests::folder::package().join("tests/files/compare.py");
    let run = Command::new(python::interpreter()).arg(script).args([joined, whole]).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

/// Every format and compression that one file can have, and its ending.
fn formats() -> Vec<(Value, String)> {
    let declared = json!({"columns": [
        {"name": "id", "type": "Int64"}, {"name": "name", "type": "Utf8"},
        {"name": "price", "type": "Float64"}, {"name": "at", "type": "Timestamp(Microsecond, UTC)"},
    ]});
    let mut formats = Vec::new();
    for (compression, ending) in [("none", ""), ("gzip", ".gz"), ("zstd", ".zst"), ("bzip2", ".bz2"), ("xz", ".xz")] {
        for format in ["csv", "ndjson", "json"] {
            formats
                .push((json!({format: {"compression": compression, "schema": declared}}), format!("{format}{ending}")));
        }
    }
    for compression in ["none", "snappy", "gzip", "lz4", "zstd"] {
        formats.push((json!({"parquet": {"compression": compression, "rowGroupRows": 150}}), "parquet".into()));
    }
    let dialects = [
        json!({"csv": {"quoting": "Always", "delimiter": ";", "nullValues": ["NULL"], "schema": declared}}),
        json!({"csv": {"escape": "\\", "terminator": "|", "schema": declared}}),
        json!({"csv": {"header": false, "compression": "gzip", "schema": declared}}),
        json!({"csv": {"delimiter": "\t", "schema": declared}}),
    ];
    for (dialect, ending) in dialects.into_iter().zip(["csv", "csv", "csv.gz", "tsv"]) {
        formats.push((dialect, ending.to_owned()));
    }
    formats
}

#[tokio::test]
async fn pieces_become_the_file_that_one_go_writes() {
    for (format, ending) in formats() {
        let (lake, other) = (Lake::new(Some(format.clone())), Lake::new(Some(format.clone())));
        let stream = format!("deep/all.{ending}");
        let mut sink = resumed(&lake, &stream, 1, &[]).await;
        save(sink.as_mut(), 0, &[range(0..1), range(1..400)]).await;
        save(sink.as_mut(), 1, &[]).await;
        save(sink.as_mut(), 2, &[range(400..401)]).await;
        save(sink.as_mut(), 3, &[range(401..800), range(800..1000)]).await;
        let found = sink.stage().await.unwrap();
        let joined = staged(&lake, "joined");
        assert_eq!(joined.len(), 1, "{format}");
        assert_eq!((found.written, found.bytes), (1000, joined[0].metadata().unwrap().len()), "{format}");
        assert!(!lake.root().join(&stream).exists(), "{format}");
        sink.commit(&positions(1)).await.unwrap();
        assert_eq!(lake.files(), [stream.as_str()], "{format}");

        let outcome = lake.read(&stream).await.unwrap();
        assert_eq!((outcome.batch, outcome.rejects), (range(0..1000), Vec::new()), "{format}");
        other.write(&stream, &range(0..1000), mode(WriteMode::Overwrite), 1).await;
        compare(&lake.root().join(&stream), &other.root().join(&stream));
    }
}

#[tokio::test]
async fn splits_without_rows_make_the_empty_file_of_one_go() {
    for (format, ending) in formats() {
        let (lake, other) = (Lake::new(Some(format.clone())), Lake::new(Some(format.clone())));
        let stream = format!("all.{ending}");
        let mut sink = resumed(&lake, &stream, 1, &[]).await;
        save(sink.as_mut(), 0, &[]).await;
        save(sink.as_mut(), 1, &[batch(&[])]).await;
        assert_eq!(sink.stage().await.unwrap().written, 0, "{format}");
        sink.commit(&positions(1)).await.unwrap();
        other.write(&stream, &batch(&[]), mode(WriteMode::Overwrite), 1).await;
        let bytes = |lake: &Lake| std::fs::read(lake.root().join(&stream)).unwrap();
        assert_eq!(bytes(&lake), bytes(&other), "{format}");
    }
}

#[tokio::test]
async fn pieces_of_many_attempts_are_joined_in_the_order_of_splits() {
    for stream in ["all.ndjson", "all.parquet", "all.csv.gz"] {
        let lake = Lake::plain();
        // As text, 10 comes before 9.
        let mut sink = resumed(&lake, stream, 9, &[]).await;
        for number in 0_i64..3 {
            save(sink.as_mut(), number.unsigned_abs(), &[batch(&[number])]).await;
        }
        sink.write(batch(&[99])).await.unwrap();
        drop(sink);
        // What the first one had is read again, as the last.
        let mut sink = resumed(&lake, stream, 10, &[1, 2]).await;
        save(sink.as_mut(), 3, &[batch(&[3])]).await;
        drop(sink);
        let mut sink = resumed(&lake, stream, 11, &[1, 2, 3]).await;
        save(sink.as_mut(), 4, &[batch(&[0])]).await;
        assert_eq!(sink.stage().await.unwrap().written, 4);
        sink.commit(&positions(1)).await.unwrap();
        assert_eq!(ids(&lake.read(stream).await.unwrap().rows()), ["1", "2", "3", "0"], "{stream}");
    }
}

#[tokio::test]
async fn files_are_kept_by_what_their_manifest_says_and_not_by_their_names() {
    for stream in ["out/", "out.ndjson"] {
        let lake = Lake::new(Some(json!({"ndjson": {}})));
        let mut first = resumed(&lake, stream, 1, &[]).await;
        for number in 0_i64..3 {
            let ids = number * 10..number * 10 + 10;
            save(first.as_mut(), number.unsigned_abs(), &[range(ids)]).await;
        }
        drop(first);
        // The last ones do not stand any more: a number that nobody had follows, in files that are named after another.
        let mut second = resumed(&lake, stream, 2, &[0]).await;
        save(second.as_mut(), 3, &[range(10..20)]).await;
        second.write(range(20..25)).await.unwrap();
        second.abort().await.unwrap();
        drop(second);
        let mut third = resumed(&lake, stream, 3, &[0, 3]).await;
        save(third.as_mut(), 7, &[range(20..30)]).await;
        assert_eq!(third.stage().await.unwrap().written, 30, "{stream}");
        third.commit(&positions(3)).await.unwrap();
        let rows = lake.read(stream).await.unwrap().rows();
        let read: BTreeSet<i64> = ids(&rows).into_iter().map(|id| id.parse().unwrap()).collect();
        assert_eq!((rows.len(), read), (30, (0..30).collect()), "{stream}");
    }
}

#[tokio::test]
async fn the_old_file_is_there_until_the_commit_and_a_run_in_one_go_joins_nothing() {
    let lake = Lake::plain();
    lake.write("all.csv", &batch(&[7]), mode(WriteMode::Overwrite), 1).await;
    let old = std::fs::read(lake.root().join("all.csv")).unwrap();
    let now = || std::fs::read(lake.root().join("all.csv")).unwrap();
    let mut sink = resumed(&lake, "all.csv", 2, &[]).await;
    save(sink.as_mut(), 0, &[batch(&[1])]).await;
    save(sink.as_mut(), 1, &[batch(&[2])]).await;
    assert_eq!(now(), old);
    sink.stage().await.unwrap();
    assert_eq!(now(), old);
    sink.commit(&positions(2)).await.unwrap();
    assert_eq!(ids(&lake.read("all.csv").await.unwrap().rows()), ["1", "2"]);

    let mut sink = lake.sink("all.csv", batch(&[]).schema(), mode(WriteMode::Overwrite)).await.unwrap();
    sink.fence(&attempt(3)).await.unwrap();
    sink.keep(&BTreeSet::new(), false).await.unwrap();
    sink.write(batch(&[3])).await.unwrap();
    sink.stage().await.unwrap();
    assert_eq!(staged(&lake, "joined"), Vec::<PathBuf>::new());
    sink.commit(&positions(3)).await.unwrap();
    assert_eq!(ids(&lake.read("all.csv").await.unwrap().rows()), ["3"]);
}

#[tokio::test]
async fn a_piece_that_is_not_as_it_was_fails_the_attempt_and_not_the_next_one() {
    for stream in ["all.csv", "all.ndjson.zst", "all.json.xz", "all.parquet"] {
        let lake = Lake::plain();
        let mut sink = resumed(&lake, stream, 1, &[]).await;
        save(sink.as_mut(), 0, &[range(0..300)]).await;
        save(sink.as_mut(), 1, &[range(300..600)]).await;
        let piece = staged(&lake, "split-000001-000000").remove(0);
        let whole = std::fs::read(&piece).unwrap();
        std::fs::write(&piece, &whole[..whole.len() - 9]).unwrap();
        let error = sink.stage().await.expect_err(stream);
        assert_eq!(error.kind, ErrorKind::Data, "{stream}: {error}");
        assert!(error.to_string().contains("split-000001-000000"), "{stream}: {error}");
        assert!(error.remedy.unwrap().contains("one-1"), "{stream}");
        assert_eq!(staged(&lake, "joined").len(), 1, "{stream}: it was begun");
        sink.abort().await.unwrap();
        assert_eq!(staged(&lake, "joined").len(), 0, "{stream}: an attempt that gives up leaves no half file");

        std::fs::remove_file(&piece).unwrap();
        let mut sink = resumed(&lake, stream, 2, &[0, 1]).await;
        let error = sink.stage().await.expect_err(stream);
        assert_eq!(error.kind, ErrorKind::Data, "{stream}: {error}");
        drop(sink);

        std::fs::write(&piece, whole).unwrap();
        let mut sink = resumed(&lake, stream, 3, &[0, 1]).await;
        assert_eq!(sink.stage().await.unwrap().written, 600, "{stream}");
        sink.commit(&positions(3)).await.unwrap();
        assert_eq!(lake.read(stream).await.unwrap().batch.num_rows(), 600, "{stream}");
        assert_eq!(lake.files(), [stream], "{stream}");
    }
}

#[tokio::test]
async fn an_attempt_that_was_overtaken_says_so_when_its_pieces_are_gone() {
    let lake = Lake::plain();
    let mut old = resumed(&lake, "all.csv", 1, &[]).await;
    save(old.as_mut(), 0, &[batch(&[1])]).await;
    save(old.as_mut(), 1, &[batch(&[2])]).await;
    let mut new = resumed(&lake, "all.csv", 2, &[1]).await;
    assert_eq!(old.stage().await.expect_err("overtaken").kind, ErrorKind::Fenced);
    old.abort().await.unwrap();
    save(new.as_mut(), 2, &[batch(&[3])]).await;
    assert_eq!(new.stage().await.unwrap().written, 2);
    new.commit(&positions(2)).await.unwrap();
    assert_eq!(ids(&lake.read("all.csv").await.unwrap().rows()), ["2", "3"]);
}

#[test]
fn a_run_that_is_stopped_stops_joining() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let lake = Lake::new(Some(json!({"csv": {}})));
    let (pipe, first) = runtime.block_on(async {
        let mut sink = resumed(&lake, "all.csv", 1, &[]).await;
        save(sink.as_mut(), 0, &[range(0..10)]).await;
        save(sink.as_mut(), 1, &[range(10..20)]).await;
        // A pipe in place of the first piece holds the thread up until somebody writes to it.
        let pipe = staged(&lake, "split-000000-000000").remove(0);
        let first = std::fs::read(&pipe).unwrap();
        std::fs::remove_file(&pipe).unwrap();
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let begun = async {
            while !staged(&lake, "joined").first().is_some_and(|file| file.metadata().is_ok_and(|file| file.len() > 0))
            {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        };
        tokio::select! {
            staged = sink.stage() => panic!("it was not held up: {staged:?}"),
            () = begun => {}
        }
        (pipe, first)
    });
    // All of the piece is there to be read, but nobody wants it any more; whether this comes through does not matter.
    std::fs::write(&pipe, first).unwrap_or_default();
    // Waits for the thread.
    drop(runtime);
    let joined = std::fs::read_to_string(staged(&lake, "joined").remove(0)).unwrap();
    assert_eq!(joined, "id,name,price,at\n");
}
