//! A disk that takes so many bytes of a file and no more: every write of local state may fall short. Nothing is lost, and
//! what happened is said.
//!
//! The limit is the process's own (RLIMIT_FSIZE): a write that would pass it is short, the next one fails. So each file
//! that a run writes - the checkpoint, manifests and journals of a commit, part files, a database and its log - is cut
//! somewhere at one of the limits.

use std::collections::BTreeSet;

use crate::aggregator::{CONNECTORS, Place, Said};
use crate::rows::{Made, of_files, of_sqlite, same, sorted};

const RUN: &str = "run -f m --state state";

/// Runs the binary, whose files can have so many bytes. The signal that the system sends with the error would end it.
fn say_with_files_of(place: &Place, bytes: u64, arguments: &str) -> Said {
    let starters = ["env", "--ignore-signal=XFSZ", "prlimit", &format!("--fsize={bytes}")];
    let words: Vec<&str> = arguments.split_whitespace().collect();
    let output = place.command_by(&starters, &words).output();
    Said::from(output.expect("env, of coreutils, and prlimit, of util-linux"))
}

fn place(sink: &str) -> Place {
    let place = Place::new();
    place.write(
        "m/pipeline.yaml",
        &format!(
            "{CONNECTORS}apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: move, namespace: test}}
spec:
  sources: [{{name: source, connector: in, stream: \"*.csv\", sync: {{mode: Incremental}}}}]
  sinks: [{{name: sink, from: source, {sink}}}]
"
        ),
    );
    place
}

/// Limits that grow by a half, and what lies around the sizes in which databases are written.
fn limits() -> impl Iterator<Item = u64> {
    let growing =
        std::iter::successors(Some(8_u64), |bytes| Some(bytes + bytes / 2 + 1)).take_while(|bytes| *bytes < 2_000_000);
    let pages = (1..=6).flat_map(|page| [page * 4096, page * 4096 + 24]);
    growing.chain(pages).chain([0, 1]).collect::<BTreeSet<_>>().into_iter()
}

/// Runs twice with the disk as it should be, and in between with every limit.
fn falls_short(sink: &str, visible: &dyn Fn(&Place) -> Vec<String>) {
    let old = Made { first: 0, end: 500, version: "old" };
    let new = Made { first: 500, end: 3_000, version: "new" };
    let world = place(sink);
    world.write("in/a.csv", &old.csv());
    world.ok(RUN);
    let before = visible(&world);
    assert_eq!(before, sorted(old.lines()));
    world.write("in/b.csv", &new.csv());
    let all = sorted(old.lines().into_iter().chain(new.lines()).collect());

    let (mut short, mut whole, mut kinds) = (0, 0, BTreeSet::new());
    for bytes in limits() {
        let place = world.copy();
        let said = say_with_files_of(&place, bytes, RUN);
        let shown = format!("with files of {bytes} bytes: {}{}", said.stdout, said.stderr);
        let now = visible(&place);
        match said.code() {
            Some(0) => {
                whole += 1;
                same(&shown, &now, &all);
            }
            Some(1) => {
                short += 1;
                // What failed after the commit is the checkpoint, which the next run finds in the sink.
                if now != all {
                    same(&shown, &now, &before);
                }
                assert!(!said.stderr.contains("panicked"), "{shown}");
                let error =
                    said.stderr.lines().find(|line| line.contains("error[")).unwrap_or_else(|| panic!("{shown}"));
                assert!(said.stderr.contains("help: "), "no remedy, {shown}");
                kinds.insert(error.split(']').next().expect("a kind").to_owned());
            }
            _ => panic!("{shown}"),
        }
        let said = place.say(RUN);
        assert_eq!(said.code(), Some(0), "the next run, {shown}\n{}{}", said.stdout, said.stderr);
        same(&format!("the next run, {shown}"), &visible(&place), &all);
        assert!(said.stdout.contains("the ledger is balanced"), "{}", said.stdout);
    }
    assert!(short > 20 && whole > 3, "{short} runs fell short, {whole} did not");
    // Both of what a run writes was cut: its checkpoints, and what the sink has.
    assert_eq!(kinds, ["error[CheckpointUnavailable", "error[Refused"].map(str::to_owned).into());
}

#[test]
fn a_folder_of_files_is_whole_or_as_it_was() {
    falls_short("connector: out, stream: rows/", &|place| of_files(&place.file("out/rows")));
}

#[test]
fn a_sqlite_table_is_whole_or_as_it_was() {
    falls_short("connector: lite, stream: target", &|place| {
        of_sqlite(&place.file("out.sqlite"), "SELECT id, account, amount, note FROM target")
    });
}
