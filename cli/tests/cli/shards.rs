//! One run, shared by several processes: they divide its splits, one of them commits. One that dies is started again alone.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::aggregator::{CONNECTORS, Place, Running, Said};
use crate::postgres::Database;
use crate::resume::{FILES, ROWS, RUN, all, declare_columns, made, place, saved_earlier, write_files};
use crate::rows::{Made, of_files, of_sqlite, same, sorted};
use crate::s3::Store;

/// How many processes share a run.
const OF: u32 = 3;

fn run(index: u32) -> String {
    format!("{RUN} --shard {index}/{OF} --output json")
}

fn report_of(said: &Said) -> Value {
    assert_eq!(said.code(), Some(0), "{}{}", said.stdout, said.stderr);
    let report: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {}", said.stdout));
    assert_eq!(report["ledger"]["balanced"], true, "{report}");
    report
}

/// Runs one shard to its end.
fn shard(place: &Place, index: u32) -> Value {
    report_of(&place.say(&run(index)))
}

fn state(report: &Value) -> &str {
    report["shard"]["state"].as_str().unwrap_or_else(|| panic!("no shard: {report}"))
}

/// Runs one shard until it kills itself at a point.
fn die(place: &Place, index: u32, point: &str) {
    let said = place.die_at(point, &run(index));
    assert_eq!(said.signal(), Some(Signal::SIGKILL as i32), "`{point}`: {}{}", said.stdout, said.stderr);
}

/// Runs all shards at the same time; the one that has committed must account for the rows of all.
fn together(place: &Place, rows: u64) -> Vec<Value> {
    let running: Vec<Running> = (0..OF).map(|index| place.start(&run(index))).collect();
    let reports: Vec<Value> = running.into_iter().map(|running| report_of(&running.wait())).collect();
    let completing: Vec<&Value> = reports.iter().filter(|report| state(report) == "Completing").collect();
    let [report] = completing[..] else { panic!("not one has committed: {reports:?}") };
    assert_eq!((&report["nodes"][0]["read"], &report["nodes"][2]["written"]), (&rows.into(), &rows.into()), "{report}");
    reports
}

const FROM_FILES: &str = "connector: in, stream: \"*.csv\"";
const TO_FILES: &str = "connector: out, stream: rows/";
const FROM_TABLE: &str = "connector: db, stream: public.events";

fn table(database: &Database) {
    let rows = Made { first: 0, end: FILES * ROWS, version: "new" };
    database.execute(&format!("CREATE TABLE events AS {}", rows.sql()));
}

fn target(database: &Database) -> Vec<String> {
    database.session().lines("SELECT concat_ws('|', id, account, amount, coalesce(note, '∅')) AS line FROM target")
}

#[test]
fn three_processes_move_files_into_a_table_and_make_one_commit() {
    let database = Database::new();
    let to = "connector: db, stream: public.target, write: {mode: Upsert, key: [id]}";
    let place = place(FROM_FILES, to, "", &database.manifest());
    write_files(&place);
    for round in ["first", "second"] {
        let reports = together(&place, FILES * ROWS);
        same(round, &target(&database), &all());
        let runs: Vec<&Value> = reports.iter().map(|report| &report["run"]).collect();
        assert!(runs.iter().all(|run| *run == runs[0]), "{round}: {runs:?}");
    }
    let left = database.rows("SELECT relname FROM pg_class WHERE relname LIKE '\\_aggregator\\_stage%'");
    assert_eq!((left, database.rows("SELECT number FROM _aggregator_splits").len()), (Vec::new(), 0));
}

#[test]
fn three_processes_move_a_table_into_files_and_into_one() {
    let database = Database::new();
    table(&database);
    for to in [TO_FILES, "connector: out, stream: rows/all.ndjson, write: {mode: Overwrite}"] {
        let place = place(FROM_TABLE, to, "", &database.manifest());
        let reports = together(&place, FILES * ROWS);
        same(to, &of_files(&place.file("out/rows")), &all());
        let completing = reports.iter().find(|report| state(report) == "Completing").expect("one");
        let splits = &completing["splits"];
        assert_eq!(splits["total"], splits["savedEarlier"], "nothing was read twice: {completing}");
    }
}

