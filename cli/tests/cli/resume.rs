//! Runs in pieces: killed after some splits were saved, then run again. Nothing is lost or doubled, and what was saved is
//! not read again, unless it has changed.

use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::aggregator::{CONNECTORS, Place};
use crate::postgres::Database;
use crate::rows::{Made, of_files, same, sorted, visible};
use crate::s3::Store;

pub(crate) const RUN: &str = "run -f m --state state";
/// How many files there are, and how many rows each has.
pub(crate) const FILES: u64 = 12;
pub(crate) const ROWS: u64 = 10_000;

pub(crate) fn made(file: u64) -> Made {
    Made { first: file * ROWS, end: (file + 1) * ROWS, version: "new" }
}

pub(crate) fn all() -> Vec<String> {
    sorted((0..FILES).flat_map(|file| made(file).lines()).collect())
}

/// A Pipeline from `source` to `sink`, taken in small pieces.
pub(crate) fn place(source: &str, sink: &str, rejects: &str, connectors: &str) -> Place {
    let place = Place::new();
    place.write(
        "m/pipeline.yaml",
        &format!(
            "{CONNECTORS}{connectors}
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: move, namespace: test}}
spec:
  sources: [{{name: source, {source}}}]
  transforms: [{{name: positive, from: [source], filter: {{where: id >= 0}}}}]
  sinks: [{{name: sink, from: positive, {sink}}}]
{rejects}
  execution: {{splitSize: 600Ki}}
"
        ),
    );
    place
}

pub(crate) fn write_files(place: &Place) {
    for file in 0..FILES {
        place.write(&format!("in/{file:02}.csv"), &made(file).csv());
    }
}

/// Declares the columns of the files, so that one bad row is a reject and not another type.
pub(crate) fn declare_columns(place: &Place) {
    let manifest = std::fs::read_to_string(place.file("m/pipeline.yaml")).expect("manifests");
    let typed = "{file: {root: ../in, format: {csv: {schema: {columns: [{name: id, type: Int64}, {name: account, type: Int64}, \
                 {name: amount, type: Float64}, {name: note, type: Utf8}]}}}}}";
    place.write("m/pipeline.yaml", &manifest.replace("{file: {root: ../in}}", typed));
}

/// The manifests of saved splits below a folder.
pub(crate) fn saved_files(folder: &Path) -> usize {
    let entries = |folder: &Path| -> Vec<_> {
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    let mut folders = vec![folder.join(".aggregator-staging")];
    let mut saved = 0;
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "json") {
                saved += 1;
            }
        }
    }
    saved
}

fn saved_rows(database: &Database) -> usize {
    database.rows("SELECT number FROM _aggregator_splits").len()
}

/// Runs until `saved` says that there are at least so many splits, then sends the signal.
pub(crate) fn stop(place: &Place, signal: Signal, at_least: usize, mut saved: impl FnMut() -> usize) {
    let mut running = place.start(RUN);
    let reached = running.until(|_| saved() >= at_least);
    assert!(reached, "the run ended before {at_least} splits were saved: {:?}", running.wait());
    running.signal(signal);
    let said = running.wait();
    let expected = if signal == Signal::SIGKILL { (Some(9), None) } else { (None, Some(130)) };
    assert_eq!((said.signal(), said.code()), expected, "{}{}", said.stdout, said.stderr);
}

/// Runs to the end; gives the report, which must balance and count every row.
pub(crate) fn finish(place: &Place, rows: u64) -> Value {
    finish_of(place, RUN, rows)
}

fn finish_of(place: &Place, run: &str, rows: u64) -> Value {
    let report = place.json(run);
    assert_eq!(report["ledger"]["balanced"], true, "{report}");
    assert_eq!(report["nodes"][0]["read"], rows, "{report}");
    report
}

pub(crate) fn saved_earlier(report: &Value) -> u64 {
    report["splits"]["savedEarlier"].as_u64().unwrap_or_else(|| panic!("no splits: {report}"))
}

#[test]
fn files_to_a_folder_go_on_after_a_kill_and_after_a_signal() {
    let place = place("connector: in, stream: \"*.csv\"", "connector: out, stream: rows/", "", "");
    write_files(&place);
    let out = place.file("out");
    stop(&place, Signal::SIGKILL, 2, || saved_files(&out));
    let before = saved_files(&out);
    stop(&place, Signal::SIGTERM, before + 1, || saved_files(&out));
    let before = saved_files(&out) as u64;
    assert_eq!(of_files(&place.file("out/rows")), Vec::<String>::new(), "nothing is visible yet");
    let report = finish(&place, FILES * ROWS);
    assert_eq!((saved_earlier(&report), &report["resumed"]), (before, &true.into()), "{report}");
    same("resumed", &of_files(&place.file("out/rows")), &all());
    assert_eq!(saved_files(&out), 0, "what was saved is gone when it is committed");
}

