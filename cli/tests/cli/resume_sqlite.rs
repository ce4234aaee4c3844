//! Runs in pieces that read from or write to SQLite: killed after some splits were saved, then run again.

use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use rusqlite::{Connection, OpenFlags};

use crate::aggregator::Place;
use crate::resume::{FILES, ROWS, RUN, all, finish, made, place, saved_earlier, saved_files, stop, write_files};
use crate::rows::{Made, execute_sqlite, of_files, of_sqlite, same, sorted};

/// A second SQLite file.
const OTHER: &str = "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: other, namespace: test}
spec: {sqlite: {path: ../other.sqlite}}
---
";

const ROWS_OF_TARGET: &str = "SELECT id, account, amount, note FROM target";
const ROWS_OF_EVENTS: &str = "SELECT id, account, amount, note FROM events WHERE id >= 0";

/// A table with these rows, in the journal mode of that name.
fn write_events(file: &Path, journal: &str, rows: Made) {
    execute_sqlite(
        file,
        &format!(
            "PRAGMA journal_mode = {journal};
             CREATE TABLE events (id INTEGER, account INTEGER, amount REAL, note TEXT);
             WITH RECURSIVE c(id) AS (SELECT {} UNION ALL SELECT id + 1 FROM c WHERE id < {})
             INSERT INTO events SELECT id, id * 7919 % 1009, (id * 31 % 100003) / 4.0,
               CASE WHEN id % 11 <> 0 THEN '{} ' || (id * 13 % 9973) END FROM c",
            rows.first,
            rows.end - 1,
            rows.version
        ),
    );
}

/// The side files of all sinks of the place, with their logs.
fn side_files(place: &Place) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place.file("")).expect("a folder").flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".aggregator-stage-"));
    named.map(|entry| entry.path()).collect()
}

/// How many splits they hold. None is changed by looking.
fn saved_sides(place: &Place) -> usize {
    let count = |path: PathBuf| -> rusqlite::Result<usize> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.query_row("SELECT count(*) FROM _aggregator_splits", [], |row| row.get(0))
    };
    // One that is being made has no table yet.
    side_files(place).into_iter().filter(|path| path.extension().is_none()).map(|path| count(path).unwrap_or(0)).sum()
}

fn files_to_sqlite(mode: &str, before: &str, expected: &[String]) {
    let sink = format!("connector: lite, stream: target, write: {{{mode}}}");
    let place = place("connector: in, stream: \"*.csv\"", &sink, "", "");
    write_files(&place);
    let file = place.file("out.sqlite");
    execute_sqlite(&file, before);
    let old = of_sqlite(&file, ROWS_OF_TARGET);
    stop(&place, Signal::SIGKILL, 3, || saved_sides(&place));
    let saved = saved_sides(&place);
    same("nothing is visible yet", &of_sqlite(&file, ROWS_OF_TARGET), &old);
    stop(&place, Signal::SIGTERM, saved + 1, || saved_sides(&place));
    let saved = saved_sides(&place) as u64;
    same("nothing is visible yet", &of_sqlite(&file, ROWS_OF_TARGET), &old);
    let report = finish(&place, FILES * ROWS);
    assert_eq!(saved_earlier(&report), saved, "{report}");
    same("resumed", &of_sqlite(&file, ROWS_OF_TARGET), expected);
    assert_eq!(side_files(&place), Vec::<PathBuf>::new(), "what was saved is gone when it is committed");
}

/// A table with two rows, one of which is in the files too.
const TARGET: &str = "CREATE TABLE target (id INTEGER PRIMARY KEY, account INTEGER, amount REAL, note TEXT); \
                      INSERT INTO target VALUES (-1, 0, 0, 'old'), (5, 0, 0, 'old')";

#[test]
fn files_to_a_new_table_of_sqlite_go_on() {
    files_to_sqlite("mode: Append", "PRAGMA journal_mode = wal", &all());
}

#[test]
fn files_that_replace_a_table_of_sqlite_go_on() {
    files_to_sqlite("mode: Overwrite", TARGET, &all());
}

#[test]
fn files_that_are_merged_into_a_table_of_sqlite_go_on() {
    let expected = sorted(all().into_iter().chain(["-1|0|0|old".to_owned()]).collect());
    files_to_sqlite("mode: Upsert, key: [id]", TARGET, &expected);
}

#[test]
fn rejects_beside_the_rows_in_one_file_are_kept_once() {
    let rejects = "  rejects: {connector: lite, stream: bad}";
    let place = place("connector: in, stream: \"*.csv\"", "connector: lite, stream: target", rejects, "");
    write_files(&place);
    for file in 0..FILES {
        place.write(&format!("in/{file:02}.csv"), &format!("{}bad-{file},1,1.0,\n", made(file).csv()));
    }
    let manifest = std::fs::read_to_string(place.file("m/pipeline.yaml")).expect("manifests");
    let typed = "{file: {root: ../in, format: {csv: {schema: {columns: [{name: id, type: Int64}, {name: account, type: Int64}, \
                 {name: amount, type: Float64}, {name: note, type: Utf8}]}}}}}";
    place.write("m/pipeline.yaml", &manifest.replace("{file: {root: ../in}}", typed));
    let file = place.file("out.sqlite");
    // Each split is saved by two sinks.
    stop(&place, Signal::SIGKILL, 5, || saved_sides(&place));
    let report = finish(&place, FILES * (ROWS + 1));
    assert!(saved_earlier(&report) >= 2, "{report}");
    same("resumed", &of_sqlite(&file, ROWS_OF_TARGET), &all());
    let expected = sorted((0..FILES).map(|file| format!("bad-{file},1,1.0,")).collect());
    assert_eq!(of_sqlite(&file, "SELECT raw FROM bad"), expected);
    assert_eq!(side_files(&place), Vec::<PathBuf>::new());
}