#[test]
fn three_processes_move_objects_into_objects_and_leave_nothing_behind() {
    let store = Store::new();
    let place = place("connector: drops, stream: \"*.csv\"", "connector: store, stream: rows/", "", &store.manifest());
    for file in 0..FILES {
        store.put(&format!("in/{file:02}.csv"), &made(file).csv());
    }
    together(&place, FILES * ROWS);
    same("together", &store.rows("rows/"), &all());
    assert!(!store.staged(), "what was saved is gone when it is committed");
}

#[test]
fn a_lost_shard_is_resumed_alone() {
    let database = Database::new();
    table(&database);
    let place = place(FROM_TABLE, TO_FILES, "", &database.manifest());
    let first = shard(&place, 0);
    assert_eq!(state(&first), "Waiting", "{first}");
    let own = first["splits"]["total"].as_u64().expect("splits");
    assert!(own >= 3, "{first}");
    assert_eq!(first["nodes"][2].get("written"), None, "nothing is written yet: {first}");
    die(&place, 1, "split saved");
    assert_eq!(state(&shard(&place, 2)), "Waiting");
    assert_eq!(of_files(&place.file("out/rows")), Vec::<String>::new(), "nothing is visible yet");
    // Who asks again is told the same and reads nothing.
    let again = shard(&place, 0);
    assert_eq!((state(&again), again["nodes"].as_array().map(Vec::len)), ("Waiting", Some(0)), "{again}");
    let last = shard(&place, 1);
    assert_eq!(state(&last), "Completing", "{last}");
    assert_eq!((&last["run"], last["splits"]["total"].as_u64()), (&first["run"], Some(saved_earlier(&last))), "{last}");
    same("resumed", &of_files(&place.file("out/rows")), &all());
}

#[test]
fn a_shard_goes_on_in_the_middle_of_a_large_file() {
    let place = place("connector: in, stream: \"*.csv\"", TO_FILES, "", "");
    write_files(&place);
    let large = Made { first: FILES * ROWS, end: 2 * FILES * ROWS, version: "new" };
    place.write("in/99.csv", &large.csv());
    assert_eq!(state(&shard(&place, 0)), "Waiting");
    assert_eq!(state(&shard(&place, 2)), "Waiting");
    // Four groups of small files, and then the large one, which is read in parts.
    for _ in 0..3 {
        die(&place, 1, "split saved");
    }
    let last = shard(&place, 1);
    assert_eq!((state(&last), &last["nodes"][0]["read"]), ("Completing", &(2 * FILES * ROWS).into()), "{last}");
    same("resumed", &of_files(&place.file("out/rows")), &sorted(all().into_iter().chain(large.lines()).collect()));
}

#[test]
fn what_changes_before_the_last_one_ends_is_read_again() {
    let database = Database::new();
    table(&database);
    let place = place(FROM_TABLE, TO_FILES, "", &database.manifest());
    shard(&place, 0);
    shard(&place, 1);
    // In the first range a row changes and so moves to the end, in the second one a row goes; a new row comes.
    database.execute(
        "UPDATE events SET note = 'changed' WHERE id = 3; \
         DELETE FROM events WHERE ctid = (SELECT min(ctid) FROM events WHERE ctid >= '(80,0)'::tid); \
         INSERT INTO events VALUES (7000000, 7, 0.25, 'came')",
    );
    let last = shard(&place, 2);
    let (total, saved) = (last["splits"]["total"].as_u64().expect("splits"), saved_earlier(&last));
    assert!(saved < total && total - saved <= 3, "two ranges have changed, and perhaps the last one: {last}");
    let now =
        database.session().lines("SELECT concat_ws('|', id, account, amount, coalesce(note, '∅')) AS line FROM events");
    assert_eq!(now.len() as u64, FILES * ROWS);
    same("one snapshot", &of_files(&place.file("out/rows")), &now);
}

#[test]
fn files_that_come_and_go_and_change_meanwhile_are_taken_as_they_are_at_the_end() {
    let place = place(FROM_FILES, TO_FILES, "", "");
    write_files(&place);
    shard(&place, 0);
    // Of the first split, which is saved, and of others, which are not.
    place.write("in/00.csv", &Made { version: "changed", ..made(0) }.csv());
    place.remove("in/04.csv");
    place.write("in/07.csv", &Made { version: "changed", ..made(7) }.csv());
    let came = Made { first: 900_000, end: 900_010, version: "came" };
    place.write("in/77.csv", &came.csv());
    shard(&place, 1);
    assert_eq!(state(&shard(&place, 2)), "Completing");
    let rows = (0..FILES).filter(|file| *file != 4).flat_map(|file| match file {
        0 | 7 => Made { version: "changed", ..made(file) }.lines(),
        _ => made(file).lines(),
    });
    same("as they are", &of_files(&place.file("out/rows")), &sorted(rows.chain(came.lines()).collect()));
}

