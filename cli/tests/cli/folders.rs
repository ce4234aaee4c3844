//! Folders that are files, and folders that nobody may write: told where they were named, with what to do.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::aggregator::{CONNECTORS, Place, Said};
use crate::rows::of_files;

const PIPELINE: &str = "apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: move, namespace: test}
spec:
  sources: [{name: source, connector: in, stream: rows.csv}]
  sinks: [{name: sink, from: source, connector: out, stream: rows/}]
";

fn place() -> Place {
    let place = Place::new();
    place.write("m/m.yaml", &format!("{CONNECTORS}{PIPELINE}"));
    place.write("in/rows.csv", "id\n1\n");
    place
}

fn fails(said: &Said, code: i32, stderr: &str) {
    assert_eq!((said.code(), said.stderr.as_str()), (Some(code), stderr), "{}", said.stdout);
}

#[test]
fn a_root_that_is_a_file_is_told_at_its_place_in_the_manifest() {
    let place = place();
    let manifest = |root: &str, of: &str| {
        place.write("m/m.yaml", &format!("{}{PIPELINE}", CONNECTORS.replace(&format!("../{of}"), root)));
    };
    let told = |node: &str, place: &str, connector: &str, file: &str| {
        let (folder, name) = file.rsplit_once('/').expect("a folder");
        format!(
            "m/m.yaml:{place}: error[ConfigInvalid]: {node}open Connector `{connector}`: `root` is a folder, and {file} is \
             a file\n  at Connector test/{connector} spec.file.root\n  \
             help: write the folder as `root` (here {folder}), and the file as the `stream` of a source or sink: \
             `{name}`\n"
        )
    };
    manifest("../in/rows.csv", "in");
    let source = told("node `source`: ", "4:21", "in", "m/../in/rows.csv");
    for command in ["run -f m --state state", "plan -f m", "preview -f m --node sink"] {
        fails(&place.say(command), 2, &source);
    }
    fails(&place.say("connectors discover -f m --connector in"), 2, &told("", "4:21", "in", "m/../in/rows.csv"));
    let checked = place.say("connectors check -f m --connector in");
    assert_eq!(checked.code(), Some(2));
    assert_eq!(
        checked.stdout,
        "✗ test/in: open Connector `in`: `root` is a folder, and m/../in/rows.csv is a file\n  \
         at m/m.yaml:4:21: Connector test/in spec.file.root\n  \
         help: write the folder as `root` (here m/../in), and the file as the `stream` of a source or sink: `rows.csv`\n"
    );
    // A folder that would lie below a file is none either.
    manifest("../in/rows.csv/deep", "in");
    fails(&place.say("run -f m --state state"), 2, &source);

    manifest("../out.ndjson", "out");
    place.write("out.ndjson", "kept\n");
    fails(&place.say("run -f m --state state"), 2, &told("node `sink`: ", "9:21", "out", "m/../out.ndjson"));
    assert_eq!(std::fs::read_to_string(place.file("out.ndjson")).expect("the file"), "kept\n");
}

#[test]
fn a_state_folder_that_is_a_file_is_told_before_anything_is_read_or_written() {
    let place = place();
    place.write("state", "kept\n");
    let told = "error[CheckpointUnavailable]: state cannot be kept in state: it is a file, and not a folder\n  \
                help: name a folder with --state; it is made when it is not there\n";
    for command in ["run -f m --state state", "run -f m --state state/deep", "plan -f m --state state"] {
        fails(&place.say(command), 1, told);
    }
    assert_eq!(std::fs::read_to_string(place.file("state")).expect("the file"), "kept\n");
    assert!(of_files(&place.file("out")).is_empty(), "rows are visible");
}

/// Root may write everywhere, unless it gives that up.
#[test]
fn a_state_folder_that_may_not_be_written_is_told_with_the_right_that_is_missing() {
    let place = place();
    std::fs::create_dir(place.file("state")).expect("a folder");
    std::fs::set_permissions(place.file("state"), std::fs::Permissions::from_mode(0o555)).expect("rights");
    let root = nix::unistd::geteuid().is_root();
    let starters: &[&str] =
        if root { &["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] } else { &["env"] };
    for state in ["state", "state/deep"] {
        let mut command = place.command_by(starters, &["run", "-f", "m", "--state", state]);
        let said = Said::from(command.output().expect("it starts"));
        let path = if state == "state" { "state/test.move.lock" } else { "state/deep" };
        fails(
            &said,
            1,
            &format!(
                "error[CheckpointUnavailable]: cannot use the state folder {path}: Permission denied (os error 13)\n  \
                 help: give this user the right to write there, or name another folder with --state\n"
            ),
        );
    }
    assert!(of_files(&place.file("out")).is_empty(), "rows are visible");
}

/// What stands in the environment is as good as the option, which wins.
#[test]
fn the_state_folder_may_be_named_in_the_environment() {
    let place = place();
    let incremental = PIPELINE.replace("stream: rows.csv", "stream: \"*.csv\", sync: {mode: Incremental}");
    place.write("m/m.yaml", &format!("{CONNECTORS}{incremental}"));
    let read = |arguments: &str| {
        let running =
            place.start_with(&format!("run -f m --output json {arguments}"), &[("AGGREGATOR_STATE", "of-env")]);
        let said = running.wait();
        assert_eq!(said.code(), Some(0), "{}", said.stderr);
        let report: Value = serde_json::from_str(&said.stdout).expect("JSON");
        report["nodes"][0]["read"].as_u64().unwrap_or(0)
    };
    assert_eq!(read(""), 1);
    assert!(place.file("of-env/checkpoints.sqlite").exists() && !place.file(".aggregator").exists());
    assert_eq!(read(""), 0, "its position was kept");
    let kept = || std::fs::read(place.file("of-env/checkpoints.sqlite")).expect("the checkpoints");
    let before = kept();
    place.write("in/more.csv", "id\n2\n");
    assert_eq!(read("--state of-option"), 1);
    assert!(place.file("of-option/checkpoints.sqlite").exists());
    assert!(kept() == before, "the option wins");
}