#[test]
fn a_table_of_sqlite_goes_on_until_its_file_changes() {
    for journal in ["delete", "wal"] {
        let place = place("connector: lite, stream: events", "connector: out, stream: rows/", "", "");
        let file = place.file("out.sqlite");
        write_events(&file, journal, Made { first: 0, end: FILES * ROWS, version: "new" });
        let out = place.file("out");
        stop(&place, Signal::SIGKILL, 2, || saved_files(&out));
        let before = saved_files(&out);
        stop(&place, Signal::SIGTERM, before + 1, || saved_files(&out));
        let before = saved_files(&out) as u64;
        let report = finish(&place, FILES * ROWS);
        assert_eq!(saved_earlier(&report), before, "{journal}: {report}");
        assert!(report["splits"]["total"].as_u64() > Some(before), "{report}");
        same("resumed", &of_files(&place.file("out/rows")), &all());

        std::fs::remove_dir_all(&out).expect("a fresh start");
        std::fs::remove_dir_all(place.file("state")).expect("a fresh start");
        stop(&place, Signal::SIGKILL, 3, || saved_files(&out));
        // A row of the first range changes, one of the last goes, and one comes. The Pipeline leaves out what is below zero.
        execute_sqlite(
            &file,
            "UPDATE events SET note = 'changed' WHERE id = 3; DELETE FROM events WHERE id = 119999;
             INSERT INTO events VALUES (-7, 7, 0.25, 'came')",
        );
        let report = finish(&place, FILES * ROWS);
        assert_eq!(saved_earlier(&report), 0, "{journal}: {report}");
        let now = of_sqlite(&file, ROWS_OF_EVENTS);
        assert_eq!(now.len() as u64, FILES * ROWS - 1);
        same("one snapshot again", &of_files(&place.file("out/rows")), &now);
    }
}

#[test]
fn a_table_of_sqlite_to_another_file_goes_on_after_each_kill() {
    let sink = "connector: other, stream: target, write: {mode: Overwrite}";
    let place = place("connector: lite, stream: events", sink, "", OTHER);
    write_events(&place.file("out.sqlite"), "wal", Made { first: 0, end: FILES * ROWS, version: "new" });
    execute_sqlite(&place.file("other.sqlite"), TARGET);
    let old = of_sqlite(&place.file("other.sqlite"), ROWS_OF_TARGET);
    let mut kills = 0;
    let report = loop {
        let before = saved_sides(&place);
        let mut running = place.start(&format!("{RUN} --output json"));
        if running.until(|_| saved_sides(&place) > before) {
            running.signal(Signal::SIGKILL);
        }
        let said = running.wait();
        if said.code() == Some(0) {
            break serde_json::from_str(&said.stdout).expect("a report");
        }
        assert_eq!(said.signal(), Some(9), "{}{}", said.stdout, said.stderr);
        same("nothing is visible yet", &of_sqlite(&place.file("other.sqlite"), ROWS_OF_TARGET), &old);
        kills += 1;
        assert!(kills < 50, "no progress");
    };
    assert!(kills >= 3, "only {kills} kills hit");
    assert!(saved_earlier(&report) >= kills, "{report}");
    same("after many kills", &of_sqlite(&place.file("other.sqlite"), ROWS_OF_TARGET), &all());
    assert_eq!(side_files(&place), Vec::<PathBuf>::new());
}

#[test]
fn within_one_file_a_run_ends_all_the_same() {
    for journal in ["delete", "wal"] {
        let sink = "connector: lite, stream: target, write: {mode: Upsert, key: [id]}";
        let place = place("connector: lite, stream: events", sink, "", "");
        let file = place.file("out.sqlite");
        write_events(&file, journal, Made { first: 0, end: FILES * ROWS, version: "new" });
        execute_sqlite(&file, TARGET);
        let old = of_sqlite(&file, ROWS_OF_TARGET);
        stop(&place, Signal::SIGKILL, 2, || saved_sides(&place));
        same("nothing is visible yet", &of_sqlite(&file, ROWS_OF_TARGET), &old);
        let report = finish(&place, FILES * ROWS);
        // Taking the sink over has changed the file.
        assert_eq!(saved_earlier(&report), 0, "{journal}: {report}");
        let expected = sorted(all().into_iter().chain(["-1|0|0|old".to_owned()]).collect());
        same("within one file", &of_sqlite(&file, ROWS_OF_TARGET), &expected);
        same("the source", &of_sqlite(&file, ROWS_OF_EVENTS), &all());
        assert_eq!(side_files(&place), Vec::<PathBuf>::new());
    }
}