#[test]
fn of_rows_with_one_key_the_last_in_order_wins_whichever_shard_was_first() {
    let database = Database::new();
    let to = "connector: db, stream: public.target, write: {mode: Upsert, key: [id]}";
    let place = place(FROM_FILES, to, "", &database.manifest());
    // Every file has the same keys; the splits are written in the opposite order.
    for (file, version) in ["a", "b", "c", "d", "e", "f", "g", "h", "i"].into_iter().enumerate() {
        place.write(&format!("in/{file}.csv"), &Made { first: 0, end: ROWS, version }.csv());
    }
    for index in [2, 1, 0] {
        shard(&place, index);
    }
    same("the last", &target(&database), &sorted(Made { first: 0, end: ROWS, version: "i" }.lines()));
}

#[test]
fn one_that_dies_while_it_divides_or_completes_is_followed_by_any_other() {
    for point in ["divided", "moved", "committing", "committed"] {
        let database = Database::new();
        let to = "connector: db, stream: public.target, write: {mode: Append}";
        let place = place(FROM_FILES, to, "", &database.manifest());
        write_files(&place);
        if point == "divided" {
            die(&place, 2, point);
            together(&place, FILES * ROWS);
        } else {
            shard(&place, 0);
            shard(&place, 1);
            die(&place, 2, point);
            let other = shard(&place, 1);
            assert_eq!(state(&other), "Completing", "{point}: {other}");
        }
        same(point, &target(&database), &all());
    }
}

#[test]
fn a_run_that_is_not_divided_is_done_by_one_and_each_shard_takes_part_once() {
    let place = place(FROM_FILES, TO_FILES, "", "");
    write_files(&place);
    let manifest = std::fs::read_to_string(place.file("m/pipeline.yaml")).expect("manifests");
    let combines = "deduplicate: {key: [id], orderBy: [{column: id}]}";
    place.write("m/pipeline.yaml", &manifest.replace("filter: {where: id >= 0}", combines));
    let first = shard(&place, 1);
    assert_eq!(state(&first), "Completing", "{first}");
    for index in [0, 2] {
        let other = shard(&place, index);
        assert_eq!((state(&other), &other["run"]), ("Succeeded", &first["run"]), "{other}");
    }
    same("once", &of_files(&place.file("out/rows")), &all());
    let next = shard(&place, 0);
    assert!(state(&next) == "Completing" && next["run"] != first["run"], "the next run: {next}");
}

#[test]
fn rejects_of_all_shards_are_held_against_one_budget() {
    for (budget, code) in [(FILES, Some(0)), (FILES - 1, Some(4))] {
        let rejects = format!("  rejects: {{connector: out, stream: bad/, budget: {{rows: {budget}}}}}");
        let place = place(FROM_FILES, TO_FILES, &rejects, "");
        for file in 0..FILES {
            place.write(&format!("in/{file:02}.csv"), &format!("{}bad-{file},1,1.0,\n", made(file).csv()));
        }
        declare_columns(&place);
        shard(&place, 0);
        shard(&place, 1);
        let said = place.say(&run(2));
        assert_eq!(said.code(), code, "{}{}", said.stdout, said.stderr);
        let report: Value = serde_json::from_str(&said.stdout).expect("a report");
        if code == Some(0) {
            assert_eq!(report["rejects"]["total"], FILES, "{report}");
            same("within", &of_files(&place.file("out/rows")), &all());
        } else {
            assert_eq!(report["error"]["reason"], "RejectBudgetExceeded", "{report}");
            assert_eq!(of_files(&place.file("out/rows")), Vec::<String>::new(), "nothing is visible");
        }
    }
}

#[test]
fn a_sink_that_has_one_writer_is_written_by_one_process() {
    let place = place(FROM_FILES, "connector: lite, stream: target, write: {mode: Append}", "", "");
    write_files(&place);
    assert_eq!(state(&shard(&place, 2)), "Completing");
    assert_eq!(state(&shard(&place, 0)), "Succeeded");
    assert_eq!(state(&shard(&place, 1)), "Succeeded");
    let query = "SELECT concat_ws('|', id, account, amount, coalesce(note, '∅')) FROM target";
    assert_eq!(of_sqlite(&place.file("out.sqlite"), query).len() as u64, FILES * ROWS);
}