#[test]
fn a_run_that_dies_after_every_split_ends_all_the_same() {
    let place = place("connector: in, stream: \"*.csv\"", "connector: out, stream: rows/", "", "");
    write_files(&place);
    let out = place.file("out");
    let mut kills = 0;
    loop {
        let before = saved_files(&out);
        let mut running = place.start(RUN);
        if !running.until(|_| saved_files(&out) > before) {
            assert_eq!(running.wait().code(), Some(0));
            break;
        }
        running.signal(Signal::SIGKILL);
        if running.wait().code() == Some(0) {
            break;
        }
        kills += 1;
        assert!(kills < 50, "no progress");
    }
    assert!(kills >= 3, "only {kills} kills hit");
    same("after many kills", &of_files(&place.file("out/rows")), &all());
}

#[test]
fn a_file_that_changed_is_read_again_and_rejects_are_kept_once() {
    let place = place(
        "connector: in, stream: \"*.csv\"",
        "connector: out, stream: rows/",
        "  rejects: {connector: out, stream: bad/}",
        "",
    );
    write_files(&place);
    // One bad row at the end of each file; the types are taken from the rows before.
    for file in 0..FILES {
        place.write(&format!("in/{file:02}.csv"), &format!("{}bad-{file},1,1.0,\n", made(file).csv()));
    }
    declare_columns(&place);
    let out = place.file("out");
    stop(&place, Signal::SIGKILL, 3, || saved_files(&out) / 2);
    // The first file is in the first split, which was saved.
    let changed = Made { version: "changed", ..made(0) };
    place.write("in/00.csv", &format!("{}bad-0,1,1.0,\n", changed.csv()));
    let report = finish(&place, FILES * (ROWS + 1));
    assert!(saved_earlier(&report) >= 1, "{report}");
    let expected = sorted(changed.lines().into_iter().chain((1..FILES).flat_map(|file| made(file).lines())).collect());
    same("resumed", &of_files(&place.file("out/rows")), &expected);
    let bad = std::fs::read_dir(place.file("out/bad")).expect("rejects").flatten();
    let text: String = bad.map(|entry| std::fs::read_to_string(entry.path()).expect("text")).collect();
    let raws = sorted(
        text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["raw"].to_string()).collect(),
    );
    let expected = sorted((0..FILES).map(|file| format!("\"bad-{file},1,1.0,\"")).collect());
    assert_eq!(raws, expected);
    assert_eq!(report["rejects"]["total"], FILES, "{report}");
    assert!(report["rejects"]["foundEarlier"].as_u64() >= Some(1), "{report}");
}

fn files_to_postgres(mode: &str, before: &str, expected: &[String]) {
    let database = Database::new();
    let place = place(
        "connector: in, stream: \"*.csv\"",
        &format!("connector: db, stream: public.target, write: {{{mode}}}"),
        "",
        &database.manifest(),
    );
    write_files(&place);
    database.execute(before);
    let content = || {
        database.session().lines("SELECT concat_ws('|', id, account, amount, coalesce(note, '∅')) AS line FROM target")
    };
    let old = content();
    stop(&place, Signal::SIGKILL, 3, || saved_rows(&database));
    same("nothing is visible yet", &content(), &old);
    let saved = saved_rows(&database) as u64;
    let report = finish(&place, FILES * ROWS);
    assert_eq!(saved_earlier(&report), saved, "{report}");
    same("resumed", &content(), expected);
    let left = database.rows("SELECT relname FROM pg_class WHERE relname LIKE '\\_aggregator\\_stage%'");
    assert_eq!((left, saved_rows(&database)), (Vec::new(), 0));
}

/// A table with two rows, one of which is in the files too.
const TARGET: &str = "CREATE TABLE target (id bigint PRIMARY KEY, account bigint, amount float8, note text); \
                      INSERT INTO target VALUES (-1, 0, 0, 'old'), (5, 0, 0, 'old')";

#[test]
fn files_to_a_new_table_go_on() {
    files_to_postgres("mode: Append", "SELECT 1", &all());
}

#[test]
fn files_that_replace_a_table_go_on() {
    files_to_postgres("mode: Overwrite", TARGET, &all());
}

