//! A disk that is full, for each of what a run and a plan write beside the target's files and the state, which `disk.rs` has:
//! rows that do not fit into memory, what waits for SQLite and S3, rejects, one file of pieces, reports, plans. What happened
//! is said with what to do, nothing is lost, and the next run finishes.
//!
//! The disk is a small one of the process's own, in the memory, with so much room left.

use serde_json::Value;

use crate::aggregator::{CONNECTORS, Place, Said};
use crate::disk::{failed, say_with_mounts};
use crate::postgres::Database;
use crate::rows::{Made, ndjson, of_files, of_sqlite, same, sorted};
use crate::s3::Store;
use crate::spills;

const ROWS: Made = Made { first: 0, end: 20_000, version: "made" };

/// Runs a shell command in which `$@` is the binary with its arguments, while a folder is a disk of so many KiB. What is
/// there afterwards stays.
fn on_disk(place: &Place, folder: &str, kib: u64, command: &str, arguments: &str) -> Said {
    std::fs::create_dir_all(place.file(folder)).expect("a folder");
    std::fs::rename(place.file(folder), place.file("before")).expect("a folder");
    std::fs::create_dir(place.file(folder)).expect("a folder");
    let disk = format!(
        "mount -t tmpfs -o size={kib}k none {folder} && cp -a before/. {folder}/ && \
         {{ {command}; code=$?; rm -rf before/* && cp -a {folder}/. before/; exit $code; }}"
    );
    let said = say_with_mounts(place, &disk, arguments);
    std::fs::remove_dir(place.file(folder)).expect("nothing was mounted here");
    std::fs::rename(place.file("before"), place.file(folder)).expect("a folder");
    said
}

const RUN: &str = "run -f m --state state";

/// A Pipeline from CSV files to a sink.
fn pipeline(source: &str, sink: &str, more: &str) -> String {
    format!(
        "apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: move, namespace: test}}\nspec:\n  \
         sources: [{{name: source, connector: in, stream: \"*.csv\", {source}}}]\n  \
         sinks: [{{name: sink, from: source, {sink}}}]\n{more}"
    )
}

/// Runs with temporary files on disks of several sizes; the error must be of that kind and name TMPDIR.
fn without_temporary_room(place: &Place, sizes: &[u64], arguments: &str, kind: &str, words: &[&str]) {
    let mut full = 0;
    for kib in sizes {
        let said = on_disk(place, "tmp", *kib, "TMPDIR=$PWD/tmp \"$@\"", arguments);
        let shown = format!("{kib} KiB for temporary files: {}{}", said.stdout, said.stderr);
        assert_eq!(failed(&said, &shown), kind, "{shown}");
        for word in words {
            assert!(said.stderr.contains(word), "no `{word}`, {shown}");
        }
        full += 1;
    }
    assert_eq!(full, sizes.len());
    // Nothing of it is left behind, however it ended.
    let left = std::fs::read_dir(place.file("tmp")).expect("a folder").count();
    assert_eq!(left, 0, "files were left in the folder for temporary files");
}

#[test]
fn for_rows_that_do_not_fit_into_memory() {
    for (name, transforms) in [spills::SORT, spills::DIAMOND] {
        let place = spills::place(transforms);
        let arguments = format!("{RUN} --memory 16Mi");
        without_temporary_room(&place, &[4, 64, 2048], &arguments, "error[SpillFailed", &["TMPDIR", "--memory"]);
        assert!(!place.file("out/rows").exists(), "{name}: something is visible");
        place.ok(&arguments);
        let rows = of_files(&place.file("out/rows"));
        let roomy = spills::place(transforms);
        roomy.ok(&format!("{RUN} --memory 1Gi"));
        same(name, &rows, &of_files(&roomy.file("out/rows")));
    }
}

#[test]
fn for_rows_on_their_way_into_sqlite() {
    let place = Place::new();
    place.write(
        "m/m.yaml",
        &(CONNECTORS.to_owned() + &pipeline("sync: {mode: FullRefresh}", "connector: lite, stream: t", "")),
    );
    // As many as SQLite does not keep in its memory.
    let rows = Made { end: 150_000, ..ROWS };
    place.write("in/a.csv", &rows.csv());
    without_temporary_room(&place, &[4, 64, 256], RUN, "error[Refused", &["TMPDIR"]);
    assert_eq!(of_sqlite(&place.file("out.sqlite"), "SELECT id FROM t"), Vec::<String>::new());
    place.ok(RUN);
    let came = of_sqlite(&place.file("out.sqlite"), "SELECT id, account, amount, note FROM t");
    same("the next run", &came, &sorted(rows.lines()));
}

