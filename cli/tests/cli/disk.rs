//! A disk that takes so many bytes of a file and no more: every write of local state may fall short. Nothing is lost, and
//! what happened is said.
//!
//! The limit is the process's own (RLIMIT_FSIZE): a write that would pass it is short, the next one fails. So each file
//! that a run writes - the checkpoint, manifests and journals of a commit, part files, a database and its log - is cut
//! somewhere at one of the limits.

use std::collections::BTreeSet;
use std::fs::DirEntry;
use std::path::Path;

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

/// Runs the binary after commands of a shell, which may mount what only this process sees.
pub(crate) fn say_with_mounts(place: &Place, commands: &str, arguments: &str) -> Said {
    let starters = ["unshare", "--map-root-user", "--mount", "sh", "-c", commands, "sh"];
    let words: Vec<&str> = arguments.split_whitespace().collect();
    let output = place.command_by(&starters, &words).output();
    Said::from(output.expect("unshare, of util-linux, and sh"))
}

fn place(sink: &str) -> Place {
    let place = Place::new();
    place.write(
        "m/pipeline.yaml",
        &format!(
            "{CONNECTORS}apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: alone, namespace: test}}
spec: {{sqlite: {{path: ../db/out.sqlite}}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {{name: move, namespace: test}}
spec:
  sources: [{{name: source, connector: in, stream: \"*.csv\", sync: {{mode: Incremental}}}}]
  sinks: [{{name: sink, from: source, {sink}}}]
"
        ),
    );
    std::fs::create_dir(place.file("db")).expect("a folder");
    place
}

/// The kind of the error that a run ended with, which must tell what to do.
pub(crate) fn failed(said: &Said, shown: &str) -> String {
    assert_eq!(said.code(), Some(1), "{shown}");
    assert!(!said.stderr.contains("panicked"), "{shown}");
    let error = said.stderr.lines().find(|line| line.contains("error[")).unwrap_or_else(|| panic!("{shown}"));
    assert!(said.stderr.contains("help: "), "no remedy, {shown}");
    error.split(']').next().expect("a kind").to_owned()
}

/// Runs once more, with the disk as it should be.
fn goes_on(place: &Place, shown: &str, all: &[String], visible: &dyn Fn(&Place) -> Vec<String>) {
    let said = place.say(RUN);
    assert_eq!(said.code(), Some(0), "the next run, {shown}\n{}{}", said.stdout, said.stderr);
    same(&format!("the next run, {shown}"), &visible(place), all);
    assert!(said.stdout.contains("the ledger is balanced"), "{}", said.stdout);
}

/// A world that was run once, what it shows, and what it must show when the new rows are there too.
fn run_once(sink: &str, visible: &dyn Fn(&Place) -> Vec<String>) -> (Place, Vec<String>, Vec<String>) {
    let old = Made { first: 0, end: 500, version: "old" };
    let new = Made { first: 500, end: 3_000, version: "new" };
    let world = place(sink);
    world.write("in/a.csv", &old.csv());
    world.ok(RUN);
    let before = visible(&world);
    assert_eq!(before, sorted(old.lines()));
    world.write("in/b.csv", &new.csv());
    (world, before, sorted(old.lines().into_iter().chain(new.lines()).collect()))
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
    let (world, before, all) = run_once(sink, visible);
    let (mut short, mut whole, mut kinds) = (0, 0, BTreeSet::new());
    for bytes in limits() {
        let place = world.copy();
        let said = say_with_files_of(&place, bytes, RUN);
        let shown = format!("with files of {bytes} bytes: {}{}", said.stdout, said.stderr);
        match said.code() {
            Some(0) => {
                whole += 1;
                same(&shown, &visible(&place), &all);
            }
            _ => {
                short += 1;
                // What failed after the commit is the checkpoint, which the next run finds in the sink.
                let now = visible(&place);
                if now != all {
                    same(&shown, &now, &before);
                }
                kinds.insert(failed(&said, &shown));
            }
        }
        goes_on(&place, &shown, &all, visible);
    }
    assert!(short > 20 && whole > 3, "{short} runs fell short, {whole} did not");
    // Both of what a run writes was cut: its checkpoints, and what the sink has.
    assert_eq!(kinds, ["error[CheckpointUnavailable", "error[Refused"].map(str::to_owned).into());
}

#[test]
fn a_folder_of_files_is_whole_or_as_it_was() {
    falls_short(FILES.0, &FILES.1);
}

#[test]
fn a_sqlite_table_is_whole_or_as_it_was() {
    falls_short(TABLE.0, &TABLE.1);
}

/// What readers of a folder of files and of a SQLite table see.
type Visible = (&'static str, fn(&Place) -> Vec<String>);

const FILES: Visible = ("connector: out, stream: rows/", |place| of_files(&place.file("out/rows")));
const TABLE: Visible = ("connector: lite, stream: target", |place| {
    of_sqlite(&place.file("out.sqlite"), "SELECT id, account, amount, note FROM target")
});

/// A table whose database has a folder, and so a disk, of its own.
const ALONE: Visible = ("connector: alone, stream: target", |place| {
    of_sqlite(&place.file("db/out.sqlite"), "SELECT id, account, amount, note FROM target")
});

#[test]
fn a_folder_that_cannot_be_written_is_told_and_nothing_is_lost() {
    // A file is made read-only by a mount of its own, as a folder is.
    for ((sink, visible), path, kind) in [
        (FILES, "out", "error[Refused"),
        (FILES, "state", "error[CheckpointUnavailable"),
        (TABLE, "out.sqlite", "error[Refused"),
        (TABLE, "state", "error[CheckpointUnavailable"),
    ] {
        let (world, before, all) = run_once(sink, &visible);
        let mounts = format!("mount --bind {path} {path} && mount -o remount,bind,ro {path} && exec \"$@\"");
        let said = say_with_mounts(&world, &mounts, RUN);
        let shown = format!("{path} is read-only: {}{}", said.stdout, said.stderr);
        assert_eq!(failed(&said, &shown), kind, "{shown}");
        same(&shown, &visible(&world), &before);
        goes_on(&world, &shown, &all, &visible);
    }
}

/// The KiB that the files below a folder take, in pages.
fn used(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let of = |entry: DirEntry| match entry.metadata().expect("an entry") {
        data if data.is_dir() => used(&entry.path()),
        data => data.len().div_ceil(4096) * 4,
    };
    entries.map(of).sum()
}

#[test]
fn a_disk_that_is_full_is_told_and_nothing_is_lost() {
    for ((sink, visible), folder) in [(FILES, "out"), (FILES, "state"), (TABLE, "state"), (ALONE, "db")] {
        let (mut full, mut room) = (0, 0);
        for free in [0, 4, 8, 12, 16, 32, 64, 128, 256, 512, 4096] {
            let (world, before, all) = run_once(sink, &visible);
            let kib = used(&world.file(folder)) + free;
            // The disk is the process's own and goes with it: what it held is copied away.
            std::fs::rename(world.file(folder), world.file("before")).expect("a folder");
            std::fs::create_dir(world.file(folder)).expect("a folder");
            let disk = format!(
                "mount -t tmpfs -o size={kib}k none {folder} && cp -a before/. {folder}/ && \
                 {{ \"$@\"; code=$?; cp -a {folder}/. before/; exit $code; }}"
            );
            let said = say_with_mounts(&world, &disk, RUN);
            std::fs::remove_dir(world.file(folder)).expect("nothing was mounted here");
            std::fs::rename(world.file("before"), world.file(folder)).expect("a folder");
            let shown = format!("{folder} on a disk with {free} KiB left: {}{}", said.stdout, said.stderr);
            let now = visible(&world);
            if said.code() == Some(0) {
                room += 1;
                same(&shown, &now, &all);
            } else {
                full += 1;
                failed(&said, &shown);
                if now != all {
                    same(&shown, &now, &before);
                }
            }
            goes_on(&world, &shown, &all, &visible);
        }
        assert!(full > 0 && room > 0, "{sink}, {folder}: {full} disks were full, {room} were not");
    }
}