#[test]
fn files_that_are_merged_into_a_table_go_on() {
    let expected = sorted(all().into_iter().chain(["-1|0|0|old".to_owned()]).collect());
    files_to_postgres("mode: Upsert, key: [id]", TARGET, &expected);
}

#[test]
fn a_table_that_changed_in_between_is_one_snapshot_again() {
    let database = Database::new();
    let place =
        place("connector: db, stream: public.events", "connector: out, stream: rows/", "", &database.manifest());
    let rows = Made { first: 0, end: 100_000, version: "new" };
    database.execute(&format!("CREATE TABLE events AS {}", rows.sql()));
    let out = place.file("out");
    stop(&place, Signal::SIGKILL, 5, || saved_files(&out));
    let before = saved_files(&out) as u64;
    // In the first range a row changes and so moves to the end, in the second one a row goes; a new row comes.
    database.execute(
        "UPDATE events SET note = 'changed' WHERE id = 3; \
         DELETE FROM events WHERE ctid = (SELECT min(ctid) FROM events WHERE ctid >= '(80,0)'::tid); \
         INSERT INTO events VALUES (-7, 7, 0.25, 'came')",
    );
    // The Pipeline leaves out what is below zero.
    let report = finish(&place, 100_000);
    assert_eq!(saved_earlier(&report), before - 2, "two ranges have changed: {report}");
    let now = database
        .session()
        .lines("SELECT concat_ws('|', id, account, amount, coalesce(note, '∅')) AS line FROM events WHERE id >= 0");
    assert_eq!(now.len(), 99_999);
    same("resumed", &of_files(&place.file("out/rows")), &now);
}

#[test]
fn a_pipeline_that_combines_rows_is_read_again_from_the_start() {
    let place = place("connector: in, stream: \"*.csv\"", "connector: out, stream: rows/", "", "");
    write_files(&place);
    let manifest = std::fs::read_to_string(place.file("m/pipeline.yaml")).expect("manifests");
    place.write(
        "m/pipeline.yaml",
        &manifest.replace("filter: {where: id >= 0}", "deduplicate: {key: [id], orderBy: [{column: id}]}"),
    );
    let report = finish(&place, FILES * ROWS);
    assert_eq!(report.get("splits"), None, "{report}");
    same("in one go", &of_files(&place.file("out/rows")), &all());
}

#[test]
fn objects_to_objects_go_on_after_kills_and_nothing_is_left_behind() {
    let store = Store::new();
    let place = place("connector: drops, stream: \"*.csv\"", "connector: store, stream: rows/", "", &store.manifest());
    for file in 0..FILES {
        store.put(&format!("in/{file:02}.csv"), &made(file).csv());
    }
    stop(&place, Signal::SIGKILL, 2, || store.saved());
    let before = store.saved();
    stop(&place, Signal::SIGTERM, before + 1, || store.saved());
    // One of those that were read is replaced by rows of the same number.
    let changed = Made { version: "changed", ..made(0) };
    store.put("in/00.csv", &changed.csv());
    assert_eq!(store.rows("rows/"), Vec::<String>::new(), "nothing is visible yet");
    let report = finish(&place, FILES * ROWS);
    assert!(saved_earlier(&report) >= before as u64, "{report}");
    let expected = sorted(changed.lines().into_iter().chain((1..FILES).flat_map(|file| made(file).lines())).collect());
    same("resumed", &store.rows("rows/"), &expected);
    assert!(!store.staged(), "what was saved is gone when it is committed");
}

/// One file that is much larger than a split, written by a run of its own.
fn one_large_file(name: &str, split: &str) {
    let place = place("connector: large, stream: rows*", "connector: out, stream: rows/", "", "");
    write_files(&place);
    let manifest = std::fs::read_to_string(place.file("m/pipeline.yaml")).expect("manifests");
    let large = "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: large, namespace: test}
spec: {file: {root: ../large}}
---
";
    let making = manifest.replace("connector: large, stream: rows*", "connector: in, stream: \"*.csv\"").replace(
        "connector: out, stream: rows/",
        &format!("connector: large, stream: {name}, write: {{mode: Overwrite}}"),
    );
    place.write("making/pipeline.yaml", &format!("{large}{making}"));
    finish_of(&place, "run -f making --state making-state", FILES * ROWS);
    let manifest = format!("{large}{manifest}").replace("splitSize: 600Ki", &format!("splitSize: {split}"));
    place.write("m/pipeline.yaml", &manifest);

    let out = place.file("out");
    stop(&place, Signal::SIGKILL, 2, || saved_files(&out));
    let before = saved_files(&out);
    stop(&place, Signal::SIGTERM, before + 1, || saved_files(&out));
    let before = saved_files(&out) as u64;
    assert_eq!(of_files(&place.file("out/rows")), Vec::<String>::new(), "nothing is visible yet");
    let report = finish(&place, FILES * ROWS);
    assert_eq!(saved_earlier(&report), before, "{report}");
    assert!(report["splits"]["total"].as_u64() > Some(before), "{report}");
    same("resumed", &of_files(&place.file("out/rows")), &all());

    // A file that was replaced in between is read from its beginning.
    std::fs::remove_dir_all(&out).expect("a fresh start");
    std::fs::remove_dir_all(place.file("state")).expect("a fresh start");
    stop(&place, Signal::SIGKILL, 2, || saved_files(&out));
    let path = place.file(&format!("large/{name}"));
    let copy = path.with_extension("copy");
    std::fs::copy(&path, &copy).and_then(|_| std::fs::rename(&copy, &path)).expect("the same rows, but who knows");
    let report = finish(&place, FILES * ROWS);
    assert_eq!(saved_earlier(&report), 0, "{report}");
    same("read again", &of_files(&place.file("out/rows")), &all());
}