#[test]
fn for_parts_on_their_way_to_s3() {
    let (place, store) = (Place::new(), Store::new());
    let sink = "connector: store, stream: rows/";
    place.write(
        "m/m.yaml",
        &(CONNECTORS.to_owned() + &store.manifest() + &pipeline("sync: {mode: FullRefresh}", sink, "")),
    );
    place.write("in/a.csv", &ROWS.csv());
    without_temporary_room(&place, &[4, 64, 256], RUN, "error[Refused", &["TMPDIR"]);
    assert_eq!(store.rows("rows/"), Vec::<String>::new());
    place.ok(RUN);
    same("the next run", &store.rows("rows/"), &sorted(ROWS.lines()));
}

#[test]
fn for_rejects() {
    let place = Place::new();
    let bad = "apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {name: bad, namespace: test}\n\
               spec: {file: {root: ../bad, format: {ndjson: {}}}}\n---\n";
    let rejects = "  rejects: {connector: bad, stream: rows/, budget: {rows: 100000}}\n";
    let sink = "connector: out, stream: rows/";
    place.write("m/m.yaml", &[CONNECTORS, bad, &pipeline("sync: {mode: Incremental}", sink, rejects)].concat());
    // Behind the rows by which types are guessed, each second one has no number.
    let wrong: String = (0..3000).map(|row| format!("wrong {row},1,1.0,x\n")).collect();
    place.write("in/a.csv", &(Made { end: 3000, ..ROWS }.csv() + &wrong));
    let (mut full, mut room) = (0, 0);
    for kib in [4, 8, 64, 256, 4096] {
        let said = on_disk(&place, "bad", kib, "\"$@\"", RUN);
        let shown = format!("{kib} KiB for rejects: {}{}", said.stdout, said.stderr);
        if said.code() == Some(0) {
            room += 1;
        } else {
            full += 1;
            assert_eq!(failed(&said, &shown), "error[Refused", "{shown}");
            assert!(said.stderr.contains("bad"), "it does not say where: {shown}");
            assert!(!place.file("out/rows").exists(), "{shown}");
        }
    }
    assert!(full >= 3 && room >= 1, "{full} disks were full, {room} were not");
    place.ok(RUN);
    same("the rows", &of_files(&place.file("out/rows")), &sorted(Made { end: 3000, ..ROWS }.lines()));
    assert_eq!(ndjson(&place.file("bad/rows")).len(), 3000, "each bad row is there once");
}

/// One file is made of pieces, which need their room as well.
#[test]
fn for_one_file() {
    let place = Place::new();
    let more = "  execution: {splitSize: 100Ki}\n";
    let sink = "connector: out, stream: all.ndjson, write: {mode: Overwrite}";
    place.write("m/m.yaml", &(CONNECTORS.to_owned() + &pipeline("sync: {mode: FullRefresh}", sink, more)));
    let old = Made { end: 100, version: "old", ..ROWS };
    place.write("in/a.csv", &old.csv());
    place.ok(RUN);
    let old = of_files(&place.file("out"));
    for first in (0..ROWS.end).step_by(4000) {
        let name = if first == 0 { "a".to_owned() } else { format!("b{first}") };
        place.write(&format!("in/{name}.csv"), &Made { first, end: first + 4000, ..ROWS }.csv());
    }
    let (mut full, mut room, mut kept) = (0, 0, 0);
    for kib in [64, 512, 1400, 2200, 8192] {
        let said = on_disk(&place, "out", kib, "\"$@\"", &format!("{RUN} --output json"));
        let report: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"));
        kept += report["splits"]["savedEarlier"].as_u64().unwrap_or(0);
        if said.code() == Some(0) {
            room += 1;
            same("with room", &of_files(&place.file("out")), &sorted(ROWS.lines()));
        } else {
            full += 1;
            assert_eq!((said.code(), &report["error"]["reason"]), (Some(1), &"Refused".into()), "{report}");
            assert!(report["error"]["remedy"].is_string(), "{report}");
            same("without room", &of_files(&place.file("out")), &old);
        }
    }
    assert!(full >= 2 && room >= 1, "{full} disks were full, {room} were not");
    assert!(kept > 0, "no run went on with what one before it had saved");
    place.ok(RUN);
    same("the next run", &of_files(&place.file("out")), &sorted(ROWS.lines()));
}

