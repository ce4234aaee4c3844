//! Kill -9 at every named point of a run, for every source and sink, sync mode and write mode, of one stream and of many:
//! then the same run again. Nothing is lost, nothing doubled.
//!
//! Each world goes through one point after the other: new rows come, a run dies at the point, the next one ends. Each point
//! of a run must be hit in every world that passes it, and each of a sink's own in some world.
//!
//! There are 280 worlds. `make test` takes some: for each pair of source and sink one that reads what is new, and for each
//! sink some that read everything; a seed chooses them. `make soak` takes all (`AGGREGATOR_POINTS=all`). What was hit is
//! noted for docs/reliability.md.

use std::collections::BTreeSet;

use aggregator_tests::random::Random;
use aggregator_tests::reliability::note;
use aggregator_worker::points::{OF_A_RUN, OF_SINKS};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::delivery::{Guarantee, Sync, guarantee};
use crate::pair::{OF_TABLES, RUN, Round, Shape, Sink, Source, World};
use crate::rows::same;

/// How many of the sources are read whole into each sink, unless all worlds are taken. `moments.rs` has all of them.
const WHOLE: usize = 2;

/// The points within what a sink makes durable.
fn own(sink: Sink) -> &'static [&'static str] {
    match sink {
        Sink::File => &["write split", "rename split", "write record", "rename record", "move", "delete"],
        Sink::S3 => {
            &["upload", "save split", "fence", "decide", "copy", "show", "delete replaced", "delete staged", "end"]
        }
        Sink::Postgres | Sink::Sqlite => &["save split", "commit"],
    }
}

impl Shape {
    /// Whether a run is taken in several splits.
    fn divided(self) -> bool {
        match self.source {
            Source::File | Source::S3 => true,
            Source::Postgres | Source::Sqlite => self.sync == Sync::FullRefresh,
            Source::Http => false,
        }
    }

    /// Whether a second run that finds nothing else changes nothing.
    fn may_repeat(self) -> bool {
        matches!(guarantee(self.sync, self.mode), Guarantee::EffectivelyOnce | Guarantee::ExactlyOnce)
    }
}

impl World {
    /// Goes through all points; gives those that were hit, and how often one stream of several had committed and another had
    /// not.
    fn play(&self) -> (BTreeSet<&'static str>, u32) {
        let (mut hit, mut apart) = (BTreeSet::new(), 0);
        self.fill(Round(0));
        self.place.ok(RUN);
        let first = self.shape.apply(&[], Round(0));
        let mut before: Vec<Vec<String>> = self.shown().iter().map(|_| first.clone()).collect();
        for came in self.shown() {
            same(&format!("{}, undisturbed", self.name), &came, &first);
        }
        for (number, point) in (1..).zip(OF_A_RUN.iter().chain(own(self.shape.sink))) {
            let (name, round) = (format!("{}, at `{point}`", self.name), Round(number));
            self.fill(round);
            let said = self.place.die_at(point, RUN);
            let killed = said.signal() == Some(Signal::SIGKILL as i32);
            assert!(killed || said.code() == Some(0), "{name}: {}{}", said.stdout, said.stderr);
            hit.extend(killed.then_some(*point));
            self.settle();
            let between = self.shown();
            let report = self.place.json(RUN.trim_end_matches(" --output json"));
            assert_eq!(
                (&report["ledger"]["balanced"], &report["outcome"]),
                (&true.into(), &"Succeeded".into()),
                "{name}: {report}"
            );
            let after = self.shown();
            let mut committed = 0;
            for (stream, before) in before.iter_mut().enumerate() {
                let name = format!("{name}, stream {stream}");
                let own = if self.shape.many { &report["streams"][stream] } else { &report };
                let applied = self.shape.apply(before, round);
                let whole = between[stream] == applied;
                // Files get their names one after the other, once it is decided that they do.
                let halfway = self.shape.sink == Sink::File && (self.shape.many || matches!(*point, "move" | "delete"));
                if !whole && !halfway {
                    same(&format!("{name}, killed"), &between[stream], before);
                }
                let decided = whole || own["completedEarlierAttempt"] == Value::Bool(true);
                if killed && !self.shape.many {
                    let late = matches!(*point, "committed" | "recorded");
                    let may = late || (OF_SINKS.contains(point) && *point != "commit");
                    assert!(decided == late || (decided && may), "{name}: {report}");
                }
                committed += u32::from(whole);
                // A run that was decided is over: the next one is of its own.
                let again = self.shape.again(&applied, round);
                assert!(!self.shape.may_repeat() || again == applied, "the model is not what is promised");
                *before = if decided { again } else { applied };
                same(&format!("{name}, resumed"), &after[stream], before);
            }
            apart += u32::from(committed > 0 && (committed as usize) < between.len());
        }
        for point in OF_A_RUN.into_iter().filter(|point| *point != "split saved" || self.shape.divided()) {
            assert!(hit.contains(point), "{}: `{point}` was not hit", self.name);
        }
        (hit, apart)
    }
}