#[test]
fn one_that_was_taken_for_dead_and_wakes_up_does_no_harm() {
    let database = Database::new();
    let to = "connector: db, stream: public.target, write: {mode: Append}";
    let place = place(FROM_FILES, to, "", &database.manifest());
    write_files(&place);
    shard(&place, 0);
    shard(&place, 1);
    // It has staged rows of its first split, and holds locks.
    let mut sleeper = place.start(&run(2));
    let mut session = database.session();
    let staged = "SELECT 1 FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
                  WHERE l.mode = 'RowExclusiveLock' AND c.relname LIKE '\\_aggregator\\_stage%'";
    assert!(sleeper.until(|_| !session.rows(staged).is_empty()), "the shard ended before it wrote");
    sleeper.signal(Signal::SIGSTOP);
    // The same shard is refused here; elsewhere nobody knows of the lock.
    let refused = place.say(&run(2));
    assert!(refused.stdout.contains("AlreadyRunning"), "{}{}", refused.stdout, refused.stderr);
    let alone = place.say(RUN);
    assert!(alone.stderr.contains("another run of Pipeline `test/move` is going on"), "{}", alone.stderr);
    let elsewhere = place.copy();
    let last = shard(&elsewhere, 2);
    assert_eq!(state(&last), "Completing", "{last}");
    same("committed", &target(&database), &all());
    sleeper.signal(Signal::SIGCONT);
    let said = sleeper.wait();
    assert_ne!(said.code(), Some(0), "{}{}", said.stdout, said.stderr);
    same("awake", &target(&database), &all());
}

#[test]
fn an_attempt_in_one_process_takes_over_what_shards_have_saved() {
    let database = Database::new();
    table(&database);
    let place = place(FROM_TABLE, TO_FILES, "", &database.manifest());
    let first = shard(&place, 0);
    let report = place.json(RUN);
    assert_eq!(Some(saved_earlier(&report)), first["splits"]["total"].as_u64(), "{report}");
    same("alone", &of_files(&place.file("out/rows")), &all());
}

#[test]
fn each_of_many_streams_is_one_shards_own() {
    let database = Database::new();
    for table in 0..7 {
        database.execute(&format!("CREATE TABLE t{table} AS SELECT generate_series(1, {}) AS id", table + 1));
    }
    let place = Place::new();
    place.write(
        "m/pipeline.yaml",
        &format!(
            "{CONNECTORS}{}apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: replicate, namespace: test}}
spec:
  sources: [{{name: all, connector: db, streams: {{include: [\"public.t*\"]}}}}]
  sinks: [{{name: out, from: all, connector: out, stream: \"${{stream.name}}/\", write: {{mode: Append}}}}]
",
            database.manifest()
        ),
    );
    let running: Vec<Running> = (0..OF).map(|index| place.start(&run(index))).collect();
    let reports: Vec<Value> = running.into_iter().map(|running| report_of(&running.wait())).collect();
    let streams: Vec<usize> = reports.iter().map(|report| report["streams"].as_array().map_or(0, Vec::len)).collect();
    // Which is whose follows from their names.
    assert_eq!((streams, state(&reports[0])), (vec![2, 3, 2], "Streams"));
    for table in 0..7 {
        let rows = of_files(&place.file(&format!("out/t{table}")));
        assert_eq!(rows.len(), table + 1, "{rows:?}");
    }
}

#[test]
fn what_cannot_be_shared_is_told() {
    let place = place(FROM_FILES, TO_FILES, "", "");
    write_files(&place);
    for (arguments, told) in [
        ("--shard 3/3", "of 3 processes the first is 0/3, and the last one 2/3: there is no 3/3"),
        ("--shard 0/3 --mode DryRun", "--mode DryRun writes nothing that processes could share"),
        ("--shard 0/3 --mode Preview", "--mode Preview writes nothing that processes could share"),
    ] {
        let said = place.say(&format!("{RUN} {arguments}"));
        assert_eq!(said.code(), Some(2), "{arguments}: {}", said.stderr);
        assert!(said.stderr.contains(told), "{arguments}: {}", said.stderr);
    }
}
