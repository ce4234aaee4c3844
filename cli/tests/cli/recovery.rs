//! What a run finds when the folder of checkpoints was lost, or when its predecessor died between two commits.

use crate::aggregator::Place;
use crate::postgres::Database;
use crate::rows::{execute_sqlite, of_files, of_sqlite};

const CONNECTORS: &str = "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: in, namespace: test}
spec:
  file: {root: ../in}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: out, namespace: test}
spec:
  file: {root: ../out, format: {ndjson: {}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: lite, namespace: test}
spec:
  sqlite: {path: ../out.sqlite}
---
";

const RUN: &str = "run -f m --state state";

fn pipeline(place: &Place, sinks: &[&str]) {
    let mut text = format!(
        "{CONNECTORS}apiVersion: aggregator.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: move, namespace: test}}\nspec:\n  \
         sources: [{{name: source, connector: in, stream: \"*.csv\", sync: {{mode: Incremental}}}}]\n  sinks:\n"
    );
    for sink in sinks {
        let (connector, stream) = sink.split_once(' ').expect("a connector and a stream");
        text += &format!("    - {{name: {connector}, from: source, connector: {connector}, stream: {stream}}}\n");
    }
    place.write("m/m.yaml", &text);
}

#[test]
fn positions_are_adopted_from_the_sink_when_the_state_is_lost() {
    let database = Database::new();
    for sink in ["out rows/", "lite rows", "db public.rows"] {
        let place = Place::new();
        pipeline(&place, &[sink]);
        place.write("m/db.yaml", &database.manifest());
        place.write("in/a.csv", "id\n1\n2\n");
        place.ok(RUN);
        place.remove("state");
        place.write("in/b.csv", "id\n3\n");
        let report = place.json(RUN);
        assert_eq!(report["nodes"][0]["note"], "1 file, 1 already read", "{sink}");
        assert_eq!(report["attempt"], 2, "{sink}: the attempt goes on from the sink's");
        let rows = match sink {
            "out rows/" => of_files(&place.file("out")),
            "lite rows" => of_sqlite(&place.file("out.sqlite"), "SELECT * FROM rows"),
            _ => database.rows("SELECT * FROM rows"),
        };
        assert_eq!(rows, ["1", "2", "3"], "{sink}");
    }
}

/// Makes the state folder say that the last run is still going on, as it does when the process died, with the
/// positions of the run before.
fn die_before_the_checkpoint(place: &Place, before: &Place) {
    let old = before.file("state/checkpoints.sqlite");
    execute_sqlite(
        &place.file("state/checkpoints.sqlite"),
        &format!(
            "ATTACH '{}' AS old; UPDATE pipelines SET record = (
                 SELECT json_set(pipelines.record, '$.last.phase', 'Running', '$.positions', json(old.record -> '$.positions'),
                                 '$.committed', json(old.record -> '$.committed'))
                 FROM old.pipelines old WHERE old.pipeline = pipelines.pipeline)",
            old.display()
        ),
    );
}

#[test]
fn a_run_that_died_between_two_commits_is_completed() {
    for lost in ["out", "out.sqlite"] {
        let place = Place::new();
        pipeline(&place, &["out rows/", "lite rows"]);
        place.write("in/a.csv", "id\n1\n2\n");
        place.ok(RUN);
        let before = place.copy();
        place.write("in/b.csv", "id\n3\n4\n");
        let died = place.json(RUN);
        place.restore(&before, lost);
        die_before_the_checkpoint(&place, &before);
        // What came after the positions that the other sink has is not this run's.
        place.write("in/c.csv", "id\n5\n");

        let report = place.json(RUN);
        assert_eq!((&report["resumed"], &report["run"]), (&true.into(), &died["run"]), "{lost}");
        let sinks: Vec<_> =
            report["nodes"].as_array().expect("nodes").iter().filter(|node| node["kind"] == "Sink").collect();
        assert_eq!(sinks.len(), 1, "{lost}: the sink that had committed is not written again");
        assert_eq!(sinks[0]["written"], 2, "{lost}");
        let rows = || {
            let files = of_files(&place.file("out"));
            assert_eq!(files, of_sqlite(&place.file("out.sqlite"), "SELECT * FROM rows"), "{lost}: the sinks differ");
            files
        };
        assert_eq!(rows(), ["1", "2", "3", "4"], "{lost}");
        place.ok(RUN);
        assert_eq!(rows(), ["1", "2", "3", "4", "5"], "{lost}");
    }
}

#[test]
fn a_run_that_died_after_its_last_commit_is_not_made_again() {
    let place = Place::new();
    pipeline(&place, &["out rows/", "lite rows"]);
    place.write("in/a.csv", "id\n1\n");
    place.ok(RUN);
    let before = place.copy();
    place.write("in/b.csv", "id\n2\n");
    place.ok(RUN);
    die_before_the_checkpoint(&place, &before);
    let said = place.ok(RUN);
    let first = "an earlier attempt had committed everything before it died; its checkpoint was stored first";
    assert!(format!("{}{}", said.stdout, said.stderr).contains(first), "{}{}", said.stdout, said.stderr);
    let report = place.json(RUN);
    assert_eq!((&report["resumed"], &report["nodes"][0]["note"]), (&false.into(), &"0 files, 2 already read".into()));
    assert_eq!(of_files(&place.file("out")), ["1", "2"]);
}

#[test]
fn a_state_folder_from_a_backup_does_not_double_what_sinks_have() {
    for sink in ["out rows/", "lite rows"] {
        let place = Place::new();
        pipeline(&place, &[sink]);
        place.write("in/a.csv", "id\n1\n");
        place.ok(RUN);
        let before = place.copy();
        place.write("in/b.csv", "id\n2\n");
        place.ok(RUN);
        place.restore(&before, "state");
        place.ok(RUN);
        let files = of_files(&place.file("out"));
        let rows = if sink == "lite rows" { of_sqlite(&place.file("out.sqlite"), "SELECT * FROM rows") } else { files };
        assert_eq!(rows, ["1", "2"], "{sink}");
    }
}

#[test]
fn sinks_that_disagree_without_a_checkpoint_are_told() {
    let place = Place::new();
    pipeline(&place, &["out rows/", "lite rows"]);
    place.write("in/a.csv", "id\n1\n");
    place.ok(RUN);
    let before = place.copy();
    place.write("in/b.csv", "id\n2\n");
    place.ok(RUN);
    place.restore(&before, "out");
    place.remove("state");
    let said = place.say(RUN);
    assert_eq!(said.code(), Some(1));
    let stderr = said.stderr.lines().map(|line| line.split(" run ").next().unwrap_or(line)).collect::<Vec<_>>();
    assert_eq!(
        stderr[0],
        "error[SinksDiverged]: the sinks of this Pipeline were left at different positions and there is no checkpoint: \
         `lite` was last written by"
    );
    assert_eq!(stderr[1], "  help: give the state folder of the last");
    assert_eq!(of_files(&place.file("out")), ["1"]);
}
