//! Kill -9 at every named point of a run, for every source and sink: then the same run again. Nothing is lost, nothing
//! doubled, whatever the write mode.
//!
//! Each world goes through one point after the other: new rows come, a run dies at the point, the next one ends. Each point
//! of a run must be hit in every world that passes it, and each of a sink's own in some world.

use std::collections::BTreeSet;

use aggregator_worker::points::{OF_A_RUN, OF_SINKS};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::delivery::{Guarantee, Mode, Sync, guarantee};
use crate::pair::{OF_TABLES, RUN, Round, Sink, Source, World};
use crate::rows::same;

impl World {
    /// Goes through all points; gives those that were hit.
    fn play(&self) -> BTreeSet<&'static str> {
        let mut hit = BTreeSet::new();
        self.fill(Round(0));
        self.place.ok(RUN);
        let mut before = self.mode.apply(&[], Round(0));
        same(&format!("{}, undisturbed", self.name), &self.visible(), &before);
        let of_sink = OF_SINKS.iter().filter(|_| matches!(self.sink, Sink::File | Sink::S3));
        for (number, point) in (1..).zip(OF_A_RUN.iter().chain(of_sink)) {
            let (name, round) = (format!("{}, at `{point}`", self.name), Round(number));
            self.fill(round);
            let said = self.place.die_at(point, RUN);
            let killed = said.signal() == Some(Signal::SIGKILL as i32);
            assert!(killed || said.code() == Some(0), "{name}: {}{}", said.stdout, said.stderr);
            let applied = self.mode.apply(&before, round);
            let between = self.visible();
            // Files get their names one after the other, once it is decided that they do.
            let halfway = self.sink == Sink::File && matches!(*point, "move" | "delete");
            if between != applied && !halfway {
                same(&format!("{name}, killed"), &between, &before);
            }
            let report = self.place.json(RUN.trim_end_matches(" --output json"));
            assert_eq!(report["ledger"]["balanced"], true, "{name}: {report}");
            let decided = between == applied || report["completedEarlierAttempt"] == Value::Bool(true);
            if killed {
                hit.insert(*point);
                let late = matches!(*point, "committed" | "recorded");
                assert_eq!(decided, late || (decided && OF_SINKS.contains(point)), "{name}: {report}");
            }
            // A run that was decided is over: the next one is of its own.
            let again = self.mode.apply(&applied, round);
            let once = guarantee(Sync::FullRefresh, self.mode) == Guarantee::EffectivelyOnce;
            assert!(!once || again == applied, "the model is not what is promised");
            let expected = if decided { again } else { applied };
            same(&format!("{name}, resumed"), &self.visible(), &expected);
            before = expected;
        }
        let splits = self.source != Source::Http;
        let due = OF_A_RUN.into_iter().filter(|point| *point != "split saved" || splits);
        for point in due {
            assert!(hit.contains(point), "{}: `{point}` was not hit", self.name);
        }
        hit
    }
}

/// Every mode from files, and from every other source one of the modes in turn.
fn all_into(sink: Sink, modes: &[Mode]) -> BTreeSet<&'static str> {
    let others = [Source::S3, Source::Postgres, Source::Sqlite, Source::Http].into_iter().zip(modes.iter().cycle());
    let worlds = modes.iter().map(|mode| (Source::File, mode)).chain(others);
    worlds.flat_map(|(source, mode)| World::new(source, sink, *mode).play()).collect()
}

#[test]
fn every_source_into_files() {
    let hit = all_into(Sink::File, &[Mode::Append, Mode::Overwrite]);
    for point in ["write split", "rename split", "write record", "rename record", "move", "delete"] {
        assert!(hit.contains(point), "`{point}` was not hit: {hit:?}");
    }
}

#[test]
fn every_source_into_objects() {
    let hit = all_into(Sink::S3, &[Mode::Append, Mode::Overwrite]);
    for point in ["fence", "decide", "copy", "show", "delete replaced", "delete staged", "end"] {
        assert!(hit.contains(point), "`{point}` was not hit: {hit:?}");
    }
}

#[test]
fn every_source_into_postgres() {
    all_into(Sink::Postgres, &OF_TABLES);
}

#[test]
fn every_source_into_sqlite() {
    all_into(Sink::Sqlite, &OF_TABLES);
}