#[test]
fn one_large_file_of_text_goes_on_between_two_records() {
    one_large_file("rows.csv", "100Ki");
}

#[test]
fn one_large_compressed_file_goes_on() {
    one_large_file("rows.ndjson.gz", "64Ki");
}

#[test]
fn one_large_parquet_file_goes_on() {
    one_large_file("rows.parquet", "100Ki");
}

#[test]
fn rejects_of_a_resumed_file_stand_where_they_are() {
    let place = place(
        "connector: in, stream: rows.csv",
        "connector: out, stream: rows/",
        "  rejects: {connector: out, stream: bad/}",
        "",
    );
    // A bad row after each thousand, and two-line notes, so that lines and rows differ.
    let good = Made { first: 0, end: FILES * ROWS, version: "new" }.csv();
    let mut text = String::new();
    let mut expected = Vec::new();
    let mut line = 1;
    for (number, row) in good.lines().enumerate() {
        text += row;
        text += "\n";
        line += 1;
        if number % 1_000 == 999 {
            expected.push(format!("{line}|{}|\"bad-{number},1,1.0,\"\"two\nlines\"\"\"", text.len()));
            text += &format!("bad-{number},1,1.0,\"two\nlines\"\n");
            line += 2;
        }
    }
    place.write("in/rows.csv", &text);
    let manifest = std::fs::read_to_string(place.file("m/pipeline.yaml")).expect("manifests");
    let typed = "{file: {root: ../in, format: {csv: {schema: {columns: [{name: id, type: Int64}, {name: account, type: Int64}, \
                 {name: amount, type: Float64}, {name: note, type: Utf8}]}}}}}";
    place.write("m/pipeline.yaml", &manifest.replace("{file: {root: ../in}}", typed));
    let out = place.file("out");
    // Each split is saved by two sinks.
    stop(&place, Signal::SIGKILL, 4, || saved_files(&out));
    let report = finish(&place, FILES * ROWS + expected.len() as u64);
    assert!(saved_earlier(&report) >= 1, "{report}");
    same("resumed", &of_files(&place.file("out/rows")), &all());
    let bad = std::fs::read_dir(place.file("out/bad")).expect("rejects").flatten();
    let bad: String = bad.map(|entry| std::fs::read_to_string(entry.path()).expect("text")).collect();
    let came = bad.lines().map(|line| {
        let reject: Value = serde_json::from_str(line).expect("JSON");
        let raw = reject["raw"].as_str().expect("raw").replace('"', "\"\"");
        format!("{}|{}|\"{raw}\"", reject["line"], reject["byte_offset"])
    });
    same("rejects", &sorted(came.collect()), &sorted(expected));
}

/// What is in the file before the run: no file of its format, so that nobody could have read it by mistake.
const OLD: &str = "old";

/// A Pipeline that replaces one file, and one that makes rows of it that the test can read.
fn into_one_file(name: &str) -> Place {
    let lake = "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: lake, namespace: test}
spec: {file: {root: ../out}}
---
";
    let sink = format!("connector: lake, stream: {name}, write: {{mode: Overwrite}}");
    let place = place("connector: in, stream: \"*.csv\"", &sink, "", lake);
    write_files(&place);
    place.write(&format!("out/{name}"), OLD);
    let manifest = std::fs::read_to_string(place.file("m/pipeline.yaml")).expect("manifests");
    let back = manifest
        .replace("connector: in, stream: \"*.csv\"", &format!("connector: lake, stream: {name}"))
        .replace(&sink, "connector: out, stream: rows/")
        .replace("root: ../out, format", "root: ../back, format");
    place.write("back-m/pipeline.yaml", &back);
    place
}