/// What a run did is told and stands, also where its report has no room.
#[test]
fn for_the_report() {
    let place = Place::new();
    let sink = "connector: out, stream: rows/";
    // So many that the report is larger than a page.
    let rules: String =
        (0..40).map(|rule| format!("    - {{name: rule{rule}, node: source, expression: count(*) >= 0}}\n")).collect();
    let manifests =
        CONNECTORS.to_owned() + &pipeline("sync: {mode: Incremental}", sink, &format!("  quality:\n{rules}"));
    place.write("m/m.yaml", &manifests);
    place.write("in/a.csv", "id\n1\n");
    let run = |command: &str, more: &str| {
        on_disk(&place, "reports", 4, command, &format!("{RUN} --report reports/report.json{more}"))
    };
    // With a page of room, a part of it can be written.
    let said = run("\"$@\"", "");
    let shown = format!("{}{}", said.stdout, said.stderr);
    assert_eq!(failed(&said, &shown), "error[Io");
    assert!(said.stdout.contains("test/move succeeded") && said.stdout.contains("the ledger is balanced"), "{shown}");
    assert!(said.stderr.contains("reports/report.json: No space left on device"), "{shown}");
    assert_eq!(std::fs::read_to_string(place.file("reports/report.json")).expect("a file"), "", "a part of a report");
    assert_eq!(of_files(&place.file("out/rows")), ["1"]);
    // Without any.
    place.write("in/b.csv", "id\n2\n");
    let said = run("head -c 4096 /dev/zero > reports/other; \"$@\"", " --output json");
    let report: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    assert_eq!((said.code(), &report["outcome"]), (Some(1), &"Succeeded".into()), "{said:?}");
    let told: Value = serde_json::from_str(&said.stderr).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    assert_eq!((&told["error"]["reason"], &told["error"]["exitCode"]), (&"Io".into(), &1.into()), "{told}");
    assert_eq!(of_files(&place.file("out/rows")), ["1", "2"]);
    // A run that failed keeps its exit code.
    let broken = "    - {name: some, node: source, expression: count(*) > 0}\n";
    place.write("m/m.yaml", &format!("{manifests}{broken}"));
    let said = run("\"$@\"", "");
    assert_eq!(said.code(), Some(4), "{said:?}");
    assert!(said.stderr.contains("error[QualityRuleBroken]") && said.stderr.contains("error[Io]"), "{said:?}");
    place.write("m/m.yaml", &manifests);
    // Nothing of all that is done again.
    let report = place.json(&format!("{RUN} --report reports/report.json"));
    assert_eq!(report["nodes"][0]["note"], "0 files, 2 already read", "{report}");
    let written = std::fs::read_to_string(place.file("reports/report.json")).expect("a file");
    assert_eq!(serde_json::from_str::<Value>(&written).expect("a whole report"), report);
    assert_eq!(of_files(&place.file("out/rows")), ["1", "2"]);
}

#[test]
fn for_a_plan() {
    let (place, database) = (Place::new(), Database::new());
    let sink = "connector: db, stream: public.t, write: {mode: Upsert, key: [id]}";
    place.write(
        "m/m.yaml",
        &(CONNECTORS.to_owned() + &database.manifest() + &pipeline("sync: {mode: Incremental}", sink, "")),
    );
    place.write("in/a.csv", "id,n\n1,2\n");
    let fill = "head -c 4096 /dev/zero > plans/other";
    for more in ["", " --output json"] {
        if place.file("plans").exists() {
            place.remove("plans");
        }
        let said = on_disk(
            &place,
            "plans",
            4,
            &format!("{fill}; \"$@\" > plans/plan"),
            &format!("plan -f m --state state{more}"),
        );
        assert_eq!(said.code(), Some(1), "{said:?}");
        assert!(said.stderr.contains("Io") && said.stderr.contains("make room where standard output goes"), "{said:?}");
        let said = on_disk(&place, "plans", 64, "\"$@\" > plans/plan", &format!("plan -f m --state state{more}"));
        assert_eq!(said.code(), Some(0), "{said:?}");
        let plan = std::fs::read_to_string(place.file("plans/plan")).expect("a plan");
        assert!(plan.contains("public.t"), "{plan}");
    }
    assert!(!place.file("state").exists(), "a plan leaves nothing behind");
    place.ok(RUN);
    assert_eq!(database.rows("SELECT * FROM t"), ["1|2"]);
}