/// The worlds of a sink.
fn worlds(sink: Sink) -> Vec<Shape> {
    let modes = if matches!(sink, Sink::File | Sink::S3) { &OF_TABLES[..2] } else { &OF_TABLES[..] };
    let sources = [Source::File, Source::S3, Source::Postgres, Source::Sqlite, Source::Http];
    let syncs = [Sync::Incremental, Sync::FullRefresh];
    if std::env::var("AGGREGATOR_POINTS").is_ok_and(|wanted| wanted == "all") {
        let of = |source, sync| {
            let each = modes.iter().flat_map(|mode| [(*mode, false), (*mode, true)]);
            each.map(move |(mode, many)| Shape { source, sink, mode, sync, many })
        };
        return syncs
            .into_iter()
            .flat_map(|sync| sources.into_iter().flat_map(move |source| of(source, sync)))
            .collect();
    }
    let mut random = Random::seeded(&format!("worlds of {sink:?}"));
    let (mode, source, turn) = (random.below(modes.len()), random.below(sources.len()), random.below(2));
    let of = |number: usize, sync: Sync, source: Source| {
        // So each mode comes, and that of files with one stream and with many.
        let (mode, many) = (modes[(mode + number) % modes.len()], (turn + number / 2) % 2 == 1);
        Shape { source, sink, mode, sync, many }
    };
    let whole = sources.into_iter().cycle().skip(source).take(WHOLE);
    let all = sources.into_iter().map(|source| (Sync::Incremental, source));
    let all = all.chain(whole.map(|source| (Sync::FullRefresh, source)));
    all.enumerate().map(|(number, (sync, source))| of(number, sync, source)).collect()
}

fn all_into(sink: Sink) {
    let (mut hit, mut apart, mut kills) = (BTreeSet::new(), 0, 0);
    let worlds = worlds(sink);
    for shape in &worlds {
        let (of_world, apart_there) = World::of(*shape).play();
        kills += of_world.len();
        hit.extend(of_world);
        apart += apart_there;
    }
    assert!(apart > 0, "{sink:?}: no kill came between the commits of two streams");
    for point in own(sink) {
        assert!(hit.contains(point), "`{point}` was not hit: {hit:?}");
    }
    note("points", json!({"sink": format!("{sink:?}"), "worlds": worlds.len(), "points": hit, "hit": kills}));
}

#[test]
fn every_source_into_files() {
    all_into(Sink::File);
}

#[test]
fn every_source_into_objects() {
    all_into(Sink::S3);
}

#[test]
fn every_source_into_postgres() {
    all_into(Sink::Postgres);
}

#[test]
fn every_source_into_sqlite() {
    all_into(Sink::Sqlite);
}

#[test]
fn no_point_is_left_out() {
    let known: BTreeSet<&str> = [Sink::File, Sink::S3, Sink::Postgres].into_iter().flat_map(own).copied().collect();
    assert_eq!(known, BTreeSet::from(OF_SINKS));
}