fn is_old(place: &Place, name: &str) {
    assert_eq!(std::fs::read_to_string(place.file(&format!("out/{name}"))).expect("the old file"), OLD);
}

/// Runs to the end, and compares what the file holds. Gives the report.
fn finish_one_file(place: &Place, name: &str) -> Value {
    let report = finish(place, FILES * ROWS);
    let file = place.file(&format!("out/{name}"));
    assert_eq!(visible(&place.file("out")), [file], "one file");
    finish_of(place, "run -f back-m --state back-state", FILES * ROWS);
    same("in one file", &of_files(&place.file("back/rows")), &all());
    assert_eq!(report["nodes"][2]["written"], FILES * ROWS, "the target's own number: {report}");
    report
}

/// The staged files of that name.
fn staged(folder: &Path, name: &str) -> Vec<PathBuf> {
    let all = walkdir::WalkDir::new(folder.join(".aggregator-staging")).into_iter().flatten();
    all.filter(|entry| entry.file_name() == name).map(walkdir::DirEntry::into_path).collect()
}

fn one_file_goes_on(name: &str) {
    let place = into_one_file(name);
    let out = place.file("out");
    stop(&place, Signal::SIGKILL, 2, || saved_files(&out));
    let before = saved_files(&out);
    stop(&place, Signal::SIGTERM, before + 1, || saved_files(&out));
    let before = saved_files(&out) as u64;
    is_old(&place, name);

    // The next attempt reads what is left. A pipe in place of a piece, which nobody writes to, holds it up while it joins.
    let piece = staged(&out, "split-000001-000000").remove(0);
    let aside = place.file("piece");
    std::fs::rename(&piece, &aside).expect("a piece");
    let made = std::process::Command::new("mkfifo").arg(&piece).status();
    assert!(made.expect("mkfifo").success());
    let mut running = place.start(RUN);
    let begun = || staged(&out, "joined").iter().any(|file| file.metadata().is_ok_and(|file| file.len() > 0));
    let reached = running.until(|_| begun());
    assert!(reached, "the run ended before it joined anything: {:?}", running.wait());
    running.signal(Signal::SIGKILL);
    let said = running.wait();
    assert_eq!(said.signal(), Some(9), "{}{}", said.stdout, said.stderr);
    is_old(&place, name);
    std::fs::rename(&aside, &piece).expect("the piece again");

    let report = finish_one_file(&place, name);
    assert!(before >= 1 && saved_earlier(&report) > before, "{report}");
    assert_eq!(report["splits"]["total"], report["splits"]["savedEarlier"], "only joining was left: {report}");
    assert_eq!(saved_files(&out), 0, "what was saved is gone when it is committed");
}

#[test]
fn one_compressed_file_of_text_is_put_together_after_kills() {
    one_file_goes_on("rows.csv.gz");
}

#[test]
fn one_compressed_file_of_lines_is_put_together_after_kills() {
    one_file_goes_on("rows.ndjson.zst");
}

#[test]
fn one_document_is_put_together_after_kills() {
    one_file_goes_on("rows.json");
}

#[test]
fn one_parquet_file_is_put_together_after_kills() {
    one_file_goes_on("rows.parquet");
}

#[test]
fn a_piece_that_was_spoiled_fails_one_attempt_and_its_split_can_be_read_again() {
    let place = into_one_file("rows.csv.gz");
    let out = place.file("out");
    stop(&place, Signal::SIGKILL, 3, || saved_files(&out));
    let piece = staged(&out, "split-000001-000000").remove(0);
    std::fs::write(&piece, "spoiled").expect("a piece");
    let said = place.say(RUN);
    assert_eq!(said.code(), Some(1), "{}{}", said.stdout, said.stderr);
    let folder = piece.parent().expect("a folder");
    assert!(
        said.stderr.contains("split-000001-000000") && said.stderr.contains("remove the folder"),
        "{}",
        said.stderr
    );
    assert_eq!(staged(&out, "joined"), Vec::<PathBuf>::new(), "no half file is left");
    is_old(&place, "rows.csv.gz");
    // What the error advises.
    std::fs::remove_dir_all(folder).expect("the folder of the first attempt");
    let report = finish_one_file(&place, "rows.csv.gz");
    let (total, earlier) = (report["splits"]["total"].as_u64().expect("a number"), saved_earlier(&report));
    assert!(earlier >= 1 && earlier < total, "{report}");
}
